//! `provost history`

use std::process::ExitCode;

use provost_audit::index::Query;

use super::{CliError, Config, Output, output, progress};
use crate::history::{Entry, History};
use crate::settings::{Overrides, Settings};

/// Show everything that was ever done to or for somebody, from the audit log
///
/// Examples:
///   provost history p-1042
///   provost history p-1042 --target forge --output json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// An identity's id
    subject: String,
    /// Only on this target
    #[arg(long)]
    target: Option<String>,
    /// At most this many, the newest
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let query = Query {
        subject: Some(args.subject.clone()),
        target: args.target.clone(),
        limit: args.limit,
        ..Query::default()
    };
    let entries = opened(&settings)?.find(&query, None)?;
    if args.output == Output::Json {
        output::json(&entries)?;
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        anstream::println!("The audit log has nothing about {}.", crate::text::safe(&args.subject));
        return Ok(ExitCode::SUCCESS);
    }
    anstream::println!("{}", table_of(&entries));
    Ok(ExitCode::SUCCESS)
}

/// The log of an installation with its index up to date; a bar shows how far that is.
pub(super) fn opened(settings: &Settings) -> Result<History, CliError> {
    let bar = progress::bar("indexing");
    let opened = History::open(settings, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    Ok(opened?)
}

/// Records as a table.
pub(super) fn table_of(entries: &[Entry]) -> String {
    let rows = entries.iter().map(|entry| {
        let commit = entry.commit.get(..12).unwrap_or(&entry.commit).to_owned();
        let target = entry.target.clone().unwrap_or_default();
        vec![entry.at.to_string(), entry.kind.clone(), target, entry.summary.clone(), commit]
    });
    output::table(&["at", "kind", "target", "what", "commit"], rows)
}
