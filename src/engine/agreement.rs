//! What people signed, as it was first seen; what that comes to; and what still waits, with what is missing from whom.
//!
//! The engine and whoever only looks hold the same one. It counts nothing itself: the core judges.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::approval::{
    Approval, Authors, Emergency, Given, Missing, Open, Request, Uses, causes, judge, open, overdue,
};
use provost_core::digest::Digest;
use provost_core::document::Kind;
use provost_core::evidence::{Evidence, RuleStep};
use provost_core::organisation::{Amended, Decided, Organisation};
use provost_core::plan::Planned;
use provost_sdk::{Operation, Risk};

use super::memory::Memory;
use super::prepared::Evidence as Rests;

/// What is known of agreement.
#[derive(Default)]
pub(crate) struct Agreement {
    /// Every approval that was recorded.
    pub(crate) approvals: Vec<Approval>,
    /// What was taken in emergencies, by the digest of what took it.
    pub(crate) emergencies: BTreeMap<Digest, Emergency>,
    /// What became of approvals.
    pub(crate) uses: Uses,
    /// What needs agreement now.
    pub(crate) open: Vec<Open>,
    /// What each of it lacks.
    pub(crate) missing: BTreeMap<Digest, Missing>,
    /// The approvals that rules rest on which come into force by them.
    pub(crate) rules: BTreeMap<RuleStep, Vec<Digest>>,
    /// When time alone changes any of this next.
    pub(crate) next: Option<Timestamp>,
    /// What the organisation was given.
    given: Evidence,
}

impl Agreement {
    /// What the audit log holds of it.
    pub(crate) fn restore(memory: &mut Memory) -> Agreement {
        Agreement {
            approvals: std::mem::take(&mut memory.approvals),
            emergencies: std::mem::take(&mut memory.emergencies),
            uses: std::mem::take(&mut memory.uses),
            ..Agreement::default()
        }
    }

    /// Judges once. What the organisation knows of evidence is put right; `None` where it was.
    ///
    /// `decided` are plans with their decisions, `authors` says who wrote what.
    pub(crate) fn judge(
        &mut self,
        organisation: &mut Organisation,
        installation: &str,
        decided: &[Decided],
        authors: impl FnOnce(&BTreeSet<(Kind, Sym)>) -> Authors,
        now: Timestamp,
    ) -> Option<Amended> {
        let decided: Vec<&Decided> = decided.iter().collect();
        self.open = open(organisation, &decided, now);
        let authors = authors(&self.causes(organisation));
        let given = Given {
            installation,
            approvals: &self.approvals,
            open: &self.open,
            authors: &authors,
            uses: &self.uses,
            now,
        };
        let judged = judge(organisation, &given);
        let mut evidence = judged.evidence;
        for emergency in self.emergencies.values() {
            emergency.put(organisation, &mut evidence);
        }
        let emergencies: Vec<Emergency> = self.emergencies.values().cloned().collect();
        evidence.freeze(overdue(&emergencies, now));
        (self.uses, self.missing, self.rules) = (judged.uses, judged.missing, judged.rules);
        let reviews = self.emergencies.values().filter(|of| of.reviewed.is_none()).map(|of| of.review);
        self.next = judged.next.into_iter().chain(reviews.filter(|at| *at > now)).min();
        if evidence == self.given {
            return None;
        }
        self.given = evidence.clone();
        Some(organisation.agree(evidence, now))
    }

    /// The documents of which judging asks who wrote them.
    pub(crate) fn causes(&self, organisation: &Organisation) -> BTreeSet<(Kind, Sym)> {
        causes(organisation, &self.open, &self.approvals)
    }

    /// Whether nothing waits and nothing was agreed to.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.uses.settled.is_empty()
    }

    /// What an operation rests on; nothing where it is low, or only takes away.
    pub(crate) fn evidence_of(&self, planned: &Planned, now: Timestamp) -> Rests {
        if planned.tier == Risk::Low {
            return Rests::default();
        }
        let approvals = self.of(planned, now);
        let emergency = if approvals.is_empty() { self.emergency_of(planned, now) } else { None };
        let of = |approval: &Approval| (approval.id, approval.approver, approval.label);
        Rests { approvals: approvals.into_iter().map(of).collect(), emergency }
    }

    /// The approvals that an operation rests on, in order.
    fn of(&self, planned: &Planned, now: Timestamp) -> Vec<&Approval> {
        let mut ids: Vec<Digest> = Vec::new();
        for settled in &self.uses.settled {
            if carries(&settled.request, planned, now) {
                ids.extend(&settled.by);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| self.approvals.iter().find(|approval| approval.id == id)).collect()
    }

    /// The emergency that an operation rests on.
    fn emergency_of(&self, planned: &Planned, now: Timestamp) -> Option<Digest> {
        let holds = |of: &Emergency| {
            planned.identity == Some(of.person)
                && of.from <= now
                && now < of.until
                && of.grants.iter().any(|grant| {
                    let power = provost_core::evidence::Power::from(grant);
                    power.target == planned.target && power.profile == planned.profile
                })
        };
        self.emergencies.iter().find(|(_, of)| holds(of)).map(|(id, _)| *id)
    }
}

/// Whether an operation carries out a request.
fn carries(request: &Request, planned: &Planned, now: Timestamp) -> bool {
    if let Request::Override(of) = request {
        return of.operations.contains(&planned.digest);
    }
    if planned.takes_away() {
        return matches!(request, Request::Operation(of)
            if planned.identity == Some(of.identity) && of.target == planned.target && of.verb == planned.verb());
    }
    let identities = planned.gains.iter().map(|(identity, _)| *identity).chain(planned.identity);
    let about: Vec<Sym> = identities.collect();
    if request.target() != Some(planned.target)
        || !request.identity().is_some_and(|identity| about.contains(&identity))
    {
        return false;
    }
    match (request, &planned.operation) {
        (Request::Grant(of), Operation::Create(_) | Operation::Enable { .. }) => {
            of.profile == planned.profile && of.window().contains(now)
        }
        (Request::Grant(of), _) => {
            of.power().entitlement == planned.grants && planned.grants.is_some() && of.window().contains(now)
        }
        (Request::Enable(of), Operation::Enable { .. }) => of.profile == planned.profile,
        (Request::Attribute(of), Operation::Update { .. } | Operation::Rename { .. }) => {
            of.profile == planned.profile
        }
        (Request::Credential(_), operation) => {
            matches!(operation, Operation::IssueCredential { .. } | Operation::RotateCredential { .. })
        }
        _ => false,
    }
}
