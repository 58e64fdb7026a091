//! The whole of what provost knows at one instant: documents, access, and what each target has; kept up to date by
//! commits, reads, receipts and time, each at the cost of what it changes.
//!
//! The daemon, `plan` and the simulator hold the same one. It decides nothing: plan and gate do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_sdk::{Account, Capabilities, Operation, Read, Receipt, Risk};

use crate::Sym;
use crate::access::{Access, Changed, Zones, risk_by};
use crate::digest::digest;
use crate::document::{Freeze, Separation, Status};
use crate::evidence::{Evidence, Power, RuleStep, Thing};
use crate::facts::Facts;
use crate::gate::{self, Decision};
use crate::guard::{History, Limits};
use crate::observed::{Collector, Merged, Observed, Resolved as Named};
use crate::plan::{self, Desired as _, Plan, Resolved, TargetView};
use crate::set::{Key, Set, Spec};
use crate::snapshot::{Catalog, Change, Context, Dirty, RuleVersion, Snapshot};
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
    spent: BTreeSet<Sym>,
    history: History,
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
        Organisation {
            snapshot,
            access,
            evidence,
            facts,
            catalog,
            zones,
            targets: BTreeMap::new(),
            spent: BTreeSet::new(),
            history: History::default(),
            holds: BTreeMap::new(),
        }
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

    /// What was done in the window of the guards.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
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
        let (facts, evidence, spent) = (&self.facts, &self.evidence, &self.spent);
        let leaving = self.leaving();
        let context = Context {
            trusted,
            catalog: &self.catalog,
            risk: &|target, grant| risk_by(target, facts.get(&target.id), grant),
            agreed: &|version| evidence.covers_rule(&step_of(version)),
            spent: &|id| spent.contains(&id),
            leaving: &leaving,
            zones: &self.zones,
        };
        let dirty = self.snapshot.amend(changes, &context);
        let changed =
            self.access.update(&self.snapshot, &dirty, &self.evidence, &self.facts, &self.zones, now);
        Amended { dirty, changed }
    }

    /// Takes in what people agree to now: rules that they agreed to come into force, and access follows.
    pub fn agree(&mut self, evidence: Evidence, now: Timestamp) -> Amended {
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
                let free = known.observed.owner(anchor).is_none()
                    && known.observed.link(identity, profile).is_none_or(|link| link.gone);
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
        self.access.advance(&self.snapshot, &self.evidence, &self.zones, now)
    }

    /// Puts what is known of a target in place: at the start, or when its document names another place.
    pub fn place(&mut self, target: Sym, known: Known, now: Timestamp) -> Changed {
        self.targets.insert(target, known);
        self.learn(target, now)
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

    /// An operator trusts a target again: its next whole read is taken as it is.
    pub fn resume(&mut self, target: Sym) {
        if let Some(known) = self.targets.get_mut(&target) {
            known.hold = None;
            known.observed.resume();
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
        let shrink = self.limits(&self.views()).shrink(target);
        let Some(known) = self.targets.get_mut(&target) else { return (Merged::default(), Changed::new()) };
        let described = *known.observed.capabilities() != capabilities;
        known.observed.describe(capabilities);
        let merged = known.observed.finish(found, read, shrink);
        let changed = if merged.names || described { self.learn(target, now) } else { Changed::new() };
        (merged, changed)
    }

    /// Takes in what an operation did.
    pub fn receipt(
        &mut self,
        target: Sym,
        subject: Option<(Sym, Sym)>,
        operation: &Operation,
        receipt: &Receipt,
        at: Timestamp,
    ) {
        if let Some(known) = self.targets.get_mut(&target) {
            known.observed.receipt(subject, operation, receipt, at);
        }
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
        if observed.owner(anchor).is_some() || observed.link(identity, profile).is_some() {
            return None;
        }
        observed.made(identity, profile, anchor).then_some(anchor)
    }

    /// What identities are to have and were found to have becomes provost's own; gives the accounts that differ.
    pub fn claim(&mut self, claims: &[plan::Claim]) -> Vec<(Sym, Sym)> {
        let mut anchors = Vec::new();
        for claim in claims {
            let Some(known) = self.targets.get_mut(&claim.target) else { continue };
            known.observed.claim(claim.identity, claim.profile, claim.keys);
            let link = known.observed.link(claim.identity, claim.profile);
            anchors.extend(link.map(|link| (claim.target, link.anchor)));
        }
        anchors
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
        let views = self.views();
        let desired = self.desired();
        let separations: Vec<&Separation> = self.snapshot.separations();
        let freezes: Vec<&Freeze> = self.snapshot.freezes();
        let world = plan::World {
            desired: &desired,
            targets: &views,
            separations: &separations,
            freezes: &freezes,
            leaver: self.snapshot.lifecycle().map(|lifecycle| lifecycle.leaver),
            hold: self.holds.values().next().copied(),
            now,
        };
        let plan = plan::plan(world, &scope);
        let limits = self.limits(&views);
        let decisions = gate::gate(&plan, &world, &self.evidence, &limits, &self.history);
        Decided { plan, decisions }
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
                    let held = known.observed.account(link.anchor).map(|seen| seen.entitlements);
                    let holds = held.is_some_and(|held| held.iter().any(|key| link.ours.contains(key)));
                    !link.gone && (link.disabled.is_none() || holds)
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

fn step_of(version: &RuleVersion) -> RuleStep {
    RuleStep {
        kind: version.kind,
        id: version.id,
        before: version.before.as_ref().map(|version| digest(&version.document)),
        after: version.after.as_ref().map(|version| digest(&version.document)),
    }
}
