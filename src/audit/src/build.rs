//! From records to finished, signed objects in the pack buffer.
//!
//! A record's signature covers the one before, so signing goes one by one. Everything else of a group is made beside it, on
//! all cores: texts and files before, what is compressed of the commits after.

use rayon::prelude::*;
use serde_json::Value;

use crate::commit::write_commit;
use crate::error::{Error, Result};
use crate::id::{CommitId, ObjectId, sha256_hex};
use crate::log::{Log, Recorded};
use crate::message::{Message, canonical_json, encode_label};
use crate::objects::ObjectKind;
use crate::open_intents::{OpenIntents, Undo, items_to_json};
use crate::pack::{Deflater, PackBuffer};
use crate::record::{Kind, Record, sanitise_summary};
use crate::recover::object;
use crate::tree::SetError;

/// The largest body of a record, as JSON text.
const MAX_BODY: usize = 16 << 20;

/// The largest file of the tree.
const MAX_FILE: usize = 4 << 20;

/// The most that the objects of one group may take, well below what a pack's index can address.
const MAX_GROUP_BYTES: usize = 1 << 30;

/// From this many records on other cores are asked to help; it takes them longer than that to wake for fewer.
const TOGETHER: usize = 16;

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
    let (mut commits, mut size) = (Vec::with_capacity(group.len()), 0);
    let prepared = each(group, log.pack.deflater(), prepare);
    for (record, prepared) in group.iter().zip(prepared) {
        let Prepared { json, files } = prepared?;
        change_tree(log, record, &files)?;
        head.tree = log.tree.write(&mut log.pack);
        head.seq += 1;
        head.volume += u64::from(record.kind == Kind::Volume);
        let message = message(record, json, &head, &mut log.open, undo)?;
        let parent = (!head.tip.is_zero()).then_some(head.tip);
        let commit = write_commit(head.tree, parent, record.at.as_second(), &message.encode(), &log.key)?;
        head.tip = ObjectId::of(ObjectKind::Commit, &commit);
        head.chain = sha256_hex(&commit);
        head.at = head.at.max(record.at.as_second());
        recorded.push(Recorded { seq: head.seq, commit: head.tip });
        size += commit.len();
        commits.push((head.tip, commit));
        if log.pack.bytes().len() - start + size > MAX_GROUP_BYTES {
            return Err(refused(record, "its group is too large; record it in smaller ones"));
        }
    }
    let entries = each(&commits, log.pack.deflater(), |deflater, (_, commit)| {
        entry(deflater, ObjectKind::Commit, commit)
    });
    for ((id, _), entry) in commits.iter().zip(entries) {
        log.pack.append(*id, &entry);
    }
    Ok((head, recorded))
}

/// What can be made of a record without the one before: its body as JSON, its files as entries of a pack.
struct Prepared {
    json: String,
    files: Vec<Option<(ObjectId, Vec<u8>)>>,
}

fn prepare(deflater: &mut Deflater, record: &Record) -> Result<Prepared> {
    let files = record.changes.iter().map(|(path, content)| {
        if !record.kind.may_change(path) {
            let reason = format!("a record of kind {} may not change {path}", record.kind.name());
            return Err(refused(record, reason));
        }
        match content {
            Some(content) if content.len() > MAX_FILE => {
                Err(refused(record, format!("the file {path} is larger than {MAX_FILE} bytes")))
            }
            Some(content) => {
                let id = ObjectId::of(ObjectKind::Blob, content);
                Ok(Some((id, entry(deflater, ObjectKind::Blob, content))))
            }
            None => Ok(None),
        }
    });
    Ok(Prepared { files: files.collect::<Result<_>>()?, json: json(record)? })
}

fn entry(deflater: &mut Deflater, kind: ObjectKind, content: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(content.len() / 2 + 64);
    deflater.entry(kind, content, &mut entry);
    entry
}

/// Makes something of each, in order, on all cores where they are many.
fn each<T: Sync, R: Send>(
    all: &[T],
    deflater: &mut Deflater,
    make: impl Fn(&mut Deflater, &T) -> R + Sync,
) -> Vec<R> {
    if all.len() < TOGETHER {
        return all.iter().map(|one| make(deflater, one)).collect();
    }
    all.par_iter()
        .with_min_len(TOGETHER)
        .map_init(Deflater::new, |deflater, one| make(deflater, one))
        .collect()
}

/// The error for a record that is not well formed.
pub(crate) fn refused(record: &Record, reason: impl Into<String>) -> Error {
    Error::Record { summary: sanitise_summary(&record.summary), reason: reason.into() }
}

fn change_tree(log: &mut Log, record: &Record, files: &[Option<(ObjectId, Vec<u8>)>]) -> Result<()> {
    let Log { tree, pack, objects, .. } = log;
    let load = |id: ObjectId, pack: &PackBuffer| object(pack, &**objects, ObjectKind::Tree, id);
    for ((path, _), file) in record.changes.iter().zip(files) {
        let blob = file.as_ref().map(|(id, entry)| {
            pack.append(*id, entry);
            *id
        });
        tree.set(path, blob, pack, &load).map_err(|error| match error {
            SetError::Conflict(reason) => refused(record, format!("{path}: {reason}")),
            SetError::Load(error) => error,
        })?;
    }
    Ok(())
}

/// The body as canonical JSON, that of an intent with its operations.
fn json(record: &Record) -> Result<String> {
    let Record { kind, body, items, intent, .. } = record;
    let Value::Object(fields) = body else {
        return Err(refused(record, "its body is no object"));
    };
    if record.at.as_second() < 0 {
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
    Ok(json)
}

fn message(
    record: &Record,
    json: String,
    head: &Head,
    open: &mut OpenIntents,
    undo: &mut Vec<Undo>,
) -> Result<Message> {
    let Record { kind, target, subject, operation, evidence, desired_commit, summary, intent, .. } = record;
    let label = |value: &Option<String>| value.as_deref().filter(|value| !value.is_empty()).map(encode_label);
    let line = sanitise_summary(summary);
    let mut message = Message {
        summary: if line.is_empty() { kind.name().to_owned() } else { line },
        json,
        kind: *kind,
        seq: head.seq,
        volume: head.volume,
        operation: label(operation),
        intent: *intent,
        target: label(target),
        subject: label(subject),
        evidence: label(evidence),
        desired_commit: label(desired_commit),
        open: None,
        prev: (!head.chain.is_empty()).then(|| head.chain.clone()),
    };
    open.apply(&message, record.at.as_second(), undo).map_err(|reason| refused(record, reason))?;
    message.open = open.oldest();
    Ok(message)
}
