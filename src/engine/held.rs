//! What does not go on, and what people should see: documents that do not count, rules and grants that wait,
//! operations that guards refuse, differences that are not planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use provost_core::Sym;
use provost_core::access::Lack;
use provost_core::approval::{Missing, Open};
use provost_core::gate::{Decision, Guard, WaitsFor};
use provost_core::organisation::Decided;
use provost_core::plan::{NotPlanned, Planned, Why};
use provost_core::step::Scope;
use serde::Serialize;

use super::Engine;
use super::agreement::Agreement;
use super::evidence::alarms;
use crate::approval::plans;

/// As many lines of one kind are kept for people; the counts are always whole.
const MAX_LINES: usize = 500;

/// Everything that is held, as lines for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// What is wrong with documents, with place and hint.
    pub problems: Vec<String>,
    /// Grants and operations that wait for something else than agreement, and for what.
    pub waiting: Vec<String>,
    /// What waits for people: each thing with what is missing from whom.
    pub requests: Vec<Requested>,
    /// What is to be looked at at once: emergencies, and reviews of them that are due.
    pub alarms: Vec<String>,
    /// Files of the approvals branch that count for nothing, and why.
    pub refused_approvals: Vec<String>,
    /// What guards refuse, and what is not planned and should be seen.
    pub shown: Vec<String>,
}

/// Something that waits for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requested {
    /// In one line.
    pub summary: String,
    /// What is asked for, and what agreement that needs.
    #[serde(flatten)]
    pub open: Open,
    /// What is missing from whom, one sentence each.
    pub lacks: Vec<String>,
    /// The same for programs.
    pub missing: Option<Missing>,
}

/// What plans left open, by target and identity, so that a plan for one identity replaces just its own.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<Sym, BTreeMap<Option<Sym>, Note>>);

#[derive(Debug, Default)]
struct Note {
    open: Vec<(Planned, Decision)>,
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
            if *decision != Decision::Proceed {
                note.or_default().open.push((planned.clone(), decision.clone()));
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

    /// The scope, and with it whomever a limit refused here: what is over a limit is decided as a whole, or it would go
    /// through one by one.
    pub(super) fn widened(&self, target: Sym, scope: &Scope) -> Scope {
        let Scope::Identities(identities) = scope else { return Scope::All };
        let over = |note: &Note| note.refused().any(|(_, guard)| matches!(guard, Guard::Limit { .. }));
        let notes = self.0.get(&target).into_iter().flatten().filter(|(_, note)| over(note));
        let refused = notes.filter_map(|(identity, _)| *identity);
        Scope::Identities(identities.iter().copied().chain(refused).collect())
    }

    pub(super) fn forget(&mut self, target: Sym) {
        self.0.remove(&target);
    }

    pub(super) fn counts(&self, target: Sym) -> Counts {
        let mut counts = Counts::default();
        for note in self.0.get(&target).into_iter().flat_map(BTreeMap::values) {
            counts.waiting += note.waiting().count();
            counts.refused += note.refused().count();
            // What nothing would be done about anyway, such as somebody else's account, holds nothing up.
            counts.held += note.not_planned.iter().filter(|one| holds_up(one)).count();
        }
        counts
    }

    /// Whether nothing is open.
    pub(super) fn is_empty(&self) -> bool {
        self.0
            .values()
            .flat_map(BTreeMap::values)
            .all(|note| note.open.is_empty() && note.not_planned.is_empty())
    }

    /// What is open, as the plans that say so.
    pub(super) fn decided(&self) -> Vec<Decided> {
        let of = |notes: &BTreeMap<Option<Sym>, Note>| {
            let mut decided = Decided::default();
            for note in notes.values() {
                for (planned, decision) in &note.open {
                    decided.plan.operations.push(planned.clone());
                    decided.decisions.push(decision.clone());
                }
                decided.plan.not_planned.extend(note.not_planned.iter().cloned());
            }
            decided
        };
        self.0.values().map(of).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Note> {
        self.0.values().flat_map(BTreeMap::values)
    }
}

impl Note {
    fn waiting(&self) -> impl Iterator<Item = (&Planned, &WaitsFor)> {
        self.open.iter().filter_map(|(planned, decision)| match decision {
            Decision::Wait { reason } => Some((planned, reason)),
            _ => None,
        })
    }

    fn refused(&self) -> impl Iterator<Item = (&Planned, &Guard)> {
        self.open.iter().filter_map(|(planned, decision)| match decision {
            Decision::Refuse { guard } => Some((planned, guard)),
            _ => None,
        })
    }
}

/// Whether something would be done, were it not for this.
fn holds_up(not_planned: &NotPlanned) -> bool {
    not_planned.verb.is_some() || matches!(not_planned.why, Why::Candidate { .. })
}

impl Engine {
    /// What is held now. It is put into words when somebody asks, and kept until it is another.
    pub fn held(&mut self) -> Arc<Held> {
        if let Some(told) = &self.told {
            return Arc::clone(told);
        }
        let told = Arc::new(self.in_words());
        self.told = Some(Arc::clone(&told));
        told
    }

    fn in_words(&self) -> Held {
        let snapshot = self.organisation.snapshot();
        let access = self.organisation.access();
        // What waits for agreement is among the requests.
        let mut grants: Vec<_> = access.waiting().filter(|waiting| waiting.why != Lack::Evidence).collect();
        grants.sort_unstable();
        let grants = grants.into_iter().map(|waiting| {
            format!(
                "{} waits for {} ({}): {} ({:?})",
                waiting.identity, waiting.power, waiting.window, waiting.why, waiting.tier
            )
        });
        let operations = self.notes.all().flat_map(Note::waiting).map(|(planned, reason)| {
            format!("{}: {} waits for {reason}", planned.target, super::records::summary(planned))
        });
        let refused = self.notes.all().flat_map(Note::refused).map(|(planned, why)| {
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
        let unpublished = self.plans.error().map(|why| format!("what waits is not published: {why}"));
        let conflicts = access.problems(snapshot);
        let problems = snapshot.problems().into_iter().chain(&conflicts).map(ToString::to_string);
        Held {
            problems: problems.take(MAX_LINES).collect(),
            waiting: grants.chain(operations).take(MAX_LINES).collect(),
            requests: requests(&self.agreement).take(MAX_LINES).collect(),
            alarms: alarms(&self.agreement.emergencies, access.now()),
            refused_approvals: self.inbox.refused(),
            shown: unpublished.into_iter().chain(refused).chain(not_planned).take(MAX_LINES).collect(),
        }
    }
}

/// What waits for people.
pub(super) fn requests(agreement: &Agreement) -> impl Iterator<Item = Requested> {
    agreement.open.iter().map(|open| {
        let missing = agreement.missing.get(&open.digest);
        Requested {
            summary: open.request.to_string(),
            open: open.clone(),
            lacks: plans::lacks(missing),
            missing: missing.cloned(),
        }
    })
}
