//! Tests of the repository itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::role::GrantSpec;
use crate::Sym;
use crate::when::When;

/// A test: at this instant, with these documents, this holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its id.
    pub id: Sym,
    /// What it shows, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Sym>,
    /// The instant; a day is its beginning in UTC.
    pub at: When,
    /// Documents that stand in for the repository's of the same kind and id, or beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    pub given: Vec<serde_json::Value>,
    /// What must hold.
    pub expect: Vec<Expectation>,
}

/// What must hold for one identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The identity.
    pub identity: Sym,
    /// What it must have in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub has: Vec<GrantSpec>,
    /// What it must not have in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<GrantSpec>,
    /// What it must be waiting for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<GrantSpec>,
}
