//! The records of what the engine does: summaries for people, bodies for programs.

use jiff::Timestamp;
use provost_audit::{IntentItem, Kind, OutcomeResult, Record};
use provost_core::Sym;
use provost_core::guard::parts;
use provost_core::observed::AccountRecord;
use provost_core::plan::Planned;
use provost_sdk::{Operation, Receipt, Value};
use serde_json::{Map, json};

use super::memory::account_file;
use super::{Engine, Prepared};

/// A record changes at most this many files, so that a baseline of a hundred thousand accounts fits into the journal
/// piece by piece.
pub(super) const FILES: usize = 500;

/// What stands before the name of a subject that is no identity: no id of one has a colon.
pub(super) const ACCOUNT: &str = "account:";
pub(super) const TARGET: &str = "target:";

/// What an operation does, in a few words: people by id, entitlements by kind and name.
pub fn summary(planned: &Planned) -> String {
    let who = planned.identity.map_or_else(
        || planned.operation.account().map_or_else(String::new, |account| account.username.clone()),
        |identity| identity.to_string(),
    );
    let what = match &planned.operation {
        Operation::Create(create) => format!(" account {}", create.username),
        Operation::Rename { to, .. } => format!(" to {to}"),
        Operation::Update { changes, .. } => {
            format!(" {}", changes.keys().cloned().collect::<Vec<_>>().join(", "))
        }
        operation => operation.entitlement().map_or_else(String::new, |entitlement| {
            let role = entitlement.role.as_ref().map_or_else(String::new, |role| format!("#{role}"));
            format!(" {}:{}{role}", entitlement.kind, entitlement.name)
        }),
    };
    format!("{}{what} for {who} on {}", planned.verb().as_str(), planned.target)
}

impl Engine {
    /// One record of intents, each with its not-after.
    pub(super) fn intent_record(
        &self,
        target: Sym,
        prepared: &[std::sync::Arc<Prepared>],
        now: Timestamp,
    ) -> Record {
        let summary = match prepared {
            [one] => summary(&one.planned),
            many => format!("{} operations on {target}", many.len()),
        };
        let mut record = Record::new(Kind::Intent, now, summary);
        record.target = Some(target.to_string());
        record.desired_commit = self.desired.commit.clone();
        record.priority = prepared.iter().all(|one| !one.planned.adds());
        if let [one] = prepared {
            record.evidence = one.evidence().label();
        }
        record.items = prepared
            .iter()
            .map(|one| IntentItem {
                operation: one.label(),
                target: target.to_string(),
                subject: subject_of(&one.planned),
                not_after: one.not_after().unwrap_or(now),
                call: json!({
                    "operation": one.planned.operation,
                    "profile": one.planned.profile,
                    "identity": one.planned.identity,
                    "tier": one.planned.tier,
                    "drift": one.planned.drift,
                    "causes": one.causes(),
                    "evidence": one.evidence(),
                    "counts": parts(&one.planned),
                }),
            })
            .collect();
        record
    }

    /// The outcome of one operation, with the account as it is now.
    pub(super) fn outcome_record(
        &self,
        prepared: &Prepared,
        result: OutcomeResult,
        (before, after): (Option<AccountRecord>, Option<AccountRecord>),
        told: &serde_json::Value,
        now: Timestamp,
    ) -> Record {
        let planned = &prepared.planned;
        let word = match result {
            OutcomeResult::Applied => "",
            OutcomeResult::Failed => "failed: ",
            OutcomeResult::NotAttempted => "not attempted: ",
            OutcomeResult::Unknown => "in doubt: ",
        };
        let mut record = Record::new(Kind::Outcome(result), now, format!("{word}{}", summary(planned)));
        record.target = Some(planned.target.to_string());
        record.subject = Some(subject_of(planned));
        record.operation = Some(prepared.label());
        record.desired_commit = prepared.commit.map(|commit| commit.to_string());
        record.intent = prepared.intent();
        record.priority = true;
        let evidence = prepared.evidence();
        record.evidence = evidence.label();
        let (was, is) = differing(json!(before), json!(after));
        record.body = json!({
            "verb": planned.verb(),
            "before": was,
            "after": is,
            "causes": prepared.causes(),
            "evidence": evidence,
            "drift": planned.drift,
            "tier": planned.tier,
            "result": told,
        });
        if result == OutcomeResult::Applied {
            record.body["counts"] = json!(parts(planned));
        }
        let anchor = after.as_ref().or(before.as_ref()).map(|account| account.anchor);
        let files = anchor.map(|anchor| account_file(planned.target, anchor, after.as_ref()));
        // What certainly changed nothing shows nothing new.
        record.changes = match result {
            OutcomeResult::Applied => files.into_iter().collect(),
            OutcomeResult::Failed | OutcomeResult::NotAttempted | OutcomeResult::Unknown => Vec::new(),
        };
        record
    }

    /// Records in as many pieces as their files need.
    pub(super) fn in_pieces(record: &Record) -> Vec<Record> {
        if record.changes.len() <= FILES {
            return vec![record.clone()];
        }
        let pieces = record.changes.chunks(FILES);
        let count = pieces.len();
        pieces
            .enumerate()
            .map(|(index, changes)| Record {
                summary: format!("{} ({} of {count})", record.summary, index + 1),
                changes: changes.to_vec(),
                ..record.clone()
            })
            .collect()
    }
}

/// What a receipt tells, without secrets.
pub(super) fn told(receipt: &Receipt) -> serde_json::Value {
    json!({
        "changed": receipt.changed,
        "credential": receipt.credential,
        "secret": receipt.secret.as_ref().map(|_| "delivered"),
    })
}

/// Of an account before and after, what differs, and who it is; the whole of it is in the files of the two commits.
fn differing(before: serde_json::Value, after: serde_json::Value) -> (serde_json::Value, serde_json::Value) {
    use serde_json::Value::{Array, Object};
    match (before, after) {
        (Object(mut before), Object(mut after)) => {
            let names: Vec<String> =
                before.keys().filter(|name| after.contains_key(*name)).cloned().collect();
            for name in names {
                let (Some(was), Some(is)) = (before.remove(&name), after.remove(&name)) else { continue };
                let same = was == is && !was.is_object() && !["anchor", "identity"].contains(&name.as_str());
                let (was, is) = differing(was, is);
                let nothing = |value: &serde_json::Value| value.as_object().is_some_and(Map::is_empty);
                if same || (nothing(&was) && nothing(&is)) {
                    continue;
                }
                before.insert(name.clone(), was);
                after.insert(name, is);
            }
            (Object(before), Object(after))
        }
        (Array(before), Array(after)) => {
            let only = |all: &[serde_json::Value], others: &[serde_json::Value]| {
                Array(all.iter().filter(|one| !others.contains(one)).cloned().collect())
            };
            (only(&before, &after), only(&after, &before))
        }
        both => both,
    }
}

/// What changed on one account between two looks, field by field.
pub(super) fn difference(before: Option<&AccountRecord>, after: Option<&AccountRecord>) -> serde_json::Value {
    let (Some(before), Some(after)) = (before, after) else {
        return json!({ "before": before.map(|account| account.username), "after": after.map(|account| account.username) });
    };
    let mut fields = Map::new();
    let mut note = |name: &str, before: serde_json::Value, after: serde_json::Value| {
        if before != after {
            fields.insert(name.to_owned(), json!({ "before": before, "after": after }));
        }
    };
    note("username", json!(before.username), json!(after.username));
    note("state", json!(before.state), json!(after.state));
    note("entitlements", json!(before.entitlements), json!(after.entitlements));
    let names = before.attributes.keys().chain(after.attributes.keys());
    for name in names {
        let value = |value: Option<&Value>| json!(value);
        note(name.as_str(), value(before.attributes.get(name)), value(after.attributes.get(name)));
    }
    serde_json::Value::Object(fields)
}

fn subject_of(planned: &Planned) -> String {
    let account = || planned.operation.account().map(|account| format!("{ACCOUNT}{}", account.anchor));
    planned
        .identity
        .map(|identity| identity.to_string())
        .or_else(account)
        .unwrap_or_else(|| format!("{TARGET}{}", planned.target))
}

#[cfg(test)]
mod tests {
    use provost_sdk::SecretString;

    use super::*;

    #[test]
    fn a_new_secret_is_told_as_delivered_and_not_shown() {
        let secret = Some(SecretString::from("s3cret".to_owned()));
        let receipt = Receipt { secret, ..Receipt::unchanged(None) };
        assert!(!format!("{} {receipt:?}", told(&receipt)).contains("s3cret"));
        assert_eq!(told(&receipt)["secret"], "delivered");
        assert!(told(&Receipt::unchanged(None))["secret"].is_null());
    }

    #[test]
    fn before_and_after_hold_what_differs_and_whose_it_is() {
        let account = |groups: &[&str], email: &str, disabled: bool| {
            json!({
                "anchor": "u-1", "username": "ada", "attributes": { "email": email, "name": "Ada" },
                "entitlements": groups, "link": { "identity": "p-1", "profile": "main", "ours": groups },
                "state": if disabled { "disabled" } else { "enabled" },
            })
        };
        let (was, is) = differing(account(&["a", "b"], "x", false), account(&["b", "c"], "x", false));
        assert_eq!(
            was,
            json!({ "anchor": "u-1", "entitlements": ["a"], "link": { "identity": "p-1", "ours": ["a"] } })
        );
        assert_eq!(
            is,
            json!({ "anchor": "u-1", "entitlements": ["c"], "link": { "identity": "p-1", "ours": ["c"] } })
        );
        let (was, is) = differing(account(&["a"], "x", false), account(&["a"], "y", true));
        let left = |email: &str, state: &str| {
            json!({
                "anchor": "u-1", "attributes": { "email": email }, "link": { "identity": "p-1" }, "state": state,
            })
        };
        assert_eq!((was, is), (left("x", "enabled"), left("y", "disabled")));
        let made = account(&["a"], "x", false);
        assert_eq!(differing(json!(null), made.clone()), (json!(null), made));
    }

    #[test]
    fn what_is_only_there_before_or_after_stays() {
        let (was, is) =
            differing(json!({ "anchor": "u-1" }), json!({ "anchor": "u-1", "entitlements": ["a"] }));
        assert_eq!(
            (was, is),
            (json!({ "anchor": "u-1" }), json!({ "anchor": "u-1", "entitlements": ["a"] }))
        );
    }
}
