//! The JSON Schemas, by a validator of somebody else: they accept the example, and refuse what reading refuses.

use std::collections::BTreeMap;

use provost_core::document::{Kind, parse, schema};
use serde_json::Value;

use super::example::documents;

#[test]
fn the_example_is_as_the_schemas_say() {
    let schemas: BTreeMap<&str, jsonschema::Validator> = Kind::ALL
        .map(|kind| (kind.as_str(), jsonschema::validator_for(schema(kind)).expect("a schema that is one")))
        .into();
    for (path, text) in documents() {
        let value: Value = serde_yaml::from_str(&text).expect("sound YAML");
        let kind = value["kind"].as_str().expect("a kind");
        let wrong: Vec<String> = schemas[kind].iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
    }
}

#[test]
fn the_schemas_refuse_what_reading_refuses() {
    let wrong = [
        (Kind::Person, "{kind: Person, id: p-1, name: {given: A}, username: a, untill: 2026-01-01}"),
        (Kind::Person, "{kind: Person, id: p 1, name: {given: A}, username: a}"),
        (Kind::Person, "{kind: Person, id: p-1, name: {given: A}, username: a, end: soon}"),
        (Kind::Person, "{kind: Person, id: p-1, name: {given: A}, username: a, status: gone}"),
        (Kind::Service, "{kind: Service, id: s-1, purpose: x}"),
        (Kind::Role, "{kind: Role, id: r, owners: [p-1], risk: high}"),
        (Kind::Role, "{kind: Role, id: r, owners: [p-1], grants: [{team: x}]}"),
        (
            Kind::Target,
            "{kind: Target, id: t, connector: c, owners: [p-1], guards: {removals: {percent: 101}}}",
        ),
        (Kind::Target, "{kind: Target, id: t, connector: c, owners: [p-1], accounts: {main: {username: 1}}}"),
        (Kind::Tiers, "{kind: Tiers, id: t, tiers: {normal: {people: 1, from: anybody}}}"),
        (Kind::Lifecycle, "{kind: Lifecycle, id: t, leaver: {delete: {after: 3w}}}"),
    ];
    for (kind, text) in wrong {
        let value: Value = serde_yaml::from_str(text).expect("sound YAML");
        assert!(!jsonschema::is_valid(schema(kind), &value), "{text}");
        assert!(parse("input.yaml", text.as_bytes()).document.is_none(), "{text}");
    }
}
