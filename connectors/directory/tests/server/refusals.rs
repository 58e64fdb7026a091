//! Who and what is turned away, and how it is told.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, TOKEN, USER};

#[tokio::test]
async fn without_the_token_nothing_is_said() {
    let server = Server::start().await;
    server.user("ada", json!({})).await;
    for header in [None, Some("Bearer"), Some("Bearer x"), Some("Basic YTpi"), Some(TOKEN)] {
        for path in ["/Users", "/ServiceProviderConfig", "/nosuch", "/Bulk"] {
            let mut request = server.client.get(format!("{}{path}", server.base));
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let response = request.send().await.expect("the server answers");
            assert_eq!(response.status(), 401);
            assert!(
                response.headers()["www-authenticate"]
                    .to_str()
                    .is_ok_and(|value| value.starts_with("Bearer"))
            );
            let body: Value = response.json().await.expect("the body is JSON");
            assert_eq!(body["status"], "401");
        }
    }
    let lower = server
        .client
        .get(format!("{}/Users", server.base))
        .header("authorization", format!("bearer {TOKEN}"));
    assert_eq!(lower.send().await.expect("the server answers").status(), 200);
}

#[tokio::test]
async fn unknown_endpoints_and_methods_are_told_in_scim() {
    let server = Server::start().await;
    let id = server.user("ada", json!({})).await;
    server.get("/Cars").await.refused(404, None);
    server.get("/Users/x/y").await.refused(404, None);
    server.get(&format!("/Groups/{id}")).await.refused(404, None);
    server.delete("/Users").await.refused(405, None);
    server.put("/Bulk", &json!({})).await.refused(405, None);
    server.get("/Users/.search").await.refused(405, None);
    server.get("/Me").await.refused(501, None);
}

#[tokio::test]
async fn slashes_too_many_are_no_other_place() {
    let server = Server::start().await;
    let id = server.user("ada", json!({})).await;
    for path in ["//Users", "/Users/", &format!("//Users//{id}/"), "/", "/?filter=userName%20pr"] {
        server.get(path).await.ok();
    }
    server.post("//Users/", &json!({"schemas": [USER], "userName": "bob"})).await.created();
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_json() {
    let server = Server::start().await;
    let send = async |content_type: Option<&str>, body: String| {
        let mut request = server.client.post(format!("{}/Users", server.base)).bearer_auth(TOKEN);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let response = request.body(body).send().await.expect("the server answers");
        let status = response.status().as_u16();
        let body: Value = response.json().await.expect("the body is JSON");
        (status, body["scimType"].as_str().map(str::to_owned))
    };
    let user = |name: &str| json!({"schemas": [USER], "userName": name}).to_string();
    assert_eq!(send(Some("application/json; charset=utf-8"), user("a")).await.0, 201);
    assert_eq!(send(Some("Application/SCIM+json"), user("b")).await.0, 201);
    assert_eq!(send(None, user("c")).await.0, 201);
    assert_eq!(send(Some("text/xml"), user("d")).await, (415, None));
    let syntax = || (400, Some("invalidSyntax".to_owned()));
    assert_eq!(send(Some("application/json"), "{".into()).await, syntax());
    assert_eq!(send(Some("application/json"), String::new()).await, syntax());
    assert_eq!(send(Some("application/json"), "[".repeat(100_000)).await, syntax());
    assert_eq!(
        send(Some("application/json"), format!("\"{}\"", "x".repeat(9 * 1024 * 1024))).await,
        (413, None)
    );
}

#[tokio::test]
async fn a_patch_is_bounded_and_all_or_nothing() {
    let server = Server::start().await;
    let path = format!("/Users/{}", server.user("ada", json!({})).await);
    let many: Vec<Value> = (0..1_001).map(|_| json!({"op": "add", "path": "title", "value": "x"})).collect();
    server.patch(&path, json!(many)).await.refused(413, None);
    let half =
        json!([{"op": "add", "path": "title", "value": "x"}, {"op": "replace", "path": "id", "value": "y"}]);
    server.patch(&path, half).await.refused(400, Some("mutability"));
    assert_eq!(server.get(&path).await.ok().get("title"), None);
    let without_schema = json!({"Operations": [{"op": "add", "path": "title", "value": "x"}]});
    server.ask(Method::PATCH, &path, &without_schema, None).await.refused(400, Some("invalidSyntax"));
}

#[tokio::test]
async fn hostile_hosts_and_ids_come_to_nothing() {
    let server = Server::start().await;
    server.user("ada", json!({})).await;
    let list = server.ask(Method::GET, "/Users", &Value::Null, Some(("host", "x\"y.example"))).await;
    // Either the HTTP library refuses such a host, or the answer is still JSON.
    assert!(list.status == 400 || list.body["Resources"][0]["userName"] == "ada");
    server.get("/Users/%27%20OR%201%3D1%20--").await.refused(404, None);
    server.get(&format!("/Users/{}", "x".repeat(10_000))).await.refused(404, None);
}
