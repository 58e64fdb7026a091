//! One user from creation to deletion.

use provost_directory::Directory;
use serde_json::{Value, json};

use crate::support::{ENTERPRISE, Server, USER};

#[tokio::test]
async fn a_user_is_created_read_replaced_patched_and_deleted() {
    let server = Server::start().await;
    let created = server
        .post(
            "/Users",
            &json!({"schemas": [USER, ENTERPRISE], "userName": "ada", "externalId": "p-1", "id": "mine",
                "groups": [{"value": "x"}], "meta": {"created": "2000-01-01T00:00:00Z"},
                "emails": [{"value": "ada@example.com", "primary": "True"}], ENTERPRISE: {"department": "Engines"}}),
        )
        .await;
    let id = created.created();
    let location = format!("{}/Users/{id}", server.base);
    assert_ne!(id, "mine");
    assert_eq!(created.header("location"), location);
    assert_eq!(created.header("content-type"), "application/scim+json");
    assert_eq!(created.header("etag"), created.body["meta"]["version"]);
    assert_eq!(created.body["meta"]["location"], json!(location));
    assert_eq!(created.body["meta"]["resourceType"], "User");
    assert_eq!(created.body["meta"]["created"], created.body["meta"]["lastModified"]);
    assert_eq!(created.body["active"], true, "a user that nobody disabled is active");
    assert_eq!(created.body["emails"], json!([{"value": "ada@example.com", "primary": true}]));
    assert_eq!(created.body.get("groups"), None);

    let path = format!("/Users/{id}");
    assert_eq!(server.get(&path).await.ok(), created.body);

    let patched =
        server.patch(&path, json!([{"op": "Replace", "path": "active", "value": "False"}])).await.ok();
    assert_eq!(patched["active"], false);
    assert_eq!(patched["meta"]["version"], "W/\"2\"");

    let replaced = server.put(&path, &json!({"schemas": [USER], "userName": "Ada", "id": id})).await.ok();
    assert_eq!(replaced["userName"], "Ada");
    assert_eq!(replaced["active"], false, "a PUT that does not name the state does not enable");
    assert_eq!(
        (replaced.get("externalId"), replaced.get(ENTERPRISE), replaced.get("emails")),
        (None, None, None)
    );
    assert_eq!(replaced["schemas"], json!([USER]));
    assert_eq!(replaced["meta"]["created"], created.body["meta"]["created"]);

    let deleted = server.delete(&path).await;
    assert_eq!((deleted.status, deleted.body), (204, Value::Null));
    server.get(&path).await.refused(404, None);
    server.put(&path, &json!({"schemas": [USER], "userName": "ada"})).await.refused(404, None);
    server.patch(&path, json!([{"op": "remove", "path": "title"}])).await.refused(404, None);
    server.delete(&path).await.refused(404, None);
    let again = server.user("ada", json!({})).await;
    assert_ne!(again, id);
}

#[tokio::test]
async fn user_names_are_unique_whatever_their_case_and_unicode_form() {
    let server = Server::start().await;
    server.user("Zoë", json!({})).await;
    let other = server.user("other", json!({})).await;
    for name in ["zoë", "ZOE\u{308}", "Zoë"] {
        server
            .post("/Users", &json!({"schemas": [USER], "userName": name}))
            .await
            .refused(409, Some("uniqueness"));
        let path = format!("/Users/{other}");
        server
            .put(&path, &json!({"schemas": [USER], "userName": name}))
            .await
            .refused(409, Some("uniqueness"));
        let operations = json!([{"op": "replace", "path": "userName", "value": name}]);
        server.patch(&path, operations).await.refused(409, Some("uniqueness"));
    }
    // One's own name in another case is no conflict.
    let operations = json!([{"op": "replace", "path": "userName", "value": "OTHER"}]);
    assert_eq!(server.patch(&format!("/Users/{other}"), operations).await.ok()["userName"], "OTHER");
    assert_eq!(server.names("/Users").await, ["Zoë", "OTHER"]);
}

#[tokio::test]
async fn a_password_is_never_returned_or_stored_readable() {
    let server = Server::start().await;
    let secret = "correct horse battery staple";
    let created =
        server.post("/Users", &json!({"schemas": [USER], "userName": "ada", "password": secret})).await;
    let path = format!("/Users/{}", created.created());
    let patched = server
        .patch(&path, json!([{"op": "replace", "path": "password", "value": format!("{secret} 2")}]))
        .await;
    let read = server.get(&format!("{path}?attributes=password,userName")).await;
    for answer in [created.body, patched.ok(), read.ok()] {
        assert_eq!(answer.get("password"), None);
    }
    server
        .get(&format!("/Users?filter={}", crate::support::encode("password sw \"c\"")))
        .await
        .refused(400, Some("invalidFilter"));
    server.get("/Users?sortBy=password").await.refused(400, Some("invalidPath"));
    for entry in std::fs::read_dir(server.folder.path()).expect("the folder is there") {
        let bytes =
            std::fs::read(entry.expect("the entry is readable").path()).expect("the file is readable");
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[tokio::test]
async fn what_changes_nothing_keeps_version_and_date() {
    let server = Server::start().await;
    let id = server.user("ada", json!({"title": "x"})).await;
    let path = format!("/Users/{id}");
    let before = server.get(&path).await.ok();
    assert_eq!(
        server.patch(&path, json!([{"op": "replace", "path": "title", "value": "x"}])).await.ok(),
        before
    );
    assert_eq!(server.put(&path, &before).await.ok(), before);
}

#[tokio::test]
async fn attributes_and_excluded_attributes_shape_every_answer() {
    let server = Server::start().await;
    let created = server
        .post("/Users?attributes=userName", &json!({"schemas": [USER], "userName": "ada", "title": "x"}))
        .await;
    let id = created.created();
    assert_eq!(created.body, json!({"schemas": [USER], "id": id, "userName": "ada"}));
    let read = server.get(&format!("/Users/{id}?excludedAttributes=meta,title,active")).await.ok();
    assert_eq!(read, json!({"schemas": [USER], "id": id, "userName": "ada"}));
    let list = server.get("/Users?attributes=title,meta.resourceType").await.ok();
    assert_eq!(
        list["Resources"],
        json!([{"schemas": [USER], "id": id, "title": "x", "meta": {"resourceType": "User"}}])
    );
}

#[tokio::test]
async fn a_directory_outlives_its_server_and_other_files_are_refused() {
    let server = Server::start().await;
    let id = server.user("ada", json!({})).await;
    let Server { folder, .. } = server;
    let file = folder.path().join("people.db");
    let reopened = Directory::open(&file).expect("the file of a directory opens again");
    let server = Server::with(folder, reopened).await;
    assert_eq!(server.get(&format!("/Users/{id}")).await.ok()["userName"], "ada");

    let other = server.folder.path().join("other.db");
    std::fs::write(&other, "not a database, but long enough to have been one".repeat(100))
        .expect("the file is written");
    assert!(Directory::open(&other).is_err());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "only the owner reads people's data");
    }
}
