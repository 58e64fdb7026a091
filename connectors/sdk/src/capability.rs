//! What a connector can do on a target. provost checks it centrally, so a connector never sees an operation that it
//! did not declare, and the conformance suite chooses its chapters by it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Verb;

/// How much harm an entitlement can do in the wrong hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// What everybody may have on day one.
    #[default]
    Low,
    /// Needs an owner's agreement.
    Normal,
    /// Power over others: needs two signatures and an end.
    Privileged,
}

/// How a target compares names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Byte by byte: `alice` and `Alice` are two.
    #[default]
    Exact,
    /// Without regard to case.
    IgnoreCase,
}

impl Comparison {
    /// The form under which equal names are equal text.
    pub fn fold(self, name: &str) -> String {
        match self {
            Comparison::Exact => name.to_owned(),
            Comparison::IgnoreCase => name.to_lowercase(),
        }
    }

    /// Whether the target takes both for one name.
    pub fn same(self, left: &str, right: &str) -> bool {
        match self {
            Comparison::Exact => left == right,
            Comparison::IgnoreCase => left == right || left.to_lowercase() == right.to_lowercase(),
        }
    }
}

/// Everything that a connector declares about one target, settings taken into account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// The kinds of account; the first is what profile `main` makes unless the profile names another.
    pub account_kinds: Vec<AccountKind>,
    /// The kinds of entitlement.
    pub entitlement_kinds: Vec<EntitlementKind>,
    /// The operations that work here.
    pub verbs: BTreeSet<Verb>,
    /// How usernames are compared.
    #[serde(default)]
    pub usernames: Comparison,
    /// Whether a read can ask for what changed since a cursor.
    #[serde(default)]
    pub delta: bool,
    /// Whether a write can be made conditional on the version that was read.
    #[serde(default)]
    pub conditional: bool,
    /// Whether the target itself recognises a repeated call by its idempotency key.
    #[serde(default)]
    pub idempotent: bool,
    /// Whether a disabled account's open sessions are ended by disabling alone.
    #[serde(default)]
    pub disable_ends_sessions: bool,
    /// The kinds of credential that it can issue, rotate and revoke.
    #[serde(default)]
    pub credentials: Vec<String>,
}

/// One kind of account, such as `user` or `service-account`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountKind {
    /// Its name in profiles (`kind: service-account`) and in [`crate::Account::kind`].
    pub name: String,
    /// The attributes that can be read, and set unless said otherwise.
    pub attributes: Vec<Attribute>,
}

/// One attribute of an account kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its name in a profile and in [`crate::Account::attributes`].
    pub name: String,
    /// Whether an account cannot be made without it.
    #[serde(default)]
    pub required: bool,
    /// Whether who controls the value controls the account (an email that resets passwords, a key).
    #[serde(default)]
    pub gives_control: bool,
    /// Whether it can be read only.
    #[serde(default)]
    pub read_only: bool,
    /// How the target compares its values.
    #[serde(default)]
    pub comparison: Comparison,
}

/// One kind of entitlement, such as `group`, `team` or `project`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitlementKind {
    /// Its name: the key in a grant (`team: engineering`).
    pub name: String,
    /// The roles that one can have in it (`{project: platform, role: member}`); empty where one just is a member.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The risk of what the Target document does not list.
    #[serde(default)]
    pub risk: Risk,
    /// How its names are compared.
    #[serde(default)]
    pub comparison: Comparison,
    /// Whether holding it is a whole list that is written at once ([`crate::Operation::Replace`]).
    #[serde(default)]
    pub exclusive: bool,
    /// Whether one may contain another of its kind.
    #[serde(default)]
    pub nests: bool,
}

impl Capabilities {
    /// The declaration of an entitlement kind.
    pub fn entitlement_kind(&self, name: &str) -> Option<&EntitlementKind> {
        self.entitlement_kinds.iter().find(|kind| kind.name == name)
    }

    /// The declaration of an account kind.
    pub fn account_kind(&self, name: &str) -> Option<&AccountKind> {
        self.account_kinds.iter().find(|kind| kind.name == name)
    }
}
