//! Who held what on a target, from when to when: the part of the index that answers `who --at`.
//!
//! In: one record after another, with the accounts that it changed. Out: rows with the number of the record that began
//! a holding and of the one that ended it. The outcome of a grant or a revocation has in its body what differs; of every
//! other record the files under `live/` that differ from the record before are read.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, Statement, Transaction, params};
use serde_json::Value;

use crate::commit::Commit;
use crate::error::{Error, Result};
use crate::id::ObjectId;
use crate::message::{Message, decode_label};
use crate::objects::{ObjectKind, Objects};
use crate::path::encode_component;
use crate::record::{Kind, OutcomeResult};
use crate::tree::entries;

/// Tables of this part. An account itself is a holding with an empty kind and name; `file` names its file.
pub(crate) const TABLES: &str = "
    CREATE TABLE holdings (
        target TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, file TEXT NOT NULL,
        account TEXT, identity TEXT, since INTEGER NOT NULL, until INTEGER
    );
    CREATE INDEX holdings_by_entitlement ON holdings (target, name, kind, since);
    CREATE INDEX holdings_by_account ON holdings (target, file) WHERE until IS NULL;
";

/// The folder of the tree with the accounts.
const LIVE: &[u8] = b"live";

/// Somebody who held something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Whose account it was; nobody's where absent.
    pub identity: Option<String>,
    /// The account as the target spelled it.
    pub account: Option<String>,
    /// The number of the record that showed it first.
    pub since: u64,
}

/// What can be held: kind, name, and the role within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<'a> {
    /// The kind of the entitlement; any kind where none is named.
    pub kind: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// The role within it, where one is asked for.
    pub role: Option<&'a str>,
}

/// What one account is and holds.
#[derive(Default)]
struct Account {
    username: Option<String>,
    identity: Option<String>,
    /// Kind, name and role; the first is the account itself.
    holds: Vec<[String; 3]>,
}

/// Who held something right after a record; everybody with an account, if nothing is named.
pub(crate) fn holders(
    connection: &Connection,
    target: &str,
    held: Option<Held<'_>>,
    seq: u64,
) -> rusqlite::Result<Vec<Holder>> {
    let Held { kind, name, role } = held.unwrap_or(Held { kind: Some(""), name: "", role: None });
    let mut statement = connection.prepare(
        "SELECT identity, account, min(since) FROM holdings
         WHERE target = ?1 AND name = ?3 AND (?2 IS NULL OR kind = ?2) AND (?4 IS NULL OR role = ?4)
           AND since <= ?5 AND (until IS NULL OR until > ?5)
         GROUP BY file ORDER BY identity, account",
    )?;
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![encode_component(target), kind, name, role, seq], holder)?;
    rows.collect()
}

fn holder(row: &Row<'_>) -> rusqlite::Result<Holder> {
    let since: i64 = row.get(2)?;
    Ok(Holder { identity: row.get(0)?, account: row.get(1)?, since: since.unsigned_abs() })
}

/// Takes records in, within one transaction.
pub(crate) struct Writer<'a> {
    open: Statement<'a>,
    end: Statement<'a>,
    begin: Statement<'a>,
}

/// Takes one record in. `before` is the tree of the record before it.
pub(crate) fn take(
    writer: &mut Writer<'_>,
    objects: &dyn Objects,
    before: Option<ObjectId>,
    commit: &Commit,
    message: &Message,
    failed: impl Fn(rusqlite::Error) -> Error,
) -> Result<()> {
    if before == Some(commit.tree) {
        return Ok(());
    }
    if let Some(step) = of_outcome(message)
        && writer.step(message.seq, &step).map_err(&failed)?
    {
        return Ok(());
    }
    let mut files = Vec::new();
    let live = |tree| folder_of(objects, tree, LIVE);
    let roots = (before.map(live).transpose()?.flatten(), live(commit.tree)?);
    differences(objects, roots.0, roots.1, &mut Vec::new(), &mut files)?;
    let there: Vec<ObjectId> = files.iter().filter_map(|(_, blob)| *blob).collect();
    let mut contents = objects.read_blobs(&there)?.into_iter();
    for (path, blob) in files {
        let content = blob.and_then(|_| contents.next());
        let (Some(target), Some(file)) = (path.first(), path.last()) else { continue };
        let file = file.strip_suffix(".json").unwrap_or(file);
        let account = content.and_then(|content| serde_json::from_slice(&content).ok());
        let account = account_of(&account.unwrap_or_default());
        writer.note(message.seq, target, file, &account).map_err(&failed)?;
    }
    Ok(())
}

/// What an outcome did to one account: kind, name and role of what it ended and began.
struct Step {
    target: String,
    file: String,
    ended: Vec<[String; 3]>,
    begun: Vec<[String; 3]>,
}

/// The step of an outcome that changed nothing but what an account holds.
fn of_outcome(message: &Message) -> Option<Step> {
    if message.kind != Kind::Outcome(OutcomeResult::Applied) {
        return None;
    }
    let body = message.body().ok()?;
    if !matches!(body.get("verb")?.as_str()?, "grant" | "revoke") {
        return None;
    }
    let (before, after) = (body.get("before")?.as_object()?, body.get("after")?.as_object()?);
    let known = |name: &String| ["anchor", "entitlements", "link"].contains(&name.as_str());
    if !before.keys().chain(after.keys()).all(known) {
        return None;
    }
    let target = encode_component(&decode_label(message.target.as_deref()?));
    let file = encode_component(after.get("anchor")?.as_str()?);
    Some(Step {
        target,
        file,
        ended: held_in(before.get("entitlements")),
        begun: held_in(after.get("entitlements")),
    })
}

/// Kind, name and role of each of a list of entitlements.
fn held_in(list: Option<&Value>) -> Vec<[String; 3]> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let text =
        |held: &Value, name: &str| held.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    list.map(|held| ["kind", "name", "role"].map(|name| text(held, name))).collect()
}

/// What a file under `live/` says of who holds what.
fn account_of(file: &Value) -> Account {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    // Without a kind only the link of an account is left that is gone.
    if file.get("kind").is_none() {
        return Account::default();
    }
    let itself = std::iter::once(Default::default());
    Account {
        username: text(file, "username"),
        identity: file.get("link").and_then(|link| text(link, "identity")),
        holds: itself.chain(held_in(file.get("entitlements"))).collect(),
    }
}

impl<'a> Writer<'a> {
    pub(crate) fn new(transaction: &'a Transaction<'_>) -> rusqlite::Result<Writer<'a>> {
        Ok(Writer {
            open: transaction.prepare(
                "SELECT rowid, kind, name, role, account IS ?3 AND identity IS ?4, account, identity FROM holdings
                 WHERE target = ?1 AND file = ?2 AND until IS NULL",
            )?,
            end: transaction.prepare("UPDATE holdings SET until = ?2 WHERE rowid = ?1")?,
            begin: transaction
                .prepare("INSERT INTO holdings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL)")?,
        })
    }

    /// Takes a step, if it begins where this index stands: what it ends is held, and what it begins is not.
    fn step(&mut self, seq: u64, step: &Step) -> rusqlite::Result<bool> {
        let Step { target, file, ended, begun } = step;
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        let mut owner: Option<(Option<String>, Option<String>)> = None;
        let (mut over, mut there) = (Vec::new(), false);
        let mut rows = self.open.query(params![target, file, None::<String>, None::<String>])?;
        while let Some(row) = rows.next()? {
            let held: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            if held[0].is_empty() {
                owner = Some((row.get(5)?, row.get(6)?));
            }
            if ended.contains(&held) {
                over.push(row.get::<_, i64>(0)?);
            }
            there |= begun.contains(&held);
        }
        drop(rows);
        let Some((username, identity)) = owner else { return Ok(false) };
        if there || over.len() != ended.len() {
            return Ok(false);
        }
        for row in over {
            self.end.execute([row, seq])?;
        }
        for [kind, name, role] in begun {
            self.begin.execute(params![target, kind, name, role, file, username, identity, seq])?;
        }
        Ok(true)
    }

    /// Ends what an account holds no more, begins what is new. Another name or owner is another holding.
    fn note(&mut self, seq: u64, target: &str, file: &str, account: &Account) -> rusqlite::Result<()> {
        let Account { username, identity, holds } = account;
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        let mut new: Vec<&[String; 3]> = holds.iter().collect();
        let mut over = Vec::new();
        let mut rows = self.open.query(params![target, file, username, identity])?;
        while let Some(row) = rows.next()? {
            let held: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            match new.iter().position(|new| **new == held) {
                Some(place) if row.get(4)? => drop(new.swap_remove(place)),
                _ => over.push(row.get::<_, i64>(0)?),
            }
        }
        drop(rows);
        for row in over {
            self.end.execute([row, seq])?;
        }
        for [kind, name, role] in new {
            self.begin.execute(params![target, kind, name, role, file, username, identity, seq])?;
        }
        Ok(())
    }
}

fn folder_of(objects: &dyn Objects, tree: ObjectId, name: &[u8]) -> Result<Option<ObjectId>> {
    let below = children(objects, Some(tree))?;
    Ok(below.get(name).filter(|(folder, _)| *folder).map(|(_, id)| *id))
}

type Path = Vec<String>;

/// The files that differ between two folders: their path below them, and the blob that is there now.
fn differences(
    objects: &dyn Objects,
    before: Option<ObjectId>,
    after: Option<ObjectId>,
    path: &mut Path,
    files: &mut Vec<(Path, Option<ObjectId>)>,
) -> Result<()> {
    if before == after {
        return Ok(());
    }
    let (old, new) = (children(objects, before)?, children(objects, after)?);
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    for name in new.keys().chain(gone) {
        let (was, is) = (old.get(name), new.get(name));
        if was == is {
            continue;
        }
        path.push(String::from_utf8_lossy(name).into_owned());
        let folder = |entry: Option<&(bool, ObjectId)>| entry.filter(|entry| entry.0).map(|entry| entry.1);
        let file = |entry: Option<&(bool, ObjectId)>| entry.filter(|entry| !entry.0).map(|entry| entry.1);
        differences(objects, folder(was), folder(is), path, files)?;
        if file(was) != file(is) {
            files.push((path.clone(), file(is)));
        }
        path.pop();
    }
    Ok(())
}

fn children(objects: &dyn Objects, tree: Option<ObjectId>) -> Result<BTreeMap<Vec<u8>, (bool, ObjectId)>> {
    let Some(tree) = tree else { return Ok(BTreeMap::new()) };
    let raw = objects.read(ObjectKind::Tree, tree)?;
    let raw = raw.ok_or_else(|| Error::Damaged(format!("the tree {tree} is missing")))?;
    entries(&raw).map(|entry| entry.map(|entry| (entry.name.to_vec(), (entry.folder, entry.id)))).collect()
}
