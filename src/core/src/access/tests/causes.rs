use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-06-01T12:00:00Z";

fn told(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("causes are data")
}

#[test]
fn every_way_to_a_grant_is_told_with_its_chain_time_reason_and_file() {
    let given = given(&format!(
        "{ADA}roles: [{{role: seller, from: 2026-01-01, until: 2026-12-31, reason: T-1}}]
grants: [{{target: tickets, project: leads, role: member, until: 2026-03-01, reason: T-0}}]\n"
    ));
    let access = given.access(NOW);
    let why = told(access.why(&given.snapshot, &given.evidence, "p-1".into()));
    let condition = "person.department == 'engineering' && person.employment == 'employee'";
    let engineer = |chain: Value| {
        json!({"by": "birthright", "role": "engineer", "chain": chain, "reason": condition,
               "document": "Role/engineer.yaml"})
    };
    let in_force = json!({"state": "in-force"});
    assert_eq!(
        why,
        json!([
            {"target": "forge", "team": "eng", "risk": "low", "state": in_force,
             "causes": [engineer(json!(["engineer"]))]},
            {"target": "forge", "team": "readers", "risk": "low", "state": in_force,
             "causes": [engineer(json!(["engineer", "reader"]))]},
            {"target": "tickets", "risk": "low", "state": in_force, "causes": [
                {"by": "birthright", "role": "everybody", "chain": ["everybody"], "reason": "true",
                 "document": "Role/everybody.yaml"}]},
            {"target": "tickets", "project": "leads", "role": "member", "risk": "low", "state": in_force, "causes": [
                {"by": "assignment", "role": "seller", "index": 0, "chain": ["seller"],
                 "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "reason": "T-1",
                 "document": "Person/p-1.yaml"},
                {"by": "direct", "index": 0, "chain": [], "until": "2026-03-02T00:00:00Z", "reason": "T-0",
                 "document": "Person/p-1.yaml"}]},
            {"target": "tickets", "project": "platform", "role": "member", "risk": "low", "state": in_force,
             "causes": [engineer(json!(["engineer", "reader"]))]},
        ])
    );
    assert!(access.why(&given.snapshot, &given.evidence, "p-9".into()).is_empty());
}

#[test]
fn what_is_not_in_force_says_what_it_waits_for_or_when_it_was_or_will_be() {
    let given = given(&format!(
        "{ADA}grants:
  - {{target: forge, team: ADMINS, until: 2026-12-31, reason: a}}
  - {{target: forge, team: past, until: 2026-03-01, reason: b}}
  - {{target: forge, team: future, from: 2026-08-01, until: 2026-12-31, reason: c}}\n"
    ));
    let access = given.access(NOW);
    let states: Vec<(String, Value)> = access
        .why(&given.snapshot, &given.evidence, "p-1".into())
        .into_iter()
        .filter(|grant| grant.state != GrantState::InForce)
        .map(|grant| (grant.power.to_string(), told(grant.state)))
        .collect();
    assert_eq!(
        states,
        [
            ("team:ADMINS on forge".to_owned(), json!({"state": "waiting", "lacks": "evidence"})),
            ("team:future on forge".to_owned(), json!({"state": "not-yet", "from": "2026-08-01T00:00:00Z"})),
            ("team:past on forge".to_owned(), json!({"state": "ended", "since": "2026-03-02T00:00:00Z"})),
        ]
    );
}

#[test]
fn what_is_not_held_says_why_with_the_values_that_made_it_so() {
    let given = given(&format!("{ADA}roles: [{{role: reader, until: 2026-03-01}}]\n"));
    let access = given.access(NOW);
    let why_not = |identity: &str, about| told(access.why_not(&given.snapshot, identity.into(), about));
    assert_eq!(
        why_not("p-1", About::Target("tickets".into())),
        json!([{"role": "seller",
                "grants": [{"target": "tickets", "project": "leads", "role": "member"}],
                "reasons": [{"reason": "condition", "condition": "person.department == 'sales'",
                             "values": [["person.department", "engineering"]]}]}])
    );
    assert_eq!(why_not("p-1", About::Role("engineer".into())), json!([]), "what is held has no reason");
    assert_eq!(
        why_not("p-1", About::Role("export".into()))[0]["reasons"],
        json!([{"reason": "other-subject"}])
    );
    assert_eq!(
        why_not("p-1", About::Role("none".into()))[0]["reasons"],
        json!([{"reason": "role-not-in-force"}])
    );
}

#[test]
fn a_role_that_ended_has_not_begun_or_was_never_assigned_says_so() {
    let plain = "kind: Role\nid: plain\nowners: [p-1]\ngrants: [{target: forge, team: plain}]\n---\n";
    let about = |rest: &str| {
        let given = given(&format!("{plain}{ADA}{rest}"));
        told(given.access(NOW).why_not(&given.snapshot, "p-1".into(), About::Role("plain".into())))[0]["reasons"].clone()
    };
    assert_eq!(about(""), json!([{"reason": "not-assigned"}]));
    assert_eq!(
        about("roles: [{role: plain, until: 2026-03-01}]\n"),
        json!([{"reason": "ended", "since": "2026-03-02T00:00:00Z"}])
    );
    assert_eq!(
        about("roles: [{role: plain, from: 2026-08-01}]\n"),
        json!([{"reason": "not-yet", "from": "2026-08-01T00:00:00Z"}])
    );
    assert_eq!(
        about("status: departed\nroles: [{role: plain}]\n"),
        json!([{"reason": "not-active", "lifecycle": {"state": "left", "since": null, "successor": null}}])
    );
}
