//! The documents that count: commits go in as changes of files, typed documents come out.
//!
//! For identities it is the newest version without problems; for rules (Role, Target, policy) the version in force,
//! which is the newest one that has its evidence. A problem holds back only the documents that it is in. What takes
//! away (a departure, an earlier end, a dropped assignment) counts even in a document that is held back.
//!
//! [`Snapshot::amend`] costs what changed and what is held back. It must never depend on the order of the changes:
//! the result is a function of what counted before, the files of the commit, and the [`Context`].

mod amend;
mod check;
mod context;
mod identity;
mod index;
mod less;
mod packed;
mod report;
mod rules;
#[cfg(test)]
mod tests;
mod version;
mod whole;

use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

use provost_sdk::Risk;

use crate::Sym;
use crate::approval::{RevokedKeys, Signers};
use crate::document::{
    ApproverGroup, BreakGlass, DaemonKeys, Document, Freeze, GuardPolicy, Kind, Lessened, Lifecycle, Person,
    Problem, Role, Scenario, Separation, Service, Severity, Target, Tier, Tiers, default_tier,
};

use index::{Names, Referrers};

pub use context::{Catalog, ConnectorFacts, Context};
pub use identity::Identity;
pub use packed::Kept;
pub use version::{Blob, Change, Dirty, File, HeldBack, RuleVersion, Version};
pub use whole::check;

/// The documents that count.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every file of the commit, by path, with the kind and id that could be read.
    files: FxHashMap<Sym, Option<(Kind, Sym)>>,
    /// Paths of files whose kind and id cannot be read.
    unreadable: FxHashSet<Sym>,
    /// Files whose content is not what counts for their id.
    loose: FxHashMap<Sym, Loose>,
    /// Paths in `loose` whose kind and id are known, by these.
    loose_by_slot: FxHashMap<Slot, BTreeSet<Sym>>,
    /// What counts for people and services.
    identities: FxHashMap<Sym, Version>,
    /// What is in force of every other kind.
    rules: FxHashMap<Slot, Version>,
    /// Identities whose file has vanished.
    vanished: BTreeSet<Sym>,
    /// Who refers to whom, of what counts.
    referrers: Referrers,
    /// Who has which name, of what counts.
    names: Names,
    /// The highest risk of what each role grants.
    risks: FxHashMap<Sym, Risk>,
    /// Whatever in the commit does not count yet: tried again with every change.
    pending: FxHashSet<Slot>,
    /// Rule versions that wait for evidence.
    waiting: FxHashMap<Slot, RuleVersion>,
    /// What parsing a file found, by path.
    parse_problems: FxHashMap<Sym, Vec<Problem>>,
    /// What the documents together show, by path.
    findings: FxHashMap<Sym, Vec<Problem>>,
}

/// Kind and id of a document. People and services share one space of ids, so both are under `Kind::Person`.
type Slot = (Kind, Sym);

/// A file whose content is not what counts.
#[derive(Clone, Debug, PartialEq)]
struct Loose {
    path: Sym,
    blob: Blob,
    key: Option<(Kind, Sym)>,
    document: Option<Document>,
    less: Option<Box<Lessened>>,
}

impl Snapshot {
    /// A snapshot in which these versions count already: the rules in force by the audit log, the versions of
    /// identities that stand for documents held back, and those of identities that have `vanished`. The first
    /// [`Snapshot::amend`] brings every file of the commit.
    pub fn restore(
        versions: impl IntoIterator<Item = Version>,
        vanished: impl IntoIterator<Item = Sym>,
    ) -> Snapshot {
        let mut snapshot = Snapshot { vanished: vanished.into_iter().collect(), ..Snapshot::default() };
        for version in versions {
            let slot = slot_of(&version.document);
            snapshot.put(slot, Some(version));
            // Its file may be gone by now.
            snapshot.pending.insert(slot);
        }
        snapshot
    }

    /// A person's document.
    pub fn person(&self, id: Sym) -> Option<&Person> {
        match &self.identities.get(&id)?.document {
            Document::Person(person) => Some(person),
            _ => None,
        }
    }

    /// A service's document.
    pub fn service(&self, id: Sym) -> Option<&Service> {
        match &self.identities.get(&id)?.document {
            Document::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The document of an identity. One that has vanished is here with `status: departed`.
    pub fn identity(&self, id: Sym) -> Option<Identity<'_>> {
        Identity::of(&self.identities.get(&id)?.document)
    }

    /// Every identity, in no order that means anything.
    pub fn identities(&self) -> impl ExactSizeIterator<Item = Identity<'_>> {
        self.identities
            .values()
            .map(|version| Identity::of(&version.document).expect("only identities are kept there"))
    }

    /// Every person, in no order that means anything.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.identities.values().filter_map(|version| match &version.document {
            Document::Person(person) => Some(&**person),
            _ => None,
        })
    }

    /// Every service, in no order that means anything.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.identities.values().filter_map(|version| match &version.document {
            Document::Service(service) => Some(&**service),
            _ => None,
        })
    }

    /// Identities whose file has vanished and that have not been forgotten.
    pub fn vanished(&self) -> &BTreeSet<Sym> {
        &self.vanished
    }

    /// Versions of identities that count although the files of the commit would not bring them in now: those that stand for
    /// documents held back, those that something is wrong with since (an owner is gone), those who have vanished, and
    /// those whose file is gone while something cannot be read that may be theirs. In the order of ids. A process that
    /// begins anew needs them.
    pub fn standing(&self) -> Vec<&Version> {
        let held = self.loose.values().filter_map(|loose| loose.key.map(slot));
        let is_wrong = |found: &[Problem]| found.iter().any(|one| one.severity == Severity::Error);
        let unsound = self.findings.iter().filter(|(_, found)| is_wrong(found));
        let unsound = unsound.filter_map(|(path, _)| self.files.get(path).copied().flatten().map(slot));
        let vanished = self.vanished.iter().map(|id| (Kind::Person, *id));
        let slots = held.chain(unsound).chain(vanished).chain(self.pending.iter().copied());
        let identities: BTreeSet<Sym> =
            slots.filter(|slot| slot.0 == Kind::Person).map(|slot| slot.1).collect();
        identities.iter().filter_map(|id| self.identities.get(id)).collect()
    }

    /// What agreement a risk needs: the policy's word, else the built-in one.
    pub fn tier(&self, risk: Risk) -> Tier {
        let name = match risk {
            Risk::Low => "low",
            Risk::Normal => "normal",
            Risk::Privileged => "privileged",
        };
        let named = self.tiers().and_then(|tiers| tiers.tiers.get(&Sym::new(name)).cloned());
        named.unwrap_or_else(|| default_tier(risk))
    }

    /// The version that counts for a document, and where it came from.
    pub fn version(&self, kind: Kind, id: Sym) -> Option<&Version> {
        self.current((slot_kind(kind), id)).filter(|version| version.document.kind() == kind)
    }

    /// The document that a file of the commit is; `Some(None)` where its kind and id cannot be read, `None` where there
    /// is no such file.
    pub fn document_at(&self, path: Sym) -> Option<Option<(Kind, Sym)>> {
        self.files.get(&path).copied()
    }

    /// Whether the commit says something of a document that does not count, or not yet.
    pub fn is_unsettled(&self, kind: Kind, id: Sym) -> bool {
        let slot = slot((kind, id));
        self.pending.contains(&slot) || self.waiting.contains_key(&slot)
    }

    /// Whether any rule waits for evidence.
    pub fn has_waiting_rules(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Rule versions that wait for evidence, in the order of kind and id.
    pub fn waiting_rules(&self) -> Vec<&RuleVersion> {
        let mut waiting: Vec<&RuleVersion> = self.waiting.values().collect();
        waiting.sort_by_key(|version| (version.kind, version.id));
        waiting
    }

    /// Everything that is wrong with the commit, in the order of files: also what is wrong with documents that count
    /// all the same. Problems of single fields have no line yet ([`Problem::locate`]).
    pub fn problems(&self) -> Vec<&Problem> {
        let mut problems: Vec<&Problem> =
            self.parse_problems.values().chain(self.findings.values()).flatten().collect();
        problems.sort_by(|left, right| {
            (left.file, left.line, left.column, &left.at, left.code, &left.message).cmp(&(
                right.file,
                right.line,
                right.column,
                &right.at,
                right.code,
                &right.message,
            ))
        });
        problems
    }

    /// Files of the commit whose content does not count because of a problem, in the order of paths. Rules that only
    /// wait for evidence are not among them.
    pub fn held_back(&self) -> Vec<HeldBack> {
        let mut held: Vec<HeldBack> = self
            .loose
            .iter()
            .filter(|(path, loose)| {
                let waiting = loose.key.and_then(|key| self.waiting.get(&slot(key)));
                waiting.and_then(|version| version.after.as_ref()).is_none_or(|after| after.path != **path)
            })
            .map(|(path, loose)| HeldBack {
                kind: loose.key.map(|(kind, _)| kind),
                id: loose.key.map(|(_, id)| id),
                path: *path,
                blob: loose.blob,
            })
            .collect();
        held.sort_by_key(|held| held.path);
        held
    }

    /// What counts for a slot.
    fn current(&self, slot: Slot) -> Option<&Version> {
        match slot.0 {
            Kind::Person => self.identities.get(&slot.1),
            _ => self.rules.get(&slot),
        }
    }

    /// Makes a version, or none, count for a slot, and gives the one that did until now.
    fn put(&mut self, slot: Slot, version: Option<Version>) -> Option<Version> {
        let before = match slot.0 {
            Kind::Person => self.identities.remove(&slot.1),
            _ => self.rules.remove(&slot),
        };
        if let Some(before) = &before {
            self.referrers.remove(slot, &before.document);
            Identity::of(&before.document).into_iter().for_each(|identity| self.names.remove(identity));
        }
        if let Some(version) = version {
            self.referrers.insert(slot, &version.document);
            Identity::of(&version.document).into_iter().for_each(|identity| self.names.insert(identity));
            match slot.0 {
                Kind::Person => self.identities.insert(slot.1, version),
                _ => self.rules.insert(slot, version),
            };
        }
        before
    }
}

macro_rules! rules_of {
    ($($one:ident, $all:ident, $kind:ident, $about:literal;)*) => {
        impl Snapshot {
            $(
                #[doc = concat!("The ", $about, " of this id that is in force.")]
                pub fn $one(&self, id: Sym) -> Option<&$kind> {
                    match &self.rules.get(&(Kind::$kind, id))?.document {
                        Document::$kind(document) => Some(document),
                        _ => None,
                    }
                }

                #[doc = concat!("Every ", $about, " in force, in the order of ids.")]
                pub fn $all(&self) -> Vec<&$kind> {
                    let mut all: Vec<&$kind> = self
                        .rules
                        .values()
                        .filter_map(|version| match &version.document {
                            Document::$kind(document) => Some(&**document),
                            _ => None,
                        })
                        .collect();
                    all.sort_by_key(|document| document.id);
                    all
                }
            )*
        }
    };
}

rules_of! {
    role, roles, Role, "role";
    target, targets, Target, "target";
    approver_group, approver_groups, ApproverGroup, "group of approvers";
    separation, separations, Separation, "separation of duties";
    freeze, freezes, Freeze, "freeze window";
    break_glass, break_glasses, BreakGlass, "break-glass policy";
    daemon_key, daemon_keys, DaemonKeys, "list of the daemon's keys";
    scenario, scenarios, Scenario, "scenario";
}

macro_rules! the_only {
    ($($name:ident, $kind:ident, $type:ident, $about:literal;)*) => {
        impl Snapshot {
            $(
                #[doc = concat!("The ", $about, " in force; there is at most one document of the kind.")]
                pub fn $name(&self) -> Option<&$type> {
                    let found = self.rules.values().filter_map(|version| match &version.document {
                        Document::$kind(document) => Some(&**document),
                        _ => None,
                    });
                    found.min_by_key(|document| document.id)
                }
            )*
        }
    };
}

the_only! {
    allowed_signers, AllowedSigners, Signers, "keys that may sign approvals";
    revoked_keys, RevokedKeys, RevokedKeys, "keys that are good no more";
    tiers, Tiers, Tiers, "tiers";
    guards, Guards, GuardPolicy, "guards over all targets";
    lifecycle, Lifecycle, Lifecycle, "defaults for leavers";
}

/// The slot of a document.
fn slot_of(document: &Document) -> Slot {
    (slot_kind(document.kind()), document.id())
}

/// The slot of a kind and an id.
fn slot((kind, id): (Kind, Sym)) -> Slot {
    (slot_kind(kind), id)
}

fn slot_kind(kind: Kind) -> Kind {
    if kind == Kind::Service { Kind::Person } else { kind }
}
