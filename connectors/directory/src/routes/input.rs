//! What a request carries: query parameters, conditions, a JSON body. Everything malformed is refused as RFC 7644,
//! section 3.12 says.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::App;
use crate::error::Refusal;
use crate::etag::{Condition, Tags};
use crate::projection::Projection;
use crate::query::Parameters;
use crate::schema::Kind;

/// The resource types that a URL is about: one, or of the base URL all.
pub(super) struct Kinds(pub(super) Vec<Kind>);

impl FromRequestParts<Arc<App>> for Kinds {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        // The router has taken the base off.
        let endpoint = parts.uri.path().split('/').nth(1).unwrap_or_default();
        Ok(Self(Kind::from_endpoint(endpoint).map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind])))
    }
}

/// The resource type of a URL of one type.
pub(super) struct TheKind(pub(super) Kind);

impl FromRequestParts<Arc<App>> for TheKind {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        match Kinds::from_request_parts(parts, app).await {
            Ok(Kinds(kinds)) if kinds.len() == 1 => Ok(Self(kinds[0])),
            _ => Err(Refusal::not_found("There is no such resource type.")),
        }
    }
}

/// A JSON body of an accepted content type.
pub(super) struct Json(pub(super) Value);

impl FromRequest<Arc<App>> for Json {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        accepted_type(request.headers())?;
        let bytes = Bytes::from_request(request, app).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(inner) if inner.status().as_u16() == 413 => {
                Refusal::too_large("The body is larger than this endpoint takes; see maxPayloadSize.")
            }
            _ => Refusal::invalid_syntax("The body could not be read."),
        })?;
        // serde_json bounds the nesting at 128 by itself.
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::invalid_syntax(format!("The body is not valid JSON: {error}.")))?;
        Ok(Self(value))
    }
}

/// The query parameters of a list or of a single resource.
pub(super) struct Query(pub(super) Parameters);

impl FromRequestParts<Arc<App>> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Refusal> {
        let mut parameters = Parameters::default();
        let mut count = None;
        for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match name {
                "filter" => parameters.filter = Some(value),
                "sortBy" => parameters.sort_by = Some(value).filter(|path| !path.is_empty()),
                "sortOrder" => parameters.sort_order = Some(value).filter(|order| !order.is_empty()),
                "startIndex" => parameters.start_index = Some(number(name, &value, "invalidValue")?),
                "count" => count = Some(value),
                "cursor" => parameters.cursor = Some(value),
                "attributes" => parameters.attributes.push(value),
                "excludedAttributes" => parameters.excluded.push(value),
                // Clients add parameters of their own, and proxies too.
                _ => {}
            }
        }
        if let Some(count) = count {
            let scim_type = if parameters.cursor.is_some() { "invalidCount" } else { "invalidValue" };
            parameters.count = Some(number("count", &count, scim_type)?);
        }
        Ok(Self(parameters))
    }
}

/// `attributes` and `excludedAttributes` of a request for one resource.
pub(super) struct Shape(pub(super) Projection);

impl FromRequestParts<Arc<App>> for Shape {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let Query(parameters) = Query::from_request_parts(parts, app).await?;
        Ok(Self(Projection::parse(&parameters.attributes, &parameters.excluded)?))
    }
}

/// If-Match and If-None-Match.
pub(super) fn condition(headers: &HeaderMap) -> Condition {
    let tags = |name: HeaderName| {
        let values: Vec<&str> =
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        if values.is_empty() { None } else { Some(Tags::parse(&values.join(","))) }
    };
    Condition { if_match: tags(IF_MATCH), if_none_match: tags(IF_NONE_MATCH) }
}

/// The parameters of a search request (RFC 7644, section 3.4.3).
pub(super) fn search(body: &Value) -> Result<Parameters, Refusal> {
    const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    let named = body["schemas"].as_array().is_some_and(|schemas| schemas.iter().any(|urn| urn == SCHEMA));
    if !named {
        return Err(Refusal::invalid_syntax(format!("'schemas' must be a list that names '{SCHEMA}'.")));
    }
    let text = |name: &str| match &body[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Refusal::invalid_value(format!("'{name}' must be a string."))),
    };
    let integer = |name: &str| match &body[name] {
        Value::Null => Ok(None),
        Value::Number(number) if number.is_i64() => Ok(number.as_i64()),
        _ => Err(Refusal::invalid_value(format!("'{name}' must be an integer."))),
    };
    let list = |name: &str| match &body[name] {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(texts) => texts
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Refusal::invalid_value(format!("'{name}' must be a list of strings."))),
        _ => Err(Refusal::invalid_value(format!("'{name}' must be a list of strings."))),
    };
    Ok(Parameters {
        filter: text("filter")?,
        sort_by: text("sortBy")?,
        sort_order: text("sortOrder")?,
        start_index: integer("startIndex")?,
        count: integer("count")?,
        cursor: text("cursor")?,
        attributes: list("attributes")?,
        excluded: list("excludedAttributes")?,
    })
}

/// RFC 7644, section 3.8: `application/scim+json` and `application/json`. No type at all is taken for JSON.
fn accepted_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(header) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = header.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/scim+json")
        || essence.eq_ignore_ascii_case("application/json")
    {
        return Ok(());
    }
    Err(Refusal::new(415, None, "The content type must be application/scim+json or application/json."))
}

fn decoded(text: &str) -> Result<String, Refusal> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Refusal::invalid_value("A query parameter is not valid UTF-8.")),
    }
}

fn number(name: &str, text: &str, scim_type: &'static str) -> Result<i64, Refusal> {
    text.trim()
        .parse()
        .map_err(|_| Refusal::new(400, Some(scim_type), format!("'{name}' must be an integer.")))
}
