//! What PATCH operations make of a user: the RFC's rules and the identity providers' dialects, one row each.

use serde_json::{Value, json};

use super::{MemberChange, PATCH_SCHEMA, apply, parse};
use crate::error::Refusal;
use crate::resource::finish;
use crate::schema::{ENTERPRISE, Kind, USER};

/// The user before each row.
fn before() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "ada",
        "active": true,
        "title": "Engineer",
        "name": {"givenName": "Ada", "familyName": "Osei"},
        "emails": [
            {"value": "ada@work", "type": "work", "primary": true},
            {"value": "ada@home", "type": "home"},
        ],
        ENTERPRISE: {"department": "Engines", "manager": {"value": "m-1"}},
    })
}

fn patched(kind: Kind, before: Value, operations: &Value) -> Result<(Value, Vec<MemberChange>), Refusal> {
    let parsed = parse(&json!({"schemas": [PATCH_SCHEMA], "Operations": operations}))?;
    let Value::Object(mut body) = before else {
        return Err(Refusal::invalid_syntax("the fixture is an object"));
    };
    let members = apply(kind, &mut body, &parsed)?;
    Ok((Value::Object(finish(kind, body)?.body), members))
}

/// `before` with some top-level attributes different; null: without it.
fn with(changes: Value) -> Value {
    let mut after = before();
    if let (Value::Object(after), Value::Object(changes)) = (&mut after, changes) {
        for (key, value) in changes {
            if value.is_null() { drop(after.remove(&key)) } else { drop(after.insert(key, value)) }
        }
    }
    after
}

fn check(rows: Vec<(&str, Value, Value)>) -> Result<(), Refusal> {
    for (name, operations, after) in rows {
        let (result, _) = patched(Kind::User, before(), &operations)
            .map_err(|r| Refusal { detail: format!("{name}: {}", r.detail), ..r })?;
        assert_eq!(result, after, "{name}");
    }
    Ok(())
}

#[test]
fn operations_of_the_rfc() -> Result<(), Refusal> {
    let work = || json!({"value": "ada@work", "type": "work", "primary": true});
    let home = || json!({"value": "ada@home", "type": "home"});
    check(vec![
        (
            "add without a path merges",
            json!([{"op": "add", "value": {"title": "Head", "nickName": "A", "emails": [{"value": "x"}]}}]),
            with(json!({"title": "Head", "nickName": "A", "emails": [work(), home(), {"value": "x"}]})),
        ),
        (
            "add of what is there changes nothing",
            json!([{"op": "add", "path": "emails", "value": [home()]}]),
            before(),
        ),
        (
            "a new primary value ends the old one's being primary",
            json!([{"op": "add", "path": "emails", "value": {"value": "x", "primary": true}}]),
            with(json!({"emails": [
                {"value": "ada@work", "type": "work", "primary": false}, home(), {"value": "x", "primary": true}
            ]})),
        ),
        (
            "add to a complex attribute keeps its other sub-attributes",
            json!([{"op": "add", "path": "name", "value": {"middleName": "K"}}]),
            with(json!({"name": {"givenName": "Ada", "familyName": "Osei", "middleName": "K"}})),
        ),
        (
            "replace of a complex attribute does too",
            json!([{"op": "replace", "path": "name", "value": {"givenName": "Adah"}}]),
            with(json!({"name": {"givenName": "Adah", "familyName": "Osei"}})),
        ),
        (
            "replace of a multi-valued attribute replaces all of it",
            json!([{"op": "replace", "path": "emails", "value": [{"value": "x"}]}]),
            with(json!({"emails": [{"value": "x"}]})),
        ),
        (
            "replace of a chosen value keeps its other sub-attributes",
            json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "x", "type": "other"}}]),
            with(json!({"emails": [{"value": "x", "type": "other", "primary": true}, home()]})),
        ),
        (
            "replace of a sub-attribute of a chosen value",
            json!([{"op": "replace", "path": "emails[type eq \"home\" and value ew \"home\"].value", "value": "x"}]),
            with(json!({"emails": [work(), {"value": "x", "type": "home"}]})),
        ),
        (
            "a sub-attribute without a filter is that of every value",
            json!([{"op": "replace", "path": "emails.display", "value": "x"}]),
            with(json!({"emails": [
                {"value": "ada@work", "type": "work", "primary": true, "display": "x"},
                {"value": "ada@home", "type": "home", "display": "x"},
            ]})),
        ),
        (
            "remove of a chosen value",
            json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]),
            with(json!({"emails": [home()]})),
        ),
        (
            "remove of every value leaves no attribute",
            json!([{"op": "remove", "path": "emails[value pr]"}]),
            with(json!({"emails": null})),
        ),
        (
            "remove of what is not there changes nothing",
            json!([{"op": "remove", "path": "emails[type eq \"fax\"]"}, {"op": "remove", "path": "nickName"}]),
            before(),
        ),
        (
            "remove of a sub-attribute",
            json!([{"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "emails[primary eq true].type"}]),
            with(
                json!({"name": {"familyName": "Osei"}, "emails": [{"value": "ada@work", "primary": true}, home()]}),
            ),
        ),
        (
            "the last sub-attribute takes the attribute with it",
            json!([{"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "name.familyName"}]),
            with(json!({"name": null})),
        ),
        (
            "an extension attribute by its URN",
            json!([{"op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Looms"}]),
            with(json!({ENTERPRISE: {"department": "Looms", "manager": {"value": "m-1"}}})),
        ),
        (
            "a core attribute by its URN",
            json!([{"op": "replace", "path": format!("{USER}:name.familyName"), "value": "O"}]),
            with(json!({"name": {"givenName": "Ada", "familyName": "O"}})),
        ),
        (
            "remove of a whole extension",
            json!([{"op": "remove", "path": ENTERPRISE}]),
            with(json!({ENTERPRISE: null, "schemas": [USER]})),
        ),
        (
            "operations see what earlier ones did",
            json!([
                {"op": "remove", "path": "emails"},
                {"op": "add", "path": "emails", "value": [{"value": "x"}]},
                {"op": "replace", "path": "emails[value eq \"x\"].type", "value": "work"},
            ]),
            with(json!({"emails": [{"value": "x", "type": "work"}]})),
        ),
    ])
}

#[test]
fn dialects_of_identity_providers() -> Result<(), Refusal> {
    let work = || json!({"value": "ada@work", "type": "work", "primary": true});
    let home = || json!({"value": "ada@home", "type": "home"});
    check(vec![
        (
            "capitalised operations and boolean strings",
            json!([{"op": "Replace", "path": "active", "value": "False"}]),
            with(json!({"active": false})),
        ),
        (
            "a boolean string without a path",
            json!([{"op": "REPLACE", "value": {"active": "false"}}]),
            with(json!({"active": false})),
        ),
        (
            "keys of the message in any case",
            json!([{"Op": "Add", "Path": "title", "Value": "Head"}]),
            with(json!({"title": "Head"})),
        ),
        (
            "dotted keys without a path",
            json!([{"op": "Add", "value": {"name.givenName": "A", "name.middleName": "K"}}]),
            with(json!({"name": {"givenName": "A", "familyName": "Osei", "middleName": "K"}})),
        ),
        (
            "filters in keys without a path",
            json!([{"op": "replace", "value": {"emails[type eq \"work\"].value": "x"}}]),
            with(json!({"emails": [{"value": "x", "type": "work", "primary": true}, home()]})),
        ),
        (
            "URN-prefixed keys without a path, flat and whole",
            json!([{"op": "Replace", "value": {
                format!("{ENTERPRISE}:department"): "Looms",
                ENTERPRISE: {"division": "North"},
            }}]),
            with(
                json!({ENTERPRISE: {"department": "Looms", "division": "North", "manager": {"value": "m-1"}}}),
            ),
        ),
        (
            "a value path that matches nothing is made by replace",
            json!([{"op": "Replace", "path": "emails[type eq \"other\"].value", "value": "x"}]),
            with(json!({"emails": [work(), home(), {"type": "other", "value": "x"}]})),
        ),
        (
            "a value path that matches nothing is made by add",
            json!([{"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+49 1"}]),
            with(json!({"phoneNumbers": [{"type": "mobile", "value": "+49 1"}]})),
        ),
        (
            "a boolean string in a value path",
            json!([{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "admin"}]),
            with(json!({"roles": [{"primary": true, "value": "admin"}]})),
        ),
        (
            "a manager as a plain string",
            json!([{"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "m-2"}]),
            with(json!({ENTERPRISE: {"department": "Engines", "manager": {"value": "m-2"}}})),
        ),
        (
            "a manager in a list of one",
            json!([{"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": [{"$ref": "../Users/m-2", "value": "m-2"}]}]),
            with(
                json!({ENTERPRISE: {"department": "Engines", "manager": {"value": "m-2", "$ref": "../Users/m-2"}}}),
            ),
        ),
        (
            "a manager removed by an empty string",
            json!([{"op": "Replace", "path": format!("{ENTERPRISE}:manager"), "value": ""}]),
            with(json!({ENTERPRISE: {"department": "Engines"}})),
        ),
        (
            "null takes an attribute away",
            json!([{"op": "replace", "value": {"title": null}}, {"op": "replace", "path": "name.givenName", "value": null}]),
            with(json!({"title": null, "name": {"familyName": "Osei"}})),
        ),
        (
            "remove with the values to remove",
            json!([{"op": "Remove", "path": "emails", "value": [{"value": "ada@home"}]}]),
            with(json!({"emails": [work()]})),
        ),
        (
            "read-only and unknown keys without a path are passed over",
            json!([{"op": "replace", "value": {
                "id": "x", "schemas": [], "meta": {}, "groups": [], "favouriteColour": "blue", "title": "Head",
            }}]),
            with(json!({"title": "Head"})),
        ),
        (
            "an empty path is none",
            json!([{"op": "replace", "path": "", "value": {"title": "Head"}}]),
            with(json!({"title": "Head"})),
        ),
    ])
}

#[test]
fn refusals_have_the_right_type() {
    for (operations, scim_type) in [
        (json!([]), "invalidSyntax"),
        (json!(["x"]), "invalidSyntax"),
        (json!([{"op": "move", "path": "title", "value": "x"}]), "invalidSyntax"),
        (json!([{"path": "title", "value": "x"}]), "invalidSyntax"),
        (json!([{"op": "remove"}]), "noTarget"),
        (
            json!([{"op": "replace", "path": "emails[type ne \"work\" and value sw \"x\"].value", "value": "x"}]),
            "noTarget",
        ),
        (json!([{"op": "add", "path": "title"}]), "invalidValue"),
        (json!([{"op": "add", "value": "x"}]), "invalidValue"),
        (json!([{"op": "add", "path": "nosuch", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "name.nosuch", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "emails[", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "emails[nosuch eq \"x\"]", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "title[value eq \"x\"]", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "urn:x:y", "value": {}}]), "invalidPath"),
        (json!([{"op": "add", "path": 5, "value": "x"}]), "invalidPath"),
        (json!([{"op": "replace", "path": "id", "value": "x"}]), "mutability"),
        (json!([{"op": "replace", "path": "meta.created", "value": "x"}]), "mutability"),
        (json!([{"op": "add", "path": "groups", "value": [{"value": "g"}]}]), "mutability"),
        (json!([{"op": "remove", "path": "userName"}]), "mutability"),
        (json!([{"op": "replace", "path": "userName", "value": ""}]), "invalidValue"),
        (json!([{"op": "replace", "path": "active", "value": "maybe"}]), "invalidValue"),
        (json!([{"op": "replace", "path": "title", "value": {"x": 1}}]), "invalidValue"),
        (json!([{"op": "replace", "path": "emails.primary", "value": true}]), "invalidValue"),
        (json!([{"op": "replace", "path": "emails[value pr].primary", "value": true}]), "invalidValue"),
    ] {
        let refusal = patched(Kind::User, before(), &operations).expect_err("refused");
        assert_eq!((refusal.status, refusal.scim_type), (400, Some(scim_type)), "{operations}");
    }
}

#[test]
fn members_are_changed_apart() -> Result<(), Refusal> {
    let group = || json!({"displayName": "g"});
    let changes = |operations: Value| {
        let (_, changes) = patched(Kind::Group, group(), &operations)?;
        let printed = changes.iter().map(|change| match change {
            MemberChange::Add(members) => {
                format!("+{}", members.iter().map(|m| m.id.as_str()).collect::<String>())
            }
            MemberChange::Remove(members) => {
                format!("-{}", members.iter().map(|m| m.id.as_str()).collect::<String>())
            }
            MemberChange::Replace(members) => {
                format!("={}", members.iter().map(|m| m.id.as_str()).collect::<String>())
            }
            MemberChange::RemoveMatching(_) => "-?".to_owned(),
        });
        Ok::<_, Refusal>(printed.collect::<Vec<_>>().join(" "))
    };
    for (operations, expected) in [
        (json!([{"op": "add", "path": "members", "value": [{"value": "a"}, {"value": "b"}]}]), "+ab"),
        (json!([{"op": "Add", "path": "members", "value": {"value": "a"}}]), "+a"),
        (json!([{"op": "add", "value": {"members": [{"value": "a"}], "displayName": "h"}}]), "+a"),
        (json!([{"op": "Remove", "path": "members", "value": [{"value": "a"}]}]), "-a"),
        (json!([{"op": "remove", "path": "members[value eq \"a\"]"}]), "-?"),
        (json!([{"op": "remove", "path": "members"}]), "="),
        (json!([{"op": "remove", "path": "members", "value": []}]), "-"),
        (json!([{"op": "replace", "path": "members", "value": [{"value": "a"}]}]), "=a"),
        (json!([{"op": "replace", "value": {"members": []}}]), "="),
        (json!([{"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "b"}}]), "-? +b"),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\"]"}, {"op": "add", "path": "members", "value": "b"}]),
            "-? +b",
        ),
    ] {
        assert_eq!(changes(operations.clone())?, expected, "{operations}");
    }
    for operations in [
        json!([{"op": "replace", "path": "members[value eq \"a\"].value", "value": "b"}]),
        json!([{"op": "remove", "path": "displayName"}]),
    ] {
        assert_eq!(
            changes(operations.clone()).expect_err("refused").scim_type,
            Some("mutability"),
            "{operations}"
        );
    }
    Ok(())
}

mod arbitrary {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes, the result is a valid resource or a refusal of the client.
        #[test]
        fn no_patch_panics_or_blames_the_server(
            operations in proptest::collection::vec(
                (
                    proptest::sample::select(vec!["add", "Replace", "remove"]),
                    proptest::option::of(proptest::sample::select(vec![
                        "emails", "emails[type eq \"work\"]", "emails[type eq \"x\"].value", "emails.primary", "name",
                        "name.givenName", "members", "active", "password", "addresses[primary eq true]", USER, ENTERPRISE,
                        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "schemas",
                    ])),
                    proptest::sample::select(vec![
                        json!(null), json!("x"), json!(true), json!([]), json!([{"value": "x", "primary": true}]),
                        json!({"value": "x", "type": "work", "primary": "True"}), json!({"givenName": null}), json!([[1]]),
                        json!({"emails": [{"primary": true}, {"primary": true}], "name.x": 1, "active": "False"}),
                    ]),
                ),
                1..6,
            ),
        ) {
            let operations: Vec<Value> = operations
                .into_iter()
                .map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
                .collect();
            match patched(Kind::User, before(), &json!(operations)) {
                Ok((after, _)) => {
                    let body = crate::resource::conform(Kind::User, &after).map(|draft| Value::Object(draft.body));
                    prop_assert_eq!(body, Ok(after));
                }
                Err(refusal) => prop_assert_eq!(refusal.status, 400),
            }
        }
    }
}
