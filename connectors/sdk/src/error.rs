//! Why a call to a target failed, and what follows from that.

use std::error::Error as StdError;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The result of a call to a target.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, as the target and the connector understand it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// What should be made is there already.
    AlreadyExists,
    /// What should be changed is not there.
    NotFound,
    /// Somebody else changed it in between.
    Conflict,
    /// Too many calls; with the instant from which more are welcome, where the target says it.
    RateLimited {
        /// No call before this.
        until: Option<Timestamp>,
    },
    /// The credential is good and may not do this.
    PermissionDenied,
    /// The credential is not good.
    InvalidCredential,
    /// The settings of the target cannot work.
    Configuration,
    /// The target refuses this value.
    InvalidValue,
    /// The target answered what no such system should answer.
    InvalidResponse,
    /// The target cannot be reached, or says that it cannot serve now.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The target cannot do this at all.
    Unsupported,
}

/// What a failure means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Persistence {
    /// The same call fails again: the operation is given up until something changes.
    Permanent,
    /// The same call may work later.
    Temporary,
    /// Nothing on this target can be trusted to work: provost stops adding to it.
    Quarantine,
}

/// A failed call to a target.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// A full sentence for the operator, without secrets.
    pub message: String,
    /// Whether the change may have happened all the same: the request was sent and no answer can be trusted.
    pub may_have_landed: bool,
    /// What lies below.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error whose change certainly did not happen.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), may_have_landed: false, source: None }
    }

    /// The same error with what lies below it.
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.source = Some(Box::new(source));
        self
    }

    /// The same error, of a call that may have happened.
    pub fn in_doubt(mut self) -> Error {
        self.may_have_landed = true;
        self
    }

    /// What it means for the next attempt.
    pub fn persistence(&self) -> Persistence {
        self.kind.persistence()
    }
}

impl ErrorKind {
    /// What it means for the next attempt.
    pub fn persistence(&self) -> Persistence {
        match self {
            ErrorKind::AlreadyExists
            | ErrorKind::NotFound
            | ErrorKind::InvalidValue
            | ErrorKind::PermissionDenied
            | ErrorKind::Unsupported => Persistence::Permanent,
            ErrorKind::Conflict
            | ErrorKind::RateLimited { .. }
            | ErrorKind::Unavailable
            | ErrorKind::Timeout => Persistence::Temporary,
            ErrorKind::InvalidCredential | ErrorKind::Configuration | ErrorKind::InvalidResponse => {
                Persistence::Quarantine
            }
        }
    }
}
