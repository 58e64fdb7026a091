//! What the daemon is told, what it says to do, and what of the world it has to know for that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use provost_sdk::ErrorKind;
use serde::{Deserialize, Serialize};

use crate::Sym;

/// Names one planned operation from its plan to its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The shell is up; the targets are those of the documents in force at the last trusted commit.
    Start(World),
    /// A deadline that [`super::Daemon::wake`] named may have passed.
    Tick,
    /// Something may have moved the tracked branch: a file event, a webhook.
    Nudge,
    /// The answer to [`Command::Fetch`].
    Head(Result<Sym, String>),
    /// The answer to [`Command::Load`]: the commit's documents count from now on, or why they do not.
    Loaded {
        /// Which commit.
        commit: Sym,
        /// What it changed, or why it was not taken.
        result: Result<World, String>,
    },
    /// The answer to [`Command::Advance`].
    Advanced(World),
    /// People agreed to something, or their agreement ended: what counts is another now.
    Evidence(World),
    /// The answer to [`Command::Read`].
    Read {
        /// Which target.
        target: Sym,
        /// How it went.
        result: Result<ReadSummary, Failure>,
    },
    /// The answer to [`Command::Plan`].
    Planned {
        /// Which target.
        target: Sym,
        /// What the gate let through, and what it held.
        plan: PlanSummary,
    },
    /// The answer to [`Command::Intend`]: the intents are durable, or the journal cannot be written.
    Intended {
        /// Which target.
        target: Sym,
        /// Which operations, or why none.
        result: Result<Vec<OperationId>, String>,
    },
    /// The answer to [`Command::Call`], for all of its operations or some of them; their outcomes are durable.
    Called {
        /// Which target.
        target: Sym,
        /// How each operation went.
        results: Vec<(OperationId, Result<Done, Failure>)>,
    },
    /// Something other than intents could not be recorded, and why: nothing is mutated until it can.
    JournalBroken(String),
    /// The journal can be written again.
    JournalHealed,
    /// An operator suspends one target, or all.
    Suspend(Option<Sym>),
    /// An operator resumes one target, or all; a quarantine ends with it.
    Resume(Option<Sym>),
    /// An operator adopted a target where it is.
    Adopted(Sym),
    /// An operator asks for a whole read now.
    Refresh(Option<Sym>),
    /// SIGTERM: nothing new is begun.
    Stop,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Look where the tracked branch is. Answered by [`Event::Head`].
    Fetch,
    /// Read a commit and make its documents count. Answered by [`Event::Loaded`].
    Load(Sym),
    /// An instant passed at which grants begin or end. Answered by [`Event::Advanced`].
    Advance,
    /// Read a target. Answered by [`Event::Read`].
    Read {
        /// Which.
        target: Sym,
        /// How much.
        mode: Mode,
    },
    /// Compare, plan and decide. Answered by [`Event::Planned`].
    Plan {
        /// Which target.
        target: Sym,
        /// For whom.
        scope: Scope,
    },
    /// Make intents durable. Answered by [`Event::Intended`].
    Intend {
        /// Which target.
        target: Sym,
        /// Which operations, in order.
        operations: Vec<OperationId>,
    },
    /// One call: do operations whose intents are durable, one after the other, and make their outcomes durable.
    /// Answered by [`Event::Called`].
    Call {
        /// Which target.
        target: Sym,
        /// Which operations, in order; more than one only where the target takes them together.
        operations: Vec<OperationId>,
    },
    /// Record that these intents are not attempted. Not answered.
    Abandon {
        /// Which target.
        target: Sym,
        /// Which operations.
        operations: Vec<OperationId>,
    },
    /// Nothing is under way and nothing will be begun. Not answered.
    Exit,
}

/// How much of a target is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// What changed since the last read.
    Delta,
    /// Everything.
    Full,
}

/// For whom a target is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Only these identities.
    Identities(BTreeSet<Sym>),
    /// Everybody.
    All,
}

/// What counts now: the targets in force, for whom something changed, and when time alone changes something next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The targets in force.
    pub targets: BTreeMap<Sym, Target>,
    /// For whom to plan again, by target.
    pub changed: BTreeMap<Sym, Scope>,
    /// The next instant at which a grant begins or ends.
    pub boundary: Option<Timestamp>,
}

/// What the daemon has to know of one target in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// A whole read every so often.
    pub full: SignedDuration,
    /// A delta read every so often, where the target has deltas.
    pub delta: Option<SignedDuration>,
    /// Calls under way at once, at most.
    pub concurrency: usize,
    /// Operations that one call takes, at most.
    pub batch: usize,
    /// Calls a second.
    pub per_second: Option<u32>,
}

/// A read that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSummary {
    /// Why the read concludes nothing from absence, if it does not.
    pub partial: Option<String>,
    /// Why provost must stop adding to the target, if so: an empty or shrunken read, another place.
    pub alarm: Option<String>,
    /// For whom something is different.
    pub changed: Scope,
}

/// A plan, as far as the daemon needs it. The counts are those of the whole target, whatever the scope was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanSummary {
    /// What the gate lets proceed, in order.
    pub operations: Vec<Queued>,
    /// How many operations wait for evidence.
    pub waiting: usize,
    /// How many operations guards refused.
    pub refused: usize,
    /// How many differences were not planned.
    pub held: usize,
    /// When a whole read of the target can settle what is in doubt on it.
    pub read_at: Option<Timestamp>,
    /// The next instant at which time alone changes something on any target.
    pub boundary: Option<Timestamp>,
}

/// One operation that may proceed.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    /// Its name.
    pub id: OperationId,
    /// Its digest: the same operation planned again has the same.
    pub digest: Sym,
    /// For whom.
    pub identity: Option<Sym>,
    /// Whether it adds.
    pub adds: bool,
    /// What must have succeeded before.
    pub after: Vec<OperationId>,
}

/// A call that succeeded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// For whom to plan again, by target: what comes after this operation elsewhere.
    pub changed: BTreeMap<Sym, Scope>,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What went wrong.
    pub kind: ErrorKind,
    /// A sentence for people.
    pub message: String,
    /// Whether the change may have happened: the target is read before anything else is concluded.
    pub in_doubt: bool,
}

/// What operators suspended. It stays so until they resume it, whatever ends and begins meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    /// Whether nothing is written anywhere.
    pub all: bool,
    /// Targets to which nothing is written.
    pub targets: BTreeSet<Sym>,
}

impl Suspension {
    /// Suspends one target, or all.
    pub fn suspend(&mut self, which: Option<Sym>) {
        match which {
            Some(target) => drop(self.targets.insert(target)),
            None => self.all = true,
        }
    }

    /// Resumes one target, or all and everything.
    pub fn resume(&mut self, which: Option<Sym>) {
        match which {
            Some(target) => drop(self.targets.remove(&target)),
            None => *self = Suspension::default(),
        }
    }

    /// Whether nothing is written to a target.
    pub fn holds(&self, target: Sym) -> bool {
        self.all || self.targets.contains(&target)
    }
}
