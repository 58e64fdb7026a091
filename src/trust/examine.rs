//! Every commit between the one that counts and the next: what each touched, and who signed it.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Commit, Oid, Repository};
use provost_core::Sym;

use super::signature::key_of;
use crate::git::{Entry, GitError, changed_between, files_of};

/// How much is looked at one by one. Of what is more, nobody is known as the author.
pub(super) struct Most {
    pub(super) commits: usize,
    /// Changed files, those that a merge is compared with included.
    pub(super) changed: usize,
}

/// Hundreds of people who each commit some times while the daemon is down stay below it, and it takes seconds; so does
/// every document of a large organisation, changed once.
pub(super) const MOST: Most = Most { commits: 2_000, changed: 1_000_000 };

/// What one commit did, and who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authored {
    /// The person whose key in force signed it; `None` where nobody is known.
    pub author: Option<Sym>,
    /// The documents that it touched.
    pub touched: Vec<Entry>,
}

/// Looks at every commit that `to` has and `from` has not. `signer` says whose a public key is (in OpenSSH's one-line
/// format), by the keys in force now: never by those that these commits bring, and never at the date that a commit
/// gives for itself.
///
/// A merge is the work of its parents' authors, but for what it did on its own: what no parent has in that form, and
/// what undoes a change of one of them.
pub fn examine(
    repository: &Repository,
    from: Oid,
    to: Oid,
    signer: &dyn Fn(&str) -> Option<Sym>,
) -> Result<Vec<Authored>, GitError> {
    within(repository, from, to, signer, &MOST)
}

pub(super) fn within(
    repository: &Repository,
    from: Oid,
    to: Oid,
    signer: &dyn Fn(&str) -> Option<Sym>,
    most: &Most,
) -> Result<Vec<Authored>, GitError> {
    let mut examiner = Examiner { repository, changed: 0 };
    let mut walk = repository.revwalk()?;
    walk.push(to)?;
    walk.hide(from)?;
    let mut found = Vec::new();
    for (count, id) in walk.enumerate() {
        let commit = repository.find_commit(id?)?;
        let touched = examiner.own_work(&commit)?;
        if count >= most.commits || examiner.changed > most.changed {
            let touched = examiner.between(Some(from), to)?;
            return Ok(vec![Authored { author: None, touched }]);
        }
        if !touched.is_empty() {
            let author = key_of(repository, commit.id()).and_then(|key| signer(&key));
            found.push(Authored { author, touched });
        }
    }
    Ok(found)
}

struct Examiner<'r> {
    repository: &'r Repository,
    /// How many changed files were found so far.
    changed: usize,
}

impl Examiner<'_> {
    /// The documents that a commit changed itself.
    fn own_work(&mut self, commit: &Commit<'_>) -> Result<Vec<Entry>, GitError> {
        let parents: Vec<Oid> = commit.parent_ids().collect();
        match parents[..] {
            [ours, theirs] => self.merged([ours, theirs], commit.id()),
            // Nobody merges documents of three branches at once: whoever does answers for all of it.
            _ => self.between(parents.first().copied(), commit.id()),
        }
    }

    /// What a merge did on its own: files that differ from both parents, and files that are as in one parent although
    /// the other one had changed them.
    fn merged(&mut self, parents: [Oid; 2], merge: Oid) -> Result<Vec<Entry>, GitError> {
        let mut differs: Vec<BTreeMap<String, Entry>> = Vec::with_capacity(2);
        for parent in parents {
            let changed = self.between(Some(parent), merge)?;
            differs.push(changed.into_iter().map(|entry| (entry.path.clone(), entry)).collect());
        }
        let mut own: BTreeMap<String, Entry> = BTreeMap::new();
        for (side, parent) in parents.into_iter().enumerate() {
            if differs[side].is_empty() {
                continue;
            }
            let changed_there = self.since_parting(parents, parent)?;
            for (path, entry) in &differs[side] {
                if differs[1 - side].contains_key(path) || changed_there.contains(path) {
                    own.insert(path.clone(), entry.clone());
                }
            }
        }
        Ok(own.into_values().collect())
    }

    /// What one of two parents changed since any of the places where they parted.
    fn since_parting(&mut self, [ours, theirs]: [Oid; 2], parent: Oid) -> Result<BTreeSet<String>, GitError> {
        let bases: Vec<Option<Oid>> = match self.repository.merge_bases(ours, theirs) {
            Ok(bases) => bases.iter().copied().map(Some).collect(),
            // They have nothing in common.
            Err(error) if error.code() == git2::ErrorCode::NotFound => vec![None],
            Err(error) => return Err(error.into()),
        };
        let mut changed = BTreeSet::new();
        for base in bases {
            changed.extend(self.between(base, parent)?.into_iter().map(|entry| entry.path));
        }
        Ok(changed)
    }

    /// The documents that differ, those among them that are not read (links, submodules) included.
    fn between(&mut self, from: Option<Oid>, to: Oid) -> Result<Vec<Entry>, GitError> {
        let (mut entries, refused) = match from {
            Some(from) => changed_between(self.repository, from, to)?,
            None => files_of(self.repository, to)?,
        };
        let refused =
            refused.into_iter().map(|refused| Entry { path: refused.path, before: None, blob: None });
        entries.extend(refused);
        self.changed += entries.len();
        Ok(entries)
    }
}
