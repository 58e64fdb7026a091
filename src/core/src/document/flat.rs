//! Documents whose key is a kind: `{target: forge, team: engineering, role: member}`. The keys that are known are
//! taken out; exactly one other is the kind, and its value the name.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::identity::DirectGrant;
use super::role::GrantSpec;
use super::target::{EntitlementPolicy, NestingEdge};
use crate::Sym;
use crate::set::Spec;
use crate::when::When;

/// A map without repeated keys, from which fields are taken one by one.
struct Flat(IndexMap<String, Value>);

impl Flat {
    fn optional<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, String> {
        match self.0.shift_remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| format!("{key}: {error}")),
        }
    }

    fn required<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> Result<T, String> {
        self.optional(key)?.ok_or_else(|| format!("missing field `{key}`"))
    }

    /// The one key that is left: the kind, and the name.
    fn kind(self, known: &str) -> Result<Option<(Sym, Sym)>, String> {
        let mut rest = self.0.into_iter();
        let first = rest.next();
        if let (Some((first, _)), Some((second, _))) = (&first, rest.next()) {
            return Err(format!(
                "`{first}` and `{second}` cannot both be the kind: beside {known} only one key may stand"
            ));
        }
        match first {
            None => Ok(None),
            Some((kind, Value::String(name))) if !name.is_empty() => {
                Ok(Some((Sym::new(&kind), Sym::new(&name))))
            }
            Some((kind, _)) => Err(format!("`{kind}` needs a name, a text")),
        }
    }
}

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flat, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Flat;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Flat, A::Error> {
                let mut map = IndexMap::new();
                while let Some((key, value)) = access.next_entry::<String, Value>()? {
                    if map.contains_key(&key) {
                        return Err(serde::de::Error::custom(format!("duplicate field `{key}`")));
                    }
                    map.insert(key, value);
                }
                Ok(Flat(map))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

fn grant(mut flat: Flat, known: &str) -> Result<GrantSpec, String> {
    let target = flat.required("target")?;
    let profile = flat.optional("profile")?;
    let role: Option<Sym> = flat.optional("role")?;
    let entitlement = match (flat.kind(known)?, role) {
        (Some((kind, name)), role) => Some(Spec { kind, name, role }),
        (None, None) => None,
        (None, Some(role)) => {
            return Err(format!(
                "`role: {role}` is a role in something: name that too, such as `project: NAME`"
            ));
        }
    };
    Ok(GrantSpec { target, profile, entitlement })
}

impl<'de> Deserialize<'de> for GrantSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GrantSpec, D::Error> {
        let flat = Flat::deserialize(deserializer)?;
        grant(flat, "`target`, `profile` and `role`").map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for DirectGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DirectGrant, D::Error> {
        let mut flat = Flat::deserialize(deserializer)?;
        let mut take = || {
            Ok::<_, String>(DirectGrant {
                from: flat.optional("from")?,
                until: flat.required("until")?,
                reason: flat.required("reason")?,
                grant: grant(
                    Flat(std::mem::take(&mut flat.0)),
                    "`target`, `profile`, `role`, `from`, `until` and `reason`",
                )?,
            })
        };
        take().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for EntitlementPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EntitlementPolicy, D::Error> {
        let mut flat = Flat::deserialize(deserializer)?;
        let mut take = || {
            let role = flat.optional("role")?;
            let risk = flat.optional("risk")?;
            let owners = flat.optional("owners")?.unwrap_or_default();
            let approvers = flat.optional("approvers")?;
            let (kind, name) = Flat(std::mem::take(&mut flat.0))
                .kind("`role`, `risk`, `owners` and `approvers`")?
                .ok_or("name a kind and a pattern, such as `team: \"admins*\"`")?;
            Ok::<_, String>(EntitlementPolicy { kind, name, role, risk, owners, approvers })
        };
        take().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for NestingEdge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NestingEdge, D::Error> {
        let mut flat = Flat::deserialize(deserializer)?;
        let mut take = || {
            let outer = flat.required("in")?;
            let (kind, inner) = Flat(std::mem::take(&mut flat.0))
                .kind("`in`")?
                .ok_or("name a kind and what is contained, such as `team: eng-leads`")?;
            Ok::<_, String>(NestingEdge { kind, inner, outer })
        };
        take().map_err(serde::de::Error::custom)
    }
}

impl Serialize for GrantSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let GrantSpec { target, profile, entitlement } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("target", target)?;
        if let Some(profile) = profile {
            map.serialize_entry("profile", profile)?;
        }
        if let Some(Spec { kind, name, role }) = entitlement {
            map.serialize_entry(kind, name)?;
            if let Some(role) = role {
                map.serialize_entry("role", role)?;
            }
        }
        map.end()
    }
}

/// A schema whose one free key is a kind of entitlement. `x-kind-as-key` says so to [`super::schema`]'s readers:
/// `required`, or `with-role` where it may be absent as long as there is no `role`.
macro_rules! flat_schema {
    ($type:ty, $name:literal, $about:literal, $kind:literal, $required:expr, |$generator:ident| $properties:tt) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "object",
                    "description": $about,
                    "required": $required,
                    "properties": $properties,
                    "additionalProperties": { "type": "string" },
                    "x-kind-as-key": $kind,
                })
            }
        }
    };
}

flat_schema!(
    GrantSpec,
    "Grant",
    "An entitlement on a target ({target: forge, team: engineering}), or the account alone ({target: forge}).",
    "with-role",
    ["target"],
    |generator| {
        "target": generator.subschema_for::<Sym>(),
        "profile": generator.subschema_for::<Option<Sym>>(),
        "role": generator.subschema_for::<Option<Sym>>(),
    }
);
flat_schema!(
    DirectGrant,
    "DirectGrant",
    "An entitlement held directly: always dated, with a reason.",
    "with-role",
    ["target", "until", "reason"],
    |generator| {
        "target": generator.subschema_for::<Sym>(),
        "profile": generator.subschema_for::<Option<Sym>>(),
        "role": generator.subschema_for::<Option<Sym>>(),
        "from": generator.subschema_for::<Option<When>>(),
        "until": generator.subschema_for::<When>(),
        "reason": generator.subschema_for::<Sym>(),
    }
);
flat_schema!(
    EntitlementPolicy,
    "Entitlement",
    "Risk, owners and approvers of the entitlements whose names match: {team: \"admins*\", risk: privileged}.",
    "required",
    [""; 0],
    |generator| {
        "role": generator.subschema_for::<Option<Sym>>(),
        "risk": super::role::risk_schema(generator),
        "owners": generator.subschema_for::<Vec<Sym>>(),
        "approvers": generator.subschema_for::<Option<Sym>>(),
    }
);
flat_schema!(
    NestingEdge,
    "Nesting",
    "A declared group in a group: {team: eng-leads, in: eng}.",
    "required",
    ["in"],
    |generator| { "in": generator.subschema_for::<Sym>() }
);
