//! The conformance suite against OpenLDAP and Active Directory.

use provost_conformance::proxy::{Fault, Script, TcpProxy};
use provost_conformance::{Options, Verdict, run};
use provost_sdk::{Settings, Value};

use serde_json::json;

use crate::system::System;

async fn passes(settings: &Settings, options: &Options) {
    let report = run(&provost_ldap::Ldap::new(), settings, options, &mut |chapter| {
        let verdict = match &chapter.verdict {
            Verdict::NotApplicable { missing } => format!("needs {missing}"),
            verdict => format!("{verdict:?}"),
        };
        eprintln!("{:>8.2} s  {}: {verdict}", chapter.seconds, chapter.chapter);
    })
    .await;
    assert!(report.passed(), "{:#?}", report.failures().collect::<Vec<_>>());
}

fn options() -> Options {
    let instants = ["2051-01-31T17:00:00Z", "2052-02-29T00:00:00Z"];
    Options {
        attributes: [("expires".to_owned(), instants.map(Value::from).to_vec())].into(),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openldap_passes_the_suite_with_the_least_privileges_over_starttls() {
    let system = System::openldap("unlimited").await;
    let settings = system.settings("URL", &system.setting("USER_DN"), &system.setting("USER_PASSWORD"));
    let options = Options {
        read_only: Some(system.settings("URL", "cn=reader,dc=example,dc=org", "readerpw")),
        blind: Some(system.settings("URL", "cn=blind,dc=example,dc=org", "blindpw")),
        ..options()
    };
    passes(&settings, &options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn active_directory_passes_the_suite_over_ldaps() {
    let system = System::active_directory().await;
    let options = Options { accounts: 0, members: 0, ..options() };
    passes(&system.administrator("LDAPS_URL"), &options).await;
}

/// The same behind faults, with 300 accounts on small pages.
async fn passes_behind_faults(mut settings: Settings, one_in: u32) {
    let url = settings.text("url").unwrap().to_owned();
    let (scheme, upstream) = url.split_once("://").unwrap();
    let script = Script::Seeded { seed: 1, one_in, faults: Fault::of_connections() };
    let proxy = TcpProxy::start(upstream, script).await.unwrap();
    settings.config.insert("url".into(), json!(format!("{scheme}://{}", proxy.address())));
    settings.config.insert("page_size".into(), json!(50));
    passes(&settings, &Options { accounts: 300, members: 300, ..options() }).await;
    let faults = proxy.faults();
    eprintln!("{} requests, {faults:?}", proxy.requests());
    assert!(faults.len() == Fault::of_connections().len(), "a fault never happened: {faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openldap_passes_the_suite_behind_faults() {
    let system = System::openldap("unlimited").await;
    passes_behind_faults(system.administrator("LDAPS_URL"), 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn active_directory_passes_the_suite_behind_faults() {
    let system = System::active_directory().await;
    passes_behind_faults(system.administrator("LDAPS_URL"), 40).await;
}
