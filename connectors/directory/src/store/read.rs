//! Rows and what finds them.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use crate::error::Refusal;
use crate::filter::Seek;
use crate::fold::fold;
use crate::schema::Kind;

/// A stored resource.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Order of creation; unique for all time.
    pub(crate) seq: i64,
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) version: i64,
    /// Milliseconds since 1970.
    pub(crate) created: i64,
    /// Milliseconds since 1970.
    pub(crate) modified: i64,
    pub(crate) label: String,
    /// JSON text of an object that is never empty.
    pub(crate) body: String,
}

const COLUMNS: &str = "seq, kind, id, version, created, modified, label, body";

/// The resource of that kind and id, or the 404 of it.
pub(crate) fn by_id(connection: &Connection, kind: Kind, id: &str) -> Result<Row, Refusal> {
    let sql = format!("SELECT {COLUMNS} FROM resource WHERE id = ?1 AND kind = ?2");
    connection.prepare_cached(&sql)?.query_row(params![id, kind.code()], row).optional()?.ok_or_else(|| {
        Refusal::not_found(format!("There is no {} '{}'.", kind.name(), crate::path::shortened(id)))
    })
}

/// The resource with that sequence number.
pub(crate) fn by_seq(connection: &Connection, seq: i64) -> Result<Option<Row>, Refusal> {
    let sql = format!("SELECT {COLUMNS} FROM resource WHERE seq = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([seq], row).optional()?)
}

/// How many resources of a kind there are.
pub(crate) fn count(connection: &Connection, kind: Kind) -> Result<usize, Refusal> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM resource WHERE kind = ?1")?
        .query_row([kind.code()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Resources of a kind in order of creation: those after `after`, without the first `skip`, at most `limit`.
pub(crate) fn page(
    connection: &Connection,
    kind: Kind,
    after: i64,
    skip: usize,
    limit: usize,
) -> Result<Vec<Row>, Refusal> {
    let sql = format!(
        "SELECT {COLUMNS} FROM resource WHERE kind = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3 OFFSET ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![kind.code(), after, clamp(limit), clamp(skip)], row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Every resource of a kind in order of creation, one at a time.
pub(crate) fn all_rows(
    connection: &Connection,
    kind: Kind,
    mut each: impl FnMut(Row) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let sql = format!("SELECT {COLUMNS} FROM resource WHERE kind = ?1 ORDER BY seq");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([kind.code()])?;
    while let Some(found) = rows.next()? {
        each(row(found)?)?;
    }
    Ok(())
}

/// Sequence numbers of the resources that one look-up finds, of any kind.
pub(crate) fn seek(connection: &Connection, seek: &Seek) -> Result<Vec<i64>, Refusal> {
    let (sql, key) = match seek {
        Seek::Id(key) => ("SELECT seq FROM resource WHERE id = ?1", key),
        Seek::ExternalId(key) => ("SELECT seq FROM resource WHERE external_id = ?1", key),
        Seek::UserName(key) => ("SELECT seq FROM resource WHERE name_key = ?1", key),
        Seek::DisplayName(key) => ("SELECT seq FROM resource WHERE display_key = ?1", key),
        Seek::Email(key) => ("SELECT seq FROM email WHERE key = ?1", key),
        // Ids are lower-case UUIDs, so that a folded id is the id.
        Seek::Member(key) => (
            "SELECT group_seq FROM member JOIN resource ON seq = member_seq WHERE id = ?1 \
             UNION ALL SELECT group_seq FROM stranger WHERE value = ?1",
            key,
        ),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map([key], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The user that has a userName which compares equal to `name`.
pub(super) fn holder_of(connection: &Connection, name: &str) -> Result<Option<i64>, Refusal> {
    Ok(connection
        .prepare_cached("SELECT seq FROM resource WHERE name_key = ?1")?
        .query_row([fold(name)], |row| row.get(0))
        .optional()?)
}

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: row.get(0)?,
        kind: Kind::from_code(row.get(1)?),
        id: row.get(2)?,
        version: row.get(3)?,
        created: row.get(4)?,
        modified: row.get(5)?,
        label: row.get(6)?,
        body: row.get(7)?,
    })
}

fn clamp(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
