//! HTTP: probes, metrics and status for everybody who may reach the address; control over a socket in the state folder
//! for whoever may open that.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use provost_core::Sym;
use provost_core::step::{Event, Health, Sync};
use provost_sdk::ExposeSecret;
use serde_json::{Value, json};

use super::{DaemonError, Report, Shared};
use crate::control;

/// Listens on the settings' address, if any, and on the control socket; gives the socket's path.
pub(super) async fn listen(shared: &Shared) -> Result<PathBuf, DaemonError> {
    if let Some(address) = shared.settings.http.listen {
        let failed = |source| DaemonError::Listen { place: address.to_string(), source };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
        let token = shared.settings.http.token.as_deref();
        let token = token.map(|name| shared.settings.secret(name, None)).transpose()?;
        let router = router(shared).layer(from_fn_with_state(token.map(std::sync::Arc::new), show_token));
        serve(async move { axum::serve(listener, router).await });
        tracing::info!(%address, "the API listens");
    }
    let socket = control::socket(&shared.settings.state);
    let failed = |source| DaemonError::Listen { place: socket.display().to_string(), source };
    // Whoever holds the lock on the state is the only daemon here, so what is left of a socket is a dead one's.
    drop(std::fs::remove_file(&socket));
    let listener = tokio::net::UnixListener::bind(&socket).map_err(failed)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let router = router(shared).merge(control_router(shared));
    serve(async move { axum::serve(listener, router).await });
    Ok(socket)
}

fn serve(work: impl Future<Output = std::io::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = work.await {
            tracing::error!(%error, "the API stopped");
        }
    });
}

type Token = Option<std::sync::Arc<provost_sdk::SecretString>>;

/// Refuses whoever does not show the token, where one is asked for. `/healthz` needs none: it says nothing.
async fn show_token(State(token): State<Token>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let passes = token.is_none_or(|token| same(token.expose_secret().as_bytes(), shown.as_bytes()));
    if passes || request.uri().path() == "/healthz" {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, Json(json!({ "error": "Show the API's token." }))).into_response()
}

/// Compares in a time that does not tell how much was right.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

/// What everybody may ask.
pub fn router(shared: &Shared) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .with_state(shared.clone())
}

/// What only the operator of the state folder may ask.
fn control_router(shared: &Shared) -> Router {
    Router::new()
        .route("/control/suspend", post(suspend))
        .route("/control/resume", post(resume))
        .route("/control/refresh", post(refresh))
        .route("/control/adopt/{target}", get(adoption).post(adopt))
        .route("/control/trust/{commit}", get(word_for).post(trust))
        .route("/control/break-glass", post(break_glass))
        .with_state(shared.clone())
}

async fn status(State(shared): State<Shared>) -> Json<Report> {
    Json(newest(&shared).await)
}

async fn newest(shared: &Shared) -> Report {
    let held = shared.engine.held().await;
    Report { held, ..shared.report.borrow().clone() }
}

async fn ready(State(shared): State<Shared>) -> Response {
    let report = shared.report.borrow().clone();
    let why = if let Some(why) = &report.status.journal_error {
        Some(why.clone())
    } else if report.status.commit.is_none() {
        Some("No commit counts yet.".to_owned())
    } else {
        report.status.source_error.clone()
    };
    match why {
        None => (StatusCode::OK, "ready\n".to_owned()).into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let report = newest(&shared).await;
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    match exposition(&report) {
        Ok(text) => (kind, text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The report in OpenMetrics' text format.
fn exposition(report: &Report) -> Result<String, std::fmt::Error> {
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;
    use prometheus_client::registry::Registry;
    let mut registry = Registry::with_prefix("provost");
    let flag = |on: bool| ConstGauge::new(i64::from(on));
    registry.register(
        "journal_writable",
        "Whether audit records can be written",
        flag(report.status.journal_error.is_none()),
    );
    registry.register(
        "source_readable",
        "Whether the tracked branch can be looked at",
        flag(report.status.source_error.is_none()),
    );
    registry.register(
        "audit_published",
        "Whether the newest audit record is published",
        flag(report.audit.error.is_none()),
    );
    registry.register(
        "audit_wait_milliseconds",
        "Time in which nothing was under way but the writing of the audit log",
        ConstCounter::new(report.audit_wait_ms),
    );
    registry.register(
        "problems",
        "Problems of the documents",
        ConstGauge::new(count(report.held.problems.len())),
    );
    for target in &report.status.targets {
        let labels = [("target".into(), target.target.to_string().into())];
        let one = registry.sub_registry_with_labels(labels.into_iter());
        one.register(
            "target_synced",
            "Whether the target is as it should be",
            flag(target.sync == Sync::Synced),
        );
        let healthy = matches!(target.health, Health::Healthy | Health::Progressing);
        one.register("target_healthy", "Whether the target can be worked with", flag(healthy));
        one.register(
            "target_quarantined",
            "Whether nothing is added to the target",
            flag(target.health == Health::Quarantined),
        );
        one.register(
            "operations_unfinished",
            "Operations queued or under way",
            ConstGauge::new(count(target.unfinished)),
        );
        one.register(
            "operations_waiting",
            "Operations that wait for evidence",
            ConstGauge::new(count(target.waiting)),
        );
        one.register(
            "operations_refused",
            "Operations that guards refused",
            ConstGauge::new(count(target.refused)),
        );
        one.register(
            "operations_succeeded",
            "Operations that succeeded",
            ConstCounter::new(target.succeeded),
        );
        one.register("operations_failed", "Operations that failed", ConstCounter::new(target.failed));
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// It holds at once, and then it is recorded: nobody waits for a disk to stop something.
async fn suspend(State(shared): State<Shared>, body: Option<Json<Value>>) -> Response {
    let target = match named(&shared, body.as_ref()) {
        Ok(target) => target,
        Err(refused) => return *refused,
    };
    drop(shared.events.send(Event::Suspend(target)));
    let recorded = shared.engine.ask(move |engine| engine.suspend(target, jiff::Timestamp::now())).await;
    answer(recorded.map(|result| result.map(|()| json!({ "target": target }))))
}

/// It is recorded, and then it holds: what goes on has to go on after a restart.
async fn resume(State(shared): State<Shared>, body: Option<Json<Value>>) -> Response {
    let target = match named(&shared, body.as_ref()) {
        Ok(target) => target,
        Err(refused) => return *refused,
    };
    let recorded = shared.engine.ask(move |engine| engine.resume(target, jiff::Timestamp::now())).await;
    if matches!(recorded, Some(Ok(()))) {
        drop(shared.events.send(Event::Resume(target)));
    }
    answer(recorded.map(|result| result.map(|()| json!({ "target": target }))))
}

async fn refresh(State(shared): State<Shared>, body: Option<Json<Value>>) -> Response {
    match named(&shared, body.as_ref()) {
        Ok(target) => {
            drop(shared.events.send(Event::Refresh(target)));
            Json(json!({ "target": target })).into_response()
        }
        Err(refused) => *refused,
    }
}

/// The target that is named, if any; or the answer that there is none of this name.
fn named(shared: &Shared, body: Option<&Json<Value>>) -> Result<Option<Sym>, Box<Response>> {
    let Some(name) = body.and_then(|body| body.get("target")?.as_str()) else { return Ok(None) };
    let report = shared.report.borrow();
    match report.status.targets.iter().find(|status| status.target == *name) {
        Some(status) => Ok(Some(status.target)),
        None => {
            let why = format!("There is no target {name} in force.");
            Err(Box::new((StatusCode::NOT_FOUND, Json(json!({ "error": why }))).into_response()))
        }
    }
}

async fn adoption(State(shared): State<Shared>, Path(target): Path<String>) -> Response {
    let target = Sym::new(&target);
    let found = shared.engine.ask(move |engine| engine.adoption(target, jiff::Timestamp::now())).await;
    answer(found)
}

async fn adopt(
    State(shared): State<Shared>,
    Path(target): Path<String>,
    body: Option<Json<Value>>,
) -> Response {
    let target = Sym::new(&target);
    let link = body.and_then(|body| body.get("link")?.as_bool()).unwrap_or(false);
    let adopted = shared.engine.ask(move |engine| engine.adopt(target, link, jiff::Timestamp::now())).await;
    if matches!(adopted, Some(Ok(_))) {
        drop(shared.events.send(Event::Adopted(target)));
    }
    answer(adopted)
}

/// What a recovery key has to sign.
async fn word_for(State(shared): State<Shared>, Path(commit): Path<String>) -> Response {
    let commit = Sym::new(&commit);
    answer(shared.engine.ask(move |engine| Ok(json!({ "word": engine.word_for(commit) }))).await)
}

async fn trust(
    State(shared): State<Shared>,
    Path(commit): Path<String>,
    body: Option<Json<Value>>,
) -> Response {
    let commit = Sym::new(&commit);
    let events = shared.events.clone();
    let signed = body.and_then(|body| body.get("signed")?.as_str().map(str::to_owned));
    let trusted = shared.engine.ask(move |engine| {
        let world = engine.trust(commit, signed.as_deref(), jiff::Timestamp::now())?;
        drop(events.send(Event::Loaded { commit, result: Ok(world) }));
        super::calls::tell_evidence(engine, &events);
        super::calls::read_again(engine, &events);
        Ok(())
    });
    match trusted.await {
        Some(Ok(())) => Json(json!({ "commit": commit })).into_response(),
        Some(Err(error)) => refuse(&error),
        None => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "The daemon is ending." })))
            .into_response(),
    }
}

async fn break_glass(State(shared): State<Shared>, Json(body): Json<Value>) -> Response {
    let file = body.get("file").and_then(Value::as_str).unwrap_or_default().to_owned();
    let events = shared.events.clone();
    let taken = shared.engine.ask(move |engine| {
        let taken = engine.receive_emergency(file.as_bytes(), jiff::Timestamp::now());
        super::calls::tell_evidence(engine, &events);
        taken
    });
    answer(taken.await)
}

fn answer<T: serde::Serialize>(result: Option<Result<T, crate::engine::EngineError>>) -> Response {
    match result {
        Some(Ok(value)) => Json(json!(value)).into_response(),
        Some(Err(error)) => refuse(&error),
        None => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "The daemon is ending." })))
            .into_response(),
    }
}

fn refuse(error: &crate::engine::EngineError) -> Response {
    (StatusCode::CONFLICT, Json(json!({ "error": error.to_string() }))).into_response()
}
