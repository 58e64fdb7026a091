//! Scenery for the conformance suite.

use async_trait::async_trait;
use provost_sdk::{
    AccountRef, Anchor, Entitlement, Error, ErrorKind, ExposeSecret, Result, SecretString, Stage,
};

use crate::{GROUP, Handle, LIST, PROJECT};

pub(crate) struct MemoryStage(pub(crate) Handle);

#[async_trait]
impl Stage for MemoryStage {
    async fn make_entitlement(&self, kind: &str, name: &str) -> Result<Entitlement> {
        match kind {
            GROUP | PROJECT | LIST => Ok(self.0.system().add_entitlement_by_hand(kind, name)),
            _ => {
                Err(Error::new(ErrorKind::InvalidValue, format!("There is no kind of entitlement `{kind}`.")))
            }
        }
    }

    async fn remove_entitlement(&self, entitlement: &Entitlement) -> Result<()> {
        let mut system = self.0.system();
        if system.entitlements().any(|known| known.anchor == entitlement.anchor) {
            system.remove_entitlement_by_hand(&entitlement.kind, &entitlement.anchor);
        }
        Ok(())
    }

    async fn nest(&self, inner: &Entitlement, outer: &Entitlement) -> Result<Option<()>> {
        self.0.system().nest_by_hand(&inner.anchor, &outer.anchor);
        Ok(Some(()))
    }

    async fn signs_in(&self, account: &AccountRef) -> Result<Option<bool>> {
        let mut system = self.0.system();
        if system.account(&account.anchor).is_none() {
            return Ok(Some(false));
        }
        Ok(Some(system.open_session_by_hand(&account.anchor).is_some()))
    }

    async fn open_session(&self, account: &AccountRef) -> Result<Option<String>> {
        Ok(self.0.system().open_session_by_hand(&account.anchor))
    }

    async fn session_works(&self, session: &str) -> Result<Option<bool>> {
        Ok(Some(self.0.system().session_works(session)))
    }

    async fn own_something(&self, account: &AccountRef) -> Result<Option<String>> {
        Ok(Some(self.0.system().own_something_by_hand(&account.anchor)))
    }

    async fn owner_of(&self, thing: &str) -> Result<Option<Anchor>> {
        Ok(self.0.system().owner_of(thing).cloned())
    }

    async fn remove_thing(&self, thing: &str) -> Result<()> {
        self.0.system().remove_thing_by_hand(thing);
        Ok(())
    }

    async fn credential_works(
        &self,
        account: &AccountRef,
        kind: &str,
        secret: &SecretString,
    ) -> Result<Option<bool>> {
        let system = self.0.system();
        let Some(record) = system.accounts.get(&account.anchor) else { return Ok(Some(false)) };
        let works = record
            .credentials
            .values()
            .any(|known| known.kind == kind && known.secret.expose_secret() == secret.expose_secret());
        Ok(Some(works))
    }
}
