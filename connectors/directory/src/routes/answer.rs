//! Answers as HTTP.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::error::Refusal;

/// RFC 7644, section 3.1.
const CONTENT: HeaderValue = HeaderValue::from_static("application/scim+json");

/// JSON text.
pub(super) fn text(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, CONTENT);
    response
}

pub(super) fn json(body: &Value) -> Response {
    text(StatusCode::OK, body.to_string())
}

/// A resource with its entity tag and its URL.
pub(super) fn resource(status: StatusCode, body: String, tag: &str, location: &str) -> Response {
    let mut response = text(status, body);
    put_tag(&mut response, tag);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// 304: the client has it already.
pub(super) fn not_modified(tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    put_tag(&mut response, tag);
    response
}

fn put_tag(response: &mut Response, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        text(status, self.body().to_string())
    }
}
