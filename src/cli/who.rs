//! `provost who`

use std::process::ExitCode;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::set::Spec;
use serde::Serialize;

use super::audit::instant;
use super::{CliError, Config, Output, output, why};
use crate::engine::View;
use crate::settings::Overrides;

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
struct Holder {
    identity: Option<Sym>,
    account: Option<Sym>,
    /// Whether the documents say so.
    wanted: bool,
    /// Whether the target has it so, as last seen.
    seen: bool,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let overrides = Overrides { repository: args.repo.clone(), ..Overrides::default() };
    let settings = config.load_for(args.repo.as_deref(), &overrides)?;
    let view = match &args.at {
        Some(at) => View::open_at(&settings, instant(at, true)?)?,
        None => View::open(&settings, None, Timestamp::now())?,
    };
    output::notice(view.notice.as_deref());
    let target = why::known_target(&view.organisation, &args.target)?;
    let spec = args.entitlement.as_deref().map(|text| parse(&view, target, text)).transpose()?;
    let holders = holders(&view, target, spec);
    if args.output == Output::Json {
        output::json(&holders)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = holders.iter().map(|holder| {
        let note = match (holder.wanted, holder.seen) {
            (true, true) => "",
            (true, false) => "not there yet",
            (false, true) if holder.identity.is_some() => "nothing in force gives it",
            (false, _) => "nobody's account",
        };
        let text = |name: Option<Sym>| name.map(|name| name.to_string()).unwrap_or_default();
        vec![text(holder.identity), text(holder.account), note.to_owned()]
    });
    anstream::println!("{}", output::table(&["identity", "account", ""], rows));
    anstream::println!("\n{} in all", holders.len());
    Ok(ExitCode::SUCCESS)
}

fn parse(view: &View, target: Sym, text: &str) -> Result<Spec, CliError> {
    let (rest, role) = text.split_once('#').map_or((text, None), |(rest, role)| (rest, Some(Sym::new(role))));
    if let Some((kind, name)) = rest.split_once(':') {
        return Ok(Spec { kind: Sym::new(kind), name: Sym::new(name), role });
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
            wanted: true,
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
                wanted: false,
                seen: true,
            });
        }
    }
    holders.sort_by_key(|holder| (holder.identity, holder.account));
    holders
}
