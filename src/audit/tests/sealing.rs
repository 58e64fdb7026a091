//! Personal data are in the log only sealed; who has the key reads them, and without it nobody does.

use std::sync::Arc;

use jiff::SignedDuration;
use provost_audit::allowed::AllowedSigners;
use provost_audit::verify::{Options, verify};
use provost_audit::{IntentItem, Kind, Log, OutcomeResult, Record, Vault, account_path, leave_out_sealed};
use serde_json::{Value, json};

use crate::kit::{World, at};

const ADDRESS: &str = "ada.osei@example.com";

fn vault(world: &World) -> Arc<Vault> {
    Arc::new(Vault::open(&world.state(), ["email".to_owned()]).unwrap())
}

fn protected(world: &World) -> Log {
    let mut log = world.create();
    log.protect(vault(world));
    log
}

fn account(address: &str) -> Value {
    json!({
        "anchor": "u-17", "kind": "user", "username": "aosei",
        "attributes": { "email": address, "department": "engineering" },
        "link": { "identity": "p-1042", "profile": "main" },
    })
}

/// An intent that sets the address, and its outcome with the account before and after.
fn change(log: &mut Log, address: &str) {
    let mut intent = Record::new(Kind::Intent, at(1), "update email for p-1042");
    intent.items.push(IntentItem {
        operation: "op".to_owned(),
        target: "forge".to_owned(),
        subject: "p-1042".to_owned(),
        not_after: at(1) + SignedDuration::from_secs(60),
        call: json!({ "operation": { "changes": { "email": address }, "operation": "update" } }),
    });
    let seq = log.record(&[intent]).unwrap()[0].seq;
    let mut outcome = Record::new(Kind::Outcome(OutcomeResult::Applied), at(2), "update email for p-1042");
    outcome.target = Some("forge".to_owned());
    outcome.subject = Some("p-1042".to_owned());
    outcome.intent = Some(seq);
    outcome.operation = Some("op".to_owned());
    outcome.body = json!({ "before": account("old@example.com"), "after": account(address) });
    let file = format!("{:#}\n", account(address)).into_bytes();
    outcome.changes = vec![(account_path("forge", "u-17"), Some(file))];
    log.record(&[outcome]).unwrap();
}

/// Every byte of every object of the repository, and the journal's.
fn everything(world: &World) -> String {
    let objects = world.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    let mut all = String::new();
    for id in objects.lines() {
        // Trees are names and ids.
        if world.git(&["cat-file", "-t", id]).trim() != "tree" {
            all += &world.git(&["cat-file", "-p", id]);
        }
    }
    all
}

fn live(log: &Log) -> Value {
    let file = log.read(account_path("forge", "u-17").as_str()).unwrap().unwrap();
    serde_json::from_slice(&file).unwrap()
}

#[test]
fn what_is_personal_is_nowhere_in_the_log_and_read_by_whoever_has_the_key() {
    let world = World::new();
    let mut log = protected(&world);
    change(&mut log, ADDRESS);
    log.flush().unwrap();
    let all = everything(&world);
    assert!(all.contains("engineering") && all.contains("\"sealed\""), "{all}");
    assert!(!all.contains(ADDRESS) && !all.contains("old@example.com"), "{all}");
    drop(log);
    // Another process, later.
    let mut file = live(&world.open().0);
    vault(&world).open_sealed(&mut file).unwrap();
    assert_eq!(file, account(ADDRESS));
}

#[test]
fn an_intent_in_doubt_is_read_back_as_it_was_meant() {
    let world = World::new();
    let mut log = protected(&world);
    let mut intent = Record::new(Kind::Intent, at(1), "update");
    intent.items.push(IntentItem {
        operation: "op".to_owned(),
        target: "forge".to_owned(),
        subject: "p-1042".to_owned(),
        not_after: at(61),
        call: json!({ "changes": { "email": ADDRESS } }),
    });
    log.record(&[intent]).unwrap();
    drop(log);
    let (mut log, recovery) = world.open();
    assert!(!recovery.open[0].call.to_string().contains(ADDRESS));
    log.protect(vault(&world));
    assert_eq!(log.open_intents().unwrap()[0].call["changes"]["email"], ADDRESS);
}

#[test]
fn what_did_not_change_shows_no_difference_and_what_did_shows_that_alone() {
    let world = World::new();
    let mut log = protected(&world);
    change(&mut log, ADDRESS);
    let first = live(&log);
    change(&mut log, ADDRESS);
    assert_eq!(live(&log), first);
    change(&mut log, "other@example.com");
    assert_ne!(live(&log)["attributes"]["email"], first["attributes"]["email"]);
    log.flush().unwrap();
    let path = account_path("forge", "u-17");
    let touched = world.git(&["rev-list", "--count", "provost/audit", "--", path.as_str()]);
    assert_eq!(touched.trim(), "2");
}

#[test]
fn two_people_with_one_value_do_not_show_it() {
    let world = World::new();
    let mut log = protected(&world);
    let mut record = Record::new(Kind::Drift, at(1), "drift");
    record.target = Some("forge".to_owned());
    record.body = json!({ "accounts": [
        { "identity": "p-1", "fields": { "email": { "before": null, "after": ADDRESS } } },
        { "identity": "p-2", "fields": { "email": { "before": null, "after": ADDRESS } } },
        { "account": "u-3", "identity": null, "fields": { "email": { "before": null, "after": ADDRESS } } },
    ] });
    log.record(&[record]).unwrap();
    log.flush().unwrap();
    let text = world.git(&["log", "-1", "--format=%B", "provost/audit"]);
    let body: Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    let of = |n: usize| body["accounts"][n]["fields"]["email"]["sealed"].clone();
    assert_eq!(
        (&of(0)["of"], &of(1)["of"], &of(2)["of"]),
        (&json!("p-1"), &json!("p-2"), &json!("forge:u-3"))
    );
    assert_ne!(of(0)["hmac"], of(1)["hmac"]);
    assert_ne!(of(0)["text"], of(1)["text"]);
}

#[test]
fn a_destroyed_key_leaves_a_whole_log_in_which_nobody_reads_what_it_sealed() {
    let world = World::new();
    let mut log = protected(&world);
    change(&mut log, ADDRESS);
    log.flush().unwrap();
    drop(log);
    let keys = vault(&world);
    assert!(keys.erase("p-1042").unwrap());
    assert!(!keys.erase("p-1042").unwrap(), "there is only one");
    drop(keys);
    let (mut log, _) = world.open();
    log.protect(vault(&world));
    let mut erased = Record::new(Kind::Erasure, at(9), "personal data of p-1042 were erased");
    erased.subject = Some("p-1042".to_owned());
    log.record(&[erased]).unwrap();
    let tip = log.flush().unwrap().commit;
    let mut file = live(&log);
    vault(&world).open_sealed(&mut file).unwrap();
    let mut left = account(ADDRESS);
    left["attributes"].as_object_mut().unwrap().remove("email");
    assert_eq!(file, left);
    let mut without = live(&log);
    leave_out_sealed(&mut without);
    assert_eq!(without, left);
    let keys = AllowedSigners::parse(&world.key().allowed_signers_line()).unwrap();
    let options = Options { keys, objects: true, ..Options::default() };
    assert_eq!(verify(&world.repository(), tip, &options, |_, _| {}).unwrap().findings, []);
    // What is sealed from now on is under another key.
    let before = live(&log);
    change(&mut log, ADDRESS);
    assert_ne!(
        live(&log)["attributes"]["email"]["sealed"]["hmac"],
        before["attributes"]["email"]["sealed"]["hmac"]
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&keys_file(&world).metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_destroyed_key_is_overwritten_in_its_file() {
    let world = World::new();
    let mut log = protected(&world);
    change(&mut log, ADDRESS);
    let before = std::fs::read(keys_file(&world)).unwrap();
    let place = before.windows(6).position(|window| window == b"p-1042").unwrap();
    let key = before[place + 6..place + 38].to_vec();
    vault(&world).erase("p-1042").unwrap();
    let after = std::fs::read(keys_file(&world)).unwrap();
    assert!(!after.windows(32).any(|window| window == key));
}

fn keys_file(world: &World) -> std::path::PathBuf {
    world.state().join("personal-keys.sqlite")
}
