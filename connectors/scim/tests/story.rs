//! Short words for what tests do.

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::*;

use crate::fake::{Fake, Quirks};

/// A fake server with both ends of the connector.
pub struct Stand {
    pub fake: Fake,
    pub settings: Settings,
    pub reader: Box<dyn Observe>,
    pub writer: Box<dyn Apply>,
}

/// What a read saw.
#[derive(Debug)]
pub struct Seen {
    pub completeness: Completeness,
    pub users: BTreeSet<String>,
    pub members: BTreeMap<String, BTreeSet<String>>,
    pub nestings: Vec<Nesting>,
}

impl Stand {
    pub async fn new(quirks: Quirks) -> Stand {
        let (fake, settings) = Fake::start(quirks).await;
        let connector = provost_scim::Scim::new();
        let reader = connector.reader(&settings).unwrap();
        let writer = connector.writer(&settings).unwrap();
        Stand { fake, settings, reader, writer }
    }

    pub async fn apply(&self, operation: Operation) -> Result<Receipt> {
        self.writer.apply(&operation, &IdempotencyKey("key".to_owned())).await
    }

    pub async fn create(&self, username: &str) -> Result<Receipt> {
        let attributes = Attributes::from([("title".to_owned(), Value::from("Engineer"))]);
        let identity = format!("p-{username}");
        let new = Create { kind: "user".to_owned(), username: username.to_owned(), attributes, identity };
        self.apply(Operation::Create(new)).await
    }

    pub async fn grant(&self, user: &str, group: &str) -> Result<Receipt> {
        self.apply(Operation::Grant { account: account(user), entitlement: group_ref(group) }).await
    }

    pub async fn revoke(&self, user: &str, group: &str) -> Result<Receipt> {
        self.apply(Operation::Revoke { account: account(user), entitlement: group_ref(group) }).await
    }

    pub async fn update(&self, user: &str, name: &str, value: Option<&str>) -> Result<Receipt> {
        let changes = BTreeMap::from([(name.to_owned(), value.map(Value::from))]);
        self.apply(Operation::Update { account: account(user), changes }).await
    }

    pub async fn by_name(&self, name: &str) -> Result<Option<Account>> {
        self.reader.look_up(&Wanted::Username(name.to_owned())).await
    }

    pub async fn read(&self) -> Seen {
        let mut collected = Collected::default();
        let read = self.reader.observe(None, &mut collected).await.unwrap();
        let mut seen = Seen {
            completeness: read.completeness,
            users: BTreeSet::new(),
            members: BTreeMap::new(),
            nestings: Vec::new(),
        };
        for item in collected.items {
            match item {
                Item::Account(account) => assert!(seen.users.insert(account.username), "a user came twice"),
                Item::Members { entitlement, accounts } => {
                    let accounts = accounts.into_iter().map(|anchor| anchor.0).collect();
                    seen.members.insert(entitlement.anchor.0, accounts);
                }
                Item::Nesting(nesting) => seen.nestings.push(nesting),
                _ => {}
            }
        }
        seen
    }
}

pub fn account(id: &str) -> AccountRef {
    AccountRef { anchor: id.into(), username: "somebody".to_owned() }
}

pub fn group_ref(id: &str) -> EntitlementRef {
    EntitlementRef { kind: "group".to_owned(), anchor: id.into(), name: "a group".to_owned(), role: None }
}

/// The ids of what an account holds.
pub fn held(account: &Account) -> BTreeSet<String> {
    account.entitlements.iter().flatten().map(|key| key.anchor.0.clone()).collect()
}

pub fn is_partial(seen: &Seen) -> bool {
    matches!(seen.completeness, Completeness::Partial(_))
}
