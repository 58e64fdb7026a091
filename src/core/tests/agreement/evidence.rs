//! Evidence by itself: what is put in is found, for exactly what it is about, and for nothing else.

use std::collections::BTreeSet;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::approval::Limited;
use provost_core::digest::digest;
use provost_core::document::{GrantSpec, Kind};
use provost_core::evidence::{Agreement, Evidence, MAIN, Power, RuleStep, Taken, Thing};
use provost_core::set::Spec;
use provost_sdk::Risk;

use super::{at, power};

fn ada() -> Sym {
    "p-1".into()
}

fn agreement(name: &str, tier: Risk) -> Agreement {
    Agreement { power: power(name), anchor: None, tier, from: at(10), until: at(20) }
}

fn agreed(agreement: Agreement) -> Evidence {
    let mut evidence = Evidence::default();
    evidence.agree(ada(), agreement);
    evidence
}

fn taken() -> Evidence {
    let mut evidence = Evidence::default();
    let taken = Taken { power: power("ops"), policy: "down".into(), from: at(10), until: at(20) };
    evidence.take(ada(), taken);
    assert_eq!(evidence.taken(ada()), [taken]);
    assert!(evidence.taken("p-2".into()).is_empty());
    evidence
}

/// The seconds from 9 to 21 at which something holds: an interval includes its first and not its last instant.
fn when(holds: impl Fn(Timestamp) -> bool) -> Vec<i64> {
    [9, 10, 19, 20, 21].into_iter().filter(|second| holds(at(*second))).collect()
}

#[test]
fn an_agreement_holds_from_its_first_instant_to_before_its_last() {
    let (normal, account) = (Risk::Normal, (Sym::new("forge"), Sym::new(MAIN)));
    for evidence in [agreed(agreement("ops", normal)), taken()] {
        assert_eq!(when(|now| evidence.covers(ada(), power("ops"), normal, now)), [10, 19]);
        assert_eq!(
            when(|now| evidence.covers_anchor(ada(), power("ops"), "t-1".into(), normal, now)),
            [10, 19]
        );
        assert_eq!(when(|now| evidence.covers_account(ada(), account, normal, now)), [10, 19]);
        let next = |now| evidence.next_change(ada(), power("ops"), normal, at(now)).map(Timestamp::as_second);
        assert_eq!((next(9), next(10), next(19), next(20)), (Some(10), Some(20), Some(20), None));
        assert_eq!(evidence.next_change(ada(), power("ops"), Risk::Low, at(9)), None);
    }
}

#[test]
fn an_agreement_is_about_its_identity_power_anchor_and_tier() {
    let (now, anchor) = (at(15), Sym::new("t-1"));
    let evidence = agreed(Agreement { anchor: Some(anchor), ..agreement("ops", Risk::Normal) });
    let by = |who: &str, name: &str, anchor: &str, tier| {
        evidence.covers_anchor(who.into(), power(name), anchor.into(), tier, now)
    };
    assert!(by("p-1", "ops", "t-1", Risk::Normal));
    assert!(!by("p-2", "ops", "t-1", Risk::Normal) && !by("p-1", "dev", "t-1", Risk::Normal));
    assert!(!by("p-1", "ops", "t-2", Risk::Normal) && !by("p-1", "ops", "t-1", Risk::Privileged));
    assert!(by("p-2", "dev", "t-2", Risk::Low), "what is low needs none");
    let account = |who: &str, target: &str, profile: &str, tier| {
        evidence.covers_account(who.into(), (target.into(), profile.into()), tier, now)
    };
    assert!(account("p-1", "forge", MAIN, Risk::Normal));
    assert!(!account("p-2", "forge", MAIN, Risk::Normal) && !account("p-1", "shop", MAIN, Risk::Normal));
    assert!(
        !account("p-1", "forge", "admin", Risk::Normal) && !account("p-1", "forge", MAIN, Risk::Privileged)
    );
    assert!(account("p-2", "shop", "admin", Risk::Low));
}

#[test]
fn what_was_taken_is_that_power_alone_at_any_tier() {
    let (evidence, now) = (taken(), at(15));
    let by = |who: &str, name: &str| {
        let (who, power) = (Sym::new(who), power(name));
        let answers = [
            evidence.covers(who, power, Risk::Privileged, now),
            evidence.covers_anchor(who, power, "t-1".into(), Risk::Privileged, now),
        ];
        assert_eq!(answers[0], answers[1]);
        answers[0]
    };
    assert!(by("p-1", "ops") && !by("p-1", "dev") && !by("p-2", "ops"));
    let account = |target: &str, profile: &str| {
        evidence.covers_account(ada(), (target.into(), profile.into()), Risk::Privileged, now)
    };
    assert!(account("forge", MAIN) && !account("shop", MAIN) && !account("forge", "admin"));
}

#[test]
fn what_is_withdrawn_is_gone_and_nothing_else() {
    let mut evidence = agreed(agreement("ops", Risk::Normal));
    evidence.agree(ada(), agreement("dev", Risk::Normal));
    evidence.agree("p-2".into(), agreement("ops", Risk::Normal));
    evidence.withdraw(ada(), |agreement| agreement.power != power("ops"));
    let covers = |who: &str, name: &str| evidence.covers(who.into(), power(name), Risk::Normal, at(15));
    assert!(!covers("p-1", "ops") && covers("p-1", "dev") && covers("p-2", "ops"));
}

#[test]
fn since_when_something_stands_is_the_earliest_of_what_was_said() {
    let mut evidence = Evidence::default();
    for (name, second) in [("ops", 30), ("ops", 20), ("ops", 40), ("dev", 50)] {
        evidence.stand(ada(), power(name), at(second));
    }
    let since = |who: &str, name: &str| evidence.standing_since(who.into(), power(name));
    assert_eq!((since("p-1", "ops"), since("p-1", "dev")), (Some(at(20)), Some(at(50))));
    assert_eq!((since("p-2", "ops"), since("p-1", "other")), (None, None));
}

#[test]
fn what_was_given_is_said_as_a_whole_and_kept_over_what_is_agreed() {
    let mut evidence = Evidence::default();
    let powers: BTreeSet<Power> = [power("ops"), power("dev")].into();
    assert!(!evidence.give(ada(), BTreeSet::new()), "nothing was given, and nothing is");
    assert!(evidence.give(ada(), powers.clone()) && !evidence.give(ada(), powers));
    assert!(evidence.gave(ada(), power("dev")) && !evidence.gave("p-2".into(), power("dev")));
    assert!(evidence.give(ada(), [power("ops")].into()) && !evidence.gave(ada(), power("dev")));
    let mut next = Evidence::default();
    next.keep_given(&evidence);
    assert!(next.gave(ada(), power("ops")) && next.given().eq([ada()]));
    assert!(evidence.give(ada(), BTreeSet::new()) && evidence.given().next().is_none());
}

#[test]
fn a_step_of_a_rule_is_that_step() {
    let step = RuleStep { kind: Kind::Role, id: "r".into(), before: None, after: Some(digest(&1)) };
    let mut evidence = Evidence::default();
    assert!(!evidence.covers_rule(&step));
    evidence.agree_rule(step);
    assert!(evidence.covers_rule(&step) && !evidence.covers_rule(&RuleStep { before: step.after, ..step }));
}

#[test]
fn a_thing_is_agreed_to_up_to_its_highest_tier() {
    let thing = Thing::Holder { service: "s-1".into(), person: ada(), owner: true };
    let other = Thing::Holder { service: "s-1".into(), person: ada(), owner: false };
    let mut evidence = Evidence::default();
    evidence.agree_to(thing, Risk::Privileged);
    evidence.agree_to(thing, Risk::Normal);
    evidence.agree_to(other, Risk::Normal);
    assert!(evidence.agreed(&thing, Risk::Privileged) && evidence.agreed(&other, Risk::Normal));
    assert!(!evidence.agreed(&other, Risk::Privileged));
    assert!(
        Evidence::default().agreed(&thing, Risk::Low) && !Evidence::default().agreed(&thing, Risk::Normal)
    );
    assert_eq!(evidence.things().count(), 2);
}

#[test]
fn an_operation_passes_the_guard_that_was_named_for_it() {
    let guard = |name: &str| Limited::LastAdmin { target: "forge".into(), entitlement: name.into() };
    let mut evidence = Evidence::default();
    assert!(!evidence.lifts(&guard("a"), digest(&1)));
    evidence.lift(guard("a"), digest(&1));
    assert!(evidence.lifts(&guard("a"), digest(&1)));
    assert!(!evidence.lifts(&guard("b"), digest(&1)) && !evidence.lifts(&guard("a"), digest(&2)));
}

#[test]
fn who_differs_is_whoever_has_another_agreement_standing_or_emergency() {
    let base = agreed(agreement("ops", Risk::Normal));
    assert!(base.differing(&base.clone()).is_empty());
    let mut more = base.clone();
    more.agree("p-2".into(), agreement("ops", Risk::Normal));
    more.stand("p-3".into(), power("ops"), at(1));
    more.take("p-4".into(), taken().taken(ada())[0]);
    more.freeze(Some("a review".into()));
    let who: BTreeSet<Sym> = ["p-2", "p-3", "p-4"].map(Sym::new).into();
    assert_eq!((more.differing(&base), base.differing(&more)), (who.clone(), who));
    assert_eq!((more.frozen(), base.frozen()), (Some("a review".into()), None));
}

#[test]
fn what_is_missing_is_the_first_stretch_that_is_not_over() {
    let evidence = agreed(agreement("ops", Risk::Normal));
    let missing = |tier, from, until, now| {
        evidence
            .missing(ada(), power("ops"), tier, (at(from), at(until)), at(now))
            .map(|(from, until)| (from.as_second(), until.as_second()))
    };
    let normal = Risk::Normal;
    assert_eq!(
        (missing(Risk::Low, 0, 99, 0), missing(normal, 15, 15, 0), missing(normal, 16, 15, 0)),
        (None, None, None)
    );
    assert_eq!((missing(normal, 10, 20, 0), missing(normal, 9, 20, 0)), (None, Some((9, 10))));
    assert_eq!((missing(normal, 9, 20, 9), missing(normal, 9, 20, 10)), (Some((9, 10)), None));
    assert_eq!((missing(normal, 10, 21, 0), missing(normal, 10, 21, 20)), (Some((20, 21)), Some((20, 21))));
    assert_eq!(missing(normal, 10, 21, 21), None);
    assert_eq!((missing(normal, 20, 30, 0), missing(normal, 0, 10, 0)), (Some((20, 30)), Some((0, 10))));
    assert_eq!(missing(Risk::Privileged, 10, 20, 0), Some((10, 20)));
}

#[test]
fn a_power_reads_as_a_document_writes_it() {
    let spec = Spec { kind: "team".into(), name: "ops".into(), role: Some("lead".into()) };
    let admin = Power { target: "forge".into(), profile: "admin".into(), entitlement: Some(spec) };
    let alone = Power { target: "forge".into(), profile: MAIN.into(), entitlement: None };
    let texts = [power("ops"), admin, alone].map(|power| power.to_string());
    assert_eq!(texts, ["team:ops on forge", "team:ops#lead on forge as admin", "an account on forge"]);
    for power in [power("ops"), admin, alone] {
        assert_eq!(Power::from(&GrantSpec::from(power)), power);
    }
    let json = serde_json::to_value(admin).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"target": "forge", "profile": "admin", "team": "ops", "role": "lead"})
    );
}
