//! What the log answers about its own tip.

use provost_audit::account_path;

use crate::kit::{World, drift};

#[test]
fn files_are_read_before_and_after_the_flush() {
    let world = World::new();
    let mut log = world.create();
    let path = account_path("forge", "p-1");
    log.record(&[drift("p-1", "pending")]).unwrap();
    assert_eq!(log.read(path.as_str()).unwrap().unwrap(), b"pending");
    log.flush().unwrap();
    assert_eq!(log.read(path.as_str()).unwrap().unwrap(), b"pending");
    assert_eq!(log.read("live/forge").unwrap(), None);
    assert_eq!(log.read("live/forge/none").unwrap(), None);
    assert_eq!(log.read(&format!("{path}/below")).unwrap(), None);
}

#[test]
fn a_whole_target_is_read_in_the_order_of_its_paths() {
    let world = World::new();
    let mut log = world.create();
    // More than what is read one by one, part of it pending.
    let all: Vec<_> = (0..900).map(|n| drift(&format!("p-{n}"), &format!("content {n}"))).collect();
    log.record(&all[..800]).unwrap();
    log.flush().unwrap();
    log.record(&all[800..]).unwrap();
    let mut seen = Vec::new();
    log.for_each("live/forge", |path, content| {
        seen.push((path.to_owned(), content));
        Ok(())
    })
    .unwrap();
    assert!(seen.is_sorted());
    let mut expected: Vec<_> = (0..900)
        .map(|n| (account_path("forge", &format!("p-{n}")).to_string(), format!("content {n}").into_bytes()))
        .collect();
    expected.sort();
    assert_eq!(seen, expected);
    let mut none = 0;
    log.for_each("live/other", |_, _| {
        none += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(none, 0);
}
