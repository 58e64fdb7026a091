//! The gate: per operation proceed, wait (for evidence) or refuse.
//!
//! Pure: `(plan, findings of the checker, evidence, limits, history) -> decisions`. What waits or is refused never
//! stops what does not depend on it.

use serde::{Deserialize, Serialize};

use provost_sdk::Risk;

use crate::Sym;
use crate::guard::Figure;

/// What becomes of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// It is done.
    Proceed,
    /// It is done once this is there.
    Wait {
        /// What is missing.
        reason: WaitsFor,
    },
    /// It is not done.
    Refuse {
        /// By what.
        guard: Guard,
    },
}

/// What an operation waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum WaitsFor {
    /// Agreement.
    Evidence {
        /// Of which tier.
        tier: Risk,
    },
    /// Another operation of the plan, which does not proceed.
    Operation {
        /// Its place.
        place: usize,
    },
}

/// A limit that refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Guard {
    /// Too many at once, or in the window.
    Limit {
        /// How many.
        figure: Figure,
    },
    /// Nobody who can sign in would hold it any more.
    LastAdmin {
        /// What, as `kind:name`.
        entitlement: String,
        /// How many hold it now.
        holders: u32,
    },
    /// The independent checker found fault with the operation.
    Check {
        /// Which rule.
        rule: Sym,
        /// A sentence.
        message: String,
    },
}
