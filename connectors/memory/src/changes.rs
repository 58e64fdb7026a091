//! What changed since when: each object once, under the sequence number of its last change.

use std::collections::{BTreeMap, HashMap};

use provost_sdk::Anchor;

/// An object of the system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    Account(Anchor),
    Entitlement { kind: String, anchor: Anchor },
}

/// The order of changes. A read since a number costs what changed since then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    last: u64,
    by_number: BTreeMap<u64, Object>,
    numbers: HashMap<Object, u64>,
    /// Changes up to this number are forgotten.
    horizon: u64,
}

impl Changes {
    /// Notes a change, which may be that the object is gone.
    pub(crate) fn note(&mut self, object: Object) {
        self.last += 1;
        if let Some(before) = self.numbers.insert(object.clone(), self.last) {
            self.by_number.remove(&before);
        }
        self.by_number.insert(self.last, object);
    }

    /// The number of the last change.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The number of the last change of one object: its version.
    pub(crate) fn of(&self, object: &Object) -> u64 {
        self.numbers.get(object).copied().unwrap_or(0)
    }

    /// What changed after `number`, oldest first; `None` when that is not remembered.
    pub(crate) fn since(&self, number: u64) -> Option<impl Iterator<Item = &Object>> {
        let known = (self.horizon..=self.last).contains(&number);
        known.then(|| self.by_number.range(number + 1..).map(|(_, object)| object))
    }

    /// Forgets all changes until now: cursors from before cannot be used any more.
    pub(crate) fn forget(&mut self) {
        self.horizon = self.last;
    }
}
