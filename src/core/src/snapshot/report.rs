//! The end of an amendment: what is wrong, and what is different.

use rustc_hash::FxHashSet;

use super::amend::{Owner, Step};
use super::check::Checker;
use super::index::claims;
use super::{Context, Dirty, Identity, Slot, Snapshot};
use crate::Sym;
use crate::document::{FieldPath, Kind, Problem};

impl Snapshot {
    /// Brings the findings up to date for whatever was touched, and for whatever refers to what changed.
    pub(super) fn report(&mut self, touched: FxHashSet<Slot>, context: &Context<'_>, step: &mut Step) {
        let mut slots = touched;
        slots.extend(self.concerned(context, step));
        slots.extend(step.before.keys());
        let checker = Checker::new(self, context, false);
        let mut found: Vec<(Sym, Vec<Problem>)> = Vec::new();
        for slot in slots {
            if let Some(version) = self.current(slot).filter(|version| self.at_home(slot, version)) {
                let mut problems = checker.own(version, Some(version));
                problems.extend(checker.conflicts(version, None));
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

    /// Whatever has to be judged again because these slots changed.
    pub(super) fn affected(&self, changed: &[Slot]) -> FxHashSet<Slot> {
        let mut found = FxHashSet::default();
        let mut open: Vec<Slot> = changed.to_vec();
        while let Some(slot) = open.pop() {
            for referrer in self.referrers.of(slot) {
                // What a role grants reaches whoever refers to it; who is in a group, whatever the group approves.
                let onward = match slot.0 {
                    Kind::Role | Kind::Target => referrer.0 == Kind::Role,
                    _ => referrer.0 == Kind::ApproverGroup,
                };
                if found.insert(*referrer) && onward {
                    open.push(*referrer);
                }
            }
            if let Some(role) = self.role(slot.1).filter(|_| slot.0 == Kind::Role) {
                found.extend(self.included(role.id));
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

    /// Whatever has other findings because of what changed in this step.
    fn concerned(&self, context: &Context<'_>, step: &Step) -> FxHashSet<Slot> {
        let _ = context;
        let mut reach = Vec::new();
        let mut peers = FxHashSet::default();
        for (slot, before) in &step.before {
            let (before, now) = (before.as_ref(), self.current(*slot));
            let identity = |version: Option<&super::Version>| {
                version.and_then(|version| Identity::of(&version.document)).map(Identity::status)
            };
            if slot.0 != Kind::Person || identity(before) != identity(now) {
                reach.push(*slot);
            }
            for version in before.into_iter().chain(now) {
                for claim in Identity::of(&version.document).into_iter().flat_map(claims) {
                    peers.extend(self.names.others(claim, slot.1).map(|id| (Kind::Person, id)));
                }
            }
        }
        peers.extend(self.affected(&reach));
        peers
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
