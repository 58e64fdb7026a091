//! Intents without an outcome are settled by reading: once the call can no longer land, what the target shows decides.
//! Nothing is ever tried again because its outcome is unknown; what is still missing is planned anew.

use jiff::{SignedDuration, Timestamp};
use provost_audit::{Kind, OpenIntent, Record};
use provost_core::Sym;
use provost_core::observed::{Observed, key};
use provost_sdk::{Operation, State, Value};
use serde_json::json;

use super::Engine;
use super::memory::account_file;

/// What a connector's own timeout may add to the end of a call that began at the last allowed instant.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

impl Engine {
    /// The records that settle what was in doubt on a target that was just read completely.
    pub fn settle(&mut self, target: Sym, now: Timestamp) -> Vec<Record> {
        let Ok(open) = self.recorder.with_log(|log| log.open_intents()) else { return Vec::new() };
        let mine = open.into_iter().filter(|intent| intent.target == target.as_str());
        let Some(read) = self.organisation.target(target).and_then(|known| known.observed.standing().current)
        else {
            return Vec::new();
        };
        let Some(timeout) = self.organisation.snapshot().target(target).map(|target| target.limits.timeout.0)
        else {
            return Vec::new();
        };
        let under_way = |intent: &OpenIntent| {
            let same = |prepared: &std::sync::Arc<super::Prepared>| {
                prepared.label() == intent.operation && prepared.intent().is_none_or(|seq| seq == intent.seq)
            };
            !intent.unknown && self.shared.all_prepared().iter().any(same)
        };
        // An unknown outcome means that the call has ended; without any outcome it may still be on its way.
        let landed_by = |intent: &OpenIntent| match intent.unknown {
            true => Timestamp::from_second(intent.at).unwrap_or(now) + timeout + SLACK,
            false => intent.not_after + timeout + SLACK,
        };
        let ready: Vec<OpenIntent> =
            mine.filter(|intent| !under_way(intent) && landed_by(intent) <= read).collect();
        ready.into_iter().map(|intent| self.settled(target, &intent, now)).collect()
    }

    fn settled(&mut self, target: Sym, intent: &OpenIntent, now: Timestamp) -> Record {
        let operation = intent
            .call
            .get("operation")
            .cloned()
            .and_then(|call| serde_json::from_value::<Operation>(call).ok());
        let text = |name: &str| intent.call.get(name).and_then(|value| value.as_str()).map(Sym::new);
        let subject = text("identity").zip(text("profile"));
        let known = self.organisation.target(target).map(|known| &known.observed);
        let applied =
            operation.as_ref().zip(known).and_then(|(operation, observed)| shows(observed, operation));
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
        if let (Some(true), Some(Operation::Create(create)), Some((identity, profile))) =
            (applied, &operation, subject)
        {
            // The account that an intent of ours named, that nobody had before and nobody has now, is the one it made.
            if let Some(anchor) = self.organisation.created(target, identity, profile, &create.username) {
                let account =
                    self.organisation.target(target).and_then(|known| known.observed.record(anchor));
                record.changes.push(account_file(target, anchor, account.as_ref()));
            }
        }
        record
    }
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
