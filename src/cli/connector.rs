//! `provost connector`

use std::path::PathBuf;
use std::process::ExitCode;

use owo_colors::OwoColorize;

use jiff::Timestamp;
use provost_core::document::Target;

use super::{CliError, Config, Output, block_on, output};
use crate::engine::View;
use crate::settings::{Overrides, Settings};
use crate::text::safe;
use crate::trial::{Trial, Verdict};
use crate::{conformance, embedded, trial};

/// The kinds of system that provost speaks to
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(ListArgs),
    Test(TestArgs),
    Conformance(ConformanceArgs),
}

/// List the connectors and their settings
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Try a target out: what works, what is missing, and which permission to grant
///
/// It only reads. The target is the one in force by the daemon's own log, or that of a file that you vouch for by naming
/// it. Exits with 0 when nothing is missing.
///
/// Examples:
///   provost connector test forge
///   provost connector test --file targets/forge.yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct TestArgs {
    /// The target
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    target: Option<String>,
    /// A Target file instead, in force or not
    #[arg(long)]
    file: Option<PathBuf>,
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

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    match &args.verb {
        Verb::List(args) => list(args),
        Verb::Test(args) => test(args, config),
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

fn test(args: &TestArgs, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let target = match (&args.file, &args.target) {
        (Some(file), _) => {
            let path = file.display().to_string();
            let wrong =
                |why: String| CliError::user(format!("The Target file {path} cannot be used: {why}."));
            let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            trial::target_of(&path, &bytes).map_err(wrong)?
        }
        (None, id) => in_force(&settings, id.as_deref().unwrap_or_default())?,
    };
    let shared = std::sync::Arc::new(settings);
    let found = block_on(async {
        embedded::serve_all(&shared, true).await?;
        Ok::<_, embedded::EmbeddedError>(trial::run(&target, &shared).await)
    })??;
    match args.output {
        Output::Json => output::json(&found)?,
        _ => print_trial(&found),
    }
    Ok(if found.works() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The target as it is in force: no secret is sent and no program started for what a commit changed.
fn in_force(settings: &Settings, id: &str) -> Result<Target, CliError> {
    let view = View::open(settings, None, Timestamp::now())?;
    let target = provost_core::Sym::new(id);
    let Some(document) = view.organisation.snapshot().target(target) else {
        let known = view.organisation.snapshot().targets().into_iter().map(|known| known.id.to_string());
        let known = known.collect::<Vec<_>>().join(", ");
        return Err(CliError::user(format!("There is no target {id}.")).hint(format!("Known are: {known}.")));
    };
    match view.readable.contains(&target) {
        true => Ok(document.clone()),
        false => Err(CliError::user(format!(
            "The document of {id} is not the one in force by the daemon's own audit log, and no secret is sent for \
             what a commit changed."
        ))
        .hint("Read the file, and name it with --file to vouch for it.")),
    }
}

fn print_trial(found: &Trial) {
    anstream::println!("{} ({})\n", safe(&found.target).bold(), safe(&found.connector));
    for finding in &found.findings {
        let word = match finding.verdict {
            Verdict::Works => "works".green().to_string(),
            Verdict::Missing => "missing".red().to_string(),
            Verdict::Untried => "untried".yellow().to_string(),
        };
        anstream::println!("{word}  {}: {}", safe(&finding.what), safe(&finding.seen));
        if let Some(hint) = &finding.hint {
            anstream::println!("         {} {}", "hint:".cyan(), safe(hint));
        }
    }
    if !found.cannot.is_empty() {
        anstream::println!("\nit cannot: {}", found.cannot.join(", "));
    }
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
