//! The rules of the layout that a program can check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longer files have more than one purpose.
const MAX_LINES: usize = 800;

/// What the pure core must never stand on: runtimes, git, networks, files and randomness. (The parser of conditions
/// brings locks, and with them the names of the C library; neither is a way to the world by itself.)
const IMPURE: [&str; 11] = [
    "tokio",
    "git2",
    "reqwest",
    "hyper",
    "axum",
    "rusqlite",
    "notify",
    "rand",
    "getrandom",
    "mio",
    "tempfile",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["src", "connectors", "tests", "benches"].map(|name| root().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50, "the source files are found");
    files
}

fn tree_of(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--prefix",
            "none",
            "--edges",
            "normal",
            "--format",
            "{p}",
            "-p",
            package,
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints text");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn connectors() -> BTreeSet<String> {
    let infrastructure = ["sdk", "http", "conformance"];
    std::fs::read_dir(root().join("connectors"))
        .expect("there are connectors")
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !infrastructure.contains(&name.as_str()) && name != "directory")
        .collect()
}

#[test]
fn the_core_stands_on_nothing_impure() {
    let tree = tree_of("provost-core");
    let found: Vec<&str> = IMPURE.into_iter().filter(|name| tree.contains(*name)).collect();
    assert!(found.is_empty(), "provost-core depends on {found:?}");
}

#[test]
fn dependencies_point_one_way() {
    for (package, forbidden) in [
        ("provost-sdk", vec!["provost-core", "provost-audit", "provost-http", "provost"]),
        ("provost-core", vec!["provost-audit", "provost-http", "provost"]),
        ("provost-audit", vec!["provost-http", "provost"]),
        ("provost-http", vec!["provost-core", "provost-audit", "provost"]),
        ("provost-conformance", vec!["provost-core", "provost-audit", "provost"]),
        ("provost-directory", vec!["provost-sdk", "provost-core", "provost-audit", "provost"]),
    ] {
        let tree = tree_of(package);
        let found: Vec<&&str> = forbidden.iter().filter(|name| tree.contains(**name)).collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
}

#[test]
fn sibling_connectors_do_not_import_each_other() {
    for name in connectors() {
        let tree = tree_of(&format!("provost-{name}"));
        let siblings: Vec<String> = connectors()
            .into_iter()
            .filter(|other| *other != name && tree.contains(&format!("provost-{other}")))
            .collect();
        assert!(siblings.is_empty(), "provost-{name} depends on {siblings:?}");
    }
}

#[test]
fn every_connector_is_in_the_registry_and_has_a_readme() {
    let registry = std::fs::read_to_string(root().join("src/registry.rs")).expect("there is a registry");
    for name in connectors() {
        assert!(registry.contains(&format!("provost_{name}::")), "{name} is not in src/registry.rs");
        assert!(root().join("connectors").join(&name).join("README.md").exists(), "{name} has no README.md");
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = rust_files()
        .iter()
        .filter_map(|path| {
            let lines = std::fs::read_to_string(path).expect("a source file is text").lines().count();
            (lines > MAX_LINES).then(|| format!("{}: {lines} lines", shown(path)))
        })
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:#?}");
}

#[test]
fn nothing_is_left_unfinished_or_ignored() {
    let marks = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["#[ig", "nore"].concat(),
        ["dbg", "!("].concat(),
    ];
    let found: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).expect("a source file is text");
            marks.iter().any(|mark| text.contains(mark.as_str()))
        })
        .map(|path| shown(path))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_incident_has_the_tests_that_its_page_lists_and_they_name_it() {
    let page = std::fs::read_to_string(root().join("docs/INCIDENTS.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells.len() == 4 && cells[0].parse::<u32>().is_ok())
        .collect();
    let numbers: Vec<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(numbers, (1..=15).map(|number| number.to_string()).collect::<Vec<_>>());
    for row in rows {
        let name = format!("Incident {} of docs/INCIDENTS.md", row[0]);
        let quoted: Vec<&str> = row[3].split('`').skip(1).step_by(2).collect();
        let mut tests = quoted.iter().filter(|text| text.contains('/')).peekable();
        assert!(tests.peek().is_some(), "incident {} has no test", row[0]);
        for path in tests {
            let story = root().join(path).join("observed.yaml");
            if story.exists() {
                assert!(std::fs::read_to_string(&story).unwrap().starts_with(&format!("# {name}")), "{path}");
                continue;
            }
            let test = quoted.iter().skip_while(|text| *text != path).nth(1).copied().unwrap_or_default();
            let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
            let above = text.split(&format!("fn {test}(")).next().filter(|above| above.len() < text.len());
            let above = above.unwrap_or_else(|| panic!("there is no test {test} in {path}"));
            let last = above.rfind(&format!("/// {name}"));
            let last = last.unwrap_or_else(|| panic!("{test} in {path} does not name incident {}", row[0]));
            assert!(!above[last..].contains("fn "), "{test} in {path} does not name incident {}", row[0]);
        }
    }
}

#[test]
fn only_named_places_hold_a_writer() {
    // Invariant 2: whoever plans holds only the reader. The word for opening a writer stands where it is declared,
    // in the connectors, in conformance, and in the one step that applies.
    let allowed = ["connectors/", "src/apply.rs", "tests/"];
    let found: Vec<String> = rust_files()
        .iter()
        .map(|path| (shown(path), std::fs::read_to_string(path).expect("a source file is text")))
        .filter(|(path, text)| {
            text.contains(".writer(") && !allowed.iter().any(|place| path.starts_with(place))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(found.is_empty(), "a writer is opened in {found:#?}");
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}
