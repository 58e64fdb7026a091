//! What the audit log says, from its disposable index.

use std::path::PathBuf;

use provost_audit::index::{Held, Holder, Index, IndexEntry, Query};
use provost_audit::{CommitId, Message, decode_label, read_records};
use serde::Serialize;

use crate::engine::EngineError;
use crate::settings::Settings;

/// How many records are read at once where there may be millions.
const PAGE: usize = 10_000;

/// One record.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The sequence number.
    pub seq: u64,
    /// When.
    pub at: jiff::Timestamp,
    /// The kind of the record.
    pub kind: String,
    /// On which target.
    pub target: Option<String>,
    /// For whom.
    pub subject: Option<String>,
    /// What, in one line.
    pub summary: String,
    /// The operation's id.
    pub operation: Option<String>,
    /// The number of the intent that this closes.
    pub intent: Option<u64>,
    /// The id of the evidence that it rests on.
    pub evidence: Option<String>,
    /// The commit of the desired repository that asked for it.
    pub desired_commit: Option<String>,
    /// The audit commit.
    pub commit: String,
}

/// The log of an installation, with its index up to date.
pub struct History {
    repository: PathBuf,
    index: Index,
}

impl History {
    /// Opens the log and brings its index up to date; `progress` is called with the number of records done and of all.
    ///
    /// # Errors
    /// [`EngineError::NoInstallation`] if there is no log.
    pub fn open(settings: &Settings, progress: impl FnMut(u64, u64)) -> Result<History, EngineError> {
        let repository = settings.state.join("provost.git");
        if !repository.exists() {
            return Err(EngineError::NoInstallation(settings.state.clone()));
        }
        let tip = git2::Repository::open_bare(&repository)?.refname_to_id(provost_audit::REF)?;
        let tip: CommitId = tip
            .to_string()
            .parse()
            .map_err(|_| EngineError::Broken(format!("{tip} is no id of a commit.")))?;
        let mut index = Index::open(&settings.state.join("index.sqlite"))?;
        index.catch_up(&repository, tip, progress)?;
        Ok(History { repository, index })
    }

    /// The newest records that match, the oldest of them first. `cause` is a word that a record has to name among its
    /// causes: a role, a commit of the desired repository, the id of evidence.
    pub fn find(&self, query: &Query, cause: Option<&str>) -> Result<Vec<Entry>, EngineError> {
        let Some(cause) = cause else {
            let mut entries: Vec<Entry> = self.index.history(query)?.into_iter().map(Entry::from).collect();
            entries.reverse();
            return Ok(entries);
        };
        let wanted = if query.limit == 0 { usize::MAX } else { query.limit };
        let mut found = Vec::new();
        let mut page = Query { limit: PAGE, ..query.clone() };
        loop {
            let entries = self.index.history(&page)?;
            let Some(last) = entries.last() else { break };
            page.before = Some(last.seq);
            self.with_messages(entries, |entry, message| {
                if found.len() < wanted && is_caused(&message, cause) {
                    found.push(entry);
                }
                Ok(())
            })?;
            if found.len() == wanted {
                break;
            }
        }
        found.reverse();
        Ok(found)
    }

    /// Gives every record that matches, with its body, to `visit`, the oldest first. Memory stays bounded.
    pub fn export(
        &self,
        query: &Query,
        mut visit: impl FnMut(Entry, &str) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut page = Query { limit: PAGE, after: Some(0), ..query.clone() };
        loop {
            let entries = self.index.history(&page)?;
            let Some(last) = entries.last() else { return Ok(()) };
            page.after = Some(last.seq);
            self.with_messages(entries, |entry, message| visit(entry, &message.json))?;
        }
    }

    /// The commit of the last record at this second or before it.
    pub fn at(&self, second: i64) -> Result<Option<CommitId>, EngineError> {
        Ok(self.index.at(second)?.map(|entry| entry.commit))
    }

    /// Who had something on a target at this second, as it was seen; everybody with an account there, if nothing is
    /// named. `None` if the log began later.
    pub fn holders(
        &self,
        target: &str,
        held: Option<Held<'_>>,
        second: i64,
    ) -> Result<Option<Vec<Holder>>, EngineError> {
        let Some(record) = self.index.at(second)? else { return Ok(None) };
        Ok(Some(self.index.holders(target, held, record.seq)?))
    }

    fn with_messages(
        &self,
        entries: Vec<IndexEntry>,
        mut visit: impl FnMut(Entry, Message) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let commits = entries.iter().map(|entry| entry.commit).collect();
        let mut entries = entries.into_iter();
        read_records(&self.repository, commits, |_, message| match entries.next() {
            Some(entry) => visit(Entry::from(entry), message),
            None => Ok(()),
        })
    }
}

fn is_caused(message: &Message, cause: &str) -> bool {
    let labels = [&message.evidence, &message.desired_commit];
    let named = labels.into_iter().flatten().any(|label| decode_label(label).starts_with(cause));
    let in_body = || {
        let body = message.body().ok()?;
        let all = body.get("causes")?.as_array()?;
        let words = |text: &str| text.split_whitespace().any(|word| word == cause);
        Some(all.iter().any(|one| one.as_str().map_or_else(|| words(&one.to_string()), words)))
    };
    named || in_body().unwrap_or_default()
}

impl From<IndexEntry> for Entry {
    fn from(entry: IndexEntry) -> Entry {
        let name = |label: Option<String>| label.as_deref().map(decode_label);
        Entry {
            seq: entry.seq,
            at: jiff::Timestamp::from_second(entry.at).unwrap_or_default(),
            kind: entry.kind,
            target: name(entry.target),
            subject: name(entry.subject),
            summary: entry.summary,
            operation: name(entry.operation),
            intent: entry.intent,
            evidence: name(entry.evidence),
            desired_commit: name(entry.desired_commit),
            commit: entry.commit.to_string(),
        }
    }
}
