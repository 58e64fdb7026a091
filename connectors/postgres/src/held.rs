//! Giving and taking: memberships, and profiles of privileges on databases and schemas.

use provost_sdk::{EntitlementRef, Error, ErrorKind, Result};
use tokio_postgres::Transaction;

use crate::apply::{lock, protect};
use crate::catalog::{self, DATABASE, GROUP, GROUP_ADMIN, Role, SCHEMA};
use crate::error::While;
use crate::observe::oid;
use crate::quote::ident;
use crate::server::{Facts, Server};

/// Gives or takes one entitlement; whether anything had to be changed.
pub(crate) async fn change(
    tx: &Transaction<'_>,
    (server, facts): (&Server, &Facts),
    account: &Role,
    entitlement: &EntitlementRef,
    give: bool,
) -> Result<bool> {
    let wanted = wanted_role(entitlement)?;
    let missing =
        || Error::new(ErrorKind::NotFound, format!("There is no {} {}.", entitlement.kind, entitlement.name));
    let object = oid(&entitlement.anchor).ok_or_else(missing)?;
    lock(tx, object).await?;
    let held = held(tx, facts, account.oid, entitlement, object).await?;
    if held.contains(&wanted) == give {
        return Ok(false);
    }
    if give
        && let Some(Some(other)) = held.first()
        && rank(other) > rank(wanted.unwrap_or_default())
    {
        let message = format!(
            "{} holds {} as `{other}`, which contains what was to be given: take that first.",
            account.name, entitlement.name
        );
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let to = ident(&account.name);
    let sql = match entitlement.kind.as_str() {
        GROUP | GROUP_ADMIN => {
            let group = catalog::role(tx, object).await?.ok_or_else(missing)?;
            protect(server, facts, &group)?;
            if give && group.is_account() {
                let message = format!("{} is an account and no group role.", group.name);
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
            membership(tx, facts, &group, account, entitlement.kind == GROUP_ADMIN, give).await?
        }
        kind if kind == DATABASE.0 => {
            let databases = catalog::databases(tx).await?;
            let (_, name) = databases.iter().find(|known| known.0 == object).ok_or_else(missing)?;
            let on = ident(name);
            match (give, wanted) {
                (false, _) => format!("REVOKE ALL ON DATABASE {on} FROM {to}"),
                (true, Some("create")) => format!("GRANT CONNECT, CREATE ON DATABASE {on} TO {to}"),
                (true, _) => format!("GRANT CONNECT ON DATABASE {on} TO {to}"),
            }
        }
        _ => {
            let schemas = catalog::schemas(tx).await?;
            let (_, name, owner) = schemas.iter().find(|known| known.0 == object).ok_or_else(missing)?;
            on_schema(&ident(name), &ident(owner), &to, give.then_some(wanted).flatten())
        }
    };
    tx.batch_execute(&sql).await.when("changing what the account holds")?;
    // The server answers a grant that it may not make with a warning only.
    if self::held(tx, facts, account.oid, entitlement, object).await?.contains(&wanted) != give {
        let message = format!(
            "The server did not {} {} {}: provost's role has no right to do so, or the profile is held through \
             something that it may not change.",
            if give { "give" } else { "take" },
            entitlement.kind,
            entitlement.name
        );
        return Err(Error::new(ErrorKind::PermissionDenied, message));
    }
    Ok(true)
}

/// The declared role that is asked for.
fn wanted_role(entitlement: &EntitlementRef) -> Result<Option<&'static str>> {
    let roles: &[&'static str] = match entitlement.kind.as_str() {
        GROUP | GROUP_ADMIN => &[],
        kind if kind == DATABASE.0 => &DATABASE.1,
        kind if kind == SCHEMA.0 => &SCHEMA.1,
        other => {
            let message = format!("There is no kind of entitlement `{other}` here.");
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
    };
    let found = roles.iter().find(|role| entitlement.role.as_deref() == Some(**role)).copied();
    if found.is_none() && !(roles.is_empty() && entitlement.role.is_none()) {
        let message = format!(
            "The kind `{}` knows the roles [{}], and not {:?}.",
            entitlement.kind,
            roles.join(", "),
            entitlement.role
        );
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    Ok(found)
}

/// In which roles the account holds an object directly.
async fn held(
    tx: &Transaction<'_>,
    facts: &Facts,
    holder: u32,
    entitlement: &EntitlementRef,
    object: u32,
) -> Result<Vec<Option<&'static str>>> {
    let holdings = catalog::holdings_of(tx, facts, &entitlement.kind, Some(&[holder])).await?;
    let same = holdings.iter().filter(|held| held.kind == entitlement.kind && held.object == object);
    Ok(same.map(|held| held.role).collect())
}

/// How much a role contains, within its kind.
fn rank(role: &str) -> usize {
    let position = |roles: &[&str]| roles.iter().position(|known| *known == role);
    position(&DATABASE.1).or_else(|| position(&SCHEMA.1)).unwrap_or_default()
}

async fn membership(
    tx: &Transaction<'_>,
    facts: &Facts,
    group: &Role,
    account: &Role,
    admin: bool,
    give: bool,
) -> Result<String> {
    let (of, to) = (ident(&group.name), ident(&account.name));
    let options = facts.membership_options();
    if give {
        return Ok(match (admin, options) {
            (true, _) => format!("GRANT {of} TO {to} WITH ADMIN OPTION"),
            (false, true) => format!("GRANT {of} TO {to} WITH SET TRUE"),
            (false, false) => format!("GRANT {of} TO {to}"),
        });
    }
    let what = if admin { "ADMIN OPTION FOR " } else { "" };
    if !options {
        return Ok(format!("REVOKE {what}{of} FROM {to}"));
    }
    // Everybody who granted it has to take it back; without naming them only our own grant would go.
    let sql = "SELECT r.rolname::text FROM pg_catalog.pg_auth_members m
               JOIN pg_catalog.pg_roles r ON r.oid = m.grantor WHERE m.roleid = $1 AND m.member = $2";
    let grantors = tx.query(sql, &[&group.oid, &account.oid]).await.when("reading memberships")?;
    let revoke = grantors
        .iter()
        .map(|row| format!("REVOKE {what}{of} FROM {to} GRANTED BY {};", ident(row.get::<_, &str>(0))));
    Ok(revoke.collect())
}

/// The statements that give a profile on a schema, or take all of it away.
fn on_schema(schema: &str, owner: &str, to: &str, profile: Option<&str>) -> String {
    let future = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}");
    let both = |privileges: &str, kind: &str| {
        format!(
            "; GRANT {privileges} ON ALL {kind} IN SCHEMA {schema} TO {to}; {future} GRANT {privileges} ON {kind} TO {to}"
        )
    };
    let usage = format!("GRANT USAGE ON SCHEMA {schema} TO {to}");
    match profile {
        None => format!(
            "{future} REVOKE ALL ON TABLES FROM {to}; {future} REVOKE ALL ON SEQUENCES FROM {to};
             REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {to};
             REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {to};
             REVOKE ALL ON SCHEMA {schema} FROM {to}"
        ),
        Some("write") => {
            usage + &both("SELECT, INSERT, UPDATE, DELETE", "TABLES") + &both("USAGE", "SEQUENCES")
        }
        Some("read") => usage + &both("SELECT", "TABLES"),
        Some(_) => usage,
    }
}
