//! The whole behaviour of the daemon, as a function: `step(now, event) -> commands`.
//!
//! In: the instant and what happened. Out: what to do next. Nothing here waits, reads a clock or does I/O, so a
//! simulator runs the same code as the shell in package `provost`, with a heap of events in the place of the world.
//!
//! Events are hints: `Head` says where the tracked branch was found, `Planned` what was to do when it was computed;
//! state is read again before anything depends on it. Every command that takes time is answered by exactly one
//! event, which each command names.

mod bucket;
mod messages;
mod status;
mod steady;
mod strain;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use provost_sdk::ErrorKind;

use crate::Sym;
pub use bucket::Bucket;
pub use messages::{
    Command, Done, Event, Failure, Mode, OperationId, PlanSummary, Queued, ReadSummary, Scope, Suspension,
    Target, World,
};
pub use status::{Health, OperationStatus, Status, Sync, TargetStatus};
use steady::Steady;
pub use strain::Strain;
use target::TargetState;

/// How the daemon paces itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Between two looks at the tracked branch.
    pub poll: SignedDuration,
    /// The first wait after a failure; doubled with each further one.
    pub backoff: SignedDuration,
    /// The longest wait after a failure.
    pub backoff_cap: SignedDuration,
}

impl Default for Pace {
    /// A minute between polls is unnoticed by any forge; one second is over before a person looks, five minutes is
    /// the longest that a healed target should wait.
    fn default() -> Pace {
        Pace {
            poll: SignedDuration::from_secs(60),
            backoff: SignedDuration::from_secs(1),
            backoff_cap: SignedDuration::from_mins(5),
        }
    }
}

/// The state of the daemon. All of it can be thrown away: a new one reads everything again.
#[derive(Clone, Debug)]
pub struct Daemon {
    pace: Pace,
    jitter: Jitter,
    /// Every instant that is kept here is one of steady time, but for the boundary, which documents name.
    steady: Steady,
    source: Source,
    targets: BTreeMap<Sym, TargetState>,
    boundary: Option<Timestamp>,
    advancing: bool,
    suspension: Suspension,
    journal: Option<String>,
    stopping: bool,
    exited: bool,
}

#[derive(Clone, Debug, Default)]
struct Source {
    counted: Option<Sym>,
    fetching: bool,
    again: bool,
    loading: bool,
    next: Option<Sym>,
    refused: Option<(Sym, String)>,
    /// How often in a row a commit was refused, and when the same one is tried again.
    refusals: u32,
    retry_at: Option<Timestamp>,
    failures: u32,
    error: Option<String>,
    poll_at: Option<Timestamp>,
}

impl Daemon {
    /// A daemon at the commit that counts, with what is suspended, which has yet to be started. `seed` spreads its
    /// timers.
    pub fn new(pace: Pace, counted: Option<Sym>, suspension: Suspension, seed: u64) -> Daemon {
        Daemon {
            pace,
            jitter: Jitter(seed),
            steady: Steady::default(),
            source: Source { counted, ..Source::default() },
            targets: BTreeMap::new(),
            boundary: None,
            advancing: false,
            suspension,
            journal: None,
            stopping: false,
            exited: false,
        }
    }

    /// Takes one event and says what to do. `now` is what the clock says, which may have been set.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        let now = self.steady.pass(now);
        self.take(now, event, &mut commands);
        self.go_on(now, &mut commands);
        commands
    }

    /// The next instant at which time alone gives something to do.
    pub fn wake(&self) -> Option<Timestamp> {
        let poll = self.source.poll_at.filter(|_| !self.source.fetching && !self.stopping);
        let boundary = self.boundary().filter(|_| !self.advancing && !self.source.loading && !self.stopping);
        let targets = self.targets.iter().filter_map(|(id, target)| target.wake(self.mood(*id)));
        let first = targets.chain(poll).chain(boundary).min();
        first.map(|at| self.steady.on_clock(at))
    }

    /// The commit whose documents count.
    pub fn counted(&self) -> Option<Sym> {
        self.source.counted
    }

    /// When time alone changes what counts.
    fn boundary(&self) -> Option<Timestamp> {
        self.boundary.map(|at| self.steady.of(at))
    }

    fn take(&mut self, now: Timestamp, mut event: Event, commands: &mut Vec<Command>) {
        for at in instants_of(&mut event) {
            *at = self.steady.of(*at);
        }
        match event {
            Event::Start(world) => {
                self.adopt(now, world);
                self.source.poll_at = Some(now);
            }
            Event::Tick => {}
            Event::Nudge => self.look(now),
            Event::Head(head) => self.head(now, head),
            Event::Loaded { commit, result } => self.loaded(now, commit, result),
            Event::Advanced(world) => {
                self.advancing = false;
                self.adopt(now, world);
            }
            Event::Evidence(world) => self.adopt(now, world),
            Event::Read { target, result } => {
                self.with_target(target, |state, pace, jitter| state.read(now, result, pace, jitter));
            }
            Event::Planned { target, plan } => {
                self.boundary = self.boundary.into_iter().chain(plan.boundary).min();
                self.with_target(target, |state, _, _| state.planned(now, plan));
            }
            Event::Intended { target, result } => {
                if let Err(reason) = &result {
                    self.journal = Some(reason.clone());
                }
                let promised = result.clone().unwrap_or_default();
                let operations = match self.targets.get_mut(&target) {
                    Some(state) => state.intended(result),
                    None => promised,
                };
                if !operations.is_empty() {
                    commands.push(Command::Abandon { target, operations });
                }
            }
            Event::JournalBroken(reason) => self.journal = Some(reason),
            Event::Called { target, results } => self.called(now, target, results),
            Event::JournalHealed => {
                self.journal = None;
                self.targets.values_mut().for_each(|target| target.replan(Scope::All));
                // A commit that could not be recorded was refused for that alone.
                self.source.retry_at = None;
                self.look(now);
            }
            Event::Suspend(which) => self.suspension.suspend(which),
            Event::Resume(which) => self.resume(now, which),
            Event::Adopted(target) => self.with_target(target, |state, _, _| state.adopted(now)),
            Event::Refresh(which) => {
                for (_, state) in
                    self.targets.iter_mut().filter(|(id, _)| which.is_none_or(|which| which == **id))
                {
                    state.refresh(now);
                }
            }
            Event::Stop => self.stopping = true,
        }
        self.give_back(commands);
    }

    /// Everything that can be begun now.
    fn go_on(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        if !self.stopping {
            self.go_on_with_source(now, commands);
            if !self.advancing
                && !self.source.loading
                && self.boundary().is_some_and(|boundary| boundary <= now)
            {
                self.advancing = true;
                commands.push(Command::Advance);
            }
        }
        let moods: Vec<Mood> = self.targets.keys().map(|id| self.mood(*id)).collect();
        for ((id, state), mood) in self.targets.iter_mut().zip(moods) {
            state.go_on(*id, now, mood, commands);
        }
        self.targets.retain(|_, state| !state.gone || !state.is_quiet());
        if self.stopping && !self.exited && self.may_end() {
            self.exited = true;
            commands.push(Command::Exit);
        }
    }

    fn go_on_with_source(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        let source = &mut self.source;
        if !source.fetching && source.poll_at.is_some_and(|at| at <= now) {
            source.fetching = true;
            source.again = false;
            commands.push(Command::Fetch);
        }
        if !source.loading
            && !self.advancing
            && let Some(commit) = source.next.take()
        {
            source.loading = true;
            commands.push(Command::Load(commit));
        }
    }

    fn look(&mut self, now: Timestamp) {
        self.source.again = true;
        self.source.poll_at = Some(now);
    }

    fn head(&mut self, now: Timestamp, head: Result<Sym, String>) {
        let source = &mut self.source;
        source.fetching = false;
        let wait = match head {
            Ok(commit) => {
                source.failures = 0;
                source.error = None;
                // What was refused is tried again, because the reason may be over; a branch that is back where it
                // counted is loaded too, because that ends the hold of a rewritten one.
                let wanted = match &source.refused {
                    Some((refused, _)) if *refused == commit => source.retry_at.is_none_or(|at| at <= now),
                    Some(_) => true,
                    None => source.counted != Some(commit),
                };
                if wanted {
                    source.next = Some(commit);
                }
                self.jitter.spread(self.pace.poll)
            }
            Err(reason) => {
                source.failures += 1;
                source.error = Some(reason);
                self.jitter.spread(backoff(&self.pace, source.failures))
            }
        };
        // A nudge that came while the branch was looked at may be younger than what was found.
        source.poll_at = Some(if source.again { now } else { now + wait });
    }

    fn loaded(&mut self, now: Timestamp, commit: Sym, result: Result<World, String>) {
        self.source.loading = false;
        match result {
            Ok(world) => {
                self.source.counted = Some(commit);
                let refused = self.source.refused.take().is_some();
                self.source.refusals = 0;
                self.adopt(now, world);
                if refused {
                    // What adds was held until now.
                    self.targets.values_mut().for_each(|target| target.replan(Scope::All));
                }
            }
            Err(reason) => {
                self.source.refused = Some((commit, reason));
                self.source.refusals += 1;
                let wait = self.jitter.spread(backoff(&self.pace, self.source.refusals));
                self.source.retry_at = Some(now + wait);
            }
        }
    }

    fn adopt(&mut self, now: Timestamp, world: World) {
        let World { targets, changed, boundary } = world;
        self.boundary = boundary;
        for (id, target) in &targets {
            match self.targets.get_mut(id) {
                Some(state) => {
                    if state.gone {
                        state.come_back(now);
                    }
                    state.settings(*target, now);
                }
                None => {
                    self.targets.insert(*id, TargetState::new(*target, now));
                }
            }
        }
        for (id, state) in &mut self.targets {
            state.gone = !targets.contains_key(id);
        }
        self.plan_again(changed);
    }

    fn plan_again(&mut self, changed: BTreeMap<Sym, Scope>) {
        for (target, scope) in changed {
            self.with_target(target, |state, _, _| state.replan(scope));
        }
    }

    fn called(&mut self, now: Timestamp, target: Sym, results: Vec<(OperationId, Result<Done, Failure>)>) {
        for (operation, result) in results {
            let result = result.map(|done| self.plan_again(done.changed));
            self.with_target(target, |state, pace, jitter| {
                state.called(now, operation, result, pace, jitter)
            });
        }
    }

    fn resume(&mut self, now: Timestamp, which: Option<Sym>) {
        self.suspension.resume(which);
        for (_, state) in self.targets.iter_mut().filter(|(id, _)| which.is_none_or(|which| which == **id)) {
            state.adopted(now);
        }
    }

    /// What is intended and cannot be called any more is given back, on the record.
    fn give_back(&mut self, commands: &mut Vec<Command>) {
        let moods: Vec<Mood> = self.targets.keys().map(|id| self.mood(*id)).collect();
        for ((id, state), mood) in self.targets.iter_mut().zip(moods) {
            let operations = state.give_back(mood);
            if !operations.is_empty() {
                commands.push(Command::Abandon { target: *id, operations });
            }
        }
    }

    fn with_target(&mut self, id: Sym, act: impl FnOnce(&mut TargetState, &Pace, &mut Jitter)) {
        if let Some(state) = self.targets.get_mut(&id) {
            act(state, &self.pace, &mut self.jitter);
        }
    }

    fn mood(&self, target: Sym) -> Mood {
        let writes = !self.suspension.holds(target) && self.journal.is_none() && !self.stopping;
        Mood { writes, reads: !self.stopping }
    }

    fn may_end(&self) -> bool {
        !self.source.loading && !self.advancing && self.targets.values().all(TargetState::may_end)
    }
}

/// What the daemon permits on one target.
#[derive(Clone, Copy, Debug)]
struct Mood {
    writes: bool,
    reads: bool,
}

/// Spreads timers, so that a hundred daemons do not ask at the same second. The numbers are those of SplitMix64.
#[derive(Clone, Debug)]
struct Jitter(u64);

impl Jitter {
    /// Between 90 and 110 percent of a duration.
    fn spread(&mut self, duration: SignedDuration) -> SignedDuration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let percent = 90 + ((mixed ^ (mixed >> 31)) % 21) as i32;
        duration / 100 * percent
    }
}

/// The instants by the clock that an event names for timers.
fn instants_of(event: &mut Event) -> Vec<&mut Timestamp> {
    match event {
        Event::Planned { plan, .. } => plan.read_at.as_mut().into_iter().collect(),
        Event::Read { result: Err(failure), .. } => limited_until(failure).into_iter().collect(),
        Event::Called { results, .. } => {
            let failures = results.iter_mut().filter_map(|(_, result)| result.as_mut().err());
            failures.filter_map(limited_until).collect()
        }
        _ => Vec::new(),
    }
}

fn limited_until(failure: &mut Failure) -> Option<&mut Timestamp> {
    match &mut failure.kind {
        ErrorKind::RateLimited { until } => until.as_mut(),
        _ => None,
    }
}

/// The wait after so many failures in a row.
fn backoff(pace: &Pace, failures: u32) -> SignedDuration {
    let doubled = pace.backoff.as_millis().saturating_mul(1 << failures.saturating_sub(1).min(20));
    SignedDuration::from_millis(i64::try_from(doubled).unwrap_or(i64::MAX)).min(pace.backoff_cap)
}
