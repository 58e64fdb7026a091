//! What connectors/README.md tells a newcomer is true.

use std::collections::BTreeSet;
use std::fs;

use provost_conformance::{Options, Verdict, chapter_names, run};
use provost_sdk::Settings;
use serde_json::json;

use crate::roster::Roster;

const README: &str = include_str!("../../../README.md");
const CODE: &str = include_str!("roster.rs");

#[tokio::test]
async fn the_connector_of_the_walk_passes_the_suite() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("roster.json");
    fs::write(&path, r#"{"last": 1, "accounts": {"a1": {"username": "old-hand", "enabled": true}}}"#)?;
    let config = json!({"path": path}).as_object().cloned().unwrap_or_default();
    let settings = Settings { target: "roster".into(), config, ..Settings::default() };
    let options = Options { accounts: 50, members: 0, ..Options::default() };
    let report = run(&Roster, &settings, &options, &mut |_| ()).await;
    assert!(report.passed(), "{:#?}", report.failures().collect::<Vec<_>>());
    let told = report.chapters.iter().filter(|chapter| chapter.verdict == Verdict::Passed);
    let told: Vec<&str> = told.map(|chapter| chapter.chapter).collect();
    let expected = [
        "probe",
        "before",
        "create",
        "create-twice",
        "odd-names",
        "look-up",
        "case",
        "disable",
        "enable",
        "delete",
        "gone",
        "others",
        "undeclared",
        "many-accounts",
        "after",
    ];
    assert_eq!(told, expected);
    Ok(())
}

#[test]
fn the_code_of_the_walk_is_the_code_that_passes() {
    let blocks: Vec<&str> = README
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .filter(|block| !block.starts_with("// tests/"))
        .collect();
    assert!(blocks.len() >= 4);
    for block in &blocks {
        assert!(CODE.contains(block.trim()), "connectors/README.md shows what is not in roster.rs:\n{block}");
    }
    let shown: usize = blocks.iter().map(|block| block.trim().lines().count()).sum();
    let lines = CODE.lines().filter(|line| !line.is_empty()).count();
    assert!(shown > lines * 9 / 10, "connectors/README.md leaves out some of roster.rs");
}

#[test]
fn every_chapter_is_explained() {
    let table: BTreeSet<&str> = README
        .lines()
        .skip_while(|line| !line.starts_with("| chapter |"))
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .collect();
    let chapters: BTreeSet<&str> = chapter_names().collect();
    assert_eq!(table, chapters);
}
