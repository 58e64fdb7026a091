//! The desired-state repository: where its branch is, what a commit holds, and what changed between two.
//!
//! Nothing is checked out and nothing of the commit is run. One parser decides what is trusted: libgit2 reads trees,
//! the git program reads blobs in bulk, and every blob's id is asked for by id.

mod blobs;
mod branch;
mod tree;

use std::path::{Path, PathBuf};
use std::process::Command;

use git2::{ErrorCode, Oid, Repository};

pub use blobs::{Blob, read_blobs};
pub use branch::{APPROVALS, Branch, FileChange, Listed, PLANS, list, read_small, tip};
pub use tree::{Entry, Refused, changed_between, files_of, is_document};

/// Why the repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It cannot be opened.
    #[error("The repository {url} cannot be opened: {why}.")]
    Open {
        /// Which.
        url: String,
        /// Why.
        why: String,
    },
    /// It is of a kind that is not read.
    #[error("The repository {url} uses {what}, which provost does not read.\n  hint: {hint}")]
    Unsupported {
        /// Which.
        url: String,
        /// What.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The branch is not there.
    #[error("The repository {url} has no branch {branch}.")]
    NoBranch {
        /// Which repository.
        url: String,
        /// Which branch.
        branch: String,
    },
    /// The git program failed.
    #[error("`git {command}` failed: {why}")]
    Program {
        /// Its first arguments.
        command: String,
        /// What it said.
        why: String,
    },
    /// libgit2 failed.
    #[error("The repository cannot be read: {0}.")]
    Read(#[from] git2::Error),
    /// Reading or writing a file or a pipe failed.
    #[error("Reading the repository failed: {0}.")]
    Io(#[from] std::io::Error),
    /// Text that is no commit.
    #[error("`{0}` names no commit.")]
    NoCommit(String),
}

/// How a commit lies to the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Course {
    /// It is the same, or comes after it.
    Forward,
    /// It comes before it: the branch was rolled back.
    Back,
    /// Both come after a third one: the branch was rewritten (a forced push).
    Rewritten,
    /// They have nothing in common that is known here.
    Unrelated,
}

/// The desired-state repository as this daemon sees it: itself when it is on this machine, else a mirror that only
/// this daemon writes.
#[derive(Clone, Debug)]
pub struct Source {
    url: String,
    branch: String,
    path: PathBuf,
    remote: bool,
}

impl Source {
    /// The source at `url`: a path, or anything that `git fetch` takes (mirrored into `mirror`).
    pub fn new(url: &str, branch: &str, mirror: &Path) -> Source {
        let local = Path::new(url);
        let remote = !local.exists();
        let path = if remote { mirror.to_owned() } else { local.to_owned() };
        Source { url: url.to_owned(), branch: branch.to_owned(), path, remote }
    }

    /// The folder of the repository that is read: the source itself, or the mirror of it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the repository is, as it was named.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether file events tell when the branch moves.
    pub fn is_local(&self) -> bool {
        !self.remote
    }

    /// The files that change when the branch moves; the folder of the ref may not be there.
    pub fn watched(&self) -> Result<Vec<PathBuf>, GitError> {
        let repository = self.open()?;
        let common = repository.commondir();
        let reference = common.join("refs/heads").join(&self.branch);
        let folder = reference.parent().map(Path::to_owned).unwrap_or_else(|| common.to_owned());
        let approvals = common.join(APPROVALS);
        let approvals = approvals.parent().map(Path::to_owned).unwrap_or_else(|| common.to_owned());
        Ok(vec![common.to_owned(), folder, approvals])
    }

    /// Opens what is read, and refuses what cannot be read rightly.
    pub fn open(&self) -> Result<Repository, GitError> {
        let failed =
            |error: git2::Error| GitError::Open { url: self.url.clone(), why: error.message().to_owned() };
        let repository = Repository::open(&self.path).map_err(failed)?;
        let config = repository.config()?;
        for (key, refused, what, hint) in [
            ("extensions.objectformat", "sha256", "SHA-256 object ids", "convert it to SHA-1, or mirror it"),
            (
                "extensions.refstorage",
                "reftable",
                "the reftable format",
                "run `git refs migrate --ref-format=files`",
            ),
        ] {
            if config.get_string(key).is_ok_and(|value| value == refused) {
                return Err(GitError::Unsupported { url: self.url.clone(), what, hint });
            }
        }
        Ok(repository)
    }

    /// Where the tracked branch is now; a remote one is fetched first.
    pub fn head(&self) -> Result<Oid, GitError> {
        if self.remote {
            self.fetch()?;
        }
        let repository = self.open()?;
        let name = format!("refs/heads/{}", self.branch);
        let head = repository.refname_to_id(&name).map_err(|error| match error.code() {
            ErrorCode::NotFound => GitError::NoBranch { url: self.url.clone(), branch: self.branch.clone() },
            _ => GitError::Read(error),
        })?;
        Ok(repository.find_object(head, None)?.peel_to_commit()?.id())
    }

    /// Where the tracked branch was when it was last looked at; `None` where it is not known.
    pub fn last_head(&self) -> Option<Oid> {
        let repository = self.open().ok()?;
        let head = repository.refname_to_id(&format!("refs/heads/{}", self.branch)).ok()?;
        Some(repository.find_object(head, None).ok()?.peel_to_commit().ok()?.id())
    }

    /// The commit that a text names.
    pub fn resolve(&self, text: &str) -> Result<Oid, GitError> {
        let repository = self.open()?;
        let object = repository.revparse_single(text).map_err(|_| GitError::NoCommit(text.to_owned()))?;
        Ok(object.peel_to_commit().map_err(|_| GitError::NoCommit(text.to_owned()))?.id())
    }

    /// How `to` lies to `from`, which counts.
    pub fn course(&self, from: Oid, to: Oid) -> Result<Course, GitError> {
        let repository = self.open()?;
        if from == to {
            return Ok(Course::Forward);
        }
        // A rewritten branch may have lost the commit that counted altogether.
        if repository.find_commit(from).is_err() {
            return Ok(Course::Unrelated);
        }
        match repository.merge_base(from, to) {
            Ok(base) if base == from => Ok(Course::Forward),
            Ok(base) if base == to => Ok(Course::Back),
            Ok(_) => Ok(Course::Rewritten),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Course::Unrelated),
            Err(error) => Err(error.into()),
        }
    }

    fn fetch(&self) -> Result<(), GitError> {
        if !self.path.exists() {
            Repository::init_bare(&self.path)?;
        }
        let tracked = format!("+refs/heads/{0}:refs/heads/{0}", self.branch);
        // By a pattern, because these need not be there.
        let [plans, approvals] = [PLANS, APPROVALS].map(|name| format!("+{name}*:{name}*"));
        let quiet = ["fetch", "--quiet", "--no-tags", "--no-auto-gc", "--end-of-options"];
        let specs = [self.url.as_str(), &tracked, &plans, &approvals];
        run_git(&self.path, quiet.iter().copied().chain(specs))?;
        Ok(())
    }
}

/// Runs the git program in a folder with arguments of its own; never through a shell, never asking a person.
pub fn run_git<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Result<String, GitError> {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let output = git_program(folder).args(&arguments).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(GitError::Program { command: arguments.first().copied().unwrap_or_default().to_owned(), why })
}

/// The git program, told to read no settings but the repository's own and the machine's, and to ask nothing.
fn git_program(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        // An object is what its id says, whatever `refs/replace` of the repository holds.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(std::process::Stdio::null());
    command
}
