//! Targets and branches in trouble.

use serde_json::Value;

use crate::demo::{Demo, NIA, SOON, assert_success};

#[test]
fn a_target_that_is_down_or_refuses_the_credential_stops_no_other_and_loses_nothing() {
    let mut demo = Demo::once();
    // The forge's directory gets another token than the connector shows; the tickets' listens no more.
    let settings = demo.dir().join("provost.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let listen =
        text.lines().skip_while(|line| !line.contains("directories/tickets")).nth(1).unwrap().to_owned();
    let token = "token = \"forge-token\"";
    let text = text.replace(token, "token = \"other-token\"").replace(&listen, "listen = \"127.0.0.1:0\"");
    std::fs::write(demo.dir().join("secrets/other"), "another").unwrap();
    std::fs::write(&settings, format!("{text}\n[secrets.other-token]\nfile = \"secrets/other\"\n")).unwrap();
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");

    demo.run();
    demo.wait_account("workforce", "nokafor", "is there", SOON, |account| account.is_some());
    let status = demo.wait("both are named", SOON, || {
        let status: serde_json::Value =
            serde_json::from_slice(&demo.provost(&["status", "--output", "json"]).stdout).ok()?;
        let health = |target: &str| {
            let all = status["targets"].as_array()?;
            let found = all.iter().find(|one| one["target"] == target)?;
            Some((found["health"].clone(), found["reason"].clone()))
        };
        let (forge, tickets) = (health("forge")?, health("tickets")?);
        (forge.0 == "Quarantined" && tickets.0 == "Degraded").then_some((forge, tickets))
    });
    assert!(status.0.1.is_string() && status.1.1.is_string(), "{status:?}");

    // The right credential, and SIGHUP: the quarantine ends with the next good read.
    std::fs::write(demo.dir().join("secrets/forge-token"), "another").unwrap();
    demo.signal("HUP");
    demo.wait_account("forge", "nokafor", "is there", SOON, |account| account.is_some());
    demo.stop();
}

#[test]
fn a_target_that_never_answers_is_degraded_by_its_timeout_and_holds_up_no_other() {
    let mut demo = Demo::once();
    let settings = demo.dir().join("provost.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let listen =
        text.lines().skip_while(|line| !line.contains("directories/production")).nth(1).unwrap().to_owned();
    let address = listen.split('"').nth(1).unwrap().to_owned();
    std::fs::write(&settings, text.replace(&listen, "listen = \"127.0.0.1:0\"")).unwrap();
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind(address).unwrap();
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    demo.run();
    demo.wait_account("forge", "nokafor", "is there", SOON, |account| account.is_some());
    demo.wait("production is degraded", std::time::Duration::from_secs(150), || {
        let status: serde_json::Value =
            serde_json::from_slice(&demo.provost(&["status", "--output", "json"]).stdout).ok()?;
        let all = status["targets"].as_array()?;
        let production = all.iter().find(|one| one["target"] == "production")?;
        (production["health"] == "Degraded" && production["reason"].is_string()).then_some(())
    });
    drop(silent);
    demo.stop();
}

#[test]
fn a_rewritten_branch_adds_nothing_and_is_shown_until_the_operator_trusts_it() {
    let demo = Demo::running();
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.git(&["checkout", "--quiet", "--orphan", "other"]);
    demo.commit("another history");
    demo.git(&["branch", "--force", "main", "other"]);
    wait_refused(&demo, "another history");
    assert!(demo.account("workforce", "nokafor").is_none());
    demo.wait("the alarm is on the published record", SOON, || {
        let log = demo.git(&["log", "--format=%s", "provost/audit"]);
        log.lines()
            .any(|line| line.starts_with("alarm: the tracked branch has another history"))
            .then_some(())
    });
    // Who only looks sees what counts, and that the branch is another.
    let plan = demo.provost(&["plan"]);
    let (said, warned) = (String::from_utf8(plan.stdout).unwrap(), String::from_utf8(plan.stderr).unwrap());
    assert!(!said.contains("nokafor") && warned.contains("another history"), "{said}{warned}");
    assert_eq!(demo.provost(&["why", "nokafor"]).status.code(), Some(1));
    assert_success(&demo.provost(&["trust", "main"]));
    demo.wait_account("workforce", "nokafor", "is there", SOON, |account| account.is_some());
}

#[test]
fn agreement_is_no_word_about_a_branch_that_was_rewritten() {
    let demo = Demo::running();
    demo.edit("policy/tiers.yaml", "from: owners", "from: {group: approvers}");
    demo.commit_as("p-0012", "everything by approvers");
    let rules = |asked: &Value| asked["request"].to_string().contains("tiers");
    let rules = demo.wait("the rules wait", SOON, || demo.asked().into_iter().find(rules));
    let admins = demo.admins();
    demo.git(&["checkout", "--quiet", "--orphan", "other"]);
    demo.commit("another history");
    demo.git(&["branch", "--force", "main", "other"]);
    wait_refused(&demo, "another history");
    for person in ["p-0003", "p-0007"] {
        demo.put_statement(&rules, (person, person), |_| ());
    }
    demo.wait("the rules come into force", SOON, || {
        let log = demo.git(&["log", "--format=%s", "provost/audit"]);
        log.contains("counts, 1 rules come into force").then_some(())
    });
    for person in ["p-0003", "p-0007"] {
        demo.put_statement(&admins, (person, person), |_| ());
    }
    let held = demo.wait("what they agreed to is planned, and does not go on", SOON, || {
        let status = demo.json(&["status"]);
        let production = status["targets"].as_array()?.iter().find(|one| one["target"] == "production")?;
        let held = ["waiting", "refused", "held"].iter().any(|how| production[how] != 0);
        (held && production["unfinished"] == 0).then(|| production.clone())
    });
    assert!(!demo.is_admin(), "{held:#}");
    assert_success(&demo.provost(&["trust", "main"]));
    demo.wait_admin();
}

#[test]
fn a_branch_that_is_moved_back_adds_nothing_until_it_comes_after_what_counts_again() {
    let mut demo = Demo::running();
    let counts = demo.git(&["rev-parse", "main"]);
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    demo.wait_account("workforce", "nokafor", "is there", SOON, |account| account.is_some());
    let joined = demo.git(&["rev-parse", "main"]);
    demo.git(&["checkout", "--quiet", "--detach"]);
    demo.git(&["branch", "--force", "main", counts.trim()]);
    wait_refused(&demo, "moved back");
    assert_eq!(demo.account("workforce", "nokafor").unwrap()["active"], true, "nobody leaves because of it");

    // A daemon that begins anew finds it so too.
    demo.stop();
    demo.run();
    wait_refused(&demo, "moved back");
    demo.git(&["branch", "--force", "main", joined.trim()]);
    demo.wait("the branch counts again", SOON, || {
        demo.json(&["status"])["refused_commit"].is_null().then_some(())
    });
}

#[test]
fn suspend_stops_writing_until_resume() {
    let demo = Demo::running();
    assert_success(&demo.provost(&["suspend", "--all"]));
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    demo.wait("the commit counts, and everything is suspended", SOON, || {
        let status = demo.json(&["status"]);
        let head = demo.git(&["rev-parse", "main"]);
        (status["commit"] == head.trim() && status["targets"][0]["health"] == "Suspended").then_some(())
    });
    assert!(demo.account("workforce", "nokafor").is_none());
    assert_success(&demo.provost(&["resume", "--all"]));
    demo.wait_account("workforce", "nokafor", "is there", SOON, |account| account.is_some());
    assert_eq!(demo.provost(&["suspend", "nothing"]).status.code(), Some(1));
}

/// Waits until the daemon shows that it does not take the commit of the tracked branch, and why.
fn wait_refused(demo: &Demo, why: &str) {
    demo.wait("the commit is refused", SOON, || {
        let output = demo.provost(&["status", "--output", "json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        status["refused_commit"][1].as_str().filter(|found| found.contains(why)).map(drop)
    });
}
