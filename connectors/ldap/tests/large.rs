//! Many entries: all of them are read, and what that costs is pages.

use std::fmt::Write as _;

use provost_sdk::{Anchor, Collected, Completeness, Connector, EntitlementKey, Item, Operation};
use serde_json::json;

use crate::quirks::{Ends, reference};
use crate::system::System;

const ACCOUNTS: usize = 10_000;
const GROUPS: usize = 200;
const MEMBERS: usize = 5_000;

/// As many accounts, a group with many of them, and the others with a few.
fn organisation() -> String {
    let mut ldif = String::new();
    let dn = |number: usize| format!("uid=u{number:05},ou=people,dc=example,dc=org");
    for number in 0..ACCOUNTS {
        let _infallible = write!(
            ldif,
            "dn: {}\nobjectClass: inetOrgPerson\nuid: u{number:05}\ncn: U {number}\nsn: U\nmail: u{number:05}@example.org\n\n",
            dn(number)
        );
    }
    for group in 0..GROUPS {
        let _infallible =
            write!(ldif, "dn: cn=g{group:03},ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\n");
        let members = if group == 0 { MEMBERS } else { 5 };
        for member in 0..members {
            let _infallible = writeln!(ldif, "member: {}", dn((group * 7 + member) % ACCOUNTS));
        }
        ldif.push('\n');
    }
    ldif
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_over_ten_thousand_accounts_costs_pages_and_a_delta_costs_changes() {
    let system = System::openldap_of(&organisation()).await;
    let mut settings = system.settings("URL", &system.setting("USER_DN"), &system.setting("USER_PASSWORD"));
    settings.config.insert("page_size".into(), json!(1_000));
    let ends = Ends::open(&settings);
    ends.reader.describe().await.unwrap();
    ends.reader.probe().await.unwrap();

    let before = system.searches();
    ends.reader.probe().await.unwrap();
    let (items, read) = ends.read().await;
    let calls = system.searches() - before;
    assert_eq!(read.completeness, Completeness::Complete);
    let accounts: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Account(account) => Some(account),
            _ => None,
        })
        .collect();
    assert_eq!(accounts.len(), ACCOUNTS);
    let members = |items: &[Item], wanted: usize| {
        let sizes = items.iter().filter_map(|item| match item {
            Item::Members { accounts, .. } => Some(accounts.len()),
            _ => None,
        });
        sizes.filter(|size| *size == wanted).count()
    };
    assert_eq!((members(&items, MEMBERS), members(&items, 5)), (1, GROUPS - 1));
    // The probe's 2, the cursor's 1, and a page for every thousand accounts and groups.
    assert_eq!(calls, 2 + 1 + ACCOUNTS.div_ceil(1_000) + GROUPS.div_ceil(1_000));

    // Three accounts and the large group change.
    let everybody = read.cursor.unwrap();
    let group = ends.group("group", "g000").await;
    let gone = accounts[0].clone();
    let of = |number: usize| {
        reference(accounts.iter().find(|account| account.username == format!("u{number:05}")).unwrap())
    };
    ends.apply(Operation::Disable { account: of(9_998) }).await.unwrap();
    ends.apply(Operation::Grant { account: of(9_999), entitlement: group.clone() }).await.unwrap();
    ends.apply(Operation::Delete { account: reference(&gone) }).await.unwrap();
    let before = system.searches();
    let mut sink = Collected::default();
    let read = ends.reader.observe(Some(&everybody), &mut sink).await.unwrap();
    let calls = system.searches() - before;
    assert_eq!(read.completeness, Completeness::Complete);
    // The cursor, and one synchronisation of accounts and one of groups.
    assert_eq!(calls, 3);
    let told = |wanted: &dyn Fn(&Item) -> bool| sink.items.iter().filter(|item| wanted(item)).count();
    assert_eq!(told(&|item| matches!(item, Item::Account(account) if account.username == "u09998")), 1);
    assert_eq!(told(&|item| matches!(item, Item::AccountGone(anchor) if *anchor == gone.anchor)), 1);
    let key = EntitlementKey { kind: group.kind, anchor: group.anchor, role: None };
    let held: Vec<&Vec<Anchor>> = sink
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Members { entitlement, accounts } if *entitlement == key => Some(accounts),
            _ => None,
        })
        .collect();
    // One more, and one fewer if the deleted one was in it.
    assert!(held.len() == 1 && [MEMBERS, MEMBERS + 1].contains(&held[0].len()), "{}", held.len());
    assert!(sink.items.len() < 40, "{} items", sink.items.len());

    // After a restart the names are read again, by pages; and what is told is the same.
    let restarted = provost_ldap::Ldap::new().reader(&settings).unwrap();
    let before = system.searches();
    let mut again = Collected::default();
    restarted.observe(Some(&everybody), &mut again).await.unwrap();
    let calls = system.searches() - before;
    assert!(calls <= 3 + 3 + ACCOUNTS.div_ceil(1_000) + GROUPS.div_ceil(1_000), "{calls}");
    let sorted = |items: &[Item]| {
        let mut told: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
        told.sort();
        told
    };
    assert_eq!(sorted(&again.items), sorted(&sink.items));
}
