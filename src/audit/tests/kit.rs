//! A small world for the tests: a log in a temporary folder, records, and git.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::Timestamp;
use provost_audit::key::SigningKey;
use provost_audit::{Genesis, IntentItem, Kind, Log, Options, OutcomeResult, Record, account_path};
use serde_json::json;
use tempfile::TempDir;

/// A log in a folder of its own.
pub struct World {
    pub folder: TempDir,
}

impl World {
    pub fn new() -> World {
        World { folder: tempfile::tempdir().unwrap() }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn repository(&self) -> PathBuf {
        self.state().join("provost.git")
    }

    pub fn key(&self) -> SigningKey {
        SigningKey::load_or_generate(&self.folder.path().join("key")).unwrap()
    }

    pub fn create(&self) -> Log {
        self.create_with(Options { journal: 1 << 20 })
    }

    pub fn create_with(&self, options: Options) -> Log {
        Log::create_with_options(&self.state(), self.key(), genesis(), options).unwrap()
    }

    pub fn open(&self) -> (Log, provost_audit::Recovery) {
        Log::open(&self.state(), self.key(), at(9_000)).unwrap()
    }

    /// Runs git in the log's repository; it has to succeed.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.repository(), arguments)
    }

    /// The path of an allowed_signers file with the log's key.
    pub fn allowed_signers(&self) -> PathBuf {
        let path = self.folder.path().join("allowed_signers");
        std::fs::write(&path, self.key().allowed_signers_line() + "\n").unwrap();
        path
    }
}

pub fn genesis() -> Genesis {
    Genesis { at: at(0), body: json!({"trust": "0123"}), changes: Vec::new() }
}

/// A moment of the tests' day.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub fn intent(operation: &str, subject: &str) -> Record {
    let mut record = Record::new(Kind::Intent, at(1), format!("intent: {operation} for {subject}"));
    record.items.push(IntentItem {
        operation: operation.to_owned(),
        target: "forge".to_owned(),
        subject: subject.to_owned(),
        not_after: at(61),
        call: json!({"grant": "engineering"}),
    });
    record
}

/// The outcome of an intent's operation, which writes the account's file.
pub fn outcome(intent: u64, operation: &str, subject: &str, content: &str) -> Record {
    let mut record = Record::new(
        Kind::Outcome(OutcomeResult::Applied),
        at(2),
        format!("grant team engineering on forge to {subject}"),
    );
    record.intent = Some(intent);
    record.operation = Some(operation.to_owned());
    record.target = Some("forge".to_owned());
    record.subject = Some(subject.to_owned());
    record.body = json!({"before": {}, "after": {"account": content}, "causes": ["role engineer"], "result": "applied"});
    record.changes.push((account_path("forge", subject), Some(format!("{content}\n").into_bytes())));
    record.priority = true;
    record
}

/// A record that needs no intent and writes one account's file.
pub fn drift(subject: &str, content: &str) -> Record {
    let mut record = Record::new(Kind::Drift, at(3), format!("drift on forge: {subject}"));
    record.target = Some("forge".to_owned());
    record.subject = Some(subject.to_owned());
    record.body = json!({"before": null, "after": content});
    record.changes.push((account_path("forge", subject), Some(content.as_bytes().to_vec())));
    record
}

/// Runs git on a repository; it has to succeed. Gives what it printed.
pub fn git(repository: &Path, arguments: &[&str]) -> String {
    let output = try_git(repository, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

pub fn try_git(repository: &Path, arguments: &[&str]) -> Output {
    Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap()
}

/// The ids of all records, oldest first.
pub fn records(world: &World) -> Vec<String> {
    world.git(&["rev-list", "--reverse", "provost/audit"]).lines().map(str::to_owned).collect()
}
