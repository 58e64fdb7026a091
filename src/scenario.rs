//! Tests of a desired-state repository: at an instant, with these documents, this holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use provost_core::Sym;
use provost_core::access::Zones;
use provost_core::document::{Document, GrantSpec, Kind, Scenario, parse};
use provost_core::evidence::Power;
use provost_core::organisation::Organisation;
use provost_core::snapshot::{Change, File, Snapshot};
use serde::Serialize;

use crate::registry;

/// What came of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// Its id.
    pub scenario: Sym,
    /// What it shows.
    pub description: Option<Sym>,
    /// Everything that does not hold, as sentences; none where all does.
    pub failures: Vec<String>,
}

/// Tries every scenario of a commit on the commit's own documents, as if all of it were trusted and nobody had agreed
/// to anything yet.
pub fn try_all(changes: &[Change]) -> Vec<Tried> {
    let mut tried: Vec<Tried> = changes
        .iter()
        .filter_map(|change| match &change.file.as_ref()?.parsed.document {
            Some(Document::Scenario(scenario)) => Some(try_one(scenario, changes)),
            _ => None,
        })
        .collect();
    tried.sort_by_key(|tried| tried.scenario);
    tried
}

fn try_one(scenario: &Scenario, changes: &[Change]) -> Tried {
    let mut failures = Vec::new();
    let now = scenario.at.begins(&TimeZone::UTC);
    let changes = with_given(scenario, changes, &mut failures);
    let mut organisation = Organisation::new(Snapshot::default(), registry::catalog(), Zones::bundled(), now);
    organisation.amend(changes, true, now);
    for expectation in &scenario.expect {
        let identity = expectation.identity;
        if organisation.snapshot().identity(identity).is_none() {
            failures.push(format!("{identity} has no document that counts"));
            continue;
        }
        let shown = |grant: &GrantSpec| Power::from(grant).to_string();
        for grant in expectation.has.iter().filter(|grant| !has(&organisation, identity, grant)) {
            failures.push(format!("{identity} is to have {}, and has not", shown(grant)));
        }
        for grant in expectation.lacks.iter().filter(|grant| has(&organisation, identity, grant)) {
            failures.push(format!("{identity} is not to have {}, and has", shown(grant)));
        }
        for grant in expectation.waits.iter().filter(|grant| !waits(&organisation, identity, grant, now)) {
            failures.push(format!("{identity} is to wait for {}, and does not", shown(grant)));
        }
    }
    Tried { scenario: scenario.id, description: scenario.description, failures }
}

/// The commit's documents, with those of the scenario in the place of the same kind and id.
fn with_given(scenario: &Scenario, changes: &[Change], failures: &mut Vec<String>) -> Vec<Change> {
    let mut given = BTreeMap::new();
    for (index, document) in scenario.given.iter().enumerate() {
        let path = format!("given[{index}]");
        // JSON is YAML: the same reader, with the same checks.
        let parsed = parse(&path, document.to_string().as_bytes());
        failures.extend(parsed.problems.iter().map(ToString::to_string));
        given
            .insert(parsed.key, Change { path: Sym::new(&path), file: Some(File { blob: [0; 20], parsed }) });
    }
    let replaced = |change: &&Change| {
        let key = change.file.as_ref().and_then(|file| file.parsed.key);
        let scenario = key.is_some_and(|(kind, _)| kind == Kind::Scenario);
        let stands_in = key.is_some() && given.contains_key(&key);
        !scenario && !stands_in
    };
    let mut changes: Vec<Change> = changes.iter().filter(replaced).cloned().collect();
    changes.extend(given.into_values());
    changes
}

fn has(organisation: &Organisation, identity: Sym, grant: &GrantSpec) -> bool {
    let power = Power::from(grant);
    let lifecycle = organisation.access().lifecycle(identity);
    let active = matches!(lifecycle, provost_core::access::Lifecycle::Active);
    let wanted = organisation.access().wanted(identity, power.target);
    let held = wanted.iter().filter(|wanted| wanted.profile == power.profile);
    active
        && held
            .into_iter()
            .any(|wanted| power.entitlement.is_none_or(|spec| wanted.entitlements.contains(spec)))
}

fn waits(organisation: &Organisation, identity: Sym, grant: &GrantSpec, now: Timestamp) -> bool {
    let power = Power::from(grant);
    let waiting = organisation.access().waiting_of(identity);
    waiting.iter().any(|waiting| waiting.power == power && waiting.window.until > now)
}
