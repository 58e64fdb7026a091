//! Scenery for the conformance suite, on a throwaway server. Never used by the daemon.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use provost_sdk::{
    AccountRef, Anchor, Entitlement, Error, ErrorKind, ExposeSecret, Result, SecretString, Stage,
};
use tokio::sync::Mutex;
use tokio_postgres::Client;

use crate::apply::set_password;
use crate::catalog::{DATABASE, GROUP, GROUP_ADMIN, SCHEMA, entitlement};
use crate::error::While;
use crate::observe::oid;
use crate::quote::{ident, literal};
use crate::server::Server;

/// The password that accounts get for trying to sign in.
const PASSWORD: &str = "only for a throwaway server";

/// The stage of one target.
#[derive(Debug)]
pub(crate) struct Scenery {
    server: Arc<Server>,
    sessions: Mutex<HashMap<String, Client>>,
}

impl Scenery {
    pub(crate) fn new(server: Arc<Server>) -> Scenery {
        Scenery { server, sessions: Mutex::default() }
    }

    async fn run(&self, sql: &str) -> Result<()> {
        let session = self.server.session().await?;
        session.client.batch_execute(sql).await.when("setting the stage")?;
        session.give_back();
        Ok(())
    }

    /// The number that a query answers, if any.
    async fn number(&self, sql: &str) -> Result<Option<u32>> {
        let session = self.server.session().await?;
        let row = session.client.query_opt(sql, &[]).await.when("looking at the stage")?;
        session.give_back();
        Ok(row.map(|row| row.get(0)))
    }

    /// The present name of an account.
    async fn name(&self, account: &AccountRef) -> Result<String> {
        let gone = || Error::new(ErrorKind::NotFound, "There is no such account.");
        let oid = oid(&account.anchor).ok_or_else(gone)?;
        let session = self.server.session().await?;
        let sql = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE oid = $1";
        let row = session.client.query_opt(sql, &[&oid]).await.when("looking at the stage")?;
        session.give_back();
        Ok(row.ok_or_else(gone)?.get(0))
    }

    /// A session of the account, or none where it is not let in.
    async fn enter(&self, account: &AccountRef, password: &str) -> Result<Option<Client>> {
        match self.server.sign_in(&self.name(account).await?, password).await {
            Ok(client) => Ok(Some(client)),
            Err(error) if error.kind == ErrorKind::InvalidCredential => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn give_password(&self, account: &AccountRef) -> Result<()> {
        self.run(&set_password(&self.name(account).await?, PASSWORD)).await
    }
}

fn find(kind: &str, name: &str) -> Result<String> {
    let name = literal(name);
    match kind {
        GROUP | GROUP_ADMIN => Ok(format!("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {name}")),
        kind if kind == DATABASE.0 => {
            Ok(format!("SELECT oid FROM pg_catalog.pg_database WHERE datname = {name}"))
        }
        kind if kind == SCHEMA.0 => {
            Ok(format!("SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = {name}"))
        }
        other => Err(Error::new(ErrorKind::Unsupported, format!("There is no kind `{other}`."))),
    }
}

#[async_trait]
impl Stage for Scenery {
    async fn make_entitlement(&self, kind: &str, name: &str) -> Result<Entitlement> {
        let find = find(kind, name)?;
        let quoted = ident(name);
        if self.number(&find).await?.is_none() {
            let make = match kind {
                GROUP | GROUP_ADMIN => format!("CREATE ROLE {quoted} NOLOGIN"),
                kind if kind == DATABASE.0 => format!("CREATE DATABASE {quoted}"),
                _ => format!("CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.thing (id serial)"),
            };
            self.run(&make).await?;
        }
        let made = self.number(&find).await?;
        let oid =
            made.ok_or_else(|| Error::new(ErrorKind::InvalidResponse, "What was made is not there."))?;
        Ok(entitlement(kind, oid, name, false))
    }

    async fn remove_entitlement(&self, entitlement: &Entitlement) -> Result<()> {
        let name = ident(&entitlement.name);
        self.run(&match entitlement.kind.as_str() {
            GROUP | GROUP_ADMIN => format!("DROP ROLE IF EXISTS {name}"),
            kind if kind == DATABASE.0 => format!("DROP DATABASE IF EXISTS {name}"),
            _ => format!("DROP SCHEMA IF EXISTS {name} CASCADE"),
        })
        .await
    }

    async fn nest(&self, inner: &Entitlement, outer: &Entitlement) -> Result<Option<()>> {
        self.run(&format!("GRANT {} TO {}", ident(&outer.name), ident(&inner.name))).await?;
        Ok(Some(()))
    }

    async fn signs_in(&self, account: &AccountRef) -> Result<Option<bool>> {
        self.give_password(account).await?;
        Ok(Some(self.enter(account, PASSWORD).await?.is_some()))
    }

    async fn open_session(&self, account: &AccountRef) -> Result<Option<String>> {
        self.give_password(account).await?;
        let Some(client) = self.enter(account, PASSWORD).await? else { return Ok(None) };
        let mut sessions = self.sessions.lock().await;
        let name = format!("session-{}", sessions.len());
        sessions.insert(name.clone(), client);
        Ok(Some(name))
    }

    async fn session_works(&self, session: &str) -> Result<Option<bool>> {
        let sessions = self.sessions.lock().await;
        let Some(client) = sessions.get(session) else { return Ok(None) };
        Ok(Some(client.batch_execute("SELECT 1").await.is_ok()))
    }

    async fn own_something(&self, account: &AccountRef) -> Result<Option<String>> {
        let thing = format!("thing-of-{}", account.anchor);
        let schema = ident(&thing);
        self.run(&format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; GRANT CREATE, USAGE ON SCHEMA {schema} TO PUBLIC"
        ))
        .await?;
        self.give_password(account).await?;
        let Some(owner) = self.enter(account, PASSWORD).await? else { return Ok(None) };
        owner
            .batch_execute(&format!("CREATE TABLE IF NOT EXISTS {schema}.thing ()"))
            .await
            .when("setting the stage")?;
        Ok(Some(thing))
    }

    async fn owner_of(&self, thing: &str) -> Result<Option<Anchor>> {
        let sql = format!(
            "SELECT c.relowner FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {}",
            literal(thing)
        );
        Ok(self.number(&sql).await?.map(|oid| Anchor(oid.to_string())))
    }

    async fn remove_thing(&self, thing: &str) -> Result<()> {
        self.run(&format!("DROP SCHEMA IF EXISTS {} CASCADE", ident(thing))).await
    }

    async fn credential_works(
        &self,
        account: &AccountRef,
        _kind: &str,
        secret: &SecretString,
    ) -> Result<Option<bool>> {
        Ok(Some(self.enter(account, secret.expose_secret()).await?.is_some()))
    }
}
