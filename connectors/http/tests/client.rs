//! The client against servers that answer badly, late, twice or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method as Verb, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use provost_http::{Auth, Client, Config, Method, Request, header, in_doubt, kind, retry_after, segment};
use provost_sdk::{ErrorKind, SecretString, Settings};
use serde_json::json;
use tokio::sync::Semaphore;

type Play = Box<dyn Fn(usize, &Verb, &str) -> Response + Send + Sync>;

/// A server whose answer to the n-th call is given by a function of n, the verb and the path.
struct Scene {
    answer: Play,
    calls: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    gate: Option<Semaphore>,
}

async fn serve(scene: Scene) -> (Arc<Scene>, String) {
    let scene = Arc::new(scene);
    let app = Router::new().fallback(handle).with_state(scene.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (scene, url)
}

async fn handle(State(scene): State<Arc<Scene>>, verb: Verb, uri: Uri) -> Response {
    let count = scene.calls.fetch_add(1, Ordering::SeqCst);
    let now = scene.now.fetch_add(1, Ordering::SeqCst) + 1;
    scene.most.fetch_max(now, Ordering::SeqCst);
    if let Some(gate) = &scene.gate {
        drop(gate.acquire().await.unwrap());
    }
    scene.now.fetch_sub(1, Ordering::SeqCst);
    (scene.answer)(count, &verb, uri.path())
}

async fn scene(
    answer: impl Fn(usize, &Verb, &str) -> Response + Send + Sync + 'static,
) -> (Arc<Scene>, String) {
    serve(Scene {
        answer: Box::new(answer),
        calls: AtomicUsize::new(0),
        now: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        gate: None,
    })
    .await
}

pub fn settings(url: &str) -> Settings {
    let mut settings = Settings { target: "forge".to_owned(), ..Settings::default() };
    settings.config.insert("url".to_owned(), url.into());
    settings.secrets.insert("token".to_owned(), SecretString::from("s3cret".to_owned()));
    settings
}

fn client(url: &str) -> Client {
    Client::new(Config::from_settings(&settings(url)).unwrap()).unwrap()
}

fn get(path: &str) -> Request {
    Request::new(Method::GET, path)
}

fn post(path: &str) -> Request {
    Request::new(Method::POST, path).json("application/json", &json!({}))
}

fn ok() -> Response {
    axum::Json(json!({ "ok": true })).into_response()
}

fn cut() -> Response {
    let failing = async { Err::<Bytes, _>(std::io::Error::other("cut")) };
    Body::from_stream(futures::stream::once(failing)).into_response()
}

#[tokio::test]
async fn a_read_is_tried_again_until_it_works() {
    let (scene, url) = scene(|count, _, _| match count {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        2 => cut(),
        _ => ok(),
    })
    .await;
    let client = client(&url);
    let answer = client.send(get("/things")).await.unwrap();
    assert_eq!(answer.json().unwrap(), json!({ "ok": true }));
    assert_eq!((client.calls(), scene.calls.load(Ordering::SeqCst)), (4, 4));
}

#[tokio::test]
async fn a_read_is_not_tried_for_ever() {
    let (_, url) = scene(|_, _, _| StatusCode::BAD_GATEWAY.into_response()).await;
    let client = client(&url);
    let error = client.send(get("/things")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(!error.may_have_landed);
    assert_eq!(client.calls(), 4);
}

#[tokio::test]
async fn a_write_that_was_turned_away_is_tried_again() {
    let (_, url) = scene(|count, _, _| match count {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => ok(),
    })
    .await;
    assert!(client(&url).send(post("/things")).await.unwrap().is_success());
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_in_doubt_and_sent_once() {
    let (scene, url) = scene(|_, _, _| cut()).await;
    let error = client(&url).send(post("/things")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.may_have_landed);
    assert_eq!(scene.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_write_that_a_gateway_lost_is_in_doubt() {
    let (_, url) = scene(|_, _, _| StatusCode::GATEWAY_TIMEOUT.into_response()).await;
    let answer = client(&url).send(post("/things")).await.unwrap();
    let error = answer.error("no answer from behind");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.may_have_landed);
    assert_eq!(error.to_string(), "POST /things was answered with 504: no answer from behind.");
}

#[tokio::test]
async fn a_write_to_nobody_has_certainly_not_landed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url).send(post("/things")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(!error.may_have_landed);
}

#[tokio::test]
async fn more_patience_than_a_call_has_is_the_callers_business() {
    let (scene, url) =
        scene(|_, _, _| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")]).into_response()).await;
    let before = Timestamp::now();
    let error = client(&url).send(get("/things")).await.unwrap_err();
    let ErrorKind::RateLimited { until: Some(until) } = error.kind else { panic!("{error:?}") };
    let wait = until.duration_since(before);
    assert!(wait >= SignedDuration::from_secs(3590) && wait <= SignedDuration::from_secs(3660), "{wait:?}");
    assert_eq!(scene.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_call_ends_by_its_own_timeout() {
    let answer: Play = Box::new(|_, _, _| ok());
    let (_, url) = serve(Scene {
        answer,
        calls: AtomicUsize::new(0),
        now: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        gate: Some(Semaphore::new(0)),
    })
    .await;
    let mut settings = settings(&url);
    settings.limits.timeout = Duration::from_millis(50);
    let client = Client::new(Config::from_settings(&settings).unwrap()).unwrap();
    let error = client.send(post("/things")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.may_have_landed);
    assert!(!client.send(get("/things")).await.unwrap_err().may_have_landed);
}

#[tokio::test]
async fn no_more_calls_than_the_limit_are_under_way() {
    let answer: Play = Box::new(|_, _, _| ok());
    let (scene, url) = serve(Scene {
        answer,
        calls: AtomicUsize::new(0),
        now: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        gate: Some(Semaphore::new(0)),
    })
    .await;
    let mut settings = settings(&url);
    settings.limits.concurrency = 3;
    let client = Client::new(Config::from_settings(&settings).unwrap()).unwrap();
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send(get("/things")).await })
        })
        .collect();
    while scene.now.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    scene.gate.as_ref().unwrap().add_permits(1);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(scene.most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_page_for_people_is_no_answer() {
    let (_, url) = scene(|_, _, _| ([("content-type", "text/html")], "<p>log in</p>").into_response()).await;
    let client = client(&url);
    let error = client.send(get("/things")).await.unwrap().json().unwrap_err();
    assert_eq!((error.kind, error.may_have_landed), (ErrorKind::InvalidResponse, false));
    let error = client.send(post("/things")).await.unwrap().json().unwrap_err();
    assert_eq!((error.kind, error.may_have_landed), (ErrorKind::InvalidResponse, true));
}

#[tokio::test]
async fn broken_json_is_an_error_that_shows_none_of_it() {
    let (_, url) =
        scene(|_, _, _| ([("content-type", "application/scim+json")], "{\"a\": s3cret").into_response())
            .await;
    let error = client(&url).send(get("/things")).await.unwrap().json().unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidResponse);
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let (_, url) = scene(|_, _, _| "x".repeat(10_000).into_response()).await;
    let mut settings = settings(&url);
    settings.limits.max_response = 9_999;
    let client = Client::new(Config::from_settings(&settings).unwrap()).unwrap();
    let error = client.send(get("/things")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidResponse);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (scene, url) = scene(|_, _, path| match path {
        "/api/things" => (StatusCode::TEMPORARY_REDIRECT, [("location", "/api/others?q=s")]).into_response(),
        _ => ok(),
    })
    .await;
    let client = client(&url);
    for request in [get("/things"), post("/things"), Request::new(Method::DELETE, "/things")] {
        let error = client.send(request).await.unwrap_err();
        assert_eq!((error.kind.clone(), error.may_have_landed), (ErrorKind::InvalidResponse, false));
        assert!(error.to_string().contains("to /api/others:"), "{error}");
    }
    assert_eq!(scene.calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_request_is_what_was_asked() {
    let (_, url) =
        scene(|_, verb, path| axum::Json(json!({ "verb": verb.as_str(), "path": path })).into_response())
            .await;
    let client = client(&url);
    let path = format!("/users/{}", segment("a/b ü?").unwrap());
    let answer = client.send(get(&path).query("filter", "a eq \"b+c\"")).await.unwrap();
    assert_eq!(answer.json().unwrap()["path"], "/api/users/a%2Fb%20%C3%BC%3F");
    assert!(answer.date().is_some());
    let error = get(&path).header(header::IF_MATCH, "two\nlines").unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidValue);
}

#[test]
fn segments_that_would_be_another_resource_are_refused() {
    for text in ["", ".", ".."] {
        assert_eq!(segment(text).unwrap_err().kind, ErrorKind::InvalidValue);
    }
    assert_eq!(segment("...").unwrap(), "...");
    assert_eq!(segment("../x").unwrap(), "..%2Fx");
    assert_eq!(segment("%2e%2e").unwrap(), "%252e%252e");
}

#[test]
fn retry_after_is_read_in_seconds_and_as_a_date() {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for (text, seconds) in [
        ("120", Some(120)),
        (" 0 ", Some(0)),
        ("Thu, 01 Jan 2026 00:01:00 GMT", Some(60)),
        ("soon", None),
        ("-5", None),
        ("99999999999999", None),
    ] {
        let headers = [(header::RETRY_AFTER, text.parse().unwrap())].into_iter().collect();
        let until = seconds.map(|seconds| now + SignedDuration::from_secs(seconds));
        assert_eq!(retry_after(&headers, now), until, "{text}");
    }
}

#[test]
fn a_status_has_a_kind_and_may_have_landed_or_not() {
    for (status, expected, doubt) in [
        (400, ErrorKind::InvalidValue, false),
        (401, ErrorKind::InvalidCredential, false),
        (403, ErrorKind::PermissionDenied, false),
        (404, ErrorKind::NotFound, false),
        (409, ErrorKind::Conflict, false),
        (429, ErrorKind::RateLimited { until: None }, false),
        (500, ErrorKind::Unavailable, true),
        (501, ErrorKind::Unsupported, false),
        (503, ErrorKind::Unavailable, false),
        (504, ErrorKind::Unavailable, true),
        (299, ErrorKind::InvalidResponse, false),
    ] {
        assert_eq!((kind(status), in_doubt(status)), (expected, doubt), "{status}");
    }
}

#[test]
fn settings_that_would_leak_the_credential_are_refused() {
    for (url, word) in [
        ("http://forge.example.com", "plain http"),
        ("http://127.0.0.1.example.com", "plain http"),
        ("https://me:s3cret@forge.example.com", "holds a credential"),
        ("https://forge.example.com/?token=s3cret", "no query"),
        ("ftp://forge.example.com", "https://"),
        ("forge", "no URL"),
    ] {
        let error = Config::from_settings(&settings(url)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration, "{url}");
        assert!(error.to_string().contains(word), "{url}: {error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    let mut allowed = settings("http://forge.example.com/api/");
    allowed.config.insert("allow_plain_http".to_owned(), true.into());
    assert_eq!(Config::from_settings(&allowed).unwrap().base.as_str(), "http://forge.example.com/api");
    for url in ["http://localhost:1", "http://[::1]:1/", "http://127.0.0.1/scim/v2/"] {
        Config::from_settings(&settings(url)).unwrap();
    }
}

#[test]
fn one_way_of_saying_who_it_is_is_enough() {
    let mut both = settings("https://forge.example.com");
    both.config.insert("username".to_owned(), "provost".into());
    assert_eq!(Config::from_settings(&both).unwrap_err().kind, ErrorKind::Configuration);
    both.secrets.clear();
    assert_eq!(Config::from_settings(&both).unwrap_err().kind, ErrorKind::Configuration);
    both.secrets.insert("password".to_owned(), SecretString::from("s3cret".to_owned()));
    let config = Config::from_settings(&both).unwrap();
    assert!(matches!(&config.auth, Auth::Basic { username, .. } if username == "provost"));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn a_credential_that_a_server_says_back_is_not_repeated() {
    let client = client("http://127.0.0.1:1");
    assert_eq!(client.redact("the token s3cret is wrong"), "the token [secret] is wrong");
    assert_eq!(client.redact("the token other is wrong"), "the token other is wrong");
}

#[test]
fn an_authority_file_that_holds_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for content in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nnonsense\n")] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let mut settings = settings("https://forge.example.com");
        settings.config.insert("ca_file".to_owned(), file.to_str().unwrap().into());
        let error = Client::new(Config::from_settings(&settings).unwrap()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration, "{content:?}");
    }
}
