//! The organisation as the daemon holds it: commits, reads and receipts in turn, and begun anew with what was recorded.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::access::{Lack, Zones};
use provost_core::document::parse;
use provost_core::evidence::MAIN;
use provost_core::observed::{Collector, Observed};
use provost_core::organisation::{Known, Organisation};
use provost_core::snapshot::{Catalog, Change, ConnectorFacts, File, Snapshot};
use provost_sdk::{
    Account, AccountRef, Capabilities, Completeness, Create, Entitlement, EntitlementKey, EntitlementKind,
    EntitlementRef, Item, Nesting, Operation, Read, Receipt, Risk, Sink, State, Verb,
};

const RULES: &str = "kind: Target
id: forge
connector: memory
owners: [p-9]
entitlements: [{team: admins, risk: normal}]
authority: {accounts: full, team: full}
---
kind: Role
id: payer
owners: [p-9]
grants: [{target: forge, team: pay}]
---
kind: Role
id: approver
owners: [p-9]
grants: [{target: forge, team: approve}]
---
kind: Separation
id: pay-and-approve
owners: [p-9]
sides: [[{target: forge, team: pay}], [{target: forge, team: approve}]]
---
kind: Person
id: p-9
name: {given: Owner}
username: owner
employment: employee
";

const TEAMS: [&str; 3] = ["pay", "approve", "admins"];

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().expect("an instant")
}

fn change(name: &str, text: &str) -> Change {
    let path = format!("{name}.yaml");
    let blob = std::array::from_fn(|at| text.len() as u8 ^ at as u8);
    Change { path: Sym::new(&path), file: Some(File { blob, parsed: parse(&path, text.as_bytes()) }) }
}

fn person(id: &str, roles: &str) -> String {
    format!(
        "kind: Person\nid: {id}\nname: {{given: Ada}}\nusername: {id}\nemployment: employee\nroles: {roles}\n"
    )
}

/// An organisation with the rules above, and what its target is known to have.
fn begun(files: &BTreeMap<String, String>, observed: Observed) -> Organisation {
    let facts = ConnectorFacts { settings: Vec::new(), capabilities: Some(capabilities()) };
    let catalog = Catalog { connectors: [(Sym::new("memory"), facts)].into(), targets: BTreeMap::new() };
    let mut organisation = Organisation::new(Snapshot::default(), catalog, Zones::bundled(), now());
    let rules = RULES.split("---\n").enumerate().map(|(place, text)| change(&format!("rule-{place}"), text));
    let files = files.iter().map(|(name, text)| change(name, text));
    organisation.amend(rules.chain(files).collect(), true, now());
    let here = Sym::new("here");
    let known = Known { observed, place: here, adopted: Some(here), hold: None, own_accounts: Vec::new() };
    organisation.place("forge".into(), known, now());
    organisation
}

/// The same as a new process makes of it.
fn again(files: &BTreeMap<String, String>, organisation: &Organisation) -> Organisation {
    let observed = &organisation.target("forge".into()).expect("it is placed").observed;
    let records: Vec<_> = observed.records().collect();
    begun(files, Observed::load(capabilities(), records, observed.entitlement_records()))
}

fn capabilities() -> Capabilities {
    let kind = EntitlementKind { name: "team".into(), nests: true, ..EntitlementKind::default() };
    let verbs = [Verb::Create, Verb::Grant, Verb::Revoke, Verb::Disable].into();
    Capabilities { entitlement_kinds: vec![kind], verbs, ..Capabilities::default() }
}

fn key(team: &str) -> EntitlementKey {
    EntitlementKey { kind: "team".into(), anchor: format!("t-{team}").as_str().into(), role: None }
}

fn account(id: &str, teams: &[&str]) -> Account {
    Account {
        anchor: format!("a-{id}").as_str().into(),
        kind: "user".into(),
        username: id.to_owned(),
        state: State::Enabled,
        attributes: BTreeMap::new(),
        entitlements: Some(teams.iter().map(|team| key(team)).collect()),
        version: None,
    }
}

/// Reads the target: its teams, these accounts, and which team is in which.
fn read(organisation: &mut Organisation, accounts: &[Account], nesting: &[(&str, &str)]) {
    let mut found = Collector::begin(now(), None);
    for team in TEAMS {
        let EntitlementKey { kind, anchor, .. } = key(team);
        found.put(Item::Entitlement(Entitlement { kind, anchor, name: team.into(), administrative: false }));
    }
    for (inner, outer) in nesting {
        found.put(Item::Nesting(Nesting { inner: key(inner), outer: key(outer) }));
    }
    accounts.iter().for_each(|account| found.put(Item::Account(account.clone())));
    let read = Read { completeness: Completeness::Complete, cursor: None };
    organisation.merge("forge".into(), capabilities(), found, &read, now());
}

/// provost makes an account and gives it a team.
fn give(organisation: &mut Organisation, id: &str, team: &str) {
    let subject = Some((Sym::new(id), Sym::new(MAIN)));
    let create = Operation::Create(Create {
        kind: "user".into(),
        username: id.to_owned(),
        attributes: BTreeMap::new(),
        identity: id.to_owned(),
    });
    let made = account(id, &[]);
    let reference = AccountRef { anchor: made.anchor.clone(), username: made.username.clone() };
    organisation.receipt("forge".into(), subject, &create, &Receipt::changed(Some(made)), now());
    let EntitlementKey { kind, anchor, role } = key(team);
    let entitlement = EntitlementRef { kind, anchor, name: team.to_owned(), role };
    let grant = Operation::Grant { account: reference, entitlement };
    organisation.receipt(
        "forge".into(),
        subject,
        &grant,
        &Receipt::changed(Some(account(id, &[team]))),
        now(),
    );
}

fn held(organisation: &Organisation, id: &str) -> Vec<String> {
    let wanted = organisation.access().wanted(id.into(), "forge".into());
    wanted.iter().flat_map(|wanted| wanted.entitlements.iter()).map(|spec| spec.name.to_string()).collect()
}

#[test]
fn of_two_separated_grants_the_one_that_provost_gave_stands_in_either_order_and_after_a_restart() {
    for (first, second, given, waits) in
        [("payer", "approver", "pay", "approve"), ("approver", "payer", "approve", "pay")]
    {
        let begins = |role: &str, from: &str| format!("{{role: {role}, from: {from}}}");
        let mut files = BTreeMap::new();
        files.insert("p-1".to_owned(), person("p-1", &format!("[{}]", begins(first, "2026-06-01"))));
        let mut organisation = begun(&files, Observed::new(capabilities()));
        read(&mut organisation, &[], &[]);
        give(&mut organisation, "p-1", given);
        assert_eq!(held(&organisation, "p-1"), [given]);

        // What comes later names an earlier day.
        let both = format!("[{}, {}]", begins(first, "2026-06-01"), begins(second, "2026-02-01"));
        files.insert("p-1".to_owned(), person("p-1", &both));
        let changed = organisation.amend(vec![change("p-1", &files["p-1"])], false, now()).changed;
        assert!(changed.contains(&("p-1".into(), "forge".into())));
        for organisation in [&organisation, &again(&files, &organisation)] {
            assert_eq!(held(organisation, "p-1"), [given], "what stands is not taken away");
            let [waiting] = organisation.access().waiting_of("p-1".into()) else { panic!("one waits") };
            assert!(matches!(waiting.why, Lack::Separation { .. }), "{waiting:?}");
            assert_eq!(waiting.power.entitlement.map(|spec| spec.name.to_string()).as_deref(), Some(waits));
        }
    }
}

#[test]
fn what_a_hand_nested_takes_no_standing_grant_away_and_holds_up_new_ones() {
    let mut files = BTreeMap::new();
    files.insert("p-1".to_owned(), person("p-1", "[{role: payer}]"));
    let mut organisation = begun(&files, Observed::new(capabilities()));
    read(&mut organisation, &[], &[]);
    give(&mut organisation, "p-1", "pay");
    read(&mut organisation, &[account("p-1", &["pay"])], &[("pay", "admins")]);
    files.insert("p-2".to_owned(), person("p-2", "[{role: payer}]"));
    organisation.amend(vec![change("p-2", &files["p-2"])], false, now());
    for organisation in [&organisation, &again(&files, &organisation)] {
        assert_eq!(held(organisation, "p-1"), ["pay"]);
        assert!(held(organisation, "p-2").is_empty());
        assert_eq!(organisation.access().waiting_of("p-2".into())[0].tier, Risk::Normal);
    }
}

#[test]
fn an_id_that_was_used_is_never_anybody_elses_and_whoever_has_it_keeps_it() {
    let mut files = BTreeMap::new();
    files.insert("p-1".to_owned(), person("p-1", "[{role: payer}]"));
    let mut organisation = begun(&files, Observed::new(capabilities()));
    organisation.use_ids([Sym::new("p-1"), Sym::new("p-2")]);
    let moved = person("p-1", "[]");
    organisation.amend(vec![change("p-1", &moved), change("p-2", &person("p-2", "[]"))], false, now());
    assert!(held(&organisation, "p-1").is_empty(), "her own change counts");
    assert!(organisation.snapshot().identity("p-2".into()).is_none());
    let problems: Vec<String> = organisation.snapshot().problems().iter().map(ToString::to_string).collect();
    assert!(problems.iter().any(|problem| problem.contains("p-2")), "{problems:?}");
}

#[test]
fn a_leaver_is_remembered_as_one_when_the_document_is_gone() {
    let mut files = BTreeMap::new();
    files.insert("p-1".to_owned(), person("p-1", "[{role: payer}]"));
    let mut organisation = begun(&files, Observed::new(capabilities()));
    read(&mut organisation, &[], &[]);
    give(&mut organisation, "p-1", "pay");
    let departed = format!("{}status: departed\n", files["p-1"]);
    organisation.amend(vec![change("p-1", &departed)], false, now());
    let reference = AccountRef { anchor: "a-p-1".into(), username: "p-1".to_owned() };
    let subject = Some((Sym::new("p-1"), Sym::new(MAIN)));
    let disabled = Account { state: State::Disabled, ..account("p-1", &[]) };
    let EntitlementKey { kind, anchor, role } = key("pay");
    let entitlement = EntitlementRef { kind, anchor, name: "pay".to_owned(), role };
    let revoke = Operation::Revoke { account: reference.clone(), entitlement };
    organisation.receipt(
        "forge".into(),
        subject,
        &revoke,
        &Receipt::changed(Some(account("p-1", &[]))),
        now(),
    );
    let disable = Operation::Disable { account: reference };
    organisation.receipt("forge".into(), subject, &disable, &Receipt::changed(Some(disabled)), now());
    organisation.amend(vec![Change { path: "p-1.yaml".into(), file: None }], false, now());
    assert!(organisation.snapshot().identity("p-1".into()).is_none(), "she is forgotten");

    let mut organisation = again(&BTreeMap::new(), &organisation);
    read(&mut organisation, &[account("p-1", &[])], &[]);
    let decided = organisation.plan(Some("forge".into()), &provost_core::step::Scope::All, now());
    let operations: Vec<&Operation> = decided.plan.operations.iter().map(|one| &one.operation).collect();
    assert!(matches!(operations[..], [Operation::Disable { .. }]), "{operations:?}");
}

#[test]
fn an_account_made_in_place_of_a_deleted_one_is_linked_although_the_answer_was_lost() {
    let mut files = BTreeMap::new();
    files.insert("p-1".to_owned(), person("p-1", "[{role: payer}]"));
    let mut organisation = begun(&files, Observed::new(capabilities()));
    read(&mut organisation, &[], &[]);
    give(&mut organisation, "p-1", "pay");
    let another = Account { anchor: "a-again".into(), ..account("p-1", &[]) };
    let settle = |organisation: &mut Organisation| {
        organisation.created("forge".into(), "p-1".into(), MAIN.into(), "p-1")
    };
    assert_eq!(settle(&mut organisation), None, "hers is there");

    let mut organisation = again(&files, &organisation);
    read(&mut organisation, &[another], &[]);
    assert_eq!(settle(&mut organisation), Some("a-again".into()));
    let observed = &organisation.target("forge".into()).expect("it is placed").observed;
    assert_eq!(observed.owner("a-again".into()), Some(("p-1".into(), MAIN.into())));
}
