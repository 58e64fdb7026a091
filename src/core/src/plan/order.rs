//! The order of a plan, and what has to have succeeded before what.
//!
//! Within one identity and target what takes away comes before what adds. Across targets only separation of duties and
//! `after` tie operations together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use provost_sdk::{Operation, Verb};

use super::desired::World;
use super::planned::{NotPlanned, Planned, Queue, UNBORN, Why, adds, digest_of};
use super::site::Draft;
use crate::Sym;
use crate::document::{GrantSpec, Separation};
use crate::pattern;
use crate::set::Spec;

/// Puts drafts into order. What cannot be ordered because what must come first is not in the plan is left out, with
/// the reason.
pub(super) fn order(
    world: &World<'_>,
    mut drafts: Vec<Draft>,
    not_planned: &mut Vec<NotPlanned>,
) -> Vec<Planned> {
    let depths = depths(world);
    loop {
        sort(&mut drafts, &depths);
        let ties = Ties::new(world, &drafts);
        let before = drafts.len();
        let mut kept = Vec::with_capacity(before);
        for (place, draft) in drafts.into_iter().enumerate() {
            match ties.missing.get(&place) {
                None => kept.push(draft),
                Some(why) => not_planned.push(left_out(&draft, why.clone())),
            }
        }
        drafts = kept;
        // Whatever waited for what was just left out has to be looked at again.
        if drafts.len() == before {
            let after = ties.after;
            return finish(world, drafts, after);
        }
    }
}

/// What ties each draft to others, by places in the sorted list.
struct Ties {
    after: FxHashMap<usize, Vec<usize>>,
    missing: FxHashMap<usize, Why>,
}

impl Ties {
    fn new(world: &World<'_>, drafts: &[Draft]) -> Ties {
        let mut ties = Ties { after: FxHashMap::default(), missing: FxHashMap::default() };
        let mut groups: FxHashMap<(Sym, Sym), Vec<usize>> = FxHashMap::default();
        for (place, draft) in drafts.iter().enumerate() {
            if let Some(identity) = draft.identity {
                groups.entry((identity, draft.target)).or_default().push(place);
            }
        }
        for places in groups.values() {
            ties.within(drafts, places);
        }
        for (place, draft) in drafts.iter().enumerate() {
            if let Some(identity) = draft.identity
                && adds(&draft.operation)
            {
                ties.behind_accounts(world, drafts, &groups, (place, draft, identity));
                ties.behind_separated(world, drafts, &groups, (place, draft, identity));
            }
        }
        ties
    }

    fn within(&mut self, drafts: &[Draft], places: &[usize]) {
        for place in places {
            let draft = &drafts[*place];
            let needs: Vec<usize> = places
                .iter()
                .copied()
                .filter(|other| other != place && comes_before(&drafts[*other], draft))
                .collect();
            if !needs.is_empty() {
                self.after.entry(*place).or_default().extend(needs);
            }
        }
    }

    /// `after:` of the target's document: the account there comes first, where there is to be one.
    fn behind_accounts(
        &mut self,
        world: &World<'_>,
        drafts: &[Draft],
        groups: &FxHashMap<(Sym, Sym), Vec<usize>>,
        (place, draft, identity): (usize, &Draft, Sym),
    ) {
        let Some(view) = world.targets.get(&draft.target) else { return };
        for first in &view.document.after {
            let there = world.targets.get(first).is_some_and(|view| {
                view.observed.links_of(identity).any(|(_, link)| view.observed.account(link.anchor).is_some())
            });
            if there || world.desired.wanted(identity, *first).is_empty() {
                continue;
            }
            let created = groups.get(&(identity, *first)).into_iter().flatten().copied();
            let mut created = created.filter(|other| drafts[*other].operation.verb() == Verb::Create);
            match created.next() {
                Some(create) => self.after.entry(place).or_default().push(create),
                None => {
                    self.missing.insert(place, Why::After { target: *first });
                }
            }
        }
    }

    /// Separation of duties: what excludes this has to be gone first, on whatever target it is held.
    fn behind_separated(
        &mut self,
        world: &World<'_>,
        drafts: &[Draft],
        groups: &FxHashMap<(Sym, Sym), Vec<usize>>,
        (place, draft, identity): (usize, &Draft, Sym),
    ) {
        let Some(spec) = draft.grants else { return };
        for separation in world.separations {
            if separation.exceptions.iter().any(|exception| exception.identity == identity) {
                continue;
            }
            for side in sides(world, separation, draft.target, draft.profile, spec) {
                let others = separation.sides.iter().enumerate().filter(|(other, _)| *other != side);
                for grant in others.flat_map(|(_, grants)| grants) {
                    for held in excluded(world, identity, grant) {
                        let revoked = groups
                            .get(&(identity, grant.target))
                            .into_iter()
                            .flatten()
                            .copied()
                            .find(|other| drafts[*other].takes(&held));
                        match revoked {
                            Some(revoke) => self.after.entry(place).or_default().push(revoke),
                            None => {
                                let why = Why::Separated {
                                    separation: separation.id,
                                    target: grant.target,
                                    held: held.spec.to_string(),
                                };
                                self.missing.insert(place, why);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Something held that nothing asks for.
struct Held {
    anchor: Sym,
    key: crate::set::Key,
    spec: Spec,
}

/// What an identity still holds on one side of a separation, although nothing asks for it.
fn excluded(world: &World<'_>, identity: Sym, grant: &GrantSpec) -> Vec<Held> {
    let Some(view) = world.targets.get(&grant.target) else { return Vec::new() };
    let names = view.observed.names();
    let mut held = Vec::new();
    for (profile, link) in view.observed.links_of(identity) {
        let Some(seen) = view.observed.account(link.anchor) else { continue };
        let wanted = world.desired.wanted(identity, grant.target);
        let wanted = wanted.iter().find(|wanted| wanted.profile == profile);
        let keys: BTreeSet<_> = wanted
            .into_iter()
            .flat_map(|wanted| wanted.entitlements.iter())
            .filter_map(|spec| match names.resolve(spec) {
                crate::observed::Resolved::Key(key) => Some(key),
                _ => None,
            })
            .collect();
        for key in seen.entitlements.members() {
            let spec = names.spec(key);
            if !keys.contains(&key) && covers(world, grant, grant.target, profile, spec) {
                held.push(Held { anchor: link.anchor, key, spec });
            }
        }
    }
    held
}

fn sides(world: &World<'_>, separation: &Separation, target: Sym, profile: Sym, spec: Spec) -> Vec<usize> {
    let sides = separation.sides.iter().enumerate();
    sides
        .filter(|(_, grants)| grants.iter().any(|grant| covers(world, grant, target, profile, spec)))
        .map(|(side, _)| side)
        .collect()
}

fn covers(world: &World<'_>, grant: &GrantSpec, target: Sym, profile: Sym, spec: Spec) -> bool {
    let GrantSpec { target: on, profile: of, entitlement } = grant;
    let comparison = world
        .targets
        .get(&target)
        .and_then(|view| view.observed.capabilities().entitlement_kind(spec.kind.as_str()))
        .map(|kind| kind.comparison)
        .unwrap_or_default();
    *on == target
        && of.is_none_or(|of| of == profile)
        && entitlement.is_none_or(|side| {
            side.kind == spec.kind
                && side.role.is_none_or(|role| Some(role) == spec.role)
                && pattern::matches(side.name.as_str(), spec.name.as_str(), comparison)
        })
}

impl Draft {
    fn takes(&self, held: &Held) -> bool {
        match &self.operation {
            Operation::Revoke { account, entitlement } => {
                held.anchor == *account.anchor.as_str() && crate::observed::key_of(entitlement) == held.key
            }
            _ => false,
        }
    }
}

/// Whether one operation of an identity on a target has to have succeeded before another.
fn comes_before(first: &Draft, second: &Draft) -> bool {
    if !adds(&first.operation) && adds(&second.operation) {
        return true;
    }
    if first.profile != second.profile {
        return false;
    }
    match (first.operation.verb(), second.operation.verb()) {
        (Verb::Create, _) => {
            second.operation.account().is_some_and(|account| account.anchor.as_str() == UNBORN)
        }
        (Verb::Disable, Verb::EndSessions | Verb::Transfer | Verb::Delete) => true,
        (Verb::EndSessions | Verb::Revoke | Verb::RevokeCredential | Verb::Transfer, Verb::Delete) => true,
        _ => false,
    }
}

fn sort(drafts: &mut [Draft], depths: &BTreeMap<Sym, usize>) {
    promote(drafts);
    // What is alike in all of this is of one account, and was found in an order that is always the same.
    drafts.sort_by_cached_key(|draft| {
        let text = |text: &str| Sym::new(text).as_str();
        let entitlement = draft.operation.entitlement();
        (
            (draft.queue, depths.get(&draft.target).copied().unwrap_or(0)),
            Reverse(draft.identity.is_some()),
            draft.identity.map(Sym::as_str),
            (draft.target.as_str(), draft.profile.as_str(), rank(draft.operation.verb())),
            entitlement.map(|of| {
                (text(&of.kind), text(&of.name), of.role.as_deref().map(text), text(of.anchor.as_str()))
            }),
            draft.operation.account().map(|account| text(account.anchor.as_str())),
        )
    });
}

/// What follows a repair waits for its turn with it.
fn promote(drafts: &mut [Draft]) {
    let repaired: BTreeSet<Sym> = drafts
        .iter()
        .filter(|draft| draft.queue == Queue::Resync && draft.operation.verb() == Verb::Create)
        .filter_map(|draft| draft.identity)
        .collect();
    for draft in drafts {
        let follows = draft.identity.is_some_and(|identity| repaired.contains(&identity));
        if follows && draft.queue == Queue::Change {
            draft.queue = Queue::Resync;
        }
    }
}

/// What takes away, in the order in which it blocks most; then what adds, each after what it stands on.
fn rank(verb: Verb) -> u8 {
    match verb {
        Verb::Disable => 0,
        Verb::EndSessions => 1,
        Verb::RevokeCredential => 2,
        Verb::Revoke => 3,
        Verb::Transfer => 4,
        Verb::Delete => 5,
        Verb::Create => 6,
        Verb::Rename => 7,
        Verb::Update => 8,
        Verb::Enable => 9,
        Verb::Grant => 10,
        Verb::Replace => 11,
        Verb::IssueCredential => 12,
        Verb::RotateCredential => 13,
    }
}

/// How many targets come before each by `after`. A circle counts once round: `check` finds it.
fn depths(world: &World<'_>) -> BTreeMap<Sym, usize> {
    let mut depths: BTreeMap<Sym, usize> = world.targets.keys().map(|target| (*target, 0)).collect();
    for _ in 0..world.targets.len() {
        let mut changed = false;
        for (target, view) in world.targets {
            let before = view.document.after.iter().filter(|first| *first != target);
            let depth = before.filter_map(|first| depths.get(first)).max().map_or(0, |deepest| deepest + 1);
            changed |= depths.insert(*target, depth) != Some(depth);
        }
        if !changed {
            break;
        }
    }
    depths
}

fn finish(world: &World<'_>, drafts: Vec<Draft>, mut after: FxHashMap<usize, Vec<usize>>) -> Vec<Planned> {
    let planned = |(place, draft): (usize, Draft)| {
        let Draft { target, identity, profile, operation, tier, queue, class, drift, grants, gains, deliver } =
            draft;
        let site = world.targets.get(&target).map_or(target, |view| view.place);
        let mut needs = after.remove(&place).unwrap_or_default();
        // Only what comes earlier can be waited for; a circle of `after` is cut here, and `check` shows it.
        needs.retain(|other| *other < place);
        needs.sort_unstable();
        needs.dedup();
        Planned {
            digest: digest_of(target, site, identity, profile, &operation),
            target,
            identity,
            profile,
            operation,
            tier,
            queue,
            class,
            drift,
            causes: Vec::new(),
            after: needs,
            grants,
            gains,
            deliver,
        }
    };
    drafts.into_iter().enumerate().map(planned).collect()
}

pub(super) fn left_out(draft: &Draft, why: Why) -> NotPlanned {
    NotPlanned {
        target: draft.target,
        identity: draft.identity,
        profile: Some(draft.profile),
        account: draft.operation.account().filter(|account| account.anchor.as_str() != UNBORN).cloned(),
        verb: Some(draft.operation.verb()),
        entitlement: draft.grants.map(|spec| spec.to_string()),
        why,
    }
}
