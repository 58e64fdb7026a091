//! Roles as flat lists of grants, includes followed once, each with its risk.

use provost_sdk::Risk;
use rustc_hash::{FxHashMap, FxHashSet};

use super::model::Lack;
use super::risk::Scale;
use super::separation::Separations;
use crate::Sym;
use crate::document::Role;
use crate::evidence::Power;
use crate::facts::Facts;
use crate::snapshot::Snapshot;

/// A role and everything that it includes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flat {
    /// The role itself and what it includes, whether in force or not.
    pub(super) closure: Box<[Sym]>,
    /// What it grants, each power once.
    pub(super) grants: Box<[FlatGrant]>,
}

/// One grant of a role.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FlatGrant {
    pub(super) power: Power,
    pub(super) weight: Weight,
    /// The role that lists it.
    pub(super) role: Sym,
}

/// What is to be known of a power, whoever has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weight {
    pub(super) risk: Risk,
    /// The risk for whoever has it already: less where a hand nested it.
    pub(super) standing: Risk,
    /// Why nobody can have it now.
    pub(super) lack: Option<Lack>,
    /// Whether separation of duties names it.
    pub(super) separated: bool,
}

/// Weighs powers, each target's document looked at once.
pub(super) struct Weights<'a> {
    snapshot: &'a Snapshot,
    facts: &'a Facts,
    separations: &'a Separations,
    scales: FxHashMap<Sym, Option<Scale<'a>>>,
}

impl<'a> Weights<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, facts: &'a Facts, separations: &'a Separations) -> Weights<'a> {
        Weights { snapshot, facts, separations, scales: FxHashMap::default() }
    }

    pub(super) fn weigh(&mut self, power: Power) -> Weight {
        let scale = self.scales.entry(power.target).or_insert_with(|| {
            let target = self.snapshot.target(power.target)?;
            Some(Scale::new(target, self.facts.get(&power.target)))
        });
        let separated = self.separations.names(power);
        match scale {
            None => Weight { separated, ..Weight::UNKNOWN },
            Some(scale) => Weight {
                risk: scale.risk(power.profile, power.entitlement),
                standing: scale.standing_risk(power.profile, power.entitlement),
                lack: (!scale.has_profile(power.profile)).then_some(Lack::Profile),
                separated,
            },
        }
    }
}

/// Flattens a role by the roles in force.
pub(super) fn flatten(snapshot: &Snapshot, weights: &mut Weights<'_>, role: &Role) -> Flat {
    let (mut closure, mut grants) = (Vec::new(), Vec::new());
    let (mut seen, mut powers) = (FxHashSet::default(), FxHashSet::default());
    let mut open = vec![role.id];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        closure.push(id);
        let Some(role) = snapshot.role(id) else { continue };
        for grant in &role.grants {
            let power = Power::from(grant);
            if powers.insert(power) {
                grants.push(FlatGrant { power, weight: weights.weigh(power), role: id });
            }
        }
        open.extend(role.includes.iter().rev());
    }
    Flat { closure: closure.into(), grants: grants.into() }
}

/// The shortest way of includes from one role to another, both included.
pub(super) fn chain(snapshot: &Snapshot, from: Sym, to: Sym) -> Vec<Sym> {
    let mut came: FxHashMap<Sym, Sym> = FxHashMap::default();
    let mut layer = vec![from];
    while !layer.is_empty() && !layer.contains(&to) {
        let mut next = Vec::new();
        for id in layer {
            for include in snapshot.role(id).into_iter().flat_map(|role| &role.includes) {
                if *include != from && !came.contains_key(include) {
                    came.insert(*include, id);
                    next.push(*include);
                }
            }
        }
        layer = next;
    }
    let mut way = vec![to];
    while let Some(before) = way.last().and_then(|last| came.get(last)) {
        way.push(*before);
    }
    way.reverse();
    way
}

impl Weight {
    /// Of a power on a target of which nothing is known.
    pub(super) const UNKNOWN: Weight = Weight {
        risk: Risk::Privileged,
        standing: Risk::Privileged,
        lack: Some(Lack::Target),
        separated: false,
    };
}
