//! What became of approvals: what is settled, and what was asked for and is asked for no more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_sdk::Risk;
use serde::{Deserialize, Serialize};

use super::{Label, Request};
use crate::Sym;
use crate::digest::Digest;

/// What is remembered between two judgements. The default remembers nothing. It is data of the audit log: the shell
/// records it whenever it differs and hands the last one in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uses {
    /// What enough people agreed to while it was asked for. It stands until it is asked for no more.
    pub settled: Vec<Settled>,
    /// By approval and request: what is left of it, for each that was asked for once. Nothing left: it is spent.
    #[serde(with = "left_serde")]
    pub left: BTreeMap<(Digest, Digest), Vec<(Timestamp, Timestamp)>>,
    /// Requests that somebody who might have agreed denied, by digest, and who. A denial is final.
    pub denied: BTreeMap<Digest, Sym>,
    /// Operations that an override let through and that were done, by the override's request and the operation.
    pub performed: std::collections::BTreeSet<(Digest, Digest)>,
}

/// Something that enough people agreed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// What. Of a grant: for the time that is still asked for.
    pub request: Request,
    /// The highest tier for which they are enough.
    pub tier: Risk,
    /// Since when.
    pub since: Timestamp,
    /// The approvals that it rests on, by id.
    pub by: Vec<Digest>,
    /// How the weakest of them is known.
    pub label: Label,
    /// The requests that these approvals name, by digest: a denial of any of them ends it.
    pub names: Vec<Digest>,
}

impl Uses {
    /// Takes in that an operation of a plan was done, by its digest: overrides are good once.
    pub fn perform(&mut self, operation: Digest) {
        let overrides = self.settled.iter().filter_map(|settled| match &settled.request {
            Request::Override(of) if of.operations.contains(&operation) => Some(settled.request.digest()),
            _ => None,
        });
        self.performed.extend(overrides.map(|digest| (digest, operation)));
    }
}

/// A map whose keys are no text, as a list.
mod left_serde {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{BTreeMap, Digest, Timestamp};

    type Left = BTreeMap<(Digest, Digest), Vec<(Timestamp, Timestamp)>>;

    pub(super) fn serialize<S: Serializer>(left: &Left, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(left)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Left, D::Error> {
        let entries = Vec::<((Digest, Digest), Vec<(Timestamp, Timestamp)>)>::deserialize(deserializer)?;
        Ok(entries.into_iter().collect())
    }
}
