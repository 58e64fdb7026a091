//! Who is in which group. Memberships are rows of their own: a change of one does not read the others, and both sides
//! (`members` of a group, `groups` of a user) follow from the same row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::read::Row;
use crate::error::Refusal;
use crate::filter::element_matches;
use crate::patch::MemberChange;
use crate::path::shortened;
use crate::render::reference;
use crate::schema::Kind;

/// `members` of a group as JSON text, with references under `base`; none: it has none.
pub(crate) fn members_of(connection: &Connection, group: i64, base: &str) -> Result<Option<String>, Refusal> {
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, label FROM member JOIN resource ON seq = member_seq WHERE group_seq = ?1 ORDER BY member_seq",
    )?;
    let mut rows = statement.query([group])?;
    let mut text = String::from("[");
    while let Some(row) = rows.next()? {
        let kind = Kind::from_code(row.get(1)?);
        let borrowed = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&reference(base, kind, borrowed(0)?, borrowed(2)?, kind.name()));
    }
    text.push(']');
    Ok((text.len() > 2).then_some(text))
}

/// `groups` of users as JSON text, by the users' sequence numbers; users without groups are left out. Groups come in
/// order of creation, direct ones first.
pub(crate) fn groups_of(
    connection: &Connection,
    users: &[i64],
    base: &str,
) -> Result<HashMap<i64, String>, Refusal> {
    let mut statement = connection.prepare_cached(
        "SELECT member_seq, group_seq FROM member WHERE member_seq IN (SELECT value FROM json_each(?1)) \
         ORDER BY member_seq, group_seq",
    )?;
    render_groups(connection, statement.query([Value::from(users).to_string()])?, base)
}

/// `groups` of every user that has some.
pub(crate) fn all_groups(connection: &Connection, base: &str) -> Result<HashMap<i64, String>, Refusal> {
    let mut statement = connection.prepare_cached(
        "SELECT member_seq, group_seq FROM member WHERE nested = 0 ORDER BY member_seq, group_seq",
    )?;
    render_groups(connection, statement.query([])?, base)
}

/// Rows are (member, group), in order.
fn render_groups(
    connection: &Connection,
    mut rows: rusqlite::Rows<'_>,
    base: &str,
) -> Result<HashMap<i64, String>, Refusal> {
    let parents = nesting(connection)?;
    let mut direct: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        direct.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let mut references = References { connection, base, cached: HashMap::new() };
    let mut out = HashMap::with_capacity(direct.len());
    for (user, groups) in direct {
        let mut text = String::from("[");
        let indirect = above(&groups, &parents);
        let all =
            groups.iter().map(|&group| (group, true)).chain(indirect.iter().map(|&group| (group, false)));
        for (group, is_direct) in all {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(references.of(group, is_direct)?);
        }
        text.push(']');
        out.insert(user, text);
    }
    Ok(out)
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
            MemberChange::Add(ids) => add(connection, group, ids)?,
            MemberChange::Remove(ids) => remove(connection, group, ids)?,
            MemberChange::RemoveMatching(test) => {
                let members: Value = match members_of(connection, group.seq, "")? {
                    Some(text) => {
                        serde_json::from_str(&text).map_err(|_| Refusal::new(500, None, "Broken members."))?
                    }
                    None => Value::Null,
                };
                let ids: Vec<String> = members
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|member| element_matches(test, member))
                    .filter_map(|member| member["value"].as_str().map(str::to_owned))
                    .collect();
                remove(connection, group, &ids)?
            }
            MemberChange::Replace(ids) => replace(connection, group, ids)?,
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

fn add(connection: &Connection, group: &Row, ids: &[String]) -> Result<bool, Refusal> {
    let members = found(connection, group, ids)?;
    insert(connection, group, &members)
}

fn remove(connection: &Connection, group: &Row, ids: &[String]) -> Result<bool, Refusal> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM member WHERE group_seq = ?1 AND member_seq = (SELECT seq FROM resource WHERE id = ?2)",
    )?;
    let mut changed = false;
    for id in ids {
        changed |= statement.execute(params![group.seq, id.to_ascii_lowercase()])? > 0;
    }
    Ok(changed)
}

fn replace(connection: &Connection, group: &Row, ids: &[String]) -> Result<bool, Refusal> {
    let members = found(connection, group, ids)?;
    let wanted: BTreeSet<i64> = members.iter().map(|(seq, _)| *seq).collect();
    let mut statement = connection.prepare_cached("SELECT member_seq FROM member WHERE group_seq = ?1")?;
    let present = statement.query_map([group.seq], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut delete =
        connection.prepare_cached("DELETE FROM member WHERE group_seq = ?1 AND member_seq = ?2")?;
    let mut changed = false;
    for seq in present.iter().filter(|seq| !wanted.contains(seq)) {
        changed |= delete.execute([group.seq, *seq])? > 0;
    }
    Ok(insert(connection, group, &members)? || changed)
}

fn insert(connection: &Connection, group: &Row, members: &[(i64, Kind)]) -> Result<bool, Refusal> {
    let mut statement = connection
        .prepare_cached("INSERT OR IGNORE INTO member (group_seq, member_seq, nested) VALUES (?1, ?2, ?3)")?;
    let mut changed = false;
    for (seq, kind) in members {
        changed |= statement.execute(params![group.seq, seq, *kind == Kind::Group])? > 0;
    }
    Ok(changed)
}

/// A member that does not exist is refused: stored, it would be access that nobody can see the holder of, and would
/// come to life if the id did.
fn found(connection: &Connection, group: &Row, ids: &[String]) -> Result<Vec<(i64, Kind)>, Refusal> {
    let mut statement = connection.prepare_cached("SELECT seq, kind FROM resource WHERE id = ?1")?;
    ids.iter()
        .map(|id| {
            let found = statement
                .query_row([id.to_ascii_lowercase()], |row| Ok((row.get(0)?, Kind::from_code(row.get(1)?))))
                .optional()?;
            match found {
                Some((seq, _)) if seq == group.seq => {
                    Err(Refusal::invalid_value("A group cannot be a member of itself."))
                }
                Some(member) => Ok(member),
                None => Err(Refusal::invalid_value(format!(
                    "The member '{}' is neither a user nor a group of this directory.",
                    shortened(id)
                ))),
            }
        })
        .collect()
}

/// Of each group that is in groups: which. Few groups are, so all are read.
fn nesting(connection: &Connection) -> Result<HashMap<i64, Vec<i64>>, Refusal> {
    let mut parents: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut statement =
        connection.prepare_cached("SELECT member_seq, group_seq FROM member WHERE nested = 1")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        parents.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(parents)
}

/// The groups above `groups` that are not among them. Groups may be in a circle.
fn above(groups: &[i64], parents: &HashMap<i64, Vec<i64>>) -> BTreeSet<i64> {
    let mut found = BTreeSet::new();
    if parents.is_empty() {
        return found;
    }
    let mut open: Vec<i64> = groups.to_vec();
    while let Some(group) = open.pop() {
        for &parent in parents.get(&group).into_iter().flatten() {
            if !groups.contains(&parent) && found.insert(parent) {
                open.push(parent);
            }
        }
    }
    found
}

/// References to groups as JSON text: most users of a page share them.
struct References<'a> {
    connection: &'a Connection,
    base: &'a str,
    cached: HashMap<(i64, bool), String>,
}

impl References<'_> {
    fn of(&mut self, group: i64, direct: bool) -> Result<&str, Refusal> {
        let slot = match self.cached.entry((group, direct)) {
            std::collections::hash_map::Entry::Occupied(slot) => slot.into_mut(),
            std::collections::hash_map::Entry::Vacant(slot) => {
                let (id, label): (String, String) = self
                    .connection
                    .prepare_cached("SELECT id, label FROM resource WHERE seq = ?1")?
                    .query_row([group], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let kind = if direct { "direct" } else { "indirect" };
                slot.insert(reference(self.base, Kind::Group, &id, &label, kind))
            }
        };
        Ok(slot)
    }
}
