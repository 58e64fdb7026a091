//! Proxies on loopback that bring the faults of real networks and real servers between a connector and its system.
//!
//! [`Proxy`] forwards plain HTTP to one upstream address, [`TcpProxy`] any other protocol, encrypted ones too. Which
//! request meets which fault is drawn from a seed or written down request by request; the same request never meets two
//! in a row, so that whoever tries again gets on.

mod answers;
mod faults;
mod tcp;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub use answers::{Elements, Pages};
pub use faults::{Fault, Script};
pub use tcp::TcpProxy;

use answers::Page;
use faults::Choice;

/// More than any page of a test.
const LARGEST_BODY: usize = 64 << 20;

type Answer = Response<Bytes>;

/// A running proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one in front of `upstream`, an `http://HOST:PORT` address whose path is not looked at.
    ///
    /// # Errors
    /// When the address is none, or no port of loopback can be had.
    pub async fn start(upstream: &str, script: Script, pages: Pages) -> io::Result<Proxy> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{upstream} is no http address."));
        let uri: Uri = upstream.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong());
        }
        let host = uri.host().ok_or_else(wrong)?;
        let upstream = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let choice = Choice::new(script);
        let state = Arc::new(State { upstream, pages, choice: Mutex::new(choice), ..State::default() });
        let task = tokio::spawn(serve(listener, state.clone()));
        Ok(Proxy { address, state, task })
    }

    /// What to put in the place of `http://HOST:PORT` of the upstream address.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each fault was brought about.
    pub fn faults(&self) -> BTreeMap<&'static str, usize> {
        lock(&self.state.choice).counts()
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        *lock(&self.state.requests)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Default)]
struct State {
    upstream: String,
    pages: Pages,
    choice: Mutex<Choice>,
    requests: Mutex<usize>,
    /// The lists that have been seen, by path, with the last page that went out since anything was written.
    lists: Mutex<HashMap<String, Option<Page>>>,
    /// Requests (method and target) whose last try met a fault: the next one gets through.
    spared: Mutex<HashSet<String>>,
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let state = state.clone();
                async move { answer(&state, request).await.map(|answer| answer.map(Full::new)) }
            });
            // A failure here is a cut connection: the fault itself, or a client that went away.
            let _cut = server::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// One request. An error cuts the connection without an answer.
async fn answer(state: &State, request: Request<Incoming>) -> io::Result<Answer> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
    let request = state.pages.limited(Request::from_parts(parts, body));
    *lock(&state.requests) += 1;
    let place = format!("{} {}", request.method(), request.uri());
    let spared = lock(&state.spared).remove(&place);
    let fault = {
        let lists = lock(&state.lists);
        lock(&state.choice).of(spared, |fault| possible(fault, &request, &lists))
    };
    if fault.is_some() {
        lock(&state.spared).insert(place);
    }
    if request.method() != Method::GET {
        // What was on a page before a change is not what a system would repeat: nobody could tell that it is old.
        lock(&state.lists).values_mut().for_each(|page| *page = None);
    }
    match &fault {
        Some(Fault::ShortPage | Fault::RepeatedPage) => {}
        Some(fault) => state.count(fault),
        None => {}
    }
    match fault {
        None => {
            let answer = forward(state, request.clone()).await?;
            state.remember(&request, &answer);
            Ok(answer)
        }
        Some(Fault::RateLimit { seconds }) => Ok(answers::rate_limit(seconds)),
        Some(Fault::Unavailable) => Ok(answers::unavailable()),
        Some(Fault::Refused | Fault::CutBefore) => Err(cut()),
        Some(Fault::CutAfter) => {
            forward(state, request).await?;
            Err(cut())
        }
        Some(Fault::Slow(time)) => {
            tokio::time::sleep(time).await;
            forward(state, request).await
        }
        Some(Fault::SlowAnswer(time)) => {
            let answer = forward(state, request).await;
            tokio::time::sleep(time).await;
            answer
        }
        Some(Fault::DidNothing) => did_nothing(state, request).await,
        Some(fault @ Fault::ShortPage) => {
            let answer = forward(state, request).await?;
            Ok(match state.pages.shortened(&answer) {
                Some(short) => {
                    state.count(&fault);
                    short
                }
                None => answer,
            })
        }
        Some(fault @ Fault::RepeatedPage) => {
            let answer = forward(state, request.clone()).await?;
            let before = lock(&state.lists).get(request.uri().path()).cloned().flatten();
            state.remember(&request, &answer);
            Ok(match before {
                Some(page) if state.pages.is_page(&answer) && page.comes_before(&request) => {
                    state.count(&fault);
                    page.answer()
                }
                _ => answer,
            })
        }
    }
}

/// Whether a request can meet a fault, as far as can be said before it is answered.
fn possible(fault: &Fault, request: &Request<Bytes>, lists: &HashMap<String, Option<Page>>) -> bool {
    let list = (request.method() == Method::GET).then(|| lists.get(request.uri().path())).flatten();
    match fault {
        Fault::ShortPage => list.is_some(),
        Fault::RepeatedPage => {
            list.is_some_and(|page| page.as_ref().is_some_and(|page| page.comes_before(request)))
        }
        Fault::DidNothing => {
            [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(request.method())
        }
        _ => true,
    }
}

impl State {
    fn count(&self, fault: &Fault) {
        lock(&self.choice).happened(fault);
    }

    fn remember(&self, request: &Request<Bytes>, answer: &Answer) {
        if request.method() == Method::GET && self.pages.is_page(answer) {
            lock(&self.lists).insert(request.uri().path().to_owned(), Some(Page::of(request, answer)));
        }
    }
}

/// Answers a write as if it had been done: a change with what is there, a creation with what was sent, a deletion
/// with nothing.
async fn did_nothing(state: &State, request: Request<Bytes>) -> io::Result<Answer> {
    match *request.method() {
        Method::DELETE => Ok(answers::nothing()),
        Method::POST => Ok(answers::echo(&request)),
        _ => {
            let mut look = Request::new(Bytes::new());
            *look.method_mut() = Method::GET;
            *look.uri_mut() = request.uri().clone();
            *look.headers_mut() = request.headers().clone();
            forward(state, look).await
        }
    }
}

async fn forward(state: &State, mut request: Request<Bytes>) -> io::Result<Answer> {
    let stream = TcpStream::connect(&state.upstream).await?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let headers = request.headers_mut();
    for name in [TRANSFER_ENCODING, CONNECTION, CONTENT_LENGTH] {
        headers.remove(name);
    }
    if let Ok(host) = HeaderValue::from_str(&state.upstream) {
        headers.insert(HOST, host);
    }
    // The path and the query as they came: a URI in origin form.
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).parse();
    *request.uri_mut() = target.map_err(io::Error::other)?;
    let (method, body) = (request.method().clone(), request.body().clone());
    let request = request.map(|_| Full::new(body));
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let (mut parts, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
    connection.abort();
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.remove(CONNECTION);
    if method != Method::HEAD {
        parts.headers.remove(CONTENT_LENGTH);
    }
    Ok(Response::from_parts(parts, body))
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "The proxy cut the connection.")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
