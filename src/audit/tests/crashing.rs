//! Every crash point of the order of writes, and every call failing in turn.
//!
//! Whole: every call of recording and flushing, of making a log, and of recovery. Capped: the subsets of what survives
//! at one point, where there are more than [`SUBSETS`] (then that many, spread evenly, and both extremes; all of them
//! with `CRASH_SUBSETS` set to more than there are); in double crashes, [`SUBSETS_TWICE`] at each of both.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use provost_audit::key::SigningKey;
use provost_audit::{
    CommitId, Disk as _, Error, JournalState, Log, ObjectId, ObjectKind, Objects as _, Options, Record,
    Recorded, Recovery, account_path, parse_commit, parse_message,
};

use crate::fake_disk::{FakeDisk, FakeObjects, Fault};
use crate::kit::{at, drift, genesis, intent, outcome};

const SUBSETS: usize = 32;
const SUBSETS_TWICE: usize = 2;

/// How many subsets are looked at after a single crash.
fn subsets() -> usize {
    std::env::var("CRASH_SUBSETS").ok().and_then(|count| count.parse().ok()).unwrap_or(SUBSETS)
}

const STATE: &str = "/state";
const PACKS: &str = "/state/provost.git/objects/pack";
const FOLDERS: [&str; 5] = ["/", STATE, "/state/provost.git", "/state/provost.git/objects", PACKS];

fn key() -> SigningKey {
    let folder = std::env::temp_dir().join(format!("provost-audit-crashing-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // One key for all logs of this run: the same records have the same ids.
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| drop(SigningKey::load_or_generate(&folder.join("key")).unwrap()));
    SigningKey::load(&folder.join("key")).unwrap()
}

fn create(disk: &FakeDisk) -> Result<Log, Error> {
    let objects = Box::new(FakeObjects::new(disk, PACKS));
    Log::create_on(
        Arc::new(disk.clone()),
        objects,
        Path::new(STATE),
        key(),
        genesis(),
        Options { journal: 40 << 10 },
    )
}

fn open(disk: &FakeDisk) -> Result<(Log, Recovery), Error> {
    let objects = Box::new(FakeObjects::new(disk, PACKS));
    Log::open_on(Arc::new(disk.clone()), objects, Path::new(STATE), key(), at(9_000))
}

/// One thing that the writer does.
enum Step {
    Record(Vec<Record>),
    Flush,
}

/// Groups of all sizes, flushed and not, more than the journal holds, an intent that stays open.
fn script() -> Vec<Step> {
    let big = "0123456789abcdef".repeat(400);
    vec![
        Step::Record(vec![intent("a", "p-1"), intent("b", "p-2")]),
        Step::Record(vec![outcome(2, "a", "p-1", "one")]),
        Step::Flush,
        Step::Record(vec![drift("p-3", "three")]),
        Step::Record(vec![drift("p-1", "one, changed"), drift("p-4", &big)]),
        Step::Record((0..20).map(|n| drift(&format!("q-{n}"), &format!("{n}"))).collect()),
        Step::Flush,
        Step::Record(vec![drift("p-3", "three, changed")]),
    ]
}

/// What the writer was told.
#[derive(Default, Clone)]
struct Told {
    acknowledged: Vec<Recorded>,
    /// Records of the group that was being written when it ended.
    in_flight: usize,
}

/// Runs the script until something fails.
fn run(log: &mut Log, steps: &[Step], told: &mut Told) -> Result<(), Error> {
    for step in steps {
        match step {
            Step::Record(group) => {
                told.in_flight = group.len();
                told.acknowledged.extend(log.record(group)?);
                told.in_flight = 0;
            }
            Step::Flush => {
                log.flush()?;
            }
        }
    }
    Ok(())
}

/// Everything that has to hold after a restart. Gives the number of records beyond the genesis.
fn check(disk: &FakeDisk, told: &Told, what: &str) -> usize {
    let (mut log, recovery) = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_ne!(recovery.journal, JournalState::Lost, "{what}");
    let tip = log.tip();
    let records = walk(disk, tip.commit, what);
    for told in &told.acknowledged {
        assert_eq!(
            records.get(&told.seq).map(|record| record.0),
            Some(told.commit),
            "{what}: record {}",
            told.seq
        );
    }
    let count = records.len() - 1;
    let acknowledged = told.acknowledged.len();
    assert!(
        count == acknowledged || count == acknowledged + told.in_flight,
        "{what}: {count} of {acknowledged}"
    );
    let open_now: BTreeSet<_> = recovery.open.iter().map(|open| (open.seq, open.operation.clone())).collect();
    assert_eq!(open_now, open_by_model(&records), "{what}");
    if count >= 4 {
        let path = account_path("forge", "p-3");
        assert!(log.read(path.as_str()).unwrap().unwrap().starts_with(b"three"), "{what}");
    }
    // Recovery is idempotent, and the log goes on.
    let (again, recovery) = open(&disk.restart()).unwrap();
    assert_eq!((again.tip(), recovery.journal), (tip, JournalState::Clean), "{what}");
    let next = log.record(&[drift("p-9", "goes on")]).unwrap()[0];
    assert_eq!(next.seq, tip.seq + 1, "{what}");
    log.flush().unwrap();
    assert_eq!(walk(disk, next.commit, what).len(), records.len() + 1);
    let left = disk.list(Path::new(PACKS)).unwrap();
    assert!(
        !left.iter().any(|name| name.ends_with(".keep") || name.starts_with("incoming")),
        "{what}: {left:?}"
    );
    count
}

type Records = BTreeMap<u64, (CommitId, provost_audit::Message)>;

/// All records from the tip back, with everything that they reach.
fn walk(disk: &FakeDisk, tip: CommitId, what: &str) -> Records {
    let objects = FakeObjects::new(disk, PACKS);
    let mut records = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut next = Some(tip);
    while let Some(id) = next {
        let object =
            objects.read(ObjectKind::Commit, id).unwrap().unwrap_or_else(|| panic!("{what}: {id} is gone"));
        let commit = parse_commit(&object).unwrap();
        let message = parse_message(&commit.message).unwrap();
        walk_tree(&objects, commit.tree, &mut seen, what);
        next = commit.parent;
        records.insert(message.seq, (id, message));
    }
    assert_eq!(
        records.keys().copied().collect::<Vec<_>>(),
        (1..=records.len() as u64).collect::<Vec<_>>(),
        "{what}"
    );
    records
}

fn walk_tree(objects: &FakeObjects, id: ObjectId, seen: &mut HashSet<ObjectId>, what: &str) {
    if !seen.insert(id) {
        return;
    }
    let raw =
        objects.read(ObjectKind::Tree, id).unwrap().unwrap_or_else(|| panic!("{what}: tree {id} is gone"));
    let mut rest = &raw[..];
    while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
        let id = ObjectId(rest[zero + 1..zero + 21].try_into().unwrap());
        if rest.starts_with(b"4") {
            walk_tree(objects, id, seen, what);
        } else {
            assert!(objects.read(ObjectKind::Blob, id).unwrap().is_some(), "{what}: file {id} is gone");
        }
        rest = &rest[zero + 21..];
    }
}

/// Which operations are open, by a model that knows nothing of the log's own counting.
fn open_by_model(records: &Records) -> BTreeSet<(u64, String)> {
    let mut open = BTreeSet::new();
    for (seq, (_, message)) in records {
        for operation in message.body().unwrap()["operations"].as_array().into_iter().flatten() {
            open.insert((*seq, operation["operation"].as_str().unwrap().to_owned()));
        }
        if let (Some(intent), Some(operation)) = (message.intent, &message.operation) {
            assert!(
                open.remove(&(intent, operation.clone())),
                "an outcome without an intent, or a second one"
            );
        }
    }
    open
}

/// A log that was made, its disk, and the calls that the whole script makes.
fn made() -> (FakeDisk, usize) {
    let disk = FakeDisk::with_folders(&FOLDERS);
    drop(create(&disk).unwrap());
    let trial = disk.restart();
    let mut log = open(&trial).unwrap().0;
    run(&mut log, &script(), &mut Told::default()).unwrap();
    (disk, trial.calls())
}

#[test]
fn nothing_acknowledged_is_lost_whenever_the_machine_stops() {
    let (made, calls) = made();
    assert!(calls > 50, "the script is long enough to mean something: {calls}");
    let (mut states, mut whole, mut most) = (0, 0, 0);
    for at in 0..=calls {
        let disk = made.restart();
        disk.set_fault(Some(Fault::Crash(at)));
        let mut told = Told::default();
        if let Ok((mut log, _)) = open(&disk) {
            let ended = run(&mut log, &script(), &mut told);
            assert_eq!(ended.is_err(), at < calls);
        }
        for (number, survivor) in disk.after_crash(subsets()).into_iter().enumerate() {
            let count = check(&survivor, &told, &format!("crash before call {at}, subset {number}"));
            states += 1;
            whole += usize::from(count > told.acknowledged.len());
            most = most.max(count);
        }
    }
    // The test saw what it is about: groups that survived unacknowledged, and the whole script.
    assert!(states > 500 && whole > 0 && most == 27, "{states} states, {whole}, {most}");
}

#[test]
fn making_a_log_can_be_repeated_whenever_the_machine_stops() {
    let disk = FakeDisk::with_folders(&FOLDERS);
    drop(create(&disk).unwrap());
    for at in 0..disk.calls() {
        let disk = FakeDisk::with_folders(&FOLDERS);
        disk.set_fault(Some(Fault::Crash(at)));
        assert!(create(&disk).is_err());
        for survivor in disk.after_crash(subsets()) {
            match open(&survivor) {
                Ok((log, _)) => assert_eq!(log.tip().seq, 1),
                Err(Error::NotFound(_)) => assert_eq!(create(&survivor).unwrap().tip().seq, 1),
                Err(error) => panic!("crash before call {at}: {error}"),
            }
            check(&survivor, &Told::default(), &format!("made again after a crash before call {at}"));
        }
    }
}

#[test]
fn a_second_crash_in_recovery_loses_nothing_either() {
    let (made, calls) = made();
    let mut recoveries = 0;
    for at in 0..=calls {
        let disk = made.restart();
        disk.set_fault(Some(Fault::Crash(at)));
        let mut told = Told::default();
        if let Ok((mut log, _)) = open(&disk) {
            let _ = run(&mut log, &script(), &mut told);
        }
        for first in disk.after_crash(SUBSETS_TWICE) {
            let trial = first.restart();
            open(&trial).unwrap();
            for again in 0..trial.calls() {
                let disk = first.restart();
                disk.set_fault(Some(Fault::Crash(again)));
                assert!(open(&disk).is_err());
                for survivor in disk.after_crash(SUBSETS_TWICE) {
                    check(
                        &survivor,
                        &told,
                        &format!("crash before call {at}, then before {again} of recovery"),
                    );
                    recoveries += 1;
                }
            }
        }
    }
    assert!(recoveries > 1_000, "{recoveries}");
}

#[test]
fn every_call_may_fail_and_what_was_acknowledged_stays() {
    let (made, calls) = made();
    let faults: [fn(usize) -> Fault; 4] = [
        |at| Fault::Fail(at, ErrorKind::StorageFull),
        |at| Fault::Fail(at, ErrorKind::Other),
        Fault::ShortWrite,
        Fault::LateFailure,
    ];
    let (mut fatal, mut healed) = (0, 0);
    for at in 0..calls {
        for fault in faults {
            let disk = made.restart();
            disk.set_fault(Some(fault(at)));
            let mut told = Told::default();
            let Ok((mut log, _)) = open(&disk) else {
                check(&disk.restart(), &told, &format!("{fault:?} in recovery"));
                continue;
            };
            let mut stopped = false;
            for step in script() {
                // Every step is tried twice: the fault is gone then, unless it was fatal.
                let failed = run(&mut log, std::slice::from_ref(&step), &mut told).err();
                let Some(error) = failed else { continue };
                let again = run(&mut log, std::slice::from_ref(&step), &mut told);
                assert_eq!(again.is_err(), error.is_fatal(), "{fault:?}: {error}, then {again:?}");
                if error.is_fatal() {
                    assert!(matches!(again, Err(Error::Stopped(_))), "nothing is written after {error}");
                    stopped = true;
                    break;
                }
                healed += 1;
            }
            if stopped {
                fatal += 1;
                for survivor in disk.after_crash(SUBSETS_TWICE) {
                    check(&survivor, &told, &format!("{fault:?}, fatal"));
                }
            } else {
                assert_eq!(told.acknowledged.len(), 27, "{fault:?}");
            }
            check(&disk.restart(), &told, &format!("{fault:?}, restarted"));
        }
    }
    assert!(fatal > 10 && healed > 10, "{fatal} fatal, {healed} healed");
}

#[test]
fn a_group_whose_writing_failed_is_not_taken_for_a_loss() {
    let disk = made().0.restart();
    let mut log = open(&disk).unwrap().0;
    let mut told = Told::default();
    told.acknowledged.extend(log.record(&[drift("p-1", "x")]).unwrap());
    disk.set_fault(Some(Fault::LateFailure(disk.calls())));
    log.record(&[drift("p-2", "whole on the disk, and never acknowledged")]).unwrap_err();
    disk.set_fault(None);
    log.flush().unwrap();
    check(&disk.restart(), &told, "after the flush");
}
