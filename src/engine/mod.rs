//! The engine: everything that is known, on one thread of its own; and the handle through which the shell asks it.
//!
//! In: commits, reads, receipts, instants. Out: what the daemon's step has to know, operations that may proceed, and
//! the records of all of it. It calls no target: it hands out readers to whoever reads, and a writer only for a target
//! that was adopted at the place where it is.

mod adoption;
mod agreement;
mod authors;
mod doubt;
mod evidence;
mod held;
mod load;
mod memory;
mod moved;
mod open;
mod operations;
mod personal;
mod plans;
mod prepared;
mod reads;
mod records;
mod rotation;
mod shared;
mod suspension;
mod trust;
mod used;
mod view;
mod windows;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use jiff::{SignedDuration, Timestamp};
use provost_core::Sym;
use provost_core::organisation::{HeldBy, Organisation};
use provost_core::step::{OperationId, Scope, Suspension, Target, World};
use provost_sdk::Connector;

use crate::git::{Course, GitError, Source};
use crate::recorder::{RecordError, Recorder};
use crate::registry::{self, RegistryError};
use crate::settings::{Settings, SettingsError};

pub use adoption::{AdoptionShown, CandidateShown};
pub use held::{Held, Requested};
pub use open::{Created, OpenOptions};
pub use personal::erase;
pub use prepared::Prepared;
pub use records::summary;
pub use rotation::rotate_key;
pub use shared::Adopted;
pub use used::used_before;
pub use view::View;

use held::Notes;
use memory::{Adoption, Desired};
use moved::Former;
use shared::Shared;

/// Why the engine cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The desired repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The audit log.
    #[error(transparent)]
    Log(#[from] provost_audit::Error),
    /// The audit log's repository.
    #[error("The audit log cannot be read: {0}.")]
    Read(#[from] git2::Error),
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A target's connector or secrets.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file of the audit log's tree.
    #[error("The file {path} of the audit log cannot be understood: {why}.")]
    Memory {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// A commit that does not come after the one that counts.
    #[error(
        "The commit {to} does not come after {from}, which counts: {why}. What adds stops; leavers, ends and \
         revocations of the commit that counts go on.\n  hint: `provost trust {to}` names it as trusted, if you do.",
        why = load::off_course(*course)
    )]
    NotForward {
        /// What counts.
        from: Sym,
        /// What was found.
        to: Sym,
        /// How it lies to what counts.
        course: Course,
    },
    /// A word of the operator that does not count.
    #[error(transparent)]
    NotTheWord(#[from] crate::trust::word::NotTheWord),
    /// A target that is not in force.
    #[error("There is no target {0} in force.")]
    NoTarget(Sym),
    /// A read that says nothing of the target as it is now.
    #[error("The read of {0} began before its document changed; it is read again.")]
    Moved(Sym),
    /// A target that cannot be adopted now.
    #[error("The target {target} cannot be adopted: {why}")]
    NotAdoptable {
        /// Which.
        target: Sym,
        /// Why.
        why: String,
    },
    /// No installation here.
    #[error(
        "There is no installation in {0}.\n  hint: `provost init` makes one, `provost quickstart` an example; after the \
         loss of one, `provost trust COMMIT --audit-tip HASH` goes on with its published audit log."
    )]
    NoInstallation(std::path::PathBuf),
    /// A signed file that counts for nothing.
    #[error("It is not accepted: {0}.")]
    NotAccepted(String),
    /// Something that should not happen.
    #[error("{0}")]
    Broken(String),
}

/// Everything that one installation knows.
pub struct Engine {
    organisation: Organisation,
    settings: Arc<Settings>,
    source: Source,
    recorder: Recorder,
    shared: Arc<Shared>,
    desired: Desired,
    adoptions: BTreeMap<Sym, Adoption>,
    /// What each target calls itself, by its last read.
    instances: BTreeMap<Sym, Option<String>>,
    /// What was known of targets under whose id another system answers now.
    former: BTreeMap<Sym, Former>,
    /// Targets whose documents changed since this was last asked: they are read again.
    reread: BTreeSet<Sym>,
    /// Who wrote what waits.
    authors: authors::Kept,
    /// Public keys whose signature the operator's word needs, by the genesis.
    recovery_keys: Vec<String>,
    /// The commit of the last alarm about the tracked branch.
    alarmed: Option<Sym>,
    /// Commits that count in memory and could not be recorded.
    unrecorded: Option<load::Unrecorded>,
    /// Whether the documents of the commit that counts could not be read yet.
    unread: bool,
    /// What operators suspended.
    suspension: Suspension,
    /// How far back the windows of the guards are known.
    recalled: Option<SignedDuration>,
    /// The ids that were ever used, while they are looked for.
    used: Option<used::Looking>,
    /// What reads changed and could not be recorded, by target.
    missed: BTreeMap<Sym, reads::Missed>,
    notes: Notes,
    /// What is held, as it was told last; none when it is another by now.
    told: Option<Arc<Held>>,
    /// Refusals that are on the record, so that each is there once.
    refused: HashSet<Sym>,
    /// When a plan changes by time alone, by target.
    replan_at: BTreeMap<Sym, Timestamp>,
    /// Targets whose first whole read adopts them: the quickstart's own.
    adopt: BTreeSet<Sym>,
    next_operation: u64,
    agreement: agreement::Agreement,
    inbox: evidence::Inbox,
    plans: plans::Plans,
}

/// A way to ask the engine from anywhere.
#[derive(Clone)]
pub struct EngineHandle {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
}

type Job = Box<dyn FnOnce(&mut Engine) + Send>;

impl Engine {
    /// The commit that counts; none while its documents cannot be read.
    pub fn counted(&self) -> Option<Sym> {
        self.desired.commit.as_deref().filter(|_| !self.unread).map(Sym::new)
    }

    /// Moves the engine to a thread of its own.
    pub fn spawn(mut self) -> EngineHandle {
        let (jobs, inbox) = channel::<Job>();
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
            while let Ok(job) = inbox.recv() {
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut self)));
                if done.is_err() {
                    // What is known may be half changed: a daemon that goes on would plan by it. The next start reads
                    // everything again.
                    tracing::error!("the engine failed, so provost ends");
                    std::process::exit(70);
                }
            }
        });
        if let Err(error) = thread {
            tracing::error!(%error, "the engine's thread did not start");
        }
        EngineHandle { jobs, shared }
    }

    /// Takes in that an instant passed at which grants begin or end, or a plan changes.
    pub fn advance(&mut self, now: Timestamp) -> World {
        let changed = self.organisation.advance(now);
        let mut world = self.world(changed);
        let due: Vec<Sym> =
            self.replan_at.iter().filter(|(_, at)| **at <= now).map(|(target, _)| *target).collect();
        for target in due {
            self.replan_at.remove(&target);
            world.changed.insert(target, Scope::All);
        }
        self.look_again();
        self.reconsider(now);
        world.boundary = self.boundary();
        self.told = None;
        world
    }

    /// Holds up everything that adds, or lets it go on; every target is planned again.
    pub fn hold(&mut self, by: HeldBy, why: Option<Sym>) -> World {
        self.organisation.hold(by, why);
        let mut world = self.world(Vec::new());
        world.changed = world.targets.keys().map(|target| (*target, Scope::All)).collect();
        world
    }

    /// The targets whose documents changed since this was last asked.
    pub fn reread(&mut self) -> BTreeSet<Sym> {
        std::mem::take(&mut self.reread)
    }

    /// What the daemon's step has to know now.
    fn world(&self, changed: Vec<(Sym, Sym)>) -> World {
        let mut scopes: BTreeMap<Sym, BTreeSet<Sym>> = BTreeMap::new();
        for (identity, target) in changed {
            scopes.entry(target).or_default().insert(identity);
        }
        World {
            targets: self
                .organisation
                .snapshot()
                .targets()
                .into_iter()
                .map(|target| (target.id, step_target(target)))
                .collect(),
            changed: scopes
                .into_iter()
                .map(|(target, identities)| (target, Scope::Identities(identities)))
                .collect(),
            boundary: self.boundary(),
        }
    }

    fn boundary(&self) -> Option<Timestamp> {
        let replans = self.replan_at.values().copied().chain(self.agreement.next);
        self.organisation.access().next_boundary().into_iter().chain(replans).min()
    }

    fn operation_id(&mut self) -> OperationId {
        self.next_operation += 1;
        OperationId(self.next_operation)
    }
}

impl EngineHandle {
    /// Has the engine do something when its turn comes.
    pub fn run(&self, job: impl FnOnce(&mut Engine) + Send + 'static) {
        // The engine ends only with the process.
        drop(self.jobs.send(Box::new(job)));
    }

    /// Asks the engine something; `None` when it has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.run(move |engine| drop(answer.send(ask(engine))));
        answered.await.ok()
    }
}

fn step_target(target: &provost_core::document::Target) -> Target {
    Target {
        full: target.schedule.full.0,
        delta: target.schedule.delta.map(|delta| delta.0),
        concurrency: usize::from(target.limits.concurrency.max(1)),
        batch: registry::connector(target.connector.as_str()).map_or(1, Connector::batch),
        per_second: target.limits.per_second,
    }
}
