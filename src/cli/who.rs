//! `provost who`

use std::process::ExitCode;

use jiff::Timestamp;
use provost_audit::index::{Held, Query};
use provost_core::Sym;
use provost_core::set::Spec;
use serde::Serialize;

use super::audit::instant;
use super::{CliError, Config, Output, output, why};
use crate::engine::View;
use crate::settings::{Overrides, Settings};

/// Show who has an entitlement, by the documents and on the target
///
/// Examples:
///   provost who forge group:engineering
///   provost who tickets project:platform#member --output json
///   provost who workforce                everybody with an account there
///   provost who production group:admins --at 2026-06-30
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The target
    target: String,
    /// What: KIND:NAME, or KIND:NAME#ROLE; a NAME alone where the target has one kind of that name
    entitlement: Option<String>,
    /// At this instant, or at the end of this day in UTC: the past as it was seen, by the audit log; the future by what
    /// counts now
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
struct Holder {
    identity: Option<Sym>,
    account: Option<Sym>,
    /// Whether the documents say so; of the past `why PERSON --at DATE` tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<bool>,
    /// Whether the target has it so, as last seen.
    seen: bool,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let overrides = Overrides { repository: args.repo.clone(), ..Overrides::default() };
    let settings = config.load_for(args.repo.as_deref(), &overrides)?;
    let now = Timestamp::now();
    let at = args.at.as_deref().map(|at| instant(at, true)).transpose()?;
    let holders = match at {
        Some(at) if at <= now => past(&settings, args, at)?,
        at => {
            let view = match at {
                Some(at) => View::open_at(&settings, at)?,
                None => View::open(&settings, None, now)?,
            };
            output::notice(view.notice.as_deref());
            let target = why::known_target(&view.organisation, &args.target)?;
            let spec = args.entitlement.as_deref().map(|text| parse(&view, target, text)).transpose()?;
            holders(&view, target, spec)
        }
    };
    if args.output == Output::Json {
        output::json(&holders)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = holders.iter().map(|holder| {
        let note = match (holder.wanted, holder.seen) {
            (Some(true), true) => "",
            (Some(true), false) => "not there yet",
            (Some(false), true) if holder.identity.is_some() => "nothing in force gives it",
            (None, _) if holder.identity.is_some() => "",
            _ => "nobody's account",
        };
        let text = |name: Option<Sym>| name.map(|name| name.to_string()).unwrap_or_default();
        vec![text(holder.identity), text(holder.account), note.to_owned()]
    });
    anstream::println!("{}", output::table(&["identity", "account", ""], rows));
    anstream::println!("\n{} in all", holders.len());
    Ok(ExitCode::SUCCESS)
}

/// Who was seen to have it then, by the index of the audit log.
fn past(settings: &Settings, args: &Args, at: Timestamp) -> Result<Vec<Holder>, CliError> {
    let history = super::history::opened(settings)?;
    let known = Query { target: Some(args.target.clone()), limit: 1, ..Query::default() };
    if history.find(&known, None)?.is_empty() {
        let target = crate::text::safe(&args.target);
        return Err(CliError::user(format!("The audit log knows no target `{target}`.")));
    }
    let held = args.entitlement.as_deref().map(|text| {
        let (kind, name, role) = parts(text);
        Held { kind, name, role }
    });
    let holders = history.holders(&args.target, held, at.as_second())?;
    let holders =
        holders.ok_or_else(|| CliError::user(format!("The audit log began after {at}.")))?.into_iter();
    let name = |name: Option<String>| name.as_deref().map(Sym::new);
    let holders = holders.map(|holder| Holder {
        identity: name(holder.identity),
        account: name(holder.account),
        wanted: None,
        seen: true,
    });
    Ok(holders.collect())
}

/// Kind, name and role of `KIND:NAME#ROLE`.
fn parts(text: &str) -> (Option<&str>, &str, Option<&str>) {
    let (rest, role) = text.split_once('#').map_or((text, None), |(rest, role)| (rest, Some(role)));
    let (kind, name) = rest.split_once(':').map_or((None, rest), |(kind, name)| (Some(kind), name));
    (kind, name, role)
}

fn parse(view: &View, target: Sym, text: &str) -> Result<Spec, CliError> {
    let (kind, rest, role) = parts(text);
    let role = role.map(Sym::new);
    if let Some(kind) = kind {
        return Ok(Spec { kind: Sym::new(kind), name: Sym::new(rest), role });
    }
    let known = view.organisation.target(target);
    let kinds: Vec<Sym> = known
        .into_iter()
        .flat_map(|known| known.observed.names().iter())
        .filter(|(_, _, named)| named.name == *rest)
        .map(|(kind, _, _)| kind)
        .collect();
    match kinds[..] {
        [kind] => Ok(Spec { kind, name: Sym::new(rest), role }),
        _ => Err(CliError::user(format!("`{text}` names no single entitlement on {target}."))
            .hint("write KIND:NAME, such as group:engineering")),
    }
}

fn holders(view: &View, target: Sym, spec: Option<Spec>) -> Vec<Holder> {
    let organisation = &view.organisation;
    let wanted = organisation.access().who(target, spec);
    let mut holders: Vec<Holder> = Vec::new();
    let observed = organisation.target(target).map(|known| &known.observed);
    let holds = |anchor: Sym| {
        let (Some(observed), Some(spec)) = (observed, spec) else { return true };
        observed
            .account(anchor)
            .is_some_and(|seen| seen.entitlements.iter().any(|key| observed.names().spec(key) == spec))
    };
    for identity in &wanted {
        let link = observed.and_then(|observed| observed.links_of(*identity).next());
        let account = link.as_ref().and_then(|(_, link)| observed?.account(link.anchor));
        let seen = link.is_some_and(|(_, link)| account.is_some() && holds(link.anchor));
        holders.push(Holder {
            identity: Some(*identity),
            account: account.map(|seen| seen.username),
            wanted: Some(true),
            seen,
        });
    }
    for (anchor, account) in observed.into_iter().flat_map(|observed| observed.accounts()) {
        let owner = observed.and_then(|observed| observed.owner(anchor)).map(|(identity, _)| identity);
        let known = owner.is_some_and(|owner| wanted.binary_search(&owner).is_ok());
        if !known && holds(anchor) {
            holders.push(Holder {
                identity: owner,
                account: Some(account.username),
                wanted: Some(false),
                seen: true,
            });
        }
    }
    holders.sort_by_key(|holder| (holder.identity, holder.account));
    holders
}
