//! What the reference system does beyond what the conformance suite tells: by hand, in order, and the same each time.

use std::collections::{BTreeMap, BTreeSet};

use provost_memory::{GROUP, LIST, PROJECT, Shape, System, Tells};
use provost_sdk::{
    AccountRef, Collected, Completeness, Create, Cursor, Entitlement, EntitlementKey, EntitlementRef, Error,
    ErrorKind, IdempotencyKey, Item, Nesting, Operation, Receipt, State, Value,
};

fn key(entitlement: &Entitlement) -> EntitlementKey {
    EntitlementKey { kind: entitlement.kind.clone(), anchor: entitlement.anchor.clone(), role: None }
}

fn held(entitlement: &Entitlement) -> EntitlementRef {
    EntitlementRef {
        kind: entitlement.kind.clone(),
        anchor: entitlement.anchor.clone(),
        name: entitlement.name.clone(),
        role: None,
    }
}

fn write(system: &mut System, operation: Operation) -> Result<Receipt, Error> {
    let key = IdempotencyKey(format!("write-{}", system.writes()));
    system.apply(&operation, &key)
}

fn changes(system: &mut System, since: &Cursor) -> Result<(Vec<Item>, Option<Cursor>), Error> {
    let mut sink = Collected::default();
    let read = system.observe(Some(since), &mut sink)?;
    Ok((sink.items, read.cursor))
}

fn whole(system: &mut System) -> Result<(Vec<Item>, Cursor), Error> {
    let mut sink = Collected::default();
    let read = system.observe(None, &mut sink)?;
    Ok((sink.items, read.cursor.expect("the shape has delta reads")))
}

#[test]
fn equal_calls_give_equal_systems() -> Result<(), Error> {
    let story = || -> Result<String, Error> {
        let mut system = System::new(Shape::default());
        let group = system.add_entitlement_by_hand(GROUP, "engineers");
        let ada = system.add_account_by_hand("ada", BTreeMap::new());
        write(&mut system, Operation::Grant { account: ada.clone(), entitlement: held(&group) })?;
        write(&mut system, Operation::IssueCredential { account: ada, kind: "signing-key".into() })?;
        let (items, cursor) = whole(&mut system)?;
        Ok(format!("{items:?} {cursor:?} {:?}", system.ledger()))
    };
    assert_eq!(story()?, story()?);
    Ok(())
}

#[test]
fn the_ledger_has_what_calls_changed_and_nothing_else() -> Result<(), Error> {
    let mut system = System::new(Shape::default());
    let group = system.add_entitlement_by_hand(GROUP, "engineers");
    let ada = system.add_account_by_hand("ada", BTreeMap::new());
    let grant = Operation::Grant { account: ada.clone(), entitlement: held(&group) };
    write(&mut system, grant.clone())?;
    write(&mut system, grant.clone())?;
    let nobody = AccountRef { anchor: "u999999".into(), username: "nobody".into() };
    write(&mut system, Operation::Disable { account: nobody }).expect_err("there is nobody");
    system.remove_member_by_hand(&ada.anchor, &key(&group));
    assert_eq!(system.writes(), 3);
    let [only] = system.ledger() else { panic!("one call changed something: {:?}", system.ledger()) };
    assert_eq!((only.write, &only.operation, only.account.as_ref()), (1, &grant, Some(&ada.anchor)));
    Ok(())
}

#[test]
fn what_is_done_by_hand_is_in_the_next_read_of_what_changed() -> Result<(), Error> {
    let mut system = System::new(Shape::default());
    let group = system.add_entitlement_by_hand(GROUP, "engineers");
    let ada = system.add_account_by_hand("ada", BTreeMap::new());
    let bea = system.add_account_by_hand("bea", BTreeMap::new());
    let (_, cursor) = whole(&mut system)?;
    assert_eq!(changes(&mut system, &cursor)?, (vec![], Some(cursor.clone())));

    system.add_member_by_hand(&ada.anchor, &key(&group));
    system.set_attribute_by_hand(&ada.anchor, "title", Some(Value::from("Lead")));
    system.remove_account_by_hand(&bea.anchor);
    let (items, Some(next)) = changes(&mut system, &cursor)? else { panic!("there is a cursor") };
    let [Item::Account(account), Item::AccountGone(gone)] = &items[..] else { panic!("{items:?}") };
    assert_eq!(account.entitlements, Some(BTreeSet::from([key(&group)])));
    assert_eq!(account.attributes["title"], Value::from("Lead"));
    assert_eq!(*gone, bea.anchor);

    system.rename_by_hand(&ada.anchor, "ada.osei");
    system.set_state_by_hand(&ada.anchor, State::Disabled);
    system.rename_entitlement_by_hand(GROUP, &group.anchor, "builders");
    system.set_administrative_by_hand(GROUP, &group.anchor, true);
    let (items, _) = changes(&mut system, &next)?;
    let [Item::Account(account), Item::Entitlement(renamed)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((account.username.as_str(), account.state), ("ada.osei", State::Disabled));
    assert_eq!((renamed.name.as_str(), renamed.administrative), ("builders", true));
    assert!(system.named("ada").is_none());
    Ok(())
}

#[test]
fn members_that_are_told_with_the_entitlement_are_told_again_when_one_leaves() -> Result<(), Error> {
    let shape = Shape { tells: Tells::WithEntitlement, ..Shape::default() };
    let mut system = System::new(shape);
    let group = system.add_entitlement_by_hand(GROUP, "engineers");
    let ada = system.add_account_by_hand("ada", BTreeMap::new());
    system.add_member_by_hand(&ada.anchor, &key(&group));
    let (items, cursor) = whole(&mut system)?;
    let members = |accounts| Item::Members { entitlement: key(&group), accounts };
    assert!(items.contains(&members(vec![ada.anchor.clone()])));
    system.remove_member_by_hand(&ada.anchor, &key(&group));
    assert!(changes(&mut system, &cursor)?.0.contains(&members(vec![])));
    Ok(())
}

#[test]
fn groups_in_groups_are_told_and_end_with_either() -> Result<(), Error> {
    let mut system = System::new(Shape::default());
    let [inner, outer, other] =
        ["leads", "engineers", "staff"].map(|name| system.add_entitlement_by_hand(GROUP, name));
    system.nest_by_hand(&inner.anchor, &outer.anchor);
    system.nest_by_hand(&outer.anchor, &other.anchor);
    let edges = |items: Vec<Item>| -> BTreeSet<Nesting> {
        let edges = items.into_iter().filter_map(|item| match item {
            Item::Nesting(edge) => Some(edge),
            _ => None,
        });
        edges.collect()
    };
    let edge = |inner: &Entitlement, outer: &Entitlement| Nesting { inner: key(inner), outer: key(outer) };
    let (items, cursor) = whole(&mut system)?;
    assert_eq!(edges(items), BTreeSet::from([edge(&inner, &outer), edge(&outer, &other)]));
    system.unnest_by_hand(&inner.anchor, &outer.anchor);
    // What changed names all edges of each entitlement that it names.
    assert_eq!(edges(changes(&mut system, &cursor)?.0), BTreeSet::from([edge(&outer, &other)]));
    system.remove_entitlement_by_hand(GROUP, &other.anchor);
    assert_eq!(edges(whole(&mut system)?.0), BTreeSet::new());
    Ok(())
}

#[test]
fn an_entitlement_that_goes_is_held_by_nobody() -> Result<(), Error> {
    let mut system = System::new(Shape::default());
    let group = system.add_entitlement_by_hand(GROUP, "engineers");
    let ada = system.add_account_by_hand("ada", BTreeMap::new());
    system.add_member_by_hand(&ada.anchor, &key(&group));
    let (_, cursor) = whole(&mut system)?;
    system.remove_entitlement_by_hand(GROUP, &group.anchor);
    let account = system.account(&ada.anchor).expect("she is still there");
    assert_eq!(account.entitlements, Some(BTreeSet::new()));
    let gone = Item::EntitlementGone { kind: GROUP.into(), anchor: group.anchor.clone() };
    assert!(changes(&mut system, &cursor)?.0.contains(&gone));
    let grant = Operation::Grant { account: ada, entitlement: held(&group) };
    assert_eq!(write(&mut system, grant).expect_err("it is gone").kind, ErrorKind::NotFound);
    Ok(())
}

#[test]
fn a_cursor_from_before_what_is_remembered_gives_a_partial_read() -> Result<(), Error> {
    let mut system = System::new(Shape::default());
    let (_, cursor) = whole(&mut system)?;
    system.add_account_by_hand("ada", BTreeMap::new());
    system.forget_changes();
    let mut sink = Collected::default();
    let read = system.observe(Some(&cursor), &mut sink)?;
    assert!(matches!(read.completeness, Completeness::Partial(_)));
    assert!(read.cursor.is_none() && sink.items.is_empty());
    let unknown = Cursor("not a number".into());
    let error = system.observe(Some(&unknown), &mut sink).expect_err("no read gave it");
    assert_eq!(error.kind, ErrorKind::InvalidValue);
    Ok(())
}

#[test]
fn names_and_values_that_no_system_should_keep_are_refused() {
    let mut system = System::new(Shape::default());
    let create = |username: &str, attributes: BTreeMap<String, Value>, kind: &str| {
        Operation::Create(Create {
            kind: kind.into(),
            username: username.into(),
            attributes,
            identity: "p-1".into(),
        })
    };
    let with = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Value::from(value))]);
    for operation in [
        create("", BTreeMap::new(), "user"),
        create(" ada", BTreeMap::new(), "user"),
        create("a\nb", BTreeMap::new(), "user"),
        create(&"x".repeat(257), BTreeMap::new(), "user"),
        create("ada", BTreeMap::new(), "robot"),
        create("ada", with("shoe_size", "38"), "user"),
        create("ada", with("external_id", "p-2"), "user"),
        create("ada", with("title", ""), "user"),
    ] {
        let error = write(&mut system, operation.clone()).expect_err("it should be refused");
        assert_eq!(error.kind, ErrorKind::InvalidValue, "{operation:?}");
    }
    assert_eq!(system.accounts().count(), 0);
}

#[test]
fn roles_and_kinds_of_entitlements_are_kept_apart() {
    let mut system = System::new(Shape::default());
    let ada = system.add_account_by_hand("ada", BTreeMap::new());
    let [group, project, list] = [(GROUP, "a"), (PROJECT, "b"), (LIST, "c")]
        .map(|(kind, name)| system.add_entitlement_by_hand(kind, name));
    let in_role = |entitlement: &Entitlement, role: &str| EntitlementRef {
        role: Some(role.into()),
        ..held(entitlement)
    };
    let grant = |entitlement| Operation::Grant { account: ada.clone(), entitlement };
    let replace = |entitlement| Operation::Replace { entitlement, accounts: vec![ada.clone()] };
    for (operation, expected) in [
        (grant(in_role(&group, "member")), ErrorKind::InvalidValue),
        (grant(held(&project)), ErrorKind::InvalidValue),
        (grant(in_role(&project, "owner")), ErrorKind::InvalidValue),
        (grant(held(&list)), ErrorKind::Unsupported),
        (replace(held(&group)), ErrorKind::Unsupported),
    ] {
        let error = write(&mut system, operation.clone()).expect_err("it should be refused");
        assert_eq!(error.kind, expected, "{operation:?}");
    }
    assert!(write(&mut system, grant(in_role(&project, "maintainer"))).is_ok());
    assert!(write(&mut system, replace(held(&list))).is_ok());
    assert_eq!(
        system.account(&ada.anchor).and_then(|account| account.entitlements).map(|held| held.len()),
        Some(2)
    );
}

#[test]
fn a_session_held_up_by_a_disabled_account_comes_back_unless_it_was_ended() -> Result<(), Error> {
    let mut system = System::new(Shape::default());
    let ada = system.add_account_by_hand("ada", BTreeMap::new());
    let session = system.open_session_by_hand(&ada.anchor).expect("she can sign in");
    write(&mut system, Operation::Disable { account: ada.clone() })?;
    assert!(!system.session_works(&session));
    assert_eq!(system.open_session_by_hand(&ada.anchor), None);
    write(&mut system, Operation::Enable { account: ada.clone() })?;
    assert!(system.session_works(&session));
    write(&mut system, Operation::EndSessions { account: ada })?;
    assert!(!system.session_works(&session));
    Ok(())
}

#[test]
fn a_repeated_key_is_recognised_only_where_that_is_declared() -> Result<(), Error> {
    for idempotent in [false, true] {
        let mut system = System::new(Shape { idempotent, ..Shape::default() });
        let create = Operation::Create(Create {
            kind: "user".into(),
            username: "ada".into(),
            attributes: BTreeMap::new(),
            identity: "p-1".into(),
        });
        let same = IdempotencyKey("same".into());
        system.apply(&create, &same)?;
        assert_eq!(system.apply(&create, &same).is_ok(), idempotent);
        assert_eq!(system.accounts().count(), 1);
    }
    Ok(())
}
