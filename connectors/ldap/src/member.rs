//! Who is in a group: joining, leaving, and following a renamed account.

use std::collections::BTreeSet;

use ldap3::Scope;
use provost_sdk::{Account, EntitlementKey, EntitlementRef, Error, ErrorKind, Receipt, Result};

use crate::apply::{Found, On};
use crate::dn;
use crate::error::{ENTRY_EXISTS, NO_SUCH_ATTRIBUTE, OBJECT_CLASS, UNWILLING, VALUE_EXISTS};
use crate::flavour::{Flavour, Kind};
use crate::groups;
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
            if code == 0 {
                leave(on, &group, value).await.map_err(Error::in_doubt)?;
            }
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
    let held = found.account.entitlements.clone().unwrap_or_default();
    for group in targets(on, &held).await? {
        leave(on, &group, value(on, group.kind, found)).await?;
    }
    Ok(())
}

/// How groups name an account, or would.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    dn: String,
    username: String,
}

impl Named {
    /// By DN and by username.
    pub(crate) fn new(dn: &str, username: &str) -> Named {
        Named { dn: dn.to_owned(), username: username.to_owned() }
    }

    fn value(&self, kind: &Kind) -> &str {
        if kind.by_dn { &self.dn } else { &self.username }
    }

    fn same(&self, other: &Named, kind: &Kind) -> bool {
        match kind.by_dn {
            true => dn::key(&self.dn) == dn::key(&other.dn),
            false => self.username == other.username,
        }
    }
}

/// Takes out of every group, but for some, a name that nobody has yet: whoever had it before is gone, and whoever gets it
/// must not inherit from him.
pub(crate) async fn clear_way(
    on: &mut On<'_, '_>,
    name: &Named,
    except: &BTreeSet<EntitlementKey>,
) -> Result<()> {
    // Active Directory takes a name out of its groups by itself.
    if on.facts.flavour == Flavour::ActiveDirectory {
        return Ok(());
    }
    let base = on.server.config.groups.as_str();
    let mut naming = groups::naming(on.session, on.facts, base, (&name.dn, &name.username), None).await?;
    naming.retain(|key| !except.contains(key));
    for group in targets(on, &naming).await? {
        leave(on, &group, name.value(group.kind).into()).await?;
    }
    Ok(())
}

/// Before a rename: puts the new name beside the old one, so that the account is never seen outside of its groups.
pub(crate) async fn announce(on: &mut On<'_, '_>, account: &Account, old: &Named, new: &Named) -> Result<()> {
    let held = account.entitlements.clone().unwrap_or_default();
    clear_way(on, new, &held).await?;
    for group in targets(on, &held).await? {
        if !old.same(new, group.kind) {
            let add = Change::Add(group.kind.member.into(), new.value(group.kind).into());
            join(on, &group, vec![add], &[VALUE_EXISTS]).await?;
        }
    }
    Ok(())
}

/// After a rename: takes the old name away. A server that does so by itself may have been faster.
pub(crate) async fn withdraw(on: &mut On<'_, '_>, account: &Account, old: &Named, new: &Named) -> Result<()> {
    let held = account.entitlements.clone().unwrap_or_default();
    for group in targets(on, &held).await? {
        if !old.same(new, group.kind) {
            let take = Change::Take(group.kind.member.into(), old.value(group.kind).into());
            join(on, &group, vec![take], &[NO_SUCH_ATTRIBUTE]).await?;
        }
    }
    Ok(())
}

/// The groups that have to be told of a rename: none where the directory sees to it.
async fn targets(on: &mut On<'_, '_>, held: &BTreeSet<EntitlementKey>) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    if on.facts.flavour == Flavour::ActiveDirectory {
        return Ok(targets);
    }
    for entitlement in everything(held) {
        match resolve(on, &entitlement).await {
            Ok(group) => targets.push(group),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(targets)
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

/// What is held, as operations name it.
fn everything(held: &BTreeSet<EntitlementKey>) -> Vec<EntitlementRef> {
    held.iter()
        .map(|key| EntitlementRef {
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
