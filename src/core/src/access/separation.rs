//! Separation of duties: of two grants in force that may not be held together the later one waits, unless both stand
//! already; then both stay, and it is a conflict that somebody has to decide.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::model::{Conflict, Lack};
use crate::Sym;
use crate::document::{GrantSpec, Separation};
use crate::evidence::{Evidence, Power};
use crate::facts::{Facts, comparison};
use crate::pattern;
use crate::snapshot::Snapshot;
use provost_sdk::Comparison;

/// The separations in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Separations(Vec<Rule>);

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    document: Separation,
    /// How each grant of each side compares names.
    comparisons: Vec<Vec<Comparison>>,
}

/// A grant in force, as separation looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) power: Power,
    /// When the earliest way to it that holds now began.
    pub(super) begin: Timestamp,
}

/// What separation makes of the grants in force.
#[derive(Debug, Default)]
pub(super) struct Separated {
    /// Which wait, and beside what.
    pub(super) wait: Vec<(Power, Lack)>,
    pub(super) conflicts: Vec<Conflict>,
    /// When an exception ends.
    pub(super) next: Option<Timestamp>,
}

impl Separations {
    pub(super) fn new(snapshot: &Snapshot, facts: &Facts) -> Separations {
        let rule = |document: &Separation| Rule {
            comparisons: document
                .sides
                .iter()
                .map(|side| side.iter().map(|grant| compared(facts, grant)).collect())
                .collect(),
            document: document.clone(),
        };
        Separations(snapshot.separations().into_iter().map(rule).collect())
    }

    /// Whether any of them names a power.
    pub(super) fn names(&self, power: Power) -> bool {
        self.0.iter().any(|rule| rule.sides(power).next().is_some())
    }

    /// The targets that those name which are in one of the two and not, or not alike, in the other.
    pub(super) fn targets_of_difference(&self, other: &Separations) -> Vec<Sym> {
        let different = self
            .0
            .iter()
            .filter(|rule| !other.0.contains(rule))
            .chain(other.0.iter().filter(|rule| !self.0.contains(rule)));
        different.flat_map(|rule| rule.document.sides.iter().flatten().map(|grant| grant.target)).collect()
    }

    /// Decides over the grants in force of one identity; only those that [`Separations::names`] matter.
    pub(super) fn judge(
        &self,
        identity: Sym,
        zone: &TimeZone,
        held: &[Held],
        evidence: &Evidence,
        now: Timestamp,
    ) -> Separated {
        let mut separated = Separated::default();
        let rules: Vec<&Rule> =
            self.0.iter().filter(|rule| !rule.excepts(identity, zone, now, &mut separated.next)).collect();
        let gave = |held: &Held| evidence.gave(identity, held.power);
        let rank = |held: &Held| {
            let standing = evidence.standing_since(identity, held.power);
            (!gave(held), standing.unwrap_or(Timestamp::MAX), held.begin, held.power)
        };
        let mut held = held.to_vec();
        held.sort_by_key(rank);
        let mut kept: Vec<Held> = Vec::new();
        for later in held {
            let found: Vec<(&Rule, Held)> = rules
                .iter()
                .flat_map(|rule| kept.iter().map(move |earlier| (*rule, *earlier)))
                .filter(|(rule, earlier)| rule.forbids(earlier.power, later.power))
                .collect();
            // What was only agreed to does not push in beside what was given already.
            let agreed = evidence.standing_since(identity, later.power).is_some();
            let stands = gave(&later) || agreed && !found.iter().any(|(_, earlier)| gave(earlier));
            match found.first() {
                Some((rule, earlier)) if !stands => {
                    let separation = rule.document.id;
                    separated
                        .wait
                        .push((later.power, Lack::Separation { separation, beside: earlier.power }));
                    continue;
                }
                _ => separated.conflicts.extend(found.iter().map(|(rule, earlier)| Conflict {
                    identity,
                    separation: rule.document.id,
                    first: earlier.power,
                    second: later.power,
                    owners: rule.document.owners.clone(),
                    since: earlier.begin.max(later.begin),
                })),
            }
            kept.push(later);
        }
        separated.conflicts.sort();
        separated
    }
}

impl Rule {
    fn forbids(&self, left: Power, right: Power) -> bool {
        self.sides(left).any(|one| self.sides(right).any(|other| one != other))
    }

    /// The sides that a power is on.
    fn sides(&self, power: Power) -> impl Iterator<Item = usize> + '_ {
        let sides = self.document.sides.iter().zip(&self.comparisons).enumerate();
        sides.filter_map(move |(number, (side, comparisons))| {
            side.iter()
                .zip(comparisons)
                .any(|(grant, compared)| covers(grant, *compared, power))
                .then_some(number)
        })
    }

    /// Whether an exception for this identity holds; `next` learns when it ends.
    fn excepts(&self, identity: Sym, zone: &TimeZone, now: Timestamp, next: &mut Option<Timestamp>) -> bool {
        let ends = self
            .document
            .exceptions
            .iter()
            .filter(|exception| exception.identity == identity)
            .map(|exception| exception.until.ends(zone))
            .filter(|end| *end > now)
            .max();
        if let Some(end) = ends {
            *next = Some(next.map_or(end, |next| next.min(end)));
        }
        ends.is_some()
    }
}

/// A side without an entitlement means the account, and so everything that is held with it.
fn covers(grant: &GrantSpec, compared: Comparison, power: Power) -> bool {
    let place = grant.target == power.target && grant.profile.is_none_or(|profile| profile == power.profile);
    let entitlement = match (grant.entitlement, power.entitlement) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(side), Some(held)) => {
            side.kind == held.kind
                && side.role.is_none_or(|role| Some(role) == held.role)
                && pattern::matches(side.name.as_str(), held.name.as_str(), compared)
        }
    };
    place && entitlement
}

fn compared(facts: &Facts, grant: &GrantSpec) -> Comparison {
    grant.entitlement.map_or(Comparison::Exact, |spec| comparison(facts.get(&grant.target), spec.kind))
}
