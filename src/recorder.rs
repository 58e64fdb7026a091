//! The one recorder: takes records from everywhere, makes them durable in groups, and publishes the log.
//!
//! It is a thread of its own because every group ends with a write that must reach the disk. Whoever records waits
//! for the acknowledgement; nothing is acknowledged that a crash could take back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use provost_audit::{CommitId, Log, Publication, Record, Recorded, Tip};
use tokio::sync::{oneshot, watch};

/// Records are moved from the journal into the repository this long after the first of them.
const FLUSH_AFTER: Duration = Duration::from_millis(300);

/// As many records as one group takes.
const MAX_GROUP: usize = 1_000;

/// One push of the log may take this long: a stuck remote is reported, and tried again.
const PUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two tries to publish what could not be published.
const PUSH_AGAIN: Duration = Duration::from_secs(30);

/// Why records are not durable.
#[derive(Clone, Debug, thiserror::Error)]
#[error("The audit log cannot be written, so nothing is changed anywhere: {0}.")]
pub struct RecordError(pub String);

/// Where the log goes besides this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publishing {
    /// A path, or anything that `git push` takes.
    pub remote: String,
}

/// Why the log is not where it was to go.
pub(crate) enum NotPublished {
    /// Nobody answers, or the push is refused.
    Unreachable(String),
    /// The branch there is not what was published: somebody else wrote it, or removed it.
    Tampered(String),
}

/// How publishing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PublishState {
    /// The commit that was published last.
    pub published: Option<String>,
    /// Its number.
    pub seq: u64,
    /// Why the newest is not published.
    pub error: Option<String>,
    /// The published branch is not what was published there: somebody else wrote it, or removed it.
    pub tampered: bool,
}

/// The handle that everybody holds.
#[derive(Clone)]
pub struct Recorder {
    requests: Sender<Request>,
    publishing: Arc<watch::Sender<PublishState>>,
    repository: PathBuf,
}

enum Request {
    Record(Vec<Record>, oneshot::Sender<Result<Vec<Recorded>, RecordError>>),
    Flush(oneshot::Sender<Result<Tip, RecordError>>),
    With(Box<dyn FnOnce(&mut Log) + Send>),
    Stop(oneshot::Sender<()>),
}

impl Recorder {
    /// Starts the thread that owns the log. `died` is called once if the log cannot go on at all.
    pub fn start(
        log: Log,
        publishing: Option<Publishing>,
        died: impl FnOnce(String) + Send + 'static,
    ) -> Recorder {
        let (requests, inbox) = channel();
        let state = Arc::new(watch::Sender::new(PublishState::default()));
        let repository = log.repository();
        let publisher =
            publishing.map(|publishing| Publisher::start(repository.clone(), publishing, Arc::clone(&state)));
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || Work { log, publisher, died: Some(Box::new(died)), dirty: None }.run(&inbox))
            .map_or_else(|error| tracing::error!(%error, "the recorder's thread did not start"), drop);
        Recorder { requests, publishing: state, repository }
    }

    /// Makes records durable.
    pub async fn record(&self, records: Vec<Record>) -> Result<Vec<Recorded>, RecordError> {
        self.ask(|answer| Request::Record(records, answer)).await?
    }

    /// Makes records durable that have nothing to do with one another: one that is refused does not stop the others.
    pub async fn record_each(&self, records: Vec<Record>) -> Vec<Result<Recorded, RecordError>> {
        let asked: Vec<_> = records
            .into_iter()
            .map(|record| self.ask_later(|answer| Request::Record(vec![record], answer)))
            .collect();
        let mut results = Vec::with_capacity(asked.len());
        for answered in asked {
            let recorded = match answered {
                Ok(answered) => answered.await.map_err(|_| ended()).flatten(),
                Err(error) => Err(error),
            };
            results.push(recorded.and_then(|recorded| recorded.into_iter().next().ok_or_else(ended)));
        }
        results
    }

    /// Makes records durable, from a thread that may wait.
    pub fn record_blocking(&self, records: Vec<Record>) -> Result<Vec<Recorded>, RecordError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Record(records, answer)).map_err(|_| ended())?;
        answered.blocking_recv().map_err(|_| ended())?
    }

    /// Brings everything into the repository.
    pub async fn flush(&self) -> Result<Tip, RecordError> {
        self.ask(Request::Flush).await?
    }

    /// Asks the log something.
    pub fn with_log<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Log) -> T + Send + 'static,
    ) -> Result<T, RecordError> {
        let (answer, answered) = oneshot::channel();
        let asked = Box::new(move |log: &mut Log| drop(answer.send(ask(log))));
        self.requests.send(Request::With(asked)).map_err(|_| ended())?;
        answered.blocking_recv().map_err(|_| ended())
    }

    /// Flushes, publishes once more, and ends the thread.
    pub async fn stop(&self) -> Result<(), RecordError> {
        self.ask(Request::Stop).await
    }

    /// The same, from a thread that may wait.
    pub fn stop_blocking(&self) -> Result<(), RecordError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Stop(answer)).map_err(|_| ended())?;
        answered.blocking_recv().map_err(|_| ended())
    }

    /// How publishing goes.
    pub fn publishing(&self) -> PublishState {
        self.publishing.borrow().clone()
    }

    /// How publishing goes, from now on.
    pub fn watch_publishing(&self) -> watch::Receiver<PublishState> {
        self.publishing.subscribe()
    }

    /// Waits until a record is published; false if that fails, or takes longer than `patience`.
    pub async fn is_published(&self, seq: u64, patience: Duration) -> bool {
        if self.flush().await.is_err() {
            return false;
        }
        let mut state = self.publishing.subscribe();
        let over = state.wait_for(|state| state.seq >= seq || state.error.is_some());
        let over = tokio::time::timeout(patience, over).await;
        over.is_ok_and(|state| state.is_ok_and(|state| state.seq >= seq))
    }

    /// The repository of the log.
    pub fn repository(&self) -> &std::path::Path {
        &self.repository
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, RecordError> {
        self.ask_later(request)?.await.map_err(|_| ended())
    }

    fn ask_later<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<oneshot::Receiver<T>, RecordError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).map_err(|_| ended())?;
        Ok(answered)
    }
}

fn ended() -> RecordError {
    RecordError("the recorder has ended".to_owned())
}

type Died = Box<dyn FnOnce(String) + Send>;

struct Work {
    log: Log,
    publisher: Option<Publisher>,
    died: Option<Died>,
    dirty: Option<Instant>,
}

type Waiting = (Vec<Record>, oneshot::Sender<Result<Vec<Recorded>, RecordError>>);

impl Work {
    fn run(mut self, inbox: &Receiver<Request>) {
        loop {
            let wait = self.dirty.map(|since| FLUSH_AFTER.saturating_sub(since.elapsed()));
            let request = match wait {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => inbox.recv_timeout(wait),
            };
            match request {
                Ok(request) => {
                    if self.take(request, inbox) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => drop(self.flush()),
                Err(RecvTimeoutError::Disconnected) => {
                    drop(self.flush());
                    return;
                }
            }
        }
    }

    /// Whether this was the last request.
    fn take(&mut self, request: Request, inbox: &Receiver<Request>) -> bool {
        match request {
            Request::Record(records, answer) => {
                let mut group: Vec<Waiting> = vec![(records, answer)];
                let mut size = group[0].0.len();
                let mut next = None;
                while size < MAX_GROUP {
                    match inbox.try_recv() {
                        Ok(Request::Record(records, answer)) if size + records.len() <= MAX_GROUP => {
                            size += records.len();
                            group.push((records, answer));
                        }
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                self.record(group);
                next.is_some_and(|next| self.take(next, inbox))
            }
            Request::Flush(answer) => {
                drop(answer.send(self.flush()));
                false
            }
            Request::With(ask) => {
                ask(&mut self.log);
                false
            }
            Request::Stop(answer) => {
                drop(self.flush());
                if let Some(publisher) = self.publisher.take() {
                    publisher.finish();
                }
                // Whoever asked may have gone; the log is closed all the same.
                let _gone = answer.send(());
                true
            }
        }
    }

    /// One sync for all that waits. If the group as a whole is refused, each part is tried alone, so that one bad
    /// record does not stop its neighbours.
    fn record(&mut self, group: Vec<Waiting>) {
        let sizes: Vec<usize> = group.iter().map(|(records, _)| records.len()).collect();
        let (parts, answers): (Vec<Vec<Record>>, Vec<_>) = group.into_iter().unzip();
        let all: Vec<Record> = parts.into_iter().flatten().collect();
        let mut rest = &all[..];
        let whole = if all.len() > MAX_GROUP { None } else { self.log.record(&all).ok() };
        let mut recorded = whole.map(Vec::into_iter);
        for (size, answer) in sizes.into_iter().zip(answers) {
            let (part, after) = rest.split_at(size);
            rest = after;
            let result = match &mut recorded {
                Some(recorded) => Ok(recorded.by_ref().take(size).collect()),
                None => self.record_part(part),
            };
            drop(answer.send(result));
        }
        self.dirty.get_or_insert_with(Instant::now);
    }

    fn record_part(&mut self, part: &[Record]) -> Result<Vec<Recorded>, RecordError> {
        let mut recorded = Vec::with_capacity(part.len());
        for piece in part.chunks(MAX_GROUP) {
            recorded.extend(self.log.record(piece).map_err(|error| self.failed(&error))?);
        }
        Ok(recorded)
    }

    fn flush(&mut self) -> Result<Tip, RecordError> {
        self.dirty = None;
        let tip = self.log.flush().map_err(|error| {
            self.dirty = Some(Instant::now());
            self.failed(&error)
        })?;
        if let Some(publisher) = &self.publisher {
            publisher.tip(tip);
        }
        Ok(tip)
    }

    fn failed(&mut self, error: &provost_audit::Error) -> RecordError {
        tracing::error!(%error, "the audit log cannot be written");
        if error.is_fatal()
            && let Some(died) = self.died.take()
        {
            died(error.to_string());
        }
        RecordError(error.to_string())
    }
}

/// Pushes the newest tip, one push at a time; tips that come meanwhile are pushed together.
struct Publisher {
    tips: Sender<Tip>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Publisher {
    fn start(
        repository: PathBuf,
        publishing: Publishing,
        state: Arc<watch::Sender<PublishState>>,
    ) -> Publisher {
        let (tips, inbox) = channel::<Tip>();
        let thread = std::thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || {
                let mut expected: Option<Option<CommitId>> = None;
                let mut unpublished: Option<Tip> = None;
                loop {
                    // What was not published is tried again, also when nothing new is recorded.
                    let next = match unpublished {
                        None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                        Some(_) => inbox.recv_timeout(PUSH_AGAIN),
                    };
                    let mut tip = match (next, unpublished) {
                        (Ok(tip), _) | (Err(RecvTimeoutError::Timeout), Some(tip)) => tip,
                        (Err(_), _) => break,
                    };
                    while let Ok(newer) = inbox.try_recv() {
                        tip = newer;
                    }
                    let result = push(&repository, &publishing.remote, &mut expected, tip.commit);
                    unpublished = result.is_err().then_some(tip);
                    state.send_modify(|state| match result {
                        Ok(()) => {
                            let published = Some(tip.commit.to_string());
                            *state = PublishState { published, seq: tip.seq, ..PublishState::default() };
                        }
                        Err(NotPublished::Unreachable(why)) => {
                            tracing::warn!(%why, "the audit log is not published");
                            state.error = Some(why);
                        }
                        Err(NotPublished::Tampered(why)) => {
                            tracing::error!(%why, "the published audit log is not what was published");
                            state.error = Some(why);
                            state.tampered = true;
                        }
                    });
                }
            })
            .ok();
        Publisher { tips, thread }
    }

    fn tip(&self, tip: Tip) {
        if self.tips.send(tip).is_err() {
            tracing::error!("the publisher has ended");
        }
    }

    fn finish(self) {
        drop(self.tips);
        if let Some(thread) = self.thread {
            drop(thread.join());
        }
    }
}

/// Moves the branch at a remote to `tip`, and never back. `expected` is what was left there, where this process knows.
pub(crate) fn push(
    repository: &std::path::Path,
    remote: &str,
    expected: &mut Option<Option<CommitId>>,
    tip: CommitId,
) -> Result<(), NotPublished> {
    let unreachable = |error: provost_audit::Error| NotPublished::Unreachable(error.to_string());
    let mut from = match *expected {
        Some(known) => known,
        None => {
            // What was published last, so that a branch that was removed meanwhile is not made again unseen.
            let last = provost_audit::last_published(repository, remote).map_err(unreachable)?;
            match last {
                Some(last) => Some(last),
                None => provost_audit::published(repository, remote, PUSH_TIMEOUT).map_err(unreachable)?,
            }
        }
    };
    // An earlier push whose answer was lost is found once; a ref that moves twice meanwhile is not ours.
    for _ in 0..2 {
        match provost_audit::publish(repository, remote, from, tip, PUSH_TIMEOUT).map_err(unreachable)? {
            Publication::Published => {
                *expected = Some(Some(tip));
                return Ok(());
            }
            Publication::Raced { found } => from = Some(found),
            Publication::Missing => {
                let why = "the published branch was removed: somebody tampered with the copy";
                return Err(NotPublished::Tampered(why.to_owned()));
            }
            Publication::Foreign { found } => {
                return Err(NotPublished::Tampered(format!(
                    "the published branch is at {found}, which this log does not know: the copy was tampered with"
                )));
            }
        }
    }
    Err(NotPublished::Tampered("the published branch keeps moving".to_owned()))
}
