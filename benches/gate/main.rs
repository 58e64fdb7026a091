//! What deciding costs: `gate OPERATIONS APPROVALS` prints one JSON object. See benches/gate.sh.
//!
//! One thread, and only functions that the daemon calls for the same: a file of the approvals branch is read by
//! `look::receive`, counted by `judge`, and a plan is decided by `Organisation::decide`.

mod organisation;
mod statements;

use std::time::Instant;

use jiff::Timestamp;
use provost::approval::look::{Received, receive};
use provost_core::Sym;
use provost_core::approval::{
    Approval, Authors, Authorship, Given, Judged, Label, Open, Uses, judge, open, sight,
};
use provost_core::gate::Decision;
use provost_core::organisation::{Decided, Organisation};
use provost_core::plan::{Planned, digest_of};
use provost_core::step::Scope;
use serde_json::json;
use statements::INSTALLATION;

type Failure = Box<dyn std::error::Error>;

/// Each figure is the median of as many turns.
const TURNS: usize = 5;

/// Milliseconds of one turn.
#[derive(Clone, Copy)]
struct Turn {
    signatures: f64,
    judge: f64,
    digests: f64,
    gate: f64,
}

fn main() -> Result<(), Failure> {
    // cargo bench adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [operations, approvals] = &arguments[..] else {
        return Err("usage: gate OPERATIONS APPROVALS".into());
    };
    let (operations, approvals): (usize, usize) = (operations.parse()?, approvals.parse()?);
    let now: Timestamp = "2026-12-01T12:00:00Z".parse()?;
    let mut organisation = organisation::make(operations, now)?;
    let first = organisation.plan(None, &Scope::All, now);
    let asked = open(&organisation, &[&first], now);
    let files = statements::sign(&asked, approvals, now)?;

    // Once, so that the plan has what was agreed to.
    let judged = count(&organisation, &files, &asked, now)?.0;
    let missing = judged.missing.len();
    organisation.agree(judged.evidence, now);
    let decided = organisation.plan(None, &Scope::All, now);
    let turns = (0..TURNS)
        .map(|_| turn(&organisation, &files, &asked, &decided, now))
        .collect::<Result<Vec<Turn>, Failure>>()?;
    let middle = |of: fn(&Turn) -> f64| {
        let mut all: Vec<f64> = turns.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        (all[TURNS / 2] * 10.0).round() / 10.0
    };
    let number = |is: fn(&Decision) -> bool| decided.decisions.iter().filter(|decision| is(decision)).count();
    println!(
        "{}",
        json!({
            "operations": decided.plan.operations.len(),
            "approvals": files.len(),
            "requests": asked.len(),
            "agreed": asked.len() - missing,
            "proceed": number(|decision| *decision == Decision::Proceed),
            "wait": number(|decision| matches!(decision, Decision::Wait { .. })),
            "refuse": number(|decision| matches!(decision, Decision::Refuse { .. })),
            "total_ms": middle(|turn| turn.signatures + turn.judge + turn.digests + turn.gate),
            "signatures_ms": middle(|turn| turn.signatures),
            "judge_ms": middle(|turn| turn.judge),
            "digests_ms": middle(|turn| turn.digests),
            "gate_ms": middle(|turn| turn.gate),
        })
    );
    Ok(())
}

fn turn(
    organisation: &Organisation,
    files: &[String],
    asked: &[Open],
    decided: &Decided,
    now: Timestamp,
) -> Result<Turn, Failure> {
    let (_, signatures, judge) = count(organisation, files, asked, now)?;
    let begun = Instant::now();
    let place = Sym::new(organisation::PLACE);
    for Planned { target, identity, profile, operation, digest, .. } in &decided.plan.operations {
        if digest_of(*target, place, *identity, *profile, operation) != *digest {
            return Err("an operation has another digest than in the plan".into());
        }
    }
    let digests = milliseconds(begun);
    let begun = Instant::now();
    let decisions = organisation.decide(&decided.plan, now);
    let gate = milliseconds(begun);
    if decisions != decided.decisions {
        return Err("the same plan is decided otherwise".into());
    }
    Ok(Turn { signatures, judge, digests, gate })
}

/// Takes the files of the approvals branch in, and counts. Gives the milliseconds of both.
fn count(
    organisation: &Organisation,
    files: &[String],
    asked: &[Open],
    now: Timestamp,
) -> Result<(Judged, f64, f64), Failure> {
    let begun = Instant::now();
    let approvals = files
        .iter()
        .map(|file| approval(organisation, file, asked, now))
        .collect::<Result<Vec<Approval>, Failure>>()?;
    let signatures = milliseconds(begun);
    let mut authors = Authors::default();
    for (kind, id) in asked.iter().flat_map(|open| &open.causes) {
        authors.add(*kind, *id, Authorship { people: [Sym::new("p-author")].into(), unknown: false });
    }
    let uses = Uses::default();
    let begun = Instant::now();
    let judged = judge(
        organisation,
        &Given {
            installation: INSTALLATION,
            approvals: &approvals,
            open: asked,
            authors: &authors,
            uses: &uses,
            now,
        },
    );
    Ok((judged, signatures, milliseconds(begun)))
}

/// One file, as it is when it is first seen.
fn approval(
    organisation: &Organisation,
    file: &str,
    asked: &[Open],
    now: Timestamp,
) -> Result<Approval, Failure> {
    let Received::Statement(word) = receive("a.approval", file.as_bytes())? else {
        return Err("it is no statement".into());
    };
    let said = word.statement.predicate;
    let seen = sight(organisation, said.approver, Some(&word.key), &said.requests, asked, now);
    Ok(Approval {
        id: word.id,
        installation: said.installation,
        approver: said.approver,
        key: Some(word.key),
        label: Label::Signed,
        decision: said.decision,
        requests: said.requests,
        expires: said.expires,
        seen,
    })
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
