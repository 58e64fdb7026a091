//! What a target has: accounts, entitlements and how entitlements contain one another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Capabilities;

/// The target's own immutable id of an account or an entitlement. It is never shown to decide who somebody is, and
/// never built by provost: only a target gives one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Anchor(pub String);

impl Anchor {
    /// The anchor as the target spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<T: Into<String>> From<T> for Anchor {
    fn from(text: T) -> Anchor {
        Anchor(text.into())
    }
}

/// One value of an attribute. Lists are sets: no system of the field promises their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// Text, numbers and instants included, as the target spells them.
    Text(String),
    /// Several texts without order.
    List(BTreeSet<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Text(value) => f.write_str(value),
            Value::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    f.write_str(value)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Attribute values by the connector's own attribute names. An attribute that the target has no value for is absent.
pub type Attributes = BTreeMap<String, Value>;

/// Whether the account can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It can.
    Enabled,
    /// It cannot, and it is still there.
    Disabled,
}

/// An account as a target shows it; transport only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The target's immutable id of it.
    pub anchor: Anchor,
    /// One of the account kinds that the connector declares, such as `user`.
    pub kind: String,
    /// The name that people sign in with, as the target spells it.
    pub username: String,
    /// Whether it can sign in.
    pub state: State,
    /// Declared attributes only; never `username`.
    #[serde(default)]
    pub attributes: Attributes,
    /// Everything that it holds directly, where the target tells it with the account; `None` where the target
    /// tells it with the entitlement ([`crate::Item::Members`]).
    #[serde(default)]
    pub entitlements: Option<BTreeSet<EntitlementKey>>,
    /// The target's version of the record (an ETag), for conditional writes.
    #[serde(default)]
    pub version: Option<String>,
}

impl Account {
    /// Whether it has this value of one attribute, or none, as the target compares it.
    pub fn has(&self, attribute: &str, wanted: Option<&Value>, capabilities: &Capabilities) -> bool {
        let kind = capabilities.account_kind(&self.kind);
        let declared = kind.and_then(|kind| kind.attributes.iter().find(|known| known.name == attribute));
        match (self.attributes.get(attribute), wanted) {
            (Some(Value::Text(found)), Some(Value::Text(wanted))) => {
                declared.map(|declared| declared.comparison).unwrap_or_default().same(found, wanted)
            }
            (found, wanted) => found == wanted,
        }
    }
}

/// What an account holds, by the target's own id: the kind, the anchor of the group, team or project, and the role
/// within it where its kind has roles.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitlementKey {
    /// One of the entitlement kinds that the connector declares, such as `group`.
    pub kind: String,
    /// The target's immutable id of it; its name where the target knows no other.
    pub anchor: Anchor,
    /// The role within it (`member` of a project), where the kind declares roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// Something that an account can hold on a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entitlement {
    /// One of the entitlement kinds that the connector declares.
    pub kind: String,
    /// The target's immutable id of it.
    pub anchor: Anchor,
    /// Its present name, as the target spells it.
    pub name: String,
    /// Whether the target itself says that it gives administrative power.
    #[serde(default)]
    pub administrative: bool,
}

/// One entitlement is a member of another: who holds `inner` has the power of `outer`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nesting {
    /// The one that is contained.
    pub inner: EntitlementKey,
    /// The one that contains it.
    pub outer: EntitlementKey,
}
