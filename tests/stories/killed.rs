//! The recorder is killed at any moment, thousands of times, while it changes a target that keeps a ledger of its own:
//! each time the ledger and the log say the same.
//!
//! `KILL_ROUNDS` and `KILL_SEED` choose how often and which; `tests/killed.sh` makes long runs. A seed fixes what is asked
//! for and when it is killed; what the machine does in between is its own, so a run is like another, and not the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use provost::recorder::Recorder;
use provost_audit::key::SigningKey;
use provost_audit::verify::{Options, verify};
use provost_audit::{
    CommitId, Genesis, IntentItem, Kind, Log, OutcomeResult, Record, View, account_path, read_records,
};
use serde_json::json;

/// Set for the process that is going to be killed: the folder of its world, and the seed of its round.
const ROLE: &str = "PROVOST_TEST_KILLED";
const SEED: &str = "PROVOST_TEST_KILLED_SEED";

/// What CI does; a long run is `tests/killed.sh`.
const ROUNDS: u64 = 200;

/// Threads that ask for changes at once, each for accounts of its own, so that groups form.
const CALLERS: u64 = 4;
const ACCOUNTS: u64 = 5;

/// How long a round may take before it is a failure of its own.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn ledger_and_log_say_the_same_however_often_the_recorder_is_killed() {
    let number =
        |name: &str, or: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (rounds, seed) = (number("KILL_ROUNDS", ROUNDS), number("KILL_SEED", 1));
    let folder = tempfile::tempdir().unwrap();
    let target = Target::start(&folder.path().join("target"));
    let key = SigningKey::load_or_generate(&folder.path().join("key")).unwrap();
    let state = folder.path().join("state");
    let genesis = Genesis { at: Timestamp::now(), body: json!({}), changes: Vec::new() };
    drop(Log::create(&state, key, genesis).unwrap());
    let mut seen = Seen::default();
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let mut writer = Writer::start(folder.path(), random.next());
        // One in five is killed while it recovers; that it is well again the next round finds.
        if random.below(5) == 0 {
            target.wait(u64::MAX, Duration::from_micros(random.below(40_000)));
            writer.kill();
            seen.killed_in_recovery += u64::from(!writer.is_ready());
            target.settle();
            continue;
        }
        assert!(writer.wait_ready(), "round {round} of seed {seed}: the writer did not recover");
        seen.compare(&state, &target, &format!("round {round} of seed {seed}"));
        writer.go();
        // After a number of calls, or at a moment between two of them.
        target.wait(random.below(40), Duration::from_micros(random.below(30_000)));
        writer.kill();
        target.settle();
        if (round + 1) % 500 == 0 {
            println!("{}: {seen}", round + 1);
        }
    }
    let mut writer = Writer::start(folder.path(), seed);
    assert!(writer.wait_ready());
    writer.kill();
    target.settle();
    seen.compare(&state, &target, "the end");
    verified(folder.path(), &state);
    println!("seed {seed}, {rounds} rounds: {seen}");
    assert!(seen.settled_applied > 0 && seen.settled_not > 0, "kills hit both sides of a call: {seen}");
}

/// Not a test of its own: the recorder that the test above starts and kills.
#[test]
fn killed_recorder() {
    let Some(folder) = std::env::var_os(ROLE).map(PathBuf::from) else { return };
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let key = SigningKey::load_or_generate(&folder.join("key")).unwrap();
    let (mut log, recovery) = Log::open(&folder.join("state"), key, Timestamp::now()).unwrap();
    let socket = folder.join("target");
    // The process before is gone, and so are its calls: reading the target settles what is in doubt.
    let mut connection = Connection::open(&socket);
    for open in recovery.open {
        let applied = connection.ask(&format!("look {}", open.operation)) == "yes";
        let mut record = Record::new(Kind::Settled, Timestamp::now(), "settled by reading");
        record.intent = Some(open.seq);
        record.operation = Some(open.operation.clone());
        record.body = json!({ "applied": applied });
        record.priority = true;
        if applied {
            let value = open.call["value"].as_str().unwrap();
            record.changes = vec![(account_path("ledger", &open.subject), Some(value.as_bytes().to_vec()))];
        }
        log.record(&[record]).unwrap();
    }
    log.flush().unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let recorder = Recorder::start(log, None, |why| panic!("{why}"));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (recorder, socket) = (recorder.clone(), socket.clone());
            std::thread::spawn(move || call_on(caller, seed, &recorder, &socket))
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
}

/// Changes accounts until it is killed: intent, call, outcome.
fn call_on(caller: u64, seed: u64, recorder: &Recorder, socket: &Path) {
    let mut random = Random(seed ^ caller << 56);
    let mut connection = Connection::open(socket);
    loop {
        let now = Timestamp::now();
        let mut intent = Record::new(Kind::Intent, now, "change accounts");
        for _ in 0..=random.below(3) {
            let (operation, value) = (format!("{:016x}", random.next()), random.next().to_string());
            intent.items.push(IntentItem {
                operation,
                target: "ledger".to_owned(),
                subject: format!("a-{caller}-{}", random.below(ACCOUNTS)),
                not_after: now + jiff::SignedDuration::from_secs(60),
                call: json!({ "value": value }),
            });
        }
        let seq = recorder.record_blocking(vec![intent.clone()]).unwrap()[0].seq;
        for item in &intent.items {
            let value = item.call["value"].as_str().unwrap();
            let done =
                connection.ask(&format!("apply {} {} {value}", item.operation, item.subject)) == "done";
            let result = if done { OutcomeResult::Applied } else { OutcomeResult::Failed };
            let mut outcome = Record::new(Kind::Outcome(result), Timestamp::now(), "changed an account");
            outcome.intent = Some(seq);
            outcome.operation = Some(item.operation.clone());
            outcome.priority = true;
            if done {
                let file = (account_path("ledger", &item.subject), Some(value.as_bytes().to_vec()));
                outcome.changes = vec![file];
            }
            recorder.record_blocking(vec![outcome]).unwrap();
        }
    }
}

/// A target with a ledger of its own, in another process than the recorder.
struct Target {
    socket: PathBuf,
    ledger: Arc<Mutex<Ledger>>,
    calls: Mutex<Receiver<()>>,
    /// Connections that are open.
    open: Arc<AtomicU64>,
    closed: Mutex<Receiver<()>>,
}

#[derive(Default)]
struct Ledger {
    /// What was done, in order: operation, account, value.
    done: Vec<(String, String, String)>,
    operations: BTreeSet<String>,
    accounts: BTreeMap<String, String>,
    /// Operations that were called a second time.
    again: Vec<String>,
}

impl Target {
    fn start(socket: &Path) -> Target {
        let listener = UnixListener::bind(socket).unwrap();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let open = Arc::new(AtomicU64::new(0));
        let (called, calls) = channel();
        let (close, closed) = channel();
        let (shared, counted) = (Arc::clone(&ledger), Arc::clone(&open));
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let (ledger, called, close) = (Arc::clone(&shared), called.clone(), close.clone());
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || {
                    serve(connection, &ledger, &called);
                    counted.fetch_sub(1, Ordering::SeqCst);
                    let _gone = close.send(());
                });
            }
        });
        Target {
            socket: socket.to_owned(),
            ledger,
            calls: Mutex::new(calls),
            open,
            closed: Mutex::new(closed),
        }
    }

    /// Waits for this many calls, but no longer than that.
    fn wait(&self, calls: u64, patience: Duration) {
        let received = self.calls.lock().unwrap();
        while received.try_recv().is_ok() {}
        let deadline = std::time::Instant::now() + patience;
        for _ in 0..calls {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if received.recv_timeout(left).is_err() {
                return;
            }
        }
    }

    /// Waits until every call of a dead process has landed.
    fn settle(&self) {
        // Connections are taken in their order: once this one is, all of the dead process are counted.
        Connection::open(&self.socket).ask("look nothing");
        let closed = self.closed.lock().unwrap();
        while self.open.load(Ordering::SeqCst) > 0 {
            closed.recv_timeout(PATIENCE).unwrap();
        }
        while closed.try_recv().is_ok() {}
    }
}

fn serve(connection: UnixStream, ledger: &Mutex<Ledger>, called: &Sender<()>) {
    let mut answers = connection.try_clone().unwrap();
    for line in BufReader::new(connection).lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["look", operation] => {
                if ledger.lock().unwrap().operations.contains(operation) {
                    "yes"
                } else {
                    "no"
                }
            }
            // One in eight is refused, by its name.
            ["apply", operation, ..] if operation.ends_with(['0', '1']) => "refused",
            ["apply", operation, account, value] => {
                ledger.lock().unwrap().apply(operation, account, value);
                "done"
            }
            // Cut off by a kill: nobody asked for this.
            _ => return,
        };
        let _gone = called.send(());
        // The caller may be dead by now; what was done is done.
        drop(answers.write_all(format!("{answer}\n").as_bytes()));
    }
}

impl Ledger {
    fn apply(&mut self, operation: &str, account: &str, value: &str) {
        if !self.operations.insert(operation.to_owned()) {
            self.again.push(operation.to_owned());
        }
        self.accounts.insert(account.to_owned(), value.to_owned());
        self.done.push((operation.to_owned(), account.to_owned(), value.to_owned()));
    }
}

struct Connection(BufReader<UnixStream>);

impl Connection {
    fn open(socket: &Path) -> Connection {
        Connection(BufReader::new(UnixStream::connect(socket).unwrap()))
    }

    fn ask(&mut self, question: &str) -> String {
        // One write, so that a kill leaves a whole line or none.
        self.0.get_mut().write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

/// The process that is killed.
struct Writer {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    ready: bool,
}

impl Writer {
    fn start(folder: &Path, seed: u64) -> Writer {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::killed_recorder", "--nocapture"])
            .env(ROLE, folder)
            .env(SEED, seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                drop(send.send(line));
            }
        });
        Writer { child, stdin, lines, ready: false }
    }

    fn wait_ready(&mut self) -> bool {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line.ends_with("ready") {
                self.ready = true;
                return true;
            }
        }
        false
    }

    /// Whether it had recovered by now.
    fn is_ready(&mut self) -> bool {
        self.ready |= self.lines.try_iter().any(|line| line.ends_with("ready"));
        self.ready
    }

    fn go(&mut self) {
        self.stdin.write_all(b"go\n").unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What the log has said so far.
#[derive(Default)]
struct Seen {
    tip: Option<CommitId>,
    records: u64,
    /// Operations with an intent, and whether they were applied where that is known.
    intents: BTreeMap<String, Option<bool>>,
    applied: u64,
    settled_applied: u64,
    settled_not: u64,
    killed_in_recovery: u64,
}

impl Seen {
    /// Reads what is new in the log, and compares all of it with the ledger.
    fn compare(&mut self, state: &Path, target: &Target, when: &str) {
        let repository = state.join("provost.git");
        let tip = git(&repository, &["rev-parse", provost_audit::REF]);
        let tip: CommitId = tip.trim().parse().unwrap();
        let range = self.tip.map_or_else(|| tip.to_string(), |before| format!("{before}..{tip}"));
        let listed = git(&repository, &["rev-list", "--reverse", &range]);
        let ids: Vec<CommitId> = listed.lines().map(|id| id.parse().unwrap()).collect();
        self.tip = Some(tip);
        read_records(&repository, ids, |_, message| -> provost_audit::Result<()> {
            self.records += 1;
            assert_eq!(message.seq, self.records, "{when}: a number is missing");
            let body = message.body().unwrap();
            for item in body["operations"].as_array().into_iter().flatten() {
                let again = self.intents.insert(item["operation"].as_str().unwrap().to_owned(), None);
                assert_eq!(again, None, "{when}: an operation has two intents");
            }
            let applied = match message.kind {
                Kind::Outcome(result) => result == OutcomeResult::Applied,
                Kind::Settled => {
                    let applied = body["applied"] == true;
                    *(if applied { &mut self.settled_applied } else { &mut self.settled_not }) += 1;
                    applied
                }
                _ => return Ok(()),
            };
            let known = self.intents.get_mut(message.operation.as_deref().unwrap());
            let known = known.unwrap_or_else(|| panic!("{when}: an outcome has no intent"));
            assert_eq!(*known, None, "{when}: an operation has two outcomes");
            *known = Some(applied);
            self.applied += u64::from(applied);
            Ok(())
        })
        .unwrap();
        let ledger = target.ledger.lock().unwrap();
        assert_eq!(ledger.again, [""; 0], "{when}: operations were called twice");
        assert_eq!(
            ledger.done.len() as u64,
            self.applied,
            "{when}: the ledger has more or less than the log"
        );
        for operation in &ledger.operations {
            assert_eq!(self.intents.get(operation), Some(&Some(true)), "{when}: {operation} in the ledger");
        }
        assert!(self.intents.values().all(Option::is_some), "{when}: something is still in doubt");
        let mut live = BTreeMap::new();
        let view = View::at(&repository, tip).unwrap();
        view.for_each("live", |path, value| {
            let name = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
            live.insert(name.to_owned(), String::from_utf8_lossy(&value).into_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(live, ledger.accounts, "{when}: what is live is not what the ledger has");
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Seen { records, intents, applied, settled_applied, settled_not, killed_in_recovery, .. } = self;
        write!(
            f,
            "{records} records, {} operations, {applied} applied; in doubt and settled: {settled_applied} applied, \
             {settled_not} not; {killed_in_recovery} killed before they had recovered",
            intents.len()
        )
    }
}

fn verified(folder: &Path, state: &Path) {
    let repository = state.join("provost.git");
    let key = SigningKey::load_or_generate(&folder.join("key")).unwrap();
    let keys = provost_audit::allowed::AllowedSigners::of_keys([key.public_key().clone()]);
    let tip = git(&repository, &["rev-parse", provost_audit::REF]).trim().parse().unwrap();
    let options = Options { keys, objects: true, ..Options::default() };
    let report = verify(&repository, tip, &options, |_, _| {}).unwrap();
    assert!(report.findings.is_empty() && report.open.is_empty(), "{report:?}");
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("--git-dir").arg(repository).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// splitmix64: the same numbers from the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
