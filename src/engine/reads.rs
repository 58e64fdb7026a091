//! Reads: what a target has now, what of it nobody asked for, and the record of both.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_audit::{Kind, Record};
use provost_core::Sym;
use provost_core::observed::{AccountRecord, Merged};
use provost_core::step::{ReadSummary, Scope};
use provost_sdk::{Account, Completeness, Cursor};
use serde_json::json;

use super::memory::{account_file, entitlements_file};
use super::records::difference;
use super::{Engine, EngineError};
use crate::observe::Reading;

/// As many changed accounts are told in the body of one record; the files tell all of them.
const TOLD: usize = 50;

/// What reads of a target changed and is not on the record.
#[derive(Default)]
pub(super) struct Missed {
    /// How accounts were on the record, those that were not there included.
    before: BTreeMap<Sym, Option<AccountRecord>>,
    names: bool,
    first: bool,
}

impl Engine {
    /// Where the next delta read goes on.
    pub fn cursor(&self, target: Sym) -> Option<Cursor> {
        self.organisation.target(target)?.observed.standing().cursor.clone()
    }

    /// Takes a read in and records what it changed. Gives the accounts of which the read says something else than
    /// provost did meanwhile: they are to be looked up.
    pub fn merge(
        &mut self,
        reading: Reading,
        now: Timestamp,
    ) -> Result<(ReadSummary, Vec<Sym>), EngineError> {
        let Reading { target, place, capabilities, probe, found, read } = reading;
        let known = self.organisation.target(target).ok_or(EngineError::NoTarget(target))?;
        if known.place != place {
            return Err(EngineError::Moved(target));
        }
        let adopted = known.adopted == Some(place);
        self.instances.insert(target, probe.instance.clone());
        match self.is_another(target) {
            true if adopted => drop(self.leave(target, place, now)),
            false if !adopted && self.adopted_place(target) == Some(place) => {
                drop(self.come_back(target, place, now));
            }
            _ => {}
        }
        let known = self.organisation.target(target).ok_or(EngineError::NoTarget(target))?;
        let first = known.observed.standing().complete.is_none();
        let delta = found.since().is_some();
        let (merged, changed) = self.organisation.merge(target, capabilities, found, &read, now);
        let partial = match &read.completeness {
            Completeness::Complete => None,
            Completeness::Partial(reason) => Some(reason.clone()),
        };
        let alarm = self.alarm(target, &merged, probe.instance.as_deref());
        self.organisation.hold_target(target, alarm.as_deref().map(Sym::new));
        self.record_read(target, &merged, first, now)?;
        if self.adopt.contains(&target) && partial.is_none() && !self.adoptions.contains_key(&target) {
            self.adopt_now(target, false, probe.instance.clone(), now)?;
        }
        let scope = if delta && !merged.names { self.scope_of(target, &merged.changed) } else { Scope::All };
        for (_, other) in changed {
            if other != target {
                self.replan_at.insert(other, now);
            }
        }
        self.told = None;
        Ok((ReadSummary { partial, alarm, changed: scope }, merged.unsure))
    }

    /// Takes in what looking up single accounts found.
    pub fn looked_up(
        &mut self,
        target: Sym,
        found: Vec<(Sym, Option<Account>)>,
        began: Timestamp,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let Some(known) = self.organisation.target(target) else { return Ok(()) };
        let changed: Vec<Sym> = found.iter().map(|(anchor, _)| *anchor).collect();
        let before =
            changed.iter().filter_map(|anchor| Some((*anchor, known.observed.record(*anchor)?))).collect();
        for (anchor, account) in found {
            self.organisation.looked_up(target, anchor, account.as_ref(), began);
        }
        let merged = Merged { changed, before, ..Merged::default() };
        self.record_read(target, &merged, false, now)
    }

    /// Why nothing may be added to the target any more, if so.
    fn alarm(&self, target: Sym, merged: &Merged, instance: Option<&str>) -> Option<String> {
        if let Some(suspicion) = merged.suspicion {
            return Some(format!(
                "The read is suspicious ({suspicion}), so nothing is concluded from what is missing. `provost resume {target}` takes the next read as it is."
            ));
        }
        let adopted = self.adoptions.get(&target)?.instance.as_deref()?;
        let another = instance.filter(|instance| *instance != adopted)?;
        Some(format!(
            "Another system answers under this address (it calls itself {another}, adopted was {adopted}). `provost adopt {target}` compares and adopts it."
        ))
    }

    fn scope_of(&self, target: Sym, anchors: &[Sym]) -> Scope {
        let Some(known) = self.organisation.target(target) else { return Scope::All };
        let owners: Option<std::collections::BTreeSet<Sym>> = anchors
            .iter()
            .map(|anchor| known.observed.owner(*anchor).map(|(identity, _)| identity))
            .collect();
        owners.map_or(Scope::All, Scope::Identities)
    }

    /// Records what a read changed, with what earlier ones changed that could not be recorded.
    fn record_read(
        &mut self,
        target: Sym,
        merged: &Merged,
        first: bool,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let mut missed = self.missed.remove(&target).unwrap_or_default();
        for anchor in &merged.changed {
            missed.before.entry(*anchor).or_insert_with(|| merged.before.get(anchor).cloned());
        }
        missed.names |= merged.names;
        missed.first |= first;
        let Some(record) = self.read_record(target, &missed, now) else { return Ok(()) };
        if let Err(error) = self.recorder.record_blocking(Engine::in_pieces(&record)) {
            self.missed.insert(target, missed);
            return Err(error.into());
        }
        Ok(())
    }

    fn read_record(&self, target: Sym, missed: &Missed, now: Timestamp) -> Option<Record> {
        let known = self.organisation.target(target)?;
        let Missed { before, names, first } = missed;
        let mut told = Vec::new();
        let mut changes = Vec::new();
        for (anchor, earlier) in before {
            let (earlier, later) = (earlier.as_ref(), known.observed.record(*anchor));
            if earlier == later.as_ref() {
                continue;
            }
            if told.len() < TOLD {
                let whose = later.as_ref().or(earlier).and_then(|account| account.link.as_ref());
                told.push(json!({
                    "account": anchor,
                    "identity": whose.map(|link| link.identity),
                    "fields": difference(earlier, later.as_ref()),
                }));
            }
            changes.push(account_file(target, *anchor, later.as_ref()));
        }
        let accounts = changes.len();
        if *names {
            changes.push(entitlements_file(target, &known.observed.entitlement_records()));
        }
        if changes.is_empty() {
            return None;
        }
        let summary = match (*first, accounts) {
            (true, count) => {
                format!("{target} read for the first time: {count} accounts are not as remembered")
            }
            (false, 0) => format!("entitlements of {target} are not as remembered"),
            (false, count) => format!("drift on {target}: {count} accounts changed without provost"),
        };
        let mut record = Record::new(Kind::Drift, now, summary);
        record.target = Some(target.to_string());
        record.body = json!({ "accounts": told, "count": accounts });
        record.changes = changes;
        Some(record)
    }
}
