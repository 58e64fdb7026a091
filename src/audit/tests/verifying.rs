//! Verifying finds what was done to a log, and agrees with git about the rest.

use std::collections::BTreeSet;
use std::path::Path;

use provost_audit::allowed::AllowedSigners;
use provost_audit::key::SigningKey;
use provost_audit::verify::{Check, Options, Report, verify};
use provost_audit::{CommitId, Kind, Record, resolve};

use crate::kit::{World, at, drift, git, intent, outcome, records, try_git};

/// A log of 24 records: batches, outcomes, a volume, something open.
fn written(world: &World) {
    let mut log = world.create();
    for n in 0..6 {
        let subject = format!("p-{n}");
        let seq = log.record(&[intent("op", &subject)]).unwrap()[0].seq;
        log.record(&[outcome(seq, "op", &subject, "team: engineering")]).unwrap();
        log.record(&[drift(&subject, &n.to_string())]).unwrap();
    }
    // A year later: a volume record comes first by itself.
    log.record(&[Record::new(Kind::Checkpoint, at(NEXT_YEAR), "checkpoint")]).unwrap();
    log.record(&[drift("p-1", "x"), intent("open", "p-9"), drift("p-1", "y")]).unwrap();
    log.flush().unwrap();
}

/// Seconds from the tests' day into the next year.
const NEXT_YEAR: i64 = 200 * 86_400;

fn keys(world: &World) -> AllowedSigners {
    AllowedSigners::parse(&std::fs::read_to_string(world.allowed_signers()).unwrap()).unwrap()
}

fn check(world: &World, repository: &Path, options: Options) -> Report {
    let tip = resolve(repository, "refs/heads/provost/audit").unwrap().unwrap();
    verify(repository, tip, &Options { keys: keys(world), ..options }, |_, _| {}).unwrap()
}

fn checks(report: &Report) -> BTreeSet<Check> {
    report.findings.iter().map(|finding| finding.check).collect()
}

#[test]
fn a_log_as_it_was_written_has_no_findings() {
    let world = World::new();
    written(&world);
    let ids = records(&world);
    let pins = vec![ids[3].parse().unwrap(), ids[23].parse().unwrap()];
    let report = check(&world, &world.repository(), Options { pins, objects: true, ..Options::default() });
    assert_eq!(report.findings, []);
    assert_eq!((report.records, report.range), (24, Some((1, 24))));
    assert_eq!(report.open.len(), 1);
    assert_eq!(report.open[0].operation, "open");

    let from: CommitId = ids[9].parse().unwrap();
    let report = check(&world, &world.repository(), Options { from: Some(from), ..Options::default() });
    assert_eq!(report.findings, []);
    assert_eq!(report.range, Some((11, 24)));
}

#[test]
fn progress_ends_with_all_records() {
    let world = World::new();
    written(&world);
    let tip = resolve(&world.repository(), "provost/audit").unwrap().unwrap();
    let mut last = (0, 0);
    verify(&world.repository(), tip, &Options::default(), |done, total| last = (done, total)).unwrap();
    assert_eq!(last, (24, 24));
}

#[test]
fn a_key_that_is_not_allowed_is_a_finding_at_every_record() {
    let world = World::new();
    written(&world);
    let tip = resolve(&world.repository(), "provost/audit").unwrap().unwrap();
    let other = SigningKey::random().unwrap();
    for line in [
        other.allowed_signers_line(),
        world.key().allowed_signers_line().replace("\"git\"", "\"file\""),
        world.key().allowed_signers_line().replace("namespaces", "valid-before=\"20200101Z\",namespaces"),
    ] {
        let options = Options { keys: AllowedSigners::parse(&line).unwrap(), ..Options::default() };
        let report = verify(&world.repository(), tip, &options, |_, _| {}).unwrap();
        assert_eq!(report.findings.len(), 24, "{line}");
        assert_eq!(checks(&report), [Check::Signature].into());
    }
}

#[test]
fn a_log_that_was_cut_off_is_found_by_a_pin() {
    let world = World::new();
    written(&world);
    let pin: CommitId = records(&world)[23].parse().unwrap();
    world.git(&["update-ref", "refs/heads/provost/audit", "provost/audit~3"]);
    let report = check(&world, &world.repository(), Options::default());
    assert_eq!(report.findings, [], "a shorter log is a whole log to whoever has no pin");
    let report = check(&world, &world.repository(), Options { pins: vec![pin], ..Options::default() });
    assert_eq!(checks(&report), [Check::Pin].into());
}

/// Writes the log anew from record `from` on, each commit's text as `change` gives it (`None`: dropped), and with the
/// parents put right. Signatures stay what they were.
fn rewrite(world: &World, from: usize, mut change: impl FnMut(usize, String) -> Option<String>) {
    let ids = records(world);
    let mut parent = ids[from - 1].clone();
    for (n, id) in ids.iter().enumerate().skip(from) {
        let text = world.git(&["cat-file", "commit", id]);
        let Some(text) = change(n, text) else { continue };
        let old = text.lines().nth(1).unwrap().to_owned();
        let text = text.replace(&old, &format!("parent {parent}"));
        let file = world.folder.path().join("commit");
        std::fs::write(&file, text).unwrap();
        let id = world.git(&["hash-object", "--literally", "-t", "commit", "-w", &file.to_string_lossy()]);
        parent = id.trim().to_owned();
    }
    world.git(&["update-ref", "refs/heads/provost/audit", &parent]);
}

#[test]
fn a_dropped_record_is_found() {
    let world = World::new();
    written(&world);
    rewrite(&world, 5, |n, text| (n != 5).then_some(text));
    let found = checks(&check(&world, &world.repository(), Options::default()));
    assert!(found.is_superset(&[Check::Signature, Check::Sequence, Check::Chain].into()), "{found:?}");
}

#[test]
fn a_changed_word_is_found() {
    let world = World::new();
    written(&world);
    rewrite(&world, 8, |n, text| {
        Some(if n == 8 { text.replace("engineering", "operations!") } else { text })
    });
    let report = check(&world, &world.repository(), Options::default());
    assert!(checks(&report).is_superset(&[Check::Signature, Check::Chain].into()), "{report:?}");
    // Git says the same of it.
    let changed = world.git(&["rev-parse", &format!("provost/audit~{}", 23 - 8)]);
    let signers = format!("gpg.ssh.allowedSignersFile={}", world.allowed_signers().display());
    let arguments = ["-c", "gpg.format=ssh", "-c", &signers, "verify-commit", changed.trim()];
    assert!(!try_git(&world.repository(), &arguments).status.success());
}

#[test]
fn a_malformed_record_is_a_finding_and_no_end() {
    let world = World::new();
    written(&world);
    let malformed: [&dyn Fn(String) -> String; 6] = [
        &|text| text.replace("\ncommitter ", "\nencoding latin1\ncommitter "),
        &|text| text.replace("\nKind: ", "\nKind: genesis\nKind: "),
        &|text| text.replace("\nSeq: ", "\nSeq: 0"),
        &|text| text.replace("gpgsig -----BEGIN", "gpgsig -----BEGUN"),
        &|text| text.replace("\n\n{", "\n\n { "),
        &|text| text.replace("\nauthor provost ", "\nauthor mallory "),
    ];
    let tip = world.git(&["rev-parse", "provost/audit"]);
    for (number, change) in malformed.iter().enumerate() {
        rewrite(&world, 6, |n, text| Some(if n == 6 { change(text) } else { text }));
        let report = check(&world, &world.repository(), Options::default());
        assert_eq!(report.records, 24);
        assert!(!report.findings.is_empty(), "case {number}");
        let bad: CommitId = world.git(&["rev-parse", "provost/audit~17"]).trim().parse().unwrap();
        assert!(
            report.findings.iter().any(|finding| finding.commit == Some(bad)),
            "case {number}: {report:?}"
        );
        world.git(&["update-ref", "refs/heads/provost/audit", tip.trim()]);
    }
}

#[test]
fn a_merge_and_a_foreign_commit_are_found() {
    let world = World::new();
    written(&world);
    let clone = world.folder.path().join("clone");
    git(world.folder.path(), &["clone", "-q", &world.repository().to_string_lossy(), "clone"]);
    git(&clone, &["commit", "-q", "--allow-empty", "-m", "by hand"]);
    let tip = resolve(&clone, "HEAD").unwrap().unwrap();
    let options = Options { keys: keys(&world), ..Options::default() };
    let report = verify(&clone, tip, &options, |_, _| {}).unwrap();
    assert_eq!(
        report.findings.iter().map(|finding| finding.commit).collect::<BTreeSet<_>>(),
        [Some(tip)].into()
    );

    git(&clone, &["checkout", "-q", "-b", "side", "HEAD~4"]);
    git(&clone, &["commit", "-q", "--allow-empty", "-m", "aside"]);
    git(&clone, &["merge", "-q", "-m", "merged", &tip.to_string()]);
    let merged = resolve(&clone, "HEAD").unwrap().unwrap();
    let report = verify(&clone, merged, &options, |_, _| {}).unwrap();
    assert!(report.findings.iter().any(|finding| finding.commit == Some(merged)), "{report:?}");
}

#[test]
fn every_flipped_byte_of_a_pack_is_found() {
    let world = World::new();
    written(&world);
    world.git(&["repack", "-adq"]);
    let packs = world.repository().join("objects/pack");
    let pack = std::fs::read_dir(&packs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "pack"))
        .unwrap();
    let good = std::fs::read(&pack).unwrap();
    let mut permissions = std::fs::metadata(&pack).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&pack, permissions).unwrap();
    for place in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[place] ^= 0x10;
        std::fs::write(&pack, &bad).unwrap();
        let tip = records_tip(&world);
        let options = Options { keys: keys(&world), objects: true, ..Options::default() };
        let found = tip.map(|tip| verify(&world.repository(), tip, &options, |_, _| {}));
        assert!(
            !found.is_some_and(|report| report.is_ok_and(|report| report.findings.is_empty())),
            "byte {place}"
        );
    }
}

fn records_tip(world: &World) -> Option<CommitId> {
    let text = std::fs::read_to_string(world.repository().join(provost_audit::REF)).unwrap();
    text.trim().parse().ok()
}

#[test]
fn allowed_signers_are_read_as_ssh_keygen_reads_them() {
    let key = SigningKey::random().unwrap();
    let public = key.public_line();
    let good = format!(
        "# comment\n\nprovost {public} a comment\n\
         a@example.com,b@example.com namespaces=\"git,file\",valid-after=\"20260101Z\",valid-before=\"202701010000Z\" {public}\n"
    );
    let parsed = AllowedSigners::parse(&good).unwrap();
    assert_eq!(parsed.keys().len(), 2);
    assert_eq!(parsed.keys()[1].namespaces.as_deref(), Some(&["git".to_owned(), "file".to_owned()][..]));
    assert_eq!(
        (parsed.keys()[1].valid_after, parsed.keys()[1].valid_before),
        (Some(1_767_225_600), Some(1_798_761_600))
    );
    for bad in [
        "provost",
        "provost ssh-ed25519",
        "provost cert-authority",
        "provost ssh-ed25519 AAAA",
        "\"a b ssh-ed25519 x",
    ] {
        assert_eq!(AllowedSigners::parse(&format!("\n{bad}\n")).unwrap_err().line, 2, "{bad}");
    }
    let authority = format!("provost cert-authority {public}");
    assert!(
        AllowedSigners::parse(&authority).is_err(),
        "an option that is not understood is no reason to accept"
    );
}
