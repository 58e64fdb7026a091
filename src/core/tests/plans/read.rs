//! What reads, receipts and look-ups make of what is known, and what may be concluded from it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use provost_core::Sym;
use provost_core::observed::{Collector, Incomplete, Merged, Observed, Origin, Shrink};
use provost_core::packed::{Image, Writer};
use provost_core::set::{Key, Set};
use provost_sdk::{
    Account, AccountRef, Completeness, Cursor, Entitlement, EntitlementKey, EntitlementRef, Item, Operation,
    Read, Receipt, Sink, State,
};

use super::story::capabilities;

const AGE: SignedDuration = SignedDuration::from_hours(3);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("an instant")
}

fn team(name: &str) -> EntitlementKey {
    EntitlementKey { kind: "team".into(), anchor: name.into(), role: None }
}

fn key(name: &str) -> Key {
    Key { kind: "team".into(), anchor: name.into(), role: None }
}

fn account(anchor: &str, holds: &[&str]) -> Account {
    Account {
        anchor: anchor.into(),
        kind: "user".into(),
        username: format!("user-{anchor}"),
        state: State::Enabled,
        attributes: [("email".to_owned(), format!("{anchor}@example.com").into())].into(),
        entitlements: Some(holds.iter().map(|name| team(name)).collect()),
        version: None,
    }
}

fn complete(cursor: Option<&str>) -> Read {
    Read { completeness: Completeness::Complete, cursor: cursor.map(|cursor| Cursor(cursor.to_owned())) }
}

fn read(observed: &mut Observed, began: i64, items: Vec<Item>, read: &Read) -> Merged {
    let mut found = Collector::begin(at(began), None);
    items.into_iter().for_each(|item| found.put(item));
    observed.finish(found, read, Shrink::default())
}

fn delta(observed: &mut Observed, began: i64, since: &str, items: Vec<Item>, end: &str) -> Merged {
    let mut found = Collector::begin(at(began), Some(Cursor(since.to_owned())));
    items.into_iter().for_each(|item| found.put(item));
    observed.finish(found, &complete(Some(end)), Shrink::default())
}

fn accounts(count: usize, holds: &[&str]) -> Vec<Item> {
    (0..count).map(|number| Item::Account(account(&number.to_string(), holds))).collect()
}

fn holds(observed: &Observed, anchor: &str) -> Set<Key> {
    observed.account(Sym::new(anchor)).expect("the account is known").entitlements
}

#[test]
fn a_complete_read_removes_what_it_did_not_see_and_a_partial_one_removes_nothing() {
    let mut observed = Observed::new(capabilities());
    assert_eq!(observed.complete(at(0), AGE).err(), Some(Incomplete::NeverRead));
    let ab = || vec![Item::Account(account("a", &["eng", "ops"])), Item::Account(account("b", &[]))];
    read(&mut observed, 0, ab(), &complete(None));
    assert!(observed.complete(at(0), AGE).is_ok());

    let partial = Read { completeness: Completeness::Partial("page 2".into()), cursor: None };
    let seen = vec![Item::Account(account("a", &["eng"])), Item::Account(account("c", &[]))];
    let merged = read(&mut observed, 10, seen, &partial);
    assert_eq!(merged.changed, [Sym::new("c")]);
    assert_eq!(observed.accounts().len(), 3);
    assert_eq!(
        holds(&observed, "a"),
        Set::new([key("eng"), key("ops")]),
        "nothing follows from what it left out"
    );
    assert_eq!(observed.complete(at(10), AGE).err(), Some(Incomplete::Partial("page 2".into())));

    let merged = read(
        &mut observed,
        20,
        vec![Item::Account(account("a", &["eng"])), Item::Account(account("b", &[]))],
        &complete(None),
    );
    assert_eq!(merged.changed, [Sym::new("a"), Sym::new("c")]);
    assert_eq!(holds(&observed, "a"), Set::new([key("eng")]));
    assert!(observed.account(Sym::new("c")).is_none());
    assert!(observed.complete(at(20), AGE).is_ok());
    assert_eq!(observed.complete(at(20) + AGE * 2, AGE).err(), Some(Incomplete::Old(at(20))));
}

#[test]
fn an_empty_or_shrunken_read_removes_nothing_until_it_is_whole_again_or_an_operator_resumes() {
    let mut observed = Observed::new(capabilities());
    read(&mut observed, 0, accounts(20, &["eng"]), &complete(None));
    for (began, shrunken) in
        [(10, vec![]), (20, vec![]), (30, accounts(13, &["eng"])), (40, accounts(20, &[]))]
    {
        let merged = read(&mut observed, began, shrunken, &complete(None));
        assert!(merged.suspicion.is_some() && merged.changed.is_empty(), "{merged:?}");
        assert!(matches!(observed.complete(at(began), AGE), Err(Incomplete::Suspicious(_))));
        assert_eq!(observed.accounts().len(), 20);
    }
    let merged = read(&mut observed, 50, accounts(19, &["eng"]), &complete(None));
    assert_eq!((merged.suspicion, merged.changed.len()), (None, 1), "one account can go by hand");
    assert!(observed.complete(at(50), AGE).is_ok());

    read(&mut observed, 60, vec![], &complete(None));
    observed.resume(at(65));
    assert!(observed.complete(at(65), AGE).is_err(), "resuming alone proves nothing");
    let merged = read(&mut observed, 64, vec![], &complete(None));
    assert!(merged.suspicion.is_some() && merged.changed.is_empty(), "it began before the operator looked");
    let merged = read(&mut observed, 70, vec![], &complete(None));
    assert_eq!(merged.changed.len(), 19, "the operator said that the target is to be believed");
    assert!(observed.complete(at(70), AGE).is_ok());
    read(&mut observed, 80, accounts(5, &["eng"]), &complete(None));
    assert!(read(&mut observed, 90, vec![], &complete(None)).suspicion.is_some(), "it was believed once");
}

#[test]
fn a_receipt_newer_than_the_start_of_a_read_wins_and_the_account_is_looked_up() {
    let mut observed = Observed::new(capabilities());
    read(&mut observed, 0, vec![Item::Account(account("a", &["eng"]))], &complete(None));
    observed.adopt("p-1".into(), "main".into(), "a".into(), Set::empty());
    let reference = AccountRef { anchor: "a".into(), username: "user-a".into() };
    let entitlement =
        EntitlementRef { kind: "team".into(), anchor: "ops".into(), name: "ops".into(), role: None };
    let grant = Operation::Grant { account: reference, entitlement };
    let receipt = Receipt::changed(Some(account("a", &["eng", "ops"])));
    observed.receipt(Some(("p-1".into(), "main".into())), &grant, &receipt, at(15));
    assert_eq!(observed.link("p-1".into(), "main".into()).expect("linked").ours, Set::new([key("ops")]));

    let merged = read(&mut observed, 10, vec![Item::Account(account("a", &["eng"]))], &complete(None));
    assert_eq!((merged.changed, merged.unsure), (vec![], vec![Sym::new("a")]));
    assert_eq!(holds(&observed, "a"), Set::new([key("eng"), key("ops")]));

    observed.looked_up("a".into(), Some(&account("a", &["ops"])), at(12));
    assert_eq!(
        holds(&observed, "a"),
        Set::new([key("eng"), key("ops")]),
        "that look was older than the receipt"
    );
    observed.looked_up("a".into(), Some(&account("a", &["ops"])), at(16));
    assert_eq!(holds(&observed, "a"), Set::new([key("ops")]));
    let merged = read(&mut observed, 20, vec![Item::Account(account("a", &["eng"]))], &complete(None));
    assert_eq!(merged.changed, [Sym::new("a")], "a read that began later counts");
}

#[test]
fn after_the_clock_was_set_back_a_receipt_does_not_outweigh_what_is_there() {
    let mut observed = Observed::new(capabilities());
    read(&mut observed, 90, vec![Item::Account(account("a", &["eng"]))], &complete(None));
    let disable =
        Operation::Disable { account: AccountRef { anchor: "a".into(), username: "user-a".into() } };
    let disabled = Account { state: State::Disabled, ..account("a", &["eng"]) };
    observed.receipt(None, &disable, &Receipt::changed(Some(disabled)), at(100));

    let merged = read(&mut observed, 20, vec![Item::Account(account("a", &["eng"]))], &complete(None));
    assert_eq!(merged.unsure, [Sym::new("a")], "nobody can tell which of both is later, so it is looked up");
    observed.looked_up("a".into(), Some(&account("a", &["eng"])), at(21));
    assert_eq!(observed.account("a".into()).map(|seen| seen.state), Some(State::Enabled));
}

#[test]
fn an_operators_word_from_before_the_clock_was_set_back_trusts_no_read_of_an_hour_later() {
    let accounts = |count: usize| (0..count).map(|n| Item::Account(account(&format!("{n}"), &[]))).collect();
    let mut observed = Observed::new(capabilities());
    read(&mut observed, 90, accounts(20), &complete(None));
    observed.resume(at(100));
    read(&mut observed, 20, accounts(20), &complete(None));
    assert!(read(&mut observed, 110, accounts(1), &complete(None)).suspicion.is_some());
}

#[test]
fn a_delta_continues_where_the_last_read_ended_and_a_gap_makes_absence_unknown() {
    let mut observed = Observed::new(capabilities());
    let eng = |accounts: &[&str]| Item::Members {
        entitlement: team("eng"),
        accounts: accounts.iter().map(|anchor| (*anchor).into()).collect(),
    };
    let bare = |anchor: &str| Item::Account(Account { entitlements: None, ..account(anchor, &[]) });
    read(&mut observed, 0, vec![bare("a"), bare("b"), eng(&["a", "nested-group"])], &complete(Some("1")));
    assert_eq!(holds(&observed, "a"), Set::new([key("eng")]));
    assert_eq!(observed.accounts().len(), 2, "a member that is no account makes none");

    let merged = delta(&mut observed, 10, "1", vec![eng(&["b", "c"]), bare("c")], "2");
    assert_eq!(merged.changed, ["a", "b", "c"].map(Sym::new));
    assert_eq!(holds(&observed, "a"), Set::empty());
    assert_eq!(holds(&observed, "c"), Set::new([key("eng")]));
    assert_eq!(observed.standing().current, Some(at(10)));

    let merged = delta(&mut observed, 20, "2", vec![Item::AccountGone("b".into())], "3");
    assert_eq!(merged.changed, [Sym::new("b")]);

    let merged = delta(&mut observed, 30, "1", vec![Item::AccountGone("a".into())], "4");
    assert_eq!(merged, Merged::default(), "what comes after a gap is not taken in");
    assert!(matches!(observed.complete(at(30), AGE), Err(Incomplete::Gap(_))));
    assert!(observed.account(Sym::new("a")).is_some());
    read(&mut observed, 40, vec![bare("a"), bare("c"), eng(&["c"])], &complete(Some("5")));
    assert!(observed.complete(at(40), AGE).is_ok());
}

#[test]
fn a_name_that_another_group_took_is_not_what_was_agreed_to() {
    let mut observed = Observed::new(capabilities());
    let group = |anchor: &str, name: &str| {
        Item::Entitlement(Entitlement {
            kind: "team".into(),
            anchor: anchor.into(),
            name: name.into(),
            administrative: false,
        })
    };
    let spec = provost_core::set::Spec { kind: "team".into(), name: "admins".into(), role: None };
    read(&mut observed, 0, vec![group("1", "admins")], &complete(None));
    read(&mut observed, 10, vec![group("2", "Admins")], &complete(None));
    use provost_core::observed::Resolved;
    assert_eq!(observed.names().resolve(spec), Resolved::Changed { known: "1".into(), now: "2".into() });
    let again = Observed::load(capabilities(), [], observed.entitlement_records());
    assert_eq!(
        again.names().resolve(spec),
        Resolved::Changed { known: "1".into(), now: "2".into() },
        "a restart forgets no agreement"
    );
}

#[test]
fn what_is_known_comes_back_from_its_records() {
    let mut observed = Observed::new(capabilities());
    let items = vec![
        Item::Account(account("a", &["eng"])),
        Item::Account(account("b", &[])),
        Item::Entitlement(Entitlement {
            kind: "team".into(),
            anchor: "eng".into(),
            name: "Engineering".into(),
            administrative: true,
        }),
    ];
    read(&mut observed, 0, items, &complete(None));
    assert!(observed.adopt("p-1".into(), "main".into(), "a".into(), Set::new([key("eng")])));
    assert!(!observed.adopt("p-2".into(), "main".into(), "nobody".into(), Set::empty()));
    let records: Vec<_> = observed.records().collect();
    assert_eq!(records.iter().map(|record| record.unmanaged).collect::<Vec<_>>(), [false, true]);
    let text = serde_json::to_string(&records).expect("a record is JSON");
    let again = Observed::load(
        capabilities(),
        serde_json::from_str::<Vec<_>>(&text).expect("its own JSON"),
        observed.entitlement_records(),
    );
    assert_eq!(again.records().collect::<Vec<_>>(), records);
    assert_eq!(again.entitlement_records(), observed.entitlement_records());
    assert_eq!(again.link("p-1".into(), "main".into()).expect("linked").origin, Origin::Adopted);
    assert_eq!(again.tally(), observed.tally());
    assert_eq!(again.complete(at(0), AGE).err(), Some(Incomplete::NeverRead), "records prove no absence");
}

#[test]
fn what_is_settled_is_looked_at_again_when_names_mean_something_else() {
    let team = |name: &str| {
        let (kind, anchor, name) = ("team".into(), "eng".into(), name.to_owned());
        Item::Entitlement(Entitlement { kind, anchor, name, administrative: false })
    };
    let mut observed = Observed::new(capabilities());
    let items = |name: &str| vec![Item::Account(account("a", &["eng"])), team(name)];
    read(&mut observed, 0, items("Engineering"), &complete(None));
    observed.adopt("p-1".into(), "main".into(), "a".into(), Set::empty());
    let settled = |observed: &Observed| observed.settled().map(|(_, number)| number).collect::<Vec<_>>();
    observed.settle("p-1".into(), 7);
    read(&mut observed, 10, items("Engineering"), &complete(None));
    assert_eq!(settled(&observed), [7], "a read that finds the same changes nothing");
    read(&mut observed, 20, items("Engineers"), &complete(None));
    assert_eq!(settled(&observed), [0], "it has another name");
    observed.settle("p-1".into(), 7);
    observed.agree_name("team".into(), "Engineers".into());
    assert_eq!(settled(&observed), [0], "people agreed what it means");
    observed.settle("p-1".into(), 7);
    observed.describe(provost_sdk::Capabilities::default());
    assert_eq!(settled(&observed), [0], "its connector says otherwise what it can do");
}

#[test]
fn accounts_come_back_from_flat_numbers_as_they_were() {
    let mut observed = Observed::new(capabilities());
    let items = vec![account("a", &["eng", "ops"]), account("b", &[]), account("c", &["eng"])];
    read(&mut observed, 0, items.into_iter().map(Item::Account).collect(), &complete(None));
    observed.adopt("p-1".into(), "main".into(), "a".into(), Set::new([key("eng")]));
    observed.adopt("p-1".into(), "admin".into(), "c".into(), Set::empty());
    let disable = Operation::Disable { account: AccountRef { anchor: "a".into(), username: "a".to_owned() } };
    let receipt = Receipt::changed(None);
    observed.receipt(Some(("p-1".into(), "main".into())), &disable, &receipt, at(7));
    let mut writer = Writer::default();
    writer.mark();
    observed.pack(&mut writer);
    let bytes = writer.finish();
    let image = Image::open(&bytes).expect("it is whole");
    let texts = image.texts(0..image.len()).expect("its texts");
    let again = Observed::unpack(&mut image.reader(0, &texts).expect("its mark")).expect("accounts");
    let mut again = again.with([], observed.entitlement_records());
    again.describe(capabilities());
    assert_eq!(again.records().collect::<Vec<_>>(), observed.records().collect::<Vec<_>>());
    assert_eq!(again.tally(), observed.tally());
    assert_eq!(again.links_of("p-1".into()).count(), 2);
    assert_eq!(again.by_username("A"), observed.by_username("A"), "names are compared as the target does");
    assert_eq!(again.complete(at(0), AGE).err(), Some(Incomplete::NeverRead), "it proves no absence");
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, BTreeSet<u8>),
    Remove(u8),
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let held = proptest::collection::btree_set(0..4u8, 0..3);
    let step = prop_oneof![
        3 => (0..6u8, held).prop_map(|(who, held)| Step::Put(who, held)),
        1 => (0..6u8).prop_map(Step::Remove),
    ];
    proptest::collection::vec(proptest::collection::vec(step, 0..4), 1..8)
}

proptest! {
    #[test]
    fn deltas_make_what_a_whole_read_would(rounds in steps(), by_group in any::<bool>()) {
        let mut world: std::collections::BTreeMap<u8, BTreeSet<u8>> = std::collections::BTreeMap::new();
        let shown = |who: u8, held: &BTreeSet<u8>| {
            let names: Vec<String> = held.iter().map(ToString::to_string).collect();
            let mut account = account(&who.to_string(), &names.iter().map(String::as_str).collect::<Vec<_>>());
            if by_group {
                account.entitlements = None;
            }
            Item::Account(account)
        };
        let members = |world: &std::collections::BTreeMap<u8, BTreeSet<u8>>, group: u8| Item::Members {
            entitlement: team(&group.to_string()),
            accounts: world
                .iter()
                .filter(|(_, held)| held.contains(&group))
                .map(|(who, _)| who.to_string().into())
                .collect(),
        };
        let mut observed = Observed::new(capabilities());
        observed.resume(at(0));
        read(&mut observed, 0, vec![], &complete(Some("0")));
        for (round, steps) in rounds.iter().enumerate() {
            let before = world.clone();
            for step in steps {
                match step {
                    Step::Put(who, held) => { world.insert(*who, held.clone()); }
                    Step::Remove(who) => { world.remove(who); }
                }
            }
            let mut items = Vec::new();
            for who in 0..6u8 {
                match (before.get(&who), world.get(&who)) {
                    (was, Some(is)) if was != Some(is) => items.push(shown(who, is)),
                    (Some(_), None) => items.push(Item::AccountGone(who.to_string().as_str().into())),
                    _ => {}
                }
            }
            if by_group {
                items.extend((0..4).map(|group| members(&world, group)));
            }
            let second = i64::try_from(round).expect("few rounds") + 1;
            delta(&mut observed, second, &round.to_string(), items, &(round + 1).to_string());
        }
        let mut whole = Observed::new(capabilities());
        let mut items: Vec<Item> = world.iter().map(|(who, held)| shown(*who, held)).collect();
        if by_group {
            items.extend((0..4).map(|group| members(&world, group)));
        }
        read(&mut whole, 0, items, &complete(None));
        prop_assert_eq!(observed.records().collect::<Vec<_>>(), whole.records().collect::<Vec<_>>());
        prop_assert_eq!(observed.tally(), whole.tally());
    }
}
