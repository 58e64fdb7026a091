//! Attacks by whoever holds a target, or by way of what a target has.

use provost_core::Sym;
use provost_core::access::Lifecycle;
use provost_core::evidence::Thing;
use provost_core::observed::Origin;
use provost_core::organisation::HeldBy;
use provost_sdk::Verb;

use super::scene::{APPROVERS, FORGE, PLACE, Scene, ada_until, linked, person, stranger};
use super::threat;

/// Nia joins.
fn nia(rest: &str) -> String {
    person("p-nia", rest)
}

/// Ada has the team `ops` with its owner's agreement.
fn ada_in_ops() -> Scene {
    let mut scene = Scene::new();
    scene.commit("p-fred", &[("p-ada.yaml", &person("p-ada", "department: leads\n"))]);
    scene.sign("p-own");
    assert!(scene.has("p-ada", "ops"));
    scene
}

threat!(a_group_renamed_into_an_approved_name, attack => {
    let mut scene = ada_in_ops();
    let renamed: &[(&str, &str)] = if attack { &[("ops", "old"), ("lab", "ops")] } else { &[] };
    scene.read_with(PLACE, renamed, &[]);
    scene.does(Verb::Grant, "p-ada")
});

threat!(a_hand_made_nesting_of_groups, attack => {
    let mut scene = Scene::new();
    let nested: &[(&str, &str)] = if attack { &[("everyone", "admins")] } else { &[] };
    scene.read_with(PLACE, &[], nested);
    scene.commit("p-fred", &[("p-nia.yaml", &nia(""))]);
    scene.has("p-nia", "everyone")
});

threat!(the_pinned_anchor_of_an_administrators_account, attack => {
    let mut scene = Scene::new();
    scene.account(stranger("root", "root", &[if attack { "admins" } else { "ops" }]));
    scene.commit("p-eve", &[("p-nia.yaml", &nia("accounts: {forge: {anchor: root}}\n"))]);
    scene.sign("p-own");
    let link = |thing: &Thing| matches!(thing, Thing::Link { anchor, .. } if *anchor == *"root");
    scene.organisation.evidence().things().any(link)
});

threat!(the_email_of_an_administrator_changed_to_ones_own, attack => {
    let mut scene = Scene::new();
    scene.account(linked("p-ben", "ben", &["everyone", "admins"]));
    scene.commit("p-eve", &[("p-ben.yaml", &person("p-ben", "email: somebody@example.net\n"))]);
    if !attack {
        scene.sign("p-cleo");
        scene.sign("p-dan");
    }
    scene.does(Verb::Update, "p-ben")
});

threat!(an_account_renamed_to_a_joiners_name_before_she_comes, attack => {
    let mut scene = Scene::new();
    scene.account(stranger("second", if attack { "nia" } else { "nobody" }, &[]));
    scene.commit("p-fred", &[("p-nia.yaml", &nia(""))]);
    assert!(!attack || !scene.does(Verb::Grant, "p-nia"), "it receives nothing");
    scene.does(Verb::Create, "p-nia")
});

threat!(an_account_deleted_that_provost_did_not_make, attack => {
    let mut fred = linked("p-fred", "fred", &["everyone"]);
    fred.link.as_mut().expect("it is linked").origin = Origin::Adopted;
    let mut scene = Scene::seen(&[("forge.yaml", &format!("{FORGE}leaver: {{delete: {{after: 1d}}}}\n"))], vec![fred]);
    scene.commit("p-own", &[("p-fred.yaml", &person("p-fred", "end: 2026-12-01\n"))]);
    scene.wait("2026-12-05T12:00:00Z");
    scene.read(PLACE);
    for who in if attack { &APPROVERS[..1] } else { &APPROVERS[..2] } {
        scene.sign(who);
    }
    scene.does(Verb::Delete, "p-fred")
});

threat!(an_account_renamed_into_a_protected_name, attack => {
    let mut scene = Scene::with(&[("forge.yaml", &format!("{FORGE}protect: [git-admin]\n"))]);
    // Fred leaves, and gives his account a name that is left alone where it is nobody's.
    scene.commit("p-own", &[("p-fred.yaml", &person("p-fred", "status: departed\n"))]);
    scene.account(if attack {
        linked("p-fred", "git-admin", &["everyone"])
    } else {
        stranger("account-p-fred", "git-admin", &["everyone"])
    });
    let anchor = "account-p-fred";
    let decided = scene.plan();
    let on = |account: Option<&provost_sdk::AccountRef>| account.is_some_and(|account| account.anchor.as_str() == anchor);
    !decided.plan.operations.iter().any(|planned| on(planned.operation.account()))
});

threat!(an_empty_read, attack => {
    let mut scene = Scene::new();
    scene.read_nothing(attack);
    scene.does(Verb::Create, "p-ada")
});

threat!(the_last_administrator, attack => {
    // Ada's administration is written down nowhere, so that it goes; Eve's is, where there is an Eve.
    let mut accounts = vec![linked("p-ada", "ada", &["everyone", "admins"])];
    if !attack {
        accounts.push(linked("p-eve", "eve", &["everyone", "admins"]));
    }
    let mut scene = Scene::seen(&[], accounts);
    if !attack {
        let other = person("p-eve", "roles: [{role: administrator, until: 2026-12-10, reason: INC-1}]\n");
        scene.commit("p-fred", &[("p-eve.yaml", &other)]);
        scene.sign("p-ben");
        scene.sign("p-cleo");
    }
    scene.does(Verb::Revoke, "p-ada")
});

threat!(provosts_own_credential, attack => {
    let mut scene = Scene::new();
    scene.own = vec![Sym::new(if attack { "account-p-fred" } else { "account-of-provost" })];
    scene.read(PLACE);
    scene.commit("p-own", &[("p-fred.yaml", &person("p-fred", "status: departed\n"))]);
    scene.does(Verb::Disable, "p-fred")
});

/// Three removals a day, whatever part of the whole they are.
const THREE_A_DAY: &str = "guards: {removals: {count: 3, window: 24h}}\n";

threat!(a_slow_bleed_under_the_guard, attack => {
    let mut scene = Scene::with(&[("forge.yaml", &format!("{FORGE}{THREE_A_DAY}"))]);
    // Every few hours another file vanishes; without the attack, every other day.
    let times = if attack {
        ["2026-12-01T13:00:00Z", "2026-12-01T16:00:00Z", "2026-12-01T19:00:00Z", "2026-12-01T22:00:00Z"]
    } else {
        ["2026-12-01T13:00:00Z", "2026-12-03T16:00:00Z", "2026-12-05T19:00:00Z", "2026-12-07T22:00:00Z"]
    };
    let people = ["p-ada", "p-dan", "p-fred", "p-eve"];
    for (who, time) in people.into_iter().zip(times) {
        scene.wait(time);
        scene.commit("p-own", &[(&format!("{who}.yaml"), "")]);
        if who != "p-eve" {
            assert!(scene.does(Verb::Disable, who), "{who} is below the limit");
            scene.done(Verb::Disable, who);
        }
    }
    scene.does(Verb::Disable, "p-eve")
});

threat!(all_people_removed_at_once, attack => {
    let mut scene = Scene::with(&[("forge.yaml", &format!("{FORGE}{THREE_A_DAY}"))]);
    let people = ["p-ada", "p-dan", "p-eve", "p-fred", "p-two"];
    let gone = if attack { &people[..] } else { &people[2..3] };
    let paths: Vec<String> = gone.iter().map(|who| format!("{who}.yaml")).collect();
    let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
    scene.commit("p-own", &files);
    scene.does(Verb::Disable, "p-eve")
});

threat!(an_override_by_one_person, attack => {
    let mut scene = Scene::with(&[("forge.yaml", &format!("{FORGE}{THREE_A_DAY}"))]);
    let people = ["p-ada", "p-eve", "p-fred", "p-two"];
    let paths: Vec<String> = people.iter().map(|who| format!("{who}.yaml")).collect();
    let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
    scene.commit("p-own", &files);
    assert!(people.iter().all(|who| !scene.does(Verb::Disable, who)));
    for who in if attack { &APPROVERS[..1] } else { &APPROVERS[..2] } {
        scene.sign(who);
    }
    people.iter().all(|who| scene.does(Verb::Disable, who))
});

threat!(a_file_moved_beside_one_that_cannot_be_read, attack => {
    let mut scene = Scene::new();
    let garbage = if attack { "kind: Person\nid: [\n" } else { "" };
    scene.commit("p-eve", &[("p-fred.yaml", ""), ("people/fred.yaml", garbage)]);
    matches!(scene.organisation.access().lifecycle(Sym::new("p-fred")), Lifecycle::Left { .. })
});

threat!(a_forced_push, attack => {
    let mut scene = Scene::new();
    scene.commit("p-fred", &[("p-ada.yaml", &ada_until("2026-12-10")), ("p-nia.yaml", &nia(""))]);
    scene.sign("p-ben");
    scene.sign("p-cleo");
    scene.account(linked("p-ada", "ada", &["everyone", "admins"]));
    scene.account(linked("p-dan", "dan", &["everyone", "admins"]));
    scene.organisation.hold(HeldBy::Branch, attack.then(|| Sym::new("the tracked branch was rewritten")));
    scene.wait("2026-12-11T12:00:00Z");
    // The expiry that is due happens all the same.
    scene.account(linked("p-ada", "ada", &["everyone", "admins"]));
    assert!(scene.does(Verb::Revoke, "p-ada"));
    scene.does(Verb::Create, "p-nia")
});
