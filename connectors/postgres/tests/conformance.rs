//! The conformance suite: once in full with 1,500 accounts and a group of 2,000, with the least privileges, and behind
//! the proxy of faults.

use provost_conformance::proxy::{Fault, Script, TcpProxy};
use provost_conformance::{Options, Verdict, run};
use provost_sdk::{Settings, Value};

use crate::system::System;

async fn passes(settings: &Settings, read_only: Option<Settings>, accounts: usize, members: usize) {
    let values = |two: [&str; 2]| two.map(Value::from).to_vec();
    let options = Options {
        attributes: [
            ("connection_limit".to_owned(), values(["5", "7"])),
            ("valid_until".to_owned(), values(["2131-01-31T17:00:00Z", "2132-02-29T00:00:00Z"])),
        ]
        .into(),
        read_only,
        accounts,
        members,
        ..Options::default()
    };
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

async fn passes_as_a_superuser(system: &System) {
    system.run("CREATE ROLE reader LOGIN PASSWORD 'readerpw'").await;
    let reader = system.settings("reader", "readerpw");
    passes(&system.settings("admin", "adminpw"), Some(reader), 1_500, 2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_as_a_superuser() {
    passes_as_a_superuser(&System::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_as_a_superuser_on_a_server_with_membership_options() {
    passes_as_a_superuser(&System::newer().await).await;
}

async fn passes_with_the_least_privileges(system: &System) {
    system
        .run(
            "CREATE ROLE provost LOGIN CREATEROLE CREATEDB PASSWORD 'provostpw';
             GRANT pg_signal_backend TO provost;
             GRANT CREATE ON DATABASE postgres TO provost",
        )
        .await;
    passes(&system.settings("provost", "provostpw"), None, 0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_with_the_least_privileges() {
    passes_with_the_least_privileges(&System::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_with_the_least_privileges_on_a_server_with_membership_options() {
    passes_with_the_least_privileges(&System::newer().await).await;
}

/// There are no pages to make small: everything is read in a handful of queries.
#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_behind_faults() {
    let system = System::start().await;
    let mut settings = system.settings("admin", "adminpw");
    let upstream =
        format!("{}:{}", settings.text("host").unwrap(), settings.number("port").unwrap().unwrap());
    let script = Script::Seeded { seed: 1, one_in: 40, faults: Fault::of_connections() };
    let proxy = TcpProxy::start(&upstream, script).await.unwrap();
    settings.config.insert("port".to_owned(), proxy.address().port().into());
    passes(&settings, None, 300, 300).await;
    let faults = proxy.faults();
    eprintln!("{} requests, {faults:?}", proxy.requests());
    assert!(faults.len() == Fault::of_connections().len(), "a fault never happened: {faults:?}");
}
