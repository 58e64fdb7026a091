//! From records to finished, signed objects in the pack buffer.

use serde_json::Value;

use crate::commit::write_commit;
use crate::error::{Error, Result};
use crate::id::{CommitId, ObjectId, sha256_hex};
use crate::log::{Log, Recorded};
use crate::message::{Message, canonical_json, encode_label};
use crate::objects::ObjectKind;
use crate::open_intents::{OpenIntents, Undo, items_to_json};
use crate::pack::PackBuffer;
use crate::record::{Kind, Record, sanitise_summary};
use crate::recover::object;
use crate::tree::SetError;

/// The largest body of a record, as JSON text.
const MAX_BODY: usize = 16 << 20;

/// The largest file of the tree.
const MAX_FILE: usize = 4 << 20;

/// The most that the objects of one group may take, well below what a pack's index can address.
const MAX_GROUP_BYTES: usize = 1 << 30;

/// Where the log stands.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) tip: CommitId,
    pub(crate) tree: ObjectId,
    pub(crate) seq: u64,
    pub(crate) volume: u64,
    /// The newest time so far, in seconds since 1970.
    pub(crate) at: i64,
    /// SHA-256 of the tip's commit object.
    pub(crate) chain: String,
}

impl Head {
    /// Before the genesis.
    pub(crate) fn nothing() -> Head {
        Head { tip: ObjectId::ZERO, tree: ObjectId::ZERO, seq: 0, volume: 1, at: 0, chain: String::new() }
    }
}

/// Adds the objects of all records to the log's pack buffer. Gives the head after them; the log's own head is not
/// moved. What was done to the open intents is added to `undo`.
pub(crate) fn build(log: &mut Log, group: &[Record], undo: &mut Vec<Undo>) -> Result<(Head, Vec<Recorded>)> {
    let mut head = log.head.clone();
    let start = log.pack.bytes().len();
    let mut recorded = Vec::with_capacity(group.len());
    for record in group {
        change_tree(log, record)?;
        head.tree = log.tree.write(&mut log.pack);
        head.seq += 1;
        head.volume += u64::from(record.kind == Kind::Volume);
        let message = message(record, &head, &mut log.open, undo)?;
        let parent = (!head.tip.is_zero()).then_some(head.tip);
        let commit = write_commit(head.tree, parent, record.at.as_second(), &message.encode(), &log.key)?;
        head.tip = ObjectId::of(ObjectKind::Commit, &commit);
        head.chain = sha256_hex(&commit);
        head.at = head.at.max(record.at.as_second());
        log.pack.add(ObjectKind::Commit, head.tip, &commit);
        recorded.push(Recorded { seq: head.seq, commit: head.tip });
        if log.pack.bytes().len() - start > MAX_GROUP_BYTES {
            return Err(refused(record, "its group is too large; record it in smaller ones"));
        }
    }
    Ok((head, recorded))
}

/// The error for a record that is not well formed.
pub(crate) fn refused(record: &Record, reason: impl Into<String>) -> Error {
    Error::Record { summary: sanitise_summary(&record.summary), reason: reason.into() }
}

fn change_tree(log: &mut Log, record: &Record) -> Result<()> {
    let Log { tree, pack, objects, .. } = log;
    let load = |id: ObjectId, pack: &PackBuffer| object(pack, &**objects, ObjectKind::Tree, id);
    for (path, content) in &record.changes {
        if !record.kind.may_change(path) {
            let reason = format!("a record of kind {} may not change {path}", record.kind.name());
            return Err(refused(record, reason));
        }
        let blob = match content {
            Some(content) if content.len() > MAX_FILE => {
                return Err(refused(record, format!("the file {path} is larger than {MAX_FILE} bytes")));
            }
            Some(content) => {
                let id = ObjectId::of(ObjectKind::Blob, content);
                pack.add(ObjectKind::Blob, id, content);
                Some(id)
            }
            None => None,
        };
        tree.set(path, blob, pack, &load).map_err(|error| match error {
            SetError::Conflict(reason) => refused(record, format!("{path}: {reason}")),
            SetError::Load(error) => error,
        })?;
    }
    Ok(())
}

fn message(record: &Record, head: &Head, open: &mut OpenIntents, undo: &mut Vec<Undo>) -> Result<Message> {
    let Record { kind, target, subject, operation, evidence, desired_commit, summary, body, .. } = record;
    let (items, intent, at) = (&record.items, record.intent, record.at.as_second());
    let Value::Object(fields) = body else {
        return Err(refused(record, "its body is no object"));
    };
    if at < 0 {
        return Err(refused(record, "its time is before 1970"));
    }
    let closes = matches!(kind, Kind::Outcome(_) | Kind::Settled);
    if closes != intent.is_some() || (*kind == Kind::Intent) == items.is_empty() {
        return Err(refused(record, "only intents have operations, and only outcomes name an intent"));
    }
    let with_items;
    let body = if items.is_empty() {
        body
    } else {
        if fields.contains_key("operations") {
            return Err(refused(record, "the body of an intent gets its operations from the log"));
        }
        let mut fields = fields.clone();
        fields.insert("operations".to_owned(), items_to_json(items));
        with_items = Value::Object(fields);
        &with_items
    };
    let json = canonical_json(body)
        .map_err(|error| refused(record, format!("its body cannot be written: {error}")))?;
    if json.len() > MAX_BODY {
        return Err(refused(record, format!("its body is larger than {MAX_BODY} bytes")));
    }
    let label = |value: &Option<String>| value.as_deref().filter(|value| !value.is_empty()).map(encode_label);
    let line = sanitise_summary(summary);
    let mut message = Message {
        summary: if line.is_empty() { kind.name().to_owned() } else { line },
        json,
        kind: *kind,
        seq: head.seq,
        volume: head.volume,
        operation: label(operation),
        intent,
        target: label(target),
        subject: label(subject),
        evidence: label(evidence),
        desired_commit: label(desired_commit),
        open: None,
        prev: (!head.chain.is_empty()).then(|| head.chain.clone()),
    };
    open.apply(&message, at, undo).map_err(|reason| refused(record, reason))?;
    message.open = open.oldest();
    Ok(message)
}
