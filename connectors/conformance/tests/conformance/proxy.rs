//! The fault proxy in front of a tiny list of things.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::routing::{get, put};
use axum::{Json, Router};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use provost_conformance::proxy::{Elements, Fault, Pages, Proxy, Script};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

type Things = Arc<Mutex<BTreeMap<String, String>>>;
type Failure = Box<dyn std::error::Error>;

/// Serves `/things?from=N&count=N`, in pages of two without `count`, and `/things/NAME`.
async fn upstream() -> Result<(String, Things), Failure> {
    let things: Things = Arc::default();
    let app = Router::new()
        .route(
            "/things",
            get(|State(things): State<Things>, Query(query): Query<BTreeMap<String, usize>>| async move {
                let things = things.lock().expect("no other test panics with it");
                let from = query.get("from").copied().unwrap_or(0);
                let count = query.get("count").copied().unwrap_or(2);
                let page: Vec<&String> = things.keys().skip(from).take(count).collect();
                Json(json!({"total": things.len(), "Resources": page}))
            }),
        )
        .route(
            "/things/{name}",
            put(|State(things): State<Things>, Path(name): Path<String>, body: String| async move {
                things.lock().expect("no other test panics with it").insert(name, body);
            })
            .get(|State(things): State<Things>, Path(name): Path<String>| async move {
                things
                    .lock()
                    .expect("no other test panics with it")
                    .get(&name)
                    .cloned()
                    .ok_or(StatusCode::NOT_FOUND)
            }),
        )
        .with_state(things.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((address, things))
}

struct Answer {
    status: StatusCode,
    retry_after: Option<String>,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// One request on a connection of its own. An error is a cut connection.
async fn call(address: &str, method: Method, path: &str, body: &'static str) -> Result<Answer, Failure> {
    let host = address.trim_start_matches("http://");
    let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(host).await?)).await?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .body(Full::new(Bytes::from(body)))?;
    let answer = sender.send_request(request).await?;
    let retry_after =
        answer.headers().get("retry-after").map(|value| value.to_str().map(str::to_owned)).transpose()?;
    let status = answer.status();
    Ok(Answer { status, retry_after, body: answer.into_body().collect().await?.to_bytes() })
}

async fn started(listed: Vec<Option<Fault>>) -> Result<(Proxy, Things), Failure> {
    let (address, things) = upstream().await?;
    let proxy = Proxy::start(&address, Script::Listed(listed), pages()).await?;
    Ok((proxy, things))
}

fn pages() -> Pages {
    Pages { elements: Elements::Under("Resources".into()), most: None }
}

fn fill(things: &Things) {
    let mut things = things.lock().expect("no other test panics with it");
    for name in ["a", "b", "c"] {
        things.insert(name.into(), String::new());
    }
}

#[tokio::test]
async fn without_a_fault_everything_passes_through() -> Result<(), Failure> {
    let (proxy, things) = started(vec![]).await?;
    let put = call(&proxy.address(), Method::PUT, "/things/x", "kept").await?;
    assert_eq!(put.status, StatusCode::OK);
    assert_eq!(things.lock().expect("nobody panics")["x"], "kept");
    let got = call(&proxy.address(), Method::GET, "/things/x", "").await?;
    assert_eq!(&got.body[..], b"kept");
    assert_eq!((proxy.requests(), proxy.faults().len()), (2, 0));
    Ok(())
}

#[tokio::test]
async fn what_is_refused_does_not_reach_the_upstream() -> Result<(), Failure> {
    let faults =
        vec![Some(Fault::RateLimit { seconds: 7 }), Some(Fault::Unavailable), Some(Fault::CutBefore)];
    let (proxy, things) = started(faults).await?;
    let limited = call(&proxy.address(), Method::PUT, "/things/x", "kept").await?;
    assert_eq!((limited.status, limited.retry_after.as_deref()), (StatusCode::TOO_MANY_REQUESTS, Some("7")));
    let down = call(&proxy.address(), Method::PUT, "/things/x", "kept").await?;
    assert_eq!(down.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(call(&proxy.address(), Method::PUT, "/things/x", "kept").await.is_err());
    assert!(things.lock().expect("nobody panics").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_after_forwarding_has_done_the_write() -> Result<(), Failure> {
    let (proxy, things) = started(vec![Some(Fault::CutAfter)]).await?;
    assert!(call(&proxy.address(), Method::PUT, "/things/x", "kept").await.is_err());
    assert_eq!(things.lock().expect("nobody panics")["x"], "kept");
    assert_eq!(proxy.faults(), BTreeMap::from([("cut-after", 1)]));
    Ok(())
}

#[tokio::test]
async fn a_write_that_did_nothing_is_answered_as_done() -> Result<(), Failure> {
    let (proxy, things) = started(vec![Some(Fault::DidNothing), Some(Fault::DidNothing)]).await?;
    things.lock().expect("nobody panics").insert("x".into(), "old".into());
    let put = call(&proxy.address(), Method::PUT, "/things/x", "new").await?;
    assert_eq!((put.status, &put.body[..]), (StatusCode::OK, &b"old"[..]));
    let made = call(&proxy.address(), Method::POST, "/things", r#"{"name": "y"}"#).await?;
    assert_eq!((made.status, made.json()?["name"].clone()), (StatusCode::CREATED, json!("y")));
    assert_eq!(things.lock().expect("nobody panics").len(), 1);
    assert_eq!(things.lock().expect("nobody panics")["x"], "old");
    Ok(())
}

#[tokio::test]
async fn pages_are_short_or_repeated_and_their_totals_stay() -> Result<(), Failure> {
    let (proxy, things) = started(vec![
        None,
        Some(Fault::RepeatedPage),
        Some(Fault::ShortPage),
        None,
        Some(Fault::RepeatedPage),
    ])
    .await?;
    fill(&things);
    let first = call(&proxy.address(), Method::GET, "/things?from=0", "").await?.json()?;
    let repeated = call(&proxy.address(), Method::GET, "/things?from=2", "").await?.json()?;
    assert_eq!(first, repeated);
    let short = call(&proxy.address(), Method::GET, "/things?from=0", "").await?.json()?;
    assert_eq!(short, json!({"total": 3, "Resources": ["a"]}));
    // The same page asked for again is no repetition, and a single thing is no page.
    let page = call(&proxy.address(), Method::GET, "/things?from=2", "").await?.json()?;
    assert_eq!(page, json!({"total": 3, "Resources": ["c"]}));
    let single = call(&proxy.address(), Method::GET, "/things/a", "").await?;
    assert_eq!(single.status, StatusCode::OK);
    assert_eq!(proxy.faults(), BTreeMap::from([("repeated-page", 1), ("short-page", 1)]));
    Ok(())
}

#[tokio::test]
async fn only_another_page_of_the_same_list_is_repeated_and_none_from_before_a_change() -> Result<(), Failure>
{
    let repeated = || Some(Fault::RepeatedPage);
    let (proxy, things) = started(vec![None, repeated(), None, None, repeated()]).await?;
    fill(&things);
    let page = async |query: &str| -> Result<Value, Failure> {
        call(&proxy.address(), Method::GET, &format!("/things?{query}"), "").await?.json()
    };
    page("from=0").await?;
    // Two parameters differ: this is another list.
    assert_eq!(page("from=2&size=9").await?["Resources"], json!(["c"]));
    page("from=0").await?;
    call(&proxy.address(), Method::PUT, "/things/d", "").await?;
    assert_eq!(page("from=2").await?["Resources"], json!(["c", "d"]));
    assert_eq!(proxy.faults(), BTreeMap::new());
    Ok(())
}

#[tokio::test]
async fn pages_are_as_small_as_they_are_made() -> Result<(), Failure> {
    let (address, things) = upstream().await?;
    fill(&things);
    let pages = Pages { most: Some(("count", 2)), ..pages() };
    let proxy = Proxy::start(&address, Script::Listed(vec![]), pages).await?;
    for (asked, given) in [("count=3", 2), ("from=1&count=1000", 2), ("count=1&from=1", 1), ("count=0", 0)] {
        let page = call(&proxy.address(), Method::GET, &format!("/things?{asked}"), "").await?.json()?;
        assert_eq!(page["Resources"].as_array().map(Vec::len), Some(given), "{asked}");
        assert_eq!(page["total"], 3);
    }
    Ok(())
}

#[tokio::test]
async fn every_fault_happens_at_its_first_chance_whatever_the_seed() -> Result<(), Failure> {
    for seed in 0..40 {
        let (address, things) = upstream().await?;
        fill(&things);
        // One request in a billion: none of these is drawn.
        let script = Script::Seeded { seed, one_in: 1_000_000_000, faults: Fault::all() };
        let proxy = Proxy::start(&address, script, pages()).await?;
        // Three other requests, that the six which need no list get their chance, each with the try that is spared.
        for request in ["a", "b", "c"] {
            for _ in 0..4 {
                let _refused = call(&proxy.address(), Method::GET, &format!("/things/{request}"), "").await;
            }
        }
        for _ in 0..2 {
            let _undone = call(&proxy.address(), Method::PUT, "/things/d", "new").await;
        }
        for _ in 0..3 {
            for from in ["0", "2", "3"] {
                call(&proxy.address(), Method::GET, &format!("/things?from={from}"), "").await?;
            }
        }
        let happened: Vec<_> = proxy.faults().into_iter().collect();
        assert!(happened.iter().all(|(_, times)| *times == 1), "{seed}: {happened:?}");
        assert_eq!(happened.len(), Fault::all().len(), "{seed}: {happened:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_answer_is_the_right_one() -> Result<(), Failure> {
    let time = Duration::from_millis(40);
    let (proxy, things) = started(vec![Some(Fault::Slow(time))]).await?;
    fill(&things);
    let started = std::time::Instant::now();
    let page = call(&proxy.address(), Method::GET, "/things", "").await?.json()?;
    assert!(started.elapsed() >= time);
    assert_eq!(page["Resources"], json!(["a", "b"]));
    Ok(())
}

#[tokio::test]
async fn the_same_seed_brings_the_same_faults_and_never_two_in_a_row_to_one_request() -> Result<(), Failure> {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (address, things) = upstream().await?;
        fill(&things);
        let faults = vec![Fault::Unavailable, Fault::RateLimit { seconds: 0 }];
        let script = Script::Seeded { seed: 4711, one_in: 2, faults };
        let proxy = Proxy::start(&address, script, Pages::default()).await?;
        let mut statuses = Vec::new();
        for _ in 0..60 {
            statuses.push(call(&proxy.address(), Method::GET, "/things/a", "").await?.status);
        }
        let refused = statuses.iter().filter(|status| **status != StatusCode::OK).count();
        assert!((8..=30).contains(&refused), "{refused} of 60 requests were refused");
        assert!(statuses.windows(2).all(|two| two[0] == StatusCode::OK || two[1] == StatusCode::OK));
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_is_no_http_address_is_refused() {
    for upstream in ["https://localhost:1", "localhost", "not an address"] {
        assert!(
            Proxy::start(upstream, Script::Listed(vec![]), Pages::default()).await.is_err(),
            "{upstream}"
        );
    }
}
