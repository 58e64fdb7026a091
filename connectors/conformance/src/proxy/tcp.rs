//! The faults of connections, for protocols that are not HTTP.
//!
//! What goes to and fro means nothing here: a request is what the client says after the upstream has said something,
//! or at first. So one exchange of a TLS handshake is a request too, and requests that a client sends without waiting
//! are one.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::faults::{Choice, Fault, Script};
use super::lock;

/// At most so many requests are left alone after a cut: more than an operation of any known connector takes, its
/// connecting included. What had a long life before would be spared for as long otherwise.
const SPARED: usize = 64;
/// What is read at once.
const CHUNK: usize = 64 << 10;

/// A running proxy in front of one address. It ends, with all its connections, when it is dropped.
///
/// In a listed script the opening of a connection counts as a request. After a connection that was cut the next one is
/// left alone until it has come twice as far (up to 64 requests), so that whoever begins again gets on.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl TcpProxy {
    /// Starts one in front of `upstream`, which is `HOST:PORT`. Faults of HTTP are left out of a seeded script, and in a
    /// listed one do nothing.
    ///
    /// # Errors
    /// When no port of loopback can be had.
    pub async fn start(upstream: &str, script: Script) -> io::Result<TcpProxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            choice: Mutex::new(Choice::new(script)),
            ..State::default()
        });
        let task = tokio::spawn(serve(listener, state.clone()));
        Ok(TcpProxy { address, state, task })
    }

    /// The address to put in the place of the upstream's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often each fault was brought about.
    pub fn faults(&self) -> BTreeMap<&'static str, usize> {
        lock(&self.state.choice).counts()
    }

    /// How many requests came; openings are none.
    pub fn requests(&self) -> usize {
        *lock(&self.state.requests)
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Default)]
struct State {
    upstream: String,
    choice: Mutex<Choice>,
    requests: Mutex<usize>,
    /// For each connection that was cut and has no successor yet: so many requests of the next one are left alone.
    spared: Mutex<VecDeque<usize>>,
}

/// How far a connection has come.
#[derive(Debug, Default)]
struct Exchange {
    /// Requests so far.
    requests: usize,
    /// Whether the upstream has not said anything since the last request began.
    asked: bool,
    /// What awaits the answer.
    fault: Option<Fault>,
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let state = state.clone();
        connections.spawn(async move {
            // A failure is a cut connection: the fault itself, or an end that went away.
            let _cut = connection(&state, client).await;
        });
    }
}

/// One connection from its opening to its end.
async fn connection(state: &State, client: TcpStream) -> io::Result<()> {
    let spared = lock(&state.spared).pop_front().unwrap_or(0);
    let fault = lock(&state.choice).of(spared > 0, |fault| matches!(fault, Fault::Refused));
    if let Some(fault @ Fault::Refused) = fault {
        client.set_zero_linger()?;
        return Err(state.cut(&fault, 0));
    }
    let upstream = TcpStream::connect(&state.upstream).await?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let exchange = Mutex::new(Exchange::default());
    let ((from_client, to_client), (from_upstream, to_upstream)) =
        (client.into_split(), upstream.into_split());
    tokio::try_join!(
        requests(state, &exchange, spared, from_client, to_upstream),
        answers(state, &exchange, from_upstream, to_client)
    )?;
    Ok(())
}

async fn requests(
    state: &State,
    exchange: &Mutex<Exchange>,
    spared: usize,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let fault = state.fault(&mut lock(exchange), spared);
        match fault {
            Some(fault @ Fault::CutBefore) => return Err(state.cut(&fault, lock(exchange).requests)),
            Some(fault @ Fault::Slow(time)) => {
                state.happened(&fault);
                tokio::time::sleep(time).await;
            }
            _ => {}
        }
        to.write_all(&chunk[..length]).await?;
    }
}

async fn answers(
    state: &State,
    exchange: &Mutex<Exchange>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let fault = {
            let mut exchange = lock(exchange);
            exchange.asked = false;
            exchange.fault.take()
        };
        match fault {
            // Its first words say that it has heard the request and done it.
            Some(fault @ Fault::CutAfter) => return Err(state.cut(&fault, lock(exchange).requests)),
            Some(fault @ Fault::SlowAnswer(time)) => {
                state.happened(&fault);
                tokio::time::sleep(time).await;
            }
            _ => {}
        }
        to.write_all(&chunk[..length]).await?;
    }
}

impl State {
    /// The fault of what the client just said, if a request begins with it.
    fn fault(&self, exchange: &mut Exchange, spared: usize) -> Option<Fault> {
        if exchange.asked {
            return None;
        }
        exchange.asked = true;
        exchange.requests += 1;
        *lock(&self.requests) += 1;
        let possible = |fault: &Fault| {
            use Fault::{CutAfter, CutBefore, Slow, SlowAnswer};
            matches!(fault, CutBefore | CutAfter | Slow(_) | SlowAnswer(_))
        };
        exchange.fault = lock(&self.choice).of(exchange.requests <= spared, possible);
        exchange.fault.clone()
    }

    fn happened(&self, fault: &Fault) {
        lock(&self.choice).happened(fault);
    }

    /// Notes a cut of a connection that has come so far. Before anybody can see it: the next one may come at once.
    fn cut(&self, fault: &Fault, requests: usize) -> io::Error {
        self.happened(fault);
        lock(&self.spared).push_back((2 * requests).clamp(2, SPARED));
        super::cut()
    }
}
