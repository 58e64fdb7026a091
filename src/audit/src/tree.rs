//! The tree of the tip, in memory as far as it was touched, so that a record costs the depth of its files.

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::id::ObjectId;
use crate::objects::ObjectKind;
use crate::pack::PackBuffer;
use crate::path::TreePath;

/// From this many folders in memory on they are let go when everything is on disk (about 2 KB each).
const MAX_FOLDERS: usize = 50_000;

/// The longest chain of deltas: git's own default.
const MAX_CHAIN: u32 = 50;

const FILE_MODE: &[u8] = b"100644";
const FOLDER_MODE: &[u8] = b"40000";

/// The tree. What is not loaded is read through the `load` argument of its methods.
pub(crate) struct Tree {
    root: Folder,
    folders: usize,
    /// Counts packs: an older delta base lies in another pack and cannot be referred to.
    pack: u64,
}

#[derive(Default)]
struct Folder {
    /// The tree object's content.
    raw: Vec<u8>,
    children: FxHashMap<Vec<u8>, Folder>,
    dirty: bool,
    /// Where the content was written last.
    written: Option<Written>,
}

struct Written {
    pack: u64,
    offset: usize,
    chain: u32,
    /// The content that was written, kept only while the folder is dirty.
    base: Vec<u8>,
}

/// One entry of a tree object.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) folder: bool,
    pub(crate) id: ObjectId,
    start: usize,
    end: usize,
}

/// Reads the content of a tree object.
pub(crate) type Load<'a> = &'a dyn Fn(ObjectId, &PackBuffer) -> Result<Vec<u8>>;

impl Tree {
    /// An empty tree.
    pub(crate) fn empty() -> Tree {
        Tree { root: Folder { dirty: true, ..Folder::default() }, folders: 1, pack: 0 }
    }

    /// The tree with this root content; the rest is loaded when it is needed.
    pub(crate) fn lazy(root: Vec<u8>) -> Tree {
        Tree { root: Folder { raw: root, ..Folder::default() }, folders: 1, pack: 0 }
    }

    /// Writes or removes one file, whose blob has to be in the pack already.
    ///
    /// # Errors
    /// Says why if a folder stands where the file should, or a file where a folder should.
    pub(crate) fn set(
        &mut self,
        path: &TreePath,
        blob: Option<ObjectId>,
        pack: &PackBuffer,
        load: Load<'_>,
    ) -> Result<(), SetError> {
        let mut names = path.as_str().split('/').collect::<Vec<_>>();
        let Some(file) = names.pop() else { return Ok(()) };
        set(&mut self.root, &names, file, blob, pack, load, &mut self.folders)?;
        Ok(())
    }

    /// Writes what changed into the pack and gives the root's id.
    pub(crate) fn write(&mut self, pack: &mut PackBuffer) -> ObjectId {
        write(&mut self.root, pack, self.pack)
    }

    /// Everything written so far is on disk; the next pack is a new one.
    pub(crate) fn pack_done(&mut self) {
        self.pack += 1;
        if self.folders > MAX_FOLDERS {
            self.root.children.clear();
            self.folders = 1;
        }
    }
}

/// Why a file could not be set.
pub(crate) enum SetError {
    /// The path and the tree do not go together.
    Conflict(&'static str),
    /// A tree could not be read.
    Load(Error),
}

impl From<Error> for SetError {
    fn from(error: Error) -> SetError {
        SetError::Load(error)
    }
}

/// The entries of a tree object's content.
///
/// # Errors
/// [`Error::Damaged`] if it is not well formed.
pub(crate) fn entries(raw: &[u8]) -> impl Iterator<Item = Result<Entry<'_>>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= raw.len() {
            return None;
        }
        let start = at;
        let entry = (|| {
            let blank = start + raw[start..].iter().position(|byte| *byte == b' ')?;
            let zero = blank + raw[blank..].iter().position(|byte| *byte == 0)?;
            let id = ObjectId::from_slice(raw.get(zero + 1..zero + 21)?)?;
            let folder = match &raw[start..blank] {
                FILE_MODE => false,
                FOLDER_MODE => true,
                _ => return None,
            };
            Some(Entry { name: &raw[blank + 1..zero], folder, id, start, end: zero + 21 })
        })();
        at = entry.as_ref().map_or(raw.len(), |entry| entry.end);
        Some(entry.ok_or_else(|| Error::Damaged("a tree of the log is malformed".to_owned())))
    })
}

fn set(
    folder: &mut Folder,
    folders: &[&str],
    file: &str,
    blob: Option<ObjectId>,
    pack: &PackBuffer,
    load: Load<'_>,
    count: &mut usize,
) -> Result<bool, SetError> {
    let Some((name, below)) = folders.split_first() else {
        return set_file(folder, file.as_bytes(), blob);
    };
    let name = name.as_bytes();
    if !folder.children.contains_key(name) {
        let child = match find(&folder.raw, name)? {
            Some(entry) if entry.folder => Folder { raw: load(entry.id, pack)?, ..Folder::default() },
            Some(_) => return Err(SetError::Conflict("a file stands where a folder is needed")),
            None if blob.is_none() => return Ok(false),
            None => Folder::default(),
        };
        folder.children.insert(name.to_vec(), child);
        *count += 1;
    }
    let Some(child) = folder.children.get_mut(name) else { return Ok(false) };
    let changed = set(child, below, file, blob, pack, load, count)?;
    let emptied = child.raw.is_empty() && child.children.is_empty();
    if emptied {
        // git has no empty folders.
        folder.children.remove(name);
        *count -= 1;
        if changed {
            touch(folder);
            put(&mut folder.raw, name, None)?;
        }
    } else if changed {
        touch(folder);
        // The child's id is filled in when it is written.
        if find(&folder.raw, name)?.is_none() {
            put(&mut folder.raw, name, Some((true, ObjectId::ZERO)))?;
        }
    }
    Ok(changed)
}

fn set_file(folder: &mut Folder, name: &[u8], blob: Option<ObjectId>) -> Result<bool, SetError> {
    let there = match find(&folder.raw, name)? {
        Some(entry) if entry.folder => {
            return Err(SetError::Conflict("a folder stands where a file is needed"));
        }
        Some(entry) => Some(entry.id),
        None => None,
    };
    if there == blob {
        return Ok(false);
    }
    touch(folder);
    put(&mut folder.raw, name, blob.map(|id| (false, id)))?;
    Ok(true)
}

/// Before the first change since a folder was written, its content is kept as the base of a delta.
fn touch(folder: &mut Folder) {
    if !folder.dirty {
        folder.dirty = true;
        if let Some(written) = &mut folder.written {
            written.base.clone_from(&folder.raw);
        }
    }
}

fn write(folder: &mut Folder, pack: &mut PackBuffer, pack_number: u64) -> ObjectId {
    let Folder { raw, children, .. } = folder;
    for (name, child) in children.iter_mut().filter(|(_, child)| child.dirty) {
        let id = write(child, pack, pack_number);
        // The entry was made when the child was; a tree that was read once does not become malformed.
        if let Ok(Some(entry)) = find(raw, name) {
            let at = entry.end - 20;
            raw[at..at + 20].copy_from_slice(&id.0);
        }
    }
    let id = ObjectId::of(ObjectKind::Tree, &folder.raw);
    if !folder.dirty {
        return id;
    }
    folder.dirty = false;
    let base =
        folder.written.take().filter(|written| written.pack == pack_number && written.chain < MAX_CHAIN);
    let delta = base.as_ref().and_then(|written| {
        let offset = pack.add_delta(id, written.offset, &written.base, &folder.raw)?;
        Some((offset, written.chain + 1))
    });
    let (offset, chain) = delta.unwrap_or_else(|| (pack.add(ObjectKind::Tree, id, &folder.raw), 0));
    folder.written = Some(Written { pack: pack_number, offset, chain, base: Vec::new() });
    id
}

fn find<'a>(raw: &'a [u8], name: &[u8]) -> Result<Option<Entry<'a>>> {
    for entry in entries(raw) {
        let entry = entry?;
        if entry.name == name {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Replaces, inserts or removes an entry, keeping git's order (folders sort as if they ended in `/`).
fn put(raw: &mut Vec<u8>, name: &[u8], value: Option<(bool, ObjectId)>) -> Result<()> {
    let mut place = raw.len()..raw.len();
    let key = |name: &[u8], folder: bool| [name, if folder { &b"/"[..] } else { b"" }].concat();
    let new_key = value.map(|(folder, _)| key(name, folder));
    for entry in entries(raw) {
        let entry = entry?;
        if entry.name == name {
            place = entry.start..entry.end;
            break;
        }
        if new_key.as_ref().is_some_and(|new| *new < key(entry.name, entry.folder)) {
            place = entry.start..entry.start;
            break;
        }
    }
    let bytes = value.map_or_else(Vec::new, |(folder, id)| {
        [if folder { FOLDER_MODE } else { FILE_MODE }, b" ", name, b"\0", &id.0].concat()
    });
    raw.splice(place, bytes);
    Ok(())
}
