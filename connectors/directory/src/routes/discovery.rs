//! /ServiceProviderConfig, /Schemas and /ResourceTypes (RFC 7644, section 4).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::input::Query;
use super::{App, MAX_BULK_BODY, answer};
use crate::bulk::MAX_OPERATIONS;
use crate::error::Refusal;
use crate::query::MAX_PAGE;
use crate::schema;

pub(super) async fn service_provider_config(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let location = format!("{}/ServiceProviderConfig", app.base(&headers));
    answer::json(&json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": true, "maxOperations": MAX_OPERATIONS, "maxPayloadSize": MAX_BULK_BODY},
        "filter": {"supported": true, "maxResults": MAX_PAGE},
        "changePassword": {"supported": true},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": MAX_PAGE,
            "maxPageSize": MAX_PAGE,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A bearer token in the Authorization header (RFC 6750).",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": location},
    }))
}

pub(super) async fn schemas(
    State(app): State<Arc<App>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    list(query, schema::schemas(&app.base(&headers)))
}

pub(super) async fn schema(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    one(schema::schemas(&app.base(&headers)), &id)
}

pub(super) async fn resource_types(
    State(app): State<Arc<App>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    list(query, schema::resource_types(&app.base(&headers)))
}

pub(super) async fn resource_type(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    one(schema::resource_types(&app.base(&headers)), &id)
}

/// All of them: sorting and paging are ignored here, and a filter is forbidden (RFC 7644, section 4).
fn list(Query(parameters): Query, resources: Vec<Value>) -> Result<Response, Refusal> {
    if parameters.filter.is_some() {
        return Err(Refusal::new(403, None, "Filters are not possible on this endpoint."));
    }
    Ok(answer::json(&json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(),
        "startIndex": 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })))
}

fn one(resources: Vec<Value>, id: &str) -> Result<Response, Refusal> {
    resources
        .into_iter()
        .find(|resource| resource["id"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(id)))
        .map(|resource| answer::json(&resource))
        .ok_or_else(|| Refusal::not_found(format!("There is no '{}' here.", crate::path::shortened(id))))
}
