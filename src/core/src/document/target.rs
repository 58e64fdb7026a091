//! Targets: which system, what provost may do there, and what its entitlements weigh.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use provost_sdk::Risk;

use super::role::risk_schema;
use crate::Sym;
use crate::when::Length;

/// One live system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its id.
    pub id: Sym,
    /// What it is, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Sym>,
    /// The kind of connector that speaks to it.
    pub connector: Sym,
    /// The connector's settings.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Names in the daemon's settings, by the connector's name of the secret.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub secrets: IndexMap<Sym, Sym>,
    /// Profiles: how the accounts of an identity look here. `main` with the connector's own defaults where absent.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub accounts: IndexMap<Sym, Profile>,
    /// People who answer for it; the first active one acts.
    pub owners: Vec<Sym>,
    /// The group of approvers for what is privileged here; that of the tier where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Sym>,
    /// The risk of what is not listed; the connector's word for the kind where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "risk_schema")]
    pub risk: Option<Risk>,
    /// The risk, owners and approvers of single entitlements, by patterns of names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<EntitlementPolicy>,
    /// Groups in groups, declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nesting: Vec<NestingEdge>,
    /// What provost may do, by kind (`accounts`, or an entitlement kind). `observe` where absent.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub authority: IndexMap<Sym, Authority>,
    /// What provost looks at at all: patterns of names by kind; everything of a kind that is absent.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub scope: IndexMap<Sym, Vec<Sym>>,
    /// Patterns of usernames that are left alone, unless linked to a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protect: Vec<Sym>,
    /// What is done about drift.
    #[serde(default)]
    pub drift: Drift,
    /// What is done about leavers.
    #[serde(default)]
    pub leaver: LeaverPolicy,
    /// Limits over what one plan, and a window of time, may take away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guards: Option<Guards>,
    /// When it is read.
    #[serde(default)]
    pub schedule: Schedule,
    /// How hard it may be asked.
    #[serde(default)]
    pub limits: Limits,
    /// Targets on which an identity must have its account before this one adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Sym>,
}

/// How the accounts of one profile look: a template for each attribute, and the kind of account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// The connector's account kind; its first one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Sym>,
    /// The risk of having the account at all.
    #[serde(default)]
    #[schemars(schema_with = "risk_schema")]
    pub risk: Risk,
    /// Templates by attribute: a condition-language expression (`person.email`), or one that is written only when
    /// the account is made (`{initial: person.email}`).
    #[serde(flatten)]
    pub attributes: IndexMap<Sym, EnforcedTemplate>,
}

/// A template of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum EnforcedTemplate {
    /// Kept equal.
    Enforced(Sym),
    /// Written when the account is made, and left alone afterwards.
    Initial {
        /// The template.
        initial: Sym,
    },
}

/// The risk, owners and approvers of the entitlements of one kind that match a pattern.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EntitlementPolicy {
    /// The kind, such as `team`.
    pub kind: Sym,
    /// A name, or a pattern with `*`.
    pub name: Sym,
    /// The role within it that is meant; every one where absent.
    pub role: Option<Sym>,
    /// How risky it is.
    pub risk: Option<Risk>,
    /// People who answer for it.
    pub owners: Vec<Sym>,
    /// The group of approvers.
    pub approvers: Option<Sym>,
}

/// A declared group in a group, `{team: eng-leads, in: eng}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NestingEdge {
    /// The kind, such as `team`.
    pub kind: Sym,
    /// The name of the one that is contained.
    pub inner: Sym,
    /// The name of the one that contains it.
    pub outer: Sym,
}

/// What provost may do.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Authority {
    /// No writes.
    #[default]
    Observe,
    /// Adds; takes away only what provost itself created, granted or was told to adopt.
    Additive,
    /// Also takes away what nobody explains.
    Full,
}

/// What is done about drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// About what was added by hand.
    pub additions: DriftAction,
    /// About what was taken away by hand.
    pub removals: DriftAction,
}

impl Default for Drift {
    fn default() -> Drift {
        Drift { additions: DriftAction::Remove, removals: DriftAction::Restore }
    }
}

/// One answer to drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DriftAction {
    /// Take the addition away.
    Remove,
    /// Give back what was taken away.
    Restore,
    /// Only say so.
    Report,
    /// Propose the change to the repository, as a pull request.
    Propose,
}

/// What is done about leavers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeaverPolicy {
    /// Whether and when accounts are disabled.
    pub disable: LeaverDisable,
    /// Whether open sessions are ended.
    pub sessions: SessionPolicy,
    /// What happens to what the account owns.
    pub owned: OwnedPolicy,
    /// When the account is deleted; never where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<LeaverDelete>,
}

/// When a leaver's accounts are disabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeaverDisable {
    /// With the end.
    #[default]
    AtEnd,
    /// Not at all: for targets that cannot; entitlements are still taken away.
    Never,
}

/// What happens to open sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionPolicy {
    /// They are ended.
    #[default]
    Revoke,
    /// They run out by themselves.
    Keep,
}

/// What happens to what a leaver owns on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwnedPolicy {
    /// It goes to the successor.
    Transfer,
    /// It stays.
    #[default]
    Keep,
}

/// When a leaver's account is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaverDelete {
    /// This long after the end.
    pub after: Length,
}

/// Limits, by operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Over what takes away and was not planned: revocations, disabling, deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removals: Option<GuardLimit>,
    /// Over departures and ends that are written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub departures: Option<GuardLimit>,
    /// Over deletions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletions: Option<GuardLimit>,
    /// Over what adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additions: Option<GuardLimit>,
}

/// One limit: percent or count, whichever is reached first, per run and over a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardLimit {
    /// At most this share of the population, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<u8>,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Counted over this time, restarts included; a single run where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Length>,
    /// Below this population percent does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<u32>,
}

/// When a target is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// A whole read every so often.
    pub full: Length,
    /// A read of what changed, where the target can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<Length>,
}

impl Default for Schedule {
    /// An hour: drift is found within it, and most targets bear a whole read an hour.
    fn default() -> Schedule {
        Schedule { full: Length(jiff::SignedDuration::from_hours(1)), delta: None }
    }
}

/// How hard a target may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls under way at once.
    pub concurrency: u16,
    /// Calls a second; no limit where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// The time that one call may take.
    pub timeout: Length,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { concurrency: 8, per_second: None, timeout: Length(jiff::SignedDuration::from_secs(30)) }
    }
}
