//! The organisation whose plan is decided: everybody has an account, and lacks what the repository gives.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use provost::registry;
use provost_core::Sym;
use provost_core::access::Zones;
use provost_core::document::{Severity, parse};
use provost_core::observed::{AccountRecord, Collector, HeldRecord, LinkRecord, Observed, Origin, Shrink};
use provost_core::organisation::{Known, Organisation};
use provost_core::snapshot::{Change, File, Snapshot};
use provost_sdk::{
    Account, AccountKind, Capabilities, Completeness, Entitlement, EntitlementKey, EntitlementKind, Item,
    Read, Sink, State, Verb,
};

use crate::Failure;
use crate::statements::{APPROVERS, approver, signer};

/// Which system the target is.
pub const PLACE: &str = "here";

/// Of ten people one is to administer, which two approvers have to agree to; one loses what nobody explains; all others
/// get what everybody has.
const KINDS: usize = 10;

const TARGET: &str = "kind: Target
id: forge
connector: memory
config: {name: forge}
owners: [p-approver-0]
risk: low
accounts:
  main: {username: person.username}
entitlements:
  - {team: admins, risk: privileged}
authority: {accounts: full, team: full}
guards: {removals: {percent: 50}}
";

const ADMINISTRATOR: &str =
    "kind: Role\nid: administrator\nowners: [p-approver-0]\ngrants: [{target: forge, team: admins}]\n";

const COLLEAGUE: &str = "kind: Role
id: colleague
owners: [p-approver-0]
assign: \"person.department == 'sales'\"
grants: [{target: forge, team: everyone}]
";

/// An organisation with as many people, each of whom makes one operation.
pub fn make(people: usize, now: Timestamp) -> Result<Organisation, Failure> {
    let mut organisation = Organisation::new(Snapshot::default(), registry::catalog(), Zones::bundled(), now);
    let members: Vec<String> = (0..APPROVERS).map(approver).collect();
    let mut files = vec![
        ("forge.yaml".to_owned(), TARGET.to_owned()),
        ("administrator.yaml".to_owned(), ADMINISTRATOR.to_owned()),
        ("colleague.yaml".to_owned(), COLLEAGUE.to_owned()),
        ("approvers.yaml".to_owned(), format!("kind: ApproverGroup\nid: approvers\nmembers: {members:?}\n")),
    ];
    let signers = (0..APPROVERS).map(signer).collect::<Result<String, Failure>>()?;
    files.push(("policy/allowed_signers".to_owned(), signers));
    files.extend(members.iter().map(|id| (format!("{id}.yaml"), person(id, "board", ""))));
    for number in 0..people {
        let (department, roles) = match number % KINDS {
            0 => ("board", "roles: [{role: administrator, until: 2027-01-01, reason: INC-1}]\n"),
            _ => ("sales", ""),
        };
        let id = format!("p-{number}");
        files.push((format!("{id}.yaml"), person(&id, department, roles)));
    }
    let changes = files.into_iter().enumerate().map(|(number, (path, text))| {
        let mut blob = [0; 20];
        blob[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Change { path: Sym::new(&path), file: Some(File { blob, parsed: parse(&path, text.as_bytes()) }) }
    });
    organisation.amend(changes.collect(), true, now);
    let problems = organisation.snapshot().problems();
    if let Some(problem) = problems.iter().find(|problem| problem.severity == Severity::Error) {
        return Err(format!("{} problems, the first: {problem}", problems.len()).into());
    }
    let known = Known {
        observed: observed(people, now),
        place: Sym::new(PLACE),
        adopted: Some(Sym::new(PLACE)),
        hold: None,
        own_accounts: Vec::new(),
    };
    organisation.place(Sym::new("forge"), known, now);
    Ok(organisation)
}

fn person(id: &str, department: &str, rest: &str) -> String {
    format!(
        "kind: Person\nid: {id}\nname: {{given: A, family: B}}\nusername: {id}\nemployment: employee\ndepartment: {department}\n{rest}"
    )
}

/// What the target has: an account for each, one in ten of which has what everybody has, and a team that nobody explains.
fn observed(people: usize, now: Timestamp) -> Observed {
    let ids: BTreeMap<String, bool> =
        (0..people).map(|number| (format!("p-{number}"), number % KINDS == 1)).collect();
    let mut observed = Observed::load(capabilities(), ids.keys().map(|id| linked(id)), Vec::new());
    let mut found = Collector::begin(now - SignedDuration::from_mins(1), None);
    for name in ["admins", "everyone", "found"] {
        found.put(Item::Entitlement(Entitlement {
            kind: "team".to_owned(),
            anchor: name.into(),
            name: name.to_owned(),
            administrative: false,
        }));
    }
    for (id, in_found) in ids {
        let team = |name: &str| EntitlementKey { kind: "team".to_owned(), anchor: name.into(), role: None };
        let held = if in_found { vec![team("everyone"), team("found")] } else { Vec::new() };
        found.put(Item::Account(Account {
            anchor: id.as_str().into(),
            kind: "user".to_owned(),
            username: id,
            state: State::Enabled,
            attributes: BTreeMap::new(),
            entitlements: Some(held.into_iter().collect()),
            version: None,
        }));
    }
    let read = Read { completeness: Completeness::Complete, cursor: None };
    observed.finish(found, &read, Shrink::default());
    observed
}

fn linked(id: &str) -> AccountRecord {
    AccountRecord {
        anchor: Sym::new(id),
        kind: Some("user".into()),
        username: Some(Sym::new(id)),
        state: Some(State::Enabled),
        attributes: BTreeMap::new(),
        link: Some(LinkRecord {
            identity: Sym::new(id),
            profile: "main".into(),
            origin: Origin::Created,
            ours: Vec::<HeldRecord>::new(),
            disabled: None,
            sessions_ended: false,
            transferred: false,
            left: false,
            credentials: Vec::new(),
        }),
        entitlements: Vec::new(),
        unmanaged: false,
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        account_kinds: vec![AccountKind { name: "user".to_owned(), attributes: Vec::new() }],
        entitlement_kinds: vec![EntitlementKind { name: "team".to_owned(), ..EntitlementKind::default() }],
        verbs: [Verb::Create, Verb::Update, Verb::Enable, Verb::Disable, Verb::Grant, Verb::Revoke].into(),
        ..Capabilities::default()
    }
}
