//! What docs/AUDIT.md tells an auditor to type is what works.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use provost_audit::{Kind, OutcomeResult, Record, publish};

use crate::kit::{World, at, drift, git, intent, outcome};

const PAGE: &str = include_str!("../../../docs/AUDIT.md");

/// The shell commands of the page: those that read, and those that verify.
fn blocks(fence: &str) -> Vec<&'static str> {
    let start = format!("\n```{fence}\n");
    PAGE.split(&*start).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// The desired repository with a published log of every kind that the page asks for.
fn published() -> (World, std::path::PathBuf) {
    let world = World::new();
    let mut log = world.create();
    let mut approval = Record::new(Kind::Evidence, at(1), "p-0003 approves");
    approval.evidence = Some("7d1f".to_owned());
    log.record(&[approval]).unwrap();
    for n in 1040..1044 {
        let subject = format!("p-{n}");
        let seq = log.record(&[intent("op", &subject)]).unwrap()[0].seq;
        let mut done = outcome(seq, "op", &subject, "team: engineering");
        done.evidence = Some("7d1f".to_owned());
        done.desired_commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
        log.record(&[done, drift(&subject, "team: none")]).unwrap();
    }
    let seq = log.record(&[intent("op", "p-1")]).unwrap()[0].seq;
    let mut failed = outcome(seq, "op", "p-1", "x");
    failed.kind = Kind::Outcome(OutcomeResult::Failed);
    log.record(&[failed, intent("open", "p-2")]).unwrap();
    let tip = log.flush().unwrap().commit;
    let desired = world.folder.path().join("desired");
    git(world.folder.path(), &["init", "-q", "desired"]);
    publish(&world.repository(), &desired.to_string_lossy(), None, tip, Duration::from_secs(60)).unwrap();
    (world, desired)
}

fn run(world: &World, repository: &Path, block: &str) -> Output {
    Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", block])
        .current_dir(repository)
        .env("TARGET", "forge")
        .env("PERSON", "p-1042")
        .env("DATE", "2026-12-31T00:00:00Z")
        .env("KEYS", world.allowed_signers())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PAGER", "cat")
        .output()
        .unwrap()
}

#[test]
fn every_command_of_the_page_works() {
    let (world, desired) = published();
    let questions = blocks("sh");
    assert!(questions.len() >= 9, "{}", questions.len());
    for block in questions {
        let output = run(&world, &desired, block);
        assert!(output.status.success() && !output.stdout.is_empty(), "{block}\n{output:?}");
    }
    for block in blocks("sh verify") {
        let output = run(&world, &desired, block);
        assert!(output.status.success(), "{block}\n{output:?}");
    }
}

#[test]
fn every_verifying_command_of_the_page_can_fail() {
    let (world, desired) = published();
    let tip = git(&desired, &["rev-parse", "provost/audit"]);
    let object = git(&desired, &["cat-file", "commit", "provost/audit"]);
    let write = |text: &str| {
        let file = world.folder.path().join("object");
        std::fs::write(&file, text).unwrap();
        let id =
            git(&desired, &["hash-object", "--literally", "-t", "commit", "-w", &file.to_string_lossy()]);
        git(&desired, &["update-ref", "refs/heads/provost/audit", id.trim()]);
    };
    let fails = |what: &str| -> Vec<usize> {
        let blocks = blocks("sh verify");
        let failing =
            (0..blocks.len()).filter(|n| !run(&world, &desired, blocks[*n]).status.success()).collect();
        println!("{what}: {failing:?}");
        failing
    };
    // In the order of the page: 0 objects, 1 signatures, 2 numbers, 3 chain, 4 outcomes, 5 pins.
    write(&object.replace("p-2", "p-3"));
    assert_eq!(fails("a changed word"), [1]);
    write(&object.replace("\nSeq: ", "\nSeq: 1"));
    assert_eq!(fails("another number"), [1, 2]);
    write(&object.replace("\nPrev: ", "\nPrev: 0"));
    assert_eq!(fails("another hash"), [1, 3]);
    write(&object.replace("\ncommitter ", "\ncommitter <"));
    assert!(fails("a malformed commit").contains(&0));
    let before = git(&desired, &["cat-file", "commit", "provost/audit~1"]);
    write(&before.replace(before.lines().nth(1).unwrap(), &format!("parent {}", tip.trim())));
    assert!(fails("an outcome again").contains(&4));
    git(&desired, &["update-ref", "refs/heads/provost/audit", &format!("{}~2", tip.trim())]);
    let pin = format!("PINNED={}\n{}", tip.trim(), blocks("sh verify")[5]);
    assert!(!run(&world, &desired, &pin).status.success());
}
