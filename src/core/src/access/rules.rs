//! The rules in force as access needs them: roles flattened, conditions compiled, separations, templates.

use rustc_hash::{FxHashMap, FxHashSet};

use super::birthright::Birthright;
use super::login::Profiles;
use super::roles::{Flat, Weight, Weights, flatten};
use super::separation::Separations;
use crate::Sym;
use crate::evidence::Power;
use crate::facts::Facts;
use crate::snapshot::{Dirty, Snapshot};

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    flats: FxHashMap<Sym, Flat>,
    separations: Separations,
    /// Weights of the powers that roles grant and identities hold directly.
    weights: FxHashMap<Power, Weight>,
    pub(super) birthright: Birthright,
    pub(super) profiles: Profiles,
}

/// What is different after a change of rules.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Roles that lead to other grants than before, or that others hold by their condition.
    pub(super) roles: FxHashSet<Sym>,
    /// Targets on which grants weigh differently, or may.
    pub(super) targets: FxHashSet<Sym>,
    /// Whether any condition is another one.
    pub(super) conditions: bool,
}

impl Rules {
    /// Takes over the rules of a snapshot and of facts, of which only what is dirty may be different from before.
    pub(super) fn learn(&mut self, snapshot: &Snapshot, facts: &Facts, dirty: &Dirty) -> Difference {
        let mut difference = Difference::default();
        difference.targets.extend(&dirty.targets);
        // Separations compare names as targets do, so a target's facts may change them as well.
        if !dirty.policies.is_empty() || !dirty.targets.is_empty() {
            let separations = Separations::new(snapshot, facts);
            difference.targets.extend(self.separations.targets_of_difference(&separations));
            self.separations = separations;
        }
        if difference.targets.is_empty() && dirty.roles.is_empty() {
            return difference;
        }
        for target in &dirty.targets {
            self.profiles.learn(*target, snapshot.target(*target));
        }
        self.flatten(snapshot, facts, dirty, &mut difference);
        if !dirty.roles.is_empty() {
            let roles = snapshot.roles().into_iter();
            let different =
                self.birthright.learn(&roles.filter_map(|role| Some((role.id, role.assign?))).collect());
            difference.conditions = !different.is_empty();
            difference.roles.extend(different);
        }
        difference
    }

    /// A role in force.
    pub(super) fn flat(&self, role: Sym) -> Option<&Flat> {
        self.flats.get(&role)
    }

    pub(super) fn separations(&self) -> &Separations {
        &self.separations
    }

    /// The weight of a power that a role grants or somebody holds directly.
    pub(super) fn weight(&self, power: Power) -> Option<Weight> {
        self.weights.get(&power).copied()
    }

    /// Weighs the powers that identities hold directly.
    pub(super) fn learn_direct(
        &mut self,
        snapshot: &Snapshot,
        facts: &Facts,
        powers: impl IntoIterator<Item = Power>,
    ) {
        let mut unknown = powers.into_iter().filter(|power| !self.weights.contains_key(power)).peekable();
        if unknown.peek().is_none() {
            return;
        }
        let mut weights = Weights::new(snapshot, facts, &self.separations);
        let weighed: Vec<(Power, Weight)> = unknown.map(|power| (power, weights.weigh(power))).collect();
        self.weights.extend(weighed);
    }

    fn flatten(&mut self, snapshot: &Snapshot, facts: &Facts, dirty: &Dirty, difference: &mut Difference) {
        let targets = &difference.targets;
        self.weights.retain(|power, _| !targets.contains(&power.target));
        let stale = |flat: &Flat| {
            flat.closure.iter().any(|role| dirty.roles.contains(role))
                || flat.grants.iter().any(|grant| targets.contains(&grant.power.target))
        };
        let mut again: FxHashSet<Sym> =
            self.flats.iter().filter(|(_, flat)| stale(flat)).map(|(role, _)| *role).collect();
        again.extend(&dirty.roles);
        let mut weights = Weights::new(snapshot, facts, &self.separations);
        for id in again {
            let flat = snapshot.role(id).map(|role| flatten(snapshot, &mut weights, role));
            if self.flats.get(&id) != flat.as_ref() {
                difference.roles.insert(id);
            }
            match flat {
                Some(flat) => {
                    self.weights.extend(flat.grants.iter().map(|grant| (grant.power, grant.weight)));
                    self.flats.insert(id, flat)
                }
                None => self.flats.remove(&id),
            };
        }
    }
}
