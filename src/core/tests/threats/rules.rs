//! Attacks by way of rules: roles, targets, groups, owners.

use super::scene::{FORGE, GROUP, Scene, linked, person};
use super::threat;
use provost_core::Sym;
use provost_sdk::Verb;

fn role(id: &str, owner: &str, team: &str) -> String {
    format!("kind: Role\nid: {id}\nowners: [{owner}]\ngrants: [{{target: forge, team: {team}}}]\n")
}

threat!(the_same_power_by_a_second_harmless_role, attack => {
    let mut scene = Scene::new();
    let team = if attack { "ops" } else { "lab" };
    scene.commit("p-eve", &[
        ("reader.yaml", &role("reader", "p-eve", team)),
    ]);
    scene.commit("p-eve", &[("p-eve.yaml", &person("p-eve", "roles: [{role: reader}]\n"))]);
    scene.has("p-eve", team)
});

threat!(a_new_role_of_a_friend_that_grants_what_others_own, attack => {
    let mut scene = Scene::new();
    scene.commit("p-eve", &[("friendly.yaml", &role("friendly", "p-fred", "ops"))]);
    scene.sign(if attack { "p-fred" } else { "p-own" });
    scene.organisation.snapshot().role(Sym::new("friendly")).is_some()
});

threat!(risk_lowered_by_the_one_who_gains, attack => {
    let mut scene = Scene::new();
    scene.commit("p-eve", &[
        ("forge.yaml", &FORGE.replace("{team: ops, risk: normal}", "{team: ops, risk: low}")),
        ("p-eve.yaml", &person("p-eve", "grants: [{target: forge, team: ops, until: 2027-01-01, reason: help}]\n")),
    ]);
    if !attack {
        scene.sign("p-ben");
        scene.sign("p-cleo");
    }
    scene.has("p-eve", "ops")
});

threat!(owner_changed_by_the_one_who_gains, attack => {
    // Fred owns the forge because Eve just wrote so, or because it was so.
    let by_fred = FORGE.replace("owners: [p-own, p-two]", "owners: [p-fred]");
    let mut scene = Scene::with(&[("forge.yaml", if attack { FORGE } else { &by_fred })]);
    scene.commit("p-eve", &[
        ("forge.yaml", &by_fred),
        ("p-eve.yaml", &person("p-eve", "grants: [{target: forge, team: ops, until: 2027-01-01, reason: help}]\n")),
    ]);
    scene.sign("p-fred");
    scene.has("p-eve", "ops")
});

threat!(own_department_changed_to_meet_a_condition, attack => {
    let mut scene = Scene::new();
    scene.commit("p-eve", &[("p-eve.yaml", &person("p-eve", "department: leads\n"))]);
    if !attack {
        scene.sign("p-own");
    }
    scene.has("p-eve", "ops")
});

threat!(an_owner_departed_whose_successor_is_a_friend, attack => {
    let mut scene = Scene::new();
    scene.commit("p-eve", &[
        ("p-own.yaml", &person("p-own", "status: departed\nsuccessor: p-fred\n")),
        ("p-eve.yaml", &person("p-eve", "department: leads\n")),
    ]);
    scene.sign(if attack { "p-fred" } else { "p-two" });
    scene.has("p-eve", "ops")
});

threat!(a_policy_change_that_approves_itself, attack => {
    let mut scene = Scene::new();
    scene.commit("p-eve", &[("approvers.yaml", &GROUP.replace("p-ben", "p-eve, p-fred, p-ada, p-ben"))]);
    for who in if attack { ["p-fred", "p-ada"] } else { ["p-ben", "p-cleo"] } {
        scene.sign(who);
    }
    scene.group().contains(&Sym::new("p-eve"))
});

threat!(a_secret_delivery_or_connector_changed_by_a_committer, attack => {
    let mut scene = Scene::new();
    scene.commit("p-eve", &[("forge.yaml", &format!("{FORGE}secrets: {{token: other-token}}\n"))]);
    if !attack {
        scene.sign("p-ben");
        scene.sign("p-cleo");
    }
    let forge = scene.organisation.snapshot().target(Sym::new("forge")).cloned();
    forge.is_some_and(|forge| !forge.secrets.is_empty())
});

/// A service that administers the forge, and whose token goes to a place.
fn exporter(purpose: &str, deliver: &str) -> String {
    format!(
        "kind: Service\nid: s-export\nowners: [p-own]\npurpose: {purpose}\nroles: [{{role: reader}}]\ncredentials: [{{target: forge, kind: token, rotate: 30d, deliver: {deliver}}}]\n"
    )
}

threat!(a_delivery_place_changed_by_a_committer, attack => {
    let files = [("export.yaml", exporter("export", "vault")), ("reader.yaml", role("reader", "p-own", "lab"))];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let mut scene = Scene::seen(&files, vec![linked("s-export", "s-export", &["admins", "lab"])]);
    scene.sign("p-ben");
    scene.sign("p-cleo");
    assert!(scene.does(Verb::IssueCredential, "s-export"), "{:?}", scene.plan());
    let deliver = if attack { "eves-vault" } else { "vault" };
    scene.commit("p-eve", &[("export.yaml", &exporter("another export", deliver))]);
    scene.does(Verb::IssueCredential, "s-export")
});

threat!(a_document_in_conflict_with_a_standing_one, attack => {
    // Somebody takes Ben's name, to receive what is his.
    let mut scene = Scene::new();
    let name = if attack { "ben" } else { "eve-b" };
    let text = person("p-eve", "").replace("username: eve", &format!("username: {name}"));
    scene.commit("p-eve", &[("p-eve.yaml", &text)]);
    scene.organisation.snapshot().person(Sym::new("p-eve")).is_some_and(|eve| eve.username == *name)
});

/// A policy of which there is one.
fn tiers(id: &str) -> String {
    format!("kind: Tiers\nid: {id}\ntiers: {{normal: {{people: 1}}}}\n")
}

threat!(a_second_policy_beside_the_standing_one, attack => {
    let first = tiers("first");
    let standing: &[(&str, &str)] = if attack { &[("tiers.yaml", &first)] } else { &[] };
    let mut scene = Scene::with(standing);
    scene.commit("p-fred", &[("second.yaml", &tiers("second"))]);
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.organisation.snapshot().waiting_rules().is_empty()
        && scene.organisation.snapshot().held_back().is_empty()
});

#[test]
fn of_policies_in_conflict_the_standing_one_stays_in_every_order_of_approval() {
    for order in [["second", "third"], ["third", "second"]] {
        let mut scene = Scene::with(&[("tiers.yaml", &tiers("first"))]);
        for id in order {
            scene.commit("p-fred", &[(&format!("{id}.yaml"), &tiers(id))]);
            scene.sign("p-ben");
            scene.sign("p-cleo");
            let standing = scene.organisation.snapshot().tiers().map(|tiers| tiers.id);
            assert_eq!(standing, Some(Sym::new("first")), "{order:?}");
        }
    }
}
