//! People and services.

use provost_sdk::Risk;

use super::{Checker, Findings, field, hint};
use crate::Sym;
use crate::document::{Document, Kind, OneOrMany, Person, Service};
use crate::snapshot::{Identity, Version};

impl Checker<'_> {
    /// An id belongs to one identity for ever.
    pub(super) fn id(&self, document: &Document, former: Option<&Version>, into: &mut Findings) {
        let id = document.id();
        match former.map(|version| version.document.kind()) {
            Some(kind) if kind != document.kind() => {
                let problem =
                    into.error(field("id"), "id-of-other-kind", format!("`{id}` is the id of a {kind}"));
                hint(problem, "an id belongs to one identity for ever: choose another one".to_owned());
            }
            None if (self.context.spent)(id) => {
                let problem = into.error(
                    field("id"),
                    "id-used-before",
                    format!("`{id}` belonged to somebody who has left"),
                );
                hint(problem, "an id belongs to one identity for ever: choose another one".to_owned());
            }
            _ => {}
        }
    }

    pub(super) fn person(&self, person: &Person, into: &mut Findings) {
        let mut refer = |what: &str, name: &str, id: Option<Sym>| {
            if let Some(id) = id {
                if id == person.id {
                    into.error(field(name), "refers-to-itself", format!("{what} of {id} cannot be {id}"));
                }
                self.refer_to_person(what, id, field(name), self.successor_of(id), into);
            }
        };
        refer("the manager", "manager", person.manager);
        refer("the successor", "successor", person.successor);
        refer("the sponsor", "sponsor", person.sponsor);
        for (index, employment) in person.employments.iter().enumerate() {
            if let Some(id) = employment.manager {
                let at = field("employments").index(index).key("manager");
                self.refer_to_person("the manager", id, at, self.successor_of(id), into);
            }
        }
        self.held(Identity::Person(person), into);
    }

    pub(super) fn service(&self, service: &Service, into: &mut Findings) {
        self.people("the owner", &service.owners, &field("owners"), into);
        for (index, id) in service.holders.iter().enumerate() {
            self.refer_to_person("the holder", *id, field("holders").index(index), None, into);
        }
        for (index, credential) in service.credentials.iter().enumerate() {
            let at = field("credentials").index(index);
            if !self.refer(Kind::Target, credential.target, at.key("target"), into) {
                continue;
            }
            let declared =
                self.snapshot.target(credential.target).and_then(|t| self.context.catalog.capabilities(t));
            if let Some(declared) = declared
                && !declared.credentials.iter().any(|known| credential.credential == *known.as_str())
            {
                let message =
                    format!("{} issues no credential of kind `{}`", credential.target, credential.credential);
                let problem = into.error(at.key("kind"), "unknown-credential", message);
                hint(problem, super::grants::one_of(declared.credentials.iter().map(String::as_str)));
            }
        }
        self.held(Identity::Service(service), into);
    }

    /// What an identity holds by request, and what differs for its accounts.
    fn held(&self, identity: Identity<'_>, into: &mut Findings) {
        for (index, assignment) in identity.roles().iter().enumerate() {
            let at = field("roles").index(index);
            if self.refer(Kind::Role, assignment.role, at.key("role"), into)
                && self.role_risk(assignment.role) == Risk::Privileged
            {
                let missing = match (assignment.until, assignment.reason) {
                    (Some(_), Some(_)) => continue,
                    (Some(_), None) => "no reason",
                    (None, Some(_)) => "no `until`",
                    (None, None) => "neither an `until` nor a reason",
                };
                let message =
                    format!("the role {} is privileged, and its assignment has {missing}", assignment.role);
                let problem = into.error(at, "privileged-undated", message);
                hint(problem, "say until when and why, with `until` and `reason`".to_owned());
            }
        }
        for (index, held) in identity.grants().iter().enumerate() {
            self.grant(&held.grant, &field("grants").index(index), into);
        }
        for (target, accounts) in identity.accounts() {
            let at = field("accounts").key(target.as_str());
            if self.refer(Kind::Target, *target, at.clone(), into)
                && let OneOrMany::Profiles(profiles) = accounts
            {
                for profile in profiles.keys() {
                    self.profile(*target, *profile, at.key(profile.as_str()), into);
                }
            }
        }
    }

    /// Who is asked next where a person has departed.
    fn successor_of(&self, id: Sym) -> Option<Sym> {
        let person = self.snapshot.person(id)?;
        person.successor.into_iter().chain(person.manager).find(|next| self.is_active(*next))
    }
}
