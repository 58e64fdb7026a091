//! What the audit log says about somebody, from its disposable index.

use provost_audit::index::{Index, Query};
use provost_audit::{CommitId, decode_label};
use serde::Serialize;

use crate::engine::EngineError;
use crate::settings::Settings;

/// One record.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When.
    pub at: jiff::Timestamp,
    /// The kind of the record.
    pub kind: String,
    /// On which target.
    pub target: Option<String>,
    /// What, in one line.
    pub summary: String,
    /// The commit of the desired repository that asked for it.
    pub desired_commit: Option<String>,
    /// The sequence number.
    pub seq: u64,
    /// The audit commit.
    pub commit: String,
}

/// Everything about a subject, the oldest first, at most `limit` of the newest.
pub fn of(
    settings: &Settings,
    subject: &str,
    target: Option<&str>,
    limit: usize,
) -> Result<Vec<Entry>, EngineError> {
    let repository = settings.state.join("provost.git");
    if !repository.exists() {
        return Err(EngineError::NoInstallation(settings.state.clone()));
    }
    let tip = git2::Repository::open_bare(&repository)?.refname_to_id(provost_audit::REF)?;
    let tip: CommitId =
        tip.to_string().parse().map_err(|_| EngineError::Broken(format!("{tip} is no id of a commit.")))?;
    let mut index = Index::open(&settings.state.join("index.sqlite"))?;
    index.catch_up(&repository, tip, |_, _| ())?;
    let query = Query {
        subject: Some(subject.to_owned()),
        target: target.map(str::to_owned),
        limit,
        ..Query::default()
    };
    let mut entries: Vec<Entry> = index
        .history(&query)?
        .into_iter()
        .map(|entry| Entry {
            at: jiff::Timestamp::from_second(entry.at).unwrap_or_default(),
            kind: entry.kind,
            target: entry.target.as_deref().map(decode_label),
            summary: entry.summary,
            desired_commit: entry.desired_commit.as_deref().map(decode_label),
            seq: entry.seq,
            commit: entry.commit.to_string(),
        })
        .collect();
    entries.sort_by_key(|entry| entry.seq);
    Ok(entries)
}
