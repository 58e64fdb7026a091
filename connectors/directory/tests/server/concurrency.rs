//! Many clients at once.

use std::sync::Arc;

use serde_json::json;

use crate::support::{Server, USER};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_want_a_name_one_gets_it() {
    let server = Arc::new(Server::start().await);
    let attempts: Vec<_> = (0..20)
        .map(|index| {
            let server = Arc::clone(&server);
            let name = if index % 2 == 0 { "ada" } else { "ADA" };
            tokio::spawn(async move {
                server.post("/Users", &json!({"schemas": [USER], "userName": name})).await.status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(attempt.await.expect("no request panics"));
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, [409; 19].as_slice()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_added_at_the_same_time_are_all_there() {
    let server = Arc::new(Server::start().await);
    let group = server.group("staff", &[]).await;
    let joins: Vec<_> = (0..20)
        .map(|index| {
            let (server, path) = (Arc::clone(&server), format!("/Groups/{group}"));
            tokio::spawn(async move {
                let user = server.user(&format!("user{index}"), json!({})).await;
                server
                    .patch(&path, json!([{"op": "add", "path": "members", "value": [{"value": user}]}]))
                    .await
                    .ok();
            })
        })
        .collect();
    for join in joins {
        join.await.expect("no request panics");
    }
    let read = server.get(&format!("/Groups/{group}")).await.ok();
    assert_eq!(read["members"].as_array().map(Vec::len), Some(20));
    assert_eq!(read["meta"]["version"], "W/\"21\"");
}
