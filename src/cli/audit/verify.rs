//! `provost audit verify`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use owo_colors::OwoColorize;
use provost_audit::allowed::AllowedSigners;
use provost_audit::verify::{self, Options};
use provost_audit::{CommitId, OpenIntent};
use serde_json::json;

use crate::cli::{CliError, Config, Output, output, progress};
use crate::settings::Overrides;
use crate::text::safe;

/// Verify the audit log: signatures, sequence, chain, every outcome to its intent, every grant to its evidence
///
/// Checks the daemon's own log, or a clone of the published branch with --repo and --signers. Without a pinned commit a
/// log that was cut off cannot be told from a whole one. Exits with 1 if anything is found.
///
/// Examples:
///   provost audit verify
///   provost audit verify --repo access.git --signers allowed_signers --pin 3f2a91c...
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// A repository with the published branch, instead of the daemon's own
    #[arg(long, value_name = "DIR", requires = "signers")]
    repo: Option<PathBuf>,
    /// Keys that may have signed, in OpenSSH's allowed_signers format, instead of the daemon's own
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,
    /// Only what comes after this record
    #[arg(long, value_name = "COMMIT")]
    from: Option<String>,
    /// Up to this record [default: the newest]
    #[arg(long, value_name = "COMMIT")]
    to: Option<String>,
    /// A record that must be in the log; may be given several times
    #[arg(long, value_name = "COMMIT")]
    pin: Vec<String>,
    /// Also have git check every object
    #[arg(long)]
    objects: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let (path, signers) = match (&args.repo, &args.signers) {
        (Some(repo), Some(signers)) => (repo.clone(), signers.clone()),
        _ => {
            let state = config.load(&Overrides::default())?.state;
            (state.join("provost.git"), args.signers.clone().unwrap_or_else(|| state.join("signing-key.pub")))
        }
    };
    let text = std::fs::read_to_string(&signers).map_err(|error| {
        CliError::internal(format!("The keys in {} cannot be read.", signers.display()), error)
    })?;
    let keys = keys(&text)
        .map_err(|why| CliError::user(format!("The keys in {} are wrong: {why}", signers.display())))?;
    let tip = match &args.to {
        Some(commit) => id(commit)?,
        None => tip(&path)?,
    };
    let options = Options {
        keys,
        from: args.from.as_deref().map(id).transpose()?,
        pins: args.pin.iter().map(|pin| id(pin)).collect::<Result<_, _>>()?,
        objects: args.objects,
    };
    let bar = progress::bar("verifying");
    let report = verify::verify(&path, tip, &options, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| CliError::user(error.to_string()))?;
    let now = Timestamp::now();
    if args.output == Output::Json {
        let grants: BTreeMap<&str, u64> =
            report.grants.iter().map(|(label, count)| (label.name(), *count)).collect();
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "commit": finding.commit.map(|commit| commit.to_string()),
                    "check": finding.check.name(),
                    "message": finding.message,
                })
            })
            .collect();
        output::json(&json!({
            "tip": report.tip.to_string(),
            "records": report.records,
            "range": report.range,
            "open": report.open.len(),
            "in_doubt": report.open.iter().map(|open| in_doubt(open, now)).collect::<Vec<_>>(),
            "grants": grants,
            "findings": findings,
        }))?;
    } else {
        print(&report, options.pins.is_empty(), now);
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// An operation without an outcome: in doubt if no daemon is calling it now.
fn in_doubt(open: &OpenIntent, now: Timestamp) -> serde_json::Value {
    json!({
        "seq": open.seq,
        "operation": open.operation,
        "target": open.target,
        "subject": open.subject,
        "not_after": open.not_after,
        "unknown": open.unknown,
        "age_seconds": now.as_second() - open.at,
    })
}

fn print(report: &verify::Report, unpinned: bool, now: Timestamp) {
    for finding in &report.findings {
        let commit = finding.commit.map(|commit| commit.to_string()).unwrap_or_default();
        let at = commit.get(..12).unwrap_or_default();
        anstream::println!(
            "{} {at} {}: {}",
            "finding:".red().bold(),
            finding.check.name(),
            safe(&finding.message)
        );
    }
    let verdict = match report.findings.len() {
        0 => "all is well".green().bold().to_string(),
        count => format!("{count} findings").red().bold().to_string(),
    };
    anstream::println!(
        "{} records up to {}: {verdict}; {} operations without an outcome",
        report.records,
        report.tip,
        report.open.len()
    );
    let grants: Vec<String> =
        report.grants.iter().map(|(label, count)| format!("{count} {}", label.name())).collect();
    if !grants.is_empty() {
        anstream::println!("grants by what they rest on: {}", grants.join(", "));
    }
    for open in &report.open {
        let age = SignedDuration::from_secs(now.as_second() - open.at);
        anstream::println!(
            "{} record {}: operation {} for {} on {}, for {age:#} without an outcome",
            "in doubt:".yellow().bold(),
            open.seq,
            safe(open.operation.get(..12).unwrap_or(&open.operation)),
            safe(&open.subject),
            safe(&open.target)
        );
    }
    if unpinned {
        anstream::println!(
            "note: without --pin a log that was cut off at its end cannot be told from a whole one"
        );
    }
}

/// The format of ssh's allowed_signers, or public keys alone, one a line, which then may sign anything here.
fn keys(text: &str) -> Result<AllowedSigners, String> {
    let is_bare = text.trim_start().starts_with("ssh-");
    let named = |line: &str| {
        if is_bare && !line.trim().is_empty() { format!("provost {line}") } else { line.to_owned() }
    };
    let text: String = text.lines().map(|line| named(line) + "\n").collect();
    AllowedSigners::parse(&text).map_err(|error| error.to_string())
}

fn tip(path: &std::path::Path) -> Result<CommitId, CliError> {
    let found =
        git2::Repository::open(path).and_then(|repository| repository.refname_to_id(provost_audit::REF));
    let found = found.map_err(|error| {
        CliError::internal(format!("There is no audit log in {}.", path.display()), error)
    })?;
    id(&found.to_string())
}

fn id(text: &str) -> Result<CommitId, CliError> {
    text.parse()
        .map_err(|_| CliError::user(format!("`{text}` is no id of a commit.")).hint("give all 40 digits"))
}
