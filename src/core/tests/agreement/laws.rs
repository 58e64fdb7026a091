//! Laws over whatever there may be, and an evaluator that counts as a person would.

use std::collections::BTreeSet;

use proptest::prelude::*;
use provost_core::Sym;
use provost_core::access::Window;
use provost_core::approval::{Approval, Authorship, Label, Request};
use provost_core::digest::digest;
use provost_core::document::Kind;
use provost_sdk::Risk;

use super::{Case, PEOPLE, at, grant, key, power, signed};

/// One approval, in small numbers: who, with which key, of which request, how known, good until when, and what held when
/// it was first seen.
type Small = (usize, u8, usize, bool, i64, (bool, bool, bool));

fn small() -> impl Strategy<Value = Small> {
    let held = (prop::bool::weighted(0.9), prop::bool::weighted(0.9), prop::bool::weighted(0.9));
    (0_usize..5, 0_u8..15, 0_usize..REQUESTS.len(), any::<bool>(), 100_i64..250, held)
}

/// Requests of the same power for different times, of another power, and of another person.
const REQUESTS: [(&str, &str, i64, i64); 4] = [
    ("p-9", "admins", 100, 200),
    ("p-9", "admins", 120, 240),
    ("p-9", "owners", 100, 200),
    ("p-1", "admins", 100, 200),
];

fn request(number: usize) -> Request {
    let (identity, name, from, until) = REQUESTS[number];
    grant(identity, name, from, until)
}

fn approval(place: usize, (person, number, of, forge, expires, held): Small) -> Approval {
    let mut approval = signed(person, vec![request(of)]);
    approval.id = digest(&place);
    approval.expires = at(expires);
    (approval.key, approval.label) =
        if forge { (None, Label::Forge) } else { (Some(key(number)), Label::Signed) };
    (approval.seen.key, approval.seen.active) = (held.0, held.1);
    if !held.2 {
        approval.seen.pools.clear();
    }
    approval
}

fn organisation(active: &[bool], approving: &[bool], author: usize, unknown: bool) -> Case {
    let mut case = Case::new();
    let of =
        |all: &[bool]| PEOPLE.iter().zip(all).filter(|(_, is)| **is).map(|(id, _)| Sym::new(id)).collect();
    (case.rules.active, case.rules.approvers) = (of(active), of(approving));
    for (number, (_, _, from, until)) in REQUESTS.into_iter().enumerate() {
        case.rules.asked.insert(request(number), vec![Window { from: at(from), until: at(until) }]);
    }
    let people = PEOPLE.get(author).map(|id| Sym::new(id)).into_iter().collect();
    case.authors.add(Kind::Person, "p-9".into(), Authorship { people, unknown });
    case
}

/// What is allowed at `now`: the request's power, by tier.
fn allowed(case: &Case, now: i64) -> BTreeSet<(&'static str, &'static str, Risk)> {
    let evidence = case.judge(now).evidence;
    let mut allowed = BTreeSet::new();
    for (identity, name, _, _) in REQUESTS {
        for tier in [Risk::Normal, Risk::Privileged] {
            if evidence.covers(identity.into(), power(name), tier, at(now)) {
                allowed.insert((identity, name, tier));
            }
        }
    }
    allowed
}

/// Counts people for one power at one instant, one after the other, as a person would with pen and paper.
fn naive(
    case: &Case,
    author: usize,
    unknown: bool,
    now: i64,
    (identity, name): (&str, &str),
) -> Option<Risk> {
    let mut owners = BTreeSet::new();
    let mut approving = BTreeSet::new();
    for approval in &case.approvals {
        let about = REQUESTS.iter().enumerate().any(|(number, (of, what, from, until))| {
            (*of, *what) == (identity, name)
                && *from <= now
                && now < *until
                && approval.requests.contains(&request(number))
        });
        let person = approval.approver;
        let number = PEOPLE.iter().position(|id| person == **id).unwrap();
        let author = identity == "p-9" && number == author;
        if !about || author || person == *identity || at(now) >= approval.expires {
            continue;
        }
        if !case.rules.active.contains(&person) || !approval.seen.active || approval.seen.pools.is_empty() {
            continue;
        }
        let number = u8::try_from(number).unwrap();
        let own_key =
            [Some(key(number)), Some(key(number + 10))].contains(&approval.key) && approval.seen.key;
        if approval.label == Label::Signed && !own_key {
            continue;
        }
        if number == 3 {
            owners.insert(person);
        }
        if approval.label == Label::Signed && case.rules.approvers.contains(&person) {
            approving.insert(person);
        }
    }
    let more = usize::from(identity == "p-9" && unknown);
    if approving.len() >= 2 + more {
        Some(Risk::Privileged)
    } else if owners.len() > more {
        Some(Risk::Normal)
    } else {
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_allowed_has_its_evidence_and_what_has_its_evidence_is_allowed(
        given in prop::collection::vec(small(), 0..8),
        (active, approving) in (prop::array::uniform5(prop::bool::weighted(0.9)), prop::array::uniform5(any::<bool>())),
        (author, unknown) in (0_usize..8, prop::bool::weighted(0.2)),
        now in 90_i64..250,
    ) {
        let mut case = organisation(&active, &approving, author, unknown);
        case.approvals = given.into_iter().enumerate().map(|(place, small)| approval(place, small)).collect();
        let allowed = allowed(&case, now);
        for (identity, name, _, _) in REQUESTS {
            let highest = naive(&case, author, unknown, now, (identity, name));
            for tier in [Risk::Normal, Risk::Privileged] {
                prop_assert_eq!(allowed.contains(&(identity, name, tier)), highest >= Some(tier), "{} {} {:?}", identity, name, tier);
            }
        }
    }

    #[test]
    fn an_approval_fewer_never_allows_more_and_an_unrelated_one_changes_nothing(
        given in prop::collection::vec(small(), 1..8),
        (active, approving) in (prop::array::uniform5(prop::bool::weighted(0.9)), prop::array::uniform5(prop::bool::weighted(0.8))),
        author in 0_usize..8,
        (before, now) in (90_i64..170, 0_i64..80),
        gone in any::<prop::sample::Index>(),
        remembered in any::<bool>(),
    ) {
        let now = before + now;
        let mut case = organisation(&active, &approving, author, false);
        case.approvals = given.into_iter().enumerate().map(|(place, small)| approval(place, small)).collect();
        if remembered {
            case.remember(before);
        }
        let all = allowed(&case, now);
        let lost = case.approvals.remove(gone.index(case.approvals.len()));
        let fewer = allowed(&case, now);
        prop_assert!(fewer.is_subset(&all), "{:?} without one of {:?}", fewer, all);
        // Put back, it touches only what it is about.
        let about = |(identity, name, _): &(&str, &str, Risk)| {
            REQUESTS.iter().enumerate().any(|(number, (of, what, _, _))| {
                (of, what) == (identity, name) && lost.requests.contains(&request(number))
            })
        };
        prop_assert!(all.difference(&fewer).all(about));
    }
}
