//! Commits of a few small files, and what counts after each.

mod amend;
mod check;
mod law;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZoneDatabase;
use provost_sdk::{AccountKind, Attribute, Capabilities, EntitlementKind, Risk, Setting, SettingKind};

use super::{Catalog, Change, ConnectorFacts, Context, Dirty, File, RuleVersion, Snapshot, Version};
use crate::Sym;
use crate::document::{GrantSpec, Target, parse};

/// What the world outside of the documents says.
struct World {
    trusted: bool,
    agreed: fn(&RuleVersion) -> bool,
    spent: BTreeSet<Sym>,
    leaving: BTreeSet<Sym>,
    catalog: Catalog,
    zones: TimeZoneDatabase,
}

/// A branch that moves forward, and the snapshot that follows it.
struct Branch {
    world: World,
    files: BTreeMap<Sym, String>,
    snapshot: Snapshot,
}

impl World {
    fn new() -> World {
        World {
            trusted: false,
            agreed: |_| false,
            spent: BTreeSet::new(),
            leaving: BTreeSet::new(),
            catalog: catalog(),
            zones: TimeZoneDatabase::bundled(),
        }
    }

    fn context<T>(&self, run: impl FnOnce(&Context<'_>) -> T) -> T {
        let spent = |id| self.spent.contains(&id);
        run(&Context {
            trusted: self.trusted,
            catalog: &self.catalog,
            risk: &risk,
            agreed: &self.agreed,
            spent: &spent,
            leaving: &self.leaving,
            zones: &self.zones,
        })
    }
}

impl Branch {
    /// A branch whose first commit the operator trusts.
    fn trusted(files: &[(&str, &str)]) -> Branch {
        let mut branch =
            Branch { world: World::new(), files: BTreeMap::new(), snapshot: Snapshot::default() };
        branch.world.trusted = true;
        branch.commit(files);
        assert_eq!(branch.problems(), [""; 0], "the first commit is sound");
        branch.world.trusted = false;
        branch
    }

    /// A commit that writes these files, and removes those whose text is empty.
    fn commit(&mut self, files: &[(&str, &str)]) -> Dirty {
        for (path, text) in files {
            match *text {
                "" => self.files.remove(&Sym::new(path)),
                text => self.files.insert(Sym::new(path), text.to_owned()),
            };
        }
        let changes = files.iter().map(|(path, text)| change(path, text)).collect();
        self.world.context(|context| self.snapshot.amend(changes, context))
    }

    /// What arrives without a commit: evidence, for one.
    fn again(&mut self) -> Dirty {
        self.commit(&[])
    }

    fn problems(&self) -> Vec<String> {
        self.snapshot.problems().iter().map(|problem| format!("{} {}", problem.code, problem)).collect()
    }

    fn codes(&self) -> Vec<(&str, &str)> {
        self.snapshot.problems().iter().map(|problem| (problem.file.as_str(), problem.code)).collect()
    }
}

fn change(path: &str, text: &str) -> Change {
    let file = (!text.is_empty()).then(|| File { blob: blob(text), parsed: parse(path, text.as_bytes()) });
    Change { path: Sym::new(path), file }
}

/// Equal texts are equal blobs, and different ones differ.
fn blob(text: &str) -> [u8; 20] {
    let mut blob = [0; 20];
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    blob[..8].copy_from_slice(&hash.to_le_bytes());
    blob
}

/// What the target lists, else what the target says, else low.
fn risk(target: &Target, grant: &GrantSpec) -> Risk {
    let listed = target.entitlements.iter().find(|listed| {
        grant.entitlement.is_some_and(|spec| (spec.kind, spec.name) == (listed.kind, listed.name))
    });
    listed.and_then(|listed| listed.risk).or(target.risk).unwrap_or_default()
}

/// The connector `memory`, with teams, nested groups, and projects that have roles, and `program`, whose secrets have any
/// names.
fn catalog() -> Catalog {
    let setting =
        |name, kind, required| Setting { name, kind, required, place: false, about: "said in a sentence" };
    let kind = |name: &str, roles: &[&str], nests| EntitlementKind {
        name: name.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        nests,
        ..EntitlementKind::default()
    };
    let attribute =
        |name: &str, read_only| Attribute { name: name.to_owned(), read_only, ..Attribute::default() };
    let capabilities = Capabilities {
        account_kinds: vec![AccountKind {
            name: "user".to_owned(),
            attributes: vec![attribute("email", false), attribute("last_seen", true)],
        }],
        entitlement_kinds: vec![
            kind("team", &[], false),
            kind("group", &[], true),
            kind("project", &["member", "owner"], false),
        ],
        credentials: vec!["token".to_owned()],
        ..Capabilities::default()
    };
    let facts = ConnectorFacts {
        settings: vec![
            setting("url", SettingKind::Url, true),
            setting("pages", SettingKind::Number, false),
            setting("badge", SettingKind::Secret, false),
        ],
        capabilities: Some(capabilities),
    };
    let program = ConnectorFacts {
        settings: vec![
            setting("command", SettingKind::Command, true),
            setting(provost_sdk::ANY_SECRET, SettingKind::Secret, false),
        ],
        capabilities: None,
    };
    let connectors = [(Sym::new("memory"), facts), (Sym::new("program"), program)];
    Catalog { connectors: BTreeMap::from(connectors), targets: BTreeMap::new() }
}

fn person(id: &str, rest: &str) -> String {
    let username = id.replace('-', "");
    format!(
        "kind: Person\nid: {id}\nname: {{given: A, family: B}}\nusername: {username}\nemployment: employee\n{rest}"
    )
}

fn role(id: &str, rest: &str) -> String {
    format!("kind: Role\nid: {id}\nowners: [p-1]\n{rest}")
}

/// Teams `eng` and `ops` are low here, `lead` is normal, `admins` privileged.
const FORGE: &str = "kind: Target\nid: forge\nconnector: memory\nconfig: {url: \"https://git.example.com\"}\nowners: [p-1]\nrisk: low\nentitlements:\n  - {team: lead, risk: normal}\n  - {team: admins, risk: privileged, approvers: security}\n";

const SECURITY: &str = "kind: ApproverGroup\nid: security\nmembers: [p-1, p-2]\n";
