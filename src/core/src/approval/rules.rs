//! The organisation as [`Council`]: who may agree by the rules in force, who gains, and what is asked for.

use std::collections::BTreeSet;

use provost_sdk::{Risk, State};

use super::open::rule_request;
use super::{
    AccountRequest, Anchored, AttributeRequest, Council, CredentialRequest, Entitlement, HolderRequest, Keys,
    NameRequest, Needs, OperationRequest, Part, Pool, PublicKey, Request, RuleRequest, Standing,
};
use crate::Sym;
use crate::access::{Cause, Lifecycle, Source, Window};
use crate::digest::canonical;
use crate::document::{Approver, Document, Kind, Target, Tier, default_tier};
use crate::evidence::Power;
use crate::facts::comparison;
use crate::observed::Resolved;
use crate::organisation::Organisation;
use crate::pattern;
use crate::set::{Key, Spec};
use crate::snapshot::{Identity, RuleVersion, Snapshot};

impl Council for Organisation {
    fn is_active(&self, person: Sym) -> bool {
        self.snapshot().person(person).is_some() && self.access().lifecycle(person) == Lifecycle::Active
    }

    fn groups(&self) -> Vec<Sym> {
        self.snapshot().approver_groups().into_iter().map(|group| group.id).collect()
    }

    fn members(&self, pool: &Pool) -> BTreeSet<Sym> {
        match pool {
            Pool::Group { group } => {
                let group = self.snapshot().approver_group(*group);
                group.into_iter().flat_map(|group| group.members.iter().copied()).collect()
            }
            Pool::Owners { target, entitlement } => {
                let target = self.snapshot().target(*target);
                target.map(|target| owners(self, target, entitlement.map(Sym::as_str))).unwrap_or_default()
            }
            Pool::Signers => self.keys().people(self.access().now()),
            Pool::Proposed { group, by } => match self.proposed(*by) {
                Some(Document::ApproverGroup(of)) if of.id == *group => of.members.iter().copied().collect(),
                _ => BTreeSet::new(),
            },
            Pool::ProposedOwners { target, by } => match self.proposed(*by) {
                Some(Document::Target(of)) if of.id == *target => of.owners.iter().copied().collect(),
                _ => BTreeSet::new(),
            },
        }
    }

    fn keys(&self) -> Keys<'_> {
        Keys { allowed: self.snapshot().allowed_signers(), revoked: self.snapshot().revoked_keys() }
    }

    fn needs(&self, request: &Request, tier: Risk) -> Option<Needs> {
        if tier == Risk::Low {
            return Some(Needs { tier, parts: Vec::new(), expires: None });
        }
        let asked = self.snapshot().tier(tier);
        let expires = asked.expires.map(|length| length.0);
        let part =
            |from: Pool| Part { from, people: asked.people, signed: asked.signed, authors_count: false };
        let parts = match request {
            Request::Rule(rule) => self.rule_parts(self.waiting_rule(rule)?, tier, &asked),
            Request::Grant(of) => vec![part(self.pool(of.target, of.power().entitlement, &asked))],
            Request::Name(of) => {
                let spec = Spec { kind: of.kind, name: of.name, role: None };
                vec![part(self.pool(of.target, Some(spec), &asked))]
            }
            Request::Enable(of) => vec![Part { signed: true, ..part(self.pool(of.target, None, &asked)) }],
            Request::Holder(of) => vec![part(self.service_pool(of.service, &asked))],
            Request::Override(_) => vec![part(match request.target() {
                Some(target) => self.pool(target, None, &asked),
                None => group_pool(&asked),
            })],
            Request::Link(_) | Request::Attribute(_) | Request::Credential(_) | Request::Operation(_) => {
                vec![part(self.pool(request.target()?, None, &asked))]
            }
        };
        Some(Needs { tier, parts, expires })
    }

    fn causes(&self, request: &Request) -> Vec<(Kind, Sym)> {
        let mut causes: BTreeSet<(Kind, Sym)> = match request {
            Request::Rule(rule) => [(rule.kind, rule.id)].into(),
            _ => request.identity().and_then(|identity| document_of(self, identity)).into_iter().collect(),
        };
        if let Request::Grant(of) = request {
            let power = of.power();
            let grants = self.access().why(self.snapshot(), self.evidence(), of.identity);
            let leading = grants.iter().filter(|grant| grant.power == power).flat_map(|grant| &grant.causes);
            causes.extend(leading.flat_map(|cause| &cause.chain).map(|role| (Kind::Role, *role)));
        }
        causes.into_iter().collect()
    }

    fn gains(&self, request: &Request) -> BTreeSet<Sym> {
        match request {
            Request::Rule(rule) => self
                .waiting_rule(rule)
                .map(|version| newly_named(self.snapshot(), version))
                .unwrap_or_default(),
            Request::Holder(HolderRequest { service, person, .. }) => {
                let mut gain = answerable(self.snapshot(), *service);
                gain.insert(*person);
                gain
            }
            Request::Operation(OperationRequest { target, to, .. }) => {
                let receiver = to.and_then(|to| self.target(*target)?.observed.owner(to));
                receiver.map(|(identity, _)| controllers(self.snapshot(), identity)).unwrap_or_default()
            }
            Request::Name(of) => {
                let spec = Spec { kind: of.kind, name: of.name, role: None };
                self.access().who(of.target, Some(spec)).into_iter().collect()
            }
            // An override is about nobody's power.
            _ => {
                request.identity().map(|identity| controllers(self.snapshot(), identity)).unwrap_or_default()
            }
        }
    }

    fn asked(&self, request: &Request) -> Vec<Window> {
        if request.place().is_some_and(|(target, place)| self.place(target) != Some(place)) {
            return Vec::new();
        }
        let asked = match request {
            Request::Grant(of) => {
                let (power, anchor) = (of.power(), of.anchor());
                let grants = self.access().why(self.snapshot(), self.evidence(), of.identity);
                let same = |other: Power| other == power || self.is_anchor(other, power, anchor);
                let active = !matches!(
                    self.access().lifecycle(of.identity),
                    Lifecycle::Left { .. } | Lifecycle::Unknown
                );
                let causes =
                    grants.iter().filter(|grant| active && same(grant.power)).flat_map(|of| &of.causes);
                // What was taken in an emergency is asked for by nobody.
                let asked = causes.filter(|cause| !matches!(cause.source, Source::BreakGlass { .. }));
                return windows(asked);
            }
            Request::Link(of) => self.is_link_asked(of),
            Request::Enable(of) => self.is_disabled_by_hand(of),
            Request::Attribute(of) => self.is_attribute_asked(of),
            Request::Credential(of) => self.is_credential_asked(of),
            Request::Holder(of) => self.snapshot().service(of.service).is_some_and(|service| {
                let people = match of.standing {
                    Standing::Owner => &service.owners,
                    Standing::Holder => &service.holders,
                };
                people.contains(&of.person)
            }),
            Request::Name(NameRequest { target, kind, name, anchor, .. }) => {
                let spec = Spec { kind: *kind, name: *name, role: None };
                self.anchor(*target, spec) == Anchored::Changed(*anchor)
            }
            Request::Rule(rule) => self.waiting_rule(rule).is_some(),
            Request::Operation(of) => self.is_operation_asked(of),
            Request::Override(_) => true,
        };
        if asked { vec![Window::ALWAYS] } else { Vec::new() }
    }

    fn place(&self, target: Sym) -> Option<Sym> {
        Some(self.target(target)?.place)
    }

    fn anchor(&self, target: Sym, entitlement: Spec) -> Anchored {
        match self.target(target).map(|known| known.observed.names().resolve(entitlement)) {
            Some(Resolved::Key(key)) => Anchored::Is(key.anchor),
            Some(Resolved::Changed { now, .. }) => Anchored::Changed(now),
            Some(Resolved::Unknown | Resolved::Ambiguous) | None => Anchored::Unknown,
        }
    }

    fn name(&self, target: Sym, kind: Sym, anchor: Sym) -> Option<Sym> {
        Some(self.target(target)?.observed.names().get(kind, anchor)?.name)
    }
}

impl Organisation {
    fn waiting_rule(&self, request: &RuleRequest) -> Option<&RuleVersion> {
        let here = |version: &&RuleVersion| (version.kind, version.id) == (request.kind, request.id);
        let found = self.snapshot().waiting_rules().into_iter().find(here)?;
        (rule_request(found) == *request).then_some(found)
    }

    /// Who made a commit that is signed with a key; nobody where the key is not good, or its person takes part no more:
    /// the key of somebody who left is spent.
    pub fn author(&self, key: &PublicKey, namespace: &str) -> Option<Sym> {
        let person = self.keys().owner(key, namespace, self.access().now())?;
        self.is_active(person).then_some(person)
    }

    /// The document that a waiting rule request would bring into force.
    fn proposed(&self, by: crate::digest::Digest) -> Option<&Document> {
        let mut waiting = self.snapshot().waiting_rules().into_iter();
        let found = waiting.find(|version| Request::Rule(rule_request(version)).digest() == by)?;
        found.after.as_ref().map(|after| &after.document)
    }

    /// The pool that a tier asks for something on a target.
    fn pool(&self, target: Sym, entitlement: Option<Spec>, asked: &Tier) -> Pool {
        let document = self.snapshot().target(target);
        let listed = document.zip(entitlement).and_then(|(document, spec)| {
            let listed = matching(self, document, spec).find(|policy| match asked.from {
                Approver::Owners => !policy.owners.is_empty(),
                Approver::Group { .. } => policy.approvers.is_some(),
            })?;
            Some((spec, listed))
        });
        match asked.from {
            Approver::Owners => {
                let entitlement = listed.map(|(spec, _)| Sym::new(&spec.to_string()));
                Pool::Owners { target, entitlement }
            }
            Approver::Group { group } => {
                let own = listed.and_then(|(_, policy)| policy.approvers);
                let of_target = document.and_then(|document| document.approvers);
                Pool::Group { group: own.or(of_target).unwrap_or(group) }
            }
        }
    }

    /// For whom a service answers: the target on which it holds what is riskiest.
    fn service_pool(&self, service: Sym, asked: &Tier) -> Pool {
        let highest = self.powers(service).into_iter().max_by_key(|power| (self.risk(*power), *power));
        match highest {
            Some(power) => self.pool(power.target, power.entitlement, asked),
            None => group_pool(asked),
        }
    }

    /// What an identity holds or waits for.
    fn powers(&self, identity: Sym) -> Vec<Power> {
        let grants = self.access().why(self.snapshot(), self.evidence(), identity);
        grants.into_iter().map(|grant| grant.power).collect()
    }

    fn rule_parts(&self, version: &RuleVersion, tier: Risk, asked: &Tier) -> Vec<Part> {
        let part =
            |from: Pool| Part { from, people: asked.people, signed: asked.signed, authors_count: false };
        let owner = |from: Pool| Part { people: 1, ..part(from) };
        let documents = (
            version.before.as_ref().map(|before| &before.document),
            version.after.as_ref().map(|after| &after.document),
        );
        let takes_a_key = match documents {
            (Some(Document::AllowedSigners(before)), Some(Document::AllowedSigners(after))) => {
                after.only_takes_away(before)
            }
            (None, Some(Document::RevokedKeys(_))) => true,
            (Some(Document::RevokedKeys(before)), Some(Document::RevokedKeys(after))) => {
                after.only_takes_away(before)
            }
            _ => false,
        };
        if takes_a_key {
            return vec![Part { from: Pool::Signers, people: 1, signed: true, authors_count: true }];
        }
        if version.kind == Kind::Role {
            // An owner of each added entitlement, and what the tier itself asks.
            let mut parts: BTreeSet<Part> = BTreeSet::new();
            for grant in &version.adds {
                let owners = Tier { from: Approver::Owners, ..asked.clone() };
                parts.insert(owner(self.pool(grant.target, grant.entitlement, &owners)));
                if self.risk(Power::from(grant)) == tier {
                    parts.insert(part(self.pool(grant.target, grant.entitlement, asked)));
                }
            }
            return parts.into_iter().collect();
        }
        let target = (version.kind == Kind::Target).then_some(version.id);
        let standing = match target.filter(|id| self.snapshot().target(*id).is_some()) {
            Some(target) => self.pool(target, None, asked),
            None => group_pool(asked),
        };
        let mut parts: BTreeSet<Part> = [part(standing)].into();
        parts.extend(self.proposed_parts(version, asked));
        parts.into_iter().collect()
    }

    /// What a policy has to satisfy by its own new word.
    fn proposed_parts(&self, version: &RuleVersion, asked: &Tier) -> Vec<Part> {
        let by = Request::Rule(rule_request(version)).digest();
        let part =
            |from: Pool, of: &Tier| Part { from, people: of.people, signed: of.signed, authors_count: false };
        match version.after.as_ref().map(|after| &after.document) {
            Some(Document::Tiers(tiers)) => {
                let new = tiers.tiers.get(&Sym::new("privileged")).cloned();
                let new = new.unwrap_or_else(|| default_tier(Risk::Privileged));
                vec![part(group_pool(&new), &new)]
            }
            Some(Document::ApproverGroup(group)) => {
                // A group that nothing asks yet has nobody to satisfy.
                let asks = asked.from == Approver::Group { group: group.id }
                    || self.snapshot().targets().iter().any(|target| names_group(target, group.id));
                match asks {
                    true => vec![part(Pool::Proposed { group: group.id, by }, asked)],
                    false => Vec::new(),
                }
            }
            Some(Document::Target(target)) => match (asked.from, target.approvers) {
                (Approver::Owners, _) => {
                    vec![part(Pool::ProposedOwners { target: target.id, by }, asked)]
                }
                (Approver::Group { .. }, Some(group)) => vec![part(Pool::Group { group }, asked)],
                (Approver::Group { .. }, None) => vec![part(group_pool(asked), asked)],
            },
            _ => Vec::new(),
        }
    }

    fn is_anchor(&self, other: Power, power: Power, anchor: Option<Sym>) -> bool {
        let (Some(spec), Some(agreed)) = (other.entitlement, power.entitlement) else { return false };
        (other.target, other.profile) == (power.target, power.profile)
            && (spec.kind, spec.role) == (agreed.kind, agreed.role)
            && matches!(self.anchor(other.target, spec), Anchored::Is(now) | Anchored::Changed(now) if Some(now) == anchor)
    }

    fn is_link_asked(&self, of: &AccountRequest) -> bool {
        let Some(known) = self.target(of.target) else { return false };
        let linked =
            known.observed.link(of.identity, of.profile).is_some_and(|link| link.anchor == of.anchor);
        linked || (known.observed.account(of.anchor).is_some() && known.observed.owner(of.anchor).is_none())
    }

    fn is_disabled_by_hand(&self, of: &AccountRequest) -> bool {
        let Some(known) = self.target(of.target) else { return false };
        let link = known.observed.link(of.identity, of.profile);
        let disabled =
            known.observed.account(of.anchor).is_some_and(|account| account.state == State::Disabled);
        disabled && link.is_some_and(|link| link.anchor == of.anchor && link.disabled.is_none())
    }

    fn is_attribute_asked(&self, of: &AttributeRequest) -> bool {
        let login = self.access().login(self.snapshot(), of.identity, of.target, of.profile);
        let Ok(login) = login else { return false };
        if of.attribute == *USERNAME {
            return of.value == Some(login.username);
        }
        match (of.value, login.attributes.get(&of.attribute)) {
            (None, _) => login.cleared.contains(&of.attribute),
            (Some(wanted), Some((value, _))) => value_text(value) == wanted,
            (Some(_), None) => false,
        }
    }

    fn is_credential_asked(&self, of: &CredentialRequest) -> bool {
        self.snapshot().service(of.service).is_some_and(|service| {
            service.credentials.iter().any(|declared| {
                (declared.target, declared.credential, declared.deliver) == (of.target, of.kind, of.deliver)
            })
        })
    }

    fn is_operation_asked(&self, of: &OperationRequest) -> bool {
        let Some(known) = self.target(of.target) else { return false };
        let left =
            matches!(self.access().lifecycle(of.identity), Lifecycle::Left { .. } | Lifecycle::Unknown);
        let linked =
            known.observed.link(of.identity, of.profile).is_some_and(|link| link.anchor == of.anchor);
        left && linked && known.observed.account(of.anchor).is_some()
    }
}

/// The pool for what has no target: the tier's group, or the built-in one where the tier asks owners.
fn group_pool(asked: &Tier) -> Pool {
    match (asked.from, default_tier(Risk::Privileged).from) {
        (Approver::Group { group }, _) | (Approver::Owners, Approver::Group { group }) => {
            Pool::Group { group }
        }
        (Approver::Owners, Approver::Owners) => Pool::Signers,
    }
}

/// The attribute name of the name to sign in with, in requests.
pub(crate) const USERNAME: &str = "username";

/// A value as requests carry it: a text as it is, anything else as canonical JSON.
pub(crate) fn value_text(value: &provost_sdk::Value) -> Sym {
    match value {
        provost_sdk::Value::Text(text) => Sym::new(text),
        other => Sym::new(&canonical(other)),
    }
}

/// The highest risk of what an account is seen to hold, and of what its identity is granted or asks for there.
pub(super) fn control(
    organisation: &Organisation,
    identity: Sym,
    target: Sym,
    profile: Sym,
    anchor: Option<Sym>,
) -> Risk {
    let Some(known) = organisation.target(target) else { return Risk::Privileged };
    let seen = anchor.and_then(|anchor| known.observed.account(anchor));
    let held = seen.map(|account| account.entitlements).unwrap_or_default();
    let by_key = |key: Key| {
        let names =
            known.observed.names().borne(key.kind, key.anchor).chain([known.observed.names().name(key)]);
        let of = |name| Some(Spec { kind: key.kind, name, role: key.role });
        names.map(|name| organisation.risk(Power { target, profile, entitlement: of(name) })).max()
    };
    let seen = held.iter().filter_map(by_key).max();
    let asked = organisation.powers(identity).into_iter();
    let asked = asked.filter(|power| (power.target, power.profile) == (target, profile));
    let alone = organisation.risk(Power { target, profile, entitlement: None });
    asked.map(|power| organisation.risk(power)).chain(seen).chain([alone]).max().unwrap_or_default()
}

/// An entitlement as a request names it: with its anchor where the target has told one.
pub(super) fn entitlement(organisation: &Organisation, target: Sym, spec: Spec) -> Entitlement {
    let anchor = match organisation.anchor(target, spec) {
        Anchored::Is(anchor) | Anchored::Changed(anchor) => Some(anchor),
        Anchored::Unknown => None,
    };
    Entitlement { kind: spec.kind, name: spec.name, role: spec.role, anchor }
}

/// The document of an identity.
pub(super) fn document_of(organisation: &Organisation, identity: Sym) -> Option<(Kind, Sym)> {
    match organisation.snapshot().identity(identity)? {
        Identity::Person(_) => Some((Kind::Person, identity)),
        Identity::Service(_) => Some((Kind::Service, identity)),
    }
}

/// Who controls an identity: the person, or whoever answers for the service or knows its secrets.
fn controllers(snapshot: &Snapshot, identity: Sym) -> BTreeSet<Sym> {
    match snapshot.service(identity) {
        Some(_) => answerable(snapshot, identity),
        None => [identity].into(),
    }
}

fn answerable(snapshot: &Snapshot, service: Sym) -> BTreeSet<Sym> {
    let service = snapshot.service(service);
    service.into_iter().flat_map(|service| service.owners.iter().chain(&service.holders)).copied().collect()
}

/// The people whom a rule version names in a place of authority where the version in force does not.
fn newly_named(snapshot: &Snapshot, version: &RuleVersion) -> BTreeSet<Sym> {
    let named = |document: &Document| -> BTreeSet<Sym> {
        match document {
            Document::Target(target) => {
                let listed = target.entitlements.iter().flat_map(|listed| &listed.owners);
                let groups = target.entitlements.iter().filter_map(|listed| listed.approvers);
                let groups = groups.chain(target.approvers);
                let members = groups.filter_map(|group| snapshot.approver_group(group));
                let members = members.flat_map(|group| group.members.iter());
                target.owners.iter().chain(listed).chain(members).copied().collect()
            }
            Document::ApproverGroup(group) => group.members.iter().copied().collect(),
            Document::BreakGlass(policy) => policy.people.iter().copied().collect(),
            Document::Separation(separation) => {
                let excepted = separation.exceptions.iter().map(|exception| exception.identity);
                excepted.chain(separation.owners.iter().copied()).collect()
            }
            Document::AllowedSigners(signers) => signers.signers.iter().map(|signer| signer.person).collect(),
            _ => BTreeSet::new(),
        }
    };
    let of = |version: &Option<crate::snapshot::Version>| {
        version.as_ref().map(|version| named(&version.document)).unwrap_or_default()
    };
    of(&version.after).difference(&of(&version.before)).copied().collect()
}

fn names_group(target: &Target, group: Sym) -> bool {
    target.approvers == Some(group)
        || target.entitlements.iter().any(|listed| listed.approvers == Some(group))
}

/// The policies of a target that are about an entitlement, in the order of the document.
fn matching<'a>(
    organisation: &'a Organisation,
    target: &'a Target,
    spec: Spec,
) -> impl Iterator<Item = &'a crate::document::EntitlementPolicy> {
    let compared = comparison(organisation.facts().get(&target.id), spec.kind);
    target.entitlements.iter().filter(move |policy| {
        policy.kind == spec.kind
            && policy.role.is_none_or(|role| Some(role) == spec.role)
            && pattern::matches(policy.name.as_str(), spec.name.as_str(), compared)
    })
}

/// The owners of an entitlement, as [`Pool::Owners`] names it: the first policy that is about it and names owners
/// decides, else the target's own.
fn owners(organisation: &Organisation, target: &Target, entitlement: Option<&str>) -> BTreeSet<Sym> {
    let specs = entitlement.map(super::open::possible).unwrap_or_default();
    let listed = specs.into_iter().find_map(|spec| {
        matching(organisation, target, spec).map(|policy| &policy.owners).find(|owners| !owners.is_empty())
    });
    listed.unwrap_or(&target.owners).iter().copied().collect()
}

/// When any of the ways holds, without overlaps, in order.
fn windows<'a>(causes: impl Iterator<Item = &'a Cause>) -> Vec<Window> {
    let mut all: Vec<Window> = causes.map(|cause| cause.window).filter(|window| !window.is_empty()).collect();
    all.sort_unstable();
    let mut merged: Vec<Window> = Vec::new();
    for window in all {
        match merged.last_mut() {
            Some(last) if window.from <= last.until => last.until = last.until.max(window.until),
            _ => merged.push(window),
        }
    }
    merged
}
