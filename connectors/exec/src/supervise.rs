//! The program of one target and one access: started at the first call, handshaken, and started again after its end,
//! at growing intervals while it does no work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use provost_sdk::{
    Capabilities, Error, ErrorKind, ExposeSecret, Item, Program, Result, SecretString, Settings,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};

use crate::PROTOCOL;
use crate::child::Child;
use crate::declared;
use crate::message::{Access, Initialize, Initialized, Open, Opened};
use crate::text::{LONGEST_REASON, Secrets};

/// The longest line that is read: who holds a group of 300,000 comes in one.
const MAX_LINE: usize = 16 << 20;
/// Between two starts of a program that does no work in between: nothing before the first, then this, doubled each time
/// up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Long enough that a broken program costs nothing, short enough that a mended one is soon found.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A call waits this long for the next start; for a later one it fails at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// The program of one target and one access.
pub(crate) struct Supervisor {
    target: String,
    program: Program,
    access: Access,
    place: Value,
    options: Value,
    secrets: BTreeMap<String, SecretString>,
    hidden: Secrets,
    timeout: Duration,
    concurrency: usize,
    max_line: usize,
    running: Mutex<Running>,
    /// Starts since a call was answered.
    idle_starts: AtomicU32,
}

#[derive(Default)]
struct Running {
    session: Option<Arc<Session>>,
    /// No start before this, and why the last one came to nothing.
    not_before: Option<Instant>,
    failure: Option<(ErrorKind, String)>,
}

/// A program that knows the settings, and what it declares.
pub(crate) struct Session {
    child: Child,
    /// What it calls itself, for people.
    pub(crate) product: String,
    pub(crate) capabilities: Capabilities,
    calls: Semaphore,
}

impl Supervisor {
    /// Takes the settings of a target; nothing is started.
    pub(crate) fn new(settings: &Settings, access: Access) -> Result<Supervisor> {
        // The documents name a command; what it is was looked up in the daemon's settings, or it is not here.
        let program = settings.commands.get("command").filter(|program| !program.run.is_empty());
        let program = program.cloned().ok_or_else(|| {
            let message = format!(
                "The target {} has no program: name one under `config: {{command: NAME}}` and bind it as \
                 [commands.NAME] in the daemon's settings.",
                settings.target
            );
            Error::new(ErrorKind::Configuration, message)
        })?;
        let told = |name: &str| settings.config.get(name).cloned().unwrap_or_default();
        Ok(Supervisor {
            target: settings.target.clone(),
            program,
            access,
            place: told("place"),
            options: told("options"),
            hidden: Secrets::new(settings.secrets.values()),
            secrets: settings.secrets.clone(),
            timeout: settings.limits.timeout,
            concurrency: settings.limits.concurrency.max(1),
            max_line: settings.limits.max_response.min(MAX_LINE),
            running: Mutex::default(),
            idle_starts: AtomicU32::new(0),
        })
    }

    /// The program, started where it does not run.
    pub(crate) async fn session(&self) -> Result<Arc<Session>> {
        let mut running = self.running.lock().await;
        if let Some(session) = running.session.as_ref().filter(|session| session.child.runs()) {
            return Ok(Arc::clone(session));
        }
        running.session = None;
        if let Some(not_before) = running.not_before {
            let wait = not_before.saturating_duration_since(Instant::now());
            if wait > PATIENCE {
                let (kind, message) = running.failure.clone().unwrap_or_else(|| {
                    (ErrorKind::Unavailable, "The connector's program ends again and again.".to_owned())
                });
                let message = format!("{message} (It is started again in {} s.)", wait.as_secs() + 1);
                return Err(Error::new(kind, message));
            }
            tokio::time::sleep(wait).await;
        }
        let idle = self.idle_starts.fetch_add(1, Ordering::Relaxed);
        running.not_before = Some(Instant::now() + pause(idle));
        match self.start().await {
            Ok(session) => {
                running.failure = None;
                Ok(Arc::clone(running.session.insert(Arc::new(session))))
            }
            Err(error) => {
                running.failure = Some((error.kind.clone(), error.message.clone()));
                // Nothing of this call was sent.
                Err(Error { may_have_landed: false, ..error })
            }
        }
    }

    /// Makes a call. An error may have landed where the program was asked and gave no answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        session: &Session,
        method: &str,
        params: &(impl Serialize + Sync),
    ) -> Result<T> {
        let none = |_: Vec<Item>| {
            let message = "The program sent items, and nobody asked for any.";
            Err(Error::new(ErrorKind::InvalidResponse, message).in_doubt())
        };
        self.call_with_items(session, method, params, none).await
    }

    /// The same for a call that is answered by items first.
    pub(crate) async fn call_with_items<T: DeserializeOwned>(
        &self,
        session: &Session,
        method: &str,
        params: &(impl Serialize + Sync),
        take: impl FnMut(Vec<Item>) -> Result<()> + Send,
    ) -> Result<T> {
        let _permit = session.calls.acquire().await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "The connector's program is ending.").because(error)
        })?;
        let answer = session.child.call(method, params)?.answer(self.timeout, take).await;
        if answer.as_ref().err().is_none_or(|error| !error.may_have_landed) {
            self.idle_starts.store(0, Ordering::Relaxed);
        }
        self.read(answer?, method)
    }

    async fn start(&self) -> Result<Session> {
        let child = Child::start(&self.program, &self.target, &self.hidden, self.max_line).await?;
        let nothing = |_: Vec<Item>| {
            Err(Error::new(
                ErrorKind::InvalidResponse,
                "The program sent items before anybody asked for any.",
            ))
        };
        let hello = Initialize {
            protocol: [PROTOCOL],
            target: &self.target,
            access: self.access,
            max_line: self.max_line,
        };
        let answer = child.call("initialize", &hello)?.answer(self.timeout, nothing).await?;
        let Initialized { protocol, name, version, concurrency } = self.read(answer, "initialize")?;
        if protocol != PROTOCOL {
            let message = format!(
                "The connector's program speaks version {protocol} of the protocol, and provost speaks {PROTOCOL}."
            );
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        let secrets = self.secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose_secret()));
        let open = Open {
            place: &self.place,
            options: &self.options,
            secrets: secrets.collect(),
            timeout: self.timeout.as_secs_f64(),
        };
        let answer = child.call("open", &open)?.answer(self.timeout, nothing).await?;
        let capabilities: Opened = self.read(answer, "open")?;
        declared::check(&capabilities)?;
        let calls = Semaphore::new(concurrency.clamp(1, self.concurrency));
        let product = self.hidden.shown(format!("{name} {version}").as_bytes(), 100);
        tracing::info!(target_id = self.target, product, access = ?self.access, "the connector's program runs");
        Ok(Session { child, product, capabilities, calls })
    }

    /// Reads the result of a call. What is wrong with it says nothing of what was done.
    fn read<T: DeserializeOwned>(&self, answer: Value, method: &str) -> Result<T> {
        serde_json::from_value(answer).map_err(|error| {
            let why = self.hidden.shown(error.to_string().as_bytes(), LONGEST_REASON);
            let message = format!("The program's answer to `{method}` is not what the protocol says: {why}.");
            Error::new(ErrorKind::InvalidResponse, message).in_doubt()
        })
    }
}

/// How long after a start the next one may be, the `idle`-th without work in between.
fn pause(idle: u32) -> Duration {
    match idle {
        0 => Duration::ZERO,
        idle => FIRST_PAUSE.saturating_mul(1_u32 << (idle - 1).min(20)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_no_work_is_started_at_growing_intervals() {
        let pauses: Vec<u128> = (0..12).map(|idle| pause(idle).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
