//! One target while it is planned: its rules and answers that many identities share, and the one way by which an
//! operation gets into the plan.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;

use provost_sdk::{AccountRef, Capabilities, EntitlementRef, Operation, Risk, Verb};

use super::desired::{TargetView, World, age_limit};
use super::planned::{Class, NotPlanned, Queue, Why, adds};
use crate::Sym;
use crate::document::{Authority, LeaverPolicy};
use crate::evidence::Power;
use crate::guard::ACCOUNTS;
use crate::observed::{Complete, Incomplete, Observed, Resolved, Seen};
use crate::pattern;
use crate::set::{Key, Set, Spec};

/// One target while it is planned.
pub(super) struct Site<'a> {
    pub(super) target: Sym,
    pub(super) view: TargetView<'a>,
    pub(super) world: World<'a>,
    pub(super) capabilities: &'a Capabilities,
    pub(super) complete: Result<Complete<'a>, Incomplete>,
    pub(super) leaver: LeaverPolicy,
    /// Why nothing is added here now.
    held: Option<Why>,
    /// Why nothing is deleted or transferred here now.
    stopped: Option<Why>,
    resolved: RefCell<FxHashMap<Set<Spec>, Rc<Entitled>>>,
    risks: RefCell<FxHashMap<Weighed, Risk>>,
    strangers: OnceCell<FxHashMap<(Sym, Sym), Sym>>,
}

/// A profile, and an entitlement as the target and as a document knows it.
type Weighed = (Sym, Option<Key>, Option<Spec>);

/// A set of entitlements as the target knows them.
#[derive(Debug, Default)]
pub(super) struct Entitled {
    pub(super) keys: Set<Key>,
    /// As documents name them.
    pub(super) specs: FxHashMap<Key, Spec>,
    /// What cannot be held here, and why.
    pub(super) not_here: Vec<(Spec, Why)>,
}

/// An operation before it has a place in the order.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) target: Sym,
    pub(super) identity: Option<Sym>,
    pub(super) profile: Sym,
    pub(super) operation: Operation,
    pub(super) tier: Risk,
    pub(super) queue: Queue,
    pub(super) class: Class,
    pub(super) drift: bool,
    pub(super) grants: Option<Spec>,
    pub(super) gains: Vec<(Sym, Sym)>,
    pub(super) deliver: Option<Sym>,
}

/// What planning one target gives.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) drafts: Vec<Draft>,
    pub(super) not_planned: Vec<NotPlanned>,
    pub(super) claims: Vec<super::Claim>,
    pub(super) next: Option<Timestamp>,
    /// Changes of whole lists: who gets it and who loses it.
    pub(super) lists: Vec<ListChange>,
}

/// One change of who is on a whole list.
#[derive(Clone, Debug)]
pub(super) struct ListChange {
    pub(super) key: Key,
    pub(super) anchor: Sym,
    pub(super) identity: Option<Sym>,
    pub(super) profile: Sym,
    pub(super) grants: Option<Spec>,
    pub(super) class: Class,
    pub(super) drift: bool,
}

impl Drafts {
    pub(super) fn is_empty(&self) -> bool {
        let Drafts { drafts, not_planned, claims, next, lists } = self;
        drafts.is_empty() && not_planned.is_empty() && claims.is_empty() && next.is_none() && lists.is_empty()
    }

    pub(super) fn absorb(&mut self, other: Drafts) {
        let Drafts { drafts, not_planned, claims, next, lists } = other;
        self.drafts.extend(drafts);
        self.not_planned.extend(not_planned);
        self.claims.extend(claims);
        self.lists.extend(lists);
        if let Some(at) = next {
            self.wake(at);
        }
    }

    pub(super) fn wake(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

impl<'a> Site<'a> {
    pub(super) fn new(target: Sym, view: TargetView<'a>, world: World<'a>, drafts: &mut Drafts) -> Site<'a> {
        let observed: &'a Observed = view.observed;
        let suspicion = observed.standing().suspicion.map(|cause| Why::Held { cause });
        let stopped = world.hold.or(view.hold).map(|cause| Why::Held { cause }).or(suspicion);
        let frozen = freeze(target, &world, drafts);
        let own = view.document.leaver;
        Site {
            target,
            view,
            world,
            capabilities: observed.capabilities(),
            complete: observed.complete(world.now, age_limit(view.document)),
            leaver: if own == LeaverPolicy::default() { world.leaver.unwrap_or(own) } else { own },
            held: stopped.clone().or(frozen),
            stopped,
            resolved: RefCell::default(),
            risks: RefCell::default(),
            strangers: OnceCell::new(),
        }
    }

    /// Puts an operation into the plan, or the reason why it is not there. Everything that holds for every operation
    /// is asked here and nowhere else.
    pub(super) fn put(&self, draft: Draft, drafts: &mut Drafts) -> bool {
        match self.refusal(&draft) {
            None => {
                drafts.drafts.push(draft);
                true
            }
            Some(why) => {
                let Draft { identity, profile, operation, grants, .. } = &draft;
                let entitlement = operation.entitlement();
                drafts.not_planned.push(NotPlanned {
                    target: self.target,
                    identity: *identity,
                    profile: Some(*profile),
                    account: operation
                        .account()
                        .filter(|account| account.anchor.as_str() != super::UNBORN)
                        .cloned(),
                    verb: Some(operation.verb()),
                    entitlement: match (grants, entitlement) {
                        (Some(spec), _) => Some(spec.to_string()),
                        (None, Some(entitlement)) => Some(described(entitlement)),
                        (None, None) => None,
                    },
                    why,
                });
                false
            }
        }
    }

    fn refusal(&self, draft: &Draft) -> Option<Why> {
        let adds = match draft.operation {
            Operation::Replace { .. } => !draft.gains.is_empty(),
            _ => adds(&draft.operation),
        };

        if !self.view.adopted {
            return Some(Why::NotAdopted);
        }
        let operation = &draft.operation;
        if let Some(why) = operation.account().and_then(|account| self.untouchable(account, draft.identity)) {
            return Some(why);
        }
        if !self.capabilities.verbs.contains(&operation.verb()) {
            return Some(Why::Unsupported);
        }
        let kind = operation.entitlement().map_or(ACCOUNTS, |entitlement| entitlement.kind.as_str());
        if let Err(why) = self.allowed(Sym::new(kind)) {
            return Some(why);
        }
        let irrevocable = matches!(operation.verb(), Verb::Delete | Verb::Transfer);
        match (adds, irrevocable) {
            (true, _) => self.held.clone(),
            (false, true) => self.stopped.clone(),
            (false, false) => None,
        }
    }

    /// Why an existing account is left alone whatever is to be done to it.
    pub(super) fn untouchable(&self, account: &AccountRef, identity: Option<Sym>) -> Option<Why> {
        if self.view.own_accounts.iter().any(|own| *own == *account.anchor.as_str()) {
            return Some(Why::OwnCredential);
        }
        if account.anchor.as_str() != super::UNBORN
            && !self.in_scope(Sym::new(ACCOUNTS), Sym::new(&account.username))
        {
            return Some(Why::OutOfScope { kind: Sym::new(ACCOUNTS) });
        }
        if identity.is_some_and(|identity| self.world.desired.is_person(identity)) {
            return None;
        }
        let usernames = self.capabilities.usernames;
        let mut patterns = self.view.document.protect.iter();
        let pattern = *patterns.find(|of| pattern::matches(of.as_str(), &account.username, usernames))?;
        Some(Why::Protected { pattern })
    }

    /// What provost may do to a kind: `accounts`, or an entitlement kind.
    pub(super) fn authority(&self, kind: Sym) -> Authority {
        self.view.document.authority.get(&kind).copied().unwrap_or_default()
    }

    fn allowed(&self, kind: Sym) -> Result<(), Why> {
        match self.authority(kind) {
            Authority::Observe => Err(Why::Authority { kind, authority: Authority::Observe }),
            Authority::Additive | Authority::Full => Ok(()),
        }
    }

    /// Whether provost looks at a name of a kind at all.
    pub(super) fn in_scope(&self, kind: Sym, name: Sym) -> bool {
        let comparison = match kind == *ACCOUNTS {
            true => self.capabilities.usernames,
            false => self
                .capabilities
                .entitlement_kind(kind.as_str())
                .map(|kind| kind.comparison)
                .unwrap_or_default(),
        };
        self.view.document.scope.get(&kind).is_none_or(|patterns| {
            patterns.iter().any(|of| pattern::matches(of.as_str(), name.as_str(), comparison))
        })
    }

    /// What a set of entitlements means here; asked once for all who hold the same.
    pub(super) fn entitled(&self, specs: Set<Spec>) -> Rc<Entitled> {
        if let Some(known) = self.resolved.borrow().get(&specs) {
            return Rc::clone(known);
        }
        let mut entitled = Entitled::default();
        for spec in specs.members() {
            match self.resolve(spec) {
                Ok(key) => {
                    entitled.specs.insert(key, spec);
                }
                Err(why) => entitled.not_here.push((spec, why)),
            }
        }
        entitled.keys = entitled.specs.keys().copied().collect();
        let entitled = Rc::new(entitled);
        self.resolved.borrow_mut().insert(specs, Rc::clone(&entitled));
        entitled
    }

    fn resolve(&self, spec: Spec) -> Result<Key, Why> {
        let Some(kind) = self.capabilities.entitlement_kind(spec.kind.as_str()) else {
            return Err(Why::UndeclaredKind { kind: spec.kind });
        };
        let role_fits = match spec.role {
            None => kind.roles.is_empty(),
            Some(role) => kind.roles.iter().any(|declared| role == *declared.as_str()),
        };
        if !role_fits {
            return Err(Why::UndeclaredRole { kind: spec.kind, roles: kind.roles.join(", ") });
        }
        if !self.in_scope(spec.kind, spec.name) {
            return Err(Why::OutOfScope { kind: spec.kind });
        }
        match self.view.observed.names().resolve(spec) {
            Resolved::Key(key) => Ok(key),
            Resolved::Unknown => Err(Why::UnknownEntitlement),
            Resolved::Ambiguous => Err(Why::AmbiguousEntitlement),
            Resolved::Changed { known, now } => Err(Why::NameChanged { known, now }),
        }
    }

    /// The risk of holding an entitlement, or the account alone, in a profile: the highest under any name that the
    /// entitlement was ever seen under, and under the one that a document uses.
    pub(super) fn risk(&self, profile: Sym, key: Option<Key>, spec: Option<Spec>) -> Risk {
        if let Some(known) = self.risks.borrow().get(&(profile, key, spec)) {
            return *known;
        }
        let of = |entitlement| self.world.desired.risk(Power { target: self.target, profile, entitlement });
        let mut risk = of(spec);
        if let Some(key) = key {
            let names = self.view.observed.names().borne(key.kind, key.anchor);
            for name in names {
                risk = risk.max(of(Some(Spec { kind: key.kind, name, role: key.role })));
            }
        }
        self.risks.borrow_mut().insert((profile, key, spec), risk);
        risk
    }

    /// How an operation names an entitlement.
    pub(super) fn reference(&self, key: Key) -> EntitlementRef {
        EntitlementRef {
            kind: key.kind.to_string(),
            anchor: key.anchor.as_str().into(),
            name: self.view.observed.names().name(key).to_string(),
            role: key.role.map(|role| role.to_string()),
        }
    }

    /// Whether holding this is written as a whole list.
    pub(super) fn is_list(&self, key: Key) -> bool {
        self.capabilities.entitlement_kind(key.kind.as_str()).is_some_and(|kind| kind.exclusive)
    }

    /// An account of nobody that has this value of an attribute by which control is taken, or of `email`.
    pub(super) fn stranger_with(&self, attribute: Sym, value: &str) -> Option<Sym> {
        let strangers = self.strangers.get_or_init(|| {
            let mut index: FxHashMap<(Sym, Sym), Sym> = FxHashMap::default();
            for (anchor, seen) in self.view.observed.accounts() {
                if self.view.observed.owner(anchor).is_some() {
                    continue;
                }
                for field in seen.attributes.iter().filter(|field| self.correlates(seen, field.name)) {
                    let folded = Sym::new(&field.value.as_str().to_lowercase());
                    let first = index.entry((field.name, folded)).or_insert(anchor);
                    *first = (*first).min(anchor);
                }
            }
            index
        });
        strangers.get(&(attribute, Sym::new(&value.to_lowercase()))).copied()
    }

    fn correlates(&self, seen: &Seen, attribute: Sym) -> bool {
        attribute == *"email" || self.gives_control(seen.kind, attribute)
    }

    /// Whether who controls the attribute controls the account.
    pub(super) fn gives_control(&self, kind: Sym, attribute: Sym) -> bool {
        self.capabilities.account_kind(kind.as_str()).is_some_and(|kind| {
            kind.attributes
                .iter()
                .any(|declared| attribute == *declared.name.as_str() && declared.gives_control)
        })
    }
}

/// An entitlement as people read it: `kind:name`, and the role within it.
pub(super) fn described(entitlement: &EntitlementRef) -> String {
    let EntitlementRef { kind, anchor: _, name, role } = entitlement;
    match role {
        Some(role) => format!("{kind}:{name}#{role}"),
        None => format!("{kind}:{name}"),
    }
}

/// The freeze window that holds additions up on a target now. Its days are days in UTC.
fn freeze(target: Sym, world: &World<'_>, drafts: &mut Drafts) -> Option<Why> {
    let mut frozen = None;
    for freeze in world.freezes {
        if !freeze.targets.is_empty() && !freeze.targets.contains(&target) {
            continue;
        }
        let (from, until) = (freeze.from.begins(&TimeZone::UTC), freeze.until.ends(&TimeZone::UTC));
        if world.now < from {
            drafts.wake(from);
        } else if world.now < until {
            drafts.wake(until);
            frozen = frozen.max(Some((until, freeze.id)));
        }
    }
    frozen.map(|(until, freeze)| Why::Frozen { freeze, until })
}
