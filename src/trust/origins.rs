//! The authors of documents, for as long as something that a document causes waits.
//!
//! A document is known by its kind and id, wherever its file lies. A file that cannot be read so far is known by its
//! path, and its authors become those of the document that it turns out to be.

use std::collections::{BTreeMap, BTreeSet};

use git2::Oid;
use provost_core::Sym;
use provost_core::document::Kind;
use serde::{Deserialize, Serialize};

use super::Authored;

/// Who wrote something since its version in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authors {
    /// People whose keys signed what they did.
    pub known: BTreeSet<Sym>,
    /// Whether somebody else wrote at it too.
    pub unknown: bool,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Slot {
    /// A document. People and services share one space of ids, so both are under [`Kind::Person`].
    Document {
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: Sym,
    },
    /// A file whose kind and id cannot be read.
    File {
        /// From the root of the repository.
        path: Sym,
    },
}

/// What a file is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// Not there.
    Gone,
    /// There, and nobody can say which document it is.
    Unreadable,
    /// This document.
    Document(Kind, Sym),
}

/// Where everything that waits comes from: its authors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<Slot, Authors>);

impl Slot {
    /// The slot of a document.
    pub fn of(kind: Kind, id: Sym) -> Slot {
        Slot::Document { kind: if kind == Kind::Service { Kind::Person } else { kind }, id }
    }
}

impl Origins {
    /// The authors of a document since its version in force; nobody where it has none.
    pub fn of(&self, kind: Kind, id: Sym) -> Authors {
        self.0.get(&Slot::of(kind, id)).cloned().unwrap_or_default()
    }

    /// Everything that has authors, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Slot, &Authors)> {
        self.0.iter()
    }

    /// The authors of one slot; `None` where it has none.
    pub fn get(&self, slot: &Slot) -> Option<&Authors> {
        self.0.get(slot)
    }

    /// Puts in what is remembered.
    pub fn set(&mut self, slot: Slot, authors: Authors) {
        self.0.insert(slot, authors);
    }

    /// Takes in what commits did. `document` says which document a blob at a path is, and `now` what a path is in the
    /// last of the commits.
    ///
    /// Whoever touched a file is an author of the document that it was, of the one that it became, and of the one that
    /// lies there in the end; whoever gave a document another path has not made its authors forgotten.
    pub fn take(
        &mut self,
        commits: &[Authored],
        mut document: impl FnMut(&str, Oid) -> Option<(Kind, Sym)>,
        now: impl Fn(&str) -> Now,
    ) {
        let mut of_files: BTreeMap<&str, Authors> = BTreeMap::new();
        for Authored { author, touched } in commits {
            for entry in touched {
                of_files.entry(&entry.path).or_default().add(*author);
                let blobs = [entry.before, entry.blob].into_iter().flatten();
                for (kind, id) in blobs.filter_map(|blob| document(&entry.path, blob)) {
                    self.0.entry(Slot::of(kind, id)).or_default().add(*author);
                }
            }
        }
        for (path, mut authors) in of_files {
            let file = Slot::File { path: Sym::new(path) };
            authors.extend(self.0.remove(&file).unwrap_or_default());
            let slot = match now(path) {
                Now::Gone => continue,
                Now::Unreadable => file,
                Now::Document(kind, id) => Slot::of(kind, id),
            };
            self.0.entry(slot).or_default().extend(authors);
        }
    }

    /// Forgets the authors of everything that `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(&Slot) -> bool) {
        self.0.retain(|slot, _| keep(slot));
    }
}

impl Authors {
    fn add(&mut self, author: Option<Sym>) {
        match author {
            Some(person) => drop(self.known.insert(person)),
            None => self.unknown = true,
        }
    }

    /// Adds the authors of something else.
    pub fn extend(&mut self, other: Authors) {
        self.known.extend(other.known);
        self.unknown |= other.unknown;
    }
}
