//! What a caller hands to the log.

use jiff::Timestamp;
use serde_json::Value;

use crate::path::TreePath;

/// The longest summary line, in characters.
const MAX_SUMMARY: usize = 160;

/// One record: it becomes one signed commit.
#[derive(Debug, Clone)]
pub struct Record {
    /// What kind of event this is.
    pub kind: Kind,
    /// The target's id.
    pub target: Option<String>,
    /// The identity's id, or the account's label where no identity is known.
    pub subject: Option<String>,
    /// The operation's id; outcomes repeat that of their intent.
    pub operation: Option<String>,
    /// The id of the evidence that this rests on.
    pub evidence: Option<String>,
    /// The commit of the desired repository that asked for it.
    pub desired_commit: Option<String>,
    /// One line for people. Control and bidirectional characters are removed; people appear by id.
    pub summary: String,
    /// Before, after, causes, result: an object.
    pub body: Value,
    /// For intents: the operations, each with its not-after. Empty for every other kind.
    pub items: Vec<IntentItem>,
    /// For outcomes and settled records: the sequence number of the intent.
    pub intent: Option<u64>,
    /// Files of the tree to write or, with `None`, to remove.
    pub changes: Vec<Change>,
    /// May use the reserve of the journal: outcomes and revocations.
    pub priority: bool,
    /// When it happened.
    pub at: Timestamp,
}

impl Record {
    /// A record with nothing but kind, time and summary; callers fill in the rest.
    pub fn new(kind: Kind, at: Timestamp, summary: impl Into<String>) -> Record {
        Record {
            kind,
            target: None,
            subject: None,
            operation: None,
            evidence: None,
            desired_commit: None,
            summary: summary.into(),
            body: Value::Object(serde_json::Map::new()),
            items: Vec::new(),
            intent: None,
            changes: Vec::new(),
            priority: false,
            at,
        }
    }
}

/// A file of the tree: its path, and its new content or `None` to remove it.
pub type Change = (TreePath, Option<Vec<u8>>);

/// One operation of an intent.
#[derive(Debug, Clone)]
pub struct IntentItem {
    /// The operation's id, unique within its intent.
    pub operation: String,
    /// The target's id.
    pub target: String,
    /// The identity's id, or the account's label.
    pub subject: String,
    /// The call does not start after this instant.
    pub not_after: Timestamp,
    /// What is going to be called, as the caller describes it; repeated in the record.
    pub call: Value,
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The first record of an installation.
    Genesis,
    /// A new volume begins (a year).
    Volume,
    /// The journal was lost: what was open is in doubt.
    Break,
    /// A target's baseline was adopted.
    Adopt,
    /// Evidence was seen.
    Evidence,
    /// Rules came into force.
    Rules,
    /// The operator named a trusted commit.
    Trust,
    /// An operator suspended a target, or all.
    Suspend,
    /// An operator resumed a target, or all.
    Resume,
    /// A new key signs from the next record on; this one is signed by the key before.
    Key,
    /// Operations are about to be called.
    Intent,
    /// An operation was called, with this result.
    Outcome(OutcomeResult),
    /// An operation in doubt was settled by reading its target.
    Settled,
    /// The gate refused something.
    Refused,
    /// A change was seen on a target that no operation explains.
    Drift,
    /// A tip that verifiers can pin.
    Checkpoint,
    /// Break-glass was used.
    BreakGlass,
    /// Personal data were erased.
    Erasure,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutcomeResult {
    /// It was done, and read back.
    Applied,
    /// The target refused it, and nothing was changed.
    Failed,
    /// It was never called.
    NotAttempted,
    /// It may or may not have been done: a [`Kind::Settled`] record follows.
    Unknown,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 21] = [
        Kind::Genesis,
        Kind::Volume,
        Kind::Break,
        Kind::Adopt,
        Kind::Evidence,
        Kind::Rules,
        Kind::Trust,
        Kind::Suspend,
        Kind::Resume,
        Kind::Key,
        Kind::Intent,
        Kind::Outcome(OutcomeResult::Applied),
        Kind::Outcome(OutcomeResult::Failed),
        Kind::Outcome(OutcomeResult::NotAttempted),
        Kind::Outcome(OutcomeResult::Unknown),
        Kind::Settled,
        Kind::Refused,
        Kind::Drift,
        Kind::Checkpoint,
        Kind::BreakGlass,
        Kind::Erasure,
    ];

    /// The kind as the `Kind` trailer has it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Genesis => "genesis",
            Kind::Volume => "volume",
            Kind::Break => "break",
            Kind::Adopt => "adopt",
            Kind::Evidence => "evidence",
            Kind::Rules => "rules",
            Kind::Trust => "trust",
            Kind::Suspend => "suspend",
            Kind::Resume => "resume",
            Kind::Key => "key",
            Kind::Intent => "intent",
            Kind::Outcome(OutcomeResult::Applied) => "outcome-applied",
            Kind::Outcome(OutcomeResult::Failed) => "outcome-failed",
            Kind::Outcome(OutcomeResult::NotAttempted) => "outcome-not-attempted",
            Kind::Outcome(OutcomeResult::Unknown) => "outcome-unknown",
            Kind::Settled => "settled",
            Kind::Refused => "refused",
            Kind::Drift => "drift",
            Kind::Checkpoint => "checkpoint",
            Kind::BreakGlass => "break-glass",
            Kind::Erasure => "erasure",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether records of this kind may change any file.
    pub(crate) fn may_change_files(self) -> bool {
        !matches!(
            self,
            Kind::Volume
                | Kind::Break
                | Kind::Intent
                | Kind::Outcome(OutcomeResult::NotAttempted)
                | Kind::Refused
                | Kind::Checkpoint
        )
    }

    /// Whether a record of this kind may change this file. What only announces or marks changes nothing; only what
    /// was seen on a target changes `live/`.
    pub(crate) fn may_change(self, path: &TreePath) -> bool {
        let live_too = !matches!(
            self,
            Kind::Evidence
                | Kind::Rules
                | Kind::Trust
                | Kind::Suspend
                | Kind::Resume
                | Kind::Key
                | Kind::BreakGlass
        );
        self.may_change_files() && (live_too || !path.is_live())
    }
}

/// A summary line: one line, bounded, without anything that a terminal acts on.
pub(crate) fn sanitise_summary(summary: &str) -> String {
    one_line(summary, MAX_SUMMARY)
}

/// Text as one line of at most `limit` characters: white space becomes single blanks; control and bidirectional
/// characters are dropped.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(limit * 4));
    let mut count = 0;
    let mut blank = false;
    for c in text.chars() {
        if c.is_whitespace() {
            blank = !line.is_empty();
            continue;
        }
        if acts_on_terminal(c) {
            continue;
        }
        if count + usize::from(blank) + 1 >= limit {
            line.push('…');
            break;
        }
        if std::mem::take(&mut blank) {
            line.push(' ');
            count += 1;
        }
        line.push(c);
        count += 1;
    }
    line
}

/// Control characters (C0, DEL, C1), bidirectional marks, line separators and what is invisible: all of them can make
/// a terminal show something else than what is there.
pub(crate) fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}
