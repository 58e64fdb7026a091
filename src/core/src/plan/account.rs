//! What is done about one account: of an identity that is to have it, that is not to have it any more, that is
//! suspended, or that has left.

use std::collections::BTreeMap;

use provost_sdk::{AccountRef, Create, Operation, Risk, State, Value, Verb};

use super::planned::{Claim, Class, NotPlanned, Queue, UNBORN, Why};
use super::site::{Draft, Drafts, Entitled, ListChange, Site};
use crate::Sym;
use crate::access::{Lifecycle, Login, Wanted};
use crate::diff::{self, Difference, diff};
use crate::document::{Authority, DriftAction, LeaverDisable};
use crate::evidence::Thing;
use crate::guard::ACCOUNTS;
use crate::observed::{Field, Link, Seen};
use crate::set::{Key, Set, Spec};

/// One identity on one target.
pub(super) struct Subject<'s, 'a> {
    pub(super) site: &'s Site<'a>,
    pub(super) identity: Sym,
    lifecycle: Lifecycle,
}

/// One profile of a subject.
#[derive(Clone, Copy)]
pub(super) struct Place<'l> {
    pub(super) profile: Sym,
    pub(super) link: Option<&'l Link>,
    pub(super) account: Option<&'l Seen>,
}

/// Plans one identity on one target, in all its profiles.
pub(super) fn plan_pair(site: &Site<'_>, identity: Sym, drafts: &mut Drafts) {
    let lifecycle = site.world.desired.lifecycle(identity);
    let subject = Subject { site, identity, lifecycle };
    let observed = site.view.observed;
    let wanted = site.world.desired.wanted(identity, site.target);
    for Wanted { profile, entitlements } in wanted {
        let link = observed.link(identity, *profile);
        let place = place(site, *profile, link.as_ref());
        match lifecycle {
            Lifecycle::Suspended => subject.suspended(place, *entitlements, drafts),
            _ => subject.present(place, *entitlements, drafts),
        }
    }
    for (profile, link) in observed.links_of(identity) {
        if !wanted.iter().any(|wanted| wanted.profile == profile) {
            subject.absent(place(site, profile, Some(&link)), drafts);
        }
    }
}

fn place<'l>(site: &'l Site<'_>, profile: Sym, link: Option<&'l Link>) -> Place<'l> {
    Place { profile, link, account: link.and_then(|link| site.view.observed.account(link.anchor)) }
}

impl Subject<'_, '_> {
    /// The account is to be there.
    fn present(&self, place: Place<'_>, specs: Set<Spec>, drafts: &mut Drafts) {
        if self.is_as_wanted(place, specs) {
            return;
        }
        let login = match self.site.world.desired.login(self.identity, self.site.target, place.profile) {
            Ok(login) => login,
            Err(problem) => {
                drafts.not_planned.push(self.not_planned(place, None, None, Why::Login { problem }));
                return self.entitlements_only(place, specs, drafts);
            }
        };
        let entitled = self.site.entitled(specs);
        let kind = place.account.map_or_else(|| self.kind(&login), |account| account.kind);
        let enforced = self.fields(&login, kind, true);
        let cleared = self.clearable(&login, kind);
        let wanted = diff::Target {
            username: login.username,
            enforced: &enforced,
            cleared: &cleared,
            entitlements: entitled.keys,
        };
        let differences = diff(Some(wanted), place.link, place.account, self.site.capabilities);
        self.report_not_here(place, &entitled, drafts);
        self.close(place, Some((&login, kind)), &entitled, &differences, drafts);
    }

    /// Whether nothing is to be done, told by comparing numbers. Nearly every account is: the others are looked at
    /// closely.
    fn is_as_wanted(&self, place: Place<'_>, specs: Set<Spec>) -> bool {
        let (Some(link), Some(account)) = (place.link, place.account) else { return false };
        let (site, desired) = (self.site, self.site.world.desired);
        let entitled = site.entitled(specs);
        account.state == State::Enabled
            && account.entitlements == entitled.keys
            && link.ours == entitled.keys
            && entitled.not_here.is_empty()
            && link.credentials.is_empty()
            && !link.left
            && desired.credentials(self.identity).iter().all(|credential| credential.target != site.target)
            && desired.fits(self.identity, site.target, place.profile, account)
    }

    /// The account's look cannot be said; what it holds can.
    fn entitlements_only(&self, place: Place<'_>, specs: Set<Spec>, drafts: &mut Drafts) {
        let Some(account) = place.account else { return };
        let entitled = self.site.entitled(specs);
        let wanted = diff::Target {
            username: account.username,
            enforced: &[],
            cleared: &[],
            entitlements: entitled.keys,
        };
        let differences = diff(Some(wanted), place.link, place.account, self.site.capabilities);
        self.report_not_here(place, &entitled, drafts);
        self.close(place, None, &entitled, &differences, drafts);
    }

    /// The account is to be there, and nobody is to get in.
    fn suspended(&self, place: Place<'_>, specs: Set<Spec>, drafts: &mut Drafts) {
        let (Some(link), Some(account)) = (place.link, place.account) else { return };
        let (queue, class) = (Queue::Leaver, Class::Departure);
        self.block(place, link, account, queue, class, drafts);
        let wanted = diff::Target {
            username: account.username,
            enforced: &[],
            cleared: &[],
            entitlements: self.site.entitled(specs).keys,
        };
        for difference in diff(Some(wanted), place.link, place.account, self.site.capabilities) {
            if let Difference::Holds { key, ours } = difference {
                self.take_away(place, key, ours, (Queue::Revoke, Class::Removal), drafts);
            }
        }
    }

    /// The account is not to be there for this identity now.
    fn absent(&self, place: Place<'_>, drafts: &mut Drafts) {
        let (Some(link), Some(account)) = (place.link, place.account) else { return };
        let (queue, class) = match self.lifecycle {
            // It has left, and nothing says how any more; what is shut stays shut, whoever opens it.
            Lifecycle::Unknown if link.left => (Queue::Leaver, Class::Removal),
            Lifecycle::Unknown => {
                drafts.not_planned.push(self.not_planned(place, None, None, Why::UnknownIdentity));
                return;
            }
            Lifecycle::Suspended => (Queue::Leaver, Class::Departure),
            Lifecycle::Left { .. } if self.site.world.desired.is_written(self.identity) => {
                (Queue::Leaver, Class::Departure)
            }
            Lifecycle::Left { .. } => (Queue::Leaver, Class::Removal),
            Lifecycle::NotYet { .. } | Lifecycle::Active => (Queue::Revoke, Class::Removal),
        };
        let blocks = self.site.leaver.disable == LeaverDisable::AtEnd
            || !matches!(self.lifecycle, Lifecycle::Left { .. });
        if blocks {
            self.block(place, link, account, queue, class, drafts);
        }
        self.revoke_credentials(place, link, &[], queue, class, drafts);
        for difference in diff(None, place.link, place.account, self.site.capabilities) {
            if let Difference::Holds { key, ours } = difference {
                self.take_away(place, key, ours, (queue, class), drafts);
            }
        }
        if let Lifecycle::Left { since, successor } = self.lifecycle {
            if account.state == State::Disabled && !link.left {
                self.claim(place, Set::empty(), true, drafts);
            }
            let given = self.transfer(place, link, successor, drafts);
            let since = since.or(link.disabled);
            self.delete(place, link, since, given, drafts);
        }
    }

    /// Turns differences of an account that is to be there into operations.
    fn close(
        &self,
        place: Place<'_>,
        look: Option<(&Login, Sym)>,
        entitled: &Entitled,
        differences: &[Difference],
        drafts: &mut Drafts,
    ) {
        let mut by_hand = false;
        let mut changes: Vec<(Sym, Option<Value>)> = Vec::new();
        for difference in differences {
            match difference {
                Difference::Missing { lost } => {
                    if let Some((login, kind)) = look
                        && self.create(place, login, kind, *lost, drafts)
                    {
                        for key in entitled.keys.members() {
                            self.grant(place, key, entitled, *lost, drafts);
                        }
                    }
                }
                Difference::Blocked { ours: false } if self.is_enable_agreed(place, entitled) => {
                    let account = self.reference(place);
                    let tier = self.power(place, entitled).max(Risk::Normal);
                    let draft = self.draft(place, Operation::Enable { account }, tier);
                    by_hand |= !self.site.put(draft, drafts);
                }
                Difference::Blocked { ours: false } => {
                    by_hand = true;
                    let why = Why::DisabledByHand;
                    drafts.not_planned.push(self.not_planned(place, Some(Verb::Enable), None, why));
                }
                Difference::Blocked { ours: true } => {
                    let account = self.reference(place);
                    let tier = self.site.risk(place.profile, None, None);
                    let draft = self.draft(place, Operation::Enable { account }, tier);
                    self.site.put(draft, drafts);
                }
                Difference::Username { to } => self.rename(place, *to, entitled, drafts),
                Difference::Attribute { to } => changes.push((to.name, Some(to.value()))),
                Difference::Cleared { name } => changes.push((*name, None)),
                Difference::Lacks { key, lost } if by_hand => {
                    let _lost = lost;
                    let spec = entitled.specs.get(key).copied();
                    let why = Why::DisabledByHand;
                    drafts.not_planned.push(self.not_planned(place, Some(Verb::Grant), spec, why));
                }
                Difference::Lacks { key, lost: true } => self.restore(place, *key, entitled, drafts),
                Difference::Lacks { key, lost: false } => self.grant(place, *key, entitled, false, drafts),
                Difference::Holds { key, ours } => {
                    self.take_away(place, *key, *ours, (Queue::Revoke, Class::Removal), drafts);
                }
                Difference::Unclaimed { keys } => self.claim(place, *keys, false, drafts),
                // Only what is not to be there is found open.
                Difference::Open => {}
            }
        }
        self.update(place, changes, entitled, drafts);
        if let (Some(link), Some(account)) = (place.link, place.account) {
            self.credentials(place, link, drafts);
            if link.left && account.state == State::Enabled {
                self.claim(place, Set::empty(), false, drafts);
            }
        }
    }

    fn claim(&self, place: Place<'_>, keys: Set<Key>, left: bool, drafts: &mut Drafts) {
        let (target, identity, profile) = (self.site.target, self.identity, place.profile);
        drafts.claims.push(Claim { target, identity, profile, keys, left });
    }

    /// Whether people agreed to enabling an account that somebody disabled by hand.
    fn is_enable_agreed(&self, place: Place<'_>, entitled: &Entitled) -> bool {
        let (target, identity, profile) = (self.site.target, self.identity, place.profile);
        let tier = self.power(place, entitled).max(Risk::Normal);
        place.link.is_some_and(|link| {
            let thing = Thing::Enable { identity, target, profile, anchor: link.anchor };
            self.site.world.desired.agreed(&thing, tier)
        })
    }

    fn create(&self, place: Place<'_>, login: &Login, kind: Sym, lost: bool, drafts: &mut Drafts) -> bool {
        let refuse = |drafts: &mut Drafts, why| {
            drafts.not_planned.push(self.not_planned(place, Some(Verb::Create), None, why));
            false
        };
        let site = self.site;
        let tier = site.risk(place.profile, None, None);
        if let Err(why) = &site.complete {
            return refuse(drafts, Why::Incomplete { why: why.clone() });
        }
        if !site.in_scope(Sym::new(ACCOUNTS), login.username) {
            return refuse(drafts, Why::OutOfScope { kind: Sym::new(ACCOUNTS) });
        }
        if let Some(why) = self.candidate(place, login) {
            return refuse(drafts, why);
        }
        if lost {
            match site.view.document.drift.removals {
                DriftAction::Restore if tier == Risk::Low => {}
                DriftAction::Restore => return refuse(drafts, Why::Lost { tier }),
                DriftAction::Propose => return refuse(drafts, Why::Proposed),
                DriftAction::Report | DriftAction::Remove => return refuse(drafts, Why::Reported),
            }
        }
        let attributes = self.fields(login, kind, false);
        if let Some(problem) = self.lacks_required(kind, &attributes) {
            return refuse(drafts, Why::Login { problem });
        }
        let operation = Operation::Create(Create {
            kind: kind.to_string(),
            username: login.username.to_string(),
            attributes: attributes.iter().map(|field| (field.name.to_string(), field.value())).collect(),
            identity: self.identity.to_string(),
        });
        let mut draft = self.draft(place, operation, tier);
        if lost {
            (draft.queue, draft.drift) = (Queue::Resync, true);
        }
        site.put(draft, drafts)
    }

    /// An account that may be theirs, or that bears their name.
    fn candidate(&self, place: Place<'_>, login: &Login) -> Option<Why> {
        let observed = self.site.view.observed;
        let of = |anchor: Sym, by: &str| {
            let username = observed.account(anchor).map_or(anchor, |seen| seen.username);
            Why::Candidate { anchor, username, by: Sym::new(by) }
        };
        if let Some(anchor) = login.anchor.filter(|anchor| observed.account(*anchor).is_some()) {
            return Some(of(anchor, "anchor"));
        }
        for anchor in observed.by_username(login.username.as_str()) {
            match observed.owner(anchor) {
                None => return Some(of(anchor, "username")),
                Some((identity, profile)) if (identity, profile) != (self.identity, place.profile) => {
                    return Some(Why::UsernameTaken { username: login.username, identity });
                }
                Some(_) => {}
            }
        }
        login.attributes.iter().find_map(|(name, (value, _))| {
            let Value::Text(text) = value else { return None };
            let anchor = self.site.stranger_with(*name, text)?;
            Some(of(anchor, name.as_str()))
        })
    }

    fn grant(&self, place: Place<'_>, key: Key, entitled: &Entitled, drift: bool, drafts: &mut Drafts) {
        let spec = entitled.specs.get(&key).copied();
        if self.site.is_list(key) {
            return self.list(place, key, spec, Class::Addition, drift, drafts);
        }
        let tier = self.site.risk(place.profile, Some(key), spec);
        let operation =
            Operation::Grant { account: self.reference(place), entitlement: self.site.reference(key) };
        let mut draft = Draft { grants: spec, ..self.draft(place, operation, tier) };
        if drift {
            (draft.queue, draft.drift) = (Queue::Resync, true);
        }
        self.site.put(draft, drafts);
    }

    /// Gives back what somebody took away by hand.
    fn restore(&self, place: Place<'_>, key: Key, entitled: &Entitled, drafts: &mut Drafts) {
        let spec = entitled.specs.get(&key).copied();
        let tier = self.site.risk(place.profile, Some(key), spec);
        let why = match (&self.site.complete, self.site.view.document.drift.removals) {
            (Err(why), _) => Some(Why::Incomplete { why: why.clone() }),
            (Ok(_), DriftAction::Restore) if tier == Risk::Low => None,
            (Ok(_), DriftAction::Restore) => Some(Why::Lost { tier }),
            (Ok(_), DriftAction::Propose) => Some(Why::Proposed),
            (Ok(_), DriftAction::Report | DriftAction::Remove) => Some(Why::Reported),
        };
        match why {
            Some(why) => drafts.not_planned.push(self.not_planned(place, Some(Verb::Grant), spec, why)),
            None => self.grant(place, key, entitled, true, drafts),
        }
    }

    fn take_away(
        &self,
        place: Place<'_>,
        key: Key,
        ours: bool,
        (queue, class): (Queue, Class),
        drafts: &mut Drafts,
    ) {
        let site = self.site;
        let name = site.view.observed.names().spec(key);
        if !site.in_scope(key.kind, name.name) {
            return;
        }
        let drift = !ours && matches!(self.lifecycle, Lifecycle::Active | Lifecycle::Suspended);
        match (ours, site.authority(key.kind)) {
            // What provost may only look at is nobody's drift, and what it may only add to stays as it was found.
            (false, Authority::Observe | Authority::Additive) => return,
            (false, Authority::Full) if drift => match site.view.document.drift.additions {
                DriftAction::Remove => {}
                action => {
                    let why = if action == DriftAction::Propose { Why::Proposed } else { Why::Reported };
                    drafts.not_planned.push(self.not_planned(place, Some(Verb::Revoke), Some(name), why));
                    return;
                }
            },
            _ => {}
        }
        if site.is_list(key) {
            return self.list(place, key, None, class, drift, drafts);
        }
        let operation =
            Operation::Revoke { account: self.reference(place), entitlement: site.reference(key) };
        let draft = Draft { queue, class, drift, ..self.draft(place, operation, Risk::Low) };
        site.put(draft, drafts);
    }

    fn list(
        &self,
        place: Place<'_>,
        key: Key,
        grants: Option<Spec>,
        class: Class,
        drift: bool,
        drafts: &mut Drafts,
    ) {
        let Some(link) = place.link.filter(|_| place.account.is_some()) else {
            drafts.not_planned.push(self.not_planned(place, Some(Verb::Replace), grants, Why::NoAccount));
            return;
        };
        drafts.lists.push(ListChange {
            key,
            anchor: link.anchor,
            identity: Some(self.identity),
            profile: place.profile,
            grants,
            class,
            drift,
        });
    }

    fn rename(&self, place: Place<'_>, to: Sym, entitled: &Entitled, drafts: &mut Drafts) {
        let observed = self.site.view.observed;
        let anchor = place.link.map(|link| link.anchor);
        let taken = observed.by_username(to.as_str()).into_iter().find(|other| Some(*other) != anchor);
        if let Some(other) = taken {
            let why = match observed.owner(other) {
                Some((identity, _)) => Why::UsernameTaken { username: to, identity },
                None => Why::Candidate { anchor: other, username: to, by: Sym::new("username") },
            };
            drafts.not_planned.push(self.not_planned(place, Some(Verb::Rename), None, why));
            return;
        }
        let operation = Operation::Rename { account: self.reference(place), to: to.to_string() };
        let draft =
            Draft { class: Class::Change, ..self.draft(place, operation, self.power(place, entitled)) };
        self.site.put(draft, drafts);
    }

    /// Attributes by which control is taken are an operation of their own, so that what is harmless need not wait.
    fn update(
        &self,
        place: Place<'_>,
        changes: Vec<(Sym, Option<Value>)>,
        entitled: &Entitled,
        drafts: &mut Drafts,
    ) {
        let Some(account) = place.account.filter(|_| !changes.is_empty()) else { return };
        let (control, harmless): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(name, _)| self.site.gives_control(account.kind, *name));
        for (fields, tier) in [(harmless, Risk::Low), (control, self.power(place, entitled))] {
            if fields.is_empty() {
                continue;
            }
            let changes: BTreeMap<String, Option<Value>> =
                fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
            let operation = Operation::Update { account: self.reference(place), changes };
            let draft = Draft { class: Class::Change, ..self.draft(place, operation, tier) };
            self.site.put(draft, drafts);
        }
    }

    /// The highest risk of what the account is seen to hold and of what its identity is to have, or asks for, there.
    fn power(&self, place: Place<'_>, entitled: &Entitled) -> Risk {
        let held = place.account.map(|account| account.entitlements).unwrap_or_default();
        let risks = held
            .iter()
            .chain(entitled.keys.iter())
            .map(|key| self.site.risk(place.profile, Some(key), entitled.specs.get(&key).copied()));
        let (desired, here) = (self.site.world.desired, (self.site.target, place.profile));
        let asked = desired.waiting_of(self.identity);
        let asked = asked.iter().filter(|waiting| (waiting.power.target, waiting.power.profile) == here);
        risks.chain(asked.map(|waiting| waiting.tier)).max().unwrap_or_default()
    }

    fn report_not_here(&self, place: Place<'_>, entitled: &Entitled, drafts: &mut Drafts) {
        for (spec, why) in &entitled.not_here {
            let unplanned = self.not_planned(place, Some(Verb::Grant), Some(*spec), why.clone());
            drafts.not_planned.push(unplanned);
        }
    }

    pub(super) fn draft(&self, place: Place<'_>, operation: Operation, tier: Risk) -> Draft {
        Draft {
            target: self.site.target,
            identity: Some(self.identity),
            profile: place.profile,
            operation,
            tier,
            queue: Queue::Change,
            class: Class::Addition,
            drift: false,
            grants: None,
            gains: Vec::new(),
            deliver: None,
        }
    }

    pub(super) fn not_planned(
        &self,
        place: Place<'_>,
        verb: Option<Verb>,
        spec: Option<Spec>,
        why: Why,
    ) -> NotPlanned {
        NotPlanned {
            target: self.site.target,
            identity: Some(self.identity),
            profile: Some(place.profile),
            account: place.account.and(Some(self.reference(place))),
            verb,
            entitlement: spec.map(|spec| spec.to_string()),
            why,
        }
    }

    pub(super) fn reference(&self, place: Place<'_>) -> AccountRef {
        match (place.link, place.account) {
            (Some(link), Some(account)) => account.reference(link.anchor),
            _ => AccountRef { anchor: UNBORN.into(), username: String::new() },
        }
    }

    fn kind(&self, login: &Login) -> Sym {
        let first = self.site.capabilities.account_kinds.first();
        login.kind.unwrap_or_else(|| Sym::new(first.map_or("user", |kind| kind.name.as_str())))
    }

    /// The declared, writable attributes of a login: those that are kept equal, or all.
    fn fields(&self, login: &Login, kind: Sym, enforced_only: bool) -> Vec<Field> {
        let declared = self.site.capabilities.account_kind(kind.as_str());
        login
            .attributes
            .iter()
            .filter(|(name, (_, enforced))| {
                (*enforced || !enforced_only)
                    && declared.is_some_and(|kind| {
                        kind.attributes.iter().any(|known| **name == *known.name.as_str() && !known.read_only)
                    })
            })
            .map(|(name, (value, _))| Field::new(*name, value))
            .collect()
    }

    /// The declared, writable attributes of a login that can be without a value and are to be.
    fn clearable(&self, login: &Login, kind: Sym) -> Vec<Sym> {
        let declared = self.site.capabilities.account_kind(kind.as_str());
        let can = |name: &Sym| {
            declared.is_some_and(|kind| {
                let mut known = kind.attributes.iter().filter(|known| *name == *known.name.as_str());
                known.any(|known| !known.read_only && !known.required)
            })
        };
        login.cleared.iter().copied().filter(can).collect()
    }

    fn lacks_required(&self, kind: Sym, fields: &[Field]) -> Option<String> {
        let declared = self.site.capabilities.account_kind(kind.as_str());
        let Some(declared) = declared else {
            return Some(format!("the target has no account kind `{kind}`"));
        };
        let lacking = declared.attributes.iter().find(|attribute| {
            attribute.required && !fields.iter().any(|field| field.name == *attribute.name.as_str())
        })?;
        Some(format!(
            "an account needs the attribute `{}`, and the profile has no value for it",
            lacking.name
        ))
    }
}
