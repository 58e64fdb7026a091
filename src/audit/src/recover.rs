//! Making a log, and bringing one into order after whatever happened to its last writer.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::build::Head;
use crate::commit::{Commit, parse_commit};
use crate::disk::{Disk, OpenHow};
use crate::error::{Error, Result};
use crate::flush;
use crate::id::{CommitId, ObjectId, sha256_hex};
use crate::journal::{self, Contents, Journal};
use crate::key::SigningKey;
use crate::layout::{KEY_FILE, Layout};
use crate::log::{Genesis, JournalState, Log, Options, Recovery, key_file};
use crate::message::{Message, parse_message};
use crate::objects::{ObjectKind, Objects};
use crate::open_intents::OpenIntents;
use crate::pack::PackBuffer;
use crate::record::{Kind, Record};
use crate::reference;
use crate::tree::Tree;

/// What genesis says about the format of the log.
const FORMAT: &str = "provost-audit/1";

pub(crate) fn create(
    disk: Arc<dyn Disk>,
    objects: Box<dyn Objects>,
    layout: Layout,
    key: SigningKey,
    genesis: Genesis,
    options: Options,
) -> Result<Log> {
    let Genesis { at, body, changes } = genesis;
    let journal = Journal::read(&*disk, &layout)?;
    if reference::read(&*disk, &layout)?.is_some()
        || journal.is_some_and(|journal| !journal.groups.is_empty())
    {
        return Err(Error::Exists(layout.state().to_owned()));
    }
    Journal::create(&*disk, &layout, options.journal)?;
    reference::clear_stale_lock(&*disk, &layout)?;
    flush::clear(&*disk, &layout)?;
    let mut record = Record::new(Kind::Genesis, at, "genesis: the audit log begins");
    let Value::Object(mut fields) = body else {
        return Err(crate::build::refused(&record, "its body is no object"));
    };
    fields.insert("format".to_owned(), json!(FORMAT));
    fields.insert("key".to_owned(), json!(key.public_line()));
    record.body = Value::Object(fields);
    record.changes = changes;
    record.changes.push(key_file(&key));
    let mut log = Log {
        journal: Journal::open(&*disk, &layout)?,
        disk,
        objects,
        layout,
        key,
        pack: PackBuffer::new(),
        tree: Tree::empty(),
        open: OpenIntents::default(),
        head: Head::nothing(),
        flushed: None,
        pending: 0,
        installation: ObjectId::ZERO,
        stopped: None,
        vault: None,
        lock: None,
    };
    log.record_any(&[record])?;
    log.installation = log.flush()?.commit;
    note_installation(&*log.disk, &log.layout, log.installation)?;
    Ok(log)
}

pub(crate) fn open(
    disk: Arc<dyn Disk>,
    objects: Box<dyn Objects>,
    layout: Layout,
    key: SigningKey,
    now: Timestamp,
) -> Result<(Log, Recovery)> {
    reference::clear_stale_lock(&*disk, &layout)?;
    let mut flushed = reference::read(&*disk, &layout)?;
    let contents = Journal::read(&*disk, &layout)?;
    let mut lost = contents.is_none();
    if lost && flushed.is_none() {
        return Err(Error::NotFound(layout.state().to_owned()));
    }
    let replayed = replay(&*disk, &*objects, &layout, contents.unwrap_or_default(), &mut flushed, &mut lost)?;
    let tip = flushed.ok_or_else(|| Error::NotFound(layout.state().to_owned()))?;
    if lost {
        journal::set_aside(&*disk, &layout)?;
        Journal::create(&*disk, &layout, Options::default().journal)?;
    }
    let journal = Journal::open(&*disk, &layout)?;
    flush::clear(&*disk, &layout)?;
    let (commit, message, object) = read_record(&*objects, tip)?;
    let tree = objects.read(ObjectKind::Tree, commit.tree)?;
    let tree = tree.ok_or_else(|| Error::Damaged(format!("the tree {} is missing", commit.tree)))?;
    let mut log = Log {
        installation: find_installation(&*disk, &*objects, &layout, tip)?,
        open: find_open(&*objects, tip, message.open)?,
        disk,
        objects,
        layout,
        key,
        journal,
        pack: PackBuffer::new(),
        tree: Tree::lazy(tree),
        head: Head {
            tip,
            tree: commit.tree,
            seq: message.seq,
            volume: message.volume,
            at: commit.at,
            chain: sha256_hex(&object),
        },
        flushed: Some(tip),
        pending: 0,
        stopped: None,
        vault: None,
        lock: None,
    };
    check_key(&log)?;
    let mut state = if replayed > 0 { JournalState::Replayed(replayed) } else { JournalState::Clean };
    if lost {
        state = JournalState::Lost;
        let mut record =
            Record::new(Kind::Break, now, "break: the journal was lost, so what was open is in doubt");
        record.body = json!({"reason": "the journal was missing or damaged", "last": tip.to_string()});
        record.priority = true;
        log.record_any(&[record])?;
        log.flush()?;
    }
    let open = log.open.all().map_err(Error::Damaged)?;
    Ok((log, Recovery { journal: state, open }))
}

/// A record that is signed by another key than the log says would be a finding for ever.
fn check_key(log: &Log) -> Result<()> {
    let signs = log.read(KEY_FILE)?.unwrap_or_default();
    let signs = String::from_utf8_lossy(&signs).trim_end().to_owned();
    if signs == log.key.public_line() {
        return Ok(());
    }
    Err(Error::OtherKey { signs, given: log.key.public_line() })
}

/// An object of the log, from the pack buffer or the repository.
pub(crate) fn object(
    pack: &PackBuffer,
    objects: &dyn Objects,
    kind: ObjectKind,
    id: ObjectId,
) -> Result<Vec<u8>> {
    if let Some(found) = pack.object(&id) {
        return found.map(|(_, content)| content);
    }
    objects.read(kind, id)?.ok_or_else(|| Error::Damaged(format!("the {} {id} is missing", kind.name())))
}

/// Brings the journal's groups into the repository if the ref has not passed them. Gives the number of records, moves
/// `flushed`, and sets `lost` if the journal proves to have lost records.
fn replay(
    disk: &dyn Disk,
    objects: &dyn Objects,
    layout: &Layout,
    contents: Contents,
    flushed: &mut Option<CommitId>,
    lost: &mut bool,
) -> Result<usize> {
    let Contents { groups, behind } = contents;
    // A whole group behind one that is not whole: left from before, if the repository has it; else records that were
    // acknowledged stood between.
    for tip in behind {
        *lost |= objects.read(ObjectKind::Commit, tip)?.is_none();
    }
    let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return Ok(0) };
    let from = (!first.from.is_zero()).then_some(first.from);
    if *flushed == Some(last.to) {
        return Ok(0);
    }
    if *flushed != from && !groups.iter().any(|group| *flushed == Some(group.to)) {
        return Err(Error::RefMoved {
            expected: format!("{} or {}", first.from, last.to),
            found: flushed.map_or_else(|| "no ref".to_owned(), |id| id.to_string()),
        });
    }
    let mut pack = PackBuffer::new();
    let mut records = 0;
    for object in groups.iter().flat_map(|group| group.objects()) {
        let (id, entry) = object?;
        records += usize::from(pack.take_over(id, entry)? == ObjectKind::Commit);
    }
    let keep = flush::write_pack(disk, layout, &mut pack, *flushed, last.to)?;
    *flushed = Some(last.to);
    // The journal is truncated when it is opened; until then the ref is at its end, which is just as good.
    flush::release(disk, &keep)?;
    Ok(records)
}

fn read_record(objects: &dyn Objects, id: CommitId) -> Result<(Commit, Message, Vec<u8>)> {
    let damaged = |reason: String| Error::Damaged(format!("record {id}: {reason}"));
    let object = objects.read(ObjectKind::Commit, id)?.ok_or_else(|| damaged("it is missing".to_owned()))?;
    let commit = parse_commit(&object).map_err(damaged)?;
    let message = parse_message(&commit.message).map_err(damaged)?;
    Ok((commit, message, object))
}

/// The first genesis. A file remembers it, because walking there takes seconds in a long log; without that file it is
/// found again.
fn find_installation(
    disk: &dyn Disk,
    objects: &dyn Objects,
    layout: &Layout,
    tip: CommitId,
) -> Result<CommitId> {
    let noted = disk.read(&layout.installation()).ok().and_then(|text| String::from_utf8(text).ok());
    if let Some(id) = noted.and_then(|text| text.trim_end().parse::<CommitId>().ok())
        && let Ok((commit, message, _)) = read_record(objects, id)
        && commit.parent.is_none()
        && message.kind == Kind::Genesis
    {
        return Ok(id);
    }
    let mut id = tip;
    while let Some(parent) = read_record(objects, id)?.0.parent {
        id = parent;
    }
    note_installation(disk, layout, id)?;
    Ok(id)
}

/// Not synced: it is checked when it is read, and can be found again.
fn note_installation(disk: &dyn Disk, layout: &Layout, id: CommitId) -> Result<()> {
    let path = layout.installation();
    let failed = || Error::io("writing", &path);
    let mut file = disk.open(&path, OpenHow::Replace).map_err(failed())?;
    file.write_at(0, format!("{id}\n").as_bytes()).map_err(failed())
}

/// Reads back as far as the tip's `Open` trailer says, and counts what is open.
fn find_open(objects: &dyn Objects, tip: CommitId, oldest: Option<u64>) -> Result<OpenIntents> {
    let mut open = OpenIntents::default();
    let Some(oldest) = oldest else { return Ok(open) };
    let mut records = Vec::new();
    let mut next = Some(tip);
    while let Some(id) = next {
        let (commit, message, _) = read_record(objects, id)?;
        next = commit.parent.filter(|_| message.seq > oldest);
        records.push((message, commit.at));
    }
    let mut undo = Vec::new();
    for (message, at) in records.iter().rev() {
        // An outcome in this range may belong to an intent before it that has long been closed by it.
        if matches!(message.kind, Kind::Outcome(_) | Kind::Settled)
            && message.intent.is_none_or(|n| n < oldest)
        {
            continue;
        }
        open.apply(message, *at, &mut undo)
            .map_err(|reason| Error::Damaged(format!("record {}: {reason}", message.seq)))?;
    }
    Ok(open)
}
