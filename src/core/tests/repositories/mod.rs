//! Mistakes that show only between documents: the files of `tests/golden/mistakes/NAME/` are a commit, and
//! `expected.txt` is what provost says of it. `UPDATE=1` writes what it says now. (A folder with an `input.yaml` is a
//! mistake in that one document.)

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use jiff::tz::TimeZoneDatabase;
use provost_core::Sym;
use provost_core::access::risk_by;
use provost_core::document::parse;
use provost_core::snapshot::{Catalog, ConnectorFacts, Context, check};
use provost_sdk::{AccountKind, Attribute, Capabilities, EntitlementKind, Setting, SettingKind};

use crate::{files, in_repository};

#[test]
fn every_mistake_between_documents_is_told_with_its_places() {
    let folder = in_repository("tests/golden/mistakes");
    let entries = std::fs::read_dir(&folder).expect("the golden files are there");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in entries {
        let mistake = entry.expect("an entry").path();
        if mistake.join("input.yaml").exists() {
            continue;
        }
        let (found, expected) = (told(&mistake), mistake.join("expected.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &found).expect("the golden file can be written");
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", mistake.display()));
        }
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} mistakes were found in {}", folder.display());
    assert!(wrong.is_empty(), "provost now says (UPDATE=1 accepts it):\n{}", wrong.join("\n"));
}

/// Everything that is said of the commit that a folder is, each problem with its line.
fn told(folder: &Path) -> String {
    let texts: BTreeMap<Sym, Vec<u8>> = files(folder, "yaml")
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(folder).expect("it is below").to_str().expect("a name in UTF-8");
            (Sym::new(name), std::fs::read(&path).expect("the file can be read"))
        })
        .collect();
    let parsed = texts.iter().map(|(path, bytes)| (*path, parse(path.as_str(), bytes)));
    let context = Context {
        trusted: false,
        catalog: &catalog(),
        risk: &|target, grant| risk_by(target, None, grant),
        agreed: &|_| false,
        spent: &|_| false,
        leaving: &BTreeSet::new(),
        zones: &TimeZoneDatabase::bundled(),
    };
    let problems = check(parsed, &|path| texts.get(&path).cloned(), &context);
    assert!(!problems.is_empty(), "{} is no mistake", folder.display());
    let mut told = String::new();
    for problem in problems {
        writeln!(told, "{problem} [{}]", problem.code).expect("a text can be written to");
        if let Some(excerpt) = &problem.excerpt {
            writeln!(told, "    | {excerpt}").expect("a text can be written to");
        }
    }
    told
}

/// One connector, `gitea`, with teams, and projects that have roles.
fn catalog() -> Catalog {
    let setting = |name, kind, required, about| Setting { name, kind, required, place: false, about };
    let attribute = |name: &str| Attribute { name: name.to_owned(), ..Attribute::default() };
    let kind = |name: &str, roles: &[&str]| EntitlementKind {
        name: name.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..EntitlementKind::default()
    };
    let facts = ConnectorFacts {
        settings: vec![
            setting("url", SettingKind::Url, true, "the address of the forge"),
            setting("organization", SettingKind::Text, false, "the organisation whose teams are kept"),
            setting("token", SettingKind::Secret, true, "a token of an owner of the organisation"),
        ],
        capabilities: Some(Capabilities {
            account_kinds: vec![AccountKind {
                name: "user".to_owned(),
                attributes: vec![attribute("email"), attribute("display_name")],
            }],
            entitlement_kinds: vec![kind("team", &[]), kind("project", &["reader", "writer"])],
            ..Capabilities::default()
        }),
    };
    Catalog { connectors: BTreeMap::from([(Sym::new("gitea"), facts)]), targets: BTreeMap::new() }
}
