//! A process between provost and a connector's program that brings the faults of real programs:
//! `stdio-faults STATE PROGRAM ARGUMENT...`
//!
//! It is to lines over pipes what `provost_conformance::proxy` is to HTTP, in the same words, and knows what only a
//! program can do besides. STATE is a JSON file that says which faults are drawn; it outlives the process, which ends
//! with many of them, and is shared by all processes of a run. The same call never meets two faults in a row, so that
//! whoever tries again gets on.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio, exit};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs, io, thread};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which faults are drawn, and how far it has come.
#[derive(Deserialize, Serialize)]
struct State {
    seed: u64,
    /// One in so many calls meets a fault that suits it; 0 means none. A fault that has not happened yet happens at the
    /// first chance.
    one_in: u64,
    faults: Vec<Fault>,
    /// The only methods that meet faults; all but the handshake where empty.
    methods: Vec<String>,
    /// The last calls that met one: the next of the same is let through.
    spared: Vec<String>,
    counts: BTreeMap<String, u64>,
    calls: u64,
    lines: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    /// Answered as rate limited; not forwarded.
    RateLimit,
    /// Answered as unavailable; not forwarded.
    Unavailable,
    /// Dies before anything is forwarded.
    CutBefore,
    /// It is forwarded and done, and the process dies instead of answering.
    CutAfter,
    /// A page of a read lacks its last item and says nothing of it.
    ShortPage,
    /// A page of a read comes twice.
    RepeatedPage,
    /// A change that a look-up would show is answered as done, and nothing is forwarded.
    DidNothing,
    /// It takes 30 ms.
    Slow,
    /// Before the answer comes a line that is no message.
    Garbage,
    /// The answer comes twice.
    DuplicateAnswer,
    /// The answer is to a call that nobody made.
    WrongId,
    /// Before the answer comes a line without an end.
    OversizeLine,
    /// Dies after it has answered.
    ExitBetween,
    /// The handshake names another version.
    WrongVersion,
    /// Never answers, and hears no wish to cancel.
    Hang,
    /// Answers only after it was asked to cancel.
    SlowToCancel,
}

impl Fault {
    /// Its name in [`State::counts`].
    fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
    }

    /// Whether it needs a page to happen to.
    fn is_of_pages(self) -> bool {
        matches!(self, Fault::ShortPage | Fault::RepeatedPage)
    }

    fn suits(self, method: &str, verb: Option<&str>) -> bool {
        // What nobody can look up afterwards, nobody can know to be a lie.
        const SHOWN: [&str; 8] =
            ["create", "update", "rename", "enable", "disable", "delete", "grant", "revoke"];
        match self {
            _ if self.is_of_pages() => method == "observe",
            Fault::DidNothing => verb.is_some_and(|verb| SHOWN.contains(&verb)),
            Fault::WrongVersion => method == "initialize",
            _ => true,
        }
    }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let missing = || io::Error::new(io::ErrorKind::InvalidInput, "stdio-faults STATE PROGRAM ARGUMENT...");
    let state = Arc::new(arguments.next().ok_or_else(missing)?);
    let mut child = Command::new(arguments.next().ok_or_else(missing)?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to_child = child.stdin.take().ok_or_else(missing)?;
    let from_child = BufReader::new(child.stdout.take().ok_or_else(missing)?);
    let child = Arc::new(Mutex::new(child));
    let faults: Arc<Mutex<HashMap<u64, Fault>>> = Arc::default();
    let answers = Answers {
        state: state.clone(),
        faults: faults.clone(),
        child: child.clone(),
        max_line: Arc::default(),
    };
    let max_line = answers.max_line.clone();
    thread::spawn(move || answers.forward(from_child));
    for line in io::stdin().lock().lines() {
        let line = line?;
        let message: Value = serde_json::from_str(&line)?;
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let call = message["id"].as_u64();
        if let Some(limit) = message["params"]["max_line"].as_u64() {
            *lock(&max_line) = limit;
        }
        let fault = match call {
            Some(_) => drawn(&state, &method, &message["params"])?,
            None => {
                let met =
                    message["params"]["call"].as_u64().and_then(|call| lock(&faults).get(&call).copied());
                if met == Some(Fault::SlowToCancel) {
                    lock(&faults).clear();
                    let call = message["params"]["call"].clone();
                    refuse(&call, "timeout")?;
                }
                None
            }
        };
        match fault {
            Some(Fault::RateLimit) => refuse(&message["id"], "rate-limited")?,
            Some(Fault::Unavailable) => refuse(&message["id"], "unavailable")?,
            Some(Fault::CutBefore) => die(&child),
            Some(Fault::DidNothing) => {
                let lie = json!({"changed": true, "anchor": "leads-nowhere"});
                say(&json!({"jsonrpc": "2.0", "id": message["id"], "result": lie}))?;
            }
            fault => {
                if let (Some(fault), Some(call)) = (fault, call) {
                    lock(&faults).insert(call, fault);
                }
                to_child.write_all(line.as_bytes())?;
                to_child.write_all(b"\n")?;
            }
        }
    }
    // The end of the input is passed on.
    drop(to_child);
    lock(&child).wait().map(|_| ())
}

struct Answers {
    state: Arc<String>,
    faults: Arc<Mutex<HashMap<u64, Fault>>>,
    child: Arc<Mutex<Child>>,
    max_line: Arc<Mutex<u64>>,
}

impl Answers {
    fn forward(&self, from_child: BufReader<impl Read>) {
        let mut lines = 0;
        for line in from_child.lines() {
            let passed = line.and_then(|line| self.pass(&line, &mut lines));
            if passed.is_err() {
                break;
            }
        }
        exit(0);
    }

    fn pass(&self, line: &str, lines: &mut u64) -> io::Result<()> {
        *lines += 1;
        let mut message: Value = serde_json::from_str(line)?;
        if let Some(call) = message["params"]["call"].as_u64() {
            let met = lock(&self.faults).get(&call).copied();
            if let Some(fault) = met.filter(|fault| fault.is_of_pages()) {
                with(&self.state, |state| state.count(fault))?;
                // The next page is as it should be.
                lock(&self.faults).remove(&call);
                match fault {
                    Fault::ShortPage => drop(message["params"]["items"].as_array_mut().and_then(Vec::pop)),
                    _ => say(&message)?,
                }
            }
            return say(&message);
        }
        let seen = std::mem::take(lines);
        with(&self.state, |state| state.lines += seen)?;
        let call = message["id"].as_u64().unwrap_or_default();
        let met = lock(&self.faults).get(&call).copied();
        if !matches!(met, Some(Fault::SlowToCancel)) {
            lock(&self.faults).remove(&call);
        }
        match met {
            Some(Fault::CutAfter) => die(&self.child),
            Some(Fault::Slow) => thread::sleep(Duration::from_millis(30)),
            Some(Fault::Garbage) => println!("Segmentation fault (core dumped)"),
            Some(Fault::DuplicateAnswer) => say(&message)?,
            Some(Fault::WrongId) => message["id"] = json!(call + 1_000),
            Some(Fault::OversizeLine) => {
                let limit = usize::try_from(*lock(&self.max_line)).unwrap_or_default();
                io::stdout().write_all(&vec![b'x'; limit])?;
            }
            Some(Fault::WrongVersion) => message["result"]["protocol"] = json!(99),
            Some(Fault::Hang | Fault::SlowToCancel) => return Ok(()),
            _ => {}
        }
        say(&message)?;
        if met == Some(Fault::ExitBetween) {
            die(&self.child);
        }
        Ok(())
    }
}

/// The fault of the next call.
fn drawn(path: &str, method: &str, params: &Value) -> io::Result<Option<Fault>> {
    with(path, |state| {
        state.calls += 1;
        state.lines += 1;
        let listed = match state.methods.is_empty() {
            true => !["initialize", "open"].contains(&method),
            false => state.methods.iter().any(|known| known == method),
        };
        // A call that is tried again is the same but for its key.
        let place = format!("{method} {} {params}", params["operation"]);
        let place = place.split("\"key\"").next().unwrap_or_default().to_owned();
        let before = state.spared.len();
        state.spared.retain(|known| *known != place);
        let spared = state.spared.len() < before;
        if !listed || state.one_in == 0 || spared {
            return None;
        }
        let drawn = state.draw().is_multiple_of(state.one_in);
        let verb = params["operation"]["operation"].as_str();
        let mut among: Vec<Fault> =
            state.faults.iter().copied().filter(|fault| fault.suits(method, verb)).collect();
        // One that has not happened yet happens at the first chance.
        if among.iter().any(|fault| !state.counts.contains_key(&fault.name())) {
            among.retain(|fault| !state.counts.contains_key(&fault.name()));
        } else if !drawn {
            return None;
        }
        let count = u64::try_from(among.len()).ok().filter(|count| *count > 0)?;
        let fault = *among.get(usize::try_from(state.draw() % count).ok()?)?;
        state.spared.push(place);
        if !fault.is_of_pages() {
            state.count(fault);
        }
        Some(fault)
    })
}

impl State {
    fn count(&mut self, fault: Fault) {
        *self.counts.entry(fault.name()).or_default() += 1;
    }

    /// SplitMix64: even, tiny, and the same everywhere.
    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Changes the state, which other processes change as well, and which is whole whenever one of them is killed.
fn with<T>(path: &str, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
    let lock = File::create(format!("{path}.lock"))?;
    lock.lock()?;
    let mut state = serde_json::from_slice(&fs::read(path)?)?;
    let result = change(&mut state);
    let next = format!("{path}.next");
    fs::write(&next, serde_json::to_string(&state)?)?;
    fs::rename(&next, path)?;
    Ok(result)
}

fn refuse(call: &Value, kind: &str) -> io::Result<()> {
    let error = json!({"code": -32000, "message": "A fault of the proxy.", "data": {"kind": kind}});
    say(&json!({"jsonrpc": "2.0", "id": call, "error": error}))
}

fn say(message: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{message}")?;
    out.flush()
}

fn die(child: &Mutex<Child>) {
    // What it was doing is done or never will be; nothing can be said about a failure to end it.
    let _killed = lock(child).kill();
    exit(1);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
