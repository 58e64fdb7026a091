//! Leaving: sessions end, what is owned goes to somebody else, the role goes last.

use std::time::Duration;

use provost_sdk::{AccountRef, Anchor, Error, ErrorKind, Receipt, Result, Wanted};
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Transaction};

use crate::apply::{disable, resolve, still_called};
use crate::catalog::Role;
use crate::error::While;
use crate::observe::one;
use crate::quote::ident;
use crate::server::{Facts, Server};

/// How long sessions may take to end: a backend looks for the signal between the steps of what it does.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(5);
/// The pause between two looks at them.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);
/// How many owned things are named in an error.
const NAMED: usize = 5;

/// Ends every session of a role and waits until they are gone; whether there were any.
pub(crate) async fn end_sessions(client: &Client, oid: u32) -> Result<bool> {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
               WHERE usesysid = $1 AND pid <> pg_backend_pid()";
    let deadline = Instant::now() + SESSIONS_END_WITHIN;
    let mut any = false;
    loop {
        if client.query(sql, &[&oid]).await.when("ending sessions")?.is_empty() {
            return Ok(any);
        }
        any = true;
        if Instant::now() > deadline {
            return Err(Error::new(ErrorKind::Timeout, "There are sessions that do not end."));
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Drops a role that owns nothing: no login, no sessions, no privileges, and then no role.
pub(crate) async fn delete(server: &Server, account: &AccountRef) -> Result<Receipt> {
    let mut session = server.session().await?;
    let facts = server.facts(&session.client).await?.clone();

    let tx = session.client.transaction().await.when("beginning")?;
    let role = resolve(&tx, (server, &facts), account).await?;
    owns_nothing(&tx, &role).await?;
    disable(&tx, &role).await?;
    still_called(&tx, &role).await?;
    let elsewhere = other_databases(&tx, role.oid).await?;
    tx.commit().await.when("committing").map_err(Error::in_doubt)?;

    let after = async {
        end_sessions(&session.client, role.oid).await?;
        for database in elsewhere {
            let mut client = server.database(&database).await?;
            let tx = client.transaction().await.when("beginning")?;
            drop_privileges(&tx, &facts, &role).await?;
            tx.commit().await.when("committing")?;
        }
        let tx = session.client.transaction().await.when("beginning")?;
        resolve(&tx, (server, &facts), account).await?;
        drop_privileges(&tx, &facts, &role).await?;
        tx.batch_execute(&format!("DROP ROLE {}", ident(&role.name))).await.when("dropping the role")?;
        gone(&tx, &role).await?;
        tx.commit().await.when("committing")
    };
    after.await.map_err(Error::in_doubt)?;
    session.give_back();
    Ok(Receipt::changed(None))
}

/// Gives everything that one role owns, in every database, to another.
pub(crate) async fn transfer(server: &Server, from: &AccountRef, to: &AccountRef) -> Result<Receipt> {
    let mut session = server.session().await?;
    let facts = server.facts(&session.client).await?.clone();
    let on = (server, &facts);

    let tx = session.client.transaction().await.when("beginning")?;
    let (old, new) = both(&tx, on, from, to).await?;
    let owned = owned(&tx, old.oid).await?;
    let elsewhere = other_databases(&tx, old.oid).await?;
    tx.commit().await.when("reading")?;

    if !owned.is_empty() {
        let give = async {
            for database in elsewhere {
                let mut client = server.database(&database).await?;
                let tx = client.transaction().await.when("beginning")?;
                reassign(&tx, &facts, &old, &new).await?;
                tx.commit().await.when("committing")?;
            }
            let tx = session.client.transaction().await.when("beginning")?;
            let (old, new) = both(&tx, on, from, to).await?;
            reassign(&tx, &facts, &old, &new).await?;
            owns_nothing(&tx, &old).await?;
            tx.commit().await.when("committing")
        };
        give.await.map_err(Error::in_doubt)?;
    }
    let wanted = Wanted::Anchor(Anchor(old.oid.to_string()));
    let account = one(&mut session.client, &facts, &wanted).await.map_err(Error::in_doubt)?;
    session.give_back();
    Ok(if owned.is_empty() { Receipt::unchanged(account) } else { Receipt::changed(account) })
}

/// Both ends of a transfer, locked in the order of their oids, so that two transfers never wait for one another.
async fn both(
    tx: &Transaction<'_>,
    on: (&Server, &Facts),
    from: &AccountRef,
    to: &AccountRef,
) -> Result<(Role, Role)> {
    if from.anchor == to.anchor {
        return Err(Error::new(ErrorKind::InvalidValue, "A role cannot leave what it owns to itself."));
    }
    let number = |account: &AccountRef| account.anchor.as_str().parse::<u32>().unwrap_or_default();
    if number(from) < number(to) {
        let old = resolve(tx, on, from).await?;
        Ok((old, resolve(tx, on, to).await?))
    } else {
        let new = resolve(tx, on, to).await?;
        Ok((resolve(tx, on, from).await?, new))
    }
}

async fn reassign(tx: &Transaction<'_>, facts: &Facts, old: &Role, new: &Role) -> Result<()> {
    let mut lent = Vec::new();
    for role in [old, new] {
        if act_as(tx, facts, role).await? {
            lent.push(format!("REVOKE {} FROM CURRENT_USER", ident(&role.name)));
        }
    }
    let sql = format!("REASSIGN OWNED BY {} TO {}", ident(&old.name), ident(&new.name));
    tx.batch_execute(&sql).await.when("giving what it owns to another role")?;
    tx.batch_execute(&lent.join("; ")).await.when("leaving the roles again")?;
    still_called(tx, old).await?;
    still_called(tx, new).await
}

/// Takes what the role was granted in this database and on the server, its default privileges and user mappings.
async fn drop_privileges(tx: &Transaction<'_>, facts: &Facts, role: &Role) -> Result<()> {
    owns_nothing(tx, role).await?;
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_shdepend
               WHERE refclassid = 'pg_catalog.pg_authid'::regclass AND refobjid = $1)";
    let row = tx.query_one(sql, &[&role.oid]).await.when("reading what depends on the role")?;
    if row.get(0) {
        act_as(tx, facts, role).await?;
        tx.batch_execute(&format!("DROP OWNED BY {}", ident(&role.name)))
            .await
            .when("taking the role's privileges")?;
    }
    still_called(tx, role).await
}

/// Makes provost's role a member where that is what a statement takes; whether it had to.
async fn act_as(tx: &Transaction<'_>, facts: &Facts, role: &Role) -> Result<bool> {
    let sql = "SELECT pg_has_role(current_user, $1::oid, 'USAGE')";
    let row = tx.query_one(sql, &[&role.oid]).await.when("reading own memberships")?;
    if row.get(0) {
        return Ok(false);
    }
    let with = if facts.membership_options() { " WITH INHERIT TRUE, SET TRUE" } else { "" };
    let sql = format!("GRANT {} TO CURRENT_USER{with}", ident(&role.name));
    tx.batch_execute(&sql).await.when("becoming a member of the role")?;
    Ok(true)
}

async fn owns_nothing(tx: &Transaction<'_>, role: &Role) -> Result<()> {
    let owned = owned(tx, role.oid).await?;
    if owned.is_empty() {
        return Ok(());
    }
    let named = owned.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if owned.len() > NAMED { ", and more" } else { "" };
    let message =
        format!("The role {} owns {named}{more}: transfer that to another account first.", role.name);
    Err(Error::new(ErrorKind::InvalidValue, message))
}

/// What a role owns, in words, at most a few more than an error names. Default privileges and user mappings are no
/// things: they say something of the role itself and go with it.
async fn owned(tx: &Transaction<'_>, oid: u32) -> Result<Vec<String>> {
    let sql = "
        SELECT coalesce(
            CASE WHEN s.dbid = 0 OR d.datname = current_database()
                 THEN pg_describe_object(s.classid, s.objid, s.objsubid) END,
            'objects in the database ' || d.datname, 'something that is just going')
        FROM pg_catalog.pg_shdepend s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid
        WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = $1 AND s.deptype = 'o'
          AND s.classid NOT IN ('pg_catalog.pg_default_acl'::regclass, 'pg_catalog.pg_user_mapping'::regclass)
        LIMIT 6";
    let rows = tx.query(sql, &[&oid]).await.when("reading what the role owns")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The other databases in which something depends on the role.
async fn other_databases(tx: &Transaction<'_>, oid: u32) -> Result<Vec<String>> {
    let sql = "
        SELECT DISTINCT d.datname::text
        FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
        WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = $1 AND d.datname <> current_database()";
    let rows = tx.query(sql, &[&oid]).await.when("reading what depends on the role")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn gone(tx: &Transaction<'_>, role: &Role) -> Result<()> {
    match crate::catalog::role(tx, role.oid).await?.is_none() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Conflict, format!("The name {} changed hands.", role.name))),
    }
}
