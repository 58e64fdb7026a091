//! What goes into a snapshot and what comes out: changes of files, versions of documents, and what got dirty.

use std::collections::BTreeSet;

use provost_sdk::Risk;

use crate::Sym;
use crate::document::{Document, GrantSpec, Kind, Parsed};

/// The id of a blob in the object database.
pub type Blob = [u8; 20];

/// One file that differs from the commit before.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its path in the repository.
    pub path: Sym,
    /// What it holds now; none where it is gone.
    pub file: Option<File>,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Its blob.
    pub blob: Blob,
    /// What was read from it.
    pub parsed: Parsed,
}

/// A document and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The file's path in the repository.
    pub path: Sym,
    /// The blob that it was read from.
    pub blob: Blob,
    /// The document.
    pub document: Document,
}

/// A rule that is, or would be, replaced: what its evidence has to agree to.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleVersion {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Sym,
    /// The version in force until now; none for a new rule.
    pub before: Option<Version>,
    /// The version that takes its place; none where the rule is deleted.
    pub after: Option<Version>,
    /// How much agreement the step from one to the other needs.
    pub tier: Risk,
    /// Of a role: what the step adds, included roles taken into account.
    pub adds: Vec<GrantSpec>,
    /// Why this tier, in words.
    pub why: String,
}

/// A document of the commit that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Its kind, if it can be read.
    pub kind: Option<Kind>,
    /// Its id, if it can be read.
    pub id: Option<Sym>,
    /// The file.
    pub path: Sym,
    /// The file's blob.
    pub blob: Blob,
}

/// Whose documents, as they count, differ from before: ids by kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dirty {
    /// People and services.
    pub identities: BTreeSet<Sym>,
    /// Roles.
    pub roles: BTreeSet<Sym>,
    /// Targets.
    pub targets: BTreeSet<Sym>,
    /// Documents of every other kind.
    pub policies: BTreeSet<Sym>,
    /// Those of the identities whose file has vanished with this commit.
    pub vanished: BTreeSet<Sym>,
    /// Rules that came into force, by kind and id.
    pub in_force: Vec<RuleVersion>,
}

impl Dirty {
    /// Whether nothing that counts is different.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
            && self.roles.is_empty()
            && self.targets.is_empty()
            && self.policies.is_empty()
    }
}

impl RuleVersion {
    /// Whether it is the same step: the same rule, from the same content to the same content.
    pub fn same_step(&self, other: &RuleVersion) -> bool {
        fn document(version: &Option<Version>) -> Option<&Document> {
            version.as_ref().map(|version| &version.document)
        }
        (self.kind, self.id) == (other.kind, other.id)
            && document(&self.before) == document(&other.before)
            && document(&self.after) == document(&other.after)
    }
}
