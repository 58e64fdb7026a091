//! Filters and order on lists. The operators themselves are tested with the evaluator.

use serde_json::json;

use crate::support::{ENTERPRISE, Server, encode};

async fn people() -> Server {
    let server = Server::start().await;
    for (name, external, department, active) in
        [("Bob", "b", "Looms", true), ("alice", "A", "Engines", false), ("Carol", "a", "engines", true)]
    {
        let email = format!("{name}@Example.com");
        let more = json!({"externalId": external, "displayName": format!("{name} Osei"), "active": active,
            "emails": [{"value": email, "type": "work"}, {"value": format!("{name}@home.example"), "type": "home"}],
            ENTERPRISE: {"department": department}});
        server.user(name, more).await;
    }
    server
}

#[tokio::test]
async fn filters_find_by_index_and_by_scan_alike() {
    let server = people().await;
    for (filter, expected) in [
        ("userName eq \"ALICE\"", vec!["alice"]),
        ("externalId eq \"a\"", vec!["Carol"]),
        ("displayName eq \"bob osei\"", vec!["Bob"]),
        ("emails.value eq \"CAROL@example.com\"", vec!["Carol"]),
        ("emails[type eq \"work\" and value eq \"bob@home.example\"]", vec![]),
        ("emails[type eq \"home\" and value eq \"bob@home.example\"]", vec!["Bob"]),
        (
            "userName eq \"bob\" or userName eq \"Carol\" or externalId eq \"A\"",
            vec!["Bob", "alice", "Carol"],
        ),
        ("active eq true and not (userName eq \"bob\")", vec!["Carol"]),
        ("userName co \"o\"", vec!["Bob", "Carol"]),
        ("nickName pr", vec![]),
        ("meta.resourceType eq \"User\"", vec!["Bob", "alice", "Carol"]),
        ("meta.lastModified gt \"2020-01-01T00:00:00Z\" and active eq false", vec!["alice"]),
        ("meta.lastModified lt \"2020-01-01T00:00:00Z\"", vec![]),
        ("meta.version eq \"W/\\\"1\\\"\" and userName eq \"bob\"", vec!["Bob"]),
    ] {
        assert_eq!(server.matching("/Users", filter).await, expected, "{filter}");
    }
    let department = format!("{ENTERPRISE}:department eq \"ENGINES\"");
    assert_eq!(server.matching("/Users", &department).await, ["alice", "Carol"]);
    let id = server.get("/Users?filter=userName%20eq%20%22bob%22").await.ok()["Resources"][0]["id"].clone();
    assert_eq!(server.matching("/Users", &format!("id eq {id}")).await, ["Bob"]);
}

#[tokio::test]
async fn lists_are_sorted_by_what_counts_in_a_value() {
    let server = people().await;
    server.user("dan", json!({})).await;
    for (query, expected) in [
        ("sortBy=userName", ["alice", "Bob", "Carol", "dan"]),
        ("sortBy=userName&sortOrder=descending", ["dan", "Carol", "Bob", "alice"]),
        ("sortBy=externalId", ["alice", "Carol", "Bob", "dan"]),
        ("sortBy=externalId&sortOrder=descending", ["dan", "Bob", "Carol", "alice"]),
        ("sortBy=emails", ["alice", "Bob", "Carol", "dan"]),
        ("sortBy=meta.created&sortOrder=ascending", ["Bob", "alice", "Carol", "dan"]),
        ("sortBy=active", ["alice", "Bob", "Carol", "dan"]),
    ] {
        assert_eq!(server.names(&format!("/Users?{query}")).await, expected, "{query}");
    }
    server.get("/Users?sortBy=nosuch").await.refused(400, Some("invalidPath"));
    server.get("/Users?sortBy=name").await.refused(400, Some("invalidPath"));
    server.get("/Users?sortBy=userName&sortOrder=up").await.refused(400, Some("invalidValue"));
}

#[tokio::test]
async fn a_search_by_post_is_the_same_as_by_get() {
    let server = people().await;
    server.group("staff", &[]).await;
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "active eq true", "sortBy": "userName", "sortOrder": "descending", "startIndex": 1, "count": 1,
        "attributes": ["userName"]});
    let found = server.post("/Users/.search", &search).await.ok();
    assert_eq!((&found["totalResults"], &found["itemsPerPage"]), (&json!(2), &json!(1)));
    assert_eq!(found["Resources"][0]["userName"], "Carol");
    assert_eq!(found["Resources"][0].get("active"), None);

    // At the base all resource types are searched; what one of them does not have has no value there.
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "displayName eq \"staff\" or userName eq \"bob\""});
    assert_eq!(server.post("/.search", &search).await.names(), ["Bob", "staff"]);
    assert_eq!(server.matching("", "meta.resourceType eq \"Group\"").await, ["staff"]);
    server.post("/.search", &json!({"filter": "userName pr"})).await.refused(400, Some("invalidSyntax"));
    let search = json!({"schemas": search["schemas"], "count": "5"});
    server.post("/Users/.search", &search).await.refused(400, Some("invalidValue"));
}

#[tokio::test]
async fn what_is_no_filter_is_refused() {
    let server = people().await;
    for filter in
        ["", "userName", "nosuch eq \"x\"", "active gt true", "userName eq 5", "userName eq \"x\" and"]
    {
        server.get(&format!("/Users?filter={}", encode(filter))).await.refused(400, Some("invalidFilter"));
    }
    let deep = format!("{}userName pr{}", "(".repeat(1_000), ")".repeat(1_000));
    server.get(&format!("/Users?filter={}", encode(&deep))).await.refused(400, Some("invalidFilter"));
    server.get("/Users?filter=userName%20eq%20%22%FF%22").await.refused(400, Some("invalidValue"));
}
