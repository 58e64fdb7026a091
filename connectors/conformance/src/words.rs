//! Short words for operations, and for what they should lead to.

use std::collections::BTreeMap;

use provost_sdk::{Account, AccountRef, EntitlementRef, Operation, Value};

use crate::story::Outcome;

/// How an operation addresses an account.
pub(crate) fn reference(account: &Account) -> AccountRef {
    AccountRef { anchor: account.anchor.clone(), username: account.username.clone() }
}

/// Gives an entitlement.
pub(crate) fn grant(account: &Account, entitlement: &EntitlementRef) -> Operation {
    Operation::Grant { account: reference(account), entitlement: entitlement.clone() }
}

/// Takes an entitlement away.
pub(crate) fn revoke(account: &Account, entitlement: &EntitlementRef) -> Operation {
    Operation::Revoke { account: reference(account), entitlement: entitlement.clone() }
}

/// Changes attributes.
pub(crate) fn update(account: &Account, changes: &[(&str, Option<Value>)]) -> Operation {
    let changes: BTreeMap<String, Option<Value>> =
        changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Operation::Update { account: reference(account), changes }
}

/// Whether an account, with all that it holds, holds this.
pub(crate) fn holds(account: &Account, entitlement: &EntitlementRef) -> bool {
    account.entitlements.as_ref().is_some_and(|held| held.contains(&entitlement.key()))
}

/// That an account, looked up, holds something or not.
pub(crate) fn check_holds(account: &Account, entitlement: &EntitlementRef, wanted: bool) -> Outcome {
    match holds(account, entitlement) == wanted {
        true => Ok(()),
        false => Err(format!(
            "{} should {}hold the {} {}{} and a look-up says that it holds {:?}.",
            account.username,
            if wanted { "" } else { "not " },
            entitlement.kind,
            entitlement.name,
            entitlement.role.as_ref().map(|role| format!(" as {role}")).unwrap_or_default(),
            account.entitlements
        )),
    }
}

/// An operation in a few words.
pub(crate) fn told(operation: &Operation) -> String {
    let verb = operation.verb().as_str();
    match operation {
        Operation::Create(create) => format!("A create of {}", create.username),
        Operation::Update { account, changes } => {
            format!("An update of {:?} of {}", changes.keys().collect::<Vec<_>>(), account.username)
        }
        Operation::Rename { account, to } => format!("A rename of {} to {to}", account.username),
        Operation::Replace { entitlement, accounts } => {
            format!("A replace of the holders of {} by {} accounts", entitlement.name, accounts.len())
        }
        _ => {
            let account = operation.account().map(|account| account.username.as_str()).unwrap_or_default();
            match operation.entitlement() {
                Some(entitlement) => {
                    format!("A {verb} of the {} {} and {account}", entitlement.kind, entitlement.name)
                }
                None => format!("The operation {verb} on {account}"),
            }
        }
    }
}
