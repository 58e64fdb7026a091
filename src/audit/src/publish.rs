//! Publishing the log as compare-and-swap: the remote ref moves only from where it is expected.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::git::{git, run, start_error, words};
use crate::id::{CommitId, sha256_hex};
use crate::layout::REF;

/// How often a running git is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What publishing did. Only `Published` changed the remote; nothing is ever forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// The remote ref is at the tip.
    Published,
    /// The remote ref is at another commit of this log (an earlier push whose answer was lost): publish again with
    /// this as the expected value.
    Raced {
        /// Where it is.
        found: CommitId,
    },
    /// The remote has no such ref although one was published: somebody removed it.
    Missing,
    /// The remote ref is at a commit that is not in this log's history: the copy was tampered with, or another
    /// installation publishes there.
    Foreign {
        /// Where it is.
        found: CommitId,
    },
}

/// Pushes `tip` of `repository` to `refs/heads/provost/audit` of `remote` (a path or any URL that git knows) if that
/// ref is at `expected` (`None`: does not exist).
///
/// # Errors
/// [`Error::Git`] if the remote cannot be reached, refuses, or has not answered within `timeout`;
/// [`Error::NotAncestor`] if `expected` is not in the history of `tip`.
pub fn publish(
    repository: &Path,
    remote: &str,
    expected: Option<CommitId>,
    tip: CommitId,
    timeout: Duration,
) -> Result<Publication> {
    if let Some(expected) = expected
        && !is_ancestor(repository, expected, tip)?
    {
        return Err(Error::NotAncestor(expected));
    }
    let deadline = Instant::now() + timeout;
    let lease =
        format!("--force-with-lease={REF}:{}", expected.map_or_else(String::new, |id| id.to_string()));
    let mut push = git(repository);
    // What is written here are deltas already; looking for better ones takes three times as long as sending them.
    push.args([
        "-c",
        "pack.window=0",
        "push",
        "--porcelain",
        "--no-verify",
        "--no-signed",
        &lease,
        "--",
        remote,
        &format!("{tip}:{REF}"),
    ]);
    let pushed = run_until(push, "push", deadline)?;
    if pushed.status.success() {
        return note(repository, remote, tip);
    }
    // The push was refused or did not go through: what the remote has tells which.
    match remote_ref(repository, remote, deadline)? {
        Some(found) if found == tip => note(repository, remote, tip),
        found if found == expected => {
            Err(Error::Git { command: "push".to_owned(), message: reason(&pushed) })
        }
        None => Ok(Publication::Missing),
        Some(found) if is_ancestor(repository, found, tip)? => Ok(Publication::Raced { found }),
        Some(found) => Ok(Publication::Foreign { found }),
    }
}

/// What this repository last published to this remote, as far as it remembers: the expected value after a restart.
///
/// # Errors
/// [`Error::Git`] if git cannot be started.
pub fn last_published(repository: &Path, remote: &str) -> Result<Option<CommitId>> {
    crate::batch::resolve(repository, &tracking_ref(remote))
}

/// Where the published ref is.
///
/// # Errors
/// [`Error::Git`] if the remote cannot be reached in time.
pub fn published(repository: &Path, remote: &str, timeout: Duration) -> Result<Option<CommitId>> {
    remote_ref(repository, remote, Instant::now() + timeout)
}

/// Remembers what was published, so that a restart still sees that the published ref was removed.
fn note(repository: &Path, remote: &str, tip: CommitId) -> Result<Publication> {
    let mut command = git(repository);
    command.args(["update-ref", "--no-deref", &tracking_ref(remote), &tip.to_string()]);
    run(command, "update-ref")?;
    Ok(Publication::Published)
}

/// A remote's address may hold a password, and is no name of a ref: its hash is.
fn tracking_ref(remote: &str) -> String {
    format!("refs/provost/published/{}", &sha256_hex(remote.as_bytes())[..16])
}

fn remote_ref(repository: &Path, remote: &str, deadline: Instant) -> Result<Option<CommitId>> {
    let mut command = git(repository);
    command.args(["ls-remote", "--quiet", "--", remote, REF]);
    let output = run_until(command, "ls-remote", deadline)?;
    if !output.status.success() {
        return Err(Error::Git { command: "ls-remote".to_owned(), message: words(&output.stderr) });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    // ls-remote matches the end of names: only the whole name counts.
    let id = text.lines().find_map(|line| line.strip_suffix(REF)?.strip_suffix('\t'));
    id.map(|id| id.parse().map_err(|_| Error::Damaged(format!("the remote ref is no SHA-1 id: {id:?}"))))
        .transpose()
}

/// Whether `older` is `newer` or in its history; false if it is not in the repository at all.
pub(crate) fn is_ancestor(repository: &Path, older: CommitId, newer: CommitId) -> Result<bool> {
    let mut known = git(repository);
    known.args(["cat-file", "-e", &format!("{older}^{{commit}}")]);
    if run(known, "cat-file").is_err() {
        return Ok(false);
    }
    let mut command = git(repository);
    command.args(["merge-base", "--is-ancestor", &older.to_string(), &newer.to_string()]);
    let output = command.output().map_err(|error| start_error("merge-base", &error))?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(Error::Git { command: "merge-base".to_owned(), message: words(&output.stderr) }),
    }
}

/// Runs git until it ends, or kills it at the deadline.
fn run_until(mut command: Command, name: &str, deadline: Instant) -> Result<Output> {
    let failed = |message: String| Error::Git { command: name.to_owned(), message };
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| start_error(name, &error))?;
    let readers = [child.stdout.take().map(read_all), child.stderr.take().map(read_all)];
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| failed(error.to_string()))? {
            break status;
        }
        if Instant::now() >= deadline {
            // It may have ended in between; either way it is gone after this.
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed("the remote did not answer in time".to_owned()));
        }
        std::thread::sleep(LOOK);
    };
    let [stdout, stderr] =
        readers.map(|reader| reader.and_then(|reader| reader.join().ok()).unwrap_or_default());
    Ok(Output { status, stdout, stderr })
}

fn read_all(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until an error is as good as it gets.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// Why a push failed: the status line of our ref, else what git said.
fn reason(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().find(|line| line.starts_with('!')).unwrap_or_default();
    words([line.as_bytes(), b" ", &output.stderr].concat().as_slice())
}
