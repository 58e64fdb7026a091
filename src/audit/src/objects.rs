//! Reading objects: one small trait, so that the crash tests can put another store behind the log.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::batch::{Answer, Batch};
use crate::error::{Error, Result};
use crate::id::ObjectId;

/// From this many objects on one `git cat-file --batch` is faster than single reads.
const BULK: usize = 512;

/// The kinds of git objects that the log consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A record.
    Commit,
    /// A folder.
    Tree,
    /// A file.
    Blob,
}

impl ObjectKind {
    /// Git's name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Commit => "commit",
            ObjectKind::Tree => "tree",
            ObjectKind::Blob => "blob",
        }
    }

    pub(crate) fn pack_type(self) -> u8 {
        match self {
            ObjectKind::Commit => 1,
            ObjectKind::Tree => 2,
            ObjectKind::Blob => 3,
        }
    }

    pub(crate) fn from_pack_type(pack_type: u8) -> Option<ObjectKind> {
        match pack_type {
            1 => Some(ObjectKind::Commit),
            2 => Some(ObjectKind::Tree),
            3 => Some(ObjectKind::Blob),
            _ => None,
        }
    }
}

/// Where the log reads the objects that it has flushed.
pub trait Objects: Send {
    /// The content of an object, or `None` if there is none with this id and kind.
    fn read(&self, kind: ObjectKind, id: ObjectId) -> Result<Option<Vec<u8>>>;

    /// The contents of many blobs, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Damaged`] if one is missing.
    fn read_blobs(&self, ids: &[ObjectId]) -> Result<Vec<Vec<u8>>>;
}

/// The objects of a repository on disk.
pub struct GitObjects {
    path: PathBuf,
    // libgit2's handle is not shared between threads.
    repository: Mutex<git2::Repository>,
}

impl GitObjects {
    /// Opens a repository, bare or not.
    ///
    /// # Errors
    /// [`Error::Repository`] if there is none, or one that is not SHA-1 with files refs.
    pub fn open(path: &Path) -> Result<GitObjects> {
        let refused = |reason: String| Error::Repository { path: path.to_owned(), reason };
        let repository = git2::Repository::open(path).map_err(|error| refused(error.message().to_owned()))?;
        Ok(GitObjects { path: repository.path().to_owned(), repository: Mutex::new(repository) })
    }

    fn one(&self, kind: ObjectKind, id: ObjectId) -> Result<Option<Vec<u8>>> {
        let oid = git2::Oid::from_bytes(&id.0).map_err(|error| Error::Damaged(error.message().to_owned()))?;
        // A poisoned lock means that another reader panicked; the handle itself is still whole.
        let mut repository = self.repository.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for attempt in 0..2 {
            let read = repository
                .odb()
                .and_then(|odb| odb.read(oid).map(|object| (object.kind(), object.data().to_vec())));
            match read {
                Ok((found, content)) if found == libgit2_kind(kind) => return Ok(Some(content)),
                Ok(_) => return Ok(None),
                Err(error) if attempt == 1 => {
                    if error.code() == git2::ErrorCode::NotFound {
                        return Ok(None);
                    }
                    return Err(Error::Damaged(format!("object {id} cannot be read: {}", error.message())));
                }
                Err(_) => {
                    // A pack that was repacked away under an open handle: look again with a fresh one.
                    *repository = git2::Repository::open(&self.path).map_err(|error| Error::Repository {
                        path: self.path.clone(),
                        reason: error.message().to_owned(),
                    })?;
                }
            }
        }
        Ok(None)
    }
}

impl Objects for GitObjects {
    fn read(&self, kind: ObjectKind, id: ObjectId) -> Result<Option<Vec<u8>>> {
        self.one(kind, id)
    }

    fn read_blobs(&self, ids: &[ObjectId]) -> Result<Vec<Vec<u8>>> {
        if ids.len() >= BULK {
            return bulk(&self.path, ids);
        }
        let missing = |id: &ObjectId| Error::Damaged(format!("the file {id} is missing"));
        ids.iter().map(|id| self.one(ObjectKind::Blob, *id)?.ok_or_else(|| missing(id))).collect()
    }
}

/// Many blobs at once; every content is checked against its id.
fn bulk(repository: &Path, ids: &[ObjectId]) -> Result<Vec<Vec<u8>>> {
    let mut batch = Batch::start(repository, ids.to_vec())?;
    let mut contents = Vec::with_capacity(ids.len());
    while let Some((id, answer)) = batch.next()? {
        match answer {
            Answer::Object(kind, content)
                if kind == ObjectKind::Blob.name() && ObjectId::of(ObjectKind::Blob, &content) == id =>
            {
                contents.push(content);
            }
            _ => return Err(Error::Damaged(format!("the file {id} is missing or not what its id says"))),
        }
    }
    Ok(contents)
}

fn libgit2_kind(kind: ObjectKind) -> git2::ObjectType {
    match kind {
        ObjectKind::Commit => git2::ObjectType::Commit,
        ObjectKind::Tree => git2::ObjectType::Tree,
        ObjectKind::Blob => git2::ObjectType::Blob,
    }
}
