//! The suite, which is the same for every connector.

use provost_conformance::{Options, Report, Verdict, run};
use provost_exec::Exec;
use provost_sdk::Settings;
use serde_json::json;

use crate::files::Files;

async fn told(settings: &Settings, options: &Options) -> Report {
    let report = run(&Exec, settings, options, &mut |chapter| {
        let verdict = match &chapter.verdict {
            Verdict::NotApplicable { missing } => format!("needs {missing}"),
            verdict => format!("{verdict:?}"),
        };
        eprintln!("{:>8.2} s  {}: {verdict}", chapter.seconds, chapter.chapter);
    })
    .await;
    assert!(report.passed(), "{:#?}", report.failures().collect::<Vec<_>>());
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_passes_in_full() {
    let files = Files::new();
    let options = Options {
        read_only: Some(files.settings("read")),
        blind: Some(files.settings("blind")),
        ..Options::default()
    };
    let report = told(&files.settings("all"), &options).await;
    let left_out: Vec<&str> = report
        .chapters
        .iter()
        .filter(|chapter| matches!(chapter.verdict, Verdict::NotApplicable { .. }))
        .map(|chapter| chapter.chapter)
        .collect();
    assert_eq!(left_out, ["replace", "transfer"]);
}

/// Every fault that passes by itself. The handshake's have tests of their own.
const FAULTS: [&str; 13] = [
    "rate-limit",
    "unavailable",
    "cut-before",
    "cut-after",
    "short-page",
    "repeated-page",
    "did-nothing",
    "slow",
    "garbage",
    "duplicate-answer",
    "wrong-id",
    "oversize-line",
    "exit-between",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_example_passes_behind_every_fault() {
    let files = Files::new();
    // Most faults cost a new process, and with it a tenth of a second.
    let mut settings = files.faulty("all", &json!({"seed": 7, "one_in": 30, "faults": FAULTS}));
    settings.config.insert("options".to_owned(), json!({"page": 50}));
    let options = Options { accounts: 300, members: 300, ..Options::default() };
    told(&settings, &options).await;
    let counted = files.counted();
    let met: Vec<&str> =
        FAULTS.into_iter().filter(|fault| counted["counts"][fault].as_u64() > Some(0)).collect();
    assert_eq!(met, FAULTS, "{counted}");
    eprintln!("{} calls, faults {}", counted["calls"], counted["counts"]);
}

#[test]
fn the_faults_are_called_what_the_suite_calls_them() {
    for fault in provost_conformance::proxy::Fault::all() {
        assert!(FAULTS.contains(&fault.name()), "{}", fault.name());
    }
}
