//! The suite is as patient as the daemon: what passes by itself, and what may have landed, fails no chapter.

use std::collections::BTreeMap;
use std::time::Duration;

use provost_conformance::{Options, Report, run};
use provost_memory::{Faults, MemoryConnector, ReadFault, World, WriteFault};
use provost_sdk::{ErrorKind, Settings};
use serde_json::json;

/// Tells the story on a system where so many calls meet these faults in turn.
async fn told(every: usize, writes: &[WriteFault], reads: &[ReadFault]) -> (Report, u64) {
    let connector = MemoryConnector::new(World::default());
    let config = json!({"name": "faulty"}).as_object().cloned().unwrap_or_default();
    let settings = Settings { target: "faulty".into(), config, ..Settings::default() };
    let handle = connector.open(&settings).expect("the settings are sound");
    handle.system().faults = Faults {
        writes: (1..).step_by(every).zip(writes.iter().cycle().cloned()).take(1_000).collect(),
        reads: (3..).step_by(every).zip(reads.iter().cycle().cloned()).take(1_000).collect(),
        ..Faults::default()
    };
    let options =
        Options { accounts: 30, members: 30, timeout: Duration::from_secs(60), ..Options::default() };
    let report = run(&connector, &settings, &options, &mut |_| ()).await;
    let writes = handle.system().writes();
    assert_eq!(handle.system().accounts().count(), 0, "everything was taken away again");
    (report, writes)
}

#[tokio::test]
async fn calls_that_fail_for_a_while_are_tried_again() {
    let fails = [
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Conflict,
        ErrorKind::RateLimited { until: None },
        ErrorKind::InvalidResponse,
    ];
    let writes = fails.clone().map(WriteFault::Fail);
    let reads = [&fails.map(ReadFault::Fail)[..], &[ReadFault::Partial(2)]].concat();
    let (report, _) = told(9, &writes, &reads).await;
    let failed: BTreeMap<_, _> = report.failures().collect();
    assert!(report.passed(), "{failed:#?}");
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_a_lost_request_sent_again() {
    let (report, _) = told(5, &[WriteFault::LoseAnswer, WriteFault::LoseRequest], &[]).await;
    let failed: BTreeMap<_, _> = report.failures().collect();
    assert!(report.passed(), "{failed:#?}");
}

/// Incident 15 of docs/INCIDENTS.md.
#[tokio::test]
async fn a_success_that_did_nothing_is_never_taken_for_one() {
    let (report, writes) = told(7, &[WriteFault::Lie], &[]).await;
    assert!(writes > 100);
    assert!(report.failures().count() > 5, "{:#?}", report.chapters);
}

#[tokio::test]
async fn a_read_that_says_it_is_whole_and_is_not_fails_the_chapter() {
    for lie in [ReadFault::Empty, ReadFault::Shrunken(0)] {
        let (report, _) = told(11, &[], std::slice::from_ref(&lie)).await;
        assert!(!report.passed(), "{lie:?}");
    }
}

#[tokio::test]
async fn a_system_that_is_down_fails_at_once_and_says_why() {
    let connector = MemoryConnector::new(World::default());
    let config = json!({"name": "down"}).as_object().cloned().unwrap_or_default();
    let settings = Settings { target: "down".into(), config, ..Settings::default() };
    connector.open(&settings).expect("the settings are sound").system().faults = Faults::down();
    let options = Options { attempts: 2, ..Options::default() };
    let report = run(&connector, &settings, &options, &mut |_| ()).await;
    let failed: BTreeMap<_, _> = report.failures().collect();
    assert!(failed["probe"].contains("Unavailable"), "{failed:#?}");
    assert!(!report.passed());
}

#[tokio::test]
async fn settings_that_cannot_work_are_one_failed_chapter() {
    let connector = MemoryConnector::new(World::default());
    let report = run(&connector, &Settings::default(), &Options::default(), &mut |_| ()).await;
    let failed: BTreeMap<_, _> = report.failures().collect();
    assert_eq!(failed.keys().collect::<Vec<_>>(), [&"probe"]);
    assert!(failed["probe"].contains("`name`"), "{failed:#?}");
}
