//! Mistakes that people make in one document: `tests/golden/mistakes/NAME/input.yaml`, and what provost says.
//! `UPDATE=1` writes what it says now.

use std::fmt::Write;

use provost_core::document::{Severity, parse};

use crate::in_repository;

#[test]
fn every_mistake_is_told_with_its_place_and_a_hint() {
    let folder = in_repository("tests/golden/mistakes");
    let entries = std::fs::read_dir(&folder).expect("the golden files are there");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in entries {
        let mistake = entry.expect("an entry").path();
        let Ok(input) = std::fs::read(mistake.join("input.yaml")) else { continue };
        let (found, expected) = (told(&input), mistake.join("expected.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &found).expect("the golden file can be written");
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", mistake.display()));
        }
        seen += 1;
    }
    assert!(seen >= 30, "only {seen} mistakes were found in {}", folder.display());
    assert!(wrong.is_empty(), "provost now says (UPDATE=1 accepts it):\n{}", wrong.join("\n"));
}

/// Everything that is said, each problem with its line; and what is done with the document.
fn told(input: &[u8]) -> String {
    let parsed = parse("input.yaml", input);
    let errors = parsed.problems.iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(parsed.document.is_none(), errors, "a document is there unless a problem is an error");
    assert!(!parsed.problems.is_empty(), "this is no mistake");
    let mut told = String::new();
    for problem in &parsed.problems {
        writeln!(told, "{problem} [{}]", problem.code).expect("a text can be written to");
        if let Some(excerpt) = &problem.excerpt {
            writeln!(told, "    | {excerpt}").expect("a text can be written to");
        }
    }
    told
}
