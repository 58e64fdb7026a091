//! Whatever there is and whatever ought to be: doing what is planned leaves nothing to plan.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use provost_core::Sym;
use provost_core::access::Lifecycle;
use provost_core::document::Target;
use provost_core::evidence::MAIN;
use provost_core::lint::lint;
use provost_core::observed::{Observed, Origin};
use provost_core::plan::{Plan, Planned, Scope, TargetView, UNBORN, World, plan};
use provost_sdk::{AccountRef, Operation, State};

use super::model::{Ought, Person, System, document, now, world};

prop_compose! {
    fn person()(
        lifecycle in prop_oneof![
            4 => Just(Lifecycle::Active),
            1 => Just(Lifecycle::Suspended),
            1 => Just(Lifecycle::Left { since: None, successor: None }),
        ],
        wants in any::<bool>(),
        wanted in proptest::collection::btree_set(0..4u8, 0..4),
        account in proptest::option::of((
            any::<bool>(), any::<bool>(), any::<bool>(), proptest::collection::btree_set(0..4u8, 0..4),
            proptest::collection::btree_set(0..4u8, 0..4),
        )),
    ) -> Person {
        Person { lifecycle, wanted: wants.then_some(wanted), account }
    }
}

fn planned(ought: &Ought, document: &Target, observed: &Observed) -> Plan {
    with_world(ought, document, observed, |world| {
        let plan = plan(world, &Scope::default());
        assert_eq!(lint(&plan, &world), [], "the checker finds no fault");
        plan
    })
}

fn with_world<R>(
    ought: &Ought,
    document: &Target,
    observed: &Observed,
    look: impl FnOnce(World<'_>) -> R,
) -> R {
    let view =
        TargetView { document, observed, adopted: true, place: "here".into(), hold: None, own_accounts: &[] };
    let targets = [(ought.target, view)].into();
    let world = World {
        desired: ought,
        targets: &targets,
        separations: &[],
        freezes: &[],
        leaver: None,
        hold: None,
        now: now(),
    };
    look(world)
}

fn carry_out(plan: &Plan, system: &mut System, observed: &mut Observed) {
    let mut born: BTreeMap<Sym, AccountRef> = BTreeMap::new();
    for planned in &plan.operations {
        let Planned { identity, profile, operation, .. } = planned;
        let unborn = operation.account().is_some_and(|account| account.anchor.as_str() == UNBORN);
        let operation = match identity.filter(|_| unborn) {
            None => operation.clone(),
            Some(identity) => planned.operation_on(born.get(&identity).expect("an account is made first")),
        };
        let receipt = system.apply(&operation);
        if let (Operation::Create(_), Some(identity), Some(account)) =
            (&operation, identity, &receipt.account)
        {
            let reference = AccountRef { anchor: account.anchor.clone(), username: account.username.clone() };
            born.insert(*identity, reference);
        }
        observed.receipt(identity.map(|identity| (identity, *profile)), &operation, &receipt, now());
    }
    for claim in &plan.claims {
        observed.claim(claim.identity, claim.profile, claim.keys);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn doing_what_is_planned_leaves_nothing_to_plan(
        people in proptest::collection::vec(person(), 1..8),
        full in any::<bool>(),
    ) {
        let document = document(if full { "full" } else { "additive" });
        let (ought, mut system, mut observed) = world(&people);
        let first = planned(&ought, &document, &observed);
        prop_assert_eq!(&first, &planned(&ought, &document, &observed), "the same again");
        carry_out(&first, &mut system, &mut observed);
        let by_receipts = planned(&ought, &document, &observed);
        prop_assert_eq!(&by_receipts.operations, &[], "by its receipts nothing is left");
        system.read(&mut observed, now() + jiff::SignedDuration::from_secs(60));
        let by_reading = planned(&ought, &document, &observed);
        prop_assert_eq!(&by_reading.operations, &[], "and a whole read agrees");
        for (id, (lifecycle, wanted)) in &ought.people {
            let Some(link) = observed.link(*id, MAIN.into()) else { continue };
            let seen = observed.account(link.anchor).expect("what is linked is there");
            let out = !matches!(lifecycle, Lifecycle::Active) || wanted.is_empty();
            prop_assert!(!out || seen.state == State::Disabled, "{id} is kept out");
            if let (false, Origin::Created) = (out, link.origin) {
                prop_assert_eq!(seen.entitlements.len(), wanted[0].entitlements.len());
            }
        }
    }
}

#[test]
fn a_plan_of_many_is_the_plans_of_all_of_them() {
    let set = |numbers: &[u8]| numbers.iter().copied().collect::<BTreeSet<u8>>();
    let person = |number: u8| Person {
        lifecycle: match number % 5 {
            0 => Lifecycle::Suspended,
            1 => Lifecycle::Left { since: None, successor: None },
            _ => Lifecycle::Active,
        },
        wanted: (!number.is_multiple_of(7)).then(|| set(&[number % 4])),
        account: (!number.is_multiple_of(3)).then(|| {
            (!number.is_multiple_of(11), true, number.is_multiple_of(2), set(&[number % 4, 1]), set(&[1]))
        }),
    };
    // Enough for several threads, in parts that are too small for two.
    let people: Vec<Person> = (0..=u8::MAX).cycle().take(6000).map(person).collect();
    let (ought, _, observed) = world(&people);
    let told = |identities: &[Sym]| {
        let identities = Some(identities.iter().copied().collect());
        let scope = Scope { identities, ..Scope::default() };
        let plan = with_world(&ought, &document("full"), &observed, |world| plan(world, &scope));
        let operations = plan.operations.iter().map(|one| format!("{:?} {:?}", one.identity, one.operation));
        let others = plan.not_planned.iter().map(|one| format!("{one:?}"));
        operations.chain(others).chain(plan.claims.iter().map(|one| format!("{one:?}"))).collect::<Vec<_>>()
    };
    let everybody: Vec<Sym> = ought.people.keys().copied().collect();
    let mut apart: Vec<String> = everybody.chunks(1000).flat_map(told).collect();
    let mut together = told(&everybody);
    assert!(together.len() > people.len());
    apart.sort();
    together.sort();
    assert_eq!(together, apart);
}
