//! What needs agreement now, derived from documents, access, the plan and its decisions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_sdk::{Risk, Verb};
use serde::Serialize;

use super::rules::{control, document_of, entitlement};
use super::{
    AccountRequest, Anchored, Council, GrantRequest, Limited, NameRequest, Needs, OperationRequest,
    OverrideRequest, Request, RuleRequest,
};
use crate::Sym;
use crate::access::{Lack, Waiting};
use crate::digest::Digest;
use crate::document::Kind;
use crate::evidence::RuleStep;
use crate::gate::{Decision, required};
use crate::organisation::{Decided, Organisation};
use crate::plan::{NotPlanned, Planned, Why};
use crate::set::Spec;
use crate::snapshot::RuleVersion;

/// Something that needs agreement now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Open {
    /// The request's name.
    pub digest: Digest,
    /// What is asked for.
    pub request: Request,
    /// Of which tier it is.
    pub tier: Risk,
    /// What agreement that needs.
    pub needs: Needs,
    /// The documents that cause it; who wrote them does not count.
    pub causes: Vec<(Kind, Sym)>,
    /// The people who gain by it, who do not count either.
    pub gains: BTreeSet<Sym>,
}

/// Everything that needs agreement, in the order of requests, each once. `decided` are the plans of all targets with
/// their decisions; what only a plan shows is missing where a plan is.
pub fn open(organisation: &Organisation, decided: &[&Decided], now: Timestamp) -> Vec<Open> {
    let mut asked = Asked { organisation, found: BTreeMap::new() };
    for waiting in organisation.access().waiting() {
        asked.grant(waiting, now);
    }
    for version in organisation.snapshot().waiting_rules() {
        asked.put(Request::Rule(rule_request(version)), version.tier, Vec::new());
    }
    let mut refused: BTreeMap<Limited, Vec<&Planned>> = BTreeMap::new();
    for decided in decided {
        for unplanned in &decided.plan.not_planned {
            asked.unplanned(unplanned);
        }
        for (planned, decision) in decided.plan.operations.iter().zip(&decided.decisions) {
            match decision {
                Decision::Wait { .. } => asked.planned(planned),
                Decision::Refuse { guard } => {
                    if let Some(limited) = guard.limited(planned.target) {
                        refused.entry(limited).or_default().push(planned);
                    }
                }
                Decision::Proceed => {}
            }
        }
    }
    for (guard, planned) in refused {
        let operations: BTreeSet<Digest> = planned.iter().map(|planned| planned.digest).collect();
        let causes: BTreeSet<(Kind, Sym)> =
            planned.iter().filter_map(|planned| document_of(organisation, planned.identity?)).collect();
        let request =
            Request::Override(OverrideRequest { guard, operations: operations.into_iter().collect() });
        asked.put(request, Risk::Privileged, causes.into_iter().collect());
    }
    asked.found.into_values().collect()
}

/// The one that asks for exactly this, among those of [`open`].
pub(super) fn find<'a>(open: &'a [Open], request: &Request) -> Option<&'a Open> {
    let place = open.binary_search_by(|open| open.request.cmp(request)).ok()?;
    Some(&open[place])
}

/// The request for a rule version that waits.
pub(super) fn rule_request(version: &RuleVersion) -> RuleRequest {
    let RuleStep { kind, id, before, after } = version.into();
    RuleRequest { kind, id, before, after }
}

struct Asked<'a> {
    organisation: &'a Organisation,
    found: BTreeMap<Request, Open>,
}

impl Asked<'_> {
    fn grant(&mut self, waiting: &Waiting, now: Timestamp) {
        let Waiting { identity, power, window, tier, why } = *waiting;
        if why != Lack::Evidence || window.until <= now {
            return;
        }
        let Some(place) = self.organisation.place(power.target) else { return };
        let request = GrantRequest {
            identity,
            target: power.target,
            place,
            profile: power.profile,
            entitlement: power.entitlement.map(|spec| entitlement(self.organisation, power.target, spec)),
            from: (window.from > Timestamp::MIN).then_some(window.from),
            until: (window.until < Timestamp::MAX).then_some(window.until),
        };
        self.put(Request::Grant(request), tier, Vec::new());
    }

    /// What a planned operation waits for beyond the grant that it carries out, which access asks for.
    fn planned(&mut self, planned: &Planned) {
        let Some(place) = self.organisation.place(planned.target) else { return };
        for thing in required(planned, &self.organisation.desired()).things {
            if !self.organisation.evidence().agreed(&thing, planned.tier) {
                self.put(Request::of(thing, place), planned.tier, Vec::new());
            }
        }
    }

    fn unplanned(&mut self, unplanned: &NotPlanned) {
        let NotPlanned { target, identity, profile, account, entitlement, why, .. } = unplanned;
        let (target, organisation) = (*target, self.organisation);
        let Some(place) = organisation.place(target) else { return };
        let account_of = |anchor: Sym| {
            let (identity, profile) = ((*identity)?, (*profile)?);
            Some(AccountRequest { identity, target, place, profile, anchor })
        };
        match why {
            Why::DisabledByHand => {
                let anchor = account.as_ref().map(|account| Sym::new(account.anchor.as_str()));
                if let Some(of) = anchor.and_then(account_of) {
                    let tier = control(organisation, of.identity, target, of.profile, Some(of.anchor));
                    self.put(Request::Enable(of), tier.max(Risk::Normal), Vec::new());
                }
            }
            Why::NotCreated => {
                let anchor = account.as_ref().map(|account| Sym::new(account.anchor.as_str()));
                if let Some(AccountRequest { identity, target, place, profile, anchor }) =
                    anchor.and_then(account_of)
                {
                    let verb = Verb::Delete;
                    let of = OperationRequest { verb, identity, target, place, profile, anchor, to: None };
                    self.put(Request::Operation(of), Risk::Privileged, Vec::new());
                }
            }
            Why::Candidate { anchor, .. } => {
                if let Some(of) = account_of(*anchor) {
                    let tier = control(organisation, of.identity, target, of.profile, Some(of.anchor));
                    self.put(Request::Link(of), tier, Vec::new());
                }
            }
            Why::NameChanged { now, .. } => {
                let specs = entitlement.as_deref().map(possible).unwrap_or_default();
                let spec = specs
                    .into_iter()
                    .find(|spec| organisation.anchor(target, *spec) == Anchored::Changed(*now));
                if let Some(spec) = spec {
                    let power = crate::evidence::Power {
                        target,
                        profile: profile.unwrap_or_else(|| Sym::new(crate::evidence::MAIN)),
                        entitlement: Some(spec),
                    };
                    let tier = organisation.risk(power).max(Risk::Normal);
                    let request =
                        NameRequest { target, place, kind: spec.kind, name: spec.name, anchor: *now };
                    self.put(Request::Name(request), tier, Vec::new());
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, request: Request, tier: Risk, causes: Vec<(Kind, Sym)>) {
        if tier == Risk::Low {
            return;
        }
        // The same thing by two ways is of the higher tier.
        if self.found.get(&request).is_some_and(|open| open.tier >= tier) {
            return;
        }
        let Some(needs) = self.organisation.needs(&request, tier) else { return };
        let causes = if causes.is_empty() { self.organisation.causes(&request) } else { causes };
        let gains = self.organisation.gains(&request);
        let digest = request.digest();
        self.found.insert(request.clone(), Open { digest, request, tier, needs, causes, gains });
    }
}

/// What `kind:name` or `kind:name#role` may mean: names are the target's, and may hold `#`.
pub(super) fn possible(text: &str) -> Vec<Spec> {
    let Some((kind, name)) = text.split_once(':') else { return Vec::new() };
    let spec = |name: &str, role: Option<&str>| Spec {
        kind: Sym::new(kind),
        name: Sym::new(name),
        role: role.map(Sym::new),
    };
    let with_role = name.rsplit_once('#').map(|(name, role)| spec(name, Some(role)));
    [spec(name, None)].into_iter().chain(with_role).collect()
}
