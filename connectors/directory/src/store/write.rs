//! Creating, replacing, patching and deleting one resource, inside of the caller's transaction.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::members;
use super::read::{Row, by_id, holder_of};
use crate::error::Refusal;
use crate::etag::Condition;
use crate::fold::fold;
use crate::password;
use crate::patch::{self, MemberChange, Operation};
use crate::path::shortened;
use crate::resource::{Draft, Password, finish};
use crate::schema::Kind;

/// Stores a new resource under `id`.
pub(crate) fn create(connection: &Connection, kind: Kind, id: Uuid, draft: &Draft) -> Result<Row, Refusal> {
    let now = Timestamp::now().as_millisecond();
    let mut body = draft.body.clone();
    if kind == Kind::User {
        // A user that nobody disabled is active; clients read the state back.
        body.entry("active").or_insert(Value::Bool(true));
    }
    let id = id.to_string();
    body.insert("id".into(), id.as_str().into());
    let keys = Keys::of(kind, &body);
    keys.check_free(connection, None)?;
    let body = Value::Object(body.clone()).to_string();
    connection
        .prepare_cached(
            "INSERT INTO resource \
             (kind, id, version, created, modified, name_key, external_id, display_key, label, password, body) \
             VALUES (?1, ?2, 1, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            kind.code(),
            id,
            now,
            keys.name_key,
            keys.external_id,
            keys.display_key,
            keys.label,
            hashed(&draft.password)?,
            body,
        ])?;
    let seq = connection.last_insert_rowid();
    keys.put_emails(connection, seq)?;
    let row = Row { seq, kind, id, version: 1, created: now, modified: now, label: keys.label, body };
    if let Some(added) = &draft.members {
        members::change(connection, &row, &[MemberChange::Add(added.clone())])?;
    }
    Ok(row)
}

/// Replaces what clients may write of a resource. What the client leaves out goes, except for `active` and the
/// password: leaving out a state is not a wish to enable a disabled user.
pub(crate) fn replace(
    connection: &Connection,
    kind: Kind,
    id: &str,
    condition: &Condition,
    draft: Draft,
) -> Result<Row, Refusal> {
    let row = by_id(connection, kind, id)?;
    condition.check(&row)?;
    let Draft { mut body, members, password } = draft;
    if let Some(active) = parsed(&row)?.remove("active") {
        body.entry("active").or_insert(active);
    }
    let changes = match kind {
        Kind::Group => vec![MemberChange::Replace(members.unwrap_or_default())],
        Kind::User => Vec::new(),
    };
    update(connection, row, body, &changes, &password)
}

/// Applies PATCH operations to a resource.
pub(crate) fn patch(
    connection: &Connection,
    kind: Kind,
    id: &str,
    condition: &Condition,
    operations: &[Operation],
) -> Result<Row, Refusal> {
    let row = by_id(connection, kind, id)?;
    condition.check(&row)?;
    let mut body = parsed(&row)?;
    let changes = patch::apply(kind, &mut body, operations)?;
    let Draft { body, password, .. } = finish(kind, body)?;
    update(connection, row, body, &changes, &password)
}

/// Deletes a resource, and its memberships with it.
pub(crate) fn delete(
    connection: &Connection,
    kind: Kind,
    id: &str,
    condition: &Condition,
) -> Result<(), Refusal> {
    let row = by_id(connection, kind, id)?;
    condition.check(&row)?;
    members::touch_groups_of(connection, row.seq, Timestamp::now().as_millisecond())?;
    connection.prepare_cached("DELETE FROM resource WHERE seq = ?1")?.execute([row.seq])?;
    Ok(())
}

/// Changes the members of a group and nothing else.
pub(crate) fn change_members(
    connection: &Connection,
    id: &str,
    changes: &[MemberChange],
) -> Result<Row, Refusal> {
    let row = by_id(connection, Kind::Group, id)?;
    let body = parsed(&row)?;
    update(connection, row, body, changes, &Password::Keep)
}

/// Stores a changed resource. One that is as it was keeps its version and date (RFC 7644, section 3.5.2.1).
fn update(
    connection: &Connection,
    mut row: Row,
    mut body: Map<String, Value>,
    changes: &[MemberChange],
    password: &Password,
) -> Result<Row, Refusal> {
    body.insert("id".into(), row.id.as_str().into());
    let keys = Keys::of(row.kind, &body);
    keys.check_free(connection, Some(row.seq))?;
    let members_changed = members::change(connection, &row, changes)?;
    let same = parsed(&row)? == body;
    if same && !members_changed && *password == Password::Keep {
        return Ok(row);
    }
    // The clock may have been set back; dates of a resource only go forward.
    let now = Timestamp::now().as_millisecond().max(row.modified);
    if !same {
        connection.prepare_cached("DELETE FROM email WHERE seq = ?1")?.execute([row.seq])?;
        keys.put_emails(connection, row.seq)?;
        row.body = Value::Object(body).to_string();
    }
    if keys.label != row.label {
        members::touch_groups_of(connection, row.seq, now)?;
        row.label.clone_from(&keys.label);
    }
    if *password != Password::Keep {
        connection
            .prepare_cached("UPDATE resource SET password = ?2 WHERE seq = ?1")?
            .execute(params![row.seq, hashed(password)?])?;
    }
    row.version += 1;
    row.modified = now;
    connection
        .prepare_cached(
            "UPDATE resource SET version = ?2, modified = ?3, name_key = ?4, external_id = ?5, display_key = ?6, \
             label = ?7, body = ?8 WHERE seq = ?1",
        )?
        .execute(params![
            row.seq,
            row.version,
            now,
            keys.name_key,
            keys.external_id,
            keys.display_key,
            keys.label,
            row.body,
        ])?;
    Ok(row)
}

fn parsed(row: &Row) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_str(&row.body).map_err(|error| {
        tracing::error!(%error, id = row.id, "a stored resource is not JSON");
        Refusal::new(500, None, "The stored resource is damaged.")
    })
}

fn hashed(password: &Password) -> Result<Option<String>, Refusal> {
    match password {
        Password::Set(cleartext) => password::hash(cleartext).map(Some),
        Password::Keep | Password::Clear => Ok(None),
    }
}

/// What a resource is looked up and shown by.
struct Keys {
    user_name: Option<String>,
    name_key: Option<String>,
    external_id: Option<String>,
    display_key: Option<String>,
    label: String,
    emails: Vec<String>,
}

impl Keys {
    fn of(kind: Kind, body: &Map<String, Value>) -> Self {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let user_name = if kind == Kind::User { text("userName") } else { None };
        let formatted = body.get("name").and_then(|name| name.get("formatted")).and_then(Value::as_str);
        let label =
            [text("displayName"), formatted, user_name].into_iter().flatten().find(|name| !name.is_empty());
        let emails = body.get("emails").and_then(Value::as_array).into_iter().flatten();
        Self {
            user_name: user_name.map(str::to_owned),
            name_key: user_name.map(|name| fold(name).into_owned()),
            external_id: text("externalId").map(str::to_owned),
            display_key: text("displayName").map(|name| fold(name).into_owned()),
            label: label.unwrap_or_default().to_owned(),
            emails: emails
                .filter_map(|email| Some(fold(email.get("value")?.as_str()?).into_owned()))
                .collect(),
        }
    }

    fn check_free(&self, connection: &Connection, own: Option<i64>) -> Result<(), Refusal> {
        let Some(name) = &self.user_name else { return Ok(()) };
        match holder_of(connection, name)? {
            Some(holder) if Some(holder) != own => {
                Err(Refusal::uniqueness(format!("The userName '{}' is taken.", shortened(name))))
            }
            _ => Ok(()),
        }
    }

    fn put_emails(&self, connection: &Connection, seq: i64) -> Result<(), Refusal> {
        let mut statement =
            connection.prepare_cached("INSERT OR IGNORE INTO email (key, seq) VALUES (?1, ?2)")?;
        for email in &self.emails {
            statement.execute(params![email, seq])?;
        }
        Ok(())
    }
}
