//! `provost test`

use std::process::ExitCode;

use owo_colors::OwoColorize;

use super::{CliError, Output, check, output};
use crate::scenario;
use crate::text::safe;

/// Run the repository's own tests: its Scenario documents
///
/// Each says what somebody must have, must not have, or must be waiting for at an instant. Exits with 1 if one fails.
///
/// Examples:
///   provost test
///   provost test desired-state
///   provost test --repo access.git --commit feature
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    documents: check::Documents,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let (changes, _) = check::read(&args.documents)?;
    let tried = scenario::try_all(&changes);
    let failed = tried.iter().filter(|tried| !tried.failures.is_empty()).count();
    if args.output == Output::Json {
        output::json(&tried)?;
    } else {
        for tried in &tried {
            let word = if tried.failures.is_empty() {
                "ok    ".green().to_string()
            } else {
                "FAILED".red().to_string()
            };
            let description = tried.description.map(|text| text.to_string()).unwrap_or_default();
            anstream::println!("{word} {}  {}", safe(tried.scenario.as_str()), safe(&description));
            for failure in &tried.failures {
                anstream::println!("         {}", safe(failure));
            }
        }
        anstream::println!("\n{} scenarios, {failed} failed", tried.len());
    }
    Ok(if failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
