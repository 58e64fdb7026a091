//! The command line: one file a verb. The doc comment of a verb's arguments is its help.

mod adopt;
mod apply;
mod approve;
mod audit;
mod break_glass;
mod check;
mod connector;
mod directory;
mod error;
mod generate;
mod history;
mod init;
mod output;
mod plan;
mod progress;
mod quickstart;
mod run;
mod schema;
mod status;
mod suspend;
mod test;
mod trust;
mod who;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::CliError;
pub use output::Output;

use crate::settings::{Overrides, Settings};

/// Keeps the accounts and access of an organisation equal to a git repository.
///
/// People, service identities, roles and target systems are YAML files; a change is a commit; the daemon applies what
/// has been approved, repairs drift, and writes every mutation back as a signed audit commit.
#[derive(Debug, Parser)]
#[command(name = "provost", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// The settings file [default: $PROVOST_CONFIG, else provost.toml here]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  provost quickstart                     a whole organisation in one folder, converged and watched
  provost check                          every problem of the documents in this folder
  provost plan --detailed-exitcode       what would change on the live systems: 0 nothing, 2 changes
  provost why p-1042 production          why she has it, or has it not";

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Args),
    Quickstart(quickstart::Args),
    Check(check::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Run(run::Args),
    Status(status::Args),
    Trust(trust::Args),
    Adopt(adopt::Args),
    Approve(approve::Args),
    BreakGlass(break_glass::Args),
    Why(why::Args),
    Who(who::Args),
    History(history::Args),
    Audit(audit::Args),
    Test(test::Args),
    Schema(schema::Args),
    Connector(connector::Args),
    Directory(directory::Args),
    Suspend(suspend::SuspendArgs),
    Resume(suspend::ResumeArgs),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

/// Does what the arguments say; errors are printed.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run_verb(cli) {
        Ok(code) => code,
        Err(error) => {
            error.print();
            ExitCode::from(1)
        }
    }
}

fn run_verb(cli: Cli) -> Result<ExitCode, CliError> {
    let config = Config { file: cli.config };
    match cli.verb {
        Verb::Init(args) => init::run(&args),
        Verb::Quickstart(args) => quickstart::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Plan(args) => plan::run(&args, &config),
        Verb::Apply(args) => apply::run(&args, &config),
        Verb::Run(args) => run::run(&args, &config),
        Verb::Status(args) => status::run(&args, &config),
        Verb::Trust(args) => trust::run(&args, &config),
        Verb::Adopt(args) => adopt::run(&args, &config),
        Verb::Approve(args) => approve::run(&args, &config),
        Verb::BreakGlass(args) => break_glass::run(&args, &config),
        Verb::Why(args) => why::run(&args, &config),
        Verb::Who(args) => who::run(&args, &config),
        Verb::History(args) => history::run(&args, &config),
        Verb::Audit(args) => audit::run(&args, &config),
        Verb::Test(args) => test::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Connector(args) => connector::run(&args, &config),
        Verb::Directory(args) => directory::run(&args),
        Verb::Suspend(args) => suspend::suspend(&args, &config),
        Verb::Resume(args) => suspend::resume(&args, &config),
        Verb::Completions(args) => generate::completions(&args),
        Verb::Man(args) => generate::man(&args),
    }
}

/// Where the settings are.
#[derive(Debug)]
pub(crate) struct Config {
    file: Option<PathBuf>,
}

impl Config {
    /// The settings, with what flags say.
    fn load(&self, overrides: &Overrides) -> Result<Settings, CliError> {
        Ok(Settings::load(self.file.as_deref(), overrides)?)
    }

    /// The settings of an installation that a repository belongs to: those named, else those that `init` and
    /// `quickstart` noted in the repository's own git configuration (which no commit can change).
    fn load_for(&self, repository: Option<&str>, overrides: &Overrides) -> Result<Settings, CliError> {
        let noted = repository
            .filter(|_| self.file.is_none() && std::env::var_os("PROVOST_CONFIG").is_none())
            .and_then(|repository| git2::Repository::open(repository).ok())
            .and_then(|repository| repository.config().ok()?.get_path("provost.config").ok());
        Ok(Settings::load(noted.as_deref().or(self.file.as_deref()), overrides)?)
    }
}

/// Runs something that waits on the network, on a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::internal("The runtime did not start.", error))?;
    Ok(runtime.block_on(work))
}
