//! The shell around the step, with a heap of events in the place of the world. It decides nothing; it keeps virtual
//! time, brings about what the disturbances ask for, and hands everything that it sees to the checks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use provost_core::Sym;
use provost_core::digest::digest;
use provost_core::document::Kind;
use provost_core::observed::Collector;
use provost_core::snapshot::RuleVersion;
use provost_core::step::{
    Command, Daemon, Event, Failure, Mode, OperationId, Pace, PlanSummary, Scope, Suspension, World,
};
use provost_memory::{ReadFault, WriteFault};
use provost_sdk::{Anchor, Error, ErrorKind, IdempotencyKey, Operation, Receipt, Wanted as Find};

use super::book::{Book, added};
use super::checks::Checks;
use super::desired::{Commit, Desired, Role};
use super::dice::Dice;
use super::disturb::Weather;
use super::engine::{Engine, Reading, TIMEOUT, commit_name, commit_number};
use super::genesis::{self, Site, TARGETS};
use super::judging::Statement;
use super::log::Log;
use super::story::Story;

pub struct Shell {
    /// What the time really is.
    pub now: Timestamp,
    /// How far the clock of the machine is ahead of that.
    pub ahead: SignedDuration,
    pub dice: Dice,
    pub sites: BTreeMap<&'static str, Site>,
    pub desired: Desired,
    pub commits: Vec<Commit>,
    pub head: usize,
    /// What is signed and published.
    pub branch: Vec<Statement>,
    /// How many statements were ever made.
    pub statements: u64,
    /// Roles as they ought to be in force, worked out without the core.
    pub in_force: BTreeMap<&'static str, Role>,
    pub book: Book,
    pub log: Log,
    pub engine: Engine,
    pub daemon: Daemon,
    pub weather: Weather,
    pub checks: Checks,
    heap: BinaryHeap<Reverse<(Timestamp, u64)>>,
    due: BTreeMap<u64, Due>,
    next: u64,
    /// The tick that the daemon asked for last: whatever it asked for before is forgotten.
    tick: u64,
    /// Whatever was under way in an earlier process is answered to nobody.
    process: u64,
    pub plans: u64,
    looking: bool,
    /// What a call of several operations still has to do after each that is under way.
    rest: BTreeMap<OperationId, VecDeque<OperationId>>,
    /// Targets whose next whole read an operator said to take as it is.
    pub trusted: BTreeSet<&'static str>,
    /// How often the process died.
    pub deaths: u64,
    pub story: Story,
}

/// What the heap brings.
enum Due {
    /// Wake the daemon, if it did not ask for another instant since.
    Tick(u64),
    /// Run a command that takes a while.
    Run(u64, Command),
    /// Tell the daemon.
    Tell(u64, Event),
    ReadEnds {
        process: u64,
        target: &'static str,
        reading: Result<Reading, Error>,
        began: Timestamp,
        whole: bool,
        lie: bool,
    },
    Land {
        process: u64,
        call: Call,
        answer_at: Timestamp,
    },
    Answer {
        process: u64,
        id: OperationId,
        target: &'static str,
        result: Result<Receipt, Error>,
    },
    /// See whether the journal can be written again.
    Look(u64),
    /// A statement is published.
    Post(Statement),
    /// Somebody does something.
    Disturb,
    /// A leaver has to be out by now.
    Leaver {
        id: String,
        since: Timestamp,
    },
}

/// One call under way.
struct Call {
    id: OperationId,
    target: &'static str,
    operation: Operation,
    key: String,
    identity: Option<Sym>,
}

pub fn beginning() -> Timestamp {
    "2026-12-01T08:00:00Z".parse().expect("an instant")
}

/// The target's name with the life of the program.
pub fn site_name(target: Sym) -> &'static str {
    TARGETS.into_iter().find(|name| target == **name).expect("every target is known")
}

impl Shell {
    pub fn new(seed: u64, aloud: bool) -> Shell {
        let now = beginning();
        let mut dice = Dice::new(seed);
        let sites = genesis::sites(&mut dice);
        let desired = genesis::desired(&sites, &mut dice);
        let first = Rc::new(desired.clone());
        let commits =
            vec![Commit { parent: None, files: Rc::new(desired.files()), desired: first, author: None }];
        let mut log = Log::default();
        let (mut engine, _) = Engine::open(&log, &commits, now);
        let mut world = engine.trust(commit_name(0), &commits, &mut log, now);
        world.changed = world.targets.keys().map(|target| (*target, Scope::All)).collect();
        let checks = Checks::new();
        let weather = Weather::draw(&mut dice);
        let mut shell = Shell {
            now,
            ahead: SignedDuration::ZERO,
            dice,
            sites,
            in_force: desired.written.clone(),
            desired,
            commits,
            head: 0,
            branch: Vec::new(),
            statements: 0,
            book: Book::default(),
            log,
            engine,
            daemon: Daemon::new(Pace::default(), Some(commit_name(0)), Suspension::default(), seed),
            weather,
            checks,
            heap: BinaryHeap::new(),
            due: BTreeMap::new(),
            next: 0,
            tick: 0,
            process: 0,
            plans: 0,
            looking: false,
            rest: BTreeMap::new(),
            trusted: BTreeSet::new(),
            deaths: 0,
            story: Story::new(aloud),
        };
        shell.checks.expect_sound(&shell.engine.organisation);
        shell.tell(Event::Start(world));
        shell
    }

    /// Runs until an instant.
    pub fn run_until(&mut self, end: Timestamp) {
        while let Some(Reverse((at, number))) = self.heap.peek().copied() {
            if at > end {
                break;
            }
            self.heap.pop();
            self.now = at;
            let due = self.due.remove(&number).expect("everything on the heap is due");
            self.happen(due);
            if self.log.dead {
                let effects = self.log.effects;
                self.say(format_args!("the process dies after {effects} effects"));
                self.deaths += 1;
                self.restart();
            }
        }
        self.now = end;
    }

    pub fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.story.tell(format_args!("{} {what}", self.now));
    }

    /// What the clock of the machine says.
    pub fn clock(&self) -> Timestamp {
        self.now + self.ahead
    }

    /// When the clock of the machine says so, unless it is set.
    pub fn when(&self, clock: Timestamp) -> Timestamp {
        clock - self.ahead
    }

    /// The instant that documents are about: time does not go back for a process.
    pub fn documents_now(&self) -> Timestamp {
        self.engine.organisation.access().now().max(self.clock())
    }

    /// The process dies before its next effect but so many.
    pub fn die_after(&mut self, effects: u64) {
        self.log.fuse = Some(effects);
    }

    fn push(&mut self, at: Timestamp, due: Due) {
        self.next += 1;
        self.heap.push(Reverse((at.max(self.now), self.next)));
        self.due.insert(self.next, due);
    }

    pub fn disturb_at(&mut self, at: Timestamp) {
        self.push(at, Due::Disturb);
    }

    pub fn post(&mut self, at: Timestamp, statement: Statement) {
        self.push(at, Due::Post(statement));
    }

    pub fn expect_gone(&mut self, id: &str, since: Timestamp, at: Timestamp) {
        self.push(at, Due::Leaver { id: id.to_owned(), since });
    }

    fn soon(&mut self, millis: usize) -> Timestamp {
        self.now + SignedDuration::from_millis(self.dice.below(millis) as i64)
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Tick(tick) if tick == self.tick => self.tell(Event::Tick),
            Due::Run(process, command) if process == self.process => self.run(command),
            Due::Tell(process, event) if process == self.process => self.tell(event),
            Due::ReadEnds { process, target, reading, began, whole, lie } if process == self.process => {
                self.read_ends(target, reading, began, whole, lie);
            }
            Due::Land { process, call, answer_at } => self.land(process, call, answer_at),
            Due::Answer { process, id, target, result } if process == self.process => {
                self.answer(id, target, result);
            }
            Due::Look(process) if process == self.process => self.look(),
            Due::Tick(_)
            | Due::Run(..)
            | Due::Tell(..)
            | Due::ReadEnds { .. }
            | Due::Answer { .. }
            | Due::Look(_) => {}
            Due::Post(statement) => {
                self.say(format_args!("published: {statement:?}"));
                self.branch.push(statement);
                if self.dice.chance(50) {
                    self.tell(Event::Nudge);
                }
            }
            Due::Disturb => super::disturb::disturb(self),
            Due::Leaver { id, since } => super::disturb::check_leaver(self, &id, since),
        }
    }

    /// Tells the daemon, and begins what it says.
    pub fn tell(&mut self, event: Event) {
        self.say(format_args!("  event {event:?}"));
        let commands = self.daemon.step(self.clock(), event);
        for command in commands {
            self.say(format_args!("  command {command:?}"));
            self.begin(command);
        }
        self.tick += 1;
        if let Some(at) = self.daemon.wake() {
            // A wake in the past would never let time go on.
            let at = self.when(at).max(self.now + SignedDuration::from_millis(1));
            self.push(at, Due::Tick(self.tick));
        }
    }

    fn begin(&mut self, command: Command) {
        match command {
            Command::Read { target, mode } => self.read(site_name(target), mode),
            Command::Call { target, operations } => self.call_all(site_name(target), operations.into()),
            Command::Exit => {}
            command => {
                let at = self.soon(200);
                self.push(at, Due::Run(self.process, command));
            }
        }
    }

    fn run(&mut self, command: Command) {
        let now = self.clock();
        let event = match command {
            Command::Fetch if self.weather.fetch_fails(self.now) => {
                Event::Head(Err("the repository does not answer".to_owned()))
            }
            Command::Fetch => {
                let known = self.log.approvals.len();
                let rules = self.engine.look_for_approvals(&self.branch, &self.commits, &mut self.log, now);
                let heard: Vec<Statement> = self.log.approvals[known..]
                    .iter()
                    .filter_map(|seen| self.branch.iter().find(|said| said.id == seen.id).cloned())
                    .collect();
                let counted = Rc::clone(&self.counted().desired);
                heard.iter().for_each(|said| self.book.hear(said, &counted, now));
                self.agreed(&rules);
                Event::Head(Ok(commit_name(self.head)))
            }
            Command::Load(commit) => {
                let before = self.log.counted.map(commit_number);
                let result = self.engine.load(commit, &self.commits, &mut self.log, now);
                if result.is_ok() {
                    self.commit_counts(before);
                    let rules = self.engine.reconsider(&self.commits, &mut self.log, now);
                    self.agreed(&rules);
                }
                Event::Loaded { commit, result }
            }
            Command::Advance => {
                let world = self.engine.advance(now);
                let rules = self.engine.reconsider(&self.commits, &mut self.log, now);
                self.agreed(&rules);
                Event::Advanced(World { boundary: self.engine.boundary(), ..world })
            }
            Command::Plan { target, scope } => {
                self.plans += 1;
                let plan = self.engine.plan(target, &scope, self.plans, &mut self.log, now);
                let counted = Rc::clone(&self.counted().desired);
                self.book.follow(&counted, &self.in_force, self.documents_now());
                super::checks::planned(self, target, now);
                let rules = self.engine.reconsider(&self.commits, &mut self.log, now);
                self.agreed(&rules);
                Event::Planned { target, plan: PlanSummary { boundary: self.engine.boundary(), ..plan } }
            }
            Command::Intend { target, operations } => {
                let result = self.engine.intend(target, &operations, &mut self.log, now);
                if result.is_err() {
                    self.look_later();
                }
                Event::Intended { target, result: result.map(|()| operations) }
            }
            Command::Abandon { operations, .. } => {
                self.engine.abandoned(&operations, &mut self.log);
                return;
            }
            Command::Read { .. } | Command::Call { .. } | Command::Exit => return,
        };
        let at = self.soon(20);
        self.push(at, Due::Tell(self.process, event));
        if let Some(world) = self.engine.evidence_changed() {
            self.push(at, Due::Tell(self.process, Event::Evidence(world)));
        }
    }

    /// The commit that counts.
    pub fn counted(&self) -> &Commit {
        &self.commits[self.log.counted.map_or(0, commit_number)]
    }

    /// Works out what a commit changed about roles, and who wrote what since the one that counted before.
    fn commit_counts(&mut self, before: Option<usize>) {
        let mut place = self.log.counted.map_or(0, commit_number);
        let written = self.commits[place].desired.written.clone();
        while Some(place) != before {
            let Some(parent) = self.commits[place].parent else { break };
            let (commit, earlier) = (&self.commits[place], &self.commits[parent]);
            for id in earlier.desired.differing(&commit.desired) {
                self.book.wrote(&id, commit.author);
            }
            place = parent;
        }
        for (id, role) in written {
            if added(&self.in_force[id], &role).is_empty() {
                self.in_force.insert(id, role);
            }
        }
    }

    /// Rules came into force because people agreed to them.
    fn agreed(&mut self, rules: &[RuleVersion]) {
        for rule in rules {
            let after =
                rule.after.as_ref().map(|after| digest(&after.document).to_string()).unwrap_or_default();
            let mut written = self.counted().desired.written.iter();
            let found = written.find(|(id, _)| rule.kind == Kind::Role && rule.id == ***id);
            let (id, role) = found.map(|(id, role)| (*id, role.clone())).expect("only roles change here");
            let added = added(&self.in_force[id], &role);
            assert!(
                self.book.covers_rule(id, &after, &added),
                "nobody agreed that {rule:?} comes into force"
            );
            self.in_force.insert(id, role);
        }
    }

    fn read(&mut self, target: &'static str, mode: Mode) {
        let known = self
            .engine
            .organisation
            .target(Sym::new(target))
            .map_or(0, |known| known.observed.accounts().len());
        let fault = self.weather.read_fault(target, self.now, known, &mut self.dice);
        let cursor = match mode {
            Mode::Delta if self.sites[target].system.shape().delta => self.engine.cursor(Sym::new(target)),
            _ => None,
        };
        let whole = cursor.is_none();
        let (target_name, began) = (Sym::new(target), self.clock());
        let mut found = Collector::begin(began, cursor.clone());
        let system = &mut self.sites.get_mut(target).expect("it is there").system;
        system.faults.every_read = fault.clone();
        let capabilities = system.describe();
        let read = system.observe(cursor.as_ref(), &mut found);
        system.faults.every_read = None;
        let lie = matches!(fault, Some(ReadFault::Empty | ReadFault::Shrunken(_)));
        let slow = self.weather.slow(target, self.now);
        let at = self.soon(if slow { 20_000 } else { 800 });
        let reading = read.map(|read| Reading { target: target_name, capabilities, found, read });
        let began = self.now;
        self.push(at, Due::ReadEnds { process: self.process, target, reading, began, whole, lie });
    }

    fn read_ends(
        &mut self,
        target: &'static str,
        reading: Result<Reading, Error>,
        began: Timestamp,
        whole: bool,
        lie: bool,
    ) {
        let (name, now) = (Sym::new(target), self.clock());
        let result = match reading {
            Err(error) => {
                Err(Failure { kind: error.kind.clone(), message: error.to_string(), in_doubt: false })
            }
            Ok(reading) => {
                let before = self.checks.before_read(&self.engine, name);
                match self.engine.merge(reading, &mut self.log, now) {
                    Ok((summary, unsure)) => {
                        let trusted = whole && summary.partial.is_none() && self.trusted.remove(target);
                        // Of a delta nobody can tell that it left something out.
                        let sound = summary.partial.is_none()
                            && summary.alarm.is_none()
                            && (!lie || !whole || trusted);
                        self.checks.after_read(&self.engine, name, before, whole, lie, sound, began);
                        self.look_up(target, unsure);
                        let settled = self.engine.settle(name, &mut self.log, now);
                        self.say(format_args!("  settled {settled:?}"));
                        super::ledger::check_settled(self, &settled);
                        Ok(summary)
                    }
                    Err(why) => Err(Failure { kind: ErrorKind::Unavailable, message: why, in_doubt: false }),
                }
            }
        };
        self.tell(Event::Read { target: name, result });
    }

    fn look_up(&mut self, target: &'static str, anchors: Vec<Sym>) {
        let fault = self.weather.read_fault(target, self.now, 0, &mut self.dice);
        let system = &mut self.sites.get_mut(target).expect("it is there").system;
        // A look-up that lies is beyond what can be known; one that fails is not.
        system.faults.every_read = fault.filter(|fault| matches!(fault, ReadFault::Fail(_)));
        let found: Vec<_> = anchors
            .into_iter()
            .filter_map(|anchor| {
                let account = system.look_up(&Find::Anchor(Anchor(anchor.to_string()))).ok()?;
                Some((anchor, account))
            })
            .collect();
        system.faults.every_read = None;
        let clock = self.clock();
        self.engine.looked_up(Sym::new(target), found, &mut self.log, clock);
    }

    /// One operation after the other, each begun when the one before it is answered.
    fn call_all(&mut self, target: &'static str, mut operations: VecDeque<OperationId>) {
        if let Some(first) = operations.pop_front() {
            self.rest.insert(first, operations);
            self.call(target, first);
        }
    }

    fn call(&mut self, target: &'static str, id: OperationId) {
        let Some(prepared) = self.engine.prepared.get(&id).cloned() else {
            let message = "The operation is not known any more.".to_owned();
            let failure = Failure { kind: ErrorKind::Unavailable, message, in_doubt: false };
            let event = Event::Called { target: Sym::new(target), results: vec![(id, Err(failure))] };
            self.push(self.now, Due::Tell(self.process, event));
            self.go_on(target, id);
            return;
        };
        let late = prepared.not_after.is_none_or(|at| self.clock() > at);
        let operation = prepared.operation();
        self.say(format_args!("  call {id:?} {} {operation:?}", prepared.key()));
        let Some(operation) = operation.filter(|_| !late) else {
            let kind = if late { ErrorKind::Timeout } else { ErrorKind::NotFound };
            let error = Error::new(kind, "The call was not begun.");
            let at = self.soon(5);
            self.push(at, Due::Answer { process: self.process, id, target, result: Err(error) });
            return;
        };
        if !self.log.may_have_effect() {
            return;
        }
        self.checks.called(&self.log, id, &prepared, &operation, self.now);
        let slow = self.weather.slow(target, self.now);
        let answer_at = self.soon(if slow { 9_000 } else { 500 });
        let land_at = if self.dice.chance(50) { self.now } else { answer_at };
        let identity = prepared.planned.identity;
        let call = Call { id, target, operation, key: prepared.key(), identity };
        self.push(land_at, Due::Land { process: self.process, call, answer_at });
    }

    /// The call arrives, whether or not anybody waits for its answer any more.
    fn land(&mut self, process: u64, call: Call, answer_at: Timestamp) {
        let Call { id, target, operation, key, identity } = call;
        let fault = match self.weather.always_fails(target, identity) {
            true => Some(WriteFault::Fail(ErrorKind::InvalidValue)),
            false => self.weather.write_fault(target, self.now, &mut self.dice),
        };
        let other = super::checks::held_apart(self, target, &operation, identity);
        let system = &mut self.sites.get_mut(target).expect("it is there").system;
        system.faults.every_write = fault;
        let result = system.apply(&operation, &IdempotencyKey(key));
        system.faults.every_write = None;
        let both = other.filter(|_| result.as_ref().is_ok_and(|receipt| receipt.changed));
        assert_eq!(both, None, "{operation:?} for {identity:?} gives what nobody is to hold together");
        let told = result.as_ref().map(|receipt| receipt.changed).map_err(|error| error.may_have_landed);
        self.say(format_args!("  lands {id:?} {told:?}"));
        if let (Operation::Disable { account }, Ok(_)) = (&operation, &result) {
            self.weather.disabled_by_hand.remove(&(target, account.anchor.clone()));
        }
        let lost = result.as_ref().err().is_some_and(|error| error.may_have_landed);
        let at = if lost { answer_at + TIMEOUT } else { answer_at };
        self.push(at, Due::Answer { process, id, target, result });
    }

    /// The outcome is durable before the daemon hears of it.
    fn answer(&mut self, id: OperationId, target: &'static str, result: Result<Receipt, Error>) {
        let name = Sym::new(target);
        let failure = result.as_ref().err().map(|error| Failure {
            kind: error.kind.clone(),
            message: error.to_string(),
            in_doubt: error.may_have_landed,
        });
        self.checks.answered(id, &self.engine, &result, self.now);
        let prepared = self.engine.prepared.get(&id).cloned();
        let clock = self.clock();
        let result = match self.engine.landed(id, &result, &mut self.log, clock) {
            Ok(done) => failure.map_or(Ok(done), Err),
            Err(why) => {
                self.look_later();
                self.checks.unrecorded(prepared, self.now);
                self.tell(Event::JournalBroken(why.clone()));
                Err(Failure { kind: ErrorKind::Unavailable, message: why, in_doubt: true })
            }
        };
        self.tell(Event::Called { target: name, results: vec![(id, result)] });
        self.go_on(target, id);
    }

    fn go_on(&mut self, target: &'static str, after: OperationId) {
        let rest = self.rest.remove(&after).unwrap_or_default();
        self.call_all(target, rest);
    }

    fn look_later(&mut self) {
        if !std::mem::replace(&mut self.looking, true) {
            self.push(self.now + SignedDuration::from_secs(1), Due::Look(self.process));
        }
    }

    fn look(&mut self) {
        self.looking = false;
        match self.log.broken {
            true => self.look_later(),
            false => self.tell(Event::JournalHealed),
        }
    }

    /// The process ends in the middle of everything, and another one begins with what the log remembers.
    pub fn restart(&mut self) {
        self.process += 1;
        (self.log.dead, self.log.fuse) = (false, None);
        self.looking = false;
        self.rest.clear();
        self.trusted.clear();
        self.checks.restarted(self.now);
        let (engine, world) = Engine::open(&self.log, &self.commits, self.clock());
        self.engine = engine;
        let clock = self.clock();
        let rules = self.engine.reconsider(&self.commits, &mut self.log, clock);
        self.agreed(&rules);
        let seed = self.dice.roll();
        self.daemon = Daemon::new(Pace::default(), self.log.counted, self.log.suspension.clone(), seed);
        self.tell(Event::Start(world));
    }

    /// Puts what is desired on the tip of the branch.
    pub fn commit(&mut self) {
        // Most commits are by whoever answers for the repository; nobody knows of some.
        let author = match self.dice.below(20) {
            0 => None,
            1 => Some("p-03"),
            _ => Some("p-06"),
        };
        let (files, desired) = (Rc::new(self.desired.files()), Rc::new(self.desired.clone()));
        self.commits.push(Commit { parent: Some(self.head), files, desired, author });
        self.head = self.commits.len() - 1;
        let head = self.head;
        self.say(format_args!("commit c{head} by {author:?}"));
        if self.dice.chance(50) {
            self.tell(Event::Nudge);
        }
    }

    /// Tells what is there in the end: the log and every target.
    pub fn tell_end(&mut self) {
        let Shell { story, log, sites, .. } = self;
        for (key, intent) in &log.intents {
            story.tell(format_args!("intent {key} {intent:?} {:?}", log.outcomes.get(key)));
        }
        for (target, site) in sites {
            for mutation in site.system.ledger() {
                story.tell(format_args!("{target} {mutation:?}"));
            }
            for account in site.system.accounts() {
                story.tell(format_args!("{target} {account:?}"));
            }
        }
    }

    /// Whether the tip of the branch counts already.
    pub fn tip_counts(&self) -> bool {
        self.log.counted.map(commit_number) == Some(self.head)
    }
}
