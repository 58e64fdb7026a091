//! What each operation rests on: with exactly that agreement it goes on, and without any part of it, it waits.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::access::Lifecycle;
use provost_core::approval::Limited;
use provost_core::evidence::{Agreement, Evidence, MAIN, Power, Thing};
use provost_core::gate::{Decision, Guard, WaitsFor, gate};
use provost_core::guard::{Figure, History, Limit, Limits, Part};
use provost_core::observed::Observed;
use provost_core::plan::{Class, Plan, Planned, Queue, TargetView, World, digest_of};
use provost_core::set::Spec;
use provost_sdk::{AccountRef, Create, EntitlementRef, Operation, Risk, Verb};

use super::model::{Ought, Person, document, now, world};

/// Whose account `a-0` is.
const WHO: &str = "p-0";

/// Puts one agreement, up to a tier, into evidence.
type Agree = Box<dyn Fn(&mut Evidence, Risk)>;

fn to_power(
    identity: &'static str,
    entitlement: Option<&'static str>,
    anchor: Option<&'static str>,
) -> Agree {
    Box::new(move |evidence, tier| {
        let power =
            Power { target: "forge".into(), profile: MAIN.into(), entitlement: entitlement.map(team) };
        let (from, until) = (Timestamp::MIN, Timestamp::MAX);
        evidence.agree(identity.into(), Agreement { power, anchor: anchor.map(Sym::new), tier, from, until });
    })
}

fn to(thing: Thing) -> Agree {
    Box::new(move |evidence, tier| evidence.agree_to(thing, tier))
}

fn team(name: &str) -> Spec {
    Spec { kind: "team".into(), name: name.into(), role: None }
}

fn account(anchor: &str) -> AccountRef {
    AccountRef { anchor: anchor.into(), username: WHO.to_owned() }
}

fn entitlement() -> EntitlementRef {
    EntitlementRef { kind: "team".to_owned(), anchor: "a".into(), name: "a".to_owned(), role: None }
}

fn attribute(name: &str, value: Option<&str>) -> Thing {
    let (attribute, value) = (name.into(), value.map(Sym::new));
    Thing::Attribute { identity: WHO.into(), target: "forge".into(), profile: MAIN.into(), attribute, value }
}

fn done(verb: Verb, to: Option<&str>) -> Thing {
    let (identity, target, profile) = (WHO.into(), "forge".into(), MAIN.into());
    Thing::Operation { verb, identity, target, profile, anchor: "a-0".into(), to: to.map(Sym::new) }
}

fn enabled() -> Thing {
    Thing::Enable { identity: WHO.into(), target: "forge".into(), profile: MAIN.into(), anchor: "a-0".into() }
}

fn holder(person: &str, owner: bool) -> Thing {
    Thing::Holder { service: WHO.into(), person: person.into(), owner }
}

fn credential() -> Thing {
    let (service, target, kind) = (WHO.into(), "forge".into(), "token".into());
    Thing::Credential { service, target, kind, deliver: "vault".into() }
}

fn planned(operation: Operation) -> Planned {
    let is_list = matches!(operation, Operation::Replace { .. });
    let identity = (!is_list).then(|| WHO.into());
    let gives = matches!(operation, Operation::Replace { .. } | Operation::Grant { .. });
    Planned {
        target: "forge".into(),
        identity,
        profile: MAIN.into(),
        digest: digest_of("forge".into(), "here".into(), identity, MAIN.into(), &operation),
        tier: Risk::Normal,
        queue: Queue::Change,
        class: Class::Change,
        drift: false,
        causes: Vec::new(),
        after: Vec::new(),
        grants: gives.then(|| team("a")),
        gains: if is_list {
            vec![("p-8".into(), MAIN.into()), ("p-9".into(), MAIN.into())]
        } else {
            Vec::new()
        },
        deliver: Some("vault".into()),
        operation,
    }
}

/// Every operation that needs agreement, with all of it.
fn operations() -> Vec<(Operation, Vec<Agree>)> {
    let create = Create {
        kind: "user".to_owned(),
        username: WHO.to_owned(),
        attributes: BTreeMap::new(),
        identity: WHO.to_owned(),
    };
    let kind = || "token".to_owned();
    let changes = [("email".to_owned(), Some("new@example.com".into())), ("phone".to_owned(), None)].into();
    vec![
        (Operation::Create(create), vec![to_power(WHO, None, None)]),
        (Operation::Enable { account: account("a-0") }, vec![to_power(WHO, Some("b"), None)]),
        (
            Operation::Grant { account: account("a-0"), entitlement: entitlement() },
            vec![to_power(WHO, Some("a"), Some("a"))],
        ),
        (
            Operation::Replace { entitlement: entitlement(), accounts: vec![account("a-8"), account("a-9")] },
            vec![to_power("p-8", Some("a"), Some("a")), to_power("p-9", Some("a"), None)],
        ),
        (
            Operation::Rename { account: account("a-0"), to: "new".to_owned() },
            vec![to(attribute("username", Some("new")))],
        ),
        (
            Operation::Update { account: account("a-0"), changes },
            vec![to(attribute("email", Some("new@example.com"))), to(attribute("phone", None))],
        ),
        (
            Operation::IssueCredential { account: account("a-0"), kind: kind() },
            vec![to(credential()), to(holder("p-1", true)), to(holder("p-2", false))],
        ),
        (
            Operation::RotateCredential { account: account("a-0"), kind: kind(), credential: "c-1".into() },
            vec![to(credential()), to(holder("p-1", true)), to(holder("p-2", false))],
        ),
        (Operation::Delete { account: account("a-0") }, vec![to(done(Verb::Delete, None))]),
        (
            Operation::Transfer { from: account("a-0"), to: account("a-1") },
            vec![to(done(Verb::Transfer, Some("a-1")))],
        ),
    ]
}

/// The target, on which provost itself disabled the account, or somebody did.
fn observed(by_hand: bool) -> (Ought, Observed) {
    let account = Some((true, true, false, [].into(), [].into()));
    let person = Person { lifecycle: Lifecycle::Active, wanted: Some([].into()), account };
    let (ought, _, mut observed) = world(&[person]);
    let mut capabilities = observed.capabilities().clone();
    capabilities.verbs.extend([Verb::IssueCredential, Verb::RotateCredential]);
    observed.describe(capabilities);
    let mut record = observed.record("a-0".into()).expect("the account is known");
    record.link.as_mut().expect("it is linked").disabled = (!by_hand).then(now);
    let answerable = vec![("p-1".into(), true), ("p-2".into(), false)];
    (Ought { answerable, ..ought }, observed.with([record], []))
}

fn decide(planned: &Planned, evidence: &Evidence, by_hand: bool) -> Decision {
    let (ought, observed) = observed(by_hand);
    let document = document("full");
    let view = TargetView {
        document: &document,
        observed: &observed,
        adopted: true,
        place: "here".into(),
        hold: None,
        own_accounts: &[],
    };
    let targets = [(ought.target, view)].into();
    let world = World {
        desired: &ought,
        targets: &targets,
        separations: &[],
        freezes: &[],
        leaver: None,
        hold: None,
        now: now(),
    };
    let plan = Plan { operations: vec![planned.clone()], ..Plan::default() };
    gate(&plan, &world, evidence, &Limits::default(), &History::default()).remove(0)
}

fn evidence<'a>(agreed: impl IntoIterator<Item = (&'a Agree, Risk)>) -> Evidence {
    let mut evidence = Evidence::default();
    agreed.into_iter().for_each(|(agree, tier)| agree(&mut evidence, tier));
    evidence
}

fn waits(tier: Risk) -> Decision {
    Decision::Wait { reason: WaitsFor::Evidence { tier } }
}

#[test]
fn an_operation_goes_on_with_all_of_its_agreement_and_waits_without_any_part_of_it() {
    for (operation, agreed) in operations() {
        for (tier, below) in [(Risk::Normal, Risk::Low), (Risk::Privileged, Risk::Normal)] {
            let planned = Planned { tier, ..planned(operation.clone()) };
            let what = format!("{tier:?} {operation:?}");
            let all = evidence(agreed.iter().map(|agree| (agree, tier)));
            assert_eq!(decide(&planned, &all, false), Decision::Proceed, "{what}");
            for missing in 0..agreed.len() {
                let of = |(place, agree)| (place != missing).then_some((agree, tier));
                let fewer = evidence(agreed.iter().enumerate().filter_map(of));
                assert_eq!(decide(&planned, &fewer, false), waits(tier), "{what} without {missing}");
                let of = |(place, agree)| (agree, if place == missing { below } else { tier });
                let lower = evidence(agreed.iter().enumerate().map(of));
                assert_eq!(decide(&planned, &lower, false), waits(tier), "{what} with less of {missing}");
            }
        }
        let low = Planned { tier: Risk::Low, ..planned(operation) };
        assert_eq!(decide(&low, &Evidence::default(), false), Decision::Proceed, "{low:?}");
    }
}

#[test]
fn agreement_to_something_else_is_none() {
    let wrong: Vec<(Verb, Agree)> = vec![
        (Verb::Create, to_power("p-1", None, None)),
        (Verb::Grant, to_power(WHO, Some("b"), None)),
        (Verb::Grant, to_power(WHO, Some("a"), Some("b"))),
        (Verb::Grant, to_power(WHO, None, None)),
        (Verb::Rename, to(attribute("username", Some("other")))),
        (Verb::Update, to(attribute("email", None))),
        (Verb::Delete, to(done(Verb::Transfer, None))),
        (Verb::Transfer, to(done(Verb::Transfer, None))),
        (Verb::Transfer, to(done(Verb::Transfer, Some("a-2")))),
    ];
    let operations = operations();
    for (verb, agree) in wrong {
        let (operation, _) = operations.iter().find(|(of, _)| of.verb() == verb).expect("it is one of them");
        let evidence = evidence([(&agree, Risk::Privileged)]);
        assert_eq!(
            decide(&planned(operation.clone()), &evidence, false),
            waits(Risk::Normal),
            "{operation:?}"
        );
    }
}

#[test]
fn what_nobody_can_say_what_it_rests_on_waits() {
    let alone = [to_power(WHO, None, None), to_power("p-8", None, None), to_power("p-9", None, None)];
    let everything = || {
        let operations = operations();
        let agreed = operations.iter().flat_map(|(_, agreed)| agreed);
        evidence(agreed.chain(&alone).map(|agree| (agree, Risk::Privileged)))
    };
    for (operation, _) in operations() {
        let known = planned(operation);
        assert_eq!(decide(&known, &everything(), false), Decision::Proceed);
        let unknown = match known.verb() {
            Verb::Grant | Verb::Replace => Planned { grants: None, ..known },
            Verb::IssueCredential | Verb::RotateCredential => Planned { deliver: None, ..known },
            _ => continue,
        };
        assert_eq!(decide(&unknown, &everything(), false), waits(Risk::Normal), "{unknown:?}");
    }
}

#[test]
fn an_account_that_somebody_disabled_by_hand_is_enabled_by_its_own_agreement_whatever_its_tier() {
    let enable = |tier| Planned { tier, ..planned(Operation::Enable { account: account("a-0") }) };
    let (account, signed) = (to_power(WHO, None, None), to(enabled()));
    for (tier, asked) in
        [(Risk::Low, Risk::Normal), (Risk::Normal, Risk::Normal), (Risk::Privileged, Risk::Privileged)]
    {
        let enable = enable(tier);
        let with = |agree: &Agree, tier| evidence([(agree, tier)]);
        assert_eq!(decide(&enable, &Evidence::default(), true), waits(asked));
        assert_eq!(
            decide(&enable, &with(&account, asked), true),
            waits(asked),
            "the account is another question"
        );
        assert_eq!(decide(&enable, &with(&signed, asked), true), Decision::Proceed);
        if tier != Risk::Low {
            assert_eq!(
                decide(&enable, &with(&signed, asked), false),
                waits(asked),
                "nobody disabled it by hand"
            );
        }
    }
}

#[test]
fn what_a_decision_waits_for_and_what_refuses_it_is_said_in_words() {
    let waits = |tier| WaitsFor::Evidence { tier }.to_string();
    assert_eq!(waits(Risk::Low), "the tracked branch");
    assert_eq!(waits(Risk::Normal), "an owner's agreement (tier normal)");
    assert_eq!(waits(Risk::Privileged), "signed agreement of two approvers (tier privileged)");
    assert_eq!(WaitsFor::Review { why: "it is overdue".into() }.to_string(), "it is overdue");
    assert_eq!(
        WaitsFor::Operation { place: 3 }.to_string(),
        "an operation before it, which does not proceed"
    );
    let part = Part { target: Some("forge".into()), kind: "accounts".into(), limit: Limit::Removals };
    let limit = Guard::Limit { figure: Figure { part, count: 9, population: 20, allowed: 4 } };
    assert_eq!(limit.to_string(), format!("{part}: 9 of 20, and 4 are allowed"));
    let last = Guard::LastAdmin { entitlement: "team:admins".to_owned(), holders: 2 };
    assert_eq!(last.to_string(), "nobody would hold team:admins any more, which 2 can use now");
    let check = Guard::Check { rule: "once".into(), message: "It is planned twice.".to_owned() };
    assert_eq!(check.to_string(), "the independent checker objects (once): It is planned twice.");
    let forge = Sym::new("forge");
    assert_eq!(limit.limited(forge), Some(Limited::Limit(part)));
    let entitlement = "team:admins".into();
    assert_eq!(last.limited(forge), Some(Limited::LastAdmin { target: forge, entitlement }));
    assert_eq!(check.limited(forge), None, "a mistake is overridden by nobody");
}
