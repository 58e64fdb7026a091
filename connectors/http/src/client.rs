//! Sending a request.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use provost_sdk::{Error, ErrorKind, ExposeSecret, Result};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Certificate, Method, Response, redirect};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::answer::{Answer, one_line};
use crate::config::is_loopback;
use crate::retry::{PATIENCE, retry_after, waits};
use crate::{Auth, Config};

/// How long a connection stays open unused. Common servers close theirs after 5 seconds, some after 2; a request that
/// meets the closing is lost in the way that leaves a write in doubt.
const IDLE: Duration = Duration::from_millis(1500);

/// A client of one target. Cloning shares its connections, its limits and its count.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    base: String,
    http: reqwest::Client,
    permits: Semaphore,
    calls: AtomicU64,
}

/// One request, relative to the base address.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Request {
    /// A request to a path that begins with a slash and is percent-encoded where it has to be ([`crate::segment`]).
    pub fn new(method: Method, path: impl Into<String>) -> Request {
        Request { method, path: path.into(), headers: HeaderMap::new(), body: None }
    }

    /// Adds one parameter to the query; name and value as they are.
    pub fn query(mut self, name: &str, value: &str) -> Request {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(&crate::query_value(name));
        self.path.push('=');
        self.path.push_str(&crate::query_value(value));
        self
    }

    /// Sets a header. A value that no header can carry is an invalid value.
    pub fn header(mut self, name: HeaderName, value: &str) -> Result<Request> {
        let value = HeaderValue::from_str(value).map_err(|error| {
            Error::new(ErrorKind::InvalidValue, format!("The header {name} cannot carry its value."))
                .because(error)
        })?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sends a JSON body under a media type of the API.
    pub fn json(mut self, media_type: &'static str, body: &Value) -> Request {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = Some(Bytes::from(body.to_string()));
        self
    }

    fn writes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// Without the query: what is asked for may be personal.
    fn asked(&self) -> String {
        format!("{} {}", self.method, self.path.split('?').next().unwrap_or_default())
    }
}

impl Client {
    /// Makes a client. No call is made yet. Errors are of kind configuration.
    pub fn new(config: Config) -> Result<Client> {
        let http = build(&config)?;
        // An own spelling, because `Url` ends an empty path with a slash.
        let base = config.base.as_str().trim_end_matches('/').to_owned();
        let permits = Semaphore::new(config.limits.concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Client { shared: Arc::new(Shared { config, base, http, permits, calls: AtomicU64::new(0) }) })
    }

    /// Requests sent so far, repeated ones included.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// The host that it talks to, for people.
    pub fn host(&self) -> &str {
        self.shared.config.base.host_str().unwrap_or_default()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// A read is tried again on 429, 502, 503, 504 and a cut connection; a write only on 429, 503 and a connection
    /// that was never made, because then it certainly did not land. After a few tries, or when the server asks for
    /// more patience than a call has, the error says until when. Every other status is an answer, but for
    /// redirects, which are errors: none is followed.
    pub async fn send(&self, request: Request) -> Result<Answer> {
        let mut waits = waits();
        loop {
            let error = match self.once(&request).await {
                Ok(answer) if !self.again(&answer) => return self.settled(answer),
                Ok(answer) => self.refused(&answer),
                Err(Failed { error, again: true }) => error,
                Err(Failed { error, again: false }) => return Err(error),
            };
            let Some(mut wait) = waits.next() else { return Err(error) };
            if let ErrorKind::RateLimited { until: Some(until) } = error.kind {
                let asked = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
                if asked > PATIENCE {
                    return Err(error);
                }
                wait = wait.max(asked);
            }
            tracing::debug!(target_id = %self.shared.config.target, ?wait, error = %error, "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Replaces the credential in a text that came from the target: servers echo what they were sent.
    pub fn redact(&self, text: &str) -> String {
        let secret = match &self.shared.config.auth {
            Auth::None => return text.to_owned(),
            Auth::Bearer(secret) | Auth::Basic { password: secret, .. } => secret.expose_secret(),
        };
        if secret.is_empty() { text.to_owned() } else { text.replace(secret, "[secret]") }
    }

    async fn once(&self, request: &Request) -> std::result::Result<Answer, Failed> {
        let closed = |_| Failed::for_good(ErrorKind::Unavailable, "The client is closed.".to_owned());
        let _permit = self.shared.permits.acquire().await.map_err(closed)?;
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let mut call = self
            .shared
            .http
            .request(request.method.clone(), format!("{}{}", self.shared.base, request.path))
            .headers(request.headers.clone());
        if let Some(body) = &request.body {
            call = call.body(body.clone());
        }
        let response = call.send().await.map_err(|error| self.cut(request, error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = self.body(request, response).await?;
        Ok(Answer { status, headers, body, asked: request.asked(), write: request.writes() })
    }

    async fn body(&self, request: &Request, mut response: Response) -> std::result::Result<Bytes, Failed> {
        let most = self.shared.config.limits.max_response;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.cut(request, error))? {
            if body.len() + chunk.len() > most {
                let text = format!("{} was answered with more than {most} bytes.", request.asked());
                let failed = Failed::for_good(ErrorKind::InvalidResponse, text);
                return Err(if request.writes() { failed.in_doubt() } else { failed });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// A call that got no whole answer. Where no connection was made nothing can have landed.
    fn cut(&self, request: &Request, error: reqwest::Error) -> Failed {
        let (asked, host) = (request.asked(), self.host());
        let never_sent = error.is_connect() || error.is_builder();
        let (kind, text) = if error.is_builder() {
            (ErrorKind::InvalidValue, format!("{asked} is no request that can be sent to {host}."))
        } else if error.is_connect() {
            (ErrorKind::Unavailable, format!("{host} cannot be reached ({}).", cause(&error)))
        } else if error.is_timeout() {
            let seconds = self.shared.config.limits.timeout.as_secs_f32();
            (ErrorKind::Timeout, format!("{asked} had no answer from {host} within {seconds} s."))
        } else {
            (ErrorKind::Unavailable, format!("{asked} was cut off by {host} ({}).", cause(&error)))
        };
        let again =
            kind == ErrorKind::Unavailable && (never_sent || !request.writes()) && !is_certificate(&error);
        // The URL holds what was asked for, which may be personal.
        let error = Error::new(kind, text).because(error.without_url());
        Failed { error: if request.writes() && !never_sent { error.in_doubt() } else { error }, again }
    }

    fn again(&self, answer: &Answer) -> bool {
        matches!(answer.status, 429 | 503) || (!answer.write && matches!(answer.status, 502 | 504))
    }

    /// The error of an answer that was worth another try.
    fn refused(&self, answer: &Answer) -> Error {
        let mut error = answer.error("");
        let until = retry_after(&answer.headers, Timestamp::now());
        if answer.status == 429 || until.is_some() {
            error.kind = ErrorKind::RateLimited { until };
        }
        error
    }

    fn settled(&self, answer: Answer) -> Result<Answer> {
        if !(300..400).contains(&answer.status) {
            return Ok(answer);
        }
        let to = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
        let text = format!(
            "{} was redirected ({}) to {}: redirects are not followed. Correct the address in `url`.",
            answer.asked,
            answer.status,
            one_line(&self.redact(to.split('?').next().unwrap_or_default())),
        );
        let error = Error::new(ErrorKind::InvalidResponse, text);
        // 303 is the answer to a write that was done and shows its result elsewhere (RFC 9110, section 15.4.4).
        Err(if answer.write && answer.status == 303 { error.in_doubt() } else { error })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.host())
    }
}

struct Failed {
    error: Error,
    again: bool,
}

impl Failed {
    fn for_good(kind: ErrorKind, text: String) -> Failed {
        Failed { error: Error::new(kind, text), again: false }
    }

    fn in_doubt(self) -> Failed {
        Failed { error: self.error.in_doubt(), ..self }
    }
}

fn build(config: &Config) -> Result<reqwest::Client> {
    let wrong = |what: String| Error::new(ErrorKind::Configuration, what);
    // A second installation is refused, and the first one is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("provost/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .timeout(config.limits.timeout)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(config.limits.concurrency)
        .default_headers(headers(config)?);
    if is_loopback(&config.base) {
        builder = builder.no_proxy();
    }
    let certificates = certificates(config)?;
    builder = if config.base.scheme() == "http" && certificates.is_empty() {
        // No TLS, so no roots: a machine without any can still talk to itself.
        builder.tls_certs_only([])
    } else {
        builder.tls_certs_merge(certificates)
    };
    builder.build().map_err(|error| {
        wrong(format!("No client for the target {} can be made ({}).", config.target, cause(&error)))
            .because(error)
    })
}

fn headers(config: &Config) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(config.accept));
    let credential = match &config.auth {
        Auth::None => return Ok(headers),
        Auth::Bearer(token) => format!("Bearer {}", token.expose_secret()),
        Auth::Basic { username, password } => {
            let pair = format!("{username}:{}", password.expose_secret());
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        }
    };
    let mut value = HeaderValue::from_str(&credential).map_err(|_| {
        let text = format!("The credential of the target {} holds a line break.", config.target);
        Error::new(ErrorKind::Configuration, text)
    })?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

fn certificates(config: &Config) -> Result<Vec<Certificate>> {
    let Some(file) = &config.ca_file else { return Ok(Vec::new()) };
    let wrong = |what: &str| {
        Error::new(ErrorKind::Configuration, format!("The `ca_file` of the target {} {what}.", config.target))
    };
    let pem = fs::read(file).map_err(|error| wrong("cannot be read").because(error))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong("is no PEM file").because(error))?;
    if found.is_empty() {
        return Err(wrong("holds no certificate"));
    }
    Ok(found)
}

/// The innermost cause, which is the one that tells something.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    // Our own outermost text would hold the URL.
    if cause.is::<reqwest::Error>() { "no reason given".to_owned() } else { one_line(&cause.to_string()) }
}

/// Whether the certificate was refused: trying again changes nothing. A TLS error travels inside of I/O errors, whose
/// `source` skips it.
fn is_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| is_certificate(inner)) || error.source().is_some_and(is_certificate)
}
