//! What is recorded is git, signed, chained, and cannot be forged by what it is about.

use provost_audit::{Error, Kind, Options, OutcomeResult, Record, TreePath, account_path, parse_message};
use serde_json::json;
use sha2::Digest as _;

use crate::kit::{World, at, drift, git, intent, outcome, records, try_git};

#[test]
fn git_accepts_what_is_recorded() {
    let world = World::new();
    let mut log = world.create();
    for n in 0..30 {
        let subject = format!("p-{n}");
        let seq = log.record(&[intent("op", &subject)]).unwrap()[0].seq;
        log.record(&[outcome(seq, "op", &subject, "{\"team\": \"engineering\"}")]).unwrap();
        if n % 7 == 0 {
            log.flush().unwrap();
        }
    }
    let tip = log.flush().unwrap();
    assert_eq!(tip.seq, 61);
    assert_eq!(records(&world).len(), 61);
    assert_eq!(world.git(&["rev-parse", "provost/audit"]).trim(), tip.commit.to_string());

    let fsck = try_git(&world.repository(), &["fsck", "--strict", "--no-dangling"]);
    assert!(fsck.status.success() && fsck.stdout.is_empty(), "{fsck:?}");
    for pack in std::fs::read_dir(world.repository().join("objects/pack")).unwrap() {
        let path = pack.unwrap().path();
        assert!(!path.to_string_lossy().ends_with(".keep"), "{path:?} was left");
        if path.extension().is_some_and(|extension| extension == "idx") {
            world.git(&["verify-pack", &path.to_string_lossy()]);
        }
    }
    let signers = format!("gpg.ssh.allowedSignersFile={}", world.allowed_signers().display());
    for id in records(&world) {
        world.git(&["-c", "gpg.format=ssh", "-c", &signers, "verify-commit", &id]);
    }
}

#[test]
fn the_history_of_a_target_reads_as_a_history_of_access() {
    let world = World::new();
    let mut log = world.create();
    log.record(&[drift("p-1", "team: none\n"), drift("p-2", "team: none\n")]).unwrap();
    let seq = log.record(&[intent("op-1", "p-1")]).unwrap()[0].seq;
    log.record(&[outcome(seq, "op-1", "p-1", "team: engineering")]).unwrap();
    log.flush().unwrap();

    let path = account_path("forge", "p-1");
    let text = world.git(&["log", "-p", "--format=%s", "provost/audit", "--", "live/forge"]);
    let newest = text.split("drift on forge").next().unwrap();
    assert!(newest.starts_with("grant team engineering on forge to p-1\n"), "{newest}");
    assert!(newest.contains("-team: none\n+team: engineering\n"), "{newest}");
    assert!(newest.contains(path.as_str()), "{newest}");
    let blame = world.git(&["blame", "-s", "provost/audit", "--", path.as_str()]);
    assert!(blame.contains("team: engineering"));

    let trailers = world.git(&["log", "-1", "--format=%(trailers:only,unfold)", "provost/audit"]);
    let names: Vec<_> = trailers.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    assert_eq!(names, ["Kind", "Seq", "Volume", "Operation", "Intent", "Target", "Subject", "Prev"]);
}

#[test]
fn a_clone_and_libgit2_read_the_log() {
    let world = World::new();
    let mut log = world.create();
    log.record(&[drift("p-1", "here")]).unwrap();
    let tip = log.flush().unwrap();

    let clone = world.folder.path().join("clone");
    git(world.folder.path(), &["clone", "-q", &world.repository().to_string_lossy(), "clone"]);
    let file = clone.join(account_path("forge", "p-1").as_str());
    assert_eq!(std::fs::read_to_string(file).unwrap(), "here");

    let repository = git2::Repository::open(world.repository()).unwrap();
    let commit = repository.find_reference(provost_audit::REF).unwrap().peel_to_commit().unwrap();
    assert_eq!(commit.id().to_string(), tip.commit.to_string());
    assert!(commit.summary().unwrap().unwrap().contains("drift on forge"));
    assert_eq!(repository.head().unwrap().target(), Some(commit.id()));
}

#[test]
fn every_record_holds_the_hash_of_the_one_before() {
    let world = World::new();
    let mut log = world.create();
    log.record(&[drift("p-1", "1"), drift("p-1", "2")]).unwrap();
    log.record(&[drift("p-1", "3")]).unwrap();
    log.flush().unwrap();
    let mut before: Option<String> = None;
    for (n, id) in records(&world).iter().enumerate() {
        let object = try_git(&world.repository(), &["cat-file", "commit", id]).stdout;
        let message = world.git(&["log", "-1", "--format=%B", id]);
        let message = parse_message(message.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(message.prev, before);
        assert_eq!(message.seq, n as u64 + 1);
        let digest = sha2::Sha256::digest(&object);
        before = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
    }
}

#[test]
fn nothing_hostile_becomes_a_trailer_or_a_terminal_sequence() {
    let world = World::new();
    let mut log = world.create();
    let hostile = "x\n\nKind: genesis\nSeq: 99\u{202e}\u{1b}[2J\u{9b}31m";
    let mut record = Record::new(Kind::Drift, at(5), hostile);
    record.subject = Some(hostile.to_owned());
    record.target = Some("a b\tc".to_owned());
    record.evidence = Some("ü".repeat(500));
    record.body = json!({"name": hostile});
    log.record(&[record]).unwrap();
    log.flush().unwrap();

    let text = world.git(&["log", "-1", "--format=%B", "provost/audit"]);
    assert!(!text.contains(['\u{202e}', '\u{1b}', '\u{9b}']), "{text:?}");
    let trailers = world.git(&["log", "-1", "--format=%(trailers:only)", "provost/audit"]);
    assert_eq!(trailers.matches("Kind: ").count(), 1);
    let message = parse_message(text.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!((message.kind, message.seq), (Kind::Drift, 2));
    assert_eq!(message.body().unwrap()["name"], hostile);
    assert_eq!(provost_audit::decode_label(message.subject.as_deref().unwrap()), hostile);
    assert!(message.evidence.unwrap().len() <= 200);
}

#[test]
fn names_of_a_target_cannot_leave_their_place_in_the_tree() {
    let names = [
        "",
        ".",
        "..",
        "../../etc/passwd",
        ".git",
        ".GIT",
        "git~1",
        "a/b",
        "a\\b",
        "CON",
        "con",
        "nul",
        "COM1",
        "a\0b",
        "Ada Öse",
        "ada",
        "ADA",
        "%41da",
        " ",
        "-rf",
        "a\nb",
        "\u{202e}",
    ];
    let long = "x".repeat(5_000);
    let almost = "x".repeat(4_999);
    let mut paths: Vec<_> =
        names.iter().copied().chain([&*long, &*almost]).map(|name| account_path(name, name)).collect();
    for path in &paths {
        assert_eq!(TreePath::new(path.as_str()).as_ref(), Ok(path));
        assert_eq!(path.as_str().split('/').count(), 6, "{path}");
    }
    let world = World::new();
    let mut log = world.create();
    let mut record = Record::new(Kind::Adopt, at(5), "adopt");
    record.changes = paths.iter().map(|path| (path.clone(), Some(b"x".to_vec()))).collect();
    log.record(&[record]).unwrap();
    log.flush().unwrap();
    world.git(&["fsck", "--strict"]);
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), names.len() + 2, "two names share a path");
    // A cut name cannot be met by a name that spells it out.
    let cut = provost_audit::encode_component(&long);
    assert_ne!(provost_audit::encode_component(&cut), cut);
}

#[test]
fn a_path_outside_of_the_alphabet_is_refused() {
    for path in [
        "",
        "/a",
        "a/",
        "a//b",
        "A",
        "a b",
        "a/.git",
        "..",
        "a/../b",
        "ü",
        "a\0",
        &"a/".repeat(40),
        &"a".repeat(300),
    ] {
        assert!(TreePath::new(path).is_err(), "{path:?}");
    }
}

#[test]
fn an_outcome_needs_an_open_intent_and_comes_once() {
    let world = World::new();
    let mut log = world.create();
    assert!(matches!(log.record(&[outcome(1, "op", "p-1", "x")]), Err(Error::Record { .. })));
    let seq = log.record(&[intent("op", "p-1")]).unwrap()[0].seq;
    assert!(matches!(log.record(&[outcome(seq, "other", "p-1", "x")]), Err(Error::Record { .. })));
    log.record(&[outcome(seq, "op", "p-1", "x")]).unwrap();
    assert!(matches!(log.record(&[outcome(seq, "op", "p-1", "x")]), Err(Error::Record { .. })));
    assert!(log.open_intents().unwrap().is_empty());

    // An unknown outcome is settled once, and by nothing else.
    let seq = log.record(&[intent("op", "p-1")]).unwrap()[0].seq;
    let mut unknown = outcome(seq, "op", "p-1", "x");
    unknown.kind = Kind::Outcome(OutcomeResult::Unknown);
    log.record(&[unknown]).unwrap();
    assert!(log.open_intents().unwrap()[0].unknown);
    assert!(log.record(&[outcome(seq, "op", "p-1", "x")]).is_err());
    let mut settled = outcome(seq, "op", "p-1", "x");
    settled.kind = Kind::Settled;
    log.record(&[settled.clone()]).unwrap();
    assert!(log.record(&[settled]).is_err());
    assert!(log.open_intents().unwrap().is_empty());
}

#[test]
fn a_refused_group_leaves_nothing_behind() {
    let world = World::new();
    let mut log = world.create();
    let good = log.record(&[drift("p-1", "good")]).unwrap()[0];
    let seq_before = log.tip();
    let group = [intent("op", "p-1"), drift("p-1", "bad"), outcome(99, "op", "p-1", "x")];
    assert!(matches!(log.record(&group), Err(Error::Record { .. })));
    assert_eq!(log.tip(), seq_before);
    assert!(log.open_intents().unwrap().is_empty());
    let path = account_path("forge", "p-1");
    assert_eq!(log.read(path.as_str()).unwrap().unwrap(), b"good");
    let next = log.record(&[drift("p-2", "next")]).unwrap()[0];
    assert_eq!(next.seq, good.seq + 1);
    log.flush().unwrap();
    world.git(&["fsck", "--strict"]);
}

#[test]
fn a_kind_decides_what_a_record_may_change() {
    let world = World::new();
    let mut log = world.create();
    for kind in [Kind::Intent, Kind::Checkpoint, Kind::Refused, Kind::Rules] {
        let mut record = if kind == Kind::Intent { intent("op", "p") } else { Record::new(kind, at(1), "x") };
        record.changes = vec![(account_path("forge", "p-1"), Some(b"x".to_vec()))];
        assert!(matches!(log.record(&[record]), Err(Error::Record { .. })), "{kind:?}");
    }
    for kind in [Kind::Genesis, Kind::Volume, Kind::Break] {
        assert!(log.record(&[Record::new(kind, at(1), "x")]).is_err());
    }
    let mut rules = Record::new(Kind::Rules, at(1), "rules in force");
    rules.changes = vec![(TreePath::new("rules/role/engineer.json").unwrap(), Some(b"{}".to_vec()))];
    log.record(&[rules]).unwrap();
}

#[test]
fn a_year_is_a_volume_chained_to_the_one_before() {
    let world = World::new();
    let mut log = world.create();
    let last = log.record(&[drift("p-1", "the old year")]).unwrap()[0];
    let mut later = [drift("p-1", "the new year"), drift("p-1", "and on")];
    later.iter_mut().for_each(|record| record.at = at(200 * 86_400));
    let recorded = log.record(&later).unwrap();
    assert_eq!(recorded.len(), 2, "the caller hears of its own records only");
    // A clock that goes back begins nothing.
    log.record(&[drift("p-1", "back")]).unwrap();
    log.record(&later).unwrap();
    drop(log);
    let (log, _) = world.open();
    let said = world.git(&[
        "log",
        "--reverse",
        "--format=%(trailers:key=Kind,valueonly,separator=) %(trailers:key=Volume,valueonly,separator=)",
    ]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        ["genesis 1", "drift 1", "volume 2", "drift 2", "drift 2", "drift 2", "drift 2", "drift 2"]
    );
    let body = world.git(&["log", "-1", "--format=%B", "--grep=^Seq: 3$"]);
    assert!(
        body.contains(&last.commit.to_string()) && body.contains(&log.installation().to_string()),
        "{body}"
    );
}

#[test]
fn a_thousand_records_are_one_group() {
    let world = World::new();
    let mut log = world.create_with(Options { journal: 16 << 20 });
    let group: Vec<_> = (0..1_000).map(|n| drift(&format!("p-{}", n % 50), &format!("value {n}"))).collect();
    let recorded = log.record(&group).unwrap();
    assert_eq!(recorded.len(), 1_000);
    let error = log.record(&vec![drift("p", "x"); 1_001]).unwrap_err();
    assert!(matches!(error, Error::GroupTooLarge(1_001)));
    log.flush().unwrap();
    world.git(&["fsck", "--strict"]);
    assert_eq!(world.git(&["rev-list", "--count", "provost/audit"]).trim(), "1001");
}

#[test]
fn files_can_be_removed_and_folders_end_with_their_last_file() {
    let world = World::new();
    let mut log = world.create();
    let path = account_path("forge", "p-1");
    log.record(&[drift("p-1", "x")]).unwrap();
    log.flush().unwrap();
    let mut gone = drift("p-1", "");
    gone.changes = vec![(path.clone(), None), (account_path("tickets", "nobody"), None)];
    log.record(&[gone]).unwrap();
    assert_eq!(log.read(path.as_str()).unwrap(), None);
    log.flush().unwrap();
    assert_eq!(world.git(&["ls-tree", "-r", "provost/audit", "live"]), "");
    world.git(&["fsck", "--strict"]);
    log.record(&[drift("p-1", "again")]).unwrap();
    log.flush().unwrap();
    assert_eq!(world.git(&["ls-tree", "-r", "--name-only", "provost/audit", "live"]).trim(), path.as_str());
}
