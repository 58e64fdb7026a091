//! Publishing what waits: one file a request on the plans branch, in a commit that the daemon signed.
//!
//! A thread of its own pushes, so that a slow forge holds nothing up. What somebody else put there is put right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use git2::{ObjectType, Oid, Repository};
use provost_audit::key::SigningKey;
use provost_core::approval::Open;

use super::{Engine, EngineError};
use crate::approval::plans::file_of;
use crate::git::{Branch, FileChange, GitError, Listed, PLANS, tip};
use crate::settings::{Publish, Settings};
use crate::trust::key_of;

/// Between two tries to publish what could not be published.
const AGAIN: Duration = Duration::from_secs(30);

/// Files by name.
type Files = BTreeMap<String, String>;

/// Whoever publishes.
pub(super) struct Plans {
    files: Option<Sender<Files>>,
    thread: Option<JoinHandle<()>>,
    last: Option<Files>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    published: Option<Oid>,
    error: Option<String>,
}

impl Plans {
    /// Starts the thread, if these settings publish at all.
    pub(super) fn start(settings: &Settings, key: &Path) -> Result<Plans, EngineError> {
        let state = Arc::new(Mutex::new(State::default()));
        let mut plans = Plans { files: None, thread: None, last: None, state: Arc::clone(&state) };
        if settings.audit.publish != Publish::Always {
            return Ok(plans);
        }
        let (files, inbox) = channel();
        let (key, folder) = (SigningKey::load(key)?, settings.state.join("branches.git"));
        let work = Work { folder, url: settings.repository.url.clone(), key, state };
        let thread = std::thread::Builder::new().name("plans".to_owned()).spawn(move || work.run(&inbox));
        match thread {
            Ok(thread) => (plans.files, plans.thread) = (Some(files), Some(thread)),
            Err(error) => tracing::error!(%error, "what waits is not published"),
        }
        Ok(plans)
    }

    /// Why what waits is not published.
    pub(super) fn error(&self) -> Option<String> {
        lock(&self.state).error.clone()
    }

    /// Publishes what was not published yet, and ends the thread.
    pub(super) fn finish(&mut self) {
        self.files = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }

    fn send(&mut self, files: Files) {
        let Some(sender) = &self.files else { return };
        if self.last.as_ref() == Some(&files) {
            return;
        }
        if sender.send(files.clone()).is_ok() {
            self.last = Some(files);
        }
    }
}

impl Drop for Plans {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Engine {
    /// Publishes what waits now, if it is something else than before.
    pub(super) fn publish_plans(&mut self) {
        let reference = format!("refs/heads/{}", self.settings.repository.branch);
        let file = |open: &Open| {
            let missing = self.agreement.missing.get(&open.digest);
            file_of(&self.shared.installation, &reference, open, missing)
        };
        let files: Files = self.agreement.open.iter().map(file).collect();
        self.plans.send(files);
    }

    /// Publishes again if somebody else moved the branch.
    pub(super) fn guard_plans(&mut self, repository: &Repository) -> Result<(), GitError> {
        let published = lock(&self.plans.state).published;
        if published.is_some() && tip(repository, PLANS)? != published {
            self.plans.last = None;
            self.publish_plans();
        }
        Ok(())
    }

    /// Publishes what was not published yet: to be called before the process ends.
    pub fn finish_plans(&mut self) {
        self.plans.finish();
    }
}

struct Work {
    folder: PathBuf,
    url: String,
    key: SigningKey,
    state: Arc<Mutex<State>>,
}

impl Work {
    fn run(&self, inbox: &Receiver<Files>) {
        let mut unpublished: Option<Files> = None;
        loop {
            let next = match unpublished {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => inbox.recv_timeout(AGAIN),
            };
            let mut files = match (next, unpublished.take()) {
                (Ok(files), _) | (Err(RecvTimeoutError::Timeout), Some(files)) => files,
                (Err(_), _) => return,
            };
            while let Ok(newer) = inbox.try_recv() {
                files = newer;
            }
            match self.publish(&files) {
                Ok(published) => *lock(&self.state) = State { published, error: None },
                Err(error) => {
                    tracing::warn!(%error, "what waits is not published");
                    lock(&self.state).error = Some(error.to_string());
                    unpublished = Some(files);
                }
            }
        }
    }

    fn publish(&self, files: &Files) -> Result<Option<Oid>, GitError> {
        let branch = Branch::open(&self.folder, &self.url, PLANS)?;
        let message = match files.len() {
            1 => "1 request waits".to_owned(),
            many => format!("{many} requests wait"),
        };
        branch.update(&message, Some(&self.key), |repository, found, listed| {
            let changes = changes(files, listed);
            let is_ours = match found {
                Some(found) => key_of(repository, found).as_deref() == Some(&*self.key.public_line()),
                None => files.is_empty(),
            };
            (!changes.is_empty() || !is_ours).then_some(changes)
        })
    }
}

fn changes(files: &Files, listed: &[Listed]) -> Vec<FileChange> {
    let is_there = |name: &str, text: &str| {
        let id = Oid::hash_object(ObjectType::Blob, text.as_bytes()).ok();
        listed.iter().any(|one| one.name == name && one.regular && Some(one.id) == id)
    };
    let gone = listed.iter().filter(|one| !files.contains_key(&one.name));
    let gone = gone.map(|one| (one.name.clone(), None));
    let written = files.iter().filter(|(name, text)| !is_there(name, text));
    gone.chain(written.map(|(name, text)| (name.clone(), Some(text.clone().into_bytes())))).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
