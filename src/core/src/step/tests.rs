//! Stories of the daemon's behaviour, told to `step` event by event.

use super::*;

const TARGET: &str = "forge";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("an instant of this century")
}

fn target() -> Target {
    Target { full: SignedDuration::from_hours(1), delta: None, concurrency: 2, batch: 1, per_second: None }
}

fn world(changed: bool) -> World {
    let id = Sym::new(TARGET);
    World {
        targets: [(id, target())].into(),
        changed: changed.then_some((id, Scope::All)).into_iter().collect(),
        boundary: None,
    }
}

fn operation(id: u64, adds: bool) -> Queued {
    Queued {
        id: OperationId(id),
        digest: Sym::new(&format!("digest {id}")),
        identity: Some(Sym::new(&format!("p-{id}"))),
        adds,
        after: Vec::new(),
    }
}

fn plan(operations: Vec<Queued>) -> Event {
    let plan = PlanSummary { operations, ..PlanSummary::default() };
    Event::Planned { target: TARGET.into(), plan }
}

fn good_read() -> Event {
    let read = ReadSummary { partial: None, alarm: None, changed: Scope::All };
    Event::Read { target: TARGET.into(), result: Ok(read) }
}

fn intended(ids: &[u64]) -> Event {
    let ids = ids.iter().map(|id| OperationId(*id)).collect();
    Event::Intended { target: TARGET.into(), result: Ok(ids) }
}

fn called(id: u64, failure: Option<(ErrorKind, bool)>) -> Event {
    let failed = |(kind, in_doubt)| Failure { kind, message: "It did not work.".to_owned(), in_doubt };
    let result = failure.map_or(Ok(Done::default()), |failure| Err(failed(failure)));
    Event::Called { target: TARGET.into(), results: vec![(OperationId(id), result)] }
}

fn intends(commands: &[Command]) -> Vec<u64> {
    let ids = commands.iter().find_map(|command| match command {
        Command::Intend { operations, .. } => Some(operations),
        _ => None,
    });
    ids.into_iter().flatten().map(|id| id.0).collect()
}

fn calls(commands: &[Command]) -> Vec<u64> {
    let call = |command: &Command| match command {
        Command::Call { operations, .. } => operations.clone(),
        _ => Vec::new(),
    };
    commands.iter().flat_map(call).map(|operation| operation.0).collect()
}

fn abandons(commands: &[Command]) -> Vec<u64> {
    let abandoned = commands.iter().find_map(|command| match command {
        Command::Abandon { operations, .. } => Some(operations),
        _ => None,
    });
    abandoned.into_iter().flatten().map(|id| id.0).collect()
}

fn plans(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::Plan { .. }))
}

fn reads(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::Read { .. }))
}

/// A daemon whose target was read, and which asked for a plan.
fn planning() -> Daemon {
    let mut daemon = Daemon::new(Pace::default(), Some("one".into()), Suspension::default(), 7);
    assert!(reads(&daemon.step(at(0), Event::Start(world(true)))));
    daemon.step(at(0), Event::Head(Ok("one".into())));
    assert!(plans(&daemon.step(at(0), good_read())));
    daemon
}

/// What the daemon does when it is woken as it asks, up to an instant.
fn until(daemon: &mut Daemon, end: Timestamp) -> Vec<(Timestamp, Command)> {
    let mut done = Vec::new();
    let mut wakes = 0;
    while let Some(wake) = daemon.wake().filter(|wake| *wake <= end) {
        let commands = daemon.step(wake, Event::Tick);
        wakes = if commands.is_empty() { wakes + 1 } else { 0 };
        assert!(wakes < 3, "it wakes at {wake} again and again, and does nothing");
        for command in commands {
            if command == Command::Fetch {
                daemon.step(wake, Event::Head(Ok("one".into())));
            }
            done.push((wake, command));
        }
    }
    done
}

#[test]
fn a_suspended_target_gives_its_promises_back_and_goes_on_after_resume() {
    let mut daemon = planning();
    assert_eq!(intends(&daemon.step(at(1), plan(vec![operation(1, true), operation(2, true)]))), [1, 2]);
    assert!(daemon.step(at(1), Event::Suspend(Some(TARGET.into()))).is_empty());
    let commands = daemon.step(at(1), intended(&[1, 2]));
    assert_eq!((abandons(&commands), calls(&commands)), (vec![1, 2], vec![]));
    assert!(until(&mut daemon, at(600)).iter().all(|(_, command)| *command == Command::Fetch));
    let commands = daemon.step(at(601), Event::Resume(Some(TARGET.into())));
    assert!(plans(&commands) && reads(&commands));
}

#[test]
fn what_is_suspended_stays_so_in_a_new_daemon_and_when_its_target_comes_back() {
    let mut suspension = Suspension::default();
    suspension.suspend(Some(TARGET.into()));
    let mut daemon = Daemon::new(Pace::default(), Some("one".into()), suspension.clone(), 7);
    daemon.step(at(0), Event::Start(world(true)));
    assert!(!plans(&daemon.step(at(0), good_read())), "it is read, and nothing is planned");
    assert_eq!(daemon.status().targets[0].health, Health::Suspended);
    let loaded = |world| Event::Loaded { commit: "two".into(), result: Ok(world) };
    daemon.step(at(1), loaded(World::default()));
    assert!(daemon.status().targets.is_empty());
    daemon.step(at(2), loaded(world(true)));
    assert_eq!(daemon.status().targets[0].health, Health::Suspended);
    suspension.resume(None);
    assert_eq!(suspension, Suspension::default());
    daemon.step(at(3), Event::Resume(None));
    assert!(plans(&daemon.step(at(3), good_read())));
}

#[test]
fn an_alarm_of_a_read_that_began_before_the_operators_word_is_not_raised_again() {
    let mut daemon = planning();
    let alarm = || {
        let read = ReadSummary { partial: None, alarm: Some("It is empty.".into()), changed: Scope::All };
        Event::Read { target: TARGET.into(), result: Ok(read) }
    };
    assert!(reads(&daemon.step(at(1), Event::Refresh(None))));
    daemon.step(at(2), Event::Resume(Some(TARGET.into())));
    assert!(reads(&daemon.step(at(3), alarm())), "and another follows at once");
    assert_ne!(daemon.status().targets[0].health, Health::Quarantined);
    daemon.step(at(4), alarm());
    assert_eq!(daemon.status().targets[0].health, Health::Quarantined);
}

#[test]
fn intents_that_nobody_waits_for_any_more_are_given_back() {
    let mut daemon = planning();
    assert_eq!(intends(&daemon.step(at(1), plan(vec![operation(1, true)]))), [1]);
    daemon.step(at(1), Event::Intended { target: TARGET.into(), result: Err("The disk is full.".into()) });
    assert!(daemon.status().journal_error.is_some());
    assert_eq!(abandons(&daemon.step(at(1), intended(&[1]))), [1]);
    let commands = daemon.step(at(2), Event::JournalHealed);
    assert!(plans(&commands) && commands.contains(&Command::Fetch));
}

#[test]
fn nothing_is_called_while_the_journal_is_broken() {
    let mut daemon = planning();
    daemon.step(at(1), plan(vec![operation(1, true), operation(2, true), operation(3, true)]));
    let commands = daemon.step(at(1), Event::JournalBroken("The disk is full.".to_owned()));
    assert!(calls(&commands).is_empty());
    let commands = daemon.step(at(1), intended(&[1, 2, 3]));
    assert_eq!((abandons(&commands), calls(&commands)), (vec![1, 2, 3], vec![]));
}

#[test]
fn a_target_that_asks_for_patience_gets_it_for_what_is_promised_too() {
    let mut daemon = planning();
    daemon.step(at(1), plan((1..=4).map(|id| operation(id, true)).collect()));
    assert_eq!(calls(&daemon.step(at(1), intended(&[1, 2, 3, 4]))), [1, 2]);
    let limited = ErrorKind::RateLimited { until: Some(at(31)) };
    let commands = daemon.step(at(1), called(1, Some((limited, false))));
    assert!(calls(&commands).is_empty(), "the third is promised, and waits");
    daemon.step(at(1), called(2, None));
    let done = until(&mut daemon, at(40));
    let first = done.iter().find(|(_, command)| matches!(command, Command::Call { .. }));
    assert_eq!(first.map(|(instant, _)| *instant), Some(at(31)));
}

#[test]
fn a_target_whose_patience_is_over_already_is_not_asked_again_at_once() {
    let mut daemon = Daemon::new(Pace::default(), Some("one".into()), Suspension::default(), 7);
    daemon.step(at(0), Event::Start(world(true)));
    let limited = Failure {
        kind: ErrorKind::RateLimited { until: Some(at(-5)) },
        message: String::new(),
        in_doubt: false,
    };
    let commands = daemon.step(at(0), Event::Read { target: TARGET.into(), result: Err(limited) });
    assert!(!reads(&commands));
}

/// Incident 13 of docs/INCIDENTS.md.
#[test]
fn a_rate_limit_leaves_calls_for_revocations_behind_what_adds() {
    let mut world = world(true);
    world.targets.insert(TARGET.into(), Target { per_second: Some(5), concurrency: 100, ..target() });
    let mut daemon = Daemon::new(Pace::default(), Some("one".into()), Suspension::default(), 7);
    daemon.step(at(0), Event::Start(world));
    daemon.step(at(0), good_read());
    let operations = (1..=10).map(|id| operation(id, id != 10)).collect();
    assert_eq!(intends(&daemon.step(at(0), plan(operations))), (1..=9).collect::<Vec<_>>());
    let commands = daemon.step(at(0), intended(&[1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert_eq!(calls(&commands), [1, 2, 3, 4]);
    assert_eq!(intends(&commands), [10]);
    assert_eq!(calls(&daemon.step(at(0), intended(&[10]))), [10]);
}

#[test]
fn what_adds_and_what_takes_away_are_never_one_record() {
    let mut daemon = planning();
    let commands =
        daemon.step(at(1), plan(vec![operation(1, false), operation(2, true), operation(3, false)]));
    assert_eq!(intends(&commands), [1, 3]);
}

#[test]
fn an_operation_that_fails_again_and_again_holds_nobody_else_up() {
    let mut daemon = planning();
    let mut now = at(1);
    for _ in 0..8 {
        let commands = daemon.step(now, plan(vec![operation(1, true)]));
        assert_eq!(intends(&commands), [1]);
        daemon.step(now, intended(&[1]));
        daemon.step(now, called(1, Some((ErrorKind::Unavailable, false))));
        let next = until(&mut daemon, now + SignedDuration::from_mins(6));
        let planned = next.iter().find(|(_, command)| matches!(command, Command::Plan { .. }));
        now = planned.expect("it is tried again").0;
    }
    assert!(now > at(100), "each wait is longer than the one before");
    daemon.step(now, plan(vec![operation(1, true)]));
    daemon.step(now, intended(&[1]));
    daemon.step(now, called(1, Some((ErrorKind::Unavailable, false))));
    let soon = now + SignedDuration::from_secs(3);
    let leaver = Done { changed: [(TARGET.into(), Scope::Identities(["p-9".into()].into()))].into() };
    let other = Event::Called { target: "tickets".into(), results: vec![(OperationId(99), Ok(leaver))] };
    daemon.step(now, other);
    let planned = until(&mut daemon, soon);
    assert!(planned.iter().any(|(_, command)| matches!(command, Command::Plan { .. })), "{planned:?}");
    assert_eq!(intends(&daemon.step(soon, plan(vec![operation(1, true), operation(9, false)]))), [9]);
}

#[test]
fn what_failed_for_good_is_shown_and_not_tried_again_by_the_read_that_looks_at_it() {
    let mut daemon = planning();
    daemon.step(at(1), plan(vec![operation(1, true)]));
    daemon.step(at(1), intended(&[1]));
    let commands = daemon.step(at(1), called(1, Some((ErrorKind::NotFound, false))));
    assert!(reads(&commands), "what is there now is looked at");
    assert!(plans(&daemon.step(at(2), good_read())));
    assert!(intends(&daemon.step(at(2), plan(vec![operation(1, true)]))).is_empty());
    let status = &daemon.status().targets[0];
    assert_eq!((status.sync, status.operation), (Sync::OutOfSync, OperationStatus::Failed));
    daemon.step(at(3), Event::Refresh(None));
    daemon.step(at(4), good_read());
    assert_eq!(intends(&daemon.step(at(4), plan(vec![operation(1, true)]))), [1]);
}

#[test]
fn a_read_that_is_asked_for_during_another_is_not_lost() {
    let mut daemon = planning();
    daemon.step(at(1), plan(Vec::new()));
    assert!(reads(&daemon.step(at(2), Event::Refresh(None))));
    assert!(!reads(&daemon.step(at(3), Event::Refresh(None))));
    assert!(reads(&daemon.step(at(4), good_read())), "the first may have begun too early");
    assert!(!reads(&daemon.step(at(5), good_read())));
}

#[test]
fn what_is_in_doubt_leads_to_a_read_when_it_can_be_settled() {
    let mut daemon = planning();
    let doubtful = PlanSummary { read_at: Some(at(150)), ..PlanSummary::default() };
    daemon.step(at(1), Event::Planned { target: TARGET.into(), plan: doubtful });
    assert!(!daemon.is_settled());
    let done = until(&mut daemon, at(200));
    let read = done.iter().find(|(_, command)| matches!(command, Command::Read { .. }));
    assert_eq!(read.map(|(instant, _)| *instant), Some(at(150)));
    daemon.step(at(151), good_read());
    daemon.step(at(151), plan(Vec::new()));
    assert!(daemon.is_settled());
}

#[test]
fn a_plan_says_when_time_alone_changes_something() {
    let mut daemon = planning();
    let later = PlanSummary { boundary: Some(at(30)), ..PlanSummary::default() };
    daemon.step(at(1), Event::Planned { target: TARGET.into(), plan: later });
    let done = until(&mut daemon, at(40));
    assert!(done.contains(&(at(30), Command::Advance)), "{done:?}");
}

#[test]
fn a_boundary_waits_for_a_commit_that_is_being_read() {
    let mut daemon = planning();
    daemon.step(at(1), plan(Vec::new()));
    daemon.step(at(1), Event::Advanced(World { boundary: Some(at(3)), ..world(false) }));
    daemon.step(at(2), Event::Nudge);
    assert_eq!(daemon.step(at(2), Event::Head(Ok("two".into()))), [Command::Load("two".into())]);
    assert!(until(&mut daemon, at(10)).is_empty());
    let result = Ok(World { boundary: Some(at(3)), ..world(false) });
    assert_eq!(daemon.step(at(11), Event::Loaded { commit: "two".into(), result }), [Command::Advance]);
}

#[test]
fn a_commit_that_was_refused_is_tried_again_and_a_branch_that_is_back_ends_the_refusal() {
    let mut daemon = planning();
    daemon.step(at(1), plan(Vec::new()));
    daemon.step(at(1), Event::Nudge);
    daemon.step(at(1), Event::Head(Ok("two".into())));
    let refused = Event::Loaded { commit: "two".into(), result: Err("The log cannot be written.".into()) };
    daemon.step(at(1), refused.clone());
    assert!(daemon.status().refused_commit.is_some());
    daemon.step(at(60), Event::Nudge);
    let commands = daemon.step(at(60), Event::Head(Ok("two".into())));
    assert!(commands.contains(&Command::Load("two".into())));
    daemon.step(at(60), refused);
    daemon.step(at(61), Event::Nudge);
    let commands = daemon.step(at(61), Event::Head(Ok("one".into())));
    assert!(commands.contains(&Command::Load("one".into())));
    daemon.step(at(62), Event::Loaded { commit: "one".into(), result: Ok(world(false)) });
    assert_eq!(daemon.status().refused_commit, None);
}

#[test]
fn a_newer_commit_cancels_what_is_queued_and_not_promised() {
    let mut daemon = planning();
    let many: Vec<Queued> = (1..=50).map(|id| operation(id, true)).collect();
    let promised = intends(&daemon.step(at(1), plan(many)));
    assert_eq!(promised.len(), 8, "a window, and no more");
    daemon.step(at(1), intended(&promised));
    daemon.step(at(2), Event::Loaded { commit: "two".into(), result: Ok(world(true)) });
    let mut planned = false;
    for id in promised {
        let commands = daemon.step(at(3), called(id, None));
        assert!(intends(&commands).is_empty(), "nothing more is promised of the old plan");
        planned = plans(&commands);
    }
    assert!(planned);
}

#[test]
fn a_quarantined_target_still_takes_away_and_adopting_it_ends_the_alarm() {
    let mut daemon = Daemon::new(Pace::default(), Some("one".into()), Suspension::default(), 7);
    daemon.step(at(0), Event::Start(world(true)));
    let alarm = ReadSummary { partial: None, alarm: Some("Another system.".into()), changed: Scope::All };
    daemon.step(at(0), Event::Read { target: TARGET.into(), result: Ok(alarm) });
    assert_eq!(intends(&daemon.step(at(1), plan(vec![operation(1, true), operation(2, false)]))), [2]);
    daemon.step(at(1), intended(&[2]));
    daemon.step(at(1), called(2, None));
    let commands = daemon.step(at(2), Event::Adopted(TARGET.into()));
    assert!(plans(&commands) && reads(&commands));
    assert_eq!(intends(&daemon.step(at(3), plan(vec![operation(1, true)]))), [1]);
}

#[test]
fn a_target_that_went_and_came_back_is_read_before_it_is_planned() {
    let mut daemon = planning();
    daemon.step(at(1), plan(vec![operation(1, true)]));
    daemon.step(at(1), Event::Advanced(World::default()));
    let commands = daemon.step(at(1), Event::Advanced(world(true)));
    assert!(reads(&commands) && !plans(&commands));
    let commands = daemon.step(at(2), intended(&[1]));
    assert_eq!(abandons(&commands), [1], "it was promised to the target as it was");
    assert!(calls(&commands).is_empty() && !plans(&commands));
    assert!(plans(&daemon.step(at(3), good_read())));
}

#[test]
fn a_target_that_is_gone_is_forgotten_when_its_calls_have_ended() {
    let mut daemon = planning();
    daemon.step(at(1), plan(vec![operation(1, true)]));
    daemon.step(at(1), intended(&[1]));
    daemon.step(at(1), Event::Advanced(World::default()));
    assert_eq!(daemon.status().targets.len(), 1, "a call that has started is waited for");
    daemon.step(at(2), called(1, None));
    assert!(daemon.status().targets.is_empty() && daemon.is_settled());
}

#[test]
fn stop_drains_calls_gives_promises_back_and_does_not_wait_for_reads() {
    let mut daemon = planning();
    daemon.step(at(1), plan((1..=4).map(|id| operation(id, true)).collect()));
    assert_eq!(calls(&daemon.step(at(1), intended(&[1, 2, 3, 4]))), [1, 2]);
    daemon.step(at(1), Event::Refresh(None));
    let commands = daemon.step(at(2), Event::Stop);
    assert_eq!(abandons(&commands), [3, 4]);
    assert!(!commands.contains(&Command::Exit));
    daemon.step(at(3), called(1, None));
    assert_eq!(daemon.step(at(3), called(2, None)), [Command::Exit]);
    assert_eq!(daemon.wake(), None);
}

#[test]
fn an_identity_has_one_call_under_way_on_a_target() {
    let mut daemon = planning();
    let mut second = operation(2, false);
    second.identity = Some("p-1".into());
    daemon.step(at(1), plan(vec![operation(1, false), second, operation(3, false)]));
    assert_eq!(calls(&daemon.step(at(1), intended(&[1, 2, 3]))), [1, 3]);
    assert_eq!(calls(&daemon.step(at(2), called(3, None))), [0; 0]);
    assert_eq!(calls(&daemon.step(at(2), called(1, None))), [2]);
}

#[test]
fn a_call_takes_many_operations_where_the_target_takes_them_together() {
    let mut world = world(true);
    world.targets.insert(TARGET.into(), Target { batch: 3, concurrency: 1, ..target() });
    let mut daemon = Daemon::new(Pace::default(), Some("one".into()), Suspension::default(), 7);
    daemon.step(at(0), Event::Start(world));
    daemon.step(at(0), good_read());
    let of_one = |id| Queued { identity: Some("p-1".into()), ..operation(id, true) };
    let operations = vec![of_one(1), operation(2, true), of_one(3), operation(4, true), of_one(5)];
    daemon.step(at(0), plan(operations));
    let commands = daemon.step(at(0), intended(&[1, 2, 3, 4, 5]));
    assert_eq!(calls(&commands), [1, 2, 3], "in their order, also two of one identity");
    assert!(calls(&daemon.step(at(0), called(1, None))).is_empty(), "the call is not over yet");
    daemon.step(at(0), called(2, None));
    assert_eq!(calls(&daemon.step(at(0), called(3, None))), [4, 5]);
}

#[test]
fn a_call_that_only_takes_away_is_never_part_of_one_that_adds() {
    let mut world = world(true);
    world.targets.insert(TARGET.into(), Target { batch: 9, concurrency: 1, ..target() });
    let mut daemon = Daemon::new(Pace::default(), Some("one".into()), Suspension::default(), 7);
    daemon.step(at(0), Event::Start(world));
    daemon.step(at(0), good_read());
    daemon.step(at(0), plan(vec![operation(1, false), operation(2, true), operation(3, false)]));
    let commands = daemon.step(at(0), intended(&[1, 3]));
    assert_eq!((calls(&commands), intends(&commands)), (vec![1, 3], vec![2]));
}

#[test]
fn a_target_that_strains_gets_half_of_the_calls_at_once() {
    let mut world = world(true);
    world.targets.insert(TARGET.into(), Target { concurrency: 4, ..target() });
    let mut daemon = Daemon::new(Pace::default(), Some("one".into()), Suspension::default(), 7);
    daemon.step(at(0), Event::Start(world));
    daemon.step(at(0), good_read());
    daemon.step(at(0), plan((1..=9).map(|id| operation(id, true)).collect()));
    let commands = daemon.step(at(0), intended(&[1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert_eq!(calls(&commands), [1, 2, 3, 4]);
    let limited = ErrorKind::RateLimited { until: None };
    for id in 1..=4 {
        assert!(calls(&daemon.step(at(0), called(id, Some((limited.clone(), false))))).is_empty());
    }
    let next = until(&mut daemon, at(60));
    let again = next.iter().find(|(_, command)| matches!(command, Command::Call { .. })).expect("it goes on");
    let together = next
        .iter()
        .filter(|(at, command)| *at == again.0 && !calls(std::slice::from_ref(command)).is_empty());
    assert_eq!(together.count(), 2);
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut daemon = Daemon::new(Pace::default(), Some("c1".into()), Suspension::default(), 1);
    let slow = Target { per_second: Some(1), ..target() };
    let world = World { targets: [(Sym::new(TARGET), slow)].into(), ..world(true) };
    daemon.step(at(0), Event::Start(world));
    daemon.step(at(0), Event::Head(Ok("c1".into())));
    daemon.step(at(1), good_read());
    daemon.step(at(1), plan(vec![operation(1, true), operation(2, true)]));
    let first = daemon.step(at(1), intended(&[1, 2]));
    assert_eq!(calls(&first), [1], "the second call has to wait for a second");

    let back = -3600;
    daemon.step(at(back), Event::Tick);
    let wake = daemon.wake().expect("the branch is looked at, and a call waits");
    assert!(wake <= at(back + 2), "nothing waits until the clock says again what it said: {wake}");
    let commands = daemon.step(at(back + 2), Event::Tick);
    assert_eq!(calls(&commands), [2]);
    let commands = daemon.step(at(back + 70), Event::Tick);
    assert!(commands.contains(&Command::Fetch), "the branch is looked at again: {commands:?}");
}
