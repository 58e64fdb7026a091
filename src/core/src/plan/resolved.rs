//! What ought to be, answered from the documents that count and from access.

use crate::Sym;
use crate::access::{Access, Lifecycle, Login, Mark, Waiting, Wanted, risk};
use crate::document::ServiceCredential;
use crate::evidence::{Evidence, Power, Thing};
use crate::facts::Facts;
use crate::observed::Seen;
use crate::snapshot::Snapshot;
use provost_sdk::Risk;

use super::desired::Desired;

/// The documents, and who has what by them.
#[derive(Clone, Copy)]
pub struct Resolved<'a> {
    /// The documents that count.
    pub snapshot: &'a Snapshot,
    /// Who has what.
    pub access: &'a Access,
    /// What is known of the targets beyond their documents.
    pub facts: &'a Facts,
    /// What people have agreed to.
    pub evidence: &'a Evidence,
}

impl Desired for Resolved<'_> {
    fn wanting(&self, target: Sym) -> Vec<(usize, Sym)> {
        self.access.wanting(target).collect()
    }

    fn mark(&self, identity: Sym) -> Option<Mark> {
        self.access.mark(identity)
    }

    fn targets_of(&self, identity: Sym) -> Vec<Sym> {
        self.access.targets_of(identity).collect()
    }

    fn lifecycle(&self, identity: Sym) -> Lifecycle {
        self.access.lifecycle(identity)
    }

    fn is_written(&self, identity: Sym) -> bool {
        self.snapshot.identity(identity).is_some() && !self.snapshot.vanished().contains(&identity)
    }

    fn is_person(&self, identity: Sym) -> bool {
        self.snapshot.person(identity).is_some()
    }

    fn wanted(&self, identity: Sym, target: Sym) -> &[Wanted] {
        self.access.wanted(identity, target)
    }

    fn login(&self, identity: Sym, target: Sym, profile: Sym) -> Result<Login, String> {
        self.access.login(self.snapshot, identity, target, profile).map_err(|problem| problem.message.clone())
    }

    fn fits(&self, identity: Sym, target: Sym, profile: Sym, seen: &Seen) -> bool {
        self.access.fits(self.snapshot, identity, target, profile, seen)
    }

    fn credentials(&self, identity: Sym) -> &[ServiceCredential] {
        self.snapshot.service(identity).map_or(&[], |service| &service.credentials)
    }

    fn answerable(&self, identity: Sym) -> Vec<(Sym, bool)> {
        let service = self.snapshot.service(identity);
        let owners =
            service.into_iter().flat_map(|service| service.owners.iter().map(|owner| (*owner, true)));
        let holders = service.into_iter().flat_map(|service| &service.holders);
        owners.chain(holders.map(|holder| (*holder, false))).collect()
    }

    fn agreed(&self, thing: &Thing, tier: Risk) -> bool {
        self.evidence.agreed(thing, tier)
    }

    fn risk(&self, power: Power) -> Risk {
        self.access.risk(power).unwrap_or_else(|| risk(self.snapshot, self.facts, power))
    }

    fn waiting(&self) -> Vec<Waiting> {
        self.access.waiting().copied().collect()
    }

    fn waiting_of(&self, identity: Sym) -> Vec<Waiting> {
        self.access.waiting_of(identity).to_vec()
    }
}
