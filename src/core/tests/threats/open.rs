//! What is asked of people: what waits, for exactly its time, once, and of its highest tier.

use provost_core::access::{Lack, Waiting};
use provost_core::approval::{AccountRequest, GrantRequest, NameRequest, Open, Request, open};
use provost_core::document::Kind;
use provost_core::evidence::MAIN;
use provost_core::gate::{Decision, WaitsFor};
use provost_core::observed::AccountRecord;
use provost_core::organisation::Decided;
use provost_core::plan::Plan;
use provost_sdk::{Risk, State, Verb};

use super::scene::{PLACE, Scene, at, linked, person};

fn grants(scene: &Scene, who: &str) -> Vec<GrantRequest> {
    let of = |open: Open| match open.request {
        Request::Grant(of) if of.identity == *who => Some(of),
        _ => None,
    };
    scene.open().into_iter().filter_map(of).collect()
}

#[test]
fn a_grant_is_asked_for_the_time_that_it_is_to_have() {
    let mut scene = Scene::new();
    let text = "department: leads\nroles: [
  {role: administrator, from: 2026-12-02, until: 2026-12-10, reason: INC-1}]\n";
    scene.commit("p-fred", &[("p-ada.yaml", &person("p-ada", text))]);
    let time = |of: GrantRequest| (of.entitlement.map(|of| of.name.to_string()), of.from, of.until);
    let times: Vec<_> = grants(&scene, "p-ada").into_iter().map(time).collect();
    let team = |name: &str| Some(name.to_owned());
    let (from, until) = (Some(at("2026-12-02T00:00:00Z")), Some(at("2026-12-11T00:00:00Z")));
    assert_eq!(times, [(team("admins"), from, until), (team("ops"), None, None)]);
}

#[test]
fn what_lacks_something_else_than_agreement_is_not_asked_for() {
    let mut scene = Scene::new();
    scene.read_with(PLACE, &[], &[("ops", "admins")]);
    scene.commit("p-fred", &[("p-ada.yaml", &person("p-ada", "department: leads\n"))]);
    let mut waits = scene.organisation.access().waiting();
    let lacks = |waiting: &Waiting| waiting.identity == *"p-ada" && waiting.why == Lack::Request;
    assert!(waits.any(lacks), "what is privileged never comes by birthright");
    assert_eq!(grants(&scene, "p-ada"), []);
}

#[test]
fn enabling_what_was_disabled_by_hand_is_asked_for_and_carried_out_once_it_is_agreed_to() {
    let by_hand =
        |teams: &[&str]| AccountRecord { state: Some(State::Disabled), ..linked("p-ada", "ada", teams) };
    for (teams, tier) in [(&["everyone"][..], Risk::Normal), (&["everyone", "admins"], Risk::Privileged)] {
        let mut scene = Scene::new();
        scene.account(by_hand(teams));
        let enable = |scene: &Scene| {
            let of = |open: Open| match open.request {
                Request::Enable(of) => Some((of, open.tier)),
                _ => None,
            };
            scene.open().into_iter().find_map(of)
        };
        let (identity, anchor) = ("p-ada".into(), "account-p-ada".into());
        let (target, place, profile) = ("forge".into(), PLACE.into(), MAIN.into());
        let of = AccountRequest { identity, target, place, profile, anchor };
        assert_eq!(enable(&scene), Some((of, tier)));
        assert!(!scene.does(Verb::Enable, "p-ada"));
        for who in if tier == Risk::Normal { &["p-own"][..] } else { &["p-ben", "p-cleo"] } {
            scene.sign(who);
        }
        assert!(scene.does(Verb::Enable, "p-ada"));
    }
}

#[test]
fn a_name_that_something_else_bears_now_is_asked_about() {
    let mut scene = Scene::new();
    let names = |scene: &Scene| {
        let of = |open: Open| match open.request {
            Request::Name(of) => Some((of, open.tier)),
            _ => None,
        };
        scene.open().into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(names(&scene), []);
    scene.read_with(PLACE, &[("everyone", "old"), ("lab", "everyone")], &[]);
    let (target, place, kind) = ("forge".into(), PLACE.into(), "team".into());
    let expected = NameRequest { target, place, kind, name: "everyone".into(), anchor: "team-lab".into() };
    assert_eq!(names(&scene), [(expected, Risk::Normal)]);
}

#[test]
fn what_two_operations_ask_is_asked_once_and_of_the_higher_tier() {
    let mut scene = Scene::new();
    scene.account(linked("p-ben", "ben", &["everyone", "admins"]));
    scene.commit("p-eve", &[("p-ben.yaml", &person("p-ben", "email: somebody@example.net\n"))]);
    let decided = scene.plan();
    let update = decided.plan.operations.iter().find(|planned| planned.verb() == Verb::Update);
    let update = update.expect("his address is to be changed").clone();
    for tiers in [[Risk::Normal, Risk::Privileged], [Risk::Privileged, Risk::Normal]] {
        let operations = tiers.map(|tier| provost_core::plan::Planned { tier, ..update.clone() }).to_vec();
        let waits = |tier| Decision::Wait { reason: WaitsFor::Evidence { tier } };
        let decided =
            Decided { decisions: tiers.map(waits).to_vec(), plan: Plan { operations, ..Plan::default() } };
        let asked = open(&scene.organisation, &[&decided], scene.now);
        let [of] = &asked[..] else { panic!("one thing is asked: {asked:?}") };
        assert_eq!((of.tier, of.needs.tier), (Risk::Privileged, Risk::Privileged), "{tiers:?}");
        assert_eq!(of.causes, [(Kind::Person, "p-ben".into())]);
    }
}
