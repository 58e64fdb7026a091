//! A story read from its files: documents that count, and targets as they were seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use provost_core::Sym;
use provost_core::access::{Access, risk_by};
use provost_core::document::{Document, Severity, parse};
use provost_core::evidence::{Agreement, Evidence, MAIN, Power};
use provost_core::facts::Facts;
use provost_core::gate::{Decision, gate};
use provost_core::guard::{History, Limits};
use provost_core::observed::{
    AccountRecord, Collector, EntitlementRecord, HeldRecord, LinkRecord, Observed, Origin, Shrink,
};
use provost_core::plan::{Plan, Resolved, Scope, TargetView, World, plan};
use provost_core::set::Spec;
use provost_core::snapshot::{Catalog, Change, ConnectorFacts, Context, File, Snapshot};
use provost_sdk::{
    AccountKind, Attribute, Capabilities, Comparison, Completeness, EntitlementKind, Item, Read, Risk, Sink,
    State, Value, Verb,
};

/// Everything that one plan is made from.
pub(super) struct Story {
    documents: Vec<String>,
    input: Input,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    now: Timestamp,
    #[serde(default)]
    hold: Option<Sym>,
    #[serde(default)]
    agreed: Vec<AgreedInput>,
    targets: BTreeMap<Sym, TargetInput>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreedInput {
    identity: Sym,
    target: Sym,
    entitlement: String,
    tier: Risk,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetInput {
    #[serde(default = "yes")]
    adopted: bool,
    #[serde(default)]
    hold: Option<Sym>,
    #[serde(default)]
    own: Vec<Sym>,
    #[serde(default)]
    without: BTreeSet<Verb>,
    #[serde(default)]
    read: ReadInput,
    #[serde(default)]
    nesting: Vec<(String, String)>,
    /// What an earlier read saw with nobody holding it.
    #[serde(default)]
    vacant: Vec<String>,
    #[serde(default)]
    accounts: Vec<AccountInput>,
}

/// How the read ended in which the accounts were seen.
#[derive(Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum ReadInput {
    #[default]
    Complete,
    /// With this reason.
    Partial(String),
    /// After one that saw the accounts came one that saw nothing and called itself complete.
    Empty,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountInput {
    anchor: Sym,
    username: Sym,
    #[serde(default = "enabled")]
    state: State,
    #[serde(default)]
    attributes: BTreeMap<Sym, Value>,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    link: Option<LinkInput>,
    /// Whether it was there once, and the last read did not see it.
    #[serde(default)]
    gone: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkInput {
    identity: Sym,
    #[serde(default = "main")]
    profile: Sym,
    #[serde(default = "created")]
    origin: Origin,
    /// What the account holds, where absent.
    #[serde(default)]
    ours: Option<Vec<String>>,
    #[serde(default)]
    disabled: Option<Timestamp>,
    #[serde(default)]
    sessions_ended: bool,
    #[serde(default)]
    transferred: bool,
    #[serde(default)]
    left: bool,
}

/// A story's plan with everything that was decided about it.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) decisions: Vec<Decision>,
    pub(super) now: Timestamp,
    /// What holds documents back.
    pub(super) problems: Vec<String>,
}

impl Story {
    pub(super) fn load(folder: &Path) -> Story {
        let text = |path: &Path| {
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let shared = text(&folder.parent().expect("a story is in a folder").join("shared.yaml"));
        let own = documents(&text(&folder.join("desired.yaml")));
        // A story's own document stands in for the shared one of the same kind and id.
        let replaced: BTreeSet<_> = own.iter().filter_map(|text| parse("", text.as_bytes()).key).collect();
        let mut all: Vec<String> = documents(&shared)
            .into_iter()
            .filter(|text| parse("", text.as_bytes()).key.is_none_or(|key| !replaced.contains(&key)))
            .collect();
        all.extend(own);
        let path = folder.join("observed.yaml");
        let input = serde_saphyr::from_str(&text(&path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Story { documents: all, input }
    }

    /// The same story, with everything that has no order turned round.
    pub(super) fn reversed(&self) -> Story {
        let mut story = Story { documents: self.documents.clone(), input: self.input.clone() };
        story.documents.reverse();
        story.input.targets.values_mut().for_each(|target| target.accounts.reverse());
        story
    }

    pub(super) fn plan(&self) -> Planned {
        let now = self.input.now;
        let observed: BTreeMap<Sym, Observed> =
            self.input.targets.iter().map(|(id, target)| (*id, target.observed(now))).collect();
        let facts: Facts = observed.iter().map(|(id, observed)| (*id, observed.facts())).collect();
        let snapshot = self.snapshot(&facts);
        let evidence = self.evidence();
        let zones = jiff::tz::TimeZoneDatabase::bundled();
        let access = Access::whole(&snapshot, &evidence, &facts, &zones, now);
        let desired = Resolved { snapshot: &snapshot, access: &access, facts: &facts, evidence: &evidence };
        let targets: BTreeMap<Sym, TargetView<'_>> = snapshot
            .targets()
            .into_iter()
            .filter_map(|document| {
                let (input, observed) = (self.input.targets.get(&document.id)?, observed.get(&document.id)?);
                let TargetInput { adopted, hold, own, .. } = input;
                let place = Sym::new("https://git.example.com");
                let view = TargetView {
                    document,
                    observed,
                    adopted: *adopted,
                    place,
                    hold: *hold,
                    own_accounts: own,
                };
                Some((document.id, view))
            })
            .collect();
        let (separations, freezes) = (snapshot.separations(), snapshot.freezes());
        let world = World {
            desired: &desired,
            targets: &targets,
            separations: &separations,
            freezes: &freezes,
            leaver: snapshot.lifecycle().map(|lifecycle| lifecycle.leaver),
            hold: self.input.hold,
            now,
        };
        let plan = plan(world, &Scope::default());
        let limits = Limits::in_force(&targets, snapshot.guards(), snapshot.identities().len());
        let decisions = gate(&plan, &world, &evidence, &limits, &History::default());
        let problems = snapshot
            .problems()
            .into_iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(|problem| problem.message.clone())
            .collect();
        Planned { plan, decisions, now, problems }
    }

    fn snapshot(&self, facts: &Facts) -> Snapshot {
        let facts_of = ConnectorFacts { settings: Vec::new(), capabilities: Some(capabilities()) };
        let catalog = Catalog {
            connectors: [(Sym::new("gitea"), facts_of)].into(),
            targets: facts.iter().map(|(id, facts)| (*id, facts.capabilities.clone())).collect(),
        };
        let context = Context {
            trusted: true,
            catalog: &catalog,
            risk: &|target, grant| risk_by(target, facts.get(&target.id), grant),
            agreed: &|_| true,
            spent: &|_| false,
            leaving: &BTreeSet::new(),
            zones: &jiff::tz::TimeZoneDatabase::bundled(),
        };
        let change = |(number, text): (usize, &String)| {
            let path = format!("{number:03}.yaml");
            let parsed = parse(&path, text.as_bytes());
            let blob = std::array::from_fn(|_| u8::try_from(number).unwrap_or(u8::MAX));
            Change { path: Sym::new(&path), file: Some(File { blob, parsed }) }
        };
        let mut snapshot = Snapshot::default();
        snapshot.amend(self.documents.iter().enumerate().map(change).collect(), &context);
        snapshot
    }

    fn evidence(&self) -> Evidence {
        let mut evidence = Evidence::default();
        for AgreedInput { identity, target, entitlement, tier } in &self.input.agreed {
            let power = Power { target: *target, profile: MAIN.into(), entitlement: Some(spec(entitlement)) };
            let (from, until) = (Timestamp::MIN, Timestamp::MAX);
            evidence.agree(*identity, Agreement { power, anchor: None, tier: *tier, from, until });
        }
        evidence
    }
}

impl TargetInput {
    fn observed(&self, now: Timestamp) -> Observed {
        let mut capabilities = capabilities();
        capabilities.verbs.retain(|verb| !self.without.contains(verb));
        let hour_ago = now - SignedDuration::from_hours(1);
        let records = self.accounts.iter().map(AccountInput::record);
        let mut observed = Observed::load(capabilities, records, entitlement_records(&self.vacant));
        let mut found = Collector::begin(hour_ago, None);
        for item in entitlements() {
            found.put(Item::Entitlement(item));
        }
        for (inner, outer) in &self.nesting {
            let key = |text: &str| {
                let held = held(text);
                provost_sdk::EntitlementKey {
                    kind: held.kind.to_string(),
                    anchor: held.anchor.as_str().into(),
                    role: None,
                }
            };
            found.put(Item::Nesting(provost_sdk::Nesting { inner: key(inner), outer: key(outer) }));
        }
        for account in self.accounts.iter().filter(|account| !account.gone) {
            found.put(Item::Account(account.account()));
        }
        let completeness = match &self.read {
            ReadInput::Partial(reason) => Completeness::Partial(reason.clone()),
            ReadInput::Complete | ReadInput::Empty => Completeness::Complete,
        };
        observed.finish(found, &Read { completeness, cursor: None }, Shrink::default());
        if self.read == ReadInput::Empty {
            let nothing = Collector::begin(now, None);
            let read = Read { completeness: Completeness::Complete, cursor: None };
            observed.finish(nothing, &read, Shrink::default());
        }
        observed
    }
}

impl AccountInput {
    fn record(&self) -> AccountRecord {
        let AccountInput { anchor, username, state, attributes, holds, link, gone: _ } = self;
        let held: Vec<HeldRecord> = holds.iter().map(|text| self::held(text)).collect();
        AccountRecord {
            anchor: *anchor,
            kind: Some("user".into()),
            username: Some(*username),
            state: Some(*state),
            attributes: attributes.clone(),
            link: link.as_ref().map(|link| LinkRecord {
                identity: link.identity,
                profile: link.profile,
                origin: link.origin,
                ours: link
                    .ours
                    .as_ref()
                    .map_or_else(|| held.clone(), |ours| ours.iter().map(|text| self::held(text)).collect()),
                disabled: link.disabled,
                sessions_ended: link.sessions_ended,
                transferred: link.transferred,
                left: link.left,
                credentials: Vec::new(),
            }),
            entitlements: held,
            unmanaged: link.is_none(),
        }
    }

    fn account(&self) -> provost_sdk::Account {
        let AccountInput { anchor, username, state, attributes, holds, .. } = self;
        provost_sdk::Account {
            anchor: anchor.as_str().into(),
            kind: "user".into(),
            username: username.to_string(),
            state: *state,
            attributes: attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
            entitlements: Some(
                holds
                    .iter()
                    .map(|text| {
                        let held = held(text);
                        provost_sdk::EntitlementKey {
                            kind: held.kind.to_string(),
                            anchor: held.anchor.as_str().into(),
                            role: held.role.map(|role| role.to_string()),
                        }
                    })
                    .collect(),
            ),
            version: None,
        }
    }
}

/// What every target of the stories can do, unless the story takes verbs away.
pub(crate) fn capabilities() -> Capabilities {
    let attribute = |name: &str, gives_control| Attribute {
        name: name.into(),
        gives_control,
        comparison: Comparison::IgnoreCase,
        ..Attribute::default()
    };
    let kind = |name: &str, roles: &[&str], exclusive| EntitlementKind {
        name: name.into(),
        roles: roles.iter().map(ToString::to_string).collect(),
        comparison: Comparison::IgnoreCase,
        exclusive,
        nests: true,
        ..EntitlementKind::default()
    };
    Capabilities {
        account_kinds: vec![AccountKind {
            name: "user".into(),
            attributes: vec![attribute("email", true), attribute("display_name", false)],
        }],
        entitlement_kinds: vec![
            kind("team", &[], false),
            kind("project", &["member", "maintainer"], false),
            kind("list", &[], true),
        ],
        verbs: [
            Verb::Create,
            Verb::Update,
            Verb::Rename,
            Verb::Enable,
            Verb::Disable,
            Verb::Delete,
            Verb::Grant,
            Verb::Revoke,
            Verb::Replace,
            Verb::EndSessions,
            Verb::Transfer,
        ]
        .into(),
        usernames: Comparison::IgnoreCase,
        ..Capabilities::default()
    }
}

/// What every target of the stories has. The anchor of `engineering` is `team-engineering`.
fn entitlements() -> Vec<provost_sdk::Entitlement> {
    let names =
        ["team:engineering", "team:ops", "team:admins", "team:everyone", "project:platform", "list:announce"];
    names
        .into_iter()
        .map(|text| {
            let held = held(text);
            provost_sdk::Entitlement {
                kind: held.kind.to_string(),
                anchor: held.anchor.as_str().into(),
                name: held.name.to_string(),
                administrative: false,
            }
        })
        .collect()
}

fn entitlement_records(vacant: &[String]) -> Vec<EntitlementRecord> {
    entitlements()
        .into_iter()
        .map(|entitlement| EntitlementRecord {
            kind: Sym::new(&entitlement.kind),
            anchor: Sym::new(entitlement.anchor.as_str()),
            name: Some(Sym::new(&entitlement.name)),
            administrative: false,
            names: [(Sym::new(&entitlement.name), true)].into(),
            vacant: vacant
                .iter()
                .map(|text| held(text))
                .filter(|held| {
                    held.kind == *entitlement.kind.as_str() && held.anchor == *entitlement.anchor.as_str()
                })
                .map(|held| held.role)
                .collect(),
            inside: Vec::new(),
        })
        .collect()
}

/// `kind:name#role`.
fn spec(text: &str) -> Spec {
    let (kind, rest) = text.split_once(':').unwrap_or_else(|| panic!("`{text}` is no kind:name"));
    let (name, role) = rest.split_once('#').map_or((rest, None), |(name, role)| (name, Some(role)));
    Spec { kind: kind.into(), name: name.into(), role: role.map(Sym::new) }
}

fn held(text: &str) -> HeldRecord {
    let Spec { kind, name, role } = spec(text);
    HeldRecord { kind, name, role, anchor: Sym::new(&format!("{kind}-{name}")) }
}

/// The documents of a file that holds several.
fn documents(text: &str) -> Vec<String> {
    let documents: Vec<String> =
        text.split("\n---\n").map(|text| text.trim_start_matches("---\n").to_owned()).collect();
    for text in &documents {
        let parsed = parse("story.yaml", text.as_bytes());
        let is_document = matches!(parsed.document, Some(Document::Scenario(_)) | None);
        assert!(!is_document || parsed.less.is_some(), "{:?} in\n{text}", parsed.problems);
    }
    documents
}

fn yes() -> bool {
    true
}

fn enabled() -> State {
    State::Enabled
}

fn main() -> Sym {
    MAIN.into()
}

fn created() -> Origin {
    Origin::Created
}
