//! Writing: one transaction a change, addressed by oid, looked at before it commits and read back afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use provost_sdk::{
    AccountRef, Anchor, Apply, Create, Error, ErrorKind, IdempotencyKey, Operation, Receipt, Result,
    SecretString, Value, Wanted,
};
use tokio_postgres::Transaction;

use crate::catalog::{self, ACCOUNT, Role, Which};
use crate::error::While;
use crate::observe::{oid, one};
use crate::quote::{ident, literal, name};
use crate::server::{Facts, Server};
use crate::values::{Description, Mark, Values};
use crate::{batch, held, leave};

/// The only kind of credential.
const PASSWORD: &str = "password";
/// The first half of the key of every advisory lock that is taken here ("prov"); the second half is an oid.
pub(crate) const LOCKS: i32 = 0x7072_6f76;

/// The writer of one target.
#[derive(Debug)]
pub(crate) struct Writer(pub Arc<Server>);

#[async_trait]
impl Apply for Writer {
    async fn apply(&self, operation: &Operation, _key: &IdempotencyKey) -> Result<Receipt> {
        let server = &*self.0;
        let call = async {
            match operation {
                Operation::Delete { account } => leave::delete(server, account).await,
                Operation::Transfer { from, to } => leave::transfer(server, from, to).await,
                _ => change(server, operation).await,
            }
        };
        server.within(call).await
    }

    async fn apply_all(&self, operations: &[(Operation, IdempotencyKey)]) -> Vec<Result<Receipt>> {
        let together = batch::apply(&self.0, operations).await;
        let mut answers = Vec::with_capacity(operations.len());
        for (answer, (operation, key)) in together.into_iter().zip(operations) {
            answers.push(match answer {
                Some(answer) => answer,
                None => self.apply(operation, key).await,
            });
        }
        answers
    }
}

/// What a transaction did.
pub(crate) struct Done {
    oid: u32,
    changed: bool,
    /// Whether the account's sessions have to end once it is committed.
    ends_sessions: bool,
    credential: Option<(Anchor, SecretString)>,
}

impl Done {
    fn new(oid: u32, changed: bool) -> Done {
        Done { oid, changed, ends_sessions: false, credential: None }
    }
}

async fn change(server: &Server, operation: &Operation) -> Result<Receipt> {
    let mut session = server.session().await?;
    let facts = server.facts(&session.client).await?.clone();
    let tx = session.client.transaction().await.when("beginning")?;
    let mut done = within(&tx, (server, &facts), operation).await?;
    // A lost answer to a commit leaves open whether it happened.
    tx.commit().await.when("committing").map_err(Error::in_doubt)?;
    let after = async {
        if done.ends_sessions {
            // After the commit, so that nobody comes in between.
            done.changed |= leave::end_sessions(&session.client, done.oid).await?;
        }
        one(&mut session.client, &facts, &Wanted::Anchor(Anchor(done.oid.to_string()))).await
    };
    let account = after.await.map_err(Error::in_doubt)?;
    session.give_back();
    let (credential, secret) = done.credential.unzip();
    Ok(Receipt { changed: done.changed, account, secret, credential })
}

async fn within(tx: &Transaction<'_>, on: (&Server, &Facts), operation: &Operation) -> Result<Done> {
    if let Operation::Create(draft) = operation {
        return create(tx, draft).await;
    }
    let Some(account) = operation.account() else { return Err(unsupported(operation)) };
    let role = resolve(tx, on, account).await?;
    let mut done = match operation {
        Operation::Update { changes, .. } => Done::new(role.oid, update(tx, &role, changes).await?),
        Operation::Rename { to, .. } => return rename(tx, &role, to).await,
        Operation::Enable { .. } => Done::new(role.oid, enable(tx, &role).await?),
        Operation::Disable { .. } => {
            Done { ends_sessions: true, ..Done::new(role.oid, disable(tx, &role).await?) }
        }
        Operation::EndSessions { .. } => Done { ends_sessions: true, ..Done::new(role.oid, false) },
        Operation::Grant { entitlement, .. } => {
            Done::new(role.oid, held::change(tx, on, &role, entitlement, true).await?)
        }
        Operation::Revoke { entitlement, .. } => {
            Done::new(role.oid, held::change(tx, on, &role, entitlement, false).await?)
        }
        Operation::IssueCredential { kind, .. } if kind == PASSWORD => issue(tx, &role).await?,
        Operation::RevokeCredential { kind, credential, .. } if kind == PASSWORD => {
            Done::new(role.oid, revoke(tx, &role, credential).await?)
        }
        _ => return Err(unsupported(operation)),
    };
    done.changed |= done.credential.is_some();
    if done.changed {
        still_called(tx, &role).await?;
    }
    Ok(done)
}

/// Lets no other provost change the same role, database or schema until the transaction ends: the server answers
/// two changes of one row at once with an internal error.
pub(crate) async fn lock(tx: &Transaction<'_>, oid: u32) -> Result<()> {
    let key = i32::from_ne_bytes(oid.to_ne_bytes());
    let locked = tx.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCKS, &key]).await;
    locked.map(|_| ()).when("waiting for another change of the same role")
}

/// The role of an account that may be changed.
pub(crate) async fn resolve(
    tx: &Transaction<'_>,
    (server, facts): (&Server, &Facts),
    account: &AccountRef,
) -> Result<Role> {
    let gone =
        || Error::new(ErrorKind::NotFound, format!("There is no account {} any more.", account.username));
    let oid = oid(&account.anchor).ok_or_else(gone)?;
    lock(tx, oid).await?;
    let role = catalog::role(tx, oid).await?;
    let role = role.filter(Role::is_account).ok_or_else(gone)?;
    protect(server, facts, &role)?;
    Ok(role)
}

/// Refuses what is never touched.
pub(crate) fn protect(server: &Server, facts: &Facts, role: &Role) -> Result<()> {
    let denied = |what: &str| {
        let message = format!("The role {} is {what} and is never touched.", role.name);
        Err(Error::new(ErrorKind::PermissionDenied, message))
    };
    if role.oid == facts.me {
        return denied("provost's own");
    }
    if (role.superuser || role.name.starts_with("pg_")) && !server.manages(&role.name) {
        return denied("a superuser or predefined, is not named under `manage`,");
    }
    Ok(())
}

/// That the name by which the statements addressed the role was its name all the time. Before the commit, so that a
/// change that hit another role of that name is undone.
pub(crate) async fn still_called(tx: &Transaction<'_>, role: &Role) -> Result<()> {
    match catalog::role(tx, role.oid).await? {
        Some(now) if now.name == role.name => Ok(()),
        _ => {
            let message = format!("The role {} was renamed or dropped in the meantime.", role.name);
            Err(Error::new(ErrorKind::Conflict, message))
        }
    }
}

async fn create(tx: &Transaction<'_>, draft: &Create) -> Result<Done> {
    let username = name(&draft.username)?;
    let sql = creation(draft)?;
    if !catalog::roles(tx, Which::Names(&[username])).await?.is_empty() {
        return Err(taken(username));
    }
    tx.batch_execute(&sql).await.when("making the role").map_err(|error| match error.kind {
        // Somebody else made it between the look and the statement.
        ErrorKind::Conflict => taken(username).because(error),
        _ => error,
    })?;
    match catalog::roles(tx, Which::Names(&[username])).await?.pop() {
        Some(role) if role.login => Ok(Done::new(role.oid, true)),
        _ => {
            let message = format!("The server did not keep the name {username:?} as it is.");
            Err(Error::new(ErrorKind::InvalidValue, message))
        }
    }
}

/// The statements that make a role.
pub(crate) fn creation(draft: &Create) -> Result<String> {
    if draft.kind != ACCOUNT {
        let message = format!("There is no kind of account `{}` here.", draft.kind);
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let role = ident(name(&draft.username)?);
    let first = draft.attributes.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    let values = Values::parse(&first)?;
    let options = values.options();
    let description = Description { comment: values.comment.flatten(), mark: Some(Mark::default()) };
    Ok(format!("CREATE ROLE {role} LOGIN{options}; COMMENT ON ROLE {role} IS {}", description.sql()))
}

async fn update(
    tx: &Transaction<'_>,
    role: &Role,
    changes: &BTreeMap<String, Option<Value>>,
) -> Result<bool> {
    let asked = Values::parse(changes)?;
    let values = Values {
        connection_limit: asked.connection_limit.filter(|limit| *limit != role.connection_limit),
        valid_until: asked.valid_until.filter(|until| *until != role.valid_until),
        comment: asked.comment.filter(|comment| *comment != role.description.comment),
    };
    let mut statements = Vec::new();
    if values.connection_limit.is_some() || values.valid_until.is_some() {
        statements.push(format!("ALTER ROLE {}{}", ident(&role.name), values.options()));
    }
    if let Some(comment) = values.comment {
        let mut described = role.clone();
        described.description.comment = comment;
        statements.push(comment_on(&described));
    }
    run(tx, &statements, "changing the role").await
}

async fn rename(tx: &Transaction<'_>, role: &Role, to: &str) -> Result<Done> {
    let to = name(to)?;
    if role.name == to {
        return Ok(Done::new(role.oid, false));
    }
    if !catalog::roles(tx, Which::Names(&[to])).await?.is_empty() {
        return Err(taken(to));
    }
    let sql = format!("ALTER ROLE {} RENAME TO {}", ident(&role.name), ident(to));
    run(tx, &[sql], "renaming the role").await?;
    still_called(tx, &Role { name: to.to_owned(), ..role.clone() }).await?;
    Ok(Done::new(role.oid, true))
}

async fn enable(tx: &Transaction<'_>, role: &Role) -> Result<bool> {
    let statements: Vec<String> = match role.login {
        true => Vec::new(),
        false => vec![format!("ALTER ROLE {} LOGIN", ident(&role.name))],
    };
    run(tx, &statements, "enabling the role").await
}

/// The mark comes first: without it a role that cannot log in would be a group.
pub(crate) async fn disable(tx: &Transaction<'_>, role: &Role) -> Result<bool> {
    let mut statements = Vec::new();
    if role.login {
        if role.description.mark.is_none() {
            let mut marked = role.clone();
            marked.description.mark = Some(Mark::default());
            statements.push(comment_on(&marked));
        }
        statements.push(format!("ALTER ROLE {} NOLOGIN", ident(&role.name)));
    }
    run(tx, &statements, "disabling the role").await
}

/// The server gets the verifier alone, computed here (RFC 5803), so that the password is in no log.
async fn issue(tx: &Transaction<'_>, role: &Role) -> Result<Done> {
    // Two random UUIDs carry 244 bits.
    let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mut marked = role.clone();
    marked.description.mark = Some(Mark { password: Some(id.clone()) });
    run(tx, &[set_password(&role.name, &secret), comment_on(&marked)], "setting the password").await?;
    Ok(Done { credential: Some((Anchor(id), SecretString::from(secret))), ..Done::new(role.oid, true) })
}

async fn revoke(tx: &Transaction<'_>, role: &Role, credential: &Anchor) -> Result<bool> {
    let last = role.description.mark.as_ref().and_then(|mark| mark.password.as_deref());
    if last != Some(credential.as_str()) {
        return Ok(false);
    }
    let mut marked = role.clone();
    marked.description.mark = Some(Mark::default());
    let clear = format!("ALTER ROLE {} PASSWORD NULL", ident(&role.name));
    run(tx, &[clear, comment_on(&marked)], "clearing the password").await
}

/// The statement that sets a password by its SCRAM-SHA-256 verifier.
pub(crate) fn set_password(role: &str, password: &str) -> String {
    let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
    format!("ALTER ROLE {} PASSWORD {}", ident(role), literal(&verifier))
}

fn comment_on(role: &Role) -> String {
    format!("COMMENT ON ROLE {} IS {}", ident(&role.name), role.description.sql())
}

async fn run(tx: &Transaction<'_>, statements: &[String], doing: &str) -> Result<bool> {
    if !statements.is_empty() {
        tx.batch_execute(&statements.join("; ")).await.when(doing)?;
    }
    Ok(!statements.is_empty())
}

fn taken(name: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("There is a role {name} already."))
}

fn unsupported(operation: &Operation) -> Error {
    let message = format!("PostgreSQL has no operation {} for this.", operation.verb().as_str());
    Error::new(ErrorKind::Unsupported, message)
}
