//! What people and probes see of the daemon.

use serde::{Deserialize, Serialize};

use super::{Daemon, TargetState};
use crate::Sym;

/// The daemon at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The commit whose documents count.
    pub commit: Option<Sym>,
    /// A commit that was not taken, and why.
    pub refused_commit: Option<(Sym, String)>,
    /// Why the tracked branch cannot be looked at.
    pub source_error: Option<String>,
    /// Why nothing can be recorded, and so nothing is mutated.
    pub journal_error: Option<String>,
    /// Whether an operator suspended everything.
    pub suspended: bool,
    /// Each target.
    pub targets: Vec<TargetStatus>,
}

/// One target on three axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Which.
    pub target: Sym,
    /// Whether it is as it should be.
    pub sync: Sync,
    /// Whether it can be worked with.
    pub health: Health,
    /// Why it is not healthy.
    pub reason: Option<String>,
    /// What is being done.
    pub operation: OperationStatus,
    /// Operations queued or under way.
    pub unfinished: usize,
    /// Operations that wait for evidence.
    pub waiting: usize,
    /// Operations that guards refused.
    pub refused: usize,
    /// Differences that were not planned.
    pub held: usize,
    /// Operations that succeeded since the start.
    pub succeeded: u64,
    /// Operations that failed since the start.
    pub failed: u64,
    /// What the last failed operation said.
    pub last_failure: Option<String>,
}

/// Whether a target is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words are defined in the documentation of operations")]
pub enum Sync {
    Synced,
    OutOfSync,
    Unknown,
}

/// Whether a target can be worked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words are defined in the documentation of operations")]
pub enum Health {
    Healthy,
    Progressing,
    Degraded,
    Suspended,
    Quarantined,
    Unknown,
}

/// What is being done on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words are defined in the documentation of operations")]
pub enum OperationStatus {
    Running,
    Succeeded,
    Failed,
    Waiting,
}

impl Daemon {
    /// What people and probes see.
    pub fn status(&self) -> Status {
        Status {
            commit: self.source.counted,
            refused_commit: self.source.refused.clone(),
            source_error: self.source.error.clone(),
            journal_error: self.journal.clone(),
            suspended: self.suspension.all,
            targets: (self.targets.iter())
                .map(|(id, state)| status_of(*id, state, self.suspension.holds(*id)))
                .collect(),
        }
    }

    /// Whether nothing is left to do until something happens: the branch was looked at, every target that can be
    /// read was read and planned, and nothing is queued.
    pub fn is_settled(&self) -> bool {
        let source = &self.source;
        let looked = !source.fetching && !source.loading && source.next.is_none() && source.poll_at.is_some();
        looked
            && !self.advancing
            && self.targets.iter().all(|(id, state)| {
                let read = state.read_once || state.trouble.is_some();
                read && (state.is_settled()
                    || (state.trouble.is_some() && state.is_quiet())
                    || self.suspension.holds(*id))
            })
    }
}

fn status_of(target: Sym, state: &TargetState, suspended: bool) -> TargetStatus {
    let summary = &state.summary;
    let held = summary.waiting + summary.refused + summary.held;
    let open = state.unfinished() > 0 || held > 0 || state.has_failed() || !state.is_settled();
    let sync = if !state.read_once || !summary.planned {
        Sync::Unknown
    } else if open {
        Sync::OutOfSync
    } else {
        Sync::Synced
    };
    let (health, reason) = health_of(state, suspended);
    let operation = if state.is_busy() {
        OperationStatus::Running
    } else if summary.waiting > 0 || summary.refused > 0 {
        OperationStatus::Waiting
    } else if state.trouble.is_some() || state.has_failed() {
        OperationStatus::Failed
    } else {
        OperationStatus::Succeeded
    };
    TargetStatus {
        target,
        sync,
        health,
        reason,
        operation,
        unfinished: state.unfinished(),
        waiting: summary.waiting,
        refused: summary.refused,
        held: summary.held,
        succeeded: summary.succeeded,
        failed: summary.failed,
        last_failure: summary.last_failure.clone(),
    }
}

fn health_of(state: &TargetState, suspended: bool) -> (Health, Option<String>) {
    if suspended {
        return (Health::Suspended, Some("An operator suspended it.".to_owned()));
    }
    if let Some(quarantine) = &state.quarantine {
        return (Health::Quarantined, Some(quarantine.reason.clone()));
    }
    if let Some(trouble) = &state.trouble {
        return (Health::Degraded, Some(trouble.clone()));
    }
    if !state.read_once {
        return (Health::Unknown, None);
    }
    if let Some(partial) = &state.partial {
        return (Health::Degraded, Some(partial.clone()));
    }
    if state.is_busy() { (Health::Progressing, None) } else { (Health::Healthy, None) }
}
