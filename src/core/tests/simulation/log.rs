//! What a simulated audit log remembers: the only thing that outlives a restart, beside the targets and the branch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::document::Kind;
use provost_core::observed::{AccountRecord, EntitlementRecord};
use provost_core::snapshot::Version;
use provost_core::step::Suspension;
use provost_sdk::Operation;

#[derive(Clone, Default)]
pub struct Log {
    /// Whether the journal cannot be written.
    pub broken: bool,
    pub sequence: u64,
    /// The commit that counts.
    pub counted: Option<Sym>,
    pub standing: Vec<Version>,
    pub vanished: Vec<Sym>,
    pub suspension: Suspension,
    pub rules: BTreeMap<(Kind, Sym), Version>,
    /// The place that was adopted, by target.
    pub adopted: BTreeMap<Sym, Sym>,
    pub entitlements: BTreeMap<Sym, Vec<EntitlementRecord>>,
    pub accounts: BTreeMap<Sym, BTreeMap<Sym, AccountRecord>>,
    /// Intents without an outcome that is certain, by label and sequence.
    pub open: BTreeMap<(String, u64), OpenIntent>,
    /// Every intent that ever was, by idempotency key, with the instant at which it was durable.
    pub intents: BTreeMap<String, Timestamp>,
}

#[derive(Clone, Debug)]
pub struct OpenIntent {
    pub target: Sym,
    pub subject: Option<(Sym, Sym)>,
    pub operation: Operation,
    pub not_after: Timestamp,
    /// When the call ended without anybody knowing how.
    pub unknown: Option<Timestamp>,
}

pub struct Unwritable;

impl Log {
    /// Writes a record, whose files are what `change` changes.
    pub fn record(&mut self, change: impl FnOnce(&mut Log)) -> Result<u64, Unwritable> {
        if self.broken {
            return Err(Unwritable);
        }
        self.sequence += 1;
        change(self);
        Ok(self.sequence)
    }

    pub fn account(&mut self, target: Sym, anchor: Sym, record: Option<AccountRecord>) {
        let accounts = self.accounts.entry(target).or_default();
        match record {
            Some(record) => accounts.insert(anchor, record),
            None => accounts.remove(&anchor),
        };
    }

    /// The versions that count already: rules in force, and what stands for files that do not count.
    pub fn versions(&self) -> Vec<Version> {
        self.rules.values().chain(&self.standing).cloned().collect()
    }
}
