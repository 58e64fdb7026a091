//! The simulation: two hours of an organisation in virtual time, from a seed, around the daemon's own step.
//!
//! Commits, hands on the targets, faults, operators and crashes come from a heap of events; the targets are those of
//! the memory connector. The invariants are asked at every step, and in the end, when nothing is wrong any more, every
//! target has to have what the documents say. `SIMULATION_SEED=n` runs one history and tells all of it.

mod checks;
mod desired;
mod dice;
mod disturb;
mod engine;
mod genesis;
mod log;
mod model;
mod shell;

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::SignedDuration;

use shell::{Shell, beginning};

/// How many histories there are.
const SEEDS: u64 = 200;
/// They are divided among so many tests, which run at the same time.
const PARTS: u64 = 4;

fn history(seed: u64, trace: bool) {
    let mut shell = Shell::new(seed, trace);
    let end = beginning() + SignedDuration::from_mins(120);
    let mut at = beginning();
    while at < end {
        at += SignedDuration::from_secs(5 + shell.dice.below(500) as i64);
        shell.disturb_at(at);
    }
    shell.run_until(end);
    disturb::calm(&mut shell);
    // An intent of a process that died is settled by the first whole read after its not-after, and a plan follows.
    let settled = end + SignedDuration::from_mins(60);
    shell.run_until(settled);
    let mut wrong = model::given_above_low(&shell);
    wrong.extend(model::differences(&shell));
    wrong.extend(model::still_planned(&mut shell));
    wrong.extend(model::kept_is_whole(&mut shell));
    if !shell.log.open.is_empty() && shell.weather.down.is_none() {
        wrong.push(format!("intents without an outcome: {:?}", shell.log.open));
    }
    let snapshot = shell.engine.organisation.snapshot();
    shell.say(|| format!("{:?} {:?}", snapshot.problems(), snapshot.waiting_rules()));
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
}

fn histories(part: u64) {
    if let Some(seed) = std::env::var("SIMULATION_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()) {
        if seed % PARTS == part {
            history(seed, true);
        }
        return;
    }
    let fails = |seed: &u64| catch_unwind(AssertUnwindSafe(|| history(*seed, false))).is_err();
    let failed: Vec<u64> = (0..SEEDS).filter(|seed| seed % PARTS == part).filter(fails).collect();
    let first = failed.first().copied().unwrap_or_default();
    assert!(
        failed.is_empty(),
        "seeds {failed:?} fail; replay one with\n  SIMULATION_SEED={first} cargo test -p provost-core --test simulation -- --nocapture"
    );
}

#[test]
fn histories_of_the_first_part() {
    histories(0);
}

#[test]
fn histories_of_the_second_part() {
    histories(1);
}

#[test]
fn histories_of_the_third_part() {
    histories(2);
}

#[test]
fn histories_of_the_fourth_part() {
    histories(3);
}
