//! Counting people: who is counted for what, judged on organisations of a few lines, and compared with an evaluator that
//! knows nothing of how it is done.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod emergency;
mod evidence;
mod keys;
mod laws;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use provost_core::Sym;
use provost_core::access::Window;
use provost_core::approval::{
    AccountRequest, Anchored, Approval, Authors, Authorship, Council, Entitlement, Given, GrantRequest,
    Judged, Keys, Label, Limited, Needs, Open, OverrideRequest, Part, Pool, PublicKey, Refusal, Request,
    RevokedKeys, RuleRequest, Sighting, Signers, Uses, Word, judge, sight,
};
use provost_core::digest::{Digest, digest};
use provost_core::document::Kind;
use provost_core::evidence::{MAIN, Power, RuleStep, Thing};
use provost_core::set::Spec;
use provost_sdk::Risk;

const PEOPLE: [&str; 5] = ["p-1", "p-2", "p-3", "p-4", "p-5"];
const OURS: &str = "installation-1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A key that is nobody else's.
fn key(number: u8) -> PublicKey {
    let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    blob.extend([number; 32]);
    PublicKey::from_blob(&blob).unwrap()
}

/// The rules of a small organisation: p-1 to p-3 approve, p-4 owns, everyone has the keys N and N + 10.
#[derive(Clone, Debug)]
struct Rules {
    active: BTreeSet<Sym>,
    approvers: BTreeSet<Sym>,
    owners: BTreeSet<Sym>,
    signers: Signers,
    revoked: RevokedKeys,
    asked: BTreeMap<Request, Vec<Window>>,
    gains: BTreeSet<Sym>,
    anchors: BTreeMap<Sym, Anchored>,
    expires: Option<SignedDuration>,
}

impl Default for Rules {
    fn default() -> Rules {
        let lines: Vec<String> = (0_u8..5)
            .flat_map(|n| [(n, key(n)), (n, key(n + 10))])
            .map(|(n, key)| format!("{} namespaces=\"approval@provost\" {key}", PEOPLE[usize::from(n)]))
            .collect();
        let people = |range: std::ops::Range<usize>| PEOPLE[range].iter().map(|id| Sym::new(id)).collect();
        Rules {
            active: people(0..5),
            approvers: people(0..3),
            owners: people(3..4),
            signers: Signers::parse(lines.join("\n").as_bytes()).unwrap(),
            revoked: RevokedKeys::parse(b"").unwrap(),
            asked: BTreeMap::new(),
            gains: BTreeSet::new(),
            anchors: BTreeMap::new(),
            expires: None,
        }
    }
}

fn approvers() -> Pool {
    Pool::Group { group: "approvers".into() }
}

fn owners() -> Pool {
    Pool::Owners { target: "forge".into(), entitlement: None }
}

fn part(from: Pool, people: u8, signed: bool) -> Part {
    Part { from, people, signed, authors_count: false }
}

impl Council for Rules {
    fn is_active(&self, person: Sym) -> bool {
        self.active.contains(&person)
    }
    fn groups(&self) -> Vec<Sym> {
        vec!["approvers".into()]
    }
    fn members(&self, pool: &Pool) -> BTreeSet<Sym> {
        match pool {
            Pool::Group { .. } => self.approvers.clone(),
            Pool::Owners { .. } => self.owners.clone(),
            Pool::Signers => self.signers.signers.iter().map(|signer| signer.person).collect(),
            Pool::Proposed { .. } | Pool::ProposedOwners { .. } => BTreeSet::new(),
        }
    }
    fn keys(&self) -> Keys<'_> {
        Keys { allowed: Some(&self.signers), revoked: Some(&self.revoked) }
    }
    fn needs(&self, request: &Request, tier: Risk) -> Option<Needs> {
        let part = match (request, tier) {
            (Request::Rule(_), _) => return None,
            (_, Risk::Normal) => part(owners(), 1, false),
            _ => part(approvers(), 2, true),
        };
        Some(Needs { tier, parts: vec![part], expires: self.expires })
    }
    fn causes(&self, request: &Request) -> Vec<(Kind, Sym)> {
        request.identity().map(|identity| (Kind::Person, identity)).into_iter().collect()
    }
    fn gains(&self, request: &Request) -> BTreeSet<Sym> {
        self.gains.iter().copied().chain(request.identity()).collect()
    }
    fn asked(&self, request: &Request) -> Vec<Window> {
        self.asked.get(request).cloned().unwrap_or_default()
    }
    fn place(&self, _: Sym) -> Option<Sym> {
        Some("place".into())
    }
    fn anchor(&self, _: Sym, entitlement: Spec) -> Anchored {
        self.anchors.get(&entitlement.name).copied().unwrap_or(Anchored::Unknown)
    }
    fn name(&self, _: Sym, _: Sym, anchor: Sym) -> Option<Sym> {
        let bears = |(name, of): (&Sym, &Anchored)| (*of == Anchored::Is(anchor)).then_some(*name);
        self.anchors.iter().find_map(bears)
    }
}

fn grant(identity: &str, name: &str, from: i64, until: i64) -> Request {
    let entitlement = Entitlement { kind: "team".into(), name: name.into(), role: None, anchor: None };
    Request::Grant(GrantRequest {
        identity: identity.into(),
        target: "forge".into(),
        place: "place".into(),
        profile: MAIN.into(),
        entitlement: Some(entitlement),
        from: Some(at(from)),
        until: Some(at(until)),
    })
}

fn power(name: &str) -> Power {
    let entitlement = Some(Spec { kind: "team".into(), name: name.into(), role: None });
    Power { target: "forge".into(), profile: MAIN.into(), entitlement }
}

fn account(identity: &str, anchor: &str) -> AccountRequest {
    AccountRequest {
        identity: identity.into(),
        target: "forge".into(),
        place: "place".into(),
        profile: MAIN.into(),
        anchor: anchor.into(),
    }
}

/// A signed approval by person N, with the N-th key, first seen at second 50.
fn signed(person: usize, requests: Vec<Request>) -> Approval {
    let number = u8::try_from(person).unwrap();
    let pools = [approvers(), owners(), Pool::Signers].into();
    Approval {
        id: digest(&(person, &requests)),
        installation: OURS.to_owned(),
        approver: Sym::new(PEOPLE[person]),
        key: Some(key(number)),
        label: Label::Signed,
        decision: Word::Approve,
        requests,
        expires: at(1_000),
        seen: Sighting { at: at(50), key: true, active: true, pools },
    }
}

fn known_authors() -> Authors {
    let mut authors = Authors::default();
    for id in PEOPLE.into_iter().chain(["p-9"]) {
        authors.add(Kind::Person, id.into(), Authorship::default());
    }
    authors
}

struct Case {
    rules: Rules,
    approvals: Vec<Approval>,
    open: Vec<Open>,
    authors: Authors,
    uses: Uses,
}

impl Case {
    /// p-9 asks for `admins` from second 100 to 200, and p-1 and p-2 have signed.
    fn new() -> Case {
        let request = grant("p-9", "admins", 100, 200);
        let rules = Rules {
            asked: [(request.clone(), vec![Window { from: at(100), until: at(200) }])].into(),
            ..Rules::default()
        };
        let approvals = vec![signed(0, vec![request.clone()]), signed(1, vec![request])];
        Case { rules, approvals, open: Vec::new(), authors: known_authors(), uses: Uses::default() }
    }

    fn judge(&self, now: i64) -> Judged {
        let given = Given {
            installation: OURS,
            approvals: &self.approvals,
            open: &self.open,
            authors: &self.authors,
            uses: &self.uses,
            now: at(now),
        };
        judge(&self.rules, &given)
    }

    fn holds(&self, now: i64) -> bool {
        self.judge(now).evidence.covers("p-9".into(), power("admins"), Risk::Privileged, at(now))
    }

    /// As the audit log would remember it.
    fn remember(&mut self, now: i64) {
        let text = serde_json::to_string(&self.judge(now).uses).unwrap();
        self.uses = serde_json::from_str(&text).unwrap();
    }

    fn open(&mut self, request: &Request, tier: Risk, parts: Vec<Part>) {
        self.open.push(Open {
            digest: request.digest(),
            request: request.clone(),
            tier,
            needs: Needs { tier, parts, expires: None },
            causes: self.rules.causes(request),
            gains: self.rules.gains(request),
        });
    }
}

#[test]
fn two_people_agree_to_exactly_this_for_exactly_this_long() {
    let judged = Case::new().judge(150);
    let covers = |who: &str, name: &str, tier, second| {
        judged.evidence.covers(who.into(), power(name), tier, at(second))
    };
    assert!(covers("p-9", "admins", Risk::Privileged, 100) && covers("p-9", "admins", Risk::Normal, 199));
    assert!(
        !covers("p-9", "admins", Risk::Privileged, 99) && !covers("p-9", "admins", Risk::Privileged, 200)
    );
    assert!(!covers("p-8", "admins", Risk::Normal, 150) && !covers("p-9", "owners", Risk::Normal, 150));
    assert_eq!(judged.uses.settled.len(), 1);
    assert_eq!(
        (judged.uses.settled[0].label, judged.uses.settled[0].tier),
        (Label::Signed, Risk::Privileged)
    );
    assert_eq!(judged.uses.settled[0].by.len(), 2);
}

/// The one difference between a case that holds and one that does not.
type Spoil = fn(&mut Case);

#[test]
fn who_does_not_count_is_not_counted() {
    let spoil: Vec<(&str, Spoil)> = vec![
        ("one alone", |case| drop(case.approvals.pop())),
        ("another installation", |case| case.approvals[1].installation = "installation-2".into()),
        ("two keys of one person", |case| {
            let request = case.approvals[0].requests.clone();
            case.approvals[1] = Approval { key: Some(key(10)), id: digest(&9), ..signed(0, request) };
        }),
        ("a review", |case| (case.approvals[1].label, case.approvals[1].key) = (Label::Forge, None)),
        ("another's key", |case| case.approvals[1].key = Some(key(2))),
        ("no key", |case| case.approvals[1].key = None),
        ("a key that was not good when first seen", |case| case.approvals[1].seen.key = false),
        ("not active when first seen", |case| case.approvals[1].seen.active = false),
        ("not in the group when first seen", |case| {
            assert!(case.approvals[1].seen.pools.remove(&approvers()))
        }),
        ("departed since", |case| assert!(case.rules.active.remove(&Sym::new("p-2")))),
        ("out of the group since", |case| assert!(case.rules.approvers.remove(&Sym::new("p-2")))),
        ("never in the group", |case| case.approvals[1] = signed(3, case.approvals[1].requests.clone())),
        ("revoked since", |case| {
            case.rules.revoked = RevokedKeys::parse(key(1).to_string().as_bytes()).unwrap();
        }),
        ("taken out of the signers since", |case| {
            case.rules.signers.signers.retain(|signer| signer.key != key(1));
        }),
        ("key of another namespace", |case| {
            let others = Some(vec![Sym::new("git")]);
            case.rules.signers.signers.iter_mut().for_each(|signer| signer.namespaces.clone_from(&others));
        }),
        ("key expired, whatever it was signed with", |case| {
            case.rules.signers.signers.iter_mut().for_each(|signer| signer.valid_before = Some(at(149)));
        }),
        ("key not good yet", |case| {
            case.rules.signers.signers.iter_mut().for_each(|signer| signer.valid_after = Some(at(151)));
        }),
        ("expired", |case| case.approvals[1].expires = at(150)),
        ("waited too long by the policy", |case| case.rules.expires = Some(SignedDuration::from_secs(100))),
        ("author", |case| {
            let people = [Sym::new("p-2")].into();
            case.authors.add(Kind::Person, "p-9".into(), Authorship { people, unknown: false });
        }),
        ("somebody unknown wrote it", |case| {
            case.authors.add(
                Kind::Person,
                "p-9".into(),
                Authorship { unknown: true, ..Authorship::default() },
            );
        }),
        ("nobody looked who wrote it", |case| case.authors = Authors::default()),
        ("who gains", |case| assert!(case.rules.gains.insert("p-2".into()))),
        ("not asked for", |case| case.rules.asked.clear()),
        ("asked for later", |case| {
            let later = vec![Window { from: at(160), until: at(200) }];
            case.rules.asked.values_mut().for_each(|asked| asked.clone_from(&later));
        }),
        ("agreed to for later", |case| case.approvals[1].requests = vec![grant("p-9", "admins", 160, 200)]),
        ("agreed to for another", |case| case.approvals[1].requests = vec![grant("p-8", "admins", 100, 200)]),
        ("denied", |case| {
            let denial = signed(2, case.approvals[0].requests.clone());
            case.approvals.push(Approval { decision: Word::Deny, id: digest(&8), ..denial });
        }),
    ];
    assert!(Case::new().holds(150), "the twin of them all");
    for (what, spoil) in spoil {
        let mut case = Case::new();
        let request = grant("p-9", "admins", 160, 200);
        case.rules.asked.insert(request, vec![Window { from: at(160), until: at(200) }]);
        spoil(&mut case);
        assert!(!case.holds(150), "{what}");
    }
}

#[test]
fn a_third_person_makes_good_for_an_author_nobody_knows() {
    let mut case = Case::new();
    case.authors = Authors::default();
    case.approvals.push(signed(2, case.approvals[0].requests.clone()));
    assert!(case.holds(150));
}

#[test]
fn agreements_for_different_times_add_up_where_they_overlap() {
    let mut case = Case::new();
    let other = grant("p-9", "admins", 150, 300);
    case.rules.asked.insert(other.clone(), vec![Window { from: at(150), until: at(300) }]);
    case.approvals[1] = signed(1, vec![other]);
    assert!(!case.holds(149) && case.holds(150) && case.holds(199) && !case.holds(200));
}

#[test]
fn what_is_in_force_stays_when_a_key_goes_and_what_is_not_does_not_come() {
    let mut case = Case::new();
    case.remember(150);
    case.rules.active.clear();
    case.approvals.clear();
    assert!(case.holds(160), "it was used while everything was good");
    assert!(!case.holds(200), "it ends with its time");
    assert!(case.judge(200).uses.settled.is_empty() && case.judge(199).uses.settled.len() == 1);
    let mut early = Case::new();
    early.remember(99);
    assert!(early.judge(99).evidence.covers("p-9".into(), power("admins"), Risk::Privileged, at(100)));
    assert_eq!(early.judge(99).next, Some(at(100)), "it is judged again when it begins");
    assert_eq!(early.judge(1_000).next, None, "and not at an instant that is there already");
    early.rules.active.clear();
    assert!(!early.holds(150), "it was not used yet");
}

#[test]
fn a_grant_that_ended_and_came_back_needs_new_agreement() {
    let mut case = Case::new();
    case.remember(150);
    let asked = std::mem::take(&mut case.rules.asked);
    assert!(!case.holds(151), "it left the repository");
    case.remember(151);
    case.rules.asked = asked;
    assert!(!case.holds(152), "and came back");
    let request = case.approvals[0].requests[0].clone();
    case.open(&request, Risk::Privileged, vec![part(approvers(), 2, true)]);
    let missing = case.judge(152).missing.remove(&request.digest()).unwrap();
    assert!(missing.uncounted.iter().all(|uncounted| uncounted.why == Refusal::Spent));
    assert_eq!((missing.uncounted.len(), missing.lacking[0].people), (2, 2));
    for person in [0, 1] {
        case.approvals
            .push(Approval { id: digest(&("again", person)), ..signed(person, vec![request.clone()]) });
    }
    assert!(case.holds(152), "agreed to anew");
}

#[test]
fn a_part_of_its_time_that_left_the_repository_does_not_come_back() {
    let mut case = Case::new();
    case.remember(150);
    let request = case.approvals[0].requests[0].clone();
    case.rules.asked.insert(request.clone(), vec![Window { from: at(100), until: at(170) }]);
    assert!(case.holds(169) && !case.holds(170));
    case.remember(151);
    case.rules.asked.insert(request, vec![Window { from: at(100), until: at(200) }]);
    assert!(case.holds(169) && !case.holds(170), "prolonged again");
}

#[test]
fn a_denial_is_final_although_it_disappears() {
    let mut case = Case::new();
    case.remember(150);
    let denial = signed(2, case.approvals[0].requests.clone());
    case.approvals.push(Approval { decision: Word::Deny, id: digest(&8), ..denial.clone() });
    assert!(!case.holds(151), "also of what stands");
    case.remember(151);
    case.approvals.pop();
    assert!(!case.holds(152));
    let mut stranger = Case::new();
    let pools = [Pool::Signers].into();
    let seen = Sighting { pools, ..denial.seen.clone() };
    stranger.approvals.push(Approval { decision: Word::Deny, seen, ..denial.clone() });
    assert!(stranger.holds(150), "who may not agree may not deny");
    let mut elsewhere = Case::new();
    let installation = "installation-2".to_owned();
    elsewhere.approvals.push(Approval { decision: Word::Deny, installation, ..denial.clone() });
    assert!(elsewhere.holds(150), "it is a denial of another installation");
    let mut forged = Case::new();
    let seen = Sighting { key: false, ..denial.seen.clone() };
    forged.approvals.push(Approval { decision: Word::Deny, seen, ..denial });
    assert!(forged.holds(150), "it is by nobody's key");
}

#[test]
fn whoever_agreed_may_take_it_back() {
    let mut case = Case::new();
    let back = Approval { decision: Word::Deny, id: digest(&8), ..case.approvals[0].clone() };
    case.approvals.push(Approval { seen: Sighting { pools: BTreeSet::new(), ..back.seen.clone() }, ..back });
    assert!(!case.holds(150));
}

#[test]
fn an_owner_is_enough_for_what_is_normal_and_not_for_more() {
    let mut case = Case::new();
    let review = signed(3, case.approvals[0].requests.clone());
    case.approvals = vec![Approval { label: Label::Forge, key: None, ..review }];
    let judged = case.judge(150);
    let covers = |tier| judged.evidence.covers("p-9".into(), power("admins"), tier, at(150));
    assert!(covers(Risk::Normal) && !covers(Risk::Privileged));
    assert_eq!(judged.uses.settled[0].label, Label::Forge);
}

#[test]
fn a_name_that_another_bears_now_was_not_agreed_to() {
    let mut case = Case::new();
    case.remember(150);
    case.rules.anchors = [("admins".into(), Anchored::Is("t-1".into()))].into();
    assert!(case.holds(150), "agreed to by name, and nothing else ever bore it");
    case.rules.anchors = [("admins".into(), Anchored::Changed("t-2".into()))].into();
    assert!(!case.holds(150));
    // Agreed to by anchor: the name follows it.
    let mut case = Case::new();
    for approval in &mut case.approvals {
        let Request::Grant(of) = &mut approval.requests[0] else { panic!("it is a grant") };
        of.entitlement.as_mut().unwrap().anchor = Some("t-1".into());
        case.rules.asked.insert(Request::Grant(of.clone()), vec![Window::ALWAYS]);
    }
    assert!(case.holds(150), "the target was not read");
    case.rules.anchors = [("admins".into(), Anchored::Is("t-2".into()))].into();
    assert!(!case.holds(150));
    case.rules.anchors.insert("old".into(), Anchored::Is("t-1".into()));
    let evidence = case.judge(150).evidence;
    assert!(evidence.covers("p-9".into(), power("old"), Risk::Privileged, at(150)));
    let by = |anchor: &str| {
        evidence.covers_anchor("p-9".into(), power("old"), anchor.into(), Risk::Privileged, at(150))
    };
    assert!(by("t-1") && !by("t-2"));
}

#[test]
fn a_rule_needs_its_own_tier_until_it_is_in_force() {
    let rule = RuleRequest { kind: Kind::Role, id: "r".into(), before: None, after: Some(digest(&1)) };
    let request = Request::Rule(rule.clone());
    let mut case = Case::new();
    case.rules.asked = [(request.clone(), vec![Window::ALWAYS])].into();
    case.approvals = vec![signed(0, vec![request.clone()]), signed(3, vec![request.clone()])];
    // One of the approvers, and an owner of what it adds.
    case.open(&request, Risk::Privileged, vec![part(approvers(), 1, true), part(owners(), 1, true)]);
    let step = RuleStep { kind: rule.kind, id: rule.id, before: rule.before, after: rule.after };
    let judged = case.judge(150);
    assert!(
        judged.evidence.covers_rule(&step) && judged.missing.is_empty() && judged.uses.settled.is_empty()
    );
    let owner = case.approvals.pop().unwrap();
    let judged = case.judge(150);
    assert!(!judged.evidence.covers_rule(&step));
    let missing = &judged.missing[&request.digest()].lacking;
    assert_eq!((missing.len(), &missing[0].from, &missing[0].could), (1, &owners(), &vec![Sym::new("p-4")]));
    case.approvals.push(owner);
    case.open[0].tier = Risk::Normal;
    case.open[0].needs.parts = vec![part(owners(), 2, false)];
    assert!(!case.judge(150).evidence.covers_rule(&step), "two owners are asked, and one agreed");
    // It came into force, is asked for no more, and then again.
    case.open[0].needs.parts = vec![part(owners(), 1, false)];
    case.open[0].causes.clear();
    assert!(case.judge(150).evidence.covers_rule(&step));
    case.remember(150);
    let asked = std::mem::take(&mut case.rules.asked);
    case.remember(151);
    case.rules.asked = asked;
    assert!(!case.judge(152).evidence.covers_rule(&step), "it was spent");
}

#[test]
fn who_takes_a_key_away_may_be_who_wrote_it() {
    let rule = RuleRequest { kind: Kind::AllowedSigners, id: "s".into(), before: None, after: None };
    let request = Request::Rule(rule);
    let mut case = Case::new();
    case.rules.asked = [(request.clone(), vec![Window::ALWAYS])].into();
    case.approvals = vec![signed(4, vec![request.clone()])];
    let people = [Sym::new("p-5")].into();
    case.authors.add(Kind::AllowedSigners, "s".into(), Authorship { people, unknown: true });
    let part = Part { authors_count: true, ..part(Pool::Signers, 1, true) };
    case.open(&request, Risk::Privileged, vec![part]);
    case.open[0].causes = vec![(Kind::AllowedSigners, "s".into())];
    assert!(case.judge(150).missing.is_empty());
    case.open[0].needs.parts[0].authors_count = false;
    assert_eq!(case.judge(150).missing[&request.digest()].lacking[0].people, 2);
}

#[test]
fn what_is_missing_says_from_whom() {
    let mut case = Case::new();
    case.approvals.pop();
    case.rules.active.remove(&Sym::new("p-3"));
    let request = case.approvals[0].requests[0].clone();
    case.open(&request, Risk::Privileged, vec![part(approvers(), 2, true)]);
    let missing = case.judge(150).missing.remove(&request.digest()).unwrap();
    let [lacking] = &missing.lacking[..] else { panic!("one part lacks: {missing:?}") };
    assert_eq!((lacking.people, &lacking.have), (1, &vec![Sym::new("p-1")]));
    assert_eq!(lacking.could, [Sym::new("p-2")], "p-3 has left");
    case.approvals.push(signed(1, vec![request.clone()]));
    assert!(case.judge(150).missing.is_empty());
    case.uses.denied.insert(request.digest(), "p-3".into());
    assert_eq!(case.judge(150).missing[&request.digest()].denied, Some("p-3".into()));
}

#[test]
fn only_who_can_still_agree_is_named() {
    type Spoil = (&'static str, fn(&mut Case));
    let spoil: [Spoil; 4] = [
        ("no key", |case| case.rules.signers.signers.retain(|signer| signer.person != *"p-2")),
        ("left", |case| assert!(case.rules.active.remove(&Sym::new("p-2")))),
        ("gains", |case| assert!(case.open[0].gains.insert("p-2".into()))),
        ("wrote it", |case| {
            let people = [Sym::new("p-2")].into();
            case.authors.add(Kind::Person, "p-9".into(), Authorship { people, unknown: false });
        }),
    ];
    let could =
        |case: &Case, request: &Request| case.judge(150).missing[&request.digest()].lacking[0].could.clone();
    for (what, spoil) in spoil {
        let mut case = Case::new();
        case.approvals.pop();
        let request = case.approvals[0].requests[0].clone();
        case.open(&request, Risk::Privileged, vec![part(approvers(), 2, true)]);
        assert_eq!(could(&case, &request), [Sym::new("p-2"), Sym::new("p-3")]);
        spoil(&mut case);
        assert_eq!(could(&case, &request), [Sym::new("p-3")], "{what}");
    }
}

#[test]
fn who_agreed_to_another_time_is_still_missing() {
    let mut case = Case::new();
    let (request, later) = (grant("p-9", "admins", 100, 200), grant("p-9", "admins", 160, 200));
    case.rules.asked.insert(later.clone(), vec![Window { from: at(160), until: at(200) }]);
    case.approvals[1] = signed(1, vec![later]);
    case.open(&request, Risk::Privileged, vec![part(approvers(), 2, true)]);
    assert_eq!(case.judge(150).missing[&request.digest()].lacking[0].have, [Sym::new("p-1")]);
}

#[test]
fn what_stands_is_settled_once_and_again_only_for_more() {
    let mut case = Case::new();
    let request = case.approvals[0].requests[0].clone();
    let privileged = std::mem::replace(&mut case.approvals, vec![signed(3, vec![request])]);
    case.remember(150);
    case.remember(160);
    let settled = |case: &Case| -> Vec<(Risk, Timestamp)> {
        case.judge(170).uses.settled.iter().map(|settled| (settled.tier, settled.since)).collect()
    };
    assert_eq!(settled(&case), [(Risk::Normal, at(150))]);
    case.approvals.extend(privileged);
    assert_eq!(settled(&case), [(Risk::Normal, at(150)), (Risk::Privileged, at(170))]);
    assert!(case.holds(170));
}

#[test]
fn what_has_no_end_is_settled_as_it_was_asked() {
    let mut case = Case::new();
    let Request::Grant(mut of) = case.approvals[0].requests[0].clone() else { panic!("it is a grant") };
    (of.from, of.until) = (None, None);
    let request = Request::Grant(of);
    case.rules.asked = [(request.clone(), vec![Window::ALWAYS])].into();
    case.approvals = vec![signed(0, vec![request.clone()]), signed(1, vec![request.clone()])];
    assert_eq!(case.judge(150).uses.settled[0].request, request);
}

#[test]
fn a_name_is_agreed_to_as_documents_spell_it_and_as_the_target_does() {
    let mut case = Case::new();
    case.rules.anchors =
        [("admins".into(), Anchored::Is("t-1".into())), ("Admins".into(), Anchored::Is("t-1".into()))].into();
    for approval in &mut case.approvals {
        let Request::Grant(of) = &mut approval.requests[0] else { panic!("it is a grant") };
        of.entitlement.as_mut().unwrap().anchor = Some("t-1".into());
        case.rules.asked.insert(Request::Grant(of.clone()), vec![Window::ALWAYS]);
    }
    let evidence = case.judge(150).evidence;
    let covers = |name: &str| evidence.covers("p-9".into(), power(name), Risk::Privileged, at(150));
    assert!(covers("admins") && covers("Admins") && !covers("ADMINS"));
}

#[test]
fn what_waits_says_itself_what_it_needs() {
    let mut case = Case::new();
    let request = case.approvals[0].requests[0].clone();
    case.open(&request, Risk::Privileged, vec![part(approvers(), 3, true)]);
    assert!(!case.holds(150), "three are asked here");
    case.open[0].needs.parts[0].people = 2;
    assert!(case.holds(150));
}

#[test]
fn an_override_needs_what_is_privileged() {
    let guard = Limited::LastAdmin { target: "forge".into(), entitlement: "team:admins".into() };
    let operations = vec![digest(&"first")];
    let request = Request::Override(OverrideRequest { guard: guard.clone(), operations: operations.clone() });
    for (people, lifted) in [(&[3][..], false), (&[0, 1], true)] {
        let mut case = Case::new();
        case.authors = Authors::default();
        case.rules.asked = [(request.clone(), vec![Window::ALWAYS])].into();
        case.open(&request, Risk::Privileged, vec![part(approvers(), 2, true)]);
        case.open[0].causes.clear();
        case.approvals = people.iter().map(|person| signed(*person, vec![request.clone()])).collect();
        assert_eq!(case.judge(150).evidence.lifts(&guard, operations[0]), lifted, "{people:?}");
    }
}

#[test]
fn an_override_is_good_once_and_for_a_day() {
    let guard = Limited::LastAdmin { target: "forge".into(), entitlement: "team:admins".into() };
    let operations = vec![digest(&"first"), digest(&"second")];
    let request = Request::Override(OverrideRequest { guard: guard.clone(), operations: operations.clone() });
    let mut case = Case::new();
    case.rules.asked = [(request.clone(), vec![Window::ALWAYS])].into();
    case.approvals = vec![signed(0, vec![request.clone()]), signed(1, vec![request.clone()])];
    case.open(&request, Risk::Privileged, vec![part(approvers(), 2, true)]);
    case.open[0].causes.clear();
    for approval in &mut case.approvals {
        approval.expires = at(1_000_000);
    }
    let lifts = |case: &Case, now: i64, operation: Digest| case.judge(now).evidence.lifts(&guard, operation);
    assert!(lifts(&case, 150, operations[0]) && lifts(&case, 150, operations[1]));
    case.remember(150);
    assert_eq!(case.judge(151).next, Some(at(150 + 24 * 60 * 60)), "it is judged again when its day is over");
    case.uses = Uses::default();
    assert!(!lifts(&case, 150, digest(&"third")));
    case.remember(150);
    case.uses.perform(operations[0]);
    assert!(!lifts(&case, 151, operations[0]) && lifts(&case, 151, operations[1]), "each once");
    let day = 24 * 60 * 60;
    assert!(lifts(&case, 150 + day - 1, operations[1]));
    assert!(!lifts(&case, 150 + day, operations[1]), "also while its approvals are good");
    case.remember(150 + day);
    assert!(!lifts(&case, 151 + day, operations[1]), "and it does not begin again");
}

#[test]
fn only_what_an_override_names_uses_it_up() {
    let guard = Limited::LastAdmin { target: "forge".into(), entitlement: "team:admins".into() };
    let request = Request::Override(OverrideRequest { guard, operations: vec![digest(&"first")] });
    let mut case = Case::new();
    case.rules.asked = [(request.clone(), vec![Window::ALWAYS])].into();
    case.approvals = vec![signed(0, vec![request.clone()]), signed(1, vec![request.clone()])];
    case.open(&request, Risk::Privileged, vec![part(approvers(), 2, true)]);
    case.open[0].causes.clear();
    case.remember(150);
    case.uses.perform(digest(&"another"));
    assert_eq!(case.uses.performed, BTreeSet::new());
    case.uses.perform(digest(&"first"));
    assert_eq!(case.uses.performed, [(request.digest(), digest(&"first"))].into());
}

#[test]
fn the_first_sight_records_what_held_then() {
    let mut rules = Rules::default();
    let request = grant("p-9", "admins", 100, 200);
    let seen = |rules: &Rules, person: &str, number: u8| {
        sight(rules, person.into(), Some(&key(number)), std::slice::from_ref(&request), &[], at(50))
    };
    let first = seen(&rules, "p-1", 0);
    assert!(first.key && first.active && first.pools == [approvers(), Pool::Signers].into());
    assert_eq!(seen(&rules, "p-4", 3).pools, [owners(), Pool::Signers].into());
    assert!(!seen(&rules, "p-1", 1).key, "another's key");
    rules.active.clear();
    assert!(!seen(&rules, "p-1", 0).active);
}

#[test]
fn agreement_to_a_thing_is_to_that_thing_alone() {
    let enable = Request::Enable(account("p-9", "a-1"));
    let mut case = Case::new();
    case.rules.asked = [(enable.clone(), vec![Window::ALWAYS])].into();
    case.approvals = vec![signed(0, vec![enable.clone()]), signed(1, vec![enable.clone()])];
    let thing = |anchor: &str| Thing::Enable {
        identity: "p-9".into(),
        target: "forge".into(),
        profile: MAIN.into(),
        anchor: anchor.into(),
    };
    let evidence = case.judge(150).evidence;
    assert!(
        evidence.agreed(&thing("a-1"), Risk::Privileged) && !evidence.agreed(&thing("a-2"), Risk::Normal)
    );
    assert_eq!(Request::of(thing("a-1"), "place".into()), enable);
    case.remember(150);
    case.rules.asked.clear();
    assert!(!case.judge(151).evidence.agreed(&thing("a-1"), Risk::Normal), "once it is enabled");
    case.remember(151);
    case.rules.asked = [(enable, vec![Window::ALWAYS])].into();
    assert!(!case.judge(152).evidence.agreed(&thing("a-1"), Risk::Normal), "disabled by hand again");
}
