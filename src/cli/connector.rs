//! `provost connector`

use std::path::PathBuf;
use std::process::ExitCode;

use owo_colors::OwoColorize;

use super::{CliError, Output, block_on, output};
use crate::conformance;
use crate::text::safe;

/// The kinds of system that provost speaks to
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(ListArgs),
    Conformance(ConformanceArgs),
}

/// List the connectors and their settings
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Run the conformance suite on the throwaway system that a Target file describes
///
/// The suite makes and deletes accounts there. Secrets in the file may be `{env: NAME}`. Exits with 0 only when every
/// chapter passes.
///
/// Example:
///   TOKEN=... provost connector conformance target.yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ConformanceArgs {
    /// The Target file
    file: PathBuf,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    match &args.verb {
        Verb::List(args) => list(args),
        Verb::Conformance(args) => conformance(args),
    }
}

fn list(args: &ListArgs) -> Result<ExitCode, CliError> {
    if args.output == Output::Json {
        let all: Vec<_> = crate::registry::connectors().map(conformance::describe).collect();
        output::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    for connector in crate::registry::connectors() {
        anstream::println!("{}  {}", connector.kind().bold(), connector.summary());
        let rows = connector.settings().iter().map(|setting| {
            let marks = [(setting.required, "required"), (setting.place, "place")];
            let marks: Vec<&str> = marks.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
            vec![
                format!("  {}", setting.name),
                format!("{:?}", setting.kind).to_lowercase(),
                marks.join(", "),
                setting.about.to_owned(),
            ]
        });
        anstream::println!("{}\n", output::table(&["  setting", "kind", "", "about"], rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn conformance(args: &ConformanceArgs) -> Result<ExitCode, CliError> {
    let text = args.output == Output::Text;
    let shown = |line: &str| {
        if text {
            anstream::println!("{}", safe(line));
        }
    };
    let report =
        block_on(conformance::run(&args.file, shown))?.map_err(|why| CliError::user(why.to_string()))?;
    if args.output == Output::Json {
        output::json(&report.value)?;
    } else {
        let verdict = if report.passed { "passed".green().to_string() } else { "failed".red().to_string() };
        anstream::println!("\nconformance of {}: {verdict}", safe(&args.file.display().to_string()));
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
