//! The gate: per operation proceed, wait (for evidence) or refuse.
//!
//! Pure: `(plan, findings of the checker, evidence, limits, history) -> decisions`. What waits or is refused never
//! stops what does not depend on it.

use serde::{Deserialize, Serialize};

use provost_sdk::{Operation, Risk};

use crate::Sym;
use crate::approval::Limited;
use crate::approval::rules::{USERNAME, value_text};
use crate::evidence::{Evidence, Power, Thing};
use crate::guard::{Figure, History, Limits, tripped};
use crate::lint::{last_admins, lint};
use crate::plan::{Desired, Plan, Planned, World};

/// Decides over each operation of a plan, in the order of the plan.
///
/// A guard refuses before anything waits; what depends on an operation that does not proceed waits for it.
pub fn gate(
    plan: &Plan,
    world: &World<'_>,
    evidence: &Evidence,
    limits: &Limits,
    history: &History,
) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = plan
        .operations
        .iter()
        .map(|planned| match missing(planned, world, evidence) {
            None => Decision::Proceed,
            Some(tier) => Decision::Wait { reason: WaitsFor::Evidence { tier } },
        })
        .zip(&plan.operations)
        .map(|(decision, planned)| match evidence.frozen() {
            Some(why) if decision == Decision::Proceed && is_more_privilege(planned) => {
                Decision::Wait { reason: WaitsFor::Review { why } }
            }
            _ => decision,
        })
        .collect();
    let lifted = |place: usize, guard: &Guard| {
        let Planned { target, digest, .. } = &plan.operations[place];
        guard.limited(*target).is_some_and(|limited| evidence.lifts(&limited, *digest))
    };
    let past = |part, digest| evidence.lifts(&Limited::Limit(part), digest);
    for (place, figure) in tripped(plan, limits, history, world.now, &past) {
        decisions[place] = Decision::Refuse { guard: Guard::Limit { figure } };
    }
    for last in last_admins(plan, world) {
        let holders = u32::try_from(last.holders).unwrap_or(u32::MAX);
        for place in last.places {
            let entitlement = last.entitlement.to_string();
            let guard = Guard::LastAdmin { entitlement, holders };
            if !lifted(place, &guard) {
                decisions[place] = Decision::Refuse { guard };
            }
        }
    }
    for finding in lint(plan, world) {
        let (rule, message) = (Sym::new(finding.rule), finding.message);
        decisions[finding.place] = Decision::Refuse { guard: Guard::Check { rule, message } };
    }
    for place in 0..decisions.len() {
        if decisions[place] != Decision::Proceed {
            continue;
        }
        // What must come before has a smaller place, so its decision is final here.
        let blocked =
            plan.operations[place].after.iter().find(|before| decisions[**before] != Decision::Proceed);
        if let Some(before) = blocked {
            decisions[place] = Decision::Wait { reason: WaitsFor::Operation { place: *before } };
        }
    }
    decisions
}

/// The tier of the agreement that an operation lacks. What only takes away, and what is low, needs none; access counts a
/// grant as in force only with its evidence, and here it is asked again.
fn missing(planned: &Planned, world: &World<'_>, evidence: &Evidence) -> Option<Risk> {
    let Planned { target, profile, tier, .. } = planned;
    let by_hand = is_by_hand(planned, world);
    if planned.takes_away() || (*tier == Risk::Low && !by_hand) {
        return None;
    }
    // What somebody stopped by hand is never of tier low.
    let tier = if by_hand { (*tier).max(Risk::Normal) } else { *tier };
    let required = required(planned, world.desired);
    let now = world.now;
    let covered = required.is_known
        && required.account.is_none_or(|identity| {
            by_hand || evidence.covers_account(identity, (*target, *profile), tier, now)
        })
        && required
            .powers
            .iter()
            .all(|(identity, power, anchor)| evidence.covers_anchor(*identity, *power, *anchor, tier, now))
        && required.things.iter().all(|thing| evidence.agreed(thing, tier))
        && required.enabled.is_none_or(|thing| !by_hand || evidence.agreed(&thing, tier));
    (!covered).then_some(tier)
}

/// Whether it adds what is privileged.
fn is_more_privilege(planned: &Planned) -> bool {
    planned.adds() && planned.tier == Risk::Privileged
}

/// Whether it enables an account that somebody disabled by hand.
fn is_by_hand(planned: &Planned, world: &World<'_>) -> bool {
    let Planned { target, identity: Some(identity), profile, operation: Operation::Enable { .. }, .. } =
        planned
    else {
        return false;
    };
    let link = world.targets.get(target).and_then(|view| view.observed.link(*identity, *profile));
    link.is_none_or(|link| link.disabled.is_none())
}

/// The agreement that an operation above tier low rests on.
#[derive(Debug, Default)]
pub(crate) struct Required {
    /// Whether it can be said at all.
    pub(crate) is_known: bool,
    /// Whose account: agreement to anything that it is to hold is agreement to the account.
    pub(crate) account: Option<Sym>,
    /// Grants, with the anchor of the entitlement.
    pub(crate) powers: Vec<(Sym, Power, Sym)>,
    /// Everything else.
    pub(crate) things: Vec<Thing>,
    /// What enabling needs where somebody disabled the account by hand.
    pub(crate) enabled: Option<Thing>,
}

/// What agreement an operation rests on, were it above tier low.
pub(crate) fn required(planned: &Planned, desired: &dyn Desired) -> Required {
    let Planned { target, identity, profile, operation, grants, gains, .. } = planned;
    let (target, profile) = (*target, *profile);
    let known = Required { is_known: true, ..Required::default() };
    let power = |profile: Sym| Power { target, profile, entitlement: *grants };
    if let Operation::Replace { entitlement, .. } = operation {
        let anchor = Sym::new(entitlement.anchor.as_str());
        let powers = gains.iter().map(|(identity, profile)| (*identity, power(*profile), anchor)).collect();
        return Required { is_known: grants.is_some(), powers, ..known };
    }
    let Some(identity) = *identity else { return Required::default() };
    let anchor = operation.account().map(|account| Sym::new(account.anchor.as_str()));
    match operation {
        Operation::Create(_) => Required { account: Some(identity), ..known },
        Operation::Enable { .. } => {
            let enabled = anchor.map(|anchor| Thing::Enable { identity, target, profile, anchor });
            Required { account: Some(identity), enabled, ..known }
        }
        Operation::Grant { entitlement, .. } => {
            let of = (identity, power(profile), Sym::new(entitlement.anchor.as_str()));
            Required { is_known: grants.is_some(), powers: vec![of], ..known }
        }
        Operation::Rename { to, .. } => {
            let (attribute, value) = (Sym::new(USERNAME), Some(Sym::new(to)));
            let thing = Thing::Attribute { identity, target, profile, attribute, value };
            Required { things: vec![thing], ..known }
        }
        Operation::Update { changes, .. } => {
            let thing = |(name, value): (&String, &Option<provost_sdk::Value>)| {
                let (attribute, value) = (Sym::new(name), value.as_ref().map(value_text));
                Thing::Attribute { identity, target, profile, attribute, value }
            };
            Required { things: changes.iter().map(thing).collect(), ..known }
        }
        Operation::IssueCredential { kind, .. } | Operation::RotateCredential { kind, .. } => {
            let kind = Sym::new(kind);
            let Some(deliver) = planned.deliver else { return Required::default() };
            let people = desired.answerable(identity).into_iter();
            let mut things = vec![Thing::Credential { service: identity, target, kind, deliver }];
            things.extend(people.map(|(person, owner)| Thing::Holder { service: identity, person, owner }));
            Required { things, ..known }
        }
        Operation::Delete { .. } | Operation::Transfer { .. } => {
            let to = match operation {
                Operation::Transfer { to, .. } => Some(Sym::new(to.anchor.as_str())),
                _ => None,
            };
            let verb = operation.verb();
            let thing = anchor.map(|anchor| Thing::Operation { verb, identity, target, profile, anchor, to });
            Required { things: thing.into_iter().collect(), ..known }
        }
        // They only take away, or are asked for above.
        Operation::Disable { .. }
        | Operation::Revoke { .. }
        | Operation::EndSessions { .. }
        | Operation::RevokeCredential { .. }
        | Operation::Replace { .. } => Required::default(),
    }
}

/// What becomes of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// It is done.
    Proceed,
    /// It is done once this is there.
    Wait {
        /// What is missing.
        reason: WaitsFor,
    },
    /// It is not done.
    Refuse {
        /// By what.
        guard: Guard,
    },
}

/// What an operation waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum WaitsFor {
    /// Agreement.
    Evidence {
        /// Of which tier.
        tier: Risk,
    },
    /// The review of an emergency, which is overdue.
    Review {
        /// Which, in words.
        why: Sym,
    },
    /// Another operation of the plan, which does not proceed.
    Operation {
        /// Its place.
        place: usize,
    },
}

/// A limit that refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Guard {
    /// Too many at once, or in the window.
    Limit {
        /// How many.
        figure: Figure,
    },
    /// Nobody who can sign in would hold it any more.
    LastAdmin {
        /// What, as `kind:name`.
        entitlement: String,
        /// How many hold it now.
        holders: u32,
    },
    /// The independent checker found fault with the operation.
    Check {
        /// Which rule.
        rule: Sym,
        /// A sentence.
        message: String,
    },
}

impl Guard {
    /// The guard as an override names it; what the checker finds fault with has none, for it is a mistake.
    pub fn limited(&self, target: Sym) -> Option<Limited> {
        match self {
            Guard::Limit { figure } => Some(Limited::Limit(figure.part)),
            Guard::LastAdmin { entitlement, .. } => {
                Some(Limited::LastAdmin { target, entitlement: Sym::new(entitlement) })
            }
            Guard::Check { .. } => None,
        }
    }
}

impl std::fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WaitsFor::Evidence { tier: Risk::Normal } => f.write_str("an owner's agreement (tier normal)"),
            WaitsFor::Evidence { tier: Risk::Privileged } => {
                f.write_str("signed agreement of two approvers (tier privileged)")
            }
            WaitsFor::Evidence { tier: Risk::Low } => f.write_str("the tracked branch"),
            WaitsFor::Review { why } => why.fmt(f),
            WaitsFor::Operation { .. } => f.write_str("an operation before it, which does not proceed"),
        }
    }
}

impl std::fmt::Display for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Guard::Limit { figure } => figure.fmt(f),
            Guard::LastAdmin { entitlement, holders } => {
                write!(f, "nobody would hold {entitlement} any more, which {holders} can use now")
            }
            Guard::Check { rule, message } => {
                write!(f, "the independent checker objects ({rule}): {message}")
            }
        }
    }
}
