//! One process, one measurement of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use git2::Oid;
use jiff::Timestamp;
use provost::cache::{Accounts, Documents};
use provost::git::{Source, files_of};
use provost::{registry, snapshot};
use provost_core::Sym;
use provost_core::access::Zones;
use provost_core::observed::Observed;
use provost_core::organisation::{Decided, Known, Organisation};
use provost_core::snapshot::Snapshot;
use provost_core::step::Scope;
use serde::{Deserialize, Serialize};

use crate::repository::{AFTER, BEFORE};
use crate::targets;

pub type Failure = Box<dyn std::error::Error>;

/// Times of short things are medians of as many.
const TIMES: usize = 11;

/// What was measured; seconds unless said otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// `git cat-file --batch --buffer` over every document's blob, to nowhere.
    pub cat_file_s: f64,
    /// Commit to all grants: the two parts below.
    pub cold_s: f64,
    /// Of it: trees, blobs and parsing.
    pub cold_read_s: f64,
    /// Of it: what counts, and every grant.
    pub cold_amend_s: f64,
    /// The first read of all four targets out of other processes.
    pub observe_s: f64,
    /// A second read of the same.
    pub observe_again_s: f64,
    /// Restart to the first finished plan.
    pub warm_s: f64,
    /// One moved person: from the commit to her plan.
    pub commit_to_plan_ms: f64,
    /// `git diff-tree -r` of the same two commits.
    pub diff_tree_ms: f64,
    /// The first pass over everybody, which looks at all of them closely.
    pub first_pass_ms: f64,
    /// A pass over everybody when nothing is to be done.
    pub noop_ms: f64,
    /// Resident memory with everything known.
    pub resident_bytes: f64,
    /// How much was there.
    pub accounts: f64,
}

/// A daemon's knowledge before it knows anything.
pub fn nothing(now: Timestamp) -> Organisation {
    Organisation::new(Snapshot::default(), registry::catalog(), Zones::bundled(), now)
}

/// Takes a commit in from nothing, or from what is kept. Gives the seconds of reading and of amending.
pub fn cold(
    organisation: &mut Organisation,
    source: &Source,
    kept: Option<Documents>,
    commit: Oid,
) -> Result<(f64, f64), Failure> {
    let begun = Instant::now();
    let (changes, _) = snapshot::read_kept(source, kept, commit)?;
    let read = begun.elapsed().as_secs_f64();
    organisation.amend(changes, true, organisation.access().now());
    let all = begun.elapsed().as_secs_f64();
    let problems = organisation.snapshot().problems();
    if let Some(problem) = problems.first() {
        return Err(format!("{} problems, the first: {problem}", problems.len()).into());
    }
    Ok((read, all - read))
}

/// Measures the repository and the targets below `folder`.
pub fn measure(folder: &Path) -> Result<Figures, Failure> {
    let now = Timestamp::now();
    let source = Source::new(&folder.join("repository").to_string_lossy(), BEFORE, &folder.join("mirror"));
    let (before, after) = (source.resolve(BEFORE)?, source.resolve(AFTER)?);
    let mut figures = Figures { cat_file_s: cat_file(&source, before)?, ..Figures::default() };

    let mut organisation = nothing(now);
    (figures.cold_read_s, figures.cold_amend_s) = cold(&mut organisation, &source, None, before)?;
    figures.cold_s = figures.cold_read_s + figures.cold_amend_s;

    let all: Vec<Sym> = organisation.snapshot().targets().into_iter().map(|target| target.id).collect();
    for target in &all {
        let known = Known {
            observed: Observed::default(),
            place: *target,
            adopted: Some(*target),
            hold: None,
            own_accounts: Vec::new(),
        };
        organisation.place(*target, known, now);
    }
    figures.observe_s = observe(&mut organisation, folder, &all, now, true)?;
    adopt(&mut organisation, &all);
    figures.observe_again_s = observe(&mut organisation, folder, &all, now, false)?;
    figures.accounts =
        organisation.targets().map(|(_, known)| known.observed.accounts().len()).sum::<usize>() as f64;
    figures.resident_bytes = resident()?;

    let begun = Instant::now();
    finished(&organisation.plan(None, &Scope::All, now), 0)?;
    figures.first_pass_ms = begun.elapsed().as_secs_f64() * 1000.0;
    figures.noop_ms = median(5, || {
        let begun = Instant::now();
        finished(&organisation.plan(None, &Scope::All, now), 0)?;
        Ok(begun.elapsed().as_secs_f64() * 1000.0)
    })?;
    figures.diff_tree_ms = median(TIMES, || diff_tree(&source, before, after))?;
    let (mut from, mut to) = (before, after);
    figures.commit_to_plan_ms = median(TIMES, || {
        let begun = Instant::now();
        let changes = snapshot::read(&source, Some(from), to)?;
        let amended = organisation.amend(changes, false, now);
        let changed: BTreeSet<Sym> = amended.changed.iter().map(|(identity, _)| *identity).collect();
        let decided = organisation.plan(None, &Scope::Identities(changed), now);
        let taken = begun.elapsed().as_secs_f64() * 1000.0;
        std::mem::swap(&mut from, &mut to);
        // Every other one is the way back to what the targets have.
        if to == before && decided.plan.operations.is_empty() {
            return Err("the move changes nothing".into());
        }
        Ok(taken)
    })?;

    let entitlements: Vec<_> =
        organisation.targets().map(|(id, known)| (id, known.observed.entitlement_records())).collect();
    std::fs::write(folder.join("entitlements.json"), serde_json::to_vec(&entitlements)?)?;
    // The move was made and taken back an odd number of times: what is kept is of the commit after it.
    let kept =
        Documents::keep(folder, from, organisation.snapshot()).ok_or("the documents cannot be kept")?;
    kept.write()?;
    Accounts::keep(folder, from, organisation.targets().map(|(id, known)| (id, &known.observed))).write()?;
    Ok(figures)
}

/// Restarts, in a process of its own: what was remembered of the targets, the commit, the plan. Gives the seconds.
pub fn warm(folder: &Path) -> Result<f64, Failure> {
    let begun = Instant::now();
    let now = Timestamp::now();
    let source = Source::new(&folder.join("repository").to_string_lossy(), BEFORE, &folder.join("mirror"));
    let mut organisation = nothing(now);
    let documents = Documents::read(folder).ok_or("no documents are kept")?;
    cold(&mut organisation, &source, Some(documents), source.resolve(BEFORE)?)?;
    let accounts = Accounts::read(folder).ok_or("no accounts are kept")?;
    let mut entitlements: BTreeMap<Sym, Vec<_>> =
        serde_json::from_slice::<Vec<_>>(&std::fs::read(folder.join("entitlements.json"))?)?
            .into_iter()
            .collect();
    for (target, observed) in accounts.targets {
        let mut observed = observed.with([], entitlements.remove(&target).unwrap_or_default());
        observed.describe(targets::capabilities());
        let known =
            Known { observed, place: target, adopted: Some(target), hold: None, own_accounts: Vec::new() };
        organisation.place(target, known, now);
    }
    finished(&organisation.plan(None, &Scope::All, now), 0)?;
    Ok(begun.elapsed().as_secs_f64())
}

fn observe(
    organisation: &mut Organisation,
    folder: &Path,
    all: &[Sym],
    now: Timestamp,
    first: bool,
) -> Result<f64, Failure> {
    let begun = Instant::now();
    for target in all {
        let changed = targets::read(organisation, folder, *target, now)?;
        if (changed > 0) != first {
            return Err(format!("a read of {target} changed {changed} accounts").into());
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// An operator adopts everything that is there.
fn adopt(organisation: &mut Organisation, all: &[Sym]) {
    for target in all {
        let identities: Vec<Sym> = organisation.access().identities().collect();
        for identity in identities {
            organisation.adopt(*target, identity, Sym::new("main"), targets::anchor(identity));
        }
    }
}

/// A plan that holds as many operations, and nothing that could not be planned.
fn finished(decided: &Decided, operations: usize) -> Result<(), Failure> {
    let plan = &decided.plan;
    if plan.operations.len() != operations || !plan.not_planned.is_empty() {
        let told = (plan.operations.first(), plan.not_planned.first());
        return Err(format!(
            "{} operations, {} not: {told:?}",
            plan.operations.len(),
            plan.not_planned.len()
        )
        .into());
    }
    Ok(())
}

fn cat_file(source: &Source, commit: Oid) -> Result<f64, Failure> {
    let (entries, _) = files_of(&source.open()?, commit)?;
    let ids = std::env::temp_dir().join(format!("provost-scale-{}", std::process::id()));
    let text: String = entries.iter().filter_map(|entry| entry.blob).map(|id| format!("{id}\n")).collect();
    std::fs::write(&ids, text)?;
    let taken = median(3, || {
        let begun = Instant::now();
        let mut command = git(source, &["cat-file", "--batch", "--buffer"]);
        let status = command.stdin(std::fs::File::open(&ids)?).stdout(Stdio::null()).status()?;
        if status.success() { Ok(begun.elapsed().as_secs_f64()) } else { Err("git cat-file failed".into()) }
    });
    std::fs::remove_file(&ids)?;
    taken
}

fn diff_tree(source: &Source, from: Oid, to: Oid) -> Result<f64, Failure> {
    let begun = Instant::now();
    let mut command = git(source, &["diff-tree", "-r", &from.to_string(), &to.to_string()]);
    let output = command.stderr(Stdio::null()).output()?;
    match output.stdout.is_empty() {
        true => Err("git diff-tree says nothing".into()),
        false => Ok(begun.elapsed().as_secs_f64() * 1000.0),
    }
}

fn git(source: &Source, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(source.path()).args(arguments);
    command
}

fn resident() -> io::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024.0)
        .ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))
}

fn median(times: usize, mut measure: impl FnMut() -> Result<f64, Failure>) -> Result<f64, Failure> {
    let mut taken = (0..times).map(|_| measure()).collect::<Result<Vec<f64>, Failure>>()?;
    taken.sort_by(f64::total_cmp);
    Ok(taken[taken.len() / 2])
}
