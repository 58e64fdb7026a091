//! The example organisation: free of problems, and as large as its story says.

use std::collections::BTreeMap;

use provost_core::document::{Kind, parse};

use crate::{files, in_repository};

/// The documents of the example: path and text.
pub(crate) fn documents() -> Vec<(String, String)> {
    let files = files(&in_repository("desired-state"), "yaml");
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a file that can be read");
        (path.display().to_string(), text)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn the_example_has_no_problem_and_the_size_that_its_story_says() {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for (path, text) in documents() {
        let parsed = parse(&path, text.as_bytes());
        assert_eq!(parsed.problems, [], "{path}");
        *counts.entry(parsed.document.expect("a document without problems").kind()).or_default() += 1;
    }
    let count = |kind| counts.get(&kind).copied().unwrap_or_default();
    assert_eq!([Kind::Person, Kind::Service, Kind::Role, Kind::Target].map(count), [26, 5, 12, 4]);
    assert!(count(Kind::Scenario) >= 3);
}
