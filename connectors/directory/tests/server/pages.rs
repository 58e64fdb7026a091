//! Pages by index and by cursor.

use serde_json::{Value, json};

use crate::support::{Server, encode};

async fn five() -> Server {
    let server = Server::start().await;
    for name in ["e", "d", "c", "b", "a"] {
        server.user(name, json!({"title": if name < "c" { "low" } else { "high" }})).await;
    }
    server
}

#[tokio::test]
async fn pages_by_index_are_bounded_by_what_is_there() {
    let server = five().await;
    for (query, start, names) in [
        ("", 1, vec!["e", "d", "c", "b", "a"]),
        ("count=2", 1, vec!["e", "d"]),
        ("startIndex=3&count=2", 3, vec!["c", "b"]),
        ("startIndex=5&count=2", 5, vec!["a"]),
        ("startIndex=6&count=2", 6, vec![]),
        ("startIndex=0&count=1", 1, vec!["e"]),
        ("startIndex=-4&count=-1", 1, vec![]),
        ("count=0", 1, vec![]),
        ("count=1000000", 1, vec!["e", "d", "c", "b", "a"]),
        ("startIndex=2&count=2&sortBy=userName", 2, vec!["b", "c"]),
    ] {
        let body = server.get(&format!("/Users?{query}")).await.ok();
        assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
        assert_eq!((&body["totalResults"], &body["startIndex"]), (&json!(5), &json!(start)), "{query}");
        assert_eq!(body["itemsPerPage"], json!(names.len()), "{query}");
        assert_eq!(server.names(&format!("/Users?{query}")).await, names, "{query}");
    }
    server.get("/Users?count=many").await.refused(400, Some("invalidValue"));
    server.get("/Users?startIndex=x").await.refused(400, Some("invalidValue"));
}

/// Follows cursors; `between` runs after each page.
async fn walk(server: &Server, query: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut names = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        assert!(page < 10, "the list ends");
        let body = server.get(&format!("/Users?{query}&cursor={cursor}")).await.ok();
        assert_eq!(body.get("startIndex"), None);
        for resource in body["Resources"].as_array().into_iter().flatten() {
            names.push(resource["userName"].as_str().unwrap_or_default().to_owned());
        }
        match body.get("nextCursor") {
            Some(Value::String(next)) => cursor.clone_from(next),
            other => {
                assert_eq!(other, None);
                break;
            }
        }
        between(page).await;
    }
    names
}

#[tokio::test]
async fn cursors_lead_through_every_list_once() {
    let server = five().await;
    let titled = format!("count=2&filter={}", encode("title eq \"high\""));
    for (query, expected) in [
        ("count=2", vec!["e", "d", "c", "b", "a"]),
        ("count=5", vec!["e", "d", "c", "b", "a"]),
        ("count=2&sortBy=userName", vec!["a", "b", "c", "d", "e"]),
        ("count=2&sortBy=userName&sortOrder=descending", vec!["e", "d", "c", "b", "a"]),
        ("count=1&sortBy=title", vec!["e", "d", "c", "b", "a"]),
        (titled.as_str(), vec!["e", "d", "c"]),
    ] {
        assert_eq!(walk(&server, query, async |_| {}).await, expected, "{query}");
    }
}

#[tokio::test]
async fn what_comes_and_goes_between_pages_hides_nothing() {
    let server = five().await;
    let ids: Vec<String> = server.get("/Users").await.ok()["Resources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|user| user["id"].as_str().map(str::to_owned))
        .collect();
    let names = walk(&server, "count=2", async |page| {
        // The last one that was sent goes, and one that was not sent yet is new.
        if page == 0 {
            server.delete(&format!("/Users/{}", ids[1])).await;
            server.user("f", json!({})).await;
        }
    })
    .await;
    assert_eq!(names, ["e", "d", "c", "b", "a", "f"]);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_query_only() {
    let server = five().await;
    let next =
        server.get("/Users?count=2&cursor=").await.ok()["nextCursor"].as_str().unwrap_or_default().to_owned();
    server
        .get(&format!("/Users?count=2&cursor={next}&sortBy=userName"))
        .await
        .refused(400, Some("invalidCursor"));
    server.get(&format!("/Groups?count=2&cursor={next}")).await.refused(400, Some("invalidCursor"));
    server.get("/Users?cursor=VHpqdw").await.refused(400, Some("invalidCursor"));
    server.get("/Users?cursor=&count=x").await.refused(400, Some("invalidCount"));
    server.get("/Users?cursor=&startIndex=1").await.refused(400, Some("invalidValue"));
}
