//! What the independent checker and the gate refuse: each plan here is a sound one with one thing wrong.

use std::collections::{BTreeMap, BTreeSet};

use provost_core::Sym;
use provost_core::access::Lifecycle;
use provost_core::document::Target;
use provost_core::evidence::Evidence;
use provost_core::gate::{Decision, Guard, WaitsFor, gate};
use provost_core::guard::{History, Limits};
use provost_core::lint::lint;
use provost_core::observed::Observed;
use provost_core::plan::{Plan, Scope, TargetView, World, plan};
use provost_sdk::{Operation, Risk, Verb};

use super::model::{Ought, Person, document, now, world};

/// One who joins; one who moves from team `a` to team `b`; one who leaves; and an account of nobody.
fn people() -> Vec<Person> {
    let set = |numbers: &[u8]| numbers.iter().copied().collect::<BTreeSet<u8>>();
    let person = |lifecycle, wanted: &[u8], account| Person { lifecycle, wanted: Some(set(wanted)), account };
    let left = Lifecycle::Left { since: None, successor: None };
    vec![
        person(Lifecycle::Active, &[0], None),
        person(Lifecycle::Active, &[1], Some((true, true, false, set(&[0]), set(&[0])))),
        person(left, &[], Some((true, true, false, set(&[0, 2]), set(&[0])))),
        Person {
            lifecycle: Lifecycle::Unknown,
            wanted: None,
            account: Some((true, false, true, set(&[3]), set(&[]))),
        },
    ]
}

/// Runs a check over the sound plan, and what surrounds it.
fn with_plan(check: impl FnOnce(Plan, World<'_>, &Target, &Observed)) {
    let document = document("full");
    let (ought, _, observed) = world(&people());
    with_world(&ought, view(&document, &observed), |world| {
        check(plan(world, &Scope::default()), world, &document, &observed);
    });
}

fn view<'a>(document: &'a Target, observed: &'a Observed) -> TargetView<'a> {
    TargetView { document, observed, adopted: true, place: "here".into(), hold: None, own_accounts: &[] }
}

fn with_world(ought: &Ought, view: TargetView<'_>, check: impl FnOnce(World<'_>)) {
    let targets = [(ought.target, view)].into();
    check(World {
        desired: ought,
        targets: &targets,
        separations: &[],
        freezes: &[],
        leaver: None,
        hold: None,
        now: now(),
    });
}

fn place(plan: &Plan, verb: Verb) -> usize {
    plan.operations.iter().position(|planned| planned.verb() == verb).expect("the sound plan has one")
}

/// The rules that are found broken when one thing is wrong with the plan.
fn broken(spoil: impl FnOnce(&mut Plan)) -> BTreeSet<&'static str> {
    let mut rules = BTreeSet::new();
    with_plan(|mut plan, world, _, _| {
        assert_eq!(lint(&plan, &world), [], "the plan is sound");
        spoil(&mut plan);
        rules = lint(&plan, &world).into_iter().map(|finding| finding.rule).collect();
    });
    rules
}

/// The rules that the sound plan breaks where the target is another one than it was made for.
fn broken_where(change: impl FnOnce(&mut TargetView<'_>)) -> BTreeSet<&'static str> {
    let mut rules = BTreeSet::new();
    let (ought, _, _) = world(&people());
    with_plan(|plan, _, document, observed| {
        let mut view = view(document, observed);
        change(&mut view);
        with_world(&ought, view, |world| {
            rules = lint(&plan, &world).into_iter().map(|finding| finding.rule).collect();
        });
    });
    rules
}

#[test]
fn the_checker_finds_every_rule_that_a_plan_can_break() {
    let rule = |rule| BTreeSet::from([rule]);
    assert_eq!(broken(|plan| plan.operations.push(plan.operations[0].clone())), rule("once"));
    assert_eq!(
        broken(|plan| plan.operations.iter_mut().for_each(|planned| planned.after.clear())),
        rule("order")
    );
    assert_eq!(broken(|plan| plan.operations.reverse()), rule("order"));
    let elsewhere = |plan: &mut Plan| plan.operations[0].target = "elsewhere".into();
    assert_eq!(broken(elsewhere), rule("target"));
    let someone_elses = |plan: &mut Plan| {
        let place = place(plan, Verb::Disable);
        let Operation::Disable { account } = &mut plan.operations[place].operation else { return };
        account.anchor = "a-1".into();
    };
    assert_eq!(broken(someone_elses), rule("link"));
    let enables_a_stranger = |plan: &mut Plan| {
        let place =
            plan.operations.iter().position(|planned| planned.identity.is_none()).expect("one is nobody's");
        let account = plan.operations[place].operation.account().expect("it has an account").clone();
        plan.operations[place].operation = Operation::Enable { account };
    };
    assert_eq!(broken(enables_a_stranger), rule("link"));
    let understated = |plan: &mut Plan| {
        let place = place(plan, Verb::Grant);
        plan.operations[place].tier = Risk::Low;
    };
    let privileged = Ought { risk: Risk::Normal, ..world(&people()).0 };
    with_plan(|mut plan, world, _, _| {
        let world = World { desired: &privileged, ..world };
        plan.operations.iter_mut().for_each(|planned| planned.tier = Risk::Normal);
        assert_eq!(lint(&plan, &world), []);
        understated(&mut plan);
        let rules: Vec<&str> = lint(&plan, &world).into_iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["tier"]);
    });
}

#[test]
fn the_checker_finds_what_the_target_does_not_allow() {
    let rule = |rule| BTreeSet::from([rule]);
    assert_eq!(broken_where(|_| {}), BTreeSet::new());
    assert_eq!(broken_where(|view| view.adopted = false), rule("adoption"));
    let own = [Sym::new("a-1")];
    let (ought, _, unread) = world(&people());
    with_plan(|plan, _, document, observed| {
        let found = |view: TargetView<'_>| {
            let mut rules = BTreeSet::new();
            with_world(&ought, view, |world| {
                rules = lint(&plan, &world).into_iter().map(|finding| finding.rule).collect();
            });
            rules
        };
        assert_eq!(
            found(TargetView { own_accounts: &own, ..view(document, observed) }),
            rule("own-credential")
        );
        let protects = Target { protect: vec!["*".into()], ..document.clone() };
        assert_eq!(found(view(&protects, observed)), rule("protected"), "the account of nobody");
        let observes = Target { authority: Default::default(), ..document.clone() };
        assert!(found(view(&observes, observed)).contains("authority"));
        let mut additive = document.clone();
        additive.authority.values_mut().for_each(|of| *of = provost_core::document::Authority::Additive);
        assert_eq!(found(view(&additive, observed)), BTreeSet::from(["authority", "link"]));
        let mut gap = unread.clone();
        gap.gap("a gap");
        assert_eq!(found(view(document, &gap)), rule("absence"), "a create is inferred from absence");
        let mut unable = unread.clone();
        let mut capabilities = unable.capabilities().clone();
        capabilities.verbs.remove(&Verb::Disable);
        unable.describe(capabilities);
        assert_eq!(found(view(document, &unable)), rule("capability"));
    });
}

#[test]
fn what_is_refused_is_waited_for_and_nothing_else_stops() {
    with_plan(|mut plan, world, _, _| {
        let decide =
            |plan: &Plan| gate(plan, &world, &Evidence::default(), &Limits::default(), &History::default());
        assert!(decide(&plan).iter().all(|decision| *decision == Decision::Proceed));
        let create = place(&plan, Verb::Create);
        plan.operations[create].tier = Risk::Normal;
        for (number, decision) in decide(&plan).iter().enumerate() {
            let depends = plan.operations[number].after.contains(&create);
            let expected = match (number == create, depends) {
                (true, _) => Decision::Wait { reason: WaitsFor::Evidence { tier: Risk::Normal } },
                (_, true) => Decision::Wait { reason: WaitsFor::Operation { place: create } },
                (false, false) => Decision::Proceed,
            };
            assert_eq!(*decision, expected, "operation {number}");
        }
        let revoke = place(&plan, Verb::Revoke);
        plan.operations[revoke].tier = Risk::Privileged;
        assert_eq!(decide(&plan)[revoke], Decision::Proceed, "what only takes away needs nobody's agreement");
        plan.operations[create].after.push(create);
        assert!(matches!(decide(&plan)[create], Decision::Refuse { guard: Guard::Check { .. } }));
    });
}

#[test]
fn with_agreement_to_exactly_this_it_proceeds() {
    use provost_core::evidence::{Agreement, MAIN, Power};
    with_plan(|mut plan, world, _, _| {
        let create = place(&plan, Verb::Create);
        plan.operations[create].tier = Risk::Normal;
        let identity = plan.operations[create].identity.expect("it is somebody's");
        let agreement = |target: &str, entitlement, tier| Agreement {
            anchor: None,
            power: Power { target: target.into(), profile: MAIN.into(), entitlement },
            tier,
            from: jiff::Timestamp::MIN,
            until: jiff::Timestamp::MAX,
        };
        let decided = |identity: Sym, agreement: Agreement| {
            let mut evidence = Evidence::default();
            evidence.agree(identity, agreement);
            gate(&plan, &world, &evidence, &Limits::default(), &History::default())[create].clone()
        };
        assert_eq!(decided(identity, agreement("forge", None, Risk::Normal)), Decision::Proceed);
        let spec = provost_core::set::Spec { kind: "team".into(), name: "a".into(), role: None };
        let team = agreement("forge", Some(spec), Risk::Normal);
        assert_eq!(
            decided(identity, team),
            Decision::Proceed,
            "who may have the team may have an account for it"
        );
        for (who, wrong) in [
            (Sym::new("p-1"), agreement("forge", None, Risk::Normal)),
            (identity, agreement("tickets", None, Risk::Normal)),
            (identity, agreement("forge", None, Risk::Low)),
        ] {
            assert_ne!(decided(who, wrong), Decision::Proceed, "{wrong:?} of {who}");
        }
    });
}

#[test]
fn the_order_of_limits_is_by_part_and_the_rest_goes_on() {
    use provost_core::document::{GuardLimit, Guards};
    with_plan(|plan, world, _, _| {
        let none = GuardLimit { percent: None, count: Some(0), window: None, minimum: None };
        let refused = |guards: Guards, people: Guards| -> BTreeMap<&'static str, usize> {
            let limits = Limits { targets: [("forge".into(), guards)].into(), people, ..Limits::default() };
            let decisions = gate(&plan, &world, &Evidence::default(), &limits, &History::default());
            let mut refused = BTreeMap::new();
            for (planned, decision) in plan.operations.iter().zip(decisions) {
                if let Decision::Refuse { guard: Guard::Limit { .. } } = decision {
                    *refused.entry(planned.verb().as_str()).or_default() += 1;
                }
            }
            refused
        };
        let (no, some) = (Guards::default(), Some(none));
        let departures = refused(Guards { departures: some, ..no }, no);
        assert_eq!(departures, [("disable", 1), ("revoke", 2)].into(), "the leaver, less her sessions");
        let removals = refused(Guards { removals: some, ..no }, no);
        assert_eq!(removals, [("disable", 1), ("revoke", 2)].into(), "the mover, and the account of nobody");
        let additions = refused(Guards { additions: some, ..no }, no);
        assert_eq!(additions, [("create", 1), ("grant", 2)].into());
        assert_eq!(
            refused(no, Guards { removals: some, ..no }),
            [("revoke", 1)].into(),
            "one person is a mover"
        );
        assert!(refused(no, no).is_empty());
    });
}

#[test]
fn an_overdue_review_freezes_what_adds_privilege_and_nothing_else() {
    use provost_core::evidence::{Agreement, MAIN, Power};
    with_plan(|mut plan, world, _, _| {
        let (create, revoke) = (place(&plan, Verb::Create), place(&plan, Verb::Revoke));
        let mut evidence = Evidence::default();
        let power = Power { target: "forge".into(), profile: MAIN.into(), entitlement: None };
        let (from, until) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        let identity = plan.operations[create].identity.expect("it is somebody's");
        evidence.agree(identity, Agreement { power, anchor: None, tier: Risk::Privileged, from, until });
        let mut decide = |tier, frozen: Option<Sym>| {
            plan.operations[create].tier = tier;
            plan.operations[revoke].tier = tier;
            evidence.freeze(frozen);
            let decisions = gate(&plan, &world, &evidence, &Limits::default(), &History::default());
            (decisions[create].clone(), decisions[revoke].clone())
        };
        let why = Sym::new("a review is overdue");
        let (go, frozen) = (Decision::Proceed, Decision::Wait { reason: WaitsFor::Review { why } });
        assert_eq!(decide(Risk::Privileged, None), (go.clone(), go.clone()));
        assert_eq!(decide(Risk::Privileged, Some(why)), (frozen, go.clone()));
        assert_eq!(decide(Risk::Normal, Some(why)), (go.clone(), go));
    });
}
