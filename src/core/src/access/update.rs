//! The forms that cost what changed.

use jiff::Timestamp;
use rustc_hash::FxHashSet;

use super::entries::Entry;
use super::rules::Difference;
use super::{Access, Changed, Lifecycle, Zones};
use crate::Sym;
use crate::evidence::Evidence;
use crate::facts::Facts;
use crate::snapshot::{Dirty, Identity, Snapshot};

impl Access {
    /// Takes over what changed, and what time brought until `now`. An instant that is past already changes nothing.
    ///
    /// Whoever calls it names as dirty also the identities whose evidence is different, and the targets whose facts
    /// are. What comes back is where the plan may be different: pairs whose grants, looks or lifecycle changed, of
    /// what is or was wanted. Accounts that an identity has without being wanted are not known here.
    pub fn update(
        &mut self,
        snapshot: &Snapshot,
        dirty: &Dirty,
        evidence: &Evidence,
        facts: &Facts,
        zones: &Zones,
        now: Timestamp,
    ) -> Changed {
        self.now = self.now.max(now);
        let difference = self.rules.learn(snapshot, facts, dirty);
        let mut affected: FxHashSet<Sym> = dirty.identities.iter().chain(&dirty.vanished).copied().collect();
        affected.extend(self.boundaries.due(self.now));
        if difference.conditions {
            affected.extend(self.reborn(snapshot));
        }
        affected.extend(self.touched(&difference));
        let mut changed = Changed::new();
        for id in affected {
            let identity = snapshot.identity(id);
            if let Some(identity) = identity {
                self.learn_direct(snapshot, facts, evidence, identity);
            }
            let all = dirty.identities.contains(&id);
            self.again(
                evidence,
                zones,
                (id, identity),
                |target| all || dirty.targets.contains(&target),
                &mut changed,
            );
        }
        changed
    }

    /// Takes over what time brought until `now`.
    pub fn advance(
        &mut self,
        snapshot: &Snapshot,
        evidence: &Evidence,
        zones: &Zones,
        now: Timestamp,
    ) -> Changed {
        self.now = self.now.max(now);
        let mut changed = Changed::new();
        for id in self.boundaries.due(self.now) {
            let identity = snapshot.identity(id);
            // With another employment the same account may look different.
            let moved = matches!(identity, Some(Identity::Person(person)) if !person.employments.is_empty());
            self.again(evidence, zones, (id, identity), |_| moved, &mut changed);
        }
        changed
    }

    /// Resolves an identity again, or forgets it, and notes where it is different or `always` to be noted.
    fn again(
        &mut self,
        evidence: &Evidence,
        zones: &Zones,
        (id, identity): (Sym, Option<Identity<'_>>),
        always: impl Fn(Sym) -> bool,
        changed: &mut Changed,
    ) {
        let before = (self.entries.get(id).copied(), self.lifecycle(id));
        match identity {
            Some(identity) => self.place(evidence, zones, identity),
            None => {
                self.clear(id);
                self.entries.remove(id);
            }
        }
        self.note(id, before, always, changed);
    }

    fn note(
        &self,
        id: Sym,
        (before, lifecycle): (Option<Entry>, Lifecycle),
        always: impl Fn(Sym) -> bool,
        changed: &mut Changed,
    ) {
        let after = self.entries.get(id).copied();
        let wanted = |entry: Option<Entry>| {
            let outcome = entry.and_then(|entry| self.outcomes.get_index(entry.outcome as usize));
            outcome.map_or(&[][..], |outcome| outcome)
        };
        let (old, new) = (wanted(before), wanted(after));
        let other_life = lifecycle != self.lifecycle(id);
        let on = |wanted: &'_ [(Sym, Box<[super::Wanted]>)], target: Sym| {
            wanted.iter().find(|(known, _)| *known == target).map(|(_, wanted)| wanted.clone())
        };
        let gone = old.iter().filter(|(target, _)| !new.iter().any(|(known, _)| known == target));
        for (target, _) in new.iter().chain(gone) {
            if other_life || always(*target) || on(old, *target) != on(new, *target) {
                changed.push((id, *target));
            }
        }
    }

    /// Whose list of roles is another one by other conditions.
    fn reborn(&mut self, snapshot: &Snapshot) -> Vec<Sym> {
        let mut reborn = Vec::new();
        for identity in snapshot.identities() {
            let (id, list) = (identity.id(), self.list(identity));
            if self.entries.get(id).is_none_or(|entry| entry.list != list) {
                reborn.push(id);
            }
        }
        reborn
    }

    /// Who holds, at any time, what rules changed.
    fn touched(&mut self, difference: &Difference) -> Vec<Sym> {
        if difference.roles.is_empty() && difference.targets.is_empty() && !difference.conditions {
            return Vec::new();
        }
        self.plain.clear();
        let lists: Vec<bool> = self
            .lists
            .iter()
            .map(|roles| roles.iter().any(|role| self.rules.is_touched(*role, difference)))
            .collect();
        let holders = self.entries.iter().filter(|(_, entry)| lists[entry.list as usize]).map(|(id, _)| id);
        let direct = self
            .direct
            .iter()
            .filter(|(_, targets)| targets.iter().any(|target| difference.targets.contains(target)));
        holders.chain(direct.map(|(id, _)| *id)).collect()
    }
}

impl super::Rules {
    fn is_touched(&self, role: Sym, difference: &Difference) -> bool {
        difference.roles.contains(&role)
            || self.flat(role).is_some_and(|flat| {
                flat.grants.iter().any(|grant| difference.targets.contains(&grant.power.target))
            })
    }
}
