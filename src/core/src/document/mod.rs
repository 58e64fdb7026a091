//! The documents of a desired-state repository, as typed values.
//!
//! One YAML file is one document; its `kind` decides. The types say what may be written; what must hold between
//! fields and between documents is checked in [`crate::document`]'s sibling modules.

mod check;
mod few;
mod flat;
mod identity;
mod locate;
mod packed;
mod parse;
mod plain;
mod policy;
mod problem;
mod role;
mod scenario;
mod schema;
mod shape;
mod target;
mod tree;

use serde::Serialize;

use crate::Sym;
use crate::approval::{RevokedKeys, Signers};

pub(crate) use check::{KEY_TYPES, is_id};
pub use few::Few;
pub use identity::{
    AccountOverride, Assignment, DirectGrant, Employment, Name, OneOrMany, Person, Service,
    ServiceCredential, Status,
};
pub use locate::{Place, locate};
pub use parse::{Lessened, MAX_BYTES, Parsed, parse};
pub use policy::{
    Approver, ApproverGroup, BreakGlass, DaemonKeys, Freeze, GuardPolicy, Lifecycle, Separation,
    SeparationException, Tier, Tiers, default_tier,
};
pub use problem::{FieldPath, Problem, Severity, Step};
pub use role::{GrantSpec, Include, Role};
pub use scenario::{Expectation, Scenario};
pub use schema::schema;
pub use target::{
    Authority, Drift, DriftAction, EnforcedTemplate, EntitlementPolicy, GuardLimit, Guards, LeaverDelete,
    LeaverDisable, LeaverPolicy, Limits, NestingEdge, OwnedPolicy, Profile, Schedule, SessionPolicy, Target,
};

/// One document.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum Document {
    /// A human being with access.
    Person(Box<Person>),
    /// A non-human identity.
    Service(Box<Service>),
    /// A named bundle of entitlements.
    Role(Box<Role>),
    /// One live system.
    Target(Box<Target>),
    /// What agreement each tier needs.
    Tiers(Box<Tiers>),
    /// People who may agree.
    ApproverGroup(Box<ApproverGroup>),
    /// Limits over all targets.
    Guards(Box<GuardPolicy>),
    /// Entitlements that nobody may hold together.
    Separation(Box<Separation>),
    /// Defaults for leavers.
    Lifecycle(Box<Lifecycle>),
    /// A time in which nothing is added.
    Freeze(Box<Freeze>),
    /// Who may act alone in an emergency, where and how long.
    BreakGlass(Box<BreakGlass>),
    /// The daemon's own public keys.
    DaemonKeys(Box<DaemonKeys>),
    /// The keys that may sign approvals: `policy/allowed_signers`.
    AllowedSigners(Box<Signers>),
    /// Keys that are good no more: `policy/revoked_keys`.
    RevokedKeys(Box<RevokedKeys>),
    /// A test of the repository itself.
    Scenario(Box<Scenario>),
}

/// The kind of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "each is described at the document's own type")]
pub enum Kind {
    Person,
    Service,
    Role,
    Target,
    Tiers,
    ApproverGroup,
    Guards,
    Separation,
    Lifecycle,
    Freeze,
    BreakGlass,
    DaemonKeys,
    Scenario,
    AllowedSigners,
    RevokedKeys,
}

impl Kind {
    /// Every kind that a YAML document can have, in the order in which the documentation names them. The two that are
    /// not here are files of a format of their own, known by their path.
    pub const ALL: [Kind; 13] = [
        Kind::Person,
        Kind::Service,
        Kind::Role,
        Kind::Target,
        Kind::Tiers,
        Kind::ApproverGroup,
        Kind::Guards,
        Kind::Separation,
        Kind::Lifecycle,
        Kind::Freeze,
        Kind::BreakGlass,
        Kind::DaemonKeys,
        Kind::Scenario,
    ];

    /// The word after `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Person => "Person",
            Kind::Service => "Service",
            Kind::Role => "Role",
            Kind::Target => "Target",
            Kind::Tiers => "Tiers",
            Kind::ApproverGroup => "ApproverGroup",
            Kind::Guards => "Guards",
            Kind::Separation => "Separation",
            Kind::Lifecycle => "Lifecycle",
            Kind::Freeze => "Freeze",
            Kind::BreakGlass => "BreakGlass",
            Kind::DaemonKeys => "DaemonKeys",
            Kind::Scenario => "Scenario",
            Kind::AllowedSigners => "AllowedSigners",
            Kind::RevokedKeys => "RevokedKeys",
        }
    }

    /// Whether it is a rule (Role, Target, policy), which counts only once it is in force.
    pub fn is_rule(self) -> bool {
        !matches!(self, Kind::Person | Kind::Service | Kind::Scenario)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Document {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Document::Person(_) => Kind::Person,
            Document::Service(_) => Kind::Service,
            Document::Role(_) => Kind::Role,
            Document::Target(_) => Kind::Target,
            Document::Tiers(_) => Kind::Tiers,
            Document::ApproverGroup(_) => Kind::ApproverGroup,
            Document::Guards(_) => Kind::Guards,
            Document::Separation(_) => Kind::Separation,
            Document::Lifecycle(_) => Kind::Lifecycle,
            Document::Freeze(_) => Kind::Freeze,
            Document::BreakGlass(_) => Kind::BreakGlass,
            Document::DaemonKeys(_) => Kind::DaemonKeys,
            Document::Scenario(_) => Kind::Scenario,
            Document::AllowedSigners(_) => Kind::AllowedSigners,
            Document::RevokedKeys(_) => Kind::RevokedKeys,
        }
    }

    /// Its id, unique within its kind (people and services share one space of ids).
    pub fn id(&self) -> Sym {
        match self {
            Document::Person(document) => document.id,
            Document::Service(document) => document.id,
            Document::Role(document) => document.id,
            Document::Target(document) => document.id,
            Document::Tiers(document) => document.id,
            Document::ApproverGroup(document) => document.id,
            Document::Guards(document) => document.id,
            Document::Separation(document) => document.id,
            Document::Lifecycle(document) => document.id,
            Document::Freeze(document) => document.id,
            Document::BreakGlass(document) => document.id,
            Document::DaemonKeys(document) => document.id,
            Document::Scenario(document) => document.id,
            Document::AllowedSigners(document) => document.id,
            Document::RevokedKeys(document) => document.id,
        }
    }
}
