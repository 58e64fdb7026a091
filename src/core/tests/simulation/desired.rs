//! The desired repository of a simulation: people and roles as plain values, the files that say so, and the commits.
//!
//! The values are what ought to count after a commit, worked out without the core: the model derives from them what
//! every target has to have in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Timestamp;

use super::genesis::{Freeze, SERVICE_OWNERS};

pub const DEPARTMENTS: [&str; 3] = ["engineering", "sales", "finance"];
pub const GROUPS: [&str; 5] = ["dev", "ops", "docs", "leads", "admins"];
pub const PROJECTS: [&str; 2] = ["web", "api"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Active,
    Suspended,
    Departed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub role: &'static str,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// A person, or a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Of a service: whether it has a credential.
    pub service: Option<bool>,
    pub username: String,
    pub title: usize,
    pub department: &'static str,
    pub employment: &'static str,
    pub status: Status,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub roles: Vec<Assignment>,
}

/// What a role is held by, without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Everybody,
    Department(&'static str),
    NotDepartment(&'static str),
    Both(&'static str, &'static str),
}

/// A target and what is held there: nothing but the account, a group, or a project in a role.
pub type Grant = (&'static str, Option<(&'static str, &'static str, Option<&'static str>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub condition: Option<Condition>,
    pub grants: BTreeSet<Grant>,
}

/// Why the file of a person does not count, if so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It says more than a document may.
    Typo,
    /// Nobody can tell what it is.
    Garbage,
}

/// What the tip of the branch says, and what of it counts.
#[derive(Clone, Debug)]
pub struct Desired {
    pub people: BTreeMap<String, Person>,
    pub broken: BTreeMap<String, Broken>,
    pub removed: BTreeSet<String>,
    /// As written.
    pub written: BTreeMap<&'static str, Role>,
    pub targets: Vec<String>,
    /// Texts by path.
    pub policies: Files,
    pub freeze: Option<Freeze>,
}

pub type Files = BTreeMap<String, String>;

/// A commit: what came before it, and its files.
#[derive(Clone, Debug)]
pub struct Commit {
    pub parent: Option<usize>,
    pub files: Rc<Files>,
    pub desired: Rc<Desired>,
    /// Who wrote it; nobody knows where absent.
    pub author: Option<&'static str>,
}

/// What a grant weighs here, by the names that the targets' documents list.
pub fn is_low(grant: &Grant) -> bool {
    !matches!(grant.1, Some(("group", "leads" | "admins", _)))
}

impl Person {
    pub fn is_here(&self, now: Timestamp) -> bool {
        self.status != Status::Departed
            && self.start.is_none_or(|start| start <= now)
            && self.end.is_none_or(|end| now < end)
    }
}

impl Condition {
    pub fn holds(self, person: &Person) -> bool {
        // Every condition here is about people.
        person.service.is_none()
            && match self {
                Condition::Everybody => true,
                Condition::Department(department) => person.department == department,
                Condition::NotDepartment(department) => person.department != department,
                Condition::Both(department, employment) => {
                    person.department == department && person.employment == employment
                }
            }
    }

    fn text(self) -> String {
        match self {
            Condition::Everybody => "true".to_owned(),
            Condition::Department(one) => format!("person.department == '{one}'"),
            Condition::NotDepartment(one) => format!("person.department != '{one}'"),
            Condition::Both(one, other) => {
                format!("person.department == '{one}' && person.employment == '{other}'")
            }
        }
    }
}

impl Desired {
    /// Whether somebody takes part at an instant.
    pub fn is_active(&self, id: &str, now: Timestamp) -> bool {
        let person = self.people.get(id).filter(|_| !self.removed.contains(id));
        person.is_some_and(|person| person.status == Status::Active && person.is_here(now))
    }

    /// Whether somebody may take part: whoever has no file any more stays while there is one that nobody can read.
    pub fn may_be_active(&self, id: &str, now: Timestamp) -> bool {
        let unreadable = self.broken.values().any(|broken| *broken == Broken::Garbage);
        self.is_active(id, now) || (unreadable && self.removed.contains(id))
    }

    /// What `of` has other than this one, by the id of the identity or role.
    pub fn differing(&self, of: &Desired) -> BTreeSet<String> {
        let text = |desired: &Desired, id: &str| {
            let person = desired.people.get(id).filter(|_| !desired.removed.contains(id)).cloned();
            (person, desired.broken.get(id).copied(), desired.written.get(id).cloned())
        };
        let ids = self.people.keys().chain(of.people.keys()).cloned();
        let ids = ids.chain(self.written.keys().map(|id| (*id).to_owned()));
        ids.filter(|id| text(self, id) != text(of, id)).collect()
    }

    pub fn files(&self) -> Files {
        let mut files = Files::new();
        for (id, person) in &self.people {
            let text = match self.broken.get(id) {
                _ if self.removed.contains(id) => continue,
                None => person_text(id, person),
                Some(Broken::Typo) => format!("{}departement: sales\n", person_text(id, person)),
                Some(Broken::Garbage) => format!("{{kind: [{id}\n"),
            };
            files.insert(format!("people/{id}.yaml"), text);
        }
        for (id, role) in &self.written {
            files.insert(format!("roles/{id}.yaml"), role_text(id, role));
        }
        files.extend(self.policies.clone());
        for text in &self.targets {
            let id =
                text.lines().nth(1).and_then(|line| line.strip_prefix("id: ")).expect("targets have an id");
            files.insert(format!("targets/{id}.yaml"), text.clone());
        }
        files
    }
}

fn person_text(id: &str, person: &Person) -> String {
    let Person { service, username, title, department, employment, status, start, end, roles } = person;
    let mut text = match service {
        None => format!(
            "kind: Person\nid: {id}\nname: {{given: N{title}, family: {id}}}\nusername: {username}\nemail: {id}@example.com\nemployment: {employment}\ndepartment: {department}\n"
        ),
        Some(credential) => {
            let key = match credential {
                true => "credentials: [{target: forge, kind: signing-key, rotate: 30m, deliver: vault}]\n",
                false => "",
            };
            let owners = SERVICE_OWNERS.join(", ");
            format!(
                "kind: Service\nid: {id}\nusername: {username}\nname: N{title}\npurpose: work\nowners: [{owners}]\n{key}"
            )
        }
    };
    match status {
        Status::Active => {}
        Status::Suspended => text += "status: suspended\n",
        Status::Departed => text += "status: departed\n",
    }
    text += &start.map_or(String::new(), |start| format!("start: \"{start}\"\n"));
    text += &end.map_or(String::new(), |end| format!("end: \"{end}\"\n"));
    if !roles.is_empty() {
        text += "roles:\n";
    }
    for Assignment { role, from, until } in roles {
        let from = from.map_or(String::new(), |from| format!(", from: \"{from}\""));
        let until = until.map_or(String::new(), |until| format!(", until: \"{until}\", reason: drill"));
        text += &format!("  - {{role: {role}{from}{until}}}\n");
    }
    text
}

fn role_text(id: &str, role: &Role) -> String {
    let mut text = format!("kind: Role\nid: {id}\nowners: [p-01]\n");
    text += &role.condition.map_or(String::new(), |condition| format!("assign: \"{}\"\n", condition.text()));
    if !role.grants.is_empty() {
        text += "grants:\n";
    }
    for (target, what) in &role.grants {
        text += &match what {
            None => format!("  - {{target: {target}}}\n"),
            Some((kind, name, None)) => format!("  - {{target: {target}, {kind}: {name}}}\n"),
            Some((kind, name, Some(role))) => {
                format!("  - {{target: {target}, {kind}: {name}, role: {role}}}\n")
            }
        };
    }
    text
}
