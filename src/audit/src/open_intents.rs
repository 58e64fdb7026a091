//! Which operations have an intent and no final outcome. Rebuilt from the log itself: the `Open` trailer of the tip
//! says how far back to read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use serde_json::Value;

use crate::message::Message;
use crate::record::{IntentItem, Kind, OutcomeResult};

/// An operation in doubt, or still being called: its intent is durable, a final outcome is not.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenIntent {
    /// The sequence number of the intent's record.
    pub seq: u64,
    /// When the intent was recorded, to the second.
    pub at: i64,
    /// The operation's id, as a label.
    pub operation: String,
    /// The target's id, as the caller gave it.
    pub target: String,
    /// The identity's id or the account's label, as the caller gave it.
    pub subject: String,
    /// The call did not start after this instant.
    pub not_after: Timestamp,
    /// What was going to be called.
    pub call: Value,
    /// True if an outcome `unknown` was recorded: only a settled record may follow.
    pub unknown: bool,
}

#[derive(Default)]
pub(crate) struct OpenIntents {
    open: BTreeMap<(u64, String), OpenIntent>,
}

/// How to take back what a record did.
pub(crate) enum Undo {
    Remove((u64, String)),
    Restore(OpenIntent),
}

impl OpenIntents {
    /// The oldest intent with an open operation.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.open.keys().next().map(|(seq, _)| *seq)
    }

    pub(crate) fn all(&self) -> Vec<OpenIntent> {
        self.open.values().cloned().collect()
    }

    /// Counts one record, in order, and adds to `undo` how to take that back.
    ///
    /// # Errors
    /// Says why the record does not fit: an outcome without an intent, a second outcome.
    pub(crate) fn apply(&mut self, message: &Message, at: i64, undo: &mut Vec<Undo>) -> Result<(), String> {
        match message.kind {
            Kind::Intent => {
                for item in items_of(message)? {
                    let key = (message.seq, item.operation.clone());
                    let Entry::Vacant(place) = self.open.entry(key.clone()) else {
                        return Err(format!("operation {} stands twice in one intent", item.operation));
                    };
                    place.insert(OpenIntent { at, ..item });
                    undo.push(Undo::Remove(key));
                }
                Ok(())
            }
            Kind::Outcome(_) | Kind::Settled => {
                let (Some(intent), Some(operation)) = (message.intent, &message.operation) else {
                    return Err("it names no intent and operation".to_owned());
                };
                let key = (intent, operation.clone());
                let Some(open) = self.open.get_mut(&key) else {
                    return Err(format!("operation {operation} of intent {intent} is not open"));
                };
                if open.unknown && message.kind != Kind::Settled {
                    return Err(format!("operation {operation} of intent {intent} has an outcome already"));
                }
                undo.push(Undo::Restore(open.clone()));
                if message.kind == Kind::Outcome(OutcomeResult::Unknown) {
                    open.unknown = true;
                } else {
                    self.open.remove(&key);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn take_back(&mut self, undo: Vec<Undo>) {
        for step in undo.into_iter().rev() {
            match step {
                Undo::Remove(key) => {
                    self.open.remove(&key);
                }
                Undo::Restore(open) => {
                    self.open.insert((open.seq, open.operation.clone()), open);
                }
            }
        }
    }
}

/// The items of an intent as its body holds them.
pub(crate) fn items_to_json(items: &[IntentItem]) -> Value {
    items
        .iter()
        .map(|item| {
            let IntentItem { operation, target, subject, not_after, call } = item;
            serde_json::json!({
                "operation": crate::message::encode_label(operation),
                "target": target,
                "subject": subject,
                "not_after": not_after.to_string(),
                "call": call,
            })
        })
        .collect()
}

fn items_of(message: &Message) -> Result<Vec<OpenIntent>, String> {
    let mut body = message.body().map_err(|error| format!("its body is no JSON: {error}"))?;
    let Some(Value::Array(operations)) = body.get_mut("operations").map(Value::take) else {
        return Err("it has no operations".to_owned());
    };
    let text = |item: &Value, name: &str| {
        item.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(format!("an operation has no {name}"))
    };
    operations
        .into_iter()
        .map(|mut item| {
            let call = item.get_mut("call").map(Value::take).unwrap_or_default();
            let item = &item;
            Ok(OpenIntent {
                seq: message.seq,
                at: 0,
                operation: text(item, "operation")?,
                target: text(item, "target")?,
                subject: text(item, "subject")?,
                not_after: text(item, "not_after")?.parse().map_err(|_| "a not_after is no instant")?,
                call,
                unknown: false,
            })
        })
        .collect()
}
