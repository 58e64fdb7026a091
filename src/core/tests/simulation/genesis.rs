//! How a simulation begins: targets of different shapes, a dozen people, roles.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use provost_core::approval::PublicKey;
use provost_memory::{GROUP, PROJECT, Shape, System, Tells};
use provost_sdk::Verb;

use super::desired::{
    Assignment, Condition, DEPARTMENTS, Desired, GROUPS, Grant, PROJECTS, Person, Role, Status,
};
use super::dice::Dice;
use super::shell::beginning;

pub const TARGETS: [&str; 3] = ["forge", "tickets", "wiki"];
/// Its authority is full everywhere; that of the others is drawn.
pub const FULL: &str = "forge";
pub const PEOPLE: usize = 12;
/// They answer for every target; the first of them stays.
pub const OWNERS: [&str; 2] = ["p-01", "p-02"];
/// Two of them agree to what is privileged.
pub const APPROVERS: [&str; 4] = ["p-02", "p-03", "p-04", "p-05"];
/// Whoever answers for services gains with them.
pub const SERVICE_OWNERS: [&str; 2] = ["p-01", "p-06"];
/// Nobody is to hold both.
pub const APART: [Grant; 2] =
    [("forge", Some(("group", "dev", None))), ("tickets", Some(("project", "api", Some("maintainer"))))];
/// Everybody with a key.
pub const SIGNERS: [&str; 5] = ["p-01", "p-02", "p-03", "p-04", "p-05"];

/// One target as the simulation knows it.
pub struct Site {
    pub system: System,
    pub full: bool,
}

pub fn sites(dice: &mut Dice) -> BTreeMap<&'static str, Site> {
    TARGETS.into_iter().map(|id| (id, site(id, dice))).collect()
}

fn site(id: &str, dice: &mut Dice) -> Site {
    let mut shape = Shape {
        delta: dice.chance(70),
        tells: if dice.chance(60) { Tells::WithAccount } else { Tells::WithEntitlement },
        disable_ends_sessions: dice.chance(30),
        ..Shape::default()
    };
    if dice.chance(30) {
        shape.without.insert(Verb::EndSessions);
    }
    let mut system = System::new(shape);
    for name in GROUPS {
        system.add_entitlement_by_hand(GROUP, name);
    }
    for name in PROJECTS {
        system.add_entitlement_by_hand(PROJECT, name);
    }
    Site { system, full: id == FULL || dice.chance(50) }
}

pub fn target_text(id: &str, site: &Site, dice: &mut Dice) -> String {
    let authority = if site.full { "full" } else { "additive" };
    let delta = if site.system.shape().delta { ", delta: 1m" } else { "" };
    let concurrency = 1 + dice.below(4);
    let budget = if dice.chance(50) { ", per_second: 2" } else { "" };
    let after = if id == TARGETS[1] { format!("after: [{FULL}]\n") } else { String::new() };
    // Guards are no part of these laws, and a dozen people would reach every one of them.
    let limit = "{count: 100000, window: 1h}";
    format!(
        "kind: Target\nid: {id}\nconnector: memory\nconfig: {{name: {id}}}\nowners: [p-01, p-02]\nrisk: low\n\
         entitlements:\n  - {{group: leads, risk: normal}}\n  - {{group: \"adm*\", risk: privileged}}\n\
         accounts:\n  main: {{username: person.username, email: person.email, display_name: person.name.given}}\n\
         authority: {{accounts: {authority}, group: {authority}, project: {authority}}}\n\
         schedule: {{full: 10m{delta}}}\nlimits: {{concurrency: {concurrency}, timeout: 10s{budget}}}\n\
         guards: {{removals: {limit}, departures: {limit}}}\n{after}"
    )
}

/// Somebody's key: a type and 32 bytes, as OpenSSH writes it.
pub fn key(person: &str) -> PublicKey {
    let kind = b"ssh-ed25519";
    let mut blob = vec![0, 0, 0, 11];
    blob.extend(kind);
    blob.extend([0, 0, 0, 32]);
    let mut bytes = [1; 32];
    bytes[..person.len()].copy_from_slice(person.as_bytes());
    blob.extend(bytes);
    PublicKey::from_blob(&blob).expect("a key of 32 bytes")
}

/// A time in which nothing is added, where there is one.
#[derive(Clone, Debug)]
pub struct Freeze {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Everywhere where absent.
    pub target: Option<&'static str>,
}

fn freeze(dice: &mut Dice) -> Option<Freeze> {
    let minutes = |dice: &mut Dice, end| SignedDuration::from_mins(1 + dice.below(end) as i64);
    dice.chance(40).then(|| {
        let from = beginning() + minutes(dice, 100);
        let target = dice.chance(60).then(|| *dice.pick(&TARGETS));
        Freeze { from, until: from + minutes(dice, 40), target }
    })
}

/// The policies of the first commit; nobody changes them.
fn policies(freeze: Option<&Freeze>) -> BTreeMap<String, String> {
    let limit = "{count: 100000, window: 1h}";
    let mut policies = BTreeMap::new();
    let mut put = |path: &str, text: String| drop(policies.insert(format!("policy/{path}"), text));
    put(
        "guards.yaml",
        format!("kind: Guards\nid: guards\npeople: {{removals: {limit}, departures: {limit}}}\n"),
    );
    put(
        "approvers.yaml",
        format!("kind: ApproverGroup\nid: approvers\nmembers: [{}]\n", APPROVERS.join(", ")),
    );
    put("allowed_signers", SIGNERS.map(|who| format!("{who} {}\n", key(who))).concat());
    put(
        "separation.yaml",
        "kind: Separation\nid: hands\nowners: [p-01]\nsides:\n  - [{target: forge, group: dev}]\n  \
         - [{target: tickets, project: api, role: maintainer}]\n"
            .to_owned(),
    );
    if let Some(Freeze { from, until, target }) = freeze {
        let targets = target.map_or(String::new(), |target| format!("targets: [{target}]\n"));
        put(
            "freeze.yaml",
            format!(
                "kind: Freeze\nid: quiet\nfrom: \"{from}\"\nuntil: \"{until}\"\nreason: drill\n{targets}"
            ),
        );
    }
    policies
}

pub fn person(number: usize, dice: &mut Dice) -> Person {
    let roles = match dice.below(4) {
        0 => vec![assignment("on-call")],
        1 => vec![assignment("writer")],
        _ => Vec::new(),
    };
    Person {
        service: None,
        username: format!("u{number:02}"),
        title: dice.below(3),
        department: dice.word(&DEPARTMENTS),
        employment: if dice.chance(80) { "employee" } else { "contractor" },
        status: Status::Active,
        start: None,
        end: None,
        roles,
    }
}

fn service(name: &str, dice: &mut Dice) -> (String, Person) {
    let service = Person {
        service: Some(dice.chance(60)),
        username: name.to_owned(),
        roles: vec![assignment("robot")],
        ..person(0, dice)
    };
    (format!("s-{name}"), service)
}

pub fn assignment(role: &'static str) -> Assignment {
    Assignment { role, from: None, until: None }
}

pub fn desired(sites: &BTreeMap<&'static str, Site>, dice: &mut Dice) -> Desired {
    let mut people: BTreeMap<String, Person> =
        (1..=PEOPLE).map(|number| (format!("p-{number:02}"), person(number, dice))).collect();
    people.extend(["build", "report"].map(|name| service(name, dice)));
    let roles = roles();
    let targets = sites.iter().map(|(id, site)| target_text(id, site, dice)).collect();
    let freeze = freeze(dice);
    Desired {
        people,
        broken: BTreeMap::new(),
        removed: BTreeSet::new(),
        written: roles,
        targets,
        policies: policies(freeze.as_ref()),
        freeze,
    }
}

/// Roles of everyday, one that needs an owner's agreement in part, and one that needs two signatures.
fn roles() -> BTreeMap<&'static str, Role> {
    let group = |target, name| -> Grant { (target, Some((GROUP, name, None))) };
    let project = |target, name, role| -> Grant { (target, Some((PROJECT, name, Some(role)))) };
    let role = |condition, grants: &[Grant]| Role { condition, grants: grants.iter().copied().collect() };
    [
        ("everybody", role(Some(Condition::Everybody), &[("wiki", None)])),
        (
            "engineer",
            role(
                Some(Condition::Department("engineering")),
                &[group("forge", "dev"), project("tickets", "web", "member")],
            ),
        ),
        (
            "seller",
            role(
                Some(Condition::Both("sales", "employee")),
                &[group("tickets", "docs"), group("wiki", "docs")],
            ),
        ),
        ("reader", role(Some(Condition::NotDepartment("finance")), &[project("forge", "api", "member")])),
        ("on-call", role(None, &[group("forge", "ops"), group("wiki", "ops"), group("forge", "leads")])),
        ("writer", role(None, &[project("tickets", "api", "maintainer"), group("wiki", "dev")])),
        ("robot", role(None, &[("forge", None), group("forge", "docs")])),
        ("admin", role(None, &[group("forge", "admins"), group("tickets", "admins")])),
    ]
    .into()
}
