//! What can go wrong with the log, in full sentences.

use std::io;
use std::path::PathBuf;

use crate::id::CommitId;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the log could not do what was asked. [`Error::is_fatal`] tells what the process has to end for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the lock on the state folder.
    #[error("{} is in use by another provost ({holder}); stop that one first", state.display())]
    Locked {
        /// The state folder.
        state: PathBuf,
        /// What the lock file says about its holder.
        holder: String,
    },
    /// The lock file was replaced while we held it: somebody else may be writing.
    #[error("the lock file of {} was removed or replaced while this process held it", state.display())]
    LockLost {
        /// The state folder.
        state: PathBuf,
    },
    /// There is no log at this place.
    #[error("there is no audit log in {}", .0.display())]
    NotFound(PathBuf),
    /// `create` was called where a log exists already.
    #[error("{} holds an audit log already; it will not be replaced", .0.display())]
    Exists(PathBuf),
    /// Data could not be synced. What is on the disk is unknown: the process has to end and to recover.
    #[error("syncing {} failed, so what the disk holds is unknown and this process must end: {source}", path.display())]
    Sync {
        /// What was being synced.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An earlier fatal error; nothing is written after it.
    #[error("the audit log stopped after an earlier error ({0}); this process must end")]
    Stopped(String),
    /// A file could not be read or written.
    #[error("{action} {} failed: {source}", path.display())]
    Io {
        /// What was tried: "writing".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The journal has no room left for this kind of record.
    #[error("the journal is full: {needed} bytes are needed and {free} are left{}", if *.reserved { " for outcomes and revocations only" } else { "" })]
    Full {
        /// What the group would take.
        needed: u64,
        /// What this kind of record may use.
        free: u64,
        /// True if room is left, but only for priority records.
        reserved: bool,
    },
    /// A record is not well formed; nothing of its group was written.
    #[error("the record \"{summary}\" was refused: {reason}")]
    Record {
        /// The record's summary, sanitised.
        summary: String,
        /// Why.
        reason: String,
    },
    /// The group is larger than the log takes at once.
    #[error("a group of {0} records is larger than the {max} that are taken at once", max = crate::log::MAX_GROUP)]
    GroupTooLarge(usize),
    /// The ref is not where the log left it.
    #[error("the ref of the audit log was moved by somebody else: expected {expected}, found {found}")]
    RefMoved {
        /// Where the log left it.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The log's own data do not fit together.
    #[error("the audit log is damaged: {0}")]
    Damaged(String),
    /// The repository is not one that this crate can work with.
    #[error("{} cannot be used as a git repository here: {reason}", path.display())]
    Repository {
        /// The repository.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key could not be used.
    #[error("the key {name} cannot be used: {reason}")]
    Key {
        /// File or kind of key.
        name: String,
        /// Why.
        reason: String,
    },
    /// The log is signed by another key than the one that was given.
    #[error(
        "the log says that {signs} signs its next record, and the key that was given is {given}: bring that key back"
    )]
    OtherKey {
        /// The public key that signs.
        signs: String,
        /// The public half of what was given.
        given: String,
    },
    /// The git program failed.
    #[error("git {command} failed: {message}")]
    Git {
        /// The subcommand.
        command: String,
        /// What it printed, shortened.
        message: String,
    },
    /// A commit that has to be in the log's history is not.
    #[error("commit {0} is not in the history of the audit log's tip")]
    NotAncestor(CommitId),
    /// The keys of personal data failed. Unlike the index they cannot be made again.
    #[error("the keys of personal data in {} failed: {source}", path.display())]
    Vault {
        /// The file.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// The index file failed. It is disposable: deleting it is always safe.
    #[error("the index {} failed (it can be deleted; it is made again): {source}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
}

impl Error {
    /// Whether the process must end: what is durable is unknown, or somebody else may be writing.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Error::Sync { .. } | Error::Stopped(_) | Error::LockLost { .. })
    }

    /// Whether room on the disk is all that is missing; the same call may succeed later.
    pub fn is_full(&self) -> bool {
        match self {
            Error::Full { .. } => true,
            Error::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }

    pub(crate) fn sync(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Sync { path, source }
    }
}
