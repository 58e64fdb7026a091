//! How much agreement a changed rule needs.
//!
//! A role that only drops grants or includes, or that is deleted, needs the tracked branch alone. Otherwise it needs,
//! as a whole, the highest tier of what it adds. Every other rule is privileged. Judged by the rules in force; where a
//! commit brings another version of a target as well, the stricter of both decides.

use std::collections::BTreeSet;

use provost_sdk::Risk;
use rustc_hash::FxHashSet;

use super::{Context, RuleVersion, Slot, Snapshot, Version};
use crate::Sym;
use crate::document::{Document, GrantSpec, Kind, Role, Target};

/// The step from what is in force for a slot to `after`. `candidate` gives the commit's own version of other rules.
pub(super) fn judge<'a>(
    snapshot: &'a Snapshot,
    context: &Context<'_>,
    slot: Slot,
    after: Option<Version>,
    candidate: &dyn Fn(Slot) -> Option<&'a Document>,
) -> RuleVersion {
    let (kind, id) = slot;
    let before = snapshot.rules.get(&slot).cloned();
    let document = |version: &'_ Option<Version>| version.as_ref().map(|version| version.document.clone());
    let (tier, adds, why) = match (document(&before), document(&after)) {
        (_, None) if kind == Kind::Role => (Risk::Low, BTreeSet::new(), "it is deleted".to_owned()),
        (before, Some(Document::Role(after))) => {
            let before = match &before {
                Some(Document::Role(before)) => Some(&**before),
                _ => None,
            };
            let judge = Judge { snapshot, context, candidate };
            judge.role(before, &after)
        }
        _ => (Risk::Privileged, BTreeSet::new(), format!("every change of a {kind} is privileged")),
    };
    RuleVersion { kind, id, before, after, tier, adds: adds.into_iter().collect(), why }
}

struct Judge<'s, 'c, 'x> {
    snapshot: &'s Snapshot,
    context: &'c Context<'x>,
    candidate: &'c dyn Fn(Slot) -> Option<&'s Document>,
}

impl Judge<'_, '_, '_> {
    fn role(&self, before: Option<&Role>, after: &Role) -> (Risk, BTreeSet<GrantSpec>, String) {
        // Whether one condition is narrower than another is not decided here: another one may meet anybody.
        let wider = after.assign.is_some() && before.is_none_or(|before| before.assign != after.assign);
        let included_before = |role: &Sym| before.is_some_and(|before| before.includes.contains(role));
        let includes = after.includes.iter().filter(|role| wider || !included_before(role));
        let mut adds = self.expand(includes.copied(), true);
        adds.extend(&after.grants);
        if let Some(before) = before.filter(|_| !wider) {
            let had = self.expand(before.includes.iter().copied(), false);
            adds.retain(|grant| !had.contains(grant) && !before.grants.contains(grant));
        }
        let highest = adds.iter().map(|grant| (self.risk(grant), grant)).max_by_key(|(risk, _)| *risk);
        let (tier, why) = match highest {
            None => (Risk::Low, "it adds nothing".to_owned()),
            Some((risk, grant)) if wider && before.is_some() => {
                (risk, format!("its condition is another one, and it grants {grant}"))
            }
            Some((risk, grant)) => (risk, format!("it adds {grant}")),
        };
        (tier, adds, why)
    }

    /// What roles grant with everything they include: as in force, and with `proposed` also as the commit would have
    /// it.
    fn expand(&self, roles: impl IntoIterator<Item = Sym>, proposed: bool) -> BTreeSet<GrantSpec> {
        let mut granted = BTreeSet::new();
        let mut open: Vec<Sym> = roles.into_iter().collect();
        let mut seen: FxHashSet<Sym> = open.iter().copied().collect();
        while let Some(role) = open.pop() {
            let slot = (Kind::Role, role);
            let in_force = self.snapshot.rules.get(&slot).map(|version| &version.document);
            let candidate = if proposed { (self.candidate)(slot) } else { None };
            for document in in_force.into_iter().chain(candidate) {
                if let Document::Role(role) = document {
                    granted.extend(&role.grants);
                    open.extend(role.includes.iter().filter(|include| seen.insert(**include)));
                }
            }
        }
        granted
    }

    fn risk(&self, grant: &GrantSpec) -> Risk {
        let slot = (Kind::Target, grant.target);
        let in_force = self.snapshot.rules.get(&slot).map(|version| &version.document);
        let versions = in_force.into_iter().chain((self.candidate)(slot));
        let targets = versions.filter_map(|document| match document {
            Document::Target(target) => Some(&**target),
            _ => None,
        });
        // Without a target the grant is a dangling reference, which holds the role back by itself.
        targets.map(|target: &Target| (self.context.risk)(target, grant)).max().unwrap_or_default()
    }
}
