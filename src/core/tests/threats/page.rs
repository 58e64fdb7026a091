//! docs/THREAT-MODEL.md and the tests that it names.

use std::collections::BTreeSet;

use crate::in_repository;

/// Files with attacks told by `threat!`, and their rows' names of tests.
const FILES: [&str; 5] = ["agreement", "input", "keys", "rules", "targets"];

fn read(path: &str) -> String {
    std::fs::read_to_string(in_repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The tests that the page names, in its last column but one: `file: test`, or `file: test / twin`.
fn named() -> BTreeSet<(String, String)> {
    let page = read("docs/THREAT-MODEL.md");
    let tests = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let named = tests.filter_map(|text| text.split_once(": "));
    named
        .flat_map(|(file, tests)| tests.split(" / ").map(move |test| (file.to_owned(), test.to_owned())))
        .collect()
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let named = named();
    assert!(named.len() > 50, "only {} tests are named", named.len());
    for (file, test) in named {
        let text = read(&file);
        let is_there = text.contains(&format!("threat!({test}, ")) || text.contains(&format!("fn {test}("));
        assert!(is_there, "{file} has no {test}");
    }
}

#[test]
fn of_every_attack_the_script_knows_the_control_to_take_out() {
    let script = read("tests/threats.sh");
    let taken_out: BTreeSet<&str> =
        script.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
    for row in read("docs/THREAT-MODEL.md").lines().filter(|line| line.starts_with("| ")) {
        let tests = row.split('`').skip(1).step_by(2).filter_map(|text| text.split_once(".rs: "));
        for attack in tests.filter_map(|(_, tests)| tests.split(" / ").next()) {
            assert!(taken_out.contains(attack), "tests/threats.sh takes out no control of {attack}");
        }
    }
}

#[test]
fn every_attack_that_is_tested_is_a_row_of_the_page() {
    let named = named();
    for file in FILES.map(|name| format!("src/core/tests/threats/{name}.rs")) {
        for attack in read(&file).split("\nthreat!(").skip(1).filter_map(|text| text.split_once(',')) {
            assert!(named.contains(&(file.clone(), attack.0.to_owned())), "{} has no row", attack.0);
        }
    }
}
