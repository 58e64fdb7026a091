//! Many objects through `git cat-file --batch`: the fastest way there is to read them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use crate::error::{Error, Result};
use crate::git::{git, run, start_error};
use crate::id::{CommitId, ObjectId};

/// A running `git cat-file` that was asked for objects. Contents are not checked against their ids here.
pub(crate) struct Batch {
    child: Child,
    answers: BufReader<ChildStdout>,
    ids: std::vec::IntoIter<ObjectId>,
    line: String,
}

/// One answer.
pub(crate) enum Answer {
    /// The object's kind by git's name, and its content.
    Object(String, Vec<u8>),
    /// It is missing or cannot be read.
    Missing,
}

impl Batch {
    pub(crate) fn start(repository: &Path, ids: Vec<ObjectId>) -> Result<Batch> {
        let mut child = git(repository)
            .args(["cat-file", "--batch", "--buffer"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| start_error("cat-file", &error))?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken("its pipes are missing"));
        };
        let request: String = ids.iter().map(|id| format!("{id}\n")).collect();
        // A thread of its own: git answers before it has read all, and both pipes are bounded. It ends with the child;
        // what it could not write shows as missing answers.
        std::thread::spawn(move || stdin.write_all(request.as_bytes()));
        let answers = BufReader::with_capacity(1 << 18, stdout);
        Ok(Batch { child, answers, ids: ids.into_iter(), line: String::new() })
    }

    /// The next object; `None` after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<(ObjectId, Answer)>> {
        let Some(id) = self.ids.next() else { return Ok(None) };
        self.line.clear();
        self.answers.read_line(&mut self.line).map_err(|error| broken(&error.to_string()))?;
        let mut words = self.line.split_ascii_whitespace().skip(1);
        let (kind, size) = match (words.next(), words.next().map(str::parse::<usize>)) {
            (Some("missing"), None) => return Ok(Some((id, Answer::Missing))),
            (Some(kind), Some(Ok(size))) => (kind.to_owned(), size),
            // git ends at an object that it cannot unpack; what comes after it is unknown.
            _ => return Err(Error::Damaged(format!("git cannot read object {id}"))),
        };
        let mut content = vec![0; size + 1];
        self.answers.read_exact(&mut content).map_err(|error| broken(&error.to_string()))?;
        content.pop();
        Ok(Some((id, Answer::Object(kind, content))))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Whether it ended already or is stopped here: nothing of it is needed any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The commits from after `from` (from the first one, if `None`) to `to`, oldest first.
///
/// They come from the commit-graph, where there is one: a cache that nobody signs, so whoever does not trust the repository
/// has to see for himself that each names the one before it.
pub(crate) fn listed(repository: &Path, from: Option<CommitId>, to: CommitId) -> Result<Vec<CommitId>> {
    let mut command = git(repository);
    command.args(["rev-list", "--reverse", "--topo-order", &to.to_string()]);
    if let Some(from) = from {
        command.arg(format!("^{from}"));
    }
    let output = run(command, "rev-list")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let id = |line: &str| line.parse().map_err(|_| Error::Damaged(format!("git lists {line:?} as a commit")));
    text.lines().map(id).collect()
}

/// The commit that a name (`HEAD`, a ref, an id) stands for; `None` if there is none.
///
/// # Errors
/// [`Error::Git`] if git cannot be started.
pub fn resolve(repository: &Path, name: &str) -> Result<Option<CommitId>> {
    let mut command = git(repository);
    command.args(["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")]);
    let output = command.output().map_err(|error| start_error("rev-parse", &error))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().parse().ok())
}

fn broken(what: &str) -> Error {
    Error::Git { command: "cat-file".to_owned(), message: what.to_owned() }
}
