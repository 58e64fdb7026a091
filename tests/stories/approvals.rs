//! What waits for people, and how they agree: signed, on branches, with keys of their own.

use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use provost::git::{APPROVALS, Branch};
use provost_audit::sshsig::sign_line;
use provost_core::approval::{NAMESPACE, Predicate, Request, Statement, Word};
use serde_json::Value;

use crate::demo::{Demo, SOON, assert_success};

pub const MARTA: &str = "people/platform/mlindqvist.yaml";
const UNTIL: &str = "until: 2027-01-29T18:00+01:00";

impl Demo {
    /// What waits, as an approver sees it.
    pub fn asked(&self) -> Vec<Value> {
        self.json(&["approve"])["requests"].as_array().unwrap().clone()
    }

    /// The request for production administration.
    pub fn admins(&self) -> Value {
        let is = |asked: &Value| asked["request"]["entitlement"]["name"] == "admins";
        self.wait("production administration waits", SOON, || self.asked().into_iter().find(is))
    }

    pub fn key(&self, person: &str) -> String {
        self.dir().join("demo-keys").join(person).to_str().unwrap().to_owned()
    }

    pub fn approve(&self, digest: &Value, person: &str) -> Output {
        self.provost(&["approve", digest.as_str().unwrap(), "--key", &self.key(person), "--yes"])
    }

    /// A statement of a person about a request, changed, signed with a key, and put on the approvals branch.
    pub fn put_statement(&self, asked: &Value, (person, key): (&str, &str), change: impl Fn(&mut Predicate)) {
        let status = self.json(&["status"]);
        let request: Request = serde_json::from_value(asked["request"].clone()).unwrap();
        let mut predicate = Predicate {
            installation: status["installation"].as_str().unwrap().to_owned(),
            reference: "refs/heads/main".to_owned(),
            commit: status["commit"].as_str().unwrap().to_owned(),
            approver: person.into(),
            decision: Word::Approve,
            requests: vec![request],
            expires: Timestamp::now() + SignedDuration::from_hours(1),
            nonce: format!("{person}-{key}"),
            shown: String::new(),
        };
        change(&mut predicate);
        let bytes = Statement::new(predicate).to_bytes();
        let line = String::from_utf8(bytes).unwrap();
        let key = ssh_key::PrivateKey::read_openssh_file(self.key(key).as_ref()).unwrap();
        let signed = sign_line(&key, NAMESPACE, line.trim_end()).unwrap().unwrap();
        let name = format!("{}.approval", Statement::digest_of(line.as_bytes()));
        self.put(&name, signed.to_file().as_bytes());
    }

    /// Puts a file on the approvals branch, as anybody can who may push.
    pub fn put(&self, name: &str, content: &[u8]) {
        let repository = self.repository();
        let folder = self.dir().join("attacker.git");
        let branch = Branch::open(&folder, repository.to_str().unwrap(), APPROVALS).unwrap();
        branch
            .update("a file", None, |_, _, _| Some(vec![(name.to_owned(), Some(content.to_owned()))]))
            .unwrap();
    }

    /// Waits until the daemon says this among what counts for nothing, or what is missing.
    pub fn wait_said(&self, field: &str, text: &str) {
        self.wait(&format!("{field} says {text}"), SOON, || {
            self.json(&["status"])["held"][field].to_string().contains(text).then_some(())
        });
    }

    /// Commits with the key of a person, so that the author is known.
    pub fn commit_as(&self, person: &str, message: &str) {
        self.git(&["add", "--all"]);
        let key = format!("user.signingkey={}", self.key(person));
        self.git(&["-c", "gpg.format=ssh", "-c", &key, "commit", "-S", "--quiet", "--message", message]);
    }

    /// Makes the documents as they are count by the operator's word.
    pub fn commit_trusted(&self, message: &str) {
        self.commit(message);
        let commit = self.git(&["rev-parse", "main"]);
        assert_success(&self.provost(&["trust", commit.trim()]));
    }

    pub fn is_admin(&self) -> bool {
        self.groups("production", "mlindqvist").contains(&"admins".to_owned())
    }

    pub fn wait_admin(&self) {
        self.wait("Marta administers production", SOON, || self.is_admin().then_some(()));
    }
}

#[test]
fn production_administration_comes_with_two_signatures_and_leaves_at_its_until_to_the_second() {
    let demo = Demo::running();
    let until = Timestamp::from_second(Timestamp::now().as_second() + 50).unwrap();
    demo.edit(MARTA, UNTIL, &format!("until: {until}"));
    demo.commit_as("p-0012", "only for a minute");
    let asked = demo.wait("the request is the one of the commit", SOON, || {
        let asked = demo.admins();
        (asked["request"]["until"] == until.to_string()).then_some(asked)
    });
    assert_eq!(asked["entailed"], true);
    let lacks = &asked["waits"]["lacks"];
    assert_eq!(lacks.to_string(), "[\"2 signatures of the group approvers (p-0003, p-0007)\"]");
    assert!(demo.account("production", "mlindqvist").is_none(), "absent by construction");

    assert_success(&demo.approve(&asked["digest"], "p-0003"));
    demo.wait_said("requests", "1 signature of the group approvers (p-0007); agreed: p-0003");
    assert!(demo.account("production", "mlindqvist").is_none(), "one of two is not enough");
    assert_success(&demo.approve(&asked["digest"], "p-0007"));
    demo.wait_admin();

    demo.wait("she has lost it", std::time::Duration::from_secs(90), || (!demo.is_admin()).then_some(()));
    assert!(Timestamp::now() >= until, "not before its end");
    let log = demo.wait("both are on the record", SOON, || {
        let format = "--format=%at %s %(trailers:key=Evidence,valueonly,separator=%x20)";
        let log = demo.git(&["log", format, "provost/audit"]);
        let found = |word: &str| log.lines().find(|line| line.contains(word)).map(str::to_owned);
        found("revoke group:admins for p-0012").zip(found("grant group:admins for p-0012"))
    });
    let (revoked, granted) = log;
    let at: i64 = revoked.split_whitespace().next().unwrap().parse().unwrap();
    assert!((0..=2).contains(&(at - until.as_second())), "{at} is within a second or two of {until}");
    let evidence = granted.split_whitespace().last().unwrap();
    let approvals: Vec<&str> = evidence.split('+').collect();
    assert_eq!(approvals.len(), 2, "the grant names the two approvals that it rests on: {granted}");
    for approval in approvals {
        let path = format!("provost/audit:approvals/{approval}.approval");
        let file = demo.git(&["show", &path]);
        assert!(verifies(&demo, &file), "ssh-keygen takes what the log holds");
    }
    let report = demo.json(&["audit", "verify"]);
    assert!(report["findings"].as_array().unwrap().is_empty(), "{report:#}");
}

/// The documented steps: plain git got the file, and ssh-keygen checks it.
fn verifies(demo: &Demo, file: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), file).unwrap();
    let allowed = demo.git(&["show", "main:policy/allowed_signers"]);
    std::fs::write(folder.path().join("allowed_signers"), allowed).unwrap();
    let script = "head -n 1 file > message && tail -n +2 file > signature && \
                  for person in $(ssh-keygen -Y find-principals -f allowed_signers -s signature); do \
                  ssh-keygen -Y verify -f allowed_signers -I \"$person\" -n approval@provost -s signature < message \
                  && grep -q \"\\\"approver\\\":\\\"$person\\\"\" message && exit 0; done; exit 1";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(folder.path());
    shell.output().unwrap().status.success()
}

#[test]
fn what_is_agreed_survives_a_restart_and_a_removed_branch_and_prolonging_it_waits_again() {
    let mut demo = Demo::running();
    let asked = demo.admins();
    assert_success(&demo.approve(&asked["digest"], "p-0003"));
    demo.wait_said("requests", "agreed: p-0003");
    demo.git(&["update-ref", "-d", "refs/heads/provost/approvals"]);
    demo.stop();
    demo.start();
    assert_success(&demo.approve(&asked["digest"], "p-0007"));
    demo.wait_admin();

    demo.edit(MARTA, UNTIL, "until: 2027-02-28T18:00+01:00");
    demo.commit_as("p-0012", "longer");
    demo.wait("the rest of the time waits", SOON, || {
        let admins = |asked: &Value| asked["request"]["entitlement"]["name"] == "admins";
        let more = demo.asked().into_iter().find(admins)?;
        let is_the_rest = more["request"]["from"] == "2027-01-29T17:00:00Z"
            && more["request"]["until"] == "2027-02-28T17:00:00Z";
        is_the_rest.then_some(())
    });
    assert!(demo.is_admin(), "what was agreed to stays");
}

#[test]
fn a_key_in_an_agent_signs_and_what_is_shown_is_in_the_statement() {
    let demo = Demo::running();
    let asked = demo.admins();
    let script = "ssh-add -q \"$1\" && shift && exec \"$@\"";
    let output = Command::new("ssh-agent")
        .args(["sh", "-c", script, "sh", &demo.key("p-0003"), env!("CARGO_BIN_EXE_provost")])
        .args(["approve", asked["digest"].as_str().unwrap(), "--agent", "--yes", "--output", "json"])
        .env("PROVOST_CONFIG", demo.dir().join("provost.toml"))
        .output()
        .unwrap();
    assert_success(&output);
    let given: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(given["approver"], "p-0003");
    let file = demo.git(&["show", &format!("provost/approvals:{}", given["file"].as_str().unwrap())]);
    assert!(verifies(&demo, &file));
    let statement = Statement::parse(format!("{}\n", file.lines().next().unwrap()).as_bytes()).unwrap();
    assert!(statement.predicate.shown.contains("p-0012 gets group:admins on production"));
    demo.wait_said("requests", "agreed: p-0003");
}

#[test]
fn files_that_are_nothing_are_told_and_stop_nobody() {
    let demo = Demo::running();
    let asked = demo.admins();
    demo.put("0.approval", b"{}\n");
    demo.put("1.approval", &vec![b'x'; 5 << 20]);
    demo.put("2.approval", b"\xff\xfe");
    demo.put("README.md", b"hello");
    demo.put("3.break-glass", b"{}\n");
    assert_success(&demo.approve(&asked["digest"], "p-0003"));
    demo.wait_said("requests", "agreed: p-0003");
    for file in ["0.approval", "1.approval", "2.approval", "3.break-glass", "README.md"] {
        demo.wait_said("refused_approvals", file);
    }
    let text = String::from_utf8(demo.provost(&["status"]).stdout).unwrap();
    assert!(text.contains("Approvals that count for nothing"), "{text}");
}

#[test]
fn in_an_emergency_one_person_acts_alone_everybody_sees_it_and_somebody_else_reviews_it() {
    let demo = Demo::running();
    let text = std::fs::read_to_string(demo.repository().join("policy/break-glass.yaml")).unwrap();
    let kept = text.lines().find(|line| line.ends_with("break-glass-1")).unwrap().to_owned();
    let key = std::fs::read_to_string(format!("{}.pub", demo.key("p-0012"))).unwrap();
    let key = key.split(' ').take(2).collect::<Vec<_>>().join(" ");
    demo.edit("policy/break-glass.yaml", &kept, &format!("  - {key}"));
    demo.commit_trusted("the key in the safe is another one");
    let take = |key: &str| {
        let key = demo.key(key);
        demo.provost(&[
            "break-glass",
            "production-down",
            "--person",
            "p-0013",
            "--hours",
            "1",
            "--reason",
            "INC-4711 database down",
            "--key",
            &key,
            "--yes",
        ])
    };
    let refused = take("p-0003");
    assert_eq!(refused.status.code(), Some(1), "a key for approvals is none for this");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("break-glass policy"));
    assert_success(&take("p-0012"));
    demo.wait("the power is there", SOON, || {
        demo.groups("production", "taziz").contains(&"admins".to_owned()).then_some(())
    });
    let alarm = demo.json(&["status"])["held"]["alarms"][0].as_str().unwrap().to_owned();
    assert!(alarm.contains("p-0013 took group:admins on production") && alarm.contains("to be reviewed"));
    let log = demo.wait("it is on the record before the grant", SOON, || {
        let log = demo.git(&["log", "--reverse", "--format=%s", "provost/audit"]);
        let at = |word: &str| log.lines().position(|line| line.contains(word));
        at("p-0013 took").zip(at("grant group:admins for p-0013"))
    });
    assert!(log.0 < log.1);
    let digest = alarm.split([' ', ':']).nth(1).unwrap();
    let review =
        |key: &str| demo.provost(&["break-glass", "--review", digest, "--key", &demo.key(key), "--yes"]);
    assert_success(&review("p-0003"));
    demo.wait_said("alarms", "reviewed by p-0003");
    assert_eq!(review("p-0007").status.code(), Some(1), "once");
}
