//! How a simulation begins: targets of different shapes, a dozen people, roles.

use std::collections::{BTreeMap, BTreeSet};

use provost_memory::{GROUP, PROJECT, Shape, System, Tells};
use provost_sdk::Verb;

use super::desired::{
    Assignment, Condition, DEPARTMENTS, Desired, GROUPS, Grant, PROJECTS, Person, Role, Status,
};
use super::dice::Dice;

pub const TARGETS: [&str; 3] = ["forge", "tickets", "wiki"];
/// Its authority is full everywhere; that of the others is drawn.
pub const FULL: &str = "forge";
pub const PEOPLE: usize = 12;

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
        "kind: Target\nid: {id}\nconnector: memory\nconfig: {{name: {id}}}\nowners: [p-01]\nrisk: low\n\
         entitlements:\n  - {{group: leads, risk: normal}}\n  - {{group: \"adm*\", risk: privileged}}\n\
         accounts:\n  main: {{username: person.username, email: person.email, display_name: person.name.given}}\n\
         authority: {{accounts: {authority}, group: {authority}, project: {authority}}}\n\
         schedule: {{full: 10m{delta}}}\nlimits: {{concurrency: {concurrency}, timeout: 10s{budget}}}\n\
         guards: {{removals: {limit}, departures: {limit}}}\n{after}"
    )
}

pub fn guards_text() -> String {
    let limit = "{count: 100000, window: 1h}";
    format!("kind: Guards\nid: guards\npeople: {{removals: {limit}, departures: {limit}}}\n")
}

pub fn person(number: usize, dice: &mut Dice) -> Person {
    let roles = match dice.below(4) {
        0 => vec![assignment("on-call")],
        1 => vec![assignment("writer")],
        _ => Vec::new(),
    };
    Person {
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

pub fn assignment(role: &'static str) -> Assignment {
    Assignment { role, from: None, until: None }
}

pub fn desired(sites: &BTreeMap<&'static str, Site>, dice: &mut Dice) -> Desired {
    let people = (1..=PEOPLE).map(|number| (format!("p-{number:02}"), person(number, dice))).collect();
    let roles = roles();
    let mut targets: Vec<String> = sites.iter().map(|(id, site)| target_text(id, site, dice)).collect();
    targets.push(guards_text());
    Desired {
        people,
        broken: BTreeMap::new(),
        removed: BTreeSet::new(),
        written: roles.clone(),
        in_force: roles,
        targets,
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
        ("admin", role(None, &[group("forge", "admins"), group("tickets", "admins")])),
    ]
    .into()
}
