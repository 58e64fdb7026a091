//! What has to hold at every step: the invariants of the design, asked of what the shell sees and not of the core.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::document::Severity;
use provost_core::organisation::Organisation;
use provost_core::plan::Queue;
use provost_core::set::Key;
use provost_core::step::OperationId;
use provost_sdk::{EntitlementKey, Error, Operation, Receipt, State, Value, Verb};

use super::engine::{Engine, Prepared};
use super::genesis::APART;
use super::log::Log;
use super::shell::{Shell, site_name};

pub struct Checks {
    /// Every key that was ever called with, and when.
    keys: BTreeMap<String, Timestamp>,
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

/// Invariant 3: what is inferred from absence needs a read that left nothing out. Invariant 6: nothing is let through
/// above tier low that nobody agreed to. And nothing is added in a freeze.
pub fn planned(shell: &mut Shell, target: Sym, clock: Timestamp) {
    let plan = shell.plans;
    shell.checks.begin_plan(plan);
    let ours = shell.engine.prepared.iter().filter(|(_, prepared)| prepared.plan == plan);
    for (id, prepared) in ours {
        let planned = &prepared.planned;
        let inferred =
            planned.verb() == Verb::Create || planned.verb() == Verb::Grant && planned.queue == Queue::Resync;
        let whole = shell.checks.whole.get(&target).copied().unwrap_or_default();
        assert!(!inferred || whole, "{planned:?} is inferred from absence, and the last read was not whole");
        let lacks = shell.book.lacks(planned, clock);
        assert_eq!(lacks, None);
        let by_hand = planned.operation.account().map(|of| (site_name(target), of.anchor.clone()));
        if let (Verb::Enable, Some((target, anchor))) = (planned.verb(), by_hand)
            && shell.weather.disabled_by_hand.contains(&(target, anchor.clone()))
        {
            let agreed = shell.book.covers_enable(target, anchor.as_str());
            assert!(agreed, "{planned:?} was disabled by hand, and nobody agreed");
        }
        if let Some(freeze) = &shell.desired.freeze {
            let here = freeze.target.is_none_or(|frozen| target == *frozen);
            let frozen = here && freeze.from <= clock && clock < freeze.until;
            assert!(!frozen || !planned.adds(), "{planned:?} adds in a freeze");
        }
        if planned.verb() == Verb::Revoke {
            shell.checks.revokes.entry((plan, planned.identity)).or_default().insert(*id);
        }
    }
}

/// What an identity holds already by provost that nobody is to hold together with what an operation would give.
pub fn held_apart(
    shell: &Shell,
    target: &str,
    operation: &Operation,
    identity: Option<Sym>,
) -> Option<String> {
    let (Operation::Grant { entitlement, .. }, Some(identity)) = (operation, identity) else { return None };
    let place = APART.iter().position(|(on, what)| {
        *on == target
            && what.is_some_and(|(_, name, role)| {
                entitlement.name == name && entitlement.role.as_deref() == role
            })
    })?;
    let (other, what) = APART[1 - place];
    let (_, name, role) = what?;
    let system = &shell.sites[other].system;
    let named = system.entitlements().find(|one| one.name == name)?;
    let identity = Value::Text(identity.to_string());
    let account =
        system.accounts().find(|account| account.attributes.get("external_id") == Some(&identity))?;
    let by_hand = |key: &EntitlementKey| {
        shell.weather.granted_by_hand.contains(&(other, account.anchor.clone(), key.clone()))
    };
    let mut held = account.entitlements.iter().flatten();
    let held = held.any(|key| key.anchor == named.anchor && key.role.as_deref() == role && !by_hand(key));
    (held && account.state == State::Enabled).then(|| format!("{name} on {other}"))
}

impl Checks {
    pub fn new() -> Checks {
        Checks {
            keys: BTreeMap::new(),
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

    fn begin_plan(&mut self, plan: u64) {
        self.revokes.retain(|(of, _), _| *of + 20 > plan);
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
        assert!(log.intents.contains_key(&key), "{planned:?} is called without a durable intent");
        let before = self.keys.insert(key, now);
        assert!(before.is_none(), "{planned:?} is called twice for one intent");
        if planned.adds() {
            let again = self.doubts.iter().find(|(of, other, _)| *of == planned.target && other == operation);
            assert!(again.is_none(), "{operation:?} is tried again blindly while it is in doubt");
        }
        if planned.verb() == Verb::Grant {
            let open = self.revokes.get(&(prepared.plan, planned.identity));
            assert!(open.is_none_or(BTreeSet::is_empty), "{planned:?} comes before {open:?} is taken away");
        }
        self.calling.insert(id, (planned.target, operation.clone()));
    }

    /// When the call for an intent was made, if it was.
    pub fn called_at(&self, key: &str) -> Option<Timestamp> {
        self.keys.get(key).copied()
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
