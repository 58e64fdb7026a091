//! Roles, targets, policy and scenarios.

use std::collections::BTreeMap;

use super::{At, Check};
use crate::Sym;
use crate::document::{
    Approver, ApproverGroup, BreakGlass, DriftAction, EnforcedTemplate, FieldPath, Freeze, GuardLimit,
    GuardPolicy, Guards, LeaverPolicy, NestingEdge, Role, Scenario, Separation, Target, Tiers,
};
use crate::when::Length;

pub(super) fn role(check: &mut Check, role: &Role) {
    check.owners(&role.owners);
    check.some_text("description", role.description);
    check.some_text("assign", role.assign);
    check.ids(&|| FieldPath::field("includes"), &role.includes);
    if let Some(place) = role.includes.iter().position(|included| *included == role.id) {
        check.error(FieldPath::field("includes").index(place), "self", "a role does not include itself");
    }
    check.grants("grants", &role.grants);
    if role.grants.is_empty() && role.includes.is_empty() {
        check.warning(FieldPath::root(), "empty", "this role grants nothing").hint =
            Some("write `grants`, or `includes`".to_owned());
    }
}

pub(super) fn target(check: &mut Check, target: &Target) {
    let field = FieldPath::field;
    check.owners(&target.owners);
    check.some_text("description", target.description);
    check.some_id("connector", Some(target.connector));
    check.some_id("approvers", target.approvers);
    config(check, &target.config);
    for (name, secret) in &target.secrets {
        if !super::is_id(secret.as_str()) {
            check
                .error(field("secrets").key(name.as_str()), "secret", "this is not the name of a secret")
                .hint =
                Some("write the name that the daemon's settings have for it, never the secret".to_owned());
        }
    }
    profiles(check, target);
    for (place, entitlement) in target.entitlements.iter().enumerate() {
        let at = || field("entitlements").index(place);
        check.id(&at, entitlement.kind.as_str(), entitlement.kind);
        check.line(&at, entitlement.kind.as_str(), entitlement.name);
        check.ids(&|| at().key("owners"), &entitlement.owners);
        entitlement.approvers.iter().for_each(|group| check.id(&at, "approvers", *group));
        let is_same = |other: &crate::document::EntitlementPolicy| {
            (other.kind, other.name, other.role) == (entitlement.kind, entitlement.name, entitlement.role)
        };
        if target.entitlements[..place].iter().any(is_same) {
            check.error(at(), "repeated", "this entitlement stands here twice");
        }
    }
    nesting(check, &target.nesting);
    target.authority.keys().for_each(|kind| check.id(&|| field("authority"), kind.as_str(), *kind));
    for (kind, patterns) in &target.scope {
        check.id(&|| field("scope"), kind.as_str(), *kind);
        patterns_of(check, &|| field("scope").key(kind.as_str()), patterns);
    }
    patterns_of(check, &|| field("protect"), &target.protect);
    if target.drift.additions == DriftAction::Restore {
        not_for_drift(check, "additions", "remove, report or propose");
    }
    if target.drift.removals == DriftAction::Remove {
        not_for_drift(check, "removals", "restore, report or propose");
    }
    leaver(check, &field("leaver"), &target.leaver);
    target.guards.iter().for_each(|limits| guards(check, &field("guards"), limits));
    some_time(check, &field("schedule").key("full"), Some(target.schedule.full));
    some_time(check, &field("schedule").key("delta"), target.schedule.delta);
    some_time(check, &field("limits").key("timeout"), Some(target.limits.timeout));
    let numbers = [
        ("concurrency", Some(u32::from(target.limits.concurrency))),
        ("per_second", target.limits.per_second),
    ];
    for (name, number) in numbers {
        if number == Some(0) {
            check.error(field("limits").key(name), "number", "with 0 nothing could ever be asked");
        }
    }
    check.ids(&|| field("after"), &target.after);
    if let Some(place) = target.after.iter().position(|other| *other == target.id) {
        check.error(field("after").index(place), "self", "a target does not wait for itself");
    }
}

pub(super) fn tiers(check: &mut Check, tiers: &Tiers) {
    for (name, tier) in &tiers.tiers {
        let at = || FieldPath::field("tiers").key(name.as_str());
        if !matches!(name.as_str(), "normal" | "privileged") {
            check.error(at(), "unknown-field", format!("there is no tier `{name}` to set")).hint =
                Some("write normal or privileged; what is low needs the tracked branch alone".to_owned());
        }
        if tier.people == 0 {
            check.error(at().key("people"), "number", "at least one person has to agree");
        }
        if let Approver::Group { group } = tier.from {
            check.id(&|| at().key("from"), "group", group);
        }
        some_time(check, &at().key("expires"), tier.expires);
    }
}

pub(super) fn approver_group(check: &mut Check, group: &ApproverGroup) {
    people(check, "members", &group.members);
}

pub(super) fn guard_policy(check: &mut Check, policy: &GuardPolicy) {
    policy.targets.iter().for_each(|limits| guards(check, &FieldPath::field("targets"), limits));
    policy.people.iter().for_each(|limits| guards(check, &FieldPath::field("people"), limits));
}

pub(super) fn separation(check: &mut Check, separation: &Separation) {
    check.owners(&separation.owners);
    check.some_text("description", separation.description);
    let sides = || FieldPath::field("sides");
    if separation.sides.len() < 2 {
        check.error(sides(), "empty", "a separation has at least two sides");
    }
    for (place, side) in separation.sides.iter().enumerate() {
        if side.is_empty() {
            check.error(sides().index(place), "empty", "there is nothing on this side");
        }
        for (item, grant) in side.iter().enumerate() {
            let at = || sides().index(place).index(item);
            check.grant(&at, grant);
            if separation.sides[..place].iter().any(|other| other.contains(grant)) {
                check.error(at(), "contradiction", "this is on two sides, so nobody could hold it");
            }
        }
    }
    for (place, exception) in separation.exceptions.iter().enumerate() {
        let at = || FieldPath::field("exceptions").index(place);
        check.id(&at, "identity", exception.identity);
        check.text(&at, "reason", exception.reason);
    }
}

pub(super) fn freeze(check: &mut Check, freeze: &Freeze) {
    check.interval(&FieldPath::root, "until", Some(freeze.from), Some(freeze.until));
    check.some_text("reason", Some(freeze.reason));
    check.ids(&|| FieldPath::field("targets"), &freeze.targets);
}

pub(super) fn break_glass(check: &mut Check, policy: &BreakGlass) {
    people(check, "people", &policy.people);
    check.ssh_keys(&policy.keys, true);
    check.grants("grants", &policy.grants);
    if policy.grants.is_empty() {
        check.error(FieldPath::field("grants"), "empty", "there is nothing that could be granted");
    }
    some_time(check, &FieldPath::field("duration"), Some(policy.duration));
    some_time(check, &FieldPath::field("review"), Some(policy.review));
}

pub(super) fn scenario(check: &mut Check, scenario: &Scenario) {
    check.some_text("description", scenario.description);
    if scenario.expect.is_empty() {
        check.error(FieldPath::field("expect"), "empty", "a test that expects nothing cannot fail");
    }
    for (place, expectation) in scenario.expect.iter().enumerate() {
        let at = || FieldPath::field("expect").index(place);
        check.id(&at, "identity", expectation.identity);
        let lists = [("has", &expectation.has), ("lacks", &expectation.lacks), ("waits", &expectation.waits)];
        if lists.iter().all(|(_, grants)| grants.is_empty()) {
            check.error(at(), "empty", "nothing is expected here").hint =
                Some("write `has`, `lacks` or `waits`".to_owned());
        }
        for (name, grants) in lists {
            for (item, grant) in grants.iter().enumerate() {
                check.grant(&|| at().key(name).index(item), grant);
            }
        }
        let both = expectation.lacks.iter().position(|grant| expectation.has.contains(grant));
        if let Some(item) = both {
            check.error(at().key("lacks").index(item), "contradiction", "the same is expected to be there");
        }
    }
}

pub(super) fn leaver(check: &mut Check, at: &FieldPath, leaver: &LeaverPolicy) {
    if let Some(delete) = leaver.delete
        && delete.after.0.is_zero()
    {
        check.error(at.key("delete").key("after"), "duration", "a grace period has some length").hint =
            Some("write at least 1d: a deletion cannot be taken back".to_owned());
    }
}

/// What must be secret does not belong into a document, whatever the connector calls it.
fn config(check: &mut Check, config: &serde_json::Map<String, serde_json::Value>) {
    const SECRETS: [&str; 6] = ["password", "token", "secret", "api_key", "private_key", "client_secret"];
    for (name, value) in config {
        let has_user = value.as_str().is_some_and(|text| {
            let authority =
                text.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest));
            authority.is_some_and(|authority| authority.contains('@'))
        });
        if SECRETS.contains(&name.as_str()) || has_user {
            check
                .error(
                    FieldPath::field("config").key(name),
                    "secret",
                    "a secret does not belong into a document",
                )
                .hint = Some("name it under `secrets`, and set it in the daemon's settings".to_owned());
        }
    }
}

fn profiles(check: &mut Check, target: &Target) {
    for (name, profile) in &target.accounts {
        let at = || FieldPath::field("accounts").key(name.as_str());
        check.id(&|| FieldPath::field("accounts"), name.as_str(), *name);
        for (attribute, template) in &profile.attributes {
            let (EnforcedTemplate::Enforced(text) | EnforcedTemplate::Initial { initial: text }) = template;
            check.text(&at, attribute.as_str(), *text);
        }
    }
}

fn nesting(check: &mut Check, edges: &[NestingEdge]) {
    let field = |place| FieldPath::field("nesting").index(place);
    let mut inside: BTreeMap<(Sym, Sym), Vec<Sym>> = BTreeMap::new();
    for (place, edge) in edges.iter().enumerate() {
        check.id(&|| field(place), edge.kind.as_str(), edge.kind);
        check.line(&|| field(place), edge.kind.as_str(), edge.inner);
        check.line(&|| field(place), "in", edge.outer);
        if edges[..place].contains(edge) {
            check.warning(field(place), "repeated", "this stands here twice");
        }
        if leads_to(&inside, edge.kind, edge.outer, edge.inner) {
            let message = format!("`{}` would lie in itself", edge.inner);
            check.error(field(place), "cycle", message);
        } else {
            inside.entry((edge.kind, edge.inner)).or_default().push(edge.outer);
        }
    }
}

/// Whether `from` is `to`, or lies in it over edges that make no cycle.
fn leads_to(inside: &BTreeMap<(Sym, Sym), Vec<Sym>>, kind: Sym, from: Sym, to: Sym) -> bool {
    let (mut open, mut seen) = (vec![from], Vec::new());
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if !seen.contains(&name) {
            seen.push(name);
            open.extend(inside.get(&(kind, name)).into_iter().flatten());
        }
    }
    false
}

fn patterns_of(check: &mut Check, at: At<'_>, patterns: &[Sym]) {
    for (place, pattern) in patterns.iter().enumerate() {
        if pattern.as_str().trim().is_empty() {
            check.error(at().index(place), "pattern", "a pattern is a name, with `*` for any characters");
        }
    }
}

fn not_for_drift(check: &mut Check, field: &str, allowed: &str) {
    check
        .error(FieldPath::field("drift").key(field), "unknown-value", "this cannot be done about that")
        .hint = Some(format!("write {allowed}"));
}

fn guards(check: &mut Check, at: &FieldPath, guards: &Guards) {
    let Guards { removals, departures, deletions, additions } = guards;
    let limits = [
        ("removals", removals),
        ("departures", departures),
        ("deletions", deletions),
        ("additions", additions),
    ];
    for (name, limit) in limits {
        let Some(GuardLimit { percent, count, window, .. }) = limit else { continue };
        let at = at.key(name);
        if percent.is_none() && count.is_none() {
            check.error(at.clone(), "empty", "this limit limits nothing").hint =
                Some("write `percent`, `count` or both".to_owned());
        }
        some_time(check, &at.key("window"), *window);
    }
}

fn some_time(check: &mut Check, at: &FieldPath, length: Option<Length>) {
    if length.is_some_and(|length| length.0.is_zero()) {
        check.error(at.clone(), "duration", "this takes some time: 0 is not possible");
    }
}

fn people(check: &mut Check, field: &str, people: &[Sym]) {
    if people.is_empty() {
        check.error(FieldPath::field(field), "empty", "nobody is named here");
    }
    check.ids(&|| FieldPath::field(field), people);
}
