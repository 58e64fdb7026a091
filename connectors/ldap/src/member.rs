//! Who is in a group: joining, leaving, and following a renamed account.

use ldap3::Scope;
use provost_sdk::{EntitlementRef, Error, ErrorKind, Receipt, Result};

use crate::apply::{Found, On};
use crate::dn;
use crate::error::{ENTRY_EXISTS, NO_SUCH_ATTRIBUTE, OBJECT_CLASS, UNWILLING, VALUE_EXISTS};
use crate::flavour::{Flavour, Kind};
use crate::server::{Aim, Change, Query};

/// A group that is about to be changed.
struct Target {
    kind: &'static Kind,
    name: String,
    aim: Aim,
}

/// Gives an account a group.
pub(crate) async fn give(
    on: &mut On<'_, '_>,
    found: &Found,
    entitlement: &EntitlementRef,
) -> Result<Receipt> {
    let group = resolve(on, entitlement).await?;
    if holds(found, entitlement) {
        return Ok(Receipt::unchanged(Some(found.account.clone())));
    }
    let value = value(on, group.kind, found);
    let changes = vec![Change::Add(group.kind.member.into(), value.clone())];
    let code = join(on, &group, changes, &[VALUE_EXISTS, ENTRY_EXISTS]).await?;
    let after = on.look_up(&found.account.anchor).await.map_err(Error::in_doubt)?;
    match after {
        Some(after) if holds(&after, entitlement) => Ok(receipt(code == 0, after)),
        _ => {
            // It was renamed or deleted meanwhile, and its name may be another's now.
            let taken = vec![Change::Take(group.kind.member.into(), value)];
            join(on, &group, taken, &[NO_SUCH_ATTRIBUTE, OBJECT_CLASS]).await.map_err(Error::in_doubt)?;
            let message = format!("{} changed while it was put into {}.", found.account.username, group.name);
            Err(Error::new(ErrorKind::Conflict, message))
        }
    }
}

/// Takes a group from an account.
pub(crate) async fn take(
    on: &mut On<'_, '_>,
    found: &Found,
    entitlement: &EntitlementRef,
) -> Result<Receipt> {
    let group = resolve(on, entitlement).await?;
    if !holds(found, entitlement) {
        return Ok(Receipt::unchanged(Some(found.account.clone())));
    }
    let changed = leave(on, &group, value(on, group.kind, found)).await?;
    match on.look_up(&found.account.anchor).await.map_err(Error::in_doubt)? {
        Some(after) if holds(&after, entitlement) => {
            let message = format!(
                "The server keeps {} in {}: in Active Directory it is the primary group, which another has to be first.",
                found.account.username, group.name
            );
            Err(Error::new(ErrorKind::InvalidValue, message))
        }
        Some(after) => Ok(receipt(changed, after)),
        None => Ok(Receipt::changed(None)),
    }
}

/// Takes an account out of every group, before it is deleted.
pub(crate) async fn leave_all(on: &mut On<'_, '_>, found: &Found) -> Result<()> {
    for entitlement in everything(found) {
        let group = match resolve(on, &entitlement).await {
            Ok(group) => group,
            Err(error) if error.kind == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        leave(on, &group, value(on, group.kind, found)).await?;
    }
    Ok(())
}

/// Sees to it that the groups that an account was in name it by its new name. The new name comes first, so that nobody
/// sees the account outside; a server that does the same by itself may be faster with either.
pub(crate) async fn follow(on: &mut On<'_, '_>, before: &Found, after: &Found) -> Result<()> {
    for entitlement in everything(before) {
        let group = resolve(on, &entitlement).await?;
        let (old, new) = (value(on, group.kind, before), value(on, group.kind, after));
        let same = match group.kind.by_dn {
            true => dn::key(&before.entry.dn) == dn::key(&after.entry.dn),
            false => old == new,
        };
        if same {
            continue;
        }
        let attribute = group.kind.member;
        join(on, &group, vec![Change::Add(attribute.into(), new)], &[VALUE_EXISTS]).await?;
        join(on, &group, vec![Change::Take(attribute.into(), old)], &[NO_SUCH_ATTRIBUTE]).await?;
    }
    Ok(())
}

/// The group that an entitlement is.
async fn resolve(on: &mut On<'_, '_>, entitlement: &EntitlementRef) -> Result<Target> {
    let gone = || {
        let message = format!("There is no {} {}.", entitlement.kind, entitlement.name);
        Error::new(ErrorKind::NotFound, message)
    };
    let kind = on.facts.kinds.iter().find(|kind| kind.name == entitlement.kind).ok_or_else(gone)?;
    if let Some(role) = &entitlement.role {
        let message = format!("A {} has no roles, and `{role}` was asked for.", kind.name);
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let filter = on.facts.by_anchor(&entitlement.anchor).ok_or_else(gone)?;
    let filter = format!("(&(objectClass={}){filter})", kind.class(on.facts.flavour));
    let base = on.server.config.groups.as_str();
    let query = Query { base, scope: Scope::Subtree, filter: &filter, attributes: &["1.1"] };
    let entry = on.session.one(query).await?.ok_or_else(gone)?;
    let aim = on.facts.aim(&entry.dn, &entitlement.anchor);
    Ok(Target { kind, name: entitlement.name.clone(), aim })
}

/// Takes one value out of a group; whether it was there.
async fn leave(on: &mut On<'_, '_>, group: &Target, value: Vec<u8>) -> Result<bool> {
    let attribute = group.kind.member;
    let take = Change::Take(attribute.into(), value);
    let expected = match on.facts.flavour {
        Flavour::ActiveDirectory => [NO_SUCH_ATTRIBUTE, UNWILLING],
        _ => [NO_SUCH_ATTRIBUTE, OBJECT_CLASS],
    };
    match join(on, group, vec![take.clone()], &expected).await? {
        0 => Ok(true),
        OBJECT_CLASS => {
            // The last member: the class wants one, and the placeholder gives nobody anything.
            let placeholder = on.server.config.placeholder.clone().into_bytes();
            let changes = vec![Change::Add(attribute.into(), placeholder), take];
            Ok(join(on, group, changes, &[NO_SUCH_ATTRIBUTE]).await? == 0)
        }
        _ => Ok(false),
    }
}

async fn join(on: &mut On<'_, '_>, group: &Target, changes: Vec<Change>, expected: &[u32]) -> Result<u32> {
    let doing = format!("a change of who is in {}", group.name);
    on.session.modify(&group.aim, changes, &doing, expected).await
}

/// How a group names an account.
fn value(on: &On<'_, '_>, kind: &Kind, found: &Found) -> Vec<u8> {
    match (kind.by_dn, on.facts.flavour) {
        (true, Flavour::ActiveDirectory) => format!("<GUID={}>", found.account.anchor).into_bytes(),
        (true, _) => found.entry.dn.clone().into_bytes(),
        (false, _) => found.account.username.clone().into_bytes(),
    }
}

fn holds(found: &Found, entitlement: &EntitlementRef) -> bool {
    found.account.entitlements.as_ref().is_some_and(|held| held.contains(&entitlement.key()))
}

/// Everything that an account was seen to hold.
fn everything(found: &Found) -> Vec<EntitlementRef> {
    let held = found.account.entitlements.iter().flatten();
    held.map(|key| EntitlementRef {
        kind: key.kind.clone(),
        anchor: key.anchor.clone(),
        name: key.anchor.0.clone(),
        role: None,
    })
    .collect()
}

fn receipt(changed: bool, after: Found) -> Receipt {
    match changed {
        true => Receipt::changed(Some(after.account)),
        false => Receipt::unchanged(Some(after.account)),
    }
}
