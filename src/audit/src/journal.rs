//! The journal: the durable intent. Groups of finished objects in a preallocated file, one fdatasync a group.
//!
//! A group names the tip before and after it. Only groups that chain count, so what an earlier use of the file left
//! behind is never taken for new, and truncating is no more than wiping the first group's head.

use std::path::Path;

use sha2::Digest as _;

use crate::disk::{Disk, DiskFile, OpenHow};
use crate::error::{Error, Result};
use crate::id::ObjectId;
use crate::layout::Layout;

/// The head of the file; groups begin after it.
const HEAD: usize = 4096;

const FILE_MAGIC: &[u8; 18] = b"provost journal 1\n";
const GROUP_MAGIC: &[u8; 16] = b"provost group 1\n";

/// Magic, length of the payload, tip before, tip after, checksum.
const GROUP_HEAD: usize = 16 + 8 + 20 + 20 + 32;

/// Groups begin at multiples of a sector: a torn write never touches a group that was acknowledged before.
const SECTOR: usize = 512;

/// Preallocated in pieces, so that no more than this is in memory.
const PIECE: usize = 1 << 20;

/// The open journal.
pub(crate) struct Journal {
    file: Box<dyn DiskFile>,
    path: std::path::PathBuf,
    capacity: u64,
    end: u64,
    len: u64,
    /// A group whose writing failed may be on disk nevertheless; it is wiped when the journal is truncated.
    torn: Option<u64>,
}

/// What a journal holds.
#[derive(Default)]
pub(crate) struct Contents {
    /// The groups that chain, in order.
    pub(crate) groups: Vec<Group>,
    /// Tips of whole groups behind the first one that is not whole: stale, or proof that the journal was damaged.
    pub(crate) behind: Vec<ObjectId>,
}

/// One group of records that was acknowledged together.
pub(crate) struct Group {
    pub(crate) from: ObjectId,
    pub(crate) to: ObjectId,
    payload: Vec<u8>,
}

impl Group {
    /// The objects of the group: id and pack entry.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Result<(ObjectId, &[u8])>> {
        let mut rest = &self.payload[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let object = (|| {
                let (id, tail) = rest.split_at_checked(20)?;
                let (len, tail) = tail.split_at_checked(4)?;
                let len = u32::from_le_bytes(len.try_into().ok()?) as usize;
                let (entry, tail) = tail.split_at_checked(len)?;
                rest = tail;
                Some((ObjectId::from_slice(id)?, entry))
            })();
            if object.is_none() {
                rest = &[];
            }
            Some(object.ok_or_else(|| Error::Damaged("a group of the journal is malformed".to_owned())))
        })
    }
}

impl Journal {
    /// Makes an empty journal of this size, whole or not at all, over whatever is there.
    pub(crate) fn create(disk: &dyn Disk, layout: &Layout, capacity: u64) -> Result<()> {
        let (new, path) = (layout.journal_new(), layout.journal());
        let failed = || Error::io("writing", &new);
        let mut file = disk.open(&new, OpenHow::Replace).map_err(failed())?;
        let mut head = vec![0; HEAD];
        head[..18].copy_from_slice(FILE_MAGIC);
        head[18..26].copy_from_slice(&capacity.to_le_bytes());
        file.write_at(0, &head).map_err(failed())?;
        // Written, not only reserved: a reserved block costs a change of metadata at its first fdatasync.
        let zeros = vec![0; PIECE];
        let mut at = HEAD as u64;
        while at < capacity {
            let piece = (capacity - at).min(PIECE as u64) as usize;
            file.write_at(at, &zeros[..piece]).map_err(failed())?;
            at += piece as u64;
        }
        file.sync().map_err(Error::sync(&new))?;
        disk.rename(&new, &path).map_err(Error::io("renaming", &new))?;
        disk.sync_folder(layout.state()).map_err(Error::sync(layout.state()))
    }

    /// Reads a journal; `None` if there is none that can be read.
    pub(crate) fn read(disk: &dyn Disk, layout: &Layout) -> Result<Option<Contents>> {
        let path = layout.journal();
        match disk.read(&path) {
            Ok(bytes) => Ok(capacity(&bytes).map(|_| contents(&bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("reading", path)(error)),
        }
    }

    /// Opens a journal for writing, as an empty one: what it holds has to be on disk by now.
    pub(crate) fn open(disk: &dyn Disk, layout: &Layout) -> Result<Journal> {
        let path = layout.journal();
        let bytes = disk.read(&path).map_err(Error::io("reading", &path))?;
        let capacity =
            capacity(&bytes).ok_or_else(|| Error::Damaged("the journal has no head".to_owned()))?;
        let file = disk.open(&path, OpenHow::Existing).map_err(Error::io("opening", &path))?;
        let len = bytes.len() as u64;
        // Set past any group, so that truncating wipes the first one.
        let mut journal = Journal { file, path, capacity, end: HEAD as u64 + 1, len, torn: None };
        journal.truncate()?;
        Ok(journal)
    }

    /// What a group of this many bytes of payload takes in the file.
    pub(crate) fn size_of(payload: usize) -> u64 {
        (GROUP_HEAD + payload).next_multiple_of(SECTOR) as u64
    }

    /// Bytes left in the preallocated part.
    pub(crate) fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.end)
    }

    /// The preallocated size.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// True if nothing was appended since it was truncated.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == HEAD as u64
    }

    /// Appends a group and makes it durable. A group larger than what is preallocated extends the file.
    pub(crate) fn append(&mut self, from: ObjectId, to: ObjectId, payload: &[u8]) -> Result<()> {
        let mut bytes = Vec::with_capacity(GROUP_HEAD + payload.len() + SECTOR);
        bytes.extend_from_slice(GROUP_MAGIC);
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&from.0);
        bytes.extend_from_slice(&to.0);
        let checksum = checksum(&bytes, payload);
        bytes.extend_from_slice(&checksum);
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        self.torn = Some(self.end);
        self.file.write_at(self.end, &bytes).map_err(Error::io("writing", &self.path))?;
        self.file.sync().map_err(Error::sync(&self.path))?;
        self.torn = None;
        self.end += bytes.len() as u64;
        self.len = self.len.max(self.end);
        Ok(())
    }

    /// Forgets all groups. They must be on disk as a pack, with the ref moved, before.
    pub(crate) fn truncate(&mut self) -> Result<()> {
        if self.is_empty() && self.torn.is_none() {
            return Ok(());
        }
        let failed = || Error::io("truncating", &self.path);
        for at in [Some(HEAD as u64), self.torn].into_iter().flatten() {
            self.file.write_at(at, &[0; SECTOR]).map_err(failed())?;
        }
        if self.len > self.capacity {
            self.file.set_len(self.capacity).map_err(failed())?;
            self.len = self.capacity;
        }
        self.file.sync().map_err(Error::sync(&self.path))?;
        self.end = HEAD as u64;
        self.torn = None;
        Ok(())
    }
}

/// The payload of a group: each object's id, the length of its pack entry, the entry.
pub(crate) fn payload<'a>(objects: impl Iterator<Item = (ObjectId, &'a [u8])>) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, entry) in objects {
        payload.extend_from_slice(&id.0);
        // Objects are bounded by a gibibyte.
        payload.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        payload.extend_from_slice(entry);
    }
    payload
}

fn capacity(bytes: &[u8]) -> Option<u64> {
    let head = bytes.get(..HEAD)?;
    let magic = head.strip_prefix(FILE_MAGIC)?;
    let capacity = u64::from_le_bytes(magic.get(..8)?.try_into().ok()?);
    (magic[8..].iter().all(|byte| *byte == 0) && capacity <= bytes.len() as u64).then_some(capacity)
}

fn contents(bytes: &[u8]) -> Contents {
    let mut groups: Vec<Group> = Vec::new();
    let mut at = HEAD;
    while let Some(group) = group_at(bytes, at) {
        if groups.last().is_some_and(|last| last.to != group.from) {
            break;
        }
        at += Journal::size_of(group.payload.len()) as usize;
        groups.push(group);
    }
    let starts = (at..bytes.len()).step_by(SECTOR);
    let behind = starts.filter_map(|start| group_at(bytes, start)).map(|group| group.to).collect();
    Contents { groups, behind }
}

fn group_at(bytes: &[u8], at: usize) -> Option<Group> {
    let head = bytes.get(at..at.checked_add(GROUP_HEAD)?)?;
    let rest = head.strip_prefix(GROUP_MAGIC)?;
    let len = usize::try_from(u64::from_le_bytes(rest[..8].try_into().ok()?)).ok()?;
    let start = at + GROUP_HEAD;
    let payload = bytes.get(start..start.checked_add(len)?)?;
    if checksum(&head[..GROUP_HEAD - 32], payload) != head[GROUP_HEAD - 32..] {
        return None;
    }
    Some(Group {
        from: ObjectId::from_slice(&rest[8..28])?,
        to: ObjectId::from_slice(&rest[28..48])?,
        payload: payload.to_vec(),
    })
}

fn checksum(head: &[u8], payload: &[u8]) -> [u8; 32] {
    let mut hasher = sha2::Sha256::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize().into()
}

/// Sets a journal aside that cannot be read, for whoever investigates.
pub(crate) fn set_aside(disk: &dyn Disk, layout: &Layout) -> Result<()> {
    let path: &Path = &layout.journal();
    match disk.rename(path, &layout.journal_damaged()) {
        Ok(()) => disk.sync_folder(layout.state()).map_err(Error::sync(layout.state())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("renaming", path)(error)),
    }
}
