//! References: whether what is named is in force, and who acts for whom has departed.

use super::{Checker, Findings, hint};
use crate::Sym;
use crate::document::{FieldPath, Kind, Status};
use crate::snapshot::{Identity, slot};
use crate::spelling::did_you_mean;

impl Checker<'_> {
    /// A reference to a rule. True if it is in force.
    pub(super) fn refer(&self, kind: Kind, id: Sym, at: FieldPath, into: &mut Findings) -> bool {
        let found = self.snapshot.rules.contains_key(&(kind, id));
        if !found {
            let known = self.snapshot.rules.keys().filter(|(other, _)| *other == kind).map(|(_, id)| *id);
            self.dangling(kind, id, at, known, into);
        }
        found
    }

    /// A reference to a person, by whoever is `role` of the document (`the manager`).
    pub(super) fn refer_to_person(
        &self,
        what: &str,
        id: Sym,
        at: FieldPath,
        next: Option<Sym>,
        into: &mut Findings,
    ) {
        match self.snapshot.identity(id) {
            Some(Identity::Person(person)) if person.status == Status::Departed => {
                let problem = into.warning(at, "departed", format!("{what} {id} has departed"));
                hint(problem, next.map(|next| format!("{next} acts instead; name somebody who is here")));
            }
            Some(Identity::Person(_)) => {}
            Some(Identity::Service(_)) => {
                into.error(at, "no-person", format!("{what} must be a person, and {id} is a service"));
            }
            None if (self.context.spent)(id) => {
                let problem = into.warning(at, "departed", format!("{what} {id} left long ago"));
                hint(problem, next.map(|next| format!("{next} acts instead; name somebody who is here")));
            }
            None => self.dangling(Kind::Person, id, at, std::iter::empty(), into),
        }
    }

    /// A list of people of whom the first active one acts.
    pub(super) fn people(&self, what: &str, ids: &[Sym], at: &FieldPath, into: &mut Findings) {
        let next = ids.iter().copied().find(|id| self.is_active(*id));
        for (index, id) in ids.iter().enumerate() {
            self.refer_to_person(what, *id, at.index(index), next, into);
        }
        if next.is_none() && !ids.is_empty() && ids.iter().all(|id| self.snapshot.person(*id).is_some()) {
            let names: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
            let problem = into.warning(
                at.clone(),
                "nobody-active",
                format!(
                    "nobody acts here: {} {} active",
                    names.join(", "),
                    if ids.len() == 1 { "is not" } else { "are not" }
                ),
            );
            hint(problem, "name somebody who is here".to_owned());
        }
    }

    pub(super) fn is_active(&self, id: Sym) -> bool {
        self.snapshot.person(id).is_some_and(|person| person.status == Status::Active)
    }

    fn dangling(
        &self,
        kind: Kind,
        id: Sym,
        at: FieldPath,
        known: impl Iterator<Item = Sym>,
        into: &mut Findings,
    ) {
        let there = self.snapshot.loose_by_slot.contains_key(&slot((kind, id)));
        if there && self.whole {
            return;
        }
        if there {
            let problem = into.error(at, "not-in-force", format!("the {} {id} is not in force", word(kind)));
            hint(problem, "this waits until it is".to_owned());
            return;
        }
        let code = match kind {
            Kind::Role => "unknown-role",
            Kind::Target => "unknown-target",
            Kind::ApproverGroup => "unknown-group",
            _ => "unknown-person",
        };
        let problem = into.error(at, code, format!("there is no {} `{id}`", word(kind)));
        hint(problem, did_you_mean(id.as_str(), known.map(Sym::as_str)));
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Role => "role",
        Kind::Target => "target",
        Kind::ApproverGroup => "group of approvers",
        _ => "person",
    }
}
