//! What is peculiar to directories.

use std::collections::BTreeMap;

use provost_ldap::Ldap;
use provost_sdk::{
    Account, AccountRef, Apply, Collected, Completeness, Connector, Create, EntitlementRef, ErrorKind,
    ExposeSecret, IdempotencyKey, Item, Observe, Operation, Read, Receipt, Result, SecretString, Settings,
    State, Value, Wanted,
};
use serde_json::{Value as Json, json};

use crate::system::System;

/// Both ends of one target.
pub(crate) struct Ends {
    pub reader: Box<dyn Observe>,
    pub writer: Box<dyn Apply>,
}

impl Ends {
    pub(crate) fn open(settings: &Settings) -> Ends {
        let ldap = Ldap::new();
        Ends { reader: ldap.reader(settings).unwrap(), writer: ldap.writer(settings).unwrap() }
    }

    pub(crate) async fn apply(&self, operation: Operation) -> Result<Receipt> {
        self.writer.apply(&operation, &IdempotencyKey("key".into())).await
    }

    pub(crate) async fn create(&self, username: &str, attributes: &[(&str, &str)]) -> Result<Account> {
        let attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        let create =
            Create { kind: "user".into(), username: username.into(), attributes, identity: "p-0001".into() };
        Ok(self.apply(Operation::Create(create)).await?.account.unwrap())
    }

    pub(crate) async fn find(&self, username: &str) -> Option<Account> {
        self.reader.look_up(&Wanted::Username(username.into())).await.unwrap()
    }

    pub(crate) async fn read(&self) -> (Vec<Item>, Read) {
        let mut sink = Collected::default();
        let read = self.reader.observe(None, &mut sink).await.unwrap();
        (sink.items, read)
    }

    pub(crate) async fn group(&self, kind: &str, name: &str) -> EntitlementRef {
        let found = self.read().await.0.into_iter().find_map(|item| match item {
            Item::Entitlement(known) if known.kind == kind && known.name == name => Some(known),
            _ => None,
        });
        let found = found.unwrap();
        EntitlementRef { kind: found.kind, anchor: found.anchor, name: found.name, role: None }
    }
}

pub(crate) fn reference(account: &Account) -> AccountRef {
    AccountRef { anchor: account.anchor.clone(), username: account.username.clone() }
}

fn with(mut settings: Settings, changes: &[(&str, Json)]) -> Settings {
    settings.config.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    settings
}

async fn refused(settings: &Settings) -> (ErrorKind, String) {
    let ldap = Ldap::new();
    let error = match ldap.reader(settings) {
        Ok(reader) => reader.probe().await.unwrap_err(),
        Err(error) => error,
    };
    (error.kind, error.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_verified_or_refused() {
    let system = System::openldap("unlimited").await;
    for url in ["URL", "LDAPS_URL"] {
        let good = system.administrator(url);
        Ends::open(&good).reader.probe().await.unwrap();
        // Not of the machine's authorities.
        let mut unknown = good.clone();
        unknown.config.remove("ca_file");
        assert_eq!(refused(&unknown).await.0, ErrorKind::Configuration);
        // The certificate is for localhost and 127.0.0.1.
        let other =
            with(good.clone(), &[("url", json!(system.setting(url).replace("127.0.0.1", "127.0.0.2")))]);
        assert!(matches!(refused(&other).await.0, ErrorKind::Configuration | ErrorKind::Unavailable));
    }
    let plain = with(system.administrator("URL"), &[("tls", json!("disable"))]);
    Ends::open(&plain).reader.probe().await.unwrap();
    for bad in [
        json!({"tls": "disable", "url": "ldap://ldap.example.com"}),
        json!({"tls": "disable", "url": "ldaps://127.0.0.1"}),
        json!({"tls": "maybe"}),
        json!({"url": "http://127.0.0.1"}),
        json!({"url": "ldap://127.0.0.1/dc=example"}),
        json!({"accounts": "people"}),
        json!({"account_filter": "(uid=*"}),
        json!({"attributes": ["userPassword"]}),
        json!({"attributes": ["a)(b"]}),
        json!({"kinds": ["team"]}),
        json!({"flavour": "novell"}),
        json!({"page_size": 0}),
        // The server is not what it is called.
        json!({"flavour": "active-directory"}),
        json!({"accounts": "dc=elsewhere"}),
    ] {
        let changes: Vec<(&str, Json)> =
            bad.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let (kind, message) = refused(&with(system.administrator("URL"), &changes)).await;
        assert_eq!(kind, ErrorKind::Configuration, "{bad}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_somebody_else_is_left_alone() {
    let system = System::openldap("unlimited").await;
    let settings = system.administrator("URL");
    let ends = Ends::open(&settings);

    // A bind without a password is answered as a success, of nobody.
    let mut nobody = settings.clone();
    nobody.secrets.insert("password".into(), SecretString::from(""));
    assert_eq!(refused(&nobody).await.0, ErrorKind::InvalidCredential);

    // provost's own account.
    let ada = ends.create("ada", &[]).await.unwrap();
    let operation = Operation::IssueCredential { account: reference(&ada), kind: "password".into() };
    let secret = ends.apply(operation).await.unwrap().secret.unwrap();
    let own = system.settings("URL", "UID=Ada, ou=people,dc=example,dc=org", secret.expose_secret());
    let own = Ends::open(&own);
    let error = own.apply(Operation::Disable { account: reference(&ada) }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert!(error.message.contains("provost's own"), "{}", error.message);
    let ldif = system.search("(uid=ada)", &["userPassword"]).await;
    let stored = ldif.lines().find_map(|line| line.strip_prefix("userPassword:: ")).unwrap();
    assert!(stored.starts_with("e1"), "a hash begins with its scheme in braces: {stored}");

    // Two people of one name.
    system
        .add("dn: ou=more,ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\n\n\
              dn: cn=Bea Baker,ou=more,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: Bea Baker\nsn: Baker\nuid: bea\n")
        .await;
    let error = ends.create("BEA", &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    // Named by something else than the username: a new username leaves the DN.
    let bea = ends.find("bea").await.unwrap();
    ends.apply(Operation::Rename { account: reference(&bea), to: "bee".into() }).await.unwrap();
    let ldif = system.search("(uid=bee)", &["uid"]).await;
    assert!(ldif.contains("dn: cn=Bea Baker,ou=more"), "{ldif}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_would_misread_is_refused() {
    let system = System::openldap("unlimited").await;
    let ends = Ends::open(&system.administrator("URL"));
    for name in ["", " ada", "ada ", "a  b", "a\nb", "a\0b"] {
        assert_eq!(ends.create(name, &[]).await.unwrap_err().kind, ErrorKind::InvalidValue, "{name:?}");
    }
    for (name, value) in [
        ("expires", "2106-02-07T06:28:15Z"),
        ("expires", "2031-01-31"),
        ("userPassword", "readable"),
        ("title", " "),
        ("title", "a\0b"),
    ] {
        let error = ends.create("ada", &[(name, value)]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidValue, "{name} {value:?}");
    }
    assert_eq!(ends.find("ada").await, None);

    // A new password would lift the lock.
    let ada = ends.create("ada", &[("expires", "2031-01-31T17:00:00Z")]).await.unwrap();
    ends.apply(Operation::Disable { account: reference(&ada) }).await.unwrap();
    let issue = Operation::IssueCredential { account: reference(&ada), kind: "password".into() };
    assert_eq!(ends.apply(issue).await.unwrap_err().kind, ErrorKind::InvalidValue);
    assert_eq!(ends.find("ada").await.unwrap().state, State::Disabled);

    // Several values are a list, in no order, and one of them is a text.
    let list = |values: &[&str]| Value::List(values.iter().map(|value| (*value).to_owned()).collect());
    for (value, kept, changed) in [
        (list(&["a@example.com", "b@example.com"]), list(&["b@example.com", "a@example.com"]), true),
        (list(&["b@example.com", "a@example.com"]), list(&["b@example.com", "a@example.com"]), false),
        (list(&["a@example.com"]), Value::from("a@example.com"), true),
        (list(&["a@example.com"]), Value::from("a@example.com"), false),
    ] {
        let changes = BTreeMap::from([("mail".to_owned(), Some(value))]);
        let receipt = ends.apply(Operation::Update { account: reference(&ada), changes }).await.unwrap();
        assert_eq!(receipt.changed, changed);
        assert_eq!(receipt.account.unwrap().attributes.get("mail"), Some(&kept));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_follow_an_account_whoever_keeps_them() {
    let system = System::openldap("unlimited").await;
    let ends = Ends::open(&system.administrator("URL"));
    let ada = ends.create("ada", &[]).await.unwrap();
    // The overlay `refint` keeps `member`, and neither `uniqueMember` nor `memberUid`. Spellings differ.
    system
        .add("dn: cn=names,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\nmember: UID=Ada, ou=People,dc=example,dc=org\n\
              member: cn=nobody,dc=example,dc=org\n\n\
              dn: cn=unique,ou=groups,dc=example,dc=org\nobjectClass: groupOfUniqueNames\n\
              uniqueMember: uid=ADA,ou=people,dc=example,dc=org\nuniqueMember: cn=names,ou=groups,dc=example,dc=org#'01'B\n\n\
              dn: cn=posix,ou=groups,dc=example,dc=org\nobjectClass: posixGroup\ngidNumber: 7\nmemberUid: ada\nmemberUid: Ada\n")
        .await;
    let mut groups = Vec::new();
    for (kind, name) in [("group", "names"), ("unique-group", "unique"), ("posix-group", "posix")] {
        groups.push(ends.group(kind, name).await);
    }
    let holds = |account: &Account| {
        let held = account.entitlements.clone().unwrap();
        groups.iter().map(|group| held.contains(&group.key())).collect::<Vec<bool>>()
    };
    assert_eq!(holds(&ends.find("ada").await.unwrap()), [true; 3]);
    let (items, _) = ends.read().await;
    let members = items
        .iter()
        .filter(|item| matches!(item, Item::Members { accounts, .. } if accounts == std::slice::from_ref(&ada.anchor)));
    assert_eq!(members.count(), 3);
    assert_eq!(items.iter().filter(|item| matches!(item, Item::Nesting(_))).count(), 1);

    let receipt = ends.apply(Operation::Rename { account: reference(&ada), to: "eve".into() }).await.unwrap();
    assert_eq!(holds(&receipt.account.unwrap()), [true; 3]);
    let ldif =
        system.search("(objectClass=*)", &["member", "uniqueMember", "memberUid"]).await.to_lowercase();
    assert!(!ldif.contains("uid=ada"), "{ldif}");

    // Deleted, it leaves nothing to whoever gets its name.
    ends.apply(Operation::Delete { account: reference(&ada) }).await.unwrap();
    let eve = ends.create("eve", &[]).await.unwrap();
    assert_eq!(holds(&ends.find("eve").await.unwrap()), [false; 3]);
    assert_ne!(eve.anchor, ada.anchor);

    // Groups that name who is gone, or is not there yet, give nothing to who gets the name: made or renamed.
    let named = |name: &str| {
        format!(
            "dn: cn=unique,ou=groups,dc=example,dc=org\nchangetype: modify\nadd: uniqueMember\n\
             uniqueMember: uid={name},ou=people,dc=example,dc=org\n\n\
             dn: cn=posix,ou=groups,dc=example,dc=org\nchangetype: modify\nadd: memberUid\nmemberUid: {name}\n"
        )
    };
    system.modify(&named("fay")).await;
    system.modify(&named("gus")).await;
    let fay = ends.create("fay", &[]).await.unwrap();
    assert_eq!(holds(&fay), [false; 3]);
    let gus = Operation::Rename { account: reference(&eve), to: "gus".into() };
    assert_eq!(holds(&ends.apply(gus).await.unwrap().account.unwrap()), [false; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_sees_through_renamed_units() {
    let system = System::openldap("unlimited").await;
    let person = |name: &str| {
        format!(
            "dn: uid={name},ou=old,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: {name}\nsn: {name}\n\n"
        )
    };
    system
        .add(&format!(
            "dn: ou=old,ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\n\n{}{}\
             dn: cn=team,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\nmember:\n",
            person("ada"),
            person("bea")
        ))
        .await;
    let ends = Ends::open(&system.administrator("URL"));
    let (_, read) = ends.read().await;
    system
        .modify(
            "dn: ou=old,ou=people,dc=example,dc=org\nchangetype: modrdn\nnewrdn: ou=new\ndeleteoldrdn: 1\n\n\
             dn: cn=team,ou=groups,dc=example,dc=org\nchangetype: modify\nadd: member\n\
             member: uid=ada,ou=new,ou=people,dc=example,dc=org\nmember: uid=bea,ou=new,ou=people,dc=example,dc=org\n",
        )
        .await;
    let mut sink = Collected::default();
    let delta = ends.reader.observe(read.cursor.as_ref(), &mut sink).await.unwrap();
    assert_eq!(delta.completeness, Completeness::Complete);
    let members = sink.items.iter().filter_map(|item| match item {
        Item::Members { accounts, .. } => Some(accounts.len()),
        _ => None,
    });
    assert_eq!(members.collect::<Vec<usize>>(), [2]);
}

/// Without a log of deletions the server names what is there, and everything else is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_delta_without_a_log_of_deletions_is_the_same_or_partial() {
    let system = System::openldap_without_log().await;
    let settings = system.administrator("URL");
    let ends = Ends::open(&settings);
    let ada = ends.create("ada", &[]).await.unwrap();
    let bea = ends.create("bea", &[]).await.unwrap();
    let (_, read) = ends.read().await;
    ends.apply(Operation::Delete { account: reference(&ada) }).await.unwrap();
    ends.apply(Operation::Disable { account: reference(&bea) }).await.unwrap();
    let mut sink = Collected::default();
    let delta = ends.reader.observe(read.cursor.as_ref(), &mut sink).await.unwrap();
    assert_eq!(delta.completeness, Completeness::Complete);
    assert!(sink.items.contains(&Item::AccountGone(ada.anchor)), "{:?}", sink.items);
    assert!(!sink.items.contains(&Item::AccountGone(bea.anchor)), "{:?}", sink.items);
    // Somebody who does not know what was there cannot tell what is gone.
    let restarted = Ldap::new().reader(&settings).unwrap();
    let delta = restarted.observe(read.cursor.as_ref(), &mut Collected::default()).await.unwrap();
    assert!(matches!(delta.completeness, Completeness::Partial(_)), "{delta:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_limit_makes_a_read_partial_and_the_leaver_it_saw_is_still_disabled() {
    let system = System::openldap("20").await;
    let administrator = Ends::open(&system.administrator("URL"));
    for number in 0..30 {
        administrator.create(&format!("a{number:02}"), &[]).await.unwrap();
    }
    let settings = system.settings("URL", &system.setting("USER_DN"), &system.setting("USER_PASSWORD"));
    // The limit holds for the whole paged search.
    let ends = Ends::open(&with(settings, &[("page_size", json!(7))]));
    let (items, read) = ends.read().await;
    let Completeness::Partial(why) = read.completeness else { panic!("{read:?}") };
    assert!(why.contains("result code 4"), "{why}");
    let seen: Vec<&Account> = items
        .iter()
        .filter_map(|item| match item {
            Item::Account(account) => Some(account),
            _ => None,
        })
        .collect();
    assert!((1..=20).contains(&seen.len()), "{}", seen.len());
    let leaver = seen[seen.len() - 1];
    let receipt = ends.apply(Operation::Disable { account: reference(leaver) }).await.unwrap();
    assert_eq!(receipt.account.unwrap().state, State::Disabled);
}
