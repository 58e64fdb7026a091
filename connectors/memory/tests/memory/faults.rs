//! Every fault does what its name says, to the call that it is meant for and to no other.

use std::collections::BTreeMap;
use std::time::Duration;

use provost_memory::{Faults, ReadFault, Shape, System, WriteFault};
use provost_sdk::{
    Collected, Completeness, Create, Error, ErrorKind, IdempotencyKey, Item, Operation, Read, Receipt, Wanted,
};

fn create(username: &str) -> Operation {
    Operation::Create(Create {
        kind: "user".into(),
        username: username.into(),
        attributes: BTreeMap::new(),
        identity: format!("p-{username}"),
    })
}

fn write(system: &mut System, operation: &Operation) -> Result<Receipt, Error> {
    system.apply(operation, &IdempotencyKey("one".into()))
}

fn system(faults: Faults) -> System {
    let mut system = System::new(Shape::default());
    for name in ["ada", "bea", "cyd"] {
        system.add_account_by_hand(name, BTreeMap::new());
    }
    system.faults = faults;
    system
}

fn on_write(number: u64, fault: WriteFault) -> Faults {
    Faults { writes: BTreeMap::from([(number, fault)]), ..Faults::default() }
}

fn every_read(fault: ReadFault) -> Faults {
    Faults { every_read: Some(fault), ..Faults::default() }
}

fn read(system: &mut System) -> Result<(Read, usize), Error> {
    let mut sink = Collected::default();
    let read = system.observe(None, &mut sink)?;
    Ok((read, sink.items.iter().filter(|item| matches!(item, Item::Account(_))).count()))
}

#[test]
fn only_the_named_write_fails() {
    let mut system = system(on_write(2, WriteFault::Fail(ErrorKind::Conflict)));
    assert!(write(&mut system, &create("dan")).is_ok());
    let error = write(&mut system, &create("eve")).expect_err("the second write fails");
    assert_eq!((error.kind, error.may_have_landed), (ErrorKind::Conflict, false));
    assert!(system.named("eve").is_none());
    assert!(write(&mut system, &create("eve")).is_ok());
    assert_eq!((system.writes(), system.ledger().len()), (3, 2));
}

#[test]
fn a_lost_answer_has_landed_and_a_lost_request_has_not() {
    for (fault, landed) in [(WriteFault::LoseAnswer, true), (WriteFault::LoseRequest, false)] {
        let mut system = system(on_write(1, fault));
        let error = write(&mut system, &create("dan")).expect_err("the answer is lost");
        assert_eq!((error.kind, error.may_have_landed), (ErrorKind::Timeout, true));
        assert_eq!(system.named("dan").is_some(), landed);
        assert_eq!(system.ledger().len(), usize::from(landed));
    }
}

#[test]
fn a_lie_answers_as_done_and_does_nothing() {
    let mut system = system(on_write(1, WriteFault::Lie));
    let receipt = write(&mut system, &create("dan")).expect("it says that it worked");
    assert!(receipt.changed && receipt.account.is_some());
    assert!(system.named("dan").is_none());
    assert!(system.ledger().is_empty());
}

#[test]
fn slow_calls_take_virtual_time_and_time_out_at_the_limit() {
    let limit = System::default().timeout.0;
    let mut slow = system(on_write(1, WriteFault::Slow(Duration::from_secs(2))));
    assert!(write(&mut slow, &create("dan")).is_ok());
    assert_eq!(slow.elapsed(), Duration::from_secs(2));
    let mut stuck = system(on_write(1, WriteFault::Slow(limit)));
    let error = write(&mut stuck, &create("dan")).expect_err("time is up");
    assert!(error.may_have_landed && stuck.named("dan").is_some());
    let mut deaf = system(every_read(ReadFault::Slow(limit)));
    assert_eq!(read(&mut deaf).expect_err("time is up").kind, ErrorKind::Timeout);
}

#[test]
fn reads_end_early_shrink_or_are_empty_and_only_the_first_says_so() -> Result<(), Error> {
    let (partial, seen) = read(&mut system(every_read(ReadFault::Partial(2))))?;
    assert!(matches!(partial.completeness, Completeness::Partial(_)) && partial.cursor.is_none());
    assert_eq!(seen, 2);
    let (shrunken, seen) = read(&mut system(every_read(ReadFault::Shrunken(1))))?;
    assert_eq!((shrunken.completeness, seen), (Completeness::Complete, 1));
    let (empty, seen) = read(&mut system(every_read(ReadFault::Empty)))?;
    assert_eq!((empty.completeness, seen), (Completeness::Complete, 0));
    Ok(())
}

#[test]
fn a_look_up_on_an_empty_answer_finds_nobody() -> Result<(), Error> {
    let wanted = Wanted::Username("ada".into());
    assert!(system(Faults::default()).look_up(&wanted)?.is_some());
    assert!(system(every_read(ReadFault::Empty)).look_up(&wanted)?.is_none());
    assert!(system(every_read(ReadFault::Partial(0))).look_up(&wanted)?.is_some());
    Ok(())
}

#[test]
fn a_refused_credential_and_a_system_that_is_down_stop_everything() {
    for (faults, kind) in [
        (Faults::credential_refused(), ErrorKind::InvalidCredential),
        (Faults::down(), ErrorKind::Unavailable),
    ] {
        let mut system = system(faults);
        assert_eq!(write(&mut system, &create("dan")).expect_err("nothing works").kind, kind);
        assert_eq!(read(&mut system).expect_err("nothing works").kind, kind);
        assert_eq!(system.probe().expect_err("nothing works").kind, kind);
        system.faults = Faults::default();
        assert!(write(&mut system, &create("dan")).is_ok());
    }
}
