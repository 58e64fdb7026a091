//! Evidence arrives: files of the approvals branch are read once, recorded when they are first seen, and judged.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use git2::Oid;
use jiff::{SignedDuration, Timestamp};
use provost_audit::{Kind, Record};
use provost_core::Sym;
use provost_core::approval::{
    Approval, Authors, Authorship, Council as _, Emergency, Label, Word, emergency, sight,
};
use provost_core::digest::Digest;
use provost_core::document;
use provost_core::organisation::Amended;
use provost_core::step::{Scope, World};
use serde_json::json;

use super::memory::{approval_files, emergency_files, uses_file};
use super::{Engine, EngineError};
use crate::approval::emergency::{Act, Signed};
use crate::approval::look::{self, Class, Found, Known, Received, look};
use crate::git::{APPROVALS, tip};
use crate::trust;

/// Rules that come into force may make others judged anew; each round takes at least one of them in.
pub(super) const ROUNDS: usize = 16;

/// Files that are nothing, as many as are told.
const TOLD: usize = 100;

/// What was found on the approvals branch.
#[derive(Default)]
pub(super) struct Inbox {
    /// Where it was when all of it had been read.
    tip: Option<Oid>,
    /// What was read.
    known: HashSet<Known>,
    /// What counts for nothing, under which name, and why.
    refused: BTreeMap<Known, (String, String)>,
    /// What the audit log has of [`provost_core::approval::Uses`].
    recorded: provost_core::approval::Uses,
    /// What changed and was not told to the daemon yet.
    world: Option<World>,
}

impl Inbox {
    pub(super) fn remembering(uses: &provost_core::approval::Uses, files: &[(Class, Vec<u8>)]) -> Inbox {
        let known = files
            .iter()
            .filter_map(|(class, file)| Some((*class, Oid::hash_object(git2::ObjectType::Blob, file).ok()?)));
        Inbox { known: known.collect(), recorded: uses.clone(), ..Inbox::default() }
    }

    /// What is there and counts for nothing, as lines for people.
    pub(super) fn refused(&self) -> Vec<String> {
        let lines = self.refused.values().map(|(file, why)| format!("{file}: {why}"));
        lines.take(TOLD).collect()
    }
}

impl Engine {
    /// Reads what is new on the approvals branch. What could be read and not recorded is read again.
    pub fn look_for_approvals(&mut self, now: Timestamp) -> Result<(), EngineError> {
        let repository = self.source.open()?;
        self.guard_plans(&repository)?;
        let Some(tip) = tip(&repository, APPROVALS)? else { return Ok(()) };
        if self.inbox.tip == Some(tip) {
            return Ok(());
        }
        let before = self.inbox.known.clone();
        let (found, more) = look(&repository, tip, &mut self.inbox.known)?;
        if let Err(error) = self.receive(found, now) {
            self.inbox.known = before;
            return Err(error);
        }
        self.inbox.tip = (!more).then_some(tip);
        self.reconsider(now);
        Ok(())
    }

    /// Takes in one signed emergency that came another way than by the branch.
    pub fn receive_emergency(&mut self, content: &[u8], now: Timestamp) -> Result<(), EngineError> {
        let name = format!("handed over{}", look::EMERGENCY);
        let received = look::receive(&name, content).map_err(EngineError::NotAccepted)?;
        let Received::Emergency(signed) = received else { return Ok(()) };
        let known = &self.agreement.emergencies;
        let (id, taken) = self.emergency(&signed, known, now).map_err(EngineError::NotAccepted)?;
        self.recorder.record_blocking(vec![emergency_record(id, &taken, &signed, now)])?;
        self.agreement.emergencies.insert(id, taken);
        self.reconsider(now);
        Ok(())
    }

    /// Judges anew what people agreed to, until nothing changes any more. What that changes for the daemon is kept
    /// for [`Engine::evidence_changed`].
    pub(super) fn reconsider(&mut self, now: Timestamp) {
        if self.has_unrecorded() {
            self.put_in_force(Amended::default(), now);
        }
        for _ in 0..ROUNDS {
            let decided = self.notes.decided();
            let installation = self.shared.installation.clone();
            let known = &self.authors;
            let amended = self.agreement.judge(
                &mut self.organisation,
                &installation,
                &decided,
                |causes| authors_of(causes, |kind, id| known.of_document(kind, id)),
                now,
            );
            let Some(amended) = amended else { break };
            self.put_in_force(amended, now);
        }
        self.record_uses(now);
        self.publish_plans();
        self.told = None;
    }

    /// What evidence changed since this was last asked.
    pub fn evidence_changed(&mut self) -> Option<World> {
        let mut world = self.inbox.world.take()?;
        world.boundary = self.boundary();
        Some(world)
    }

    /// Who is not told apart from nobody may become known with other keys or other rules.
    pub(super) fn look_again(&mut self) {
        for (known, _) in std::mem::take(&mut self.inbox.refused) {
            self.inbox.known.remove(&known);
        }
        self.inbox.tip = None;
    }

    fn put_in_force(&mut self, amended: Amended, now: Timestamp) {
        let changed = match self.came_into_force(amended, now) {
            Ok(world) => world,
            Err(error) => {
                tracing::error!(%error, "what was agreed to is not on the record yet");
                return;
            }
        };
        let world = self.inbox.world.get_or_insert_with(World::default);
        world.targets = changed.targets;
        // Agreement may let through what was planned already, on any target.
        world.changed.extend(world.targets.keys().map(|target| (*target, Scope::All)));
    }

    fn receive(&mut self, found: Vec<Found>, now: Timestamp) -> Result<(), EngineError> {
        let mut records = Vec::new();
        let mut approvals = Vec::new();
        let mut emergencies = self.agreement.emergencies.clone();
        for Found { file, known, what } in found {
            let taken = what.and_then(|received| match received {
                Received::Statement(word) => self.approval(&word, &approvals, now).map(|approval| {
                    records.push(approval_record(&approval, &word.signed.to_file(), now));
                    approvals.push(approval);
                }),
                Received::Emergency(signed) => {
                    self.emergency(&signed, &emergencies, now).map(|(id, taken)| {
                        records.push(emergency_record(id, &taken, &signed, now));
                        emergencies.insert(id, taken);
                    })
                }
            });
            if let Err(why) = taken {
                tracing::warn!(%file, %why, "a file of the approvals branch counts for nothing");
                self.inbox.refused.insert(known, (file, why));
            }
        }
        if !records.is_empty() {
            // Nothing counts before it is on the record.
            self.recorder.record_blocking(records)?;
        }
        self.agreement.approvals.extend(approvals);
        self.agreement.emergencies = emergencies;
        Ok(())
    }

    /// A statement as it is first seen, if it is one of this installation by a key of whom it names.
    fn approval(&self, word: &look::Word, others: &[Approval], now: Timestamp) -> Result<Approval, String> {
        let predicate = &word.statement.predicate;
        if predicate.installation != self.shared.installation {
            return Err("it is for another installation".to_owned());
        }
        let known = self.agreement.approvals.iter().chain(others);
        if known.into_iter().any(|known| known.id == word.id) {
            return Err("it was seen before under another name".to_owned());
        }
        let council = &self.organisation;
        let seen = sight(
            council,
            predicate.approver,
            Some(&word.key),
            &predicate.requests,
            &self.agreement.open,
            now,
        );
        if !seen.key {
            return Err(format!("{:?} is no good key of {}", word.key, predicate.approver));
        }
        Ok(Approval {
            id: word.id,
            installation: predicate.installation.clone(),
            approver: predicate.approver,
            key: Some(word.key),
            label: Label::Signed,
            decision: predicate.decision,
            requests: predicate.requests.clone(),
            expires: predicate.expires,
            seen,
        })
    }

    /// An emergency, or one that is reviewed now, as it is to be recorded before anything else happens.
    fn emergency(
        &self,
        signed: &Signed,
        known: &BTreeMap<Digest, Emergency>,
        now: Timestamp,
    ) -> Result<(Digest, Emergency), String> {
        let Signed { id, line, key, .. } = signed;
        if line.installation != self.shared.installation {
            return Err("it is for another installation".to_owned());
        }
        if line.expires <= now {
            return Err(format!("it was to be used before {}", line.expires));
        }
        match &line.act {
            Act::Take { policy, grants, hours, reason } => {
                if known.contains_key(id) {
                    return Err("it was used already".to_owned());
                }
                let policy = self.organisation.snapshot().break_glass(*policy);
                let policy = policy.ok_or("there is no such break-glass policy in force")?;
                let why = (reason.as_str(), SignedDuration::from_hours(i64::from(*hours)));
                let taken = emergency(&self.organisation, policy, (line.person, *key), grants, why, now)
                    .map_err(|error| error.to_string())?;
                Ok((*id, taken))
            }
            Act::Review { emergency } => {
                let of = known.get(emergency).ok_or("there is no such emergency")?;
                if of.reviewed.is_some() {
                    return Err("it is reviewed already".to_owned());
                }
                if !self.organisation.keys().allows(key, line.person, now)
                    || !of.may_review(&self.organisation, line.person)
                {
                    return Err(format!("{} may not review it with this key", line.person));
                }
                Ok((*emergency, Emergency { reviewed: Some(line.person), ..of.clone() }))
            }
        }
    }

    fn record_uses(&mut self, now: Timestamp) {
        if self.inbox.recorded == self.agreement.uses {
            return;
        }
        let uses = &self.agreement.uses;
        let mut record =
            Record::new(Kind::Evidence, now, format!("{} requests are agreed to", uses.settled.len()));
        record.desired_commit = self.desired.commit.clone();
        record.changes = vec![uses_file(uses)];
        match self.recorder.record_blocking(vec![record]) {
            Ok(_) => self.inbox.recorded = uses.clone(),
            Err(error) => tracing::error!(%error, "what was agreed to is not on the record"),
        }
    }
}

/// Emergencies that are under way or have no review, as lines for people.
pub(super) fn alarms(emergencies: &BTreeMap<Digest, Emergency>, now: Timestamp) -> Vec<String> {
    let shown = emergencies.iter().filter(|(_, of)| of.reviewed.is_none() || now < of.until);
    shown
        .map(|(id, of)| {
            let review = match of.reviewed {
                Some(person) => format!("reviewed by {person}"),
                None if of.review <= now => format!("its review has been due since {}", of.review),
                None => format!("to be reviewed before {}", of.review),
            };
            format!("break-glass {id}: {}; {review}", emergency_summary(of))
        })
        .collect()
}

fn emergency_record(id: Digest, taken: &Emergency, signed: &Signed, now: Timestamp) -> Record {
    let summary = match taken.reviewed {
        Some(person) => format!("{person} reviewed what {} took by {}", taken.person, taken.policy),
        None => emergency_summary(taken),
    };
    tracing::error!(alarm = true, %summary, "break-glass");
    let mut record = Record::new(Kind::BreakGlass, now, summary);
    record.subject = Some(taken.person.to_string());
    record.evidence = Some(signed.id.to_string());
    record.body = json!({ "emergency": taken, "line": signed.line });
    record.priority = true;
    record.changes = emergency_files(id, taken, signed.id, &signed.signed.to_file());
    record
}

fn emergency_summary(of: &Emergency) -> String {
    let grants: Vec<String> =
        of.grants.iter().map(|grant| provost_core::evidence::Power::from(grant).to_string()).collect();
    format!("{} took {} by {} until {}: {}", of.person, grants.join(", "), of.policy, of.until, of.reason)
}

fn approval_record(approval: &Approval, file: &str, now: Timestamp) -> Record {
    let word = match approval.decision {
        Word::Approve => "approves",
        Word::Deny => "denies",
    };
    let what = match &approval.requests[..] {
        [one] => one.to_string(),
        many => format!("{} requests", many.len()),
    };
    let mut record = Record::new(Kind::Evidence, now, format!("{} {word}: {what}", approval.approver));
    record.evidence = Some(approval.id.to_string());
    record.subject = Some(approval.approver.to_string());
    record.body = json!({ "approval": approval.id, "label": approval.label, "seen": approval.seen });
    record.changes = approval_files(approval, file);
    record
}

/// Who wrote the documents that judging asks about.
pub(super) fn authors_of(
    causes: &BTreeSet<(document::Kind, Sym)>,
    of: impl Fn(document::Kind, Sym) -> trust::Authors,
) -> Authors {
    let mut authors = Authors::default();
    for (kind, id) in causes {
        let trust::Authors { known, unknown } = of(*kind, *id);
        authors.add(*kind, *id, Authorship { people: known, unknown });
    }
    authors
}
