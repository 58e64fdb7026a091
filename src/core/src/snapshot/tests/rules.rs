//! Rules in force and rules that wait.

use super::*;
use crate::document::Kind;

fn organisation() -> Branch {
    Branch::trusted(&[
        ("p1.yaml", &person("p-1", "")),
        ("p2.yaml", &person("p-2", "")),
        ("forge.yaml", FORGE),
        ("security.yaml", SECURITY),
        ("eng.yaml", &role("eng", "grants: [{target: forge, team: eng}]\n")),
        ("boss.yaml", &role("boss", "grants: [{target: forge, team: admins}]\n")),
    ])
}

fn waiting(branch: &Branch) -> Vec<(Kind, &str, Risk)> {
    branch.snapshot.waiting_rules().iter().map(|rule| (rule.kind, rule.id.as_str(), rule.tier)).collect()
}

fn grants(branch: &Branch, id: &str) -> Vec<String> {
    let role = branch.snapshot.role(Sym::new(id));
    role.map(|role| role.grants.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn a_role_that_adds_what_is_low_or_only_drops_needs_the_branch_alone() {
    let mut branch = organisation();
    let two = role("eng", "grants: [{target: forge, team: eng}, {target: forge, team: ops}]\n");
    let dirty = branch.commit(&[("eng.yaml", &two)]);
    let in_force: Vec<(&str, Risk)> =
        dirty.in_force.iter().map(|rule| (rule.id.as_str(), rule.tier)).collect();
    assert_eq!(in_force, [("eng", Risk::Low)]);
    assert_eq!(grants(&branch, "eng").len(), 2);
    branch.commit(&[("boss.yaml", &role("boss", "description: nothing any more\n"))]);
    assert!(grants(&branch, "boss").is_empty() && waiting(&branch).is_empty());
    branch.commit(&[("boss.yaml", "")]);
    assert!(branch.snapshot.role(Sym::new("boss")).is_none());
}

#[test]
fn a_role_that_adds_more_waits_as_a_whole_for_evidence() {
    let mut branch = organisation();
    let more = role("eng", "grants: [{target: forge, team: ops}, {target: forge, team: lead}]\n");
    let dirty = branch.commit(&[("eng.yaml", &more)]);
    assert!(dirty.is_empty());
    assert_eq!(waiting(&branch), [(Kind::Role, "eng", Risk::Normal)]);
    assert_eq!(branch.snapshot.waiting_rules()[0].why, "it adds team:lead on forge");
    assert_eq!(grants(&branch, "eng"), ["team:eng on forge"]);
    assert!(branch.snapshot.held_back().is_empty() && branch.problems().is_empty());
    branch.world.agreed = |rule| rule.id == *"eng";
    let dirty = branch.again();
    assert_eq!(dirty.in_force.len(), 1);
    assert_eq!(grants(&branch, "eng").len(), 2);
    assert!(waiting(&branch).is_empty());
}

#[test]
fn an_include_adds_what_the_included_role_grants_also_in_the_same_commit() {
    let mut branch = organisation();
    branch.commit(&[("eng.yaml", &role("eng", "includes: [boss]\ngrants: [{target: forge, team: eng}]\n"))]);
    assert_eq!(waiting(&branch), [(Kind::Role, "eng", Risk::Privileged)]);
    let mut branch = organisation();
    branch.commit(&[
        ("outer.yaml", &role("outer", "includes: [inner]\n")),
        ("inner.yaml", &role("inner", "includes: [boss]\n")),
    ]);
    assert_eq!(
        waiting(&branch),
        [(Kind::Role, "inner", Risk::Privileged), (Kind::Role, "outer", Risk::Privileged)]
    );
    branch.world.agreed = |rule| rule.id == *"outer";
    branch.again();
    assert_eq!(branch.codes(), [("outer.yaml", "not-in-force")], "it waits for the role that it includes");
    branch.world.agreed = |_| true;
    assert_eq!(branch.again().in_force.len(), 2);
    assert_eq!(branch.problems(), [""; 0]);
}

#[test]
fn another_condition_counts_as_adding_everything_and_a_dropped_one_as_nothing() {
    let lead = |assign: &str| role("lead", &format!("{assign}grants: [{{target: forge, team: lead}}]\n"));
    let mut branch = organisation();
    branch.world.trusted = true;
    branch.commit(&[("lead.yaml", &lead("assign: \"person.department == 'a'\"\n"))]);
    branch.world.trusted = false;
    branch.commit(&[("lead.yaml", &lead("assign: \"person.department == 'b'\"\n"))]);
    assert_eq!(waiting(&branch), [(Kind::Role, "lead", Risk::Normal)]);
    branch.commit(&[("lead.yaml", &lead(""))]);
    assert!(waiting(&branch).is_empty());
    assert!(branch.snapshot.role(Sym::new("lead")).is_some_and(|role| role.assign.is_none()));
}

#[test]
fn targets_and_policy_always_wait_and_a_role_is_judged_by_the_target_in_force() {
    let mut branch = organisation();
    let harmless = FORGE.replace("risk: privileged", "risk: low");
    let mine = role("eng", "grants: [{target: forge, team: admins}]\n");
    branch.commit(&[("forge.yaml", &harmless), ("eng.yaml", &mine)]);
    assert_eq!(
        waiting(&branch),
        [(Kind::Role, "eng", Risk::Privileged), (Kind::Target, "forge", Risk::Privileged)]
    );
    // Evidence for the target alone does not make the role harmless within the same step.
    branch.world.agreed = |rule| rule.kind == Kind::Target;
    branch.again();
    assert_eq!(waiting(&branch), [(Kind::Role, "eng", Risk::Privileged)]);
    branch.commit(&[("security.yaml", &SECURITY.replace(", p-2", ""))]);
    assert!(waiting(&branch).contains(&(Kind::ApproverGroup, "security", Risk::Privileged)));
}

#[test]
fn a_deleted_target_or_policy_waits() {
    let mut branch = organisation();
    let dirty = branch.commit(&[("forge.yaml", ""), ("security.yaml", "")]);
    assert!(dirty.is_empty());
    assert_eq!(
        waiting(&branch),
        [(Kind::Target, "forge", Risk::Privileged), (Kind::ApproverGroup, "security", Risk::Privileged)]
    );
    assert!(branch.snapshot.waiting_rules().iter().all(|rule| rule.after.is_none() && rule.before.is_some()));
    branch.world.agreed = |rule| rule.kind == Kind::Target;
    assert_eq!(branch.again().targets.len(), 1);
    assert!(branch.snapshot.target(Sym::new("forge")).is_none());
}

#[test]
fn what_refers_to_a_rule_that_waits_waits_too() {
    let mut branch = organisation();
    branch.commit(&[
        ("second.yaml", &FORGE.replace("id: forge", "id: second")),
        ("new.yaml", &role("new", "grants: [{target: second, team: eng}]\n")),
        ("p3.yaml", &person("p-3", "roles: [{role: new}]\n")),
    ]);
    assert_eq!(waiting(&branch), [(Kind::Target, "second", Risk::Privileged)]);
    assert_eq!(branch.codes(), [("new.yaml", "not-in-force"), ("p3.yaml", "not-in-force")]);
    branch.world.agreed = |_| true;
    let dirty = branch.again();
    assert_eq!((dirty.targets.len(), dirty.roles.len(), dirty.identities.len()), (1, 1, 1));
    assert_eq!(branch.problems(), [""; 0]);
}

#[test]
fn a_restart_goes_on_with_the_rules_in_force() {
    let mut branch = organisation();
    let more = role("eng", "grants: [{target: forge, team: lead}]\n");
    branch.commit(&[("eng.yaml", &more), ("p2.yaml", &person("p-2", "manager: nobody\n"))]);
    let restored = Snapshot::restore(law::versions(&branch.snapshot), []);
    branch.snapshot = restored;
    let files = branch.files.clone();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert!(branch.commit(&files).is_empty());
    assert_eq!(grants(&branch, "eng"), ["team:eng on forge"]);
    assert_eq!(waiting(&branch), [(Kind::Role, "eng", Risk::Normal)]);
    assert_eq!(branch.codes(), [("p2.yaml", "unknown-person")]);
}

#[test]
fn a_second_document_of_a_kind_that_there_is_one_of_is_held_back() {
    let tiers = |id: &str| format!("kind: Tiers\nid: {id}\ntiers: {{normal: {{people: 1}}}}\n");
    let mut branch = organisation();
    branch.world.agreed = |_| true;
    branch.commit(&[("tiers.yaml", &tiers("one"))]);
    branch.commit(&[("more.yaml", &tiers("a-second"))]);
    assert_eq!(branch.snapshot.tiers().map(|tiers| tiers.id.as_str()), Some("one"));
    assert!(branch.codes().contains(&("more.yaml", "second-document")));
}
