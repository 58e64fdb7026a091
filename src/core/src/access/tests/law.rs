//! The law: after any history, what was kept up to date equals what is resolved from nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

/// Everything that can be asked of an access, in one value.
#[derive(Debug, PartialEq)]
struct View {
    identities: BTreeMap<Sym, (Vec<String>, Lifecycle, Option<Timestamp>)>,
    waiting: BTreeSet<Waiting>,
    conflicts: Vec<Conflict>,
    boundary: Option<Timestamp>,
}

fn view(access: &Access) -> View {
    let one = |id: Sym| (id, (held(access, id.as_str()), access.lifecycle(id), access.boundaries.of(id)));
    View {
        identities: access.identities().map(one).collect(),
        waiting: access.waiting().copied().collect(),
        conflicts: access.conflicts().into_iter().cloned().collect(),
        boundary: access.next_boundary(),
    }
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// A document takes its place; an empty text removes it.
    Write(&'static str, String),
    Agree(usize, usize, Risk, u8, u8),
    Withdraw(usize),
    Stand(usize, BTreeSet<usize>),
    /// The target's facts change: nesting, an administrative team.
    Facts(bool, bool),
    /// Days pass.
    Days(u8),
}

const PEOPLE: [&str; 3] = ["p-1", "p-2", "s-1"];
const TEAMS: [&str; 5] = ["eng", "ADMINS", "reviewers", "leads", "pay-run"];
const ROLE_IDS: [&str; 4] = ["r-1", "r-2", "r-3", "r-4"];

/// Days and an instant, in order.
const DAYS: [&str; 6] =
    ["2026-01-01", "2026-01-02", "2026-01-03", "\"2026-01-03T11:30:00Z\"", "2026-01-04", "2026-01-05"];

fn day() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&DAYS[..])
}

fn span() -> impl Strategy<Value = (Option<&'static str>, Option<&'static str>)> {
    (proptest::option::of(0..6_usize), proptest::option::of(0..6_usize)).prop_map(|(from, until)| {
        let until = until.map(|until| until.max(from.unwrap_or(0)));
        // An instant ends before it begins; the next day does not.
        let until = until.map(|until| if from == Some(3) && until == 3 { 4 } else { until });
        (from.map(|day| DAYS[day]), until.map(|day| DAYS[day]))
    })
}

fn dated() -> impl Strategy<Value = String> {
    span().prop_map(|(from, until)| {
        let from = from.map_or(String::new(), |day| format!(", from: {day}"));
        let until = until.map_or(String::new(), |day| format!(", until: {day}"));
        from + &until
    })
}

fn identity() -> impl Strategy<Value = Step> {
    let roles = proptest::collection::vec((proptest::sample::select(&ROLE_IDS[..]), dated()), 0..3);
    let grants = proptest::collection::vec((proptest::sample::select(&TEAMS[..]), day()), 0..2);
    let employments = proptest::collection::vec((proptest::sample::select(vec!["a", "b"]), dated()), 0..3);
    let status = proptest::sample::select(vec!["active", "active", "active", "suspended", "departed"]);
    let zone = proptest::sample::select(vec!["Europe/Berlin", "Asia/Tokyo", "America/New_York"]);
    let who = proptest::sample::select(&PEOPLE[..]);
    (who, roles, grants, employments, status, zone, span(), 0..12_u8).prop_map(
        |(id, roles, grants, employments, status, zone, (start, end), alive)| {
            if alive == 0 {
                return Step::Write(id, String::new());
            }
            let mut text = if id.starts_with('s') {
                format!("kind: Service\nid: {id}\nowners: [p-1]\npurpose: x\nattributes: {{tier: a}}\n")
            } else {
                format!("kind: Person\nid: {id}\nname: {{given: X}}\nusername: {id}\ntimezone: {zone}\n")
            };
            text += &format!("status: {status}\n");
            text += &start.map_or(String::new(), |day| format!("start: {day}\n"));
            text += &end.map_or(String::new(), |day| format!("end: {day}\n"));
            let list = |name: &str, items: Vec<String>| {
                if items.is_empty() { String::new() } else { format!("{name}:\n{}", items.concat()) }
            };
            let roles = roles.into_iter().map(|(role, dated)| format!("  - {{role: {role}{dated}}}\n"));
            text += &list("roles", roles.collect());
            let grants = grants.into_iter().map(|(team, until)| {
                format!("  - {{target: forge, team: {team}, until: {until}, reason: x}}\n")
            });
            text += &list("grants", grants.collect());
            if !id.starts_with('s') && employments.is_empty() && alive < 9 {
                text += "employment: e\ndepartment: a\n";
            }
            if !id.starts_with('s') {
                let employments = employments
                    .into_iter()
                    .map(|(department, dated)| format!("  - {{type: e, department: {department}{dated}}}\n"));
                text += &list("employments", employments.collect());
            }
            Step::Write(id, text)
        },
    )
}

fn role() -> impl Strategy<Value = Step> {
    let grants = proptest::collection::vec(
        (proptest::sample::select(vec!["forge", "tickets"]), proptest::sample::select(&TEAMS[..])),
        0..3,
    );
    let assign = proptest::sample::select(vec![
        "",
        "",
        "assign: \"true\"\n",
        "assign: person.department == 'a'\n",
        "assign: person.department == 'b' || person.id == 'p-2'\n",
        "assign: service.attributes.tier == 'a'\n",
    ]);
    let id = proptest::sample::select(&ROLE_IDS[..]);
    let include = proptest::option::of(proptest::sample::select(&ROLE_IDS[..]));
    (id, assign, include, grants, 0..8_u8).prop_map(|(id, assign, include, grants, alive)| {
        if alive == 0 {
            return Step::Write(id, String::new());
        }
        let include =
            include.filter(|other| *other != id).map_or(String::new(), |id| format!("includes: [{id}]\n"));
        let grants: Vec<String> =
            grants.into_iter().map(|(target, team)| format!("{{target: {target}, team: {team}}}")).collect();
        let text = format!(
            "kind: Role\nid: {id}\nowners: [p-1]\n{assign}{include}grants: [{}]\n",
            grants.join(", ")
        );
        Step::Write(id, text)
    })
}

fn rule() -> impl Strategy<Value = Step> {
    let targets: Vec<&str> = TARGETS.split("---\n").collect();
    let (forge, tickets) = (targets[0].to_owned(), targets[1].to_owned());
    let calm = forge.replace("privileged", "low").replace("in: reviewers", "in: eng");
    let separation = "kind: Separation\nid: pay\nowners: [p-7]
sides: [[{target: forge, team: \"pay-*\"}], [{target: forge, team: eng}, {target: tickets}]]
exceptions: [{identity: p-2, until: 2026-01-04, reason: x}]\n";
    let wide = separation.replace("team: eng", "team: \"*e*\"").replace("p-2", "p-1");
    proptest::sample::select(vec![
        Step::Write("forge", forge),
        Step::Write("forge", calm),
        Step::Write("forge", String::new()),
        Step::Write("tickets", tickets),
        Step::Write("tickets", String::new()),
        Step::Write("pay", separation.to_owned()),
        Step::Write("pay", wide),
        Step::Write("pay", String::new()),
    ])
}

fn step() -> impl Strategy<Value = Step> {
    let tier = proptest::sample::select(vec![Risk::Normal, Risk::Privileged]);
    prop_oneof![
        5 => identity(),
        4 => role(),
        2 => rule(),
        3 => (0..3_usize, 0..5_usize, tier, 0..5_u8, 0..6_u8)
            .prop_map(|(who, team, tier, from, days)| Step::Agree(who, team, tier, from, days)),
        1 => (0..3_usize).prop_map(Step::Withdraw),
        2 => (0..3_usize, proptest::collection::btree_set(0..5_usize, 0..4))
            .prop_map(|(who, teams)| Step::Stand(who, teams)),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(nested, administrative)| Step::Facts(nested, administrative)),
        3 => (0..3_u8).prop_map(Step::Days),
    ]
}

struct History {
    documents: BTreeMap<&'static str, Version>,
    given: Given,
    access: Access,
    now: Timestamp,
}

impl History {
    fn new() -> History {
        let given = Given::of(TARGETS);
        let now = at("2025-12-31T20:00:00Z");
        let targets = TARGETS.split("---\n").zip(["forge", "tickets"]);
        let documents = targets.map(|(text, id)| (id, version(text))).collect();
        let access = Access::whole(&given.snapshot, &given.evidence, &given.facts, &zones(), now);
        History { documents, given, access, now }
    }

    fn go(&mut self, step: Step) {
        let mut dirty = Dirty::default();
        let day = |n: u8| at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(24 * i64::from(n));
        match step {
            Step::Write(id, text) => {
                match id {
                    "forge" | "tickets" => dirty.targets.insert(id.into()),
                    "pay" => dirty.policies.insert(id.into()),
                    role if role.starts_with('r') => dirty.roles.insert(id.into()),
                    _ => dirty.identities.insert(id.into()),
                };
                if text.is_empty() {
                    self.documents.remove(id);
                } else {
                    self.documents.insert(id, version(&text));
                }
                self.given.snapshot = Snapshot::restore(self.documents.values().cloned(), []);
            }
            Step::Agree(who, name, tier, from, days) => {
                dirty.identities.insert(PEOPLE[who].into());
                let (power, from) = (team("forge", TEAMS[name]), day(from));
                let until = from + SignedDuration::from_hours(24 * i64::from(days));
                self.given
                    .evidence
                    .agree(PEOPLE[who].into(), Agreement { power, anchor: None, tier, from, until });
            }
            Step::Withdraw(who) => {
                dirty.identities.insert(PEOPLE[who].into());
                self.given.evidence.withdraw(PEOPLE[who].into(), |_| false);
            }
            Step::Stand(who, names) => {
                dirty.identities.insert(PEOPLE[who].into());
                let powers = names.into_iter().map(|name| team("forge", TEAMS[name]));
                self.given.evidence.give(PEOPLE[who].into(), powers.collect());
            }
            Step::Facts(nested, administrative) => {
                dirty.targets.insert("forge".into());
                let spec = |name: &str| Spec { kind: "team".into(), name: name.into(), role: None };
                let facts = self.given.facts.entry("forge".into()).or_default();
                facts.nesting = nested.then(|| (spec("eng"), spec("reviewers"))).into_iter().collect();
                facts.administrative = administrative.then(|| spec("pay-run")).into_iter().collect();
            }
            Step::Days(days) => {
                self.now += SignedDuration::from_hours(17 * i64::from(days));
                let Given { snapshot, evidence, .. } = &self.given;
                self.access.advance(snapshot, evidence, &zones(), self.now);
                return;
            }
        }
        let Given { snapshot, evidence, facts } = &self.given;
        let before = self.pairs();
        let changed = self.access.update(snapshot, &dirty, evidence, facts, &zones(), self.now);
        let after = self.pairs();
        let told: BTreeSet<(Sym, Sym)> = changed.iter().copied().collect();
        assert_eq!(told.len(), changed.len(), "each pair is told once");
        for pair in before.keys().chain(after.keys()) {
            assert!(
                before.get(pair) == after.get(pair) || told.contains(pair),
                "{pair:?} changed and was not told"
            );
        }
    }

    fn pairs(&self) -> BTreeMap<(Sym, Sym), (Lifecycle, Vec<Wanted>)> {
        let access = &self.access;
        let pairs = access.identities().flat_map(|id| {
            let life = access.lifecycle(id);
            access.wanted_by_target(id).map(move |(target, wanted)| ((id, target), (life, wanted.to_vec())))
        });
        pairs.collect()
    }

    fn whole(&self) -> Access {
        Access::whole(&self.given.snapshot, &self.given.evidence, &self.given.facts, &zones(), self.now)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_up_to_date_equals_the_whole(steps in proptest::collection::vec(step(), 1..40)) {
        let mut history = History::new();
        for step in steps {
            history.go(step);
            prop_assert_eq!(view(&history.access), view(&history.whole()));
        }
    }

    #[test]
    fn why_agrees_with_what_is_held_and_nothing_above_low_is_held_without_agreement(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut history = History::new();
        steps.into_iter().for_each(|step| history.go(step));
        let Given { snapshot, evidence, facts } = &history.given;
        for id in history.access.identities() {
            let why = history.access.why(snapshot, evidence, id);
            let in_force = why.iter().filter(|grant| grant.state == GrantState::InForce);
            let mut powers: Vec<Power> = in_force.clone().map(|grant| grant.power).collect();
            let from_why = resolve::wanted(&mut powers);
            let held: Vec<(Sym, Box<[Wanted]>)> =
                history.access.wanted_by_target(id).map(|(target, wanted)| (target, wanted.into())).collect();
            prop_assert_eq!(from_why, held);
            for grant in in_force {
                let weighs = risk(snapshot, facts, grant.power);
                // What provost gave keeps its risk, whatever a hand put it into since.
                let kept = evidence.gave(id, grant.power) && grant.risk < weighs;
                prop_assert!(grant.risk == weighs || kept, "{:?} of {:?}", grant, weighs);
                prop_assert_eq!(history.access.risk(grant.power), Some(weighs));
                prop_assert!(evidence.covers(id, grant.power, grant.risk, history.now));
                prop_assert!(grant.causes.iter().any(|cause| cause.window.contains(history.now)));
            }
        }
    }
}
