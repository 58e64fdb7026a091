//! The gate: per operation proceed, wait (for evidence) or refuse.
//!
//! Pure: `(plan, findings of the checker, evidence, limits, history) -> decisions`. What waits or is refused never
//! stops what does not depend on it.

use serde::{Deserialize, Serialize};

use jiff::Timestamp;
use provost_sdk::{Operation, Risk};

use crate::Sym;
use crate::evidence::{Evidence, Power};
use crate::guard::{Figure, History, Limits, tripped};
use crate::lint::{last_admins, lint};
use crate::plan::{Plan, Planned, World};

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
        .map(|planned| match missing(planned, evidence, world.now) {
            None => Decision::Proceed,
            Some(tier) => Decision::Wait { reason: WaitsFor::Evidence { tier } },
        })
        .collect();
    for (place, figure) in tripped(plan, limits, history, world.now) {
        decisions[place] = Decision::Refuse { guard: Guard::Limit { figure } };
    }
    for last in last_admins(plan, world) {
        let holders = u32::try_from(last.holders).unwrap_or(u32::MAX);
        for place in last.places {
            let entitlement = last.entitlement.to_string();
            decisions[place] = Decision::Refuse { guard: Guard::LastAdmin { entitlement, holders } };
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
fn missing(planned: &Planned, evidence: &Evidence, now: Timestamp) -> Option<Risk> {
    let Planned { target, identity, profile, operation, tier, grants, gains, .. } = planned;
    if planned.takes_away() || *tier == Risk::Low {
        return None;
    }
    let covers = |identity: Sym, profile: Sym, entitlement| {
        evidence.covers(identity, Power { target: *target, profile, entitlement }, *tier, now)
    };
    let covered = match (operation, identity) {
        (Operation::Create(_) | Operation::Enable { .. }, Some(identity)) => {
            covers(*identity, *profile, None)
        }
        (Operation::Grant { .. }, Some(identity)) => grants.is_some() && covers(*identity, *profile, *grants),
        (Operation::Replace { .. }, _) => {
            gains.iter().all(|(identity, profile)| grants.is_some() && covers(*identity, *profile, *grants))
        }
        // Agreement to a name, an address or a credential has no form yet: above tier low it waits.
        _ => false,
    };
    (!covered).then_some(*tier)
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

impl std::fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WaitsFor::Evidence { tier: Risk::Normal } => f.write_str("an owner's agreement (tier normal)"),
            WaitsFor::Evidence { tier: Risk::Privileged } => {
                f.write_str("signed agreement of two approvers (tier privileged)")
            }
            WaitsFor::Evidence { tier: Risk::Low } => f.write_str("the tracked branch"),
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
