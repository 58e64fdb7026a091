//! Writing to a target.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Account, Anchor, Operation, Result, SecretString};

/// The writer of one target. Only the step `apply` holds one, and only for an adopted target.
#[async_trait]
pub trait Apply: Send + Sync {
    /// Does one operation and reads back what it wrote. What is already so is a success with `changed: false`.
    ///
    /// An error whose change may have happened all the same says so ([`crate::Error::may_have_landed`]).
    async fn apply(&self, operation: &Operation, key: &IdempotencyKey) -> Result<Receipt>;

    /// Does several operations, in their order, as [`Apply::apply`] would one by one: an answer for each, in the same
    /// order, and one that fails does not stop those after it. For connectors that declare
    /// [`crate::Connector::batch`] because together they cost less.
    async fn apply_all(&self, operations: &[(Operation, IdempotencyKey)]) -> Vec<Result<Receipt>> {
        let mut answers = Vec::with_capacity(operations.len());
        for (operation, key) in operations {
            answers.push(self.apply(operation, key).await);
        }
        answers
    }
}

/// Names one use of one operation, so that a target that knows such keys recognises a repeated call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(pub String);

/// What an operation did, as read back from the target.
#[derive(Debug)]
pub struct Receipt {
    /// Whether the target had to be changed at all.
    pub changed: bool,
    /// The account afterwards, with all that it holds; `None` when it is gone or when no account was changed.
    pub account: Option<Account>,
    /// The secret of a new credential or a generated password. It goes to its delivery place and nowhere else.
    pub secret: Option<SecretString>,
    /// The target's id of the credential that was issued or rotated, by which it is rotated and revoked later.
    pub credential: Option<Anchor>,
}

impl Receipt {
    /// A change of one account that left it like this.
    pub fn changed(account: Option<Account>) -> Receipt {
        Receipt { changed: true, account, secret: None, credential: None }
    }

    /// Nothing had to be done.
    pub fn unchanged(account: Option<Account>) -> Receipt {
        Receipt { changed: false, account, secret: None, credential: None }
    }
}
