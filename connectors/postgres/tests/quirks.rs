//! What is peculiar to PostgreSQL.

use std::collections::BTreeMap;

use provost_postgres::Postgres;
use provost_sdk::{
    Account, AccountRef, Anchor, Attributes, Collected, Connector, Create, EntitlementRef, ErrorKind,
    ExposeSecret, IdempotencyKey, Item, Operation, Receipt, Result, Settings, State, Value, Wanted,
};

use crate::system::System;

async fn apply(settings: &Settings, operation: Operation) -> Result<Receipt> {
    let writer = Postgres::new().writer(settings).unwrap();
    writer.apply(&operation, &IdempotencyKey("key".into())).await
}

pub(crate) async fn find(settings: &Settings, name: &str) -> Option<Account> {
    let reader = Postgres::new().reader(settings).unwrap();
    reader.look_up(&Wanted::Username(name.into())).await.unwrap()
}

pub(crate) async fn create(settings: &Settings, name: &str) -> AccountRef {
    let draft = Create {
        kind: "role".into(),
        username: name.into(),
        attributes: Attributes::new(),
        identity: "p-0001".into(),
    };
    reference(&apply(settings, Operation::Create(draft)).await.unwrap().account.unwrap())
}

pub(crate) fn reference(account: &Account) -> AccountRef {
    AccountRef { anchor: account.anchor.clone(), username: account.username.clone() }
}

async fn read(settings: &Settings) -> Vec<Item> {
    let mut sink = Collected::default();
    Postgres::new().reader(settings).unwrap().observe(None, &mut sink).await.unwrap();
    sink.items
}

pub(crate) async fn group(settings: &Settings, name: &str) -> EntitlementRef {
    let found = read(settings).await.into_iter().find_map(|item| match item {
        Item::Entitlement(known) if known.kind == "group" && known.name == name => Some(known),
        _ => None,
    });
    let found = found.unwrap();
    EntitlementRef { kind: found.kind, anchor: found.anchor, name: found.name, role: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_is_told_from_a_group_role() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    system
        .run("CREATE ROLE \"Team\" NOLOGIN; CREATE ROLE adopted LOGIN; COMMENT ON ROLE adopted IS 'Ada'")
        .await;
    let adopted = find(&settings, "adopted").await.unwrap();
    apply(&settings, Operation::Disable { account: reference(&adopted) }).await.unwrap();
    let disabled = find(&settings, "adopted").await.unwrap();
    assert_eq!(disabled, Account { state: State::Disabled, ..adopted.clone() });
    assert_eq!(disabled.attributes.get("comment"), Some(&Value::from("Ada")));
    assert_eq!(find(&settings, "Team").await, None);
    assert_eq!(group(&settings, "Team").await.name, "Team");
    let is_entitlement = |item: &Item| matches!(item, Item::Entitlement(known) if known.name == "adopted");
    assert!(!read(&settings).await.iter().any(is_entitlement));
}

#[tokio::test(flavor = "multi_thread")]
async fn own_role_superusers_and_predefined_roles_are_never_touched() {
    let system = System::start().await;
    system.run("CREATE ROLE root2 LOGIN SUPERUSER").await;
    let mut settings = system.settings("admin", "adminpw");
    for name in ["admin", "root2"] {
        let account = reference(&find(&settings, name).await.unwrap());
        let error = apply(&settings, Operation::Disable { account }).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::PermissionDenied, "{name}");
    }
    let account = create(&settings, "ada").await;
    let entitlement = group(&settings, "pg_read_all_data").await;
    let grant = Operation::Grant { account, entitlement };
    assert_eq!(apply(&settings, grant.clone()).await.unwrap_err().kind, ErrorKind::PermissionDenied);

    settings.config.insert("manage".into(), serde_json::json!(["root2", "pg_read_all_data"]));
    assert!(apply(&settings, grant).await.unwrap().changed);
    let account = reference(&find(&settings, "root2").await.unwrap());
    assert!(apply(&settings, Operation::Disable { account }).await.unwrap().changed);
    let account = reference(&find(&settings, "admin").await.unwrap());
    let error = apply(&settings, Operation::Disable { account }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_never_reaches_the_server_readable() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    let account = create(&settings, "ada").await;
    let issue = Operation::IssueCredential { account, kind: "password".into() };
    let receipt = apply(&settings, issue).await.unwrap();
    let log = system.log();
    assert!(log.contains("ALTER ROLE \"ada\" PASSWORD 'SCRAM-SHA-256$"), "statements are logged");
    assert!(!log.contains(receipt.secret.unwrap().expose_secret()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_owns_is_never_dropped_with_it() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    let (ada, bea) = (create(&settings, "ada").await, create(&settings, "bea").await);
    system.run("CREATE TABLE hers (); ALTER TABLE hers OWNER TO ada").await;
    system.run("CREATE DATABASE other OWNER ada").await;
    let other = system.database("other").await;
    let sql = "CREATE TABLE there (); ALTER TABLE there OWNER TO ada; CREATE TABLE granted (); GRANT SELECT ON granted TO ada";
    other.batch_execute(sql).await.unwrap();
    let error = apply(&settings, Operation::Delete { account: ada.clone() }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidValue);
    assert!(error.message.contains("table hers"), "{error}");
    assert_eq!(find(&settings, "ada").await.unwrap().state, State::Enabled);

    let transfer = Operation::Transfer { from: ada.clone(), to: bea };
    assert!(apply(&settings, transfer).await.unwrap().changed);
    assert!(apply(&settings, Operation::Delete { account: ada }).await.unwrap().changed);
    let sql = "SELECT (SELECT tableowner FROM pg_tables WHERE tablename = 'hers') = 'bea'
               AND (SELECT datdba::regrole::text FROM pg_database WHERE datname = 'other') = 'bea'";
    assert!(system.by_hand.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
    let sql = "SELECT tableowner = 'bea' FROM pg_tables WHERE tablename = 'there'";
    assert!(other.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_login_role_are_seen_as_holding_it() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    system.run("CREATE ROLE service LOGIN; CREATE ROLE ada LOGIN IN ROLE service").await;
    let service = group(&settings, "service").await;
    let ada = find(&settings, "ada").await.unwrap();
    assert!(ada.entitlements.as_ref().unwrap().contains(&service.key()));
    let revoke = Operation::Revoke { account: reference(&ada), entitlement: service };
    assert!(apply(&settings, revoke).await.unwrap().changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_the_privilege_makes_a_profile_incomplete() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    system.run("CREATE SCHEMA sales; CREATE TABLE sales.old (); CREATE ROLE other LOGIN").await;
    let account = create(&settings, "ada").await;
    let row = system.by_hand.query_one("SELECT 'sales'::regnamespace::oid", &[]).await.unwrap();
    let entitlement = |role: &str| EntitlementRef {
        kind: "schema".into(),
        anchor: Anchor(row.get::<_, u32>(0).to_string()),
        name: "sales".into(),
        role: Some(role.into()),
    };
    let held = async || find(&settings, "ada").await.unwrap().entitlements.unwrap();
    let grant = Operation::Grant { account, entitlement: entitlement("read") };
    assert!(apply(&settings, grant.clone()).await.unwrap().changed);
    // Default privileges see to what the schema's owner makes, and to nothing else.
    system.run("CREATE TABLE sales.new ()").await;
    assert!(held().await.contains(&entitlement("read").key()));
    system.run("CREATE TABLE sales.odd (); REVOKE ALL ON sales.odd FROM ada").await;
    assert!(held().await.contains(&entitlement("usage").key()));
    assert!(apply(&settings, grant).await.unwrap().changed);
    assert!(held().await.contains(&entitlement("read").key()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authority_is_not_trusted() {
    let system = System::start().await;
    let mut settings = system.settings("admin", "adminpw");
    settings.config.remove("ca_file");
    let error = Postgres::new().reader(&settings).unwrap().look_up(&Wanted::Username("ada".into())).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration, "{error}");
    settings.config.insert("sslmode".into(), "disable".into());
    assert_eq!(find(&settings, "ada").await, None);
    settings.config.insert("host".into(), "db.example.com".into());
    let error = Postgres::new().reader(&settings).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Configuration, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_nobody_could_read_back_are_refused() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    let account = create(&settings, "ada").await;
    for (name, value) in [("valid_until", "tomorrow"), ("connection_limit", "-2"), ("comment", "a\0b")] {
        let changes = BTreeMap::from([(name.to_owned(), Some(Value::from(value)))]);
        let update = Operation::Update { account: account.clone(), changes };
        assert_eq!(apply(&settings, update).await.unwrap_err().kind, ErrorKind::InvalidValue, "{name}");
    }
}

/// Incident 14 of docs/INCIDENTS.md: a removal that stops half-way must not leave somebody who gets in.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_stops_half_way_leaves_nobody_who_can_log_in() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    let ada = create(&settings, "ada").await;
    system.run("CREATE DATABASE closed").await;
    system
        .database("closed")
        .await
        .batch_execute("CREATE TABLE t (); GRANT SELECT ON t TO ada")
        .await
        .unwrap();
    system.run("ALTER DATABASE closed ALLOW_CONNECTIONS false").await;
    let delete = Operation::Delete { account: ada };
    let error = apply(&settings, delete.clone()).await.unwrap_err();
    assert!(error.may_have_landed, "{error}");
    assert_eq!(find(&settings, "ada").await.unwrap().state, State::Disabled);

    // Tried again once the reason is gone, it goes on from there.
    system.run("ALTER DATABASE closed ALLOW_CONNECTIONS true").await;
    assert!(apply(&settings, delete).await.unwrap().changed);
    assert_eq!(find(&settings, "ada").await, None);
}

/// Incident 12 of docs/INCIDENTS.md: calls are the limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_everything_is_eight_statements_whatever_there_is() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    let reader = Postgres::new().reader(&settings).unwrap();
    let statements = || {
        let executed = |line: &&str| line.contains("LOG:  statement:") || line.contains("LOG:  execute ");
        system.log().lines().filter(executed).count()
    };
    let make = async |users: u32, groups: u32| {
        let sql = format!(
            "DO $$ BEGIN
               FOR g IN 1..{groups} LOOP EXECUTE format('CREATE ROLE g%s NOLOGIN', g); END LOOP;
               FOR u IN 1..{users} LOOP
                 EXECUTE format('CREATE ROLE u%s LOGIN IN ROLE g%s', u, u % {groups} + 1);
               END LOOP;
             END $$"
        );
        system.run(&sql).await;
    };
    make(10_000, 200).await;
    for _ in 0..2 {
        let mut sink = Collected::default();
        reader.observe(None, &mut sink).await.unwrap();
        let before = statements();
        let mut sink = Collected::default();
        reader.observe(None, &mut sink).await.unwrap();
        let accounts = sink.items.iter().filter(|item| matches!(item, Item::Account(_))).count();
        assert!(accounts >= 10_000, "{accounts} accounts");
        assert_eq!(statements() - before, 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_memberships_are_told_apart_and_every_grantor_is_taken_back() {
    let system = System::newer().await;
    let settings = system.settings("admin", "adminpw");
    let account = create(&settings, "ada").await;
    system
        .run(
            "CREATE ROLE team NOLOGIN; CREATE ROLE bea LOGIN; GRANT team TO bea WITH ADMIN OPTION;
             GRANT team TO ada WITH INHERIT FALSE, SET FALSE",
        )
        .await;
    let member = group(&settings, "team").await;
    let admin = EntitlementRef { kind: "group-admin".into(), ..member.clone() };
    let held = async || find(&settings, "ada").await.unwrap().entitlements.unwrap();
    assert!(held().await.is_empty(), "a membership that neither inherits nor sets gives nothing");
    let grant = |entitlement: &EntitlementRef| Operation::Grant {
        account: account.clone(),
        entitlement: entitlement.clone(),
    };
    assert!(apply(&settings, grant(&member)).await.unwrap().changed);
    assert_eq!(held().await, [member.key()].into());
    assert!(apply(&settings, grant(&admin)).await.unwrap().changed);
    assert_eq!(held().await, [member.key(), admin.key()].into());

    // Somebody else granted it as well: a second row of the same membership.
    system.run("SET ROLE bea; GRANT team TO ada; RESET ROLE").await;
    let revoke = |entitlement: &EntitlementRef| Operation::Revoke {
        account: account.clone(),
        entitlement: entitlement.clone(),
    };
    assert!(apply(&settings, revoke(&admin)).await.unwrap().changed);
    assert_eq!(held().await, [member.key()].into());
    assert!(apply(&settings, revoke(&member)).await.unwrap().changed);
    let sql = "SELECT count(*) FROM pg_auth_members WHERE member = 'ada'::regrole";
    assert_eq!(system.by_hand.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
}
