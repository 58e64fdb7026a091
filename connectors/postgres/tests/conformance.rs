//! The conformance suite in full: 1,500 accounts, a group of 2,000.

use provost_conformance::{Options, Verdict, run};
use provost_sdk::{Settings, Value};

use crate::system::System;

async fn passes(settings: &Settings, read_only: Option<Settings>, large: bool) {
    let values = |two: [&str; 2]| two.map(Value::from).to_vec();
    let mut options = Options {
        attributes: [
            ("connection_limit".to_owned(), values(["5", "7"])),
            ("valid_until".to_owned(), values(["2131-01-31T17:00:00Z", "2132-02-29T00:00:00Z"])),
        ]
        .into(),
        read_only,
        ..Options::default()
    };
    if !large {
        (options.accounts, options.members) = (0, 0);
    }
    let report = run(&provost_postgres::Postgres::new(), settings, &options, &mut |chapter| {
        let verdict = match &chapter.verdict {
            Verdict::NotApplicable { missing } => format!("needs {missing}"),
            verdict => format!("{verdict:?}"),
        };
        eprintln!("{:>8.2} s  {}: {verdict}", chapter.seconds, chapter.chapter);
    })
    .await;
    assert!(report.passed(), "{:#?}", report.failures().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_as_a_superuser() {
    let system = System::start().await;
    system.run("CREATE ROLE reader LOGIN PASSWORD 'readerpw'").await;
    let reader = system.settings("reader", "readerpw");
    passes(&system.settings("admin", "adminpw"), Some(reader), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_with_the_least_privileges() {
    let system = System::start().await;
    system
        .run(
            "CREATE ROLE provost LOGIN CREATEROLE CREATEDB PASSWORD 'provostpw';
             GRANT pg_signal_backend TO provost;
             GRANT CREATE ON DATABASE postgres TO provost",
        )
        .await;
    passes(&system.settings("provost", "provostpw"), None, false).await;
}
