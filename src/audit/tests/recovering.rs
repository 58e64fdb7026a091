//! A log that was left in any state is brought into order, and says what it found.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use provost_audit::{Error, JournalState, Log, Options, Thoroughness, account_path, maintain};

use crate::kit::{World, at, drift, intent, outcome, records, try_git};

#[test]
fn what_was_acknowledged_and_not_flushed_comes_back_with_the_same_ids() {
    let world = World::new();
    let mut log = world.create();
    let first = log.record(&[drift("p-1", "1")]).unwrap()[0];
    log.flush().unwrap();
    let acknowledged = log.record(&[drift("p-2", "2"), drift("p-1", "3")]).unwrap();
    drop(log);
    let (log, recovery) = world.open();
    assert_eq!(recovery.journal, JournalState::Replayed(2));
    assert_eq!(log.tip(), acknowledged[1]);
    assert_eq!(records(&world)[1..], [first, acknowledged[0], acknowledged[1]].map(|r| r.commit.to_string()));
    assert_eq!(log.read(account_path("forge", "p-1").as_str()).unwrap().unwrap(), b"3");
    world.git(&["fsck", "--strict"]);
    drop(log);
    assert_eq!(world.open().1.journal, JournalState::Clean);
}

#[test]
fn open_intents_are_reported_until_they_are_closed() {
    let world = World::new();
    let mut log = world.create();
    let closed = log.record(&[intent("op-0", "p-0")]).unwrap()[0].seq;
    let mut batch = intent("op-1", "p-1");
    batch.items.extend(intent("op-2", "p-2").items);
    let seq = log.record(&[batch]).unwrap()[0].seq;
    log.record(&[outcome(seq, "op-1", "p-1", "x"), outcome(closed, "op-0", "p-0", "x")]).unwrap();
    for n in 0..20 {
        log.record(&[drift("p-9", &n.to_string())]).unwrap();
    }
    log.flush().unwrap();
    let before = log.open_intents().unwrap();
    drop(log);
    let (mut log, recovery) = world.open();
    assert_eq!(recovery.open, before);
    let open = &recovery.open[..];
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].seq, &*open[0].operation, &*open[0].subject), (seq, "op-2", "p-2"));
    assert_eq!(open[0].not_after, at(61));
    assert_eq!(open[0].call["grant"], "engineering");
    log.record(&[outcome(seq, "op-2", "p-2", "x")]).unwrap();
    drop(log);
    assert!(world.open().1.open.is_empty());
}

#[test]
fn the_state_folder_is_private_and_the_log_moves_between_threads() {
    let world = World::new();
    let mut log = world.create();
    let mode = std::fs::metadata(world.state()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let tip = std::thread::spawn(move || log.record(&[drift("p-1", "x")]).unwrap()[0]).join().unwrap();
    assert_eq!(world.open().0.tip(), tip);
}

#[test]
fn a_second_opener_is_refused_and_told_who_holds_the_log() {
    let world = World::new();
    let log = world.create();
    let error = Log::open(&world.state(), world.key(), at(1)).err().unwrap();
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(log);
    assert!(matches!(Log::create(&world.state(), world.key(), crate::kit::genesis()), Err(Error::Exists(_))));
    world.open();
}

#[test]
fn a_writer_whose_lock_file_was_removed_stops() {
    let world = World::new();
    let mut log = world.create();
    std::fs::remove_file(world.state().join("lock")).unwrap();
    let error = log.record(&[drift("p-1", "x")]).unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert!(matches!(log.record(&[drift("p-1", "x")]), Err(Error::Stopped(_))));
    assert!(matches!(log.flush(), Err(Error::Stopped(_))));
}

#[test]
fn a_torn_tail_of_the_journal_is_what_was_never_acknowledged() {
    let world = World::new();
    let mut log = world.create();
    let kept = log.record(&[drift("p-1", "kept")]).unwrap()[0];
    let journal = world.state().join("journal");
    let before = std::fs::read(&journal).unwrap();
    log.record(&[drift("p-2", "torn")]).unwrap();
    drop(log);
    let after = std::fs::read(&journal).unwrap();
    let changed: Vec<_> = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
    let (start, end) = (changed[0], *changed.last().unwrap());
    for cut in [start + 1, (start + end) / 2, end] {
        let mut torn = before.clone();
        torn[start..cut].copy_from_slice(&after[start..cut]);
        std::fs::write(&journal, &torn).unwrap();
        let (log, recovery) = world.open();
        assert_eq!(log.tip(), kept, "cut at {cut}");
        assert_ne!(recovery.journal, JournalState::Lost);
    }
}

#[test]
fn damage_in_front_of_an_acknowledged_group_is_a_break() {
    let world = World::new();
    let mut log = world.create();
    let seq = log.record(&[intent("op", "p-1")]).unwrap()[0].seq;
    log.flush().unwrap();
    log.record(&[drift("p-1", "lost")]).unwrap();
    log.record(&[drift("p-2", "lost as well")]).unwrap();
    drop(log);
    let file = std::fs::OpenOptions::new().write(true).open(world.state().join("journal")).unwrap();
    file.write_all_at(b"damage", 4096 + 200).unwrap();
    let (log, recovery) = world.open();
    assert_eq!(recovery.journal, JournalState::Lost);
    assert_eq!(recovery.open[0].seq, seq);
    assert_eq!(log.tip().seq, 3);
    let kind = world.git(&["log", "-1", "--format=%(trailers:key=Kind,valueonly)", "provost/audit"]);
    assert_eq!(kind.trim(), "break");
    assert!(world.state().join("journal.damaged").exists());
    drop(log);
    assert_eq!(world.open().1.journal, JournalState::Clean);
}

#[test]
fn a_missing_or_headless_journal_is_a_break() {
    let world = World::new();
    drop(world.create());
    let journal = world.state().join("journal");
    std::fs::remove_file(&journal).unwrap();
    assert_eq!(world.open().1.journal, JournalState::Lost);
    std::fs::write(&journal, b"nonsense").unwrap();
    assert_eq!(world.open().1.journal, JournalState::Lost);
    assert_eq!(records(&world).len(), 3);
    world.git(&["fsck", "--strict"]);
}

#[test]
fn a_ref_that_somebody_moved_is_refused() {
    let world = World::new();
    let mut log = world.create();
    log.record(&[drift("p-1", "1")]).unwrap();
    log.flush().unwrap();
    log.record(&[drift("p-1", "2")]).unwrap();
    world.git(&["update-ref", "refs/heads/provost/audit", "provost/audit~1"]);
    assert!(matches!(log.flush(), Err(Error::RefMoved { .. })));
    drop(log);
    assert!(matches!(Log::open(&world.state(), world.key(), at(1)), Err(Error::RefMoved { .. })));
}

#[test]
fn a_full_journal_keeps_its_reserve_for_priority_records() {
    let world = World::new();
    let mut log = world.create_with(Options { journal: 256 << 10 });
    let intents: Vec<_> =
        (0..40).map(|n| log.record(&[intent("op", &format!("p-{n}"))]).unwrap()[0].seq).collect();
    log.flush().unwrap();
    // A flush that cannot write its pack: the folder is gone, as good as a full disk for what is tested.
    let packs = world.repository().join("objects/pack");
    let aside = world.repository().join("objects/aside");
    std::fs::rename(&packs, &aside).unwrap();
    std::fs::write(&packs, b"").unwrap();
    let mut refused = None;
    for n in 0..2_000 {
        if let Err(error) = log.record(&[drift("p-x", &n.to_string())]) {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(Error::Full { reserved: true, .. })), "{refused:?}");
    log.record(&[outcome(intents[1], "op", "p-1", "x")]).unwrap();
    std::fs::remove_file(&packs).unwrap();
    std::fs::rename(&aside, &packs).unwrap();
    // Healed: everything goes on by itself, and nothing that was acknowledged is lost.
    let tip = log.tip();
    log.record(&[outcome(intents[0], "op", "p-0", "x")]).unwrap();
    log.record(&[drift("p-y", "goes on")]).unwrap();
    assert_eq!(log.flush().unwrap().seq, tip.seq + 2);
    world.git(&["fsck", "--strict"]);
}

#[test]
fn a_group_larger_than_the_journal_is_taken() {
    let world = World::new();
    let mut log = world.create_with(Options { journal: 64 << 10 });
    let mut adopt = provost_audit::Record::new(provost_audit::Kind::Adopt, at(1), "adopt forge");
    adopt.changes = (0..3_000)
        .map(|n| (account_path("forge", &format!("p-{n}")), Some(format!("account {n}").into_bytes())))
        .collect();
    let adopted = log.record(&[adopt]).unwrap()[0];
    drop(log);
    let (mut log, _) = world.open();
    assert_eq!(log.tip(), adopted);
    log.record(&[drift("p-1", "x")]).unwrap();
    log.flush().unwrap();
    world.git(&["fsck", "--strict"]);
    assert!(std::fs::metadata(world.state().join("journal")).unwrap().len() <= 64 << 10);
}

#[test]
fn leftovers_of_a_crash_are_cleared_and_those_of_others_kept() {
    let world = World::new();
    drop(world.create());
    let packs = world.repository().join("objects/pack");
    let lock = world.repository().join("refs/heads/provost/audit.lock");
    std::fs::write(packs.join("incoming.pack"), b"half").unwrap();
    std::fs::write(packs.join("pack-1.keep"), b"").unwrap();
    std::fs::write(packs.join("pack-2.keep"), b"the operator's").unwrap();
    std::fs::write(&lock, b"").unwrap();
    let (mut log, _) = world.open();
    assert!(!packs.join("incoming.pack").exists() && !packs.join("pack-1.keep").exists());
    assert!(packs.join("pack-2.keep").exists() && !lock.exists());
    log.record(&[drift("p-1", "x")]).unwrap();
    log.flush().unwrap();
}

#[test]
fn git_may_pack_and_collect_at_any_time() {
    let world = World::new();
    let mut log = world.create();
    for n in 0..12 {
        log.record(&[drift(&format!("p-{n}"), "x"), drift("p-0", &n.to_string())]).unwrap();
        if n % 2 == 0 {
            log.flush().unwrap();
        }
        let arguments: &[&str] = match n % 4 {
            0 => &["gc", "-q", "--prune=now"],
            1 => &["pack-refs", "--all"],
            2 => &["repack", "-adq"],
            _ => &["prune", "--expire=now"],
        };
        world.git(arguments);
    }
    log.flush().unwrap();
    assert_eq!(log.read(account_path("forge", "p-0").as_str()).unwrap().unwrap(), b"11");
    let fsck = try_git(&world.repository(), &["fsck", "--strict"]);
    assert!(fsck.status.success(), "{fsck:?}");
    drop(log);
    assert_eq!(world.open().0.tip().seq, 25);
}

#[test]
fn maintenance_leaves_few_packs_and_does_not_disturb_the_writer() {
    let world = World::new();
    let mut log = world.create();
    let packs = || {
        let text = world.git(&["count-objects", "-v"]);
        text.lines().find_map(|line| line.strip_prefix("packs: ")?.parse::<usize>().ok()).unwrap()
    };
    for thoroughness in [Thoroughness::Join, Thoroughness::Repack] {
        for n in 0..12 {
            log.record(&[drift("p-1", &format!("{thoroughness:?} {n}"))]).unwrap();
            log.flush().unwrap();
        }
        log.record(&[drift("p-2", "pending")]).unwrap();
        assert!(packs() > 12);
        maintain(&world.repository(), thoroughness).unwrap();
        assert!(packs() <= 3, "{}", packs());
        assert!(log.read(account_path("forge", "p-1").as_str()).unwrap().unwrap().ends_with(b" 11"));
        log.record(&[drift("p-1", "goes on")]).unwrap();
        log.flush().unwrap();
    }
    let fsck = try_git(&world.repository(), &["fsck", "--strict"]);
    assert!(fsck.status.success(), "{fsck:?}");
    drop(log);
    assert_eq!(world.open().0.tip().seq, 29);
}

#[test]
fn a_repository_of_another_format_is_refused() {
    let world = World::new();
    drop(world.create());
    std::fs::remove_dir_all(world.repository()).unwrap();
    let made = try_git(&world.state(), &["init", "-q", "--bare", "--object-format=sha256", "provost.git"]);
    assert!(made.status.success());
    assert!(matches!(Log::open(&world.state(), world.key(), at(1)), Err(Error::Repository { .. })));
    assert!(matches!(
        Log::open(&world.folder.path().join("nowhere"), world.key(), at(1)),
        Err(Error::NotFound(_))
    ));
}
