//! Everything that the writer and the recovery do to a disk. The crash tests put another disk behind it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

/// A disk. What was not synced may be lost, in any order, when the machine stops; renames and new names are durable
/// once their folder was synced.
pub trait Disk: Send + Sync {
    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Opens a file for writing.
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a folder in a folder that exists; one that is there already is kept. True if it was made.
    fn create_folder(&self, path: &Path) -> io::Result<bool>;
    /// Moves a file over another one, or to a new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Waits a moment for somebody who holds a lock file.
    fn pause(&self);
}

/// A file that is open for writing.
pub trait DiskFile: Send {
    /// Writes all bytes at an offset.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Makes the content durable, and the length if reading needs it (fdatasync).
    fn sync(&mut self) -> io::Result<()>;
}

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenHow {
    /// It has to exist.
    Existing,
    /// It is made, or emptied if it exists.
    Replace,
    /// It must not exist.
    New,
}

/// The disk of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdDisk;

impl Disk for StdDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.write(true);
        match how {
            OpenHow::Existing => {}
            OpenHow::Replace => {
                options.create(true).truncate(true);
            }
            OpenHow::New => {
                options.create_new(true);
            }
        }
        Ok(Box::new(StdFile(options.open(path)?)))
    }

    fn create_folder(&self, path: &Path) -> io::Result<bool> {
        match std::fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn pause(&self) {
        // git holds its ref locks for far less; see the retries of the caller for how long in all.
        std::thread::sleep(Duration::from_millis(10));
    }
}

struct StdFile(File);

impl DiskFile for StdFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
