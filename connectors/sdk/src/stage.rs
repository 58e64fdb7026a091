//! What only a throwaway system lets somebody do. The conformance suite uses it to build its scenery and to look behind
//! the contract (does a disabled account really not get in?); nothing else does, the daemon least of all.

use async_trait::async_trait;

use crate::{AccountRef, Anchor, Entitlement, Result, SecretString};

/// Scenery for the conformance suite, on a throwaway system only. **For conformance only, never used by the daemon.**
///
/// A connector that offers it ([`crate::Connector::stage`]) can be tested on an empty system. Without it the suite
/// uses the entitlements that it finds there. What has a default below is a check that the suite makes only where
/// the system can: `Ok(None)` says that it cannot be tried here.
#[async_trait]
pub trait Stage: Send + Sync {
    /// Makes an entitlement of a declared kind that nobody holds and gives it back as a read shows it. One that is
    /// there already under this name is given back as it is.
    async fn make_entitlement(&self, kind: &str, name: &str) -> Result<Entitlement>;

    /// Removes an entitlement that [`Stage::make_entitlement`] made; what is gone already is a success.
    async fn remove_entitlement(&self, entitlement: &Entitlement) -> Result<()>;

    /// Puts `inner` into `outer`, both of a kind that nests; whether it could be tried.
    async fn nest(&self, _inner: &Entitlement, _outer: &Entitlement) -> Result<Option<()>> {
        Ok(None)
    }

    /// Tries to sign in as the account (setting a password for it first, where that is what it takes) and says
    /// whether that worked.
    async fn signs_in(&self, _account: &AccountRef) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Opens a session of the account, or takes out a token, and gives its name for [`Stage::session_works`].
    async fn open_session(&self, _account: &AccountRef) -> Result<Option<String>> {
        Ok(None)
    }

    /// Whether a session opened before is still good for anything.
    async fn session_works(&self, _session: &str) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Gives the account something to own (a repository, a database object) and gives its name for
    /// [`Stage::owner_of`]. It is removed with its last owner or with [`Stage::remove_thing`].
    async fn own_something(&self, _account: &AccountRef) -> Result<Option<String>> {
        Ok(None)
    }

    /// Who owns it now.
    async fn owner_of(&self, _thing: &str) -> Result<Option<Anchor>> {
        Ok(None)
    }

    /// Removes what [`Stage::own_something`] made; what is gone already is a success.
    async fn remove_thing(&self, _thing: &str) -> Result<()> {
        Ok(())
    }

    /// Whether a credential that an operation issued is accepted.
    async fn credential_works(
        &self,
        _account: &AccountRef,
        _kind: &str,
        _secret: &SecretString,
    ) -> Result<Option<bool>> {
        Ok(None)
    }
}
