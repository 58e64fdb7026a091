//! The organisation as a council: who may agree to what, who gains, what causes it and when it is asked for. What the
//! attacks rest on, question by question.

use std::collections::BTreeSet;

use provost_core::Sym;
use provost_core::access::Window;
use provost_core::approval::{
    AccountRequest, AttributeRequest, Council, CredentialRequest, Entitlement, GrantRequest, HolderRequest,
    Limited, NameRequest, Open, OperationRequest, OverrideRequest, Part, Pool, Request, Standing,
};
use provost_core::document::Kind;
use provost_core::evidence::MAIN;
use provost_core::observed::AccountRecord;
use provost_sdk::{Risk, State, Verb};

use super::scene::{FORGE, GROUP, PLACE, Scene, at, key, linked, person, signers, stranger};

fn group(id: &str) -> Pool {
    Pool::Group { group: id.into() }
}

fn owners(entitlement: Option<&str>) -> Pool {
    Pool::Owners { target: "forge".into(), entitlement: entitlement.map(Sym::new) }
}

fn two_of(from: Pool) -> Part {
    Part { from, people: 2, signed: true, authors_count: false }
}

fn people(ids: &[&str]) -> BTreeSet<Sym> {
    ids.iter().map(|id| Sym::new(id)).collect()
}

/// The rule that waits, by its id.
fn waiting(scene: &Scene, id: &str) -> Open {
    let is = |open: &Open| matches!(&open.request, Request::Rule(rule) if rule.id == *id);
    scene.open().into_iter().find(is).expect("the rule waits")
}

fn parts(scene: &Scene, id: &str) -> BTreeSet<Part> {
    waiting(scene, id).needs.parts.into_iter().collect()
}

fn gains(scene: &Scene, id: &str) -> BTreeSet<Sym> {
    waiting(scene, id).gains
}

fn grant(who: &str, team: &str) -> GrantRequest {
    GrantRequest {
        identity: who.into(),
        target: "forge".into(),
        place: PLACE.into(),
        profile: MAIN.into(),
        entitlement: Some(Entitlement { kind: "team".into(), name: team.into(), role: None, anchor: None }),
        from: None,
        until: None,
    }
}

fn account(who: &str, anchor: &str) -> AccountRequest {
    let (identity, anchor) = (who.into(), anchor.into());
    AccountRequest { identity, target: "forge".into(), place: PLACE.into(), profile: MAIN.into(), anchor }
}

fn operation(verb: Verb, who: &str, anchor: &str, to: Option<&str>) -> Request {
    let (identity, target, place, profile) = (who.into(), "forge".into(), PLACE.into(), MAIN.into());
    let (anchor, to) = (anchor.into(), to.map(Sym::new));
    Request::Operation(OperationRequest { verb, identity, target, place, profile, anchor, to })
}

fn holder(service: &str, person: &str, standing: Standing) -> Request {
    Request::Holder(HolderRequest { service: service.into(), person: person.into(), standing })
}

fn is_asked(scene: &Scene, request: &Request) -> bool {
    !scene.organisation.asked(request).is_empty()
}

const EXPORT: &str = "kind: Service
id: s-export
owners: [p-own]
holders: [p-fred]
purpose: export
roles: [{role: reader}]
credentials: [{target: forge, kind: token, rotate: 30d, deliver: vault}]
";

const READER: &str = "kind: Role\nid: reader\nowners: [p-own]\ngrants: [{target: forge, team: ops}]\n";

/// The forge with other words about its entitlements.
fn forge(entitlements: &str) -> String {
    let (before, rest) = FORGE.split_once("entitlements:\n").expect("it lists entitlements");
    let (_, after) = rest.split_once("authority:").expect("it has authority");
    format!("{before}entitlements:\n{entitlements}authority:{after}")
}

#[test]
fn the_groups_are_those_in_force() {
    let mut scene = Scene::new();
    scene.commit("p-fred", &[("others.yaml", "kind: ApproverGroup\nid: others\nmembers: [p-ada, p-eve]\n")]);
    assert_eq!(scene.organisation.groups(), [Sym::new("approvers")]);
    assert_eq!(scene.organisation.members(&group("others")), people(&[]));
}

#[test]
fn people_as_they_are_to_be_are_read_from_the_rule_that_would_make_it_so() {
    let mut scene = Scene::new();
    let owned = FORGE.replace("[p-own, p-two]", "[p-ada]");
    let files = [
        ("approvers.yaml", "kind: ApproverGroup\nid: approvers\nmembers: [p-ben, p-eve]\n"),
        ("forge.yaml", &owned),
    ];
    scene.commit("p-fred", &files);
    let (of_group, of_target) = (waiting(&scene, "approvers").digest, waiting(&scene, "forge").digest);
    let members = |pool: Pool| scene.organisation.members(&pool);
    let proposed = |group: &str, by| members(Pool::Proposed { group: group.into(), by });
    assert_eq!(proposed("approvers", of_group), people(&["p-ben", "p-eve"]));
    assert_eq!(proposed("others", of_group), people(&[]), "the rule is about another group");
    assert_eq!(proposed("approvers", of_target), people(&[]), "the rule is no group");
    let proposed = |target: &str, by| members(Pool::ProposedOwners { target: target.into(), by });
    assert_eq!(proposed("forge", of_target), people(&["p-ada"]));
    assert_eq!(proposed("shop", of_target), people(&[]), "the rule is about another target");
}

#[test]
fn owners_and_approvers_are_those_of_the_first_words_about_an_entitlement_that_name_some() {
    let listed = "  - {project: ops, owners: [p-ada]}
  - {project: platform, role: maintainer, owners: [p-eve]}
  - {team: ops, risk: normal}
  - {team: \"op*\", owners: [p-two]}
  - {team: admins, risk: privileged, approvers: admins}
";
    let admins = "kind: ApproverGroup\nid: admins\nmembers: [p-ada, p-eve]\n";
    let scene = Scene::with(&[("forge.yaml", &forge(listed)), ("admins.yaml", admins)]);
    let members = |entitlement| scene.organisation.members(&owners(entitlement));
    for (entitlement, expected) in [
        (None, people(&["p-own", "p-two"])),
        (Some("team:ops"), people(&["p-two"])),
        (Some("team:OPS"), people(&["p-two"])),
        (Some("team:lab"), people(&["p-own", "p-two"])),
        (Some("team:admins"), people(&["p-own", "p-two"])),
        (Some("project:ops#member"), people(&["p-ada"])),
        (Some("project:platform#maintainer"), people(&["p-eve"])),
        (Some("project:platform#member"), people(&["p-own", "p-two"])),
    ] {
        assert_eq!(members(entitlement), expected, "{entitlement:?}");
    }
    let pool = |team: &str, tier| {
        let request = Request::Grant(grant("p-ada", team));
        scene.organisation.needs(&request, tier).expect("it can be said").parts[0].from.clone()
    };
    assert_eq!(pool("ops", Risk::Normal), owners(Some("team:ops")));
    assert_eq!(pool("admins", Risk::Normal), owners(None), "it has no owners of its own");
    assert_eq!(pool("admins", Risk::Privileged), group("admins"));
    assert_eq!(pool("ops", Risk::Privileged), group("approvers"));
}

#[test]
fn a_service_answers_to_the_owners_of_the_riskiest_that_it_holds() {
    let listed = "  - {team: ops, risk: normal, owners: [p-two]}\n";
    let files = [("forge.yaml", &*forge(listed)), ("export.yaml", EXPORT), ("reader.yaml", READER)];
    let scene = Scene::with(&files);
    let pool = |service: &str| {
        let request = holder(service, "p-fred", Standing::Holder);
        scene.organisation.needs(&request, Risk::Normal).expect("it can be said").parts[0].from.clone()
    };
    assert_eq!(pool("s-export"), owners(Some("team:ops")));
    assert_eq!(pool("s-nothing"), group("approvers"), "it holds nothing");
}

#[test]
fn a_document_and_the_roles_that_lead_to_it_cause_a_grant_and_a_rule_causes_itself() {
    let mut scene = Scene::new();
    let text = "roles: [{role: administrator, until: 2026-12-10, reason: INC-1}]\n";
    let leads = person("p-ada", &format!("department: leads\n{text}"));
    scene.commit("p-fred", &[("p-ada.yaml", &leads), ("approvers.yaml", &GROUP.replace("p-ben", "p-eve"))]);
    let causes = |request: &Request| scene.organisation.causes(request);
    let ada = (Kind::Person, Sym::new("p-ada"));
    let role = |id: &str| (Kind::Role, Sym::new(id));
    let of = |causes: [(Kind, Sym); 2]| BTreeSet::from(causes).into_iter().collect::<Vec<_>>();
    assert_eq!(causes(&Request::Grant(grant("p-ada", "admins"))), of([ada, role("administrator")]));
    assert_eq!(causes(&Request::Grant(grant("p-ada", "ops"))), of([ada, role("lead")]));
    let rule = waiting(&scene, "approvers");
    assert_eq!(causes(&rule.request), [(Kind::ApproverGroup, Sym::new("approvers"))]);
    assert_eq!(rule.causes, causes(&rule.request));
}

#[test]
fn whoever_receives_answers_for_it_or_bears_it_gains() {
    let mut scene = Scene::with(&[("export.yaml", EXPORT), ("reader.yaml", READER)]);
    scene.account(linked("s-export", "s-export", &["ops"]));
    scene.commit("p-fred", &[("p-ada.yaml", &person("p-ada", "department: leads\n"))]);
    scene.sign("p-own");
    assert!(scene.has("p-ada", "ops"));
    let gains = |request: &Request| scene.organisation.gains(request);
    assert_eq!(gains(&Request::Grant(grant("p-eve", "ops"))), people(&["p-eve"]));
    assert_eq!(gains(&Request::Grant(grant("s-export", "ops"))), people(&["p-own", "p-fred"]));
    let new = holder("s-export", "p-eve", Standing::Holder);
    assert_eq!(gains(&new), people(&["p-own", "p-fred", "p-eve"]));
    let transfer = |to| operation(Verb::Transfer, "p-dan", "account-p-dan", to);
    assert_eq!(gains(&transfer(Some("account-p-eve"))), people(&["p-eve"]));
    assert_eq!(gains(&transfer(Some("account-s-export"))), people(&["p-own", "p-fred"]));
    assert_eq!(gains(&transfer(Some("nobodys"))), people(&[]));
    assert_eq!(gains(&transfer(None)), people(&[]), "deleting it gives nobody anything");
    let (target, place, kind) = ("forge".into(), PLACE.into(), "team".into());
    let name = NameRequest { target, place, kind, name: "ops".into(), anchor: "team-new".into() };
    assert!(gains(&Request::Name(name)).contains(&Sym::new("p-ada")));
    let guard = Limited::LastAdmin { target, entitlement: "team:admins".into() };
    let operations = Vec::new();
    assert_eq!(gains(&Request::Override(OverrideRequest { guard, operations })), people(&[]));
}

#[test]
fn who_is_newly_named_in_a_place_of_authority_gains_by_the_rule() {
    let others = "kind: ApproverGroup\nid: others\nmembers: [p-dan, p-eve]\n";
    let separation = |owners: &str, excepted: &str| {
        format!(
            "kind: Separation\nid: apart\nowners: [{owners}]\nsides: [[{{target: forge, team: ops}}], [{{target: forge, team: admins}}]]\nexceptions: [{{identity: {excepted}, until: 2026-12-31, reason: AUD-7}}]\n"
        )
    };
    let emergency = |people: &str| {
        format!(
            "kind: BreakGlass\nid: down\npeople: [{people}]\nkeys: [\"{}\"]\ngrants: [{{target: forge, team: admins}}]\nduration: 4h\nreview: 72h\n",
            key("p-own", 9)
        )
    };
    let before = [
        ("others.yaml", others.to_owned()),
        ("separation.yaml", separation("p-own", "p-two")),
        ("emergency.yaml", emergency("p-own")),
    ];
    let before: Vec<(&str, &str)> = before.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let listed = "  - {team: admins, risk: privileged, owners: [p-ada], approvers: others}\n";
    let own = FORGE.replace("p-own, p-two", "p-own, p-fred");
    let after = [
        ("approvers.yaml", GROUP.replace("p-ben", "p-ben, p-eve"), "approvers", people(&["p-eve"])),
        ("separation.yaml", separation("p-own, p-eve", "p-two"), "apart", people(&["p-eve"])),
        ("separation.yaml", separation("p-own", "p-fred"), "apart", people(&["p-fred"])),
        ("emergency.yaml", emergency("p-own, p-eve"), "down", people(&["p-eve"])),
        ("forge.yaml", own, "forge", people(&["p-fred"])),
        ("forge.yaml", forge(listed), "forge", people(&["p-ada", "p-dan", "p-eve"])),
        ("forge.yaml", format!("{FORGE}approvers: others\n"), "forge", people(&["p-dan", "p-eve"])),
        (
            "policy/allowed_signers",
            signers("", &format!("p-new {}\n", key("p-new", 1))),
            "allowed_signers",
            people(&["p-new"]),
        ),
    ];
    for (path, text, id, expected) in after {
        let mut scene = Scene::with(&before);
        scene.commit("p-fred", &[(path, &text)]);
        assert_eq!(gains(&scene, id), expected, "{text}");
    }
}

#[test]
fn a_role_needs_an_owner_of_each_that_it_adds_and_what_the_tier_asks_for_the_riskiest() {
    let listed = "  - {team: ops, risk: normal, owners: [p-two], approvers: ops}
  - {team: lab, risk: normal}
  - {team: admins, risk: privileged}
";
    let ops = "kind: ApproverGroup\nid: ops\nmembers: [p-ada, p-eve]\n";
    let tiers = "kind: Tiers\nid: tiers\ntiers: {normal: {people: 2, from: owners}}\n";
    let scene = |teams: &[&str]| {
        let files = [("forge.yaml", &*forge(listed)), ("ops.yaml", ops), ("tiers.yaml", tiers)];
        let mut scene = Scene::with(&files);
        let grants: Vec<String> =
            teams.iter().map(|team| format!("{{target: forge, team: {team}}}")).collect();
        let text = format!("kind: Role\nid: new\nowners: [p-own]\ngrants: [{}]\n", grants.join(", "));
        scene.commit("p-fred", &[("new.yaml", &text)]);
        scene
    };
    let part = |from, people, signed| Part { from, people, signed, authors_count: false };
    let (of_ops, of_target) = (owners(Some("team:ops")), owners(None));
    let expected = [part(of_ops.clone(), 1, false), part(of_ops.clone(), 2, false)];
    assert_eq!(parts(&scene(&["ops"]), "new"), expected.into());
    let expected = [part(of_ops, 1, true), part(of_target, 1, true), two_of(group("approvers"))];
    assert_eq!(
        parts(&scene(&["ops", "lab", "admins"]), "new"),
        expected.into(),
        "the group of ops has no say"
    );
}

#[test]
fn a_role_says_why_it_needs_agreement() {
    let mut scene = Scene::new();
    let of = |department: &str, teams: &str| {
        format!(
            "kind: Role\nid: lead\nowners: [p-own]\nassign: \"person.department == '{department}'\"\ngrants: [{teams}]\n"
        )
    };
    let why = |scene: &Scene| {
        let mut waiting = scene.organisation.snapshot().waiting_rules().into_iter();
        waiting.find(|rule| rule.id == *"lead").map(|rule| rule.why.clone())
    };
    let ops = "{target: forge, team: ops}";
    scene.commit("p-fred", &[("lead.yaml", &of("sales", ops))]);
    assert_eq!(why(&scene).as_deref(), Some("its condition is another one, and it grants team:ops on forge"));
    let (other, own) = (of("leads", ops).replace("id: lead", "id: second"), of("leads", ops));
    scene.commit("p-fred", &[("lead.yaml", &own), ("second.yaml", &other)]);
    assert_eq!(why(&scene), None, "it is as it was");
    let mut waiting = scene.organisation.snapshot().waiting_rules().into_iter();
    let why = waiting.find(|rule| rule.id == *"second").map(|rule| rule.why.clone());
    assert_eq!(why.as_deref(), Some("it adds team:ops on forge"));
}

#[test]
fn who_only_takes_a_key_away_needs_one_signer_and_may_have_written_it() {
    let (ben, cleo) = (key("p-ben", 2), key("p-cleo", 2));
    let one = Part { from: Pool::Signers, people: 1, signed: true, authors_count: true };
    let spare = format!("p-ben {ben}\n");
    let (with, without) = (signers("", &spare), signers("", ""));
    let (one_key, two_keys) = (format!("{ben}\n"), format!("{ben}\n{cleo}\n"));
    for (path, before, after, expected) in [
        ("policy/allowed_signers", Some(&with), &without, one.clone()),
        ("policy/allowed_signers", Some(&without), &with, two_of(group("approvers"))),
        ("policy/revoked_keys", None, &one_key, one.clone()),
        ("policy/revoked_keys", Some(&one_key), &two_keys, one),
        ("policy/revoked_keys", Some(&two_keys), &one_key, two_of(group("approvers"))),
    ] {
        let before: Vec<(&str, &str)> = before.map(|text| (path, text.as_str())).into_iter().collect();
        let mut scene = Scene::with(&before);
        scene.commit("p-fred", &[(path, after)]);
        let id = path.trim_start_matches("policy/");
        assert_eq!(parts(&scene, id), [expected].into(), "{path}: {before:?} -> {after}");
    }
}

#[test]
fn a_policy_satisfies_what_is_in_force_and_its_own_new_word() {
    let another = "kind: ApproverGroup\nid: another\nmembers: [p-ada, p-eve]\n";
    let by_target = format!("{FORGE}approvers: another\n");
    let by_entitlement = FORGE.replace("risk: privileged}", "risk: privileged, approvers: another}");
    let larger = another.replace("p-eve", "p-eve, p-fred");
    let standing = two_of(group("approvers"));
    type Files<'a> = Vec<(&'a str, &'a str)>;
    type Case<'a> = (&'a str, Files<'a>, (&'a str, &'a str), &'a str, fn(&Scene) -> Part);
    let cases: [Case; 7] = [
        (
            "more people",
            vec![],
            (
                "tiers.yaml",
                "kind: Tiers\nid: tiers\ntiers: {privileged: {people: 3, signed: true, from: {group: approvers}}}\n",
            ),
            "tiers",
            |_| Part { people: 3, ..two_of(group("approvers")) },
        ),
        (
            "the tier's own group",
            vec![],
            ("approvers.yaml", &GROUP.replace("p-ben", "p-eve")),
            "approvers",
            |scene| {
                two_of(Pool::Proposed { group: "approvers".into(), by: waiting(scene, "approvers").digest })
            },
        ),
        (
            "the group of a target",
            vec![("forge.yaml", &by_target), ("another.yaml", another)],
            ("another.yaml", &larger),
            "another",
            |scene| two_of(Pool::Proposed { group: "another".into(), by: waiting(scene, "another").digest }),
        ),
        (
            "the group of an entitlement",
            vec![("forge.yaml", &by_entitlement), ("another.yaml", another)],
            ("another.yaml", &larger),
            "another",
            |scene| two_of(Pool::Proposed { group: "another".into(), by: waiting(scene, "another").digest }),
        ),
        (
            "a group that nothing asks",
            vec![("another.yaml", another)],
            ("another.yaml", &larger),
            "another",
            |_| two_of(group("approvers")),
        ),
        (
            "a target that gets a group",
            vec![("another.yaml", another)],
            ("forge.yaml", &by_target),
            "forge",
            |_| two_of(group("another")),
        ),
        (
            "a target that loses its group",
            vec![("forge.yaml", &by_target), ("another.yaml", another)],
            ("forge.yaml", FORGE),
            "forge",
            |_| two_of(group("another")),
        ),
    ];
    for (what, before, after, id, own) in cases {
        let mut scene = Scene::with(&before);
        scene.commit("p-fred", &[after]);
        assert_eq!(parts(&scene, id), [standing.clone(), own(&scene)].into(), "{what}");
    }
}

#[test]
fn where_owners_are_asked_for_what_is_privileged_a_target_needs_those_it_has_and_those_it_gets() {
    let tiers = "kind: Tiers\nid: tiers\ntiers: {privileged: {people: 1, signed: true, from: owners}}\n";
    let mut scene = Scene::with(&[("tiers.yaml", tiers)]);
    scene.commit("p-fred", &[("forge.yaml", &FORGE.replace("[p-own, p-two]", "[p-eve]"))]);
    let by = waiting(&scene, "forge").digest;
    let part = |from| Part { people: 1, ..two_of(from) };
    let new = part(Pool::ProposedOwners { target: "forge".into(), by });
    assert_eq!(parts(&scene, "forge"), [part(owners(None)), new].into());
}

#[test]
fn a_grant_is_asked_for_by_its_name_or_by_the_anchor_that_a_name_in_the_documents_has() {
    let mut scene = Scene::new();
    let text = "grants: [
  {target: forge, team: Ops, from: 2026-12-02, until: 2026-12-04, reason: help},
  {target: forge, team: Ops, from: 2026-12-03, until: 2026-12-05, reason: help},
  {target: forge, team: Ops, from: 2026-12-08, until: 2026-12-09, reason: help}]\n";
    scene.commit("p-fred", &[("p-ada.yaml", &person("p-ada", text))]);
    let asked = |of: GrantRequest| scene.organisation.asked(&Request::Grant(of)).len();
    let of = |name: &str, anchor: Option<&str>, role: Option<&str>| {
        let (kind, anchor, role) = ("team".into(), anchor.map(Sym::new), role.map(Sym::new));
        GrantRequest {
            entitlement: Some(Entitlement { kind, name: name.into(), role, anchor }),
            ..grant("p-ada", name)
        }
    };
    let window = |from, until| Window { from: at(from), until: at(until) };
    let apart = [
        window("2026-12-02T00:00:00Z", "2026-12-06T00:00:00Z"),
        window("2026-12-08T00:00:00Z", "2026-12-10T00:00:00Z"),
    ];
    let all = scene.organisation.asked(&Request::Grant(of("Ops", None, None)));
    assert_eq!(all, apart, "of the three stretches of time two overlap");
    assert_eq!(asked(of("was-ops", Some("team-ops"), None)), 2, "as a request from before it was renamed");
    assert_eq!(asked(of("was-ops", Some("team-lab"), None)), 0);
    assert_eq!(asked(of("was-ops", None, None)), 0);
    assert_eq!(asked(of("was-ops", Some("team-ops"), Some("lead"))), 0, "another role");
    let other = GrantRequest { profile: "admin".into(), ..of("was-ops", Some("team-ops"), None) };
    assert_eq!(asked(other), 0, "another account");
    assert_eq!(asked(GrantRequest { identity: "p-eve".into(), ..of("Ops", None, None) }), 0);
    let elsewhere = "https://git.attacker.example".into();
    assert_eq!(asked(GrantRequest { place: elsewhere, ..of("Ops", None, None) }), 0);
    scene.commit("p-own", &[("p-ada.yaml", &format!("{}status: departed\n", person("p-ada", text)))]);
    assert_eq!(scene.organisation.asked(&Request::Grant(of("Ops", None, None))).len(), 0, "she has left");
}

/// An account of somebody that cannot sign in.
fn disabled(who: &str, by_provost: bool) -> AccountRecord {
    let mut account = linked(who, who.trim_start_matches("p-"), &["everyone"]);
    account.state = Some(State::Disabled);
    let then = at("2026-11-30T12:00:00Z");
    account.link.as_mut().expect("it is linked").disabled = by_provost.then_some(then);
    account
}

#[test]
fn an_account_is_linked_where_it_is_nobodys_or_is_linked_so_already() {
    let mut scene = Scene::new();
    scene.account(stranger("root", "root", &[]));
    let asked = |who, anchor| is_asked(&scene, &Request::Link(account(who, anchor)));
    assert!(asked("p-ada", "root") && asked("p-ada", "account-p-ada"));
    assert!(!asked("p-ada", "account-p-ben"), "it is somebody else's");
    assert!(!asked("p-ada", "nothing"), "there is none");
}

#[test]
fn an_account_is_enabled_that_somebody_else_than_provost_disabled() {
    let mut scene = Scene::new();
    scene.account(disabled("p-ada", false));
    scene.account(disabled("p-ben", true));
    scene.account(disabled("p-dan", false));
    let asked = |who, anchor| is_asked(&scene, &Request::Enable(account(who, anchor)));
    assert!(asked("p-ada", "account-p-ada"));
    assert!(!asked("p-ben", "account-p-ben"), "provost did");
    assert!(!asked("p-cleo", "account-p-cleo"), "nobody did");
    assert!(!asked("p-cleo", "account-p-dan") && !asked("p-ada", "account-p-dan"), "it is somebody else's");
    assert!(!asked("p-nia", "account-p-ada"), "she has no account");
}

#[test]
fn an_attribute_is_asked_for_with_the_value_that_the_documents_give() {
    let mut scene = Scene::new();
    let asked = |scene: &Scene, who: &str, attribute: &str, value: Option<&str>| {
        let (identity, target, place, profile) = (who.into(), "forge".into(), PLACE.into(), MAIN.into());
        let (attribute, value) = (attribute.into(), value.map(Sym::new));
        is_asked(
            scene,
            &Request::Attribute(AttributeRequest { identity, target, place, profile, attribute, value }),
        )
    };
    assert!(asked(&scene, "p-ada", "email", Some("ada@example.com")));
    assert!(!asked(&scene, "p-ada", "email", Some("eve@example.com")));
    assert!(!asked(&scene, "p-ada", "email", None) && !asked(&scene, "p-ada", "phone", Some("1")));
    assert!(asked(&scene, "p-ada", "username", Some("ada")));
    assert!(!asked(&scene, "p-ada", "username", Some("eve")) && !asked(&scene, "p-ada", "username", None));
    assert!(!asked(&scene, "p-nobody", "username", Some("ada")));
    let without = person("p-ada", "email: x\n").replace("email: x\n", "");
    scene.commit("p-own", &[("p-ada.yaml", &without)]);
    assert!(asked(&scene, "p-ada", "email", None), "it is to be cleared");
}

#[test]
fn a_credential_and_its_people_are_asked_for_as_the_service_declares_them() {
    let scene = Scene::with(&[("export.yaml", EXPORT), ("reader.yaml", READER)]);
    let asked = |service: &str, kind: &str, deliver: &str| {
        let (service, target, place) = (service.into(), "forge".into(), PLACE.into());
        let (kind, deliver) = (kind.into(), deliver.into());
        is_asked(&scene, &Request::Credential(CredentialRequest { service, target, place, kind, deliver }))
    };
    assert!(asked("s-export", "token", "vault"));
    assert!(!asked("s-export", "token", "eves") && !asked("s-export", "password", "vault"));
    assert!(!asked("s-other", "token", "vault"));
    let is = |person, standing| is_asked(&scene, &holder("s-export", person, standing));
    assert!(is("p-own", Standing::Owner) && is("p-fred", Standing::Holder));
    assert!(
        !is("p-own", Standing::Holder) && !is("p-fred", Standing::Owner) && !is("p-eve", Standing::Owner)
    );
}

#[test]
fn an_account_is_deleted_of_whoever_left_and_has_it() {
    let mut scene = Scene::new();
    scene.commit("p-own", &[("p-fred.yaml", &person("p-fred", "status: departed\n"))]);
    scene.account(stranger("root", "root", &[]));
    let asked = |scene: &Scene, who, anchor| is_asked(scene, &operation(Verb::Delete, who, anchor, None));
    assert!(asked(&scene, "p-fred", "account-p-fred"));
    assert!(!asked(&scene, "p-ada", "account-p-ada"), "she has not left");
    assert!(!asked(&scene, "p-fred", "root") && !asked(&scene, "p-fred", "account-p-ada"), "it is not his");
    assert!(!asked(&scene, "p-nobody", "root"));
    let mut gone = linked("p-fred", "fred", &[]);
    (gone.kind, gone.username, gone.state) = (None, None, None);
    let known = provost_core::organisation::Known {
        observed: provost_core::observed::Observed::load(Default::default(), [gone], []),
        place: PLACE.into(),
        adopted: Some(PLACE.into()),
        hold: None,
        own_accounts: Vec::new(),
    };
    provost_core::organisation::Organisation::place(
        &mut scene.organisation,
        "forge".into(),
        known,
        scene.now,
    );
    assert!(!asked(&scene, "p-fred", "account-p-fred"), "it is gone already");
}

#[test]
fn a_name_is_asked_about_where_something_else_bears_it_now() {
    let mut scene = Scene::new();
    scene.commit("p-fred", &[("p-ada.yaml", &person("p-ada", "department: leads\n"))]);
    scene.sign("p-own");
    let asked = |scene: &Scene, anchor: &str| {
        let (target, place, kind) = ("forge".into(), PLACE.into(), "team".into());
        is_asked(
            scene,
            &Request::Name(NameRequest { target, place, kind, name: "ops".into(), anchor: anchor.into() }),
        )
    };
    assert!(!asked(&scene, "team-ops") && !asked(&scene, "team-lab"));
    scene.read_with(PLACE, &[("ops", "old"), ("lab", "ops")], &[]);
    assert!(asked(&scene, "team-lab") && !asked(&scene, "team-ops"));
    let name = |anchor: &str| scene.organisation.name("forge".into(), "team".into(), anchor.into());
    assert_eq!(
        (name("team-ops"), name("team-lab"), name("team-x")),
        (Some("old".into()), Some("ops".into()), None)
    );
}

#[test]
fn linking_an_account_is_as_risky_as_what_it_holds_and_what_its_person_asks_for() {
    let tier = |rest: &str, holds: &[&str]| {
        let mut scene = Scene::new();
        scene.account(stranger("root", "root", holds));
        let text = person("p-nia", &format!("accounts: {{forge: {{anchor: root}}}}\n{rest}"));
        scene.commit("p-fred", &[("p-nia.yaml", &text)]);
        let link = |open: &Open| matches!(open.request, Request::Link(_));
        scene.open().iter().find(|open| link(open)).map(|open| open.tier)
    };
    let administrator = "roles: [{role: administrator, until: 2026-12-10, reason: INC-1}]\n";
    assert_eq!(tier("", &[]), None, "nothing above low");
    assert_eq!(tier("", &["ops"]), Some(Risk::Normal));
    assert_eq!(tier(administrator, &[]), Some(Risk::Privileged));
    assert_eq!(tier(administrator, &["ops"]), Some(Risk::Privileged));
    assert_eq!(tier("", &["admins"]), Some(Risk::Privileged));
}
