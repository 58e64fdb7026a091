//! What no server at hand does, against a fake.

use std::sync::{Arc, Mutex};

use provost_sdk::{
    Account, Completeness, Connector, Item, Operation, SecretString, Settings, State, Verb, Wanted,
};
use serde_json::json;

use crate::fake::{Fake, FakeEntry, entry};
use crate::quirks::{Ends, reference};

fn settings(fake: &Fake) -> Settings {
    let config = json!({
        "url": fake.url, "tls": "disable", "user": "cn=provost", "accounts": "ou=people,dc=x", "groups": "ou=groups,dc=x",
    });
    Settings {
        target: "fake".into(),
        config: config.as_object().cloned().unwrap(),
        secrets: [("password".to_owned(), SecretString::from("secret"))].into(),
        ..Settings::default()
    }
}

/// Incident 5 (larskanis/pg-ldap-sync#32): a group of more than 1,500 is cut in silence by who does not ask for the rest.
#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_members_are_read_to_the_end() {
    const MEMBERS: usize = 4_001;
    let guid = |number: usize| {
        let mut guid = vec![0; 16];
        guid[..8].copy_from_slice(&u64::try_from(number).unwrap().to_le_bytes());
        guid
    };
    let dn = |number: usize| format!("CN=u{number},OU=people,DC=x");
    let answers = move |base: &str, wanted: &[String]| -> Vec<FakeEntry> {
        let wants = |name: &str| wanted.iter().any(|known| known == name);
        if base.is_empty() {
            let active_directory: &[&str] = &["1.2.840.113556.1.4.800"];
            return vec![entry(
                "",
                &[("supportedCapabilities", active_directory), ("namingContexts", &["DC=x"])],
            )];
        }
        if wants("userAccountControl") {
            let account = |number: usize| {
                let name = format!("u{number}");
                let mut account =
                    entry(&dn(number), &[("sAMAccountName", &[&name]), ("userAccountControl", &["512"])]);
                account.1.insert("objectGUID".into(), vec![guid(number)]);
                account
            };
            return (1..=MEMBERS).map(account).collect();
        }
        let part = |from: usize| {
            let to = MEMBERS.min(from + 1_500);
            let name = if to == MEMBERS {
                format!("member;range={from}-*")
            } else {
                format!("member;range={from}-{}", to - 1)
            };
            (name, (from..to).map(|member| dn(member + 1).into_bytes()).collect::<Vec<_>>())
        };
        if wants("member") {
            let mut group =
                entry("CN=all,OU=groups,DC=x", &[("objectClass", &["top", "group"]), ("cn", &["all"])]);
            group.1.insert("objectGUID".into(), vec![guid(0)]);
            group.1.extend([part(0)]);
            // A server sends the plain attribute empty beside a part of it.
            group.1.insert("member".into(), Vec::new());
            return vec![group];
        }
        let range = wanted.iter().find_map(|name| name.strip_prefix("member;range=")?.strip_suffix("-*"));
        match range {
            Some(from) => {
                let mut group = entry(base, &[]);
                group.1.extend([part(from.parse().unwrap())]);
                vec![group]
            }
            None => vec![entry(base, &[("objectClass", &["top"])])],
        }
    };
    let fake = Fake::start(Box::new(answers)).await;
    let (items, read) = Ends::open(&settings(&fake)).read().await;
    assert_eq!(read.completeness, Completeness::Complete);
    let members: Vec<usize> = items
        .iter()
        .filter_map(|item| match item {
            Item::Members { accounts, .. } => Some(accounts.len()),
            _ => None,
        })
        .collect();
    assert_eq!(members, [MEMBERS]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_389_server_is_known_by_its_vendor_and_locked_by_its_own_attribute() {
    let locked = Arc::new(Mutex::new(Vec::<String>::new()));
    let lock = locked.clone();
    let answers = move |base: &str, wanted: &[String]| -> Vec<FakeEntry> {
        let wants = |name: &str| wanted.iter().any(|known| known == name);
        match base {
            "" => vec![entry(
                "",
                &[
                    ("vendorName", &["389 Project"]),
                    ("vendorVersion", &["389-Directory/2.4.5"]),
                    ("namingContexts", &["dc=x"]),
                    ("subschemaSubentry", &["cn=schema"]),
                ],
            )],
            "cn=schema" => {
                vec![entry("cn=schema", &[("attributeTypes", &["( 2.16 NAME 'nsAccountLock' )"])])]
            }
            "ou=people,dc=x" if wants("uid") => {
                let account = |name: &str, id: &str, lock: &[&str]| {
                    let dn = format!("uid={name},ou=people,dc=x");
                    entry(&dn, &[("uid", &[name]), ("nsUniqueId", &[id]), ("nsAccountLock", lock)])
                };
                vec![account(
                    "ada",
                    "8B1A4F01-7bc111f1-8c96bd88-c0ec473e",
                    &lock.lock().unwrap().iter().map(String::as_str).collect::<Vec<_>>(),
                )]
            }
            _ => Vec::new(),
        }
    };
    let fake = Fake::start(Box::new(answers)).await;
    let settings = settings(&fake);
    let ends = Ends::open(&settings);
    let capabilities = ends.reader.describe().await.unwrap();
    assert!(capabilities.verbs.contains(&Verb::Disable) && !capabilities.delta);
    // Its schema does not date passwords here, so that a password could not be revoked.
    assert!(!capabilities.verbs.contains(&Verb::IssueCredential));
    let (items, _) = ends.read().await;
    let Some(Item::Account(ada)) = items.first() else { panic!("{items:?}") };
    assert_eq!(ada.state, State::Enabled);
    ends.apply(Operation::Disable { account: reference(ada) }).await.unwrap();
    let sent = ("uid=ada,ou=people,dc=x".to_owned(), "nsAccountLock".to_owned(), vec!["true".to_owned()]);
    assert_eq!(*fake.modified.lock().unwrap(), [sent]);
    locked.lock().unwrap().push("TRUE".into());
    let (items, _) = ends.read().await;
    assert!(matches!(&items[0], Item::Account(Account { state: State::Disabled, .. })), "{items:?}");
    for odd in
        ["8b1a4f01", "8b1a4f01-7bc111f1-8c96bd88-c0ec473e)", "906276cc-7bc1-1041-8c97-bd88c0ec473e", "*"]
    {
        assert_eq!(ends.reader.look_up(&Wanted::Anchor(odd.into())).await.unwrap(), None, "{odd}");
    }
    let probe = provost_ldap::Ldap::new().reader(&settings).unwrap().probe().await.unwrap();
    assert_eq!(probe.product, "389 Directory Server, 389 Project, 389-Directory/2.4.5");
}
