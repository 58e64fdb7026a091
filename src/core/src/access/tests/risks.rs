use super::*;
use crate::document::GrantSpec;

const OPS: &str = "kind: Role
id: ops
owners: [p-1]
grants: [{target: forge, team: admins}]
---
kind: Role
id: lead
owners: [p-1]
grants: [{target: forge, team: leads}]
---
kind: Role
id: robot
owners: [p-1]
grants: [{target: forge, profile: admin, team: eng}]
---
";

const NOW: &str = "2026-06-01T12:00:00Z";
const EVER: (&str, &str) = ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z");

fn person(rest: &str) -> Given {
    Given::of(&format!(
        "{TARGETS}{OPS}kind: Person\nid: p-1\nname: {{given: Ada}}\nusername: aosei\nemployment: employee\n{rest}"
    ))
}

fn waits(given: &Given) -> Vec<(String, Risk, Lack, String)> {
    let access = given.access(NOW);
    let one = |one: &Waiting| (one.power.to_string(), one.tier, one.why, one.window.to_string());
    access.waiting_of("p-1".into()).iter().map(one).collect()
}

#[test]
fn risk_is_the_highest_of_what_is_listed_declared_administrative_and_nested_in() {
    let mut given = Given::of(TARGETS);
    let risk_of = |given: &Given, grant: &str| {
        let grant: GrantSpec = serde_json::from_str(grant).expect("a grant");
        risk(&given.snapshot, &given.facts, Power::from(&grant))
    };
    for (grant, expected) in [
        (r#"{"target":"forge"}"#, Risk::Low),
        (r#"{"target":"forge","team":"eng"}"#, Risk::Low),
        (r#"{"target":"forge","team":"ADMINS"}"#, Risk::Privileged),
        (r#"{"target":"forge","team":"admins"}"#, Risk::Low),
        (r#"{"target":"forge","team":"leads"}"#, Risk::Normal),
        (r#"{"target":"forge","profile":"admin"}"#, Risk::Normal),
        (r#"{"target":"forge","profile":"admin","team":"eng"}"#, Risk::Normal),
        (r#"{"target":"forge","owner":"anything"}"#, Risk::Low),
        (r#"{"target":"nowhere","team":"eng"}"#, Risk::Privileged),
    ] {
        assert_eq!(risk_of(&given, grant), expected, "{grant}");
    }
    let forge = given.facts.get_mut(&Sym::new("forge")).expect("facts of forge");
    forge.capabilities.entitlement_kinds[0].comparison = provost_sdk::Comparison::IgnoreCase;
    assert_eq!(
        risk_of(&given, r#"{"target":"forge","team":"admins"}"#),
        Risk::Privileged,
        "by its comparison"
    );
    let spec = |name: &str| Spec { kind: "team".into(), name: name.into(), role: None };
    let forge = given.facts.get_mut(&Sym::new("forge")).expect("facts of forge");
    forge.nesting =
        [(spec("Eng"), spec("middle")), (spec("middle"), spec("eng")), (spec("MIDDLE"), spec("AdminX"))]
            .into();
    assert_eq!(
        risk_of(&given, r#"{"target":"forge","team":"eng"}"#),
        Risk::Privileged,
        "nested, in a circle too"
    );
    let forge = given.facts.get_mut(&Sym::new("forge")).expect("facts of forge");
    forge.nesting.clear();
    forge.administrative.insert(spec("Eng"));
    assert_eq!(risk_of(&given, r#"{"target":"forge","team":"eng"}"#), Risk::Privileged);
    given.facts.clear();
    assert_eq!(
        risk_of(&given, r#"{"target":"forge","team":"admins"}"#),
        Risk::Privileged,
        "unknown: case is ignored"
    );
}

#[test]
fn what_is_said_of_one_role_of_an_entitlement_or_of_another_kind_weighs_for_that_alone() {
    let listed = "entitlements:\n  - {project: site, role: maintainer, risk: normal}\n";
    let mut given = Given::of(&TARGETS.replacen("entitlements:\n", listed, 1));
    let risk_of = |given: &Given, rest: &str| {
        let grant = format!("{{\"target\":\"forge\",{rest}}}");
        let grant: GrantSpec = serde_json::from_str(&grant).expect("a grant");
        risk(&given.snapshot, &given.facts, Power::from(&grant))
    };
    let (member, maintainer) =
        (r#""project":"site","role":"member""#, r#""project":"site","role":"maintainer""#);
    let team = r#""team":"site","role":"maintainer""#;
    assert_eq!(risk_of(&given, maintainer), Risk::Normal);
    assert_eq!((risk_of(&given, member), risk_of(&given, team)), (Risk::Low, Risk::Low));
    let spec = |kind: &str, name: &str, role: Option<&str>| Spec {
        kind: kind.into(),
        name: name.into(),
        role: role.map(Sym::new),
    };
    let admins = spec("team", "ADMINS", None);
    for (inner, risks) in [
        (spec("project", "site", None), [Risk::Privileged, Risk::Privileged]),
        (spec("project", "site", Some("member")), [Risk::Privileged, Risk::Normal]),
        (spec("project", "site", Some("maintainer")), [Risk::Low, Risk::Privileged]),
    ] {
        let forge = given.facts.get_mut(&Sym::new("forge")).expect("facts of forge");
        forge.nesting = [(inner, admins)].into();
        assert_eq!([risk_of(&given, member), risk_of(&given, maintainer)], risks, "{inner}");
    }
    let forge = given.facts.get_mut(&Sym::new("forge")).expect("facts of forge");
    forge.nesting.clear();
    forge.administrative.insert(spec("team", "site", None));
    assert_eq!(risk_of(&given, r#""team":"site""#), Risk::Privileged);
    assert_eq!(risk_of(&given, r#""team":"eng""#), Risk::Low, "another team");
    assert_eq!(risk_of(&given, member), Risk::Low, "of another kind");
}

#[test]
fn what_is_privileged_is_absent_until_there_is_an_end_and_agreement_and_ends_with_either() {
    let upper = OPS.replace("team: admins", "team: ADMINS");
    let person = |rest: &str| {
        Given::of(&format!(
            "{TARGETS}{upper}kind: Person\nid: p-1\nname: {{given: Ada}}\nusername: aosei\nemployment: employee\n{rest}"
        ))
    };
    let undated = person("roles: [{role: ops}]\n");
    assert!(undated.held("p-1", NOW).is_empty());
    assert_eq!(
        waits(&undated),
        [("team:ADMINS on forge".to_owned(), Risk::Privileged, Lack::End, "without end".to_owned())]
    );

    let mut dated = person("roles: [{role: ops, until: 2026-06-30, reason: INC-1}]\n");
    assert!(dated.held("p-1", NOW).is_empty());
    assert_eq!(waits(&dated)[0].2, Lack::Evidence);
    assert_eq!(waits(&dated)[0].3, "until 2026-07-01T00:00:00Z");
    dated.agree("p-1", team("forge", "ADMINS"), Risk::Normal, EVER);
    assert!(dated.held("p-1", NOW).is_empty(), "agreement of a lower tier is none");
    dated.agree(
        "p-1",
        team("forge", "ADMINS"),
        Risk::Privileged,
        ("2026-05-01T00:00:00Z", "2026-06-10T00:00:00Z"),
    );
    assert_eq!(dated.held("p-1", NOW), ["forge", "forge team:ADMINS"]);
    assert!(dated.held("p-1", "2026-06-10T00:00:00Z").is_empty(), "agreement has its own end");
    assert_eq!(dated.access(NOW).next_boundary(), Some(at("2026-06-10T00:00:00Z")));
    assert_eq!(waits(&dated)[0].3, "from 2026-06-10T00:00:00Z until 2026-07-01T00:00:00Z");
    dated.agree("p-1", team("forge", "ADMINS"), Risk::Privileged, EVER);
    assert!(waits(&dated).is_empty());
    assert_eq!(dated.held("p-1", "2026-06-30T23:59:59Z").len(), 2);
    assert!(dated.held("p-1", "2026-07-01T00:00:00Z").is_empty(), "so has the assignment");
}

#[test]
fn what_begins_later_can_be_agreed_to_before() {
    let given = person("roles: [{role: lead, from: 2026-07-01}]\n");
    assert_eq!(
        waits(&given),
        [(
            "team:leads on forge".to_owned(),
            Risk::Normal,
            Lack::Evidence,
            "from 2026-07-01T00:00:00Z".to_owned()
        )]
    );
}

#[test]
fn a_profile_with_a_risk_gives_it_to_everything_that_is_held_there() {
    let mut given = person("roles: [{role: robot}]\n");
    assert!(given.held("p-1", NOW).is_empty());
    let power = Power { profile: "admin".into(), ..team("forge", "eng") };
    given.agree("p-1", power, Risk::Normal, EVER);
    assert_eq!(given.held("p-1", NOW), ["forge/admin", "forge/admin team:eng"]);
}

#[test]
fn birthright_gives_what_is_normal_with_agreement_and_what_is_privileged_never() {
    let roles = "kind: Role
id: born
owners: [p-1]
assign: \"true\"
grants: [{target: forge, team: leads}, {target: forge, team: ADMINS}, {target: forge, team: eng}]
---
";
    let mut given = Given::of(&format!(
        "{TARGETS}{roles}kind: Person\nid: p-1\nname: {{given: Ada}}\nusername: aosei\nemployment: employee\nend: 2027-01-01\n"
    ));
    given.agree("p-1", team("forge", "ADMINS"), Risk::Privileged, EVER);
    assert_eq!(given.held("p-1", NOW), ["forge", "forge team:eng"]);
    let lacks: Vec<Lack> = waits(&given).into_iter().map(|(_, _, why, _)| why).collect();
    assert_eq!(lacks, [Lack::Request, Lack::Evidence]);
    given.agree("p-1", team("forge", "leads"), Risk::Normal, EVER);
    assert_eq!(given.held("p-1", NOW), ["forge", "forge team:eng", "forge team:leads"]);
}

const SEPARATION: &str = "kind: Separation
id: pay
owners: [p-7]
sides: [[{target: forge, team: \"pay-*\"}], [{target: tickets, project: approve}]]
exceptions: [{identity: p-2, until: 2026-06-15, reason: holidays}]
---
kind: Role
id: payer
owners: [p-1]
grants: [{target: forge, team: pay-run}]
---
kind: Role
id: approver
owners: [p-1]
grants: [{target: tickets, project: approve, role: member}]
---
";

fn separated(id: &str, roles: &str) -> Given {
    Given::of(&format!(
        "{TARGETS}{SEPARATION}kind: Person\nid: {id}\nname: {{given: Ada}}\nusername: aosei\nemployment: employee\nroles: {roles}\n"
    ))
}

#[test]
fn of_two_separated_grants_the_later_one_waits() {
    let given = separated("p-1", "[{role: approver, from: 2026-03-01}, {role: payer, from: 2026-02-01}]");
    assert_eq!(given.held("p-1", NOW), ["forge", "forge team:pay-run"]);
    let access = given.access(NOW);
    let [waiting] = access.waiting_of("p-1".into()) else { panic!("one waits") };
    assert!(matches!(waiting.why, Lack::Separation { beside, .. } if beside == team("forge", "pay-run")));
    assert!(access.problems(&given.snapshot).is_empty());
    let alone = separated("p-1", "[{role: approver}]");
    assert_eq!(alone.held("p-1", NOW), ["tickets", "tickets project:approve#member"]);
}

#[test]
fn what_stands_is_not_taken_away_for_what_comes_later_and_two_that_stand_are_a_problem() {
    let mut given = separated("p-1", "[{role: approver, from: 2026-03-01}, {role: payer, from: 2026-02-01}]");
    let spec = Spec { kind: "project".into(), name: "approve".into(), role: Some("member".into()) };
    let approve = Power { target: "tickets".into(), profile: MAIN.into(), entitlement: Some(spec) };
    given.evidence.stand("p-1".into(), approve, at("2026-03-01T00:00:00Z"));
    assert_eq!(given.held("p-1", NOW), ["tickets", "tickets project:approve#member"]);
    given.evidence.stand("p-1".into(), team("forge", "pay-run"), at("2026-04-01T00:00:00Z"));
    assert_eq!(given.held("p-1", NOW).len(), 4);
    // What was given comes before what was only agreed to, and two that were given both stay.
    assert!(given.evidence.give("p-1".into(), [team("forge", "pay-run")].into()));
    assert_eq!(given.held("p-1", NOW), ["forge", "forge team:pay-run"]);
    assert!(given.evidence.give("p-1".into(), [approve, team("forge", "pay-run")].into()));
    assert_eq!(given.held("p-1", NOW).len(), 4);
    let problems = given.access(NOW).problems(&given.snapshot);
    let [problem] = &problems[..] else { panic!("one problem, not {problems:?}") };
    assert_eq!(
        problem.to_string(),
        "Person/p-1.yaml: warning: p-1 holds both project:approve#member on tickets and team:pay-run on forge since \
         2026-03-01T00:00:00Z, which pay forbids (take one away, or write an exception with an end into pay)"
    );
}

#[test]
fn a_hand_made_nesting_weighs_for_what_is_new_and_takes_nothing_away_that_stands() {
    let role = "kind: Role\nid: engineer\nowners: [p-9]\ngrants: [{target: forge, team: eng}]\n---\n";
    let person = |id: &str| {
        format!(
            "kind: Person\nid: {id}\nname: {{given: Ada}}\nusername: {id}\nemployment: employee\nroles: [{{role: engineer}}]\n---\n"
        )
    };
    let mut given = Given::of(&format!("{TARGETS}{role}{}{}", person("p-1"), person("p-2")));
    assert_eq!(given.access(NOW).contested().count(), 0);
    let spec = |name: &str| Spec { kind: "team".into(), name: name.into(), role: None };
    let forge = given.facts.get_mut(&Sym::new("forge")).expect("facts of forge");
    forge.nesting = [(spec("eng"), spec("reviewers"))].into();
    given.evidence.give("p-1".into(), [team("forge", "eng")].into());
    let access = given.access(NOW);
    assert_eq!(held(&access, "p-1"), ["forge", "forge team:eng"]);
    assert!(held(&access, "p-2").is_empty(), "what is new waits for agreement");
    assert_eq!(access.waiting_of("p-2".into())[0].tier, Risk::Normal);
    assert!(access.waiting_of("p-1".into()).is_empty());
    let mut contested: Vec<Sym> = access.contested().collect();
    contested.sort();
    assert_eq!(contested, [Sym::new("p-1"), Sym::new("p-2")]);
}

#[test]
fn a_declared_nesting_weighs_for_everybody() {
    let role = "kind: Role\nid: lead\nowners: [p-9]\ngrants: [{target: forge, team: leads}]\n---\n";
    let mut given = Given::of(&format!(
        "{TARGETS}{role}kind: Person\nid: p-1\nname: {{given: Ada}}\nusername: aosei\nemployment: employee\nroles: [{{role: lead}}]\n"
    ));
    given.evidence.give("p-1".into(), [team("forge", "leads")].into());
    assert!(given.held("p-1", NOW).is_empty());
}

#[test]
fn an_exception_lets_both_be_until_its_last_day_is_over() {
    let given = separated("p-2", "[{role: approver}, {role: payer}]");
    let access = given.access(NOW);
    assert_eq!(held(&access, "p-2").len(), 4);
    assert_eq!(access.next_boundary(), Some(at("2026-06-16T00:00:00Z")));
    assert_eq!(given.held("p-2", "2026-06-16T00:00:00Z").len(), 2);
}

#[test]
fn what_is_taken_in_an_emergency_is_held_for_its_time_and_no_longer() {
    let mut given = Given::of(&format!(
        "{TARGETS}{OPS}kind: Person\nid: p-1\nname: {{given: Ada}}\nusername: aosei\nemployment: employee\n"
    ));
    let taken = crate::evidence::Taken {
        power: team("forge", "admins"),
        policy: "production-down".into(),
        from: at("2026-06-01T00:00:00Z"),
        until: at("2026-06-10T00:00:00Z"),
    };
    let before = given.access("2026-06-05T00:00:00Z");
    given.evidence.take("p-1".into(), taken);
    let changed = Evidence::default().differing(&given.evidence);
    assert_eq!(changed, [Sym::new("p-1")].into());
    let access = given.access("2026-06-05T00:00:00Z");
    assert_eq!(
        (held(&before, "p-1").len(), held(&access, "p-1")),
        (0, vec!["forge".into(), "forge team:admins".into()])
    );
    assert_eq!(access.next_boundary(), Some(taken.until));
    let why = access.why(&given.snapshot, &given.evidence, "p-1".into());
    assert_eq!(why[0].causes[0].source, Source::BreakGlass { policy: taken.policy });
    assert!(given.held("p-1", "2026-05-31T23:59:59Z").is_empty());
    assert!(given.held("p-1", "2026-06-10T00:00:00Z").is_empty());

    let mut updated = before;
    let dirty = Dirty { identities: changed, ..Dirty::default() };
    let now = at("2026-06-05T00:00:00Z");
    updated.update(&given.snapshot, &dirty, &given.evidence, &given.facts, &zones(), now);
    assert_eq!(held(&updated, "p-1"), held(&access, "p-1"), "incremental is the whole");
}
