//! Which account is whose, and what provost itself did to it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Sym;
use crate::set::{Key, Set};

/// An account of an identity in one profile. It is kept under (identity, profile).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The account.
    pub anchor: Sym,
    /// How provost came to it.
    pub origin: Origin,
    /// What provost itself granted, or was told to adopt. It stays here when somebody takes it away by hand, which is
    /// how a lost grant is told from one that never was.
    pub ours: Set<Key>,
    /// When provost itself disabled it; only such an account is enabled again.
    pub disabled: Option<Timestamp>,
    /// Whether its sessions were ended since it was last enabled.
    pub sessions_ended: bool,
    /// Whether what it owns was given to the successor.
    pub transferred: bool,
    /// Whether its identity has left and it cannot sign in. It stays so when the identity is forgotten.
    pub left: bool,
    /// Credentials that provost issued, without their secrets.
    pub credentials: Vec<Credential>,
}

/// How provost came to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It made it, and may delete it after the grace period.
    Created,
    /// It was there, and an operator had it adopted.
    Adopted,
}

/// A credential that provost issued.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// One of the declared credential kinds.
    pub kind: Sym,
    /// The target's id of it.
    pub anchor: Sym,
    /// When it was issued.
    pub issued: Timestamp,
}

impl Link {
    /// A link to an account that was just made or adopted.
    pub fn new(anchor: Sym, origin: Origin) -> Link {
        Link {
            anchor,
            origin,
            ours: Set::empty(),
            disabled: None,
            sessions_ended: false,
            transferred: false,
            left: false,
            credentials: Vec::new(),
        }
    }
}
