//! The conformance suite is green in every shape that a system can have.

use std::collections::BTreeMap;
use std::time::Duration;

use provost_conformance::{Options, Report, Verdict, run};
use provost_memory::{MemoryConnector, Rights, World};
use provost_sdk::{SecretString, Settings};
use serde_json::{Value, json};

fn settings(config: Value) -> Settings {
    let Value::Object(config) = config else { panic!("The configuration of a target is a map.") };
    Settings { target: "memory".into(), config, ..Settings::default() }
}

async fn told(connector: &MemoryConnector, settings: &Settings, options: &Options) -> Report {
    let report = run(connector, settings, options, &mut |_| ()).await;
    let failures: BTreeMap<_, _> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
    report
}

/// The chapters that were not told, each with what was missing.
fn left_out(report: &Report) -> BTreeMap<&str, &str> {
    let missing = report.chapters.iter().filter_map(|chapter| match &chapter.verdict {
        Verdict::NotApplicable { missing } => Some((chapter.chapter, missing.as_str())),
        Verdict::Passed | Verdict::Failed { .. } => None,
    });
    missing.collect()
}

fn small() -> Options {
    Options { accounts: 30, members: 40, timeout: Duration::from_secs(60), ..Options::default() }
}

#[tokio::test]
async fn a_system_that_can_do_everything_passes_every_chapter() {
    let connector = MemoryConnector::new(World::default());
    let mut settings = settings(json!({"name": "whole"}));
    settings.secrets.insert("token".into(), SecretString::from("right"));
    let with_token = |token: &str| {
        let mut other = settings.clone();
        other.secrets.insert("token".into(), SecretString::from(token));
        Some(other)
    };
    let options = Options { read_only: with_token("reader"), blind: with_token("blind"), ..small() };
    let handle = connector.open(&settings).expect("the settings are sound");
    handle.allow("right", Rights::All);
    handle.allow("reader", Rights::Read);
    handle.allow("blind", Rights::Nothing);
    let report = told(&connector, &settings, &options).await;
    assert_eq!(left_out(&report), BTreeMap::from([("idempotency", "idempotency keys")]));
    assert_eq!(handle.system().accounts().count(), 0);
    assert_eq!(handle.system().entitlements().count(), 0);
}

#[tokio::test]
async fn every_shape_passes_the_chapters_that_it_declares() {
    for (name, config, missing) in [
        ("exact", json!({"usernames": "exact"}), vec![]),
        ("with-entitlement", json!({"tells": "with-entitlement"}), vec![]),
        ("no-delta", json!({"delta": false}), vec!["delta"]),
        ("no-rename", json!({"without": ["rename"]}), vec!["rename"]),
        ("no-update", json!({"without": ["update"]}), vec!["attributes", "odd-values"]),
        ("no-delete", json!({"without": ["delete"]}), vec!["delete", "gone"]),
        ("no-replace", json!({"without": ["replace"]}), vec!["replace"]),
        ("no-disable", json!({"without": ["disable", "enable"]}), vec!["disable", "enable"]),
        ("no-sessions", json!({"without": ["end-sessions"]}), vec!["sessions"]),
        ("no-transfer", json!({"without": ["transfer"]}), vec!["transfer"]),
        ("no-rotation", json!({"without": ["rotate-credential"]}), vec![]),
        (
            "no-credentials",
            json!({"without": ["issue-credential", "rotate-credential", "revoke-credential"]}),
            vec!["credentials"],
        ),
        (
            "no-grants",
            json!({"without": ["grant", "revoke"]}),
            vec!["grant", "large-group", "last-member", "nesting", "revoke", "roles"],
        ),
    ] {
        let mut config = config;
        config["name"] = json!(name);
        let connector = MemoryConnector::new(World::default());
        let report = told(&connector, &settings(config), &small()).await;
        let always = ["idempotency", "wrong-credential", "read-only", "blind"];
        let left_out: Vec<&str> =
            left_out(&report).into_keys().filter(|chapter| !always.contains(chapter)).collect();
        assert_eq!(left_out, missing, "{name}");
    }
}

#[tokio::test]
async fn a_system_that_recognises_keys_and_ends_sessions_on_disabling_passes_too() {
    let connector = MemoryConnector::new(World::default());
    let settings = settings(json!({"name": "thorough", "idempotent": true, "disable_ends_sessions": true}));
    let report = told(&connector, &settings, &small()).await;
    assert!(!left_out(&report).contains_key("idempotency"));
    assert!(!left_out(&report).contains_key("sessions"));
}

#[tokio::test]
async fn the_large_chapters_pass_at_their_full_size() {
    let connector = MemoryConnector::new(World::default());
    let only = vec!["many-accounts".into(), "large-group".into()];
    told(&connector, &settings(json!({"name": "large"})), &Options { only, ..Options::default() }).await;
}

#[tokio::test]
async fn what_was_there_before_is_left_as_it_was() {
    let connector = MemoryConnector::new(World::default());
    let settings = settings(json!({"name": "brownfield"}));
    let handle = connector.open(&settings).expect("the settings are sound");
    {
        let mut system = handle.system();
        let group = system.add_entitlement_by_hand("group", "veterans");
        for name in ["*", "%", "old-hand"] {
            let account = system.add_account_by_hand(name, BTreeMap::new());
            let key = provost_sdk::EntitlementKey {
                kind: "group".into(),
                anchor: group.anchor.clone(),
                role: None,
            };
            system.add_member_by_hand(&account.anchor, &key);
        }
    }
    let before = format!("{:?}", handle.system().accounts().collect::<Vec<_>>());
    told(&connector, &settings, &small()).await;
    assert_eq!(before, format!("{:?}", handle.system().accounts().collect::<Vec<_>>()));
    assert_eq!(handle.system().entitlements().count(), 1);
}

#[test]
fn settings_that_cannot_work_say_what_they_should_be() {
    use provost_sdk::{Connector, ErrorKind};
    for (config, part) in [
        (json!({}), "`name`"),
        (json!({"name": "x", "usernames": "sometimes"}), "`exact` or `ignore-case`"),
        (json!({"name": "x", "tells": "nothing"}), "`with-account` or `with-entitlement`"),
        (json!({"name": "x", "without": ["dance"]}), "a list of operations"),
        (json!({"name": "x", "delta": "yes"}), "true or false"),
    ] {
        let connector = MemoryConnector::new(World::default());
        let error = connector.reader(&settings(config.clone())).err().expect("it cannot work");
        assert_eq!(error.kind, ErrorKind::Configuration);
        assert!(error.message.contains(part), "{config}: {error}");
    }
}
