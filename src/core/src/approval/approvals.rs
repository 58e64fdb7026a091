//! What the shell hands in about one signed statement or forge review, once it has checked the signature.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Council, Open, Pool, PublicKey, Request, Word, open::find};
use crate::Sym;
use crate::digest::Digest;

/// One person's word about requests. Its signature, or the forge's word for the review, has been checked; everything
/// else has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Its name: SHA-256 over the exact bytes of the statement, or of the forge's record.
    pub id: Digest,
    /// The installation that it is for.
    pub installation: String,
    /// Who says it: a person's id.
    pub approver: Sym,
    /// The key that signed it; none of a forge review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PublicKey>,
    /// How it is known.
    pub label: Label,
    /// What is said.
    pub decision: Word,
    /// About what.
    pub requests: Vec<Request>,
    /// Until when it may be used, by the statement.
    pub expires: Timestamp,
    /// When it was first seen, and what held then. Recorded once and never changed.
    pub seen: Sighting,
}

/// How an approval is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// As seen at the forge.
    Forge,
    /// By a signature.
    Signed,
}

/// What held when an approval was first seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// When.
    pub at: Timestamp,
    /// Whether the key was an allowed one of the approver, not revoked. True of a forge review.
    pub key: bool,
    /// Whether the approver was active.
    pub active: bool,
    /// The pools that the approver was in: every group, and those that its requests ask.
    pub pools: BTreeSet<Pool>,
}

/// What holds now for a statement that was not seen before, to be recorded with it. `open` is what needs agreement now, in
/// the order of requests.
pub fn sight(
    council: &dyn Council,
    approver: Sym,
    key: Option<&PublicKey>,
    requests: &[Request],
    open: &[Open],
    now: Timestamp,
) -> Sighting {
    let mut pools: BTreeSet<Pool> =
        council.groups().into_iter().map(|group| Pool::Group { group }).chain([Pool::Signers]).collect();
    for request in requests {
        match find(open, request) {
            Some(open) => pools.extend(open.needs.parts.iter().map(|part| part.from.clone())),
            None => pools.extend(council.pools(request)),
        }
    }
    pools.retain(|pool| council.members(pool).contains(&approver));
    Sighting {
        at: now,
        key: key.is_none_or(|key| council.keys().allows(key, approver, now)),
        active: council.is_active(approver),
        pools,
    }
}
