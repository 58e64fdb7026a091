//! Attacks on agreement: who agreed, to what, and for how long.

use provost_core::approval::{Emergency, Word};
use provost_sdk::Verb;

use super::scene::{HERE, PLACE, Scene, ada_until, at, key, person};
use super::threat;

const SOON: &str = "2026-12-10";
const LATER: &str = "2027-03-01";

/// Ada is asked to be an administrator, by Fred, whose commits are signed.
fn asked(author: &str) -> Scene {
    let mut scene = Scene::new();
    scene.commit(author, &[("p-ada.yaml", &ada_until(SOON))]);
    scene
}

threat!(commit_without_approval, attack => {
    let mut scene = asked("p-fred");
    if !attack {
        scene.sign("p-ben");
        scene.sign("p-cleo");
    }
    scene.has("p-ada", "admins")
});

threat!(one_signature_of_two, attack => {
    let mut scene = asked("p-fred");
    scene.sign("p-ben");
    if !attack {
        scene.sign("p-cleo");
    }
    scene.has("p-ada", "admins")
});

threat!(until_prolonged_after_approval, attack => {
    let mut scene = Scene::new();
    let (agreed, asked) = if attack { (SOON, LATER) } else { (LATER, LATER) };
    scene.commit("p-fred", &[("p-ada.yaml", &ada_until(agreed))]);
    scene.sign("p-ben");
    scene.sign("p-cleo");
    assert!(scene.has("p-ada", "admins"));
    scene.commit("p-fred", &[("p-ada.yaml", &ada_until(asked))]);
    scene.wait("2026-12-20T12:00:00Z");
    scene.has("p-ada", "admins")
});

#[test]
fn a_grant_that_begins_later_stays_agreed_to_however_often_it_is_judged() {
    let mut scene = Scene::new();
    let later = person(
        "p-ada",
        "roles: [{role: administrator, from: 2026-12-05, until: 2026-12-10, reason: INC-1}]\n",
    );
    scene.commit("p-fred", &[("p-ada.yaml", &later)]);
    scene.sign("p-ben");
    // Judging comes to an end, and to the same one again.
    scene.sign("p-cleo");
    scene.judge();
    assert!(scene.open().is_empty(), "nothing is asked for any more");
    assert!(!scene.has("p-ada", "admins"));
    scene.wait("2026-12-06T12:00:00Z");
    assert!(scene.has("p-ada", "admins"));
}

threat!(a_grant_that_ended_and_came_back, attack => {
    let mut scene = asked("p-fred");
    scene.sign("p-ben");
    scene.sign("p-cleo");
    assert!(scene.has("p-ada", "admins"));
    if attack {
        scene.commit("p-fred", &[("p-ada.yaml", &person("p-ada", ""))]);
        assert!(!scene.has("p-ada", "admins"));
    }
    scene.commit("p-fred", &[("p-ada.yaml", &ada_until(SOON))]);
    scene.has("p-ada", "admins")
});

threat!(the_author_approves, attack => {
    let mut scene = asked(if attack { "p-ben" } else { "p-fred" });
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});

threat!(an_earlier_author_approves, attack => {
    let mut scene = asked("p-fred");
    // Ben writes at it too, and somebody else writes after him.
    let author = if attack { "p-ben" } else { "p-eve" };
    scene.commit(author, &[("p-ada.yaml", &ada_until("2026-12-11"))]);
    scene.commit("p-fred", &[("p-ada.yaml", &ada_until(SOON))]);
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});

threat!(a_forged_author, attack => {
    // What the commit says of its author is not looked at: without a good signature it is by somebody unknown.
    let mut scene = asked(if attack { "" } else { "p-fred" });
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});

threat!(an_emergency_that_nobody_reviews, attack => {
    let mut scene = asked("p-fred");
    scene.emergencies.push(Emergency {
        policy: "down".into(),
        person: "p-eve".into(),
        key: key("p-eve", 1),
        grants: Vec::new(),
        reason: "the database is down".to_owned(),
        from: at("2026-11-20T12:00:00Z"),
        until: at("2026-11-20T13:00:00Z"),
        review: at("2026-11-21T13:00:00Z"),
        reviewed: (!attack).then(|| "p-dan".into()),
    });
    scene.sign("p-ben");
    scene.sign("p-cleo");
    assert!(scene.has("p-ada", "admins"));
    scene.does(Verb::Grant, "p-ada")
});

threat!(whoever_gains_approves, attack => {
    let mut scene = Scene::new();
    let who = if attack { "p-ben" } else { "p-ada" };
    let text = person(who, "roles: [{role: administrator, until: 2026-12-10, reason: INC-1}]\n");
    scene.commit("p-fred", &[(&format!("{who}.yaml"), &text)]);
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.has(who, "admins")
});

threat!(replay_on_another_installation, attack => {
    let mut scene = asked("p-fred");
    let installation = if attack { "installation-2" } else { HERE };
    scene.say("p-ben", key("p-ben", 1), Word::Approve, installation);
    scene.say("p-cleo", key("p-cleo", 1), Word::Approve, installation);
    scene.has("p-ada", "admins")
});

threat!(another_server_behind_the_same_target, attack => {
    let mut scene = asked("p-fred");
    scene.sign("p-ben");
    scene.sign("p-cleo");
    assert!(scene.has("p-ada", "admins"));
    scene.read(if attack { "https://git.attacker.example" } else { PLACE });
    scene.has("p-ada", "admins")
});

threat!(a_denial_deleted_from_the_branch, attack => {
    let mut scene = asked("p-fred");
    let decision = if attack { Word::Deny } else { Word::Approve };
    scene.say("p-dan", key("p-dan", 1), decision, HERE);
    // Whoever may push removes the file.
    scene.approvals.clear();
    scene.judge();
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});
