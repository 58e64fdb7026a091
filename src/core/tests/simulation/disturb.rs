//! Everything that happens to an organisation and to its systems: commits, hands, faults, operators, crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use provost_core::Sym;
use provost_core::step::Event;
use provost_memory::{GROUP, PROJECT, ReadFault, WriteFault};
use provost_sdk::{Anchor, EntitlementKey, ErrorKind, State, Value};

use super::desired::{Broken, Commit, Condition, DEPARTMENTS, GROUPS, Grant, PROJECTS, Status};
use super::dice::Dice;
use super::genesis::{self, TARGETS};
use super::shell::Shell;

/// A leaver is out after this long without a disturbance: a plan, the longest backoff, and an intent of a process
/// that died, which is settled by the first whole read after its not-after.
pub const OUT_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// What goes wrong, and until when.
#[derive(Clone, Debug)]
pub struct Weather {
    over: BTreeMap<&'static str, (Kind, Timestamp)>,
    journal: Timestamp,
    fetch: Timestamp,
    /// What stopped writing to a target, or made something there by hand: until when, or when.
    pub troubled: BTreeMap<&'static str, Timestamp>,
    suspended: BTreeSet<&'static str>,
    /// The tip of the branch before it was rewritten.
    rewritten: Option<usize>,
    /// A target that never answers.
    pub down: Option<&'static str>,
    /// An identity for whom nothing ever works on a target.
    pub failing: Option<(&'static str, String)>,
    /// Accounts that a hand gave something, or let sign in.
    pub given: BTreeSet<(&'static str, Anchor)>,
    pub granted_by_hand: BTreeSet<(&'static str, Anchor, EntitlementKey)>,
    pub disabled_by_hand: BTreeSet<(&'static str, Anchor)>,
    strangers: usize,
    /// When a hand changed something on a target.
    pub hands: BTreeMap<&'static str, Vec<Timestamp>>,
    /// When the clock of the machine was set last.
    clock_set: Timestamp,
    pub ended: bool,
    /// Whether everybody signs everything in the end.
    pub signed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Down,
    Flaky,
    Refused,
    Partial,
    Empty,
    Shrunken,
}

impl Weather {
    pub fn draw(dice: &mut Dice) -> Weather {
        let down = dice.chance(15).then(|| *dice.pick(&TARGETS));
        let failing = dice
            .chance(25)
            .then(|| (*dice.pick(&TARGETS), format!("p-{:02}", 2 + dice.below(genesis::PEOPLE - 1))));
        Weather {
            over: BTreeMap::new(),
            journal: Timestamp::MIN,
            fetch: Timestamp::MIN,
            troubled: BTreeMap::new(),
            suspended: BTreeSet::new(),
            rewritten: None,
            down,
            failing,
            given: BTreeSet::new(),
            granted_by_hand: BTreeSet::new(),
            disabled_by_hand: BTreeSet::new(),
            strangers: 0,
            hands: BTreeMap::new(),
            clock_set: Timestamp::MIN,
            ended: false,
            signed: dice.chance(50),
        }
    }

    pub fn fetch_fails(&self, now: Timestamp) -> bool {
        now < self.fetch
    }

    pub fn slow(&self, target: &str, now: Timestamp) -> bool {
        self.kind(target, now) == Some(Kind::Flaky)
    }

    pub fn always_fails(&self, target: &str, identity: Option<Sym>) -> bool {
        let of =
            |(at, who): &(&str, String)| *at == target && identity.is_some_and(|one| one == *who.as_str());
        self.failing.as_ref().is_some_and(of)
    }

    fn kind(&self, target: &str, now: Timestamp) -> Option<Kind> {
        if self.down == Some(target) {
            return Some(Kind::Down);
        }
        self.over.get(target).filter(|(_, until)| now < *until).map(|(kind, _)| *kind)
    }

    /// `known`: how many accounts are known there.
    pub fn read_fault(
        &self,
        target: &str,
        now: Timestamp,
        known: usize,
        dice: &mut Dice,
    ) -> Option<ReadFault> {
        match self.kind(target, now)? {
            Kind::Down => Some(ReadFault::Fail(ErrorKind::Unavailable)),
            Kind::Flaky => dice.chance(30).then_some(ReadFault::Fail(ErrorKind::Timeout)),
            Kind::Refused => Some(ReadFault::Fail(ErrorKind::InvalidCredential)),
            Kind::Partial => Some(ReadFault::Partial(dice.below(5))),
            Kind::Empty => Some(ReadFault::Empty),
            // Of fewer than ten nobody can tell a lie from a few departures.
            Kind::Shrunken => (known >= 10).then_some(ReadFault::Shrunken(dice.below(4))),
        }
    }

    pub fn write_fault(&self, target: &str, now: Timestamp, dice: &mut Dice) -> Option<WriteFault> {
        match self.kind(target, now)? {
            Kind::Down => Some(WriteFault::Fail(ErrorKind::Unavailable)),
            Kind::Refused => Some(WriteFault::Fail(ErrorKind::InvalidCredential)),
            Kind::Flaky => match dice.below(8) {
                0 => Some(WriteFault::LoseAnswer),
                1 => Some(WriteFault::LoseRequest),
                2 => {
                    let until = Some(now + SignedDuration::from_secs(30));
                    Some(WriteFault::Fail(ErrorKind::RateLimited { until }))
                }
                3 => Some(WriteFault::Fail(ErrorKind::Unavailable)),
                4 => Some(WriteFault::Fail(ErrorKind::Conflict)),
                _ => None,
            },
            Kind::Partial | Kind::Empty | Kind::Shrunken => None,
        }
    }

    fn trouble(&mut self, target: &'static str, until: Timestamp) {
        let at = self.troubled.entry(target).or_insert(until);
        *at = (*at).max(until);
    }

    fn trouble_all(&mut self, until: Timestamp) {
        TARGETS.into_iter().for_each(|target| self.trouble(target, until));
    }
}

pub fn disturb(shell: &mut Shell) {
    if shell.weather.ended {
        return;
    }
    if !shell.weather.suspended.is_empty() && shell.dice.chance(30) {
        resume(shell);
    }
    if shell.log.broken && shell.weather.journal <= shell.now {
        shell.log.broken = false;
    }
    match shell.dice.below(100) {
        0..40 => commit(shell),
        40..53 => super::approve::speak(shell),
        53..68 => by_hand(shell),
        68..79 => fault(shell),
        79..82 => {
            shell.say(format_args!("restart"));
            shell.weather.trouble_all(shell.now);
            shell.restart();
        }
        82..88 => {
            // Most operations have three effects; a busy minute has a hundred.
            let effects = shell.dice.below(60) as u64;
            shell.say(format_args!("the process is to die after {effects} effects"));
            shell.die_after(effects);
        }
        88..92 => set_clock(shell),
        92..94 => suspend(shell),
        94..97 => {
            shell.log.broken = true;
            shell.weather.journal = shell.now + SignedDuration::from_secs(1 + shell.dice.below(120) as i64);
            shell.weather.trouble_all(shell.weather.journal + SignedDuration::from_mins(10));
            shell.say(format_args!("the journal breaks"));
        }
        _ => {
            shell.weather.fetch = shell.now + SignedDuration::from_secs(1 + shell.dice.below(300) as i64);
            shell.weather.trouble_all(shell.weather.fetch);
        }
    }
}

/// Somebody, or something, sets the clock of the machine: by at most an hour and a half forwards, half an hour back.
fn set_clock(shell: &mut Shell) {
    let minutes = match shell.dice.chance(40) {
        true => 1 + shell.dice.below(90) as i64,
        false => -1 - shell.dice.below(30) as i64,
    };
    shell.ahead += SignedDuration::from_mins(minutes);
    shell.weather.clock_set = shell.now;
    shell.say(format_args!("the clock is set by {minutes} minutes"));
}

fn suspend(shell: &mut Shell) {
    let target = *shell.dice.pick(&TARGETS);
    shell.say(format_args!("suspend {target}"));
    shell.weather.suspended.insert(target);
    let which = Some(Sym::new(target));
    shell.tell(Event::Suspend(which));
    // What cannot be recorded holds until the process ends.
    let _until_then = shell.log.record(|log| log.suspension.suspend(which));
}

/// An operator looks after what was suspended or is quarantined.
fn resume(shell: &mut Shell) {
    for target in std::mem::take(&mut shell.weather.suspended) {
        shell.say(format_args!("resume {target}"));
        shell.weather.trouble(target, shell.now);
        // Whoever says that a read is to be taken as it is has looked before.
        shell
            .weather
            .over
            .retain(|at, (kind, _)| *at != target || !matches!(kind, Kind::Empty | Kind::Shrunken));
        let name = Sym::new(target);
        let now = shell.clock();
        // Operators try again until it is on the record.
        shell.log.suspension.resume(Some(name));
        shell.engine.organisation.resume(name, now);
        shell.trusted.insert(target);
        shell.tell(Event::Resume(Some(name)));
    }
}

fn fault(shell: &mut Shell) {
    let kinds =
        [Kind::Down, Kind::Flaky, Kind::Flaky, Kind::Refused, Kind::Partial, Kind::Empty, Kind::Shrunken];
    let (target, kind) = (*shell.dice.pick(&TARGETS), *shell.dice.pick(&kinds));
    let until = shell.now + SignedDuration::from_secs(30 + shell.dice.below(900) as i64);
    shell.say(format_args!("{target} is {kind:?} until {until}"));
    shell.weather.over.insert(target, (kind, until));
    if matches!(kind, Kind::Down | Kind::Flaky | Kind::Refused) {
        shell.weather.trouble(target, until);
    }
}

fn commit(shell: &mut Shell) {
    if let Some(tip) = shell.weather.rewritten {
        if shell.dice.chance(40) {
            shell.say(format_args!("the branch is as it was: c{tip}"));
            shell.weather.rewritten = None;
            shell.head = tip;
        }
        return;
    }
    if shell.dice.chance(6) && shell.tip_counts() {
        return rewrite(shell);
    }
    let now = shell.clock();
    let desired = &mut shell.desired;
    let dice = &mut shell.dice;
    let mut left = None;
    if dice.chance(20) {
        role(desired, dice);
        return shell.commit();
    }
    // The first person owns the rules and stays.
    let here = desired.people.keys().filter(|id| *id != "p-01" && !desired.removed.contains(*id)).cloned();
    let Some(id) = dice.one(here) else { return };
    let what = dice.below(13);
    if what == 0 {
        let number = desired.people.len() + 1;
        let person = genesis::person(number, dice);
        desired.people.insert(format!("p-{number:02}"), person);
        return shell.commit();
    }
    if what == 1 {
        // Whoever comes back has a file again.
        if let Some(back) = dice.one(desired.removed.iter().cloned()) {
            desired.removed.remove(&back);
            desired.people.get_mut(&back).expect("removed people are known").status = Status::Active;
        }
        return shell.commit();
    }
    let is_ownerless = genesis::SERVICE_OWNERS.iter().any(|owner| desired.removed.contains(*owner));
    let person = desired.people.get_mut(&id).expect("it was picked");
    if person.service.is_some() && is_ownerless {
        // It counts as it is; nothing else that is said of it would.
        return;
    }
    if let Some(broken) = desired.broken.get(&id).copied() {
        match dice.below(3) {
            0 => drop(desired.broken.remove(&id)),
            1 if broken == Broken::Typo && person.status != Status::Departed => {
                person.status = Status::Departed;
                left = Some(id);
            }
            _ => {}
        }
    } else {
        match what {
            2..=4 if person.service.is_some() => {
                person.service = person.service.map(|credential| !credential)
            }
            2 | 3 => person.department = dice.word(&DEPARTMENTS),
            4 => {
                person.title = dice.below(4);
                person.employment = if dice.chance(50) { "employee" } else { "contractor" };
            }
            5 => person.username += "x",
            6 => {
                person.status = Status::Departed;
                left = Some(id);
            }
            7 => {
                person.end = Some(now + SignedDuration::from_secs(dice.below(1800) as i64));
                left = Some(id);
            }
            8 => {
                person.status =
                    if person.status == Status::Active { Status::Suspended } else { Status::Active };
                person.end = None;
            }
            9 => {
                let minutes = |dice: &mut Dice| SignedDuration::from_mins(dice.below(60) as i64);
                let from = now + minutes(dice) - SignedDuration::from_mins(20);
                let until = from + SignedDuration::from_mins(1) + minutes(dice);
                let role = dice.word(&["on-call", "writer", "admin", "engineer"]);
                person.roles.retain(|held| held.role != role);
                person.roles.push(super::desired::Assignment { role, from: Some(from), until: Some(until) });
            }
            10 => person.roles.clear(),
            11 => {
                let broken = if dice.chance(60) { Broken::Typo } else { Broken::Garbage };
                desired.broken.insert(id, broken);
            }
            _ => {
                person.status = Status::Departed;
                desired.removed.insert(id);
            }
        }
    }
    shell.commit();
    if let Some(id) = left {
        let since = shell.now;
        shell.expect_gone(&id, since, since + OUT_WITHIN);
    }
}

fn role(desired: &mut super::desired::Desired, dice: &mut Dice) {
    let id = *dice.pick(&["engineer", "seller", "reader", "on-call", "writer", "admin"]);
    let mut role = desired.written[id].clone();
    match dice.below(4) {
        0 => {
            if let Some(grant) = dice.one(role.grants.iter().copied()) {
                role.grants.remove(&grant);
            }
        }
        1 | 2 => {
            let target = *dice.pick(&TARGETS);
            let grant: Grant = match dice.below(3) {
                0 => (target, None),
                1 => (target, Some((GROUP, dice.word(&GROUPS), None))),
                _ => (target, Some((PROJECT, dice.word(&PROJECTS), Some("member")))),
            };
            // Who holds a role that becomes privileged needs an end: those here have one only of the last role.
            if id == "admin" || role.condition.is_some() || !matches!(grant.1, Some((_, "admins", _))) {
                role.grants.insert(grant);
            }
        }
        _ => {
            if role.condition.is_some() {
                role.condition = Some(Condition::Department(dice.word(&DEPARTMENTS)));
            }
        }
    }
    desired.written.insert(id, role);
}

/// Somebody moves the branch to where it never was: everything there would be more power.
fn rewrite(shell: &mut Shell) {
    let mut other = shell.desired.clone();
    for person in other.people.values_mut() {
        person.department = "engineering";
        person.status = Status::Active;
    }
    let parent = shell.commits[shell.head].parent;
    shell.weather.rewritten = Some(shell.head);
    let files = Rc::new(other.files());
    shell.commits.push(Commit { parent, files, desired: Rc::new(other), author: None });
    shell.head = shell.commits.len() - 1;
    shell.say(format_args!("the branch is rewritten"));
}

fn by_hand(shell: &mut Shell) {
    let target = *shell.dice.pick(&TARGETS);
    shell.weather.hands.entry(target).or_default().push(shell.now);
    let system = &mut shell.sites.get_mut(target).expect("it is there").system;
    let dice = &mut shell.dice;
    let weather = &mut shell.weather;
    let accounts: Vec<_> = system.accounts().collect();
    let what = dice.below(8);
    if what == 0 || accounts.is_empty() {
        weather.strangers += 1;
        let known: Vec<&String> = shell.desired.people.values().map(|person| &person.username).collect();
        let wanted = dice.pick(&known).as_str();
        let username = match system.named(wanted).is_none() && dice.chance(20) {
            true => wanted.to_owned(),
            false => format!("stranger-{}", weather.strangers),
        };
        let made = system.add_account_by_hand(&username, Default::default());
        shell.say(format_args!("by hand: {username} on {target}: {}", made.anchor));
        return;
    }
    let account = dice.pick(&accounts).clone();
    let anchor = account.anchor.clone();
    let line = format!("by hand: {what} on {target} to {} ({anchor})", account.username);
    shell.story.tell(format_args!("{} {line}", shell.now));
    let mut keys: Vec<EntitlementKey> = Vec::new();
    for entitlement in system.entitlements() {
        let role = (entitlement.kind == PROJECT).then(|| "member".to_owned());
        if entitlement.kind == GROUP || entitlement.kind == PROJECT {
            keys.push(EntitlementKey { kind: entitlement.kind, anchor: entitlement.anchor, role });
        }
    }
    match what {
        1 | 2 => {
            let key = dice.pick(&keys).clone();
            system.add_member_by_hand(&anchor, &key);
            weather.given.insert((target, anchor.clone()));
            weather.granted_by_hand.insert((target, anchor, key));
        }
        3 => {
            if let Some(key) = dice.one(account.entitlements.unwrap_or_default()) {
                system.remove_member_by_hand(&anchor, &key);
            }
        }
        4 => {
            if account.state == State::Enabled {
                weather.disabled_by_hand.insert((target, anchor.clone()));
            }
            system.set_state_by_hand(&anchor, State::Disabled);
        }
        5 => {
            system.set_state_by_hand(&anchor, State::Enabled);
            weather.disabled_by_hand.remove(&(target, anchor.clone()));
            weather.given.insert((target, anchor));
            weather.trouble(target, shell.now);
        }
        6 => {
            weather.strangers += 1;
            system.rename_by_hand(&anchor, &format!("renamed-{}", weather.strangers));
            let email = Value::Text(format!("mine-{}@example.com", weather.strangers));
            system.set_attribute_by_hand(&anchor, "email", Some(email));
        }
        _ => system.remove_account_by_hand(&anchor),
    }
}

/// The end of all disturbances: faults are over, and an operator does what only an operator may.
pub fn calm(shell: &mut Shell) {
    let now = shell.now;
    let weather = &mut shell.weather;
    weather.ended = true;
    weather.over.clear();
    (weather.fetch, weather.journal) = (now, now);
    weather.trouble_all(now);
    shell.log.broken = false;
    if let Some(tip) = weather.rewritten.take() {
        shell.head = tip;
    }
    for (target, anchor) in std::mem::take(&mut weather.disabled_by_hand) {
        let system = &mut shell.sites.get_mut(target).expect("it is there").system;
        if system.account(&anchor).is_some() {
            system.set_state_by_hand(&anchor, State::Enabled);
            weather.given.insert((target, anchor));
        }
    }
    let usernames: BTreeSet<&String> = shell.desired.people.values().map(|person| &person.username).collect();
    for site in shell.sites.values_mut() {
        let strangers: Vec<_> = site
            .system
            .accounts()
            .filter(|account| !account.attributes.contains_key("external_id"))
            .filter(|account| usernames.contains(&account.username))
            .map(|account| account.anchor)
            .collect();
        strangers.iter().for_each(|anchor| site.system.remove_account_by_hand(anchor));
    }
    shell.weather.suspended = TARGETS.into_iter().collect();
    resume(shell);
    // Half of the histories end with a document that is still broken; what nobody can read is mended.
    let mend = shell.dice.chance(50);
    shell.desired.broken.retain(|_, broken| *broken == Broken::Typo && !mend);
    shell.commit();
}

/// Invariant 4: whatever holds additions, a leaver is out of every target that can be written to.
pub fn check_leaver(shell: &mut Shell, id: &str, since: Timestamp) {
    let person = &shell.desired.people[id];
    let by_end = person.end.filter(|_| person.status != Status::Departed);
    if person.is_here(shell.documents_now()) {
        if by_end.is_some() {
            shell.expect_gone(id, since, shell.now + OUT_WITHIN);
        }
        return;
    }
    // Whoever leaves at an instant left when the clock said so, at the latest when it was set past that.
    let since = match by_end {
        Some(end) => since.max(shell.when(end)).max(shell.weather.clock_set),
        None => since,
    };
    if shell.now < since + OUT_WITHIN {
        shell.expect_gone(id, since, since + OUT_WITHIN);
        return;
    }
    let mut later: Option<Timestamp> = None;
    for target in TARGETS {
        if shell.weather.suspended.contains(target)
            || shell.weather.down == Some(target)
            || shell.weather.always_fails(target, Some(Sym::new(id)))
        {
            continue;
        }
        if let Some(at) = shell.weather.troubled.get(target).filter(|at| **at > since) {
            later = later.max(Some(*at));
            continue;
        }
        for account in shell.sites[target].system.accounts() {
            let whose = account.attributes.get("external_id");
            let theirs = whose == Some(&Value::Text(id.to_owned()));
            assert!(
                !theirs || account.state == State::Disabled,
                "{id} left at {since}, and at {} the account {} on {target} can still sign in",
                shell.now,
                account.anchor
            );
        }
    }
    if let Some(since) = later {
        shell.expect_gone(id, since, since + OUT_WITHIN);
    }
}
