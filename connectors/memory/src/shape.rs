//! What kind of system it is: how it compares names, what it can do and how it tells who holds what.

use std::collections::BTreeSet;

use provost_sdk::{AccountKind, Attribute, Capabilities, Comparison, EntitlementKind, Verb};

/// The kind of account.
pub const USER: &str = "user";
/// The entitlement kind that nests and has no roles.
pub const GROUP: &str = "group";
/// The entitlement kind with the roles `member` and `maintainer`.
pub const PROJECT: &str = "project";
/// The exclusive entitlement kind: its holders are written as a whole.
pub const LIST: &str = "list";
/// The kind of credential.
pub const SIGNING_KEY: &str = "signing-key";

/// Everything in which one system of this kind differs from another. It is fixed when the system is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How it compares usernames.
    pub usernames: Comparison,
    /// How it compares the names of groups, projects and lists.
    pub names: Comparison,
    /// Whether a read can ask for what changed since a cursor.
    pub delta: bool,
    /// Whether it recognises a repeated call by its idempotency key.
    pub idempotent: bool,
    /// Whether disabling ends open sessions.
    pub disable_ends_sessions: bool,
    /// With what it tells who holds what.
    pub tells: Tells,
    /// What it cannot do.
    pub without: BTreeSet<Verb>,
}

/// With what a read tells who holds what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tells {
    /// Each account with all that it holds.
    #[default]
    WithAccount,
    /// Each entitlement with all who hold it.
    WithEntitlement,
}

impl Default for Shape {
    /// It can do everything, and compares usernames as people do.
    fn default() -> Shape {
        Shape {
            usernames: Comparison::IgnoreCase,
            names: Comparison::Exact,
            delta: true,
            idempotent: false,
            disable_ends_sessions: false,
            tells: Tells::WithAccount,
            without: BTreeSet::new(),
        }
    }
}

impl Shape {
    /// What a connector declares about such a system.
    pub fn capabilities(&self) -> Capabilities {
        let text = |name: &str| Attribute { name: name.into(), ..Attribute::default() };
        let control = |name: &str| Attribute { gives_control: true, ..text(name) };
        let kind = |name: &str| EntitlementKind {
            name: name.into(),
            comparison: self.names,
            ..EntitlementKind::default()
        };
        Capabilities {
            account_kinds: vec![AccountKind {
                name: USER.into(),
                attributes: vec![
                    text("display_name"),
                    text("given_name"),
                    text("family_name"),
                    text("title"),
                    text("department"),
                    control("email"),
                    control("phone"),
                    Attribute { read_only: true, ..text("external_id") },
                ],
            }],
            entitlement_kinds: vec![
                EntitlementKind { nests: true, ..kind(GROUP) },
                EntitlementKind { roles: vec!["member".into(), "maintainer".into()], ..kind(PROJECT) },
                EntitlementKind { exclusive: true, ..kind(LIST) },
            ],
            verbs: Verb::ALL.into_iter().filter(|verb| !self.without.contains(verb)).collect(),
            usernames: self.usernames,
            delta: self.delta,
            conditional: false,
            idempotent: self.idempotent,
            disable_ends_sessions: self.disable_ends_sessions,
            credentials: match self.without.contains(&Verb::IssueCredential) {
                true => Vec::new(),
                false => vec![SIGNING_KEY.into()],
            },
        }
    }
}
