//! The independent checker of a plan: it knows the rules that every plan keeps and nothing of how one is made, so that
//! a mistake of the planner is found before the first write. What it finds fault with, the gate refuses.

use std::collections::BTreeMap;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use provost_sdk::{AccountRef, Operation, Risk, Verb};

use crate::Sym;
use crate::document::Authority;
use crate::evidence::Power;
use crate::guard::ACCOUNTS;
use crate::observed::{Link, key_of};
use crate::pattern;
use crate::plan::{Plan, Planned, TargetView, UNBORN, World, age_limit};
use crate::set::{Key, Spec};

/// A rule that an operation breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The operation's place in the plan.
    pub place: usize,
    /// The rule.
    pub rule: &'static str,
    /// What is wrong, for whoever mends the planner.
    pub message: String,
}

/// Checks a whole plan.
pub fn lint(plan: &Plan, world: &World<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let size = plan.operations.len();
    let mut digests = FxHashSet::with_capacity_and_hasher(size, FxBuildHasher);
    let mut groups: FxHashMap<(Sym, Sym), Vec<usize>> =
        FxHashMap::with_capacity_and_hasher(size, FxBuildHasher);
    let mut risks = Risks::default();
    for (place, planned) in plan.operations.iter().enumerate() {
        if let Some(identity) = planned.identity {
            groups.entry((identity, planned.target)).or_default().push(place);
        }
        findings.check(digests.insert(planned.digest), place, "once", || "It is planned twice.".to_owned());
        findings.check(planned.after.iter().all(|before| *before < place), place, "order", || {
            "It waits for something that comes later.".to_owned()
        });
        match world.targets.get(&planned.target) {
            None => findings.add(place, "target", "Its target is not in force.".to_owned()),
            Some(view) => of_target(place, planned, view, world, &mut risks, &mut findings),
        }
    }
    for places in groups.values() {
        order(plan, places, &mut findings);
    }
    let mut findings = findings.0;
    findings.sort_by_key(|finding| (finding.place, finding.rule));
    findings
}

/// Asked once for all who are given the same.
type Risks = FxHashMap<Power, Risk>;

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, place: usize, rule: &'static str, message: String) {
        self.0.push(Finding { place, rule, message });
    }

    fn check(&mut self, holds: bool, place: usize, rule: &'static str, message: impl FnOnce() -> String) {
        if !holds {
            self.add(place, rule, message());
        }
    }
}

/// What takes away comes before what adds, per identity and target; what is done to an account comes after its making.
fn order(plan: &Plan, places: &[usize], findings: &mut Findings) {
    let of = |place: &usize| &plan.operations[*place];
    let lessening: Vec<usize> = places.iter().copied().filter(|place| of(place).takes_away()).collect();
    let made: BTreeMap<Sym, usize> = places
        .iter()
        .filter(|place| of(place).verb() == Verb::Create)
        .map(|place| (of(place).profile, *place))
        .collect();
    for place in places {
        let planned = of(place);
        if planned.adds() {
            let first = lessening.iter().all(|before| before < place && planned.after.contains(before));
            findings.check(first, *place, "order", || "It adds before something is taken away.".to_owned());
        }
        if planned.operation.account().is_some_and(|account| account.anchor.as_str() == UNBORN) {
            let follows = made.get(&planned.profile).is_some_and(|create| planned.after.contains(create));
            findings.check(follows, *place, "order", || "Nothing before it makes its account.".to_owned());
        }
    }
}

fn of_target(
    place: usize,
    planned: &Planned,
    view: &TargetView<'_>,
    world: &World<'_>,
    risks: &mut Risks,
    findings: &mut Findings,
) {
    let operation = &planned.operation;
    let verb = operation.verb();
    findings.check(view.adopted, place, "adoption", || "Its target is not adopted.".to_owned());
    let declared = view.observed.capabilities().verbs.contains(&verb);
    findings.check(declared, place, "capability", || format!("The target cannot {}.", verb.as_str()));
    let kind = Sym::new(operation.entitlement().map_or(ACCOUNTS, |entitlement| entitlement.kind.as_str()));
    let authority = view.document.authority.get(&kind).copied().unwrap_or_default();
    findings
        .check(authority != Authority::Observe, place, "authority", || format!("{kind} is only observed."));
    let complete = view.observed.complete(world.now, age_limit(view.document)).is_ok();
    let by_absence = matches!(verb, Verb::Create | Verb::Replace) || (planned.drift && verb == Verb::Grant);
    findings.check(complete || !by_absence, place, "absence", || {
        "It is inferred from absence, without a complete read.".to_owned()
    });
    if let Some(account) = operation.account() {
        of_account(place, planned, account, authority, view, world, findings);
    }
    if let (Some(spec), Operation::Grant { .. }) = (planned.grants, operation) {
        let power = Power { target: planned.target, profile: planned.profile, entitlement: Some(spec) };
        let risk = *risks.entry(power).or_insert_with(|| world.desired.risk(power));
        findings.check(planned.tier >= risk, place, "tier", || "Its tier is below its risk.".to_owned());
    }
}

fn of_account(
    place: usize,
    planned: &Planned,
    account: &AccountRef,
    authority: Authority,
    view: &TargetView<'_>,
    world: &World<'_>,
    findings: &mut Findings,
) {
    let anchor = account.anchor.as_str();
    let own = view.own_accounts.iter().any(|own| *own == anchor);
    findings.check(!own, place, "own-credential", || "It changes the account that provost uses.".to_owned());
    if anchor == UNBORN {
        return;
    }
    let of = Sym::new(anchor);
    let (owner, holder) = (view.observed.owner(of), view.observed.account(of));
    let expected = planned.identity.map(|identity| (identity, planned.profile));
    findings
        .check(owner == expected, place, "link", || "The account is not linked as the plan says.".to_owned());
    let usernames = view.observed.capabilities().usernames;
    let known = holder.map_or(account.username.as_str(), |seen| seen.username.as_str());
    let protected =
        view.document.protect.iter().any(|pattern| pattern::matches(pattern.as_str(), known, usernames));
    let is_person = || owner.is_some_and(|(identity, _)| world.desired.is_person(identity));
    findings.check(!protected || is_person(), place, "protected", || "The account is protected.".to_owned());
    let lessens = matches!(planned.verb(), Verb::Revoke | Verb::Disable);
    match owner {
        None => findings.check(lessens && authority == Authority::Full, place, "link", || {
            "An account of nobody is changed without full authority.".to_owned()
        }),
        Some((identity, profile)) => {
            let link = view.observed.link(identity, profile);
            findings.check(explained(planned, authority, link.as_ref()), place, "authority", || {
                "It takes away what provost did not give, without full authority.".to_owned()
            });
        }
    }
    findings.check(holder.is_some(), place, "link", || "The account is not known to be there.".to_owned());
}

/// Under additive authority only what provost itself gave or adopted is taken away.
fn explained(planned: &Planned, authority: Authority, link: Option<&Link>) -> bool {
    match &planned.operation {
        Operation::Revoke { entitlement, .. } => {
            authority == Authority::Full || link.is_some_and(|link| link.ours.contains(key_of(entitlement)))
        }
        _ => true,
    }
}

/// A privileged entitlement that nobody who can sign in would hold after the whole plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAdmin {
    /// Where.
    pub target: Sym,
    /// What.
    pub entitlement: Spec,
    /// How many hold it now.
    pub holders: usize,
    /// The operations that take it away.
    pub places: Vec<usize>,
}

/// Which privileged entitlements would lose their last holder. One that was ever seen with nobody holding it is no last
/// way into the target: privileged access is absent until it is given for a time, and an addition by hand to it goes.
pub fn last_admins(plan: &Plan, world: &World<'_>) -> Vec<LastAdmin> {
    let mut changes: FxHashMap<(Sym, Key), Change> = FxHashMap::default();
    for (place, planned) in plan.operations.iter().enumerate() {
        if let Some(view) = world.targets.get(&planned.target) {
            of_holders(place, planned, view, &mut changes);
        }
    }
    let privileged = |target: Sym, key: Key, view: &TargetView<'_>| {
        let names = view.observed.names();
        let administrative = names.get(key.kind, key.anchor).is_some_and(|named| named.administrative);
        let profile = Sym::new(crate::evidence::MAIN);
        administrative
            || names.borne(key.kind, key.anchor).any(|name| {
                let entitlement = Some(Spec { kind: key.kind, name, role: key.role });
                world.desired.risk(Power { target, profile, entitlement }) == Risk::Privileged
            })
    };
    let mut found = Vec::new();
    for ((target, key), Change { lost, gained, places }) in changes {
        let Some(view) = world.targets.get(&target) else { continue };
        if view.observed.was_vacant(key) {
            continue;
        }
        let holders = view.observed.tally().holders(key);
        let left = holders - lost.len() + gained.difference(&lost).count();
        if holders > 0 && left == 0 && privileged(target, key, view) {
            found.push(LastAdmin { target, entitlement: view.observed.names().spec(key), holders, places });
        }
    }
    found.sort_unstable_by_key(|last| (last.target, last.entitlement));
    found
}

#[derive(Default)]
struct Change {
    /// Accounts that can sign in and hold it, and do not afterwards.
    lost: FxHashSet<Sym>,
    gained: FxHashSet<Sym>,
    places: Vec<usize>,
}

fn of_holders(
    place: usize,
    planned: &Planned,
    view: &TargetView<'_>,
    changes: &mut FxHashMap<(Sym, Key), Change>,
) {
    let target = planned.target;
    let observed = view.observed;
    let enabled =
        |anchor: Sym| observed.account(anchor).filter(|seen| seen.state == provost_sdk::State::Enabled);
    let mut lose = |anchor: Sym, of: Key| {
        if enabled(anchor).is_some_and(|seen| seen.entitlements.contains(of)) {
            let change = changes.entry((target, of)).or_default();
            change.lost.insert(anchor);
            if change.places.last() != Some(&place) {
                change.places.push(place);
            }
        }
    };
    match &planned.operation {
        Operation::Revoke { account, entitlement } => {
            lose(Sym::new(account.anchor.as_str()), key_of(entitlement));
        }
        Operation::Disable { account } | Operation::Delete { account } => {
            let anchor = Sym::new(account.anchor.as_str());
            let held = enabled(anchor).map(|seen| seen.entitlements).unwrap_or_default();
            held.iter().for_each(|of| lose(anchor, of));
        }
        Operation::Replace { entitlement, accounts } => {
            let of = key_of(entitlement);
            let after: FxHashSet<Sym> =
                accounts.iter().map(|account| Sym::new(account.anchor.as_str())).collect();
            for (anchor, _) in observed.accounts().filter(|(anchor, _)| !after.contains(anchor)) {
                lose(anchor, of);
            }
            let gained = after.into_iter().filter(|anchor| enabled(*anchor).is_some());
            changes.entry((target, of)).or_default().gained.extend(gained);
        }
        Operation::Grant { account, entitlement } => {
            let name = match account.anchor.as_str() {
                UNBORN => planned.identity.unwrap_or(target),
                anchor => Sym::new(anchor),
            };
            changes.entry((target, key_of(entitlement))).or_default().gained.insert(name);
        }
        Operation::Enable { account } => {
            let anchor = Sym::new(account.anchor.as_str());
            let held = observed.account(anchor).map(|seen| seen.entitlements).unwrap_or_default();
            for of in held.iter() {
                changes.entry((target, of)).or_default().gained.insert(anchor);
            }
        }
        Operation::Create(_)
        | Operation::Update { .. }
        | Operation::Rename { .. }
        | Operation::EndSessions { .. }
        | Operation::Transfer { .. }
        | Operation::IssueCredential { .. }
        | Operation::RotateCredential { .. }
        | Operation::RevokeCredential { .. } => {}
    }
}
