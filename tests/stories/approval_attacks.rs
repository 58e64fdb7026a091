//! Attacks on agreement that need whole processes: each differs from a story in which two people agree, and the grant
//! comes, in the attack alone.

use provost_core::approval::Word;
use serde_json::Value;

use crate::approvals::MARTA;
use crate::demo::{Demo, SOON, assert_success};

const SIGNERS: &str = "policy/allowed_signers";

impl Demo {
    /// Both approvers have signed and were seen, and it is still not in force.
    fn still_waits(&self, why: &str) {
        self.wait_said("requests", why);
        // What is on the record says the same to whoever only looks.
        self.wait(&format!("an approver sees {why}"), SOON, || {
            self.admins()["waits"]["lacks"].to_string().contains(why).then_some(())
        });
        assert!(!self.is_admin());
    }

    fn both_agree(&self, asked: &Value) {
        for person in ["p-0003", "p-0007"] {
            self.put_statement(asked, (person, person), |_| ());
        }
    }
}

#[test]
fn two_people_who_agree_bring_a_grant_into_force() {
    let demo = Demo::running();
    demo.both_agree(&demo.admins());
    demo.wait_admin();
}

#[test]
fn an_approval_for_another_installation_counts_for_nothing() {
    let demo = Demo::running();
    let asked = demo.admins();
    demo.put_statement(&asked, ("p-0003", "p-0003"), |_| ());
    demo.put_statement(&asked, ("p-0007", "p-0007"), |statement| {
        statement.installation = "0123456789012345678901234567890123456789".to_owned();
    });
    demo.wait_said("refused_approvals", "another installation");
    demo.still_waits("1 signature of the group approvers (p-0007); agreed: p-0003");
}

#[test]
fn a_denial_stays_when_it_is_deleted_from_the_approvals_branch() {
    let mut demo = Demo::running();
    let asked = demo.admins();
    demo.put_statement(&asked, ("p-0003", "p-0003"), |statement| statement.decision = Word::Deny);
    demo.wait_said("requests", "p-0003 denied it");
    demo.git(&["update-ref", "-d", "refs/heads/provost/approvals"]);
    demo.both_agree(&asked);
    demo.wait("both are on the record", SOON, || {
        let log = demo.git(&["log", "--format=%s", "provost/audit"]);
        (log.matches(" approves: p-0012 gets group:admins").count() == 2).then_some(())
    });
    demo.still_waits("p-0003 denied it");
    demo.stop();
    demo.start();
    demo.still_waits("p-0003 denied it");
}

#[test]
fn a_published_plan_that_the_commit_does_not_entail_is_marked_and_not_signed() {
    let mut demo = Demo::running();
    let asked = demo.admins();
    let good = asked["digest"].as_str().unwrap().to_owned();
    demo.wait("it is published", SOON, || (demo.admins()["published"] == true).then_some(()));
    demo.stop();
    let plan = demo.git(&["show", &format!("provost/plans:{good}.txt")]);
    let forged = plan.replacen("p-0012", "p-0013", 1);
    assert_ne!(plan, forged);
    let blob = demo.dir().join("forged");
    std::fs::write(&blob, forged).unwrap();
    let blob = demo.git(&["hash-object", "-w", blob.to_str().unwrap()]);
    let entry = format!("100644,{},forged.txt", blob.trim());
    demo.git(&["read-tree", "--index-output=.git/forged", "provost/plans"]);
    std::fs::rename(demo.repository().join(".git/forged"), demo.repository().join(".git/index")).unwrap();
    demo.git(&["update-index", "--add", "--cacheinfo", &entry]);
    let tree = demo.git(&["write-tree"]);
    demo.git(&["reset", "--quiet"]);
    let commit = demo.git(&["commit-tree", tree.trim(), "-p", "provost/plans", "-m", "forged"]);
    demo.git(&["update-ref", "refs/heads/provost/plans", commit.trim()]);

    let all = demo.asked();
    let forged = all.iter().find(|asked| asked["entailed"] == false).expect("the forged one is there");
    assert_eq!(forged["request"]["identity"], "p-0013");
    let refused = demo.approve(&forged["digest"], "p-0003");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stdout).unwrap().contains("does NOT ask for this"));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("not signed"));
    let listed = String::from_utf8(demo.provost(&["approve"]).stdout).unwrap();
    assert!(listed.contains("not published by a daemon"), "{listed}");
    // What the commit does ask for is signed as ever.
    assert_success(&demo.approve(&asked["digest"], "p-0003"));
    // The daemon puts its branch right.
    demo.start();
    demo.wait("the forged plan is gone", SOON, || {
        let files = demo.git(&["ls-tree", "--name-only", "provost/plans"]);
        (!files.contains("forged.txt") && files.contains(&good)).then_some(())
    });
}

#[test]
fn a_key_that_expired_signs_nothing_whatever_date_it_claims() {
    for (valid_before, good) in [("20200101Z", false), ("20990101Z", true)] {
        let demo = Demo::running();
        demo.edit(
            SIGNERS,
            "p-0007 namespaces=",
            &format!("p-0007 valid-before=\"{valid_before}\",namespaces="),
        );
        demo.commit_trusted("the key of p-0007 ends");
        demo.both_agree(&demo.admins());
        if good {
            demo.wait_admin();
        } else {
            demo.wait_said("refused_approvals", "no good key of p-0007");
            demo.still_waits("agreed: p-0003");
        }
    }
}

#[test]
fn a_key_that_is_revoked_between_first_sight_and_use_counts_no_more() {
    let demo = Demo::running();
    let asked = demo.admins();
    demo.put_statement(&asked, ("p-0003", "p-0003"), |_| ());
    demo.wait_said("requests", "agreed: p-0003");
    let revoked = std::fs::read_to_string(format!("{}.pub", demo.key("p-0003"))).unwrap();
    demo.write("policy/revoked_keys", &revoked);
    demo.commit_trusted("the key of p-0003 is lost");
    demo.put_statement(&asked, ("p-0007", "p-0007"), |_| ());
    demo.still_waits("the word of p-0003 does not count: the key is not a good one of the approver");
}

#[test]
fn two_keys_of_one_person_are_one_person() {
    let demo = Demo::running();
    demo.edit(SIGNERS, "p-0007 namespaces=", "p-0003 namespaces=");
    demo.commit_trusted("p-0003 has two keys");
    let asked = demo.admins();
    demo.put_statement(&asked, ("p-0003", "p-0003"), |_| ());
    demo.put_statement(&asked, ("p-0003", "p-0007"), |_| ());
    demo.wait("both are on the record", SOON, || {
        let log = demo.git(&["log", "--format=%s", "provost/audit"]);
        (log.matches("p-0003 approves: p-0012 gets group:admins").count() == 2).then_some(())
    });
    demo.still_waits("agreed: p-0003");
}

#[test]
fn who_wrote_the_request_does_not_agree_to_it() {
    for (author, good) in [("p-0003", false), ("p-0012", true)] {
        let demo = Demo::running();
        demo.edit(MARTA, "reason: CHG-2093", "reason: CHG-2094");
        demo.commit_as(author, "another change");
        demo.wait("the commit counts", SOON, || {
            let head = demo.git(&["rev-parse", "main"]);
            (demo.json(&["status"])["commit"] == head.trim()).then_some(())
        });
        demo.both_agree(&demo.admins());
        if good {
            demo.wait_admin();
        } else {
            demo.still_waits("the word of p-0003 does not count: who wrote the change does not agree to it");
        }
    }
}

#[test]
fn who_gains_does_not_agree_to_it() {
    let demo = Demo::running();
    demo.edit(SIGNERS, "p-0012 namespaces=\"git\"", "p-0012 namespaces=\"git,approval@provost\"");
    demo.edit("policy/approvers.yaml", "p-0007", "p-0012");
    demo.commit_trusted("Marta is an approver");
    let asked = demo.admins();
    demo.put_statement(&asked, ("p-0003", "p-0003"), |_| ());
    demo.put_statement(&asked, ("p-0012", "p-0012"), |_| ());
    demo.still_waits("the word of p-0012 does not count: who gains by it does not agree to it");
}
