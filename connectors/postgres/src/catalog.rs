//! What the catalogs say: roles, memberships and privileges, each in one query, of the whole server or of one role.

use std::collections::{BTreeSet, HashMap};

use provost_sdk::{Account, Anchor, Attributes, Entitlement, EntitlementKey, Result, State, Value};
use tokio_postgres::{Row, Transaction};

use crate::error::While;
use crate::server::Facts;
use crate::values::{Description, instant};

/// The kind of account.
pub(crate) const ACCOUNT: &str = "role";
/// The kind of entitlement for being a member of a group role. Not `role`: in documents that is the field for a role
/// within an entitlement.
pub(crate) const GROUP: &str = "group";
/// The kind of entitlement for giving a group role to others.
pub(crate) const GROUP_ADMIN: &str = "group-admin";
/// The kind of entitlement for privileges on a database, and its roles from the least to the most.
pub(crate) const DATABASE: (&str, [&str; 2]) = ("database", ["connect", "create"]);
/// The same for a schema of the connected database.
pub(crate) const SCHEMA: (&str, [&str; 3]) = ("schema", ["usage", "read", "write"]);

/// One role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub oid: u32,
    pub name: String,
    pub login: bool,
    pub superuser: bool,
    /// What its attributes let it do beyond what it was granted.
    pub powers: BTreeSet<String>,
    pub connection_limit: i32,
    pub valid_until: Option<i64>,
    pub description: Description,
}

impl Role {
    /// Whether it stands for somebody or something that signs in, and not for a group.
    pub(crate) fn is_account(&self) -> bool {
        self.login || self.description.mark.is_some()
    }

    /// Whether whoever holds it has power over others.
    pub(crate) fn administrative(&self) -> bool {
        !self.powers.is_empty() || self.name.starts_with("pg_")
    }

    fn of(row: &Row) -> Role {
        let powers = ["superuser", "createrole", "createdb", "replication", "bypassrls"];
        Role {
            oid: row.get(0),
            name: row.get(1),
            login: row.get(2),
            superuser: row.get(3),
            powers: powers
                .iter()
                .enumerate()
                .filter(|(index, _)| row.get(3 + index))
                .map(|(_, power)| (*power).to_owned())
                .collect(),
            connection_limit: row.get(8),
            valid_until: row.get(9),
            description: Description::parse(row.get(10)),
        }
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        if let Some(comment) = &self.description.comment {
            attributes.insert("comment".into(), Value::from(comment.as_str()));
        }
        if self.connection_limit >= 0 {
            attributes.insert("connection_limit".into(), Value::from(self.connection_limit.to_string()));
        }
        if let Some(until) = self.valid_until.and_then(instant) {
            attributes.insert("valid_until".into(), Value::Text(until));
        }
        if !self.powers.is_empty() {
            attributes.insert("powers".into(), Value::List(self.powers.clone()));
        }
        attributes
    }
}

/// Somebody holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// The oid of who holds it, a group or an account.
    pub holder: u32,
    pub kind: &'static str,
    /// The oid of the role, database or schema.
    pub object: u32,
    pub role: Option<&'static str>,
}

impl Holding {
    /// As the contract names it.
    pub(crate) fn key(&self) -> EntitlementKey {
        EntitlementKey {
            kind: self.kind.into(),
            anchor: Anchor(self.object.to_string()),
            role: self.role.map(str::to_owned),
        }
    }
}

/// Which roles are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'w> {
    All,
    Oids(&'w [u32]),
    Names(&'w [&'w str]),
}

/// Some roles, or all.
pub(crate) async fn roles(tx: &Transaction<'_>, which: Which<'_>) -> Result<Vec<Role>> {
    let (oids, names) = match which {
        Which::All => (None, None),
        Which::Oids(oids) => (Some(oids), None),
        Which::Names(names) => (None, Some(names)),
    };
    let sql = "
        SELECT r.oid, r.rolname::text, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
               r.rolbypassrls, r.rolconnlimit,
               CASE WHEN isfinite(r.rolvaliduntil) THEN extract(epoch FROM r.rolvaliduntil)::bigint END,
               d.description
        FROM pg_catalog.pg_roles r
        LEFT JOIN pg_catalog.pg_shdescription d
               ON d.objoid = r.oid AND d.classoid = 'pg_catalog.pg_authid'::regclass
        WHERE ($1::oid[] IS NULL OR r.oid = ANY ($1)) AND ($2::text[] IS NULL OR r.rolname = ANY ($2::name[]))";
    let rows = tx.query(sql, &[&oids, &names]).await.when("reading roles")?;
    Ok(rows.iter().map(Role::of).collect())
}

/// One role by its oid.
pub(crate) async fn role(tx: &Transaction<'_>, oid: u32) -> Result<Option<Role>> {
    Ok(roles(tx, Which::Oids(&[oid])).await?.pop())
}

/// Everything that is held, by all or by some. Objects' owners are left out: owning is no grant.
pub(crate) async fn holdings(
    tx: &Transaction<'_>,
    facts: &Facts,
    holders: Option<&[u32]>,
) -> Result<Vec<Holding>> {
    let (memberships, databases, schemas) = futures::try_join!(
        memberships(tx, facts, holders),
        databases_held(tx, holders),
        schemas_held(tx, holders)
    )?;
    Ok(memberships.into_iter().chain(databases).chain(schemas).collect())
}

/// What is held of one kind.
pub(crate) async fn holdings_of(
    tx: &Transaction<'_>,
    facts: &Facts,
    kind: &str,
    holders: Option<&[u32]>,
) -> Result<Vec<Holding>> {
    match kind {
        kind if kind == DATABASE.0 => databases_held(tx, holders).await,
        kind if kind == SCHEMA.0 => schemas_held(tx, holders).await,
        _ => memberships(tx, facts, holders).await,
    }
}

async fn memberships(tx: &Transaction<'_>, facts: &Facts, holders: Option<&[u32]>) -> Result<Vec<Holding>> {
    // A membership with neither option gives nothing but what its admin option gives. provost's own admin options are
    // left out: from version 16 it gets one in every role that it makes, and so they are its tools, not its grants.
    let usable = if facts.membership_options() { "m.inherit_option OR m.set_option" } else { "true" };
    let sql = format!(
        "SELECT m.member, m.roleid, bool_or({usable}), bool_or(m.admin_option) AND m.member <> $2
         FROM pg_catalog.pg_auth_members m WHERE $1::oid[] IS NULL OR m.member = ANY ($1) GROUP BY 1, 2"
    );
    let rows = tx.query(&sql, &[&holders, &facts.me]).await.when("reading memberships")?;
    let mut held = Vec::with_capacity(rows.len());
    for row in rows {
        let (holder, object) = (row.get(0), row.get(1));
        for (kind, holds) in [(GROUP, row.get(2)), (GROUP_ADMIN, row.get(3))] {
            if holds {
                held.push(Holding { holder, kind, object, role: None });
            }
        }
    }
    Ok(held)
}

async fn databases_held(tx: &Transaction<'_>, holders: Option<&[u32]>) -> Result<Vec<Holding>> {
    let sql = "
        SELECT a.grantee, d.oid, bool_or(a.privilege_type = 'CREATE')
        FROM pg_catalog.pg_database d, LATERAL aclexplode(d.datacl) a
        WHERE NOT d.datistemplate AND a.privilege_type IN ('CONNECT', 'CREATE') AND a.grantee NOT IN (0, d.datdba)
          AND ($1::oid[] IS NULL OR a.grantee = ANY ($1))
        GROUP BY 1, 2";
    let rows = tx.query(sql, &[&holders]).await.when("reading privileges on databases")?;
    let holding = |row: &Row| Holding {
        holder: row.get(0),
        kind: DATABASE.0,
        object: row.get(1),
        role: Some(DATABASE.1[usize::from(row.get::<_, bool>(2))]),
    };
    Ok(rows.iter().map(holding).collect())
}

/// A profile is held when everything that belongs to it is: the schema, each table and sequence of it, and what its
/// owner will make there. So a table that somebody added without the privilege shows as a lesser profile.
async fn schemas_held(tx: &Transaction<'_>, holders: Option<&[u32]>) -> Result<Vec<Holding>> {
    let sql = format!(
        "WITH s AS ({SCHEMAS}),
        used AS (
            SELECT DISTINCT s.oid AS schema, s.owner, a.grantee FROM s, LATERAL aclexplode(s.acl) a
            WHERE a.privilege_type = 'USAGE' AND a.grantee NOT IN (0, s.nspowner)
              AND ($1::oid[] IS NULL OR a.grantee = ANY ($1))),
        relation AS (
            SELECT c.oid, c.relnamespace AS schema, c.relkind = 'S' AS sequence, c.relowner, c.relacl
            FROM pg_catalog.pg_class c
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relnamespace IN (SELECT schema FROM used)),
        total AS (
            SELECT schema, count(*) FILTER (WHERE NOT sequence) AS tables,
                   count(*) FILTER (WHERE sequence) AS sequences
            FROM relation GROUP BY 1),
        own AS (
            SELECT schema, relowner AS grantee, count(*) FILTER (WHERE NOT sequence) AS tables,
                   count(*) FILTER (WHERE sequence) AS sequences
            FROM relation GROUP BY 1, 2),
        granted AS (
            SELECT DISTINCT r.oid, r.schema, r.sequence, a.grantee, a.privilege_type AS privilege
            FROM relation r, LATERAL aclexplode(r.relacl) a WHERE a.grantee NOT IN (0, r.relowner)),
        held AS (
            SELECT schema, grantee,
                   count(*) FILTER (WHERE NOT sequence AND privilege = 'SELECT') AS read,
                   count(*) FILTER (WHERE NOT sequence AND privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
                       AS write,
                   count(*) FILTER (WHERE sequence AND privilege = 'USAGE') AS next
            FROM granted GROUP BY 1, 2),
        future AS (
            SELECT s.oid AS schema, a.grantee,
                   count(DISTINCT a.privilege_type) FILTER (WHERE d.defaclobjtype = 'r'
                       AND a.privilege_type = 'SELECT') = 1 AS read,
                   count(DISTINCT a.privilege_type) FILTER (WHERE d.defaclobjtype = 'r'
                       AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')) = 4 AS write,
                   count(DISTINCT a.privilege_type) FILTER (WHERE d.defaclobjtype = 'S'
                       AND a.privilege_type = 'USAGE') = 1 AS next
            FROM s JOIN pg_catalog.pg_default_acl d ON d.defaclnamespace = s.oid AND d.defaclrole = s.owner,
                 LATERAL aclexplode(d.defaclacl) a
            GROUP BY 1, 2)
        SELECT u.grantee, u.schema,
               coalesce(f.read OR u.grantee = u.owner, false)
                   AND coalesce(h.read, 0) + coalesce(o.tables, 0) = coalesce(t.tables, 0),
               coalesce(f.write AND f.next OR u.grantee = u.owner, false)
                   AND coalesce(h.write, 0) + 4 * coalesce(o.tables, 0) = 4 * coalesce(t.tables, 0)
                   AND coalesce(h.next, 0) + coalesce(o.sequences, 0) = coalesce(t.sequences, 0)
        FROM used u
        LEFT JOIN total t USING (schema)
        LEFT JOIN own o USING (schema, grantee)
        LEFT JOIN held h USING (schema, grantee)
        LEFT JOIN future f USING (schema, grantee)"
    );
    let rows = tx.query(&sql, &[&holders]).await.when("reading privileges on schemas")?;
    let holding = |row: &Row| {
        let (read, write): (bool, bool) = (row.get(2), row.get(3));
        let role = SCHEMA.1[if write { 2 } else { usize::from(read) }];
        Holding { holder: row.get(0), kind: SCHEMA.0, object: row.get(1), role: Some(role) }
    };
    Ok(rows.iter().map(holding).collect())
}

/// The schemas that people made. What belongs to `pg_database_owner` is filled by the database's owner.
const SCHEMAS: &str = r"
    SELECT n.oid, n.nspname::text AS name, n.nspowner, n.nspacl AS acl,
           CASE WHEN o.rolname = 'pg_database_owner'
                THEN (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = current_database())
                ELSE n.nspowner END AS owner
    FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// The databases that are no templates, by oid and name.
pub(crate) async fn databases(tx: &Transaction<'_>) -> Result<Vec<(u32, String)>> {
    let sql = "SELECT oid, datname::text FROM pg_catalog.pg_database WHERE NOT datistemplate";
    let rows = tx.query(sql, &[]).await.when("reading databases")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// A schema: its oid, its name, and the name of whoever makes tables in it.
pub(crate) async fn schemas(tx: &Transaction<'_>) -> Result<Vec<(u32, String, String)>> {
    let sql = format!(
        "SELECT s.oid, s.name, r.rolname::text FROM ({SCHEMAS}) s JOIN pg_catalog.pg_roles r ON r.oid = s.owner"
    );
    let rows = tx.query(&sql, &[]).await.when("reading schemas")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// What each role holds.
pub(crate) fn by_holder(holdings: &[Holding]) -> HashMap<u32, BTreeSet<EntitlementKey>> {
    let mut held: HashMap<u32, BTreeSet<EntitlementKey>> = HashMap::new();
    for holding in holdings {
        held.entry(holding.holder).or_default().insert(holding.key());
    }
    held
}

/// A role as the account that it is.
pub(crate) fn account(role: &Role, held: Option<BTreeSet<EntitlementKey>>) -> Account {
    Account {
        anchor: Anchor(role.oid.to_string()),
        kind: ACCOUNT.into(),
        username: role.name.clone(),
        state: if role.login { State::Enabled } else { State::Disabled },
        attributes: role.attributes(),
        entitlements: Some(held.unwrap_or_default()),
        version: None,
    }
}

/// An entitlement as a read shows it.
pub(crate) fn entitlement(kind: &str, oid: u32, name: &str, administrative: bool) -> Entitlement {
    Entitlement { kind: kind.into(), anchor: Anchor(oid.to_string()), name: name.into(), administrative }
}
