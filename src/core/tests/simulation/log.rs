//! What a simulated audit log remembers: the only thing that outlives a restart, beside the targets and the branch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::approval::{Approval, Authorship, Uses};
use provost_core::document::Kind;
use provost_core::observed::{AccountRecord, EntitlementRecord};
use provost_core::snapshot::{RuleVersion, Version};
use provost_core::step::Suspension;
use provost_sdk::Operation;

#[derive(Clone, Default)]
pub struct Log {
    /// Whether the journal cannot be written.
    pub broken: bool,
    /// How many more effects the process has before it dies; it lives where absent.
    pub fuse: Option<u64>,
    /// Whether the process died: nothing of it has an effect any more.
    pub dead: bool,
    /// How many effects there were: records written and calls begun.
    pub effects: u64,
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
    /// Every approval, as it was first seen.
    pub approvals: Vec<Approval>,
    /// What became of approvals.
    pub uses: Uses,
    /// Who wrote documents since the first commit.
    pub authors: BTreeMap<(Kind, Sym), Authorship>,
    /// Every intent that ever was, by idempotency key.
    pub intents: BTreeMap<String, OpenIntent>,
    /// How each of them ended, once that is on the record.
    pub outcomes: BTreeMap<String, Outcome>,
}

/// How an intent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target said that it was done, and whether that changed anything.
    Applied { changed: bool },
    /// The target said that it was not done, or the call was never begun.
    Failed,
    /// The process gave it back before the call.
    NotAttempted,
    /// It was in doubt, and this is what a read showed; none where reading cannot tell.
    Settled(Option<bool>),
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
        if self.broken || !self.may_have_effect() {
            return Err(Unwritable);
        }
        self.sequence += 1;
        change(self);
        Ok(self.sequence)
    }

    /// Whether the process still lives to have another effect: a record is durable, or a call goes out.
    pub fn may_have_effect(&mut self) -> bool {
        if self.fuse == Some(0) {
            self.dead = true;
        }
        if self.dead {
            return false;
        }
        self.fuse = self.fuse.map(|left| left - 1);
        self.effects += 1;
        true
    }

    /// Puts on the record how an intent ended: once, or never.
    pub fn end(&mut self, name: &(String, u64), outcome: Outcome) {
        self.open.remove(name);
        let key = format!("{}-{}", name.0, name.1);
        let before = self.outcomes.insert(key, outcome);
        assert_eq!(before, None, "{name:?} has two outcomes, the second of them {outcome:?}");
    }

    pub fn account(&mut self, target: Sym, anchor: Sym, record: Option<AccountRecord>) {
        let accounts = self.accounts.entry(target).or_default();
        match record {
            Some(record) => accounts.insert(anchor, record),
            None => accounts.remove(&anchor),
        };
    }

    /// Rules that are in force from here on.
    pub fn come_into_force(&mut self, rules: &[RuleVersion]) {
        for rule in rules {
            match &rule.after {
                Some(version) => self.rules.insert((rule.kind, rule.id), version.clone()),
                None => self.rules.remove(&(rule.kind, rule.id)),
            };
        }
    }

    /// The versions that count already: rules in force, and what stands for files that do not count.
    pub fn versions(&self) -> Vec<Version> {
        self.rules.values().chain(&self.standing).cloned().collect()
    }
}
