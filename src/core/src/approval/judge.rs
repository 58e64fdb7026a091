//! Counting: which approvals count for what, what is therefore agreed, and what is missing from whom.
//!
//! It is a function of its arguments alone, so that taking an approval away, or adding one about something else, can
//! be reasoned about: an approval only ever adds to a count.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use provost_sdk::Risk;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{
    Anchored, Approval, Authors, Authorship, Council, GrantRequest, Label, Needs, Open, Part, Pool, Request,
    RuleRequest, Settled, Uses, Word, open::find,
};
use crate::Sym;
use crate::access::Window;
use crate::digest::Digest;
use crate::document::Kind;
use crate::evidence::{Agreement, Evidence, Power, RuleStep};

/// What is judged.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// This installation: the id of its first genesis commit.
    pub installation: &'a str,
    /// Every approval that was seen and is not long expired.
    pub approvals: &'a [Approval],
    /// What needs agreement now, in the order of requests.
    pub open: &'a [Open],
    /// Who wrote the causing documents.
    pub authors: &'a Authors,
    /// What was remembered last time.
    pub uses: &'a Uses,
    /// The instant.
    pub now: Timestamp,
}

/// What approvals come to.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// What is agreed.
    pub evidence: Evidence,
    /// The approvals, by id, that a rule rests on that comes into force by them.
    pub rules: BTreeMap<RuleStep, Vec<Digest>>,
    /// What is missing, by the digest of the open request. What is agreed to is not here.
    pub missing: BTreeMap<Digest, Missing>,
    /// What to remember.
    pub uses: Uses,
    /// When time alone changes this next.
    pub next: Option<Timestamp>,
}

/// What one request lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Who denied it. A denial is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied: Option<Sym>,
    /// The parts that are not complete.
    pub lacking: Vec<Lacking>,
    /// Approvals of it that do not count, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncounted: Vec<Uncounted>,
}

/// A part that is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lacking {
    /// From whom.
    pub from: Pool,
    /// How many more people.
    pub people: u8,
    /// Whether each has to sign.
    pub signed: bool,
    /// Whose agreement counts.
    pub have: Vec<Sym>,
    /// Who could agree. Fewer than are missing: nobody can satisfy it as it is.
    pub could: Vec<Sym>,
}

/// An approval that does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Uncounted {
    /// Whose.
    pub approver: Sym,
    /// Which.
    pub approval: Digest,
    /// Why not.
    pub why: Refusal,
}

/// Why an approval does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Authors, openers, mergers and pushers.
    #[error("who wrote the change does not agree to it")]
    Author,
    /// Nobody agrees for himself.
    #[error("who gains by it does not agree to it")]
    Gains,
    /// A forge's review where a signature is asked.
    #[error("a signature is needed, and this is a review")]
    Unsigned,
    /// Not a member, not an owner: when it was first seen, or now.
    #[error("the approver is not one of those who may agree to it")]
    NotInPool,
    /// Left or suspended: when it was first seen, or now.
    #[error("the approver does not take part")]
    Inactive,
    /// Not in the allowed signers, out of its dates, or revoked: when it was first seen, or now.
    #[error("the key is not a good one of the approver")]
    Key,
    /// It waited too long.
    #[error("it has expired")]
    Expired,
    /// The grant ended and came back, or the rule came into force already.
    #[error("it is spent")]
    Spent,
}

/// How long an override is good from when enough people agreed to it.
const OVERRIDE: SignedDuration = SignedDuration::from_hours(24);

/// Counts.
pub fn judge(council: &dyn Council, given: &Given<'_>) -> Judged {
    let judge = Judge { council, given };
    let mut uses = Uses { denied: judge.denied(), ..given.uses.clone() };
    judge.close_overrides(&mut uses);
    let voices = judge.voices(&mut uses);
    uses.settled = judge.standing(&uses);
    let mut evidence = Evidence::default();
    let mut rules = BTreeMap::new();
    let new = judge.settle(&voices, &uses, &mut evidence, &mut rules);
    uses.settled.extend(new);
    uses.settled.sort();
    uses.settled.dedup();
    for settled in &uses.settled {
        judge.put(&mut evidence, settled, &uses);
    }
    let missing = judge.missing(&voices, &uses);
    let next = judge.next(&uses);
    Judged { evidence, rules, missing, uses, next }
}

/// The documents of which judging asks who wrote them: they cause what is open, or what an approval is about that is asked
/// for. What is agreed to and begins later is not open, and is judged anew until it begins.
pub fn causes(council: &dyn Council, open: &[Open], approvals: &[Approval]) -> BTreeSet<(Kind, Sym)> {
    let mut causes: BTreeSet<(Kind, Sym)> =
        open.iter().flat_map(|open| open.causes.iter().copied()).collect();
    let named: BTreeSet<&Request> = approvals.iter().flat_map(|approval| &approval.requests).collect();
    let asked = named.into_iter().filter(|request| !council.asked(request).is_empty());
    causes.extend(asked.flat_map(|request| council.causes(request)));
    causes
}

/// One approval of one request, for the time of it that is asked for.
struct Voice<'a> {
    approval: &'a Approval,
    request: &'a Request,
    digest: Digest,
    windows: Vec<Window>,
    /// Whether it was asked for before and nothing of it is left.
    spent: bool,
}

/// Approvals of one thing together.
type Voices<'a> = BTreeMap<About, Vec<Voice<'a>>>;

/// What a request is about, whatever its time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// A grant.
    Power(GrantKey),
    /// Anything else, by its digest.
    Request(Digest),
}

/// By which two grants are the same power: identity, target, place, profile, and the entitlement by anchor where it is
/// known.
type GrantKey = (Sym, Sym, Sym, Sym, Option<(Sym, Option<Sym>, Result<Sym, Sym>)>);

struct Judge<'a> {
    council: &'a dyn Council,
    given: &'a Given<'a>,
}

impl<'a> Judge<'a> {
    /// Whether an approval is for this installation at all.
    fn is_ours(&self, approval: &Approval) -> bool {
        approval.installation == self.given.installation
    }

    /// Requests that were denied. Whoever could have agreed when the denial was seen, or did agree, may deny.
    fn denied(&self) -> BTreeMap<Digest, Sym> {
        let mut denied = self.given.uses.denied.clone();
        let denials = self.given.approvals.iter().filter(|approval| approval.decision == Word::Deny);
        for denial in denials.filter(|denial| self.is_ours(denial) && denial.seen.key) {
            for request in &denial.requests {
                if self.may_deny(denial, request) {
                    denied.entry(request.digest()).or_insert(denial.approver);
                }
            }
        }
        denied
    }

    fn may_deny(&self, denial: &Approval, request: &Request) -> bool {
        let pools = match find(self.given.open, request) {
            Some(open) => open.needs.parts.iter().map(|part| part.from.clone()).collect(),
            None => self.council.pools(request),
        };
        let own = |other: &Approval| {
            other.decision == Word::Approve
                && other.approver == denial.approver
                && other.requests.contains(request)
        };
        (denial.seen.active && pools.iter().any(|pool| denial.seen.pools.contains(pool)))
            || self.given.approvals.iter().any(own)
    }

    /// Every approval of every request for the time that is asked for; what is left of each is cut to that.
    fn voices(&self, uses: &mut Uses) -> Voices<'a> {
        let mut known: FxHashMap<&Request, (Digest, About, Vec<Window>)> = FxHashMap::default();
        let mut voices = Voices::new();
        let approvals = self.given.approvals.iter().filter(|approval| approval.decision == Word::Approve);
        for approval in approvals.filter(|approval| self.is_ours(approval)) {
            for request in &approval.requests {
                let (digest, about, asked) = known.entry(request).or_insert_with(|| {
                    let digest = request.digest();
                    (digest, about(self.council, request, digest), self.council.asked(request))
                });
                let key = (approval.id, *digest);
                let windows = match uses.left.get(&key) {
                    Some(left) => {
                        let left = left.iter().map(|(from, until)| Window { from: *from, until: *until });
                        common(left, asked)
                    }
                    None => common([time_of(request)], asked),
                };
                if !windows.is_empty() || uses.left.contains_key(&key) {
                    let left = windows.iter().map(|window| (window.from, window.until)).collect();
                    uses.left.insert(key, left);
                }
                let spent = uses.left.get(&key).is_some_and(Vec::is_empty);
                let voice = Voice { approval, request, digest: *digest, windows, spent };
                voices.entry(about.clone()).or_default().push(voice);
            }
        }
        voices
    }

    /// What an override was agreed to with is spent when its day is over.
    fn close_overrides(&self, uses: &mut Uses) {
        for settled in self.given.uses.settled.iter().filter(|settled| self.is_over(settled)) {
            let digest = settled.request.digest();
            uses.left.extend(settled.by.iter().map(|approval| ((*approval, digest), Vec::new())));
        }
    }

    fn is_over(&self, settled: &Settled) -> bool {
        matches!(settled.request, Request::Override(_)) && self.given.now >= ends(settled.since)
    }

    /// What was settled before, cut to what is still asked for, less what was denied since.
    fn standing(&self, uses: &Uses) -> Vec<Settled> {
        let mut standing = Vec::new();
        for settled in &self.given.uses.settled {
            if settled.names.iter().any(|name| uses.denied.contains_key(name)) {
                continue;
            }
            if self.is_over(settled) {
                continue;
            }
            let time = time_of(&settled.request);
            for window in common([time], &self.council.asked(&settled.request)) {
                if window.until > self.given.now {
                    standing.push(Settled { request: timed(&settled.request, window), ..settled.clone() });
                }
            }
        }
        standing
    }

    /// Finds for each stretch of time whether enough people agree to it. What is asked for now is settled; what begins
    /// later is agreed to as far as can be said today.
    fn settle(
        &self,
        voices: &Voices<'a>,
        uses: &Uses,
        evidence: &mut Evidence,
        rules: &mut BTreeMap<RuleStep, Vec<Digest>>,
    ) -> Vec<Settled> {
        let mut standing: FxHashMap<Request, Vec<&Settled>> = FxHashMap::default();
        for settled in &uses.settled {
            standing.entry(timed(&settled.request, Window::ALWAYS)).or_default().push(settled);
        }
        let mut new = Vec::new();
        for voices in voices.values() {
            let voices: Vec<&Voice<'_>> =
                voices.iter().filter(|voice| !uses.denied.contains_key(&voice.digest)).collect();
            for settled in self.settled(&voices) {
                match settled.request {
                    // A rule is judged anew until it is in force.
                    Request::Rule(ref rule) => {
                        evidence.agree_rule(step(rule));
                        rules.insert(step(rule), settled.by);
                    }
                    _ if time_of(&settled.request).contains(self.given.now) => {
                        let same = standing.get(&timed(&settled.request, Window::ALWAYS));
                        if !same.into_iter().flatten().any(|standing| covers(standing, &settled)) {
                            new.push(settled);
                        }
                    }
                    _ => self.put(evidence, &settled, uses),
                }
            }
        }
        new
    }

    /// What approvals of one thing come to, for each stretch of time that is not over.
    fn settled(&self, voices: &[&Voice<'a>]) -> Vec<Settled> {
        let mut settled = Vec::new();
        let edges: BTreeSet<Timestamp> =
            voices.iter().flat_map(|voice| &voice.windows).flat_map(|of| [of.from, of.until]).collect();
        let edges: Vec<Timestamp> = edges.into_iter().collect();
        for pair in edges.windows(2) {
            let segment = Window { from: pair[0], until: pair[1] };
            if segment.until <= self.given.now {
                continue;
            }
            let is_here =
                |voice: &&&Voice<'_>| voice.windows.iter().any(|window| window.contains(segment.from));
            let here: Vec<&Voice<'_>> = voices.iter().filter(is_here).copied().collect();
            // Any of their requests: all are of the same thing, grants for different times.
            let Some(request) = here.first().map(|voice| voice.request) else { continue };
            let at = segment.from.max(self.given.now);
            let tiers = [Risk::Privileged, Risk::Normal].into_iter();
            let enough = tiers.filter_map(|tier| Some((tier, self.enough(request, &here, tier, at)?))).next();
            settled.extend(enough.map(|(tier, by)| Settled {
                request: timed(request, segment),
                tier,
                since: self.given.now,
                label: by.iter().map(|voice| voice.approval.label).min().unwrap_or(Label::Forge),
                names: unique(by.iter().map(|voice| voice.digest)),
                by: unique(by.iter().map(|voice| voice.approval.id)),
            }));
        }
        settled
    }

    /// The voices that count, where they are enough for a tier.
    fn enough<'v>(
        &self,
        request: &Request,
        voices: &[&'v Voice<'a>],
        tier: Risk,
        at: Timestamp,
    ) -> Option<Vec<&'v Voice<'a>>> {
        let (needs, authorship, gains) = self.about(request, tier)?;
        let mut counted = Vec::new();
        for part in &needs.parts {
            let mut people = BTreeSet::new();
            for voice in voices {
                if self.refusal(voice, part, &needs, &authorship, &gains, at).is_none() {
                    people.insert(voice.approval.approver);
                    counted.push(*voice);
                }
            }
            if people.len() < usize::from(asked_people(part, &authorship)) {
                return None;
            }
        }
        (!needs.parts.is_empty()).then_some(counted)
    }

    /// What a request needs at a tier, who wrote its causes, and who gains.
    fn about(&self, request: &Request, tier: Risk) -> Option<(Needs, Authorship, BTreeSet<Sym>)> {
        let open = find(self.given.open, request);
        if let Some(open) = open.filter(|open| open.tier == tier) {
            return Some((open.needs.clone(), self.given.authors.of(&open.causes), open.gains.clone()));
        }
        // A rule is of the tier of what it adds; agreement of another tier is no agreement to it.
        if let Request::Rule(_) = request {
            return None;
        }
        let needs = self.council.needs(request, tier)?;
        let causes = open.map_or_else(|| self.council.causes(request), |open| open.causes.clone());
        Some((needs, self.given.authors.of(&causes), self.council.gains(request)))
    }

    /// Why an approval does not count for a part at an instant; `None`: it counts.
    fn refusal(
        &self,
        voice: &Voice<'_>,
        part: &Part,
        needs: &Needs,
        authorship: &Authorship,
        gains: &BTreeSet<Sym>,
        at: Timestamp,
    ) -> Option<Refusal> {
        let Approval { approver, key, label, expires, seen, .. } = voice.approval;
        let waited = needs.expires.and_then(|length| seen.at.checked_add(length).ok());
        let good_key = key.as_ref().is_some_and(|key| self.council.keys().allows(key, *approver, at));
        let in_pool = self.council.members(&part.from).contains(approver) && seen.pools.contains(&part.from);
        let checks = [
            (voice.spent, Refusal::Spent),
            (authorship.people.contains(approver) && !part.authors_count, Refusal::Author),
            (gains.contains(approver), Refusal::Gains),
            (*label == Label::Forge && part.signed, Refusal::Unsigned),
            (!in_pool, Refusal::NotInPool),
            (!seen.active || !self.council.is_active(*approver), Refusal::Inactive),
            (*label == Label::Signed && !(seen.key && good_key), Refusal::Key),
            (*expires <= at || waited.is_some_and(|until| until <= at), Refusal::Expired),
        ];
        checks.into_iter().find(|(holds, _)| *holds).map(|(_, refusal)| refusal)
    }

    /// Puts what is settled into evidence.
    fn put(&self, evidence: &mut Evidence, settled: &Settled, uses: &Uses) {
        match &settled.request {
            Request::Grant(grant) => {
                let Window { from, until } = grant.window();
                for power in powers(self.council, grant) {
                    let agreement =
                        Agreement { power, anchor: grant.anchor(), tier: settled.tier, from, until };
                    evidence.agree(grant.identity, agreement);
                    if grant.window().contains(self.given.now) {
                        evidence.stand(grant.identity, power, settled.since);
                    }
                }
            }
            Request::Override(of) if settled.tier == Risk::Privileged => {
                let digest = settled.request.digest();
                for operation in &of.operations {
                    if !uses.performed.contains(&(digest, *operation)) {
                        evidence.lift(of.guard.clone(), *operation);
                    }
                }
            }
            request => {
                if let Some(thing) = request.thing() {
                    evidence.agree_to(thing, settled.tier);
                }
            }
        }
    }

    fn missing(&self, voices: &Voices<'_>, uses: &Uses) -> BTreeMap<Digest, Missing> {
        let open = self.given.open.iter();
        open.filter_map(|open| Some((open.digest, self.missing_of(open, voices, uses)?))).collect()
    }

    /// What one request lacks, for the first instant of it that is not over.
    fn missing_of(&self, open: &Open, voices: &Voices<'_>, uses: &Uses) -> Option<Missing> {
        let at = time_of(&open.request).from.max(self.given.now);
        let authorship = self.given.authors.of(&open.causes);
        let denied = uses.denied.get(&open.digest).copied();
        let about = about(self.council, &open.request, open.digest);
        let voices = voices.get(&about).map_or(&[][..], Vec::as_slice);
        let mut missing = Missing { denied, ..Missing::default() };
        for part in &open.needs.parts {
            let (mut have, mut uncounted) = (BTreeSet::new(), Vec::new());
            for voice in voices {
                let approver = voice.approval.approver;
                let covers = voice.windows.iter().any(|window| window.contains(at));
                match self.refusal(voice, part, &open.needs, &authorship, &open.gains, at) {
                    None if covers && !uses.denied.contains_key(&voice.digest) => {
                        have.insert(approver);
                    }
                    None => {}
                    Some(why) => uncounted.push(Uncounted { approver, approval: voice.approval.id, why }),
                }
            }
            let people = usize::from(asked_people(part, &authorship)).saturating_sub(have.len());
            if people == 0 && denied.is_none() {
                continue;
            }
            missing.uncounted.extend(uncounted);
            let signers = self.council.keys().people(at);
            let could = self.council.members(&part.from).into_iter().filter(|person| {
                let signs = !part.signed || signers.contains(person);
                let own = authorship.people.contains(person) && !part.authors_count;
                signs && !own && !open.gains.contains(person) && self.council.is_active(*person)
            });
            let could = could.filter(|person| !have.contains(person)).collect();
            missing.lacking.push(Lacking {
                from: part.from.clone(),
                people: u8::try_from(people).unwrap_or(u8::MAX),
                signed: part.signed,
                have: have.into_iter().collect(),
                could,
            });
        }
        missing.uncounted.sort();
        missing.uncounted.dedup();
        (!missing.lacking.is_empty() || missing.denied.is_some()).then_some(missing)
    }

    fn next(&self, uses: &Uses) -> Option<Timestamp> {
        let now = self.given.now;
        let expiries = self.given.approvals.iter().map(|approval| approval.expires);
        // Whichever tier decides, an approval may stop counting when its wait is over.
        let waits: BTreeSet<SignedDuration> =
            self.given.open.iter().filter_map(|open| open.needs.expires).collect();
        let waited = self.given.approvals.iter().flat_map(|approval| {
            waits.iter().filter_map(|length| approval.seen.at.checked_add(*length).ok())
        });
        let overrides = uses.settled.iter().filter_map(|settled| match settled.request {
            Request::Override(_) => Some(ends(settled.since)),
            _ => None,
        });
        let begins = uses.left.values().flatten().map(|(from, _)| *from);
        let keys = self.council.keys().next_change(now);
        expiries.chain(waited).chain(overrides).chain(begins).chain(keys).filter(|at| *at > now).min()
    }
}

/// How many people a part asks: one more where somebody unknown wrote the change, for it may be any of them.
fn asked_people(part: &Part, authorship: &Authorship) -> u8 {
    let more = u8::from(authorship.unknown && !part.authors_count);
    part.people.saturating_add(more)
}

fn about(council: &dyn Council, request: &Request, digest: Digest) -> About {
    let Request::Grant(grant) = request else { return About::Request(digest) };
    let entitlement = grant.entitlement.as_ref().map(|of| {
        let anchor = of.anchor.or_else(|| match council.anchor(grant.target, of.spec()) {
            Anchored::Is(anchor) => Some(anchor),
            Anchored::Unknown | Anchored::Changed(_) => None,
        });
        (of.kind, of.role, anchor.ok_or(of.name))
    });
    About::Power((grant.identity, grant.target, grant.place, grant.profile, entitlement))
}

/// Each once, in order.
fn unique<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The powers, by name, that an agreement to a grant is about: under the name that was agreed to unless something else
/// bears it, and under the present name of the anchor.
fn powers(council: &dyn Council, grant: &GrantRequest) -> BTreeSet<Power> {
    let power = grant.power();
    let Some((spec, agreed)) = power.entitlement.zip(grant.anchor()) else {
        // Agreed to by name alone, before the target told an anchor: good for the first that bears it.
        let changed = power
            .entitlement
            .is_some_and(|spec| matches!(council.anchor(grant.target, spec), Anchored::Changed(_)));
        return if changed { BTreeSet::new() } else { [power].into() };
    };
    let mut powers = BTreeSet::new();
    match council.anchor(grant.target, spec) {
        Anchored::Is(now) | Anchored::Changed(now) if now != agreed => {}
        _ => {
            powers.insert(power);
        }
    }
    if let Some(name) = council.name(grant.target, spec.kind, agreed) {
        powers.insert(Power { entitlement: Some(crate::set::Spec { name, ..spec }), ..power });
    }
    powers
}

/// The time of a grant; all of time for anything else.
fn time_of(request: &Request) -> Window {
    match request {
        Request::Grant(grant) => grant.window(),
        _ => Window::ALWAYS,
    }
}

/// The request for another time, if it is about a time.
fn timed(request: &Request, window: Window) -> Request {
    match request {
        Request::Grant(grant) => Request::Grant(GrantRequest {
            from: (window.from > Timestamp::MIN).then_some(window.from),
            until: (window.until < Timestamp::MAX).then_some(window.until),
            ..grant.clone()
        }),
        other => other.clone(),
    }
}

/// What lies in one of each, in order.
fn common(left: impl IntoIterator<Item = Window>, right: &[Window]) -> Vec<Window> {
    let all = left.into_iter().flat_map(|left| right.iter().map(move |right| left.and(*right)));
    all.filter(|window| !window.is_empty()).collect()
}

/// Whether what stands already says what would be settled, which is the same but for its time.
fn covers(standing: &Settled, new: &Settled) -> bool {
    let (old, time) = (time_of(&standing.request), time_of(&new.request));
    standing.tier >= new.tier && old.from <= time.from && time.until <= old.until
}

fn ends(since: Timestamp) -> Timestamp {
    since.checked_add(OVERRIDE).unwrap_or(Timestamp::MAX)
}

/// The step of a rule request, as evidence keeps it.
fn step(rule: &RuleRequest) -> RuleStep {
    RuleStep { kind: rule.kind, id: rule.id, before: rule.before, after: rule.after }
}
