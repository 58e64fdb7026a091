//! What the engine of the real shell does about agreement: it takes in what people signed once, judges it, and puts what
//! came into force on the record. As [`super::engine`], in which order and with which records is the shell's own, and is
//! said here once more over plain values.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::approval::{
    Approval, Authors, Authorship, Given, Label, Open, PublicKey, Request, Uses, Word, causes, judge, open,
    sight,
};
use provost_core::digest::Digest;
use provost_core::document::Kind;
use provost_core::evidence::Evidence;
use provost_core::snapshot::RuleVersion;
use provost_core::step::{Scope, World};

use super::desired::Commit;
use super::engine::Engine;
use super::log::Log;

/// The installation that all of it is about.
pub const HERE: &str = "installation-1";

/// As in the shell: rules that come into force may make others judged anew.
const ROUNDS: usize = 16;

/// What is known of agreement beside the log.
#[derive(Default)]
pub struct Agreement {
    /// What needs agreement now.
    pub open: Vec<Open>,
    /// When time alone changes any of this next.
    pub next: Option<Timestamp>,
    /// What became of approvals.
    uses: Uses,
    given: Evidence,
    world: Option<World>,
}

impl Agreement {
    /// What the log holds of it.
    pub fn restore(log: &Log) -> Agreement {
        Agreement { uses: log.uses.clone(), ..Agreement::default() }
    }
}

/// One signed statement on the approvals branch.
#[derive(Clone, Debug)]
pub struct Statement {
    pub id: Digest,
    pub installation: &'static str,
    pub approver: Sym,
    pub key: PublicKey,
    pub decision: Word,
    pub requests: Vec<Request>,
    pub expires: Timestamp,
}

impl Engine {
    /// Takes in what is new on the approvals branch: on the record as it was first seen, before it counts.
    pub fn look_for_approvals(
        &mut self,
        branch: &[Statement],
        commits: &[Commit],
        log: &mut Log,
        now: Timestamp,
    ) -> Vec<RuleVersion> {
        let mut found: Vec<Approval> = Vec::new();
        for statement in branch {
            let known = log.approvals.iter().chain(&found).any(|known| known.id == statement.id);
            if known || statement.installation != HERE {
                continue;
            }
            let Statement { id, installation, approver, key, decision, requests, expires } =
                statement.clone();
            let seen = sight(&self.organisation, approver, Some(&key), &requests, &self.agreement.open, now);
            if seen.key {
                let (installation, key, label) = (installation.to_owned(), Some(key), Label::Signed);
                found.push(Approval {
                    id,
                    installation,
                    approver,
                    key,
                    label,
                    decision,
                    requests,
                    expires,
                    seen,
                });
            }
        }
        if !found.is_empty() && log.record(|log| log.approvals.extend(found)).is_err() {
            return Vec::new();
        }
        self.reconsider(commits, log, now)
    }

    /// Judges anew until nothing changes any more, and gives the rules that came into force by it.
    pub fn reconsider(&mut self, commits: &[Commit], log: &mut Log, now: Timestamp) -> Vec<RuleVersion> {
        let mut in_force = Vec::new();
        // The shell judges and records with the next try; here nothing is changed before it can be recorded.
        if log.broken {
            return in_force;
        }
        for _ in 0..ROUNDS {
            let decided = self.organisation.plan(None, &Scope::All, now);
            self.agreement.open = open(&self.organisation, &[&decided], now);
            let authors =
                authors_of(&causes(&self.organisation, &self.agreement.open, &log.approvals), &log.authors);
            let given = Given {
                installation: HERE,
                approvals: &log.approvals,
                open: &self.agreement.open,
                authors: &authors,
                uses: &self.agreement.uses,
                now,
            };
            let judged = judge(&self.organisation, &given);
            (self.agreement.next, self.agreement.uses) = (judged.next, judged.uses);
            if judged.evidence == self.agreement.given {
                break;
            }
            self.agreement.given = judged.evidence.clone();
            let amended = self.organisation.agree(judged.evidence, now);
            let standing = self.standing(commits);
            let recorded = log.record(|log| {
                log.standing = standing;
                log.come_into_force(&amended.dirty.in_force);
            });
            if recorded.is_err() {
                break;
            }
            in_force.extend(amended.dirty.in_force.iter().cloned());
            let mut world = self.amended(amended, log, now);
            world.changed = world.targets.keys().map(|target| (*target, Scope::All)).collect();
            self.agreement.world = Some(world);
        }
        if self.agreement.uses != log.uses {
            let _later = log.record(|log| log.uses = self.agreement.uses.clone());
        }
        in_force
    }

    /// What evidence changed since this was last asked.
    pub fn evidence_changed(&mut self) -> Option<World> {
        let mut world = self.agreement.world.take()?;
        world.boundary = self.boundary();
        Some(world)
    }
}

/// A document that nobody touched since the operator trusted the first commit has no author.
fn authors_of(causes: &BTreeSet<(Kind, Sym)>, known: &BTreeMap<(Kind, Sym), Authorship>) -> Authors {
    let mut authors = Authors::default();
    for (kind, id) in causes {
        authors.add(*kind, *id, known.get(&(*kind, *id)).cloned().unwrap_or_default());
    }
    authors
}
