//! Grants: whether the target knows what is granted, and how risky it is.

use provost_sdk::{Capabilities, Risk};
use rustc_hash::FxHashSet;

use super::{Checker, Findings, hint};
use crate::Sym;
use crate::document::{FieldPath, GrantSpec, Kind};
use crate::snapshot::Snapshot;
use crate::spelling::did_you_mean;

impl Checker<'_> {
    pub(super) fn grant(&self, grant: &GrantSpec, at: &FieldPath, into: &mut Findings) {
        if !self.refer(Kind::Target, grant.target, at.key("target"), into) {
            return;
        }
        if let Some(profile) = grant.profile {
            self.profile(grant.target, profile, at.key("profile"), into);
        }
        let target = self.snapshot.target(grant.target);
        let declared = target.and_then(|target| self.context.catalog.capabilities(target));
        if let (Some(declared), Some(spec)) = (declared, grant.entitlement) {
            let subject = format!("the target {}", grant.target);
            entitlement(declared, &subject, spec.kind, spec.role, true, at, into);
        }
    }

    /// A profile that a document names.
    pub(super) fn profile(&self, target: Sym, profile: Sym, at: FieldPath, into: &mut Findings) {
        let Some(target) = self.snapshot.target(target) else { return };
        if profile != *"main" && !target.accounts.contains_key(&profile) {
            let problem = into.error(
                at,
                "unknown-profile",
                format!("the target {} has no profile `{profile}`", target.id),
            );
            let known = target.accounts.keys().map(|known| known.as_str()).chain(["main"]);
            hint(problem, did_you_mean(profile.as_str(), known));
        }
    }

    /// The risk of a single grant; low where its target is not in force, for then it grants nothing.
    pub(super) fn risk(&self, grant: &GrantSpec) -> Risk {
        let target = self.snapshot.target(grant.target);
        target.map(|target| (self.context.risk)(target, grant)).unwrap_or_default()
    }

    /// The highest risk of what a role grants, included roles taken into account.
    pub(in crate::snapshot) fn role_risk(&self, role: Sym) -> Risk {
        if let Some(risk) = self.risks.borrow().get(&role) {
            return *risk;
        }
        let roles = self.snapshot.included(role).into_iter().map(|(_, id)| id).chain([role]);
        let grants = roles.filter_map(|id| self.snapshot.role(id)).flat_map(|role| &role.grants);
        let risk = grants.map(|grant| self.risk(grant)).max().unwrap_or_default();
        self.risks.borrow_mut().insert(role, risk);
        risk
    }
}

impl Snapshot {
    /// Every role that a role includes, directly or not; itself only if it is in a cycle.
    pub(in crate::snapshot) fn included(&self, role: Sym) -> FxHashSet<(Kind, Sym)> {
        let mut found = FxHashSet::default();
        let mut open = vec![role];
        while let Some(role) = open.pop() {
            for include in self.role(role).into_iter().flat_map(|role| &role.includes) {
                if found.insert((Kind::Role, *include)) {
                    open.push(*include);
                }
            }
        }
        found
    }
}

/// Whether a connector declares a kind of entitlement, and a role in it. `needs_role`: one must be named where the
/// kind has roles.
pub(super) fn entitlement(
    declared: &Capabilities,
    subject: &str,
    kind: Sym,
    role: Option<Sym>,
    needs_role: bool,
    at: &FieldPath,
    into: &mut Findings,
) {
    let Some(known) = declared.entitlement_kind(kind.as_str()) else {
        let at = at.key(kind.as_str());
        let problem =
            into.error(at, "unknown-kind", format!("{subject} has no entitlements of kind `{kind}`"));
        let kinds = || declared.entitlement_kinds.iter().map(|known| known.name.as_str());
        hint(problem, did_you_mean(kind.as_str(), kinds()).or_else(|| one_of(kinds())));
        return;
    };
    let roles = || one_of(known.roles.iter().map(String::as_str));
    match role {
        Some(role) if !known.roles.iter().any(|known| role == *known.as_str()) => {
            let message = format!("{subject} has no role `{role}` in a {kind}");
            let problem = into.error(at.key("role"), "unknown-entitlement-role", message);
            hint(problem, roles());
        }
        None if needs_role && !known.roles.is_empty() => {
            let message = format!("{subject} has several roles in a {kind}, and none is named");
            let problem = into.error(at.key(kind.as_str()), "missing-entitlement-role", message);
            hint(problem, roles());
        }
        _ => {}
    }
}

/// `one of a, b`, if there is any.
pub(super) fn one_of<'a>(known: impl Iterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    (!known.is_empty()).then(|| format!("known: {}", known.join(", ")))
}
