//! What does not go on, and what people should see: documents that do not count, rules and grants that wait,
//! operations that guards refuse, differences that are not planned.

use std::collections::BTreeMap;

use provost_core::Sym;
use provost_core::gate::Decision;
use provost_core::organisation::Decided;
use provost_core::plan::{NotPlanned, Planned, Why};
use provost_core::step::Scope;
use serde::Serialize;

use super::Engine;

/// As many lines of one kind are kept for people; the counts are always whole.
const MAX_LINES: usize = 500;

/// Everything that is held, as lines for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// What is wrong with documents, with place and hint.
    pub problems: Vec<String>,
    /// Rules, grants and operations that wait, and for what.
    pub waiting: Vec<String>,
    /// What guards refuse, and what is not planned and should be seen.
    pub shown: Vec<String>,
}

/// What plans left open, by target and identity, so that a plan for one identity replaces just its own.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<Sym, BTreeMap<Option<Sym>, Note>>);

#[derive(Debug, Default)]
struct Note {
    waiting: Vec<Planned>,
    refused: Vec<(Planned, String)>,
    not_planned: Vec<NotPlanned>,
}

/// How much is open on one target.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) waiting: usize,
    pub(super) refused: usize,
    pub(super) held: usize,
}

impl Notes {
    /// Takes what a plan left open, in the place of what was open for the same identities.
    pub(super) fn take(&mut self, target: Sym, scope: &Scope, decided: &Decided) {
        let notes = self.0.entry(target).or_default();
        match scope {
            Scope::All => notes.clear(),
            Scope::Identities(identities) => {
                for identity in identities {
                    notes.remove(&Some(*identity));
                }
            }
        }
        for (planned, decision) in decided.plan.operations.iter().zip(&decided.decisions) {
            let note = notes.entry(planned.identity);
            match decision {
                Decision::Proceed => {}
                Decision::Wait { .. } => note.or_default().waiting.push(planned.clone()),
                Decision::Refuse { guard } => {
                    note.or_default().refused.push((planned.clone(), guard.to_string()))
                }
            }
        }
        // What waits for agreement is shown by access already.
        let shown = |not_planned: &&NotPlanned| {
            not_planned.target == target && !matches!(not_planned.why, Why::Waiting { .. })
        };
        for not_planned in decided.plan.not_planned.iter().filter(shown) {
            notes.entry(not_planned.identity).or_default().not_planned.push(not_planned.clone());
        }
    }

    pub(super) fn forget(&mut self, target: Sym) {
        self.0.remove(&target);
    }

    pub(super) fn counts(&self, target: Sym) -> Counts {
        let mut counts = Counts::default();
        for note in self.0.get(&target).into_iter().flat_map(BTreeMap::values) {
            counts.waiting += note.waiting.len();
            counts.refused += note.refused.len();
            // What nothing would be done about anyway, such as somebody else's account, holds nothing up.
            counts.held += note.not_planned.iter().filter(|one| holds_up(one)).count();
        }
        counts
    }

    fn all(&self) -> impl Iterator<Item = &Note> {
        self.0.values().flat_map(BTreeMap::values)
    }
}

/// Whether something would be done, were it not for this.
fn holds_up(not_planned: &NotPlanned) -> bool {
    not_planned.verb.is_some() || matches!(not_planned.why, Why::Candidate { .. })
}

impl Engine {
    /// Publishes what is held, for status.
    pub(super) fn show(&self) {
        self.shared.show(self.held());
    }

    fn held(&self) -> Held {
        let snapshot = self.organisation.snapshot();
        let access = self.organisation.access();
        let rules = snapshot.waiting_rules().into_iter().map(|version| {
            format!(
                "{} {} waits for agreement ({:?}): {}",
                version.kind, version.id, version.tier, version.why
            )
        });
        let mut grants: Vec<_> = access.waiting().collect();
        grants.sort_unstable();
        let grants = grants.into_iter().map(|waiting| {
            format!(
                "{} waits for {} ({}): {} ({:?})",
                waiting.identity, waiting.power, waiting.window, waiting.why, waiting.tier
            )
        });
        let operations = self.notes.all().flat_map(|note| &note.waiting).map(|planned| {
            format!(
                "{}: {} waits for agreement ({:?})",
                planned.target,
                super::records::summary(planned),
                planned.tier
            )
        });
        let refused = self.notes.all().flat_map(|note| &note.refused).map(|(planned, why)| {
            format!("{}: {} is refused: {why}", planned.target, super::records::summary(planned))
        });
        let mut not_planned: Vec<&NotPlanned> = self.notes.all().flat_map(|note| &note.not_planned).collect();
        not_planned.sort_by_key(|one| (!holds_up(one), one.target, one.identity));
        let not_planned = not_planned.into_iter().map(|not_planned| {
            let who = not_planned.identity.map(|identity| identity.to_string());
            let who = who.or_else(|| not_planned.account.as_ref().map(|account| account.username.clone()));
            let what =
                [not_planned.verb.map(|verb| verb.as_str().to_owned()), not_planned.entitlement.clone()];
            let what: Vec<String> = what.into_iter().flatten().collect();
            format!(
                "{}: {} {}: {}",
                not_planned.target,
                who.unwrap_or_default(),
                what.join(" "),
                not_planned.why
            )
        });
        let conflicts = access.problems(snapshot);
        let problems = snapshot.problems().into_iter().chain(&conflicts).map(ToString::to_string);
        Held {
            problems: problems.take(MAX_LINES).collect(),
            waiting: rules.chain(grants).chain(operations).take(MAX_LINES).collect(),
            shown: refused.chain(not_planned).take(MAX_LINES).collect(),
        }
    }
}
