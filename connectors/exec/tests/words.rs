//! A program that does not keep to its word, told by a fake one.

use provost_exec::Exec;
use provost_sdk::{
    AccountRef, Collected, Completeness, Connector, Cursor, Error, ErrorKind, IdempotencyKey, Observe,
    Operation, Wanted,
};
use serde_json::{Value, json};

use crate::life::Fake;

fn account(anchor: &str, username: &str) -> Value {
    json!({"anchor": anchor, "kind": "user", "username": username, "state": "enabled", "entitlements": []})
}

fn disable(anchor: &str) -> Operation {
    Operation::Disable { account: AccountRef { anchor: anchor.into(), username: "ada".to_owned() } }
}

fn reader(does: Value) -> (Fake, Box<dyn Observe>) {
    let fake = Fake::new(does);
    let reader = Exec.reader(&fake.settings()).unwrap();
    (fake, reader)
}

async fn refused(does: Value) -> Error {
    let (_fake, reader) = reader(does);
    reader.describe().await.unwrap_err()
}

#[tokio::test]
async fn another_account_than_the_one_asked_for_is_an_error() {
    let (_fake, reader) = reader(json!({"answers": {"look_up": account("a2", "bea")}}));
    for wanted in [Wanted::Anchor("a1".into()), Wanted::Username("ada".to_owned())] {
        let error = reader.look_up(&wanted).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidResponse, "{error}");
    }
    assert!(reader.look_up(&Wanted::Username("bea".to_owned())).await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_not_declared_is_not_taken() {
    for items in [
        json!([{"account": {"anchor": "a1", "kind": "robot", "username": "x", "state": "enabled"}}]),
        json!([{"account": {"anchor": "", "kind": "user", "username": "x", "state": "enabled"}}]),
        json!([{"account": {"anchor": "a", "kind": "user", "username": "x", "state": "enabled",
            "attributes": {"shoe": "42"}}}]),
        json!([{"entitlement": {"anchor": "e1", "kind": "group", "name": "x"}}]),
        json!([{"members": {"entitlement": {"anchor": "e1", "kind": "group"}, "accounts": ["a1"]}}]),
        json!([{"account-gone": "a1"}]),
    ] {
        let (_fake, reader) = reader(
            json!({"items": [items], "answers": {"observe": {"completeness": "complete", "items": 1}}}),
        );
        let error = reader.observe(None, &mut Collected::default()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidResponse, "{items}: {error}");
    }
}

#[tokio::test]
async fn items_that_were_lost_on_the_way_make_a_read_partial() {
    let items = json!([[{"account": account("a1", "ada")}]]);
    let (_fake, reader) =
        reader(json!({"items": items, "answers": {"observe": {"completeness": "complete", "items": 2}}}));
    let mut sink = Collected::default();
    let read = reader.observe(None, &mut sink).await.unwrap();
    assert!(matches!(read.completeness, Completeness::Partial(_)));
    assert_eq!(sink.items.len(), 1, "what was seen is true");
}

#[tokio::test]
async fn a_delta_that_was_not_declared_is_not_asked_for() {
    let (fake, reader) = reader(json!({}));
    let error = reader.observe(Some(&Cursor("1".to_owned())), &mut Collected::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(!fake.heard().contains("observe"));
}

#[tokio::test]
async fn names_that_no_document_could_hold_are_refused() {
    for capabilities in [
        json!({"account_kinds": [{"name": "../x", "attributes": []}], "entitlement_kinds": [], "verbs": []}),
        json!({"account_kinds": [], "entitlement_kinds": [], "verbs": []}),
        json!({"account_kinds": [{"name": "user", "attributes": [{"name": ""}]}], "entitlement_kinds": [],
            "verbs": []}),
        json!({"account_kinds": [{"name": "user", "attributes": []}], "entitlement_kinds": [], "verbs": ["dance"]}),
    ] {
        let error = refused(json!({"answers": {"open": capabilities}})).await;
        assert_eq!(error.kind, ErrorKind::InvalidResponse, "{error}");
    }
}

#[tokio::test]
async fn a_change_that_a_look_up_does_not_show_is_in_doubt() {
    let does = json!({"answers": {"apply": {"changed": true}, "look_up": account("a1", "ada")}});
    let fake = Fake::new(does);
    let writer = Exec.writer(&fake.settings()).unwrap();
    let error = writer.apply(&disable("a1"), &IdempotencyKey("k".to_owned())).await.unwrap_err();
    assert!(error.kind == ErrorKind::InvalidResponse && error.may_have_landed, "{error}");
    assert!(error.message.contains("disable"), "{error}");
}

#[tokio::test]
async fn an_operation_that_was_not_declared_is_not_sent() {
    let fake = Fake::new(json!({}));
    let writer = Exec.writer(&fake.settings()).unwrap();
    let delete =
        Operation::Delete { account: AccountRef { anchor: "a1".into(), username: "ada".to_owned() } };
    let error = writer.apply(&delete, &IdempotencyKey("k".to_owned())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(!fake.heard().contains("\"apply\""));
}
