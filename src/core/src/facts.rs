//! What is known of a target beyond its document: what its connector declares, and what was read of how its
//! entitlements contain one another. It decides risk.

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::{Capabilities, Comparison, EntitlementKind};

use crate::Sym;
use crate::set::Spec;

/// Facts by target id. A target that has never answered has none.
pub type Facts = BTreeMap<Sym, TargetFacts>;

/// What is known of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetFacts {
    /// What its connector declares.
    pub capabilities: Capabilities,
    /// Which entitlement is in which, as last read completely: who holds the first has the power of the second.
    pub nesting: BTreeSet<(Spec, Spec)>,
    /// Entitlements of which the target itself says that they give administrative power.
    pub administrative: BTreeSet<Spec>,
}

impl TargetFacts {
    /// The declaration of an entitlement kind.
    pub fn kind(&self, kind: Sym) -> Option<&EntitlementKind> {
        self.capabilities.entitlement_kind(kind.as_str())
    }
}

/// How names of a kind are compared. Where nothing is known of the target, case is ignored: taking two names for one
/// can only find a risk or a conflict too many.
pub fn comparison(facts: Option<&TargetFacts>, kind: Sym) -> Comparison {
    facts.and_then(|facts| facts.kind(kind)).map_or(Comparison::IgnoreCase, |kind| kind.comparison)
}
