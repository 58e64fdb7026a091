//! A target and an organisation in a few lines, for laws over whatever there may be.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use provost_core::Sym;
use provost_core::access::{Lifecycle, Login, Mark, Waiting, Wanted};
use provost_core::document::{Document, ServiceCredential, Target, parse};
use provost_core::evidence::{MAIN, Power, Thing};
use provost_core::observed::{Collector, Observed, Seen, Shrink};
use provost_core::plan::Desired;
use provost_core::set::{Set, Spec};
use provost_sdk::{
    Account, Completeness, Entitlement, EntitlementKey, Item, Operation, Read, Receipt, Risk, Sink, State,
};

use super::story::capabilities;

/// Who ought to have what, without documents.
#[derive(Clone, Debug)]
pub(super) struct Ought {
    pub(super) people: BTreeMap<Sym, (Lifecycle, Vec<Wanted>)>,
    pub(super) target: Sym,
    /// Of every power.
    pub(super) risk: Risk,
    /// Who answers for (true) or knows the secrets of (false) every identity.
    pub(super) answerable: Vec<(Sym, bool)>,
}

impl Desired for Ought {
    fn wanting(&self, target: Sym) -> Vec<(usize, Sym)> {
        let people = self.people.keys().copied().enumerate();
        people.filter(|(_, id)| !self.wanted(*id, target).is_empty()).collect()
    }
    fn mark(&self, _: Sym) -> Option<Mark> {
        None
    }
    fn targets_of(&self, identity: Sym) -> Vec<Sym> {
        self.people.contains_key(&identity).then_some(self.target).into_iter().collect()
    }
    fn lifecycle(&self, identity: Sym) -> Lifecycle {
        self.people.get(&identity).map_or(Lifecycle::Unknown, |(lifecycle, _)| *lifecycle)
    }
    fn is_written(&self, _: Sym) -> bool {
        true
    }
    fn is_person(&self, _: Sym) -> bool {
        true
    }
    fn wanted(&self, identity: Sym, _: Sym) -> &[Wanted] {
        match self.people.get(&identity) {
            Some((Lifecycle::Active | Lifecycle::Suspended, wanted)) => wanted,
            _ => &[],
        }
    }
    fn login(&self, identity: Sym, _: Sym, _: Sym) -> Result<Login, String> {
        let email = format!("{identity}@example.com").into();
        let attributes = [(Sym::new("email"), (email, true))].into();
        Ok(Login { username: identity, kind: None, attributes, cleared: [].into(), anchor: None })
    }
    fn fits(&self, _: Sym, _: Sym, _: Sym, _: &Seen) -> bool {
        false
    }
    fn credentials(&self, _: Sym) -> &[ServiceCredential] {
        &[]
    }
    fn answerable(&self, _: Sym) -> Vec<(Sym, bool)> {
        self.answerable.clone()
    }
    fn agreed(&self, _: &Thing, tier: Risk) -> bool {
        tier == Risk::Low
    }
    fn risk(&self, _: Power) -> Risk {
        self.risk
    }
    fn waiting(&self) -> Vec<Waiting> {
        Vec::new()
    }
    fn waiting_of(&self, _: Sym) -> Vec<Waiting> {
        Vec::new()
    }
}

/// A target in a few lines.
#[derive(Clone, Debug, Default)]
pub(super) struct System {
    pub(super) accounts: BTreeMap<String, Account>,
    made: usize,
}

impl System {
    pub(super) fn apply(&mut self, operation: &Operation) -> Receipt {
        let anchor =
            operation.account().map(|account| account.anchor.as_str().to_owned()).unwrap_or_default();
        if let Operation::Create(create) = operation {
            self.made += 1;
            let account = Account {
                anchor: format!("new-{}", self.made).into(),
                kind: create.kind.clone(),
                username: create.username.clone(),
                state: State::Enabled,
                attributes: create.attributes.clone(),
                entitlements: Some(BTreeSet::new()),
                version: None,
            };
            self.accounts.insert(account.anchor.as_str().to_owned(), account.clone());
            return Receipt::changed(Some(account));
        }
        let account = self.accounts.get_mut(&anchor).expect("only what is there is changed");
        let held = account.entitlements.as_mut().expect("accounts tell what they hold");
        match operation {
            Operation::Grant { entitlement, .. } => {
                assert!(held.insert(entitlement.key()), "it is given only where it is not held");
            }
            Operation::Revoke { entitlement, .. } => {
                assert!(held.remove(&entitlement.key()), "it is taken only where it is held");
            }
            Operation::Disable { .. } => account.state = State::Disabled,
            Operation::Enable { .. } => account.state = State::Enabled,
            Operation::Rename { to, .. } => account.username.clone_from(to),
            Operation::Update { changes, .. } => {
                let set = changes.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
                account.attributes.extend(set);
            }
            Operation::EndSessions { .. } => {}
            other => panic!("{other:?} is not planned here"),
        }
        Receipt::changed(Some(account.clone()))
    }

    pub(super) fn read(&self, observed: &mut Observed, at: Timestamp) {
        let mut found = Collector::begin(at, None);
        for name in TEAMS {
            let kind = "team".to_owned();
            found.put(Item::Entitlement(Entitlement {
                kind,
                anchor: name.into(),
                name: name.to_owned(),
                administrative: false,
            }));
        }
        self.accounts.values().for_each(|account| found.put(Item::Account(account.clone())));
        let read = Read { completeness: Completeness::Complete, cursor: None };
        observed.finish(found, &read, Shrink { percent: 100, minimum: 0 });
    }
}

pub(super) const TEAMS: [&str; 4] = ["a", "b", "c", "d"];

pub(super) fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().expect("an instant")
}

pub(super) fn document(authority: &str) -> Target {
    let text = format!(
        "kind: Target\nid: forge\nconnector: gitea\nowners: [p-9]\nauthority: {{accounts: {authority}, team: {authority}}}\n"
    );
    match parse("forge.yaml", text.as_bytes()).document {
        Some(Document::Target(target)) => *target,
        other => panic!("{other:?} is no target"),
    }
}

pub(super) fn teams(chosen: &BTreeSet<u8>) -> impl Iterator<Item = &'static str> {
    chosen.iter().map(|number| TEAMS[usize::from(*number)])
}

/// Enabled, linked, another username and address, what it holds, and what of it is ours.
type Begins = (bool, bool, bool, BTreeSet<u8>, BTreeSet<u8>);

#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) lifecycle: Lifecycle,
    pub(super) wanted: Option<BTreeSet<u8>>,
    pub(super) account: Option<Begins>,
}

pub(super) fn world(people: &[Person]) -> (Ought, System, Observed) {
    let (people_of, risk, answerable) = (BTreeMap::new(), Risk::Low, Vec::new());
    let mut ought = Ought { people: people_of, target: "forge".into(), risk, answerable };
    let (mut system, mut observed) = (System::default(), Observed::new(capabilities()));
    for (number, person) in people.iter().enumerate() {
        let id = Sym::new(&format!("p-{number}"));
        let wanted = person.wanted.iter().map(|wanted| Wanted {
            profile: MAIN.into(),
            entitlements: teams(wanted)
                .map(|name| Spec { kind: "team".into(), name: name.into(), role: None })
                .collect::<Set<Spec>>(),
        });
        ought.people.insert(id, (person.lifecycle, wanted.collect()));
        if let Some((enabled, _, other, held, _)) = &person.account {
            let anchor = format!("a-{number}");
            let username = if *other { format!("old-{number}") } else { id.to_string() };
            let attributes = [("email".to_owned(), format!("{username}@example.com").into())].into();
            let held = teams(held).map(|name| EntitlementKey {
                kind: "team".into(),
                anchor: name.into(),
                role: None,
            });
            let account = Account {
                anchor: anchor.as_str().into(),
                kind: "user".into(),
                username,
                state: if *enabled { State::Enabled } else { State::Disabled },
                attributes,
                entitlements: Some(held.collect()),
                version: None,
            };
            system.accounts.insert(anchor, account);
        }
    }
    system.read(&mut observed, now());
    for (number, person) in people.iter().enumerate() {
        if let Some((_, true, _, _, ours)) = &person.account {
            let keys = teams(ours).map(|name| provost_core::set::Key {
                kind: "team".into(),
                anchor: name.into(),
                role: None,
            });
            let id = Sym::new(&format!("p-{number}"));
            observed.adopt(id, MAIN.into(), Sym::new(&format!("a-{number}")), Set::empty());
            observed.claim(id, MAIN.into(), keys.collect());
        }
    }
    (ought, system, observed)
}
