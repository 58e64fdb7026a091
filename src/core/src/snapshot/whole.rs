//! A whole commit, judged by itself: what `provost check` says before anything gets near the daemon.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::amend::Step;
use super::check::Checker;
use super::report::duplicate;
use super::{Change, Context, File, Slot, Snapshot};
use crate::Sym;
use crate::document::{FieldPath, Kind, Parsed, Problem};

/// Everything that is wrong with the files of a commit, by file and line. `read` gives a file's bytes, to find the
/// lines of problems that show only between documents.
///
/// There is nothing in force here: every party of a conflict is told, every member of a circle, and nothing waits for
/// evidence.
pub fn check(
    files: impl IntoIterator<Item = (Sym, Parsed)>,
    read: &dyn Fn(Sym) -> Option<Vec<u8>>,
    context: &Context<'_>,
) -> Vec<Problem> {
    let mut snapshot = Snapshot::default();
    let changes = files
        .into_iter()
        .map(|(path, parsed)| Change { path, file: Some(File { blob: [0; 20], parsed }) })
        .collect();
    let slots = snapshot.take_files(changes);
    let mut problems: Vec<Problem> = snapshot.parse_problems.values().flatten().cloned().collect();
    let mut step = Step::default();
    for slot in &slots {
        problems.extend(snapshot.let_first_in(*slot, &mut step));
    }
    let checker = Checker::new(&snapshot, context, true);
    for version in snapshot.identities.values().chain(snapshot.rules.values()) {
        problems.extend(checker.own(version, None));
        problems.extend(checker.conflicts(version, None));
    }
    if snapshot.unreadable.is_empty() {
        problems.extend(gone_too_early(&slots, context));
    }
    locate(&mut problems, read);
    problems.sort_by(|left, right| {
        let key = |problem: &Problem| (problem.file, problem.line, problem.column, problem.code);
        key(left).cmp(&key(right)).then_with(|| left.message.cmp(&right.message))
    });
    problems
}

impl Snapshot {
    /// Lets the first sound file with an id in, and tells every file with it if there are several.
    fn let_first_in(&mut self, slot: Slot, step: &mut Step) -> Vec<Problem> {
        let paths: Vec<Sym> = self.loose_by_slot.get(&slot).into_iter().flatten().copied().collect();
        let mut problems = Vec::new();
        if paths.len() > 1 {
            let keys = paths.iter().filter_map(|path| Some((*path, self.loose[path].key?)));
            problems.extend(keys.map(|(path, (kind, id))| duplicate(path, kind, id, &paths)));
        }
        if let Some(path) = paths.iter().find(|path| self.loose[path].document.is_some()) {
            self.let_in(slot, *path, step);
        }
        problems
    }
}

/// Identities that still have to be taken leave of, and whose file the commit no longer has.
fn gone_too_early(slots: &FxHashSet<Slot>, context: &Context<'_>) -> Vec<Problem> {
    let gone = context.leaving.iter().filter(|id| !slots.contains(&(Kind::Person, **id)));
    gone.map(|id| {
        let message = format!("the file of {id} is gone, and steps remain to be done for {id}");
        Problem::error(Sym::new("."), FieldPath::root(), "left-too-early", message)
            .with_hint("keep the file, with `status: departed`, until provost has done them")
    })
    .collect()
}

fn locate(problems: &mut [Problem], read: &dyn Fn(Sym) -> Option<Vec<u8>>) {
    let mut by_file: BTreeMap<Sym, Vec<&mut Problem>> = BTreeMap::new();
    for problem in problems.iter_mut().filter(|problem| problem.line == 0) {
        by_file.entry(problem.file).or_default().push(problem);
    }
    for (file, problems) in by_file {
        if let Some(bytes) = read(file) {
            problems.into_iter().for_each(|problem| problem.locate(&bytes));
        }
    }
}
