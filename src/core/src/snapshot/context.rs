//! What a snapshot is told about the world outside of the documents.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZoneDatabase;
use provost_sdk::{Capabilities, Risk, Setting};

use super::RuleVersion;
use crate::Sym;
use crate::document::{GrantSpec, Target};

/// Everything that decides beside the documents themselves.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The operator has named this commit: every rule in it comes into force, except what has problems.
    pub trusted: bool,
    /// The connectors that there are.
    pub catalog: &'a Catalog,
    /// The risk of an entitlement on a target, or of the account alone, judged by one version of the target.
    pub risk: &'a (dyn Fn(&Target, &GrantSpec) -> Risk + Sync),
    /// Whether there is evidence for a rule version whose tier is above low.
    pub agreed: &'a (dyn Fn(&RuleVersion) -> bool + Sync),
    /// Whether an id belonged to an identity that has left for good.
    pub spent: &'a (dyn Fn(Sym) -> bool + Sync),
    /// Departed identities for whom steps remain to be done.
    pub leaving: &'a BTreeSet<Sym>,
    /// Time zones by name.
    pub zones: &'a TimeZoneDatabase,
}

/// The connectors that there are, and what is known about what they can do.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By the word in `connector:` of a Target document.
    pub connectors: BTreeMap<Sym, ConnectorFacts>,
    /// What connectors declared about single targets, their settings taken into account, by the target's id.
    pub targets: BTreeMap<Sym, Capabilities>,
}

/// What is known about one connector.
#[derive(Clone, Debug, Default)]
pub struct ConnectorFacts {
    /// Everything that `config:` and `secrets:` may hold.
    pub settings: Vec<Setting>,
    /// What it can do on every target, where that needs no connection to know.
    pub capabilities: Option<Capabilities>,
}

impl Catalog {
    /// What is known about what can be done on a target.
    pub fn capabilities(&self, target: &Target) -> Option<&Capabilities> {
        let kind = || self.connectors.get(&target.connector)?.capabilities.as_ref();
        self.targets.get(&target.id).or_else(kind)
    }
}
