//! An organisation with a forge, three approvers, two owners, and people who try something.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use provost_core::Sym;
use provost_core::approval::{
    Approval, Authors, Authorship, Emergency, Given, Label, Open, PublicKey, Request, Uses, Word, causes,
    judge, open, overdue, sight,
};
use provost_core::digest::digest;
use provost_core::document::{Kind, Severity, parse};
use provost_core::gate::Decision;
use provost_core::guard::parts;
use provost_core::observed::{AccountRecord, Collector, HeldRecord, LinkRecord, Observed, Origin, Shrink};
use provost_core::organisation::{Decided, Known, Organisation};
use provost_core::set::Spec;
use provost_core::snapshot::{Catalog, Change, ConnectorFacts, File, Snapshot};
use provost_core::step::Scope;
use provost_sdk::{Capabilities, Completeness, Item, Read, Setting, SettingKind, Sink, State, Value, Verb};

use crate::plans::story;

/// The installation that all of it is about.
pub(super) const HERE: &str = "installation-1";

/// Where the forge is.
pub(super) const PLACE: &str = "https://git.example.com";

/// Ben, Cleo and Dan agree to what is privileged; Own and Two own the forge; Ada, Eve and Fred have nothing to say.
pub(super) const APPROVERS: [&str; 3] = ["p-ben", "p-cleo", "p-dan"];
const PEOPLE: [&str; 8] = ["p-ada", "p-ben", "p-cleo", "p-dan", "p-eve", "p-fred", "p-own", "p-two"];

pub(super) const FORGE: &str = "kind: Target
id: forge
connector: gitea
owners: [p-own, p-two]
risk: low
accounts:
  main: {username: person.username, email: person.email}
entitlements:
  - {team: admins, risk: privileged}
  - {team: ops, risk: normal}
authority: {accounts: full, team: full}
";

pub(super) const GROUP: &str = "kind: ApproverGroup\nid: approvers\nmembers: [p-ben, p-cleo, p-dan]\n";

const COLLEAGUE: &str = "kind: Role
id: colleague
owners: [p-own]
assign: \"person.department != 'nowhere'\"
grants: [{target: forge, team: everyone}]
";

const LEAD: &str = "kind: Role
id: lead
owners: [p-own]
assign: \"person.department == 'leads'\"
grants: [{target: forge, team: ops}]
";

const ADMINISTRATOR: &str =
    "kind: Role\nid: administrator\nowners: [p-own]\ngrants: [{target: forge, team: admins}]\n";

/// Ada is asked to be an administrator until a day.
pub(super) fn ada_until(day: &str) -> String {
    person("p-ada", &format!("roles: [{{role: administrator, until: {day}, reason: INC-1}}]\n"))
}

/// A person's document, in the department `sales` unless `rest` says another.
pub(super) fn person(id: &str, rest: &str) -> String {
    let name = id.trim_start_matches("p-");
    let department = if rest.contains("department:") { "" } else { "department: sales\n" };
    let email = if rest.contains("email:") { String::new() } else { format!("email: {name}@example.com\n") };
    format!(
        "kind: Person\nid: {id}\nname: {{given: A, family: B}}\nusername: {name}\n{email}employment: employee\n{department}{rest}"
    )
}

/// What the forge can do.
fn capabilities() -> Capabilities {
    let mut capabilities = story::capabilities();
    capabilities.verbs.extend([Verb::IssueCredential, Verb::RotateCredential]);
    capabilities.credentials.push("token".to_owned());
    capabilities
}

/// A person's n-th key.
pub(super) fn key(person: &str, n: u8) -> PublicKey {
    let kind = b"ssh-ed25519";
    let mut blob = vec![0, 0, 0, 11];
    blob.extend(kind);
    blob.extend([0, 0, 0, 32]);
    let mut bytes = [n; 32];
    bytes[..person.len()].copy_from_slice(person.as_bytes());
    blob.extend(bytes);
    PublicKey::from_blob(&blob).expect("a key of 32 bytes")
}

/// The allowed signers: everybody's first key, these options before Ben's, and more lines.
pub(super) fn signers(ben: &str, more: &str) -> String {
    let line = |who: &&str| {
        let options = if **who == *"p-ben" { ben } else { "" };
        format!("{who} {options} {}\n", key(who, 1))
    };
    PEOPLE.iter().map(line).collect::<String>() + more
}

pub(super) struct Scene {
    pub(super) organisation: Organisation,
    pub(super) now: Timestamp,
    pub(super) approvals: Vec<Approval>,
    pub(super) uses: Uses,
    pub(super) emergencies: Vec<Emergency>,
    files: BTreeMap<String, String>,
    authors: BTreeMap<(Kind, Sym), Authorship>,
    accounts: Vec<AccountRecord>,
    /// The anchors of the accounts that provost itself uses.
    pub(super) own: Vec<Sym>,
}

impl Scene {
    /// The operator trusts the first commit, and the forge was read.
    pub(super) fn new() -> Scene {
        Scene::with(&[])
    }

    /// The same with other documents in the first commit.
    pub(super) fn with(files: &[(&str, &str)]) -> Scene {
        Scene::seen(files, Vec::new())
    }

    /// The same where the first read finds some accounts otherwise.
    pub(super) fn seen(files: &[(&str, &str)], accounts: Vec<AccountRecord>) -> Scene {
        let token = Setting {
            name: "token",
            kind: SettingKind::Secret,
            required: false,
            place: false,
            about: "a token of an owner of the organisation",
        };
        let facts = ConnectorFacts { settings: vec![token], capabilities: Some(capabilities()) };
        let catalog = Catalog { connectors: [(Sym::new("gitea"), facts)].into(), targets: BTreeMap::new() };
        let zones = jiff::tz::TimeZoneDatabase::bundled();
        let now = at("2026-12-01T12:00:00Z");
        let mut scene = Scene {
            organisation: Organisation::new(Snapshot::default(), catalog, zones, now),
            now,
            approvals: Vec::new(),
            uses: Uses::default(),
            emergencies: Vec::new(),
            files: BTreeMap::new(),
            authors: BTreeMap::new(),
            own: Vec::new(),
            accounts: PEOPLE
                .iter()
                .map(|who| linked(who, who.trim_start_matches("p-"), &["everyone"]))
                .collect(),
        };
        let mut first: Vec<(String, String)> =
            PEOPLE.iter().map(|who| (format!("{who}.yaml"), person(who, ""))).collect();
        let rules = [
            ("forge.yaml", FORGE),
            ("approvers.yaml", GROUP),
            ("colleague.yaml", COLLEAGUE),
            ("lead.yaml", LEAD),
            ("administrator.yaml", ADMINISTRATOR),
        ];
        first.extend(rules.map(|(path, text)| (path.to_owned(), text.to_owned())));
        first.push(("policy/allowed_signers".to_owned(), signers("", "")));
        first.extend(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
        let changes = scene.changes(&first);
        scene.organisation.amend(changes, true, now);
        let errors = scene.organisation.snapshot().problems().into_iter();
        let errors = errors.filter(|problem| problem.severity == Severity::Error);
        let problems: Vec<String> = errors.map(ToString::to_string).collect();
        assert!(
            problems.is_empty() && scene.organisation.snapshot().waiting_rules().is_empty(),
            "{problems:?}"
        );
        scene.accounts.retain(|known| accounts.iter().all(|account| account.anchor != known.anchor));
        scene.accounts.extend(accounts);
        scene.read(PLACE);
        scene
    }

    /// Adds an account that the forge has, or puts another in its place.
    pub(super) fn account(&mut self, account: AccountRecord) {
        self.accounts.retain(|known| known.anchor != account.anchor);
        self.accounts.push(account);
        self.read(PLACE);
    }

    /// The forge is read as it is, at a place.
    pub(super) fn read(&mut self, place: &str) {
        self.read_with(place, &[], &[]);
    }

    /// The same with another name for the anchors of teams, and teams that somebody put into others.
    pub(super) fn read_with(&mut self, place: &str, renamed: &[(&str, &str)], nested: &[(&str, &str)]) {
        let began = self.now - SignedDuration::from_mins(1);
        let before =
            self.organisation.target(Sym::new("forge")).map(|known| known.observed.entitlement_records());
        let mut observed =
            Observed::load(capabilities(), self.accounts.iter().cloned(), before.unwrap_or_default());
        let mut found = Collector::begin(began, None);
        for name in ["everyone", "ops", "admins", "lab"] {
            let name_now = renamed.iter().find(|(anchor, _)| *anchor == name).map_or(name, |(_, name)| name);
            found.put(Item::Entitlement(provost_sdk::Entitlement {
                kind: "team".into(),
                anchor: format!("team-{name}").as_str().into(),
                name: name_now.into(),
                administrative: false,
            }));
        }
        let team = |name: &str| provost_sdk::EntitlementKey {
            kind: "team".into(),
            anchor: format!("team-{name}").as_str().into(),
            role: None,
        };
        for (inner, outer) in nested {
            found.put(Item::Nesting(provost_sdk::Nesting { inner: team(inner), outer: team(outer) }));
        }
        for account in &self.accounts {
            let attributes = account.attributes.iter().map(|(name, value)| (name.to_string(), value.clone()));
            found.put(Item::Account(provost_sdk::Account {
                anchor: account.anchor.as_str().into(),
                kind: "user".into(),
                username: account.username.map(|name| name.to_string()).unwrap_or_default(),
                state: account.state.unwrap_or(State::Enabled),
                attributes: attributes.collect(),
                entitlements: Some(
                    account.entitlements.iter().map(|held| team(held.name.as_str())).collect(),
                ),
                version: None,
            }));
        }
        observed.finish(
            found,
            &Read { completeness: Completeness::Complete, cursor: None },
            Shrink::default(),
        );
        let place = Sym::new(place);
        let known =
            Known { observed, place, adopted: Some(place), hold: None, own_accounts: self.own.clone() };
        self.organisation.place(Sym::new("forge"), known, self.now);
        self.judge();
    }

    /// The forge says that it has no accounts at all; `seen`: after it had some.
    pub(super) fn read_nothing(&mut self, seen: bool) {
        let known = if seen { self.accounts.clone() } else { Vec::new() };
        let mut observed = Observed::load(capabilities(), known, Vec::new());
        let read = Read { completeness: Completeness::Complete, cursor: None };
        observed.finish(Collector::begin(self.now, None), &read, Shrink::default());
        let place = Sym::new(PLACE);
        let known = Known { observed, place, adopted: Some(place), hold: None, own_accounts: Vec::new() };
        self.organisation.place(Sym::new("forge"), known, self.now);
        self.judge();
    }

    /// Everything of this kind that goes on for somebody was done just now.
    pub(super) fn done(&mut self, verb: Verb, who: &str) {
        let decided = self.plan();
        let all = decided
            .plan
            .operations
            .iter()
            .filter(|planned| planned.verb() == verb && planned.identity == Some(Sym::new(who)));
        let done: Vec<_> = all.map(|planned| (parts(planned), planned.identity)).collect();
        for (parts, identity) in done {
            self.organisation.count(self.now, &parts, identity);
        }
        self.accounts.retain(|account| account.link.as_ref().is_none_or(|link| link.identity != *who));
        self.read(PLACE);
    }

    /// A commit by somebody; by `""` if nobody knows who it was. An empty text removes the file.
    pub(super) fn commit(&mut self, author: &str, files: &[(&str, &str)]) {
        let files: Vec<(String, String)> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let changes = self.changes(&files);
        for (path, text) in &files {
            let before = self.files.get(path).cloned().unwrap_or_default();
            for text in [&before, text] {
                if let Some((kind, id)) = parse(path, text.as_bytes()).key {
                    let authors = self.authors.entry((kind, id)).or_default();
                    match author {
                        "" => authors.unknown = true,
                        who => drop(authors.people.insert(Sym::new(who))),
                    }
                }
            }
            self.files.insert(path.clone(), text.clone());
        }
        self.organisation.amend(changes, false, self.now);
        self.judge();
    }

    fn changes(&self, files: &[(String, String)]) -> Vec<Change> {
        let change = |(path, text): &(String, String)| {
            let file = (!text.is_empty()).then(|| {
                let parsed = parse(path, text.as_bytes());
                let mut blob = [0; 20];
                blob.copy_from_slice(&digest(&text).0[..20]);
                File { blob, parsed }
            });
            Change { path: Sym::new(path), file }
        };
        files.iter().map(change).collect()
    }

    /// What needs agreement now.
    pub(super) fn open(&self) -> Vec<Open> {
        let decided = self.plan();
        open(&self.organisation, &[&decided], self.now)
    }

    /// Somebody signs everything that needs agreement now, with the first key.
    pub(super) fn sign(&mut self, who: &str) {
        self.say(who, key(who, 1), Word::Approve, HERE);
    }

    /// Somebody signs what a rule waits for, and nothing else.
    pub(super) fn sign_rule(&mut self, who: &str, id: &str) {
        let of = |request: &Request| matches!(request, Request::Rule(rule) if rule.id == *id);
        let requests = self.open().into_iter().map(|open| open.request).filter(of).collect();
        self.say_of(requests, who, key(who, 1), Word::Approve, HERE);
    }

    /// Somebody says something about all of it.
    pub(super) fn say(&mut self, who: &str, key: PublicKey, decision: Word, installation: &str) {
        let requests = self.open().into_iter().map(|open| open.request).collect();
        self.say_of(requests, who, key, decision, installation);
    }

    /// Somebody says something about requests, for an installation.
    pub(super) fn say_of(
        &mut self,
        requests: Vec<Request>,
        who: &str,
        key: PublicKey,
        decision: Word,
        installation: &str,
    ) {
        if requests.is_empty() {
            return;
        }
        let approver = Sym::new(who);
        let seen = sight(&self.organisation, approver, Some(&key), &requests, &self.open(), self.now);
        self.approvals.push(Approval {
            id: digest(&(who, self.approvals.len())),
            installation: installation.to_owned(),
            approver,
            key: Some(key),
            label: Label::Signed,
            decision,
            requests,
            expires: self.now + SignedDuration::from_hours(24 * 30),
            seen,
        });
        self.judge();
    }

    /// Time passes.
    pub(super) fn wait(&mut self, until: &str) {
        self.now = at(until);
        self.organisation.advance(self.now);
        self.judge();
    }

    /// Judges until nothing changes any more.
    pub(super) fn judge(&mut self) {
        for _ in 0..10 {
            let open = self.open();
            let mut authors = Authors::default();
            for (kind, id) in causes(&self.organisation, &open, &self.approvals) {
                authors.add(kind, id, self.authors.get(&(kind, id)).cloned().unwrap_or_default());
            }
            let judged = judge(
                &self.organisation,
                &Given {
                    installation: HERE,
                    approvals: &self.approvals,
                    open: &open,
                    authors: &authors,
                    uses: &self.uses,
                    now: self.now,
                },
            );
            let mut evidence = judged.evidence;
            evidence.freeze(overdue(&self.emergencies, self.now));
            evidence.keep_given(self.organisation.evidence());
            let same = evidence == *self.organisation.evidence() && judged.uses == self.uses;
            self.uses = judged.uses;
            if same {
                return;
            }
            self.organisation.agree(evidence, self.now);
        }
        panic!("judging comes to no end");
    }

    /// The plan of everything, with its decisions.
    pub(super) fn plan(&self) -> Decided {
        self.organisation.plan(None, &Scope::All, self.now)
    }

    /// Whether a person has a team on the forge in force.
    pub(super) fn has(&self, who: &str, team: &str) -> bool {
        let spec = Spec { kind: "team".into(), name: team.into(), role: None };
        let wanted = self.organisation.access().wanted(Sym::new(who), Sym::new("forge"));
        wanted.iter().any(|wanted| wanted.entitlements.contains(spec))
    }

    /// Whether an operation of this kind for somebody goes on.
    pub(super) fn does(&self, verb: Verb, who: &str) -> bool {
        let decided = self.plan();
        let mut all = decided.plan.operations.iter().zip(&decided.decisions);
        all.any(|(planned, decision)| {
            planned.verb() == verb
                && planned.identity == Some(Sym::new(who))
                && *decision == Decision::Proceed
        })
    }

    /// Whether a rule waits.
    pub(super) fn rule_waits(&self, id: &str) -> bool {
        self.organisation.snapshot().waiting_rules().iter().any(|rule| rule.id == *id)
    }

    /// The people whose agreement the rules in force ask for.
    pub(super) fn group(&self) -> BTreeSet<Sym> {
        let pool = provost_core::approval::Pool::Group { group: Sym::new("approvers") };
        provost_core::approval::Council::members(&self.organisation, &pool)
    }
}

/// An account that provost made for somebody.
pub(super) fn linked(who: &str, username: &str, teams: &[&str]) -> AccountRecord {
    let held: Vec<HeldRecord> = teams
        .iter()
        .map(|name| HeldRecord {
            kind: "team".into(),
            name: (*name).into(),
            role: None,
            anchor: Sym::new(&format!("team-{name}")),
        })
        .collect();
    let email = format!("{}@example.com", who.trim_start_matches("p-"));
    AccountRecord {
        anchor: Sym::new(&format!("account-{who}")),
        kind: Some("user".into()),
        username: Some(Sym::new(username)),
        state: Some(State::Enabled),
        attributes: [(Sym::new("email"), Value::Text(email))].into(),
        link: Some(LinkRecord {
            identity: Sym::new(who),
            profile: "main".into(),
            origin: Origin::Created,
            ours: held.clone(),
            disabled: None,
            sessions_ended: false,
            transferred: false,
            left: false,
            credentials: Vec::new(),
        }),
        entitlements: held,
        unmanaged: false,
    }
}

/// An account that provost knows nothing of.
pub(super) fn stranger(anchor: &str, username: &str, teams: &[&str]) -> AccountRecord {
    AccountRecord {
        anchor: Sym::new(anchor),
        link: None,
        unmanaged: true,
        attributes: BTreeMap::new(),
        ..linked(anchor, username, teams)
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}
