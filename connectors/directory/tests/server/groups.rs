//! Groups: members both ways.

use serde_json::{Value, json};

use crate::support::{GROUP, Server};

fn values(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|element| element["value"].as_str()).collect()
}

#[tokio::test]
async fn members_and_groups_are_two_sides_of_the_same() {
    let server = Server::start().await;
    let ada = server.user("ada", json!({"displayName": "Ada"})).await;
    let bob = server.user("bob", json!({})).await;
    let group = server.group("staff", &[&ada]).await;
    let path = format!("/Groups/{group}");

    let read = server.get(&path).await.ok();
    let reference = format!("{}/Users/{ada}", server.base);
    assert_eq!(read["members"], json!([{"value": ada, "$ref": reference, "display": "Ada", "type": "User"}]));
    let user = server.get(&format!("/Users/{ada}")).await.ok();
    let reference = format!("{}/Groups/{group}", server.base);
    assert_eq!(
        user["groups"],
        json!([{"value": group, "$ref": reference, "display": "staff", "type": "direct"}])
    );

    let added =
        server.patch(&path, json!([{"op": "Add", "path": "members", "value": [{"value": bob}]}])).await.ok();
    assert_eq!(values(&added["members"]), [&ada, &bob]);
    let again =
        server.patch(&path, json!([{"op": "add", "path": "members", "value": [{"value": bob}]}])).await.ok();
    assert_eq!(again, added, "a member that is there already changes nothing");
    let removed = server
        .patch(&path, json!([{"op": "Remove", "path": "members", "value": [{"value": ada}]}]))
        .await
        .ok();
    assert_eq!(values(&removed["members"]), [&bob]);
    assert_eq!(server.get(&format!("/Users/{ada}")).await.ok().get("groups"), None);
    let path_with_filter = format!("members[value eq \"{}\"]", bob.to_uppercase());
    let removed = server.patch(&path, json!([{"op": "remove", "path": path_with_filter}])).await.ok();
    assert_eq!(removed.get("members"), None);

    let body = json!({"schemas": [GROUP], "displayName": "crew", "members": [{"value": bob}, {"value": ada}, {"value": bob}]});
    assert_eq!(values(&server.put(&path, &body).await.ok()["members"]), [&ada, &bob]);
    assert_eq!(server.get(&format!("/Users/{ada}")).await.ok()["groups"][0]["display"], "crew");
    let filter = format!("members.value eq \"{ada}\"");
    assert_eq!(server.matching("/Groups", &filter).await, ["crew"]);
    assert_eq!(server.matching("/Users", &format!("groups.value eq \"{group}\"")).await, ["ada", "bob"]);
    assert_eq!(
        server.matching("/Users", "groups[display eq \"CREW\"] and userName eq \"bob\"").await,
        ["bob"]
    );
    assert_eq!(
        server.put(&path, &json!({"schemas": [GROUP], "displayName": "crew"})).await.ok().get("members"),
        None
    );
}

#[tokio::test]
async fn a_deleted_user_is_in_no_group_and_the_groups_change() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada", json!({})).await, server.user("bob", json!({})).await);
    let group = server.group("staff", &[&ada, &bob]).await;
    let path = format!("/Groups/{group}");
    let before = server.get(&path).await;
    assert_eq!(server.delete(&format!("/Users/{ada}")).await.status, 204);
    let after = server.get(&path).await;
    assert_eq!(values(&after.body["members"]), [&bob]);
    assert_ne!(before.header("etag"), after.header("etag"));
    assert_eq!(server.delete(&path).await.status, 204);
    assert_eq!(server.get(&format!("/Users/{bob}")).await.ok().get("groups"), None);
}

#[tokio::test]
async fn a_renamed_member_is_shown_by_its_new_name() {
    let server = Server::start().await;
    let ada = server.user("ada", json!({"displayName": "Ada"})).await;
    let group = server.group("staff", &[&ada]).await;
    let path = format!("/Groups/{group}");
    let before = server.get(&path).await;
    server
        .patch(&format!("/Users/{ada}"), json!([{"op": "replace", "path": "displayName", "value": "Adah"}]))
        .await
        .ok();
    let after = server.get(&path).await;
    assert_eq!(after.body["members"][0]["display"], "Adah");
    assert_ne!(before.header("etag"), after.header("etag"));
    // A display that the client gave stays.
    let given = json!([{"op": "replace", "path": "members", "value": [{"value": ada, "display": "boss"}]}]);
    server.patch(&path, json!([{"op": "remove", "path": "members"}])).await.ok();
    assert_eq!(server.patch(&path, given).await.ok()["members"][0]["display"], "boss");
}

#[tokio::test]
async fn groups_in_groups_reach_the_user_indirectly() {
    let server = Server::start().await;
    let ada = server.user("ada", json!({})).await;
    let inner = server.group("inner", &[&ada]).await;
    let middle = server.group("middle", &[&inner]).await;
    let outer = server.group("outer", &[&middle, &ada]).await;
    let groups = |user: Value| {
        let list = user["groups"].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|g| format!("{} {}", g["display"].as_str().unwrap_or(""), g["type"].as_str().unwrap_or("")))
            .collect::<Vec<_>>()
    };
    let path = format!("/Users/{ada}");
    assert_eq!(groups(server.get(&path).await.ok()), ["inner direct", "outer direct", "middle indirect"]);
    assert_eq!(server.get(&format!("/Groups/{outer}")).await.ok()["members"][1]["type"], "Group");
    // A circle is no endless way.
    server
        .patch(
            &format!("/Groups/{inner}"),
            json!([{"op": "add", "path": "members", "value": [{"value": outer}]}]),
        )
        .await
        .ok();
    assert_eq!(groups(server.get(&path).await.ok()), ["inner direct", "outer direct", "middle indirect"]);
    let own = json!([{"op": "add", "path": "members", "value": [{"value": inner}]}]);
    server.patch(&format!("/Groups/{inner}"), own).await.refused(400, Some("invalidValue"));
    server.delete(&format!("/Groups/{middle}")).await;
    assert_eq!(groups(server.get(&path).await.ok()), ["inner direct", "outer direct"]);
}

#[tokio::test]
async fn a_member_that_is_nobody_is_kept_and_can_be_removed() {
    let server = Server::start().await;
    let ada = server.user("ada", json!({})).await;
    let group = server.group("staff", &[&ada, "nobody"]).await;
    let path = format!("/Groups/{group}");
    assert_eq!(server.get(&path).await.ok()["members"][1], json!({"value": "nobody"}));
    assert_eq!(server.matching("/Groups", "members[value eq \"Nobody\"]").await, ["staff"]);
    let removed =
        server.patch(&path, json!([{"op": "remove", "path": "members[value eq \"nobody\"]"}])).await.ok();
    assert_eq!(values(&removed["members"]), [&ada]);
    let body = json!({"schemas": [GROUP], "displayName": "staff", "members": [{"value": "other"}]});
    assert_eq!(values(&server.put(&path, &body).await.ok()["members"]), ["other"]);
    let none = server.patch(&path, json!([{"op": "remove", "path": "members"}])).await.ok();
    assert_eq!(none.get("members"), None);
}

#[tokio::test]
async fn members_can_be_left_out_of_answers() {
    let server = Server::start().await;
    let ada = server.user("ada", json!({})).await;
    let group = server.group("staff", &[&ada]).await;
    let list = server.get("/Groups?excludedAttributes=members").await.ok();
    assert_eq!(list["Resources"][0].get("members"), None);
    let read = server.get(&format!("/Groups/{group}?attributes=members.value")).await.ok();
    assert_eq!(read, json!({"schemas": [GROUP], "id": group, "members": [{"value": ada}]}));
}
