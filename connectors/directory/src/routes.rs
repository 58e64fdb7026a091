//! HTTP: which endpoint does what, who may ask, how much a request may send.

mod answer;
mod discovery;
mod input;
mod lists;
mod resources;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tower::util::MapRequest;

use crate::error::Refusal;
use crate::schema::Kind;
use crate::{BASE_PATH, Directory, Settings};

/// Largest body of a request, in bytes, that is not a bulk request: a group of some 100,000 members.
pub(crate) const MAX_BODY: usize = 8 * 1024 * 1024;
/// Largest body of a bulk request, in bytes.
pub(crate) const MAX_BULK_BODY: usize = 16 * 1024 * 1024;

/// What every handler has.
pub(crate) struct App {
    directory: Arc<Directory>,
    /// Digests, so that comparison takes the same time whatever is sent.
    tokens: Vec<[u8; 32]>,
    base_url: Option<String>,
}

/// The SCIM endpoints under [`BASE_PATH`].
pub fn router(directory: Arc<Directory>, settings: Settings) -> Router {
    let Settings { tokens, base_url } = settings;
    let app = Arc::new(App {
        directory,
        tokens: tokens.iter().map(digest).collect(),
        base_url: base_url.map(|url| url.trim_end_matches('/').to_owned()),
    });
    let mut endpoints = Router::new();
    for kind in Kind::ALL {
        let endpoint = format!("/{}", kind.endpoint());
        endpoints = endpoints
            .route(&endpoint, get(lists::list).post(resources::create))
            .route(&format!("{endpoint}/.search"), post(lists::search))
            .route(
                &format!("{endpoint}/{{id}}"),
                get(resources::get).put(resources::replace).patch(resources::patch).delete(resources::delete),
            );
    }
    let endpoints = endpoints
        .route("/", get(lists::list))
        .route("/.search", post(lists::search))
        .route("/Bulk", post(lists::bulk).layer(DefaultBodyLimit::max(MAX_BULK_BODY)))
        .route("/ServiceProviderConfig", get(discovery::service_provider_config))
        .route("/Schemas", get(discovery::schemas))
        .route("/Schemas/{id}", get(discovery::schema))
        .route("/ResourceTypes", get(discovery::resource_types))
        .route("/ResourceTypes/{id}", get(discovery::resource_type))
        .route("/Me", any(me));
    let router = Router::new()
        .nest(BASE_PATH, endpoints)
        .fallback(no_endpoint)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&app), authenticate))
        .with_state(app);
    Router::new().fallback_service(MapRequest::new(router, normal_path))
}

impl App {
    /// The URL of [`BASE_PATH`] as this client reaches it, without a slash at the end.
    fn base(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.base_url {
            return url.clone();
        }
        match headers.get("host").and_then(|host| host.to_str().ok()) {
            Some(host) => format!("http://{host}{BASE_PATH}"),
            // HTTP/1.0 without Host: a reference relative to the server.
            None => BASE_PATH.to_owned(),
        }
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|header| header.to_str().ok())
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| digest(&SecretString::from(token.trim())));
        // Without an early end: how long it takes says nothing about which token is near.
        given.is_some_and(|given| {
            self.tokens.iter().fold(false, |known, token| bool::from(token.ct_eq(&given)) | known)
        })
    }
}

/// Clients join a base that ends with a slash to paths that begin with one, or end all paths with one.
fn normal_path(mut request: Request) -> Request {
    let path = request.uri().path();
    if !path.contains("//") && !path.ends_with('/') {
        return request;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("/{}{query}", parts.join("/")).parse() {
        *request.uri_mut() = uri;
    }
    request
}

fn digest(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

async fn authenticate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.knows(request.headers()) {
        return next.run(request).await;
    }
    let mut response = Refusal::new(401, None, "A valid bearer token is needed.").into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scim\""));
    response
}

async fn me() -> Refusal {
    Refusal::new(501, None, "/Me is not implemented: tokens belong to clients, not to users.")
}

async fn no_endpoint() -> Refusal {
    Refusal::not_found(format!("There is no such endpoint; the base is {BASE_PATH}."))
}

async fn no_method() -> Refusal {
    Refusal::new(405, None, "This endpoint does not take that method.")
}
