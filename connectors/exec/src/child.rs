//! One run of a program: lines to it, lines from it, its words to the log, and its end. Four threads, because pipes
//! and processes are waited for; whoever calls does so without blocking.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use provost_sdk::{Error, ErrorKind, Item, Program, Result};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::message::{self, Failure, Incoming};
use crate::process::{self, Process};
use crate::text::{LONGEST_REASON, Secrets};

/// What a program has to end by itself after its input was closed, and a call after it was asked to end.
const GRACE: Duration = Duration::from_secs(2);
/// What is still in the pipes of a program that ended is read for so long: somebody outside of its group may hold them.
const LAST_READ: Duration = Duration::from_secs(1);
/// Characters of one line in the log, and how many lines a program may write in [`LOG_WINDOW`]: a loop that prints must not
/// fill the log.
const LOG_LINE: usize = 2_000;
const LOG_LINES: u32 = 100;
const LOG_WINDOW: Duration = Duration::from_secs(10);
/// How many of its last lines are told with a program's end: enough for the gist of a stack trace.
const LAST_WORDS: usize = 4;
/// Batches of items that wait for whoever reads; then the program waits.
const BATCHES: usize = 4;

/// A program that runs.
pub(crate) struct Child(Arc<Shared>);

struct Shared {
    process: Process,
    target: String,
    secrets: Secrets,
    state: Mutex<State>,
    ended: Condvar,
    last_words: Mutex<VecDeque<String>>,
}

struct State {
    next: u64,
    calls: HashMap<u64, Caller>,
    /// Lines to the program; closed when nobody wants it any more.
    lines: Option<Sender<Vec<u8>>>,
    ending: Option<Ending>,
}

enum Caller {
    Waiting(mpsc::Sender<Event>),
    /// It went away; the answer is still owed.
    Gone,
}

enum Event {
    Items(Vec<Item>),
    Answer(std::result::Result<Value, Failure>),
}

/// Why a program no longer runs.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    kind: ErrorKind,
    message: String,
}

impl Ending {
    fn error(&self) -> Error {
        Error::new(self.kind.clone(), self.message.clone())
    }
}

/// What a thread of its own does.
type Work = Box<dyn FnOnce() + Send>;

/// A call under way. Dropped before its answer, the program is asked to end it.
pub(crate) struct Call {
    child: Arc<Shared>,
    id: u64,
    events: mpsc::Receiver<Event>,
}

impl Child {
    /// Starts the program. Nothing is said to it yet.
    pub(crate) async fn start(
        program: &Program,
        target: &str,
        secrets: &Secrets,
        max_line: usize,
    ) -> Result<Child> {
        let failed = |error: io::Error| {
            let name = program.run.first().map(String::as_str).unwrap_or_default();
            let message = format!("The program `{name}` of the target {target} cannot be started: {error}.");
            Error::new(ErrorKind::Configuration, message).because(error)
        };
        let mut child = process::start(program).await.map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (lines, to_write) = channel();
        let state = State { next: 1, calls: HashMap::new(), lines: Some(lines), ending: None };
        let shared = Arc::new(Shared {
            process: Process::new(child),
            target: target.to_owned(),
            secrets: secrets.clone(),
            state: Mutex::new(state),
            ended: Condvar::new(),
            last_words: Mutex::default(),
        });
        // From here on a failure drops it, which ends the process.
        let started = Child(Arc::clone(&shared));
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        // Each channel is closed when the thread that holds its other end is done.
        let (reading, read) = channel::<()>();
        let (logging, logged) = channel::<()>();
        let work: [(&str, Work); 4] = [
            ("exec-stdin", Box::new(move || write_lines(stdin, &to_write))),
            ("exec-stdout", {
                let shared = Arc::clone(&shared);
                Box::new(move || {
                    let _reading = reading;
                    shared.read_lines(stdout, max_line);
                })
            }),
            ("exec-stderr", {
                let shared = Arc::clone(&shared);
                Box::new(move || {
                    let _logging = logging;
                    shared.log_lines(stderr);
                })
            }),
            ("exec-wait", {
                let shared = Arc::clone(&shared);
                Box::new(move || shared.wait(&read, &logged))
            }),
        ];
        for (name, work) in work {
            thread::Builder::new().name(name.to_owned()).spawn(work).map_err(failed)?;
        }
        Ok(started)
    }

    /// Whether it can still be called.
    pub(crate) fn runs(&self) -> bool {
        lock(&self.0.state).ending.is_none()
    }

    /// Sends a call.
    ///
    /// # Errors
    /// The program has ended: nothing was sent.
    pub(crate) fn call(&self, method: &str, params: &impl Serialize) -> Result<Call> {
        let (sender, events) = mpsc::channel(BATCHES);
        let mut state = lock(&self.0.state);
        if let Some(ending) = &state.ending {
            return Err(ending.error());
        }
        let id = state.next;
        let line = message::request(id, method, params).map_err(|error| {
            Error::new(ErrorKind::InvalidValue, "The call cannot be written as JSON.").because(error)
        })?;
        state.next += 1;
        state.calls.insert(id, Caller::Waiting(sender));
        state.send(line);
        Ok(Call { child: Arc::clone(&self.0), id, events })
    }
}

impl Call {
    /// Waits for the answer. `each` may pass between two messages; then the program is asked to end the call, and
    /// killed when it does not. Batches of items go to `take`.
    ///
    /// # Errors
    /// The program's own, or one that may have landed where the program gave no answer.
    pub(crate) async fn answer(
        mut self,
        each: Duration,
        mut take: impl FnMut(Vec<Item>) -> Result<()> + Send,
    ) -> Result<Value> {
        let grace = GRACE.min(each / 4);
        let mut deadline = Instant::now() + each.saturating_sub(grace);
        let mut asked_to_end = false;
        loop {
            match timeout_at(deadline.into(), self.events.recv()).await {
                Ok(Some(Event::Items(items))) => {
                    take(items)?;
                    if !asked_to_end {
                        deadline = Instant::now() + each.saturating_sub(grace);
                    }
                }
                Ok(Some(Event::Answer(Ok(value)))) => return Ok(value),
                Ok(Some(Event::Answer(Err(failure)))) => return Err(failure.error(&self.child.secrets)),
                Ok(None) => return Err(self.child.ending().error().in_doubt()),
                Err(_) if !asked_to_end => {
                    self.child.cancel(self.id);
                    asked_to_end = true;
                    deadline = Instant::now() + grace;
                }
                Err(_) => {
                    let message = format!(
                        "The connector's program did not answer within {} s, and did not end the call when it was \
                         asked to. It was killed.",
                        each.as_secs_f32()
                    );
                    self.child.end(Ending { kind: ErrorKind::Timeout, message });
                    self.child.process.kill();
                    return Err(self.child.ending().error().in_doubt());
                }
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = lock(&self.child.state);
        if let Some(caller @ Caller::Waiting(_)) = state.calls.get_mut(&self.id) {
            *caller = Caller::Gone;
            drop(state);
            self.child.cancel(self.id);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The end of its input asks it to end.
        lock(&self.0.state).lines = None;
        let shared = Arc::clone(&self.0);
        let insist = move || {
            let state = lock(&shared.state);
            let running = |state: &mut State| state.ending.is_none();
            let waited = shared.ended.wait_timeout_while(state, GRACE, running);
            drop(waited);
            shared.process.kill();
        };
        if thread::Builder::new().name("exec-end".to_owned()).spawn(insist).is_err() {
            self.0.process.kill();
        }
    }
}

impl State {
    fn send(&self, line: Vec<u8>) {
        // A program that reads no more is about to end, and the call learns of that.
        if let Some(lines) = &self.lines {
            drop(lines.send(line));
        }
    }
}

impl Shared {
    fn ending(&self) -> Ending {
        lock(&self.state).ending.clone().unwrap_or_else(|| Ending {
            kind: ErrorKind::Unavailable,
            message: "The connector's program gave no answer.".to_owned(),
        })
    }

    /// Notes why it no longer runs; the first reason counts. Every caller hears of it.
    fn end(&self, ending: Ending) {
        let mut state = lock(&self.state);
        state.ending.get_or_insert(ending);
        state.calls.clear();
        self.ended.notify_all();
    }

    fn cancel(&self, id: u64) {
        if let Ok(line) = message::cancel(id) {
            lock(&self.state).send(line);
        }
    }

    fn read_lines(&self, stdout: ChildStdout, max_line: usize) {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = u64::try_from(max_line).unwrap_or(u64::MAX);
            match (&mut stdout).take(limit).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let taken = match line.last() {
                Some(b'\n') => self.take(&line),
                _ if line.len() >= max_line => Err(format!("it is longer than {max_line} bytes")),
                // The end came within a line.
                _ => break,
            };
            if let Err(why) = taken {
                let why = self.secrets.shown(why.as_bytes(), LONGEST_REASON);
                let part = self.secrets.shown(&line, LONGEST_REASON);
                let message = format!(
                    "The connector's program wrote a line to its standard output that is no message of the protocol: \
                     {why}. It begins: {part}"
                );
                tracing::error!(target_id = self.target, "{message}");
                self.end(Ending { kind: ErrorKind::InvalidResponse, message });
                break;
            }
        }
        // Without its output it is of no more use.
        self.process.kill();
    }

    /// Takes one line in; why it is none of the protocol where it is not.
    fn take(&self, line: &[u8]) -> std::result::Result<(), String> {
        let (caller, event) = match Incoming::read(line)? {
            Incoming::Items(items) => match lock(&self.state).calls.get(&items.call) {
                Some(Caller::Waiting(caller)) => (caller.clone(), Event::Items(items.items)),
                Some(Caller::Gone) => return Ok(()),
                None => return Err(format!("it has items of call {}, which is not under way", items.call)),
            },
            Incoming::Answer { id, answer } => match lock(&self.state).calls.remove(&id) {
                Some(Caller::Waiting(caller)) => (caller, Event::Answer(answer)),
                Some(Caller::Gone) => return Ok(()),
                None => {
                    return Err(format!(
                        "it answers call {id}, which is not under way: never made, or answered before"
                    ));
                }
            },
        };
        // Nobody listens any more where this fails.
        drop(caller.blocking_send(event));
        Ok(())
    }

    fn log_lines(&self, stderr: ChildStderr) {
        let mut stderr = BufReader::new(stderr);
        let mut line = Vec::new();
        let (mut since, mut lines) = (Instant::now(), 0_u32);
        let mut within = false;
        loop {
            line.clear();
            // Twice as much as is shown: a secret at the cut is seen as a whole, and replaced.
            match (&mut stderr).take(2 * LOG_LINE as u64).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let rest = std::mem::replace(&mut within, line.last() != Some(&b'\n'));
            if rest {
                continue;
            }
            let text = self.secrets.shown(&line, LOG_LINE);
            if since.elapsed() > LOG_WINDOW {
                if lines > LOG_LINES {
                    let left_out = lines - LOG_LINES;
                    tracing::warn!(
                        target_id = self.target,
                        left_out,
                        "the connector's program said too much"
                    );
                }
                (since, lines) = (Instant::now(), 0);
            }
            lines = lines.saturating_add(1);
            if lines <= LOG_LINES {
                tracing::info!(target_id = self.target, "the connector's program said: {text}");
            }
            let mut last = lock(&self.last_words);
            if last.len() == LAST_WORDS {
                last.pop_front();
            }
            last.push_back(text);
        }
    }

    fn wait(&self, read: &Receiver<()>, logged: &Receiver<()>) {
        let status = self.process.wait();
        // What it wrote before its end counts.
        for pipe in [read, logged] {
            let _closed_or_late = pipe.recv_timeout(LAST_READ);
        }
        let wanted = lock(&self.state).lines.is_none();
        let ending = Ending { kind: ErrorKind::Unavailable, message: self.farewell(status) };
        if !wanted {
            tracing::warn!(target_id = self.target, "{}", ending.message);
        }
        self.end(ending);
    }

    fn farewell(&self, status: Option<ExitStatus>) -> String {
        let how = status.map_or_else(|| "nobody knows how".to_owned(), |status| status.to_string());
        let last: Vec<String> = lock(&self.last_words).iter().cloned().collect();
        match last.is_empty() {
            true => format!("The connector's program ended ({how})."),
            false => format!("The connector's program ended ({how}). It last said: {}", last.join(" / ")),
        }
    }
}

fn write_lines(mut stdin: ChildStdin, lines: &Receiver<Vec<u8>>) {
    for line in lines {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// A panic of another thread says nothing about the data: every change is made before anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
