//! What a program declares, and that neither provost nor the program goes beyond it.

use provost_sdk::{
    Account, Capabilities, EntitlementKey, Error, ErrorKind, Item, Operation, Result, Verb, Wanted,
};

use crate::text::LONGEST_REASON;

/// Bytes of the name of a kind or an attribute: they become fields of documents and of audit records.
const LONGEST_NAME: usize = 64;
/// Bytes of an anchor.
const LONGEST_ANCHOR: usize = 1_024;

/// That names can be written in documents, and that there is a kind of account.
pub(crate) fn check(capabilities: &Capabilities) -> Result<()> {
    let accounts = &capabilities.account_kinds;
    let entitlements = &capabilities.entitlement_kinds;
    let attributes = accounts.iter().flat_map(|kind| &kind.attributes).map(|attribute| &attribute.name);
    let roles = entitlements.iter().flat_map(|kind| &kind.roles);
    let mut names = accounts
        .iter()
        .map(|kind| &kind.name)
        .chain(entitlements.iter().map(|kind| &kind.name))
        .chain(attributes)
        .chain(roles)
        .chain(&capabilities.credentials);
    let sound = |name: &String| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed)
    };
    if let Some(name) = names.find(|name| !sound(name)) {
        return Err(wrong(format!("it declares something under the name {name:?}")));
    }
    match accounts.is_empty() {
        true => Err(wrong("it declares no kind of account".to_owned())),
        false => Ok(()),
    }
}

/// That an operation is one that the program declared.
pub(crate) fn allowed(operation: &Operation, capabilities: &Capabilities) -> Result<()> {
    let unsupported = |what: String| Err(Error::new(ErrorKind::Unsupported, what));
    let verb = operation.verb();
    if !capabilities.verbs.contains(&verb) {
        return unsupported(format!("The connector's program has no operation {}.", verb.as_str()));
    }
    if let Some(entitlement) = operation.entitlement() {
        let Some(kind) = capabilities.entitlement_kind(&entitlement.kind) else {
            return unsupported(format!("There is no kind of entitlement `{}`.", entitlement.kind));
        };
        match (kind.exclusive, verb == Verb::Replace) {
            (true, false) => return unsupported(format!("A {} is written as a whole list.", kind.name)),
            (false, true) => return unsupported(format!("A {} is granted and revoked.", kind.name)),
            _ => {}
        }
    }
    match operation {
        Operation::IssueCredential { kind, .. }
        | Operation::RotateCredential { kind, .. }
        | Operation::RevokeCredential { kind, .. }
            if !capabilities.credentials.contains(kind) =>
        {
            unsupported(format!("There is no kind of credential `{kind}`."))
        }
        _ => Ok(()),
    }
}

/// That an item of a read is of what was declared.
pub(crate) fn item(item: &Item, delta: bool, capabilities: &Capabilities) -> Result<()> {
    match item {
        Item::Account(found) => account(found, capabilities),
        Item::AccountGone(anchor) if delta => sound_anchor(&anchor.0),
        Item::EntitlementGone { kind, anchor } if delta => {
            entitlement_kind(kind, capabilities)?;
            sound_anchor(&anchor.0)
        }
        Item::AccountGone(_) | Item::EntitlementGone { .. } => {
            Err(wrong("it says in a whole read that something is gone".to_owned()))
        }
        Item::Entitlement(found) => {
            entitlement_kind(&found.kind, capabilities)?;
            sound_anchor(&found.anchor.0)
        }
        Item::Members { entitlement, accounts } => {
            held(entitlement, capabilities)?;
            accounts.iter().try_for_each(|account| sound_anchor(&account.0))
        }
        Item::Nesting(edge) => {
            held(&edge.inner, capabilities)?;
            held(&edge.outer, capabilities)
        }
    }
}

/// That an account is of a declared kind and has declared attributes and entitlements.
pub(crate) fn account(found: &Account, capabilities: &Capabilities) -> Result<()> {
    sound_anchor(&found.anchor.0)?;
    if found.username.is_empty() {
        return Err(wrong(format!("the account {:?} has no username", found.anchor.0)));
    }
    let kind = capabilities.account_kind(&found.kind);
    let kind =
        kind.ok_or_else(|| wrong(format!("it did not declare accounts of the kind {:?}", found.kind)))?;
    let unknown = |name: &&String| kind.attributes.iter().all(|attribute| attribute.name != **name);
    if let Some(name) = found.attributes.keys().find(unknown) {
        return Err(wrong(format!("it did not declare the attribute {name:?}")));
    }
    found.entitlements.iter().flatten().try_for_each(|key| held(key, capabilities))
}

/// That a looked-up account is the one that was asked for, with all that it holds.
pub(crate) fn looked_up(found: &Account, wanted: &Wanted, capabilities: &Capabilities) -> Result<()> {
    account(found, capabilities)?;
    let same = match wanted {
        Wanted::Anchor(anchor) => found.anchor == *anchor,
        Wanted::Username(name) => capabilities.usernames.same(&found.username, name),
    };
    match (same, &found.entitlements) {
        (false, _) => Err(wrong(format!("it was asked for {wanted:?} and found {:?}", found.anchor.0))),
        (true, None) => Err(wrong("a look-up does not say what the account holds".to_owned())),
        (true, Some(_)) => Ok(()),
    }
}

fn held(key: &EntitlementKey, capabilities: &Capabilities) -> Result<()> {
    sound_anchor(&key.anchor.0)?;
    let roles = entitlement_kind(&key.kind, capabilities)?;
    match &key.role {
        Some(role) if !roles.contains(role) => {
            Err(wrong(format!("it did not declare the role {role:?} of a {}", key.kind)))
        }
        _ => Ok(()),
    }
}

fn entitlement_kind<'c>(name: &str, capabilities: &'c Capabilities) -> Result<&'c [String]> {
    match capabilities.entitlement_kind(name) {
        Some(kind) => Ok(&kind.roles),
        None => Err(wrong(format!("it did not declare entitlements of the kind {name:?}"))),
    }
}

fn sound_anchor(anchor: &str) -> Result<()> {
    match (1..=LONGEST_ANCHOR).contains(&anchor.len()) {
        true => Ok(()),
        false => Err(wrong(format!("an anchor has {} bytes", anchor.len()))),
    }
}

fn wrong(what: String) -> Error {
    let what: String = what.chars().take(LONGEST_REASON).collect();
    Error::new(
        ErrorKind::InvalidResponse,
        format!("The connector's program does not keep to its word: {what}."),
    )
}
