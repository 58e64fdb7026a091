//! Who wrote what waits: kept while it waits, and on the record with the commit that counts.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use git2::Oid;
use provost_audit::Change;
use provost_core::Sym;
use provost_core::approval::PublicKey;
use provost_core::document::{Kind, parse};
use provost_core::gate::Decision;
use provost_core::snapshot;
use provost_core::step::Scope;

use super::memory::authors_file;
use super::{Engine, EngineError};
use crate::git::GitError;
use crate::trust::{Authored, Authors, NAMESPACE, Now, Origins, Slot, examine};

/// A larger blob is no document.
const MAX_DOCUMENT: usize = 1 << 20;

/// The authors that are known, and those that are on the record.
#[derive(Default)]
pub(super) struct Kept {
    known: Origins,
    on_record: Origins,
}

/// What the commits of one step forward did, and which documents the blobs are that they made or removed.
pub(super) struct Written {
    commits: Vec<Authored>,
    documents: HashMap<Oid, Option<(Kind, Sym)>>,
}

impl Kept {
    /// The authors of a document since its version in force.
    pub(super) fn of_document(&self, kind: Kind, id: Sym) -> Authors {
        self.known.of(kind, id)
    }

    /// What the audit log holds.
    pub(super) fn of(on_record: Origins) -> Kept {
        Kept { known: on_record.clone(), on_record }
    }

    /// The files that differ from those on the record.
    pub(super) fn unrecorded(&self) -> Vec<Change> {
        let slots: BTreeSet<&Slot> =
            self.known.iter().chain(self.on_record.iter()).map(|(slot, _)| slot).collect();
        let changed = slots.into_iter().filter(|slot| self.known.get(slot) != self.on_record.get(slot));
        changed.map(|slot| authors_file(*slot, self.known.get(slot))).collect()
    }

    /// What is known is on the record now.
    pub(super) fn recorded(&mut self) {
        self.on_record = self.known.clone();
    }
}

impl Engine {
    /// Looks at every commit between the one that counts and the next. Between two that do not follow each other, by
    /// the operator's word, nobody knows who wrote what; what the first commit of all holds is the operator's word
    /// alone.
    pub(super) fn written(
        &self,
        from: Option<Oid>,
        to: Oid,
        changes: &[snapshot::Change],
    ) -> Result<Written, EngineError> {
        let Some(from) = from else { return Ok(Written { commits: Vec::new(), documents: HashMap::new() }) };
        let repository = self.source.open()?;
        let commits = examine(&repository, from, to, &|key| self.signer(key))?;
        let mut documents = HashMap::new();
        for file in changes.iter().filter_map(|change| change.file.as_ref()) {
            documents.insert(Oid::from_bytes(&file.blob).map_err(GitError::Read)?, file.parsed.key);
        }
        for entry in commits.iter().flat_map(|commit| &commit.touched) {
            for blob in [entry.before, entry.blob].into_iter().flatten() {
                if let Entry::Vacant(unread) = documents.entry(blob) {
                    unread.insert(document_of(&repository, &entry.path, blob)?);
                }
            }
        }
        Ok(Written { commits, documents })
    }

    /// Makes whoever wrote the commits that just came to count the authors of what they touched; forgets first who
    /// wrote what waits no more.
    pub(super) fn attribute(&mut self, written: &Written) {
        let snapshot = self.organisation.snapshot();
        let document = |_: &str, blob: Oid| written.documents.get(&blob).copied().flatten();
        let now = |path: &str| match snapshot.document_at(Sym::new(path)) {
            None => Now::Gone,
            Some(None) => Now::Unreadable,
            Some(Some((kind, id))) => Now::Document(kind, id),
        };
        self.authors.known.take(&written.commits, document, now);
    }

    /// Forgets who wrote what waits no more. To be called before the next commit counts: what that one changes is not
    /// planned yet.
    pub(super) fn forget_authors(&mut self, now: jiff::Timestamp) {
        let (snapshot, access) = (self.organisation.snapshot(), self.organisation.access());
        // A rule that comes into force later may give something to whoever was changed before.
        let rules_wait = snapshot.has_waiting_rules();
        // What is agreed to and begins later is judged anew until then.
        let judged = self.agreement.causes(&self.organisation);
        let waits = |slot: &Slot| match *slot {
            Slot::File { path } => snapshot.document_at(path) == Some(None),
            Slot::Document { kind, id } if snapshot.is_unsettled(kind, id) => true,
            Slot::Document { kind, id } if judged.contains(&(kind, id)) => true,
            Slot::Document { kind: Kind::Person, id } => rules_wait || !access.waiting_of(id).is_empty(),
            Slot::Document { .. } => false,
        };
        let candidates: BTreeSet<Sym> = self
            .authors
            .known
            .iter()
            .filter_map(|(slot, _)| match *slot {
                Slot::Document { kind: Kind::Person, id } if !waits(slot) => Some(id),
                _ => None,
            })
            .collect();
        let held = self.held_at_the_gate(candidates, now);
        let keep = |slot: &Slot| {
            let at_gate = matches!(*slot, Slot::Document { kind: Kind::Person, id } if held.contains(&id));
            waits(slot) || at_gate
        };
        self.authors.known.retain(keep);
    }

    /// Those of the identities of whom an operation does not go on, or is not planned.
    fn held_at_the_gate(&self, identities: BTreeSet<Sym>, now: jiff::Timestamp) -> BTreeSet<Sym> {
        if identities.is_empty() {
            return identities;
        }
        let decided = self.organisation.plan(None, &Scope::Identities(identities), now);
        let operations = decided.plan.operations.iter().zip(&decided.decisions);
        let waiting = operations.filter(|(_, decision)| !matches!(decision, Decision::Proceed));
        let waiting = waiting.filter_map(|(planned, _)| planned.identity);
        waiting.chain(decided.plan.not_planned.iter().filter_map(|one| one.identity)).collect()
    }

    /// Whose a key is, by the keys in force.
    fn signer(&self, key: &str) -> Option<Sym> {
        self.organisation.author(&PublicKey::parse(key).ok()?, NAMESPACE)
    }
}

/// Which document a blob is, as far as it can be read.
fn document_of(
    repository: &git2::Repository,
    path: &str,
    blob: Oid,
) -> Result<Option<(Kind, Sym)>, EngineError> {
    let (size, kind) = repository.odb()?.read_header(blob)?;
    if size > MAX_DOCUMENT || kind != git2::ObjectType::Blob {
        return Ok(None);
    }
    Ok(parse(path, repository.find_blob(blob)?.content()).key)
}
