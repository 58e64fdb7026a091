//! What has to hold at every step: the invariants of the design, asked of what the shell sees and not of the core.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::document::Severity;
use provost_core::organisation::Organisation;
use provost_core::plan::Queue;
use provost_core::set::Key;
use provost_core::step::OperationId;
use provost_sdk::{Error, Operation, Receipt, Risk, Verb};

use super::engine::{Engine, Prepared, grants_in_force};
use super::log::Log;

pub struct Checks {
    /// What roles granted by the first commit, which the operator trusted.
    genesis: BTreeSet<String>,
    /// Every key that was ever called with.
    keys: BTreeSet<String>,
    /// Whether the last read of a target left nothing out.
    whole: BTreeMap<Sym, bool>,
    /// Calls that may or may not have landed, since when nobody has looked.
    doubts: Vec<(Sym, Operation, Timestamp)>,
    calling: BTreeMap<OperationId, (Sym, Operation)>,
    /// What is still to be taken away before something is added, by plan and identity.
    revokes: BTreeMap<(u64, Option<Sym>), BTreeSet<OperationId>>,
}

/// Accounts and what they hold, as they were known.
pub type Known = BTreeMap<Sym, BTreeSet<Key>>;

impl Checks {
    pub fn new(organisation: &Organisation) -> Checks {
        Checks {
            genesis: grants_in_force(organisation.snapshot()),
            keys: BTreeSet::new(),
            whole: BTreeMap::new(),
            doubts: Vec::new(),
            calling: BTreeMap::new(),
            revokes: BTreeMap::new(),
        }
    }

    pub fn expect_sound(&self, organisation: &Organisation) {
        let problems = organisation.snapshot().problems();
        let errors: Vec<_> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "the first commit is sound: {errors:?}");
    }

    /// Invariant 6: what a role grants above low is what the operator trusted, or less.
    pub fn rules(&self, organisation: &Organisation) {
        for grant in grants_in_force(organisation.snapshot()) {
            let high = grant.contains("leads") || grant.contains("admins");
            assert!(!high || self.genesis.contains(&grant), "nobody agreed to the rule {grant}");
        }
    }

    /// Invariant 3: what is inferred from absence needs a read that left nothing out.
    pub fn planned(&mut self, engine: &Engine, target: Sym, plan: u64) {
        self.revokes.retain(|(of, _), _| *of + 20 > plan);
        let ours = engine.prepared.iter().filter(|(_, prepared)| prepared.plan == plan);
        for (id, prepared) in ours {
            let planned = &prepared.planned;
            let inferred = planned.verb() == Verb::Create
                || planned.verb() == Verb::Grant && planned.queue == Queue::Resync;
            let whole = self.whole.get(&target).copied().unwrap_or_default();
            assert!(
                !inferred || whole,
                "{planned:?} is inferred from absence, and the last read was not whole"
            );
            if planned.verb() == Verb::Revoke {
                self.revokes.entry((plan, planned.identity)).or_default().insert(*id);
            }
        }
    }

    pub fn before_read(&self, engine: &Engine, target: Sym) -> Known {
        let known = engine.organisation.target(target).expect("it is in force");
        let held =
            known.observed.accounts().map(|(anchor, seen)| (anchor, seen.entitlements.iter().collect()));
        held.collect()
    }

    /// Invariant 3: an empty, shrunken or partial read takes nothing from what is known.
    #[expect(clippy::too_many_arguments, reason = "all of it is about one read")]
    pub fn after_read(
        &mut self,
        engine: &Engine,
        target: Sym,
        before: Known,
        whole: bool,
        lie: bool,
        sound: bool,
        began: Timestamp,
    ) {
        if whole && !sound {
            let after = self.before_read(engine, target);
            for (anchor, held) in before {
                let now = after.get(&anchor);
                assert!(
                    now.is_some_and(|now| held.is_subset(now)),
                    "{anchor} on {target} lost something by a read that {}",
                    if lie { "lied" } else { "was partial" }
                );
            }
        }
        self.whole.insert(target, sound);
        if sound {
            self.doubts.retain(|(of, _, ended)| *of != target || *ended >= began);
        }
    }

    /// Invariants 5 and 6, and what takes away before what adds.
    pub fn called(
        &mut self,
        log: &Log,
        id: OperationId,
        prepared: &Prepared,
        operation: &Operation,
        now: Timestamp,
    ) {
        let key = prepared.key();
        let planned = &prepared.planned;
        let durable = log.intents.get(&key);
        assert!(durable.is_some_and(|at| *at <= now), "{planned:?} is called without a durable intent");
        assert!(self.keys.insert(key), "{planned:?} is called twice for one intent");
        if planned.adds() {
            let again = self.doubts.iter().find(|(of, other, _)| *of == planned.target && other == operation);
            assert!(again.is_none(), "{operation:?} is tried again blindly while it is in doubt");
            assert_eq!(planned.tier, Risk::Low, "nobody agreed to {planned:?}");
        }
        if planned.verb() == Verb::Grant {
            let open = self.revokes.get(&(prepared.plan, planned.identity));
            assert!(open.is_none_or(BTreeSet::is_empty), "{planned:?} comes before {open:?} is taken away");
        }
        self.calling.insert(id, (planned.target, operation.clone()));
    }

    pub fn answered(
        &mut self,
        id: OperationId,
        engine: &Engine,
        result: &Result<Receipt, Error>,
        now: Timestamp,
    ) {
        let Some((target, operation)) = self.calling.remove(&id) else { return };
        match result {
            Ok(_) => {
                if let Some(prepared) = engine.prepared.get(&id)
                    && let Some(open) = self.revokes.get_mut(&(prepared.plan, prepared.planned.identity))
                {
                    open.remove(&id);
                }
            }
            Err(error) if error.may_have_landed => self.doubts.push((target, operation, now)),
            Err(_) => {}
        }
    }

    /// The outcome is not on the record: for whoever reads the log it is in doubt.
    pub fn unrecorded(&mut self, prepared: Option<Prepared>, now: Timestamp) {
        if let Some(prepared) = prepared
            && let Some(operation) = prepared.operation()
        {
            self.doubts.push((prepared.planned.target, operation, now));
        }
    }

    pub fn restarted(&mut self, now: Timestamp) {
        let calling = std::mem::take(&mut self.calling);
        self.doubts.extend(calling.into_values().map(|(target, operation)| (target, operation, now)));
        self.whole.clear();
        self.revokes.clear();
    }
}
