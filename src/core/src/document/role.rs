//! Roles and what they grant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use provost_sdk::Risk;

use crate::Sym;
use crate::set::Spec;

/// A named bundle of entitlements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its id.
    pub id: Sym,
    /// What it is for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Sym>,
    /// People who answer for it; the first active one acts.
    pub owners: Vec<Sym>,
    /// What the reader is told; `check` compares it with the highest of what it grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "risk_schema")]
    pub risk: Option<Risk>,
    /// A condition in CEL: who meets it holds the role by birthright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign: Option<Sym>,
    /// Roles whose grants belong to this one too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub includes: Vec<Include>,
    /// What it grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<GrantSpec>,
}

/// An included role: its id.
pub type Include = Sym;

/// An entitlement on a target, `{target: forge, team: engineering}`, or the account alone, `{target: workforce}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantSpec {
    /// The target's id.
    pub target: Sym,
    /// The profile of the account; `main` where absent.
    pub profile: Option<Sym>,
    /// What is held; the account alone where absent.
    pub entitlement: Option<Spec>,
}

impl std::fmt::Display for GrantSpec {
    /// `team:engineering on forge`, `an account on forge (profile admin)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.entitlement {
            Some(entitlement) => write!(f, "{entitlement} on {}", self.target)?,
            None => write!(f, "an account on {}", self.target)?,
        }
        self.profile.map_or(Ok(()), |profile| write!(f, " (profile {profile})"))
    }
}

/// A risk, or nothing, for editors.
pub(super) fn risk_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "enum": ["low", "normal", "privileged", null] })
}
