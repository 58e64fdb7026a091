//! One commit into the snapshot: what of it counts now.
//!
//! Whatever the commit changed, and whatever is held back already, is put in place as if all of it were sound. Then
//! documents that are not are put back to what counted before, in rounds, until nothing more is held back: so
//! documents that are sound only together come in together, and what refers to what is not in force waits. A round
//! judges all documents by the same state, so the order in which they are looked at decides nothing.

use rustc_hash::{FxHashMap, FxHashSet};

use provost_sdk::Risk;

use super::check::Checker;
use super::less::lessen;
use super::rules::judge;
use super::{Change, Context, Dirty, Identity, Loose, RuleVersion, Slot, Snapshot, Version, slot};
use crate::Sym;
use crate::document::{Kind, Lessened, Problem, Severity, Status};
use crate::pieces::in_pieces;

/// Documents that are worth a thread of their own: some milliseconds of checks. Tests have few documents.
const PIECE: usize = if cfg!(test) { 2 } else { 4096 };

/// One amendment under way.
#[derive(Default)]
pub(super) struct Step {
    /// What counted before, of every slot whose document is another one now.
    pub(super) before: FxHashMap<Slot, Option<Version>>,
    /// The slots among them that hold a version of this commit, and the file it came from, less its document.
    new: FxHashMap<Slot, Loose>,
    /// The judgement of rules that changed.
    pub(super) judged: FxHashMap<Slot, RuleVersion>,
    /// What is wrong with what is held back, by path.
    pub(super) held: Vec<(Sym, Vec<Problem>)>,
    /// What settling found about identities that are new, so that reporting need not look again. Only there where
    /// nothing was put back: then they were judged by the state that is reported.
    pub(super) found: Option<FxHashMap<Slot, Vec<Problem>>>,
    pub(super) dirty: Dirty,
}

/// Where the version of the commit for a slot stands.
pub(super) enum Owner {
    /// No file has this id.
    Nobody,
    /// The file that counts already.
    Standing,
    /// A file that does not count yet.
    Loose(Sym),
    /// Several files, none of which has more right to the id.
    Contested,
}

impl Snapshot {
    /// Takes the next commit in, as the files that differ from the commit before. Costs what they are, what is held
    /// back, and what refers to what changed. Call it without changes when evidence has arrived.
    pub fn amend(&mut self, changes: Vec<Change>, context: &Context<'_>) -> Dirty {
        let mut touched = self.take_files(changes);
        touched.extend(std::mem::take(&mut self.pending));
        touched.extend(self.vanished.iter().map(|id| (Kind::Person, *id)));
        let mut step = Step::default();
        let candidates = self.decide(&in_line(touched.iter().copied()), context, &mut step);
        for (slot, path) in candidates {
            self.let_in(slot, path, &mut step);
        }
        self.settle(context, &mut step);
        for slot in step.new.keys().filter(|slot| slot.0 == Kind::Person) {
            self.vanished.remove(&slot.1);
        }
        self.report(touched, context, &mut step);
        self.give_back();
        self.dirty(step)
    }

    /// Keeps the list of files, and gives the slots that any of them was or is about.
    pub(super) fn take_files(&mut self, changes: Vec<Change>) -> FxHashSet<Slot> {
        let mut touched = FxHashSet::default();
        for Change { path, file } in changes {
            touched.extend(self.files.remove(&path).flatten().map(slot));
            self.unreadable.remove(&path);
            self.unloose(path);
            self.parse_problems.remove(&path);
            self.findings.remove(&path);
            let Some(file) = file else { continue };
            let key = file.parsed.key;
            self.files.insert(path, key);
            match key {
                Some(key) => {
                    touched.insert(slot(key));
                }
                None => {
                    self.unreadable.insert(path);
                }
            }
            if !file.parsed.problems.is_empty() {
                self.parse_problems.insert(path, file.parsed.problems);
            }
            let (document, less) = (file.parsed.document, file.parsed.less.map(Box::new));
            self.loosen(Loose { path, blob: file.blob, key, document, less });
        }
        touched
    }

    /// Decides what is proposed for each slot: what is gone or broken takes effect here, the rest is returned.
    fn decide(&mut self, touched: &[Slot], context: &Context<'_>, step: &mut Step) -> Vec<(Slot, Sym)> {
        let mut proposed: FxHashMap<Slot, Sym> = FxHashMap::default();
        let mut gone = Vec::new();
        for slot in touched {
            self.waiting.remove(slot);
            self.clear_findings(*slot);
            let owner = self.owner(*slot);
            self.refuse_duplicates(*slot, &owner, step);
            match owner {
                Owner::Standing => {}
                Owner::Nobody => gone.push(*slot),
                Owner::Contested => {
                    self.pending.insert(*slot);
                }
                Owner::Loose(path) => {
                    if self.is_candidate(*slot, path, context, step) {
                        proposed.insert(*slot, path);
                    }
                }
            }
        }
        self.wait_for_evidence(&mut proposed, &mut gone, context, step);
        for slot in gone {
            self.leave_out(slot, context, step);
        }
        in_line(proposed.keys().copied()).into_iter().map(|slot| (slot, proposed[&slot])).collect()
    }

    /// Who of the files with an id stands for it: the one that counts, else the only one, else the one that holds
    /// what counts under another path.
    fn owner(&self, slot: Slot) -> Owner {
        let current = self.current(slot);
        if current.is_some_and(|version| self.at_home(slot, version)) {
            return Owner::Standing;
        }
        let Some(paths) = self.loose_by_slot.get(&slot) else { return Owner::Nobody };
        if let Some(current) = current
            && paths.contains(&current.path)
        {
            return Owner::Loose(current.path);
        }
        let mut moved = paths.iter().filter(|path| {
            paths.len() == 1 || current.is_some_and(|version| version.blob == self.loose[path].blob)
        });
        match (moved.next(), moved.next()) {
            (Some(path), None) => Owner::Loose(*path),
            _ => Owner::Contested,
        }
    }

    /// Whether the file at `path` is a version to be tried. Takes over one with the same content, and takes away what
    /// a broken one takes away.
    fn is_candidate(&mut self, slot: Slot, path: Sym, context: &Context<'_>, step: &mut Step) -> bool {
        let loose = &self.loose[&path];
        let Some(document) = &loose.document else {
            let less = loose.less.as_deref().cloned();
            self.take_away(slot, less, context, step);
            self.pending.insert(slot);
            return false;
        };
        let Some(current) = self.current(slot) else { return true };
        if *document != current.document {
            return true;
        }
        let blob = loose.blob;
        self.unloose(path);
        self.vanished.remove(&slot.1);
        let current = match slot.0 {
            Kind::Person => self.identities.get_mut(&slot.1),
            _ => self.rules.get_mut(&slot),
        };
        if let Some(current) = current {
            (current.path, current.blob) = (path, blob);
        }
        false
    }

    /// Rules that need evidence and have none are not proposed.
    fn wait_for_evidence(
        &mut self,
        proposed: &mut FxHashMap<Slot, Sym>,
        gone: &mut Vec<Slot>,
        context: &Context<'_>,
        step: &mut Step,
    ) {
        let after = |slot: &Slot| {
            let loose = &self.loose[proposed.get(slot)?];
            loose.document.clone().map(|document| Version { path: loose.path, blob: loose.blob, document })
        };
        let candidate =
            |slot: Slot| proposed.get(&slot).and_then(|path| self.loose.get(path)?.document.as_ref());
        let present = |slot: &&Slot| self.rules.contains_key(slot);
        let rules = proposed.keys().chain(gone.iter().filter(present)).filter(|slot| slot.0.is_rule());
        let judged: Vec<(Slot, RuleVersion)> =
            rules.map(|slot| (*slot, judge(self, context, *slot, after(slot), &candidate))).collect();
        for (slot, version) in judged {
            if context.trusted || version.tier == Risk::Low || (context.agreed)(&version) {
                step.judged.insert(slot, version);
            } else {
                proposed.remove(&slot);
                gone.retain(|other| *other != slot);
                self.pending.insert(slot);
                self.waiting.insert(slot, version);
            }
        }
    }

    /// No file has this id any more.
    fn leave_out(&mut self, slot: Slot, context: &Context<'_>, step: &mut Step) {
        let Some(current) = self.current(slot) else { return };
        let departed = Identity::of(&current.document).map(|identity| identity.status() == Status::Departed);
        let id = slot.1;
        // Somewhere in what cannot be read the id may still be.
        if !self.unreadable.is_empty() {
            self.pending.insert(slot);
            // Who has vanished before has left, also where this is the first commit that is read.
            if departed.is_some() && self.vanished.contains(&id) {
                let less = Lessened { status: Some(Status::Departed), ..Lessened::default() };
                self.take_away(slot, Some(less), context, step);
            }
            return;
        }
        match departed {
            Some(true) if !context.leaving.contains(&id) => {
                self.vanished.remove(&id);
                self.change(slot, None, step);
            }
            None => self.change(slot, None, step),
            Some(_) => {
                let less = Lessened { status: Some(Status::Departed), ..Lessened::default() };
                self.take_away(slot, Some(less), context, step);
                if self.vanished.insert(id) {
                    step.dirty.vanished.insert(id);
                }
            }
        }
    }

    /// Puts the file's document in place of what counts.
    pub(super) fn let_in(&mut self, slot: Slot, path: Sym, step: &mut Step) {
        let Some(mut loose) = self.unloose(path) else { return };
        let Some(document) = loose.document.take() else { return };
        let version = Version { path, blob: loose.blob, document };
        self.change(slot, Some(version), step);
        step.new.insert(slot, loose);
    }

    /// Puts what counted before in place of the file's document, less what that one takes away.
    fn put_back(&mut self, slot: Slot, problems: Vec<Problem>, context: &Context<'_>, step: &mut Step) {
        let Some(mut loose) = step.new.remove(&slot) else { return };
        let before = step.before.remove(&slot).flatten();
        let Some(refused) = self.put(slot, before) else { return };
        let less = Lessened::of(&refused.document);
        loose.document = Some(refused.document);
        step.held.push((loose.path, problems));
        self.loosen(loose);
        self.pending.insert(slot);
        self.take_away(slot, less, context, step);
    }

    /// Applies what takes away to what counts.
    fn take_away(&mut self, slot: Slot, less: Option<Lessened>, context: &Context<'_>, step: &mut Step) {
        let (Some(less), Some(current)) = (less, self.current(slot)) else { return };
        let mut lessened = current.clone();
        if lessen(&mut lessened.document, &less, context.zones) {
            self.change(slot, Some(lessened), step);
        }
    }

    /// Puts documents back in rounds until nothing more is held back.
    fn settle(&mut self, context: &Context<'_>, step: &mut Step) {
        let mut suspects: Vec<Slot> = step.new.keys().copied().collect();
        let mut compared: Vec<Slot> = suspects.clone();
        let mut found = Some(FxHashMap::default());
        loop {
            let own = |checker: &Checker<'_>, version: &Version, former: Option<&Version>| {
                checker.own(version, former)
            };
            let conflicts = |checker: &Checker<'_>, version: &Version, former: Option<&Version>| {
                checker.conflicts(version, former)
            };
            let mut failing = self.failing(&suspects, context, step, &mut found, own);
            if failing.is_empty() {
                failing = self.failing(&compared, context, step, &mut found, conflicts);
                compared.clear();
            }
            if failing.is_empty() {
                step.found = found;
                return;
            }
            found = None;
            let reverted: Vec<Slot> = failing.iter().map(|(slot, _)| *slot).collect();
            for (slot, problems) in failing {
                self.put_back(slot, problems, context, step);
            }
            suspects =
                self.affected(&reverted).into_iter().filter(|slot| step.new.contains_key(slot)).collect();
            compared
                .extend(self.name_peers(&reverted).into_iter().filter(|slot| step.new.contains_key(slot)));
            compared.retain(|slot| step.new.contains_key(slot));
        }
    }

    /// Those of the slots whose new version has an error, and everything that is wrong with it. Adds to `found` what
    /// is wrong with identities that are new.
    fn failing(
        &self,
        slots: &[Slot],
        context: &Context<'_>,
        step: &Step,
        found: &mut Option<FxHashMap<Slot, Vec<Problem>>>,
        check: impl Fn(&Checker<'_>, &Version, Option<&Version>) -> Vec<Problem> + Sync,
    ) -> Vec<(Slot, Vec<Problem>)> {
        let judged = in_pieces(slots, PIECE, |piece| {
            let checker = Checker::new(self, context, false);
            let judge = |slot: &Slot| {
                let (version, former) = (self.current(*slot)?, step.before.get(slot)?);
                let is_new = slot.0 == Kind::Person && former.is_none();
                Some((*slot, is_new, check(&checker, version, former.as_ref())))
            };
            piece.iter().filter_map(judge).collect::<Vec<_>>()
        });
        let mut failing = Vec::new();
        for (slot, is_new, problems) in judged.into_iter().flatten() {
            if problems.iter().any(|problem| problem.severity == Severity::Error) {
                failing.push((slot, problems));
            } else if let Some(found) = found.as_mut().filter(|_| is_new) {
                found.entry(slot).or_default().extend(problems);
            }
        }
        failing
    }

    /// Makes another version count, and remembers the first one that did.
    fn change(&mut self, slot: Slot, version: Option<Version>, step: &mut Step) {
        let before = self.put(slot, version);
        step.before.entry(slot).or_insert(before);
    }

    /// Whether the file that a version came from holds it still.
    pub(super) fn at_home(&self, slot: Slot, version: &Version) -> bool {
        self.files.get(&version.path).copied().flatten().map(super::slot) == Some(slot)
            && !self.loose.contains_key(&version.path)
    }

    fn clear_findings(&mut self, slot: Slot) {
        for path in self.loose_by_slot.get(&slot).into_iter().flatten() {
            self.findings.remove(path);
        }
        if let Some(path) =
            self.current(slot).filter(|version| self.at_home(slot, version)).map(|version| version.path)
        {
            self.findings.remove(&path);
        }
    }

    /// Gives back the room that a first commit took.
    fn give_back(&mut self) {
        /// Below this it is not worth the copying.
        const SPARE: usize = 1024;
        if self.loose.capacity() > 2 * self.loose.len() + SPARE {
            self.loose.shrink_to_fit();
            self.loose_by_slot.shrink_to_fit();
            self.pending.shrink_to_fit();
        }
    }

    /// Adds a file whose content does not count.
    pub(super) fn loosen(&mut self, loose: Loose) {
        if let Some(key) = loose.key {
            self.loose_by_slot.entry(slot(key)).or_default().insert(loose.path);
        }
        self.loose.insert(loose.path, loose);
    }

    /// Takes a file out of those whose content does not count.
    fn unloose(&mut self, path: Sym) -> Option<Loose> {
        let loose = self.loose.remove(&path)?;
        if let Some(slot) = loose.key.map(slot)
            && let Some(paths) = self.loose_by_slot.get_mut(&slot)
        {
            paths.remove(&path);
            if paths.is_empty() {
                self.loose_by_slot.remove(&slot);
            }
        }
        Some(loose)
    }
}

/// Slots in an order that has nothing to do with their hashes: filling a growing hash table in the order of another
/// one fills its buckets one after the other, and takes quadratic time.
fn in_line(slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
    let mut slots: Vec<Slot> = slots.collect();
    slots.sort_unstable_by_key(|(kind, id)| (*kind, id.number()));
    slots
}
