//! Intents without an outcome are settled by reading: once the call can no longer land, what the target shows decides.
//! Nothing is ever tried again because its outcome is unknown; what is still missing is planned anew.

use jiff::{SignedDuration, Timestamp};
use provost_audit::{Change, Kind, OpenIntent, Record};
use provost_core::Sym;
use provost_core::observed::{Observed, key};
use provost_core::plan::Planned;
use provost_sdk::{Operation, Receipt, State, Value};
use serde_json::json;

use super::memory::account_file;
use super::{Engine, windows};

/// What a connector's own timeout may add to the end of a call that began at the last allowed instant.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// An operation of which nobody knows yet whether it was done.
pub(super) struct Doubt {
    intent: OpenIntent,
    /// Its call cannot land later than this.
    pub(super) landed_by: Timestamp,
}

impl Doubt {
    /// Whether an operation waits until this is settled: a second call of the same, or one that adds for the same
    /// identity and profile, which may be made for an account that is there already. What takes away waits only where it
    /// is about an account that is nobody's, and that this may have made.
    pub(super) fn holds(&self, planned: &Planned) -> bool {
        let text = |name: &str| self.intent.call.get(name).and_then(|value| value.as_str());
        let same = self.intent.operation == planned.digest.to_string();
        let subject = planned.identity.is_some_and(|identity| text("identity") == Some(identity.as_str()))
            && text("profile") == Some(planned.profile.as_str());
        let account = planned.operation.account().filter(|_| planned.identity.is_none());
        account.is_some_and(|account| self.may_have_made(&account.username))
            || !planned.takes_away() && (same || subject)
    }

    fn may_have_made(&self, username: &str) -> bool {
        matches!(operation_of(&self.intent), Some(Operation::Create(create)) if create.username == username)
    }
}

impl Engine {
    /// What is in doubt on a target.
    pub(super) fn doubts(&self, target: Sym) -> Vec<Doubt> {
        let open = match self.recorder.with_log(|log| log.open_intents()) {
            Ok(Ok(open)) => open,
            // The recorder has ended, and says so to whoever records.
            Err(_) => return Vec::new(),
            Ok(Err(error)) => {
                tracing::error!(%error, "what is in doubt cannot be settled");
                return Vec::new();
            }
        };
        let timeout = self
            .organisation
            .snapshot()
            .target(target)
            .map(|target| target.limits.timeout.0)
            .unwrap_or_default();
        let prepared = self.shared.all_prepared();
        let under_way = |intent: &OpenIntent| {
            let same = |prepared: &std::sync::Arc<super::Prepared>| {
                prepared.label() == intent.operation && prepared.intent() == Some(intent.seq)
            };
            !intent.unknown && prepared.iter().any(same)
        };
        // An unknown outcome means that the call has ended; without any outcome it may still be on its way.
        let landed_by = |intent: &OpenIntent| match intent.unknown {
            true => Timestamp::from_second(intent.at).unwrap_or(intent.not_after) + timeout + SLACK,
            false => intent.not_after + timeout + SLACK,
        };
        open.into_iter()
            .filter(|intent| intent.target == target.as_str() && !under_way(intent))
            .map(|intent| Doubt { landed_by: landed_by(&intent), intent })
            .collect()
    }

    /// The records that settle what was in doubt on a target that was just read completely.
    pub fn settle(&mut self, target: Sym, now: Timestamp) -> Vec<Record> {
        let Some(read) = self.organisation.target(target).and_then(|known| known.observed.standing().current)
        else {
            return Vec::new();
        };
        let ready: Vec<Doubt> =
            self.doubts(target).into_iter().filter(|doubt| doubt.landed_by <= read).collect();
        ready.into_iter().map(|doubt| self.settled(target, &doubt.intent, now)).collect()
    }

    fn settled(&mut self, target: Sym, intent: &OpenIntent, now: Timestamp) -> Record {
        let operation = operation_of(intent);
        let text = |name: &str| intent.call.get(name).and_then(|value| value.as_str()).map(Sym::new);
        let subject = text("identity").zip(text("profile"));
        let applied = operation
            .as_ref()
            .zip(self.organisation.target(target))
            .and_then(|(operation, known)| shows(&known.observed, operation));
        let word = match applied {
            Some(true) => "applied",
            Some(false) => "not applied",
            None => "unknown",
        };
        let mut record =
            Record::new(Kind::Settled, now, format!("settled: {word} on {target} for {}", intent.subject));
        record.target = Some(intent.target.clone());
        record.subject = Some(intent.subject.clone());
        record.operation = Some(intent.operation.clone());
        record.intent = Some(intent.seq);
        record.priority = true;
        record.body = json!({ "applied": applied, "call": intent.call });
        if applied == Some(true) {
            let parts = windows::counts_of(&intent.call);
            self.organisation.count(now, &parts, subject.map(|(identity, _)| identity));
        }
        if let (Some(true), Some(Operation::Create(create)), Some((identity, profile))) =
            (applied, &operation, subject)
        {
            // The account that an intent of ours named, that nobody had before and nobody has now, is the one it made.
            let made = self.organisation.created(target, identity, profile, &create.username);
            record.changes.extend(made.map(|anchor| self.account_change(target, anchor)));
        } else if let (Some(true), Some(operation)) = (applied, &operation)
            && let Some(anchor) = operation.account().map(|account| Sym::new(account.anchor.as_str()))
        {
            // It was ours: a grant that may be taken back, a disabled account that may be enabled again.
            let changed =
                self.organisation.receipt(target, subject, operation, &Receipt::unchanged(None), now);
            self.replan(changed, now);
            record.changes.push(self.account_change(target, anchor));
        }
        record
    }

    fn account_change(&self, target: Sym, anchor: Sym) -> Change {
        let account = self.organisation.target(target).and_then(|known| known.observed.record(anchor));
        account_file(target, anchor, account.as_ref())
    }
}

/// What an intent was going to call, if this version can read it.
fn operation_of(intent: &OpenIntent) -> Option<Operation> {
    intent.call.get("operation").cloned().and_then(|call| serde_json::from_value(call).ok())
}

/// Whether what was read shows an operation's effect; `None` where reading cannot tell.
fn shows(observed: &Observed, operation: &Operation) -> Option<bool> {
    let account = |account: &provost_sdk::AccountRef| observed.account(Sym::new(account.anchor.as_str()));
    match operation {
        Operation::Create(create) => Some(!observed.by_username(&create.username).is_empty()),
        Operation::Delete { account: of } => Some(account(of).is_none()),
        Operation::Enable { account: of } => Some(account(of)?.state == State::Enabled),
        Operation::Disable { account: of } => {
            Some(account(of).is_none_or(|seen| seen.state == State::Disabled))
        }
        Operation::Rename { account: of, to } => Some(account(of)?.username == *to.as_str()),
        Operation::Grant { account: of, entitlement } => {
            Some(account(of)?.entitlements.contains(key(&entitlement.key())))
        }
        Operation::Revoke { account: of, entitlement } => {
            Some(account(of).is_none_or(|seen| !seen.entitlements.contains(key(&entitlement.key()))))
        }
        Operation::Update { account: of, changes } => {
            let seen = account(of)?;
            let value =
                |name: &str| -> Option<Value> { seen.attribute(Sym::new(name)).map(|field| field.value()) };
            Some(changes.iter().all(|(name, wanted)| value(name) == *wanted))
        }
        Operation::Replace { .. }
        | Operation::EndSessions { .. }
        | Operation::Transfer { .. }
        | Operation::IssueCredential { .. }
        | Operation::RotateCredential { .. }
        | Operation::RevokeCredential { .. } => None,
    }
}
