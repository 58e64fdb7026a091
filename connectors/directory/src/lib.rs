//! A SCIM 2.0 server (RFC 7643, RFC 7644, RFC 9865) on one SQLite file.
//!
//! The way of a request: `routes` (HTTP, tokens, bounds) -> `resource`, `patch`, `query` or `bulk` (what the client
//! means, judged by `schema`) -> `store` (one transaction) -> `render` (stored text to JSON text). Everything but
//! `routes` and `store` is pure.
//!
//! ```no_run
//! # async fn example() -> Result<(), provost_directory::Error> {
//! use std::sync::Arc;
//! let directory = Arc::new(provost_directory::Directory::open("people.db")?);
//! let settings = provost_directory::Settings::new("a long random token".to_owned().into());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! provost_directory::serve(listener, directory, settings, std::future::pending()).await
//! # }
//! ```

mod bulk;
mod cursor;
mod error;
mod etag;
mod filter;
mod fold;
mod partial;
mod password;
mod patch;
mod path;
mod projection;
mod query;
mod render;
mod resource;
mod routes;
mod schema;
mod store;

use std::future::Future;
use std::sync::Arc;

use axum::serve::ListenerExt;
use secrecy::SecretString;
use tokio::net::TcpListener;

pub use error::Error;
pub use routes::router;
pub use store::Directory;

/// Where under the server's root the SCIM endpoints are.
pub const BASE_PATH: &str = "/scim/v2";

/// How a directory is served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bearer tokens that are accepted: more than one while a token is being replaced. Without any, every request is
    /// refused.
    pub tokens: Vec<SecretString>,
    /// The URL that clients reach [`BASE_PATH`] under, such as `https://id.example.com/scim/v2`, for a server behind a
    /// proxy. None: `http://` with the request's `Host`.
    pub base_url: Option<String>,
}

impl Settings {
    /// One token, locations from the request's `Host`.
    #[must_use]
    pub fn new(token: SecretString) -> Self {
        Self { tokens: vec![token], base_url: None }
    }
}

/// Serves `directory` on `listener` until `shutdown` is done; requests that have begun are answered.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    directory: Arc<Directory>,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    // Answers are written whole: waiting to fill a packet would only delay them.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    axum::serve(listener, router(directory, settings)).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
