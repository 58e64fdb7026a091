//! The audit branch, read with plain git.

use std::process::Command;

use crate::demo::{Demo, assert_success};

#[test]
fn the_audit_branch_reads_as_a_history_of_access_and_every_commit_is_signed() {
    let demo = Demo::once();
    let history = demo.git(&["log", "-p", "provost/audit", "--", "live/forge"]);
    assert!(history.contains("+  \"username\": \"trivera\""), "accounts read as fields");
    assert!(history.contains("Kind: outcome-applied"));
    assert!(history.contains("role engineer by birthright"), "each says why");
    demo.git(&["fsck", "--strict"]);

    let log = demo.dir().join("state/provost.git");
    let key = std::fs::read_to_string(demo.dir().join("state/signing-key.pub")).unwrap();
    let mut words = key.split_whitespace();
    let (kind, key) = (words.next().unwrap(), words.next().unwrap());
    let signers = demo.dir().join("allowed_signers");
    std::fs::write(&signers, format!("provost namespaces=\"git\" {kind} {key}\n")).unwrap();
    let commits = demo.git(&["rev-list", "provost/audit"]);
    assert!(commits.lines().count() > 50);
    let verified = Command::new("git")
        .args(["-c", "gpg.format=ssh", "-c"])
        .arg(format!("gpg.ssh.allowedSignersFile={}", signers.display()))
        .arg("-C")
        .arg(&log)
        .arg("verify-commit")
        .args(commits.lines().take(40))
        .output()
        .unwrap();
    assert_success(&verified);
    let fsck = Command::new("git").arg("-C").arg(&log).args(["fsck", "--strict"]).output().unwrap();
    assert_success(&fsck);
}

#[test]
fn a_second_daemon_on_the_same_state_refuses_to_start() {
    let demo = Demo::running();
    let second = demo.provost(&["run", "--once"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(!second.stderr.is_empty());
}

#[test]
fn the_log_verifies_and_a_pin_that_is_not_in_it_is_found() {
    let demo = Demo::once();
    let report = demo.json(&["audit", "verify", "--objects"]);
    assert!(report["findings"].as_array().unwrap().is_empty(), "{report:#}");
    assert!(report["records"].as_u64().unwrap() > 50);
    assert_eq!(report["open"], 0);
    let pin = demo.git(&["rev-parse", "main"]);
    let output = demo.provost(&["audit", "verify", "--pin", pin.trim()]);
    assert_eq!(output.status.code(), Some(1));
}
