//! The plan: the ordered operations that close the difference between access and what was observed.
//!
//! Pure and deterministic: the same input gives the same plan in the same order, whatever the order of the input. One
//! bad identity, account or target never stops the others: what cannot be planned is said, with the reason.

mod account;
mod desired;
mod leaver;
mod lists;
mod order;
mod pass;
mod planned;
mod resolved;
mod site;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::Operation;

pub use desired::{Desired, Scope, TargetView, World, age_limit};
pub use planned::{Claim, Class, NotPlanned, Plan, Planned, Queue, UNBORN, Why, digest_of};
pub use resolved::Resolved;

use crate::Sym;
use crate::access::Waiting;
use crate::evidence::Power;
use site::{Draft, Drafts, Site};

/// Plans a part of the world.
pub fn plan(world: World<'_>, scope: &Scope) -> Plan {
    let mut drafts = Drafts::default();
    for (target, view) in world.targets {
        if !scope.has_target(*target) {
            continue;
        }
        let open = pass::open(&world, *target, view, scope);
        let mut here = pass::plan(&world, *target, view, &open);
        let site = Site::new(*target, *view, world, &mut here);
        if scope.identities.is_none() {
            strangers::plan_strangers(&site, &candidates(&here), &mut here);
            strangers::report_nesting(&site, &mut here);
        }
        lists::plan_lists(&site, &mut here);
        drafts.absorb(here);
    }
    report_waiting(&world, scope, &mut drafts);
    let Drafts { drafts, mut not_planned, mut claims, next, lists: _ } = drafts;
    let drafts = one_name_each(&world, drafts, &mut not_planned);
    let operations = order::order(&world, drafts, &mut not_planned);
    not_planned.sort();
    claims.sort_by_key(|claim| (claim.target, claim.identity, claim.profile));
    Plan { operations, not_planned, claims, next }
}

/// Adds to each operation why it is done. It costs a resolution for each identity, so it is asked only for plans that
/// people read.
pub fn explain(plan: &mut Plan, mut why: impl FnMut(&Planned) -> Vec<String>) {
    for planned in &mut plan.operations {
        planned.causes = why(planned);
    }
}

/// Accounts that may belong to somebody who is to have one.
fn candidates(drafts: &Drafts) -> BTreeSet<Sym> {
    drafts
        .not_planned
        .iter()
        .filter_map(|unplanned| match &unplanned.why {
            Why::Candidate { anchor, .. } => Some(*anchor),
            _ => None,
        })
        .collect()
}

/// Says what is asked for and waits for agreement, or for whatever else it lacks.
fn report_waiting(world: &World<'_>, scope: &Scope, drafts: &mut Drafts) {
    let waiting = match &scope.identities {
        None => world.desired.waiting(),
        Some(identities) => {
            identities.iter().flat_map(|identity| world.desired.waiting_of(*identity)).collect()
        }
    };
    for Waiting { identity, power, window, tier, why } in waiting {
        let Power { target, profile, entitlement } = power;
        // What begins later is shown when it begins; access names that instant.
        if !scope.has_target(target) || !window.contains(world.now) {
            continue;
        }
        drafts.not_planned.push(NotPlanned {
            target,
            identity: Some(identity),
            profile: Some(profile),
            account: None,
            verb: Some(if entitlement.is_some() {
                provost_sdk::Verb::Grant
            } else {
                provost_sdk::Verb::Create
            }),
            entitlement: entitlement.map(|spec| spec.to_string()),
            why: Why::Waiting { tier, lacks: why.to_string() },
        });
    }
}

/// Of several accounts that are to be made or renamed with one name, none is: nobody can say whose it would be.
fn one_name_each(world: &World<'_>, drafts: Vec<Draft>, not_planned: &mut Vec<NotPlanned>) -> Vec<Draft> {
    let mut named: BTreeMap<(Sym, Sym), BTreeSet<Sym>> = BTreeMap::new();
    let folded = |draft: &Draft| {
        let name = match &draft.operation {
            Operation::Create(create) => &create.username,
            Operation::Rename { to, .. } => to,
            _ => return None,
        };
        let capabilities = world.targets.get(&draft.target)?.observed.capabilities();
        Some((draft.target, Sym::new(&capabilities.usernames.fold(name))))
    };
    for draft in &drafts {
        if let (Some(name), Some(identity)) = (folded(draft), draft.identity) {
            named.entry(name).or_default().insert(identity);
        }
    }
    named.retain(|_, identities| identities.len() > 1);
    if named.is_empty() {
        return drafts;
    }
    let mut unborn: BTreeSet<(Sym, Sym, Sym)> = BTreeSet::new();
    let mut kept = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let other = folded(&draft).and_then(|name| {
            let others = named.get(&name)?.iter().copied();
            Some((name.1, others.into_iter().find(|other| Some(*other) != draft.identity)?))
        });
        let (Some((username, identity)), Some(of)) = (other, draft.identity) else {
            kept.push(draft);
            continue;
        };
        unborn.insert((draft.target, of, draft.profile));
        let why = Why::UsernameWantedTwice { username, identity };
        not_planned.push(order::left_out(&draft, why));
    }
    kept.retain(|draft| {
        let waits = draft.operation.account().is_some_and(|account| account.anchor.as_str() == UNBORN);
        !waits || draft.identity.is_none_or(|of| !unborn.contains(&(draft.target, of, draft.profile)))
    });
    kept
}
