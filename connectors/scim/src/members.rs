//! Grant and revoke: putting an account into a group and taking it out.
//!
//! A server may refuse a way of saying it, or answer 200 and do nothing. So every write is looked at, and another way is
//! taken; the one that worked comes first next time.

use provost_sdk::{AccountRef, Anchor, EntitlementRef, Error, ErrorKind, Receipt, Result};
use serde_json::{Value, json};

use crate::api::{Outcome, Server, at};
use crate::apply::{Tries, account};
use crate::held::{fetch_group, is_member, no_group, with_groups};
use crate::resource::{Kind, Reference, field, list, references, refers, text};

/// The ways of adding a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Add {
    /// `{"op": "add", "path": "members", "value": [{"value": id}]}`
    Path,
    /// `{"op": "add", "value": {"members": [{"value": id}]}}`
    NoPath,
    /// The group as it is, and one more.
    Whole,
}

/// The ways of removing a member, safest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remove {
    /// `{"op": "remove", "path": "members[value eq \"id\"]"}`
    Filter,
    /// The group as it is, and one less.
    Whole,
    /// `{"op": "remove", "path": "members", "value": [{"value": id}]}`: what Entra sends. It is last, because by RFC 7644,
    /// section 3.5.2.2, a server may take it for "remove all members".
    Values,
}

/// Puts an account into a group.
pub(crate) async fn grant(server: &Server, user: &AccountRef, group: &EntitlementRef) -> Result<Receipt> {
    let before = account(server, user).await?;
    // A member that is added again is stored twice by some.
    if is_member(server, &before, &group.anchor, false).await? {
        return Ok(Receipt::unchanged(Some(with_groups(server, &before).await?)));
    }
    let patches = server.found().await?.patch;
    let usual: &[Add] =
        if patches { &[Add::Path, Add::NoPath, Add::Whole] } else { &[Add::Whole, Add::Path, Add::NoPath] };
    let mut tries = Tries::default();
    for way in first(server.learned().add, usual) {
        let unpatched = !patches || tries.is_unsupported();
        if !tries.worth_a_look(add(server, &user.anchor, &group.anchor, way, unpatched).await)? {
            continue;
        }
        let after = account(server, user).await.map_err(Error::in_doubt)?;
        if is_member(server, &after, &group.anchor, true).await.map_err(Error::in_doubt)? {
            server.learn(|learned| learned.add = Some(way));
            let after = with_groups(server, &after).await.map_err(Error::in_doubt)?;
            return Ok(Receipt::changed(Some(after)));
        }
    }
    let what = format!("{} does not become a member of the group {}", user.username, group.name);
    Err(tries.failed(ErrorKind::InvalidResponse, what))
}

/// Takes an account out of a group.
pub(crate) async fn revoke(server: &Server, user: &AccountRef, group: &EntitlementRef) -> Result<Receipt> {
    let before = account(server, user).await?;
    if !is_member(server, &before, &group.anchor, true).await? {
        return Ok(Receipt::unchanged(Some(with_groups(server, &before).await?)));
    }
    let patches = server.found().await?.patch;
    let usual: &[Remove] = if patches {
        &[Remove::Filter, Remove::Whole, Remove::Values]
    } else {
        &[Remove::Whole, Remove::Filter, Remove::Values]
    };
    let mut tries = Tries::default();
    for way in first(server.learned().remove, usual) {
        if !tries.worth_a_look(remove(server, &user.anchor, &group.anchor, way).await)? {
            continue;
        }
        let after = account(server, user).await.map_err(Error::in_doubt)?;
        if !is_member(server, &after, &group.anchor, false).await.map_err(Error::in_doubt)? {
            server.learn(|learned| learned.remove = Some(way));
            let after = with_groups(server, &after).await.map_err(Error::in_doubt)?;
            return Ok(Receipt::changed(Some(after)));
        }
    }
    let what = format!("{} does not leave the group {}", user.username, group.name);
    Err(tries.failed(ErrorKind::InvalidResponse, what))
}

async fn add(server: &Server, user: &Anchor, group: &Anchor, way: Add, unpatched: bool) -> Result<Outcome> {
    let member = json!({ "value": user.as_str() });
    let _alone = server.alone("group", group.as_str()).await;
    match way {
        Add::Path => patch(server, group, json!({ "op": "add", "path": "members", "value": [member] })).await,
        Add::NoPath => patch(server, group, json!({ "op": "add", "value": { "members": [member] } })).await,
        Add::Whole => {
            // Servers without PATCH are simple ones: a group that shows no members has none.
            let may_be_empty = unpatched || server.learned().members_shown;
            rewrite(server, group, may_be_empty, |members| members.push(member)).await
        }
    }
}

async fn remove(server: &Server, user: &Anchor, group: &Anchor, way: Remove) -> Result<Outcome> {
    let _alone = server.alone("group", group.as_str()).await;
    match way {
        Remove::Filter => {
            let path = format!("members[value eq {}]", crate::api::quoted(user.as_str()));
            patch(server, group, json!({ "op": "remove", "path": path })).await
        }
        Remove::Whole => {
            rewrite(server, group, false, |members| members.retain(|member| !refers(member, user.as_str())))
                .await
        }
        Remove::Values => by_values(server, user, group).await,
    }
}

async fn patch(server: &Server, group: &Anchor, operation: Value) -> Result<Outcome> {
    server.patch(&path(server, group).await?, vec![operation]).await
}

/// Reads a group, edits its members and writes it back whole. A group that shows no members may hide some, which that
/// would remove: then it is not done, unless the caller knows that such a group is empty.
async fn rewrite(
    server: &Server,
    group: &Anchor,
    may_be_empty: bool,
    edit: impl FnOnce(&mut Vec<Value>),
) -> Result<Outcome> {
    let mut found = fetch_group(server, group.as_str()).await?.ok_or_else(|| no_group(group.as_str()))?;
    if field(&found, "members").is_none() && !may_be_empty {
        return Err(hidden(group));
    }
    let mut members = list(&found, "members").unwrap_or_default().to_vec();
    edit(&mut members);
    let version = field(&found, "meta").and_then(|meta| text(meta, "version"));
    if let Some(object) = found.as_object_mut() {
        object.retain(|key, _| !key.eq_ignore_ascii_case("meta") && !key.eq_ignore_ascii_case("members"));
        object.insert("members".to_owned(), Value::Array(members));
    }
    server.put(&path(server, group).await?, &found, version.as_deref()).await
}

/// Removes by values, and puts back everybody else whom the server removed with it.
async fn by_values(server: &Server, user: &Anchor, group: &Anchor) -> Result<Outcome> {
    let read = async || {
        let found = fetch_group(server, group.as_str()).await?.ok_or_else(|| no_group(group.as_str()))?;
        Ok::<_, Error>(references(&found, "members").unwrap_or_default())
    };
    let before = read().await?;
    let learned = server.learned();
    if !learned.members_shown {
        return Err(hidden(group));
    }
    if learned.values_empty && before.len() > 1 {
        let text = format!("The server can take nobody out of the group {group} but everybody at once.");
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let operation = json!({ "op": "remove", "path": "members", "value": [{ "value": user.as_str() }] });
    let outcome = patch(server, group, operation).await?;
    let after = read().await.map_err(Error::in_doubt)?;
    let lost: Vec<Value> = before
        .iter()
        .filter(|member| member.id != user.as_str() && !after.iter().any(|left| left.id == member.id))
        .map(|member| match member.kind {
            Some(Kind::Group) => json!({ "value": member.id, "type": "Group" }),
            _ => json!({ "value": member.id }),
        })
        .collect();
    if !lost.is_empty() {
        server.learn(|learned| learned.values_empty = true);
        tracing::warn!(%group, members = lost.len(), "the server removed other members too; putting them back");
        let operation = json!({ "op": "add", "path": "members", "value": lost });
        patch(server, group, operation).await.and_then(Outcome::done).map_err(Error::in_doubt)?;
        let restored = read().await.map_err(Error::in_doubt)?;
        let back = |member: &Reference| restored.iter().any(|other| other.id == member.id);
        if before.iter().any(|member| member.id != user.as_str() && !back(member)) {
            let text = format!("The server emptied the group {group} when one member was removed from it.");
            return Err(Error::new(ErrorKind::InvalidResponse, text).in_doubt());
        }
    }
    Ok(outcome)
}

async fn path(server: &Server, group: &Anchor) -> Result<String> {
    let found = server.found().await?;
    at(found.groups.as_deref().ok_or_else(|| no_group(group.as_str()))?, group.as_str())
}

fn hidden(group: &Anchor) -> Error {
    let text = format!("The server shows no members, so the group {group} cannot be written whole.");
    Error::new(ErrorKind::Unsupported, text)
}

/// The ways, with the one that worked before in front.
fn first<W: Copy + PartialEq>(known: Option<W>, usual: &[W]) -> Vec<W> {
    let mut ways: Vec<W> = known.into_iter().collect();
    ways.extend(usual.iter().filter(|way| Some(**way) != known));
    ways
}
