//! The documents of a commit: which files, and which of them changed since another.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid, Repository, Tree};
use provost_core::approval::{RevokedKeys, Signers};

use super::GitError;

/// A file that may hold a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the root, with slashes.
    pub path: String,
    /// What was there before; `None` where nothing was, or a folder.
    pub before: Option<Oid>,
    /// What is there now; `None` where it is gone.
    pub blob: Option<Oid>,
}

/// A path that looks like a document and is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// From the root, with slashes.
    pub path: String,
    /// Why, as a sentence.
    pub why: &'static str,
}

/// A file that is not the same in two folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// From the root, with slashes.
    pub path: String,
    /// Its blob in the first.
    pub before: Option<Oid>,
    /// Its blob in the second.
    pub after: Option<Oid>,
}

/// Folders in folders; deeper trees are made to be slow.
const MAX_DEPTH: usize = 32;

/// An ordinary file that cannot be run. A document needs no other mode.
const REGULAR: i32 = 0o100_644;
const EXECUTABLE: i32 = 0o100_755;
const SYMLINK: i32 = 0o120_000;

/// Whether a file of this path may hold a document.
pub fn is_document(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml") || [Signers::PATH, RevokedKeys::PATH].contains(&path)
}

/// All documents of a commit.
pub fn files_of(repository: &Repository, commit: Oid) -> Result<(Vec<Entry>, Vec<Refused>), GitError> {
    let mut walk = Walk { repository, entries: Vec::new(), refused: Vec::new() };
    walk.compare(None, Some(&repository.find_commit(commit)?.tree()?), "", 0)?;
    Ok((walk.entries, walk.refused))
}

/// The documents that differ between two commits; equal folders are not entered.
pub fn changed_between(
    repository: &Repository,
    from: Oid,
    to: Oid,
) -> Result<(Vec<Entry>, Vec<Refused>), GitError> {
    let mut walk = Walk { repository, entries: Vec::new(), refused: Vec::new() };
    let (from, to) = (repository.find_commit(from)?.tree()?, repository.find_commit(to)?.tree()?);
    walk.compare(Some(&from), Some(&to), "", 0)?;
    Ok((walk.entries, walk.refused))
}

/// The files that differ between two folders of any repository, as the blobs of both; equal folders are not entered.
/// Without `from`, every file below `to`. Folders that lie too deep are passed over.
pub fn blobs_between(
    repository: &Repository,
    from: Option<&Tree<'_>>,
    to: Option<&Tree<'_>>,
    folder: &str,
    found: &mut Vec<Differing>,
) -> Result<(), GitError> {
    if folder.bytes().filter(|byte| *byte == b'/').count() > MAX_DEPTH {
        return Ok(());
    }
    for (name, (before, after)) in differing(from, to) {
        let path = format!("{folder}{}", String::from_utf8_lossy(&name));
        let (from, to) = (subtree(repository, before)?, subtree(repository, after)?);
        if from.is_some() || to.is_some() {
            blobs_between(repository, from.as_ref(), to.as_ref(), &format!("{path}/"), found)?;
        }
        let blob =
            |side: Option<Side>| side.filter(|side| side.2 == Some(ObjectType::Blob)).map(|side| side.0);
        let (before, after) = (blob(before), blob(after));
        if before.is_some() || after.is_some() {
            found.push(Differing { path, before, after });
        }
    }
    Ok(())
}

struct Walk<'r> {
    repository: &'r Repository,
    entries: Vec<Entry>,
    refused: Vec<Refused>,
}

/// One side of a name in a folder: its id, its mode, and whether it is a folder.
type Side = (Oid, i32, Option<ObjectType>);

impl Walk<'_> {
    fn compare(
        &mut self,
        from: Option<&Tree<'_>>,
        to: Option<&Tree<'_>>,
        folder: &str,
        depth: usize,
    ) -> Result<(), GitError> {
        if depth > MAX_DEPTH {
            self.refused.push(Refused { path: folder.to_owned(), why: "The folder lies too deep." });
            return Ok(());
        }
        for (name, (before, after)) in differing(from, to) {
            let Ok(name) = std::str::from_utf8(&name) else {
                let path = format!("{folder}{}", String::from_utf8_lossy(&name));
                self.refused.push(Refused { path, why: "The name is not UTF-8." });
                continue;
            };
            let path = format!("{folder}{name}");
            let before_tree = subtree(self.repository, before)?;
            let after_tree = subtree(self.repository, after)?;
            if before_tree.is_some() || after_tree.is_some() {
                self.compare(before_tree.as_ref(), after_tree.as_ref(), &format!("{path}/"), depth + 1)?;
            }
            self.file(path, before, after);
        }
        Ok(())
    }

    fn file(&mut self, path: String, before: Option<Side>, after: Option<Side>) {
        let is_document = is_document(&path);
        let is_folder = |side: Option<Side>| side.is_some_and(|(_, _, kind)| kind == Some(ObjectType::Tree));
        let before = before.filter(|_| !is_folder(before)).map(|(id, _, _)| id);
        match after {
            Some((_, _, Some(ObjectType::Commit))) => {
                self.refused.push(Refused { path, why: "It is a submodule, and submodules are not read." });
            }
            _ if !is_document => {}
            Some((id, REGULAR, _)) => self.entries.push(Entry { path, before, blob: Some(id) }),
            Some((_, SYMLINK, _)) => {
                self.refused
                    .push(Refused { path, why: "It is a symbolic link, and links are not followed." });
            }
            Some((_, EXECUTABLE, _)) => {
                self.refused.push(Refused {
                    path,
                    why: "It is executable, and a document must not be (mode 100644).",
                });
            }
            Some(_) if !is_folder(after) => {
                self.refused.push(Refused { path, why: "It is no ordinary file (mode 100644)." });
            }
            _ if before.is_some() => self.entries.push(Entry { path, before, blob: None }),
            _ => {}
        }
    }
}

/// The names that are not the same in both folders, in order.
fn differing(
    from: Option<&Tree<'_>>,
    to: Option<&Tree<'_>>,
) -> BTreeMap<Vec<u8>, (Option<Side>, Option<Side>)> {
    let mut names: BTreeMap<Vec<u8>, (Option<Side>, Option<Side>)> = BTreeMap::new();
    for entry in from.iter().flat_map(|tree| tree.iter()) {
        let side = (entry.id(), entry.filemode(), entry.kind());
        names.entry(entry.name_bytes().to_owned()).or_default().0 = Some(side);
    }
    for entry in to.iter().flat_map(|tree| tree.iter()) {
        let side = (entry.id(), entry.filemode(), entry.kind());
        match names.get_mut(entry.name_bytes()) {
            Some((Some(before), _)) if *before == side => {
                names.remove(entry.name_bytes());
            }
            Some((_, after)) => *after = Some(side),
            None => {
                names.insert(entry.name_bytes().to_owned(), (None, Some(side)));
            }
        }
    }
    names
}

fn subtree(repository: &Repository, side: Option<Side>) -> Result<Option<Tree<'_>>, GitError> {
    match side {
        Some((id, _, Some(ObjectType::Tree))) => Ok(Some(repository.find_tree(id)?)),
        _ => Ok(None),
    }
}
