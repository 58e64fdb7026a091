//! The next instant of each identity at which something changes by itself.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use crate::Sym;

/// The next instants, of those identities that have any.
#[derive(Clone, Debug, Default)]
pub(super) struct Boundaries {
    /// With the number of the symbol, whose order costs no look at texts.
    by_time: BTreeSet<(Timestamp, u32)>,
    of: FxHashMap<Sym, Timestamp>,
}

impl Boundaries {
    /// Sets or forgets the next instant of an identity.
    pub(super) fn set(&mut self, identity: Sym, next: Option<Timestamp>) {
        let before = match next {
            Some(next) => self.of.insert(identity, next),
            None if self.of.is_empty() => None,
            None => self.of.remove(&identity),
        };
        if before == next {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, identity.number()));
        }
        if let Some(next) = next {
            self.by_time.insert((next, identity.number()));
        }
    }

    /// The earliest of all.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(next, _)| *next)
    }

    /// Every identity whose instant has come.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Sym> {
        let due = self.by_time.iter().take_while(|(next, _)| *next <= now);
        due.filter_map(|(_, number)| NonZeroU32::new(*number)).map(Sym::from_number).collect()
    }

    #[cfg(test)]
    pub(super) fn of(&self, identity: Sym) -> Option<Timestamp> {
        self.of.get(&identity).copied()
    }
}
