//! The one ref, moved by git's own protocol for files refs: a lock file beside it, synced, then renamed over it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile, OpenHow};
use crate::error::{Error, Result};
use crate::id::ObjectId;
use crate::layout::{Layout, REF};

/// How often a lock file of git is waited for, ten milliseconds each.
const ATTEMPTS: usize = 300;

/// Where the ref stands; `None` if there is none.
pub(crate) fn read(disk: &dyn Disk, layout: &Layout) -> Result<Option<ObjectId>> {
    let loose = layout.repository().join(REF);
    match disk.read(&loose) {
        Ok(text) => return parse_loose(&text, &loose).map(Some),
        Err(error) if missing(error.kind()) => {}
        Err(error) => return Err(Error::io("reading", loose)(error)),
    }
    let packed = layout.repository().join("packed-refs");
    match disk.read(&packed) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            let line = text.lines().find_map(|line| line.strip_suffix(REF)?.strip_suffix(' '));
            line.map(|id| parse_loose(id.as_bytes(), &packed)).transpose()
        }
        Err(error) if missing(error.kind()) => Ok(None),
        Err(error) => Err(Error::io("reading", packed)(error)),
    }
}

/// Moves the ref from `expected` to `new`, durably.
///
/// # Errors
/// [`Error::RefMoved`] if it is not where it is expected; [`Error::Sync`] if what is on the disk is unknown.
pub(crate) fn update(
    disk: &dyn Disk,
    layout: &Layout,
    expected: Option<ObjectId>,
    new: ObjectId,
) -> Result<()> {
    let path = layout.repository().join(REF);
    let lock_path = lock_path(layout);
    let mut lock = take_lock(disk, layout, &lock_path)?;
    let found = read(disk, layout);
    let moved = match &found {
        Ok(found) if *found == expected => {
            let text = format!("{new}\n");
            lock.write_at(0, text.as_bytes())
                .map_err(Error::io("writing", &lock_path))
                .and_then(|()| lock.sync().map_err(Error::sync(&lock_path)))
                .and_then(|()| disk.rename(&lock_path, &path).map_err(Error::io("renaming", &lock_path)))
        }
        Ok(found) => Err(Error::RefMoved { expected: show(expected), found: show(*found) }),
        Err(_) => found.map(|_| ()),
    };
    if let Err(error) = moved {
        // Our own lock file; if this fails as well, the next opening removes it.
        let _ = disk.remove(&lock_path);
        return Err(error);
    }
    let folder = path.parent().unwrap_or(&path);
    disk.sync_folder(folder).map_err(Error::sync(folder))
}

/// Removes a lock file that a crash of ours left. A running `git pack-refs` may hold one for a moment: it is waited
/// for first.
pub(crate) fn clear_stale_lock(disk: &dyn Disk, layout: &Layout) -> Result<()> {
    let lock = lock_path(layout);
    for _ in 0..ATTEMPTS {
        match disk.read(&lock) {
            Err(error) if missing(error.kind()) => return Ok(()),
            _ => disk.pause(),
        }
    }
    match disk.remove(&lock) {
        Ok(()) => Ok(()),
        Err(error) if missing(error.kind()) => Ok(()),
        Err(error) => Err(Error::io("removing", lock)(error)),
    }
}

fn take_lock(disk: &dyn Disk, layout: &Layout, lock: &Path) -> Result<Box<dyn DiskFile>> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        // `git pack-refs` removes empty folders, so they are made every time.
        create_folders(disk, layout)?;
        match disk.open(lock, OpenHow::New) {
            Ok(file) => return Ok(file),
            Err(error) if missing(error.kind()) || error.kind() == ErrorKind::AlreadyExists => {
                last = Some(error);
                disk.pause();
            }
            Err(error) => return Err(Error::io("locking", lock)(error)),
        }
    }
    let error = last.unwrap_or_else(|| ErrorKind::TimedOut.into());
    Err(Error::io("locking", lock)(error))
}

/// Makes the folders of the ref and syncs those in which one was made.
fn create_folders(disk: &dyn Disk, layout: &Layout) -> Result<()> {
    let mut folder = layout.repository();
    let names: Vec<&str> = REF.split('/').collect();
    for name in &names[..names.len() - 1] {
        let parent = folder.clone();
        folder.push(name);
        if disk.create_folder(&folder).map_err(Error::io("making", &folder))? {
            disk.sync_folder(&parent).map_err(Error::sync(&parent))?;
        }
    }
    Ok(())
}

fn lock_path(layout: &Layout) -> PathBuf {
    layout.repository().join(format!("{REF}.lock"))
}

fn parse_loose(text: &[u8], path: &Path) -> Result<ObjectId> {
    let text = String::from_utf8_lossy(text);
    text.trim_end()
        .parse()
        .map_err(|_| Error::Damaged(format!("{} does not hold an object id", path.display())))
}

fn show(id: Option<ObjectId>) -> String {
    id.map_or_else(|| "no ref".to_owned(), |id| id.to_string())
}

fn missing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}
