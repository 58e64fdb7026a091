//! Which operations have an intent and no final outcome. Rebuilt from the log itself: the `Open` trailer of the tip
//! says how far back to read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
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
    open: BTreeMap<(u64, String), Open>,
}

/// An open operation as it is counted. What is called stays text until somebody asks: most are closed by the next
/// records, and a verifier reads millions.
#[derive(Clone)]
struct Open {
    /// The body of the intent's record.
    body: Arc<str>,
    at: i64,
    unknown: bool,
}

/// How to take back what a record did.
pub(crate) struct Undo {
    key: (u64, String),
    before: Option<Open>,
}

impl OpenIntents {
    /// The oldest intent with an open operation.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.open.keys().next().map(|(seq, _)| *seq)
    }

    /// Everything that is open, oldest first.
    ///
    /// # Errors
    /// Says why the body of an intent cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<OpenIntent>, String> {
        let mut all = Vec::with_capacity(self.open.len());
        let mut of_one: (u64, BTreeMap<String, OpenIntent>) = (0, BTreeMap::new());
        for ((seq, operation), open) in &self.open {
            if of_one.0 != *seq {
                of_one = (*seq, items_of(*seq, open)?);
            }
            let item =
                of_one.1.remove(operation).ok_or(format!("intent {seq} has no operation {operation}"))?;
            all.push(OpenIntent { unknown: open.unknown, ..item });
        }
        Ok(all)
    }

    /// Counts one record, in order, and adds to `undo` how to take that back.
    ///
    /// # Errors
    /// Says why the record does not fit: an outcome without an intent, a second outcome.
    pub(crate) fn apply(&mut self, message: &Message, at: i64, undo: &mut Vec<Undo>) -> Result<(), String> {
        match message.kind {
            Kind::Intent => {
                let open = Open { body: message.json.as_str().into(), at, unknown: false };
                for operation in operations_of(&message.json)? {
                    let key = (message.seq, operation);
                    let Entry::Vacant(place) = self.open.entry(key.clone()) else {
                        return Err(format!("operation {} stands twice in one intent", key.1));
                    };
                    place.insert(open.clone());
                    undo.push(Undo { key, before: None });
                }
                Ok(())
            }
            Kind::Outcome(_) | Kind::Settled => {
                let (Some(intent), Some(operation)) = (message.intent, &message.operation) else {
                    return Err("it names no intent and operation".to_owned());
                };
                let key = (intent, operation.clone());
                let Entry::Occupied(mut place) = self.open.entry(key.clone()) else {
                    return Err(format!("operation {operation} of intent {intent} is not open"));
                };
                if place.get().unknown && message.kind != Kind::Settled {
                    return Err(format!("operation {operation} of intent {intent} has an outcome already"));
                }
                let before = if message.kind == Kind::Outcome(OutcomeResult::Unknown) {
                    let unknown = Open { unknown: true, ..place.get().clone() };
                    place.insert(unknown)
                } else {
                    place.remove()
                };
                undo.push(Undo { key, before: Some(before) });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn take_back(&mut self, undo: Vec<Undo>) {
        for Undo { key, before } in undo.into_iter().rev() {
            match before {
                Some(open) => self.open.insert(key, open),
                None => self.open.remove(&key),
            };
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

/// The ids of an intent's operations, each of which has to have all that an open one needs.
fn operations_of(body: &str) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        operations: Vec<Item<'a>>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        operation: String,
        #[serde(borrow, rename = "target")]
        _target: Cow<'a, str>,
        #[serde(borrow, rename = "subject")]
        _subject: Cow<'a, str>,
        #[serde(borrow)]
        not_after: Cow<'a, str>,
    }
    let body: Body =
        serde_json::from_str(body).map_err(|error| format!("its operations cannot be read: {error}"))?;
    let checked = |item: Item| {
        item.not_after.parse::<Timestamp>().map_err(|_| "a not_after is no instant")?;
        Ok(item.operation)
    };
    body.operations.into_iter().map(checked).collect()
}

/// The operations of an intent by their ids, with what is called.
fn items_of(seq: u64, open: &Open) -> Result<BTreeMap<String, OpenIntent>, String> {
    let body: Value =
        serde_json::from_str(&open.body).map_err(|error| format!("its body is no JSON: {error}"))?;
    let Some(Value::Array(operations)) = body.get("operations") else {
        return Err("it has no operations".to_owned());
    };
    let text = |item: &Value, name: &str| {
        item.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(format!("an operation has no {name}"))
    };
    let item = |item: &Value| {
        let operation = text(item, "operation")?;
        let intent = OpenIntent {
            seq,
            at: open.at,
            operation: operation.clone(),
            target: text(item, "target")?,
            subject: text(item, "subject")?,
            not_after: text(item, "not_after")?.parse().map_err(|_| "a not_after is no instant")?,
            call: item.get("call").cloned().unwrap_or_default(),
            unknown: false,
        };
        Ok((operation, intent))
    };
    operations.iter().map(item).collect()
}
