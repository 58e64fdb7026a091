use super::*;
use crate::document::Document;

#[test]
fn a_joiner_has_everything_with_the_first_instant_of_the_day_in_her_zone_and_nothing_before() {
    let given = given(&format!("{ADA}timezone: Asia/Tokyo\nstart: 2026-12-01\n"));
    let before = given.access("2026-11-30T14:59:59Z");
    assert!(held(&before, "p-1").is_empty());
    assert_eq!(before.lifecycle("p-1".into()), Lifecycle::NotYet { from: at("2026-11-30T15:00:00Z") });
    assert_eq!(before.next_boundary(), Some(at("2026-11-30T15:00:00Z")));
    assert_eq!(given.held("p-1", "2026-11-30T15:00:00Z").len(), 5);
}

#[test]
fn a_leaver_has_nothing_with_the_instant_after_the_last_day_even_when_it_has_25_hours() {
    let given = given(&format!("{ADA}timezone: Europe/Berlin\nend: 2026-10-25\nsuccessor: p-2\n"));
    assert_eq!(given.held("p-1", "2026-10-25T22:59:59Z").len(), 5);
    let after = given.access("2026-10-25T23:00:00Z");
    assert!(held(&after, "p-1").is_empty());
    let since = Some(at("2026-10-25T23:00:00Z"));
    assert_eq!(after.lifecycle("p-1".into()), Lifecycle::Left { since, successor: Some("p-2".into()) });
    assert_eq!(after.next_boundary(), None);
}

#[test]
fn status_departs_at_once_and_suspension_keeps_what_is_held() {
    let departed = given(&format!("{ADA}status: departed\n")).access("2026-06-01T12:00Z");
    assert!(held(&departed, "p-1").is_empty());
    assert_eq!(departed.lifecycle("p-1".into()), Lifecycle::Left { since: None, successor: None });
    assert!(departed.waiting_of("p-1".into()).is_empty());
    let suspended = given(&format!("{ADA}status: suspended\n")).access("2026-06-01T12:00Z");
    assert_eq!(suspended.lifecycle("p-1".into()), Lifecycle::Suspended);
    assert_eq!(held(&suspended, "p-1").len(), 5);
}

const MOVES: &str = "kind: Person
id: p-1
name: {given: Ada, family: Osei}
username: aosei
timezone: America/New_York
employments:
";

#[test]
fn a_mover_loses_the_old_and_gains_the_new_at_midnight_where_she_lives() {
    let given = given(&format!(
        "{MOVES}  - {{type: employee, department: engineering, until: 2026-03-07}}
  - {{type: employee, department: sales, from: 2026-03-08}}\n"
    ));
    let engineer = given.held("p-1", "2026-03-08T04:59:59Z");
    assert!(engineer.contains(&"forge team:eng".to_owned()), "{engineer:?}");
    assert!(!engineer.contains(&"tickets project:leads#member".to_owned()));
    let seller = given.access("2026-03-08T05:00:00Z");
    assert_eq!(held(&seller, "p-1"), ["tickets", "tickets project:leads#member"]);
    assert_eq!(seller.lifecycle("p-1".into()), Lifecycle::Active);
}

#[test]
fn attributes_follow_the_employment_and_the_pair_is_reported_although_no_grant_changes() {
    let given = given(&format!(
        "{MOVES}  - {{type: contractor, department: a, until: 2026-03-07}}
  - {{type: contractor, department: b, from: 2026-03-08}}\nroles: [{{role: engineer}}]\n"
    ));
    let mut access = given.access("2026-03-01T00:00Z");
    let title = |access: &Access| {
        let login =
            access.login(&given.snapshot, "p-1".into(), "forge".into(), "main".into()).expect("a login");
        login.attributes[&Sym::new("title")].0.to_string()
    };
    assert_eq!(title(&access), "a");
    let changed = access.advance(&given.snapshot, &given.evidence, &zones(), at("2026-03-08T05:00:00Z"));
    assert_eq!(title(&access), "b");
    assert!(changed.contains(&("p-1".into(), "forge".into())), "{changed:?}");
}

#[test]
fn two_contracts_give_the_union_and_conditions_never_mix_them() {
    let both = given(&format!(
        "{MOVES}  - {{type: employee, department: sales}}
  - {{type: contractor, department: engineering}}\n"
    ));
    assert_eq!(
        both.held("p-1", "2026-06-01T12:00Z"),
        ["tickets", "tickets project:leads#member"],
        "an employee in sales and a contractor in engineering is no employee in engineering"
    );
    let union = given(&format!(
        "{MOVES}  - {{type: employee, department: sales}}
  - {{type: employee, department: engineering}}\n"
    ));
    assert_eq!(union.held("p-1", "2026-06-01T12:00Z").len(), 6);
}

#[test]
fn between_two_employments_the_identity_has_left_and_comes_back_with_the_second() {
    let given = given(&format!(
        "{MOVES}  - {{type: employee, department: engineering, from: 2025-01-01, until: 2025-12-31}}
  - {{type: employee, department: engineering, from: 2026-06-01}}\nroles: [{{role: seller}}]\n"
    ));
    let mut access = given.access("2025-06-01T00:00Z");
    let mut boundaries = Vec::new();
    while let Some(next) = access.next_boundary() {
        let changed = access.advance(&given.snapshot, &given.evidence, &zones(), next);
        boundaries.push((next.to_string(), access.lifecycle("p-1".into()), changed.len()));
    }
    let gap = Lifecycle::Left { since: Some(at("2026-01-01T05:00:00Z")), successor: None };
    assert_eq!(
        boundaries,
        [
            ("2026-01-01T05:00:00Z".to_owned(), gap, 2),
            ("2026-06-01T04:00:00Z".to_owned(), Lifecycle::Active, 2)
        ]
    );
    assert!(held(&access, "p-1").contains(&"tickets project:leads#member".to_owned()));
}

#[test]
fn assignments_begin_and_end_to_the_second_and_days_include_their_last() {
    let given = given(&format!(
        "{ADA}timezone: Europe/Berlin
roles:
  - {{role: seller, from: 2026-05-04, until: \"2026-05-05T18:00+02:00\"}}
grants:
  - {{target: forge, team: guests, from: 2026-05-04, until: 2026-05-05, reason: a visit}}\n"
    ));
    for (now, seller, guest) in [
        ("2026-05-03T21:59:59Z", false, false),
        ("2026-05-03T22:00:00Z", true, true),
        ("2026-05-05T15:59:59Z", true, true),
        ("2026-05-05T16:00:00Z", false, true),
        ("2026-05-05T21:59:59Z", false, true),
        ("2026-05-05T22:00:00Z", false, false),
    ] {
        let held = given.held("p-1", now);
        assert_eq!(held.contains(&"tickets project:leads#member".to_owned()), seller, "{now}: {held:?}");
        assert_eq!(held.contains(&"forge team:guests".to_owned()), guest, "{now}: {held:?}");
    }
}

#[test]
fn a_service_lives_by_utc_and_an_end_before_the_start_never_begins() {
    let service = "kind: Service
id: s-export
owners: [p-1]
purpose: export
attributes: {tier: nightly}
start: 2026-05-04
end: 2026-05-04
";
    let mut never = version(&service.replace("s-export", "s-never"));
    if let Document::Service(service) = &mut never.document {
        service.end = Some("2026-05-01".parse().expect("a day"));
    }
    let mut given = given(service);
    let versions = format!("{TARGETS}{ROLES}{service}");
    let versions = versions.split("---\n").map(version).chain([never]);
    given.snapshot = Snapshot::restore(versions, []);
    for (now, count) in
        [("2026-05-03T23:59:59Z", 0), ("2026-05-04T00:00:00Z", 2), ("2026-05-05T00:00:00Z", 0)]
    {
        assert_eq!(given.held("s-export", now).len(), count, "{now}");
        assert!(given.held("s-never", now).is_empty());
    }
}

#[test]
fn without_an_employment_a_person_counts_as_having_left() {
    let given = given(&ADA.replace("employment: employee\ndepartment: engineering\n", ""));
    let access = given.access("2026-06-01T12:00Z");
    assert!(held(&access, "p-1").is_empty());
    assert_eq!(access.lifecycle("p-1".into()), Lifecycle::Left { since: None, successor: None });
}
