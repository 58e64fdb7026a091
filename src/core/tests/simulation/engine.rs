//! What the engine of the real shell does, with a log of plain values: the same steps in the same order.
//!
//! It is said twice on purpose. What decides is the core's, and is the same code here and there; what is said here again
//! is the order of records, calls and what is taken in, which in the shell hangs on threads, git and connectors that a
//! history of virtual time cannot have. Where both differ, the stories of whole programs and the loop of kills find it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use provost_core::Sym;
use provost_core::access::Zones;
use provost_core::document::{Kind, parse};
use provost_core::gate::Decision;
use provost_core::guard;
use provost_core::observed::{Collector, Observed, key};
use provost_core::organisation::{Amended, HeldBy, Known, Organisation};
use provost_core::plan::{Planned, UNBORN};
use provost_core::snapshot::{Catalog, Change, ConnectorFacts, File, Snapshot, Version};
use provost_core::step::{Done, OperationId, PlanSummary, Queued, ReadSummary, Scope, Target, World};
use provost_memory::MemoryConnector;
use provost_sdk::{
    Account, AccountRef, Capabilities, Completeness, Connector, Cursor, Error, Operation, Read, Receipt,
    State, Verb,
};

use super::desired::{Commit, Files};
use super::genesis::TARGETS;
use super::judging::Agreement;
use super::log::{Log, OpenIntent, Outcome};

/// A call begins within this time of its intent, or not at all: as in the shell.
const NOT_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// As in the shell: between two whole reads that settle what is in doubt.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// As in the shell: what a connector's own timeout may add.
const SLACK: SignedDuration = SignedDuration::from_secs(5);
/// The timeout in every target's document.
pub const TIMEOUT: SignedDuration = SignedDuration::from_secs(10);

pub struct Engine {
    pub organisation: Organisation,
    pub prepared: BTreeMap<OperationId, Prepared>,
    replan_at: BTreeMap<Sym, Timestamp>,
    next_operation: u64,
    /// The commit whose files are known.
    taken: Option<Sym>,
    pub agreement: Agreement,
}

/// One operation that the gate let through.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub planned: Planned,
    pub not_after: Option<Timestamp>,
    pub intent: Option<u64>,
    pub account: Option<AccountRef>,
    /// Which plan of the target it is of.
    pub plan: u64,
}

impl Prepared {
    pub fn label(&self) -> String {
        self.planned.digest.to_string()
    }

    pub fn key(&self) -> String {
        format!("{}-{}", self.label(), self.intent.unwrap_or_default())
    }

    pub fn subject(&self) -> Option<(Sym, Sym)> {
        self.planned.identity.map(|identity| (identity, self.planned.profile))
    }

    /// The operation, on the account that is there now; none where its account was not made.
    pub fn operation(&self) -> Option<Operation> {
        let operation = match &self.account {
            Some(account) => self.planned.operation_on(account),
            None => self.planned.operation.clone(),
        };
        let unborn = operation.account().is_some_and(|account| account.anchor.as_str() == UNBORN);
        (!unborn).then_some(operation)
    }
}

/// A read that came to its end.
pub struct Reading {
    pub target: Sym,
    pub capabilities: Capabilities,
    pub found: Collector,
    pub read: Read,
}

pub fn catalog() -> Catalog {
    let settings = MemoryConnector::default().settings().to_vec();
    let facts = ConnectorFacts { settings, capabilities: None };
    Catalog { connectors: [(Sym::new("memory"), facts)].into(), targets: BTreeMap::new() }
}

pub fn blob(text: &str) -> [u8; 20] {
    let mut blob = [0; 20];
    let hash = |basis: u64| {
        text.bytes().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    blob[..8].copy_from_slice(&hash(0xcbf2_9ce4_8422_2325).to_le_bytes());
    blob[8..16].copy_from_slice(&hash(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    blob
}

fn change(path: &str, text: Option<&String>) -> Change {
    let file = text.map(|text| File { blob: blob(text), parsed: parse(path, text.as_bytes()) });
    Change { path: Sym::new(path), file }
}

/// The files of a commit that differ from those of another.
pub fn changes(from: Option<&Files>, to: &Files) -> Vec<Change> {
    let none = Files::new();
    let from = from.unwrap_or(&none);
    let paths: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let differ = paths.into_iter().filter(|path| from.get(*path) != to.get(*path));
    differ.map(|path| change(path, to.get(path))).collect()
}

pub fn commit_name(number: usize) -> Sym {
    Sym::new(&format!("c{number}"))
}

pub fn commit_number(name: Sym) -> usize {
    name.as_str()[1..].parse().expect("commits are numbered")
}

impl Engine {
    /// What is remembered becomes what is known.
    pub fn open(log: &Log, commits: &[Commit], now: Timestamp) -> (Engine, World) {
        let snapshot = Snapshot::restore(log.versions(), log.vanished.iter().copied());
        let organisation = Organisation::new(snapshot, catalog(), Zones::bundled(), now);
        let mut engine = Engine {
            organisation,
            prepared: BTreeMap::new(),
            replan_at: BTreeMap::new(),
            next_operation: 0,
            taken: log.counted,
            agreement: Agreement::restore(log),
        };
        if let Some(counted) = log.counted {
            let files = &commits[commit_number(counted)].files;
            engine.organisation.amend(changes(None, files), false, now);
        }
        let targets: Vec<Sym> =
            engine.organisation.snapshot().targets().into_iter().map(|target| target.id).collect();
        for id in targets {
            let accounts = log.accounts.get(&id).into_iter().flat_map(|accounts| accounts.values().cloned());
            let entitlements = log.entitlements.get(&id).cloned().unwrap_or_default();
            let observed = Observed::load(Capabilities::default(), accounts, entitlements);
            let known = Known { observed, place: id, adopted: None, hold: None, own_accounts: Vec::new() };
            engine.organisation.place(id, known, now);
            engine.place_target(id, log, now);
        }
        let mut world = engine.world(Vec::new());
        world.changed = world.targets.keys().map(|target| (*target, Scope::All)).collect();
        (engine, world)
    }

    /// The operator's word for the first commit.
    pub fn trust(&mut self, commit: Sym, commits: &[Commit], log: &mut Log, now: Timestamp) -> World {
        self.take(commit, commits, true, log, now).expect("the first commit is taken")
    }

    /// Makes a commit count, if it comes after the one that does.
    pub fn load(
        &mut self,
        commit: Sym,
        commits: &[Commit],
        log: &mut Log,
        now: Timestamp,
    ) -> Result<World, String> {
        let counted = self.taken.map(commit_number);
        let mut place = Some(commit_number(commit));
        while place.is_some() && place != counted {
            place = place.and_then(|number| commits[number].parent);
        }
        if place.is_none() {
            self.organisation.hold(HeldBy::Branch, Some(Sym::new("the tracked branch was rewritten")));
            return Err("the branch was rewritten".to_owned());
        }
        self.take(commit, commits, false, log, now)
    }

    fn take(
        &mut self,
        commit: Sym,
        commits: &[Commit],
        trusted: bool,
        log: &mut Log,
        now: Timestamp,
    ) -> Result<World, String> {
        // The shell records what a commit changed with the next try; here nothing is changed before it can be recorded.
        if log.broken {
            return Err("the journal cannot be written".to_owned());
        }
        let from = self.taken.map(|from| &*commits[commit_number(from)].files);
        let written = match self.taken {
            Some(from) => written(commit_number(from), commit_number(commit), commits),
            None => Vec::new(),
        };
        let changes = changes(from, &commits[commit_number(commit)].files);
        let amended = self.organisation.amend(changes, trusted, now);
        self.taken = Some(commit);
        self.organisation.hold(HeldBy::Branch, None);
        let (standing, vanished) = (self.standing(commits), self.organisation.snapshot().vanished());
        let vanished = vanished.iter().copied().collect();
        let recorded = log.record(|log| {
            (log.counted, log.standing, log.vanished) = (Some(commit), standing, vanished);
            log.come_into_force(&amended.dirty.in_force);
            for (document, author) in written {
                let authorship = log.authors.entry(document).or_default();
                match author {
                    Some(author) => drop(authorship.people.insert(Sym::new(author))),
                    None => authorship.unknown = true,
                }
            }
        });
        match recorded {
            Ok(_) => Ok(self.amended(amended, log, now)),
            Err(_) => Err("the journal cannot be written".to_owned()),
        }
    }

    /// Versions of identities that the files of the commit alone would not bring in: by their texts, as the log keeps them.
    pub fn standing(&self, commits: &[Commit]) -> Vec<Version> {
        let standing = self.organisation.snapshot().standing();
        standing.into_iter().map(|version| as_written(version, commits)).collect()
    }

    pub fn amended(&mut self, amended: Amended, log: &Log, now: Timestamp) -> World {
        let mut whole = Vec::new();
        for target in &amended.dirty.targets {
            whole.push(*target);
            whole.append(&mut self.place_target(*target, log, now));
        }
        if !amended.dirty.policies.is_empty() {
            whole.extend(self.organisation.snapshot().targets().into_iter().map(|target| target.id));
        }
        let mut world = self.world(amended.changed);
        world.changed.extend(whole.into_iter().map(|target| (target, Scope::All)));
        for identity in amended.dirty.identities.iter().chain(&amended.dirty.vanished) {
            for (target, known) in self.organisation.targets() {
                if known.observed.links_of(*identity).next().is_some() {
                    add(&mut world.changed, target, *identity);
                }
            }
        }
        world
    }

    fn place_target(&mut self, id: Sym, log: &Log, now: Timestamp) -> Vec<Sym> {
        let Some(document) = self.organisation.snapshot().target(id) else { return Vec::new() };
        let place = Sym::new(&format!("memory:{:?}", document.config.get("name")));
        let adopted = log.adopted.get(&id).copied();
        if self.organisation.target(id).is_some() {
            self.organisation.locate(id, place, adopted);
            return Vec::new();
        }
        let known =
            Known { observed: Observed::default(), place, adopted, hold: None, own_accounts: Vec::new() };
        self.organisation.place(id, known, now).into_iter().map(|(_, target)| target).collect()
    }

    pub fn advance(&mut self, now: Timestamp) -> World {
        let changed = self.organisation.advance(now);
        let mut world = self.world(changed);
        let due: Vec<Sym> =
            self.replan_at.iter().filter(|(_, at)| **at <= now).map(|(target, _)| *target).collect();
        for target in due {
            self.replan_at.remove(&target);
            world.changed.insert(target, Scope::All);
        }
        world.boundary = self.boundary();
        world
    }

    fn world(&self, changed: Vec<(Sym, Sym)>) -> World {
        let mut scopes = BTreeMap::new();
        for (identity, target) in changed {
            add(&mut scopes, target, identity);
        }
        let step_target = |target: &provost_core::document::Target| Target {
            full: target.schedule.full.0,
            delta: target.schedule.delta.map(|delta| delta.0),
            concurrency: usize::from(target.limits.concurrency.max(1)),
            // One of them takes some operations together.
            batch: if target.id.as_str() == TARGETS[1] { 3 } else { 1 },
            per_second: target.limits.per_second,
        };
        let targets = self.organisation.snapshot().targets();
        World {
            targets: targets.into_iter().map(|target| (target.id, step_target(target))).collect(),
            changed: scopes,
            boundary: self.boundary(),
        }
    }

    pub fn boundary(&self) -> Option<Timestamp> {
        let replans = self.replan_at.values().copied().chain(self.agreement.next);
        self.organisation.access().next_boundary().into_iter().chain(replans).min()
    }

    pub fn cursor(&self, target: Sym) -> Option<Cursor> {
        self.organisation.target(target)?.observed.standing().cursor.clone()
    }

    /// Takes a read in and records what it changed.
    pub fn merge(
        &mut self,
        reading: Reading,
        log: &mut Log,
        now: Timestamp,
    ) -> Result<(ReadSummary, Vec<Sym>), String> {
        let Reading { target, capabilities, found, read } = reading;
        let delta = found.since().is_some();
        let (merged, changed) = self.organisation.merge(target, capabilities, found, &read, now);
        let partial = match &read.completeness {
            Completeness::Complete => None,
            Completeness::Partial(reason) => Some(reason.clone()),
        };
        let alarm = merged.suspicion.map(|suspicion| suspicion.to_string());
        self.organisation.hold_target(target, alarm.as_deref().map(Sym::new));
        self.record_accounts(target, &merged.changed, merged.names, log)?;
        if partial.is_none() && !log.adopted.contains_key(&target) {
            let place = self.organisation.target(target).expect("it was read").place;
            let adopted = log.record(|log| {
                log.adopted.insert(target, place);
            });
            adopted.map_err(|_| "the journal cannot be written".to_owned())?;
            self.organisation.locate(target, place, Some(place));
        }
        let scope = if delta && !merged.names { self.scope_of(target, &merged.changed) } else { Scope::All };
        for (_, other) in changed {
            if other != target {
                self.replan_at.insert(other, now);
            }
        }
        Ok((ReadSummary { partial, alarm, changed: scope }, merged.unsure))
    }

    pub fn looked_up(
        &mut self,
        target: Sym,
        found: Vec<(Sym, Option<Account>)>,
        log: &mut Log,
        now: Timestamp,
    ) {
        let anchors: Vec<Sym> = found.iter().map(|(anchor, _)| *anchor).collect();
        for (anchor, account) in found {
            self.organisation.looked_up(target, anchor, account.as_ref(), now);
        }
        // What cannot be recorded now is found again.
        let _unrecorded = self.record_accounts(target, &anchors, false, log);
    }

    fn record_accounts(
        &self,
        target: Sym,
        anchors: &[Sym],
        names: bool,
        log: &mut Log,
    ) -> Result<(), String> {
        let Some(known) = self.organisation.target(target) else { return Ok(()) };
        if anchors.is_empty() && !names {
            return Ok(());
        }
        let recorded = log.record(|log| {
            anchors.iter().for_each(|anchor| log.account(target, *anchor, known.observed.record(*anchor)));
            if names {
                log.entitlements.insert(target, known.observed.entitlement_records());
            }
        });
        recorded.map(drop).map_err(|_| "the journal cannot be written".to_owned())
    }

    fn scope_of(&self, target: Sym, anchors: &[Sym]) -> Scope {
        let Some(known) = self.organisation.target(target) else { return Scope::All };
        let owner = |anchor: &Sym| known.observed.owner(*anchor).map(|(identity, _)| identity);
        anchors.iter().map(owner).collect::<Option<BTreeSet<Sym>>>().map_or(Scope::All, Scope::Identities)
    }

    /// What is in doubt on a target, and when its call cannot land any more.
    fn doubts(&self, target: Sym, log: &Log) -> Vec<((String, u64), Timestamp)> {
        let under_way = |label: &str, seq: u64| {
            self.prepared.values().any(|one| one.label() == label && one.intent == Some(seq))
        };
        let open = log.open.iter().filter(|((label, seq), intent)| {
            intent.target == target && (intent.unknown.is_some() || !under_way(label, *seq))
        });
        open.map(|(name, intent)| {
            (name.clone(), intent.unknown.unwrap_or(intent.not_after) + TIMEOUT + SLACK)
        })
        .collect()
    }

    /// Settles what was in doubt on a target that was just read completely, and gives what is settled.
    pub fn settle(&mut self, target: Sym, log: &mut Log, now: Timestamp) -> Vec<(String, u64)> {
        let Some(read) = self.organisation.target(target).and_then(|known| known.observed.standing().current)
        else {
            return Vec::new();
        };
        let doubts = self.doubts(target, log).into_iter();
        let ready: Vec<(String, u64)> =
            doubts.filter(|(_, landed_by)| *landed_by <= read).map(|(name, _)| name).collect();
        let mut settled = Vec::new();
        for name in ready {
            let intent = log.open[&name].clone();
            let known = self.organisation.target(target).map(|known| &known.observed);
            let applied = known.and_then(|observed| shows(observed, &intent.operation));
            let mut differs = None;
            match (applied, &intent.operation, intent.subject) {
                (Some(true), Operation::Create(create), Some((identity, profile))) => {
                    differs = self.organisation.created(target, identity, profile, &create.username);
                }
                (Some(true), operation, subject) => {
                    self.organisation.receipt(target, subject, operation, &Receipt::unchanged(None), now);
                    differs = operation.account().map(|account| Sym::new(account.anchor.as_str()));
                }
                _ => {}
            }
            let recorded = log.record(|log| {
                log.end(&name, Outcome::Settled(applied));
                if let (Some(anchor), Some(known)) = (differs, self.organisation.target(target)) {
                    log.account(target, anchor, known.observed.record(anchor));
                }
            });
            if recorded.is_ok() {
                settled.push(name);
            }
        }
        settled
    }

    pub fn plan(
        &mut self,
        target: Sym,
        scope: &Scope,
        plan: u64,
        log: &mut Log,
        now: Timestamp,
    ) -> PlanSummary {
        let decided = self.organisation.plan(Some(target), scope, now);
        // The law of what is settled: passing over it gives the plan that looks at everybody.
        let mut anew = self.organisation.clone();
        anew.look_again(None);
        assert_eq!(decided.plan, anew.plan(Some(target), scope, now).plan, "what is settled changes no plan");
        for (target, anchor) in self.organisation.claim(&decided.plan.claims) {
            let _later = self.record_accounts(target, &[anchor], false, log);
        }
        match decided.plan.next {
            Some(at) => drop(self.replan_at.insert(target, at)),
            None if *scope == Scope::All => drop(self.replan_at.remove(&target)),
            None => {}
        }
        let again = |prepared: &Prepared| match scope {
            Scope::All => true,
            Scope::Identities(identities) => {
                prepared.planned.identity.is_some_and(|identity| identities.contains(&identity))
            }
        };
        self.prepared.retain(|_, prepared| {
            prepared.planned.target != target || prepared.intent.is_some() || !again(prepared)
        });
        let doubts = self.doubts(target, log);
        let mut doubtful: BTreeSet<usize> = BTreeSet::new();
        let mut summary = PlanSummary { held: decided.plan.not_planned.len(), ..PlanSummary::default() };
        let mut ids: BTreeMap<usize, OperationId> = BTreeMap::new();
        for (place, (planned, decision)) in
            decided.plan.operations.into_iter().zip(decided.decisions).enumerate()
        {
            match decision {
                Decision::Proceed => {}
                Decision::Wait { .. } => {
                    summary.waiting += 1;
                    continue;
                }
                Decision::Refuse { .. } => {
                    summary.refused += 1;
                    continue;
                }
            }
            let holds = |(name, _): &((String, u64), Timestamp)| {
                let same = name.0 == planned.digest.to_string();
                let subject = planned.identity.map(|identity| (identity, planned.profile));
                let account = planned.operation.account().filter(|_| planned.identity.is_none());
                let made = account.is_some_and(|account| {
                    matches!(&log.open[name].operation, Operation::Create(create) if create.username == account.username)
                });
                made || !planned.takes_away()
                    && (same || subject.is_some() && log.open[name].subject == subject)
            };
            if doubts.iter().any(holds) || planned.after.iter().any(|before| doubtful.contains(before)) {
                doubtful.insert(place);
                summary.waiting += 1;
                continue;
            }
            self.next_operation += 1;
            let id = OperationId(self.next_operation);
            ids.insert(place, id);
            summary.operations.push(Queued {
                id,
                digest: Sym::new(&planned.digest.to_string()),
                identity: planned.identity,
                adds: planned.adds(),
                after: planned.after.iter().filter_map(|before| ids.get(before).copied()).collect(),
            });
            self.prepared
                .insert(id, Prepared { planned, not_after: None, intent: None, account: None, plan });
        }
        summary.read_at = doubts.iter().map(|(_, landed_by)| (*landed_by).max(now + LOOK_AGAIN)).min();
        summary.boundary = self.boundary();
        summary
    }

    pub fn intend(
        &mut self,
        target: Sym,
        operations: &[OperationId],
        log: &mut Log,
        now: Timestamp,
    ) -> Result<(), String> {
        let prepared = &mut self.prepared;
        let recorded = log.record(|log| {
            for id in operations {
                let Some(one) = prepared.get_mut(id) else { continue };
                one.intent = Some(log.sequence);
                one.not_after = Some(now + NOT_AFTER);
                let intent = OpenIntent {
                    target,
                    subject: one.subject(),
                    operation: one.planned.operation.clone(),
                    not_after: now + NOT_AFTER,
                    unknown: None,
                };
                log.intents.insert(one.key(), intent.clone());
                log.open.insert((one.label(), log.sequence), intent);
            }
        });
        recorded.map(drop).map_err(|_| "the journal cannot be written".to_owned())
    }

    /// Takes in how a call ended and records it.
    pub fn landed(
        &mut self,
        id: OperationId,
        result: &Result<Receipt, Error>,
        log: &mut Log,
        now: Timestamp,
    ) -> Result<Done, String> {
        let Some(prepared) = self.prepared.get(&id).cloned() else { return Ok(Done::default()) };
        let target = prepared.planned.target;
        let name = (prepared.label(), prepared.intent.unwrap_or_default());
        let mut done = Done::default();
        let mut account = None;
        if let Ok(receipt) = result {
            let operation = prepared.operation().unwrap_or_else(|| prepared.planned.operation.clone());
            let changed = self.organisation.receipt(target, prepared.subject(), &operation, receipt, now);
            if let (Operation::Create(_), Some(made)) = (&operation, &receipt.account) {
                let made = AccountRef { anchor: made.anchor.clone(), username: made.username.clone() };
                let same = |other: &&mut Prepared| {
                    other.planned.target == target && other.subject() == prepared.subject()
                };
                self.prepared.values_mut().filter(same).for_each(|other| other.account = Some(made.clone()));
            }
            let parts = guard::parts(&prepared.planned);
            self.organisation.count(now, &parts, prepared.planned.identity);
            let anchor = operation.account().map(|account| Sym::new(account.anchor.as_str()));
            account = anchor.or(receipt.account.as_ref().map(|made| Sym::new(made.anchor.as_str())));
            done.changed = self.elsewhere(target, &prepared.planned);
            changed.into_iter().for_each(|(identity, target)| add(&mut done.changed, target, identity));
        }
        let doubt = result.as_ref().err().is_some_and(|error| error.may_have_landed);
        let record = account.and_then(|anchor| self.organisation.target(target)?.observed.record(anchor));
        let recorded = log.record(|log| {
            match result {
                Ok(receipt) => log.end(&name, Outcome::Applied { changed: receipt.changed }),
                Err(_) if doubt => {
                    if let Some(intent) = log.open.get_mut(&name) {
                        intent.unknown = Some(now);
                    }
                }
                Err(_) => log.end(&name, Outcome::Failed),
            }
            if let Some(anchor) = account {
                log.account(target, anchor, record);
            }
        });
        // Its call has ended; if that is not on the record it is in doubt from here on.
        self.prepared.remove(&id);
        recorded.map_err(|_| "the journal cannot be written".to_owned())?;
        Ok(done)
    }

    pub fn abandoned(&mut self, operations: &[OperationId], log: &mut Log) {
        for id in operations {
            let Some(prepared) = self.prepared.remove(id) else { continue };
            let name = (prepared.label(), prepared.intent.unwrap_or_default());
            let _in_doubt = log.record(|log| log.end(&name, Outcome::NotAttempted));
        }
    }

    fn elsewhere(&self, target: Sym, planned: &Planned) -> BTreeMap<Sym, Scope> {
        let mut changed = BTreeMap::new();
        let Some(identity) = planned.identity else { return changed };
        let snapshot = self.organisation.snapshot();
        let separated = !snapshot.separations().is_empty()
            && matches!(planned.verb(), Verb::Revoke | Verb::Disable | Verb::Delete);
        let born = matches!(planned.verb(), Verb::Create | Verb::Enable);
        for other in snapshot.targets() {
            if other.id != target && (separated || (born && other.after.contains(&target))) {
                add(&mut changed, other.id, identity);
            }
        }
        changed
    }
}

fn add(changed: &mut BTreeMap<Sym, Scope>, target: Sym, identity: Sym) {
    if let Scope::Identities(identities) =
        changed.entry(target).or_insert_with(|| Scope::Identities(BTreeSet::new()))
    {
        identities.insert(identity);
    }
}

/// Who wrote which documents between two commits.
fn written(from: usize, to: usize, commits: &[Commit]) -> Vec<((Kind, Sym), Option<&'static str>)> {
    let mut written = Vec::new();
    let mut place = to;
    while place != from {
        let Some(parent) = commits[place].parent else { break };
        for change in changes(Some(&commits[parent].files), &commits[place].files) {
            written.extend(named_by(change.path).map(|key| (key, commits[place].author)));
        }
        place = parent;
    }
    written
}

/// The document of a file, also where it is gone or nobody can tell what it is: here names are never changed.
fn named_by(path: Sym) -> Option<(Kind, Sym)> {
    let (folder, id) = path.as_str().strip_suffix(".yaml")?.split_once('/')?;
    let kind = match folder {
        "people" if id.starts_with("s-") => Kind::Service,
        "people" => Kind::Person,
        "roles" => Kind::Role,
        _ => return None,
    };
    Some((kind, Sym::new(id)))
}

/// The version as its blob has it: what counts may be less.
fn as_written(version: &Version, commits: &[Commit]) -> Version {
    let mut texts = commits.iter().rev().filter_map(|commit| commit.files.get(version.path.as_str()));
    let text = texts.find(|text| blob(text) == version.blob).expect("what counts was in a commit");
    let document = parse(version.path.as_str(), text.as_bytes()).document.expect("what counts is sound");
    Version { document, ..version.clone() }
}

/// Whether what was read shows an operation's effect; none where reading cannot tell.
fn shows(observed: &Observed, operation: &Operation) -> Option<bool> {
    let account = |of: &AccountRef| observed.account(Sym::new(of.anchor.as_str()));
    match operation {
        Operation::Create(create) => Some(!observed.by_username(&create.username).is_empty()),
        Operation::Disable { account: of } => {
            Some(account(of).is_none_or(|seen| seen.state == State::Disabled))
        }
        Operation::Grant { account: of, entitlement } => {
            Some(account(of)?.entitlements.contains(key(&entitlement.key())))
        }
        Operation::Revoke { account: of, entitlement } => {
            Some(account(of).is_none_or(|seen| !seen.entitlements.contains(key(&entitlement.key()))))
        }
        _ => None,
    }
}
