//! The audit branch, read with plain git.

use std::process::Command;

use crate::demo::{Demo, NIA, assert_success};

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

#[test]
fn records_are_found_by_person_time_and_cause_and_exported_with_their_bodies() {
    let demo = Demo::once();
    let by_person = demo.json(&["audit", "log", "--person", "p-0007", "--kind", "outcome"]);
    let entries = by_person.as_array().unwrap();
    assert!(!entries.is_empty());
    assert!(entries.iter().all(|entry| entry["subject"] == "p-0007" && entry["kind"] == "outcome-applied"));
    let by_cause = demo.json(&["audit", "log", "--cause", "engineer", "--kind", "outcome"]);
    assert!(by_cause.as_array().unwrap().len() > 3, "{by_cause:#}");
    assert_eq!(demo.json(&["audit", "log", "--cause", "no-such-role"]), serde_json::json!([]));
    assert_eq!(demo.json(&["audit", "log", "--until", "2020-01-01"]), serde_json::json!([]));

    let all = demo.provost(&["audit", "export"]);
    assert_success(&all);
    let lines: Vec<serde_json::Value> = String::from_utf8(all.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let records = demo.json(&["audit", "verify"])["records"].as_u64().unwrap();
    assert_eq!(lines.len() as u64, records);
    assert!(lines.iter().zip(1..).all(|(line, seq)| line["seq"] == seq && line["body"].is_object()));
    let csv = demo.provost(&["audit", "export", "--format", "csv", "--target", "forge"]);
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert!(csv.starts_with("seq,at,kind,") && csv.lines().count() > 3);
}

#[test]
fn the_past_is_answered_by_the_log() {
    let demo = Demo::once();
    let now = jiff::Timestamp::now().to_string();
    let accounts = |of: &[&str]| -> Vec<String> {
        let holders = demo.json(of);
        let seen = holders.as_array().unwrap().iter().filter(|holder| holder["seen"] == true);
        let mut names: Vec<String> =
            seen.map(|holder| format!("{} {}", holder["identity"], holder["account"])).collect();
        names.sort();
        names
    };
    for what in [&["who", "forge"][..], &["who", "forge", "group:engineering"]] {
        let there = accounts(what);
        assert!(there.len() > 3, "{there:?}");
        assert_eq!(accounts(&[what, &["--at", &now]].concat()), there);
    }
    let unknown = demo.provost(&["who", "nothing", "--at", &now]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("knows no target"));
    let later = demo.json(&["who", "forge", "--at", "2999-01-01"]);
    assert_ne!(later, demo.json(&["who", "forge"]), "by then one has begun, and a guest has left");
    let began = demo.provost(&["who", "forge", "--at", "2020-01-01"]);
    assert_eq!(began.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&began.stderr).contains("began after"));
    let then = demo.json(&["why", "p-1042", "--at", &now]);
    assert_eq!(then, demo.json(&["why", "p-1042"]));
}

#[test]
fn a_new_key_takes_over_and_the_log_still_verifies_from_the_first_one() {
    let demo = Demo::once();
    let public = || std::fs::read_to_string(demo.dir().join("state/signing-key.pub")).unwrap();
    let first = public();
    let other = demo.dir().join("first.pub");
    std::fs::write(&other, &first).unwrap();
    assert_success(&demo.provost(&["audit", "rotate-key"]));
    assert!(public().ends_with(&first) && public() != first, "both are listed, the new one first");
    assert_success(&demo.provost(&["run", "--once"]));
    assert_success(&demo.provost(&["audit", "rotate-key"]));
    for signers in [other, demo.dir().join("state/signing-key.pub")] {
        let report = demo.json(&["audit", "verify", "--signers", &signers.to_string_lossy()]);
        assert!(report["findings"].as_array().unwrap().is_empty(), "{report:#}");
    }
}

#[test]
fn what_is_personal_is_in_the_log_only_sealed_and_gone_with_its_key() {
    let demo = Demo::once();
    let settings = demo.dir().join("provost.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let names = ["email", "display_name", "given_name", "family_name"];
    std::fs::write(&settings, format!("{text}\n[audit]\npersonal = {names:?}\n")).unwrap();
    let before = demo.git(&["rev-parse", "provost/audit"]);
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    assert_success(&demo.provost(&["run", "--once"]));
    let log = || demo.git(&["log", "-p", &format!("{}..provost/audit", before.trim()), "--", "."]);
    assert!(log().contains("nokafor") && log().contains("\"sealed\""));
    assert!(!log().contains("nia.okafor@example.com") && !log().contains("Nia Okafor"));

    // Another start knows what it wrote: nothing about her is new to it.
    let about_her = || {
        let found = demo.json(&["audit", "log", "--person", "p-2001"]);
        found.as_array().unwrap().len()
    };
    let records = about_her();
    let sealed = log().matches("\"sealed\"").count();
    assert_success(&demo.provost(&["run", "--once"]));
    assert_eq!((about_her(), log().matches("\"sealed\"").count()), (records, sealed));

    assert_success(&demo.provost(&["audit", "erase", "p-2001"]));
    assert_success(&demo.provost(&["audit", "erase", "p-2001"]));
    let erased = demo.json(&["audit", "log", "--kind", "erasure"]);
    assert_eq!(erased.as_array().unwrap().len(), 2, "each try is on the record");
    let report = demo.json(&["audit", "verify", "--objects"]);
    assert!(report["findings"].as_array().unwrap().is_empty(), "{report:#}");
    assert_success(&demo.provost(&["run", "--once"]));
}
