//! A disposable index of the log: one SQLite file, keyed by the tip that it has seen. Deleting it is always safe.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::batch::{Batch, listed};
use crate::commit::parse_commit;
use crate::error::{Error, Result};
use crate::holdings;
use crate::id::{CommitId, ObjectId};
use crate::message::encode_label;
use crate::objects::{GitObjects, ObjectKind, Objects as _};
use crate::publish::is_ancestor;
use crate::reading::record;

pub use crate::holdings::{Held, Holder};

/// Changes with the tables; a file of another one is made again.
const FORMAT: i64 = 2;

/// How many records one transaction takes: a catch-up that is cut off goes on from the last one.
const PIECE: usize = 50_000;

const TABLES: &str = "
    CREATE TABLE state (format INTEGER NOT NULL, tip BLOB);
    CREATE TABLE records (
        seq INTEGER PRIMARY KEY, commit_id BLOB NOT NULL, kind TEXT NOT NULL, volume INTEGER NOT NULL,
        operation TEXT, intent INTEGER, target TEXT, subject TEXT, evidence TEXT, desired_commit TEXT,
        at INTEGER NOT NULL, summary TEXT NOT NULL
    );
    CREATE INDEX records_by_subject ON records (subject, seq) WHERE subject IS NOT NULL;
    CREATE INDEX records_by_target ON records (target, seq) WHERE target IS NOT NULL;
    CREATE INDEX records_by_evidence ON records (evidence, seq) WHERE evidence IS NOT NULL;
    CREATE INDEX records_by_desired_commit ON records (desired_commit, seq) WHERE desired_commit IS NOT NULL;
    CREATE INDEX records_by_at ON records (at, seq);
";

const COLUMNS: &str =
    "seq, commit_id, kind, volume, operation, intent, target, subject, evidence, desired_commit, at, summary";

/// The open index.
pub struct Index {
    connection: Connection,
    path: PathBuf,
}

/// One record as the index has it; names are labels (see [`crate::decode_label`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The sequence number.
    pub seq: u64,
    /// The commit.
    pub commit: CommitId,
    /// The kind's name.
    pub kind: String,
    /// The volume.
    pub volume: u64,
    /// The operation's id.
    pub operation: Option<String>,
    /// The number of the intent that this closes.
    pub intent: Option<u64>,
    /// The target's id.
    pub target: Option<String>,
    /// The identity's id or the account's label.
    pub subject: Option<String>,
    /// The id of the evidence.
    pub evidence: Option<String>,
    /// The commit of the desired repository.
    pub desired_commit: Option<String>,
    /// Seconds since 1970.
    pub at: i64,
    /// The line for people.
    pub summary: String,
}

/// Which records to show. Everything that is given has to match; names are given as they are, not as labels.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The identity's id or the account's label.
    pub subject: Option<String>,
    /// The target's id.
    pub target: Option<String>,
    /// The kind's name; `outcome` stands for all outcomes.
    pub kind: Option<String>,
    /// The id of the evidence.
    pub evidence: Option<String>,
    /// The commit of the desired repository that caused it.
    pub desired_commit: Option<String>,
    /// Not before this second.
    pub from: Option<i64>,
    /// Not after this second.
    pub to: Option<i64>,
    /// Only records with a smaller number: the last one of the page before.
    pub before: Option<u64>,
    /// Only records with a larger number, and the oldest first.
    pub after: Option<u64>,
    /// At most this many; 0 for all.
    pub limit: usize,
}

impl Index {
    /// Opens the index, or makes an empty one if there is none or it cannot be used.
    ///
    /// # Errors
    /// [`Error::Index`] if no file can be made there.
    pub fn open(path: &Path) -> Result<Index> {
        match Index::try_open(path) {
            Err(Error::Index { source, .. }) if is_useless(&source) => {
                Index::remove(path)?;
                Index::try_open(path)
            }
            result => result,
        }
    }

    /// Removes an index with its side files.
    fn remove(path: &Path) -> Result<()> {
        for end in ["", "-wal", "-shm"] {
            let mut file = path.as_os_str().to_owned();
            file.push(end);
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("removing", file)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn try_open(path: &Path) -> Result<Index> {
        let failed = |source| Error::Index { path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(failed)?;
        // A power cut may cost the newest transactions, never the file.
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "normal").map_err(failed)?;
        let made: bool = connection
            .query_row("SELECT count(*) > 0 FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failed)?;
        if !made {
            connection
                .execute_batch(&format!(
                    "BEGIN; {TABLES} {} INSERT INTO state VALUES ({FORMAT}, NULL); COMMIT;",
                    holdings::TABLES
                ))
                .map_err(failed)?;
        }
        let format: i64 =
            connection.query_row("SELECT format FROM state", [], |row| row.get(0)).map_err(failed)?;
        if format != FORMAT {
            return Err(failed(rusqlite::Error::InvalidQuery));
        }
        Ok(Index { connection, path: path.to_owned() })
    }

    /// The newest record that the index has seen.
    pub fn tip(&self) -> Result<Option<CommitId>> {
        let tip: Option<Vec<u8>> = self
            .connection
            .query_row("SELECT tip FROM state", [], |row| row.get(0))
            .map_err(self.failed())?;
        Ok(tip.and_then(|bytes| ObjectId::from_slice(&bytes)))
    }

    /// Takes in what is new up to `tip`; from the beginning, if what was taken in is not in the tip's history.
    /// `progress` is called with the number of records done and of all that are new. Gives the number of new records.
    ///
    /// # Errors
    /// [`Error::Damaged`] at a record that cannot be read: `verify` says more about it.
    pub fn catch_up(
        &mut self,
        repository: &Path,
        tip: CommitId,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<u64> {
        let mut from = self.tip()?;
        if from == Some(tip) {
            return Ok(0);
        }
        if let Some(seen) = from
            && !is_ancestor(repository, seen, tip)?
        {
            let failed = self.failed();
            self.connection
                .execute_batch(
                    "BEGIN; DELETE FROM records; DELETE FROM holdings; UPDATE state SET tip = NULL; COMMIT;",
                )
                .map_err(failed)?;
            from = None;
        }
        let ids = listed(repository, from, tip)?;
        let total = ids.len() as u64;
        let mut done = 0;
        let objects = GitObjects::open(repository)?;
        let mut tree = from.map(|from| tree_of(&objects, from)).transpose()?;
        let mut batch = Batch::start(repository, ids)?;
        loop {
            let taken = self.take_piece(&mut batch, &objects, &mut tree)?;
            done += taken as u64;
            progress(done, total);
            if taken < PIECE {
                return Ok(done);
            }
        }
    }

    /// Records that match, newest first; oldest first where the query says after which.
    pub fn history(&self, query: &Query) -> Result<Vec<IndexEntry>> {
        let Query { subject, target, kind, evidence, desired_commit, from, to, before, after, limit } = query;
        let mut conditions = vec!["1".to_owned()];
        let mut values: Vec<rusqlite::types::Value> = Vec::new();
        let mut equal = |column: &str, value: &Option<String>| {
            if let Some(value) = value {
                values.push(encode_label(value).into());
                conditions.push(format!("{column} = ?{}", values.len()));
            }
        };
        equal("subject", subject);
        equal("target", target);
        equal("evidence", evidence);
        equal("desired_commit", desired_commit);
        match kind.as_deref() {
            Some("outcome") => conditions.push("kind LIKE 'outcome-%'".to_owned()),
            Some(name) => {
                values.push(name.to_owned().into());
                conditions.push(format!("kind = ?{}", values.len()));
            }
            None => {}
        }
        let before = before.map(|seq| i64::try_from(seq).unwrap_or(i64::MAX));
        let later = after.map(|seq| i64::try_from(seq).unwrap_or(i64::MAX));
        for (condition, value) in [("at >=", *from), ("at <=", *to), ("seq <", before), ("seq >", later)] {
            if let Some(value) = value {
                values.push(value.into());
                conditions.push(format!("{condition} ?{}", values.len()));
            }
        }
        let limit = if *limit == 0 { -1 } else { i64::try_from(*limit).unwrap_or(-1) };
        let sql = format!(
            "SELECT {COLUMNS} FROM records WHERE {} ORDER BY seq {} LIMIT {limit}",
            conditions.join(" AND "),
            if after.is_some() { "ASC" } else { "DESC" }
        );
        let mut statement = self.connection.prepare(&sql).map_err(self.failed())?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), entry).map_err(self.failed())?;
        rows.collect::<rusqlite::Result<_>>().map_err(self.failed())
    }

    /// The record with this number.
    pub fn record(&self, seq: u64) -> Result<Option<IndexEntry>> {
        let sql = format!("SELECT {COLUMNS} FROM records WHERE seq = ?1");
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        self.connection.query_row(&sql, [seq], entry).optional().map_err(self.failed())
    }

    /// The last record that was written at this second or before: its tree shows what was observed then.
    pub fn at(&self, second: i64) -> Result<Option<IndexEntry>> {
        let sql = format!("SELECT {COLUMNS} FROM records WHERE at <= ?1 ORDER BY at DESC, seq DESC LIMIT 1");
        self.connection.query_row(&sql, [second], entry).optional().map_err(self.failed())
    }

    /// Whether any record is about this subject: its id was used.
    pub fn is_used(&self, subject: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM records WHERE subject = ?1)";
        self.connection.query_row(sql, [encode_label(subject)], |row| row.get(0)).map_err(self.failed())
    }

    /// Every subject that a record is about, sorted, as labels.
    pub fn used_subjects(&self) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT subject FROM records WHERE subject IS NOT NULL ORDER BY subject";
        let mut statement = self.connection.prepare(sql).map_err(self.failed())?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(self.failed())?;
        rows.collect::<rusqlite::Result<_>>().map_err(self.failed())
    }

    /// How many records the index has.
    pub fn records(&self) -> Result<u64> {
        let count: i64 = self
            .connection
            .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
            .map_err(self.failed())?;
        Ok(count.unsigned_abs())
    }

    /// Who held something on a target right after this record, by identity and account; everybody with an account
    /// there, if nothing is named.
    pub fn holders(&self, target: &str, held: Option<Held<'_>>, seq: u64) -> Result<Vec<Holder>> {
        holdings::holders(&self.connection, target, held, seq).map_err(self.failed())
    }

    /// `tree` is that of the record before, and of the last one taken afterwards.
    fn take_piece(
        &mut self,
        batch: &mut Batch,
        objects: &GitObjects,
        tree: &mut Option<ObjectId>,
    ) -> Result<usize> {
        let failed = self.failed();
        let transaction = self.connection.transaction().map_err(&failed)?;
        let mut taken = 0;
        let mut last = None;
        {
            let sql =
                format!("INSERT INTO records ({COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)");
            let mut insert = transaction.prepare(&sql).map_err(&failed)?;
            let mut holdings = holdings::Writer::new(&transaction).map_err(&failed)?;
            while taken < PIECE {
                let Some((id, answer)) = batch.next()? else { break };
                let (commit, m) = record(id, answer)?;
                insert
                    .execute(params![
                        m.seq as i64,
                        &id.0[..],
                        m.kind.name(),
                        m.volume as i64,
                        m.operation,
                        m.intent.map(|seq| seq as i64),
                        m.target,
                        m.subject,
                        m.evidence,
                        m.desired_commit,
                        commit.at,
                        m.summary,
                    ])
                    .map_err(&failed)?;
                holdings::take(&mut holdings, objects, *tree, &commit, &m, &failed)?;
                *tree = Some(commit.tree);
                last = Some(id);
                taken += 1;
            }
        }
        if let Some(last) = last {
            transaction.execute("UPDATE state SET tip = ?1", [&last.0[..]]).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)?;
        Ok(taken)
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::Index { path: path.clone(), source }
    }
}

fn tree_of(objects: &GitObjects, id: CommitId) -> Result<ObjectId> {
    let missing = || Error::Damaged(format!("record {id} is missing or no record"));
    let object = objects.read(ObjectKind::Commit, id)?.ok_or_else(missing)?;
    Ok(parse_commit(&object).map_err(|_| missing())?.tree)
}

/// Whether the file itself is the trouble, and not that it is busy or that the disk is full.
fn is_useless(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    !matches!(
        error.sqlite_error_code(),
        Some(
            Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::CannotOpen
                | Code::PermissionDenied
                | Code::ReadOnly
                | Code::DiskFull
                | Code::SystemIoFailure
                | Code::OutOfMemory
        )
    )
}

fn entry(row: &Row<'_>) -> rusqlite::Result<IndexEntry> {
    let id: Vec<u8> = row.get(1)?;
    let number = |value: i64| value.unsigned_abs();
    Ok(IndexEntry {
        seq: number(row.get(0)?),
        commit: ObjectId::from_slice(&id).unwrap_or(ObjectId::ZERO),
        kind: row.get(2)?,
        volume: number(row.get(3)?),
        operation: row.get(4)?,
        intent: row.get::<_, Option<i64>>(5)?.map(number),
        target: row.get(6)?,
        subject: row.get(7)?,
        evidence: row.get(8)?,
        desired_commit: row.get(9)?,
        at: row.get(10)?,
        summary: row.get(11)?,
    })
}
