//! Running commands: each that takes time becomes a task, and its answer an event.

use std::sync::Arc;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::step::{Command, Event, Failure, Mode, OperationId, Scope};
use provost_sdk::ErrorKind;
use tokio::sync::mpsc::UnboundedSender;

use super::meter::Working;
use super::{Shared, copy, settle};
use crate::engine::{Engine, EngineError, Prepared};
use crate::{apply, observe};

/// Begins one command.
pub(super) fn run(shared: &Shared, command: Command) {
    let shared = shared.clone();
    let working = shared.meter.work();
    match command {
        Command::Fetch => fetch(shared, working),
        Command::Load(commit) => load(&shared, commit, working),
        Command::Advance => advance(&shared, working),
        Command::Read { target, mode } => {
            tokio::spawn(read(shared, target, mode, working));
        }
        Command::Plan { target, scope } => plan(&shared, target, scope, working),
        Command::Intend { target, operations } => {
            tokio::spawn(intend(shared, target, operations, working));
        }
        Command::Call { target, operations } => {
            tokio::spawn(call(shared, target, operations, working));
        }
        Command::Abandon { target, operations } => {
            let recording = std::sync::Arc::clone(&shared.abandoning).try_read_owned().ok();
            tokio::spawn(async move {
                abandon(shared, target, operations).await;
                drop(recording);
            });
        }
        Command::Exit => {}
    }
}

fn send(shared: &Shared, event: Event) {
    // Nobody listens any more only when the daemon has ended.
    drop(shared.events.send(event));
}

fn fetch(shared: Shared, working: Working) {
    tokio::task::spawn_blocking(move || {
        let head = shared.engine.source().head();
        let head = head.map(|id| Sym::new(&id.to_string())).map_err(|error| error.to_string());
        if let Err(error) = &head {
            tracing::warn!(%error, "the tracked branch cannot be looked at");
        }
        let answer = shared.clone();
        let runtime = tokio::runtime::Handle::current();
        // What people signed is looked at first, so that whoever waits for the branch knows both.
        shared.engine.run(move |engine| {
            match engine.look_for_approvals(Timestamp::now()) {
                Ok(()) => {}
                Err(EngineError::Record(error)) => {
                    send(&answer, Event::JournalBroken(error.to_string()));
                    runtime.spawn(settle::until_journal_heals(answer.clone()));
                }
                Err(error) => tracing::warn!(%error, "the approvals branch cannot be read"),
            }
            tell_evidence(engine, &answer.events);
            send(&answer, Event::Head(head));
            drop(working);
        });
    });
}

fn load(shared: &Shared, commit: Sym, working: Working) {
    let answer = shared.clone();
    let runtime = tokio::runtime::Handle::current();
    shared.engine.run(move |engine| {
        let loaded = engine.load(commit, Timestamp::now());
        if let Err(EngineError::Record(error)) = &loaded {
            send(&answer, Event::JournalBroken(error.to_string()));
            runtime.spawn(settle::until_journal_heals(answer.clone()));
        }
        let result = loaded.map_err(|error| error.to_string());
        match &result {
            Ok(_) => tracing::info!(%commit, "the commit counts"),
            Err(error) => tracing::error!(%commit, %error, "the commit is not taken"),
        }
        send(&answer, Event::Loaded { commit, result });
        tell_evidence(engine, &answer.events);
        read_again(engine, &answer.events);
        drop(working);
    });
}

/// What people agreed to, or agree to no more, is planned anew.
pub(super) fn tell_evidence(engine: &mut Engine, events: &UnboundedSender<Event>) {
    if let Some(world) = engine.evidence_changed() {
        drop(events.send(Event::Evidence(world)));
    }
}

/// What a target's document changed shows only in a read that began after it.
pub(super) fn read_again(engine: &mut Engine, events: &UnboundedSender<Event>) {
    for target in engine.reread() {
        drop(events.send(Event::Refresh(Some(target))));
    }
}

fn advance(shared: &Shared, working: Working) {
    let answer = shared.clone();
    shared.engine.run(move |engine| {
        let world = engine.advance(Timestamp::now());
        send(&answer, Event::Advanced(world));
        tell_evidence(engine, &answer.events);
        drop(working);
    });
}

fn plan(shared: &Shared, target: Sym, scope: Scope, working: Working) {
    let answer = shared.clone();
    shared.engine.run(move |engine| {
        let plan = engine.plan(target, &scope, Timestamp::now());
        send(&answer, Event::Planned { target, plan });
        tell_evidence(engine, &answer.events);
        drop(working);
    });
}

async fn read(shared: Shared, target: Sym, mode: Mode, working: Working) {
    let result = match observe::read(&shared.engine, target, mode).await {
        Ok(reading) => {
            // What provost did in doubt is settled first: by this read, if it began late enough.
            let engine = shared.engine.clone();
            let merged = engine.ask(move |engine| engine.merge(reading, Timestamp::now())).await;
            match merged {
                Some(Ok((summary, unsure))) => {
                    observe::look_up(&shared.engine, target, unsure).await;
                    settle::after_read(&shared, target).await;
                    Ok(summary)
                }
                Some(Err(error)) => Err(failure_of(&error.to_string())),
                None => return,
            }
        }
        Err(error) => Err(Failure { in_doubt: false, ..failure_in(&error) }),
    };
    if let Err(failure) = &result {
        tracing::warn!(%target, error = %failure.message, "the target cannot be read");
    }
    send(&shared, Event::Read { target, result });
    drop(working);
}

async fn intend(shared: Shared, target: Sym, operations: Vec<OperationId>, working: Working) {
    let ids = operations.clone();
    let Some(record) = shared.engine.ask(move |engine| engine.intent(target, &ids, Timestamp::now())).await
    else {
        return;
    };
    let result = match working.recording(shared.engine.recorder().record(vec![record])).await {
        Ok(recorded) => {
            let seq = recorded.first().map_or(0, |recorded| recorded.seq);
            shared.engine.intended(&operations, seq);
            Ok(operations)
        }
        Err(error) => Err(error.to_string()),
    };
    let failed = result.is_err();
    send(&shared, Event::Intended { target, result });
    if failed {
        settle::when_journal_heals(shared);
    }
}

async fn call(shared: Shared, target: Sym, operations: Vec<OperationId>, working: Working) {
    let began = Timestamp::now();
    let mut results = Vec::with_capacity(operations.len());
    let (mut ready, mut refused) = (Vec::new(), Vec::new());
    for operation in operations {
        let Some(prepared) = shared.engine.prepared(operation) else {
            let failure = failure_of("The operation is not known any more; it is planned again.");
            results.push((operation, Err(failure)));
            continue;
        };
        if prepared.is_late(began) {
            refused.push((prepared, Err(apply::late())));
        } else if prepared.planned.adds()
            && !copy::has_intent(&shared, prepared.intent(), prepared.not_after()).await
        {
            refused.push((prepared, Err(apply::unpublished())));
        } else {
            ready.push(prepared);
        }
    }
    let answers = apply::call(&shared.engine, target, &ready).await;
    let ended = ready.into_iter().zip(answers).chain(refused).collect();
    results.extend(record_outcomes(&shared, target, began, ended, &working).await);
    send(&shared, Event::Called { target, results });
}

type Ended = (Arc<Prepared>, provost_sdk::Result<provost_sdk::Receipt>);
type Answer = (OperationId, Result<provost_core::step::Done, Failure>);

/// The outcomes are durable before the daemon hears of them. If they cannot be recorded, the journal is broken: nothing
/// more is begun, and the operations are in doubt until they are settled from the log.
async fn record_outcomes(
    shared: &Shared,
    target: Sym,
    began: Timestamp,
    ended: Vec<Ended>,
    working: &Working,
) -> Vec<Answer> {
    let failures: Vec<(OperationId, Option<Failure>)> =
        ended.iter().map(|(prepared, result)| (prepared.id, result.as_ref().err().map(failure_in))).collect();
    let landed = shared.engine.ask(move |engine| {
        let landed =
            |(prepared, result): Ended| engine.landed(target, &prepared, result, began, Timestamp::now());
        ended.into_iter().map(landed).unzip::<_, _, Vec<_>, Vec<_>>()
    });
    let Some((records, done)) = landed.await else {
        let ended = |(id, _)| (id, Err(failure_of("the engine has ended")));
        return failures.into_iter().map(ended).collect();
    };
    let recorded = working.recording(shared.engine.recorder().record_each(records)).await;
    let mut answers = Vec::with_capacity(recorded.len());
    for (((id, failure), done), recorded) in failures.into_iter().zip(done).zip(recorded) {
        let result = match (recorded, failure) {
            (Ok(_), None) => Ok(done),
            (Ok(_), Some(failure)) => Err(failure),
            (Err(error), _) => {
                send(shared, Event::JournalBroken(error.to_string()));
                settle::when_journal_heals(shared.clone());
                // Its call has ended; from here on it is in doubt, and settled as such.
                Err(Failure { in_doubt: true, ..failure_of(&error.to_string()) })
            }
        };
        shared.engine.forget(id);
        answers.push((id, result));
    }
    answers
}

fn failure_in(error: &provost_sdk::Error) -> Failure {
    Failure { kind: error.kind.clone(), message: error.to_string(), in_doubt: error.may_have_landed }
}

async fn abandon(shared: Shared, target: Sym, operations: Vec<OperationId>) {
    let ids = operations.clone();
    let records = shared.engine.ask(move |engine| engine.abandoned(target, &ids, Timestamp::now())).await;
    if let Some(records) = records
        && let Err(error) = shared.engine.recorder().record(records).await
    {
        tracing::error!(%error, "intents that were not attempted stay in doubt");
    }
    for operation in operations {
        shared.engine.forget(operation);
    }
}

fn failure_of(message: &str) -> Failure {
    Failure { kind: ErrorKind::Unavailable, message: message.to_owned(), in_doubt: false }
}
