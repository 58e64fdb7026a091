//! How many lines a pass costs. The page of the connector states the formulas.

use provost_exec::Exec;
use provost_sdk::{
    Anchor, Collected, Completeness, Connector, Create, Cursor, IdempotencyKey, Observe, Operation, Read,
};
use serde_json::json;

use crate::files::Files;

async fn read(reader: &dyn Observe, since: Option<&Cursor>) -> (usize, Read) {
    let mut sink = Collected::default();
    let read = reader.observe(since, &mut sink).await.unwrap();
    assert_eq!(read.completeness, Completeness::Complete);
    (sink.items.len(), read)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_costs_pages_and_a_delta_costs_changes() {
    let files = Files::new();
    fill(&files, 10_000, 200);
    let settings = files.faulty("all", &json!({"one_in": 0}));
    let reader = Exec.reader(&settings).unwrap();
    reader.describe().await.unwrap();
    let lines = || files.counted()["lines"].as_u64().unwrap();
    let before = lines();
    reader.probe().await.unwrap();
    let (items, whole) = read(&*reader, None).await;
    assert_eq!(items, 10_200);
    // A call and an answer each for the probe and the read, and a line for every 500 items.
    assert_eq!(lines() - before, 4 + 10_200_u64.div_ceil(500));

    let before = lines();
    let (items, nothing) = read(&*reader, whole.cursor.as_ref()).await;
    assert_eq!((items, lines() - before), (0, 2), "nothing changed");
    let writer = Exec.writer(&settings).unwrap();
    for index in 0..3 {
        let create = Operation::Create(Create {
            kind: "user".to_owned(),
            username: format!("new-{index}"),
            attributes: Default::default(),
            identity: "p-1".to_owned(),
        });
        writer.apply(&create, &IdempotencyKey(index.to_string())).await.unwrap();
    }
    let before = lines();
    let (items, _) = read(&*reader, nothing.cursor.as_ref()).await;
    assert_eq!((items, lines() - before), (3, 3), "three changes in one line");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_costs_its_call_and_a_look_up() {
    let files = Files::new();
    let settings = files.faulty("all", &json!({"one_in": 0}));
    let writer = Exec.writer(&settings).unwrap();
    let create = Operation::Create(Create {
        kind: "user".to_owned(),
        username: "ada".to_owned(),
        attributes: Default::default(),
        identity: "p-1".to_owned(),
    });
    let made = writer.apply(&create, &IdempotencyKey("k".to_owned())).await.unwrap();
    assert_eq!(made.account.unwrap().anchor, Anchor::from("a1"));
    // initialize, open, apply, look_up: a call and an answer each.
    assert_eq!(files.counted()["lines"], 8);
}

/// Fills a system as its own program would, and faster.
fn fill(files: &Files, accounts: usize, groups: usize) {
    let script = "
import sqlite3, sys
path, accounts, groups = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
database = sqlite3.connect(path)
database.executemany('INSERT INTO account VALUES (?, ?, ?, 1, NULL, ?)',
    ((f'a{n}', f'user-{n}', f'user-{n}', n) for n in range(1, accounts + 1)))
database.executemany('INSERT INTO entitlement VALUES (?, ?, ?, ?)',
    ((f'e{n}', 'group', f'group-{n}', accounts + n) for n in range(1, groups + 1)))
database.executemany('INSERT INTO held VALUES (?, ?, ?)',
    ((f'a{n}', f'e{n % groups + 1}', '') for n in range(1, accounts + 1)))
database.execute('UPDATE meta SET counter = ?', (accounts + groups,))
database.commit()
";
    let path = files.settings("all").config["place"]["file"].as_str().unwrap().to_owned();
    let filled = std::process::Command::new("python3")
        .args(["-c", script, &path, &accounts.to_string(), &groups.to_string()])
        .status()
        .unwrap();
    assert!(filled.success());
}
