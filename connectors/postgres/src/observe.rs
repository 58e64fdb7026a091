//! Reading: everything in one repeatable-read transaction, or one account.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use provost_sdk::{
    Account, AccountKind, Anchor, Attribute, Capabilities, Completeness, Cursor, EntitlementKey,
    EntitlementKind, Error, ErrorKind, Item, Nesting, Observe, Permission, Probe, Read, Result, Risk, Sink,
    Verb, Wanted,
};
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::catalog::{self, ACCOUNT, DATABASE, GROUP, GROUP_ADMIN, SCHEMA, Which};
use crate::error::While;
use crate::server::{Facts, Server};

/// The reader of one target.
#[derive(Debug)]
pub(crate) struct Reader(pub Arc<Server>);

#[async_trait]
impl Observe for Reader {
    async fn describe(&self) -> Result<Capabilities> {
        Ok(capabilities())
    }

    async fn probe(&self) -> Result<Probe> {
        let server = &*self.0;
        let call = async {
            let session = server.session().await?;
            let facts = server.facts(&session.client).await?;
            let found = probe(&session.client, facts).await?;
            session.give_back();
            Ok(found)
        };
        server.within(call).await
    }

    async fn observe(&self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read> {
        if since.is_some() {
            let message = "PostgreSQL does not tell which roles changed since a read.";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let server = &*self.0;
        let call = async {
            let mut session = server.session().await?;
            let facts = server.facts(&session.client).await?.clone();
            let tx = reading(&mut session.client).await?;
            let items = everything(&tx, &facts).await?;
            tx.commit().await.when("reading")?;
            session.give_back();
            Ok(items)
        };
        server.within(call).await?.into_iter().for_each(|item| sink.put(item));
        Ok(Read { completeness: Completeness::Complete, cursor: None })
    }

    async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>> {
        let server = &*self.0;
        let call = async {
            let mut session = server.session().await?;
            let facts = server.facts(&session.client).await?.clone();
            let found = one(&mut session.client, &facts, wanted).await?;
            session.give_back();
            Ok(found)
        };
        server.within(call).await
    }
}

/// What can be done on every server.
fn capabilities() -> Capabilities {
    let attribute = |name: &str| Attribute { name: name.into(), ..Attribute::default() };
    let kind = |name: &str, roles: &[&str], risk: Risk, nests: bool| EntitlementKind {
        name: name.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        risk,
        nests,
        ..EntitlementKind::default()
    };
    Capabilities {
        account_kinds: vec![AccountKind {
            name: ACCOUNT.into(),
            attributes: vec![
                attribute("comment"),
                attribute("connection_limit"),
                attribute("valid_until"),
                Attribute { read_only: true, ..attribute("powers") },
            ],
        }],
        entitlement_kinds: vec![
            // What a group gives is told by what it holds, which is shown as nesting.
            kind(GROUP, &[], Risk::Low, true),
            kind(GROUP_ADMIN, &[], Risk::Privileged, false),
            kind(DATABASE.0, &DATABASE.1, Risk::Normal, false),
            kind(SCHEMA.0, &SCHEMA.1, Risk::Normal, false),
        ],
        verbs: [
            Verb::Create,
            Verb::Update,
            Verb::Rename,
            Verb::Enable,
            Verb::Disable,
            Verb::Delete,
            Verb::Grant,
            Verb::Revoke,
            Verb::EndSessions,
            Verb::Transfer,
            Verb::IssueCredential,
            Verb::RevokeCredential,
        ]
        .into(),
        disable_ends_sessions: true,
        credentials: vec!["password".into()],
        ..Capabilities::default()
    }
}

/// Looks one account up.
pub(crate) async fn one(client: &mut Client, facts: &Facts, wanted: &Wanted) -> Result<Option<Account>> {
    let tx = reading(client).await?;
    let found = match wanted {
        Wanted::Anchor(anchor) => match oid(anchor) {
            Some(oid) => catalog::role(&tx, oid).await?,
            None => return Ok(None),
        },
        // The server knows no such text, so that no role has it for a name.
        Wanted::Username(name) if name.contains('\0') => return Ok(None),
        Wanted::Username(name) => catalog::roles(&tx, Which::Names(&[name])).await?.pop(),
    };
    let Some(role) = found.filter(catalog::Role::is_account) else { return Ok(None) };
    let holdings = catalog::holdings(&tx, facts, Some(&[role.oid])).await?;
    tx.commit().await.when("reading")?;
    Ok(Some(catalog::account(&role, catalog::by_holder(&holdings).remove(&role.oid))))
}

/// The oid in an anchor; none in what can be no anchor.
pub(crate) fn oid(anchor: &Anchor) -> Option<u32> {
    anchor.as_str().parse().ok().filter(|oid: &u32| oid.to_string() == anchor.as_str())
}

/// A transaction that only reads, all of it as of one instant.
pub(crate) async fn reading(client: &mut Client) -> Result<Transaction<'_>> {
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
    transaction.read_only(true).start().await.when("reading")
}

async fn everything(tx: &Transaction<'_>, facts: &Facts) -> Result<Vec<Item>> {
    let (roles, holdings, databases, schemas) = futures::try_join!(
        catalog::roles(tx, Which::All),
        catalog::holdings(tx, facts, None),
        catalog::databases(tx),
        catalog::schemas(tx)
    )?;
    // A role that may log in is an entitlement too as long as somebody is a member of it: that is power over it.
    let has_members: HashSet<u32> = holdings
        .iter()
        .filter(|held| held.kind == GROUP || held.kind == GROUP_ADMIN)
        .map(|held| held.object)
        .collect();
    let groups: HashSet<u32> = roles
        .iter()
        .filter(|role| !role.is_account() || has_members.contains(&role.oid))
        .map(|role| role.oid)
        .collect();
    let mut held = catalog::by_holder(&holdings);
    let mut items = Vec::new();
    for role in &roles {
        if groups.contains(&role.oid) {
            for kind in [GROUP, GROUP_ADMIN] {
                let shown = catalog::entitlement(kind, role.oid, &role.name, role.administrative());
                items.push(Item::Entitlement(shown));
            }
        }
        if role.is_account() {
            items.push(Item::Account(catalog::account(role, held.remove(&role.oid))));
        }
    }
    let objects = databases.iter().map(|(oid, name)| (DATABASE.0, oid, name));
    let objects = objects.chain(schemas.iter().map(|(oid, name, _)| (SCHEMA.0, oid, name)));
    items.extend(
        objects.map(|(kind, oid, name)| Item::Entitlement(catalog::entitlement(kind, *oid, name, false))),
    );
    items.extend(holdings.iter().filter(|held| groups.contains(&held.holder)).map(|held| {
        let inner =
            EntitlementKey { kind: GROUP.into(), anchor: Anchor(held.holder.to_string()), role: None };
        Item::Nesting(Nesting { inner, outer: held.key() })
    }));
    Ok(items)
}

async fn probe(client: &Client, facts: &Facts) -> Result<Probe> {
    let sql = "
        SELECT version(), extract(epoch FROM clock_timestamp())::bigint, rolsuper, rolsuper OR rolcreaterole,
               rolsuper OR pg_has_role(current_user, 'pg_signal_backend', 'USAGE'), rolname::text,
               (SELECT count(*) FROM pg_catalog.pg_roles g
                WHERE NOT g.rolcanlogin AND g.rolname !~ '^pg_'
                  AND NOT pg_has_role(current_user, g.oid, 'MEMBER WITH ADMIN OPTION'))
        FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let row = client.query_one(sql, &[]).await.when("probing")?;
    let (superuser, createrole, me): (bool, bool, String) = (row.get(2), row.get(3), row.get(5));
    let not_given: i64 = row.get(6);
    let me = crate::quote::ident(&me);
    // Before version 16 the attribute was enough for every role that is no superuser.
    let gives = superuser || (createrole && (!facts.membership_options() || not_given == 0));
    let clock = Timestamp::from_second(row.get(1)).ok();
    // Not everybody may ask for it, and without it the address alone says which installation this is.
    let instance = client.query_one("SELECT system_identifier::text FROM pg_control_system()", &[]).await;
    let permission = |purpose: &str, granted: bool, hint: String| Permission {
        purpose: purpose.into(),
        granted: Some(granted),
        hint,
    };
    Ok(Probe {
        product: row.get(0),
        instance: instance.ok().map(|row| row.get(0)),
        clock_skew: clock.map(|clock| clock.duration_since(Timestamp::now())),
        clock,
        permissions: vec![
            permission("make and change roles", createrole, format!("ALTER ROLE {me} CREATEROLE;")),
            permission(
                "give every group role to accounts",
                gives,
                format!("GRANT group TO {me} WITH ADMIN OPTION; (for {not_given} group roles)"),
            ),
            permission("end sessions", row.get(4), format!("GRANT pg_signal_backend TO {me};")),
        ],
    })
}
