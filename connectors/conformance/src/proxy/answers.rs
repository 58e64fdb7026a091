//! Answers that the proxy gives itself or rewrites.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::Answer;

/// How the pages of the upstream's lists look, and how small they are made.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// Where the elements of a page are.
    pub elements: Elements,
    /// The parameter of a query that asks for so many elements, and the most that a request gets: more are asked of
    /// the upstream as this many. A system of few accounts has lists of many pages then.
    pub most: Option<(&'static str, usize)>,
}

/// Where the elements of a page are.
#[derive(Clone, Debug, Default)]
pub enum Elements {
    /// Nowhere that the proxy could rewrite.
    #[default]
    None,
    /// A JSON object with the elements under this name: `Resources` in SCIM.
    Under(String),
    /// A JSON array.
    Array,
}

/// A page that went out.
#[derive(Clone, Debug)]
pub(super) struct Page {
    query: BTreeMap<String, String>,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Page {
    pub(super) fn of(request: &Request<Bytes>, answer: &Answer) -> Page {
        Page {
            query: parameters(request),
            status: answer.status(),
            headers: answer.headers().clone(),
            body: answer.body().clone(),
        }
    }

    /// Whether the request asks for another page of the same list: one parameter differs, or one more is there.
    pub(super) fn comes_before(&self, request: &Request<Bytes>) -> bool {
        let next = parameters(request);
        let added = next.keys().filter(|name| !self.query.contains_key(*name)).count();
        let changed = self.query.iter().filter(|(name, value)| next.get(*name) != Some(value)).count();
        added + changed == 1
    }

    pub(super) fn answer(self) -> Answer {
        let mut answer = Response::new(self.body);
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers;
        answer
    }
}

impl Pages {
    /// Whether an answer is a page of a list with something on it.
    pub(super) fn is_page(&self, answer: &Answer) -> bool {
        let mut body = parsed(answer);
        self.elements(&mut body).is_some_and(|elements| !elements.is_empty())
    }

    /// The page without its last element.
    pub(super) fn shortened(&self, answer: &Answer) -> Option<Answer> {
        let mut body = parsed(answer);
        self.elements(&mut body)?.pop()?;
        let mut short = Response::new(Bytes::from(body.to_string()));
        *short.status_mut() = answer.status();
        *short.headers_mut() = answer.headers().clone();
        Some(short)
    }

    /// The request with no more elements asked for than a page may have.
    pub(super) fn limited(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        let Some((parameter, most)) = self.most else { return request };
        let Some((path, query)) =
            request.uri().path_and_query().and_then(|target| Some((target.path(), target.query()?)))
        else {
            return request;
        };
        let limited = |part: &str| match part.split_once('=') {
            Some((name, value)) if name == parameter && value.parse::<usize>().is_ok_and(|n| n > most) => {
                format!("{name}={most}")
            }
            _ => part.to_owned(),
        };
        let query: Vec<String> = query.split('&').map(limited).collect();
        if let Ok(uri) = format!("{path}?{}", query.join("&")).parse() {
            *request.uri_mut() = uri;
        }
        request
    }

    fn elements<'v>(&self, body: &'v mut Value) -> Option<&'v mut Vec<Value>> {
        match &self.elements {
            Elements::None => None,
            Elements::Under(name) => body.get_mut(name)?.as_array_mut(),
            Elements::Array => body.as_array_mut(),
        }
    }
}

fn parameters(request: &Request<Bytes>) -> BTreeMap<String, String> {
    let query = request.uri().query().unwrap_or_default();
    let parameters =
        query.split('&').filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (part.to_owned(), String::new()),
        });
    parameters.collect()
}

pub(super) fn rate_limit(seconds: u32) -> Answer {
    let mut answer = text(StatusCode::TOO_MANY_REQUESTS, "Too many requests.");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

pub(super) fn unavailable() -> Answer {
    text(StatusCode::SERVICE_UNAVAILABLE, "The service is restarting.")
}

/// What a server says that has deleted something.
pub(super) fn nothing() -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// What a server says that has made something: what was sent, with an id that leads nowhere.
pub(super) fn echo(request: &Request<Bytes>) -> Answer {
    let mut body: Value = serde_json::from_slice(request.body()).unwrap_or_else(|_| json!({}));
    if let Some(object) = body.as_object_mut() {
        object.insert("id".into(), json!("00000000-0000-4000-8000-000000000000"));
    }
    let mut answer = Response::new(Bytes::from(body.to_string()));
    *answer.status_mut() = StatusCode::CREATED;
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let kind = kind.unwrap_or(HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn text(status: StatusCode, message: &'static str) -> Answer {
    let mut answer = Response::new(Bytes::from_static(message.as_bytes()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or(Value::Null)
}
