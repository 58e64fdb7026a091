//! Lies of a writer.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use provost_memory::Handle;
use provost_sdk::{
    Account, AccountRef, Anchor, Apply, Create, EntitlementKey, Error, ErrorKind, IdempotencyKey, Operation,
    Receipt, Result, State, Value, Verb,
};

use super::Lie;

pub(super) struct Writer {
    inner: Box<dyn Apply>,
    /// With a credential that may do everything.
    honest: Box<dyn Apply>,
    handle: Handle,
    lie: Option<Lie>,
    /// What a forgetful writer believes: accounts and holders as it last saw them.
    believed: Mutex<BTreeMap<Anchor, Account>>,
    believed_holders: Mutex<BTreeMap<EntitlementKey, Vec<Anchor>>>,
}

impl Writer {
    pub(super) fn new(
        inner: Box<dyn Apply>,
        honest: Box<dyn Apply>,
        handle: Handle,
        lie: Option<Lie>,
    ) -> Writer {
        let (believed, believed_holders) = Default::default();
        Writer { inner, honest, handle, lie, believed, believed_holders }
    }

    fn account(&self, account: &AccountRef) -> Option<Account> {
        self.handle.system().account(&account.anchor)
    }

    fn everybody(&self) -> Vec<Account> {
        self.handle.system().accounts().collect()
    }

    async fn honestly(&self, operation: Operation) -> Result<Receipt> {
        self.honest.apply(&operation, &IdempotencyKey("liar".into())).await
    }

    /// Takes everything away that an account holds.
    fn strip(&self, account: &AccountRef) {
        for key in self.account(account).and_then(|account| account.entitlements).unwrap_or_default() {
            self.handle.system().remove_member_by_hand(&account.anchor, &key);
        }
    }
}

#[async_trait]
impl Apply for Writer {
    async fn apply(&self, operation: &Operation, key: &IdempotencyKey) -> Result<Receipt> {
        let Some(lie) = self.lie else { return self.inner.apply(operation, key).await };
        match (lie, operation) {
            (Lie::CreatesDisabled, Operation::Create(_)) => {
                let made = self.inner.apply(operation, key).await?;
                let Some(account) = made.account else { return Ok(made) };
                self.handle.system().set_state_by_hand(&account.anchor, State::Disabled);
                Ok(Receipt::changed(self.handle.system().account(&account.anchor)))
            }
            (Lie::CreatesAnotherOne, Operation::Create(create)) => {
                let twin = Create { username: format!("{}-twin", create.username), ..create.clone() };
                let _known = self.honestly(Operation::Create(twin)).await;
                self.inner.apply(operation, key).await
            }
            (Lie::LeavesAnAccountBehind, Operation::Create(_)) => {
                let free = self.handle.system().named("left-behind").is_none();
                if free {
                    self.handle.system().add_account_by_hand("left-behind", BTreeMap::new());
                }
                self.inner.apply(operation, key).await
            }
            (Lie::CreateAdoptsWhatIsThere, Operation::Create(create)) => {
                let known = self.handle.system().named(&create.username).cloned();
                match known.and_then(|anchor| self.handle.system().account(&anchor)) {
                    Some(account) => Ok(Receipt::changed(Some(account))),
                    None => self.inner.apply(operation, key).await,
                }
            }
            (Lie::CreateTrims, Operation::Create(create)) => {
                let trimmed = Create { username: create.username.trim().to_owned(), ..create.clone() };
                self.inner.apply(&Operation::Create(trimmed), key).await
            }
            (Lie::CreateShortens, Operation::Create(create)) => {
                let short = Create { username: create.username.chars().take(63).collect(), ..create.clone() };
                self.inner.apply(&Operation::Create(short), key).await
            }
            (Lie::UpdateWipesTheRest, Operation::Update { account, changes }) => {
                let present = self.account(account).map(|account| account.attributes).unwrap_or_default();
                for name in present.keys().filter(|name| !changes.contains_key(*name)) {
                    self.handle.system().set_attribute_by_hand(&account.anchor, name, None);
                }
                self.inner.apply(operation, key).await
            }
            (Lie::UpdateSaysChangedAlways, Operation::Update { .. })
            | (Lie::GrantSaysChangedAlways, Operation::Grant { .. }) => {
                self.inner.apply(operation, key).await.map(|receipt| Receipt { changed: true, ..receipt })
            }
            (Lie::UpdateTrims, Operation::Update { account, changes }) => {
                let trimmed = changes.iter().map(|(name, value)| {
                    let value = value.clone().map(|value| match value {
                        Value::Text(text) => Value::Text(text.trim().to_owned()),
                        other => other,
                    });
                    (name.clone(), value)
                });
                let operation = Operation::Update { account: account.clone(), changes: trimmed.collect() };
                self.inner.apply(&operation, key).await
            }
            (Lie::RenameChangesTheAnchor, Operation::Rename { account, to }) => {
                self.honestly(Operation::Delete { account: account.clone() }).await?;
                let made = self.handle.system().add_account_by_hand(to, BTreeMap::new());
                Ok(Receipt::changed(self.account(&made)))
            }
            (Lie::RenameDropsGroups, Operation::Rename { account, .. })
            | (Lie::EnableForgetsGroups, Operation::Enable { account }) => {
                self.strip(account);
                self.inner.apply(operation, key).await
            }
            (Lie::GrantDoesNothing, Operation::Grant { account, .. })
            | (Lie::RevokeDoesNothing, Operation::Revoke { account, .. }) => {
                Ok(Receipt::changed(self.account(account)))
            }
            (Lie::GrantGivesToAllOthers, Operation::Grant { entitlement, .. }) => {
                for account in self.everybody() {
                    self.handle.system().add_member_by_hand(&account.anchor, &entitlement.key());
                }
                self.inner.apply(operation, key).await.map(|receipt| Receipt { changed: true, ..receipt })
            }
            (Lie::GrantUnknownIsDone, Operation::Grant { account, .. }) => {
                match self.inner.apply(operation, key).await {
                    Err(error) if error.kind == ErrorKind::NotFound => {
                        Ok(Receipt::changed(self.account(account)))
                    }
                    done => done,
                }
            }
            (Lie::MixesRolesUp, Operation::Grant { account, entitlement }) if entitlement.role.is_some() => {
                let mut entitlement = entitlement.clone();
                entitlement.role = Some("member".into());
                self.inner.apply(&Operation::Grant { account: account.clone(), entitlement }, key).await
            }
            (Lie::RevokesEverybody, Operation::Revoke { entitlement, .. }) => {
                let receipt = self.inner.apply(operation, key).await;
                for account in self.everybody() {
                    self.handle.system().remove_member_by_hand(&account.anchor, &entitlement.key());
                }
                receipt
            }
            (Lie::RevokesEverything, Operation::Revoke { account, .. }) => {
                let receipt = self.inner.apply(operation, key).await;
                self.strip(account);
                receipt
            }
            (Lie::LastMemberTakesTheGroup, Operation::Revoke { entitlement, .. }) => {
                let receipt = self.inner.apply(operation, key).await?;
                let held = self.everybody().iter().any(|account| {
                    account.entitlements.iter().flatten().any(|held| held.anchor == entitlement.anchor)
                });
                if !held {
                    self.handle.system().remove_entitlement_by_hand(&entitlement.kind, &entitlement.anchor);
                }
                Ok(receipt)
            }
            (Lie::ReplaceOnlyAdds, Operation::Replace { entitlement, accounts }) => {
                for account in accounts {
                    self.handle.system().add_member_by_hand(&account.anchor, &entitlement.key());
                }
                Ok(Receipt::changed(None))
            }
            (Lie::DisableDeletes, Operation::Disable { account }) => {
                let mut gone = self.account(account);
                self.honestly(Operation::Delete { account: account.clone() }).await?;
                gone.iter_mut().for_each(|account| account.state = State::Disabled);
                Ok(Receipt::changed(gone))
            }
            (Lie::DisableWipesAttributes, Operation::Disable { account }) => {
                for name in self.account(account).map(|account| account.attributes).unwrap_or_default().keys()
                {
                    self.handle.system().set_attribute_by_hand(&account.anchor, name, None);
                }
                self.inner.apply(operation, key).await
            }
            (Lie::SessionsStay, Operation::EndSessions { account })
            | (Lie::TransfersNothing, Operation::Transfer { from: account, .. }) => {
                Ok(Receipt::changed(self.account(account)))
            }
            (Lie::AllSessionsEnd, Operation::EndSessions { .. }) => {
                for account in self.everybody() {
                    let account = AccountRef { anchor: account.anchor, username: account.username };
                    self.honestly(Operation::EndSessions { account }).await?;
                }
                self.inner.apply(operation, key).await
            }
            (Lie::TransfersEverything, Operation::Transfer { to, .. }) => {
                for account in self.everybody().into_iter().filter(|account| account.anchor != to.anchor) {
                    let from = AccountRef { anchor: account.anchor, username: account.username };
                    self.honestly(Operation::Transfer { from, to: to.clone() }).await?;
                }
                Ok(Receipt::changed(self.account(to)))
            }
            (Lie::RotationEndsTheOld, Operation::RotateCredential { account, kind, credential }) => {
                let receipt = self.inner.apply(operation, key).await?;
                let (account, kind, credential) = (account.clone(), kind.clone(), credential.clone());
                self.honestly(Operation::RevokeCredential { account, kind, credential }).await?;
                Ok(receipt)
            }
            (Lie::CredentialWithoutId, Operation::IssueCredential { .. }) => {
                self.inner.apply(operation, key).await.map(|receipt| Receipt { credential: None, ..receipt })
            }
            (Lie::DeleteDisables, Operation::Delete { account }) => {
                self.honestly(Operation::Disable { account: account.clone() }).await?;
                Ok(Receipt::changed(None))
            }
            (Lie::SecondDeleteFails, Operation::Delete { .. }) => {
                self.inner.apply(operation, key).await.map_err(|error| match error.kind {
                    ErrorKind::NotFound => Error::new(ErrorKind::PermissionDenied, error.message),
                    _ => error,
                })
            }
            (Lie::GoneIsDone, _) => match self.inner.apply(operation, key).await {
                Err(error) if error.kind == ErrorKind::NotFound => Ok(Receipt::changed(None)),
                done => done,
            },
            (Lie::AddressesByName, _) => match operation.account() {
                Some(account) => {
                    let named = self.handle.system().named(&account.username).cloned();
                    let operation = readdressed(operation, named.unwrap_or_else(|| account.anchor.clone()));
                    self.inner.apply(&operation, key).await
                }
                None => self.inner.apply(operation, key).await,
            },
            (Lie::ForgetsForeignChanges, Operation::Update { account, changes }) => {
                // Writes the whole record as it was when this writer last wrote it.
                let believed =
                    self.believed.lock().expect("nobody panics with it").get(&account.anchor).cloned();
                let receipt = self.inner.apply(operation, key).await?;
                for (name, value) in believed.map(|account| account.attributes).unwrap_or_default() {
                    if !changes.contains_key(&name) {
                        self.handle.system().set_attribute_by_hand(&account.anchor, &name, Some(value));
                    }
                }
                let now = self.account(account);
                if let Some(now) = now.clone() {
                    self.believed.lock().expect("nobody panics with it").insert(account.anchor.clone(), now);
                }
                Ok(Receipt { account: now, ..receipt })
            }
            (Lie::ForgetsForeignMembers, Operation::Grant { account, entitlement }) => {
                // Writes the whole list as this writer believes it to be.
                let held = {
                    let mut believed = self.believed_holders.lock().expect("nobody panics with it");
                    let held = believed.entry(entitlement.key()).or_default();
                    held.push(account.anchor.clone());
                    held.clone()
                };
                let receipt = self.inner.apply(operation, key).await?;
                for other in self.everybody().into_iter().filter(|other| !held.contains(&other.anchor)) {
                    self.handle.system().remove_member_by_hand(&other.anchor, &entitlement.key());
                }
                Ok(receipt)
            }
            (Lie::ReadOnlyIsIgnored, _) => self.honest.apply(operation, key).await,
            (Lie::WrongCredentialIsUnavailable, _) => {
                self.inner.apply(operation, key).await.map_err(|error| match error.kind {
                    ErrorKind::InvalidCredential => Error::new(ErrorKind::Unavailable, error.message),
                    _ => error,
                })
            }
            _ => self.inner.apply(operation, key).await,
        }
    }
}

/// The same operation on another account.
fn readdressed(operation: &Operation, anchor: Anchor) -> Operation {
    let mut operation = operation.clone();
    match &mut operation {
        Operation::Update { account, .. }
        | Operation::Rename { account, .. }
        | Operation::Enable { account }
        | Operation::Disable { account }
        | Operation::Delete { account }
        | Operation::Grant { account, .. }
        | Operation::Revoke { account, .. }
        | Operation::EndSessions { account }
        | Operation::IssueCredential { account, .. } => account.anchor = anchor,
        other => debug_assert!(other.verb() != Verb::Delete),
    }
    operation
}
