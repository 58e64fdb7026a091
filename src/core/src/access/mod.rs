//! Access: who has what power where now, what waits and why.
//!
//! In: the documents that count, evidence, facts of targets, zones, an instant. Out: the wanted accounts and
//! entitlements of every identity. It never looks at what a target has.
//!
//! [`Access::update`] and [`Access::advance`] cost what changed and give what [`Access::whole`] would. What many
//! identities have alike is kept once: an identity is two integers, and whoever has nothing dated, nothing above tier
//! low and nothing separated is resolved by the list of her roles alone.

mod birthright;
mod boundaries;
mod entries;
mod login;
mod model;
mod resolve;
mod risk;
mod roles;
mod rules;
mod separation;
mod terms;
mod update;
mod why;
mod words;

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use indexmap::IndexSet;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use provost_sdk::Risk;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use boundaries::Boundaries;
use entries::Entries;
use resolve::{Birth, Resolved};
use rules::Rules;

use crate::Sym;
use crate::condition::Asked;
use crate::document::{FieldPath, Kind, Problem, Status};
use crate::evidence::{Evidence, Power};
use crate::facts::Facts;
use crate::set::Spec;
use crate::snapshot::{Dirty, Identity, Snapshot};

pub use login::Login;
pub use model::{
    Cause, Conflict, GrantState, GrantWithCauses, Lack, Lifecycle, NotHeld, Reason, Source, Waiting, Wanted,
    Window,
};
pub use risk::{risk, risk_by};
pub use why::About;

/// Time zones by name.
pub type Zones = TimeZoneDatabase;

/// Pairs of identity and target, in no order that means anything, each once.
pub type Changed = Vec<(Sym, Sym)>;

/// All grants in force at one instant, and what waits.
#[derive(Clone, Debug)]
pub struct Access {
    now: Timestamp,
    rules: Rules,
    entries: Entries,
    outcomes: IndexSet<Outcome, FxBuildHasher>,
    lists: IndexSet<Box<[Sym]>, FxBuildHasher>,
    /// By list of roles: what it comes to where nothing else matters.
    plain: Vec<Plain>,
    boundaries: Boundaries,
    zones: FxHashMap<Sym, TimeZone>,
    /// Of identities that are not simply active.
    lifecycles: FxHashMap<Sym, Lifecycle>,
    waiting: FxHashMap<Sym, Box<[Waiting]>>,
    conflicts: FxHashMap<Sym, Box<[Conflict]>>,
    /// Targets on which identities hold something directly.
    direct: FxHashMap<Sym, Box<[Sym]>>,
    /// Identities whose access depends on what stands already.
    contested: FxHashSet<Sym>,
    scratch: Vec<Sym>,
}

/// How an identity stands now, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its place among all identities, until one of them is removed.
    pub place: usize,
    /// A number that no other result of resolving this or any identity has: while it is the same, so is whatever the
    /// identity is to have, and the documents and the employment by which its accounts look.
    pub revision: NonZeroU32,
}

/// What is wanted, by target, in the order of targets.
type Outcome = Box<[(Sym, Box<[Wanted]>)]>;

#[derive(Clone, Copy, Debug, Default)]
enum Plain {
    #[default]
    Unknown,
    /// Evidence, times or separation decide.
    No,
    /// The place in `outcomes`.
    Yes(u32),
}

impl Access {
    /// Resolves everything.
    pub fn whole(
        snapshot: &Snapshot,
        evidence: &Evidence,
        facts: &Facts,
        zones: &Zones,
        now: Timestamp,
    ) -> Access {
        let mut access = Access {
            now,
            rules: Rules::default(),
            entries: Entries::default(),
            outcomes: IndexSet::default(),
            lists: IndexSet::default(),
            plain: Vec::new(),
            boundaries: Boundaries::default(),
            zones: FxHashMap::default(),
            lifecycles: FxHashMap::default(),
            waiting: FxHashMap::default(),
            conflicts: FxHashMap::default(),
            direct: FxHashMap::default(),
            contested: FxHashSet::default(),
            scratch: Vec::new(),
        };
        let everything = Dirty {
            roles: snapshot.roles().into_iter().map(|role| role.id).collect(),
            targets: snapshot.targets().into_iter().map(|target| target.id).collect(),
            policies: snapshot.separations().into_iter().map(|separation| separation.id).collect(),
            ..Dirty::default()
        };
        access.rules.learn(snapshot, facts, &everything);
        access.entries.reserve(snapshot.identities().len());
        for identity in snapshot.identities() {
            access.learn_direct(snapshot, facts, evidence, identity);
            access.place(evidence, zones, identity);
        }
        access
    }

    /// The instant that all of it is about.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Every identity, in no order that means anything.
    pub fn identities(&self) -> impl ExactSizeIterator<Item = Sym> {
        self.entries.iter().map(|(id, _)| id)
    }

    /// The targets on which an identity is to have anything, in order.
    pub fn targets_of(&self, identity: Sym) -> impl Iterator<Item = Sym> {
        self.outcome(identity).iter().map(|(target, _)| *target)
    }

    /// How an identity stands now.
    pub fn mark(&self, identity: Sym) -> Option<Mark> {
        let (place, entry) = self.entries.find(identity)?;
        Some(Mark { place, revision: NonZeroU32::new(entry.revision)? })
    }

    /// Every identity that is to have anything on a target, with its place among all, in no order that means anything.
    pub fn wanting(&self, target: Sym) -> impl Iterator<Item = (usize, Sym)> {
        let names = |outcome: &Outcome| outcome.iter().any(|(known, _)| *known == target);
        let wanting: Vec<bool> = self.outcomes.iter().map(names).collect();
        let entries = self.entries.iter().enumerate();
        entries.filter_map(move |(place, (id, entry))| wanting[entry.outcome as usize].then_some((place, id)))
    }

    /// What an identity is to have on a target, by profile, in order. A suspended identity keeps it, as
    /// [`Access::lifecycle`] says; one that has left or not begun has nothing.
    pub fn wanted(&self, identity: Sym, target: Sym) -> &[Wanted] {
        let outcome = self.outcome(identity);
        outcome.iter().find(|(known, _)| *known == target).map_or(&[], |(_, wanted)| wanted)
    }

    /// Everything that an identity is to have, by target.
    pub fn wanted_by_target(&self, identity: Sym) -> impl Iterator<Item = (Sym, &[Wanted])> {
        self.outcome(identity).iter().map(|(target, wanted)| (*target, &**wanted))
    }

    /// Where in life an identity is.
    pub fn lifecycle(&self, identity: Sym) -> Lifecycle {
        match self.lifecycles.get(&identity) {
            Some(lifecycle) => *lifecycle,
            None if self.entries.get(identity).is_some() => Lifecycle::Active,
            None => Lifecycle::Unknown,
        }
    }

    /// Identities that are not simply active, in no order that means anything.
    pub fn inactive(&self) -> impl Iterator<Item = Sym> {
        self.lifecycles.keys().copied()
    }

    /// Everything that is asked for and not in force, in no order that means anything. What begins later and needs
    /// agreement is among it, and what is in force only until its agreement ends.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values().flatten()
    }

    /// What waits of one identity, in order.
    pub fn waiting_of(&self, identity: Sym) -> &[Waiting] {
        self.waiting.get(&identity).map_or(&[], |waiting| waiting)
    }

    /// Pairs of grants that separation of duties forbids and that both stand, in order.
    pub fn conflicts(&self) -> Vec<&Conflict> {
        let mut conflicts: Vec<&Conflict> = self.conflicts.values().flatten().collect();
        conflicts.sort();
        conflicts
    }

    /// Identities of whom it matters what stands already, because separation of duties or a hand-made nesting would
    /// hold it back if it were new; in no order that means anything. [`Evidence::give`] says what does.
    pub fn contested(&self) -> impl Iterator<Item = Sym> {
        self.contested.iter().copied()
    }

    /// Whether an identity is among [`Access::contested`].
    pub fn is_contested(&self, identity: Sym) -> bool {
        self.contested.contains(&identity)
    }

    /// What is wrong with the access of single identities, each in the file of its identity.
    pub fn problems(&self, snapshot: &Snapshot) -> Vec<Problem> {
        self.conflicts().into_iter().map(|conflict| problem(snapshot, conflict)).collect()
    }

    /// Everyone who is to hold an entitlement on a target in any profile, or an account there where none is named,
    /// in order.
    pub fn who(&self, target: Sym, entitlement: Option<Spec>) -> Vec<Sym> {
        let holds = |wanted: &Wanted| entitlement.is_none_or(|spec| wanted.entitlements.contains(spec));
        let holding: Vec<bool> = self
            .outcomes
            .iter()
            .map(|outcome| outcome.iter().any(|(known, wanted)| *known == target && wanted.iter().any(holds)))
            .collect();
        let mut who: Vec<Sym> = self
            .entries
            .iter()
            .filter(|(_, entry)| holding[entry.outcome as usize])
            .map(|(identity, _)| identity)
            .collect();
        who.sort_unstable();
        who
    }

    /// The risk of a grant that some role or identity names, known without looking at the target again; of any other
    /// grant [`risk()`] finds it.
    pub fn risk(&self, power: Power) -> Option<Risk> {
        self.rules.weight(power).map(|weight| weight.risk)
    }

    /// The next instant at which anything changes by itself.
    pub fn next_boundary(&self) -> Option<Timestamp> {
        self.boundaries.next()
    }

    /// How the account of an identity on a target in a profile is to look.
    pub fn login(
        &self,
        snapshot: &Snapshot,
        identity: Sym,
        target: Sym,
        profile: Sym,
    ) -> Result<Login, Box<Problem>> {
        let Some(document) = snapshot.identity(identity) else {
            let message = format!("There is no document of {identity} from which its account could be made");
            return Err(Box::new(Problem::error(identity, FieldPath::root(), "no-identity", message)));
        };
        self.rules.profiles.login(snapshot, self.asked_now(document), target, profile)
    }

    /// Whether an account is seen to look as [`Access::login`] says, told without making one; `false` also where it
    /// cannot be told so.
    pub fn fits(
        &self,
        snapshot: &Snapshot,
        identity: Sym,
        target: Sym,
        profile: Sym,
        seen: &crate::observed::Seen,
    ) -> bool {
        let document = snapshot.identity(identity);
        document
            .is_some_and(|document| self.rules.profiles.fits(self.asked_now(document), target, profile, seen))
    }

    fn asked_now<'a>(&self, document: Identity<'a>) -> Asked<'a> {
        let only = terms::asked_always(document);
        only.unwrap_or_else(|| terms::asked_now(document, &self.known_zone(document.timezone()), self.now))
    }

    fn outcome(&self, identity: Sym) -> &[(Sym, Box<[Wanted]>)] {
        let outcome =
            self.entries.get(identity).and_then(|entry| self.outcomes.get_index(entry.outcome as usize));
        outcome.map_or(&[], |outcome| outcome)
    }

    /// Resolves one identity and keeps the result.
    fn place(&mut self, evidence: &Evidence, zones: &Zones, identity: Identity<'_>) {
        let (id, list) = (identity.id(), self.list(identity));
        let is_plain = is_plain(identity, self.now) && evidence.taken(id).is_empty();
        let plain = if is_plain { self.plain(list) } else { None };
        if let Some(outcome) = plain {
            self.clear(id);
            self.entries.insert(id, outcome, list);
            return;
        }
        let resolved = self.resolve(evidence, zones, identity);
        let outcome = number(self.outcomes.insert_full(resolved.wanted().into()).0);
        self.entries.insert(id, outcome, list);
        self.boundaries.set(id, resolved.next);
        keep(&mut self.waiting, id, resolved.waiting(id));
        match resolved.lifecycle {
            Lifecycle::Active => self.lifecycles.remove(&id),
            other => self.lifecycles.insert(id, other),
        };
        match resolved.contested {
            true => self.contested.insert(id),
            false => self.contested.remove(&id),
        };
        keep(&mut self.conflicts, id, resolved.conflicts);
        let taken = evidence.taken(id).iter().map(|taken| taken.power.target);
        let mut direct: Vec<Sym> =
            identity.grants().iter().map(|grant| grant.grant.target).chain(taken).collect();
        direct.dedup();
        keep(&mut self.direct, id, direct);
    }

    fn resolve(&mut self, evidence: &Evidence, zones: &Zones, identity: Identity<'_>) -> Resolved {
        let zone = self.zone(identity.timezone(), zones);
        let births: Vec<Birth> = terms::posts(identity, &zone)
            .into_iter()
            .map(|(asked, window)| {
                let mut roles = Vec::new();
                self.rules.birthright.roles(asked, &mut roles);
                Birth { window, roles }
            })
            .collect();
        resolve::resolve(identity, &births, &zone, &self.rules, evidence, self.now)
    }

    /// The list of every role that an identity holds at any time.
    fn list(&mut self, identity: Identity<'_>) -> u32 {
        let mut roles = std::mem::take(&mut self.scratch);
        roles.clear();
        match identity {
            Identity::Person(person) => {
                terms::asked(person).for_each(|asked| self.rules.birthright.roles(asked, &mut roles));
            }
            Identity::Service(service) => {
                self.rules.birthright.roles(crate::condition::Asked::Service(service), &mut roles);
            }
        }
        roles.extend(identity.roles().iter().map(|assignment| assignment.role));
        roles.sort_unstable_by_key(|role| role.number());
        roles.dedup();
        let place = match self.lists.get_index_of(&roles[..]) {
            Some(place) => place,
            None => self.lists.insert_full(roles.as_slice().into()).0,
        };
        self.scratch = roles;
        number(place)
    }

    /// What a list of roles comes to, whoever holds it; `None` where that depends on who and when.
    fn plain(&mut self, list: u32) -> Option<u32> {
        let place = list as usize;
        if self.plain.len() <= place {
            self.plain.resize(self.lists.len(), Plain::Unknown);
        }
        if let Plain::Unknown = self.plain[place] {
            let roles = self.lists.get_index(place).map_or(&[][..], |roles| roles);
            self.plain[place] = match self.rules.plain(roles) {
                None => Plain::No,
                Some(mut powers) => {
                    Plain::Yes(number(self.outcomes.insert_full(resolve::wanted(&mut powers).into()).0))
                }
            };
        }
        match self.plain[place] {
            Plain::Yes(outcome) => Some(outcome),
            Plain::No | Plain::Unknown => None,
        }
    }

    fn learn_direct(
        &mut self,
        snapshot: &Snapshot,
        facts: &Facts,
        evidence: &Evidence,
        identity: Identity<'_>,
    ) {
        let taken = evidence.taken(identity.id());
        if !identity.grants().is_empty() || !taken.is_empty() {
            let powers = identity.grants().iter().map(|grant| Power::from(&grant.grant));
            self.rules.learn_direct(snapshot, facts, powers.chain(taken.iter().map(|taken| taken.power)));
        }
    }

    fn zone(&mut self, name: Option<Sym>, zones: &Zones) -> TimeZone {
        let Some(name) = name else { return TimeZone::UTC };
        let zone = self.zones.entry(name);
        // An unknown zone is a problem of the document, which does not count; UTC is for one that never did.
        zone.or_insert_with(|| zones.get(name.as_str()).unwrap_or(TimeZone::UTC)).clone()
    }

    fn known_zone(&self, name: Option<Sym>) -> TimeZone {
        name.and_then(|name| self.zones.get(&name)).cloned().unwrap_or(TimeZone::UTC)
    }

    /// Forgets what only few identities have.
    fn clear(&mut self, identity: Sym) {
        self.boundaries.set(identity, None);
        self.lifecycles.remove(&identity);
        self.waiting.remove(&identity);
        self.conflicts.remove(&identity);
        self.direct.remove(&identity);
        self.contested.remove(&identity);
    }
}

impl Rules {
    /// Every power of these roles, if nothing but holding them decides: all tier low, none lacking anything, and no
    /// two that separation of duties might forbid together.
    fn plain(&self, roles: &[Sym]) -> Option<Vec<Power>> {
        let grants = roles.iter().filter_map(|role| self.flat(*role)).flat_map(|flat| &flat.grants);
        let mut powers = Vec::new();
        let mut separated = None;
        for grant in grants {
            if grant.weight.risk != Risk::Low || grant.weight.lack.is_some() {
                return None;
            }
            if grant.weight.separated
                && separated.replace(grant.power).is_some_and(|other| other != grant.power)
            {
                return None;
            }
            powers.push(grant.power);
        }
        Some(powers)
    }
}

/// Whether nothing in the document itself depends on the instant from now on.
fn is_plain(identity: Identity<'_>, now: Timestamp) -> bool {
    let undated = match identity {
        Identity::Person(person) => person.employments.is_empty() && person.employment.is_some(),
        Identity::Service(_) => true,
    };
    identity.status() == Status::Active
        && identity.end().is_none()
        && identity.grants().is_empty()
        && undated
        && terms::surely_begun(identity.start(), now)
        && identity.roles().iter().all(|role| role.from.is_none() && role.until.is_none())
}

fn keep<T>(map: &mut FxHashMap<Sym, Box<[T]>>, identity: Sym, values: Vec<T>) {
    if values.is_empty() {
        map.remove(&identity);
    } else {
        map.insert(identity, values.into());
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("more different results than there can be identities do not fit into memory")
}

fn problem(snapshot: &Snapshot, conflict: &Conflict) -> Problem {
    let version = snapshot.version(Kind::Person, conflict.identity);
    let version = version.or_else(|| snapshot.version(Kind::Service, conflict.identity));
    let file = version.map_or(conflict.identity, |version| version.path);
    let Conflict { identity, separation, first, second, owners, since } = conflict;
    let owner = owners
        .iter()
        .find(|owner| snapshot.person(**owner).is_some_and(|person| person.status == Status::Active));
    let message =
        format!("{identity} holds both {first} and {second} since {since}, which {separation} forbids");
    let hint = match owner {
        Some(owner) => {
            format!("{owner} decides: take one away, or write an exception with an end into {separation}")
        }
        None => format!("take one away, or write an exception with an end into {separation}"),
    };
    Problem::warning(file, FieldPath::root(), "separation", message).with_hint(hint)
}
