//! The mutations. One operation is one change of one target, addressed by anchor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Account, Anchor, Attributes, Capabilities, EntitlementKey, State, Value};

/// An account that an operation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRef {
    /// Which one. This decides.
    pub anchor: Anchor,
    /// Its username when it was last seen: for messages, and for systems that address by name, which must compare
    /// the anchor first.
    pub username: String,
}

/// An entitlement that an operation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitlementRef {
    /// Its kind.
    pub kind: String,
    /// Which one. This decides.
    pub anchor: Anchor,
    /// Its name when it was last seen: for messages, and for systems that address by name.
    pub name: String,
    /// The role within it, where its kind has roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl EntitlementRef {
    /// The key under which an account holds it.
    pub fn key(&self) -> EntitlementKey {
        EntitlementKey { kind: self.kind.clone(), anchor: self.anchor.clone(), role: self.role.clone() }
    }
}

/// A new account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// One of the declared account kinds.
    pub kind: String,
    /// The username.
    pub username: String,
    /// The first values of its attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// provost's id of the identity: kept by the target as an external id where it has a place for one.
    pub identity: String,
}

/// One mutation of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Operation {
    /// Makes an account, able to sign in.
    Create(Create),
    /// Changes attributes; `None` clears one. What is not named stays.
    Update {
        /// Whose.
        account: AccountRef,
        /// New values by attribute.
        changes: BTreeMap<String, Option<Value>>,
    },
    /// Changes the username; the anchor stays.
    Rename {
        /// Whose.
        account: AccountRef,
        /// The new username.
        to: String,
    },
    /// Lets it sign in again.
    Enable {
        /// Which.
        account: AccountRef,
    },
    /// Stops it from signing in; everything else stays.
    Disable {
        /// Which.
        account: AccountRef,
    },
    /// Removes it for good.
    Delete {
        /// Which.
        account: AccountRef,
    },
    /// Gives an entitlement.
    Grant {
        /// To whom.
        account: AccountRef,
        /// What.
        entitlement: EntitlementRef,
    },
    /// Takes an entitlement away.
    Revoke {
        /// From whom.
        account: AccountRef,
        /// What.
        entitlement: EntitlementRef,
    },
    /// Writes the whole list of who holds an exclusive entitlement.
    Replace {
        /// What.
        entitlement: EntitlementRef,
        /// Everybody who holds it afterwards.
        accounts: Vec<AccountRef>,
    },
    /// Ends every open session and token of the account.
    EndSessions {
        /// Whose.
        account: AccountRef,
    },
    /// Gives what one account owns to another.
    Transfer {
        /// The owner until now.
        from: AccountRef,
        /// The owner from now on.
        to: AccountRef,
    },
    /// Makes a credential; the receipt carries its secret.
    IssueCredential {
        /// Whose.
        account: AccountRef,
        /// One of the declared credential kinds.
        kind: String,
    },
    /// Makes a new credential in the place of one that goes on working until it is revoked.
    RotateCredential {
        /// Whose.
        account: AccountRef,
        /// One of the declared credential kinds.
        kind: String,
        /// The target's id of the old one.
        credential: Anchor,
    },
    /// Ends a credential.
    RevokeCredential {
        /// Whose.
        account: AccountRef,
        /// One of the declared credential kinds.
        kind: String,
        /// The target's id of it.
        credential: Anchor,
    },
}

/// The name of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// [`Operation::Create`]
    Create,
    /// [`Operation::Update`]
    Update,
    /// [`Operation::Rename`]
    Rename,
    /// [`Operation::Enable`]
    Enable,
    /// [`Operation::Disable`]
    Disable,
    /// [`Operation::Delete`]
    Delete,
    /// [`Operation::Grant`]
    Grant,
    /// [`Operation::Revoke`]
    Revoke,
    /// [`Operation::Replace`]
    Replace,
    /// [`Operation::EndSessions`]
    EndSessions,
    /// [`Operation::Transfer`]
    Transfer,
    /// [`Operation::IssueCredential`]
    IssueCredential,
    /// [`Operation::RotateCredential`]
    RotateCredential,
    /// [`Operation::RevokeCredential`]
    RevokeCredential,
}

impl Verb {
    /// Every name, in the order in which people think of them.
    pub const ALL: [Verb; 14] = [
        Verb::Create,
        Verb::Update,
        Verb::Rename,
        Verb::Enable,
        Verb::Disable,
        Verb::Delete,
        Verb::Grant,
        Verb::Revoke,
        Verb::Replace,
        Verb::EndSessions,
        Verb::Transfer,
        Verb::IssueCredential,
        Verb::RotateCredential,
        Verb::RevokeCredential,
    ];

    /// The word that documents, plans and audit records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Rename => "rename",
            Verb::Enable => "enable",
            Verb::Disable => "disable",
            Verb::Delete => "delete",
            Verb::Grant => "grant",
            Verb::Revoke => "revoke",
            Verb::Replace => "replace",
            Verb::EndSessions => "end-sessions",
            Verb::Transfer => "transfer",
            Verb::IssueCredential => "issue-credential",
            Verb::RotateCredential => "rotate-credential",
            Verb::RevokeCredential => "revoke-credential",
        }
    }

    /// Whether the operation can only lessen what somebody can do. Deleting and transferring are not counted here:
    /// they cannot be taken back.
    pub fn takes_away(self) -> bool {
        matches!(self, Verb::Disable | Verb::Revoke | Verb::EndSessions | Verb::RevokeCredential)
    }
}

impl Operation {
    /// Its name.
    pub fn verb(&self) -> Verb {
        match self {
            Operation::Create(_) => Verb::Create,
            Operation::Update { .. } => Verb::Update,
            Operation::Rename { .. } => Verb::Rename,
            Operation::Enable { .. } => Verb::Enable,
            Operation::Disable { .. } => Verb::Disable,
            Operation::Delete { .. } => Verb::Delete,
            Operation::Grant { .. } => Verb::Grant,
            Operation::Revoke { .. } => Verb::Revoke,
            Operation::Replace { .. } => Verb::Replace,
            Operation::EndSessions { .. } => Verb::EndSessions,
            Operation::Transfer { .. } => Verb::Transfer,
            Operation::IssueCredential { .. } => Verb::IssueCredential,
            Operation::RotateCredential { .. } => Verb::RotateCredential,
            Operation::RevokeCredential { .. } => Verb::RevokeCredential,
        }
    }

    /// The account that it changes; none for a create and for a whole list.
    pub fn account(&self) -> Option<&AccountRef> {
        match self {
            Operation::Create(_) | Operation::Replace { .. } => None,
            Operation::Transfer { from, .. } => Some(from),
            Operation::Update { account, .. }
            | Operation::Rename { account, .. }
            | Operation::Enable { account }
            | Operation::Disable { account }
            | Operation::Delete { account }
            | Operation::Grant { account, .. }
            | Operation::Revoke { account, .. }
            | Operation::EndSessions { account }
            | Operation::IssueCredential { account, .. }
            | Operation::RotateCredential { account, .. }
            | Operation::RevokeCredential { account, .. } => Some(account),
        }
    }

    /// The same, to be changed.
    pub fn account_mut(&mut self) -> Option<&mut AccountRef> {
        match self {
            Operation::Create(_) | Operation::Replace { .. } => None,
            Operation::Transfer { from, .. } => Some(from),
            Operation::Update { account, .. }
            | Operation::Rename { account, .. }
            | Operation::Enable { account }
            | Operation::Disable { account }
            | Operation::Delete { account }
            | Operation::Grant { account, .. }
            | Operation::Revoke { account, .. }
            | Operation::EndSessions { account }
            | Operation::IssueCredential { account, .. }
            | Operation::RotateCredential { account, .. }
            | Operation::RevokeCredential { account, .. } => Some(account),
        }
    }

    /// Whether an account, looked up with all that it holds, is as the operation leaves it; `None` where no account
    /// tells.
    pub fn shown_by(&self, account: &Account, capabilities: &Capabilities) -> Option<bool> {
        let holds = |key| account.entitlements.as_ref().is_some_and(|held| held.contains(&key));
        Some(match self {
            Operation::Create(create) => {
                account.kind == create.kind
                    && capabilities.usernames.same(&account.username, &create.username)
            }
            Operation::Update { changes, .. } => {
                changes.iter().all(|(name, wanted)| account.has(name, wanted.as_ref(), capabilities))
            }
            Operation::Rename { to, .. } => account.username == *to,
            Operation::Enable { .. } => account.state == State::Enabled,
            Operation::Disable { .. } => account.state == State::Disabled,
            Operation::Grant { entitlement, .. } => holds(entitlement.key()),
            Operation::Revoke { entitlement, .. } => !holds(entitlement.key()),
            Operation::Delete { .. }
            | Operation::Replace { .. }
            | Operation::EndSessions { .. }
            | Operation::Transfer { .. }
            | Operation::IssueCredential { .. }
            | Operation::RotateCredential { .. }
            | Operation::RevokeCredential { .. } => return None,
        })
    }

    /// The entitlement that it is about, if any.
    pub fn entitlement(&self) -> Option<&EntitlementRef> {
        match self {
            Operation::Grant { entitlement, .. }
            | Operation::Revoke { entitlement, .. }
            | Operation::Replace { entitlement, .. } => Some(entitlement),
            _ => None,
        }
    }
}
