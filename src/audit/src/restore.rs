//! Going on with a published log where the state folder was lost.

use std::path::Path;

use crate::commit::parse_commit;
use crate::disk::StdDisk;
use crate::error::{Error, Result};
use crate::git::{git, run};
use crate::id::CommitId;
use crate::layout::{Layout, REF};
use crate::lock::StateLock;
use crate::message::parse_message;
use crate::objects::{GitObjects, ObjectKind, Objects};
use crate::{reference, repository};

/// Fetches the log that is published at `remote` into a state folder that has none, if its tip is `tip`. The next
/// [`crate::Log::open`] finds it without a journal, records the break, and reports what is in doubt.
///
/// # Errors
/// [`Error::Exists`] if the folder has a log; [`Error::RefMoved`] if something else is published than `tip`.
pub fn restore(state: &Path, remote: &str, tip: CommitId) -> Result<()> {
    let layout = Layout::new(state);
    layout.make()?;
    let _lock = StateLock::take(&layout)?;
    let path = layout.repository();
    repository::create(&path)?;
    if reference::read(&StdDisk, &layout)?.is_some() || layout.journal().exists() {
        return Err(Error::Exists(state.to_owned()));
    }
    let mut fetch = git(&path);
    // Nothing of it may be lost again by a crash right after this.
    fetch.args(["-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync", "fetch", "--quiet", "--no-tags"]);
    fetch.args(["--no-auto-gc", "--no-write-fetch-head", "--end-of-options", remote, REF]);
    run(fetch, "fetch")?;
    let mut list = git(&path);
    list.args(["ls-remote", "--end-of-options", remote, REF]);
    let listed = String::from_utf8_lossy(&run(list, "ls-remote")?.stdout).into_owned();
    let found = listed.split_whitespace().next().unwrap_or("nothing").to_owned();
    if found != tip.to_string() {
        return Err(Error::RefMoved { expected: tip.to_string(), found });
    }
    let damaged = |why: String| Error::Damaged(format!("the published commit {tip} is no record: {why}"));
    let object = GitObjects::open(&path)?.read(ObjectKind::Commit, tip)?;
    let commit =
        parse_commit(&object.ok_or_else(|| damaged("it is missing".to_owned()))?).map_err(damaged)?;
    parse_message(&commit.message).map_err(damaged)?;
    reference::update(&StdDisk, &layout, None, tip)
}
