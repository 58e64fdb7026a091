//! One target's part of the daemon: when it is read, what is queued, what is under way, and why it is held.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use jiff::Timestamp;

use provost_sdk::{ErrorKind, Persistence};

use super::{
    Bucket, Command, Failure, Jitter, Mode, Mood, OperationId, Pace, PlanSummary, Queued, ReadSummary, Scope,
    Strain, Target, backoff,
};
use crate::Sym;

/// Intents that are acknowledged ahead of their calls, for each call that may be under way. More would let a leaver
/// wait behind grants that are already promised; fewer would make every call wait for its own write of the journal.
const WINDOW: usize = 4;

/// Where one call takes many operations, intents are acknowledged for this many calls: one is under way while the
/// outcomes of another are written.
const CALLS_AHEAD: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct TargetState {
    target: Target,
    pub(super) gone: bool,
    /// Why provost stopped adding.
    pub(super) quarantine: Option<Quarantine>,
    /// What the last failed call or read said; cleared by the next that works.
    pub(super) trouble: Option<String>,
    pub(super) read_once: bool,
    pub(super) partial: Option<String>,
    pub(super) reading: Option<Mode>,
    pub(super) full_at: Timestamp,
    delta_at: Option<Timestamp>,
    failures: u32,
    /// Nothing that can wait is begun before this.
    pub(super) retry_at: Option<Timestamp>,
    /// For whom to plan.
    unplanned: Option<Scope>,
    /// What is being planned.
    planning: Option<Scope>,
    queue: VecDeque<Queued>,
    intending: Vec<Queued>,
    ready: VecDeque<Queued>,
    calling: BTreeMap<OperationId, Calling>,
    /// Calls under way, by number: how many of their operations have no answer yet.
    calls: BTreeMap<u64, usize>,
    /// The number of the next call.
    next_call: u64,
    strain: Strain,
    /// Operations that ended since the queue was made, for what comes after them.
    succeeded: BTreeSet<OperationId>,
    /// Digests that failed for good: not tried again until a scheduled whole read, or one that an operator asks for.
    given_up: HashSet<Sym>,
    /// Operations that failed and are tried again, by digest: one that keeps failing holds nobody else up.
    retries: BTreeMap<Sym, Retry>,
    /// Whether a read was asked for while another was under way, which may have begun too early.
    again: bool,
    /// Whether the read under way began before an operator looked.
    stale: bool,
    /// Whether the next whole read is there only to look at what a failed call found.
    looking: bool,
    /// When a whole read can settle what is in doubt.
    doubt_until: Option<Timestamp>,
    bucket: Option<Bucket>,
    pub(super) summary: Summary,
}

/// An operation of a call that is under way.
#[derive(Clone, Debug)]
struct Calling {
    operation: Queued,
    call: u64,
}

/// An operation that failed, and when it is tried again.
#[derive(Clone, Copy, Debug)]
struct Retry {
    failures: u32,
    at: Timestamp,
    identity: Option<Sym>,
    /// Whether it is being planned again already.
    due: bool,
}

/// Why a target is quarantined, and whether a good read ends it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quarantine {
    pub(super) reason: String,
    heals: bool,
}

/// What the last plans said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) planned: bool,
    pub(super) waiting: usize,
    pub(super) refused: usize,
    pub(super) held: usize,
    pub(super) last_failure: Option<String>,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

impl TargetState {
    pub(super) fn new(target: Target, now: Timestamp) -> TargetState {
        TargetState {
            target,
            gone: false,
            quarantine: None,
            trouble: None,
            read_once: false,
            partial: None,
            reading: None,
            full_at: now,
            delta_at: None,
            failures: 0,
            retry_at: None,
            unplanned: None,
            planning: None,
            queue: VecDeque::new(),
            intending: Vec::new(),
            ready: VecDeque::new(),
            calling: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            strain: Strain::new(target.concurrency),
            succeeded: BTreeSet::new(),
            given_up: HashSet::new(),
            retries: BTreeMap::new(),
            again: false,
            stale: false,
            looking: false,
            doubt_until: None,
            bucket: target.per_second.map(|per_second| Bucket::new(per_second, now)),
            summary: Summary::default(),
        }
    }

    pub(super) fn settings(&mut self, target: Target, now: Timestamp) {
        if target.per_second != self.target.per_second {
            self.bucket = target.per_second.map(|per_second| Bucket::new(per_second, now));
        }
        self.strain.declare(target.concurrency);
        if target.full != self.target.full {
            self.full_at = self.full_at.min(now + target.full);
        }
        self.target = target;
    }

    pub(super) fn wake(&self, mood: Mood) -> Option<Timestamp> {
        if self.gone {
            return None;
        }
        let read = (mood.reads && self.reading.is_none()).then(|| self.next_read().max_or(self.retry_at));
        let retry = self.retry_at.filter(|_| self.has_work());
        let writes = mood.writes;
        let tokens = match &self.bucket {
            Some(bucket) if writes && self.retry_at.is_none() && self.calls.len() < self.strain.calls() => {
                let busy = self.busy();
                let free = self.ready.iter().filter(|next| is_free(next, &busy));
                free.map(|next| bucket.ready_at(next.adds)).min()
            }
            _ => None,
        };
        let again = self.retries.values().filter(|retry| writes && !retry.due).map(|retry| retry.at).min();
        let again = again.map(|at| at.max_or(self.retry_at));
        [read, retry, tokens, again].into_iter().flatten().min()
    }

    pub(super) fn go_on(&mut self, id: Sym, now: Timestamp, mood: Mood, commands: &mut Vec<Command>) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
        }
        let pausing = self.retry_at.is_some();
        if mood.reads && !self.gone && self.reading.is_none() && !pausing && self.next_read() <= now {
            let mode = if self.full_at <= now { Mode::Full } else { Mode::Delta };
            self.reading = Some(mode);
            commands.push(Command::Read { target: id, mode });
        }
        if !mood.writes || self.gone {
            return;
        }
        if pausing {
            return;
        }
        self.try_again(now);
        self.go_on_planning(id, commands);
        self.go_on_intending(id, commands);
        self.go_on_calling(id, now, commands);
    }

    /// Plans again what failed long enough ago.
    fn try_again(&mut self, now: Timestamp) {
        let due: Vec<Option<Sym>> = (self.retries.values_mut())
            .filter(|retry| !retry.due && retry.at <= now)
            .map(|retry| {
                retry.due = true;
                retry.identity
            })
            .collect();
        due.into_iter().for_each(|identity| self.replan(scope_of(identity)));
    }

    /// A plan is made when nothing promised is left to do, so that it sees the result of what was done. What is
    /// queued and not promised is planned again with it: a newer commit cancels waits.
    fn go_on_planning(&mut self, id: Sym, commands: &mut Vec<Command>) {
        if !self.read_once || self.planning.is_some() || self.unplanned.is_none() {
            return;
        }
        self.requeue();
        if self.intending.is_empty()
            && self.ready.is_empty()
            && self.calling.is_empty()
            && let Some(scope) = self.unplanned.take()
        {
            self.planning = Some(scope.clone());
            commands.push(Command::Plan { target: id, scope });
        }
    }

    /// One record of intents either only takes away or only adds: what takes away may use the part of the journal that
    /// is kept for it, and is not refused with what adds.
    fn go_on_intending(&mut self, id: Sym, commands: &mut Vec<Command>) {
        let window = (self.target.concurrency.max(1) * WINDOW).max(self.batch() * CALLS_AHEAD);
        let promised = self.ready.len() + self.calling.len();
        if !self.intending.is_empty() || promised * 2 > window {
            return;
        }
        let mut later = Vec::new();
        while promised + self.intending.len() < window
            && let Some(operation) = self.queue.pop_front()
        {
            let waits = operation.after.iter().any(|before| !self.succeeded.contains(before));
            let other = self.intending.first().is_some_and(|first| first.adds != operation.adds);
            if waits || other {
                later.push(operation);
            } else {
                self.intending.push(operation);
            }
        }
        later.into_iter().rev().for_each(|operation| self.queue.push_front(operation));
        if !self.intending.is_empty() {
            let operations = self.intending.iter().map(|operation| operation.id).collect();
            commands.push(Command::Intend { target: id, operations });
        }
    }

    fn go_on_calling(&mut self, id: Sym, now: Timestamp, commands: &mut Vec<Command>) {
        while self.calls.len() < self.strain.calls() {
            let call = self.next_call(now);
            if call.is_empty() {
                break;
            }
            let operations = call.iter().map(|operation| operation.id).collect();
            commands.push(Command::Call { target: id, operations });
            self.calls.insert(self.next_call, call.len());
            for operation in call {
                self.calling.insert(operation.id, Calling { operation, call: self.next_call });
            }
            self.next_call += 1;
        }
    }

    /// What the next call takes, if one may begin.
    fn next_call(&mut self, now: Timestamp) -> Vec<Queued> {
        let busy = self.busy();
        let Some(first) = self.ready.iter().position(|next| is_free(next, &busy)) else { return Vec::new() };
        let taking = self.ready.iter().position(|next| !next.adds && is_free(next, &busy));
        let adds = self.ready[first].adds;
        let batch = self.batch();
        let mut may = |adds| self.bucket.as_mut().is_none_or(|bucket| bucket.take(now, adds));
        // What takes away has calls of its own, and does not stand in line behind what adds.
        let place = match may(adds) {
            true => Some(first),
            false => taking.filter(|_| may(false)),
        };
        let Some(mut place) = place else { return Vec::new() };
        let mut call: Vec<Queued> = self.ready.remove(place).into_iter().collect();
        let adds = call.first().is_some_and(|first| first.adds);
        let mut passed = busy;
        while call.len() < batch
            && let Some(next) = self.ready.get(place)
        {
            if next.adds == adds && is_free(next, &passed) {
                if !may(adds) {
                    break;
                }
                call.extend(self.ready.remove(place));
            } else {
                // Whoever is passed over is not overtaken by his own later operations.
                passed.extend(next.identity);
                place += 1;
            }
        }
        call
    }

    /// The identities on whose accounts a call is under way.
    fn busy(&self) -> HashSet<Sym> {
        self.calling.values().filter_map(|calling| calling.operation.identity).collect()
    }

    fn batch(&self) -> usize {
        self.target.batch.max(1)
    }

    pub(super) fn read(
        &mut self,
        now: Timestamp,
        result: Result<ReadSummary, Failure>,
        pace: &Pace,
        jitter: &mut Jitter,
    ) {
        let mode = self.reading.take().unwrap_or(Mode::Full);
        match result {
            Ok(read) => {
                self.failures = 0;
                self.trouble = None;
                self.read_once = true;
                let again = std::mem::take(&mut self.again);
                if mode == Mode::Full {
                    if !std::mem::take(&mut self.looking) {
                        self.given_up.clear();
                    }
                    self.full_at = if again { now } else { now + jitter.spread(self.target.full) };
                    self.doubt_until = None;
                }
                self.delta_at = self.target.delta.map(|delta| now + jitter.spread(delta));
                self.partial = read.partial;
                let stale = std::mem::take(&mut self.stale);
                match read.alarm {
                    // It began before the operator's word, and another follows.
                    Some(_) if stale => {}
                    Some(reason) => self.quarantine = Some(Quarantine { reason, heals: false }),
                    None if self.partial.is_none() => self.heal(),
                    None => {}
                }
                self.replan(read.changed);
            }
            Err(failure) => {
                self.stale = false;
                self.failures += 1;
                self.fail(now, &failure, pace, jitter);
            }
        }
    }

    /// A whole read that begins from now on.
    pub(super) fn read_soon(&mut self, now: Timestamp) {
        self.full_at = now;
        self.again = self.reading.is_some();
    }

    /// An operator asks for a whole read: what was given up is tried again with it.
    pub(super) fn refresh(&mut self, now: Timestamp) {
        self.retry_at = None;
        self.looking = false;
        self.given_up.clear();
        self.read_soon(now);
    }

    /// An operator adopted the target where it is, or resumed it: that is what a quarantine was waiting for.
    pub(super) fn adopted(&mut self, now: Timestamp) {
        self.quarantine = None;
        self.stale = self.reading.is_some();
        self.refresh(now);
        self.replan(Scope::All);
    }

    /// The target is in force again: nothing that was known of it is.
    pub(super) fn come_back(&mut self, now: Timestamp) {
        self.gone = false;
        self.read_once = false;
        self.queue.clear();
        self.intending.clear();
        self.refresh(now);
    }

    pub(super) fn planned(&mut self, now: Timestamp, plan: PlanSummary) {
        let PlanSummary { operations, waiting, refused, held, read_at, boundary: _ } = plan;
        let planned = self.planning.take();
        self.doubt_until = read_at;
        if let Some(at) = read_at {
            self.full_at = self.full_at.min(at);
        }
        let wanted: HashSet<Sym> = operations.iter().map(|operation| operation.digest).collect();
        self.retries.retain(|digest, retry| {
            let looked_at = match (&planned, retry.identity) {
                (Some(Scope::Identities(identities)), Some(identity)) => identities.contains(&identity),
                (Some(Scope::Identities(_)), None) => false,
                _ => true,
            };
            !looked_at || wanted.contains(digest)
        });
        self.summary = Summary { planned: true, waiting, refused, held, ..std::mem::take(&mut self.summary) };
        self.succeeded.clear();
        let quarantined = self.quarantine.is_some();
        self.queue = operations
            .into_iter()
            .filter(|operation| !self.given_up.contains(&operation.digest))
            .filter(|operation| self.retries.get(&operation.digest).is_none_or(|retry| retry.at <= now))
            .filter(|operation| !quarantined || !operation.adds)
            .collect();
        self.drop_orphans();
    }

    /// Gives what was promised and is not waited for.
    pub(super) fn intended(&mut self, result: Result<Vec<OperationId>, String>) -> Vec<OperationId> {
        let intended = std::mem::take(&mut self.intending);
        let Ok(durable) = result else {
            intended.into_iter().rev().for_each(|operation| self.queue.push_front(operation));
            return Vec::new();
        };
        let waited_for: BTreeSet<OperationId> = intended.iter().map(|operation| operation.id).collect();
        for operation in intended {
            match durable.contains(&operation.id) {
                true => self.ready.push_back(operation),
                false => self.replan(scope_of(operation.identity)),
            }
        }
        durable.into_iter().filter(|id| !waited_for.contains(id)).collect()
    }

    pub(super) fn called(
        &mut self,
        now: Timestamp,
        id: OperationId,
        result: Result<(), Failure>,
        pace: &Pace,
        jitter: &mut Jitter,
    ) {
        let Some(Calling { operation, call }) = self.calling.remove(&id) else { return };
        let over = self.answered(call);
        match result {
            Ok(()) => {
                if over {
                    self.strain.went_well();
                }
                self.failures = 0;
                self.trouble = None;
                self.succeeded.insert(id);
                self.retries.remove(&operation.digest);
                self.summary.succeeded += 1;
            }
            Err(failure) => {
                self.strain.failed(&failure.kind, call, self.next_call);
                self.summary.failed += 1;
                self.summary.last_failure = Some(failure.message.clone());
                self.failed(now, operation, &failure, pace, jitter);
            }
        }
    }

    /// One operation of a call has its answer; whether the call is over with it.
    fn answered(&mut self, call: u64) -> bool {
        let Some(left) = self.calls.get_mut(&call) else { return false };
        *left = left.saturating_sub(1);
        let over = *left == 0;
        if over {
            self.calls.remove(&call);
        }
        over
    }

    fn failed(
        &mut self,
        now: Timestamp,
        operation: Queued,
        failure: &Failure,
        pace: &Pace,
        jitter: &mut Jitter,
    ) {
        if failure.in_doubt || matches!(failure.kind, ErrorKind::Conflict | ErrorKind::NotFound) {
            // What is there now is not what was seen: look before the next plan.
            self.looking |= self.full_at > now;
            self.read_soon(now);
        }
        if failure.kind.persistence() == Persistence::Permanent {
            self.retries.remove(&operation.digest);
            self.given_up.insert(operation.digest);
        } else {
            let failures = self.retries.get(&operation.digest).map_or(1, |retry| retry.failures + 1);
            // Whoever fails again and again says nothing new about the target.
            self.failures += u32::from(failures == 1);
            self.fail(now, failure, pace, jitter);
            let at = now + jitter.spread(backoff(pace, failures));
            let at = self.retry_at.map_or(at, |pause| at.max(pause));
            let retry = Retry { failures, at, identity: operation.identity, due: false };
            self.retries.insert(operation.digest, retry);
        }
        self.drop_orphans();
    }

    fn fail(&mut self, now: Timestamp, failure: &Failure, pace: &Pace, jitter: &mut Jitter) {
        self.trouble = Some(failure.message.clone());
        let wait = now + jitter.spread(backoff(pace, self.failures));
        self.retry_at = Some(match failure.kind {
            // A target that names an hour of its own is believed, up to what we would wait at most anyway; one whose
            // hour is over already is not asked again in the same instant.
            ErrorKind::RateLimited { until: Some(until) } => {
                until.min(now + pace.backoff_cap).max(now + pace.backoff)
            }
            _ => wait,
        });
        if failure.kind.persistence() == Persistence::Quarantine {
            self.quarantine = Some(Quarantine { reason: failure.message.clone(), heals: true });
            self.queue.retain(|operation| !operation.adds);
        }
    }

    fn heal(&mut self) {
        if self.quarantine.as_ref().is_some_and(|quarantine| quarantine.heals) {
            self.quarantine = None;
            self.replan(Scope::All);
        }
    }

    pub(super) fn replan(&mut self, scope: Scope) {
        if let Scope::Identities(identities) = &scope
            && identities.is_empty()
        {
            return;
        }
        self.unplanned = Some(match (self.unplanned.take(), scope) {
            (None, scope) => scope,
            (Some(Scope::Identities(mut one)), Scope::Identities(other)) => {
                one.extend(other);
                Scope::Identities(one)
            }
            _ => Scope::All,
        });
    }

    /// Takes back every promise that is not under way yet, when nothing more may be written.
    pub(super) fn give_back(&mut self, mood: Mood) -> Vec<OperationId> {
        if mood.writes && !self.gone {
            return Vec::new();
        }
        let back: Vec<OperationId> = self.ready.drain(..).map(|operation| operation.id).collect();
        if !back.is_empty() || !self.queue.is_empty() {
            self.queue.clear();
            self.replan(Scope::All);
        }
        back
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.reading.is_none()
            && self.planning.is_none()
            && self.intending.is_empty()
            && self.ready.is_empty()
            && self.calling.is_empty()
    }

    /// Whether the daemon may end: a read that is cut off has changed nothing.
    pub(super) fn may_end(&self) -> bool {
        !self.is_busy() && self.planning.is_none()
    }

    /// Whether something failed for good, or is tried again.
    pub(super) fn has_failed(&self) -> bool {
        !self.given_up.is_empty() || !self.retries.is_empty()
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.calling.is_empty() || !self.ready.is_empty() || !self.intending.is_empty()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.is_quiet() && self.queue.is_empty() && self.unplanned.is_none() && self.doubt_until.is_none()
    }

    pub(super) fn unfinished(&self) -> usize {
        self.queue.len() + self.intending.len() + self.ready.len() + self.calling.len()
    }

    /// What is queued goes back to being planned.
    fn requeue(&mut self) {
        let queued = std::mem::take(&mut self.queue);
        for operation in queued {
            self.replan(scope_of(operation.identity));
        }
    }

    /// What comes after something that will not happen does not happen either.
    fn drop_orphans(&mut self) {
        loop {
            let known: BTreeSet<OperationId> = (self.queue.iter())
                .chain(&self.intending)
                .chain(&self.ready)
                .chain(self.calling.values().map(|calling| &calling.operation))
                .map(|operation| operation.id)
                .chain(self.succeeded.iter().copied())
                .collect();
            let before = self.queue.len();
            self.queue.retain(|operation| operation.after.iter().all(|id| known.contains(id)));
            if self.queue.len() == before {
                break;
            }
        }
    }

    fn has_work(&self) -> bool {
        self.unplanned.is_some() || !self.queue.is_empty() || !self.ready.is_empty()
    }

    fn next_read(&self) -> Timestamp {
        self.delta_at.map_or(self.full_at, |delta| delta.min(self.full_at))
    }
}

/// Whether no call of the same identity is under way. Two calls on one account would answer in any order, and the older
/// answer would be taken for what the account is now.
fn is_free(operation: &Queued, busy: &HashSet<Sym>) -> bool {
    operation.identity.is_none_or(|identity| !busy.contains(&identity))
}

fn scope_of(identity: Option<Sym>) -> Scope {
    identity.map_or(Scope::All, |identity| Scope::Identities([identity].into()))
}

trait MaxOr {
    fn max_or(self, other: Option<Timestamp>) -> Timestamp;
}

impl MaxOr for Timestamp {
    fn max_or(self, other: Option<Timestamp>) -> Timestamp {
        other.map_or(self, |other| other.max(self))
    }
}
