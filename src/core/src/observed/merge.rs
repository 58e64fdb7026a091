//! The end of a read: what it found becomes part of what is known.
//!
//! Only a complete read removes what it did not see. A partial one adds and updates; an empty or shrunken one is taken
//! for a partial one, because a list that lost its rights answers with nothing and calls it success.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use provost_sdk::{Completeness, Read};

use super::account::Seen;
use super::collect::Collector;
use super::{AccountRecord, Doubt, Observed};
use crate::Sym;
use crate::set::{Key, Set};

/// How much a complete read may have shrunk before it is suspicious.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrink {
    /// At most this share may be missing, in percent.
    pub percent: u8,
    /// Below this many, percent does not count.
    pub minimum: usize,
}

impl Default for Shrink {
    /// A third of all people, teams or memberships does not leave between two reads by hand; a broken filter or a lost
    /// permission takes that much easily. Ten is where a third becomes more than a handful.
    fn default() -> Shrink {
        Shrink { percent: 30, minimum: 10 }
    }
}

/// What a read changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Accounts that are not as they were known, in the order of their anchors.
    pub changed: Vec<Sym>,
    /// How those of them that were known were known.
    pub before: FxHashMap<Sym, AccountRecord>,
    /// Whether entitlements or their nesting changed.
    pub names: bool,
    /// Accounts that provost changed while the read went on, and of which it says something else: to be looked up.
    pub unsure: Vec<Sym>,
    /// Why nothing was concluded from absence, although the read called itself complete.
    pub suspicion: Option<Sym>,
}

/// Whoever holds everything everywhere is no account: three of a kind is the least that cannot be one hand-made change.
const WITNESSES: usize = 3;

impl Observed {
    /// Takes in what a read found.
    pub fn finish(&mut self, found: Collector, read: &Read, shrink: Shrink) -> Merged {
        self.follow_clock(found.started);
        let delta = found.since.is_some();
        if delta && found.since != self.standing.cursor {
            self.gap("A delta read went on from a place that is not the last one known.");
            return Merged::default();
        }
        let partial = match &read.completeness {
            Completeness::Partial(reason) => Some(Sym::new(reason)),
            Completeness::Complete if found.left_out > 0 => {
                Some(Sym::new(&format!("{} items with over-long texts were left out", found.left_out)))
            }
            Completeness::Complete => None,
        };
        let mut suspicion = None;
        if !delta && partial.is_none() {
            // The operator has looked at the target, and speaks of what a read finds from then on.
            match self.standing.trusted.is_some_and(|since| since <= found.started) {
                true => self.standing.trusted = None,
                false => suspicion = self.shrunken(&found, shrink),
            }
        }
        let doubtful = partial.is_some() || suspicion.is_some();
        let mut merged = Merged { suspicion, ..Merged::default() };
        // Accounts first: what is told of how they were uses the names of that time.
        self.merge_accounts(&found, delta, doubtful, &mut merged);
        self.merge_names(&found, delta, doubtful, &mut merged);
        if merged.names {
            self.unsettle();
        }
        if !delta && !doubtful {
            self.note_vacant();
        }
        self.standing_after(&found, read, delta, partial, suspicion);
        merged.changed.sort_unstable();
        merged.unsure.sort_unstable();
        merged
    }

    /// A read that began before the last one tells of a clock that was set back. What provost did, and an operator said, by
    /// the clock of before would otherwise hold until that instant comes again.
    fn follow_clock(&mut self, started: Timestamp) {
        if self.standing.current.is_some_and(|last| started < last) {
            self.receipts.values_mut().for_each(|at| *at = (*at).min(started));
            self.standing.trusted = self.standing.trusted.map(|since| since.min(started));
        }
    }

    /// Something was missed: nothing follows from absence until the next complete read.
    pub fn gap(&mut self, reason: &str) {
        self.standing.doubt = Some(Doubt::Gap(Sym::new(reason)));
        self.standing.cursor = None;
    }

    /// An operator trusts the target again: the next complete read that begins from `now` on is taken as it is, however
    /// small.
    pub fn resume(&mut self, now: Timestamp) {
        self.standing.suspicion = None;
        self.standing.trusted = Some(now);
        if self.standing.doubt.is_none() {
            self.standing.doubt =
                Some(Doubt::Partial(Sym::new("a whole read is due after the operator resumed it")));
        }
    }

    fn standing_after(
        &mut self,
        found: &Collector,
        read: &Read,
        delta: bool,
        partial: Option<Sym>,
        suspicion: Option<Sym>,
    ) {
        let standing = &mut self.standing;
        if let Some(reason) = partial {
            // A gap is worse than a partial read, and only a whole read mends it.
            if !matches!(standing.doubt, Some(Doubt::Gap(_))) {
                standing.doubt = Some(Doubt::Partial(reason));
            }
            return;
        }
        if suspicion.is_some() {
            standing.suspicion = suspicion;
            return;
        }
        if delta && matches!(standing.doubt, Some(Doubt::Gap(_))) {
            return;
        }
        standing.cursor.clone_from(&read.cursor);
        if delta {
            if standing.complete.is_some() {
                standing.current = Some(found.started);
            }
            return;
        }
        standing.complete = Some(found.started);
        standing.current = Some(found.started);
        standing.doubt = None;
        standing.suspicion = None;
        self.receipts.retain(|_, at| *at >= found.started);
    }

    /// Why a read that calls itself complete is not believed.
    fn shrunken(&self, found: &Collector, shrink: Shrink) -> Option<Sym> {
        let lost = |what: &str, before: usize, after: usize, witnesses: usize| {
            let missing = before.saturating_sub(after);
            let empty = after == 0 && before >= witnesses;
            let shrunken = before >= shrink.minimum && missing * 100 > before * usize::from(shrink.percent);
            (empty || shrunken).then(|| Sym::new(&format!("{what}: {before} were known, {after} were read")))
        };
        if let Some(reason) = lost("accounts", self.tally.accounts, found.accounts.len(), 1) {
            return Some(reason);
        }
        for kind in self.names.kinds() {
            let after: FxHashSet<&str> = found
                .entitlements
                .iter()
                .filter(|entitlement| kind == *entitlement.kind.as_str())
                .map(|entitlement| entitlement.anchor.as_str())
                .collect();
            if let Some(reason) =
                lost(&format!("kind {kind}"), self.names.count(kind), after.len(), WITNESSES)
            {
                return Some(reason);
            }
        }
        let after = memberships(found);
        let mut kinds: Vec<(Sym, usize)> = self.tally.kinds().collect();
        kinds.sort_unstable();
        kinds.into_iter().find_map(|(kind, before)| {
            let after = after.get(&kind).copied().unwrap_or(0);
            lost(&format!("memberships of kind {kind}"), before, after, WITNESSES)
        })
    }

    fn merge_names(&mut self, found: &Collector, delta: bool, doubtful: bool, merged: &mut Merged) {
        for entitlement in &found.entitlements {
            merged.names |= self.names.put(entitlement);
        }
        for (kind, anchor) in &found.entitlements_gone {
            merged.names |= self.names.remove(*kind, *anchor);
        }
        if !delta && !doubtful {
            let seen: FxHashSet<(Sym, Sym)> = found
                .entitlements
                .iter()
                .map(|entitlement| (Sym::new(&entitlement.kind), Sym::new(entitlement.anchor.as_str())))
                .collect();
            let unseen: Vec<(Sym, Sym)> = self
                .names
                .iter()
                .map(|(kind, anchor, _)| (kind, anchor))
                .filter(|known| !seen.contains(known))
                .collect();
            for (kind, anchor) in unseen {
                merged.names |= self.names.remove(kind, anchor);
            }
        }
        let mut nesting: BTreeSet<(Key, Key)> = match (delta, doubtful) {
            (false, false) => BTreeSet::new(),
            (true, false) => {
                let named: FxHashSet<(Sym, Sym)> = found
                    .entitlements
                    .iter()
                    .map(|entitlement| (Sym::new(&entitlement.kind), Sym::new(entitlement.anchor.as_str())))
                    .collect();
                let known = self.names.nesting().iter();
                known.filter(|(_, outer)| !named.contains(&(outer.kind, outer.anchor))).copied().collect()
            }
            (_, true) => self.names.nesting().clone(),
        };
        nesting.extend(found.nesting.iter().copied());
        merged.names |= self.names.set_nesting(nesting);
    }

    fn merge_accounts(&mut self, found: &Collector, delta: bool, doubtful: bool, merged: &mut Merged) {
        let mut after = self.accounts_after(found, delta, doubtful);
        if !delta && !doubtful {
            for (anchor, _) in self.accounts() {
                after.entry(anchor).or_insert(None);
            }
        }
        for anchor in &found.gone {
            // The same read saw it and saw it go: nobody knows in which order.
            match found.accounts.contains_key(anchor) {
                true => merged.unsure.push(*anchor),
                false => {
                    after.insert(*anchor, None);
                }
            }
        }
        for (anchor, seen) in after {
            if self.account(anchor) == seen.as_ref() {
                continue;
            }
            if self.receipts.get(&anchor).is_some_and(|at| *at >= found.started) {
                merged.unsure.push(anchor);
                continue;
            }
            merged.before.extend(self.record(anchor).map(|record| (anchor, record)));
            self.set(anchor, seen);
            merged.changed.push(anchor);
        }
    }

    /// Notes what nobody holds now.
    fn note_vacant(&mut self) {
        for (kind, anchor, _) in self.names.iter() {
            let declared = self.capabilities.entitlement_kind(kind.as_str());
            let roles = declared.map_or(&[][..], |kind| &kind.roles);
            let whole = roles.is_empty().then_some(None);
            for role in roles.iter().map(|role| Some(Sym::new(role))).chain(whole) {
                let key = Key { kind, anchor, role };
                if self.tally.holders(key) == 0 {
                    self.vacant.insert(key);
                }
            }
        }
    }

    /// The accounts that the read says something about, as they are after it.
    fn accounts_after(&self, found: &Collector, delta: bool, doubtful: bool) -> FxHashMap<Sym, Option<Seen>> {
        let mut after: FxHashMap<Sym, Option<Seen>> = FxHashMap::default();
        after.reserve(found.accounts.len());
        for (anchor, (seen, told)) in &found.accounts {
            let known = self.account(*anchor).map(|known| known.entitlements).unwrap_or_default();
            let keeps_known = doubtful || (delta && !told);
            let entitlements = match keeps_known {
                false => seen.entitlements,
                true if seen.entitlements.is_empty() => known,
                true => known.iter().chain(seen.entitlements.iter()).collect(),
            };
            after.insert(*anchor, Some(Seen { entitlements, ..*seen }));
        }
        let mut gained: FxHashMap<Sym, Vec<Key>> = FxHashMap::default();
        for (key, holders) in &found.members {
            for holder in holders {
                gained.entry(*holder).or_default().push(*key);
            }
        }
        if delta && !doubtful && !found.members.is_empty() {
            for (anchor, known) in self.accounts() {
                let seen = after.get(&anchor).copied().flatten().unwrap_or(*known);
                let lost =
                    |key: &Key| found.members.get(key).is_some_and(|holders| !holders.contains(&anchor));
                if seen.entitlements.iter().any(|key| lost(&key)) {
                    let entitlements = seen.entitlements.iter().filter(|key| !lost(key)).collect();
                    after.insert(anchor, Some(Seen { entitlements, ..seen }));
                }
            }
        }
        for (anchor, keys) in gained {
            let known = after.get(&anchor).copied().flatten().or_else(|| self.account(anchor).copied());
            // A member that is no account is a group in the group, or an account out of sight.
            let whole = !delta && !doubtful && !found.accounts.contains_key(&anchor);
            let Some(seen) = known.filter(|_| !whole) else { continue };
            let entitlements: Set<Key> = seen.entitlements.iter().chain(keys).collect();
            after.insert(anchor, Some(Seen { entitlements, ..seen }));
        }
        after
    }
}

/// How often each kind is held, by what a whole read found.
fn memberships(found: &Collector) -> FxHashMap<Sym, usize> {
    let mut counts: FxHashMap<Sym, usize> = FxHashMap::default();
    for (seen, _) in found.accounts.values() {
        for key in seen.entitlements.iter() {
            *counts.entry(key.kind).or_default() += 1;
        }
    }
    for (key, holders) in &found.members {
        *counts.entry(key.kind).or_default() += holders.len();
    }
    counts
}
