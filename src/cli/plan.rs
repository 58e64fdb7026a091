//! `provost plan`

use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use owo_colors::OwoColorize;
use provost_core::gate::Decision;
use provost_core::organisation::Decided;
use provost_core::step::Scope;
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::{CliError, Config, Output, block_on, output, progress};
use crate::engine::{Requested, View};
use crate::settings::{Overrides, Settings};
use crate::text::safe;
use crate::{embedded, looking};

/// Show what would change on the live systems, and what waits for whom
///
/// Reads every target and changes nothing. With --detailed-exitcode: 0 nothing would change, 1 an error, 2 changes.
///
/// Examples:
///   provost plan
///   provost plan --commit feature --output markdown
///   provost plan --repo access --output json --detailed-exitcode
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The desired-state repository, instead of the settings'
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// A commit, instead of the tracked branch
    #[arg(long)]
    commit: Option<String>,
    /// Exit with 2 when something would change
    #[arg(long)]
    detailed_exitcode: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let overrides = Overrides { repository: args.repo.clone(), ..Overrides::default() };
    let settings = config.load_for(args.repo.as_deref(), &overrides)?;
    let found = progress::during("reading the targets", || compute_at(&settings, args.commit.as_deref()))?;
    match args.output {
        Output::Json => output::json(&found)?,
        Output::Markdown => print_markdown(&found),
        Output::Text => print_text(&found),
    }
    let code = if args.detailed_exitcode && !found.operations.is_empty() { 2 } else { 0 };
    Ok(ExitCode::from(code))
}

/// A plan as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    commit: String,
    /// Why it is not the tracked branch's.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
    operations: Vec<Shown>,
    not_planned: Vec<NotPlanned>,
    unread: Vec<Unread>,
    problems: Vec<String>,
    requests: Vec<Requested>,
}

#[derive(Debug, Serialize)]
struct Shown {
    digest: String,
    target: String,
    identity: Option<String>,
    profile: String,
    verb: &'static str,
    summary: String,
    tier: provost_sdk::Risk,
    drift: bool,
    decision: Decision,
    causes: Vec<String>,
    operation: Value,
    #[serde(skip)]
    before: String,
    #[serde(skip)]
    after: String,
}

#[derive(Debug, Serialize)]
struct NotPlanned {
    #[serde(flatten)]
    what: Value,
    why: String,
}

#[derive(Debug, Serialize)]
struct Unread {
    target: String,
    why: String,
}

impl Found {
    /// How many operations would be done now.
    pub(super) fn proceeding(&self) -> usize {
        self.operations.iter().filter(|operation| operation.decision == Decision::Proceed).count()
    }
}

/// The plan of the tracked branch.
pub(super) fn compute(settings: &Settings) -> Result<Found, CliError> {
    compute_at(settings, None)
}

fn compute_at(settings: &Settings, commit: Option<&str>) -> Result<Found, CliError> {
    let mut view = View::open(settings, commit, Timestamp::now())?;
    let shared = Arc::new(settings.clone());
    let unread = block_on(async {
        embedded::serve_all(&shared, true).await?;
        Ok::<_, embedded::EmbeddedError>(looking::read_all(&mut view, &shared).await)
    })??;
    let now = Timestamp::now();
    let mut decided = view.organisation.plan(None, &Scope::All, now);
    // What only a plan shows may have its agreement.
    if view.agree(std::slice::from_ref(&decided), now) {
        decided = view.organisation.plan(None, &Scope::All, now);
    }
    let organisation = &view.organisation;
    let mut grants = looking::Grants::default();
    provost_core::plan::explain(&mut decided.plan, |planned| {
        looking::causes(organisation, planned, &mut grants)
    });
    Ok(shown(&view, decided, unread))
}

fn shown(view: &View, decided: Decided, unread: Vec<(String, String)>) -> Found {
    let Decided { plan, decisions } = decided;
    let operations = plan.operations.into_iter().zip(decisions).map(|(planned, decision)| {
        let (before, after) = looking::effect(&view.organisation, &planned);
        Shown {
            digest: planned.digest.to_string(),
            target: planned.target.to_string(),
            identity: planned.identity.map(|identity| identity.to_string()),
            profile: planned.profile.to_string(),
            verb: planned.verb().as_str(),
            summary: crate::engine::summary(&planned),
            tier: planned.tier,
            drift: planned.drift,
            decision,
            operation: serde_json::to_value(&planned.operation).unwrap_or_default(),
            causes: planned.causes,
            before,
            after,
        }
    });
    let not_planned = plan.not_planned.iter().map(|not_planned| {
        let mut what = serde_json::to_value(not_planned).unwrap_or_default();
        if let Some(map) = what.as_object_mut() {
            map.remove("why");
        }
        NotPlanned { what, why: not_planned.why.to_string() }
    });
    Found {
        commit: view.commit.to_string(),
        notice: view.notice.clone(),
        operations: operations.collect(),
        not_planned: not_planned.collect(),
        unread: unread.into_iter().map(|(target, why)| Unread { target, why }).collect(),
        problems: view.organisation.snapshot().problems().into_iter().map(ToString::to_string).collect(),
        requests: view.requests(),
    }
}

/// Prints a plan for people.
pub(super) fn print_text(found: &Found) {
    output::notice(found.notice.as_deref());
    for unread in &found.unread {
        anstream::println!(
            "{} {} cannot be read: {}",
            "warning:".yellow().bold(),
            safe(&unread.target),
            safe(&unread.why)
        );
    }
    let mut target = "";
    for operation in &found.operations {
        if operation.target != target {
            target = &operation.target;
            anstream::println!("\n{}", safe(target).bold());
        }
        let mark = match operation.decision {
            Decision::Proceed => "•".green().to_string(),
            Decision::Wait { .. } => "…".yellow().to_string(),
            Decision::Refuse { .. } => "✗".red().to_string(),
        };
        let drift = if operation.drift { " (drift)" } else { "" };
        anstream::println!(
            "{mark} {}{drift}{}",
            safe(&operation.summary),
            decision_text(&operation.decision)
        );
        print_diff(&operation.before, &operation.after);
        for cause in &operation.causes {
            anstream::println!("    {}", format!("because {}", safe(cause)).dimmed());
        }
    }
    if !found.not_planned.is_empty() {
        anstream::println!("\n{}", "Not planned".bold());
        for not_planned in &found.not_planned {
            anstream::println!("  {}", safe(&not_planned_text(not_planned)));
        }
    }
    if !found.requests.is_empty() {
        anstream::println!("\n{}", "Waits for people".bold());
        for requested in &found.requests {
            let digest = &requested.open.digest.to_string()[..12];
            anstream::println!("  {digest} {}", safe(&requested.summary));
            for lack in &requested.lacks {
                anstream::println!("    {}", format!("missing: {}", safe(lack)).yellow());
            }
        }
    }
    let of =
        |wanted: fn(&Decision) -> bool| found.operations.iter().filter(|one| wanted(&one.decision)).count();
    let (waiting, refused) = (
        of(|decision| matches!(decision, Decision::Wait { .. })),
        of(|decision| matches!(decision, Decision::Refuse { .. })),
    );
    anstream::println!(
        "\nPlan for {}: {} to do, {waiting} waiting, {refused} refused, {} not planned.",
        &found.commit[..found.commit.len().min(12)],
        found.proceeding(),
        found.not_planned.len()
    );
}

fn print_diff(before: &str, after: &str) {
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let line = safe(change.value().trim_end_matches('\n'));
        match change.tag() {
            ChangeTag::Delete => anstream::println!("    {}", format!("- {line}").red()),
            ChangeTag::Insert => anstream::println!("    {}", format!("+ {line}").green()),
            ChangeTag::Equal => {}
        }
    }
}

fn decision_text(decision: &Decision) -> String {
    match decision {
        Decision::Proceed => String::new(),
        Decision::Wait { reason } => format!(" {}", format!("waits: {}", safe(&reason.to_string())).yellow()),
        Decision::Refuse { guard } => format!(" {}", format!("refused: {}", safe(&guard.to_string())).red()),
    }
}

fn not_planned_text(not_planned: &NotPlanned) -> String {
    let text = |name: &str| not_planned.what.get(name).and_then(Value::as_str).unwrap_or_default();
    let account =
        not_planned.what.get("account").and_then(|account| account.get("username")).and_then(Value::as_str);
    let who = Some(text("identity")).filter(|identity| !identity.is_empty()).or(account).unwrap_or_default();
    let words = [text("verb"), text("entitlement")]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    format!("{} {who} {words}: {}", text("target"), not_planned.why)
}

fn print_markdown(found: &Found) {
    let cell = |text: &str| safe(text).replace('|', "\\|").replace('<', "&lt;").replace('`', "'");
    anstream::println!("### provost plan for `{}`\n", &found.commit[..found.commit.len().min(12)]);
    if let Some(notice) = &found.notice {
        anstream::println!("> {}\n", safe(notice));
    }
    if found.operations.is_empty() {
        anstream::println!("Nothing would change.");
    } else {
        anstream::println!("| target | what | decision | because | digest |\n|---|---|---|---|---|");
    }
    for operation in &found.operations {
        let decision = match &operation.decision {
            Decision::Proceed => "proceeds".to_owned(),
            Decision::Wait { reason } => format!("waits: {reason}"),
            Decision::Refuse { guard } => format!("refused: {guard}"),
        };
        let digest = operation.digest.get(..12).unwrap_or(&operation.digest);
        let causes = operation.causes.join("; ");
        anstream::println!(
            "| {} | {} | {} | {} | `{digest}` |",
            cell(&operation.target),
            cell(&operation.summary),
            cell(&decision),
            cell(&causes)
        );
    }
    if !found.requests.is_empty() {
        anstream::println!("\n| waits for people | missing | digest |\n|---|---|---|");
    }
    for requested in &found.requests {
        let digest = &requested.open.digest.to_string()[..12];
        let lacks = requested.lacks.join("; ");
        anstream::println!("| {} | {} | `{digest}` |", cell(&requested.summary), cell(&lacks));
    }
    for unread in &found.unread {
        anstream::println!("\n> {} cannot be read: {}", cell(&unread.target), cell(&unread.why));
    }
}
