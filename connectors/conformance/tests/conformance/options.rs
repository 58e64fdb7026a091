//! The section `conformance:` of a Target file, and the report as JSON.

use std::time::Duration;

use provost_conformance::{Options, Section, run};
use provost_memory::{MemoryConnector, World};
use provost_sdk::{Settings, Value};
use serde_json::json;

fn section(value: serde_json::Value) -> Result<Options, String> {
    let section: Section = serde_json::from_value(value).map_err(|error| error.to_string())?;
    section.options()
}

#[test]
fn everything_that_the_section_may_hold_is_used() -> Result<(), String> {
    let options = section(json!({
        "kind": "user",
        "entitlements": [{"group": "testers"}, {"group": "painters"}],
        "attributes": {"shell": ["/bin/sh", "/bin/bash"]},
        "only": ["grant"],
        "accounts": 10,
        "members": 0,
        "timeout": 5,
    }))?;
    assert_eq!(options.kind.as_deref(), Some("user"));
    assert_eq!(
        options.entitlements,
        [("group".into(), "testers".into()), ("group".into(), "painters".into())]
    );
    assert_eq!(options.attributes["shell"], [Value::from("/bin/sh"), Value::from("/bin/bash")]);
    assert_eq!((options.accounts, options.members), (10, 0));
    assert_eq!(options.timeout, Duration::from_secs(5));
    Ok(())
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_sentence() {
    for (value, part) in [
        (json!({"entitlements": [{"group": "a", "project": "b"}]}), "2 fields"),
        (json!({"entitlements": [{}]}), "0 fields"),
        (json!({"attributes": {"title": ["one"]}}), "two different values"),
        (json!({"only": ["no-such-chapter"]}), "no chapter `no-such-chapter`"),
        (json!({"account": 3}), "unknown field `account`"),
    ] {
        let message = section(value.clone()).expect_err("it cannot be meant");
        assert!(message.contains(part), "{value}: {message}");
    }
}

#[tokio::test]
async fn entitlements_that_are_named_are_used_and_left_as_they_were() {
    let connector = MemoryConnector::new(World::default());
    let config = json!({"name": "named"}).as_object().cloned().unwrap_or_default();
    let settings = Settings { target: "named".into(), config, ..Settings::default() };
    let handle = connector.open(&settings).expect("the settings are sound");
    let options = {
        let mut system = handle.system();
        let old = system.add_account_by_hand("old-hand", Default::default());
        let held = system.add_entitlement_by_hand("group", "testers");
        let key = provost_sdk::EntitlementKey { kind: held.kind, anchor: held.anchor, role: None };
        system.add_member_by_hand(&old.anchor, &key);
        system.add_entitlement_by_hand("group", "painters");
        let entitlements = ["testers", "painters"].map(|name| ("group".to_owned(), name.to_owned()));
        Options { entitlements: entitlements.into(), accounts: 0, members: 0, ..Options::default() }
    };
    let before = format!("{:?}", handle.system().accounts().collect::<Vec<_>>());
    let report = run(&connector, &settings, &options, &mut |_| ()).await;
    assert!(report.passed(), "{:#?}", report.failures().collect::<Vec<_>>());
    let used = |done: &provost_memory::Mutation| {
        done.operation.entitlement().is_some_and(|entitlement| entitlement.name == "painters")
    };
    assert!(handle.system().ledger().iter().any(used));
    let after = format!("{:?}", handle.system().accounts().collect::<Vec<_>>());
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_report_is_one_json_object_with_a_line_for_each_chapter() {
    let connector = MemoryConnector::new(World::default());
    let config = json!({"name": "json", "without": ["create"]}).as_object().cloned().unwrap_or_default();
    let settings = Settings { target: "json".into(), config, ..Settings::default() };
    let mut seen = Vec::new();
    let options = Options { only: vec!["create".into()], ..Options::default() };
    let report = run(&connector, &settings, &options, &mut |chapter| seen.push(chapter.chapter)).await;
    assert_eq!(seen, ["before", "create", "after"]);
    let mut value = serde_json::to_value(&report).expect("a report is plain data");
    for chapter in value["chapters"].as_array_mut().expect("there are chapters") {
        chapter["seconds"] = json!(0);
        chapter["about"] = json!("");
    }
    assert_eq!(value["connector"], "memory");
    assert_eq!(
        value["chapters"],
        json!([
            {"chapter": "before", "about": "", "result": "passed", "seconds": 0},
            {
                "chapter": "create", "about": "", "result": "not-applicable",
                "missing": "the operation create", "seconds": 0
            },
            {"chapter": "after", "about": "", "result": "passed", "seconds": 0},
        ])
    );
}
