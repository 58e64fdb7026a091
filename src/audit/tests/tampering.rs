//! Whatever is done to a log of 200 records, verifying says so, given a commit that was noted before.
//!
//! `TAMPER_STRIDE=1` flips every byte; without it a few hundred, spread evenly. Of every byte, one in a hundred is shown to
//! the whole of `verify`, the others to `git fsck` as `verify` calls it first: what that finds `verify` reports.

use std::path::{Path, PathBuf};

use provost_audit::allowed::AllowedSigners;
use provost_audit::verify::{Check, Options, verify};
use provost_audit::{CommitId, Kind, Log, Record, resolve};

use crate::kit::{World, at, drift, git, intent, outcome, records, try_git};

/// 200 records, a checkpoint every 50 of them.
fn written(world: &World) {
    let mut log = world.create();
    write_on(&mut log, 0..99, "team: engineering");
    log.flush().unwrap();
    let tip = log.tip();
    assert_eq!(tip.seq, 200);
}

fn write_on(log: &mut Log, rounds: std::ops::Range<usize>, content: &str) {
    for n in rounds {
        let subject = format!("p-{}", n % 20);
        if n % 25 == 24 {
            log.record(&[Record::new(Kind::Checkpoint, at(3), "checkpoint"), drift(&subject, content)])
                .unwrap();
            continue;
        }
        let seq = log.record(&[intent("op", &subject)]).unwrap()[0].seq;
        log.record(&[outcome(seq, "op", &subject, &format!("{content} {n}"))]).unwrap();
    }
    log.record(&[Record::new(Kind::Checkpoint, at(4), "checkpoint")]).unwrap();
}

fn options(world: &World, pins: Vec<CommitId>) -> Options {
    let keys = AllowedSigners::parse(&world.key().allowed_signers_line()).unwrap();
    Options { keys, pins, objects: true, ..Options::default() }
}

/// Whether anything is wrong with what the ref names: a log that cannot be read at all counts.
fn is_found(world: &World, repository: &Path, pins: &[CommitId]) -> bool {
    let Ok(Some(tip)) = resolve(repository, "refs/heads/provost/audit") else { return true };
    let report = verify(repository, tip, &options(world, pins.to_vec()), |_, _| {});
    report.map_or(true, |report| !report.findings.is_empty())
}

/// Whether git finds every object whole.
fn fsck(world: &World) -> bool {
    let arguments = ["fsck", "--strict", "--full", "--no-dangling", "--no-progress"];
    let output = try_git(&world.repository(), &arguments);
    output.status.success() && output.stdout.is_empty() && output.stderr.is_empty()
}

/// The files of the only pack and of everything else that holds the log.
fn packed(world: &World) -> Vec<PathBuf> {
    world.git(&["repack", "-adq"]);
    let packs = std::fs::read_dir(world.repository().join("objects/pack")).unwrap();
    packs
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pack"))
        .collect()
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let world = World::new();
    written(&world);
    let tip: CommitId = records(&world)[199].parse().unwrap();
    assert!(!is_found(&world, &world.repository(), &[tip]), "the log itself is well");
    let stride = std::env::var("TAMPER_STRIDE").ok().and_then(|stride| stride.parse().ok());
    for path in packed(&world) {
        let good = std::fs::read(&path).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        for place in (0..good.len()).step_by(stride.unwrap_or(good.len() / 150)) {
            let mut bad = good.clone();
            bad[place] ^= 1 << (place % 8);
            std::fs::write(&path, &bad).unwrap();
            let found = match stride {
                Some(1) if place % 101 != 0 => !fsck(&world),
                _ => is_found(&world, &world.repository(), &[tip]),
            };
            assert!(found, "byte {place} of {}", path.display());
            if stride.is_some() && place % 10_000 == 0 {
                println!("byte {place} of {}", good.len());
            }
        }
        println!("{} bytes", good.len());
        std::fs::write(&path, &good).unwrap();
    }
    assert!(!is_found(&world, &world.repository(), &[tip]), "all was put right");
}

/// Puts the log together again from these records' texts, each on top of the one before, and gives the new tip. What
/// they say, signatures included, stays.
fn put_together(world: &World, base: Option<&str>, texts: &[String]) -> String {
    let mut parent = base.map(str::to_owned);
    for text in texts {
        let body = text.lines().nth(1).filter(|line| line.starts_with("parent ")).map_or_else(
            || text.clone(),
            |old| match &parent {
                Some(parent) => text.replacen(old, &format!("parent {parent}"), 1),
                None => text.replacen(&format!("{old}\n"), "", 1),
            },
        );
        let file = world.folder.path().join("commit");
        std::fs::write(&file, body).unwrap();
        let id = world.git(&["hash-object", "--literally", "-t", "commit", "-w", &file.to_string_lossy()]);
        parent = Some(id.trim().to_owned());
    }
    parent.unwrap()
}

#[test]
fn a_record_that_was_dropped_swapped_or_cut_short_is_found() {
    let world = World::new();
    written(&world);
    let ids = records(&world);
    let tip: CommitId = ids[199].parse().unwrap();
    let texts: Vec<String> = ids.iter().map(|id| world.git(&["cat-file", "commit", id])).collect();
    // The last one without a pin would be a shorter, whole log.
    for place in (0..200_usize).step_by(if std::env::var("TAMPER_STRIDE").is_ok() { 1 } else { 23 }) {
        let base = place.checked_sub(1).map(|before| ids[before].as_str());
        let dropped = texts[place + 1..].to_vec();
        let mut swapped = texts[place..].to_vec();
        if swapped.len() > 1 {
            swapped.swap(0, 1);
        }
        let mut cut = texts[place..].to_vec();
        let half = cut[0].len() / 2;
        cut[0] = cut[0].chars().take(half).collect();
        for (what, changed) in [("dropped", dropped), ("swapped", swapped), ("cut", cut)] {
            if changed.is_empty() || (what == "swapped" && changed.len() < 2) {
                continue;
            }
            let tip_of_changed = put_together(&world, base, &changed);
            world.git(&["update-ref", "refs/heads/provost/audit", &tip_of_changed]);
            assert!(is_found(&world, &world.repository(), &[]), "record {place} {what}");
        }
        world.git(&["update-ref", "refs/heads/provost/audit", &ids[199]]);
    }
    for back in [1, 50, 199] {
        world.git(&["update-ref", "refs/heads/provost/audit", &format!("{tip}~{back}")]);
        assert!(is_found(&world, &world.repository(), &[tip]), "the tip moved back by {back}");
    }
}

#[test]
fn a_tail_that_a_thief_of_the_key_signed_anew_is_found_by_a_checkpoint() {
    let world = World::new();
    let mut log = world.create();
    write_on(&mut log, 0..30, "team: engineering");
    log.flush().unwrap();
    let thief = World::new();
    std::fs::copy(world.folder.path().join("key"), thief.folder.path().join("key")).unwrap();
    git(thief.folder.path(), &["init", "-q"]);
    let copied =
        std::process::Command::new("cp").arg("-a").args([world.state(), thief.state()]).status().unwrap();
    assert!(copied.success());
    write_on(&mut log, 30..99, "team: engineering");
    log.flush().unwrap();
    drop(log);
    let (mut stolen, _) = thief.open();
    write_on(&mut stolen, 30..99, "team: owners");
    stolen.flush().unwrap();
    let checkpoint: CommitId = world
        .git(&["log", "-1", "--format=%H", "--grep=^Kind: checkpoint$", "provost/audit"])
        .trim()
        .parse()
        .unwrap();
    assert!(!is_found(&thief, &thief.repository(), &[]), "it is whole in itself: that is the attack");
    let tip = resolve(&thief.repository(), "provost/audit").unwrap().unwrap();
    let report = verify(&thief.repository(), tip, &options(&thief, vec![checkpoint]), |_, _| {}).unwrap();
    assert!(report.findings.iter().all(|finding| finding.check == Check::Pin), "{report:?}");
    assert_eq!(report.findings.len(), 1);
    assert!(!try_git(&thief.repository(), &["cat-file", "-e", &checkpoint.to_string()]).status.success());
}
