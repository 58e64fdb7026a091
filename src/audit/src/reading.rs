//! Whole records by their commits, for whoever exports or searches them.

use std::path::Path;

use crate::batch::{Answer, Batch};
use crate::commit::parse_commit;
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
        visit(id, message(id, answer)?)?;
    }
    Ok(())
}

fn message(id: CommitId, answer: Answer) -> Result<Message> {
    let damaged = |reason: String| Error::Damaged(format!("record {id}: {reason}"));
    let Answer::Object(_, object) = answer else { return Err(damaged("it is missing".to_owned())) };
    let commit = parse_commit(&object).map_err(damaged)?;
    parse_message(&commit.message).map_err(damaged)
}
