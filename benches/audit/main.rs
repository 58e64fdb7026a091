//! What the audit log costs: `audit RECORDS` prints one JSON object. See benches/audit.sh.

mod import;
mod workload;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use provost_audit::allowed::AllowedSigners;
use provost_audit::index::{Held, Index, Query};
use provost_audit::key::SigningKey;
use provost_audit::verify::{self, verify};
use provost_audit::{CommitId, Genesis, Log, Record, Thoroughness, maintain};
use serde_json::json;
use workload::Workload;

type Failure = Box<dyn std::error::Error>;

/// Turns of which the median counts; in each everything that is compared runs once.
const TURNS: usize = 5;
/// Records that a turn writes in groups of a hundred, and of a thousand.
const PER_TURN: usize = 5_000;
/// Intents alone, and bare syncs beside them, of each turn.
const SINGLE: usize = 100;
/// Records between two rounds of the maintenance that the daemon does every hour.
const MAINTAIN_AFTER: u64 = 100_000;
/// What one person asked for or one question on one day is asked this often.
const QUESTIONS: usize = 11;

fn main() -> Result<(), Failure> {
    // cargo bench adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [records] = &arguments[..] else { return Err("usage: audit RECORDS".into()) };
    let records: u64 = records.parse()?;
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state");
    let key = SigningKey::random()?;
    let keys = AllowedSigners::parse(&key.allowed_signers_line())?;
    let mut workload = Workload::new();
    let mut log = base(&state, key, &mut workload)?;

    let mut turns = Vec::new();
    let (before, first) = (packs(&log)?, log.tip().commit);
    for turn in 0..TURNS {
        note(&format!("turn {} of {TURNS}", turn + 1));
        turns.push(Turn::run(&mut log, &mut workload, folder.path())?);
    }
    let outcomes = outcomes_since(&log, first)?;
    let fresh = (packs(&log)? - before) as f64 / outcomes;
    note("repacking");
    maintain(&log.repository(), Thoroughness::Repack)?;
    let bytes = (packs(&log)? - before) as f64 / outcomes;

    let filled = fill(&mut log, &mut workload, records)?;
    note("verifying");
    let tip = log.tip();
    let cores = std::thread::available_parallelism()?.get();
    let options = verify::Options { keys, ..verify::Options::default() };
    let (begun, worked) = (Instant::now(), cpu_seconds()?);
    let report = verify(&log.repository(), tip.commit, &options, |_, _| {})?;
    let verified_wall = report.records as f64 / begun.elapsed().as_secs_f64();
    // Of what a core does: how many there are, and what else they do, is the machine's.
    let verified = report.records as f64 / (cpu_seconds()? - worked);
    if let Some(finding) = report.findings.first() {
        return Err(format!("the log is not whole: {finding:?}").into());
    }
    note("indexing");
    let begun = Instant::now();
    let mut index = Index::open(&folder.path().join("index.sqlite"))?;
    let indexed = index.catch_up(&log.repository(), tip.commit, |_, _| {})?;
    let indexed = indexed as f64 / begun.elapsed().as_secs_f64();
    let asked = ask(&log, folder.path())?;

    let middle = |of: fn(&Turn) -> f64| median(turns.iter().map(of).collect());
    let round = |value: f64| (value * 100.0).round() / 100.0;
    println!(
        "{}",
        json!({
            "records": tip.seq,
            "cores": cores,
            "group_100_vs_fast_import": round(middle(|turn| turn.group_100 / turn.fast_import)),
            "group_1000_vs_fast_import": round(middle(|turn| turn.group_1000 / turn.fast_import)),
            "group_1_vs_fdatasync": round(middle(|turn| turn.intent_ms / turn.fdatasync_ms)),
            "bytes_per_record": bytes.round(),
            "verify_per_second": verified.round(),
            "index_per_second": indexed.round(),
            "history_ms": round(asked.history_ms),
            "who_at_ms": round(asked.who_at_ms),
            "raw": {
                "group_100_per_second": middle(|turn| turn.group_100).round(),
                "group_1000_per_second": middle(|turn| turn.group_1000).round(),
                "fast_import_per_second": middle(|turn| turn.fast_import).round(),
                "filled_per_second": filled.map(f64::round),
                "verify_per_second_of_all_cores": verified_wall.round(),
                "intent_ms": round(middle(|turn| turn.intent_ms)),
                "fdatasync_ms": round(middle(|turn| turn.fdatasync_ms)),
                "bytes_per_record_before_repack": fresh.round(),
                "history_entries": asked.entries,
                "holders": asked.holders,
            },
        })
    );
    Ok(())
}

/// A log whose tree has all accounts, packed as after a month.
fn base(state: &Path, key: SigningKey, workload: &mut Workload) -> Result<Log, Failure> {
    note("making a tree");
    let genesis =
        Genesis { at: jiff::Timestamp::from_second(1_790_000_000)?, body: json!({}), changes: Vec::new() };
    let mut log = Log::create(state, key, genesis)?;
    for record in workload.baseline() {
        log.record(&[record])?;
    }
    log.flush()?;
    maintain(&log.repository(), Thoroughness::Repack)?;
    Ok(log)
}

/// What one turn measured: rates in records a second, times in milliseconds.
struct Turn {
    group_100: f64,
    group_1000: f64,
    fast_import: f64,
    intent_ms: f64,
    fdatasync_ms: f64,
}

impl Turn {
    fn run(log: &mut Log, workload: &mut Workload, folder: &Path) -> Result<Turn, Failure> {
        // A copy of the log as it is, into which git imports what is recorded next.
        let copy = folder.join("import.git");
        import::copy(&log.repository(), &copy)?;
        let base = log.tip().commit;
        let (group_100, written) = rate(log, workload, 100)?;
        let stream = folder.join("stream");
        import::write(&stream, &log.repository(), base, &written)?;
        let fast_import = written.len() as f64 / import::run(&copy, &stream)?.as_secs_f64();
        let (group_1000, _) = rate(log, workload, 1000)?;
        std::fs::remove_dir_all(&copy)?;
        let (intent_ms, fdatasync_ms) = single(log, workload, folder)?;
        Ok(Turn { group_100, group_1000, fast_import, intent_ms, fdatasync_ms })
    }
}

/// Records a turn's records in groups of this size, all in the repository at the end: records a second, and what was
/// written. What the workload itself takes is not counted.
fn rate(log: &mut Log, workload: &mut Workload, size: usize) -> Result<(f64, Vec<Record>), Failure> {
    let mut written = Vec::new();
    let mut taken = Duration::ZERO;
    for _ in 0..PER_TURN / size {
        let group = workload.group(size, log.tip().seq + 1);
        let begun = Instant::now();
        log.record(&group)?;
        taken += begun.elapsed();
        written.extend(group);
    }
    let rest = workload.settle();
    let begun = Instant::now();
    log.record(&rest)?;
    log.flush()?;
    taken += begun.elapsed();
    written.extend(rest);
    Ok((written.len() as f64 / taken.as_secs_f64(), written))
}

/// The median time until one intent is durable, and that of a bare fdatasync of as many bytes in a file that is
/// preallocated in the same way, one beside the other.
fn single(log: &mut Log, workload: &mut Workload, folder: &Path) -> Result<(f64, f64), Failure> {
    let bare = OpenOptions::new().create(true).write(true).truncate(true).open(folder.join("bare"))?;
    bare.write_all_at(&vec![0; 4096 * SINGLE], 0)?;
    bare.sync_all()?;
    let (mut intents, mut syncs) = (Vec::new(), Vec::new());
    for n in 0..SINGLE {
        let intent = workload.group(1, log.tip().seq + 1);
        let begun = Instant::now();
        log.record(&intent)?;
        intents.push(begun.elapsed().as_secs_f64() * 1000.0);
        log.record(&workload.settle())?;
        syncs.push(bare_sync(&bare, n)?);
    }
    log.flush()?;
    Ok((median(intents), median(syncs)))
}

fn bare_sync(file: &File, n: usize) -> Result<f64, Failure> {
    let begun = Instant::now();
    file.write_all_at(&[1; 4096], 4096 * n as u64)?;
    file.sync_data()?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

/// Fills the log in groups of a thousand; gives records a second, maintenance not counted.
fn fill(log: &mut Log, workload: &mut Workload, records: u64) -> Result<Option<f64>, Failure> {
    let first = log.tip().seq;
    let mut taken = Duration::ZERO;
    let mut maintained = first;
    while log.tip().seq + 1000 <= records {
        let group = workload.group(1000, log.tip().seq + 1);
        let begun = Instant::now();
        log.record(&group)?;
        taken += begun.elapsed();
        if log.tip().seq - maintained >= MAINTAIN_AFTER {
            note(&format!("{} records of {records}", log.tip().seq));
            maintained = log.tip().seq;
            log.flush()?;
            maintain(&log.repository(), Thoroughness::Join)?;
        }
    }
    log.record(&workload.settle())?;
    log.flush()?;
    maintain(&log.repository(), Thoroughness::Join)?;
    let filled = (log.tip().seq - first) as f64;
    Ok((taken > Duration::ZERO).then(|| filled / taken.as_secs_f64()))
}

struct Asked {
    history_ms: f64,
    who_at_ms: f64,
    entries: usize,
    holders: usize,
}

/// What one person's history and one entitlement's holders at an instant in the middle take, the index opened anew for
/// each as a command does.
fn ask(log: &Log, folder: &Path) -> Result<Asked, Failure> {
    let (repository, tip, path) = (log.repository(), log.tip(), folder.join("index.sqlite"));
    let (mut history, mut who) = (Vec::new(), Vec::new());
    let (mut entries, mut holders) = (0, 0);
    for n in 0..QUESTIONS {
        let begun = Instant::now();
        let mut index = Index::open(&path)?;
        index.catch_up(&repository, tip.commit, |_, _| {})?;
        let query = Query { subject: Some(workload::identity(n as u64)), ..Query::default() };
        entries = entries.max(index.history(&query)?.len());
        history.push(begun.elapsed().as_secs_f64() * 1000.0);
        let middle = index.record(tip.seq / 2)?.ok_or("the index has no record in the middle")?;
        let begun = Instant::now();
        let mut index = Index::open(&path)?;
        index.catch_up(&repository, tip.commit, |_, _| {})?;
        let then = index.at(middle.at)?.ok_or("nothing was recorded by the middle")?;
        let held = Held { kind: Some("group"), name: workload::GROUP, role: None };
        holders = index.holders("forge", Some(held), then.seq)?.len();
        who.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    if entries == 0 || holders == 0 {
        return Err("the index knows nothing of what was asked".into());
    }
    Ok(Asked { history_ms: median(history), who_at_ms: median(who), entries, holders })
}

/// How many outcomes there are after this record.
fn outcomes_since(log: &Log, first: CommitId) -> Result<f64, Failure> {
    let range = format!("{first}..{}", log.tip().commit);
    let counted = import::git(&log.repository())
        .args(["rev-list", "--count", "--grep=^Kind: outcome-", &range])
        .output()?;
    Ok(String::from_utf8(counted.stdout)?.trim().parse()?)
}

/// Bytes of all packs and their indexes.
fn packs(log: &Log) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(log.repository().join("objects/pack"))? {
        let entry = entry?;
        let name = entry.file_name();
        if [".pack", ".idx"].iter().any(|end| name.to_string_lossy().ends_with(end)) {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// Seconds that this process and the programs that it waited for have worked so far (proc(5), stat: fields 14 to 17, in
/// hundredths of a second on every Linux).
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name stands in brackets, and may hold blanks.
    let fields = stat.rsplit_once(") ").ok_or("/proc/self/stat has no name")?.1;
    let ticks = fields.split(' ').skip(11).take(4).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / 100.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Says on standard error how far it is.
fn note(what: &str) {
    eprintln!("audit: {what}");
}
