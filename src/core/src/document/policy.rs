//! Policy: who may agree to what, and what is refused.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use provost_sdk::Risk;

use super::role::GrantSpec;
use super::target::{Guards, LeaverPolicy};
use crate::Sym;
use crate::when::{Length, When};

/// What agreement each tier needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    /// Its id.
    pub id: Sym,
    /// By risk: `normal` and `privileged`. What is low needs the tracked branch alone.
    pub tiers: IndexMap<Sym, Tier>,
}

/// What agreement one tier needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// How many different people.
    pub people: u8,
    /// Whether each has to sign; a forge's review counts as well where not.
    #[serde(default)]
    pub signed: bool,
    /// Who.
    #[serde(default)]
    pub from: Approver,
    /// How long an agreement may wait for its use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Length>,
}

/// Who may agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Approver {
    /// The owners of what is granted or changed.
    #[default]
    Owners,
    /// A group of approvers: that of the entitlement, else of the target, else the one named here.
    #[serde(untagged)]
    Group {
        /// The group's id.
        group: Sym,
    },
}

/// People who may agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproverGroup {
    /// Its id.
    pub id: Sym,
    /// People by id.
    pub members: Vec<Sym>,
}

/// Limits over all targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardPolicy {
    /// Its id.
    pub id: Sym,
    /// What holds on every target that has no limits of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Guards>,
    /// One window over people: how many may lose access in it, over all targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<Guards>,
}

/// Roles or entitlements that nobody may hold together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Separation {
    /// Its id.
    pub id: Sym,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Sym>,
    /// People who answer for it.
    pub owners: Vec<Sym>,
    /// The conflicting sides: an entitlement that matches one side excludes every entitlement of the others.
    pub sides: Vec<Vec<GrantSpec>>,
    /// Who may hold both all the same, until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<SeparationException>,
}

/// A dated exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeparationException {
    /// The identity.
    pub identity: Sym,
    /// The last day.
    pub until: When,
    /// Why.
    pub reason: Sym,
}

/// Defaults for leavers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// Its id.
    pub id: Sym,
    /// What holds on every target that says nothing of its own.
    pub leaver: LeaverPolicy,
}

/// A time in which nothing is added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Its id.
    pub id: Sym,
    /// From when.
    pub from: When,
    /// Until when.
    pub until: When,
    /// Why.
    pub reason: Sym,
    /// On which targets; everywhere where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Sym>,
}

/// Who may act alone in an emergency, where and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// Its id.
    pub id: Sym,
    /// People by id.
    pub people: Vec<Sym>,
    /// Public keys, in OpenSSH's one-line format, that are good for this alone.
    pub keys: Vec<Sym>,
    /// What may be granted.
    pub grants: Vec<GrantSpec>,
    /// For how long at most.
    pub duration: Length,
    /// When a review is due.
    pub review: Length,
}

/// The daemon's own public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DaemonKeys {
    /// Its id.
    pub id: Sym,
    /// Public keys, in OpenSSH's one-line format.
    pub keys: Vec<Sym>,
}

/// The tiers that hold where no document says otherwise: one owner for what is normal, two signatures of the group
/// `approvers` for what is privileged.
pub fn default_tier(risk: Risk) -> Tier {
    match risk {
        Risk::Low => Tier { people: 0, signed: false, from: Approver::Owners, expires: None },
        Risk::Normal => Tier { people: 1, signed: false, from: Approver::Owners, expires: None },
        Risk::Privileged => Tier {
            people: 2,
            signed: true,
            from: Approver::Group { group: Sym::new("approvers") },
            expires: None,
        },
    }
}
