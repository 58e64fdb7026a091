//! /Schemas and /ResourceTypes: the tables as the JSON of RFC 7643, sections 6 and 7.

use serde_json::{Map, Value, json};

use super::{Attribute, ENTERPRISE, GROUP, Kind, Mutability, Returned, Type, USER, Uniqueness};

/// The resources of /Schemas, with locations under `base` (no trailing slash).
pub(crate) fn schemas(base: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        all.push(schema(base, kind.schema(), kind.name(), kind.attributes()));
        for (urn, attributes) in kind.extensions() {
            all.push(schema(base, urn, "EnterpriseUser", attributes));
        }
    }
    all
}

/// The resources of /ResourceTypes, with locations under `base` (no trailing slash).
pub(crate) fn resource_types(base: &str) -> Vec<Value> {
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let extensions: Vec<Value> =
                kind.extensions().iter().map(|(urn, _)| json!({"schema": urn, "required": false})).collect();
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
                "id": kind.name(),
                "name": kind.name(),
                "endpoint": format!("/{}", kind.endpoint()),
                "description": description(kind.schema()),
                "schema": kind.schema(),
                "schemaExtensions": extensions,
                "meta": {
                    "resourceType": "ResourceType",
                    "location": format!("{base}/ResourceTypes/{}", kind.name()),
                },
            })
        })
        .collect()
}

fn description(urn: &str) -> &'static str {
    match urn {
        USER => "User Account",
        GROUP => "Group",
        ENTERPRISE => "Enterprise User",
        _ => "",
    }
}

fn schema(base: &str, urn: &str, name: &str, attributes: &[Attribute]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": urn,
        "name": name,
        "description": description(urn),
        "attributes": attributes.iter().map(attribute).collect::<Vec<_>>(),
        "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{urn}")},
    })
}

fn attribute(attribute: &Attribute) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), attribute.name.into());
    out.insert("type".into(), type_name(attribute.kind).into());
    out.insert("multiValued".into(), attribute.multi_valued.into());
    out.insert("description".into(), attribute.description.into());
    out.insert("required".into(), attribute.required.into());
    out.insert("mutability".into(), mutability_name(attribute.mutability).into());
    out.insert("returned".into(), returned_name(attribute.returned).into());
    if attribute.kind == Type::Complex {
        out.insert("subAttributes".into(), attribute.sub.iter().map(self::attribute).collect());
    } else {
        out.insert("uniqueness".into(), uniqueness_name(attribute.uniqueness).into());
    }
    if matches!(attribute.kind, Type::String | Type::Reference | Type::Binary) {
        out.insert("caseExact".into(), attribute.case_exact.into());
    }
    if !attribute.canonical.is_empty() {
        out.insert("canonicalValues".into(), attribute.canonical.iter().copied().collect());
    }
    if !attribute.references.is_empty() {
        out.insert("referenceTypes".into(), attribute.references.iter().copied().collect());
    }
    Value::Object(out)
}

pub(crate) fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::String => "string",
        Type::Boolean => "boolean",
        Type::DateTime => "dateTime",
        Type::Binary => "binary",
        Type::Reference => "reference",
        Type::Complex => "complex",
    }
}

fn mutability_name(mutability: Mutability) -> &'static str {
    match mutability {
        Mutability::ReadOnly => "readOnly",
        Mutability::ReadWrite => "readWrite",
        Mutability::Immutable => "immutable",
        Mutability::WriteOnly => "writeOnly",
    }
}

fn returned_name(returned: Returned) -> &'static str {
    match returned {
        Returned::Always => "always",
        Returned::Default => "default",
        Returned::Never => "never",
    }
}

fn uniqueness_name(uniqueness: Uniqueness) -> &'static str {
    match uniqueness {
        Uniqueness::None => "none",
        Uniqueness::Server => "server",
    }
}
