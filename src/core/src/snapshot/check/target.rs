//! Targets: settings, profiles, entitlements and everything that they name by kind.

use std::collections::HashSet;

use provost_sdk::Capabilities;

use super::grants::{entitlement, one_of};
use super::{Checker, Findings, config, expression, field, hint};
use crate::Sym;
use crate::condition::Template;
use crate::document::{EnforcedTemplate, FieldPath, Kind, Profile, Target};
use crate::spelling::did_you_mean;

impl Checker<'_> {
    pub(super) fn target(&self, target: &Target, into: &mut Findings) {
        let catalog = self.context.catalog;
        match catalog.connectors.get(&target.connector) {
            Some(facts) => config::settings(target, &facts.settings, into),
            None => {
                let message = format!("there is no connector `{}`", target.connector);
                let problem = into.error(field("connector"), "unknown-connector", message);
                let known = || catalog.connectors.keys().map(|kind| kind.as_str());
                hint(problem, did_you_mean(target.connector.as_str(), known()).or_else(|| one_of(known())));
            }
        }
        self.people("the owner", &target.owners, &field("owners"), into);
        for (index, listed) in target.entitlements.iter().enumerate() {
            let at = field("entitlements").index(index);
            self.people("the owner", &listed.owners, &at.key("owners"), into);
        }
        for (index, other) in target.after.iter().enumerate() {
            let at = field("after").index(index);
            if *other == target.id {
                into.error(at, "refers-to-itself", format!("{other} cannot come after itself"));
            } else if self.refer(Kind::Target, *other, at.clone(), into)
                && self.comes_after(*other, target.id)
            {
                let message = format!("{} comes after {other}, which comes after {}", target.id, target.id);
                into.error(at, "after-cycle", message);
            }
        }
        let declared = catalog.capabilities(target);
        for (name, profile) in &target.accounts {
            self.profile_of(profile, &field("accounts").key(name.as_str()), declared, into);
        }
        if let Some(declared) = declared {
            kinds(target, declared, into);
        }
        self.approvers_of(target, into);
    }

    fn profile_of(
        &self,
        profile: &Profile,
        at: &FieldPath,
        declared: Option<&Capabilities>,
        into: &mut Findings,
    ) {
        for (name, template) in &profile.attributes {
            let at = at.key(name.as_str());
            let (at, text) = match template {
                EnforcedTemplate::Enforced(text) => (at, text),
                EnforcedTemplate::Initial { initial } => (at.key("initial"), initial),
            };
            if let Err(error) = Template::compile(text.as_str()) {
                expression(&error, *text, at, "template", into);
            }
        }
        let Some(declared) = declared else { return };
        let account = match profile.kind {
            Some(kind) => declared.account_kind(kind.as_str()),
            None => declared.account_kinds.first(),
        };
        let Some(account) = account else {
            if let Some(kind) = profile.kind {
                let message = format!("there are no accounts of kind `{kind}`");
                let problem = into.error(at.key("kind"), "unknown-account-kind", message);
                hint(problem, one_of(declared.account_kinds.iter().map(|known| known.name.as_str())));
            }
            return;
        };
        for name in profile.attributes.keys().filter(|name| **name != *"username") {
            let writable = |known: &&provost_sdk::Attribute| !known.read_only;
            match account.attributes.iter().find(|known| *name == *known.name.as_str()) {
                Some(known) if known.read_only => {
                    let message = format!("the attribute `{name}` can only be read");
                    into.error(at.key(name.as_str()), "read-only-attribute", message);
                }
                Some(_) => {}
                None => {
                    let message = format!("accounts of kind {} have no attribute `{name}`", account.name);
                    let problem = into.error(at.key(name.as_str()), "unknown-attribute", message);
                    let known =
                        || account.attributes.iter().filter(writable).map(|known| known.name.as_str());
                    hint(problem, did_you_mean(name.as_str(), known()).or_else(|| one_of(known())));
                }
            }
        }
    }

    /// Whether a target comes after another one, directly or not.
    fn comes_after(&self, target: Sym, other: Sym) -> bool {
        let mut seen = HashSet::from([target]);
        let mut open = vec![target];
        while let Some(target) = open.pop() {
            if target == other {
                return true;
            }
            let after = self.snapshot.target(target).into_iter().flat_map(|target| &target.after);
            open.extend(after.filter(|before| seen.insert(**before)));
        }
        false
    }
}

/// Everything in a target that names kinds of entitlements.
fn kinds(target: &Target, declared: &Capabilities, into: &mut Findings) {
    let subject = format!("the target {}", target.id);
    for (index, listed) in target.entitlements.iter().enumerate() {
        let at = field("entitlements").index(index);
        entitlement(declared, &subject, listed.kind, listed.role, false, &at, into);
    }
    for (index, edge) in target.nesting.iter().enumerate() {
        let at = field("nesting").index(index);
        entitlement(declared, &subject, edge.kind, None, false, &at, into);
        if declared.entitlement_kind(edge.kind.as_str()).is_some_and(|kind| !kind.nests) {
            let message = format!("{subject} has no {} in a {}", edge.kind, edge.kind);
            into.error(at.key(edge.kind.as_str()), "cannot-nest", message);
        }
    }
    for kind in target.authority.keys().filter(|kind| **kind != *"accounts") {
        entitlement(declared, &subject, *kind, None, false, &field("authority"), into);
    }
    for kind in target.scope.keys().filter(|kind| **kind != *"accounts") {
        entitlement(declared, &subject, *kind, None, false, &field("scope"), into);
    }
}
