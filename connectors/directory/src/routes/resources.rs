//! One resource: create, get, replace, patch, delete (RFC 7644, sections 3.3 to 3.6).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rusqlite::Connection;
use uuid::Uuid;

use super::App;
use super::answer;
use super::input::{Json, Shape, TheKind, condition};
use crate::error::Refusal;
use crate::etag;
use crate::projection::Projection;
use crate::render::{self, Derived};
use crate::schema::Kind;
use crate::store::{self, Row};
use crate::{patch as patches, resource};

pub(super) async fn create(
    State(app): State<Arc<App>>,
    TheKind(kind): TheKind,
    Shape(projection): Shape,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Refusal> {
    let draft = resource::conform(kind, &body)?;
    let base = app.base(&headers);
    let rendered = app
        .directory
        .write(move |connection| {
            let row = store::create(connection, kind, Uuid::new_v4(), &draft)?;
            Rendered::of(connection, &row, &base, &projection)
        })
        .await?;
    Ok(rendered.answer(StatusCode::CREATED))
}

pub(super) async fn get(
    State(app): State<Arc<App>>,
    TheKind(kind): TheKind,
    Path(id): Path<String>,
    Shape(projection): Shape,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let base = app.base(&headers);
    let rendered = app
        .directory
        .read(move |connection| {
            let row = store::by_id(connection, kind, &id)?;
            Rendered::of(connection, &row, &base, &projection)
        })
        .await?;
    if condition(&headers).if_none_match.is_some_and(|tags| tags.name(&rendered.tag)) {
        return Ok(answer::not_modified(&rendered.tag));
    }
    Ok(rendered.answer(StatusCode::OK))
}

pub(super) async fn replace(
    State(app): State<Arc<App>>,
    TheKind(kind): TheKind,
    Path(id): Path<String>,
    Shape(projection): Shape,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Refusal> {
    let draft = resource::conform(kind, &body)?;
    let (base, condition) = (app.base(&headers), condition(&headers));
    let rendered = app
        .directory
        .write(move |connection| {
            let row = store::replace(connection, kind, &id, &condition, draft)?;
            Rendered::of(connection, &row, &base, &projection)
        })
        .await?;
    Ok(rendered.answer(StatusCode::OK))
}

pub(super) async fn patch(
    State(app): State<Arc<App>>,
    TheKind(kind): TheKind,
    Path(id): Path<String>,
    Shape(projection): Shape,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Refusal> {
    let operations = patches::parse(&body)?;
    let (base, condition) = (app.base(&headers), condition(&headers));
    let rendered = app
        .directory
        .write(move |connection| {
            let row = store::patch(connection, kind, &id, &condition, &operations)?;
            Rendered::of(connection, &row, &base, &projection)
        })
        .await?;
    Ok(rendered.answer(StatusCode::OK))
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    TheKind(kind): TheKind,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let condition = condition(&headers);
    app.directory.write(move |connection| store::delete(connection, kind, &id, &condition)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A resource as it is sent.
struct Rendered {
    body: String,
    tag: String,
    location: String,
}

impl Rendered {
    fn of(connection: &Connection, row: &Row, base: &str, projection: &Projection) -> Result<Self, Refusal> {
        let (groups, members) = match row.kind {
            Kind::User => (store::groups_of(connection, &[row.seq], base)?.remove(&row.seq), None),
            Kind::Group if projection.wants(row.kind, "members") => {
                (None, store::members_of(connection, row.seq, base)?)
            }
            Kind::Group => (None, None),
        };
        let derived = Derived { groups: groups.as_deref(), members: members.as_deref() };
        let mut body = String::with_capacity(row.body.len() + 512);
        render::resource(&mut body, row, derived, base, projection)?;
        Ok(Self {
            body,
            tag: etag::tag(row, groups.as_deref()),
            location: render::location(base, row.kind, &row.id),
        })
    }

    fn answer(self, status: StatusCode) -> Response {
        answer::resource(status, self.body, &self.tag, &self.location)
    }
}
