//! Scenery for the conformance suite, on a throwaway system, where the program offers it. Never used by the daemon.

use async_trait::async_trait;
use provost_sdk::{AccountRef, Anchor, Entitlement, ErrorKind, ExposeSecret, Result, SecretString, Stage};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::supervise::Supervisor;

/// The stage of one target.
pub(crate) struct Scenery(pub(crate) Supervisor);

impl Scenery {
    async fn call<T: DeserializeOwned>(&self, what: &str, params: Value) -> Result<T> {
        let session = self.0.session().await?;
        self.0.call(&session, &format!("stage/{what}"), &params).await
    }

    /// What a program does not offer cannot be tried here.
    async fn offered<T: DeserializeOwned>(&self, what: &str, params: Value) -> Result<Option<T>> {
        match self.call(what, params).await {
            Err(error) if error.kind == ErrorKind::Unsupported => Ok(None),
            answer => answer,
        }
    }
}

#[async_trait]
impl Stage for Scenery {
    async fn make_entitlement(&self, kind: &str, name: &str) -> Result<Entitlement> {
        self.call("make_entitlement", json!({ "kind": kind, "name": name })).await
    }

    async fn remove_entitlement(&self, entitlement: &Entitlement) -> Result<()> {
        let _done: Value = self.call("remove_entitlement", json!({ "entitlement": entitlement })).await?;
        Ok(())
    }

    async fn nest(&self, inner: &Entitlement, outer: &Entitlement) -> Result<Option<()>> {
        let done = self.offered("nest", json!({ "inner": inner, "outer": outer })).await?;
        Ok(done.filter(|done| *done).map(|_: bool| ()))
    }

    async fn signs_in(&self, account: &AccountRef) -> Result<Option<bool>> {
        self.offered("signs_in", json!({ "account": account })).await
    }

    async fn open_session(&self, account: &AccountRef) -> Result<Option<String>> {
        self.offered("open_session", json!({ "account": account })).await
    }

    async fn session_works(&self, session: &str) -> Result<Option<bool>> {
        self.offered("session_works", json!({ "session": session })).await
    }

    async fn own_something(&self, account: &AccountRef) -> Result<Option<String>> {
        self.offered("own_something", json!({ "account": account })).await
    }

    async fn owner_of(&self, thing: &str) -> Result<Option<Anchor>> {
        self.offered("owner_of", json!({ "thing": thing })).await
    }

    async fn remove_thing(&self, thing: &str) -> Result<()> {
        let _done: Option<Value> = self.offered("remove_thing", json!({ "thing": thing })).await?;
        Ok(())
    }

    async fn credential_works(
        &self,
        account: &AccountRef,
        kind: &str,
        secret: &SecretString,
    ) -> Result<Option<bool>> {
        let params = json!({ "account": account, "kind": kind, "secret": secret.expose_secret() });
        self.offered("credential_works", params).await
    }
}
