//! In which groups users are: the other side of the rows that `members` writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::Connection;
use serde_json::Value;

use crate::error::Refusal;
use crate::render::reference;
use crate::schema::Kind;

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
                let mut text = String::new();
                reference(&mut text, self.base, Kind::Group, &id, &label, kind);
                slot.insert(text)
            }
        };
        Ok(slot)
    }
}
