//! `provost suspend` and `provost resume`

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{CliError, Config, block_on};
use crate::control;
use crate::settings::Overrides;

/// Stop all writing to a target, or to all of them, until `resume`
///
/// This stops what takes away as well: for anything less, let the guards and quarantine do their work.
///
/// Examples:
///   provost suspend forge
///   provost suspend --all
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    which: Which,
}

/// Go on with a target, or with all of them; a quarantine ends with it
///
/// Examples:
///   provost resume forge
///   provost resume --all
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The target
    target: Option<String>,
    /// Every target
    #[arg(long)]
    all: bool,
}

pub(crate) fn suspend(args: &SuspendArgs, config: &Config) -> Result<ExitCode, CliError> {
    tell(config, "/control/suspend", &args.which, "Suspended")
}

pub(crate) fn resume(args: &ResumeArgs, config: &Config) -> Result<ExitCode, CliError> {
    tell(config, "/control/resume", &args.which, "Resumed")
}

fn tell(config: &Config, path: &str, which: &Which, done: &str) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let body = which.target.as_ref().map_or(Value::Null, |target| json!({ "target": target }));
    block_on(control::request(&settings.state, "POST", path, &body))??;
    anstream::println!("{done}: {}.", which.target.as_deref().unwrap_or("all targets"));
    Ok(ExitCode::SUCCESS)
}
