//! People and services.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::few::Few;
use super::role::GrantSpec;
use crate::Sym;
use crate::when::{Length, When};

/// A human being with access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Never changes and is never used again, such as `p-1042`.
    pub id: Sym,
    /// The name that others see.
    pub name: Name,
    /// The name to sign in with, unless a target's profile or `accounts` says otherwise.
    pub username: Sym,
    /// The address at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Sym>,
    /// An IANA zone; days of this document are days there. UTC where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Sym>,
    /// Short for one entry of `employments`: its type, such as `employee` or `contractor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employment: Option<Sym>,
    /// Short for the department of that one entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<Sym>,
    /// Short for the manager of that one entry: a person's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Sym>,
    /// The first day (short for the `from` of that one entry, and the start of everything else here).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<When>,
    /// The last day: everything ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<When>,
    /// Several employments, one after another or side by side; birthright is the union of those active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub employments: Vec<Employment>,
    /// `suspended` blocks sign-in for a while; `departed` ends everything now.
    #[serde(default, skip_serializing_if = "Status::is_active")]
    pub status: Status,
    /// Who receives what the person owned when leaving: a person's id. Never authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<Sym>,
    /// Who answers for a guest: a person's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<Sym>,
    /// What the person does, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Sym>,
    /// Where the person works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Sym>,
    /// A telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Sym>,
    /// The number in the HR system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employee_number: Option<Sym>,
    /// Where the person's cost is booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_center: Option<Sym>,
    /// Further attributes of your own, for conditions (`person.attributes.clearance`) and templates.
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub attributes: Few<Sym>,
    /// Public SSH keys, in OpenSSH's one-line format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Sym>,
    /// Roles held by request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Assignment>,
    /// Entitlements held directly: always dated, with a reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<DirectGrant>,
    /// What differs on single targets: another username, a pinned anchor.
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub accounts: Few<OneOrMany>,
}

/// A person's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// The given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Sym>,
    /// The family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Sym>,
    /// How the whole name is shown; given and family name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<Sym>,
}

/// One employment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Employment {
    /// Such as `employee`, `contractor` or `intern`.
    #[serde(rename = "type")]
    pub kind: Sym,
    /// The department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<Sym>,
    /// The manager: a person's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Sym>,
    /// The first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<When>,
    /// The last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<When>,
}

/// Whether an identity takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    #[default]
    Active,
    /// Not for now: accounts are disabled, and everything else stays.
    Suspended,
    /// Never again: the leaver's steps begin.
    Departed,
}

impl Status {
    fn is_active(&self) -> bool {
        *self == Status::Active
    }
}

/// An identity holds a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The role's id.
    pub role: Sym,
    /// The first day or instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<When>,
    /// The last day, or the first instant that is not included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<When>,
    /// Why, such as a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Sym>,
}

/// An entitlement held directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DirectGrant {
    /// What.
    #[serde(flatten)]
    pub grant: GrantSpec,
    /// The first day or instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<When>,
    /// The last day, or the first instant that is not included.
    pub until: When,
    /// Why.
    pub reason: Sym,
}

/// What differs on one target: for profile `main` alone, or by profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// For profile `main`.
    Main(AccountOverride),
    /// By profile.
    Profiles(Few<AccountOverride>),
}

/// What differs for one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountOverride {
    /// Another username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Sym>,
    /// The target's own id of an account that is there already. Linking it needs agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Sym>,
}

/// A non-human identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Never changes and is never used again, such as `s-invoice-export`.
    pub id: Sym,
    /// The name to sign in with; the id without `s-` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Sym>,
    /// The name that others see; the purpose where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Sym>,
    /// People who answer for it, the first active one acting.
    pub owners: Vec<Sym>,
    /// What it is for.
    pub purpose: Sym,
    /// People who know a shared secret of it; it is rotated when one leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<Sym>,
    /// The first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<When>,
    /// The last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<When>,
    /// `suspended` or `departed`, as for people.
    #[serde(default, skip_serializing_if = "Status::is_active")]
    pub status: Status,
    /// Further attributes of your own.
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub attributes: Few<Sym>,
    /// Roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Assignment>,
    /// Entitlements held directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<DirectGrant>,
    /// Credentials that are issued and rotated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<ServiceCredential>,
    /// What differs on single targets.
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub accounts: Few<OneOrMany>,
}

/// A credential of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceCredential {
    /// The target that issues it.
    pub target: Sym,
    /// One of the credential kinds that the target's connector declares.
    #[serde(rename = "kind")]
    pub credential: Sym,
    /// How long one is good before a new one takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Length>,
    /// Where the secret goes: the name of a delivery place in the daemon's settings.
    pub deliver: Sym,
}
