//! Looking without the daemon: what counts, from the repository and the audit log, with nothing opened for writing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use git2::Oid;
use jiff::Timestamp;
use provost_core::Sym;
use provost_core::document::{Document, Kind};
use provost_core::organisation::{Decided, Known, Organisation};
use provost_core::snapshot::{Snapshot, Version};

use super::agreement::Agreement;
use super::evidence::{ROUNDS, authors_of};
use super::held::{Requested, requests};
use super::memory::Memory;
use super::{EngineError, open, windows};
use crate::git::{Course, Source};
use crate::history::History;
use crate::registry;
use crate::settings::Settings;
use crate::snapshot;
use crate::trust::Origins;

/// What is shown when the tracked branch is not.
const SHOWN: &str = "Shown is the commit that counts.";

/// What counts at one instant, for verbs that only look.
pub struct View {
    /// Everything that is known, of targets as the audit log has them.
    pub organisation: Organisation,
    /// The desired repository.
    pub source: Source,
    /// The commit that is looked at.
    pub commit: Oid,
    /// Why it is another commit than the tracked branch's, if so: a sentence, and a hint.
    pub notice: Option<String>,
    /// Whether there is an audit log; without one nothing is adopted.
    pub remembered: bool,
    /// Targets whose document is the one in force by the daemon's own log: for no other is a secret used. What is
    /// published in the repository anybody may have written who can push there.
    pub readable: BTreeSet<Sym>,
    /// The installation, if its audit log says so.
    pub installation: Option<String>,
    agreement: Agreement,
    authors: Origins,
}

impl View {
    /// What counts, or would count with another commit. A commit before anything was ever trusted is taken as trusted,
    /// to show what it says.
    pub fn open(settings: &Settings, commit: Option<&str>, now: Timestamp) -> Result<View, EngineError> {
        let source = open::source(settings);
        let head = source.head();
        let memory = memory_of(settings, &source)?;
        let counted = memory.as_ref().and_then(|(memory, _)| memory.desired.commit.as_deref());
        let counted = counted.and_then(|counted| Oid::from_str(counted).ok());
        let (commit, notice) = match (commit, counted, head) {
            (Some(asked), _, _) => (source.resolve(asked)?, None),
            (None, None, head) => (head?, None),
            (None, Some(counted), Ok(head)) => match source.course(counted, head)? {
                Course::Forward => (head, None),
                course => {
                    let (from, to) = (Sym::new(&counted.to_string()), Sym::new(&head.to_string()));
                    (counted, Some(format!("{}\n{SHOWN}", EngineError::NotForward { from, to, course })))
                }
            },
            (None, Some(counted), Err(error)) => (counted, Some(format!("{error}\n{SHOWN}"))),
        };
        let source = source.holding(commit).unwrap_or(source);
        let mut view = View::of(source, memory, commit, now)?;
        if view.remembered {
            let after = now - view.organisation.longest_window();
            view.organisation.recall(windows::history(&settings.state, after)?);
        }
        Ok(View { notice, ..view })
    }

    /// What counted at an instant of the past, by the audit log: its last record then, and the commit that counted.
    ///
    /// # Errors
    /// If the log began later, or if the commit that counted is not in the desired repository any more.
    pub fn open_at(settings: &Settings, at: Timestamp) -> Result<View, EngineError> {
        let source = open::source(settings);
        let history = History::open(settings, |_, _| ())?;
        let record = history
            .at(at.as_second())?
            .ok_or_else(|| EngineError::Broken(format!("The audit log began after {at}.")))?;
        let own = settings.state.join("provost.git");
        let repository = git2::Repository::open(&own)?;
        let vault = super::personal::vault(settings)?;
        let record = Oid::from_str(&record.to_string())?;
        let memory = Memory::read(&own, &repository, record, None, vault.as_deref())?;
        let counted = memory.desired.commit.as_deref().map(Oid::from_str).transpose()?;
        let commit = counted.filter(|commit| source.has(*commit)).ok_or_else(|| {
            EngineError::Broken(format!("The commit that counted at {at} is not in the desired repository."))
        })?;
        View::of(source, Some((memory, true)), commit, at)
    }

    fn of(
        source: Source,
        memory: Option<(Memory, bool)>,
        commit: Oid,
        now: Timestamp,
    ) -> Result<View, EngineError> {
        let remembered = memory.is_some();
        let (mut memory, own) = memory.unwrap_or_default();
        let agreement = Agreement::restore(&mut memory);
        let installation = memory.desired.installation.clone();
        let authors = std::mem::take(&mut memory.authors);
        let in_force: Vec<Version> = if own { memory.versions() } else { Vec::new() };
        let mut organisation = if remembered {
            open::organisation(&memory, now)
        } else {
            Organisation::new(
                Snapshot::default(),
                registry::catalog(),
                provost_core::access::Zones::bundled(),
                now,
            )
        };
        organisation.use_ids(memory.desired.reused.iter().copied());
        let counted = memory.desired.commit.as_deref().and_then(|commit| Oid::from_str(commit).ok());
        // The commit that counts first, then the one that is asked for: what is held back is judged by what stood.
        let counted = counted.filter(|counted| *counted != commit && source.has(*counted));
        if let Some(counted) = counted {
            organisation.amend(snapshot::read(&source, None, counted)?, false, now);
        }
        organisation.amend(snapshot::read(&source, counted, commit)?, !remembered, now);
        let targets: Vec<Sym> =
            organisation.snapshot().targets().into_iter().map(|target| target.id).collect();
        for id in targets {
            let Some(document) = organisation.snapshot().target(id) else { continue };
            let place = Sym::new(&registry::place(document));
            let remembered = memory.take_target(id);
            let known = Known {
                observed: remembered.observed,
                place,
                adopted: remembered.adopted.map(|adoption| Sym::new(&adoption.place)),
                hold: None,
                own_accounts: Vec::new(),
            };
            organisation.place(id, known, now);
        }
        let unchanged = |version: &Version| match &version.document {
            Document::Target(before) => {
                let now = organisation.snapshot().target(before.id);
                now.filter(|now| **now == **before).map(|_| before.id)
            }
            _ => None,
        };
        let readable = in_force.iter().filter_map(unchanged).collect();
        let mut view = View {
            organisation,
            source,
            commit,
            notice: None,
            remembered,
            readable,
            installation,
            agreement,
            authors,
        };
        view.agree(&[], now);
        Ok(view)
    }

    /// Judges what people agreed to, with what plans show, until nothing changes; whether anything did.
    pub fn agree(&mut self, decided: &[Decided], now: Timestamp) -> bool {
        let installation = self.installation.clone().unwrap_or_default();
        let mut changed = false;
        for _ in 0..ROUNDS {
            let known = &self.authors;
            let authors = |causes: &BTreeSet<(Kind, Sym)>| authors_of(causes, |kind, id| known.of(kind, id));
            let judged = self.agreement.judge(&mut self.organisation, &installation, decided, authors, now);
            if judged.is_none() {
                break;
            }
            changed = true;
        }
        changed
    }

    /// What waits for people, and what is missing from whom.
    pub fn requests(&self) -> Vec<Requested> {
        requests(&self.agreement).collect()
    }
}

/// The newest memory that can be had, and whether it is the daemon's own log, else the published one.
fn memory_of(settings: &Settings, source: &Source) -> Result<Option<(Memory, bool)>, EngineError> {
    let own = settings.state.join("provost.git");
    for (path, own) in [(own, true), (source.path().to_owned(), false)] {
        if let Some(commit) = tip(&path) {
            let repository = git2::Repository::open(&path)?;
            let vault = if own { super::personal::vault(settings)? } else { None };
            let memory = Memory::read(&path, &repository, commit, None, vault.as_deref())?;
            return Ok(Some((memory, own)));
        }
    }
    Ok(None)
}

fn tip(path: &PathBuf) -> Option<Oid> {
    git2::Repository::open(path).ok()?.refname_to_id(provost_audit::REF).ok()
}
