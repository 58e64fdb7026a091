//! Proving that a log is whole: every signature, every number, every link, every outcome to its intent.
//!
//! In: any repository that has the log (provost's own, the desired one, a clone), keys that may have signed it, and
//! commits that somebody noted before. Out: findings. It needs nothing of the daemon and changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use rayon::prelude::*;
use serde_json::Value;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use crate::additions::Additions;
use crate::allowed::AllowedSigners;
use crate::batch::{Answer, Batch, listed};
use crate::canonical::is_plainly_canonical;
use crate::commit::{Commit, parse_commit};
use crate::error::{Error, Result};
use crate::git::{git, one_line_each, start_error};
use crate::id::{CommitId, ObjectId, sha256_hex};
use crate::key::NAMESPACE;
use crate::message::{Message, canonical_json, parse_message};
use crate::objects::ObjectKind;
use crate::open_intents::{OpenIntent, OpenIntents};
use crate::publish::is_ancestor;
use crate::record::Kind;
use crate::signature::{self, Signed};

pub use crate::additions::Label;

/// How many records are checked in parallel at once, and how many such pieces are read ahead.
const PIECE: usize = 4_096;
const READ_AHEAD: usize = 2;

/// What to verify.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keys that may have signed records.
    pub keys: AllowedSigners,
    /// Only what comes after this commit; it has to be a record itself. `None`: from the genesis on.
    pub from: Option<CommitId>,
    /// Commits that have to be in the log: a tip noted before, a checkpoint. Without any, a log that was cut off or
    /// signed anew with a stolen key cannot be told from a whole one.
    pub pins: Vec<CommitId>,
    /// Also have git check every object, pack and index of the repository (`git fsck --strict`).
    pub objects: bool,
}

/// What was verified, and everything that is wrong with it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The newest record that was looked at.
    pub tip: CommitId,
    /// Number of records that were looked at.
    pub records: u64,
    /// The sequence numbers of the first and the last of them, as they say themselves.
    pub range: Option<(u64, u64)>,
    /// Operations without a final outcome at the tip, oldest first: in doubt if no daemon is calling them now.
    pub open: Vec<OpenIntent>,
    /// Grants by what they rest on.
    pub grants: BTreeMap<Label, u64>,
    /// Empty if all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The record, where it is about one.
    pub commit: Option<CommitId>,
    /// Which check failed.
    pub check: Check,
    /// What is wrong, for people.
    pub message: String,
}

/// The checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// The commit is there, its content is what its id says, and it is formed as a record.
    Form,
    /// It is signed by an allowed key, and by the one that was to sign it: only a key record hands over to another.
    Signature,
    /// Numbers follow each other without a gap, from the genesis on.
    Sequence,
    /// It names the record before as its parent, and that one's SHA-256.
    Chain,
    /// Volumes follow each other, and change only by a volume record.
    Volume,
    /// Outcomes belong to one open intent, intents have at most one outcome, and what is open is counted right.
    Intent,
    /// A grant above tier low rests on evidence that was recorded before it, known as it says.
    Evidence,
    /// A kind that announces or marks changes no file.
    Tree,
    /// A pinned commit is in the log.
    Pin,
    /// Git finds all objects whole.
    Objects,
}

impl Check {
    /// The check's name as `--output json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Check::Form => "form",
            Check::Signature => "signature",
            Check::Sequence => "sequence",
            Check::Chain => "chain",
            Check::Volume => "volume",
            Check::Intent => "intent",
            Check::Evidence => "evidence",
            Check::Tree => "tree",
            Check::Pin => "pin",
            Check::Objects => "objects",
        }
    }
}

/// Verifies the log up to `tip`. `progress` is called with the number of records done and of all.
///
/// # Errors
/// Only if the repository cannot be read at all; everything that is wrong with the log is a finding.
pub fn verify(
    repository: &Path,
    tip: CommitId,
    options: &Options,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report> {
    let mut report = Report {
        tip,
        records: 0,
        range: None,
        open: Vec::new(),
        grants: BTreeMap::new(),
        findings: Vec::new(),
    };
    check_pins(repository, tip, options, &mut report)?;
    if options.objects {
        check_objects(repository, &mut report)?;
    }
    // Whatever the list says, each record has to name the one before it as its parent, and the first one none.
    let ids = match listed(repository, options.from, tip) {
        Ok(ids) => ids,
        Err(Error::Git { message, .. }) => {
            report.find(Some(tip), Check::Form, format!("git cannot list the records: {message}"));
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let mut state = State::new(repository, options)?;
    let total = ids.len() as u64;
    let mut unreadable = None;
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(READ_AHEAD);
        scope.spawn(move || read_pieces(repository, ids, |piece| send.send(piece).is_ok()));
        for piece in receive {
            match piece {
                Ok(piece) => {
                    let read: Vec<Read> =
                        piece.par_chunks(signature::BATCH).flat_map_iter(read_together).collect();
                    for record in read {
                        state.follow(record, &options.keys, &mut report);
                    }
                    progress(report.records, total);
                }
                Err(error) => unreadable = Some(error),
            }
        }
    });
    match unreadable {
        Some(Error::Damaged(reason)) => report.find(None, Check::Form, reason),
        Some(error) => return Err(error),
        None => {}
    }
    match state.open.all() {
        Ok(open) => report.open = open,
        Err(reason) => report.find(None, Check::Intent, reason),
    }
    report.grants = state.additions.counts;
    Ok(report)
}

impl Report {
    fn find(&mut self, commit: Option<CommitId>, check: Check, message: impl Into<String>) {
        self.findings.push(Finding { commit, check, message: message.into() });
    }
}

/// A record as far as it can be checked alone.
struct Read {
    id: CommitId,
    record: Option<(Commit, Message)>,
    body: Value,
    chain: String,
    /// Whose signature it bears; that it is good is checked with its neighbours.
    signer: Option<KeyData>,
    findings: Vec<(Check, String)>,
}

/// What the next record has to fit to.
struct State {
    before: Option<Before>,
    /// The key that has to sign the next record.
    signs: Option<KeyData>,
    /// Whether that key came by a key record of this log, and not from the caller.
    handed_over: bool,
    open: OpenIntents,
    additions: Additions,
    /// The first number of the range: what belongs to older intents cannot be judged.
    first: Option<u64>,
    whole: bool,
}

struct Before {
    id: CommitId,
    tree: ObjectId,
    seq: u64,
    volume: u64,
    chain: String,
}

impl State {
    fn new(repository: &Path, options: &Options) -> Result<State> {
        let (mut before, mut signs) = (None, None);
        if let Some(from) = options.from {
            let mut batch = Batch::start(repository, vec![from])?;
            let answer = batch.next()?.map_or(Answer::Missing, |(_, answer)| answer);
            let (read, _) = read(from, &answer);
            before = Some(before_of(&read).ok_or_else(|| {
                Error::Damaged(format!("{from}, after which to verify, is no record of an audit log"))
            })?);
            signs = signs_next(&read);
        }
        Ok(State {
            before,
            signs,
            handed_over: false,
            open: OpenIntents::default(),
            additions: Additions::default(),
            first: None,
            whole: options.from.is_none(),
        })
    }

    fn follow(&mut self, read: Read, keys: &AllowedSigners, report: &mut Report) {
        report.records += 1;
        let id = Some(read.id);
        for (check, message) in &read.findings {
            report.find(id, *check, message.clone());
        }
        let Some((commit, message)) = &read.record else {
            // Its successors name it as their parent; nothing else of it can be compared.
            self.before = None;
            return;
        };
        self.check_signer(&read, commit.at, keys, report);
        let (seq, kind) = (message.seq, message.kind);
        report.range = Some((report.range.map_or(seq, |(first, _)| first), seq));
        match &self.before {
            None if report.records == 1 => {
                if kind != Kind::Genesis || commit.parent.is_some() || seq != 1 || message.volume != 1 {
                    report.find(id, Check::Sequence, "the log does not begin with a genesis");
                }
                if message.prev.is_some() {
                    report.find(id, Check::Chain, "the genesis names a record before it");
                }
            }
            // After a record that could not be read, which is a finding already.
            None => {}
            Some(before) => check_next(before, &read, commit, message, report),
        }
        let first = *self.first.get_or_insert(seq);
        let beyond = !self.whole && message.intent.is_some_and(|intent| intent < first);
        if !beyond {
            // Undoing is for writers.
            if let Err(reason) = self.open.apply(message, commit.at, &mut Vec::new()) {
                report.find(id, Check::Intent, reason);
            }
        }
        if let Err(reason) = self.additions.apply(message, &read.body, self.whole) {
            report.find(id, Check::Evidence, reason);
        }
        if self.whole && message.open != self.open.oldest() {
            let expected = self.open.oldest().map_or("none".to_owned(), |seq| seq.to_string());
            report.find(
                id,
                Check::Intent,
                format!("its Open trailer is wrong: the oldest open intent is {expected}"),
            );
        }
        self.before = before_of(&read);
    }

    /// The first key has to be allowed; then each record is signed by the key that was to sign it.
    fn check_signer(&mut self, read: &Read, at: i64, keys: &AllowedSigners, report: &mut Report) {
        let next = signs_next(read);
        let Some(signer) = &read.signer else { return };
        let handed_over = self.signs.as_ref() == Some(signer) && self.handed_over;
        if !handed_over && keys.find(signer, NAMESPACE, at).is_none() {
            report.find(Some(read.id), Check::Signature, "it is signed by a key that is not allowed");
        } else if self.signs.as_ref().is_some_and(|signs| signs != signer) {
            let message =
                "it is signed by another key than the record before, and no record hands over to it";
            report.find(Some(read.id), Check::Signature, message);
        }
        self.handed_over |= next.as_ref() != Some(signer);
        self.signs = next;
    }
}

/// The key that has to sign what comes after a record.
fn signs_next(read: &Read) -> Option<KeyData> {
    let (_, message) = read.record.as_ref()?;
    if message.kind != Kind::Key {
        return read.signer.clone();
    }
    PublicKey::from_openssh(read.body.get("key")?.as_str()?).ok().map(|key| key.key_data().clone())
}

fn before_of(read: &Read) -> Option<Before> {
    let (commit, message) = read.record.as_ref()?;
    Some(Before {
        id: read.id,
        tree: commit.tree,
        seq: message.seq,
        volume: message.volume,
        chain: read.chain.clone(),
    })
}

fn check_next(before: &Before, read: &Read, commit: &Commit, message: &Message, report: &mut Report) {
    let id = Some(read.id);
    if message.kind == Kind::Genesis {
        report.find(id, Check::Sequence, "a genesis stands in the middle of the log");
    }
    if message.seq != before.seq + 1 {
        report.find(id, Check::Sequence, format!("its number is {} after {}", message.seq, before.seq));
    }
    if commit.parent != Some(before.id) {
        report.find(id, Check::Chain, format!("its parent is not the record before it, {}", before.id));
    }
    if message.prev.as_deref() != Some(&before.chain) {
        report.find(id, Check::Chain, "its Prev trailer is not the SHA-256 of the record before it");
    }
    if message.volume != before.volume + u64::from(message.kind == Kind::Volume) {
        report.find(id, Check::Volume, format!("its volume is {} after {}", message.volume, before.volume));
    }
    if !message.kind.may_change_files() && commit.tree != before.tree {
        report.find(id, Check::Tree, format!("a record of kind {} changes files", message.kind.name()));
    }
}

/// Reads the commits in pieces until the consumer wants no more.
fn read_pieces(
    repository: &Path,
    ids: Vec<CommitId>,
    mut send: impl FnMut(Result<Vec<(CommitId, Answer)>>) -> bool,
) {
    let mut batch = match Batch::start(repository, ids) {
        Ok(batch) => batch,
        Err(error) => {
            send(Err(error));
            return;
        }
    };
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let mut failed = None;
        while piece.len() < PIECE && failed.is_none() {
            match batch.next() {
                Ok(Some(answer)) => piece.push(answer),
                Ok(None) => break,
                Err(error) => failed = Some(error),
            }
        }
        let last = piece.len() < PIECE;
        if !send(Ok(piece)) {
            return;
        }
        if let Some(error) = failed {
            send(Err(error));
            return;
        }
        if last {
            return;
        }
    }
}

/// Reads a few records, and checks their signatures together.
fn read_together(answers: &[(CommitId, Answer)]) -> Vec<Read> {
    let (mut read, signed): (Vec<Read>, Vec<Option<Signed>>) =
        answers.iter().map(|(id, answer)| read(*id, answer)).unzip();
    let places: Vec<(usize, &Signed)> =
        signed.iter().enumerate().filter_map(|(place, signed)| Some((place, signed.as_ref()?))).collect();
    let together: Vec<&Signed> = places.iter().map(|(_, signed)| *signed).collect();
    for ((place, _), good) in places.iter().zip(signature::check(&together)) {
        if !good {
            read[*place].findings.push((Check::Signature, signature::NOT_OF_THIS.to_owned()));
        }
    }
    read
}

/// Everything that can be checked of a record alone, but for its signature.
fn read(id: CommitId, answer: &Answer) -> (Read, Option<Signed>) {
    let mut read = Read {
        id,
        record: None,
        body: Value::Null,
        chain: String::new(),
        signer: None,
        findings: Vec::new(),
    };
    let mut signed = None;
    if let Err((check, message)) = fill(&mut read, answer, &mut signed) {
        read.findings.push((check, message));
    }
    (read, signed)
}

fn fill(
    read: &mut Read,
    answer: &Answer,
    signed: &mut Option<Signed>,
) -> std::result::Result<(), (Check, String)> {
    let form = |reason: &str| (Check::Form, reason.to_owned());
    let Answer::Object(kind, object) = answer else {
        return Err(form("the commit is missing"));
    };
    if kind != ObjectKind::Commit.name() || ObjectId::of(ObjectKind::Commit, object) != read.id {
        return Err(form("the commit is not what its id says"));
    }
    read.chain = sha256_hex(object);
    let commit = parse_commit(object).map_err(|reason| form(&reason))?;
    match signature::read(&commit) {
        Ok((signer, left)) => {
            read.signer = Some(signer);
            *signed = left;
        }
        Err(reason) => read.findings.push((Check::Signature, reason)),
    }
    let message = parse_message(&commit.message).map_err(|reason| form(&reason))?;
    let plain = is_plainly_canonical(&message.json);
    // A body is a value only where it is looked at, or where it is not plain to see that it is canonical.
    if !plain || message.kind == Kind::Key || Additions::looks_at(&message) {
        read.body = message.body().unwrap_or_default();
    }
    if !plain && !canonical_json(&read.body).is_ok_and(|canonical| canonical == message.json) {
        read.findings.push((Check::Form, "its body is not canonical JSON".to_owned()));
    }
    read.record = Some((commit, message));
    Ok(())
}

fn check_pins(repository: &Path, tip: CommitId, options: &Options, report: &mut Report) -> Result<()> {
    for pin in &options.pins {
        if !is_ancestor(repository, *pin, tip)? {
            let message = "a pinned commit is not in the log: it was cut off or written anew";
            report.find(Some(*pin), Check::Pin, message);
        }
    }
    Ok(())
}

fn check_objects(repository: &Path, report: &mut Report) -> Result<()> {
    let mut command = git(repository);
    command.args(["fsck", "--strict", "--full", "--no-dangling", "--no-progress"]);
    let output = command.output().map_err(|error| start_error("fsck", &error))?;
    let said = [output.stdout, output.stderr].concat();
    let mut lines = one_line_each(&said).peekable();
    if lines.peek().is_none() && !output.status.success() {
        report.find(None, Check::Objects, "git fsck failed");
    }
    for line in lines {
        report.find(None, Check::Objects, line);
    }
    Ok(())
}
