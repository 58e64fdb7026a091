//! The index answers from the log, and can be thrown away at any time.

use provost_audit::index::{Held, Holder, Index, Query};
use provost_audit::{Kind, Record, View, account_path};
use serde_json::{Value, json};

use crate::kit::{World, at, drift, intent, outcome};

fn index(world: &World) -> Index {
    Index::open(&world.state().join("index.sqlite")).unwrap()
}

fn query(subject: &str) -> Query {
    Query { subject: Some(subject.to_owned()), ..Query::default() }
}

#[test]
fn history_is_answered_newest_first_and_caught_up_step_by_step() {
    let world = World::new();
    let mut log = world.create();
    let seq = log.record(&[intent("op", "Ada Öse")]).unwrap()[0].seq;
    let first = log.record(&[outcome(seq, "op", "Ada Öse", "x"), drift("p-2", "y")]).unwrap();
    let tip = log.flush().unwrap().commit;
    let mut index = index(&world);
    let mut seen = (0, 0);
    assert_eq!(index.catch_up(&world.repository(), tip, |done, total| seen = (done, total)).unwrap(), 4);
    assert_eq!(seen, (4, 4));
    assert_eq!(index.catch_up(&world.repository(), tip, |_, _| {}).unwrap(), 0);
    let mut drifted = drift("Ada Öse", "z");
    drifted.at = at(500);
    log.record(&[drifted]).unwrap();
    let tip = log.flush().unwrap().commit;
    assert_eq!(index.catch_up(&world.repository(), tip, |_, _| {}).unwrap(), 1);
    assert_eq!(index.tip().unwrap(), Some(tip));

    let history = index.history(&query("Ada Öse")).unwrap();
    assert_eq!(history.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [5, 3]);
    assert_eq!((history[1].intent, history[1].commit), (Some(seq), first[0].commit));
    assert_eq!(history[1].kind, "outcome-applied");
    let of = |query: Query| index.history(&query).unwrap().iter().map(|entry| entry.seq).collect::<Vec<_>>();
    let late = at(100).as_second();
    assert_eq!(of(Query { from: Some(late), ..query("Ada Öse") }), [5]);
    assert_eq!(of(Query { to: Some(late), ..query("Ada Öse") }), [3]);
    assert_eq!(of(Query { target: Some("forge".to_owned()), ..Query::default() }), [5, 4, 3]);
    assert_eq!(of(Query { kind: Some("outcome".to_owned()), ..Query::default() }), [3]);
    assert_eq!(of(Query { limit: 2, ..Query::default() }), [5, 4]);
    assert_eq!(of(Query { limit: 2, before: Some(4), ..Query::default() }), [3, 2]);
    assert!(index.is_used("p-2").unwrap() && !index.is_used("p-3").unwrap());
    assert_eq!(index.used_subjects().unwrap().len(), 2);
}

#[test]
fn the_state_at_an_instant_is_the_tree_of_its_last_record() {
    let world = World::new();
    let mut log = world.create();
    for (second, content) in [(10, "first"), (20, "second")] {
        let mut record = drift("p-1", content);
        record.at = at(second);
        log.record(&[record]).unwrap();
    }
    let tip = log.flush().unwrap().commit;
    let mut index = index(&world);
    index.catch_up(&world.repository(), tip, |_, _| {}).unwrap();
    let path = account_path("forge", "p-1");
    let content_at = |second| {
        let entry = index.at(at(second).as_second()).unwrap()?;
        View::at(&world.repository(), entry.commit).unwrap().read(path.as_str()).unwrap()
    };
    assert_eq!(content_at(-1), None);
    assert_eq!(content_at(5), None);
    assert_eq!(content_at(15).unwrap(), b"first");
    assert_eq!(content_at(20).unwrap(), b"second");
    let mut files = Vec::new();
    View::at(&world.repository(), tip)
        .unwrap()
        .for_each("live", |path, _| {
            files.push(path.to_owned());
            Ok(())
        })
        .unwrap();
    assert_eq!(files, [path.as_str()]);
}

#[test]
fn an_index_of_another_history_or_no_index_at_all_is_made_again() {
    let world = World::new();
    let mut log = world.create();
    log.record(&[drift("p-1", "x"), drift("p-2", "x")]).unwrap();
    let tip = log.flush().unwrap().commit;
    let mut index = index(&world);
    index.catch_up(&world.repository(), tip, |_, _| {}).unwrap();

    let other = World::new();
    let mut foreign = other.create();
    foreign.record(&[drift("p-9", "x")]).unwrap();
    let foreign_tip = foreign.flush().unwrap().commit;
    assert_eq!(index.catch_up(&other.repository(), foreign_tip, |_, _| {}).unwrap(), 2);
    assert_eq!(index.used_subjects().unwrap(), ["p-9"]);
    drop(index);

    let path = world.state().join("index.sqlite");
    for damage in [&b"no database at all, but longer than a header of one would have to be"[..], b""] {
        for side in ["index.sqlite-wal", "index.sqlite-shm"] {
            let _ = std::fs::remove_file(world.state().join(side));
        }
        std::fs::write(&path, damage).unwrap();
        let mut index = Index::open(&path).unwrap();
        assert_eq!(index.tip().unwrap(), None);
        index.catch_up(&world.repository(), tip, |_, _| {}).unwrap();
        assert_eq!(index.records().unwrap(), 3);
    }
}

/// An account that holds groups, as the daemon writes it.
fn account(name: &str, identity: Option<&str>, groups: &[&str]) -> Value {
    let held: Vec<Value> =
        groups.iter().map(|group| json!({ "kind": "group", "name": group, "anchor": "g" })).collect();
    let mut account = json!({ "anchor": "u-1", "kind": "user", "username": name, "entitlements": held });
    if let Some(identity) = identity {
        account["link"] = json!({ "identity": identity });
    }
    account
}

/// A record that shows an account, in its files alone.
fn seen(account: Option<&Value>) -> Record {
    let mut record = Record::new(Kind::Drift, at(3), "drift");
    let content = account.map(|account| format!("{account:#}\n").into_bytes());
    record.changes = vec![(account_path("forge", "u-1"), content)];
    record
}

#[test]
fn who_held_something_is_known_for_every_record_and_by_whatever_kind_it_was_shown() {
    let world = World::new();
    let mut log = world.create();
    let stranger = account("ada", None, &["eng", "ops"]);
    log.record(&[seen(Some(&stranger)), drift("p-2", "no account")]).unwrap();
    let linked = account("ada", Some("p-1"), &["eng", "ops"]);
    log.record(&[seen(Some(&linked))]).unwrap();
    let intent = log.record(&[intent("op", "p-1")]).unwrap()[0].seq;
    let fewer = account("ada", Some("p-1"), &["ops"]);
    let mut revoked = outcome(intent, "op", "p-1", "x");
    let left = |groups: &[&str]| json!({ "anchor": "u-1", "entitlements": account("", None, groups)["entitlements"] });
    revoked.body = json!({ "verb": "revoke", "before": left(&["eng"]), "after": left(&[]) });
    revoked.changes = seen(Some(&fewer)).changes;
    log.record(&[revoked]).unwrap();
    let mut index = index(&world);
    let tip = log.flush().unwrap().commit;
    index.catch_up(&world.repository(), tip, |_, _| {}).unwrap();
    log.record(&[seen(None)]).unwrap();
    let tip = log.flush().unwrap().commit;
    // The rest in a second step, which begins from the tree of the first one's last record.
    index.catch_up(&world.repository(), tip, |_, _| {}).unwrap();

    let held = |kind, name| Held { kind, name, role: None };
    let of = |held: Option<Held<'_>>| -> Vec<Option<Option<String>>> {
        let one = |seq| -> Option<Option<String>> {
            let holders = index.holders("forge", held, seq).unwrap();
            assert!(holders.len() <= 1, "{holders:?}");
            holders.into_iter().next().map(|Holder { identity, account, .. }| {
                assert_eq!(account.as_deref(), Some("ada"));
                identity
            })
        };
        (1..=7).map(one).collect()
    };
    let (nobody, stranger, ada) = (None, Some(None), Some(Some("p-1".to_owned())));
    let until_revoked = [&nobody, &stranger, &stranger, &ada, &ada, &nobody, &nobody].map(Clone::clone);
    assert_eq!(of(Some(held(Some("group"), "eng"))), until_revoked);
    assert_eq!(of(Some(held(None, "eng"))), until_revoked);
    let until_gone = [&nobody, &stranger, &stranger, &ada, &ada, &ada, &nobody].map(Clone::clone);
    assert_eq!(of(Some(held(Some("group"), "ops"))), until_gone);
    assert_eq!(of(None), until_gone);
    assert_eq!(of(Some(held(Some("team"), "eng"))), [(); 7].map(|()| None));
    assert_eq!(index.holders("tickets", None, 4).unwrap(), []);
    assert_eq!(
        index.holders("forge", Some(held(None, "ops")), 4).unwrap()[0].since,
        4,
        "whose it is began there"
    );
}
