//! How risky a grant is: the highest over what the target's document lists, what the connector declares, and
//! everything that the entitlement is nested in.

use provost_sdk::Risk;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::Sym;
use crate::document::{GrantSpec, Target};
use crate::evidence::{MAIN, Power};
use crate::facts::{Facts, TargetFacts, comparison};
use crate::pattern;
use crate::set::Spec;
use crate::snapshot::Snapshot;

/// The risk of a grant by the rules in force. On a target that is not in force nothing can be said, and the highest
/// is taken.
pub fn risk(snapshot: &Snapshot, facts: &Facts, power: Power) -> Risk {
    snapshot.target(power.target).map_or(Risk::Privileged, |target| {
        Scale::new(target, facts.get(&power.target)).risk(power.profile, power.entitlement)
    })
}

/// The risk of a grant by one version of its target.
pub fn risk_by(target: &Target, facts: Option<&TargetFacts>, grant: &GrantSpec) -> Risk {
    let power = Power::from(grant);
    Scale::new(target, facts).risk(power.profile, power.entitlement)
}

/// Something that contains an entitlement.
struct Outer {
    /// The role within the inner one that is meant; any where absent.
    role: Option<Sym>,
    outer: Spec,
    /// Whether the document says so. What a hand nested weighs for new grants only.
    declared: bool,
}

/// One target's risks, ready to be asked many times.
pub(super) struct Scale<'a> {
    target: &'a Target,
    facts: Option<&'a TargetFacts>,
    /// By kind and folded name.
    outer: FxHashMap<(Sym, String), Vec<Outer>>,
}

impl<'a> Scale<'a> {
    pub(super) fn new(target: &'a Target, facts: Option<&'a TargetFacts>) -> Scale<'a> {
        let mut scale = Scale { target, facts, outer: FxHashMap::default() };
        for edge in &target.nesting {
            let spec = |name| Spec { kind: edge.kind, name, role: None };
            scale.nest(spec(edge.inner), spec(edge.outer), true);
        }
        for (inner, outer) in facts.into_iter().flat_map(|facts| &facts.nesting) {
            scale.nest(*inner, *outer, false);
        }
        scale
    }

    /// The risk of having an entitlement, or the account alone, in a profile.
    pub(super) fn risk(&self, profile: Sym, entitlement: Option<Spec>) -> Risk {
        self.weigh(profile, entitlement, true)
    }

    /// The same for whoever has it already: what a hand nested since then takes no standing grant away.
    pub(super) fn standing_risk(&self, profile: Sym, entitlement: Option<Spec>) -> Risk {
        self.weigh(profile, entitlement, false)
    }

    fn weigh(&self, profile: Sym, entitlement: Option<Spec>, by_hand: bool) -> Risk {
        let account = self.target.accounts.get(&profile).map_or(Risk::Low, |profile| profile.risk);
        account.max(entitlement.map_or(Risk::Low, |entitlement| self.nested(entitlement, by_hand)))
    }

    /// Whether the target has a profile of this name; `main` is always there.
    pub(super) fn has_profile(&self, profile: Sym) -> bool {
        profile == *MAIN || self.target.accounts.contains_key(&profile)
    }

    fn nest(&mut self, inner: Spec, outer: Spec, declared: bool) {
        let key = (inner.kind, self.fold(inner));
        self.outer.entry(key).or_default().push(Outer { role: inner.role, outer, declared });
    }

    fn fold(&self, spec: Spec) -> String {
        comparison(self.facts, spec.kind).fold(spec.name.as_str())
    }

    fn nested(&self, entitlement: Spec, by_hand: bool) -> Risk {
        if self.outer.is_empty() {
            return self.own(entitlement);
        }
        let (mut highest, mut seen, mut open) = (Risk::Low, FxHashSet::default(), vec![entitlement]);
        while let Some(spec) = open.pop() {
            if !seen.insert(spec) {
                continue;
            }
            highest = highest.max(self.own(spec));
            let around = self.outer.get(&(spec.kind, self.fold(spec)));
            open.extend(
                around
                    .into_iter()
                    .flatten()
                    .filter(|around| around.declared || by_hand)
                    .filter(|around| around.role.is_none() || around.role == spec.role)
                    .map(|around| around.outer),
            );
        }
        highest
    }

    fn own(&self, spec: Spec) -> Risk {
        let compared = comparison(self.facts, spec.kind);
        let listed = self
            .target
            .entitlements
            .iter()
            .filter(|policy| {
                policy.kind == spec.kind && policy.role.is_none_or(|role| Some(role) == spec.role)
            })
            .filter(|policy| pattern::matches(policy.name.as_str(), spec.name.as_str(), compared))
            .filter_map(|policy| policy.risk)
            .max();
        let declared = self.facts.and_then(|facts| facts.kind(spec.kind)).map_or(Risk::Low, |kind| kind.risk);
        let administrative = self.facts.is_some_and(|facts| {
            facts.administrative.iter().any(|other| {
                other.kind == spec.kind && compared.same(other.name.as_str(), spec.name.as_str())
            })
        });
        let said = listed.or(self.target.risk).unwrap_or(Risk::Low);
        if administrative { Risk::Privileged } else { said.max(declared) }
    }
}
