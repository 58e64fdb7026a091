//! The ids that were ever used, out of the audit log: an id belongs to one identity for ever.
//!
//! They are looked for beside the start, because nothing asks for them before the next commit.

use std::collections::BTreeSet;
use std::thread::JoinHandle;

use git2::{Oid, Repository};
use provost_audit::index::Index;
use provost_audit::{CommitId, View, decode_label, parse_message};
use provost_core::Sym;

use super::memory::Desired;
use super::records::{ACCOUNT, TARGET};
use super::{Engine, EngineError};
use crate::git::Source;
use crate::settings::Settings;
use crate::snapshot;

/// The thread that looks.
pub(super) type Looking = JoinHandle<Result<Vec<Sym>, EngineError>>;

/// Begins to look, up to a record that is in the repository.
pub(super) fn look(settings: &Settings, tip: CommitId) -> Option<Looking> {
    let state = settings.state.clone();
    let look = move || {
        let mut index = Index::open(&state.join("index.sqlite"))?;
        index.catch_up(&state.join("provost.git"), tip, |_, _| ())?;
        Ok(index.used_subjects()?.iter().filter_map(|label| identity(label)).collect())
    };
    std::thread::Builder::new().name("used ids".to_owned()).spawn(look).ok()
}

/// The ids that belonged to somebody before, by the audit log that is published in a repository: of those for whom
/// anything was ever done whoever has none in the commit that counts. None where no log is published.
///
/// # Errors
/// If the published log or the commit that counts cannot be read.
pub fn used_before(repository: &Repository) -> Result<BTreeSet<Sym>, EngineError> {
    let Some(tip) = published(repository) else { return Ok(BTreeSet::new()) };
    let damaged = |id: Oid, why: String| {
        EngineError::Broken(format!("The published audit log is damaged at {id}: {why}."))
    };
    let mut used = BTreeSet::new();
    let mut next = Some(tip);
    while let Some(id) = next {
        let commit = repository.find_commit(id)?;
        let message = parse_message(commit.message_raw().unwrap_or_default());
        let message = message.map_err(|why| damaged(id, why))?;
        used.extend(identity(message.subject.as_deref().unwrap_or_default()));
        next = commit.parent_id(0).ok();
    }
    let path = repository.path();
    let record = tip.to_string().parse().map_err(|_| damaged(tip, "it is no id".to_owned()))?;
    let Some(desired) = View::at(path, record)?.read("desired.json")? else { return Ok(used) };
    let desired: Desired =
        serde_json::from_slice(&desired).map_err(|error| damaged(tip, error.to_string()))?;
    used.retain(|id| !desired.vanished.contains(id));
    if let Some(commit) = &desired.commit {
        let source = Source::new(&path.to_string_lossy(), "main", path);
        for change in snapshot::read(&source, None, Oid::from_str(commit)?)? {
            let document = change.file.and_then(|file| file.parsed.document);
            if let Some(id) = document.map(|document| document.id()).filter(|id| !desired.reused.contains(id))
            {
                used.remove(&id);
            }
        }
    }
    Ok(used)
}

/// Where the log is published, or was when this was cloned.
fn published(repository: &Repository) -> Option<Oid> {
    let name = provost_audit::REF.strip_prefix("refs/heads/").unwrap_or(provost_audit::REF);
    let there = [provost_audit::REF.to_owned(), format!("refs/remotes/origin/{name}")];
    there.iter().find_map(|name| repository.refname_to_id(name).ok())
}

/// The identity that a record is about, by its label.
fn identity(label: &str) -> Option<Sym> {
    let name = decode_label(label);
    let is_other = name.is_empty() || name.starts_with(ACCOUNT) || name.starts_with(TARGET);
    (!is_other).then(|| Sym::new(&name))
}

impl Engine {
    /// Waits for the ids that were used before this process began, if they were not asked for yet.
    pub(super) fn learn_used(&mut self) -> Result<(), EngineError> {
        let Some(looking) = self.used.take() else { return Ok(()) };
        let ended = |_| EngineError::Broken("Looking for the ids that were used failed.".to_owned());
        match looking.join().map_err(ended).and_then(|found| found) {
            Ok(found) => {
                self.organisation.use_ids(found);
                Ok(())
            }
            Err(error) => {
                // The next try looks again.
                let tip = self.recorder.with_log(|log| log.tip().commit)?;
                self.used = look(&self.settings, tip);
                Err(error)
            }
        }
    }
}
