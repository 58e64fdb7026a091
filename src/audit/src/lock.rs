//! One writer: a lock on the state folder that ends with its process, and not before.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::layout::Layout;

/// A child that a writer was just starting when it ended holds the lock until its exec: that long a taken lock is
/// tried again.
const ATTEMPTS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(20);

/// Held for the life of a [`crate::Log`]. A stopped process holds it as well; only its end releases it.
pub(crate) struct StateLock {
    file: File,
    layout: Layout,
}

impl StateLock {
    /// Takes the lock, and writes who holds it into the file.
    pub(crate) fn take(layout: &Layout) -> Result<StateLock> {
        let path = layout.lock();
        let failed = || Error::io("locking", &path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed())?;
        let mut attempt = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => {
                    attempt += 1;
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    file.read_to_string(&mut holder).map_err(failed())?;
                    let holder = crate::record::one_line(&holder, 80);
                    let holder = if holder.is_empty() { "holder unknown".to_owned() } else { holder };
                    return Err(Error::Locked { state: layout.state().to_owned(), holder });
                }
                Err(TryLockError::Error(error)) => return Err(failed()(error)),
            }
        }
        let text = format!("process {}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(failed())?;
        Ok(StateLock { file, layout: layout.clone() })
    }

    /// Whether the lock file is still the one that is locked: removing it lets a second writer in.
    pub(crate) fn check(&self) -> Result<()> {
        let lost = || Error::LockLost { state: self.layout.state().to_owned() };
        let held = self.file.metadata().map_err(|_| lost())?;
        let there = std::fs::metadata(self.layout.lock()).map_err(|_| lost())?;
        if held.ino() == there.ino() && held.dev() == there.dev() { Ok(()) } else { Err(lost()) }
    }
}
