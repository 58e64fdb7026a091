//! Bulk requests.

use serde_json::{Value, json};

use crate::support::{ENTERPRISE, GROUP, Server, USER};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

fn bulk(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
}

fn statuses(body: &Value) -> Vec<&str> {
    body["Operations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|result| result["status"].as_str())
        .collect()
}

fn user(name: &str) -> Value {
    json!({"schemas": [USER], "userName": name})
}

#[tokio::test]
async fn references_lead_to_what_is_created_in_any_order() {
    let server = Server::start().await;
    let mut manager = user("bob");
    manager[ENTERPRISE] = json!({"manager": {"value": "bulkId:ada"}});
    let body = server
        .post(
            "/Bulk",
            &bulk(json!([
                {"method": "POST", "path": "/Groups", "bulkId": "staff", "data": {"schemas": [GROUP], "displayName": "staff",
                    "members": [{"type": "User", "value": "bulkId:ada"}, {"value": "bulkId:bob"}]}},
                {"method": "post", "path": "/scim/v2/Users", "bulkId": "bob", "data": manager},
                {"method": "POST", "path": "/Users", "bulkId": "ada", "data": user("ada")},
                {"method": "PATCH", "path": "/Groups/bulkId:staff", "data": {"schemas": [PATCH], "Operations": [
                    {"op": "remove", "path": "members[value eq \"bulkId:bob\"]"}]}},
                {"method": "PATCH", "path": "/Users/bulkId:ada", "data": [{"op": "add", "path": "title", "value": "x"}]},
            ])),
        )
        .await
        .ok();
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    assert_eq!(statuses(&body), ["201", "201", "201", "200", "200"]);
    let results = &body["Operations"];
    assert_eq!((&results[0]["bulkId"], &results[0]["method"]), (&json!("staff"), &json!("POST")));
    assert!(results[0]["version"].as_str().is_some_and(|version| version.starts_with("W/")));
    let ada = results[2]["location"]
        .as_str()
        .and_then(|url| url.rsplit('/').next())
        .expect("a location")
        .to_owned();
    let group = server.get("/Groups").await.ok()["Resources"][0].clone();
    assert_eq!(results[0]["location"], group["meta"]["location"]);
    assert_eq!(group["members"].as_array().map(Vec::len), Some(1));
    assert_eq!(group["members"][0]["value"], json!(ada));
    let bob = server.get("/Users?filter=userName%20eq%20%22bob%22").await.ok()["Resources"][0].clone();
    assert_eq!(bob[ENTERPRISE]["manager"]["value"], json!(ada));
    assert_eq!(server.get(&format!("/Users/{ada}")).await.ok()["title"], "x");
}

#[tokio::test]
async fn groups_in_a_circle_are_created() {
    let server = Server::start().await;
    let group = |name: &str, member: &str| {
        json!({"method": "POST", "path": "/Groups", "bulkId": name,
            "data": {"schemas": [GROUP], "displayName": name, "members": [{"value": format!("bulkId:{member}")}]}})
    };
    let body =
        server.post("/Bulk", &bulk(json!([group("a", "b"), group("b", "c"), group("c", "a")]))).await.ok();
    assert_eq!(statuses(&body), ["201", "201", "201"]);
    for resource in server.get("/Groups").await.ok()["Resources"].as_array().into_iter().flatten() {
        assert_eq!(resource["members"][0]["type"], "Group", "{resource}");
    }
}

#[tokio::test]
async fn an_operation_that_fails_changes_nothing_and_stops_only_what_needs_it() {
    let server = Server::start().await;
    let kept = server.user("kept", json!({})).await;
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "1", "data": user("KEPT")},
        {"method": "POST", "path": "/Groups", "bulkId": "2", "data": {"schemas": [GROUP], "displayName": "g",
            "members": [{"value": "bulkId:1"}]}},
        {"method": "POST", "path": "/Users", "data": user("no-bulk-id")},
        {"method": "PUT", "path": format!("/Users/{kept}"), "version": "W/\"7\"", "data": user("stale")},
        {"method": "DELETE", "path": "/Users/nobody"},
        {"method": "GET", "path": "/Users"},
        {"method": "POST", "path": "/Cars", "bulkId": "3", "data": {}},
        {"method": "PATCH", "path": format!("/Users/{kept}"), "data": {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "title", "value": "half"}, {"op": "remove", "path": "userName"}]}},
        {"method": "POST", "path": "/Groups", "bulkId": "4", "data": {"schemas": [GROUP], "displayName": "h",
            "members": [{"value": "bulkId:nowhere"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "5", "data": user("new")},
        {"method": "DELETE", "path": format!("/Users/{kept}"), "version": "W/\"1\""},
    ]);
    let body = server.post("/Bulk", &bulk(operations.clone())).await.ok();
    assert_eq!(
        statuses(&body),
        ["409", "409", "400", "412", "404", "400", "400", "400", "400", "201", "204"]
    );
    let results = &body["Operations"];
    assert_eq!(results[0]["response"]["scimType"], "uniqueness");
    assert_eq!(results[3]["location"], json!(format!("{}/Users/{kept}", server.base)));
    assert_eq!(results[7]["response"]["scimType"], "mutability");
    assert_eq!(server.names("/Users").await, ["new"]);

    let mut stopping = bulk(operations);
    stopping["failOnErrors"] = json!(2);
    // The first two succeed this time: the user that was in their way is gone, and so the second error is the PUT's.
    assert_eq!(statuses(&server.post("/Bulk", &stopping).await.ok()), ["201", "201", "400", "404"]);
}

#[tokio::test]
async fn what_is_no_bulk_request_or_too_much_is_refused() {
    let server = Server::start().await;
    server.post("/Bulk", &json!({"Operations": []})).await.refused(400, Some("invalidSyntax"));
    server.post("/Bulk", &bulk(json!({}))).await.refused(400, Some("invalidSyntax"));
    server.post("/Bulk", &bulk(json!(["x"]))).await.refused(400, Some("invalidSyntax"));
    let twice = json!({"method": "POST", "path": "/Users", "bulkId": "1", "data": user("a")});
    server.post("/Bulk", &bulk(json!([twice, twice]))).await.refused(400, Some("invalidValue"));
    let many: Vec<Value> = (0..1_001).map(|_| json!({"method": "DELETE", "path": "/Users/x"})).collect();
    server.post("/Bulk", &bulk(json!(many))).await.refused(413, None);
    let mut zero = bulk(json!([]));
    zero["failOnErrors"] = json!(0);
    server.post("/Bulk", &zero).await.refused(400, Some("invalidValue"));
    let long = json!({"method": "POST", "path": "/Users", "bulkId": "1", "data": {"x": "x".repeat(17 * 1024 * 1024)}});
    server.post("/Bulk", &bulk(json!([long]))).await.refused(413, None);
}
