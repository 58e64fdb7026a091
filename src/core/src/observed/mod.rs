//! What one target has, as far as it is known: the last complete read, gap-free deltas and our own receipts, merged.
//!
//! In: items of reads, receipts, look-ups, records of the audit tree. Out: accounts, entitlements, links, and what may
//! be concluded from absence. It never decides what ought to be there.

mod account;
mod collect;
mod link;
mod merge;
mod names;
mod receipt;
mod record;
mod rows;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rustc_hash::FxHashMap;

use provost_sdk::{Capabilities, Cursor};

pub use account::{Field, Seen, fields, key, key_of};
pub use collect::Collector;
pub use link::{Credential, Link, Origin};
pub use merge::{Merged, Shrink};
pub use names::{Named, Names, Resolved};
pub use record::{AccountRecord, EntitlementRecord, HeldRecord, LinkRecord};

use crate::Sym;
use crate::facts::TargetFacts;
use crate::set::{Key, Spec};
use crate::tally::Tally;
use rows::Rows;

/// What one target has.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    capabilities: Capabilities,
    rows: Rows,
    names: Names,
    /// When provost itself last changed or looked up an account: what a read says of it counts only when the read
    /// began later.
    receipts: FxHashMap<Sym, Timestamp>,
    standing: Standing,
    tally: Tally,
    /// What a complete read once saw with nobody who can sign in holding it.
    vacant: BTreeSet<Key>,
}

/// How far what is known can be trusted to be everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When the last complete read began, unless a gap came after it.
    pub complete: Option<Timestamp>,
    /// When the last read began that left nothing out: a complete one or a gap-free delta.
    pub current: Option<Timestamp>,
    /// Why nothing follows from absence, although there was a complete read: the last read was partial, or there is a
    /// gap.
    pub doubt: Option<Doubt>,
    /// An empty or shrunken read, until one comes that is whole again or an operator trusts it.
    pub suspicion: Option<Sym>,
    /// Where the next delta goes on.
    pub cursor: Option<Cursor>,
    /// Since when an operator says that the next complete read is to be taken as it is.
    trusted: Option<Timestamp>,
}

/// Why nothing follows from absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The last read was partial, for this reason.
    Partial(Sym),
    /// Something was missed, for this reason: a whole read is due.
    Gap(Sym),
}

/// Proof that absence means something: everything of the target was read, recently, without a gap since. Only
/// [`Observed::complete`] makes one, and whatever is inferred from absence asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Complete<'a>(&'a Observed);

/// Why absence means nothing now.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Incomplete {
    /// No whole read yet.
    #[error("The target has not been read completely yet.")]
    NeverRead,
    /// The last read was partial.
    #[error("The last read was partial: {0}")]
    Partial(Sym),
    /// Something was missed.
    #[error("The reads have a gap: {0}")]
    Gap(Sym),
    /// An empty or shrunken read.
    #[error("The last read is suspicious: {0}")]
    Suspicious(Sym),
    /// Too long ago.
    #[error("The last read began at {0}, which is too long ago to conclude anything from absence.")]
    Old(Timestamp),
}

impl Observed {
    /// Nothing known yet of a target that can do this.
    pub fn new(capabilities: Capabilities) -> Observed {
        let (names, rows) = (Names::new(&capabilities), Rows::new(capabilities.usernames));
        Observed { names, rows, capabilities, ..Observed::default() }
    }

    /// What its connector declares.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Takes over what the connector declares now. Names are indexed again where their comparison changed.
    pub fn describe(&mut self, capabilities: Capabilities) {
        if self.capabilities == capabilities {
            return;
        }
        self.names.describe(&capabilities);
        self.rows.compare(capabilities.usernames);
        self.capabilities = capabilities;
        self.unsettle();
    }

    /// One account by anchor.
    pub fn account(&self, anchor: Sym) -> Option<&Seen> {
        self.rows.seen(anchor)
    }

    /// Every account, in no order that means anything.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = (Sym, &Seen)> {
        let seen = self.rows.iter().filter_map(|row| Some((row.anchor, row.seen.as_ref()?)));
        Counted { iter: seen, left: self.tally.accounts }
    }

    /// The anchors of the accounts whose username the target takes for this one: none, one, or, on a target that does
    /// not keep its own rules, several.
    pub fn by_username(&self, username: &str) -> Vec<Sym> {
        self.rows.named(username)
    }

    /// Entitlements by anchor and name, and how they contain one another.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// People agreed that a name means what bears it now.
    pub fn agree_name(&mut self, kind: Sym, name: Sym) {
        self.names.agree(kind, name);
        self.unsettle();
    }

    /// The link of an identity in a profile.
    pub fn link(&self, identity: Sym, profile: Sym) -> Option<Link> {
        self.rows.link(self.rows.of((identity, profile))?)
    }

    /// The links of an identity, by profile, in order.
    pub fn links_of(&self, identity: Sym) -> impl Iterator<Item = (Sym, Link)> {
        let profiles = self.rows.profiles().iter();
        profiles.filter_map(move |profile| Some((*profile, self.link(identity, *profile)?)))
    }

    /// How many links there are.
    pub fn links(&self) -> usize {
        self.rows.links()
    }

    /// Notes that the plan finds nothing to do here for an identity as it is now. `number` is not 0 and stands for
    /// everything that the identity is to have; it is given back by [`Observed::settled`] until anything is different
    /// here.
    pub fn settle(&self, identity: Sym, number: u32) {
        self.rows.settle(identity, number);
    }

    /// The identity of every linked account, and the number under which it was settled; 0 where it is not.
    pub fn settled(&self) -> impl Iterator<Item = (Sym, u32)> {
        self.rows.settled()
    }

    /// Forgets what was settled: rules of the target are different.
    pub fn unsettle(&mut self) {
        self.rows.unsettle();
    }

    /// Whose account it is, and in which profile.
    pub fn owner(&self, anchor: Sym) -> Option<(Sym, Sym)> {
        self.rows.get(anchor)?.owner
    }

    /// What access has to know of it.
    pub fn facts(&self) -> TargetFacts {
        let spec = |key: &Key| self.names.spec(*key);
        TargetFacts {
            capabilities: self.capabilities.clone(),
            nesting: self.names.nesting().iter().map(|(inner, outer)| (spec(inner), spec(outer))).collect(),
            administrative: self
                .names
                .iter()
                .filter(|(_, _, named)| named.administrative)
                .map(|(kind, _, named)| Spec { kind, name: named.name, role: None })
                .collect(),
        }
    }

    /// Whether this was ever seen with nobody who can sign in holding it: it is no last way in.
    pub fn was_vacant(&self, key: Key) -> bool {
        self.vacant.contains(&key)
    }

    /// Counts of what is there.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How far it can be trusted to be everything.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whether anything follows from absence.
    ///
    /// # Errors
    /// Why not: never read, partial, a gap, suspicious, or longer ago than `age`.
    pub fn complete(&self, now: Timestamp, age: SignedDuration) -> Result<Complete<'_>, Incomplete> {
        let Standing { complete, current, doubt, suspicion, cursor: _, trusted: _ } = &self.standing;
        if let Some(reason) = suspicion {
            return Err(Incomplete::Suspicious(*reason));
        }
        match doubt {
            Some(Doubt::Partial(reason)) => return Err(Incomplete::Partial(*reason)),
            Some(Doubt::Gap(reason)) => return Err(Incomplete::Gap(*reason)),
            None => {}
        }
        let (Some(_), Some(current)) = (complete, current) else { return Err(Incomplete::NeverRead) };
        match now.duration_since(*current) > age {
            true => Err(Incomplete::Old(*current)),
            false => Ok(Complete(self)),
        }
    }

    /// Sets or removes an account and keeps every index and count equal to it. Whether anything changed.
    fn set(&mut self, anchor: Sym, after: Option<Seen>) -> bool {
        let before = self.rows.seen(anchor).copied();
        if before == after {
            return false;
        }
        self.tally.update(before.as_ref(), after.as_ref());
        self.rows.set_seen(anchor, after);
        if self.rows.get(anchor).is_some_and(rows::Row::is_enabled) {
            self.rows.change(anchor, |link| {
                link.disabled = None;
                link.sessions_ended = false;
            });
        }
        true
    }
}

/// An iterator of which it is known how much is left.
struct Counted<I> {
    iter: I,
    left: usize,
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let next = self.iter.next();
        self.left -= usize::from(next.is_some());
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Iterator> ExactSizeIterator for Counted<I> {}

impl<'a> Complete<'a> {
    /// What was read.
    pub fn observed(self) -> &'a Observed {
        self.0
    }
}
