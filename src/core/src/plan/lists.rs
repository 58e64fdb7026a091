//! Exclusive entitlements: who holds one is written as a whole list, so that all changes of it are one operation.

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::{AccountRef, Operation, Risk, Verb};

use super::planned::{Class, NotPlanned, Queue, Why};
use super::site::{Draft, Drafts, ListChange, Site, described};
use crate::Sym;
use crate::set::Key;

/// Turns the changes of whole lists into one operation each.
pub(super) fn plan_lists(site: &Site<'_>, drafts: &mut Drafts) {
    let mut by_key: BTreeMap<Key, Vec<ListChange>> = BTreeMap::new();
    for change in std::mem::take(&mut drafts.lists) {
        by_key.entry(change.key).or_default().push(change);
    }
    for (key, mut changes) in by_key {
        changes.sort_by_key(|change| (change.anchor, change.identity, change.profile));
        plan_list(site, key, &changes, drafts);
    }
}

fn plan_list(site: &Site<'_>, key: Key, changes: &[ListChange], drafts: &mut Drafts) {
    let entitlement = site.reference(key);
    let Ok(complete) = &site.complete else {
        if let Err(why) = &site.complete {
            drafts.not_planned.push(NotPlanned {
                target: site.target,
                identity: None,
                profile: None,
                account: None,
                verb: Some(Verb::Replace),
                entitlement: Some(described(&entitlement)),
                why: Why::Incomplete { why: why.clone() },
            });
        }
        return;
    };
    // What adds may have to wait where what takes away goes on: then the list is written without the newcomers.
    let everything: Vec<&ListChange> = changes.iter().collect();
    let removals: Vec<&ListChange> =
        changes.iter().filter(|change| change.class != Class::Addition).collect();
    let before: BTreeSet<Sym> = complete
        .observed()
        .accounts()
        .filter(|(_, seen)| seen.entitlements.contains(key))
        .map(|(anchor, _)| anchor)
        .collect();
    let draft = draft(site, key, &before, &everything);
    if !site.put(draft, drafts) && !removals.is_empty() && removals.len() < everything.len() {
        site.put(self::draft(site, key, &before, &removals), drafts);
    }
}

fn draft(site: &Site<'_>, key: Key, before: &BTreeSet<Sym>, changes: &[&ListChange]) -> Draft {
    let mut after = before.clone();
    let (mut gains, mut tier, mut drift) = (Vec::new(), Risk::Low, true);
    let mut class = Class::Addition;
    for change in changes {
        let ListChange { key: _, anchor, identity, profile, grants, class: kind, drift: by_hand } = change;
        drift &= *by_hand;
        if *kind == Class::Addition {
            after.insert(*anchor);
            gains.extend(identity.map(|identity| (identity, *profile)));
            tier = tier.max(site.risk(*profile, Some(key), *grants));
        } else {
            after.remove(anchor);
            class = class.max(*kind);
        }
    }
    let accounts: Vec<AccountRef> = after
        .into_iter()
        .filter_map(|anchor| site.view.observed.account(anchor).map(|seen| seen.reference(anchor)))
        .collect();
    Draft {
        target: site.target,
        identity: None,
        profile: Sym::new(crate::evidence::MAIN),
        operation: Operation::Replace { entitlement: site.reference(key), accounts },
        tier,
        queue: if gains.is_empty() { Queue::Revoke } else { Queue::Change },
        deliver: None,
        class,
        drift,
        grants: changes.iter().find_map(|change| change.grants),
        gains,
    }
}
