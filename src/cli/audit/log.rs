//! `provost audit log`

use std::process::ExitCode;

use super::filter::Filter;
use crate::cli::{CliError, Config, Output, history, output};
use crate::settings::Overrides;

/// Show records of the audit log, by person, target, time or cause
///
/// Examples:
///   provost audit log --target forge --since 2026-09-01
///   provost audit log --person p-1042 --kind outcome
///   provost audit log --cause production-admin --output json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// Caused by this: a role, a commit of the desired repository, the id of evidence
    #[arg(long, value_name = "WORD")]
    cause: Option<String>,
    /// At most this many, the newest; 0 for all
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let query = args.filter.query(args.limit)?;
    let entries = history::opened(&settings)?.find(&query, args.cause.as_deref())?;
    if args.output == Output::Json {
        output::json(&entries)?;
    } else if entries.is_empty() {
        anstream::println!("The audit log has no such record.");
    } else {
        anstream::println!("{}", history::table_of(&entries));
    }
    Ok(ExitCode::SUCCESS)
}
