//! Whole records by their commits, for whoever exports or searches them.

use std::path::Path;

use crate::batch::{Answer, Batch};
use crate::commit::{Commit, parse_commit};
use crate::error::{Error, Result};
use crate::id::CommitId;
use crate::message::{Message, parse_message};

/// Reads records and gives each to `visit`, in the order of `commits`. Nothing is verified.
///
/// # Errors
/// [`Error::Damaged`] at a commit that is missing or no record; whatever `visit` gives.
pub fn read_records<E: From<Error>>(
    repository: &Path,
    commits: Vec<CommitId>,
    mut visit: impl FnMut(CommitId, Message) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut batch = Batch::start(repository, commits)?;
    while let Some((id, answer)) = batch.next()? {
        visit(id, record(id, answer)?.1)?;
    }
    Ok(())
}

/// The record that git gave for a commit.
pub(crate) fn record(id: CommitId, answer: Answer) -> Result<(Commit, Message)> {
    let damaged = |reason: String| Error::Damaged(format!("record {id}: {reason}"));
    let Answer::Object(_, object) = answer else { return Err(damaged("it is missing".to_owned())) };
    let commit = parse_commit(&object).map_err(damaged)?;
    let message = parse_message(&commit.message).map_err(damaged)?;
    Ok((commit, message))
}
