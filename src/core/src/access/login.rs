//! How an account looks: its username and attributes, from the templates of its profile.

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::Value;
use rustc_hash::FxHashMap;

use crate::Sym;
use crate::condition::{Asked, Template};
use crate::document::{EnforcedTemplate, FieldPath, Kind, Problem, Profile, Target};
use crate::observed::{Field, Seen};
use crate::snapshot::{Identity, Snapshot};

/// What an account is to look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// The name to sign in with.
    pub username: Sym,
    /// The connector's account kind; its first one where absent.
    pub kind: Option<Sym>,
    /// Attributes other than the username, and whether each is kept equal (else it is only written when the account
    /// is made).
    pub attributes: BTreeMap<Sym, (Value, bool)>,
    /// Attributes that are kept equal and have no value now: they are cleared.
    pub cleared: BTreeSet<Sym>,
    /// The target's own id of an account that is there already, where the identity's document pins one.
    pub anchor: Option<Sym>,
}

/// The profiles of every target, their templates compiled once.
#[derive(Clone, Debug, Default)]
pub(super) struct Profiles(FxHashMap<Sym, FxHashMap<Sym, Compiled>>);

#[derive(Clone, Debug)]
struct Compiled {
    kind: Option<Sym>,
    /// The name of the attribute that is no attribute.
    username: Sym,
    /// By attribute: whether it is enforced, and the template or why there is none.
    templates: Vec<(Sym, bool, Result<Template, String>)>,
}

impl Profiles {
    /// Takes over a target, or that there is none.
    pub(super) fn learn(&mut self, id: Sym, target: Option<&Target>) {
        match target {
            None => self.0.remove(&id),
            Some(target) => {
                let profiles = target.accounts.iter().map(|(name, profile)| (*name, compiled(profile)));
                self.0.insert(id, profiles.collect())
            }
        };
    }

    /// Whether an account is seen to look as [`Profiles::login`] would say, told by symbols alone. `false` also where
    /// that cannot be told without making the login.
    pub(super) fn fits(&self, asked: Asked<'_>, target: Sym, profile: Sym, seen: &Seen) -> bool {
        let identity = match asked {
            Asked::Person(person, _) => Identity::Person(person),
            Asked::Service(service) => Identity::Service(service),
        };
        let Some(compiled) = self.0.get(&target).and_then(|profiles| profiles.get(&profile)) else {
            return false;
        };
        let mut username = identity.username();
        for (attribute, enforced, template) in &compiled.templates {
            let Ok(template) = template else { return false };
            let Some(value) = template.symbol(asked) else { return false };
            match value {
                Some(value) if *attribute == compiled.username => username = value,
                Some(value) if *enforced && !seen.attributes.contains(Field::text(*attribute, value)) => {
                    return false;
                }
                Some(_) => {}
                None if *attribute == compiled.username => return false,
                None if *enforced && seen.attribute(*attribute).is_some() => return false,
                None => {}
            }
        }
        let own = identity.account(target, profile).and_then(|account| account.username);
        own.unwrap_or(username) == seen.username
    }

    /// The looks of one account. A problem says which template has no value or cannot be read.
    pub(super) fn login(
        &self,
        snapshot: &Snapshot,
        asked: Asked<'_>,
        target: Sym,
        profile: Sym,
    ) -> Result<Login, Box<Problem>> {
        let person = match asked {
            Asked::Person(person, _) => Identity::Person(person),
            Asked::Service(service) => Identity::Service(service),
        };
        let identity = person.id();
        let compiled = self.0.get(&target).and_then(|profiles| profiles.get(&profile));
        let differs = person.account(target, profile);
        let mut login = Login {
            username: person.username(),
            kind: compiled.and_then(|compiled| compiled.kind),
            attributes: BTreeMap::new(),
            cleared: BTreeSet::new(),
            anchor: differs.and_then(|account| account.anchor),
        };
        for (attribute, enforced, template) in compiled.into_iter().flat_map(|compiled| &compiled.templates) {
            let wrong = |why: &str| {
                let file = snapshot.version(Kind::Target, target).map_or(target, |version| version.path);
                let at = FieldPath::field("accounts").key(profile.as_str()).key(attribute.as_str());
                let message =
                    format!("The account of {identity} on {target} cannot be given its {attribute}: {why}");
                Box::new(Problem::error(file, at, "template", message))
            };
            let value = match template {
                Ok(template) => template.value(asked),
                Err(error) => return Err(wrong(error)),
            };
            if compiled.is_none_or(|compiled| *attribute != compiled.username) {
                match value {
                    Some(value) => drop(login.attributes.insert(*attribute, (value, *enforced))),
                    // Most templates are about people: what a service lacks by its kind is not meant to be cleared.
                    None if *enforced && matches!(asked, Asked::Person(..)) => {
                        login.cleared.insert(*attribute);
                    }
                    None => {}
                }
            } else {
                match value {
                    Some(Value::Text(name)) => login.username = Sym::from(&name),
                    _ if differs.is_some_and(|account| account.username.is_some()) => {}
                    _ => return Err(wrong("the template has no text as its value")),
                }
            }
        }
        login.username = differs.and_then(|account| account.username).unwrap_or(login.username);
        Ok(login)
    }
}

fn compiled(profile: &Profile) -> Compiled {
    let templates = profile.attributes.iter().map(|(attribute, template)| {
        let (text, enforced) = match template {
            EnforcedTemplate::Enforced(text) => (text, true),
            EnforcedTemplate::Initial { initial } => (initial, false),
        };
        let template = Template::compile(text.as_str()).map_err(|error| error.message);
        (*attribute, enforced, template)
    });
    Compiled { kind: profile.kind, username: Sym::new("username"), templates: templates.collect() }
}
