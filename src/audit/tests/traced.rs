//! The order of a record as the system sees it: strace(1) looks over the writer's shoulder.

use std::process::Command;

use crate::kit::{World, at, intent, outcome};

/// Set for the process that is looked at: the folder of its world.
const ROLE: &str = "PROVOST_AUDIT_TEST_TRACED";

/// Not a test of its own: the writer that the test below looks at. Its "connector" makes a file.
#[test]
fn traced_process() {
    let Some(folder) = std::env::var_os(ROLE) else { return };
    let folder = std::path::PathBuf::from(folder);
    let key = provost_audit::key::SigningKey::load_or_generate(&folder.join("key")).unwrap();
    let (mut log, _) = provost_audit::Log::open(&folder.join("state"), key, at(9)).unwrap();
    for n in 0..2 {
        let subject = format!("p-{n}");
        let seq = log.record(&[intent("op", &subject)]).unwrap()[0].seq;
        std::fs::write(folder.join("called"), &subject).unwrap();
        log.record(&[outcome(seq, "op", &subject, "team: engineering")]).unwrap();
    }
    log.flush().unwrap();
}

#[test]
fn the_journal_is_synced_before_the_call_and_pack_folder_and_ref_before_the_journal_is_truncated() {
    let world = World::new();
    drop(world.create());
    let trace = world.folder.path().join("trace");
    let traced = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-qq",
            "-e",
            "trace=openat,pwrite64,fdatasync,fsync,rename,renameat,renameat2",
            "-o",
        ])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "traced::traced_process"])
        .env(ROLE, world.folder.path())
        .output()
        .expect("strace is installed: it is what this test looks through");
    assert!(traced.status.success(), "{}", String::from_utf8_lossy(&traced.stderr));
    let trace = std::fs::read_to_string(trace).unwrap();
    let events: Vec<&str> = trace.lines().filter_map(event).collect();
    // Opening clears the journal, the same way as recording writes it.
    let record = ["write journal", "sync journal"];
    let flush = [
        "sync pack",
        "sync index",
        "rename pack",
        "rename index",
        "sync packs",
        "sync ref",
        "rename ref",
        "sync refs",
    ];
    let mutation: Vec<&str> = [&record[..], &["call"], &record[..]].concat();
    let expected = [&record[..], &mutation[..], &mutation[..], &flush[..], &record[..]].concat();
    assert_eq!(events, expected, "{trace}");
}

/// What a line of the trace says, if it is about the order.
fn event(line: &str) -> Option<&'static str> {
    let (_, call) = line.trim_start().split_once(' ')?;
    let (name, arguments) = call.trim_start().split_once('(')?;
    let about = |part: &str| arguments.contains(part);
    let synced = name == "fdatasync" || name == "fsync";
    match name {
        "openat" if about("/called\"") => Some("call"),
        "pwrite64" if about("/state/journal>") => Some("write journal"),
        _ if synced && about("/state/journal>") => Some("sync journal"),
        _ if synced && about("/incoming.pack>") => Some("sync pack"),
        _ if synced && about("/incoming.idx>") => Some("sync index"),
        _ if synced && about("/objects/pack>") => Some("sync packs"),
        _ if synced && about("/audit.lock>") => Some("sync ref"),
        _ if synced && about("/heads/provost>") => Some("sync refs"),
        "rename" | "renameat" | "renameat2" if about("/incoming.pack\"") => Some("rename pack"),
        "rename" | "renameat" | "renameat2" if about("/incoming.idx\"") => Some("rename index"),
        "rename" | "renameat" | "renameat2" if about("/audit.lock\"") => Some("rename ref"),
        _ => None,
    }
}
