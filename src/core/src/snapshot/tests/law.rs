//! The law of the snapshot: amending by what changed gives what looking at everything again gives, in whatever order
//! the changes come, and also after a restart.

use proptest::prelude::*;

use super::*;
use crate::document::Kind;
use crate::snapshot::Version;

/// Every version that counts.
pub(super) fn versions(snapshot: &Snapshot) -> Vec<Version> {
    snapshot.identities.values().chain(snapshot.rules.values()).cloned().collect()
}

/// Everything that can be seen of a snapshot, in an order of its own.
fn seen(snapshot: &Snapshot) -> Vec<String> {
    let mut counts: Vec<String> = versions(snapshot).iter().map(|version| format!("{version:?}")).collect();
    counts.sort();
    counts.extend(snapshot.problems().iter().map(|problem| format!("{problem:?}")));
    counts.extend(snapshot.waiting_rules().iter().map(|rule| format!("{rule:?}")));
    counts.extend(snapshot.held_back().iter().map(|held| format!("{held:?}")));
    counts.push(format!("{:?}", snapshot.vanished));
    counts
}

/// Small documents that refer to each other, conflict, break and disappear. The number chooses one.
fn text(slot: usize, variant: usize) -> String {
    let id = slot % 4 + 1;
    let other = variant % 4 + 1;
    match (slot / 4, variant % 12) {
        (_, 0) => String::new(),
        (_, 1) => "kind: [unreadable\n".to_owned(),
        (0, 2) => format!("kind: Person\nid: p-{id}\nnme: broken\nstatus: departed\nroles: []\n"),
        (0, 3) => person(&format!("p-{id}"), "").replace(&format!("username: p{id}"), "username: Shared"),
        (0, 4) => person(&format!("p-{id}"), "roles: [{role: r-1}, {role: r-2}]\nemail: one@example.com\n"),
        (0, 5) => person(&format!("p-{id}"), "status: departed\n"),
        (0, 6) => person(&format!("p-{other}"), "department: moved\n"),
        (0, 7) => format!("kind: Service\nid: p-{id}\nowners: [p-{other}]\npurpose: p\n"),
        (0, n) if n < 10 => {
            person(&format!("p-{id}"), &format!("manager: p-{other}\nroles: [{{role: r-{other}}}]\n"))
        }
        (0, _) => {
            person(&format!("p-{id}"), "grants: [{target: t-1, team: eng, until: 2026-05-05, reason: r}]\n")
        }
        (1, 2) => role(&format!("r-{id}"), "grants: [{target: t-1, taem: x}]\n"),
        (1, 3) => role(&format!("r-{id}"), &format!("includes: [r-{other}]\n")),
        (1, 4) => role(&format!("r-{id}"), "grants: [{target: t-1, team: admins}]\n"),
        (1, 5) => role(&format!("r-{id}"), "assign: \"person.department == 'moved'\"\nincludes: [r-1]\n"),
        (1, n) if n < 9 => role(&format!("r-{id}"), "grants: [{target: t-1, team: eng}]\n"),
        (1, _) => role(&format!("r-{id}"), "grants: [{target: t-2, team: lead}]\n").replace("p-1", "p-2"),
        (_, 2..5) if id == 3 => "kind: ApproverGroup\nid: security\nmembers: [p-1]\n".to_owned(),
        (_, _) if id == 3 => SECURITY.to_owned(),
        (_, n) if id == 4 => format!(
            "kind: Tiers\nid: tiers-{}\ntiers: {{privileged: {{people: {}, from: {{group: security}}}}}}\n",
            n % 2,
            n % 3
        ),
        (_, 2) => FORGE.replace("forge", &format!("t-{id}")).replace("[p-1]", "[p-9]"),
        (_, 3..6) => FORGE.replace("forge", &format!("t-{id}")).replace("privileged", "normal"),
        (_, _) => FORGE.replace("forge", &format!("t-{id}")),
    }
}

#[derive(Clone, Debug)]
struct Commit {
    writes: Vec<(usize, usize)>,
    trusted: bool,
    agreed: u8,
}

fn commits() -> impl Strategy<Value = Vec<Commit>> {
    let writes = prop::collection::vec((0..14_usize, 0..48_usize), 0..6);
    let commit = (writes, prop::bool::weighted(0.2), 0..4_u8).prop_map(|(writes, trusted, agreed)| Commit {
        writes,
        trusted,
        agreed,
    });
    prop::collection::vec(commit, 1..8)
}

/// Slots 0 to 3 are people, 4 to 7 roles, 8 and 9 targets, 10 the group, 11 the tiers; two more paths hold people, so
/// that files move and ids are taken twice.
fn path(slot: usize) -> String {
    format!("file-{slot}.yaml")
}

fn content(slot: usize, variant: usize) -> String {
    text(if slot >= 12 { slot - 12 } else { slot }, variant)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn amending_equals_looking_at_everything_again(history in commits()) {
        let mut world = World::new();
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let mut snapshot = Snapshot::default();
        for Commit { writes, trusted, agreed } in history {
            world.trusted = trusted;
            world.agreed = match agreed {
                0 => |_| false,
                1 => |_| true,
                2 => |rule| rule.kind == Kind::Role,
                _ => |rule| rule.kind == Kind::Target,
            };
            let writes: BTreeMap<String, String> =
                writes.into_iter().map(|(slot, variant)| (path(slot), content(slot, variant))).collect();
            for (path, text) in &writes {
                files.insert(path.clone(), text.clone());
            }
            let changes: Vec<Change> = writes.iter().map(|(path, text)| change(path, text)).collect();
            let everything = || files.iter().map(|(path, text)| change(path, text)).collect::<Vec<_>>();

            let before = snapshot.clone();
            let dirty = world.context(|context| snapshot.amend(changes.clone(), context));

            let mut reversed = before.clone();
            let same = world.context(|context| reversed.amend(changes.into_iter().rev().collect(), context));
            prop_assert_eq!(&dirty, &same);
            prop_assert_eq!(seen(&snapshot), seen(&reversed), "the order of changes");

            let mut again = before.clone();
            let same = world.context(|context| again.amend(everything(), context));
            prop_assert_eq!(&dirty, &same);
            prop_assert_eq!(seen(&snapshot), seen(&again), "everything again");

            let mut restored = Snapshot::restore(versions(&before), before.vanished().iter().copied());
            world.context(|context| restored.amend(everything(), context));
            prop_assert_eq!(seen(&snapshot), seen(&restored), "a restart");

            let mut idle = snapshot.clone();
            let nothing = world.context(|context| idle.amend(Vec::new(), context));
            let settled = nothing.is_empty() || agreed > 0 || trusted || !before.vanished.is_empty() || !snapshot.vanished.is_empty();
            prop_assert!(settled, "nothing happens without a change: {:?}", nothing);
        }
    }
}
