//! What a system that is wrong looks like behind the contract.

use async_trait::async_trait;
use provost_sdk::{AccountRef, Anchor, Entitlement, Result, SecretString, Stage};

use super::Lie;

pub(super) struct Scenery {
    pub(super) inner: Box<dyn Stage>,
    pub(super) lie: Option<Lie>,
}

#[async_trait]
impl Stage for Scenery {
    async fn make_entitlement(&self, kind: &str, name: &str) -> Result<Entitlement> {
        self.inner.make_entitlement(kind, name).await
    }

    async fn remove_entitlement(&self, entitlement: &Entitlement) -> Result<()> {
        self.inner.remove_entitlement(entitlement).await
    }

    async fn nest(&self, inner: &Entitlement, outer: &Entitlement) -> Result<Option<()>> {
        self.inner.nest(inner, outer).await
    }

    async fn signs_in(&self, account: &AccountRef) -> Result<Option<bool>> {
        match self.lie {
            Some(Lie::DisableIsOnlyShown) => Ok(Some(true)),
            _ => self.inner.signs_in(account).await,
        }
    }

    async fn open_session(&self, account: &AccountRef) -> Result<Option<String>> {
        self.inner.open_session(account).await
    }

    async fn session_works(&self, session: &str) -> Result<Option<bool>> {
        self.inner.session_works(session).await
    }

    async fn own_something(&self, account: &AccountRef) -> Result<Option<String>> {
        self.inner.own_something(account).await
    }

    async fn owner_of(&self, thing: &str) -> Result<Option<Anchor>> {
        self.inner.owner_of(thing).await
    }

    async fn remove_thing(&self, thing: &str) -> Result<()> {
        self.inner.remove_thing(thing).await
    }

    async fn credential_works(
        &self,
        account: &AccountRef,
        kind: &str,
        secret: &SecretString,
    ) -> Result<Option<bool>> {
        match self.lie {
            Some(Lie::RevokedCredentialWorks) => Ok(Some(true)),
            _ => self.inner.credential_works(account, kind, secret).await,
        }
    }
}
