//! The example organisation: free of problems, and as large as its story says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZoneDatabase;
use provost_core::Sym;
use provost_core::access::risk_by;
use provost_core::document::{Kind, parse};
use provost_core::snapshot::{Catalog, ConnectorFacts, Context, check};
use provost_sdk::{Setting, SettingKind};

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

#[test]
fn the_example_has_no_problem_as_a_whole() {
    let setting = |name, kind| Setting { name, kind, required: true, place: false, about: "" };
    let settings = vec![setting("url", SettingKind::Url), setting("token", SettingKind::Secret)];
    let scim = ConnectorFacts { settings, capabilities: None };
    let catalog = Catalog { connectors: [(Sym::new("scim"), scim)].into(), ..Catalog::default() };
    let context = Context {
        trusted: true,
        catalog: &catalog,
        risk: &|target, grant| risk_by(target, None, grant),
        agreed: &|_| false,
        spent: &|_| false,
        leaving: &BTreeSet::from([Sym::new("p-0019")]),
        zones: &TimeZoneDatabase::bundled(),
    };
    let texts: BTreeMap<Sym, String> =
        documents().into_iter().map(|(path, text)| (Sym::new(&path), text)).collect();
    let parsed = texts.iter().map(|(path, text)| (*path, parse(path.as_str(), text.as_bytes())));
    let read = |path: Sym| texts.get(&path).map(|text| text.clone().into_bytes());
    let problems: Vec<String> = check(parsed, &read, &context).iter().map(ToString::to_string).collect();
    assert_eq!(problems, [""; 0]);
}
