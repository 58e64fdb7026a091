//! The log: one writer that records, flushes and answers what the tip holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::build::{Head, build};
use crate::disk::{Disk, StdDisk};
use crate::error::{Error, Result};
use crate::flush::write_pack;
use crate::id::CommitId;
use crate::journal::{self, Journal};
use crate::key::SigningKey;
use crate::layout::{KEY_FILE, Layout};
use crate::lock::StateLock;
use crate::objects::{GitObjects, ObjectKind, Objects};
use crate::open_intents::{OpenIntent, OpenIntents};
use crate::pack::PackBuffer;
use crate::path::TreePath;
use crate::personal::Vault;
use crate::record::{Change, Kind, Record};
use crate::tree::Tree;
use crate::view::Reader;
use crate::{recover, repository};

/// The most records that are taken at once, and after which a flush is due.
pub const MAX_GROUP: usize = 1_000;

/// The audit log of one state folder. It holds the lock on that folder until it is dropped.
pub struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) objects: Box<dyn Objects>,
    pub(crate) layout: Layout,
    pub(crate) key: SigningKey,
    pub(crate) journal: Journal,
    pub(crate) pack: PackBuffer,
    pub(crate) tree: Tree,
    pub(crate) open: OpenIntents,
    pub(crate) head: Head,
    /// Where the ref stands.
    pub(crate) flushed: Option<CommitId>,
    /// Records in the journal.
    pub(crate) pending: usize,
    pub(crate) installation: CommitId,
    pub(crate) stopped: Option<String>,
    /// Seals what is personal, if anything is.
    pub(crate) vault: Option<Arc<Vault>>,
    pub(crate) lock: Option<StateLock>,
}

/// What the first record of an installation says.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// When the installation began.
    pub at: Timestamp,
    /// What it starts from: an object; `format` and `key` are added to it.
    pub body: Value,
    /// The first files of the tree.
    pub changes: Vec<Change>,
}

/// Sizes of a new log.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The preallocated size of the journal in bytes. A quarter of it is kept for outcomes and revocations.
    pub journal: u64,
}

impl Default for Options {
    fn default() -> Options {
        // 1,000 records of 4 KB each between two flushes, four times over.
        Options { journal: 16 << 20 }
    }
}

/// A record that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its sequence number.
    pub seq: u64,
    /// Its commit.
    pub commit: CommitId,
}

/// The newest record.
pub type Tip = Recorded;

/// What opening the log found.
#[derive(Debug)]
pub struct Recovery {
    /// The state of the journal.
    pub journal: JournalState,
    /// Operations without a final outcome, oldest first. They are in doubt: nobody is calling them any more, but
    /// their calls may still land until their not-after and the call's timeout have passed.
    pub open: Vec<OpenIntent>,
}

/// What the journal held when the log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalState {
    /// Nothing that was not in the repository already.
    Clean,
    /// This many objects were brought into the repository.
    Replayed(usize),
    /// It was missing or damaged: acknowledged records may be lost, and a break was recorded.
    Lost,
}

impl Log {
    /// Makes a new log: the bare repository, the journal and the genesis.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a log already; [`Error::Locked`] if somebody else works on this state.
    pub fn create(state: &Path, key: SigningKey, genesis: Genesis) -> Result<Log> {
        Log::create_with_options(state, key, genesis, Options::default())
    }

    /// As [`Log::create`], with sizes of the caller's choice.
    pub fn create_with_options(
        state: &Path,
        key: SigningKey,
        genesis: Genesis,
        options: Options,
    ) -> Result<Log> {
        let layout = Layout::new(state);
        layout.make()?;
        let lock = StateLock::take(&layout)?;
        repository::create(&layout.repository())?;
        let objects = Box::new(GitObjects::open(&layout.repository())?);
        let mut log = Log::create_on(Arc::new(StdDisk), objects, state, key, genesis, options)?;
        log.lock = Some(lock);
        Ok(log)
    }

    /// Opens a log and brings it into order: replays the journal, clears what a crash left. `now` is used if a break
    /// has to be recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none; [`Error::Locked`] if another process, even a stopped one, has it open.
    pub fn open(state: &Path, key: SigningKey, now: Timestamp) -> Result<(Log, Recovery)> {
        let layout = Layout::new(state);
        if !layout.repository().is_dir() {
            return Err(Error::NotFound(state.to_owned()));
        }
        let lock = StateLock::take(&layout)?;
        repository::check(&layout.repository())?;
        let objects = Box::new(GitObjects::open(&layout.repository())?);
        let (mut log, recovery) = Log::open_on(Arc::new(StdDisk), objects, state, key, now)?;
        log.lock = Some(lock);
        Ok((log, recovery))
    }

    /// [`Log::create`] on another disk, without repository and lock: for crash tests.
    pub fn create_on(
        disk: Arc<dyn Disk>,
        objects: Box<dyn Objects>,
        state: &Path,
        key: SigningKey,
        genesis: Genesis,
        options: Options,
    ) -> Result<Log> {
        recover::create(disk, objects, Layout::new(state), key, genesis, options)
    }

    /// [`Log::open`] on another disk, without lock: for crash tests.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        objects: Box<dyn Objects>,
        state: &Path,
        key: SigningKey,
        now: Timestamp,
    ) -> Result<(Log, Recovery)> {
        recover::open(disk, objects, Layout::new(state), key, now)
    }

    /// Makes a group of records durable: each becomes a signed commit, all are in the journal with one fdatasync when
    /// this returns. All of the group is taken, or nothing.
    ///
    /// # Errors
    /// [`Error::Record`] if one is not well formed; [`Error::Full`] if the journal cannot take them now; every error
    /// for which [`Error::is_fatal`] holds ends this log.
    pub fn record(&mut self, group: &[Record]) -> Result<Vec<Recorded>> {
        for record in group {
            if matches!(record.kind, Kind::Genesis | Kind::Volume | Kind::Break | Kind::Key) {
                return Err(crate::build::refused(record, "only the log itself writes such a record"));
            }
        }
        self.record_any(group)
    }

    /// Has personal data sealed from now on.
    pub fn protect(&mut self, vault: Arc<Vault>) {
        self.vault = Some(vault);
    }

    pub(crate) fn record_any(&mut self, group: &[Record]) -> Result<Vec<Recorded>> {
        self.check_alive()?;
        let sealed = self.vault.as_ref().map(|vault| vault.seal(group)).transpose()?;
        let group = sealed.as_deref().unwrap_or(group);
        if group.len() > MAX_GROUP {
            return Err(Error::GroupTooLarge(group.len()));
        }
        if group.is_empty() {
            return Ok(Vec::new());
        }
        if self.pending >= MAX_GROUP {
            self.flush_for_room()?;
        }
        let Some(volume) = self.next_volume(group) else { return self.record_or_make_room(group) };
        let with_volume: Vec<Record> = std::iter::once(volume).chain(group.iter().cloned()).collect();
        let mut recorded = self.record_or_make_room(&with_volume)?;
        recorded.remove(0);
        Ok(recorded)
    }

    fn record_or_make_room(&mut self, group: &[Record]) -> Result<Vec<Recorded>> {
        match self.try_record(group) {
            Err(Error::Full { .. }) if self.pending > 0 => {
                self.flush_for_room()?;
                self.try_record(group)
            }
            result => result,
        }
    }

    /// The record that begins a new volume: the group's first record is of a later year, in UTC, than the tip. The
    /// installation's id stays that of the first genesis.
    fn next_volume(&self, group: &[Record]) -> Option<Record> {
        let first = group.first().filter(|first| first.kind != Kind::Genesis)?;
        let year = |at: Timestamp| TimeZone::UTC.to_datetime(at).year();
        let (before, now) = (year(Timestamp::from_second(self.head.at).ok()?), year(first.at));
        if now <= before {
            return None;
        }
        let summary = format!("volume {}: the year {now} begins", self.head.volume + 1);
        let mut record = Record::new(Kind::Volume, first.at, summary);
        record.body = json!({
            "year": now,
            "installation": self.installation.to_string(),
            "before": { "tip": self.head.tip.to_string(), "seq": self.head.seq, "sha256": self.head.chain },
        });
        // It goes with whatever the group may use.
        record.priority = group.iter().all(|record| record.priority);
        Some(record)
    }

    /// Has another key sign from the next record on. The record that says so is signed by the key before, so whoever
    /// trusts the first key can follow. In the repository when this returns.
    ///
    /// # Errors
    /// As [`Log::record`] and [`Log::flush`]; then the key before goes on.
    pub fn rotate(&mut self, key: SigningKey, at: Timestamp) -> Result<Recorded> {
        let mut record = Record::new(Kind::Key, at, "another key signs from here on");
        record.body = json!({ "before": self.key.public_line(), "key": key.public_line() });
        record.changes = vec![key_file(&key)];
        let recorded = self.record_any(&[record])?;
        self.key = key;
        self.flush()?;
        recorded.into_iter().next().ok_or_else(|| Error::Damaged("a record was not taken".to_owned()))
    }

    /// Brings everything that is durable in the journal into the repository and moves the ref. Due within a second of
    /// a record, and before publishing.
    ///
    /// # Errors
    /// After an error for which [`Error::is_fatal`] does not hold everything is still in the journal, and flushing
    /// again is right.
    pub fn flush(&mut self) -> Result<Tip> {
        self.check_alive()?;
        let flushed = self.try_flush();
        self.stop_if_fatal(flushed)?;
        Ok(Tip { seq: self.head.seq, commit: self.head.tip })
    }

    /// The newest durable record; the ref may be behind until [`Log::flush`].
    pub fn tip(&self) -> Tip {
        Tip { seq: self.head.seq, commit: self.head.tip }
    }

    /// Number of records that are in the journal only.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// The installation: the first genesis.
    pub fn installation(&self) -> CommitId {
        self.installation
    }

    /// The repository of the log.
    pub fn repository(&self) -> PathBuf {
        self.layout.repository()
    }

    /// Operations without a final outcome, oldest first; what is sealed in them is opened.
    ///
    /// # Errors
    /// [`Error::Vault`] if the keys of what is sealed cannot be read, [`Error::Damaged`] if an intent cannot.
    pub fn open_intents(&self) -> Result<Vec<OpenIntent>> {
        let mut open = self.open.all().map_err(Error::Damaged)?;
        if let Some(vault) = &self.vault {
            open.iter_mut().try_for_each(|intent| vault.open_sealed(&mut intent.call))?;
        }
        Ok(open)
    }

    /// A file of the tip's tree; `None` if there is none.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.reader().read(path)
    }

    /// Gives all files below a folder of the tip's tree (`live/forge`; all files for an empty one) to `visit`, in the
    /// order of the tree. Made for whole targets: memory stays bounded.
    pub fn for_each(&self, folder: &str, visit: impl FnMut(&str, Vec<u8>) -> Result<()>) -> Result<()> {
        self.reader().for_each(folder, visit)
    }

    fn reader(&self) -> Reader<'_> {
        Reader { pack: &self.pack, objects: &*self.objects, tree: self.head.tree }
    }

    fn try_record(&mut self, group: &[Record]) -> Result<Vec<Recorded>> {
        if let Some(lock) = &self.lock {
            let held = lock.check();
            self.stop_if_fatal(held)?;
        }
        let first = self.pack.len();
        let mut undo = Vec::new();
        let built = build(self, group, &mut undo).and_then(|(head, recorded)| {
            self.append(first, head.tip, group)?;
            Ok((head, recorded))
        });
        match built {
            Ok((head, recorded)) => {
                self.head = head;
                self.pending += recorded.len();
                Ok(recorded)
            }
            Err(error) => {
                self.open.take_back(undo);
                self.pack.roll_back(first);
                if error.is_fatal() {
                    self.stopped = Some(error.to_string());
                    return Err(error);
                }
                self.tree = Tree::lazy(recover::object(
                    &self.pack,
                    &*self.objects,
                    ObjectKind::Tree,
                    self.head.tree,
                )?);
                Err(error)
            }
        }
    }

    /// Writes the objects from entry `first` on to the journal, if they have room.
    fn append(&mut self, first: usize, to: CommitId, group: &[Record]) -> Result<()> {
        let payload = journal::payload(self.pack.entries_from(first));
        let needed = Journal::size_of(payload.len());
        let reserve = self.journal.capacity() / 4;
        let priority = group.iter().all(|record| record.priority);
        let free = self.journal.free().saturating_sub(if priority { 0 } else { reserve });
        // A single group that is larger than the journal may extend it, when nothing else is in it.
        if needed > free && !self.journal.is_empty() {
            return Err(Error::Full { needed, free, reserved: !priority && self.journal.free() >= needed });
        }
        self.journal.append(self.head.tip, to, &payload)
    }

    /// A flush that is tried for the sake of room: a disk that takes no new files is no reason to refuse what still
    /// fits into the journal.
    fn flush_for_room(&mut self) -> Result<()> {
        match self.try_flush() {
            Err(error @ Error::Io { .. }) => {
                tracing::warn!(%error, "the audit log could not be flushed; the journal goes on filling");
                Ok(())
            }
            result => self.stop_if_fatal(result),
        }
    }

    pub(crate) fn try_flush(&mut self) -> Result<()> {
        if self.pack.len() == 0 {
            return self.journal.truncate();
        }
        if let Some(lock) = &self.lock {
            lock.check()?;
        }
        let keep = write_pack(&*self.disk, &self.layout, &mut self.pack, self.flushed, self.head.tip)?;
        self.flushed = Some(self.head.tip);
        self.pack = PackBuffer::new();
        self.tree.pack_done();
        self.pending = 0;
        self.journal.truncate()?;
        crate::flush::release(&*self.disk, &keep)
    }

    fn stop_if_fatal(&mut self, result: Result<()>) -> Result<()> {
        if let Err(error) = &result
            && error.is_fatal()
        {
            self.stopped = Some(error.to_string());
        }
        result
    }

    fn check_alive(&self) -> Result<()> {
        match &self.stopped {
            Some(reason) => Err(Error::Stopped(reason.clone())),
            None => Ok(()),
        }
    }
}

/// The file that says which key signs the next record.
pub(crate) fn key_file(key: &SigningKey) -> Change {
    let path = TreePath::new(KEY_FILE).expect("the name is within the alphabet");
    (path, Some(format!("{}\n", key.public_line()).into_bytes()))
}
