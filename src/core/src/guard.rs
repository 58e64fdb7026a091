//! Guards: limits over the whole plan that refuse a part of it before its first write.
//!
//! In: the plan, the limits in force, populations, what was done in the window. Out: which parts are over which limit,
//! with the figure. A limit is a share of the population *or* a number, whichever is reached first; a minimum
//! population lifts the share only. What departures that are written down take away is counted apart.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use provost_sdk::Operation;

use crate::Sym;
use crate::digest::Digest;
use crate::document::{GuardLimit, GuardPolicy, Guards, Target};
use crate::observed::Shrink;
use crate::plan::{Class, Plan, Planned, TargetView};
use crate::when::Length;

/// A part of a plan that one limit is over, or one that is done already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Part {
    /// The target; none for people over all targets.
    pub target: Option<Sym>,
    /// `accounts`, an entitlement kind, or `people`.
    pub kind: Sym,
    /// Which limit.
    pub limit: Limit,
}

/// Which limit of a [`Guards`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Over what takes away and was not planned.
    Removals,
    /// Over departures and ends that are written down.
    Departures,
    /// Over deletions.
    Deletions,
    /// Over what adds.
    Additions,
}

/// What was done before, by instant, as the audit log has it, so that a window survives restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Pairs", into = "Pairs")]
pub struct History {
    /// By part, in the order in which it was done.
    counts: FxHashMap<Part, Vec<Stretch>>,
    /// Of parts that count people: who, and when last.
    people: FxHashMap<Part, FxHashMap<Sym, Timestamp>>,
}

/// A history as it is written: a part is no name of a field.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    counts: Vec<(Part, Vec<Stretch>)>,
    people: Vec<(Part, FxHashMap<Sym, Timestamp>)>,
}

impl From<Pairs> for History {
    fn from(Pairs { counts, people }: Pairs) -> History {
        History { counts: counts.into_iter().collect(), people: people.into_iter().collect() }
    }
}

impl From<History> for Pairs {
    fn from(History { counts, people }: History) -> Pairs {
        Pairs { counts: counts.into_iter().collect(), people: people.into_iter().collect() }
    }
}

/// What was done of one part within a short time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stretch {
    first: Timestamp,
    last: Timestamp,
    count: u32,
}

/// A limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Figure {
    /// Over which part.
    pub part: Part,
    /// How many the plan would make it, what was done in the window included.
    pub count: u32,
    /// Of how many.
    pub population: u32,
    /// How many are allowed.
    pub allowed: u32,
}

/// The limits in force and the populations that they are shares of.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// By target: its own limits, or those that the policy has for all targets.
    pub targets: BTreeMap<Sym, Guards>,
    /// Over people, all targets together.
    pub people: Guards,
    /// Accounts by target, and (account, entitlement) pairs by target and kind. The kind `accounts` is the former.
    pub populations: BTreeMap<(Sym, Sym), usize>,
    /// People and services that are active.
    pub identities: usize,
}

/// The kind of accounts in a [`Part`], and in `authority` and `scope` of a target.
pub const ACCOUNTS: &str = "accounts";

/// The kind of people in a [`Part`].
pub const PEOPLE: &str = "people";

/// A window of a day is what one person watching can notice and stop.
const DAY: Length = Length(SignedDuration::from_hours(24));

/// What was done within a minute is kept as one number, so that a window of days costs as many numbers as it has
/// minutes. Nothing leaves a window before its time, and at most this much later.
const STRETCH: SignedDuration = SignedDuration::from_mins(1);

/// What is refused where no document says a limit: over a fifth of the accounts, people or memberships, or fifty, a
/// day. Below ten accounts and fifty memberships a fifth is less than one ordinary move of a person, so that there
/// only the number counts. What is written down as leaving may be a whole department.
fn built_in(limit: Limit, kind: Sym) -> Option<GuardLimit> {
    let minimum = if kind == *ACCOUNTS || kind == *PEOPLE { 10 } else { 50 };
    let limit_of = |percent, count| {
        Some(GuardLimit {
            percent: Some(percent),
            count: Some(count),
            window: Some(DAY),
            minimum: Some(minimum),
        })
    };
    match limit {
        Limit::Removals => limit_of(20, 50),
        Limit::Departures => limit_of(50, 200),
        Limit::Deletions | Limit::Additions => None,
    }
}

impl History {
    /// Adds one operation that was done at an instant, for an identity or for nobody.
    pub fn record(&mut self, at: Timestamp, part: Part, identity: Option<Sym>) {
        if part.target.is_none() {
            // A person is counted once, however many operations it takes.
            if let Some(identity) = identity {
                let last = self.people.entry(part).or_default().entry(identity).or_insert(at);
                *last = at.max(*last);
            }
            return;
        }
        let stretches = self.counts.entry(part).or_default();
        match stretches.last_mut() {
            Some(stretch) if stretch.last <= at && at.duration_since(stretch.first) < STRETCH => {
                stretch.last = at;
                stretch.count = stretch.count.saturating_add(1);
            }
            _ => stretches.push(Stretch { first: at, last: at, count: 1 }),
        }
    }

    /// How much of a part was done after an instant; of one that counts people, for whom beside those that are `known`.
    pub fn since(&self, part: Part, after: Timestamp, known: impl Fn(Sym) -> bool) -> u32 {
        let stretches = self.counts.get(&part).into_iter().flatten().filter(|stretch| stretch.last > after);
        let people = self.people.get(&part).into_iter().flatten();
        let others = people.filter(|(who, at)| **at > after && !known(**who)).count();
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        stretches.fold(others, |sum, stretch| sum.saturating_add(stretch.count))
    }

    /// Forgets what no window reaches any more.
    pub fn forget(&mut self, before: Timestamp) {
        self.counts.values_mut().for_each(|stretches| stretches.retain(|stretch| stretch.last >= before));
        self.counts.retain(|_, stretches| !stretches.is_empty());
        self.people.values_mut().for_each(|people| people.retain(|_, at| *at >= before));
        self.people.retain(|_, people| !people.is_empty());
    }
}

/// The limits of a target: its own, else those of the policy for all targets.
pub fn guards_of(target: &Target, policy: Option<&GuardPolicy>) -> Guards {
    target.guards.or(policy.and_then(|policy| policy.targets)).unwrap_or_default()
}

/// How much a read of a target may have shrunk: its share over removals, where it has one.
pub fn shrink(guards: Guards) -> Shrink {
    let standard = Shrink::default();
    let Some(GuardLimit { percent, count: _, window: _, minimum }) = guards.removals else { return standard };
    Shrink {
        percent: percent.unwrap_or(standard.percent),
        minimum: minimum.map_or(standard.minimum, |minimum| minimum as usize),
    }
}

/// The longest window of any of these limits and of the built-in ones: how far back a [`History`] has to reach.
pub fn longest_window(guards: impl IntoIterator<Item = Guards>) -> SignedDuration {
    let limits =
        |Guards { removals, departures, deletions, additions }| [removals, departures, deletions, additions];
    let windows = guards.into_iter().flat_map(limits).flatten().filter_map(|limit| limit.window);
    windows.fold(DAY.0, |longest, window| longest.max(window.0))
}

/// Which operations of the plan are over a limit, by their place, and by how much. `lifted` are those that an override
/// lets past it: they go on, and count like any other for the rest.
pub fn tripped(
    plan: &Plan,
    limits: &Limits,
    history: &History,
    now: Timestamp,
    lifted: &dyn Fn(Part, Digest) -> bool,
) -> BTreeMap<usize, Figure> {
    let mut counted: FxHashMap<Part, Counted<'_>> = FxHashMap::default();
    for (place, planned) in plan.operations.iter().enumerate() {
        for part in parts(planned) {
            let Counted { units, places } = counted.entry(part).or_default();
            units.insert(unit(planned, part));
            places.push(place);
        }
    }
    let mut counted: Vec<(Part, Counted<'_>)> = counted.into_iter().collect();
    counted.sort_unstable_by_key(|(part, _)| *part);
    let mut tripped = BTreeMap::new();
    for (part, Counted { units, places }) in counted {
        let Some(limit) = limits.of(part) else { continue };
        let known = |who: Sym| units.contains(&(who, "", "", ""));
        let done = limit.window.map_or(0, |window| history.since(part, now - window.0, known));
        let planned = u32::try_from(units.len()).unwrap_or(u32::MAX);
        let count = planned.saturating_add(done);
        // What was done in the window is no longer there to be counted: a slow bleed must not shrink its own base.
        // People stay, whatever was taken from them.
        let gone = if part.limit == Limit::Additions || part.target.is_none() { 0 } else { done };
        let population = limits.population(part).saturating_add(gone);
        let Some(allowed) = allowed(limit, population).filter(|allowed| count > *allowed) else { continue };
        for place in places.into_iter().filter(|place| !lifted(part, plan.operations[*place].digest)) {
            tripped.entry(place).or_insert(Figure { part, count, population, allowed });
        }
    }
    tripped
}

/// What a plan has of one part.
#[derive(Default)]
struct Counted<'a> {
    units: FxHashSet<Unit<'a>>,
    places: Vec<usize>,
}

/// What is counted once: whose it is, the account, and the anchor and role of the entitlement.
type Unit<'a> = (Sym, &'a str, &'a str, &'a str);

/// What an operation counts as once it is done, for [`History::record`]. Each counts one; ending the sessions of an
/// account that is disabled too counts nothing.
pub fn parts(planned: &Planned) -> Vec<Part> {
    let limits: &[Limit] = match planned.class {
        Class::Addition => &[Limit::Additions],
        Class::Change => &[],
        Class::Removal => &[Limit::Removals],
        Class::Departure => &[Limit::Departures],
        Class::Deletion => &[Limit::Deletions, Limit::Removals],
    };
    if matches!(planned.operation, Operation::EndSessions { .. } | Operation::RevokeCredential { .. }) {
        return Vec::new();
    }
    let kind = planned
        .operation
        .entitlement()
        .map_or_else(|| Sym::new(ACCOUNTS), |entitlement| Sym::new(&entitlement.kind));
    let mut parts: Vec<Part> =
        limits.iter().map(|limit| Part { target: Some(planned.target), kind, limit: *limit }).collect();
    if planned.identity.is_some() && planned.class != Class::Addition {
        parts.extend(limits.iter().map(|limit| Part { target: None, kind: Sym::new(PEOPLE), limit: *limit }));
    }
    parts
}

/// What is counted once, however many operations it takes: a person, an account, or an account's entitlement.
fn unit(planned: &Planned, part: Part) -> Unit<'_> {
    let nobody = || planned.identity.unwrap_or(planned.target);
    if part.target.is_none() {
        return (nobody(), "", "", "");
    }
    let account = planned.operation.account().map_or("", |account| account.anchor.as_str());
    let (anchor, role) = planned.operation.entitlement().map_or(("", ""), |entitlement| {
        (entitlement.anchor.as_str(), entitlement.role.as_deref().unwrap_or_default())
    });
    // Accounts that are still to be made have no anchor to be told apart by.
    (if account.is_empty() { nobody() } else { planned.target }, account, anchor, role)
}

fn allowed(limit: GuardLimit, population: u32) -> Option<u32> {
    let GuardLimit { percent, count, window: _, minimum } = limit;
    let share = percent
        .filter(|_| population >= minimum.unwrap_or(0))
        .map(|percent| u32::try_from(u64::from(population) * u64::from(percent) / 100).unwrap_or(u32::MAX));
    share.into_iter().chain(count).min()
}

impl Limits {
    /// The limits in force: a target's own, else those of the policy for all targets, else the built-in ones.
    /// `identities` is how many people and services are active.
    pub fn in_force(
        targets: &BTreeMap<Sym, TargetView<'_>>,
        policy: Option<&GuardPolicy>,
        identities: usize,
    ) -> Limits {
        let mut limits = Limits {
            people: policy.and_then(|policy| policy.people).unwrap_or_default(),
            identities,
            ..Limits::default()
        };
        for (target, view) in targets {
            limits.targets.insert(*target, guards_of(view.document, policy));
            let tally = view.observed.tally();
            limits.populations.insert((*target, Sym::new(ACCOUNTS)), tally.accounts);
            limits.populations.extend(tally.kinds().map(|(kind, count)| ((*target, kind), count)));
        }
        limits
    }

    fn of(&self, part: Part) -> Option<GuardLimit> {
        let guards = match part.target {
            Some(target) => self.targets.get(&target).copied().unwrap_or_default(),
            None => self.people,
        };
        let Guards { removals, departures, deletions, additions } = guards;
        let own = match part.limit {
            Limit::Removals => removals,
            Limit::Departures => departures,
            Limit::Deletions => deletions,
            Limit::Additions => additions,
        };
        own.or_else(|| built_in(part.limit, part.kind))
    }

    fn population(&self, part: Part) -> u32 {
        let population = match part.target {
            Some(target) => self.populations.get(&(target, part.kind)).copied().unwrap_or(0),
            None => self.identities,
        };
        u32::try_from(population).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Part { target, kind, limit } = self;
        let limit = match limit {
            Limit::Removals => "removals",
            Limit::Departures => "departures",
            Limit::Deletions => "deletions",
            Limit::Additions => "additions",
        };
        write!(f, "{limit} of {kind}")?;
        target.map_or(Ok(()), |target| write!(f, " on {target}"))
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Figure { part, count, population, allowed } = self;
        write!(f, "{part}: {count} of {population}, and {allowed} are allowed")
    }
}

#[cfg(test)]
mod tests {
    use provost_sdk::{AccountRef, Risk};

    use super::*;
    use crate::plan::{Queue, digest_of};

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().expect("an instant")
    }

    /// A plan that disables so many accounts, each of another person.
    fn disables(count: usize, class: Class) -> Plan {
        let planned = |number: usize| {
            let name = format!("{number}");
            let account = AccountRef { anchor: name.as_str().into(), username: name.clone() };
            let operation = Operation::Disable { account };
            let (target, identity) = (Sym::new("forge"), Some(Sym::new(&name)));
            Planned {
                digest: digest_of(target, target, identity, target, &operation),
                target,
                identity,
                profile: target,
                operation,
                tier: Risk::Low,
                queue: Queue::Leaver,
                class,
                drift: false,
                causes: Vec::new(),
                after: Vec::new(),
                grants: None,
                gains: Vec::new(),
                deliver: None,
            }
        };
        Plan { operations: (0..count).map(planned).collect(), ..Plan::default() }
    }

    fn limits(population: usize, removals: Option<GuardLimit>) -> Limits {
        let guards = Guards { removals, ..Guards::default() };
        let people = Guards {
            removals: Some(GuardLimit { percent: None, count: None, window: None, minimum: None }),
            ..Guards::default()
        };
        Limits {
            targets: [(Sym::new("forge"), guards)].into(),
            people,
            populations: [((Sym::new("forge"), Sym::new(ACCOUNTS)), population)].into(),
            identities: population,
        }
    }

    fn limit(percent: Option<u8>, count: Option<u32>, minimum: Option<u32>) -> Option<GuardLimit> {
        Some(GuardLimit { percent, count, window: Some(DAY), minimum })
    }

    fn trips(count: usize, limits: &Limits, history: &History) -> bool {
        let tripped = tripped(&disables(count, Class::Removal), limits, history, now(), &|_, _| false);
        assert!(tripped.is_empty() || tripped.len() == count, "a part is refused as a whole");
        !tripped.is_empty()
    }

    #[test]
    fn percent_or_count_and_a_minimum_population_lifts_percent_only() {
        let none = History::default();
        let of = |population, percent, count, minimum| limits(population, limit(percent, count, minimum));
        assert!(!trips(10, &of(100, Some(10), None, None), &none));
        assert!(trips(11, &of(100, Some(10), None, None), &none));
        assert!(trips(4, &of(100, Some(10), Some(3), None), &none));
        assert!(!trips(3, &of(100, Some(10), Some(3), None), &none));
        assert!(
            !trips(9, &of(9, Some(10), Some(9), Some(10)), &none),
            "below the minimum percent does not count"
        );
        assert!(trips(9, &of(9, Some(10), Some(8), Some(10)), &none), "the number always does");
        assert!(!trips(9, &of(9, None, None, None), &none));
    }

    #[test]
    fn built_in_limits_hold_where_no_document_says_any() {
        let none = History::default();
        assert!(trips(25, &limits(25, None), &none), "everybody of a small organisation");
        assert!(!trips(5, &limits(25, None), &none));
        assert!(trips(51, &limits(100_000, None), &none));
        assert!(!trips(50, &limits(100_000, None), &none));
        let part = |kind| Part { target: Some("forge".into()), kind: Sym::new(kind), limit: Limit::Removals };
        let minimum = |part| Limits::default().of(part).and_then(|limit| limit.minimum);
        assert_eq!(minimum(part(ACCOUNTS)), Some(10));
        assert_eq!(minimum(Part { target: None, ..part(PEOPLE) }), Some(10));
        assert_eq!(minimum(part("team")), Some(50));
        let all = disables(60, Class::Departure);
        assert!(
            tripped(&all, &limits(1_000, None), &none, now(), &|_, _| false).is_empty(),
            "leaving that is written down"
        );
        assert!(
            !tripped(&disables(201, Class::Departure), &limits(1_000, None), &none, now(), &|_, _| false)
                .is_empty()
        );
    }

    #[test]
    fn a_slow_bleed_trips_the_window_and_what_is_over_is_forgotten() {
        let limits = limits(990, limit(Some(1), None, None));
        let part = Part { target: Some("forge".into()), kind: Sym::new(ACCOUNTS), limit: Limit::Removals };
        let mut history = History::default();
        for hour in (1..=8).rev() {
            history.record(now() - SignedDuration::from_hours(hour), part, None);
        }
        assert!(!trips(1, &limits, &history), "nine of 998 in a day");
        history.record(now() - SignedDuration::from_hours(23), part, None);
        assert!(trips(1, &limits, &history), "ten of 999 in a day");
        let other = Part { target: Some("tickets".into()), ..part };
        let mut elsewhere = History::default();
        (0..100).for_each(|_| elsewhere.record(now(), other, None));
        assert!(!trips(1, &limits, &elsewhere), "another target's removals are its own");
        let mut old = History::default();
        (0..100).for_each(|_| old.record(now() - SignedDuration::from_hours(24), part, None));
        assert_eq!(old.counts[&part].len(), 1, "a minute is one number");
        assert!(!trips(1, &limits, &old), "the window is over");
        old.forget(now());
        assert_eq!(old, History::default());
    }

    #[test]
    fn what_is_done_within_a_minute_is_one_number_and_a_history_is_written_as_it_is() {
        let part = Part { target: Some("forge".into()), kind: Sym::new(ACCOUNTS), limit: Limit::Removals };
        let mut history = History::default();
        let at = |seconds| now() + SignedDuration::from_secs(seconds);
        for seconds in [0, 30, 59, 60, 180, 179] {
            history.record(at(seconds), part, None);
        }
        let kept = |stretch: &Stretch| (stretch.first, stretch.last, stretch.count);
        let stretches: Vec<_> = history.counts[&part].iter().map(kept).collect();
        assert_eq!(
            stretches,
            [(at(0), at(59), 3), (at(60), at(60), 1), (at(180), at(180), 1), (at(179), at(179), 1)],
            "whatever order it was done in"
        );
        let since = |seconds| history.since(part, at(seconds), |_| false);
        assert_eq!((since(-1), since(58), since(59), since(60), since(180)), (6, 6, 3, 2, 0));
        history.record(now(), Part { target: None, kind: Sym::new(PEOPLE), ..part }, Some("p-1".into()));
        let text = serde_json::to_string(&history).expect("it is JSON");
        assert_eq!(serde_json::from_str::<History>(&text).expect("it is a history"), history);
    }

    #[test]
    fn what_was_added_and_people_do_not_make_the_population_larger() {
        let history_of = |part: Part| {
            let mut history = History::default();
            for number in 0..50 {
                let who = Sym::new(&format!("before-{number}"));
                history.record(now() - SignedDuration::from_hours(1), part, Some(who));
            }
            history
        };
        let figure = |class, part, limits: &Limits| {
            let tripped = tripped(&disables(10, class), limits, &history_of(part), now(), &|_, _| false);
            tripped.into_values().next().map(|figure| (figure.count, figure.population))
        };
        let here = |limit| Part { target: Some("forge".into()), kind: Sym::new(ACCOUNTS), limit };
        let none = limit(Some(0), None, None);
        let guards = Guards { additions: none, removals: none, ..Guards::default() };
        let limits = Limits { targets: [(Sym::new("forge"), guards)].into(), ..limits(100, None) };
        assert_eq!(figure(Class::Removal, here(Limit::Removals), &limits), Some((60, 150)));
        assert_eq!(figure(Class::Addition, here(Limit::Additions), &limits), Some((60, 100)));
        let people = Part { target: None, kind: Sym::new(PEOPLE), limit: Limit::Removals };
        let unlimited = GuardLimit { percent: None, count: None, window: None, minimum: None };
        let no_guards = Guards { removals: Some(unlimited), ..Guards::default() };
        let limits = Limits { targets: [(Sym::new("forge"), no_guards)].into(), people: guards, ..limits };
        assert_eq!(figure(Class::Removal, people, &limits), Some((60, 100)));
    }

    #[test]
    fn a_person_leaves_the_window_when_it_is_over_and_not_before() {
        let part = Part { target: None, kind: Sym::new(PEOPLE), limit: Limit::Removals };
        let mut history = History::default();
        history.record(now(), part, Some("p-1".into()));
        let second = SignedDuration::from_secs(1);
        assert_eq!(history.since(part, now() - second, |_| false), 1);
        assert_eq!(history.since(part, now(), |_| false), 0);
    }

    #[test]
    fn a_read_may_shrink_by_the_share_that_removals_may_have() {
        let of = |percent, minimum| {
            shrink(Guards { removals: limit(percent, None, minimum), ..Guards::default() })
        };
        let standard = Shrink::default();
        assert_eq!(shrink(Guards::default()), standard);
        assert_eq!(of(Some(7), Some(99)), Shrink { percent: 7, minimum: 99 });
        assert_eq!(of(Some(7), None), Shrink { percent: 7, ..standard });
        assert_eq!(of(None, Some(99)), Shrink { minimum: 99, ..standard });
    }

    #[test]
    fn limits_are_of_all_who_are_active() {
        let limits = Limits::in_force(&BTreeMap::new(), None, 7);
        assert_eq!(
            limits.population(Part { target: None, kind: Sym::new(PEOPLE), limit: Limit::Removals }),
            7
        );
    }

    #[test]
    fn every_deletion_counts_as_a_removal_too_and_people_over_all_targets() {
        let of = |class| parts(&disables(1, class).operations[0]);
        let limits =
            |class| of(class).iter().map(|part| (part.target.is_some(), part.limit)).collect::<Vec<_>>();
        assert_eq!(
            limits(Class::Deletion),
            [
                (true, Limit::Deletions),
                (true, Limit::Removals),
                (false, Limit::Deletions),
                (false, Limit::Removals)
            ]
        );
        assert_eq!(limits(Class::Departure), [(true, Limit::Departures), (false, Limit::Departures)]);
        assert_eq!(limits(Class::Addition), [(true, Limit::Additions)]);
        assert_eq!(limits(Class::Change), []);
    }

    #[test]
    fn people_are_counted_once_over_all_targets() {
        let mut plan = disables(3, Class::Removal);
        let mut second = disables(3, Class::Removal).operations;
        second.iter_mut().for_each(|planned| planned.target = "tickets".into());
        plan.operations.extend(second);
        let people = |count| Limits {
            people: Guards { removals: limit(None, Some(count), None), ..Guards::default() },
            ..Limits::default()
        };
        assert!(tripped(&plan, &people(3), &History::default(), now(), &|_, _| false).is_empty());
        assert_eq!(tripped(&plan, &people(2), &History::default(), now(), &|_, _| false).len(), 6);
        // Somebody who lost something an hour ago and loses more now is still one person.
        let part = Part { target: None, kind: Sym::new(PEOPLE), limit: Limit::Removals };
        let mut history = History::default();
        let earlier = now() - SignedDuration::from_hours(1);
        (0..4).for_each(|_| history.record(earlier, part, Some("1".into())));
        assert!(tripped(&plan, &people(3), &history, now(), &|_, _| false).is_empty());
        history.record(earlier, part, Some("another".into()));
        assert_eq!(tripped(&plan, &people(3), &history, now(), &|_, _| false).len(), 6);
        history.forget(now());
        assert_eq!(history, History::default());
    }
}
