//! The database: one SQLite file with the text of every resource, and beside it only what is looked up by.
//!
//! One connection writes, so that writes are serialised and a conflict can be told before it happens; a few read, each
//! in a transaction of its own, so that the parts of an answer belong together. Work runs on tokio's blocking threads.
//!
//! Commits are durable (`synchronous=FULL`): a client that has its 201 records that the account exists, and must not be
//! made wrong by a power cut. That costs one sync of the log per request; a bulk request is one commit.

mod groups;
mod members;
mod read;
mod write;

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

pub(crate) use groups::{all_groups, groups_of};
pub(crate) use members::members_of;
pub(crate) use read::{Row, all_rows, by_id, by_seq, count, page, seek};
pub(crate) use write::{change_members, create, delete, patch, replace};

use crate::error::{Error, Refusal};

/// Connections that read at the same time. SQLite's readers do not wait for each other or for the writer; more of them
/// than cores only costs memory.
const READERS: usize = 4;

/// "prov" in ASCII: marks the file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x7072_6f76;

/// The layout that this version writes (`PRAGMA user_version`).
const LAYOUT: i32 = 1;

/// A `stranger` is a member that is no resource here. `name_key`, `display_key` and `email.key` are folded. `label` is what references to the resource display. `body` is
/// JSON without `meta`, `groups`, `members` and password. Sequence numbers are never used again, so that a cursor that
/// names one stays true.
const TABLES: &str = "
CREATE TABLE resource (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    name_key TEXT,
    external_id TEXT,
    display_key TEXT,
    label TEXT NOT NULL,
    password TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX resource_kind ON resource (kind, seq);
CREATE UNIQUE INDEX resource_name ON resource (name_key) WHERE name_key IS NOT NULL;
CREATE INDEX resource_external ON resource (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX resource_display ON resource (display_key) WHERE display_key IS NOT NULL;
CREATE TABLE email (
    key TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES resource (seq) ON DELETE CASCADE,
    PRIMARY KEY (key, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX email_of ON email (seq);
CREATE TABLE member (
    group_seq INTEGER NOT NULL REFERENCES resource (seq) ON DELETE CASCADE,
    member_seq INTEGER NOT NULL REFERENCES resource (seq) ON DELETE CASCADE,
    nested INTEGER NOT NULL,
    display TEXT,
    PRIMARY KEY (group_seq, member_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_in ON member (member_seq, group_seq);
CREATE INDEX member_nested ON member (member_seq, group_seq) WHERE nested = 1;
CREATE TABLE stranger (
    group_seq INTEGER NOT NULL REFERENCES resource (seq) ON DELETE CASCADE,
    value TEXT NOT NULL COLLATE NOCASE,
    display TEXT,
    PRIMARY KEY (group_seq, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX stranger_in ON stranger (value);
";

/// An open directory: people and groups in one file. Share it as an `Arc`.
pub struct Directory {
    writer: Arc<tokio::sync::Mutex<Connection>>,
    readers: Arc<Readers>,
}

struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Directory")
    }
}

impl Directory {
    /// Opens the directory in the file `path`, and makes it if it is not there (readable by its owner only).
    ///
    /// # Errors
    /// The file cannot be made or opened, is another program's database, or was written by a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        make_private(path)?;
        let writer = connect(path)?;
        prepare(&writer)?;
        let free = (0..READERS).map(|_| connect(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            readers: Arc::new(Readers { free: Mutex::new(free), permits: Semaphore::new(READERS) }),
        })
    }

    /// Runs `work` on one consistent state of the directory.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let readers = Arc::clone(&self.readers);
        let _permit = self.readers.permits.acquire().await.map_err(|_| closed())?;
        blocking(move || {
            let mut borrowed = Borrowed { readers: &readers, connection: readers.pop() };
            let connection = borrowed.connection.as_mut().ok_or_else(closed)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            work(&transaction)
        })
        .await
    }

    /// Runs `work` as one transaction: it is committed if `work` succeeds, and changes nothing otherwise.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        blocking(move || {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let outcome = work(&transaction)?;
            transaction.commit()?;
            Ok(outcome)
        })
        .await
    }
}

impl Readers {
    fn pop(&self) -> Option<Connection> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Gives the connection back also when the work panics.
struct Borrowed<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(%error, "a request to the directory did not end");
            Err(Refusal::new(500, None, "The directory failed; the request changed nothing."))
        }
    }
}

fn closed() -> Refusal {
    Refusal::new(503, None, "The directory is closing.")
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    // Another process (a backup, a shell) may hold the lock for a moment.
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // 16 MiB for each connection: a page of resources is a tenth of that, and the system caches the file as well.
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), Error> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (application, layout) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && layout == 0 && tables == 0 {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT}; COMMIT;"
        ))?;
        return Ok(());
    }
    if application != APPLICATION_ID {
        return Err(Error::Format("it is the database of another program".into()));
    }
    if layout != LAYOUT {
        return Err(Error::Format(format!("its layout is {layout}, this version knows {LAYOUT}")));
    }
    Ok(())
}

#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path).map(drop)
}
