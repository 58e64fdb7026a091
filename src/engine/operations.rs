//! Plans become operations under way, and what became of them becomes known and recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use provost_audit::{Kind, OutcomeResult, Record};
use provost_core::Sym;
use provost_core::access::Changed;
use provost_core::gate::Decision;
use provost_core::guard;
use provost_core::organisation::Decided;
use provost_core::plan::Planned;
use provost_core::step::{Done, OperationId, PlanSummary, Queued, Scope, World};
use provost_sdk::{AccountRef, Error, Operation, Receipt, Verb};
use serde_json::json;

use super::doubt::Doubt;
use super::records::{summary, told};
use super::{Engine, Prepared, load, memory};
use crate::{deliver, looking};

/// A call begins within this time of its intent, or not at all: recovery waits it out before it reads what became of
/// the call. A window of intents is called within seconds, unless the target is slow.
const NOT_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// Between two whole reads that settle what is in doubt, where the first one could not: a large target is not read without end.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

impl Engine {
    /// Compares, plans and decides for one target; what proceeds is prepared.
    pub fn plan(&mut self, target: Sym, scope: &Scope, now: Timestamp) -> PlanSummary {
        let scope = &self.notes.widened(target, scope);
        let decided = self.organisation.plan(Some(target), scope, now);
        self.claim(&decided, now);
        self.notes.take(target, scope, &decided);
        self.record_refusals(&decided, now);
        match decided.plan.next {
            Some(at) => drop(self.replan_at.insert(target, at)),
            None if *scope == Scope::All => drop(self.replan_at.remove(&target)),
            None => {}
        }
        self.discard(target, scope);
        let doubts = self.doubts(target);
        let (operations, doubtful) = self.prepare(decided, &doubts);
        let read_at = doubts.iter().map(|doubt| doubt.landed_by.max(now + LOOK_AGAIN)).min();
        let counts = self.notes.counts(target);
        // What only a plan shows may need agreement, and may have it.
        if self.notes.is_empty() && self.agreement.is_idle() {
            self.told = None;
        } else {
            self.reconsider(now);
        }
        PlanSummary {
            operations,
            waiting: counts.waiting + doubtful,
            refused: counts.refused,
            held: counts.held,
            read_at,
            boundary: self.boundary(),
        }
    }

    /// What was planned before and is not promised is planned anew.
    fn discard(&self, target: Sym, scope: &Scope) {
        let again = |prepared: &Prepared| match scope {
            Scope::All => true,
            Scope::Identities(identities) => {
                prepared.planned.identity.is_some_and(|identity| identities.contains(&identity))
            }
        };
        let kept = |prepared: &Prepared| {
            prepared.planned.target != target || prepared.intent().is_some() || !again(prepared)
        };
        self.shared.forget(kept);
    }

    /// What proceeds, and how much of it waits until something that is in doubt is settled.
    fn prepare(&mut self, decided: Decided, doubts: &[Doubt]) -> (Vec<Queued>, usize) {
        let commit = self.counted();
        let mut ids: BTreeMap<usize, OperationId> = BTreeMap::new();
        let mut doubtful: BTreeSet<usize> = BTreeSet::new();
        let mut queued = Vec::new();
        for (place, (planned, decision)) in
            decided.plan.operations.into_iter().zip(decided.decisions).enumerate()
        {
            if decision != Decision::Proceed {
                continue;
            }
            let waits = doubts.iter().any(|doubt| doubt.holds(&planned))
                || planned.after.iter().any(|before| doubtful.contains(before));
            if waits {
                doubtful.insert(place);
                continue;
            }
            let id = self.operation_id();
            ids.insert(place, id);
            queued.push(Queued {
                id,
                digest: Sym::new(&planned.digest.to_string()),
                identity: planned.identity,
                adds: planned.adds(),
                // What does not proceed holds back what comes after it, so every place before is known here.
                after: planned.after.iter().filter_map(|before| ids.get(before).copied()).collect(),
            });
            self.shared.prepare(Arc::new(Prepared::new(id, planned, commit)));
        }
        (queued, doubtful.len())
    }

    /// The intents of these operations, as one record.
    pub fn intent(&mut self, target: Sym, operations: &[OperationId], now: Timestamp) -> Record {
        let prepared: Vec<Arc<Prepared>> =
            operations.iter().filter_map(|id| self.shared.prepared(*id)).collect();
        let mut grants = looking::Grants::default();
        for one in &prepared {
            let causes = looking::causes(&self.organisation, &one.planned, &mut grants);
            one.explain(causes, self.agreement.evidence_of(&one.planned, now));
        }
        prepared.iter().for_each(|one| one.promise(now + NOT_AFTER));
        self.intent_record(target, &prepared, now)
    }

    /// Takes in how a call ended, and gives its record and for whom to plan again.
    pub fn landed(
        &mut self,
        target: Sym,
        prepared: &Prepared,
        result: provost_sdk::Result<Receipt>,
        began: Timestamp,
        now: Timestamp,
    ) -> (Record, Done) {
        let operation = prepared.operation().unwrap_or_else(|_| prepared.planned.operation.clone());
        let anchor = |account: &AccountRef| Sym::new(account.anchor.as_str());
        let before = operation
            .account()
            .and_then(|account| self.organisation.target(target)?.observed.record(anchor(account)));
        match result {
            Ok(receipt) => {
                // What was done to another system says nothing of the one that is there now.
                let here = self.organisation.target(target);
                let here = here.is_some_and(|known| known.adopted == Some(known.place));
                let mut changed = Vec::new();
                let told =
                    self.applied(target, prepared, &operation, &receipt, here.then_some(now), &mut changed);
                let made = receipt.account.as_ref().map(|account| Sym::new(account.anchor.as_str()));
                let anchor = operation.account().map(anchor).or(made);
                let after =
                    anchor.and_then(|anchor| self.organisation.target(target)?.observed.record(anchor));
                self.count(prepared, now);
                let record =
                    self.outcome_record(prepared, OutcomeResult::Applied, (before, after), &told, now);
                let mut world = World { changed: self.elsewhere(target, prepared), ..World::default() };
                changed.into_iter().for_each(|(identity, target)| load::add(&mut world, target, identity));
                (record, Done { changed: world.changed })
            }
            Err(error) => {
                let result = match error.may_have_landed {
                    true => OutcomeResult::Unknown,
                    false if !prepared.has_begun() => OutcomeResult::NotAttempted,
                    false => OutcomeResult::Failed,
                };
                let told = told_error(&error, began, now);
                (self.outcome_record(prepared, result, (before.clone(), before), &told, now), Done::default())
            }
        }
    }

    /// Records that intents were not attempted.
    pub fn abandoned(&mut self, _target: Sym, operations: &[OperationId], now: Timestamp) -> Vec<Record> {
        let prepared = operations.iter().filter_map(|id| self.shared.prepared(*id));
        let told = json!({ "why": "writing stopped before the call began" });
        prepared
            .map(|one| self.outcome_record(&one, OutcomeResult::NotAttempted, (None, None), &told, now))
            .collect()
    }

    fn applied(
        &mut self,
        target: Sym,
        prepared: &Prepared,
        operation: &Operation,
        receipt: &Receipt,
        at: Option<Timestamp>,
        changed: &mut Changed,
    ) -> serde_json::Value {
        if let Some(at) = at {
            changed.extend(self.organisation.receipt(target, prepared.subject(), operation, receipt, at));
        }
        if let (Operation::Create(_), Some(account), Some(subject)) =
            (operation, &receipt.account, prepared.subject())
        {
            let account = AccountRef { anchor: account.anchor.clone(), username: account.username.clone() };
            self.shared.born(target, subject, &account);
        }
        let mut told = told(receipt);
        if let Some(Err(why)) = self.deliver(prepared, receipt) {
            tracing::error!(operation = %summary(&prepared.planned), %why, "a secret was not delivered");
            told["secret"] = json!(format!("not delivered: {why}"));
        }
        told
    }

    /// Brings a new secret to the place that was agreed to.
    fn deliver(&self, prepared: &Prepared, receipt: &Receipt) -> Option<Result<(), deliver::DeliverError>> {
        let secret = receipt.secret.as_ref()?;
        let (Operation::IssueCredential { kind, .. } | Operation::RotateCredential { kind, .. }) =
            &prepared.planned.operation
        else {
            return None;
        };
        let Planned { identity, target, deliver, .. } = &prepared.planned;
        let place = (*deliver)?;
        let name = format!("{}-{target}-{kind}", (*identity)?);
        Some(deliver::secret(&self.settings, place.as_str(), &name, secret))
    }

    /// Whom to plan again elsewhere: targets that come after this one, and those that separation of duties ties.
    fn elsewhere(&self, target: Sym, prepared: &Prepared) -> BTreeMap<Sym, Scope> {
        let Some(identity) = prepared.planned.identity else { return BTreeMap::new() };
        let snapshot = self.organisation.snapshot();
        let separated = !snapshot.separations().is_empty()
            && matches!(prepared.planned.verb(), Verb::Revoke | Verb::Disable | Verb::Delete);
        let born = matches!(prepared.planned.verb(), Verb::Create | Verb::Enable);
        let mut world = World::default();
        for other in snapshot.targets() {
            if other.id != target && (separated || (born && other.after.contains(&target))) {
                load::add(&mut world, other.id, identity);
            }
        }
        world.changed
    }

    /// What was done counts for the guards' windows, and its identity's id is used for ever.
    fn count(&mut self, prepared: &Prepared, now: Timestamp) {
        let identity = prepared.planned.identity;
        self.organisation.count(now, &guard::parts(&prepared.planned), identity);
        self.organisation.use_ids(identity);
    }

    /// For whom access differs on other grounds than documents and time.
    pub(super) fn replan(&mut self, changed: Changed, now: Timestamp) {
        self.replan_at.extend(changed.into_iter().map(|(_, target)| (target, now)));
    }

    /// What identities are to have and were found to have is provost's own from now on, and leavers are known as such,
    /// on the record.
    fn claim(&mut self, decided: &Decided, now: Timestamp) {
        let anchors = self.organisation.claim(&decided.plan.claims);
        if anchors.is_empty() {
            return;
        }
        let mut record =
            Record::new(Kind::Drift, now, format!("{} accounts were found as they are to be", anchors.len()));
        record.changes = anchors
            .iter()
            .map(|(target, anchor)| {
                let account =
                    self.organisation.target(*target).and_then(|known| known.observed.record(*anchor));
                memory::account_file(*target, *anchor, account.as_ref())
            })
            .collect();
        self.write(&record);
    }

    /// Each refusal is on the record once, within the longest window of a guard.
    fn record_refusals(&mut self, decided: &Decided, now: Timestamp) {
        let mut records = Vec::new();
        for (planned, decision) in decided.plan.operations.iter().zip(&decided.decisions) {
            let Decision::Refuse { guard } = decision else { continue };
            if !self.refused.insert(Sym::new(&planned.digest.to_string())) {
                continue;
            }
            let mut record = Record::new(Kind::Refused, now, format!("refused: {}", summary(planned)));
            record.target = Some(planned.target.to_string());
            record.subject = planned.identity.map(|identity| identity.to_string());
            record.operation = Some(planned.digest.to_string());
            record.desired_commit = self.desired.commit.clone();
            record.body = json!({ "guard": guard, "why": guard.to_string(), "operation": planned.operation });
            records.push(record);
        }
        for piece in records.chunks(super::records::FILES) {
            if let Err(error) = self.recorder.record_blocking(piece.to_vec()) {
                tracing::error!(%error, "refusals are not on the record");
            }
        }
    }

    /// Writes a record that nothing waits for; if it cannot be written, the next intent finds that out too.
    pub(super) fn write(&self, record: &Record) {
        if let Err(error) = self.recorder.record_blocking(Engine::in_pieces(record)) {
            tracing::error!(%error, "something that was found is not on the record");
        }
    }
}

fn told_error(error: &Error, began: Timestamp, now: Timestamp) -> serde_json::Value {
    json!({
        "error": error.kind,
        "message": error.message,
        "may_have_landed": error.may_have_landed,
        "milliseconds": now.duration_since(began).as_millis().to_string(),
    })
}
