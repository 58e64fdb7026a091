//! What a target has that belongs to no identity: accounts, what they hold, and entitlements in entitlements.

use std::collections::BTreeSet;

use provost_sdk::{Operation, Risk, State, Verb};

use super::planned::{Class, NotPlanned, Queue, Why};
use super::site::{Draft, Drafts, ListChange, Site};
use crate::Sym;
use crate::document::{Authority, DriftAction};
use crate::evidence::MAIN;
use crate::guard::ACCOUNTS;
use crate::observed::Seen;
use crate::set::{Key, Spec};

/// Reports accounts of nobody, and takes from them what nobody explains, where the authority is full.
pub(super) fn plan_strangers(site: &Site<'_>, candidates: &BTreeSet<Sym>, drafts: &mut Drafts) {
    let observed = site.view.observed;
    let mut strangers: Vec<(Sym, &Seen)> =
        observed.accounts().filter(|(anchor, _)| observed.owner(*anchor).is_none()).collect();
    strangers.sort_by_key(|(anchor, _)| *anchor);
    for (anchor, seen) in strangers {
        let account = seen.reference(anchor);
        if let Some(why) = site.untouchable(&account, None) {
            if !matches!(why, Why::OutOfScope { .. }) {
                report(site, anchor, seen, None, None, why, drafts);
            }
            continue;
        }
        report(site, anchor, seen, None, None, Why::Orphan, drafts);
        // It may be somebody's: nothing is done to it before an operator has decided.
        if candidates.contains(&anchor) {
            continue;
        }
        for key in seen.entitlements.members() {
            take_away(site, anchor, seen, key, drafts);
        }
        if site.authority(Sym::new(ACCOUNTS)) == Authority::Full && seen.state == State::Enabled {
            match unexplained(site) {
                None => {
                    let operation = Operation::Disable { account };
                    site.put(draft(site, operation), drafts);
                }
                Some(why) => report(site, anchor, seen, Some(Verb::Disable), None, why, drafts),
            }
        }
    }
}

/// Reports nesting that differs from what the document declares: a hand-made one gives power to everybody inside.
pub(super) fn report_nesting(site: &Site<'_>, drafts: &mut Drafts) {
    let names = site.view.observed.names();
    let declared: BTreeSet<(Spec, Spec)> = site
        .view
        .document
        .nesting
        .iter()
        .map(|edge| {
            let spec = |name| Spec { kind: edge.kind, name: names.fold(edge.kind, name), role: None };
            (spec(edge.inner), spec(edge.outer))
        })
        .collect();
    let folded = |key: Key| {
        let spec = names.spec(key);
        Spec { name: names.fold(spec.kind, spec.name), ..spec }
    };
    let found: BTreeSet<(Spec, Spec)> =
        names.nesting().iter().map(|(inner, outer)| (folded(*inner), folded(*outer))).collect();
    let looked_at = |edge: &&(Spec, Spec)| {
        site.in_scope(edge.0.kind, edge.0.name) || site.in_scope(edge.1.kind, edge.1.name)
    };
    for (inner, outer) in found.difference(&declared).filter(looked_at) {
        nesting(site, *inner, Why::UndeclaredNesting { outer: outer.to_string() }, drafts);
    }
    if site.complete.is_ok() {
        for (inner, outer) in declared.difference(&found).filter(looked_at) {
            nesting(site, *inner, Why::MissingNesting { outer: outer.to_string() }, drafts);
        }
    }
}

fn take_away(site: &Site<'_>, anchor: Sym, seen: &Seen, key: Key, drafts: &mut Drafts) {
    let spec = site.view.observed.names().spec(key);
    if site.authority(key.kind) != Authority::Full || !site.in_scope(key.kind, spec.name) {
        return;
    }
    if let Some(why) = unexplained(site) {
        return report(site, anchor, seen, Some(Verb::Revoke), Some(spec), why, drafts);
    }
    if site.is_list(key) {
        drafts.lists.push(ListChange {
            key,
            anchor,
            identity: None,
            profile: Sym::new(MAIN),
            grants: None,
            class: Class::Removal,
            drift: true,
        });
        return;
    }
    let operation = Operation::Revoke { account: seen.reference(anchor), entitlement: site.reference(key) };
    site.put(draft(site, operation), drafts);
}

/// Why what nobody explains is left where it is, if so.
fn unexplained(site: &Site<'_>) -> Option<Why> {
    match site.view.document.drift.additions {
        DriftAction::Remove => None,
        DriftAction::Propose => Some(Why::Proposed),
        DriftAction::Report | DriftAction::Restore => Some(Why::Reported),
    }
}

fn draft(site: &Site<'_>, operation: Operation) -> Draft {
    Draft {
        target: site.target,
        identity: None,
        profile: Sym::new(MAIN),
        operation,
        tier: Risk::Low,
        queue: Queue::Revoke,
        class: Class::Removal,
        drift: true,
        grants: None,
        gains: Vec::new(),
        deliver: None,
    }
}

fn report(
    site: &Site<'_>,
    anchor: Sym,
    seen: &Seen,
    verb: Option<Verb>,
    spec: Option<Spec>,
    why: Why,
    drafts: &mut Drafts,
) {
    drafts.not_planned.push(NotPlanned {
        target: site.target,
        identity: None,
        profile: None,
        account: Some(seen.reference(anchor)),
        verb,
        entitlement: spec.map(|spec| spec.to_string()),
        why,
    });
}

fn nesting(site: &Site<'_>, inner: Spec, why: Why, drafts: &mut Drafts) {
    drafts.not_planned.push(NotPlanned {
        target: site.target,
        identity: None,
        profile: None,
        account: None,
        verb: None,
        entitlement: Some(inner.to_string()),
        why,
    });
}
