//! The shell around the core's `Daemon::step`: it runs commands and returns events, and decides nothing.
//!
//! Long computations run on the engine's thread, calls to targets on the runtime, records on the recorder's thread.

mod calls;
mod copy;
mod http;
mod meter;
mod settle;
mod upkeep;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_core::step::{Command, Daemon, Event, Pace, Status};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch as channel_of_one;

use crate::engine::{Engine, EngineError, EngineHandle, OpenOptions};
use crate::recorder::{PublishState, RecordError};
use crate::settings::{Publish, Settings, SettingsError};

pub use http::router;
pub use meter::Meter;

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The state cannot be opened.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A secret is missing.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It cannot listen.
    #[error("Nothing can listen on {place}: {source}.")]
    Listen {
        /// Where.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// The audit log cannot go on.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The audit log died.
    #[error("The audit log cannot go on, so provost ends: {0}")]
    LogDied(String),
}

/// How long the daemon stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until it is told to stop.
    Forever,
    /// Until nothing is left to do, or this much time has passed.
    UntilSettled(Duration),
}

/// What people and probes see: the daemon's status and what surrounds it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// This program's version.
    pub version: &'static str,
    /// The installation: the first genesis of its audit log.
    pub installation: String,
    /// The desired repository.
    pub repository: String,
    /// The tracked branch.
    pub branch: String,
    /// Whether nothing is left to do until something happens.
    pub settled: bool,
    /// The daemon.
    #[serde(flatten)]
    pub status: Status,
    /// How publishing the audit log goes.
    pub audit: PublishState,
    /// Milliseconds in which nothing was under way but the writing of the audit log.
    pub audit_wait_ms: u64,
    /// Documents that do not count, and why; rule versions and grants that wait, and for what.
    pub held: std::sync::Arc<crate::engine::Held>,
}

/// Everything that the parts of the shell share.
#[derive(Clone)]
pub struct Shared {
    /// The engine.
    pub engine: EngineHandle,
    /// Where events go.
    pub events: UnboundedSender<Event>,
    /// The newest report.
    pub report: channel_of_one::Receiver<Report>,
    /// The settings.
    pub settings: Arc<Settings>,
    /// How long the audit log alone was waited for.
    pub meter: Meter,
    /// Held by whoever records that intents are not attempted: the log is closed after that.
    pub abandoning: Arc<tokio::sync::RwLock<()>>,
}

/// Whom a daemon tells how it goes.
pub struct Tell {
    /// Called with every change.
    pub changed: Box<dyn FnMut(&Report) + Send>,
    /// Called once, when there is nothing left to do for the first time, and what was done is published.
    pub settled: Box<dyn FnOnce(&Report) + Send>,
}

impl Default for Tell {
    /// Nobody.
    fn default() -> Tell {
        Tell { changed: Box::new(|_| ()), settled: Box::new(|_| ()) }
    }
}

/// Runs the daemon of these settings until it ends, and gives its last report.
pub async fn run(
    settings: Settings,
    options: OpenOptions,
    stay: Stay,
    tell: Tell,
) -> Result<Report, DaemonError> {
    let settings = Arc::new(settings);
    let (events, inbox) = unbounded_channel();
    let (died, deaths) = tokio::sync::oneshot::channel();
    let opened = Arc::clone(&settings);
    let opening =
        tokio::task::spawn_blocking(move || Engine::open(opened, options, move |why| drop(died.send(why))));
    let (engine, world) = opening.await.map_err(|error| EngineError::Broken(error.to_string()))??;
    let counted = engine.counted();
    let seed = u64::from(std::process::id()) ^ u64::from(Timestamp::now().subsec_nanosecond().unsigned_abs());
    let pace = Pace { poll: settings.repository.poll.0, ..Pace::default() };
    let daemon = Daemon::new(pace, counted, engine.suspension().clone(), seed);
    let handle = engine.spawn();
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        installation: handle.installation(),
        repository: settings.repository.url.clone(),
        branch: settings.repository.branch.clone(),
        settled: false,
        status: daemon.status(),
        audit: handle.recorder().publishing(),
        audit_wait_ms: 0,
        held: std::sync::Arc::default(),
    };
    let (reports, newest) = channel_of_one::channel(report);
    let shared = Shared {
        engine: handle,
        events,
        report: newest,
        settings: Arc::clone(&settings),
        meter: Meter::default(),
        abandoning: Arc::default(),
    };
    let _watching = watch::start(&shared);
    tokio::spawn(upkeep::keep(shared.clone()));
    tokio::spawn(copy::watch(shared.clone()));
    let control = http::listen(&shared).await?;
    let Tell { changed, settled } = tell;
    let (settled, telling) = (Some(settled), None);
    let mut shell = Shell { daemon, shared, reports, inbox, stay, control, changed, settled, telling };
    let result = tokio::select! {
        () = shell.run(world) => Ok(()),
        Ok(why) = deaths => Err(DaemonError::LogDied(why)),
    };
    shell.end().await;
    result.map(|()| shell.reports.borrow().clone())
}

/// Waits for SIGTERM or SIGINT.
pub async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be watched for");
            drop(tokio::signal::ctrl_c().await);
        }
    }
}

struct Shell {
    daemon: Daemon,
    shared: Shared,
    reports: channel_of_one::Sender<Report>,
    inbox: UnboundedReceiver<Event>,
    stay: Stay,
    control: PathBuf,
    changed: Box<dyn FnMut(&Report) + Send>,
    settled: Option<Settled>,
    telling: Option<tokio::task::JoinHandle<()>>,
}

type Settled = Box<dyn FnOnce(&Report) + Send>;

impl Shell {
    async fn run(&mut self, world: provost_core::step::World) {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut stops = 0;
        let began = tokio::time::Instant::now();
        let mut stop = std::pin::pin!(stopped());
        if self.take(Event::Start(world)) {
            return;
        }
        drop(sd_notify::notify(&[sd_notify::NotifyState::Ready]));
        loop {
            let mut wake = self.daemon.wake().map(until).unwrap_or(Duration::from_secs(3600));
            if let Stay::UntilSettled(limit) = self.stay {
                // A target that never answers wakes nobody.
                wake = wake.min(limit.saturating_sub(began.elapsed()) + Duration::from_secs(1));
            }
            let event = tokio::select! {
                event = self.inbox.recv() => event.unwrap_or(Event::Stop),
                () = tokio::time::sleep(wake) => Event::Tick,
                () = &mut stop, if stops == 0 => {
                    stops += 1;
                    tracing::info!("stopping: what is under way is finished first");
                    drop(sd_notify::notify(&[sd_notify::NotifyState::Stopping]));
                    Event::Stop
                }
                Some(()) = async { match &mut hangups { Some(hangups) => hangups.recv().await, None => None } } => {
                    tracing::info!("SIGHUP: secrets are read again, and every target");
                    self.shared.engine.reopen();
                    self.handle(Event::Nudge);
                    Event::Refresh(None)
                }
            };
            if self.take(event) {
                return;
            }
            if let Stay::UntilSettled(limit) = self.stay
                && (self.daemon.is_settled() || began.elapsed() > limit)
                && self.take(Event::Stop)
            {
                return;
            }
        }
    }

    /// Takes one event and whatever else is there already; whether this was the end.
    fn take(&mut self, event: Event) -> bool {
        let _working = self.shared.meter.work();
        let mut over = self.handle(event);
        while let Ok(event) = self.inbox.try_recv() {
            over |= self.handle(event);
        }
        let audit = self.shared.engine.recorder().publishing();
        let (status, settled) = (self.daemon.status(), self.daemon.is_settled());
        let meter = self.shared.meter.clone();
        self.reports.send_modify(|report| {
            report.status = status;
            report.settled = settled;
            report.audit = audit;
            report.audit_wait_ms = milliseconds(&meter);
        });
        (self.changed)(&self.reports.borrow());
        if settled && let Some(tell) = self.settled.take() {
            self.telling = Some(tokio::spawn(tell_report(self.shared.clone(), tell)));
        }
        over
    }

    fn handle(&mut self, event: Event) -> bool {
        tracing::trace!(?event, "event");
        let mut over = false;
        for command in self.daemon.step(Timestamp::now(), event) {
            tracing::trace!(?command, "command");
            over |= command == Command::Exit;
            calls::run(&self.shared, command);
        }
        over
    }

    async fn end(&mut self) {
        drop(std::fs::remove_file(&self.control));
        drop(self.shared.abandoning.write().await);
        let meter = self.shared.meter.clone();
        if let Some(telling) = self.telling.take() {
            drop(meter.work().recording(telling).await);
        }
        let held = self.shared.engine.held().await;
        upkeep::keep_state(&self.shared).await;
        // Without an engine there is nothing to publish.
        let _ended = self.shared.engine.ask(|engine| engine.finish_plans()).await;
        if let Err(error) = meter.work().recording(self.shared.engine.recorder().stop()).await {
            tracing::error!(%error, "the audit log was not closed");
        }
        let (audit, waited) = (self.shared.engine.recorder().publishing(), milliseconds(&meter));
        tracing::info!(milliseconds = waited, "waited for the audit log alone");
        self.reports.send_modify(|report| {
            report.audit = audit;
            report.audit_wait_ms = waited;
            report.held = held;
        });
    }
}

/// How long a report waits for the audit log to be published: a push to a repository on this machine takes much less.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(10);

/// Tells what happened, once the records of it are published or that is known not to work.
async fn tell_report(shared: Shared, tell: Settled) {
    let recorder = shared.engine.recorder();
    if shared.settings.audit.publish == Publish::Always
        && let Ok(tip) = recorder.flush().await
    {
        // If it is not, the report says so.
        recorder.is_published(tip.seq, PUBLISHED_WITHIN).await;
    }
    let audit = recorder.publishing();
    let held = shared.engine.held().await;
    let report = Report { audit, held, ..shared.report.borrow().clone() };
    tell(&report);
}

fn milliseconds(meter: &Meter) -> u64 {
    u64::try_from(meter.waited().as_millis()).unwrap_or(u64::MAX)
}

fn until(at: Timestamp) -> Duration {
    let wait = at.duration_since(Timestamp::now());
    // Never earlier than the instant itself: timers are to the second, and a tick too early is a tick too many.
    Duration::try_from(wait).map_or(Duration::ZERO, |wait| wait + Duration::from_millis(1))
}
