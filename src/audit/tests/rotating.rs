//! A key hands over to another in the log itself, and whoever trusts the first can follow.

use provost_audit::allowed::AllowedSigners;
use provost_audit::key::SigningKey;
use provost_audit::verify::{Check, Options, Report, verify};
use provost_audit::{Error, Kind, Log, Record, resolve};

use crate::kit::{World, at, drift, git};

fn second_key(world: &World) -> SigningKey {
    SigningKey::load_or_generate(&world.folder.path().join("second-key")).unwrap()
}

/// Three records by the first key, the handover, and two by the second.
fn rotated(world: &World) {
    let mut log = world.create();
    log.record(&[drift("p-1", "a"), drift("p-1", "b")]).unwrap();
    log.rotate(second_key(world), at(5)).unwrap();
    log.record(&[drift("p-1", "c"), drift("p-1", "d")]).unwrap();
    log.flush().unwrap();
}

fn check(world: &World, keys: &[&SigningKey]) -> Report {
    let lines: String = keys.iter().map(|key| key.allowed_signers_line() + "\n").collect();
    let options = Options { keys: AllowedSigners::parse(&lines).unwrap(), ..Options::default() };
    let tip = resolve(&world.repository(), "provost/audit").unwrap().unwrap();
    verify(&world.repository(), tip, &options, |_, _| {}).unwrap()
}

#[test]
fn whoever_trusts_the_first_key_can_follow_to_the_second() {
    let world = World::new();
    rotated(&world);
    let report = check(&world, &[&world.key()]);
    assert_eq!((report.records, report.findings), (6, vec![]));
    assert_eq!(
        world.git(&["show", "provost/audit:signing-key.pub"]).trim(),
        second_key(&world).public_line(),
        "the tree says which key signs"
    );
    // Git, which knows nothing of the handover, wants both keys.
    let signers = world.folder.path().join("both");
    let lines = [world.key(), second_key(&world)].map(|key| key.allowed_signers_line() + "\n").concat();
    std::fs::write(&signers, lines).unwrap();
    let setting = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    let said = git(&world.repository(), &["-c", "gpg.format=ssh", "-c", &setting, "log", "--format=%G?"]);
    assert!(said.lines().all(|line| line == "G"), "{said}");
}

#[test]
fn the_second_key_alone_does_not_vouch_for_what_was_before_it() {
    let world = World::new();
    rotated(&world);
    let report = check(&world, &[&second_key(&world)]);
    let bad: Vec<Check> = report.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(bad, [Check::Signature; 4]);
}

#[test]
fn the_key_before_opens_the_log_no_more() {
    let world = World::new();
    rotated(&world);
    let refused = Log::open(&world.state(), world.key(), at(9)).err().unwrap();
    assert!(matches!(refused, Error::OtherKey { .. }), "{refused}");
    let (mut log, _) = Log::open(&world.state(), second_key(&world), at(9)).unwrap();
    log.record(&[drift("p-2", "e")]).unwrap();
    log.flush().unwrap();
    assert_eq!(check(&world, &[&world.key()]).findings, []);
}

#[test]
fn a_key_that_took_over_without_a_record_is_found_though_it_is_allowed() {
    let world = World::new();
    let mut log = world.create();
    log.record(&[drift("p-1", "a")]).unwrap();
    log.flush().unwrap();
    drop(log);
    // A thief of both keys writes a record with the one whose turn it is not: as a commit on top, with git.
    let folder = world.folder.path();
    git(folder, &["clone", "-q", "--bare", &world.repository().to_string_lossy(), "clone.git"]);
    let clone = folder.join("clone.git");
    let text = git(&clone, &["cat-file", "commit", "provost/audit"]);
    let second = folder.join("second-key");
    second_key(&world);
    let parent = git(&clone, &["rev-parse", "provost/audit"]);
    let message = text.split_once("\n\n").unwrap().1.replace("Seq: 2", "Seq: 3");
    std::fs::write(folder.join("message"), message).unwrap();
    let who = "provost <audit@provost.invalid>";
    let output = std::process::Command::new("git")
        .arg("-C")
        .arg(&clone)
        .args(["-c", "gpg.format=ssh", "-c", &format!("user.signingKey={}", second.display())])
        .args(["commit-tree", "-S", "-p", parent.trim(), "-F"])
        .arg(folder.join("message"))
        .arg("provost/audit^{tree}")
        .envs([("GIT_AUTHOR_NAME", "provost"), ("GIT_COMMITTER_NAME", "provost")])
        .envs([
            ("GIT_AUTHOR_EMAIL", "audit@provost.invalid"),
            ("GIT_COMMITTER_EMAIL", "audit@provost.invalid"),
        ])
        .envs([("GIT_AUTHOR_DATE", "1790000009 +0000"), ("GIT_COMMITTER_DATE", "1790000009 +0000")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{who}: {}", String::from_utf8_lossy(&output.stderr));
    let tip = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let lines = [world.key(), second_key(&world)].map(|key| key.allowed_signers_line() + "\n").concat();
    let options = Options { keys: AllowedSigners::parse(&lines).unwrap(), ..Options::default() };
    let report = verify(&clone, tip, &options, |_, _| {}).unwrap();
    let found = report.findings.iter().any(|finding| {
        finding.commit == Some(tip)
            && finding.check == Check::Signature
            && finding.message.contains("another key")
    });
    assert!(found, "{report:?}");
}

#[test]
fn nobody_else_writes_a_handover() {
    let world = World::new();
    let mut log = world.create();
    let record = Record::new(Kind::Key, at(1), "a key of mine");
    assert!(matches!(log.record(&[record]), Err(Error::Record { .. })));
}
