//! Commits: from the one that counts to the next, forward only; and the operator's word for another.

use git2::Oid;
use jiff::Timestamp;
use provost_audit::Record;
use provost_core::Sym;
use provost_core::observed::Observed;
use provost_core::organisation::{Amended, HeldBy, Known};
use provost_core::snapshot::{Dirty, RuleVersion, Version};
use provost_core::step::{Scope, World};
use serde_json::json;

use super::memory::{Standing, desired_file, rule_file};
use super::prepared::label_of;
use super::{Engine, EngineError};
use crate::git::{Course, GitError};
use crate::{registry, snapshot};

/// What commits changed that count in memory, and are not on the record.
#[derive(Default)]
pub(super) struct Unrecorded {
    amended: Amended,
    trusted: bool,
}

impl Unrecorded {
    /// Takes in what the next commit changed. Of a rule that changed twice the later version is in force.
    fn absorb(&mut self, later: Amended) {
        let Amended { dirty, changed } = &mut self.amended;
        let Dirty { identities, roles, targets, policies, vanished, in_force } = later.dirty;
        dirty.identities.extend(identities);
        dirty.roles.extend(roles);
        dirty.targets.extend(targets);
        dirty.policies.extend(policies);
        dirty.vanished.extend(vanished);
        let again = |version: &RuleVersion| {
            in_force.iter().any(|later| (later.kind, later.id) == (version.kind, version.id))
        };
        dirty.in_force.retain(|version| !again(version));
        dirty.in_force.extend(in_force);
        changed.extend(later.changed);
    }
}

impl Engine {
    /// Makes a commit count, if it comes after the one that does.
    pub fn load(&mut self, commit: Sym, now: Timestamp) -> Result<World, EngineError> {
        let to = oid(commit)?;
        let from = self.desired.commit.as_deref().map(Sym::new);
        if let Some(from) = from {
            let course = self.source.course(oid(from)?, to)?;
            if course != Course::Forward {
                self.raise_alarm(from, commit, course, now);
                return Err(EngineError::NotForward { from, to: commit, course });
            }
        }
        let from = from.filter(|_| !self.unread).map(oid).transpose()?;
        self.take(from, to, false, now)
    }

    /// Nothing is added any more, and the log says why: once for each commit that is found there.
    fn raise_alarm(&mut self, from: Sym, to: Sym, course: Course, now: Timestamp) {
        self.organisation.hold(HeldBy::Branch, Some(Sym::new(off_course(course))));
        self.told = None;
        if self.alarmed.replace(to) == Some(to) {
            return;
        }
        let mut record = Record::new(
            provost_audit::Kind::Refused,
            now,
            format!(
                "alarm: {}; {} is not taken, and nothing is added",
                off_course(course),
                short(to.as_str())
            ),
        );
        record.desired_commit = Some(to.to_string());
        record.body = json!({ "counts": from, "found": to, "course": course });
        self.write(&record);
    }

    /// Makes a commit count, after what decides whether it may.
    pub(super) fn take(
        &mut self,
        from: Option<Oid>,
        to: Oid,
        trusted: bool,
        now: Timestamp,
    ) -> Result<World, EngineError> {
        let changes = snapshot::read(&self.source, from, to)?;
        let written = self.written(from, to, &changes)?;
        self.forget_authors(now);
        // Of a commit that is read as a whole everybody's id was used, by whoever has it still.
        if from.is_some() {
            self.learn_used()?;
        }
        let mut unrecorded = self.unrecorded.take().unwrap_or_default();
        let amended = self.organisation.amend(changes, trusted, now);
        self.unread = false;
        self.attribute(&written);
        unrecorded.trusted |= trusted;
        unrecorded.absorb(amended);
        self.desired.commit = Some(to.to_string());
        self.look_again();
        let world = self.make_count(unrecorded, true, now)?;
        self.reconsider(now);
        Ok(world)
    }

    /// What people agreed to came into force: it is recorded as if a commit had brought it.
    pub(super) fn came_into_force(&mut self, amended: Amended, now: Timestamp) -> Result<World, EngineError> {
        if amended.dirty.is_empty() && amended.dirty.in_force.is_empty() && self.unrecorded.is_none() {
            return Ok(self.amended(amended, now));
        }
        // Agreement is no word about a branch that was rewritten, or about a commit that cannot be read.
        let lifts = self.unrecorded.is_some() && self.alarmed.is_none() && !self.unread;
        let mut unrecorded = self.unrecorded.take().unwrap_or_default();
        unrecorded.absorb(amended);
        self.make_count(unrecorded, lifts, now)
    }

    /// Whether something counts that could not be recorded.
    pub(super) fn has_unrecorded(&self) -> bool {
        self.unrecorded.is_some()
    }

    /// `lifts`: what adds goes on with it, whatever was wrong with the branch.
    fn make_count(
        &mut self,
        unrecorded: Unrecorded,
        lifts: bool,
        now: Timestamp,
    ) -> Result<World, EngineError> {
        match self.put_on_record(&unrecorded, now) {
            Ok(()) => {
                if lifts {
                    self.organisation.hold(HeldBy::Branch, None);
                    self.alarmed = None;
                }
                Ok(self.amended(unrecorded.amended, now))
            }
            Err(error) => {
                // What counts already in memory is told and recorded with the next try, and adds nothing until then.
                self.organisation
                    .hold(HeldBy::Branch, Some(Sym::new("the commit that counts is not on the record yet")));
                self.unrecorded = Some(unrecorded);
                Err(error)
            }
        }
    }

    fn put_on_record(&mut self, unrecorded: &Unrecorded, now: Timestamp) -> Result<(), EngineError> {
        self.desired.installation = Some(self.shared.installation.clone());
        self.desired.vanished = self.organisation.snapshot().vanished().iter().copied().collect();
        self.desired.reused = self.organisation.reused();
        self.desired.standing = self.standing()?;
        self.record_rules(&unrecorded.amended, unrecorded.trusted, now)
    }

    /// Takes over what a commit changed about targets, and says what the daemon has to know.
    pub(super) fn amended(&mut self, amended: Amended, now: Timestamp) -> World {
        let mut whole = Vec::new();
        for target in &amended.dirty.targets {
            if self.organisation.snapshot().target(*target).is_some() {
                if self.organisation.target(*target).is_some() {
                    self.reread.insert(*target);
                }
                let mut changed = self.place_target(*target, now);
                whole.push(*target);
                whole.append(&mut changed);
            } else {
                self.organisation.forget(*target);
                self.notes.forget(*target);
                self.shared.forget_target(*target);
            }
        }
        if !amended.dirty.policies.is_empty() {
            whole.extend(self.organisation.snapshot().targets().into_iter().map(|target| target.id));
        }
        let mut world = self.world(amended.changed);
        world.changed.extend(whole.into_iter().map(|target| (target, Scope::All)));
        // Whoever is gone has no target any more in access; the accounts are still there.
        for identity in amended.dirty.identities.iter().chain(&amended.dirty.vanished) {
            for (target, known) in self.organisation.targets() {
                if known.observed.links_of(*identity).next().is_some() {
                    add(&mut world, target, *identity);
                }
            }
        }
        self.told = None;
        if let Err(error) = self.recall(now) {
            tracing::error!(%error, "a longer window of a guard begins now");
        }
        world
    }

    /// Puts a target in force in its place: which system it is, and whether it was adopted there. Gives the other
    /// targets that are to be planned again.
    pub(super) fn place_target(&mut self, id: Sym, now: Timestamp) -> Vec<Sym> {
        let Some(document) = self.organisation.snapshot().target(id) else { return Vec::new() };
        let place = Sym::new(&registry::place(document));
        let adopted = self.adopted_place(id);
        let before = self.organisation.target(id).map(|known| known.place);
        let mut others = Vec::new();
        match before {
            Some(before) if before == place => self.organisation.locate(id, place, adopted),
            Some(_) if adopted == Some(place) => return self.come_back(id, place, now),
            Some(_) => return self.leave(id, place, now),
            None => {
                let observed = Observed::default();
                let known = Known { observed, place, adopted, hold: None, own_accounts: Vec::new() };
                others.extend(self.organisation.place(id, known, now).into_iter().map(|(_, target)| target));
            }
        }
        self.open_target(id);
        others
    }

    /// Opens every target anew: secrets may be others.
    pub(super) fn open_targets(&self) {
        for target in self.organisation.snapshot().targets() {
            self.open_target(target.id);
        }
    }

    pub(super) fn open_target(&self, id: Sym) {
        let Some(document) = self.organisation.snapshot().target(id) else { return };
        let settings = registry::resolve(document, &self.settings).map_err(|error| error.to_string());
        let known = self.organisation.target(id);
        let adopted = known.is_some_and(|known| known.adopted == Some(known.place));
        let place = known.map_or(id, |known| known.place);
        self.shared.open(id, place, settings, adopted);
    }

    /// Versions of identities that count, and that the files of the commit alone would not bring in.
    fn standing(&self) -> Result<Vec<Standing>, EngineError> {
        let repository = self.source.open()?;
        let standing = self.organisation.snapshot().standing();
        standing.into_iter().map(|version| text_at(&repository, version.path, &version.blob)).collect()
    }

    /// The commit counts from here on, and these rules are in force.
    fn record_rules(&mut self, amended: &Amended, trusted: bool, now: Timestamp) -> Result<(), EngineError> {
        let commit = self.desired.commit.clone().unwrap_or_default();
        let rules = &amended.dirty.in_force;
        let kind = if trusted { provost_audit::Kind::Trust } else { provost_audit::Kind::Rules };
        let word = if trusted { "trusted" } else { "counts" };
        let summary = format!("commit {} {word}, {} rules come into force", short(&commit), rules.len());
        let mut record = Record::new(kind, now, summary);
        record.desired_commit = Some(commit);
        let agreed = |version: &RuleVersion| self.agreement.rules.get(&version.into());
        record.evidence = label_of(rules.iter().filter_map(agreed).flatten().copied());
        record.body = json!({
            "rules": rules.iter().map(|version| json!({
                "kind": version.kind, "id": version.id, "tier": version.tier, "why": version.why,
                "evidence": agreed(version),
            })).collect::<Vec<_>>(),
            "problems": self.organisation.snapshot().problems().len(),
        });
        record.changes.push(desired_file(&self.desired));
        let repository = self.source.open()?;
        for version in rules {
            let standing = version.after.as_ref().map(|after| text_of(&repository, after)).transpose()?;
            record.changes.push(rule_file(version.kind, version.id, standing.as_ref()));
        }
        record.changes.extend(self.authors.unrecorded());
        self.recorder.record_blocking(Engine::in_pieces(&record))?;
        self.authors.recorded();
        Ok(())
    }
}

/// Adds an identity to what is planned on a target.
pub(super) fn add(world: &mut World, target: Sym, identity: Sym) {
    match world.changed.entry(target).or_insert_with(|| Scope::Identities(std::collections::BTreeSet::new()))
    {
        Scope::All => {}
        Scope::Identities(identities) => {
            identities.insert(identity);
        }
    }
}

/// What is wrong with where the tracked branch is.
pub(super) fn off_course(course: Course) -> &'static str {
    match course {
        Course::Forward => "nothing",
        Course::Back => "the tracked branch was moved back",
        Course::Rewritten => "the tracked branch was rewritten",
        Course::Unrelated => "the tracked branch has another history",
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

fn text_of(repository: &git2::Repository, version: &Version) -> Result<Standing, EngineError> {
    text_at(repository, version.path, &version.blob)
}

fn text_at(repository: &git2::Repository, path: Sym, blob: &[u8; 20]) -> Result<Standing, EngineError> {
    let blob = Oid::from_bytes(blob)?;
    Ok(Standing::new(path, blob, repository.find_blob(blob)?.content()))
}

pub(super) fn oid(commit: Sym) -> Result<Oid, GitError> {
    Oid::from_str(commit.as_str()).map_err(|_| GitError::NoCommit(commit.to_string()))
}
