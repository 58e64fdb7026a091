//! Laws of the gate, whoever signs what: what goes on has its evidence, found by somebody who counts with pen and paper;
//! with an approval fewer nothing more goes on; an approval of something else changes nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;
use provost_core::Sym;
use provost_core::approval::{Request, Uses, Word};
use provost_core::gate::Decision;
use provost_core::organisation::Decided;
use provost_core::plan::Plan;
use provost_sdk::Verb;

use super::scene::{APPROVERS, HERE, Scene, ada_until, key, person};

/// Who may sign, and who wrote the commit; `""` is nobody known.
const SIGNERS: [&str; 7] = ["p-ben", "p-cleo", "p-dan", "p-own", "p-two", "p-ada", "p-eve"];
const AUTHORS: [&str; 5] = ["p-fred", "p-ben", "p-own", "p-eve", ""];

/// What is asked for: who, which team.
const ASKED: [(&str, &str); 2] = [("p-ada", "admins"), ("p-eve", "ops")];

/// One signature: whose, by which key of theirs (the second is nobody's), of what.
type Signed = (usize, u8, usize);

fn signed() -> impl Strategy<Value = Signed> {
    (0..SIGNERS.len(), prop_oneof![4 => Just(1_u8), 1 => Just(2_u8)], 0..ASKED.len())
}

fn scene(author: usize, given: &[Signed]) -> Scene {
    let mut scene = Scene::new();
    let eve = person("p-eve", "department: leads\n");
    scene.commit(AUTHORS[author], &[("p-ada.yaml", &ada_until("2026-12-10")), ("p-eve.yaml", &eve)]);
    let requests: Vec<Request> = ASKED.iter().map(|(who, _)| request(&scene, who)).collect();
    for (who, number, of) in given {
        let who = SIGNERS[*who];
        scene.say_of(vec![requests[*of].clone()], who, key(who, *number), Word::Approve, HERE);
    }
    scene
}

fn request(scene: &Scene, who: &str) -> Request {
    let is = |request: &Request| request.identity() == Some(Sym::new(who));
    scene.open().into_iter().map(|open| open.request).find(is).expect("it waits for agreement")
}

/// Who is given something by operations that go on.
fn allowed(plan: &Plan, decisions: &[Decision]) -> BTreeSet<Sym> {
    let operations = plan.operations.iter().zip(decisions);
    let goes_on = operations
        .filter(|(planned, decision)| planned.verb() == Verb::Grant && **decision == Decision::Proceed);
    goes_on.filter_map(|(planned, _)| planned.identity).collect()
}

/// Counts people as one would with pen and paper.
fn has_evidence(author: usize, given: &[Signed], of: usize) -> bool {
    let (gains, _) = ASKED[of];
    let counts = |who: &&str| **who != *gains && **who != *AUTHORS[author];
    let people: BTreeSet<&str> = given
        .iter()
        .filter(|(_, number, about)| *number == 1 && *about == of)
        .map(|(who, ..)| SIGNERS[*who])
        .filter(counts)
        .collect();
    let approvers = people.iter().filter(|who| APPROVERS.contains(who)).count();
    let owners = people.iter().filter(|who| ["p-own", "p-two"].contains(who)).count();
    let more = usize::from(AUTHORS[author].is_empty());
    approvers >= 2 + more || (of == 1 && owners > more)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_on_has_its_evidence_and_an_approval_fewer_never_lets_more_through(
        given in prop::collection::vec(signed(), 1..7),
        author in 0..AUTHORS.len(),
        gone in any::<prop::sample::Index>(),
    ) {
        let mut scene = scene(author, &given);
        let Decided { plan, decisions } = scene.plan();
        let all = allowed(&plan, &decisions);
        for (of, (who, _)) in ASKED.iter().enumerate() {
            prop_assert_eq!(all.contains(&Sym::new(who)), has_evidence(author, &given, of), "{} of {:?}", who, given);
        }
        // The same plan, decided with an approval fewer, of which nothing is remembered.
        let gone = gone.index(given.len());
        let (_, _, about) = given[gone];
        scene.approvals.remove(gone);
        scene.uses = Uses::default();
        scene.judge();
        let fewer = allowed(&plan, &scene.organisation.decide(&plan, scene.now));
        prop_assert!(fewer.is_subset(&all), "{:?} of {:?} without {}", fewer, given, gone);
        prop_assert!(all.difference(&fewer).all(|who| *who == *ASKED[about].0), "what is unrelated stays");
        let rest: Vec<Signed> = given.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, one)| *one).collect();
        for (of, (who, _)) in ASKED.iter().enumerate() {
            prop_assert!(!fewer.contains(&Sym::new(who)) || has_evidence(author, &rest, of), "{} of {:?}", who, rest);
        }
    }
}
