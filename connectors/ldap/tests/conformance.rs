//! The conformance suite against OpenLDAP and Active Directory.

use provost_conformance::{Options, Verdict, run};
use provost_sdk::{Settings, Value};

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
