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
