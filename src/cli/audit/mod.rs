//! `provost audit`: one file a verb.

mod erase;
mod export;
mod filter;
mod log;
mod rotate;
mod verify;

use std::process::ExitCode;

pub(super) use filter::instant;

use super::{CliError, Config};

/// The audit log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Verify(verify::Args),
    Log(log::Args),
    Export(export::Args),
    RotateKey(rotate::Args),
    Erase(erase::Args),
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    match &args.verb {
        Verb::Verify(args) => verify::run(args, config),
        Verb::Log(args) => log::run(args, config),
        Verb::Export(args) => export::run(args, config),
        Verb::RotateKey(args) => rotate::run(args, config),
        Verb::Erase(args) => erase::run(args, config),
    }
}
