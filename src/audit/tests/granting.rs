//! What grants rest on: verifying counts it, and finds what is missing.

use std::collections::BTreeMap;

use provost_audit::allowed::AllowedSigners;
use provost_audit::verify::{Check, Label, Options, Report, verify};
use provost_audit::{CommitId, Kind, Log, Record};
use serde_json::{Value, json};

use crate::kit::{World, at, intent, outcome};

/// Records a grant of this tier that rests on this.
fn grant(log: &mut Log, tier: &str, evidence: Value) -> CommitId {
    let seq = log.record(&[intent("op", "p-1")]).unwrap()[0].seq;
    let mut done = outcome(seq, "op", "p-1", "x");
    // An attribute of that name is no tier.
    done.body = json!({
        "verb": "grant", "tier": tier, "evidence": evidence, "before": {},
        "after": { "attributes": { "tier": "low", "verb": "grant" } },
    });
    log.record(&[done]).unwrap()[0].commit
}

fn approved(log: &mut Log, id: &str, label: &str) {
    let mut record = Record::new(Kind::Evidence, at(1), "p-2 approves");
    record.evidence = Some(id.to_owned());
    record.body = json!({ "approval": id, "label": label });
    log.record(&[record]).unwrap();
}

fn check(world: &World, log: &mut Log, from: Option<CommitId>) -> Report {
    let tip = log.flush().unwrap().commit;
    let keys = AllowedSigners::parse(&world.key().allowed_signers_line()).unwrap();
    verify(&world.repository(), tip, &Options { keys, from, ..Options::default() }, |_, _| {}).unwrap()
}

#[test]
fn grants_are_counted_by_the_weakest_of_what_they_rest_on() {
    let world = World::new();
    let mut log = world.create();
    grant(&mut log, "low", json!({}));
    grant(&mut log, "low", json!({}));
    approved(&mut log, "a1", "signed");
    approved(&mut log, "a2", "signed");
    approved(&mut log, "a3", "forge");
    grant(&mut log, "privileged", json!({ "approvals": [["a1", "p-2", "signed"], ["a2", "p-3", "signed"]] }));
    grant(&mut log, "normal", json!({ "approvals": [["a1", "p-2", "signed"], ["a3", "p-3", "forge"]] }));
    let mut taken = Record::new(Kind::BreakGlass, at(1), "p-1 took something");
    taken.evidence = Some("e1".to_owned());
    log.record(&[taken]).unwrap();
    grant(&mut log, "privileged", json!({ "emergency": "e1" }));
    let report = check(&world, &mut log, None);
    assert_eq!(report.findings, []);
    let expected = [(Label::Branch, 2), (Label::Forge, 1), (Label::Signed, 1), (Label::BreakGlass, 1)];
    assert_eq!(report.grants, BTreeMap::from(expected));
}

#[test]
fn a_grant_above_low_without_evidence_of_its_own_is_found() {
    for (what, evidence) in [
        ("nothing", json!({})),
        ("an empty list", json!({ "approvals": [] })),
        ("evidence that nobody saw", json!({ "approvals": [["a9", "p-2", "signed"]] })),
        ("a review that says it is a signature", json!({ "approvals": [["a3", "p-2", "signed"]] })),
        ("an approval that says it is an emergency", json!({ "emergency": "a1" })),
        ("something malformed", json!({ "approvals": [7] })),
    ] {
        let world = World::new();
        let mut log = world.create();
        approved(&mut log, "a1", "signed");
        approved(&mut log, "a3", "forge");
        let bad = grant(&mut log, "normal", evidence);
        let report = check(&world, &mut log, None);
        let found: Vec<_> = report.findings.iter().map(|finding| (finding.check, finding.commit)).collect();
        assert_eq!(found, [(Check::Evidence, Some(bad))], "{what}");
    }
}

#[test]
fn evidence_that_comes_later_is_none_and_of_a_part_what_came_before_cannot_be_judged() {
    let world = World::new();
    let mut log = world.create();
    approved(&mut log, "a1", "signed");
    let begin = log.tip().commit;
    grant(&mut log, "normal", json!({ "approvals": [["a1", "p-2", "signed"]] }));
    let early = grant(&mut log, "normal", json!({ "approvals": [["a2", "p-2", "signed"]] }));
    approved(&mut log, "a2", "signed");
    let report = check(&world, &mut log, None);
    assert_eq!(report.findings.iter().map(|finding| finding.commit).collect::<Vec<_>>(), [Some(early)]);
    assert_eq!(check(&world, &mut log, Some(begin)).findings, []);
}
