//! `provost history`

use std::process::ExitCode;

use super::{CliError, Config, Output, output};
use crate::history;
use crate::settings::Overrides;

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
    let entries = history::of(&settings, &args.subject, args.target.as_deref(), args.limit)?;
    if args.output == Output::Json {
        output::json(&entries)?;
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        anstream::println!("The audit log has nothing about {}.", crate::text::safe(&args.subject));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = entries.iter().map(|entry| {
        let commit = entry.commit.get(..12).unwrap_or(&entry.commit).to_owned();
        vec![
            entry.at.to_string(),
            entry.kind.clone(),
            entry.target.clone().unwrap_or_default(),
            entry.summary.clone(),
            commit,
        ]
    });
    anstream::println!("{}", output::table(&["at", "kind", "target", "what", "commit"], rows));
    Ok(ExitCode::SUCCESS)
}
