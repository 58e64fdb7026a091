//! The accounts of one target and whose they are, as one table: a row is 44 bytes, and a pass over everybody reads them
//! one after the other.
//!
//! Every change of a row goes through this module, so that a row that still says it is settled is the one that the plan
//! saw.

mod packed;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashTable;
use jiff::Timestamp;
use rustc_hash::{FxBuildHasher, FxHashMap};

use provost_sdk::{Comparison, State};

use super::account::Seen;
use super::link::{Credential, Link, Origin};
use crate::Sym;
use crate::set::{Key, Set};

/// An identity and a profile.
pub(super) type Owner = (Sym, Sym);

/// Accounts, links, and where each is by anchor, by owner and by folded username.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    by_anchor: HashTable<u32>,
    by_owner: HashTable<u32>,
    by_username: HashTable<u32>,
    /// How the target compares usernames.
    usernames: Comparison,
    /// Every profile in which there was ever a link: a handful.
    profiles: BTreeSet<Sym>,
    /// What few links have, by anchor.
    rare: FxHashMap<Sym, Rare>,
}

/// An account, or a link to one that is gone, or both.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) anchor: Sym,
    pub(super) seen: Option<Seen>,
    pub(super) owner: Option<Owner>,
    ours: Set<Key>,
    origin: Origin,
    sessions_ended: bool,
    transferred: bool,
    has_rare: bool,
    /// The number under which the plan found that nothing is to be done for the owner; 0 since any change.
    settled: Settled,
}

/// A number that whoever only reads the table may write: plans of several identities are made at once.
#[derive(Debug, Default)]
struct Settled(AtomicU32);

#[derive(Clone, Debug, Default, PartialEq)]
struct Rare {
    disabled: Option<Timestamp>,
    left: bool,
    credentials: Vec<Credential>,
}

impl Rows {
    pub(super) fn new(usernames: Comparison) -> Rows {
        Rows { usernames, ..Rows::default() }
    }

    /// Takes over how usernames are compared now.
    pub(super) fn compare(&mut self, usernames: Comparison) {
        if self.usernames == usernames {
            return;
        }
        self.usernames = usernames;
        self.by_username.clear();
        for place in 0..self.rows.len() {
            if let Some(seen) = self.rows[place].seen {
                self.index_username(place, seen.username);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// How many accounts are linked to somebody, or were.
    pub(super) fn links(&self) -> usize {
        self.by_owner.len()
    }

    pub(super) fn profiles(&self) -> &BTreeSet<Sym> {
        &self.profiles
    }

    pub(super) fn get(&self, anchor: Sym) -> Option<&Row> {
        self.place(anchor).map(|place| &self.rows[place])
    }

    pub(super) fn seen(&self, anchor: Sym) -> Option<&Seen> {
        self.get(anchor)?.seen.as_ref()
    }

    pub(super) fn of(&self, owner: Owner) -> Option<&Row> {
        self.place_of(owner).map(|place| &self.rows[place])
    }

    /// The anchors of the accounts with a username, as the target compares them, in order.
    pub(super) fn named(&self, username: &str) -> Vec<Sym> {
        let folded = self.fold(Sym::new(username));
        let rows = self.by_username.iter_hash(hash(folded)).map(|place| &self.rows[*place as usize]);
        let same = |row: &&Row| row.seen.is_some_and(|seen| self.fold(seen.username) == folded);
        let mut found: Vec<Sym> = rows.filter(same).map(|row| row.anchor).collect();
        found.sort_unstable();
        found
    }

    /// The link of a row, if it has one.
    pub(super) fn link(&self, row: &Row) -> Option<Link> {
        row.owner?;
        let Row { anchor, ours, origin, sessions_ended, transferred, has_rare, .. } = *row;
        let Rare { disabled, left, credentials } = match has_rare {
            true => self.rare.get(&anchor).cloned().unwrap_or_default(),
            false => Rare::default(),
        };
        Some(Link { anchor, origin, ours, disabled, sessions_ended, transferred, left, credentials })
    }

    /// Makes an account what was seen of it; a row of nothing is no row.
    pub(super) fn set_seen(&mut self, anchor: Sym, seen: Option<Seen>) {
        let place = match (self.place(anchor), seen) {
            (None, None) => return,
            (Some(place), _) => place,
            (None, Some(_)) => self.add(anchor),
        };
        let before = self.rows[place].seen.map(|seen| seen.username);
        let after = seen.map(|seen| seen.username);
        if before != after {
            if let Some(username) = before {
                self.unindex_username(place, username);
            }
            self.rows[place].seen = seen;
            if let Some(username) = after {
                self.index_username(place, username);
            }
        }
        self.rows[place].seen = seen;
        match self.rows[place].owner {
            Some((identity, _)) => self.disturb(identity),
            None => self.drop_empty(place),
        }
    }

    /// Links an account to an owner. Whatever the owner had in this profile, and whoever had the account, is unlinked.
    pub(super) fn set_link(&mut self, owner: Owner, link: Link) {
        if let Some(place) = self.place_of(owner)
            && self.rows[place].anchor != link.anchor
        {
            self.remove_owner(place);
        }
        let place = self.place(link.anchor).unwrap_or_else(|| self.add(link.anchor));
        match self.rows[place].owner {
            Some(before) if before == owner => {}
            before => {
                if before.is_some() {
                    self.take_owner(place);
                }
                self.rows[place].owner = Some(owner);
                let Rows { rows, by_owner, .. } = self;
                by_owner.insert_unique(hash(owner), number(place), |place| {
                    rows[*place as usize].owner.map_or(0, hash)
                });
            }
        }
        self.profiles.insert(owner.1);
        self.write(place, link);
        self.disturb(owner.0);
    }

    /// Forgets the link of an account.
    pub(super) fn unlink(&mut self, anchor: Sym) {
        if let Some(place) = self.place(anchor) {
            self.remove_owner(place);
        }
    }

    /// Changes the link of an account, if it has one.
    pub(super) fn change(&mut self, anchor: Sym, change: impl FnOnce(&mut Link)) {
        let Some(place) = self.place(anchor) else { return };
        let row = &self.rows[place];
        let (Some((identity, _)), Some(mut link)) = (row.owner, self.link(row)) else { return };
        change(&mut link);
        link.anchor = anchor;
        self.write(place, link);
        self.disturb(identity);
    }

    /// Notes that nothing is to be done for an identity as it is now, under a number that is not 0.
    pub(super) fn settle(&self, identity: Sym, number: u32) {
        for profile in &self.profiles {
            if let Some(row) = self.of((identity, *profile)) {
                row.settled.set(number);
            }
        }
    }

    /// Whose account each linked row is, and under which number it is settled; 0 where it is not.
    pub(super) fn settled(&self) -> impl Iterator<Item = (Sym, u32)> {
        self.rows.iter().filter_map(|row| Some((row.owner?.0, row.settled.get())))
    }

    /// Forgets what is settled.
    pub(super) fn unsettle(&mut self) {
        self.rows.iter().for_each(|row| row.settled.set(0));
    }

    /// What is to be done in one profile depends on the others, so all of them are looked at again.
    fn disturb(&mut self, identity: Sym) {
        self.settle(identity, 0);
    }

    fn write(&mut self, place: usize, link: Link) {
        let Link { anchor, origin, ours, disabled, sessions_ended, transferred, left, credentials } = link;
        let rare = Rare { disabled, left, credentials };
        let has_rare = rare != Rare::default();
        let row = &mut self.rows[place];
        if has_rare {
            self.rare.insert(anchor, rare);
        } else if row.has_rare {
            self.rare.remove(&anchor);
        }
        (row.ours, row.origin) = (ours, origin);
        (row.sessions_ended, row.transferred, row.has_rare) = (sessions_ended, transferred, has_rare);
    }

    fn remove_owner(&mut self, place: usize) {
        self.take_owner(place);
        self.drop_empty(place);
    }

    fn take_owner(&mut self, place: usize) {
        let Some(owner) = self.rows[place].owner else { return };
        self.disturb(owner.0);
        if let Ok(entry) = self.by_owner.find_entry(hash(owner), |known| *known as usize == place) {
            entry.remove();
        }
        let anchor = self.rows[place].anchor;
        self.write(place, Link::new(anchor, Origin::Created));
        self.rows[place].owner = None;
    }

    fn add(&mut self, anchor: Sym) -> usize {
        let place = self.rows.len();
        let Rows { rows, by_anchor, .. } = self;
        rows.push(Row::new(anchor));
        by_anchor.insert_unique(hash(anchor), number(place), |place| hash(rows[*place as usize].anchor));
        place
    }

    /// A row that is neither an account nor a link is none: the last one takes its place.
    fn drop_empty(&mut self, place: usize) {
        let row = &self.rows[place];
        if row.seen.is_some() || row.owner.is_some() {
            return;
        }
        let is = |at: usize| move |known: &u32| *known as usize == at;
        if let Ok(entry) = self.by_anchor.find_entry(hash(row.anchor), is(place)) {
            entry.remove();
        }
        self.rows.swap_remove(place);
        let last = self.rows.len();
        let Some(moved) = self.rows.get(place) else { return };
        let username = moved.seen.map(|seen| hash(self.fold(seen.username)));
        let owner = moved.owner.map(hash);
        let tables = [
            (&mut self.by_anchor, Some(hash(moved.anchor))),
            (&mut self.by_owner, owner),
            (&mut self.by_username, username),
        ];
        for (table, hash) in tables {
            if let Some(known) = hash.and_then(|hash| table.find_mut(hash, is(last))) {
                *known = number(place);
            }
        }
    }

    fn index_username(&mut self, place: usize, username: Sym) {
        let hashed = hash(self.fold(username));
        let Rows { rows, by_username, usernames, .. } = self;
        by_username.insert_unique(hashed, number(place), |place| {
            rows[*place as usize].seen.map_or(0, |seen| hash(folded(*usernames, seen.username)))
        });
    }

    fn unindex_username(&mut self, place: usize, username: Sym) {
        let hashed = hash(self.fold(username));
        if let Ok(entry) = self.by_username.find_entry(hashed, |known| *known as usize == place) {
            entry.remove();
        }
    }

    fn fold(&self, username: Sym) -> Sym {
        folded(self.usernames, username)
    }

    fn place(&self, anchor: Sym) -> Option<usize> {
        let found = self.by_anchor.find(hash(anchor), |place| self.rows[*place as usize].anchor == anchor);
        found.map(|place| *place as usize)
    }

    fn place_of(&self, owner: Owner) -> Option<usize> {
        let same = |place: &u32| self.rows[*place as usize].owner == Some(owner);
        self.by_owner.find(hash(owner), same).map(|place| *place as usize)
    }
}

impl Settled {
    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, number: u32) {
        self.0.store(number, Ordering::Relaxed);
    }
}

impl Clone for Settled {
    fn clone(&self) -> Settled {
        Settled(AtomicU32::new(self.get()))
    }
}

impl Row {
    fn new(anchor: Sym) -> Row {
        Row {
            anchor,
            seen: None,
            owner: None,
            ours: Set::empty(),
            origin: Origin::Created,
            sessions_ended: false,
            transferred: false,
            has_rare: false,
            settled: Settled::default(),
        }
    }

    /// Whether somebody can sign in with it.
    pub(super) fn is_enabled(&self) -> bool {
        self.seen.is_some_and(|seen| seen.state == State::Enabled)
    }
}

fn folded(usernames: Comparison, username: Sym) -> Sym {
    match usernames {
        Comparison::Exact => username,
        comparison => Sym::new(&comparison.fold(username.as_str())),
    }
}

fn hash(value: impl Hash) -> u64 {
    FxBuildHasher.hash_one(value)
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("four thousand million accounts do not fit into memory")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The same in maps that are searched from end to end.
    #[derive(Default)]
    struct Plain {
        seen: BTreeMap<Sym, Seen>,
        links: BTreeMap<Owner, Link>,
    }

    #[derive(Clone, Debug)]
    enum Step {
        See(u8, Option<(u8, bool)>),
        Link(u8, u8, u8),
        Unlink(u8),
        Disable(u8),
        Compare(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6_u8, proptest::option::of((0..4_u8, any::<bool>()))).prop_map(|(at, seen)| Step::See(at, seen)),
            3 => (0..6_u8, 0..4_u8, 0..2_u8).prop_map(|(at, who, profile)| Step::Link(at, who, profile)),
            1 => (0..6_u8).prop_map(Step::Unlink),
            1 => (0..6_u8).prop_map(Step::Disable),
            1 => any::<bool>().prop_map(Step::Compare),
        ]
    }

    fn anchor(number: u8) -> Sym {
        Sym::new(&format!("a-{number}"))
    }

    fn owner(who: u8, profile: u8) -> Owner {
        (Sym::new(&format!("p-{who}")), Sym::new(["main", "admin"][usize::from(profile)]))
    }

    fn seen((name, enabled): (u8, bool)) -> Seen {
        Seen {
            kind: "user".into(),
            username: Sym::new(["ada", "ADA", "bo", "cy"][usize::from(name)]),
            state: if enabled { State::Enabled } else { State::Disabled },
            attributes: Set::empty(),
            entitlements: Set::empty(),
        }
    }

    impl Plain {
        fn go(&mut self, step: &Step) {
            match step {
                Step::See(at, to) => drop(match to {
                    Some(to) => self.seen.insert(anchor(*at), seen(*to)),
                    None => self.seen.remove(&anchor(*at)),
                }),
                Step::Link(at, who, profile) => {
                    self.links.retain(|_, link| link.anchor != anchor(*at));
                    self.links.insert(owner(*who, *profile), Link::new(anchor(*at), Origin::Adopted));
                }
                Step::Unlink(at) => self.links.retain(|_, link| link.anchor != anchor(*at)),
                Step::Disable(at) => {
                    let mut links = self.links.values_mut();
                    if let Some(link) = links.find(|link| link.anchor == anchor(*at)) {
                        link.disabled = Some(Timestamp::UNIX_EPOCH);
                    }
                }
                Step::Compare(_) => {}
            }
        }
    }

    fn go(rows: &mut Rows, step: &Step) {
        match step {
            Step::See(at, to) => rows.set_seen(anchor(*at), to.map(seen)),
            Step::Link(at, who, profile) => {
                rows.set_link(owner(*who, *profile), Link::new(anchor(*at), Origin::Adopted));
            }
            Step::Unlink(at) => rows.unlink(anchor(*at)),
            Step::Disable(at) => {
                rows.change(anchor(*at), |link| link.disabled = Some(Timestamp::UNIX_EPOCH));
            }
            Step::Compare(exact) => {
                rows.compare(if *exact { Comparison::Exact } else { Comparison::IgnoreCase });
            }
        }
    }

    proptest! {
        #[test]
        fn every_index_finds_what_a_search_finds(steps in proptest::collection::vec(step(), 1..60)) {
            let (mut rows, mut plain, mut exact) = (Rows::default(), Plain::default(), true);
            for step in &steps {
                for who in 0..4 {
                    rows.settle(owner(who, 0).0, 7);
                }
                let before = plain.links.clone();
                let seen_before = plain.seen.clone();
                go(&mut rows, step);
                plain.go(step);
                if let Step::Compare(now) = step {
                    exact = *now;
                }
                for at in (0..6).map(anchor) {
                    prop_assert_eq!(rows.seen(at), plain.seen.get(&at));
                    let owner = plain.links.iter().find(|(_, link)| link.anchor == at).map(|(owner, _)| *owner);
                    prop_assert_eq!(rows.get(at).and_then(|row| row.owner), owner);
                    prop_assert_eq!(rows.get(at).is_some(), owner.is_some() || plain.seen.contains_key(&at));
                }
                prop_assert_eq!(rows.links(), plain.links.len());
                for owner in (0..4).flat_map(|who| [owner(who, 0), owner(who, 1)]) {
                    let found = rows.of(owner).and_then(|row| rows.link(row));
                    prop_assert_eq!(found.as_ref(), plain.links.get(&owner));
                }
                for name in ["ada", "Ada", "bo", "cy"] {
                    let same = |seen: &Seen| {
                        if exact { seen.username == name } else { seen.username.as_str().eq_ignore_ascii_case(name) }
                    };
                    let named = plain.seen.iter().filter(|(_, seen)| same(seen)).map(|(anchor, _)| *anchor);
                    prop_assert_eq!(rows.named(name), named.collect::<Vec<_>>());
                }
                // Of whom anything is different, nothing is settled any more.
                for (identity, number) in rows.settled() {
                    let of = |links: &BTreeMap<Owner, Link>, seen: &BTreeMap<Sym, Seen>| -> Vec<_> {
                        let own = links.iter().filter(|((id, _), _)| *id == identity);
                        own.map(|(owner, link)| (*owner, link.clone(), seen.get(&link.anchor).copied())).collect()
                    };
                    let same = of(&before, &seen_before) == of(&plain.links, &plain.seen);
                    prop_assert!(number == 0 || same, "{identity} is settled and different");
                }
            }
        }
    }
}
