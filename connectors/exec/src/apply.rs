//! Writing through a program. What it says it did is looked up afterwards: nobody's word is taken for a change.

use async_trait::async_trait;
use provost_sdk::{
    Account, Anchor, Apply, Error, ErrorKind, IdempotencyKey, Operation, Receipt, Result, SecretString, Verb,
    Wanted,
};
use serde_json::json;

use crate::declared;
use crate::message::Applied;
use crate::observe::look_up;
use crate::supervise::{Session, Supervisor};

/// The writer of one target.
pub(crate) struct Writer(pub(crate) Supervisor);

#[async_trait]
impl Apply for Writer {
    async fn apply(&self, operation: &Operation, key: &IdempotencyKey) -> Result<Receipt> {
        let session = self.0.session().await?;
        declared::allowed(operation, &session.capabilities)?;
        if let Operation::Delete { account } = operation {
            // It cannot be taken back, and a look-up afterwards would not tell who did it.
            let there = look_up(&self.0, &session, &Wanted::Anchor(account.anchor.clone())).await?;
            there.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("There is no account {}.", account.anchor))
            })?;
        }
        let params = json!({ "operation": operation, "key": key });
        let applied: Applied = self.0.call(&session, "apply", &params).await?;
        let account = self.account_after(&session, operation, applied.anchor.as_ref()).await?;
        if let Some(account) = &account
            && operation.shown_by(account, &session.capabilities) == Some(false)
        {
            return Err(broken_word(operation));
        }
        let secret = applied.secret.filter(|secret| !secret.is_empty()).map(SecretString::from);
        let issues = matches!(operation.verb(), Verb::IssueCredential | Verb::RotateCredential);
        if issues && (secret.is_none() || applied.credential.is_none()) {
            return Err(broken_word(operation));
        }
        Ok(Receipt { changed: applied.changed, account, secret, credential: applied.credential })
    }
}

impl Writer {
    /// The account that an operation left, looked up afresh.
    async fn account_after(
        &self,
        session: &Session,
        operation: &Operation,
        made: Option<&Anchor>,
    ) -> Result<Option<Account>> {
        let anchor = match operation {
            Operation::Replace { .. } => return Ok(None),
            Operation::Create(_) => made,
            _ => operation.account().map(|account| &account.anchor),
        };
        let anchor = anchor.ok_or_else(|| broken_word(operation))?;
        let found =
            look_up(&self.0, session, &Wanted::Anchor(anchor.clone())).await.map_err(Error::in_doubt)?;
        match (found, operation.verb()) {
            (None, Verb::Delete) => Ok(None),
            (Some(_), Verb::Delete) | (None, _) => Err(broken_word(operation)),
            (found, _) => Ok(found),
        }
    }
}

fn broken_word(operation: &Operation) -> Error {
    let message = format!(
        "The connector's program says that {} is done, and a look-up after it does not show it.",
        operation.verb().as_str()
    );
    Error::new(ErrorKind::InvalidResponse, message).in_doubt()
}
