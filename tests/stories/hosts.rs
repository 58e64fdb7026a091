//! Two hosts with the same state and the same published log: one of both goes on.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use provost::recorder::{Publishing, Recorder};
use provost_audit::key::SigningKey;
use provost_audit::{Genesis, IntentItem, Kind, Log, OutcomeResult, Record, read_records};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

/// The same change, wanted by both.
const OPERATION: &str = "7c3f";

/// One host: its recorder, and whether it called the target.
struct Host {
    recorder: Recorder,
    called: bool,
}

impl Host {
    fn start(folder: &Path, name: &str) -> Host {
        let key = SigningKey::load_or_generate(&folder.join("key")).unwrap();
        let (log, _) = Log::open(&folder.join(name), key, Timestamp::now()).unwrap();
        let remote = folder.join("desired.git").to_string_lossy().into_owned();
        let recorder = Recorder::start(log, Some(Publishing { remote }), |why| panic!("{why}"));
        Host { recorder, called: false }
    }

    /// Intent, published, call, outcome: as the daemon does where `durability` is `remote`. Whether it got that far.
    async fn change(&mut self) -> bool {
        let now = Timestamp::now();
        let mut intent = Record::new(Kind::Intent, now, "grant");
        intent.items.push(IntentItem {
            operation: OPERATION.to_owned(),
            target: "forge".to_owned(),
            subject: "p-1042".to_owned(),
            not_after: now + jiff::SignedDuration::from_secs(60),
            call: json!({}),
        });
        let seq = self.recorder.record(vec![intent]).await.unwrap()[0].seq;
        if !self.recorder.is_published(seq, PATIENCE).await {
            return false;
        }
        self.called = true;
        let mut outcome = Record::new(Kind::Outcome(OutcomeResult::Applied), now, "grant");
        outcome.intent = Some(seq);
        outcome.operation = Some(OPERATION.to_owned());
        let seq = self.recorder.record(vec![outcome]).await.unwrap()[0].seq;
        self.recorder.is_published(seq, PATIENCE).await
    }

    fn is_refused(&self) -> bool {
        self.recorder.publishing().tampered
    }
}

/// A folder with the states `one` and `two`, the second a copy of the first, and what the first has published.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(Command::new("git").args(["init", "--quiet", "--bare"]).arg(folder.path().join("desired.git")));
    let key = SigningKey::load_or_generate(&folder.path().join("key")).unwrap();
    let genesis = Genesis { at: Timestamp::now(), body: json!({}), changes: Vec::new() };
    drop(Log::create(&folder.path().join("one"), key, genesis).unwrap());
    let first = Host::start(folder.path(), "one");
    let published = async {
        let seq = first.recorder.flush().await.unwrap().seq;
        assert!(first.recorder.is_published(seq, PATIENCE).await);
        first.recorder.stop().await.unwrap();
    };
    runtime().block_on(published);
    run(Command::new("cp").arg("-a").args([folder.path().join("one"), folder.path().join("two")]));
    folder
}

#[test]
fn of_two_hosts_with_one_state_one_is_refused_before_it_calls_anything() {
    for _ in 0..5 {
        let folder = copied();
        let (mut one, mut two) = (Host::start(folder.path(), "one"), Host::start(folder.path(), "two"));
        let both = runtime().block_on(async { tokio::join!(one.change(), two.change()) });
        assert!(both.0 != both.1, "exactly one of both is through: {both:?}");
        assert_eq!((one.called, two.called), both, "the other has called nothing");
        assert_eq!((one.is_refused(), two.is_refused()), (both.1, both.0), "and it is told why");
        assert_eq!(outcomes(folder.path()), 1);
        let loser = if both.0 { "two" } else { "one" };
        runtime().block_on(async {
            one.recorder.stop().await.unwrap();
            two.recorder.stop().await.unwrap();
        });
        // A new start changes nothing about that.
        let mut again = Host::start(folder.path(), loser);
        assert!(!runtime().block_on(again.change()), "it is refused after a new start too");
        assert!(again.is_refused() && !again.called);
        assert_eq!(outcomes(folder.path()), 1);
        runtime().block_on(again.recorder.stop()).unwrap();
    }
}

/// How many outcomes the published log has for the operation.
fn outcomes(folder: &Path) -> usize {
    let repository = folder.join("desired.git");
    let listed = Command::new("git")
        .arg("--git-dir")
        .arg(&repository)
        .args(["rev-list", provost_audit::REF])
        .output()
        .unwrap();
    let ids = String::from_utf8(listed.stdout).unwrap().lines().map(|id| id.parse().unwrap()).collect();
    let mut count = 0;
    read_records(&repository, ids, |_, message| -> provost_audit::Result<()> {
        let closes = matches!(message.kind, Kind::Outcome(_) | Kind::Settled);
        count += usize::from(closes && message.operation.as_deref() == Some(OPERATION));
        Ok(())
    })
    .unwrap();
    count
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
