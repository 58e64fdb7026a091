//! What counts of a commit: newest sound versions, what takes away, vanished files.

use super::*;
use crate::document::Status;

fn organisation() -> Branch {
    Branch::trusted(&[
        ("p1.yaml", &person("p-1", "")),
        ("p2.yaml", &person("p-2", "manager: p-1\nroles: [{role: eng}, {role: lead}]\n")),
        ("forge.yaml", FORGE),
        ("security.yaml", SECURITY),
        ("eng.yaml", &role("eng", "grants: [{target: forge, team: eng}]\n")),
        ("lead.yaml", &role("lead", "grants: [{target: forge, team: lead}]\n")),
    ])
}

fn names(ids: &BTreeSet<Sym>) -> Vec<&str> {
    ids.iter().map(|id| id.as_str()).collect()
}

fn roles_of(branch: &Branch, id: &str) -> Vec<&'static str> {
    let person = branch.snapshot.person(Sym::new(id)).expect("this person is there");
    person.roles.iter().map(|assignment| assignment.role.as_str()).collect()
}

fn status_of(branch: &Branch, id: &str) -> Option<Status> {
    branch.snapshot.person(Sym::new(id)).map(|person| person.status)
}

#[test]
fn a_sound_document_counts_at_once_and_only_it_is_dirty() {
    let mut branch = organisation();
    let dirty = branch.commit(&[("p2.yaml", &person("p-2", "department: sales\n"))]);
    assert_eq!(names(&dirty.identities), ["p-2"]);
    assert!(dirty.roles.is_empty() && dirty.targets.is_empty() && dirty.policies.is_empty());
    assert!(branch.again().is_empty(), "nothing is different the second time");
}

#[test]
fn a_comment_or_a_moved_file_makes_nothing_dirty() {
    let mut branch = organisation();
    let commented = format!("{}# a remark\n", person("p-1", ""));
    assert!(branch.commit(&[("p1.yaml", &commented)]).is_empty());
    assert!(branch.commit(&[("p1.yaml", ""), ("people/p1.yaml", &commented)]).is_empty());
    let version = branch.snapshot.version(crate::document::Kind::Person, Sym::new("p-1"));
    assert_eq!(version.expect("she counts").path, "people/p1.yaml");
    assert_eq!(branch.problems(), [""; 0]);
}

#[test]
fn a_broken_document_holds_back_only_itself() {
    let mut branch = organisation();
    let dirty = branch.commit(&[
        ("p1.yaml", &person("p-1", "department: sales\n")),
        ("p2.yaml", &person("p-2", "departmnt: sales\nroles: [{role: eng}, {role: lead}]\n")),
    ]);
    assert_eq!(names(&dirty.identities), ["p-1"]);
    assert_eq!(roles_of(&branch, "p-2"), ["eng", "lead"]);
    assert_eq!(branch.snapshot.held_back().len(), 1);
    let dirty = branch.commit(&[("p2.yaml", &person("p-2", "department: sales\n"))]);
    assert_eq!(names(&dirty.identities), ["p-2"]);
    assert!(branch.snapshot.held_back().is_empty() && branch.problems().is_empty());
}

#[test]
fn what_takes_away_counts_in_a_broken_document_and_stays_taken() {
    let mut branch = organisation();
    branch.commit(&[("p2.yaml", &person("p-2", "departmnt: sales\nroles: [{role: eng}]\n"))]);
    assert_eq!(roles_of(&branch, "p-2"), ["eng"]);
    branch.commit(&[("p2.yaml", &person("p-2", "departmnt: sales\nroles: [{role: eng}, {role: lead}]\n"))]);
    assert_eq!(roles_of(&branch, "p-2"), ["eng"], "a broken document gives nothing back");
    branch.commit(&[("p2.yaml", &person("p-2", "roles: [{role: eng}, {role: lead}]\n"))]);
    assert_eq!(roles_of(&branch, "p-2"), ["eng", "lead"]);
}

#[test]
fn a_departure_counts_in_a_document_that_a_conflict_holds_back() {
    let mut branch = organisation();
    let taken = person("p-2", "status: departed\nend: 2026-01-31\n").replace("username: p2", "username: P1");
    let dirty = branch.commit(&[("p2.yaml", &taken)]);
    assert_eq!(names(&dirty.identities), ["p-2"]);
    let counts = branch.snapshot.person(Sym::new("p-2")).expect("she counts");
    assert_eq!((counts.status, counts.username.as_str()), (Status::Departed, "p2"));
    assert_eq!(counts.end.map(|end| end.to_string()).as_deref(), Some("2026-01-31"));
}

#[test]
fn an_earlier_until_counts_in_a_held_back_document_and_a_later_one_does_not() {
    let held =
        |until: &str| person("p-2", &format!("manager: nobody\nroles: [{{role: eng, until: {until}}}]\n"));
    let mut branch = organisation();
    branch.commit(&[(
        "p2.yaml",
        &person("p-2", "timezone: Asia/Tokyo\nroles: [{role: eng, until: 2026-06-30}]\n"),
    )]);
    let until = |branch: &Branch| {
        let person = branch.snapshot.person(Sym::new("p-2")).expect("she counts");
        person.roles[0].until.map(|until| until.to_string())
    };
    branch.commit(&[("p2.yaml", &held("2026-07-31"))]);
    assert_eq!(until(&branch).as_deref(), Some("2026-06-30"));
    // The last day ends in Tokyo at 15:00 UTC.
    branch.commit(&[("p2.yaml", &held("2026-06-30T16:00Z"))]);
    assert_eq!(until(&branch).as_deref(), Some("2026-06-30"));
    branch.commit(&[("p2.yaml", &held("2026-06-30T14:00Z"))]);
    assert_eq!(until(&branch).as_deref(), Some("2026-06-30T14:00:00Z"));
}

#[test]
fn a_vanished_file_departs_and_a_document_that_comes_back_returns() {
    let mut branch = organisation();
    let text = branch.files[&Sym::new("p2.yaml")].clone();
    let dirty = branch.commit(&[("p2.yaml", "")]);
    assert_eq!((names(&dirty.identities), names(&dirty.vanished)), (vec!["p-2"], vec!["p-2"]));
    assert_eq!(status_of(&branch, "p-2"), Some(Status::Departed));
    branch.world.leaving.insert(Sym::new("p-2"));
    assert!(branch.again().is_empty());
    let dirty = branch.commit(&[("back.yaml", &text)]);
    assert_eq!(names(&dirty.identities), ["p-2"]);
    assert_eq!(status_of(&branch, "p-2"), Some(Status::Active));
    assert!(branch.snapshot.vanished().is_empty());
}

#[test]
fn who_has_vanished_is_forgotten_once_no_step_remains() {
    let mut branch = organisation();
    branch.commit(&[("p3.yaml", &person("p-3", ""))]);
    branch.world.leaving.insert(Sym::new("p-3"));
    branch.commit(&[("p3.yaml", "")]);
    branch.world.leaving.clear();
    let dirty = branch.again();
    assert_eq!((names(&dirty.identities), names(&dirty.vanished)), (vec!["p-3"], vec![]));
    assert_eq!(status_of(&branch, "p-3"), None);
    branch.world.spent.insert(Sym::new("p-3"));
    branch.commit(&[("p3.yaml", &person("p-3", ""))]);
    assert_eq!(branch.codes(), [("p3.yaml", "id-used-before")]);
    assert_eq!(status_of(&branch, "p-3"), None);
}

#[test]
fn a_move_together_with_an_unreadable_file_departs_nobody() {
    let mut branch = organisation();
    let moved = branch.files[&Sym::new("p1.yaml")].clone();
    let dirty = branch.commit(&[
        ("p1.yaml", ""),
        ("p2.yaml", ""),
        ("staff/p1.yaml", &moved),
        ("staff/p2.yaml", "kind: [Person\n"),
    ]);
    assert!(dirty.is_empty() && dirty.vanished.is_empty());
    assert_eq!(status_of(&branch, "p-2"), Some(Status::Active));
    let dirty = branch.commit(&[("staff/p2.yaml", "")]);
    assert_eq!(names(&dirty.vanished), ["p-2"], "once everything is readable, she is nowhere");
}

#[test]
fn a_broken_file_with_a_readable_id_departs_nobody() {
    let mut branch = organisation();
    let dirty = branch.commit(&[("p2.yaml", ""), ("staff/p2.yaml", "kind: Person\nid: p-2\nname: [\n")]);
    assert!(dirty.is_empty() && dirty.vanished.is_empty());
    assert_eq!(status_of(&branch, "p-2"), Some(Status::Active));
}

#[test]
fn a_conflict_keeps_the_standing_document_in_either_order() {
    let claim =
        |id: &str| person(id, "").replace(&format!("username: {}", id.replace('-', "")), "username: Åsa");
    for order in [["p-1", "p-2"], ["p-2", "p-1"]] {
        let mut branch = organisation();
        for id in order {
            branch.commit(&[(&format!("{}.yaml", id.replace("p-", "p")), &claim(id))]);
        }
        let holders: Vec<&str> = branch
            .snapshot
            .people()
            .filter(|person| person.username == *"Åsa")
            .map(|person| person.id.as_str())
            .collect();
        assert_eq!(holders, [order[0]]);
    }
    let mut branch = organisation();
    branch.commit(&[("p1.yaml", &claim("p-1")), ("p2.yaml", &claim("p-2"))]);
    assert!(branch.snapshot.people().all(|person| person.username != *"Åsa"), "neither has more right to it");
}

#[test]
fn usernames_that_differ_by_case_are_one() {
    let mut branch = organisation();
    let named = |id: &str, name: &str| {
        person(id, "").replace(&format!("username: {}", id.replace('-', "")), &format!("username: {name}"))
    };
    branch.commit(&[("p1.yaml", &named("p-1", "Åsa"))]);
    for same in ["åsa", "ÅSA"] {
        branch.commit(&[("p9.yaml", &named("p-9", same))]);
        assert_eq!(branch.codes(), [("p9.yaml", "duplicate-username")], "{same}");
    }
    branch.commit(&[("p9.yaml", &named("p-9", "asa"))]);
    assert_eq!(branch.problems(), [""; 0]);
}

#[test]
fn a_name_can_be_handed_over_in_one_commit() {
    let mut branch = organisation();
    let named = |id: &str, name: &str| {
        person(id, "").replace(&format!("username: {}", id.replace('-', "")), &format!("username: {name}"))
    };
    branch.commit(&[("p1.yaml", &named("p-1", "p2")), ("p2.yaml", &named("p-2", "p1"))]);
    assert_eq!(branch.problems(), [""; 0]);
    // If the one that gives it away is held back, so is the one that takes it.
    let held = format!("{}manager: nobody\n", named("p-1", "other"));
    branch.commit(&[("p1.yaml", &held), ("p2.yaml", &named("p-2", "p2"))]);
    assert_eq!(branch.codes(), [("p1.yaml", "unknown-person"), ("p2.yaml", "duplicate-username")]);
}

#[test]
fn an_id_belongs_to_the_file_that_had_it_and_to_its_kind() {
    let mut branch = organisation();
    branch.commit(&[("other.yaml", &person("p-2", "department: sales\n"))]);
    assert_eq!(branch.codes(), [("other.yaml", "duplicate-id")]);
    assert_eq!(roles_of(&branch, "p-2"), ["eng", "lead"]);
    branch.commit(&[("other.yaml", "")]);
    branch.commit(&[("p2.yaml", "kind: Service\nid: p-2\nowners: [p-1]\npurpose: none\n")]);
    assert_eq!(branch.codes(), [("p2.yaml", "id-of-other-kind")]);
    assert_eq!(status_of(&branch, "p-2"), Some(Status::Active));
}

#[test]
fn documents_that_are_sound_only_together_come_in_together_and_what_refers_to_a_held_back_one_waits() {
    let mut branch = organisation();
    let joiner = person("p-3", "manager: p-4\n");
    branch.commit(&[("p3.yaml", &joiner)]);
    assert_eq!(branch.codes(), [("p3.yaml", "unknown-person")]);
    branch.commit(&[("p4.yaml", &person("p-4", "successor: p-3\nsponsor: p-9\n"))]);
    assert_eq!(branch.codes(), [("p3.yaml", "not-in-force"), ("p4.yaml", "unknown-person")]);
    branch.commit(&[("p4.yaml", &person("p-4", "successor: p-3\n"))]);
    assert_eq!(branch.problems(), [""; 0]);
    assert!(branch.snapshot.person(Sym::new("p-3")).is_some());
}

#[test]
fn a_reference_to_somebody_departed_is_a_warning_that_names_the_next() {
    let mut branch = organisation();
    branch.commit(&[("p3.yaml", &person("p-3", ""))]);
    branch.commit(&[(
        "eng.yaml",
        &role("eng", "grants: [{target: forge, team: eng}]\n").replace("[p-1]", "[p-3, p-1]"),
    )]);
    branch.commit(&[("p3.yaml", &person("p-3", "status: departed\n"))]);
    assert_eq!(
        branch.problems(),
        [
            "departed eng.yaml: warning: the owner p-3 has departed (p-1 acts instead; name somebody who is here)"
        ]
    );
    let changed = role("eng", "description: still sound\ngrants: [{target: forge, team: eng}]\n");
    branch.commit(&[("eng.yaml", &changed.replace("[p-1]", "[p-3, p-1]"))]);
    let eng = branch.snapshot.role(Sym::new("eng")).expect("it is in force");
    assert!(eng.description.is_some(), "a departed owner holds nothing back");
}

#[test]
fn a_deleted_role_goes_and_its_holders_are_told() {
    let mut branch = organisation();
    let dirty = branch.commit(&[("lead.yaml", "")]);
    assert_eq!(names(&dirty.roles), ["lead"]);
    assert_eq!(branch.codes(), [("p2.yaml", "unknown-role")]);
    assert_eq!(roles_of(&branch, "p-2"), ["eng", "lead"], "the document stands as it is");
}

/// Another process: what counts without a file of the commit comes from its memory, everything else is read.
fn restarted(branch: &Branch) -> Snapshot {
    let remembered: Vec<Version> = branch.snapshot.standing().into_iter().cloned().collect();
    let rules = crate::document::Kind::ALL.into_iter().filter(|kind| kind.is_rule());
    let rules = rules.flat_map(|kind| {
        let ids = ["forge", "security", "eng", "lead"].map(Sym::new);
        ids.into_iter().filter_map(move |id| branch.snapshot.version(kind, id).cloned())
    });
    let written = remembered.into_iter().map(|version| {
        let gone = || person(version.document.id().as_str(), "");
        let text = branch.files.get(&version.path).cloned().unwrap_or_else(gone);
        Version { document: parse("p.yaml", text.as_bytes()).document.expect("it is sound"), ..version }
    });
    let vanished = branch.snapshot.vanished().iter().copied();
    let mut snapshot = Snapshot::restore(written.chain(rules), vanished);
    let files = branch.files.iter().map(|(path, text)| change(path.as_str(), text)).collect();
    branch.world.context(|context| snapshot.amend(files, context));
    snapshot
}

#[test]
fn what_a_document_names_may_go_without_taking_the_document_along_at_a_restart() {
    let mut branch = organisation();
    branch.commit(&[("lead.yaml", "")]);
    let again = restarted(&branch);
    let person = again.person("p-2".into()).expect("she counts as she did before");
    assert_eq!(person.roles.len(), 2);
}

#[test]
fn who_is_gone_while_something_is_unreadable_is_not_forgotten_by_a_restart() {
    let mut branch = organisation();
    branch.commit(&[("odd.yaml", "{kind: [p")]);
    branch.commit(&[("p2.yaml", "")]);
    assert_eq!(status_of(&branch, "p-2"), Some(Status::Active), "she may be in what nobody can read");
    let again = restarted(&branch);
    assert_eq!(again.person("p-2".into()).map(|person| person.status), Some(Status::Active));
}

#[test]
fn who_has_vanished_has_left_although_another_process_finds_something_unreadable() {
    let mut branch = organisation();
    branch.world.leaving.insert("p-2".into());
    branch.commit(&[("p2.yaml", "")]);
    assert_eq!(status_of(&branch, "p-2"), Some(Status::Departed));
    branch.commit(&[("odd.yaml", "{kind: [p")]);
    assert_eq!(status_of(&branch, "p-2"), Some(Status::Departed));
    let again = restarted(&branch);
    assert_eq!(again.person("p-2".into()).map(|person| person.status), Some(Status::Departed));
}
