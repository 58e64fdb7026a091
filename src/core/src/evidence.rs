//! What people have agreed to, after everything about signatures, reviews and who counts has been judged: an
//! identity may have a power for an interval, up to a tier; a rule may take one step.
//!
//! It holds for one installation and the places that its targets have now: an agreement to another place is not put
//! in. The default holds nothing, so that whatever is above tier low waits.

use std::collections::BTreeSet;

use jiff::Timestamp;
use provost_sdk::{Risk, Verb};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use crate::Sym;
use crate::approval::Limited;
use crate::digest::{Digest, digest};
use crate::document::{GrantSpec, Kind};
use crate::set::Spec;
use crate::snapshot::{RuleVersion, Version};

/// The profile that a grant is for unless it names another.
pub const MAIN: &str = "main";

/// What a grant gives: an entitlement to the account of one profile on one target, or that account alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Power {
    /// The target's id.
    pub target: Sym,
    /// The profile.
    pub profile: Sym,
    /// What is held; the account alone where absent.
    pub entitlement: Option<Spec>,
}

/// That enough people agreed to one identity having one power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The power.
    pub power: Power,
    /// The anchor of the entitlement that they agreed to; whatever bears the name where absent.
    pub anchor: Option<Sym>,
    /// The highest tier for which they are enough.
    pub tier: Risk,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant that is not included.
    pub until: Timestamp,
}

/// A step of a rule from one content to another, by the digest of the document; `None` is "not there".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleStep {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Sym,
    /// What was in force.
    pub before: Option<Digest>,
    /// What is to be.
    pub after: Option<Digest>,
}

impl From<&RuleVersion> for RuleStep {
    fn from(version: &RuleVersion) -> RuleStep {
        let content = |of: &Option<Version>| of.as_ref().map(|of| digest(&of.document));
        let RuleVersion { kind, id, before, after, .. } = version;
        RuleStep { kind: *kind, id: *id, before: content(before), after: content(after) }
    }
}

/// Something other than a grant or a rule that people can agree to, on the place that its target has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the fields are those of the request of the same name in `approval`")]
pub enum Thing {
    /// An account that is there already is an identity's.
    Link { identity: Sym, target: Sym, profile: Sym, anchor: Sym },
    /// An attribute by which an account is controlled has a value, or none.
    Attribute { identity: Sym, target: Sym, profile: Sym, attribute: Sym, value: Option<Sym> },
    /// A service has a credential that is delivered to a place.
    Credential { service: Sym, target: Sym, kind: Sym, deliver: Sym },
    /// A person answers for a service, or knows its secrets.
    Holder { service: Sym, person: Sym, owner: bool },
    /// A name on a target means what bears it now.
    Name { target: Sym, kind: Sym, name: Sym, anchor: Sym },
    /// An account is deleted, or what it owns is transferred.
    Operation { verb: Verb, identity: Sym, target: Sym, profile: Sym, anchor: Sym, to: Option<Sym> },
    /// An account that somebody disabled by hand is enabled.
    Enable { identity: Sym, target: Sym, profile: Sym, anchor: Sym },
}

/// A power that somebody took in an emergency, without anybody's agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The power.
    pub power: Power,
    /// The break-glass policy that allows it.
    pub policy: Sym,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant that is not included.
    pub until: Timestamp,
}

/// Everything that people have agreed to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    grants: FxHashMap<Sym, Vec<Agreement>>,
    standing: FxHashMap<Sym, Vec<(Power, Timestamp)>>,
    /// What provost itself gave and has not taken away, of whomever it matters.
    given: FxHashMap<Sym, BTreeSet<Power>>,
    rules: BTreeSet<RuleStep>,
    things: FxHashMap<Thing, Risk>,
    /// Operations, by digest, that an override lets past its guard.
    overrides: FxHashSet<(Limited, Digest)>,
    taken: FxHashMap<Sym, Vec<Taken>>,
    /// Why nothing privileged is added.
    frozen: Option<Sym>,
}

impl Evidence {
    /// Adds an agreement to a grant.
    pub fn agree(&mut self, identity: Sym, agreement: Agreement) {
        self.grants.entry(identity).or_default().push(agreement);
    }

    /// Takes away every agreement to grants of an identity that does not satisfy `keep`.
    pub fn withdraw(&mut self, identity: Sym, keep: impl FnMut(&Agreement) -> bool) {
        if let Some(agreements) = self.grants.get_mut(&identity) {
            agreements.retain(keep);
        }
    }

    /// Says since when a grant stands by agreement: of two that separation of duties forbids together, what stands is
    /// not taken away for what comes later.
    pub fn stand(&mut self, identity: Sym, power: Power, since: Timestamp) {
        let standing = self.standing.entry(identity).or_default();
        match standing.iter_mut().find(|(known, _)| *known == power) {
            Some(known) => known.1 = known.1.min(since),
            None => standing.push((power, since)),
        }
    }

    /// Since when a grant has stood by agreement; `None` where it does not.
    pub fn standing_since(&self, identity: Sym, power: Power) -> Option<Timestamp> {
        let standing = self.standing.get(&identity)?;
        standing.iter().find(|(known, _)| *known == power).map(|(_, since)| *since)
    }

    /// Says which grants provost itself gave to an identity and has not taken away: they are never taken away for what
    /// comes later. Whether that is another answer than before.
    pub fn give(&mut self, identity: Sym, powers: BTreeSet<Power>) -> bool {
        if powers.is_empty() {
            return self.given.remove(&identity).is_some();
        }
        self.given.get(&identity) != Some(&powers) && {
            self.given.insert(identity, powers);
            true
        }
    }

    /// Whether provost itself gave a grant.
    pub fn gave(&self, identity: Sym, power: Power) -> bool {
        self.given.get(&identity).is_some_and(|given| given.contains(&power))
    }

    /// The identities of whom it is said what they were given, in no order that means anything.
    pub fn given(&self) -> impl Iterator<Item = Sym> {
        self.given.keys().copied()
    }

    /// Takes over what was given: it is no matter of agreement.
    pub fn keep_given(&mut self, before: &Evidence) {
        self.given.clone_from(&before.given);
    }

    /// Adds an agreement to a step of a rule.
    pub fn agree_rule(&mut self, step: RuleStep) {
        self.rules.insert(step);
    }

    /// Whether there is agreement to a step of a rule.
    pub fn covers_rule(&self, step: &RuleStep) -> bool {
        self.rules.contains(step)
    }

    /// Adds an agreement to something else, for a tier and those below it.
    pub fn agree_to(&mut self, thing: Thing, tier: Risk) {
        let known = self.things.entry(thing).or_default();
        *known = tier.max(*known);
    }

    /// Whether there is agreement to something else, for at least this tier. Tier low needs none.
    pub fn agreed(&self, thing: &Thing, tier: Risk) -> bool {
        tier == Risk::Low || self.things.get(thing).is_some_and(|agreed| *agreed >= tier)
    }

    /// Everything else that was agreed to above tier low, in no order that means anything.
    pub fn things(&self) -> impl Iterator<Item = &Thing> {
        self.things.keys()
    }

    /// Lets an operation, by its digest, past a guard.
    pub fn lift(&mut self, guard: Limited, operation: Digest) {
        self.overrides.insert((guard, operation));
    }

    /// Whether an operation may pass a guard.
    pub fn lifts(&self, guard: &Limited, operation: Digest) -> bool {
        !self.overrides.is_empty() && self.overrides.contains(&(guard.clone(), operation))
    }

    /// Adds a power that was taken in an emergency.
    pub fn take(&mut self, identity: Sym, taken: Taken) {
        self.taken.entry(identity).or_default().push(taken);
    }

    /// The powers that an identity took in an emergency.
    pub fn taken(&self, identity: Sym) -> &[Taken] {
        self.taken.get(&identity).map_or(&[], Vec::as_slice)
    }

    /// Says why nothing privileged is added: a review of an emergency is overdue.
    pub fn freeze(&mut self, why: Option<Sym>) {
        self.frozen = why;
    }

    /// Why nothing privileged is added, if so.
    pub fn frozen(&self) -> Option<Sym> {
        self.frozen
    }

    /// The identities for whom access may differ between two states of evidence, in order.
    pub fn differing(&self, other: &Evidence) -> BTreeSet<Sym> {
        fn differing<T: PartialEq>(
            left: &FxHashMap<Sym, Vec<T>>,
            right: &FxHashMap<Sym, Vec<T>>,
        ) -> Vec<Sym> {
            let all = left.keys().chain(right.keys());
            all.filter(|identity| left.get(identity) != right.get(identity)).copied().collect()
        }
        let mut all: BTreeSet<Sym> = differing(&self.grants, &other.grants).into_iter().collect();
        all.extend(differing(&self.standing, &other.standing));
        all.extend(differing(&self.taken, &other.taken));
        all
    }

    /// Whether there is agreement to having an entitlement of exactly this anchor now.
    pub fn covers_anchor(&self, identity: Sym, power: Power, anchor: Sym, tier: Risk, at: Timestamp) -> bool {
        let agreements = self.grants.get(&identity).map_or(&[][..], Vec::as_slice);
        tier == Risk::Low
            || self.is_taken(identity, power, at)
            || agreements.iter().any(|agreement| {
                agreement.power == power
                    && agreement.anchor.is_none_or(|agreed| agreed == anchor)
                    && agreement.tier >= tier
                    && agreement.from <= at
                    && at < agreement.until
            })
    }

    /// Whether there is agreement to an account: to it alone, or to anything that it is to hold now.
    pub fn covers_account(
        &self,
        identity: Sym,
        (target, profile): (Sym, Sym),
        tier: Risk,
        at: Timestamp,
    ) -> bool {
        let agreements = self.grants.get(&identity).map_or(&[][..], Vec::as_slice);
        let here = |power: Power| power.target == target && power.profile == profile;
        let agreed = |agreement: &Agreement| {
            here(agreement.power) && agreement.tier >= tier && agreement.from <= at && at < agreement.until
        };
        tier == Risk::Low
            || agreements.iter().any(agreed)
            || self
                .taken(identity)
                .iter()
                .any(|taken| here(taken.power) && taken.from <= at && at < taken.until)
    }

    fn is_taken(&self, identity: Sym, power: Power, at: Timestamp) -> bool {
        self.taken(identity).iter().any(|taken| taken.power == power && taken.from <= at && at < taken.until)
    }

    /// Whether there is agreement, for at least this tier, to the instant. Tier low needs none.
    pub fn covers(&self, identity: Sym, power: Power, tier: Risk, at: Timestamp) -> bool {
        tier == Risk::Low || self.of(identity, power, tier).any(|(from, until)| from <= at && at < until)
    }

    /// The first stretch within `[from, until)` that is not over at `now` and not agreed to.
    pub fn missing(
        &self,
        identity: Sym,
        power: Power,
        tier: Risk,
        (from, until): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Option<(Timestamp, Timestamp)> {
        if tier == Risk::Low || from >= until {
            return None;
        }
        let mut agreed: Vec<(Timestamp, Timestamp)> = self.of(identity, power, tier).collect();
        agreed.sort_unstable();
        let mut open = from;
        for (begin, end) in agreed {
            let begin = begin.min(until);
            if begin > open && begin > now {
                return Some((open, begin));
            }
            open = open.max(end);
        }
        (open < until && until > now).then_some((open, until))
    }

    /// The next instant after `now` at which [`Evidence::covers`] may answer otherwise.
    pub fn next_change(&self, identity: Sym, power: Power, tier: Risk, now: Timestamp) -> Option<Timestamp> {
        if tier == Risk::Low {
            return None;
        }
        self.of(identity, power, tier).flat_map(|(from, until)| [from, until]).filter(|at| *at > now).min()
    }

    fn of(&self, identity: Sym, power: Power, tier: Risk) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let agreements = self.grants.get(&identity).map_or(&[][..], Vec::as_slice);
        let taken = self.taken(identity).iter().filter(move |taken| taken.power == power);
        agreements
            .iter()
            .filter(move |agreement| agreement.power == power && agreement.tier >= tier)
            .map(|agreement| (agreement.from, agreement.until))
            .chain(taken.map(|taken| (taken.from, taken.until)))
    }
}

impl From<&GrantSpec> for Power {
    fn from(grant: &GrantSpec) -> Power {
        Power {
            target: grant.target,
            profile: grant.profile.unwrap_or_else(|| Sym::new(MAIN)),
            entitlement: grant.entitlement,
        }
    }
}

impl From<Power> for GrantSpec {
    fn from(Power { target, profile, entitlement }: Power) -> GrantSpec {
        GrantSpec { target, profile: (profile != *MAIN).then_some(profile), entitlement }
    }
}

impl Serialize for Power {
    /// As a document writes it: `{target: forge, team: ops, role: member}`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        GrantSpec::from(*self).serialize(serializer)
    }
}

impl Power {
    /// A key that sorts quickly, in no order that means anything outside of this process.
    pub(crate) fn key(self) -> [u32; 5] {
        let [kind, name, role] = self.entitlement.map_or([0; 3], |Spec { kind, name, role }| {
            [kind.number(), name.number(), role.map_or(0, Sym::number)]
        });
        [self.target.number(), self.profile.number(), kind, name, role]
    }
}

impl std::fmt::Display for Power {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.entitlement {
            Some(entitlement) => write!(f, "{entitlement} on {}", self.target)?,
            None => write!(f, "an account on {}", self.target)?,
        }
        if self.profile == *MAIN { Ok(()) } else { write!(f, " as {}", self.profile) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    #[test]
    fn no_two_powers_have_one_key() {
        let spec = |role: Option<Sym>| Some(Spec { kind: "team".into(), name: "ops".into(), role });
        let of = |target: &str, profile: &str, entitlement| {
            Power { target: target.into(), profile: profile.into(), entitlement }.key()
        };
        let keys = [
            of("forge", "main", None),
            of("shop", "main", None),
            of("forge", "admin", None),
            of("forge", "main", spec(None)),
            of("forge", "main", spec(Some("lead".into()))),
        ];
        assert_eq!(BTreeSet::from(keys).len(), keys.len());
    }

    #[test]
    fn agreement_covers_its_own_power_tier_and_instants_and_nothing_else() {
        let ada = Sym::new("p-1");
        let spec = |name: &str| Some(Spec { kind: "team".into(), name: name.into(), role: None });
        let power =
            |name: &str| Power { target: "forge".into(), profile: MAIN.into(), entitlement: spec(name) };
        let mut evidence = Evidence::default();
        let agreement =
            Agreement { power: power("ops"), anchor: None, tier: Risk::Normal, from: at(10), until: at(20) };
        evidence.agree(ada, agreement);
        evidence.agree(ada, Agreement { from: at(30), until: at(40), ..agreement });
        let covers =
            |who: &str, name: &str, tier, t| evidence.covers(Sym::new(who), power(name), tier, at(t));
        assert!(covers("p-1", "ops", Risk::Normal, 10) && !covers("p-1", "ops", Risk::Normal, 20));
        assert!(!covers("p-1", "ops", Risk::Privileged, 10), "a higher tier needs more");
        assert!(!covers("p-2", "ops", Risk::Normal, 10) && !covers("p-1", "dev", Risk::Normal, 10));
        assert!(covers("p-2", "dev", Risk::Low, 99));

        let missing = |from, until, now| {
            evidence
                .missing(ada, power("ops"), Risk::Normal, (at(from), at(until)), at(now))
                .map(|(from, until)| (from.as_second(), until.as_second()))
        };
        assert_eq!(missing(10, 20, 5), None);
        assert_eq!(missing(5, 25, 0), Some((5, 10)));
        assert_eq!(missing(5, 25, 12), Some((20, 25)), "what is over needs no agreement any more");
        assert_eq!(missing(10, 50, 12), Some((20, 30)));
        assert_eq!(missing(10, 50, 30), Some((40, 50)));
        assert_eq!(missing(10, 50, 50), None);
        assert_eq!(missing(32, 38, 0), None, "what was agreed to before is no matter");
        assert_eq!(missing(5, 8, 0), Some((5, 8)), "nor what is agreed to for later");
        assert_eq!(evidence.next_change(ada, power("ops"), Risk::Normal, at(12)), Some(at(20)));
    }
}
