//! Entity tags and conditions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, USER};

#[tokio::test]
async fn an_unchanged_resource_is_not_sent_again() {
    let server = Server::start().await;
    let ada = server.user("ada", json!({})).await;
    let path = format!("/Users/{ada}");
    let tag = server.get(&path).await.header("etag").to_owned();
    assert!(tag.starts_with("W/\""));
    for header in [tag.as_str(), "*", &format!("\"x\", {tag}")] {
        let answer = server.ask(Method::GET, &path, &Value::Null, Some(("if-none-match", header))).await;
        assert_eq!((answer.status, answer.header("etag")), (304, tag.as_str()), "{header}");
    }
    let answer = server.ask(Method::GET, &path, &Value::Null, Some(("if-none-match", "W/\"x\""))).await;
    assert_eq!(answer.status, 200);
    // A user's groups are part of what is sent.
    server.group("staff", &[&ada]).await;
    let answer = server.ask(Method::GET, &path, &Value::Null, Some(("if-none-match", &tag))).await;
    assert_eq!((answer.status, answer.header("etag") == tag), (200, false));
    assert_eq!(answer.header("etag"), answer.body["meta"]["version"]);
}

#[tokio::test]
async fn a_write_on_a_stale_version_is_refused() {
    let server = Server::start().await;
    let ada = server.user("ada", json!({})).await;
    let path = format!("/Users/{ada}");
    let first = server.get(&path).await.header("etag").to_owned();
    let put = |title: &str| json!({"schemas": [USER], "userName": "ada", "title": title});
    let answer = server.ask(Method::PUT, &path, &put("x"), Some(("if-match", &first))).await;
    assert_eq!(answer.status, 200);
    let second = answer.header("etag").to_owned();
    assert_ne!(first, second);

    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "title", "value": "z"}]});
    server.ask(Method::PUT, &path, &put("y"), Some(("if-match", &first))).await.refused(412, None);
    server.ask(Method::PATCH, &path, &patch, Some(("if-match", &first))).await.refused(412, None);
    server.ask(Method::DELETE, &path, &Value::Null, Some(("if-match", &first))).await.refused(412, None);
    server.ask(Method::PUT, &path, &put("y"), Some(("if-none-match", "*"))).await.refused(412, None);
    assert_eq!(server.get(&path).await.ok()["title"], "x");

    // Joining a group changes what is sent, not what a client may write.
    server.group("staff", &[&ada]).await;
    assert_eq!(
        server.ask(Method::PATCH, &path, &patch, Some(("if-match", &second))).await.ok()["title"],
        "z"
    );
    assert_eq!(server.ask(Method::DELETE, &path, &Value::Null, Some(("if-match", "*"))).await.status, 204);
}
