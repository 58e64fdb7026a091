//! Whole commits, and what between documents is found in them.

use super::*;
use crate::snapshot::check;

/// `file:line code` of everything that is wrong with these files.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    found_in(&World::new(), files)
}

fn found_in(world: &World, files: &[(&str, &str)]) -> Vec<String> {
    let read = |path: Sym| {
        let file = files.iter().find(|(other, _)| path == *other);
        file.map(|(_, text)| text.as_bytes().to_vec())
    };
    let parsed = files.iter().map(|(path, text)| (Sym::new(path), parse(path, text.as_bytes())));
    let problems = world.context(|context| check(parsed, &read, context));
    problems.iter().map(|problem| format!("{}:{} {}", problem.file, problem.line, problem.code)).collect()
}

/// What is wrong when these files stand beside a small sound organisation.
fn found_beside(files: &[(&str, &str)]) -> Vec<String> {
    let (owner, second) = (person("p-1", ""), person("p-2", ""));
    let base = [("p1", &*owner), ("p2", &*second), ("forge", FORGE), ("security", SECURITY)];
    let given = |name: &&(&str, &str)| !files.iter().any(|(path, _)| path == &name.0);
    let all: Vec<(&str, &str)> = base.iter().filter(given).chain(files).copied().collect();
    found(&all)
}

#[test]
fn a_sound_organisation_has_no_problems() {
    assert_eq!(found_beside(&[]), [""; 0]);
}

#[test]
fn every_kind_of_reference_is_looked_up() {
    let person = person(
        "p-3",
        "manager: x-1\nsuccessor: x-2\nsponsor: x-3\nroles: [{role: nothing}]\ngrants:\n  - {target: nowhere, until: 2026-01-01, reason: r}\naccounts: {nowhere: {username: u}}\n",
    );
    assert_eq!(
        found_beside(&[("p3", &person)]),
        [
            "p3:6 unknown-person",
            "p3:7 unknown-person",
            "p3:8 unknown-person",
            "p3:9 unknown-role",
            "p3:11 unknown-target",
            "p3:12 unknown-target"
        ]
    );
    let service = "kind: Service\nid: s-1\nowners: [x-1]\npurpose: p\nholders: [p-1, x-2]\ncredentials:\n  - {target: forge, kind: password, deliver: vault}\n";
    assert_eq!(
        found_beside(&[("s1", service)]),
        ["s1:3 unknown-person", "s1:5 unknown-person", "s1:7 unknown-credential"]
    );
    let policy = "kind: BreakGlass\nid: b\npeople: [s-2]\nkeys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOxPrGD2CX7LYZ1SIKoTSlA0WZi2nMSoM/VH9fHo/5F8\"]\ngrants: [{target: nowhere}]\nduration: 1h\nreview: 1d\n";
    let service = "kind: Service\nid: s-2\nowners: [p-1]\npurpose: p\n";
    let found = found_beside(&[("b", policy), ("s2", service)]);
    assert!(
        found.contains(&"b:3 no-person".to_owned()) && found.contains(&"b:5 unknown-target".to_owned()),
        "{found:?}"
    );
}

#[test]
fn what_the_connector_does_not_know_is_found_at_its_place() {
    let target = "kind: Target\nid: second\nconnector: memory\nconfig:\n  url: git.example.com\n  pagse: 5\n  badge: abc\nsecrets:\n  bagde: forge-badge\naccounts:\n  main:\n    emial: person.email\n    last_seen: person.email\n    email: \"person.nothing\"\nowners: [p-1]\nentitlements:\n  - {taem: eng}\n  - {project: x, role: boss}\nnesting:\n  - {team: a, in: b}\nauthority: {teams: full}\nscope: {group: [a], groups: [b]}\n";
    assert_eq!(
        found_beside(&[("second", target)]),
        [
            "second:5 wrong-setting",
            "second:6 unknown-setting",
            "second:7 secret-in-config",
            "second:9 unknown-secret",
            "second:12 unknown-attribute",
            "second:13 read-only-attribute",
            "second:14 template",
            "second:17 unknown-kind",
            "second:18 unknown-entitlement-role",
            "second:20 cannot-nest",
            "second:21 unknown-kind",
            "second:22 unknown-kind"
        ]
    );
    let program = "kind: Target\nid: second\nconnector: program\nconfig: {command: hr, run: [sh]}\nsecrets: {any: name, other: name}\nowners: [p-1]\n";
    assert_eq!(found_beside(&[("second", program)]), ["second:4 unknown-setting"]);
    let unknown = FORGE.replace("connector: memory", "connector: memroy").replace("forge", "second");
    assert_eq!(found_beside(&[("second", &unknown)]), ["second:3 unknown-connector"]);
    let missing = FORGE.replace("url: \"https://git.example.com\"", "").replace("forge", "second");
    assert_eq!(found_beside(&[("second", &missing)]), ["second:4 missing-setting"]);
}

#[test]
fn all_members_of_a_circle_of_includes_are_told_and_named() {
    let (a, b, c) =
        (role("a", "includes: [b]\n"), role("b", "includes: [c]\n"), role("c", "includes: [a]\n"));
    let files = [("p1", &*person("p-1", "")), ("a", &*a), ("b", &*b), ("c", &*c)];
    assert_eq!(found(&files), ["a:4 role-cycle", "b:4 role-cycle", "c:4 role-cycle"]);
    let world = World::new();
    let parsed = files.iter().map(|(path, text)| (Sym::new(path), parse(path, text.as_bytes())));
    let problems = world.context(|context| check(parsed, &|_| None, context));
    assert_eq!(problems[0].message, "roles include each other in a circle: a -> b -> c -> a");
}

#[test]
fn privileged_assignments_need_until_and_reason_and_no_condition() {
    let boss = role("boss", "assign: \"person.department == 'x'\"\nincludes: [inner]\n");
    let inner = role("inner", "grants: [{target: forge, team: admins}]\n");
    let holder = person(
        "p-3",
        "roles:\n  - {role: inner}\n  - {role: inner, until: 2026-01-01}\n  - {role: boss, until: 2026-01-01, reason: INC-1}\n",
    );
    assert_eq!(
        found_beside(&[("boss", &boss), ("inner", &inner), ("p3", &holder)]),
        ["boss:4 birthright-privileged", "p3:7 privileged-undated", "p3:8 privileged-undated"]
    );
    let lead = role("lead", "assign: \"person.department == 'x'\"\ngrants: [{target: forge, team: lead}]\n");
    assert_eq!(found_beside(&[("lead", &lead)]), ["lead:4 birthright-normal"]);
    let wrong = role(
        "wrong",
        "assign: \"person.departmnt == 'x'\"\nrisk: normal\ngrants: [{target: forge, team: eng}]\n",
    );
    assert_eq!(found_beside(&[("wrong", &wrong)]), ["wrong:4 condition", "wrong:5 risk-overstated"]);
    let told = role("told", "risk: low\ngrants: [{target: forge, team: lead}]\n");
    assert_eq!(found_beside(&[("told", &told)]), ["told:4 risk-understated"]);
}

#[test]
fn both_parties_of_a_conflict_are_told() {
    let (left, right) = (person("p-3", "email: a@example.com\n"), person("p-4", "email: A@example.com\n"));
    assert_eq!(
        found_beside(&[("p3", &left), ("p4", &right)]),
        ["p3:6 duplicate-email", "p4:6 duplicate-email"]
    );
    let other = person("p-3", "").replace("username: p3", "username: px");
    assert_eq!(
        found_beside(&[
            ("a", &person("p-3", "")),
            ("b", &other),
            ("c", "kind: Service\nid: p-3\npurpose: broken\n")
        ]),
        ["a:2 duplicate-id", "b:2 duplicate-id", "c:1 missing-field", "c:2 duplicate-id"]
    );
}

#[test]
fn a_broken_document_is_no_dangling_reference() {
    let holder = person("p-3", "roles: [{role: broken}]\nmanager: p-4\n");
    let found = found_beside(&[
        ("p3", &holder),
        ("broken", &role("broken", "grants: [{target: forge, team: eng}]\ngrnts: []\n")),
        ("p4", &person("p-4", "departmnt: x\n")),
    ]);
    assert_eq!(found, ["broken:5 unknown-field", "p4:6 unknown-field"]);
}

#[test]
fn a_tier_that_nobody_can_satisfy_is_refused() {
    let tiers = "kind: Tiers\nid: tiers\ntiers:\n  privileged:\n    people: 3\n    signed: true\n    from:\n      group: security\n";
    assert_eq!(
        found_beside(&[("tiers", tiers)]),
        ["forge:9 unsatisfiable-tier", "tiers:8 unsatisfiable-tier"]
    );
    let one_left = person("p-2", "status: departed\n");
    assert_eq!(found_beside(&[("p2", &one_left)]), ["forge:9 unsatisfiable-tier", "security:3 departed"]);
    let nobody = role("eng", "grants: [{target: forge, team: eng}]\n").replace("p-1", "p-3");
    let gone = person("p-3", "status: departed\n");
    assert_eq!(found_beside(&[("eng", &nobody), ("p3", &gone)]), ["eng:3 nobody-active", "eng:3 departed"]);
}

#[test]
fn a_tier_for_which_too_few_have_a_key_is_told_and_held_back_by_nothing() {
    let key = |n: u8| {
        let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &[n; 32]].concat();
        crate::approval::PublicKey::from_blob(&blob).expect("a key of 32 bytes")
    };
    let signers = |lines: &[(&str, u8)]| -> String {
        lines.iter().map(|(who, n)| format!("{who} {}\n", key(*n))).collect()
    };
    let path = crate::approval::Signers::PATH;
    let both = signers(&[("p-1", 1), ("p-2", 2)]);
    assert_eq!(found_beside(&[(path, &both)]), [""; 0]);
    let one = signers(&[("p-1", 1)]);
    let told = found_beside(&[(path, &one)]);
    assert!(!told.is_empty() && told.iter().all(|found| found.ends_with(" unsatisfiable-tier")), "{told:?}");
}

#[test]
fn whoever_still_has_to_leave_keeps_the_file() {
    let mut world = World::new();
    world.leaving.insert(Sym::new("p-2"));
    assert_eq!(found_in(&world, &[("p1", &person("p-1", ""))]), [".:0 left-too-early"]);
    assert_eq!(found_in(&world, &[("p2", &person("p-2", "status: departed\n"))]), [""; 0]);
    assert_eq!(
        found_in(&world, &[("p1", "kind: [\n")]).len(),
        1,
        "the file may be the one that cannot be read"
    );
}
