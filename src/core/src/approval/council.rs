//! What judging asks about the rules in force, the documents and the targets.

use std::collections::BTreeSet;

use provost_sdk::Risk;

use super::{Keys, Needs, Pool, Request};
use crate::Sym;
use crate::access::Window;
use crate::document::Kind;
use crate::set::Spec;

/// The rules in force, as far as they say who may agree, and what is asked for. [`crate::organisation::Organisation`]
/// is one.
pub trait Council {
    /// Whether a person takes part now.
    fn is_active(&self, person: Sym) -> bool;

    /// Every group of approvers.
    fn groups(&self) -> Vec<Sym>;

    /// The people of a pool, active or not.
    fn members(&self, pool: &Pool) -> BTreeSet<Sym>;

    /// The keys that may sign.
    fn keys(&self) -> Keys<'_>;

    /// What agreement a request needs at a tier, by rules in force; `None` where that cannot be said, because it is a
    /// rule that does not wait.
    fn needs(&self, request: &Request, tier: Risk) -> Option<Needs>;

    /// The pools that a request may ask, at whatever tier.
    fn pools(&self, request: &Request) -> Vec<Pool> {
        [Risk::Normal, Risk::Privileged]
            .into_iter()
            .filter_map(|tier| self.needs(request, tier))
            .flat_map(|needs| needs.parts)
            .map(|part| part.from)
            .collect()
    }

    /// The documents that cause a request.
    fn causes(&self, request: &Request) -> Vec<(Kind, Sym)>;

    /// The people who gain by it.
    fn gains(&self, request: &Request) -> BTreeSet<Sym>;

    /// When it is asked for: the time of a grant, all of time for anything else; nothing where it is not.
    fn asked(&self, request: &Request) -> Vec<Window>;

    /// Which system a target is now.
    fn place(&self, target: Sym) -> Option<Sym>;

    /// What bears a name on a target now.
    fn anchor(&self, target: Sym, entitlement: Spec) -> Anchored;

    /// The present name of an entitlement.
    fn name(&self, target: Sym, kind: Sym, anchor: Sym) -> Option<Sym>;
}

/// What bears a name on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchored {
    /// Nothing, several, or the target was not read.
    Unknown,
    /// This, and nothing else ever did.
    Is(Sym),
    /// This, and something else did before: nobody agreed to it yet.
    Changed(Sym),
}
