//! Tables of single rules of access; `law` has the random histories.

mod causes;
mod law;
mod risks;
mod times;

use jiff::Timestamp;
use provost_sdk::{Capabilities, EntitlementKind, Risk};

use super::*;
use crate::document::parse;
use crate::evidence::{Agreement, MAIN};
use crate::facts::TargetFacts;
use crate::snapshot::Version;

/// Documents, evidence and facts from which access is resolved.
pub(super) struct Given {
    pub(super) snapshot: Snapshot,
    pub(super) evidence: Evidence,
    pub(super) facts: Facts,
}

pub(super) fn zones() -> Zones {
    static ZONES: std::sync::LazyLock<Zones> = std::sync::LazyLock::new(Zones::bundled);
    ZONES.clone()
}

pub(super) fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap_or_else(|error| panic!("{instant}: {error}"))
}

pub(super) fn version(yaml: &str) -> Version {
    let path = Sym::new("documents/test.yaml");
    let parsed = parse(path.as_str(), yaml.as_bytes());
    let document = parsed.document.unwrap_or_else(|| panic!("{yaml}: {:?}", parsed.problems));
    let path = Sym::from(&format!("{}/{}.yaml", document.kind(), document.id()));
    Version { path, blob: [0; 20], document }
}

impl Given {
    /// Documents divided by `---`.
    pub(super) fn of(documents: &str) -> Given {
        let versions = documents.split("---\n").filter(|text| !text.trim().is_empty()).map(version);
        let snapshot = Snapshot::restore(versions, []);
        let kinds = ["team", "project"]
            .map(|name| EntitlementKind { name: name.into(), ..EntitlementKind::default() });
        let capabilities = Capabilities { entitlement_kinds: kinds.into(), ..Capabilities::default() };
        let known = |id| (id, TargetFacts { capabilities: capabilities.clone(), ..TargetFacts::default() });
        let facts = snapshot.targets().into_iter().map(|target| known(target.id)).collect();
        Given { snapshot, evidence: Evidence::default(), facts }
    }

    pub(super) fn access(&self, now: &str) -> Access {
        Access::whole(&self.snapshot, &self.evidence, &self.facts, &zones(), at(now))
    }

    /// Everything that an identity has at an instant: `forge/main team:eng`.
    pub(super) fn held(&self, identity: &str, now: &str) -> Vec<String> {
        held(&self.access(now), identity)
    }

    pub(super) fn agree(&mut self, identity: &str, power: Power, tier: Risk, (from, until): (&str, &str)) {
        let agreement = Agreement { power, anchor: None, tier, from: at(from), until: at(until) };
        self.evidence.agree(identity.into(), agreement);
    }
}

pub(super) fn held(access: &Access, identity: &str) -> Vec<String> {
    let mut held = Vec::new();
    for (target, wanted) in access.wanted_by_target(identity.into()) {
        for Wanted { profile, entitlements } in wanted {
            let place = if *profile == *MAIN { target.to_string() } else { format!("{target}/{profile}") };
            held.push(place.clone());
            held.extend(entitlements.members().iter().map(|spec| format!("{place} {spec}")));
        }
    }
    held
}

pub(super) fn team(target: &str, name: &str) -> Power {
    let spec = Spec { kind: "team".into(), name: name.into(), role: None };
    Power { target: target.into(), profile: MAIN.into(), entitlement: Some(spec) }
}

pub(super) const TARGETS: &str = "kind: Target
id: forge
connector: memory
owners: [p-1]
accounts:
  main: {username: person.username, email: person.email, title: {initial: person.department}}
  admin: {username: \"'adm-' + person.username\", risk: normal}
entitlements:
  - {team: \"ADMIN*\", risk: privileged}
  - {team: reviewers, risk: normal}
nesting: [{team: leads, in: reviewers}]
---
kind: Target
id: tickets
connector: memory
owners: [p-1]
---
";

const ROLES: &str = "kind: Role
id: everybody
owners: [p-1]
assign: \"true\"
grants: [{target: tickets}]
---
kind: Role
id: engineer
owners: [p-1]
assign: \"person.department == 'engineering' && person.employment == 'employee'\"
includes: [reader]
grants: [{target: forge, team: eng}]
---
kind: Role
id: reader
owners: [p-1]
includes: [engineer]
grants: [{target: forge, team: readers}, {target: tickets, project: platform, role: member}]
---
kind: Role
id: seller
owners: [p-1]
assign: person.department == 'sales'
grants: [{target: tickets, project: leads, role: member}]
---
kind: Role
id: export
owners: [p-1]
assign: service.attributes.tier == 'nightly'
grants: [{target: forge, team: bots}]
---
";

fn given(identities: &str) -> Given {
    Given::of(&format!("{TARGETS}{ROLES}{identities}"))
}

const ADA: &str = "kind: Person
id: p-1
name: {given: Ada, family: Osei}
username: aosei
email: ada@example.com
employment: employee
department: engineering
";

#[test]
fn birthright_gives_what_conditions_say_with_everything_that_roles_include() {
    let given = given(&format!(
        "{ADA}---\nkind: Service\nid: s-export\nowners: [p-1]\npurpose: export\nattributes: {{tier: nightly}}\n"
    ));
    let now = "2026-06-01T12:00Z";
    assert_eq!(
        given.held("p-1", now),
        ["forge", "forge team:eng", "forge team:readers", "tickets", "tickets project:platform#member"]
    );
    assert_eq!(given.held("s-export", now), ["forge", "forge team:bots"], "`true` is about people");
    let access = given.access(now);
    assert_eq!(access.lifecycle("p-1".into()), Lifecycle::Active);
    assert_eq!(access.lifecycle("p-9".into()), Lifecycle::Unknown);
    assert_eq!(access.next_boundary(), None);
    let bots = Spec { kind: "team".into(), name: "bots".into(), role: None };
    assert_eq!(access.who("forge".into(), Some(bots)), [Sym::new("s-export")]);
    assert_eq!(access.who("forge".into(), None), [Sym::new("p-1"), Sym::new("s-export")]);
    assert!(access.who("nowhere".into(), None).is_empty());
}

#[test]
fn the_looks_of_an_account_come_from_its_profile_and_the_identity_may_differ() {
    let given = given(&format!("{ADA}accounts: {{tickets: {{username: ada-o, anchor: \"77\"}}}}\n"));
    let access = given.access("2026-06-01T12:00Z");
    let login = |target: &str, profile: &str| {
        access.login(&given.snapshot, "p-1".into(), target.into(), profile.into()).expect("a login")
    };
    let main = login("forge", "main");
    assert_eq!(main.username.as_str(), "aosei");
    let attributes: Vec<(&str, String, bool)> = main
        .attributes
        .iter()
        .map(|(name, (value, kept))| (name.as_str(), value.to_string(), *kept))
        .collect();
    assert_eq!(
        attributes,
        [("email", "ada@example.com".to_owned(), true), ("title", "engineering".to_owned(), false)]
    );
    assert_eq!(login("forge", "admin").username.as_str(), "adm-aosei");
    let tickets = login("tickets", "main");
    assert_eq!((tickets.username.as_str(), tickets.anchor), ("ada-o", Some("77".into())));
    assert!(access.login(&given.snapshot, "p-9".into(), "forge".into(), "main".into()).is_err());
}

#[test]
fn what_refers_to_rules_that_are_not_in_force_waits_and_the_rest_goes_on() {
    let roles = "kind: Role
id: ops
owners: [p-1]
grants: [{target: cloud, team: ops}, {target: forge, team: ops}, {target: forge, profile: robot, team: ops}]
---
";
    let given = given(&format!("{roles}{ADA}roles: [{{role: ops}}, {{role: unknown}}]\n"));
    let access = given.access("2026-06-01T12:00Z");
    assert!(held(&access, "p-1").contains(&"forge team:ops".to_owned()));
    let waiting: Vec<(String, Lack)> =
        access.waiting_of("p-1".into()).iter().map(|one| (one.power.to_string(), one.why)).collect();
    assert_eq!(
        waiting,
        [
            ("team:ops on cloud".to_owned(), Lack::Target),
            ("team:ops on forge as robot".to_owned(), Lack::Profile)
        ]
    );
}
