//! What was done before this process began, out of the audit log: the windows of the guards survive a restart, and what
//! a guard refused within the longest of them is not recorded again.
//!
//! A file in the state folder keeps what was found up to a record, so that a restart reads what came later only. It can
//! be deleted.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use git2::{Oid, Repository};
use jiff::{SignedDuration, Timestamp};
use provost_audit::{Kind, Message, OutcomeResult, decode_label, parse_message};
use provost_core::Sym;
use provost_core::guard::{History, Part};
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError};

/// The instants of records are those of their causes, so that neighbours may be out of order by this much.
const DISORDER: SignedDuration = SignedDuration::from_mins(10);

/// What the log says of a stretch of time, up to its newest record.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Past {
    /// The newest record that was looked at.
    tip: String,
    /// Everything after this instant is here.
    after: Timestamp,
    history: History,
    /// Digests that a guard refused.
    refused: BTreeSet<Sym>,
}

/// What the body of a record says of one operation that was done.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    counts: Vec<Part>,
    applied: Option<bool>,
    call: Option<Call>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call {
    counts: Vec<Part>,
}

/// What an intent said that its operation counts as.
pub(super) fn counts_of(call: &serde_json::Value) -> Vec<Part> {
    let parts = call.get("counts").cloned();
    parts.and_then(|parts| serde_json::from_value(parts).ok()).unwrap_or_default()
}

impl Engine {
    /// Takes in what was done within the longest window of the guards in force, if that is longer than what is known.
    pub(super) fn recall(&mut self, now: Timestamp) -> Result<(), EngineError> {
        let window = self.organisation.longest_window();
        if self.recalled.is_some_and(|recalled| recalled >= window) {
            return Ok(());
        }
        let past = self.past(now - window)?;
        let Past { tip: _, after: _, history, refused } = past;
        self.organisation.recall(history);
        self.refused = refused.into_iter().collect::<HashSet<Sym>>();
        self.recalled = Some(window);
        Ok(())
    }

    /// Keeps what is known of the windows, for a quick start.
    pub fn keep_windows(&self, now: Timestamp) {
        let Some(window) = self.recalled else { return };
        // Everything up to the tip is in what is known: whoever records is this thread, or is counted when it lands.
        let past = Past {
            tip: match self.tip() {
                Ok(tip) => tip.to_string(),
                Err(_) => return,
            },
            after: now - window,
            history: self.organisation.history().clone(),
            refused: self.refused.iter().copied().collect(),
        };
        let path = self.settings.state.join("windows.json");
        let bytes = serde_json::to_vec(&past).unwrap_or_default();
        let written = std::fs::write(path.with_extension("new"), bytes)
            .and_then(|()| std::fs::rename(path.with_extension("new"), &path));
        if let Err(error) = written {
            tracing::debug!(%error, "the next start reads more of the log");
        }
    }

    fn past(&self, after: Timestamp) -> Result<Past, EngineError> {
        let tip = self.tip()?;
        read(self.recorder.repository(), tip, after, kept(&self.settings.state, after))
    }

    /// The newest record, which is in the repository.
    fn tip(&self) -> Result<Oid, EngineError> {
        let tip = self.recorder.with_log(provost_audit::Log::flush)??;
        Ok(Oid::from_str(&tip.commit.to_string())?)
    }
}

/// What was done after an instant by an installation that may be running; nothing where there is no log of its own.
pub(super) fn history(state: &Path, after: Timestamp) -> Result<History, EngineError> {
    let path = state.join("provost.git");
    let tip = Repository::open_bare(&path).and_then(|log| log.refname_to_id(provost_audit::REF));
    let Ok(tip) = tip else { return Ok(History::default()) };
    Ok(read(&path, tip, after, kept(state, after))?.history)
}

fn kept(state: &Path, after: Timestamp) -> Option<Past> {
    let kept: Past = serde_json::from_slice(&std::fs::read(state.join("windows.json")).ok()?).ok()?;
    (kept.after <= after).then_some(kept)
}

/// What the log says from an instant on, or from the record on up to which it is known.
fn read(path: &Path, tip: Oid, after: Timestamp, kept: Option<Past>) -> Result<Past, EngineError> {
    let repository = Repository::open_bare(path)?;
    let known = kept.as_ref().and_then(|kept| Oid::from_str(&kept.tip).ok());
    let mut done: Vec<(Timestamp, Vec<Part>, Option<Sym>)> = Vec::new();
    let mut refused = BTreeSet::new();
    let mut next = Some(tip);
    while let Some(id) = next.filter(|id| Some(*id) != known) {
        let commit = repository.find_commit(id)?;
        let at = Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::MIN);
        if at < after - DISORDER {
            next = None;
            break;
        }
        let text = commit.message_raw().unwrap_or_default();
        let message =
            parse_message(text).map_err(|why| EngineError::Broken(format!("record {id}: {why}")))?;
        match message.kind {
            Kind::Outcome(OutcomeResult::Applied) | Kind::Settled => {
                let parts = counted(&message);
                if !parts.is_empty() {
                    done.push((
                        at,
                        parts,
                        message.subject.as_deref().map(|who| Sym::new(&decode_label(who))),
                    ));
                }
            }
            Kind::Refused => refused.extend(message.operation.as_deref().map(Sym::new)),
            _ => {}
        }
        next = commit.parent_id(0).ok();
    }
    // Only a walk that came to what is known may add to it.
    let mut past = kept.filter(|_| next.is_some()).unwrap_or_default();
    done.sort_by_key(|(at, _, _)| *at);
    for (at, parts, who) in done {
        parts.into_iter().for_each(|part| past.history.record(at, part, who));
    }
    past.history.forget(after);
    past.refused.extend(refused);
    Ok(Past { tip: tip.to_string(), after, ..past })
}

fn counted(message: &Message) -> Vec<Part> {
    let Body { counts, applied, call } = serde_json::from_str(&message.json).unwrap_or_default();
    match message.kind {
        Kind::Settled if applied == Some(true) => call.unwrap_or_default().counts,
        Kind::Settled => Vec::new(),
        _ => counts,
    }
}
