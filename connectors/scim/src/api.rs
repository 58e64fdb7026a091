//! The calls, and what has been learned about the server that answers them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use provost_http::{Answer, Client, Config, Method, Request, header, segment};
use provost_sdk::{Error, ErrorKind, Result, Settings};
use serde_json::Value;

use crate::detect::{self, Found};
use crate::resource::{field, id, list, number, text};

/// The media type of RFC 7644, section 8.1.
const MEDIA_TYPE: &str = "application/scim+json";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// How long what the server says about itself is believed: as long as a full read by default, so that an upgraded server
/// is noticed with the next one.
const BELIEVED: Duration = Duration::from_secs(3600);

/// One server, as one target's credential sees it.
pub(crate) struct Server {
    client: Client,
    settings: Settings,
    found: tokio::sync::Mutex<Option<(Instant, Arc<Found>)>>,
    learned: Mutex<Learned>,
    /// Held while one resource is written, by path: servers that read, change and write it themselves lose one of two
    /// writes at once, and so does whoever writes it back whole.
    writing: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Everybody's name as last listed, for servers whose filters find nobody.
    names: tokio::sync::Mutex<Option<(Instant, Names)>>,
}

/// Ids by name without case.
pub(crate) type Names = HashMap<String, String>;

/// How long a list of names is good for the question whether a new one is free. Whoever takes it meanwhile is still
/// refused by the server, if it is spelled alike.
const NAMES_GOOD: Duration = Duration::from_secs(60);

/// What the server was seen to do. Everything begins unknown; a wrong belief costs calls, never a wrong result.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned {
    /// A list asked for with `count` fails.
    pub count_refused: bool,
    /// Cursors are advertised and do not work.
    pub cursor_refused: bool,
    /// A user's `groups` is all that it directly holds.
    pub user_groups: Option<bool>,
    /// A filter finds the groups of a member.
    pub member_filter: Option<MemberFilter>,
    /// A filter finds a user by name, in any case.
    pub name_filter: Option<bool>,
    /// Members are shown only when asked for by `attributes`.
    pub ask_members: bool,
    /// Groups have been seen to show members at all.
    pub members_shown: bool,
    /// The way of changing a user that worked.
    pub change: Option<crate::apply::Way>,
    /// The way of adding a member that worked.
    pub add: Option<crate::members::Add>,
    /// The way of removing a member that worked.
    pub remove: Option<crate::members::Remove>,
    /// Removing one member by its value was seen to remove all.
    pub values_empty: bool,
    /// Resources seen in the last lists that were not empty, by path: witnesses against an empty one.
    pub witnesses: BTreeMap<String, String>,
}

/// How groups are filtered by a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberFilter {
    /// `members.value eq "id"`
    Dotted,
    /// `members[value eq "id"]`
    Bracketed,
    /// Not at all.
    None,
}

/// How the server took a call.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A success, with the object that it showed, if any.
    Done(Done),
    /// Anything else.
    Refused(Refusal),
}

/// A success.
#[derive(Debug)]
pub(crate) struct Done {
    /// The object in the body.
    pub body: Option<Value>,
    /// The answer around it.
    pub answer: Answer,
}

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The status code.
    pub status: u16,
    /// It as an error.
    pub error: Error,
}

/// One page of a list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// What is on it.
    pub resources: Vec<Value>,
    /// `totalResults`.
    pub total: Option<usize>,
    /// `nextCursor` (RFC 9865).
    pub next: Option<String>,
}

impl Server {
    pub(crate) fn new(settings: &Settings) -> Result<Server> {
        let mut config = Config::from_settings(settings)?;
        config.accept = "application/scim+json, application/json;q=0.9";
        Ok(Server {
            client: Client::new(config)?,
            settings: settings.clone(),
            found: tokio::sync::Mutex::default(),
            learned: Mutex::default(),
            writing: Mutex::default(),
            names: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn host(&self) -> &str {
        self.client.host()
    }

    /// What the server says about itself; asked for at the first use and again after a while.
    pub(crate) async fn found(&self) -> Result<Arc<Found>> {
        let mut kept = self.found.lock().await;
        if let Some((at, found)) = &*kept
            && at.elapsed() < BELIEVED
        {
            return Ok(found.clone());
        }
        let found = Arc::new(detect::detect(self).await?);
        *kept = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    pub(crate) fn learned(&self) -> Learned {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn learn(&self, change: impl FnOnce(&mut Learned)) {
        change(&mut self.learned.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until nobody else of ours writes this resource.
    pub(crate) async fn alone(&self, base: &str, id: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            writing.retain(|_, lock| Arc::strong_count(lock) > 1);
            writing.entry(format!("{base}/{id}")).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// The names as last listed, while they are good.
    pub(crate) async fn names(&self) -> tokio::sync::MutexGuard<'_, Option<(Instant, Names)>> {
        let mut names = self.names.lock().await;
        names.take_if(|(at, _)| at.elapsed() > NAMES_GOOD);
        names
    }

    /// Sends one request. `Err` is what no dialect explains: unreachable, redirected, no JSON.
    pub(crate) async fn call(&self, request: Request) -> Result<Outcome> {
        let answer = self.client.send(request).await?;
        if !answer.is_success() {
            // An error page need not be JSON: the status says enough.
            let body = answer.json().unwrap_or_default();
            return Ok(Outcome::Refused(self.refusal(&answer, &body, answer.status)));
        }
        let blank = answer.body.iter().all(u8::is_ascii_whitespace);
        let body = if blank { None } else { Some(answer.json()?).filter(Value::is_object) };
        if let Some(body) = &body
            && list(body, "schemas").is_some_and(|list| list.iter().any(|schema| schema == ERROR))
        {
            let status = number(body, "status").and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
            return Ok(Outcome::Refused(self.refusal(&answer, body, status)));
        }
        Ok(Outcome::Done(Done { body, answer }))
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Outcome> {
        let mut request = Request::new(Method::GET, path);
        for (name, value) in query {
            request = request.query(name, value);
        }
        self.call(request).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Outcome> {
        self.call(Request::new(Method::POST, path).json(MEDIA_TYPE, body)).await
    }

    pub(crate) async fn patch(&self, path: &str, operations: Vec<Value>) -> Result<Outcome> {
        let body = serde_json::json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        self.call(Request::new(Method::PATCH, path).json(MEDIA_TYPE, &body)).await
    }

    /// Writes a resource whole, only over the version that was read where the server has versions.
    pub(crate) async fn put(&self, path: &str, body: &Value, version: Option<&str>) -> Result<Outcome> {
        let mut request = Request::new(Method::PUT, path).json(MEDIA_TYPE, body);
        if let Some(version) = version
            && self.found().await?.etag
        {
            request = request.header(header::IF_MATCH, version)?;
        }
        self.call(request).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Outcome> {
        self.call(Request::new(Method::DELETE, path)).await
    }

    /// One resource afresh; `None` where the server says that it is not there. An answer about another resource is an
    /// error.
    pub(crate) async fn fetch(&self, base: &str, wanted: &str) -> Result<Option<Value>> {
        self.fetch_with(base, wanted, &[]).await
    }

    /// [`Server::fetch`] with a query.
    pub(crate) async fn fetch_with(
        &self,
        base: &str,
        wanted: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<Value>> {
        let done = match self.get(&at(base, wanted)?, query).await? {
            Outcome::Refused(refusal) if matches!(refusal.status, 404 | 410) => return Ok(None),
            outcome => outcome.done()?,
        };
        let body = done.body.as_ref().ok_or_else(|| done.answer.invalid("that is no resource"))?;
        if id(body).as_deref() != Some(wanted) {
            return Err(done.answer.invalid("about another resource than the one asked for"));
        }
        let mut body = body.clone();
        if let (Some(etag), Some(object)) = (done.answer.etag(), body.as_object_mut()) {
            let meta = object.entry("meta").or_insert_with(|| Value::Object(Default::default()));
            if let Some(meta) = meta.as_object_mut() {
                meta.entry("version").or_insert_with(|| Value::from(etag));
            }
        }
        Ok(Some(body))
    }

    /// One page of a list. `Err` in the inner result is the server's refusal of this query.
    pub(crate) async fn page(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<std::result::Result<Page, Refusal>> {
        let done = match self.get(path, query).await? {
            Outcome::Done(done) => done,
            Outcome::Refused(refusal) => return Ok(Err(refusal)),
        };
        let body = done.body.as_ref().ok_or_else(|| done.answer.invalid("that is no list"))?;
        let total = number(body, "totalResults");
        let resources = match field(body, "Resources") {
            Some(Value::Array(resources)) => resources.clone(),
            // RFC 7644, section 3.4.2: it may be left out where it would be empty.
            None if total.is_some() => Vec::new(),
            _ => return Err(done.answer.invalid("that is no list")),
        };
        let next = text(body, "nextCursor");
        Ok(Ok(Page { resources, total, next }))
    }

    fn refusal(&self, answer: &Answer, body: &Value, status: u16) -> Refusal {
        let scim_type = text(body, "scimType").unwrap_or_default();
        let detail = text(body, "detail").or_else(|| text(body, "message")).unwrap_or_default();
        let answer = Answer { status, ..answer.clone() };
        let mut error = answer.error(&self.client.redact(&detail));
        if scim_type.eq_ignore_ascii_case("uniqueness") {
            error.kind = ErrorKind::AlreadyExists;
        }
        Refusal { status, error }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.client.host())
    }
}

impl Outcome {
    /// The success, or the refusal as an error.
    pub(crate) fn done(self) -> Result<Done> {
        match self {
            Outcome::Done(done) => Ok(done),
            Outcome::Refused(refusal) => Err(refusal.error),
        }
    }
}

impl Refusal {
    /// Whether another way of saying the same may be taken: the server did not understand this one. 404 counts, because
    /// it is what a missing route answers, and who asks has just read the resource; 500 counts, because it is what
    /// servers answer to what they were not written for.
    pub(crate) fn is_dialect(&self) -> bool {
        !self.is_taken() && matches!(self.status, 400 | 404 | 405 | 406 | 415 | 422 | 500 | 501)
    }

    /// Whether a name is taken.
    pub(crate) fn is_taken(&self) -> bool {
        self.error.kind == ErrorKind::AlreadyExists
    }
}

/// The path of one resource.
pub(crate) fn at(base: &str, id: &str) -> Result<String> {
    Ok(format!("{base}/{}", segment(id)?))
}

/// A text as a filter's string, which is a JSON string (RFC 7644, section 3.4.2.2).
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
