//! Who agreed to what, kept with pen and paper: plain names and instants, and none of the core's counting. What is let
//! through above tier low has to be covered by this book, however the core came to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_core::approval::{Request, Word};
use provost_core::plan::Planned;
use provost_sdk::{Operation, Risk, Value};

use super::desired::{Desired, Grant, Role, Status, is_low};
use super::genesis::{APPROVERS, OWNERS, SERVICE_OWNERS};
use super::judging::{HERE, Statement};

type Window = (Timestamp, Timestamp);

/// What somebody was asked, as far as it is followed here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    Grant {
        identity: String,
        target: String,
        name: String,
        from: Timestamp,
        until: Timestamp,
    },
    Attribute {
        identity: String,
        target: String,
        attribute: String,
        value: Option<String>,
    },
    Enable {
        identity: String,
        target: String,
        anchor: String,
    },
    /// A role, and the name of its new content.
    Rule {
        id: String,
        after: String,
    },
    Other(String),
}

/// One word of one person, heard when it counted for something.
#[derive(Clone, Debug)]
struct Said {
    who: String,
    ask: Ask,
    expires: Timestamp,
    /// What of a grant's time is left of it, and whether it was asked for at all yet.
    left: Vec<Window>,
    was_asked: bool,
}

/// Everything that was said.
#[derive(Default)]
pub struct Book {
    words: Vec<Said>,
    denied: BTreeSet<Ask>,
    /// The same by whomever: of these nothing can be promised.
    contested: BTreeSet<Ask>,
    /// Who wrote anything of a document, by the id of the identity or role; nobody knows of some.
    authors: BTreeMap<String, BTreeSet<&'static str>>,
    unknown: BTreeSet<String>,
}

pub fn ask_of(request: &Request) -> Ask {
    match request {
        Request::Grant(of) if of.entitlement.is_some() => Ask::Grant {
            identity: of.identity.to_string(),
            target: of.target.to_string(),
            name: of.entitlement.as_ref().map(|of| of.name.to_string()).unwrap_or_default(),
            from: of.from.unwrap_or(Timestamp::MIN),
            until: of.until.unwrap_or(Timestamp::MAX),
        },
        Request::Attribute(of) => Ask::Attribute {
            identity: of.identity.to_string(),
            target: of.target.to_string(),
            attribute: of.attribute.to_string(),
            value: of.value.map(|value| value.to_string()),
        },
        Request::Enable(of) => Ask::Enable {
            identity: of.identity.to_string(),
            target: of.target.to_string(),
            anchor: of.anchor.to_string(),
        },
        Request::Rule(of) => Ask::Rule {
            id: of.id.to_string(),
            after: of.after.map(|after| after.to_string()).unwrap_or_default(),
        },
        other => Ask::Other(other.to_string()),
    }
}

impl Book {
    /// Writes a statement in when it is on the record that it was seen.
    pub fn hear(&mut self, said: &Statement, desired: &Desired, now: Timestamp) {
        let who = said.approver.as_str();
        assert_eq!(said.installation, HERE, "{said:?} is for another installation");
        assert_eq!(said.key, super::genesis::key(who), "{said:?} is not signed by whom it names");
        let active = desired.is_active(who, now);
        for request in &said.requests {
            let ask = ask_of(request);
            if said.decision == Word::Deny {
                self.contested.insert(ask.clone());
            }
            let own = self.words.iter().any(|word| word.who == who && word.ask == ask);
            match said.decision {
                Word::Deny if own || (active && may(who, &ask)) => drop(self.denied.insert(ask)),
                Word::Approve if desired.may_be_active(who, now) => {
                    let left = match &ask {
                        Ask::Grant { from, until, .. } => vec![(*from, *until)],
                        _ => Vec::new(),
                    };
                    let (who, expires) = (who.to_owned(), said.expires);
                    self.words.push(Said { who, ask, expires, left, was_asked: false });
                }
                Word::Deny | Word::Approve => {}
            }
        }
    }

    /// Notes who wrote a document.
    pub fn wrote(&mut self, id: &str, author: Option<&'static str>) {
        match author {
            Some(author) => drop(self.authors.entry(id.to_owned()).or_default().insert(author)),
            None => drop(self.unknown.insert(id.to_owned())),
        }
    }

    /// Cuts what was agreed to down to what is asked for: an approval ends with its grant.
    pub fn follow(&mut self, desired: &Desired, in_force: &BTreeMap<&'static str, Role>, now: Timestamp) {
        for word in &mut self.words {
            let Ask::Grant { identity, target, name, .. } = &word.ask else { continue };
            let asked = asked(desired, in_force, (identity, target, name), now);
            let mut left = Vec::new();
            for (from, until) in &word.left {
                let common = asked.iter().map(|asked| ((*from).max(asked.0), (*until).min(asked.1)));
                left.extend(common.filter(|(from, until)| from < until));
            }
            if word.was_asked || !left.is_empty() {
                word.left = union(left);
                word.was_asked = true;
            }
        }
    }

    /// Whether enough people agreed to a grant above tier low at an instant. `now`: those who left, and words that
    /// expired, count for nothing either.
    pub fn covers(&self, (identity, grant): (&str, &Grant), at: Timestamp, now: Option<&Desired>) -> bool {
        let Some((_, name, _)) = grant.1 else { return true };
        let fits = |word: &Said| {
            matches!(&word.ask, Ask::Grant { identity: who, target, name: of, .. }
                if who == identity && target == grant.0 && of == name)
                && word.left.iter().any(|(from, until)| *from <= at && at < *until)
        };
        let strict = now.map(|desired| (desired, at));
        let more = usize::from(strict.is_some() && self.unknown.contains(identity));
        // What is enough for privileged is enough for normal.
        let owners = name != "admins" && self.people(fits, &OWNERS, &[identity], strict).len() > more;
        owners || self.people(fits, &APPROVERS, &[identity], strict).len() >= 2 + more
    }

    /// Whether enough people agreed to a new version of a role.
    pub fn covers_rule(&self, id: &str, after: &str, added: &[Grant]) -> bool {
        let fits =
            |word: &Said| matches!(&word.ask, Ask::Rule { id: of, after: to } if of == id && to == after);
        let owner = !self.people(fits, &OWNERS, &[id], None).is_empty();
        let privileged = added.iter().any(|grant| matches!(grant.1, Some((_, "admins", _))));
        owner && (!privileged || self.people(fits, &APPROVERS, &[id], None).len() >= 2)
    }

    fn people(
        &self,
        fits: impl Fn(&Said) -> bool,
        pool: &[&str],
        of: &[&str],
        strict: Option<(&Desired, Timestamp)>,
    ) -> BTreeSet<&str> {
        let gains = |who: &str| of.iter().any(|id| id.starts_with("s-")) && SERVICE_OWNERS.contains(&who);
        let counts = |word: &&Said| {
            fits(word)
                && !gains(&word.who)
                && pool.contains(&word.who.as_str())
                && !self.denied.contains(&word.ask)
                && of.iter().all(|id| {
                    *id != word.who
                        && !self.authors.get(*id).is_some_and(|authors| authors.contains(word.who.as_str()))
                })
                && strict.is_none_or(|(desired, at)| {
                    desired.is_active(&word.who, at)
                        && at < word.expires
                        && !self.contested.contains(&word.ask)
                })
        };
        self.words.iter().filter(counts).map(|word| word.who.as_str()).collect()
    }

    /// Why an operation that was let through lacks its evidence, if it does.
    pub fn lacks(&self, planned: &Planned, at: Timestamp) -> Option<String> {
        let identity = planned.identity.map(|identity| identity.to_string()).unwrap_or_default();
        let target = planned.target.as_str();
        let about = |ask: &Ask| match ask {
            Ask::Grant { identity: who, target: on, .. }
            | Ask::Attribute { identity: who, target: on, .. }
            | Ask::Enable { identity: who, target: on, .. } => *who == identity && on == target,
            Ask::Rule { .. } | Ask::Other(_) => false,
        };
        let anybody = |fits: &dyn Fn(&Ask) -> bool| {
            let all: Vec<&str> = OWNERS.iter().chain(&APPROVERS).copied().collect();
            !self.people(|word| about(&word.ask) && fits(&word.ask), &all, &[&identity], None).is_empty()
        };
        let covered = match &planned.operation {
            Operation::Grant { entitlement, .. } => {
                let name = GROUPS_ABOVE.iter().find(|name| **name == entitlement.name);
                let target = super::genesis::TARGETS.iter().find(|name| **name == target);
                match (name, target) {
                    (Some(name), Some(target)) => {
                        self.covers((&identity, &(*target, Some(("group", *name, None)))), at, None)
                    }
                    _ => true,
                }
            }
            _ if planned.tier == Risk::Low || planned.takes_away() => true,
            Operation::Create(_) | Operation::Enable { .. } => anybody(&|_| true),
            Operation::Rename { to, .. } => anybody(&|ask| {
                matches!(ask, Ask::Attribute { attribute, value, .. }
                    if attribute == "username" && value.as_ref() == Some(to))
            }),
            Operation::Update { changes, .. } => changes.iter().all(|(name, value)| {
                let value = value.as_ref().map(|value| match value {
                    Value::Text(text) => text.clone(),
                    other => format!("{other:?}"),
                });
                anybody(&|ask| {
                    matches!(ask, Ask::Attribute { attribute, value: agreed, .. }
                        if attribute == name && *agreed == value)
                })
            }),
            // Nobody signs credentials, holders and the like here.
            _ => false,
        };
        (!covered).then(|| {
            let of_it: Vec<&Said> = self.words.iter().filter(|word| about(&word.ask)).collect();
            let (authors, unknown) = (self.authors.get(&identity), self.unknown.contains(&identity));
            format!("nobody agreed to {planned:?}; {of_it:?}; authors {authors:?}, unknown {unknown}; denied {:?}", self.denied)
        })
    }

    /// Whether somebody agreed that an account which a hand disabled is enabled.
    pub fn covers_enable(&self, target: &str, anchor: &str) -> bool {
        let fits = |word: &Said| matches!(&word.ask, Ask::Enable { target: on, anchor: of, .. } if on == target && of == anchor);
        let all: Vec<&str> = OWNERS.iter().chain(&APPROVERS).copied().collect();
        !self.people(fits, &all, &[], None).is_empty()
    }
}

/// Groups that need agreement, by name.
const GROUPS_ABOVE: [&str; 2] = ["leads", "admins"];

/// Whether somebody may deny what is asked.
fn may(who: &str, ask: &Ask) -> bool {
    match ask {
        Ask::Grant { name, .. } if name == "admins" => APPROVERS.contains(&who),
        Ask::Grant { .. } => OWNERS.contains(&who),
        _ => false,
    }
}

/// The same time in as few windows as there can be: several roles may ask for the same grant.
fn union(mut windows: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    windows.sort_unstable();
    windows.dedup_by(|next, last| {
        let meets = next.0 <= last.1;
        if meets {
            last.1 = last.1.max(next.1);
        }
        meets
    });
    windows
}

/// For when somebody's documents ask for a group on a target.
fn asked(
    desired: &Desired,
    in_force: &BTreeMap<&'static str, Role>,
    (id, target, name): (&str, &str, &str),
    now: Timestamp,
) -> Vec<Window> {
    let here = desired.people.get(id).filter(|_| !desired.removed.contains(id));
    let Some(person) = here.filter(|person| person.status != Status::Departed) else { return Vec::new() };
    if person.end.is_some_and(|end| end <= now) {
        return Vec::new();
    }
    let end = person.end.unwrap_or(Timestamp::MAX);
    let gives = |role: &Role| {
        role.grants
            .iter()
            .any(|grant| grant.0 == target && matches!(grant.1, Some(("group", of, _)) if of == name))
    };
    let mut windows = Vec::new();
    for (id, role) in in_force.iter().filter(|(_, role)| gives(role)) {
        if role.condition.is_some_and(|condition| condition.holds(person)) {
            windows.push((Timestamp::MIN, end));
        }
        let held = person.roles.iter().filter(|held| held.role == *id);
        windows.extend(held.map(|held| {
            (held.from.unwrap_or(Timestamp::MIN), held.until.unwrap_or(Timestamp::MAX).min(end))
        }));
    }
    windows
}

/// What a new version of a role adds.
pub fn added(before: &Role, after: &Role) -> Vec<Grant> {
    let widened = after.condition.is_some() && after.condition != before.condition;
    let adds = |grant: &&Grant| widened || !before.grants.contains(*grant);
    after.grants.iter().filter(adds).filter(|grant| !is_low(grant)).copied().collect()
}
