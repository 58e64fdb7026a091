//! `provost status`

use std::process::ExitCode;

use owo_colors::OwoColorize;
use serde::Deserialize;
use serde_json::Value;

use super::{CliError, Config, Output, block_on, output};
use crate::control;
use crate::settings::Overrides;
use crate::text::safe;

/// Show what the running daemon does, target by target, and what waits for whom
///
/// Examples:
///   provost status
///   provost status --output json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let report = block_on(control::request(&settings.state, "GET", "/api/v1/status", &Value::Null))?
        .map_err(|error| {
            CliError::from(error)
                .hint("`provost run` starts one; `provost plan` looks at the targets without it")
        })?;
    if args.output == Output::Json {
        output::json(&report)?;
    } else {
        print(&Shown::parse(report)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// A report as it is shown.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    installation: String,
    repository: String,
    branch: String,
    commit: Option<String>,
    refused_commit: Option<(String, String)>,
    source_error: Option<String>,
    journal_error: Option<String>,
    targets: Vec<provost_core::step::TargetStatus>,
    audit: Audit,
    held: Held,
}

#[derive(Debug, Deserialize)]
struct Audit {
    published: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Held {
    problems: Vec<String>,
    waiting: Vec<String>,
    shown: Vec<String>,
    #[serde(default)]
    requests: Vec<Requested>,
    #[serde(default)]
    alarms: Vec<String>,
    #[serde(default)]
    refused_approvals: Vec<String>,
}

/// Something that waits for people.
#[derive(Debug, Deserialize)]
struct Requested {
    digest: String,
    summary: String,
    lacks: Vec<String>,
}

impl Shown {
    pub(super) fn of(report: &crate::daemon::Report) -> Result<Shown, CliError> {
        let value = serde_json::to_value(report)
            .map_err(|error| CliError::internal("The report has no form.", error))?;
        Shown::parse(value)
    }

    fn parse(report: Value) -> Result<Shown, CliError> {
        serde_json::from_value(report).map_err(|error| {
            CliError::internal("The daemon answers in another form than this program knows.", error)
        })
    }

    /// Whether every target is as it should be, but for what waits for people.
    pub(super) fn is_whole(&self) -> bool {
        use provost_core::step::Health;
        let well = |health| matches!(health, Health::Healthy | Health::Progressing);
        self.journal_error.is_none()
            && self.refused_commit.is_none()
            && self.targets.iter().all(|target| well(target.health) && target.unfinished == 0)
    }
}

/// Prints a report for people.
pub(super) fn print(report: &Shown) {
    let commit = report.commit.as_deref().map_or("none yet", |commit| &commit[..commit.len().min(12)]);
    anstream::println!(
        "repository    {} ({}), commit {commit}",
        safe(&report.repository),
        safe(&report.branch)
    );
    let installation = &report.installation[..report.installation.len().min(12)];
    let published = match (&report.audit.error, &report.audit.published) {
        (Some(why), _) => format!("{}: {}", "not published".red(), safe(why)),
        (None, Some(commit)) => format!("published at {}", &commit[..commit.len().min(12)]),
        (None, None) => "not published".to_owned(),
    };
    anstream::println!("installation  {installation}, audit log {published}");
    for (what, why) in [("journal", &report.journal_error), ("source", &report.source_error)] {
        if let Some(why) = why {
            anstream::println!("{} {}", format!("{what}:").red().bold(), safe(why));
        }
    }
    if let Some((commit, why)) = &report.refused_commit {
        anstream::println!("{} commit {} is not taken: {}", "refused:".red().bold(), safe(commit), safe(why));
    }
    for alarm in &report.held.alarms {
        anstream::println!("{} {}", "ALARM:".red().bold(), safe(alarm));
    }
    anstream::println!();
    let rows = report.targets.iter().map(|target| {
        let open = [
            ("queued", target.unfinished),
            ("waiting", target.waiting),
            ("refused", target.refused),
            ("held", target.held),
        ];
        let open: Vec<String> = open
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        vec![
            target.target.to_string(),
            format!("{:?}", target.sync),
            format!("{:?}", target.health),
            format!("{:?}", target.operation),
            target.succeeded.to_string(),
            open.join(", "),
            target.reason.clone().or_else(|| target.last_failure.clone()).unwrap_or_default(),
        ]
    });
    anstream::println!(
        "{}",
        output::table(&["target", "sync", "health", "operation", "done", "open", "reason"], rows)
    );
    print_requests(&report.held.requests);
    for (heading, lines) in [
        ("Problems", &report.held.problems),
        ("Approvals that count for nothing", &report.held.refused_approvals),
        ("Waiting", &report.held.waiting),
        ("To be seen", &report.held.shown),
    ] {
        if !lines.is_empty() {
            anstream::println!("\n{}", heading.bold());
            for line in lines.iter().take(SHOWN) {
                anstream::println!("  {}", safe(line));
            }
            if lines.len() > SHOWN {
                anstream::println!("  ... and {} more (--output json shows all)", lines.len() - SHOWN);
            }
        }
    }
}

fn print_requests(requests: &[Requested]) {
    if requests.is_empty() {
        return;
    }
    anstream::println!("\n{}", "Waits for people (provost approve DIGEST)".bold());
    for requested in requests.iter().take(SHOWN) {
        let digest = requested.digest.get(..12).unwrap_or(&requested.digest);
        anstream::println!("  {} {}", digest.bold(), safe(&requested.summary));
        for lack in &requested.lacks {
            anstream::println!("      {}", safe(lack));
        }
    }
    if requests.len() > SHOWN {
        anstream::println!("  ... and {} more (--output json shows all)", requests.len() - SHOWN);
    }
}

/// As many lines of one kind as fit on a screen beside the rest.
const SHOWN: usize = 12;
