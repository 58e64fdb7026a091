//! The tree of one record, read: what was observed at that point of the log.

use std::path::Path;

use crate::commit::parse_commit;
use crate::error::{Error, Result};
use crate::id::{CommitId, ObjectId};
use crate::objects::{GitObjects, ObjectKind, Objects};
use crate::pack::PackBuffer;
use crate::recover::object;
use crate::tree::entries;

/// How many blobs are read at once when a whole folder is read.
const READ_AT_ONCE: usize = 20_000;

/// The tree of any record of a log, in its own repository or in a clone.
pub struct View {
    objects: GitObjects,
    tree: ObjectId,
}

impl View {
    /// The tree of this record.
    ///
    /// # Errors
    /// [`Error::Repository`] if there is no repository, [`Error::Damaged`] if there is no such record.
    pub fn at(repository: &Path, commit: CommitId) -> Result<View> {
        let objects = GitObjects::open(repository)?;
        let damaged = |reason: &str| Error::Damaged(format!("record {commit}: {reason}"));
        let object = objects.read(ObjectKind::Commit, commit)?.ok_or_else(|| damaged("it is missing"))?;
        let tree = parse_commit(&object).map_err(|reason| damaged(&reason))?.tree;
        Ok(View { objects, tree })
    }

    /// A file of the tree; `None` if there is none.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.reader(&PackBuffer::new()).read(path)
    }

    /// Gives all files below a folder (all files for an empty one) to `visit`, in the order of the tree.
    pub fn for_each(&self, folder: &str, visit: impl FnMut(&str, Vec<u8>) -> Result<()>) -> Result<()> {
        self.reader(&PackBuffer::new()).for_each(folder, visit)
    }

    fn reader<'a>(&'a self, pack: &'a PackBuffer) -> Reader<'a> {
        Reader { pack, objects: &self.objects, tree: self.tree }
    }
}

/// Reads a tree whose objects are in a pack buffer or in a repository.
pub(crate) struct Reader<'a> {
    pub(crate) pack: &'a PackBuffer,
    pub(crate) objects: &'a dyn Objects,
    pub(crate) tree: ObjectId,
}

impl Reader<'_> {
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.find(path)? {
            Some((false, id)) => object(self.pack, self.objects, ObjectKind::Blob, id).map(Some),
            _ => Ok(None),
        }
    }

    pub(crate) fn for_each(
        &self,
        folder: &str,
        mut visit: impl FnMut(&str, Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let folder = folder.trim_end_matches('/');
        let Some((true, id)) = self.find(folder)? else { return Ok(()) };
        let mut files = Vec::new();
        self.walk(folder, id, &mut files)?;
        for chunk in files.chunks(READ_AT_ONCE) {
            let flushed = |id: &ObjectId| !self.pack.contains(id);
            let ids: Vec<ObjectId> = chunk.iter().map(|(_, id)| *id).filter(flushed).collect();
            let mut contents = self.objects.read_blobs(&ids)?.into_iter();
            for (path, id) in chunk {
                let content = match self.pack.object(id) {
                    Some(pending) => pending?.1,
                    None => {
                        contents.next().ok_or_else(|| Error::Damaged(format!("the file {id} is missing")))?
                    }
                };
                visit(path, content)?;
            }
        }
        Ok(())
    }

    /// Whether a folder (true) or a file is at this path, and its id.
    fn find(&self, path: &str) -> Result<Option<(bool, ObjectId)>> {
        let mut found = (true, self.tree);
        for name in path.split('/').filter(|_| !path.is_empty()) {
            if !found.0 {
                return Ok(None);
            }
            let raw = object(self.pack, self.objects, ObjectKind::Tree, found.1)?;
            let mut next = None;
            for entry in entries(&raw) {
                let entry = entry?;
                if entry.name == name.as_bytes() {
                    next = Some((entry.folder, entry.id));
                    break;
                }
            }
            let Some(next) = next else { return Ok(None) };
            found = next;
        }
        Ok(Some(found))
    }

    fn walk(&self, folder: &str, id: ObjectId, files: &mut Vec<(String, ObjectId)>) -> Result<()> {
        let raw = object(self.pack, self.objects, ObjectKind::Tree, id)?;
        for entry in entries(&raw) {
            let entry = entry?;
            let name = String::from_utf8_lossy(entry.name);
            let path = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
            if entry.folder {
                self.walk(&path, entry.id, files)?;
            } else {
                files.push((path, entry.id));
            }
        }
        Ok(())
    }
}
