//! Reading a commit: the files that changed since another, parsed.
//!
//! In: two commits of the desired repository. Out: changes for the core's snapshot. Nothing of the commit is checked
//! out, followed or run.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;

use git2::Oid;
use provost_core::Sym;
use provost_core::document::{FieldPath, Parsed, Problem, parse};
use provost_core::snapshot::{Change, File, Kept};

use crate::cache::Documents;
use crate::git::{Entry, GitError, Refused, Source, changed_between, files_of, is_document, read_blobs};

/// A larger file is no document: the largest real one, a Target with thousands of entitlements, has 200 KiB.
const MAX_DOCUMENT: u64 = 1 << 20;

/// Documents that are parsed as one piece of work: small enough to keep all cores busy to the end.
const PIECE: usize = 256;

/// The documents of `to` that differ from those of `from`; all of them without `from`.
pub fn read(source: &Source, from: Option<Oid>, to: Oid) -> Result<Vec<Change>, GitError> {
    let repository = source.open()?;
    let (entries, refused) = match from {
        Some(from) => changed_between(&repository, from, to)?,
        None => files_of(&repository, to)?,
    };
    let mut changes = parse_all(source.path(), entries)?;
    changes.extend(refused.into_iter().map(refuse));
    Ok(changes)
}

/// All documents of `to`, those that are kept of another commit without reading their files again where they are the
/// same. Gives also how many files were read.
pub fn read_kept(
    source: &Source,
    kept: Option<Documents>,
    to: Oid,
) -> Result<(Vec<Change>, usize), GitError> {
    let repository = source.open()?;
    let known = |kept: &Documents| {
        let known = repository.find_commit(kept.commit).is_ok();
        if !known {
            tracing::warn!(commit = %kept.commit, "what is kept of documents is of a commit that is gone");
        }
        known
    };
    let Some(Documents { commit, kept }) = kept.filter(known) else {
        let changes = read(source, None, to)?;
        let files = changes.len();
        return Ok((changes, files));
    };
    let (mut entries, refused) = changed_between(&repository, commit, to)?;
    let paths = entries.iter().map(|entry| &entry.path).chain(refused.iter().map(|refused| &refused.path));
    let differ: HashSet<Sym> = paths.map(|path| Sym::new(path)).collect();
    entries.retain(|entry| entry.blob.is_some());
    let mut changes = Vec::with_capacity(kept.len() + refused.len());
    for Kept { path, blob, document } in kept.into_iter().filter(|kept| !differ.contains(&kept.path)) {
        let Some(document) = document else {
            let path = path.to_string();
            entries.push(Entry { path, before: None, blob: Some(Oid::from_bytes(&blob)?) });
            continue;
        };
        let key = Some((document.kind(), document.id()));
        let parsed = Parsed { key, document: Some(document), less: None, problems: Vec::new() };
        changes.push(Change { path, file: Some(File { blob, parsed }) });
    }
    let files = entries.len();
    changes.extend(parse_all(source.path(), entries)?);
    changes.extend(refused.into_iter().map(refuse));
    Ok((changes, files))
}

/// The documents below a folder that is no commit, for `check` before anything is committed.
pub fn read_folder(folder: &Path) -> std::io::Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let mut entries = std::fs::read_dir(&next)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name();
            let shown = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            if kind.is_dir() && name != ".git" {
                folders.push(path);
            } else if is_document(&shown) {
                changes.push(if kind.is_symlink() {
                    refuse(Refused { path: shown, why: "It is a symbolic link, and links are not followed." })
                } else if entry.metadata()?.len() > MAX_DOCUMENT {
                    refuse(Refused { path: shown, why: TOO_LARGE })
                } else {
                    let bytes = std::fs::read(&path)?;
                    let blob =
                        git2::Oid::hash_object(git2::ObjectType::Blob, &bytes).unwrap_or(Oid::ZERO_SHA1);
                    let file = File { blob: id(blob), parsed: parse(&shown, &bytes) };
                    Change { path: Sym::new(&shown), file: Some(file) }
                });
            }
        }
    }
    changes.sort_by_key(|change| change.path);
    Ok(changes)
}

const TOO_LARGE: &str = "The file is larger than 1 MiB, which no document is.";

fn parse_all(repository: &Path, entries: Vec<Entry>) -> Result<Vec<Change>, GitError> {
    let present: Vec<(&str, Oid)> =
        entries.iter().filter_map(|entry| Some((entry.path.as_str(), entry.blob?))).collect();
    let ids: Vec<Oid> = present.iter().map(|(_, id)| *id).collect();
    let parsed = Mutex::new(Vec::with_capacity(entries.len()));
    rayon::in_place_scope(|scope| {
        let mut piece = Vec::with_capacity(PIECE);
        let work = |piece: Vec<(usize, Option<Vec<u8>>)>| {
            let (present, parsed) = (&present, &parsed);
            scope.spawn(move |_| {
                let changes: Vec<Change> =
                    piece.into_iter().map(|(index, bytes)| change(present[index], bytes)).collect();
                parsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(changes);
            });
        };
        let read = read_blobs(repository, &ids, MAX_DOCUMENT, |blob| {
            piece.push((blob.index, blob.bytes));
            if piece.len() == PIECE {
                work(std::mem::replace(&mut piece, Vec::with_capacity(PIECE)));
            }
        });
        work(piece);
        read
    })?;
    let gone = entries.iter().filter(|entry| entry.blob.is_none());
    let mut changes = parsed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    changes.extend(gone.map(|entry| Change { path: Sym::new(&entry.path), file: None }));
    Ok(changes)
}

fn change((path, blob): (&str, Oid), bytes: Option<Vec<u8>>) -> Change {
    let Some(bytes) = bytes else { return refuse(Refused { path: path.to_owned(), why: TOO_LARGE }) };
    Change { path: Sym::new(path), file: Some(File { blob: id(blob), parsed: parse(path, &bytes) }) }
}

/// A path that is not read still counts as a file whose kind and id nobody knows, so that no identity is taken for
/// gone because its file became a link.
fn refuse(refused: Refused) -> Change {
    let path = Sym::new(&refused.path);
    let problem =
        Problem::error(path, FieldPath::root(), "not-a-document", refused.why.trim_end_matches('.'));
    let parsed = Parsed { key: None, document: None, less: None, problems: vec![problem] };
    Change { path, file: Some(File { blob: [0; 20], parsed }) }
}

fn id(id: Oid) -> [u8; 20] {
    id.as_bytes().try_into().unwrap_or([0; 20])
}
