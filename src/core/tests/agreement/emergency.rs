//! Break-glass: who may take what alone, for how long, and who may review it.

use jiff::SignedDuration;
use provost_core::Sym;
use provost_core::approval::{BreakGlassRefused, Emergency, PublicKey, RevokedKeys, emergency, overdue};
use provost_core::document::{BreakGlass, Document, GrantSpec, parse};
use provost_core::evidence::{Evidence, Power};
use provost_sdk::Risk;

use super::{Rules, at, key, power};

const HOUR: i64 = 3_600;

/// The keys 21 and 22 may take `admins`, by p-4 and p-5, for four hours; three days later it has to be reviewed.
fn policy() -> BreakGlass {
    let text = format!(
        "kind: BreakGlass\nid: down\npeople: [p-4, p-5]\nkeys: [\"{}\", \"{}\"]\ngrants: [{{target: forge, team: admins}}]\nduration: 4h\nreview: 72h\n",
        key(21),
        key(22)
    );
    match parse("down.yaml", text.as_bytes()).document {
        Some(Document::BreakGlass(policy)) => *policy,
        other => panic!("{other:?} is no break-glass policy"),
    }
}

/// What is asked in an emergency.
struct Asked {
    rules: Rules,
    person: &'static str,
    key: PublicKey,
    grants: Vec<GrantSpec>,
    reason: &'static str,
    seconds: i64,
}

impl Asked {
    fn new() -> Asked {
        Asked {
            rules: Rules::default(),
            person: "p-4",
            key: key(21),
            grants: vec![power("admins").into()],
            reason: "database down",
            seconds: HOUR,
        }
    }

    fn take(&self) -> Result<Emergency, BreakGlassRefused> {
        let length = SignedDuration::from_secs(self.seconds);
        let (who, what) = ((self.person.into(), self.key), (self.reason, length));
        emergency(&self.rules, &policy(), who, &self.grants, what, at(100))
    }
}

#[test]
fn in_an_emergency_one_person_takes_what_the_policy_allows_and_nothing_else() {
    type Spoil = fn(&mut Asked);
    let policy = Sym::new("down");
    let hours = BreakGlassRefused::Hours { policy, hours: 4 };
    let cases: [(Spoil, BreakGlassRefused); 12] = [
        (|asked| asked.person = "p-1", BreakGlassRefused::Person { policy, person: "p-1".into() }),
        (
            |asked| assert!(asked.rules.active.remove(&"p-4".into())),
            BreakGlassRefused::Inactive("p-4".into()),
        ),
        (|asked| asked.key = key(3), BreakGlassRefused::Key(policy)),
        (
            |asked| asked.rules.revoked = RevokedKeys::parse(key(21).to_string().as_bytes()).unwrap(),
            BreakGlassRefused::Revoked,
        ),
        (|asked| asked.grants.clear(), BreakGlassRefused::Nothing),
        (
            |asked| asked.grants.push(power("owners").into()),
            BreakGlassRefused::Scope { policy, grant: power("owners").into() },
        ),
        (|asked| asked.seconds = 0, hours.clone()),
        (|asked| asked.seconds = -1, hours.clone()),
        (|asked| asked.seconds = 4 * HOUR + 1, hours),
        (|asked| asked.reason = "too short", BreakGlassRefused::Reason),
        (|asked| asked.reason = "  too short  ", BreakGlassRefused::Reason),
        (|asked| asked.reason = "", BreakGlassRefused::Reason),
    ];
    for (spoil, expected) in cases {
        let mut asked = Asked::new();
        spoil(&mut asked);
        assert_eq!(asked.take(), Err(expected));
    }
    let allowed: [Spoil; 5] = [
        |_| (),
        |asked| (asked.person, asked.key) = ("p-5", key(22)),
        |asked| asked.seconds = 1,
        |asked| asked.seconds = 4 * HOUR,
        |asked| asked.reason = "ten things",
    ];
    for (number, change) in allowed.into_iter().enumerate() {
        let mut asked = Asked::new();
        change(&mut asked);
        let taken = asked.take().unwrap_or_else(|refused| panic!("{number}: {refused}"));
        let until = 100 + asked.seconds;
        assert_eq!((taken.person, taken.from, taken.until), (asked.person.into(), at(100), at(until)));
        assert_eq!((taken.review, taken.reviewed), (at(until + 72 * HOUR), None));
        assert_eq!(taken.reason, asked.reason);
    }
}

#[test]
fn what_was_taken_holds_for_its_hours_while_who_took_it_takes_part() {
    let asked = Asked::new();
    let taken = asked.take().unwrap();
    let put = |rules: &Rules| {
        let mut evidence = Evidence::default();
        taken.put(rules, &mut evidence);
        evidence
    };
    let evidence = put(&asked.rules);
    let covers =
        |who: &str, what: Power, second| evidence.covers(who.into(), what, Risk::Privileged, at(second));
    assert!(covers("p-4", power("admins"), 100) && covers("p-4", power("admins"), 99 + HOUR));
    assert!(!covers("p-4", power("admins"), 99) && !covers("p-4", power("admins"), 100 + HOUR));
    assert!(!covers("p-4", power("owners"), 100) && !covers("p-5", power("admins"), 100));
    let mut rules = asked.rules;
    rules.active.remove(&"p-4".into());
    assert_eq!(put(&rules), Evidence::default(), "who took it has left");
}

#[test]
fn anybody_else_who_takes_part_and_approves_may_review_it() {
    let mut asked = Asked::new();
    asked.rules.approvers.insert("p-4".into());
    let taken = asked.take().unwrap();
    let may = |rules: &Rules, who: &str| taken.may_review(rules, who.into());
    assert!(may(&asked.rules, "p-1"));
    assert!(!may(&asked.rules, "p-4"), "it is the one who took it");
    assert!(!may(&asked.rules, "p-5"), "this one approves nothing");
    asked.rules.active.remove(&"p-1".into());
    assert!(!may(&asked.rules, "p-1"), "this one has left");
}

#[test]
fn a_review_is_overdue_from_its_instant_on_and_the_first_one_is_named() {
    let first = Asked::new().take().unwrap();
    let second = Emergency { person: "p-5".into(), review: at(900_000), ..first.clone() };
    let due = 100 + HOUR + 72 * HOUR;
    let named = |all: &[Emergency], second| overdue(all, at(second)).map(|why| why.to_string());
    let both = [second.clone(), first.clone()];
    assert_eq!(named(&both, due - 1), None);
    let why = format!("the review of what p-4 took by down has been due since {}", at(due));
    assert_eq!(named(&both, due), Some(why.clone()));
    assert_eq!(named(&both, 1_000_000), Some(why));
    let reviewed = Emergency { reviewed: Some("p-1".into()), ..first };
    assert!(named(&[second, reviewed.clone()], 1_000_000).is_some_and(|why| why.contains("p-5")));
    assert_eq!(named(&[reviewed], 1_000_000), None);
}
