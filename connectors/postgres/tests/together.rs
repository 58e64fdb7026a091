//! Many operations in one call, beside the same one by one.

use provost_postgres::Postgres;
use provost_sdk::{
    AccountRef, Anchor, Attributes, Connector, Create, EntitlementRef, ErrorKind, IdempotencyKey, Operation,
    Receipt, Result, Settings, Value,
};

use crate::quirks::{create, find, group, reference};
use crate::system::System;

async fn all(settings: &Settings, operations: Vec<Operation>) -> Vec<Result<Receipt>> {
    let key = |(index, operation)| (operation, IdempotencyKey(format!("key-{index}")));
    let operations: Vec<_> = operations.into_iter().enumerate().map(key).collect();
    Postgres::new().writer(settings).unwrap().apply_all(&operations).await
}

fn draft(name: &str, comment: &str) -> Operation {
    let attributes: Attributes = [("comment".to_owned(), Value::from(comment))].into();
    let (kind, identity) = ("role".into(), "p-0001".into());
    Operation::Create(Create { kind, username: name.into(), attributes, identity })
}

fn grant(account: &AccountRef, entitlement: &EntitlementRef) -> Operation {
    Operation::Grant { account: account.clone(), entitlement: entitlement.clone() }
}

fn kinds(answers: &[Result<Receipt>]) -> Vec<std::result::Result<bool, ErrorKind>> {
    let kind = |answer: &Result<Receipt>| match answer {
        Ok(receipt) => Ok(receipt.changed),
        Err(error) => Err(error.kind.clone()),
    };
    answers.iter().map(kind).collect()
}

async fn many_at_once_are_what_they_are_one_by_one(system: System) {
    let settings = system.settings("admin", "adminpw");
    system.run("CREATE ROLE \"Team \"\"A\"\"\"; CREATE ROLE b; CREATE ROLE c; CREATE ROLE taken; CREATE ROLE root SUPERUSER").await;

    let drafts = ["o'brien", "taken", "pg_no", "Ada"].map(|name| draft(name, "it's \\ her"));
    let made = all(&settings, drafts.into()).await;
    let refused = [ErrorKind::AlreadyExists, ErrorKind::InvalidValue];
    assert_eq!(kinds(&made), [Ok(true), Err(refused[0].clone()), Err(refused[1].clone()), Ok(true)]);
    let account = |answer: &Result<Receipt>| answer.as_ref().unwrap().account.clone().unwrap();
    let (brien, ada) = (account(&made[0]), account(&made[3]));
    assert_eq!(Some(&brien), find(&settings, "o'brien").await.as_ref());
    assert_eq!(brien.attributes.get("comment"), Some(&Value::from("it's \\ her")));

    let (brien, ada, own) = (reference(&brien), reference(&ada), create(&settings, "own").await);
    let (team, b, c, root) = (
        group(&settings, "Team \"A\"").await,
        group(&settings, "b").await,
        group(&settings, "c").await,
        group(&settings, "root").await,
    );
    let nobody = AccountRef { anchor: Anchor("4000000000".into()), username: "nobody".into() };
    system.run("GRANT c TO \"Ada\"").await;
    let operations = vec![
        grant(&brien, &team),
        grant(&ada, &b),
        grant(&brien, &b),
        grant(&ada, &c),
        grant(&own, &root),
        grant(&nobody, &b),
        grant(&ada, &team),
        Operation::Disable { account: own.clone() },
    ];
    let done = all(&settings, operations).await;
    let (denied, gone) = (Err(ErrorKind::PermissionDenied), Err(ErrorKind::NotFound));
    assert_eq!(kinds(&done), [Ok(true), Ok(true), Ok(true), Ok(false), denied, gone, Ok(true), Ok(true)]);
    let held = |place: usize| account(&done[place]).entitlements.unwrap();
    assert_eq!(held(0), [team.key()].into(), "each answer is of the account as that operation left it");
    assert_eq!(held(2), [team.key(), b.key()].into());
    assert_eq!(held(1), [b.key(), c.key()].into());
    assert_eq!(held(6), [team.key(), b.key(), c.key()].into());
    assert_eq!(Some(account(&done[6])), find(&settings, "Ada").await);
    assert_eq!(find(&settings, "own").await.unwrap().entitlements, Some([].into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_operations_in_one_call_end_as_they_do_one_by_one() {
    many_at_once_are_what_they_are_one_by_one(System::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_a_server_with_membership_options() {
    many_at_once_are_what_they_are_one_by_one(System::newer().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changed_hands_meanwhile_is_given_nothing() {
    let system = System::start().await;
    let settings = system.settings("admin", "adminpw");
    system.run("CREATE ROLE team").await;
    let (ada, bob, team) =
        (create(&settings, "ada").await, create(&settings, "bob").await, group(&settings, "team").await);
    // Held from outside, the lock stops the call between its look at the names and what it does.
    let mut other = system.database("postgres").await;
    let tx = other.transaction().await.unwrap();
    let key = i32::from_ne_bytes(bob.anchor.as_str().parse::<u32>().unwrap().to_ne_bytes());
    tx.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&0x7072_6f76_i32, &key]).await.unwrap();
    let calling = tokio::spawn({
        let (settings, operations) = (settings.clone(), vec![grant(&ada, &team), grant(&bob, &team)]);
        async move { all(&settings, operations).await }
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while system.by_hand.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(std::time::Instant::now() < deadline, "the call never waited");
    }
    system.run("ALTER ROLE bob RENAME TO robert; CREATE ROLE bob LOGIN").await;
    tx.commit().await.unwrap();
    assert_eq!(kinds(&calling.await.unwrap()), [Ok(true), Ok(true)]);
    assert_eq!(find(&settings, "bob").await.unwrap().entitlements, Some([].into()));
    let robert = find(&settings, "robert").await.unwrap();
    assert_eq!((robert.anchor, robert.entitlements), (bob.anchor, Some([team.key()].into())));
}
