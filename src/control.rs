//! Talking to the running daemon of a state folder, over a socket in that folder: whoever may open it may use it.

use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Where the socket is.
pub fn socket(state: &Path) -> PathBuf {
    state.join("control.sock")
}

/// Why the daemon did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("No daemon is running on {}.", state.display())]
    NotRunning {
        /// The state folder.
        state: PathBuf,
    },
    /// It does not answer.
    #[error("The daemon on {} does not answer: {why}.", state.display())]
    Broken {
        /// The state folder.
        state: PathBuf,
        /// Why.
        why: String,
    },
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// Asks the running daemon and gives its answer.
pub async fn request(
    state: &Path,
    method: &str,
    path: &str,
    body: &serde_json::Value,
) -> Result<serde_json::Value, ControlError> {
    let broken = |why: String| ControlError::Broken { state: state.to_owned(), why };
    let stream = match UnixStream::connect(socket(state)).await {
        Ok(stream) => stream,
        Err(error) => {
            use std::io::ErrorKind::{ConnectionRefused, NotFound};
            return Err(match error.kind() {
                NotFound | ConnectionRefused => ControlError::NotRunning { state: state.to_owned() },
                _ => broken(error.to_string()),
            });
        }
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(error.to_string()))?;
    tokio::spawn(connection);
    let body = Bytes::from(body.to_string());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "provost")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .map_err(|error| broken(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await.map_err(|error| broken(error.to_string()))?.to_bytes();
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    if status.is_success() {
        return Ok(value);
    }
    let why = value.get("error").and_then(|why| why.as_str()).unwrap_or("no reason was given");
    Err(ControlError::Refused(why.to_owned()))
}
