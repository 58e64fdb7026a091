//! How a program lives: started when it is needed, confined, watched, ended.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use provost_exec::Exec;
use provost_sdk::{
    Collected, Connector, Create, ErrorKind, IdempotencyKey, Limits, Observe, Operation, Program,
    SecretString, Settings, Wanted,
};
use serde_json::{Value, json};

use crate::files::Files;

/// Everything here happens at once on an idle machine.
const SOON: Duration = Duration::from_secs(20);

/// A fake program.
pub struct Fake {
    folder: tempfile::TempDir,
    does: Value,
}

impl Fake {
    pub fn new(does: Value) -> Fake {
        Fake { folder: tempfile::tempdir().unwrap(), does }
    }

    pub fn settings(&self) -> Settings {
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake.py");
        let heard = self.folder.path().join("heard");
        let run =
            ["python3", fake.to_str().unwrap(), heard.to_str().unwrap(), &self.does.to_string(), "; touch x"];
        Settings {
            target: "fake".to_owned(),
            config: json!({"command": "fake"}).as_object().cloned().unwrap(),
            secrets: [("token".to_owned(), SecretString::from("hunter2hunter2"))].into(),
            commands: [(
                "command".to_owned(),
                Program { run: run.map(str::to_owned).to_vec(), ..Program::default() },
            )]
            .into(),
            ..Settings::default()
        }
    }

    fn reader(&self) -> Box<dyn Observe> {
        Exec.reader(&self.settings()).unwrap()
    }

    /// What it heard so far.
    pub fn heard(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("heard")).unwrap_or_default()
    }

    /// The number after a word in what it heard.
    fn id(&self, word: &str) -> Option<String> {
        let heard = self.heard();
        heard.lines().find_map(|line| line.strip_prefix(word)).map(str::to_owned)
    }
}

fn ada() -> Operation {
    Operation::Create(Create {
        kind: "user".to_owned(),
        username: "ada".to_owned(),
        attributes: Default::default(),
        identity: "p-1".to_owned(),
    })
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and no zombie.
fn lives(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn nothing_is_started_before_the_first_call() {
    let fake = Fake::new(json!({}));
    let reader = fake.reader();
    let writer = Exec.writer(&fake.settings()).unwrap();
    drop(writer);
    assert_eq!(fake.heard(), "");
    reader.describe().await.unwrap();
    assert!(fake.heard().contains("\"access\":\"read\""), "{}", fake.heard());
}

#[test]
fn a_target_without_a_program_says_where_one_is_named() {
    let settings = Settings { target: "t".to_owned(), ..Settings::default() };
    let error = Exec.reader(&settings).err().unwrap();
    assert!(error.kind == ErrorKind::Configuration && error.message.contains("[commands.NAME]"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_by_its_name() {
    let mut settings = Fake::new(json!({})).settings();
    settings.commands.get_mut("command").unwrap().run = vec!["no-such-program".to_owned()];
    let error = Exec.reader(&settings).unwrap().describe().await.unwrap_err();
    assert!(error.kind == ErrorKind::Configuration && error.message.contains("no-such-program"), "{error}");
}

#[tokio::test]
async fn nothing_of_the_daemon_reaches_a_program_and_no_secret_an_error() {
    let say = "{environment} {arguments} hunter2hunter2 \u{1b}[31m";
    let fake = Fake::new(json!({"exit": "probe", "say": say}));
    let mut settings = fake.settings();
    settings.commands.get_mut("command").unwrap().environment =
        [("COLOUR".to_owned(), "blue".to_owned()), ("LC_ALL".to_owned(), "C.UTF-8".to_owned())].into();
    let error = Exec.reader(&settings).unwrap().probe().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    let said = "{'COLOUR': 'blue', 'LC_ALL': 'C.UTF-8'} ['; touch x'] [secret] \\u{1b}[31m";
    assert!(error.message.contains(said) && error.message.contains("exit status: 3"), "{error}");
    assert!(!error.may_have_landed, "a question changes nothing");
    assert!(fake.heard().contains("hunter2hunter2"), "the secret was in the message");
}

#[tokio::test]
async fn another_version_is_refused_before_anything_secret_is_said() {
    let fake = Fake::new(json!({"answers": {"initialize": {"protocol": 2, "name": "fake"}}}));
    let error = fake.reader().probe().await.unwrap_err();
    assert!(error.kind == ErrorKind::Configuration && error.message.contains("version 2"), "{error}");
    assert!(fake.heard().contains("initialize") && !fake.heard().contains("hunter2"), "{}", fake.heard());
}

#[tokio::test]
async fn a_program_that_ends_between_two_calls_is_started_again_at_once() {
    let fake = Fake::new(json!({"exit-after": "probe"}));
    let reader = fake.reader();
    let began = Instant::now();
    for round in 1..=8 {
        // A call may come just before the end is known; the next one does not.
        while let Err(error) = reader.probe().await {
            assert!(error.kind == ErrorKind::Unavailable && began.elapsed() < SOON, "{error}");
        }
        let starts = fake.heard().matches("started").count();
        assert_eq!(starts, round, "each answered one call");
    }
}

#[tokio::test]
async fn a_program_that_never_works_is_started_less_and_less_often_and_says_why() {
    let fake = Fake::new(json!({"exit": "start", "say": "no licence"}));
    let reader = fake.reader();
    let began = Instant::now();
    let error = loop {
        let error = reader.probe().await.unwrap_err();
        assert!(error.kind == ErrorKind::Unavailable && error.message.contains("no licence"), "{error}");
        if error.message.contains("started again in") {
            break error;
        }
        assert!(began.elapsed() < SOON);
    };
    let starts = fake.heard().matches("started").count();
    assert!((6..=8).contains(&starts), "{starts} starts, then {error}");
    reader.probe().await.unwrap_err();
    assert_eq!(fake.heard().matches("started").count(), starts, "it is left alone for a while");
}

#[tokio::test]
async fn a_call_without_an_answer_ends_in_time_and_in_doubt_with_all_that_was_started() {
    let fake = Fake::new(json!({"silent": ["apply"], "spawn": true}));
    let mut settings = fake.settings();
    settings.limits = Limits { timeout: Duration::from_secs(1), ..Limits::default() };
    let writer = Exec.writer(&settings).unwrap();
    let began = Instant::now();
    let error = writer.apply(&ada(), &IdempotencyKey("k".to_owned())).await.unwrap_err();
    assert!(error.kind == ErrorKind::Timeout && error.may_have_landed, "{error}");
    assert!(began.elapsed() < SOON);
    assert!(fake.heard().contains("\"cancel\""), "it was asked to end the call: {}", fake.heard());
    for word in ["started ", "spawned "] {
        let id = fake.id(word).unwrap();
        wait("the program and what it started are gone", || (!lives(&id)).then_some(()));
    }
}

#[tokio::test]
async fn a_call_that_ends_when_it_is_asked_to_leaves_the_program_running() {
    let files = Files::new();
    let script = json!({"faults": ["slow-to-cancel"], "methods": ["probe"]});
    let mut settings = files.faulty("all", &script);
    settings.limits.timeout = Duration::from_secs(2);
    let reader = Exec.reader(&settings).unwrap();
    let error = reader.probe().await.unwrap_err();
    assert!(error.kind == ErrorKind::Timeout && !error.message.contains("killed"), "{error}");
    let before = files.counted()["calls"].as_u64().unwrap();
    reader.describe().await.unwrap();
    reader.look_up(&Wanted::Anchor("a0".into())).await.unwrap();
    assert_eq!(files.counted()["calls"].as_u64(), Some(before + 1), "no second handshake");
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_any_more_is_cancelled() {
    let fake = Fake::new(json!({"silent": ["observe"]}));
    let reader = fake.reader();
    let mut sink = Collected::default();
    let read = reader.observe(None, &mut sink);
    assert!(tokio::time::timeout(Duration::from_millis(300), read).await.is_err());
    wait("the wish is heard", || fake.heard().contains("\"cancel\"").then_some(()));
    reader.look_up(&Wanted::Anchor("a0".into())).await.unwrap();
    assert_eq!(fake.heard().matches("started").count(), 1);
}

#[tokio::test]
async fn what_is_no_message_ends_the_program_and_leaves_a_write_in_doubt() {
    for fault in ["garbage", "wrong-id", "oversize-line"] {
        let files = Files::new();
        let settings = files.faulty("all", &json!({"faults": [fault], "methods": ["apply"]}));
        let writer = Exec.writer(&settings).unwrap();
        let error = writer.apply(&ada(), &IdempotencyKey("k".to_owned())).await.unwrap_err();
        assert!(error.kind == ErrorKind::InvalidResponse && error.may_have_landed, "{fault}: {error}");
        let found =
            Exec.reader(&settings).unwrap().look_up(&Wanted::Username("ada".to_owned())).await.unwrap();
        assert!(found.is_some(), "{fault}: it had landed");
    }
}

#[tokio::test]
async fn a_program_is_held_to_its_memory() {
    let fake = Fake::new(json!({"allocate": "probe"}));
    let mut settings = fake.settings();
    settings.commands.get_mut("command").unwrap().memory = Some(128 << 20);
    let error = Exec.reader(&settings).unwrap().probe().await.unwrap_err();
    assert!(error.message.contains("MemoryError"), "{error}");
    settings.commands.get_mut("command").unwrap().memory = None;
    Exec.reader(&settings).unwrap().probe().await.unwrap();
}

#[tokio::test]
async fn a_program_ends_when_nobody_wants_it_any_more() {
    let fake = Fake::new(json!({}));
    let reader = fake.reader();
    reader.describe().await.unwrap();
    drop(reader);
    wait("it heard the end of its input", || fake.heard().contains("ended").then_some(()));
    let id = fake.id("started ").unwrap();
    wait("it is gone", || (!lives(&id)).then_some(()));
}

/// The variable that names the place of the fake to the process that plays the daemon.
const DAEMON: &str = "PROVOST_EXEC_TEST_DAEMON";

#[test]
fn a_program_dies_with_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("heard");
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "life::plays_the_daemon", "--nocapture"])
        .env(DAEMON, &heard)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let id = wait("the program is called", || {
        let heard = std::fs::read_to_string(&heard).ok()?;
        let id = heard.lines().next()?.strip_prefix("started ")?.to_owned();
        heard.contains("probe").then_some(id)
    });
    assert!(lives(&id));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    wait("the program is gone", || (!lives(&id)).then_some(()));
}

/// Not a test by itself: the process that the test above kills.
#[test]
fn plays_the_daemon() {
    let Some(heard) = std::env::var_os(DAEMON) else { return };
    let fake = Fake::new(json!({"silent": ["probe"]}));
    let mut settings = fake.settings();
    let run = &mut settings.commands.get_mut("command").unwrap().run;
    run[2] = heard.into_string().unwrap();
    // A program that only hears the end of its input would end too: this one stops reading.
    run[3] = json!({"silent": ["probe"], "deaf": true}).to_string();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    drop(runtime.block_on(Exec.reader(&settings).unwrap().probe()));
}
