//! `provost why`

use std::process::ExitCode;

use jiff::Timestamp;
use owo_colors::OwoColorize;
use provost_core::Sym;
use provost_core::access::{About, GrantState, GrantWithCauses, Lifecycle, NotHeld};
use provost_core::organisation::Organisation;
use serde::Serialize;

use super::audit::instant;
use super::{CliError, Config, Output, output};
use crate::engine::View;
use crate::settings::Overrides;
use crate::text::safe;

/// Explain what somebody has, what waits, and what somebody has not
///
/// Examples:
///   provost why p-1042
///   provost why p-1042 production
///   provost why p-1042 --role production-admin
///   provost why p-1042 --at 2026-06-30
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// An identity: its id, or its username
    person: String,
    /// Only about this target
    target: Option<String>,
    /// Why not this role
    #[arg(long, conflicts_with = "target")]
    role: Option<String>,
    /// At this instant, or at the end of this day in UTC: the past by the audit log, the future by what counts now
    #[arg(long, value_name = "DATE")]
    at: Option<String>,
    /// The desired-state repository, instead of the settings'
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Answer {
    identity: Sym,
    lifecycle: Lifecycle,
    grants: Vec<GrantWithCauses>,
    not_held: Vec<NotHeld>,
    accounts: Vec<Account>,
}

#[derive(Debug, Serialize)]
struct Account {
    target: Sym,
    profile: Sym,
    username: Option<Sym>,
    state: Option<provost_sdk::State>,
    disabled_by_provost: bool,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let overrides = Overrides { repository: args.repo.clone(), ..Overrides::default() };
    let settings = config.load_for(args.repo.as_deref(), &overrides)?;
    let view = match &args.at {
        Some(at) => View::open_at(&settings, instant(at, true)?)?,
        None => View::open(&settings, None, Timestamp::now())?,
    };
    output::notice(view.notice.as_deref());
    let organisation = &view.organisation;
    let identity = find(organisation, &args.person)?;
    let about = match (&args.target, &args.role) {
        (Some(target), _) => Some(About::Target(known_target(organisation, target)?)),
        (None, Some(role)) => Some(About::Role(Sym::new(role))),
        (None, None) => None,
    };
    let answer = answer(organisation, identity, about);
    if args.output == Output::Json {
        output::json(&answer)?;
    } else {
        print(organisation, &answer, about);
    }
    Ok(ExitCode::SUCCESS)
}

/// An identity by id, else by username.
pub(super) fn find(organisation: &Organisation, name: &str) -> Result<Sym, CliError> {
    let snapshot = organisation.snapshot();
    let id = Sym::new(name);
    if snapshot.identity(id).is_some() {
        return Ok(id);
    }
    let by_username =
        snapshot.identities().find(|identity| identity.username().as_str().eq_ignore_ascii_case(name));
    by_username.map(|identity| identity.id()).ok_or_else(|| {
        CliError::user(format!("There is no identity {name} in the documents that count."))
            .hint("give an id such as p-1042, or a username; `provost check` lists documents with problems")
    })
}

pub(super) fn known_target(organisation: &Organisation, name: &str) -> Result<Sym, CliError> {
    let id = Sym::new(name);
    if organisation.snapshot().target(id).is_some() {
        return Ok(id);
    }
    let all: Vec<String> =
        organisation.snapshot().targets().into_iter().map(|target| target.id.to_string()).collect();
    Err(CliError::user(format!("There is no target {name} in force."))
        .hint(format!("one of {}", all.join(", "))))
}

fn answer(organisation: &Organisation, identity: Sym, about: Option<About>) -> Answer {
    let (access, snapshot) = (organisation.access(), organisation.snapshot());
    let mut grants = access.why(snapshot, organisation.evidence(), identity);
    let mut not_held = Vec::new();
    match about {
        Some(About::Target(target)) => {
            grants.retain(|grant| grant.power.target == target);
            not_held = access.why_not(snapshot, identity, About::Target(target));
        }
        Some(About::Role(role)) => {
            grants.retain(|grant| grant.causes.iter().any(|cause| cause.chain.contains(&role)));
            not_held = access.why_not(snapshot, identity, About::Role(role));
        }
        None => {}
    }
    let accounts = organisation.targets().flat_map(|(target, known)| {
        known.observed.links_of(identity).map(move |(profile, link)| {
            let seen = known.observed.account(link.anchor);
            Account {
                target,
                profile,
                username: seen.map(|seen| seen.username),
                state: seen.map(|seen| seen.state),
                disabled_by_provost: link.disabled.is_some(),
            }
        })
    });
    let accounts = accounts.filter(|account| match about {
        Some(About::Target(target)) => account.target == target,
        _ => true,
    });
    Answer { identity, lifecycle: access.lifecycle(identity), grants, not_held, accounts: accounts.collect() }
}

fn print(organisation: &Organisation, answer: &Answer, about: Option<About>) {
    let identity = organisation.snapshot().identity(answer.identity);
    let username = identity.map(|identity| identity.username().to_string()).unwrap_or_default();
    let lifecycle = answer.lifecycle;
    anstream::println!("{} ({}) is {lifecycle}", safe(answer.identity.as_str()).bold(), safe(&username));
    for account in &answer.accounts {
        let state = account.state.map_or("gone".to_owned(), |state| format!("{state:?}").to_lowercase());
        let name = account.username.map(|username| username.to_string()).unwrap_or_default();
        anstream::println!("  account on {}: {} ({state})", safe(account.target.as_str()), safe(&name));
    }
    section("Has", answer.grants.iter().filter(|grant| grant.state == GrantState::InForce));
    let open = |grant: &&GrantWithCauses| {
        matches!(grant.state, GrantState::Waiting { .. } | GrantState::NotYet { .. })
    };
    section("Waits for", answer.grants.iter().filter(open));
    let over =
        |grant: &&GrantWithCauses| matches!(grant.state, GrantState::Ended { .. } | GrantState::NotActive);
    section("Has no more", answer.grants.iter().filter(over));
    if about.is_some() && !answer.not_held.is_empty() {
        anstream::println!("\n{}", "Has not".bold());
        for not_held in &answer.not_held {
            let grants: Vec<String> = not_held.grants.iter().map(ToString::to_string).collect();
            anstream::println!("  {} (role {})", safe(&grants.join(", ")), safe(not_held.role.as_str()));
            for reason in &not_held.reasons {
                anstream::println!("    {}", safe(&reason.to_string()));
            }
        }
    } else if about.is_some() && answer.grants.is_empty() {
        anstream::println!("\nNothing leads there: no role grants anything on it.");
    }
}

fn section<'a>(heading: &str, grants: impl Iterator<Item = &'a GrantWithCauses>) {
    let mut first = true;
    for grant in grants {
        if std::mem::take(&mut first) {
            anstream::println!("\n{}", heading.bold());
        }
        let state = match &grant.state {
            GrantState::Waiting { why } => format!(": {why}").yellow().to_string(),
            GrantState::NotYet { from } => format!(": begins {from}"),
            GrantState::Ended { since } => format!(": ended {since}"),
            GrantState::InForce | GrantState::NotActive => String::new(),
        };
        anstream::println!("  {} ({:?}){state}", safe(&grant.power.to_string()), grant.risk);
        for cause in &grant.causes {
            anstream::println!("    {}", safe(&cause.to_string()));
        }
    }
}
