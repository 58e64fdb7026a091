//! A person or a service, for whoever does not care which.

use crate::Sym;
use crate::document::{
    AccountOverride, Assignment, DirectGrant, Document, Few, Kind, OneOrMany, Person, Service, Status,
};
use crate::when::When;

/// An identity's document, as it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Identity<'a> {
    /// A human being.
    Person(&'a Person),
    /// A service.
    Service(&'a Service),
}

impl<'a> Identity<'a> {
    /// The identity in a document, if it is a person's or a service's.
    pub fn of(document: &'a Document) -> Option<Identity<'a>> {
        match document {
            Document::Person(person) => Some(Identity::Person(person)),
            Document::Service(service) => Some(Identity::Service(service)),
            _ => None,
        }
    }

    /// Its kind.
    pub fn kind(self) -> Kind {
        match self {
            Identity::Person(_) => Kind::Person,
            Identity::Service(_) => Kind::Service,
        }
    }

    /// Its id.
    pub fn id(self) -> Sym {
        match self {
            Identity::Person(person) => person.id,
            Identity::Service(service) => service.id,
        }
    }

    /// The name to sign in with; of a service that says none, its id without `s-`.
    pub fn username(self) -> Sym {
        match self {
            Identity::Person(person) => person.username,
            Identity::Service(service) => service
                .username
                .unwrap_or_else(|| service.id.as_str().strip_prefix("s-").map_or(service.id, Sym::new)),
        }
    }

    /// Whether it takes part.
    pub fn status(self) -> Status {
        match self {
            Identity::Person(person) => person.status,
            Identity::Service(service) => service.status,
        }
    }

    /// The first day.
    pub fn start(self) -> Option<When> {
        match self {
            Identity::Person(person) => person.start,
            Identity::Service(service) => service.start,
        }
    }

    /// The last day.
    pub fn end(self) -> Option<When> {
        match self {
            Identity::Person(person) => person.end,
            Identity::Service(service) => service.end,
        }
    }

    /// The zone of its days by name; UTC where absent, and for services.
    pub fn timezone(self) -> Option<Sym> {
        match self {
            Identity::Person(person) => person.timezone,
            Identity::Service(_) => None,
        }
    }

    /// Roles held by request.
    pub fn roles(self) -> &'a [Assignment] {
        match self {
            Identity::Person(person) => &person.roles,
            Identity::Service(service) => &service.roles,
        }
    }

    /// Entitlements held directly.
    pub fn grants(self) -> &'a [DirectGrant] {
        match self {
            Identity::Person(person) => &person.grants,
            Identity::Service(service) => &service.grants,
        }
    }

    /// What differs on single targets.
    pub fn accounts(self) -> &'a Few<OneOrMany> {
        match self {
            Identity::Person(person) => &person.accounts,
            Identity::Service(service) => &service.accounts,
        }
    }

    /// What differs for the account on one target in one profile.
    pub fn account(self, target: Sym, profile: Sym) -> Option<&'a AccountOverride> {
        match self.accounts().get(&target)? {
            OneOrMany::Main(account) => (profile == *"main").then_some(account),
            OneOrMany::Profiles(profiles) => profiles.get(&profile),
        }
    }
}
