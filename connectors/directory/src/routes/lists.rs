//! Lists, searches and bulk requests.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::App;
use super::answer;
use super::input::{self, Json, Kinds, Query as QueryParameters};
use crate::bulk as bulks;
use crate::error::Refusal;
use crate::query::{Parameters, Query};

pub(super) async fn list(
    State(app): State<Arc<App>>,
    kinds: Kinds,
    QueryParameters(parameters): QueryParameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    run(&app, kinds, &parameters, &headers).await
}

pub(super) async fn search(
    State(app): State<Arc<App>>,
    kinds: Kinds,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Refusal> {
    run(&app, kinds, &input::search(&body)?, &headers).await
}

pub(super) async fn bulk(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Refusal> {
    let request = bulks::parse(body)?;
    let base = app.base(&headers);
    let body = app.directory.write(move |connection| bulks::run(connection, request, &base)).await?;
    Ok(answer::json(&body))
}

async fn run(
    app: &App,
    Kinds(kinds): Kinds,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let query = Query::parse(&kinds, parameters)?;
    let base = app.base(headers);
    let body = app.directory.read(move |connection| query.run(connection, &base)).await?;
    Ok(answer::text(StatusCode::OK, body))
}
