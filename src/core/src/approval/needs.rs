//! How much agreement something needs, and from whom.

use std::fmt;

use jiff::SignedDuration;
use provost_sdk::Risk;
use serde::{Deserialize, Serialize};

use crate::Sym;
use crate::digest::Digest;

/// What agreement a request needs: every part of it, each counted by itself. One person counts in several parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// The tier.
    pub tier: Risk,
    /// The parts; none for what is low.
    pub parts: Vec<Part>,
    /// How long an approval may wait for its use, from when it was first seen.
    #[serde(skip)]
    pub expires: Option<SignedDuration>,
}

/// So many people of one pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Part {
    /// Who.
    pub from: Pool,
    /// How many different people.
    pub people: u8,
    /// Whether each has to sign; a forge's review counts as well where not.
    pub signed: bool,
    /// Whether who wrote the change counts too: where it only takes a key away.
    pub authors_count: bool,
}

/// Whose agreement counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "pool", rename_all = "kebab-case")]
pub enum Pool {
    /// The members of a group of approvers.
    Group {
        /// Its id.
        group: Sym,
    },
    /// The owners of an entitlement, or of the target where it has none of its own.
    Owners {
        /// The target's id.
        target: Sym,
        /// `kind:name` or `kind:name#role`; the target itself where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entitlement: Option<Sym>,
    },
    /// Everyone with a key in the allowed signers.
    Signers,
    /// The members of a group as the rule that waits would have it.
    Proposed {
        /// The group's id.
        group: Sym,
        /// The rule request that would make it so.
        by: Digest,
    },
    /// The owners of a target as the version that waits would have it.
    ProposedOwners {
        /// The target's id.
        target: Sym,
        /// The rule request that would make it so.
        by: Digest,
    },
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pool::Group { group } => write!(f, "the group {group}"),
            Pool::Owners { target, entitlement: None } => write!(f, "the owners of {target}"),
            Pool::Owners { target, entitlement: Some(entitlement) } => {
                write!(f, "the owners of {entitlement} on {target}")
            }
            Pool::Signers => f.write_str("everyone with a key in the allowed signers"),
            Pool::Proposed { group, .. } => write!(f, "the group {group} as it is to be"),
            Pool::ProposedOwners { target, .. } => write!(f, "the owners of {target} as they are to be"),
        }
    }
}
