//! A writer that is killed at any moment loses nothing that it was told is durable.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::kit::{World, drift, records};

/// Set for the process that is going to be killed: the folder of its world.
const ROLE: &str = "PROVOST_AUDIT_TEST_WRITER";

/// Not a test of its own: the writer that the test below starts and kills.
#[test]
fn writer_process() {
    let Some(state) = std::env::var_os(ROLE) else { return };
    let folder = std::path::PathBuf::from(state);
    let key = provost_audit::key::SigningKey::load_or_generate(&folder.join("key")).unwrap();
    let (mut log, _) = provost_audit::Log::open(&folder.join("state"), key, crate::kit::at(9)).unwrap();
    for n in 0_u64.. {
        let recorded =
            log.record(&[drift("p-1", &n.to_string()), drift(&format!("p-{}", n % 40), "x")]).unwrap();
        println!("ack {} {}", recorded[1].seq, recorded[1].commit);
        if n % 5 == 4 {
            log.flush().unwrap();
        }
    }
}

#[test]
fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    let world = World::new();
    drop(world.create());
    for round in 1..=15 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::writer_process", "--nocapture"])
            .env(ROLE, world.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Another number of groups each time, so that another moment is hit.
        let mut last = None;
        for _ in 0..round * 3 {
            last = lines.by_ref().map_while(Result::ok).find(|line| line.contains("ack ")).or(last);
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            // A line that was cut by the kill was not said.
            if line.contains("ack ") && line.split(' ').next_back().is_some_and(|id| id.len() == 40) {
                last = Some(line);
            }
        }
        child.wait().unwrap();
        let last = last.unwrap();
        let mut words = last.split("ack ").last().unwrap().split(' ');
        let (seq, id): (usize, &str) = (words.next().unwrap().parse().unwrap(), words.next().unwrap());
        let (log, _) = world.open();
        assert!(log.tip().seq >= seq as u64);
        let all = records(&world);
        assert_eq!(all.len() as u64, log.tip().seq, "the ref is at the end after opening");
        assert_eq!(all[seq - 1], id, "round {round}");
    }
    world.git(&["fsck", "--strict"]);
}
