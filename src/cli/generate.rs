//! Completions and man pages, generated from the verbs themselves.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;

use super::{Cli, CliError};

/// Print completions for a shell
///
/// Example: provost completions bash > /etc/bash_completion.d/provost
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Write man pages into a folder
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// Where to
    dir: PathBuf,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode, CliError> {
    clap_complete::generate(args.shell, &mut Cli::command(), "provost", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(args: &ManArgs) -> Result<ExitCode, CliError> {
    let failed = |error| {
        CliError::internal(format!("The man pages cannot be written to {}.", args.dir.display()), error)
    };
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
