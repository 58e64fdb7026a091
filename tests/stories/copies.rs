//! The published copy of the audit log in trouble: what adds waits, what takes away goes on.

use std::process::Command;

use crate::demo::{Demo, NIA, SOON, assert_success};

#[test]
fn a_copy_that_somebody_wrote_stops_what_adds_and_nothing_that_takes_away() {
    let mut demo = Demo::running();
    let ours = demo.git(&["rev-parse", "provost/audit"]);
    demo.git(&["update-ref", "refs/heads/provost/audit", "main"]);
    // Whatever is recorded next finds it.
    demo.edit(
        "people/engineering/trivera.yaml",
        "employment: employee",
        "status: departed\nemployment: employee",
    );
    demo.commit("Tomas leaves");
    demo.wait_account("forge", "trivera", "is disabled", SOON, |account| {
        account.is_some_and(|account| account["active"] == false)
    });
    demo.wait("it is an alarm", SOON, || {
        let audit = demo.json(&["status"])["audit"].clone();
        (audit["tampered"] == true).then_some(())
    });
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    demo.edit(
        "people/finance/kboateng.yaml",
        "employment: employee",
        "status: departed\nemployment: employee",
    );
    demo.commit("another one leaves");
    demo.wait_account("workforce", "kboateng", "is disabled", SOON, |account| {
        account.is_some_and(|account| account["active"] == false)
    });
    assert!(demo.account("forge", "nokafor").is_none(), "she waits");

    demo.git(&["update-ref", "refs/heads/provost/audit", ours.trim()]);
    demo.wait_account("forge", "nokafor", "is there", LATER, |account| account.is_some());
    demo.stop();
}

#[test]
fn where_every_intent_has_to_be_published_nothing_is_added_before() {
    let mut demo = Demo::once();
    let settings = demo.dir().join("provost.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    assert!(!text.contains("[audit]"));
    let remote = demo.dir().join("copy.git");
    let audit = format!("[audit]\nremote = \"{}\"\ndurability = \"remote\"\n", remote.display());
    std::fs::write(&settings, format!("{text}\n{audit}")).unwrap();
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.edit(
        "people/engineering/trivera.yaml",
        "employment: employee",
        "status: departed\nemployment: employee",
    );
    demo.commit("one joins, one leaves");
    demo.run();
    demo.wait_account("forge", "trivera", "is disabled", SOON, |account| {
        account.is_some_and(|account| account["active"] == false)
    });
    demo.wait("status says why", SOON, || demo.json(&["status"])["audit"]["error"].is_string().then_some(()));
    assert!(demo.account("forge", "nokafor").is_none(), "the intent is not where it has to be");

    let made = Command::new("git").args(["init", "--quiet", "--bare"]).arg(&remote).output().unwrap();
    assert_success(&made);
    demo.wait_account("forge", "nokafor", "is there", LATER, |account| account.is_some());
    demo.stop();
    let log = |repository: &std::path::Path| {
        let output = Command::new("git")
            .arg("-C")
            .arg(repository)
            .args(["rev-parse", "refs/heads/provost/audit"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(log(&remote), log(&demo.dir().join("state/provost.git")));
}

/// Publishing is tried again every half minute.
const LATER: std::time::Duration = std::time::Duration::from_secs(90);
