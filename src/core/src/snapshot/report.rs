//! The end of an amendment: what is wrong, and what is different.

use provost_sdk::Risk;
use rustc_hash::FxHashSet;

use super::amend::{Owner, Step};
use super::check::Checker;
use super::index::claims;
use super::{Context, Dirty, Identity, Slot, Snapshot, Version};
use crate::Sym;
use crate::document::{FieldPath, Kind, Problem};

impl Snapshot {
    /// Brings the findings up to date for whatever was touched, and for whatever refers to what changed.
    pub(super) fn report(&mut self, touched: FxHashSet<Slot>, context: &Context<'_>, step: &mut Step) {
        let absent = touched.iter().filter(|slot| self.current(**slot).is_none());
        let mut slots: FxHashSet<Slot> = absent.flat_map(|slot| self.referrers.of(*slot)).collect();
        slots.extend(touched);
        slots.extend(self.concerned(context, step));
        slots.extend(step.before.keys());
        let checker = Checker::new(self, context, false);
        let mut known = step.found.take().unwrap_or_default();
        let mut found: Vec<(Sym, Vec<Problem>)> = Vec::new();
        for slot in slots {
            if let Some(version) = self.current(slot).filter(|version| self.at_home(slot, version)) {
                let problems = known.remove(&slot).unwrap_or_else(|| {
                    let mut problems = checker.own(version, Some(version));
                    problems.extend(checker.conflicts(version, None));
                    problems
                });
                found.push((version.path, problems));
            }
        }
        for (path, _) in &found {
            self.findings.remove(path);
        }
        for (path, problems) in found.into_iter().chain(std::mem::take(&mut step.held)) {
            if !problems.is_empty() {
                self.findings.entry(path).or_default().extend(problems);
            }
        }
    }

    /// The difference between what counted before and what counts now.
    pub(super) fn dirty(&self, mut step: Step) -> Dirty {
        let mut dirty = std::mem::take(&mut step.dirty);
        let mut changed: Vec<(&'static str, Slot)> = Vec::new();
        for (slot, before) in &step.before {
            let now = self.current(*slot).map(|version| &version.document);
            if now != before.as_ref().map(|version| &version.document) {
                changed.push((slot.1.as_str(), *slot));
                if slot.0.is_rule() {
                    dirty.in_force.extend(step.judged.remove(slot));
                }
            }
        }
        changed.sort_unstable_by_key(|(text, _)| *text);
        let of = |kinds: fn(Kind) -> bool| {
            changed.iter().filter(move |(_, slot)| kinds(slot.0)).map(|(_, slot)| slot.1).collect()
        };
        dirty.identities = of(|kind| kind == Kind::Person);
        dirty.roles = of(|kind| kind == Kind::Role);
        dirty.targets = of(|kind| kind == Kind::Target);
        dirty.policies = of(|kind| !matches!(kind, Kind::Person | Kind::Role | Kind::Target));
        dirty.in_force.sort_by_key(|version| (version.kind, version.id));
        dirty
    }

    /// Files that have an id to which another file has more right, or none has.
    pub(super) fn refuse_duplicates(&mut self, slot: Slot, owner: &Owner, step: &mut Step) {
        let Some(paths) = self.loose_by_slot.get(&slot) else { return };
        let standing = match owner {
            Owner::Standing => self.current(slot).map(|version| version.path),
            Owner::Loose(path) => Some(*path),
            Owner::Nobody | Owner::Contested => None,
        };
        let mut all: Vec<Sym> = paths.iter().copied().chain(standing).collect();
        all.sort();
        all.dedup();
        for path in paths.iter().filter(|path| Some(**path) != standing) {
            if let Some((kind, id)) = self.loose[path].key {
                step.held.push((*path, vec![duplicate(*path, kind, id, &all)]));
            }
            self.pending.insert(slot);
        }
    }

    /// Whatever has to be judged again because these slots changed: whatever refers to them, or to a role or group
    /// that passes the change on, and the roles that they include.
    pub(super) fn affected(&self, changed: &[Slot]) -> FxHashSet<Slot> {
        let rules = self.rules_above(changed);
        let through = changed.iter().chain(rules.iter().filter(|slot| slot.0 == Kind::Role));
        let identities =
            through.flat_map(|slot| self.referrers.of(*slot)).filter(|slot| slot.0 == Kind::Person);
        let mut found: FxHashSet<Slot> = identities.collect();
        for (_, role) in changed.iter().filter(|slot| slot.0 == Kind::Role) {
            found.extend(self.included(*role));
        }
        found.extend(rules);
        found
    }

    /// The rules that refer to one of these slots, directly or through roles and groups of approvers.
    pub(super) fn rules_above(&self, slots: &[Slot]) -> FxHashSet<Slot> {
        let mut found = FxHashSet::default();
        let mut open: Vec<Slot> = slots.to_vec();
        while let Some(slot) = open.pop() {
            for rule in self.referrers.of(slot).filter(|slot| slot.0 != Kind::Person) {
                // What a role grants reaches whoever refers to it; who is in a group, whatever the group approves.
                if found.insert(rule) && matches!(rule.0, Kind::Role | Kind::ApproverGroup | Kind::Tiers) {
                    open.push(rule);
                }
            }
        }
        found
    }

    /// Identities that claim a name which one of these claims.
    pub(super) fn name_peers(&self, changed: &[Slot]) -> Vec<Slot> {
        let mut peers = Vec::new();
        for slot in changed.iter().filter(|slot| slot.0 == Kind::Person) {
            if let Some(identity) = self.identity(slot.1) {
                for claim in claims(identity) {
                    peers.extend(self.names.others(claim, slot.1).map(|id| (Kind::Person, id)));
                }
            }
        }
        peers
    }

    /// Whatever has other findings because of what changed in this step. Who only holds a role is judged again if the
    /// role came, went or has another risk now, so that a changed role of many costs what the role costs.
    fn concerned(&mut self, context: &Context<'_>, step: &Step) -> FxHashSet<Slot> {
        let mut found = FxHashSet::default();
        let mut rules: Vec<Slot> = Vec::new();
        let mut widely: Vec<Slot> = Vec::new();
        for (slot, before) in &step.before {
            let (before, now) = (before.as_ref(), self.current(*slot));
            if slot.0 != Kind::Person {
                rules.push(*slot);
                if slot.0 != Kind::Role || before.is_some() != now.is_some() {
                    widely.push(*slot);
                }
                continue;
            }
            let seen = |version: Option<&Version>| {
                let identity = version.and_then(|version| Identity::of(&version.document));
                identity.map(|identity| (identity.kind(), identity.status()))
            };
            if seen(before) != seen(now) {
                widely.push(*slot);
            }
            for version in before.into_iter().chain(now) {
                for claim in Identity::of(&version.document).into_iter().flat_map(claims) {
                    found.extend(self.names.others(claim, slot.1).map(|id| (Kind::Person, id)));
                }
            }
        }
        let above = self.rules_above(&[&rules[..], &widely[..]].concat());
        widely.extend(self.judge_risks(rules.iter().chain(&above), context));
        found.extend(widely.iter().flat_map(|slot| self.referrers.of(*slot)));
        for (_, role) in rules.iter().chain(&above).filter(|slot| slot.0 == Kind::Role) {
            found.extend(self.included(*role));
        }
        let singles = rules.iter().filter(|slot| slot.0 == Kind::Tiers).count();
        let all_of =
            |kinds: &'static [Kind]| self.rules.keys().filter(|slot| kinds.contains(&slot.0)).copied();
        // Tiers decide what a target's approvers have to be able to do, and of some kinds there is one document.
        if singles > 0 || above.iter().any(|slot| slot.0 == Kind::Tiers) {
            found.extend(all_of(&[Kind::Target, Kind::Tiers]));
        }
        found.extend(all_of(&[Kind::Tiers, Kind::Guards, Kind::Lifecycle]));
        if rules.iter().any(|slot| slot.0 == Kind::ApproverGroup) {
            found.extend(all_of(&[Kind::Target]));
        }
        found.extend(above);
        if rules.iter().any(|slot| widely.contains(slot)) {
            found.extend(self.dangling());
        }
        found
    }

    /// Documents with references that lead nowhere: what they should have been depends on what there is.
    fn dangling(&self) -> impl Iterator<Item = Slot> {
        let unknown =
            |problems: &[Problem]| problems.iter().any(|problem| problem.code.starts_with("unknown-"));
        let paths = self.findings.iter().filter(move |(_, problems)| unknown(problems)).map(|(path, _)| path);
        paths.filter_map(|path| self.files.get(path).copied().flatten().map(super::slot))
    }

    /// Brings the risks of these roles up to date, and gives those of which it is another one now.
    fn judge_risks<'s>(&mut self, slots: impl Iterator<Item = &'s Slot>, context: &Context<'_>) -> Vec<Slot> {
        let checker = Checker::new(self, context, false);
        let judged: Vec<(Slot, Option<Risk>)> = slots
            .filter(|slot| slot.0 == Kind::Role)
            .map(|slot| (*slot, self.role(slot.1).map(|role| checker.role_risk(role.id))))
            .collect();
        let mut changed = Vec::new();
        for (slot, risk) in judged {
            let before = match risk {
                Some(risk) => self.risks.insert(slot.1, risk),
                None => self.risks.remove(&slot.1),
            };
            if before != risk {
                changed.push(slot);
            }
        }
        changed
    }
}

pub(super) fn duplicate(path: Sym, kind: Kind, id: Sym, all: &[Sym]) -> Problem {
    let others: Vec<&str> = all.iter().filter(|other| **other != path).map(|other| other.as_str()).collect();
    let what = if kind.is_rule() || kind == Kind::Scenario { "id" } else { "id of a person or service" };
    Problem::error(
        path,
        FieldPath::field("id"),
        "duplicate-id",
        format!("the {what} `{id}` is also in {}", others.join(", ")),
    )
    .with_hint("an id belongs to one document for ever: choose another one")
}
