//! Who is in which group. Memberships are rows of their own: a change of one does not read the others, and both sides
//! (`members` of a group, `groups` of a user) follow from the same row.
//!
//! A member that is no resource of this directory is kept as the client named it, apart from the others: identity
//! providers push a group in one piece, and one user who is already gone must not hold back the rest. It is shown
//! without type and reference, gives nobody a group, and can come to nothing: ids are made here and never again.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::read::Row;
use crate::error::Refusal;
use crate::filter::element_matches;
use crate::patch::MemberChange;
use crate::render::{quoted, reference};
use crate::resource::Member;
use crate::schema::Kind;

/// `members` of a group as JSON text, with references under `base`; none: it has none. A member is displayed as the
/// client that added it said, or else by its own name.
pub(crate) fn members_of(connection: &Connection, group: i64, base: &str) -> Result<Option<String>, Refusal> {
    let mut text = String::from("[");
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, coalesce(display, label) FROM member JOIN resource ON seq = member_seq \
         WHERE group_seq = ?1 ORDER BY member_seq",
    )?;
    let mut rows = statement.query([group])?;
    while let Some(row) = rows.next()? {
        let kind = Kind::from_code(row.get(1)?);
        let borrowed = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        if text.len() > 1 {
            text.push(',');
        }
        reference(&mut text, base, kind, borrowed(0)?, borrowed(2)?, kind.name());
    }
    let mut statement = connection
        .prepare_cached("SELECT value, display FROM stranger WHERE group_seq = ?1 ORDER BY value")?;
    let mut rows = statement.query([group])?;
    while let Some(row) = rows.next()? {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str("{\"value\":");
        quoted(&mut text, &[&row.get::<_, String>(0)?]);
        if let Some(display) = row.get::<_, Option<String>>(1)? {
            text.push_str(",\"display\":");
            quoted(&mut text, &[&display]);
        }
        text.push('}');
    }
    text.push(']');
    Ok((text.len() > 2).then_some(text))
}

/// Applies changes of members to a group; the answer is whether anything changed.
pub(super) fn change(
    connection: &Connection,
    group: &Row,
    changes: &[MemberChange],
) -> Result<bool, Refusal> {
    let mut changed = false;
    for change in changes {
        changed |= match change {
            MemberChange::Add(members) => add(connection, group, members)?,
            MemberChange::Remove(members) => {
                let ids: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
                remove(connection, group, &ids)?
            }
            MemberChange::RemoveMatching(test) => {
                let members: Value = match members_of(connection, group.seq, "")? {
                    Some(text) => serde_json::from_str(&text)
                        .map_err(|_| Refusal::new(500, None, "The stored members are damaged."))?,
                    None => Value::Null,
                };
                let matching =
                    members.as_array().into_iter().flatten().filter(|member| element_matches(test, member));
                let ids: Vec<&str> = matching.filter_map(|member| member["value"].as_str()).collect();
                remove(connection, group, &ids)?
            }
            MemberChange::Replace(members) => replace(connection, group, members)?,
        };
    }
    Ok(changed)
}

/// Counts a change of each group that `member` is in: its name there, or its being there, changes.
pub(super) fn touch_groups_of(connection: &Connection, member: i64, now: i64) -> Result<(), Refusal> {
    connection
        .prepare_cached(
            "UPDATE resource SET version = version + 1, modified = max(modified, ?2) \
             WHERE seq IN (SELECT group_seq FROM member WHERE member_seq = ?1)",
        )?
        .execute([member, now])?;
    Ok(())
}

fn add(connection: &Connection, group: &Row, members: &[Member]) -> Result<bool, Refusal> {
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO member (group_seq, member_seq, nested, display) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut insert_stranger = connection
        .prepare_cached("INSERT OR IGNORE INTO stranger (group_seq, value, display) VALUES (?1, ?2, ?3)")?;
    let mut changed = false;
    for member in members {
        changed |= match found(connection, &member.id)? {
            Some((seq, _)) if seq == group.seq => {
                return Err(Refusal::invalid_value("A group cannot be a member of itself."));
            }
            Some((seq, kind)) => {
                insert.execute(params![group.seq, seq, kind == Kind::Group, member.display])? > 0
            }
            None => insert_stranger.execute(params![group.seq, member.id, member.display])? > 0,
        };
    }
    Ok(changed)
}

fn remove(connection: &Connection, group: &Row, ids: &[&str]) -> Result<bool, Refusal> {
    let mut delete =
        connection.prepare_cached("DELETE FROM member WHERE group_seq = ?1 AND member_seq = ?2")?;
    let mut delete_stranger =
        connection.prepare_cached("DELETE FROM stranger WHERE group_seq = ?1 AND value = ?2")?;
    let mut changed = false;
    for id in ids {
        changed |= match found(connection, id)? {
            Some((seq, _)) => delete.execute([group.seq, seq])? > 0,
            None => false,
        };
        changed |= delete_stranger.execute(params![group.seq, id])? > 0;
    }
    Ok(changed)
}

fn replace(connection: &Connection, group: &Row, members: &[Member]) -> Result<bool, Refusal> {
    let mut wanted = BTreeSet::new();
    let mut strangers = BTreeSet::new();
    for member in members {
        match found(connection, &member.id)? {
            Some((seq, _)) => drop(wanted.insert(seq)),
            None => drop(strangers.insert(member.id.as_str())),
        }
    }
    let mut changed = false;
    let mut statement = connection.prepare_cached("SELECT member_seq FROM member WHERE group_seq = ?1")?;
    let present = statement.query_map([group.seq], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut delete =
        connection.prepare_cached("DELETE FROM member WHERE group_seq = ?1 AND member_seq = ?2")?;
    for seq in present.into_iter().filter(|seq| !wanted.contains(seq)) {
        changed |= delete.execute([group.seq, seq])? > 0;
    }
    let mut statement = connection.prepare_cached("SELECT value FROM stranger WHERE group_seq = ?1")?;
    let present = statement.query_map([group.seq], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let gone: Vec<&str> = present.iter().map(String::as_str).filter(|id| !strangers.contains(id)).collect();
    changed |= remove(connection, group, &gone)?;
    Ok(add(connection, group, members)? || changed)
}

/// The resource with that id. Ids are lower-case UUIDs, and `members.value` ignores case.
fn found(connection: &Connection, id: &str) -> Result<Option<(i64, Kind)>, Refusal> {
    Ok(connection
        .prepare_cached("SELECT seq, kind FROM resource WHERE id = ?1")?
        .query_row([id.to_ascii_lowercase()], |row| Ok((row.get(0)?, Kind::from_code(row.get(1)?))))
        .optional()?)
}
