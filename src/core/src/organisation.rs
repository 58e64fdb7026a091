//! The whole of what provost knows at one instant: documents, access, and what each target has; kept up to date by
//! commits, reads, receipts and time, each at the cost of what it changes.
//!
//! The daemon, `plan` and the simulator hold the same one. It decides nothing: plan and gate do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rustc_hash::FxHashSet;

use provost_sdk::{Account, Capabilities, Operation, Read, Receipt, Risk, State};

use crate::Sym;
use crate::access::{Access, Changed, Lifecycle, Wanted, Zones, risk_by};
use crate::document::{Freeze, Separation, Status};
use crate::evidence::{Evidence, Power, Thing};
use crate::facts::Facts;
use crate::gate::{self, Decision};
use crate::guard::{self, History, Limits, Part};
use crate::observed::{Collector, Merged, Observed, Resolved as Named};
use crate::plan::{self, Desired as _, Plan, Resolved, TargetView};
use crate::set::{Key, Set, Spec};
use crate::snapshot::{Catalog, Change, Context, Dirty, Snapshot};
use crate::step::Scope;

/// Everything that is known.
#[derive(Clone, Debug)]
pub struct Organisation {
    snapshot: Snapshot,
    access: Access,
    evidence: Evidence,
    facts: Facts,
    catalog: Catalog,
    zones: Zones,
    targets: BTreeMap<Sym, Known>,
    /// Every identity for whom anything was ever done.
    used: FxHashSet<Sym>,
    history: History,
    /// How far back the guards' windows reach.
    window: SignedDuration,
    /// Why nothing is added anywhere.
    holds: BTreeMap<HeldBy, Sym>,
}

/// What can hold up everything that adds, everywhere; what takes away goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldBy {
    /// The tracked branch does not come after the commit that counts, or that commit is missing or not recorded.
    Branch,
    /// The published copy of the audit log was tampered with, or has to hold every intent and cannot be reached.
    Copy,
}

/// What is known of one target beside its document.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it has.
    pub observed: Observed,
    /// Which system it is.
    pub place: Sym,
    /// The place that an operator adopted.
    pub adopted: Option<Sym>,
    /// Why nothing is added here.
    pub hold: Option<Sym>,
    /// Anchors of the accounts that provost itself uses here.
    pub own_accounts: Vec<Sym>,
}

/// What a commit, or an instant, changed.
#[derive(Clone, Debug, Default)]
pub struct Amended {
    /// Whose documents differ, and what came into force.
    pub dirty: Dirty,
    /// For whom access differs.
    pub changed: Changed,
}

/// A plan with what becomes of each operation, in the same order.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// The plan.
    pub plan: Plan,
    /// The decisions, one an operation.
    pub decisions: Vec<Decision>,
}

impl Organisation {
    /// One in which `snapshot` counts and nothing is known of any target yet.
    pub fn new(snapshot: Snapshot, catalog: Catalog, zones: Zones, now: Timestamp) -> Organisation {
        let (evidence, facts) = (Evidence::default(), Facts::default());
        let access = Access::whole(&snapshot, &evidence, &facts, &zones, now);
        let mut organisation = Organisation {
            snapshot,
            access,
            evidence,
            facts,
            catalog,
            zones,
            targets: BTreeMap::new(),
            used: FxHashSet::default(),
            history: History::default(),
            window: SignedDuration::ZERO,
            holds: BTreeMap::new(),
        };
        organisation.window = organisation.windows();
        organisation
    }

    /// The documents that count.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The grants in force.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What people have agreed to.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// What is known of targets beyond their documents.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The time zones.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// What is known of a target.
    pub fn target(&self, target: Sym) -> Option<&Known> {
        self.targets.get(&target)
    }

    /// Every target that anything is known of.
    pub fn targets(&self) -> impl Iterator<Item = (Sym, &Known)> {
        self.targets.iter().map(|(id, known)| (*id, known))
    }

    /// How far back the windows of the guards in force reach.
    pub fn longest_window(&self) -> SignedDuration {
        self.window
    }

    /// What was done in the windows of the guards.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Takes what was done in the windows of the guards from the audit log.
    pub fn recall(&mut self, history: History) {
        self.history = history;
    }

    /// Counts one operation that was done, as [`crate::guard::parts`] has it, for the windows of the guards.
    pub fn count(&mut self, at: Timestamp, parts: &[Part], identity: Option<Sym>) {
        parts.iter().for_each(|part| self.history.record(at, *part, identity));
        self.history.forget(at - self.window);
    }

    /// The ids among those of files that do not count that belonged to somebody before.
    pub fn reused(&self) -> BTreeSet<Sym> {
        let held = self.snapshot.held_back();
        let ids = held.iter().filter_map(|held| held.id).filter(|id| self.used.contains(id));
        ids.filter(|id| self.snapshot.identity(*id).is_none()).collect()
    }

    /// Takes in for whom anything was ever done. Whoever of them has no document belongs to the past, and the id with it.
    pub fn use_ids(&mut self, used: impl IntoIterator<Item = Sym>) {
        self.used.extend(used);
    }

    /// Says why nothing is added anywhere, or that this is no reason any more.
    pub fn hold(&mut self, by: HeldBy, why: Option<Sym>) {
        match why {
            Some(why) => self.holds.insert(by, why),
            None => self.holds.remove(&by),
        };
    }

    /// Takes a commit in. `trusted`: the operator names it, so every sound rule of it comes into force.
    pub fn amend(&mut self, changes: Vec<Change>, trusted: bool, now: Timestamp) -> Amended {
        let (facts, evidence) = (&self.facts, &self.evidence);
        let used = &self.used;
        let leaving = self.leaving();
        let context = Context {
            trusted,
            catalog: &self.catalog,
            risk: &|target, grant| risk_by(target, facts.get(&target.id), grant),
            agreed: &|version| evidence.covers_rule(&version.into()),
            spent: &|id| used.contains(&id),
            leaving: &leaving,
            zones: &self.zones,
        };
        let dirty = self.snapshot.amend(changes, &context);
        match dirty.policies.is_empty() {
            true => dirty.targets.iter().for_each(|target| self.look_again(Some(*target))),
            false => self.look_again(None),
        }
        let mut changed =
            self.access.update(&self.snapshot, &dirty, &self.evidence, &self.facts, &self.zones, now);
        self.stand_all(&mut changed);
        if !dirty.targets.is_empty() || !dirty.policies.is_empty() {
            self.window = self.windows();
        }
        Amended { dirty, changed }
    }

    /// Takes in what people agree to now: rules that they agreed to come into force, and access follows.
    pub fn agree(&mut self, mut evidence: Evidence, now: Timestamp) -> Amended {
        evidence.keep_given(&self.evidence);
        let before = std::mem::replace(&mut self.evidence, evidence);
        let mut amended = self.amend(Vec::new(), false, now);
        let agreed: BTreeSet<Thing> = self.evidence.things().copied().collect();
        for thing in agreed {
            amended.changed.extend(self.carry_out(thing, now));
        }
        let identities = before.differing(&self.evidence).into_iter().collect();
        let dirty = Dirty { identities, ..Dirty::default() };
        let changed =
            self.access.update(&self.snapshot, &dirty, &self.evidence, &self.facts, &self.zones, now);
        amended.changed.extend(changed);
        self.stand_all(&mut amended.changed);
        amended.changed.sort_unstable();
        amended.changed.dedup();
        amended
    }

    /// What is done about an agreement that no operation carries out: a name that means something else from now on, an
    /// account that is linked.
    fn carry_out(&mut self, thing: Thing, now: Timestamp) -> Changed {
        match thing {
            Thing::Name { target, kind, name, anchor } => {
                let Some(known) = self.targets.get_mut(&target) else { return Changed::new() };
                let spec = Spec { kind, name, role: None };
                if !matches!(known.observed.names().resolve(spec), Named::Changed { now, .. } if now == anchor)
                {
                    return Changed::new();
                }
                known.observed.agree_name(kind, name);
                let who = self.access.who(target, None).into_iter();
                self.learn(target, now).into_iter().chain(who.map(|identity| (identity, target))).collect()
            }
            Thing::Link { identity, target, profile, anchor } => {
                let Some(known) = self.targets.get(&target) else { return Changed::new() };
                let gone = |anchor| known.observed.account(anchor).is_none();
                let free = known.observed.owner(anchor).is_none()
                    && known.observed.link(identity, profile).is_none_or(|link| gone(link.anchor));
                let linked = known.adopted == Some(known.place)
                    && free
                    && self.adopt(target, identity, profile, anchor);
                if linked { vec![(identity, target)] } else { Changed::new() }
            }
            _ => Changed::new(),
        }
    }

    /// Takes in that time has passed.
    pub fn advance(&mut self, now: Timestamp) -> Changed {
        let mut changed = self.access.advance(&self.snapshot, &self.evidence, &self.zones, now);
        self.stand_all(&mut changed);
        changed
    }

    /// Puts what is known of a target in place: at the start, or when its document names another place.
    pub fn place(&mut self, target: Sym, known: Known, now: Timestamp) -> Changed {
        self.targets.insert(target, known);
        let mut changed = self.learn(target, now);
        self.stand_all(&mut changed);
        changed
    }

    /// Forgets a target that is in force no more.
    pub fn forget(&mut self, target: Sym) {
        self.targets.remove(&target);
        self.facts.remove(&target);
    }

    /// The place of a target by its document, and the place that was adopted.
    pub fn locate(&mut self, target: Sym, place: Sym, adopted: Option<Sym>) {
        if let Some(known) = self.targets.get_mut(&target) {
            known.place = place;
            known.adopted = adopted;
        }
    }

    /// Says why nothing is added to a target, or that it is.
    pub fn hold_target(&mut self, target: Sym, why: Option<Sym>) {
        if let Some(known) = self.targets.get_mut(&target) {
            known.hold = why;
        }
    }

    /// An operator trusts a target again: its next whole read that begins from now on is taken as it is.
    pub fn resume(&mut self, target: Sym, now: Timestamp) {
        if let Some(known) = self.targets.get_mut(&target) {
            known.hold = None;
            known.observed.resume(now);
        }
    }

    /// Takes a read in. Gives what it changed on the target, and for whom access differs because risks do.
    pub fn merge(
        &mut self,
        target: Sym,
        capabilities: Capabilities,
        found: Collector,
        read: &Read,
        now: Timestamp,
    ) -> (Merged, Changed) {
        let document = self.snapshot.target(target);
        let guards = document.map(|document| guard::guards_of(document, self.snapshot.guards()));
        let shrink = guards.map(guard::shrink).unwrap_or_default();
        let Some(known) = self.targets.get_mut(&target) else { return (Merged::default(), Changed::new()) };
        let described = *known.observed.capabilities() != capabilities;
        known.observed.describe(capabilities);
        let merged = known.observed.finish(found, read, shrink);
        let mut changed = if merged.names || described { self.learn(target, now) } else { Changed::new() };
        self.stand_all(&mut changed);
        (merged, changed)
    }

    /// Takes in what an operation did. Gives for whom access differs because of it.
    pub fn receipt(
        &mut self,
        target: Sym,
        subject: Option<(Sym, Sym)>,
        operation: &Operation,
        receipt: &Receipt,
        at: Timestamp,
    ) -> Changed {
        let mut changed = Changed::new();
        let Some(known) = self.targets.get_mut(&target) else { return changed };
        known.observed.receipt(subject, operation, receipt, at);
        if let Some((identity, profile)) = subject {
            if matches!(operation, Operation::Disable { .. })
                && matches!(self.access.lifecycle(identity), Lifecycle::Left { .. })
            {
                known.observed.mark_left(identity, profile, true);
            }
            self.stand([identity], &mut changed);
        }
        changed
    }

    /// Takes in what looking up one account found.
    pub fn looked_up(&mut self, target: Sym, anchor: Sym, account: Option<&Account>, began: Timestamp) {
        if let Some(known) = self.targets.get_mut(&target) {
            known.observed.looked_up(anchor, account, began);
        }
    }

    /// Links an account that is there to an identity, because an operator said so.
    pub fn adopt(&mut self, target: Sym, identity: Sym, profile: Sym, anchor: Sym) -> bool {
        let wanted = self.wanted_keys(target, identity, profile);
        let known = self.targets.get_mut(&target);
        known.is_some_and(|known| known.observed.adopt(identity, profile, anchor, wanted))
    }

    /// Links the account of a username that nobody has to the identity whose intent made it. Gives its anchor.
    pub fn created(&mut self, target: Sym, identity: Sym, profile: Sym, username: &str) -> Option<Sym> {
        let observed = &mut self.targets.get_mut(&target)?.observed;
        let [anchor] = observed.by_username(username)[..] else { return None };
        // A link to an account that somebody deleted was to be replaced by this one.
        let linked = observed.link(identity, profile).filter(|link| observed.account(link.anchor).is_some());
        if observed.owner(anchor).is_some() || linked.is_some() {
            return None;
        }
        observed.made(identity, profile, anchor).then_some(anchor)
    }

    /// What identities are to have and were found to have becomes provost's own, and leavers are known as such; gives
    /// the accounts that differ.
    pub fn claim(&mut self, claims: &[plan::Claim]) -> Vec<(Sym, Sym)> {
        let mut anchors = Vec::new();
        for claim in claims {
            let Some(known) = self.targets.get_mut(&claim.target) else { continue };
            known.observed.claim(claim.identity, claim.profile, claim.keys);
            known.observed.mark_left(claim.identity, claim.profile, claim.left);
            let link = known.observed.link(claim.identity, claim.profile);
            anchors.extend(link.map(|link| (claim.target, link.anchor)));
        }
        anchors
    }

    /// Forgets for whom earlier plans found nothing to do on a target, or on all of them: the next plan looks at
    /// everybody.
    pub fn look_again(&mut self, target: Option<Sym>) {
        for (_, known) in self.targets.iter_mut().filter(|(id, _)| target.is_none_or(|target| target == **id))
        {
            known.observed.unsettle();
        }
    }

    /// Plans one target and decides every operation.
    pub fn plan(&self, target: Option<Sym>, scope: &Scope, now: Timestamp) -> Decided {
        let scope = plan::Scope {
            targets: target.map(|target| [target].into()),
            identities: match scope {
                Scope::All => None,
                Scope::Identities(identities) => Some(identities.clone()),
            },
        };
        self.in_world(now, |world| {
            let plan = plan::plan(*world, &scope);
            let decisions = self.decide_in(world, &plan);
            Decided { plan, decisions }
        })
    }

    /// Decides every operation of a plan anew.
    pub fn decide(&self, plan: &Plan, now: Timestamp) -> Vec<Decision> {
        self.in_world(now, |world| self.decide_in(world, plan))
    }

    fn decide_in(&self, world: &plan::World<'_>, plan: &Plan) -> Vec<Decision> {
        gate::gate(plan, world, &self.evidence, &self.limits(world.targets), &self.history)
    }

    fn in_world<T>(&self, now: Timestamp, with: impl FnOnce(&plan::World<'_>) -> T) -> T {
        let views = self.views();
        let desired = self.desired();
        let separations: Vec<&Separation> = self.snapshot.separations();
        let freezes: Vec<&Freeze> = self.snapshot.freezes();
        with(&plan::World {
            desired: &desired,
            targets: &views,
            separations: &separations,
            freezes: &freezes,
            leaver: self.snapshot.lifecycle().map(|lifecycle| lifecycle.leaver),
            hold: self.holds.values().next().copied(),
            now,
        })
    }

    /// What ought to be, as a plan asks for it.
    pub fn desired(&self) -> Resolved<'_> {
        Resolved {
            snapshot: &self.snapshot,
            access: &self.access,
            facts: &self.facts,
            evidence: &self.evidence,
        }
    }

    /// How risky a power is by the rules in force.
    pub fn risk(&self, power: Power) -> Risk {
        self.desired().risk(power)
    }

    fn views(&self) -> BTreeMap<Sym, TargetView<'_>> {
        let view = |document: &'_ crate::document::Target| {
            self.targets.get(&document.id).map(|known| (document.id, known))
        };
        self.snapshot
            .targets()
            .into_iter()
            .filter_map(|document| {
                let (id, known) = view(document)?;
                let adopted = known.adopted == Some(known.place);
                let Known { observed, place, adopted: _, hold, own_accounts } = known;
                Some((
                    id,
                    TargetView { document, observed, adopted, place: *place, hold: *hold, own_accounts },
                ))
            })
            .collect()
    }

    /// Takes in anew what stands of everybody of whom it matters, and access with it.
    fn stand_all(&mut self, changed: &mut Changed) {
        let before: Vec<Sym> = self.evidence.given().collect();
        for identity in before.into_iter().filter(|identity| !self.access.is_contested(*identity)) {
            self.evidence.give(identity, BTreeSet::new());
        }
        let contested: Vec<Sym> = self.access.contested().collect();
        self.stand(contested, changed);
    }

    /// The same for some, of whom it may matter. What stands is what provost itself gave and has not taken away, as the
    /// links say: so it is the same after a restart.
    fn stand(&mut self, identities: impl IntoIterator<Item = Sym>, changed: &mut Changed) {
        let mut dirty = Dirty::default();
        for identity in identities.into_iter().filter(|identity| self.access.is_contested(*identity)) {
            if self.evidence.give(identity, self.given(identity)) {
                dirty.identities.insert(identity);
            }
        }
        if dirty.identities.is_empty() {
            return;
        }
        let now = self.access.now();
        changed.extend(self.access.update(
            &self.snapshot,
            &dirty,
            &self.evidence,
            &self.facts,
            &self.zones,
            now,
        ));
        changed.sort_unstable();
        changed.dedup();
    }

    fn given(&self, identity: Sym) -> BTreeSet<Power> {
        let held = self.access.wanted_by_target(identity).flat_map(|(target, wanted)| {
            wanted.iter().flat_map(move |Wanted { profile, entitlements }| {
                let power = |entitlement| Power { target, profile: *profile, entitlement };
                entitlements.iter().map(Some).chain([None]).map(power).collect::<Vec<_>>()
            })
        });
        let waiting = self.access.waiting_of(identity).iter().map(|waiting| waiting.power);
        held.chain(waiting).filter(|power| self.gave(identity, *power)).collect()
    }

    /// Whether provost itself gave this and has not taken it away.
    fn gave(&self, identity: Sym, power: Power) -> bool {
        let Power { target, profile, entitlement } = power;
        let Some(known) = self.targets.get(&target) else { return false };
        let Some(link) = known.observed.link(identity, profile) else { return false };
        if known.observed.account(link.anchor).is_none() {
            return false;
        }
        entitlement.is_none_or(|spec| match known.observed.names().resolve(spec) {
            Named::Key(key) => link.ours.contains(key),
            Named::Unknown | Named::Ambiguous | Named::Changed { .. } => false,
        })
    }

    fn windows(&self) -> SignedDuration {
        let policy = self.snapshot.guards();
        let targets = self.snapshot.targets().into_iter().map(|target| guard::guards_of(target, policy));
        guard::longest_window(targets.chain(policy.and_then(|policy| policy.people)))
    }

    fn limits(&self, views: &BTreeMap<Sym, TargetView<'_>>) -> Limits {
        Limits::in_force(views, self.snapshot.guards(), self.access.identities().len())
    }

    /// Departed identities that can still sign in somewhere, or still hold what provost gave them.
    fn leaving(&self) -> BTreeSet<Sym> {
        let departed = |id: &Sym| {
            self.snapshot.identity(*id).is_some_and(|identity| identity.status() == Status::Departed)
        };
        let remains = |id: &Sym| {
            let links = |known: &Known| {
                known.observed.links_of(*id).any(|(_, link)| {
                    known.observed.account(link.anchor).is_some_and(|seen| {
                        let holds = seen.entitlements.iter().any(|key| link.ours.contains(key));
                        // That it is shut has to be known before the identity is forgotten, or it could be opened again.
                        seen.state == State::Enabled || holds || !link.left
                    })
                })
            };
            self.targets.values().any(links)
        };
        self.access.inactive().filter(departed).filter(remains).collect()
    }

    /// What the entitlements of a target weigh may have changed.
    fn learn(&mut self, target: Sym, now: Timestamp) -> Changed {
        let Some(known) = self.targets.get(&target) else { return Changed::new() };
        let facts = known.observed.facts();
        if self.facts.get(&target) == Some(&facts) {
            return Changed::new();
        }
        // Of a target that was not read since the start nothing is known, which is not that it can do nothing.
        if facts.capabilities != Capabilities::default() {
            self.catalog.targets.insert(target, facts.capabilities.clone());
        }
        self.facts.insert(target, facts);
        let dirty = Dirty { targets: [target].into(), ..Dirty::default() };
        self.access.update(&self.snapshot, &dirty, &self.evidence, &self.facts, &self.zones, now)
    }

    fn wanted_keys(&self, target: Sym, identity: Sym, profile: Sym) -> Set<Key> {
        let Some(known) = self.targets.get(&target) else { return Set::empty() };
        let wanted = self.access.wanted(identity, target).iter().filter(|wanted| wanted.profile == profile);
        wanted
            .flat_map(|wanted| wanted.entitlements.iter())
            .filter_map(|spec| match known.observed.names().resolve(spec) {
                Named::Key(key) => Some(key),
                Named::Unknown | Named::Ambiguous | Named::Changed { .. } => None,
            })
            .collect()
    }
}

static NOBODY: BTreeSet<Sym> = BTreeSet::new();

/// What a document set of a whole commit is judged by when nothing is known of any target: for `check`.
pub fn check_context<'a>(catalog: &'a Catalog, zones: &'a Zones) -> Context<'a> {
    Context {
        trusted: true,
        catalog,
        risk: &|target, grant| risk_by(target, None, grant),
        agreed: &|_| false,
        spent: &|_| false,
        leaving: &NOBODY,
        zones,
    }
}
