//! What must hold between documents, judged on what would be in force.
//!
//! An error holds back a version that does not count yet; found in a document that counts already it is only shown.
//! In: the snapshot as it would be. Out: problems with field paths.

mod config;
mod grants;
mod identity;
mod names;
mod policy;
mod references;
mod role;
mod target;

use std::cell::RefCell;

use provost_sdk::Risk;
use rustc_hash::FxHashMap;

use super::{Context, Snapshot, Version};
use crate::Sym;
use crate::condition::ConditionError;
use crate::document::{Document, FieldPath, Problem};

/// Judges versions by one state of the snapshot.
pub(super) struct Checker<'a> {
    snapshot: &'a Snapshot,
    context: &'a Context<'a>,
    /// A commit judged by itself: all parties of a conflict are told, and a document that is there but broken is no
    /// dangling reference, for it has problems of its own.
    whole: bool,
    /// The highest risk of what a role grants, once asked for.
    risks: RefCell<FxHashMap<Sym, Risk>>,
}

/// The problems of one document, as they are found.
struct Findings {
    file: Sym,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, context: &'a Context<'a>, whole: bool) -> Checker<'a> {
        Checker { snapshot, context, whole, risks: RefCell::default() }
    }

    /// Everything that is wrong with a version, save conflicts over names. `former` is the version that it replaces.
    pub(super) fn own(&self, version: &Version, former: Option<&Version>) -> Vec<Problem> {
        let mut findings = Findings { file: version.path, problems: Vec::new() };
        let into = &mut findings;
        match &version.document {
            Document::Person(person) => {
                self.id(&version.document, former, into);
                self.person(person, into);
            }
            Document::Service(service) => {
                self.id(&version.document, former, into);
                self.service(service, into);
            }
            Document::Role(role) => {
                let former = former.map(|version| &version.document);
                self.role(role, former, into);
            }
            Document::Target(target) => self.target(target, into),
            document => self.policy(document, into),
        }
        findings.problems
    }
}

impl Findings {
    fn error(&mut self, at: FieldPath, code: &'static str, message: impl Into<String>) -> &mut Problem {
        self.push(Problem::error(self.file, at, code, message))
    }

    fn warning(&mut self, at: FieldPath, code: &'static str, message: impl Into<String>) -> &mut Problem {
        self.push(Problem::warning(self.file, at, code, message))
    }

    fn push(&mut self, problem: Problem) -> &mut Problem {
        self.problems.push(problem);
        self.problems.last_mut().expect("it was pushed just now")
    }
}

/// Adds what to do about a problem.
fn hint(problem: &mut Problem, hint: impl Into<Option<String>>) {
    problem.hint = hint.into();
}

fn field(name: &str) -> FieldPath {
    FieldPath::field(name)
}

/// A condition or template that is none, and where it goes wrong.
fn expression(error: &ConditionError, text: Sym, at: FieldPath, code: &'static str, into: &mut Findings) {
    /// Enough to find the place in a line.
    const SHOWN: usize = 20;
    let rest: String = text.as_str().get(error.offset..).unwrap_or_default().chars().take(SHOWN).collect();
    let place = if error.offset == 0 || rest.is_empty() { String::new() } else { format!(", at `{rest}`") };
    let message = error.message.trim_end_matches('.');
    let message = message.char_indices().map(|(at, c)| if at == 0 { c.to_ascii_lowercase() } else { c });
    let problem = into.error(at, code, format!("{}{place}", message.collect::<String>()));
    hint(problem, error.hint.clone());
}
