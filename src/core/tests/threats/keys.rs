//! Attacks on keys and signers.

use provost_core::approval::{RevokedKeys, Signers, Word};

use super::scene::{HERE, Scene, ada_until, key, person, signers};
use super::threat;

const SIGNERS: &str = "policy/allowed_signers";

/// Ada is asked to be an administrator, where the allowed signers are these.
fn asked(signers: &str) -> Scene {
    let mut scene = Scene::with(&[(SIGNERS, signers)]);
    scene.commit("p-fred", &[("p-ada.yaml", &ada_until("2026-12-10"))]);
    scene
}

threat!(an_expired_key_with_a_backdated_signature, attack => {
    let last = if attack { "20261130Z" } else { "20261231Z" };
    let mut scene = asked(&signers(&format!("valid-before=\"{last}\""), ""));
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});

threat!(a_key_revoked_between_first_sight_and_use, attack => {
    let mut scene = asked(&signers("", ""));
    scene.sign("p-ben");
    let whose = if attack { "p-ben" } else { "p-eve" };
    scene.commit("p-dan", &[("policy/revoked_keys", &format!("{}\n", key(whose, 1)))]);
    // Taking a key away takes one signature, the author's own included.
    scene.sign_rule("p-dan", RevokedKeys::ID);
    assert!(!scene.rule_waits(RevokedKeys::ID));
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});

threat!(a_signer_who_departed_since, attack => {
    let mut scene = asked(&signers("", ""));
    scene.sign("p-ben");
    let who = if attack { "p-ben" } else { "p-eve" };
    scene.commit("p-fred", &[(&format!("{who}.yaml"), &person(who, "status: departed\n"))]);
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});

threat!(a_commit_signed_with_the_key_of_somebody_departed, attack => {
    let mut scene = asked(&signers("", ""));
    let who = if attack { "p-fred" } else { "p-eve" };
    scene.commit("p-own", &[(&format!("{who}.yaml"), &person(who, "status: departed\n"))]);
    scene.organisation.author(&key("p-fred", 1), "git").is_some()
});

threat!(two_keys_of_one_person, attack => {
    let second = format!("p-ben {}\n", key("p-ben", 2));
    let mut scene = asked(&signers("", &second));
    scene.sign("p-ben");
    let (who, n) = if attack { ("p-ben", 2) } else { ("p-cleo", 1) };
    scene.say(who, key(who, n), Word::Approve, HERE);
    scene.has("p-ada", "admins")
});

threat!(somebody_elses_key, attack => {
    let mut scene = asked(&signers("", ""));
    scene.say("p-ben", key(if attack { "p-eve" } else { "p-ben" }, 1), Word::Approve, HERE);
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});

threat!(a_signature_for_another_purpose, attack => {
    let purpose = if attack { "git" } else { "approval@provost" };
    let mut scene = asked(&signers(&format!("namespaces=\"{purpose}\""), ""));
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});

threat!(a_wildcard_principal, attack => {
    let principal = if attack { "*" } else { "p-ben" };
    Signers::parse(format!("{principal} {}\n", key("p-ben", 1)).as_bytes()).is_ok()
});

threat!(one_key_for_two_people, attack => {
    let second = if attack { "p-cleo" } else { "p-ben" };
    Signers::parse(format!("p-ben {0}\n{second} {0}\n", key("p-ben", 1)).as_bytes()).is_ok()
});

threat!(a_key_that_the_commit_itself_brings, attack => {
    let third = format!("p-ben {}\n", key("p-ben", 3));
    let before = if attack { String::new() } else { third.clone() };
    let mut scene = asked(&signers("", &before));
    scene.commit("p-fred", &[(SIGNERS, &signers("", &third))]);
    scene.say("p-ben", key("p-ben", 3), Word::Approve, HERE);
    scene.approvals.retain(|approval| approval.key == Some(key("p-ben", 3)));
    scene.sign("p-cleo");
    scene.has("p-ada", "admins")
});
