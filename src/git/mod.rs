//! The desired-state repository: where its branch is, what a commit holds, and what changed between two.
//!
//! Nothing is checked out and nothing of the commit is run. One parser decides what is trusted: libgit2 reads trees,
//! the git program reads blobs in bulk, and every blob's id is asked for by id.

mod blobs;
mod branch;
mod program;
mod tree;

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};

pub use blobs::{Blob, read_blobs};
pub use branch::{APPROVALS, Branch, FileChange, Listed, PLANS, list, read_small, tip};
pub use program::run_git;
pub use tree::{Differing, Entry, Refused, blobs_between, changed_between, files_of, is_document};

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
    mirror: PathBuf,
    remote: bool,
}

/// Whether an address names another machine. git takes `host:path` for one unless a slash comes before the colon.
pub fn is_elsewhere(url: &str) -> bool {
    let before_slash = url.split('/').next().unwrap_or_default();
    url.contains("://") || before_slash.contains(':') || before_slash.contains('@')
}

impl Source {
    /// The source at `url`: a path, or anything that `git fetch` takes (mirrored into `mirror`). Of a path a copy is
    /// kept there, for the time in which it cannot be read.
    pub fn new(url: &str, branch: &str, mirror: &Path) -> Source {
        let remote = is_elsewhere(url);
        let path = if remote { mirror.to_owned() } else { PathBuf::from(url) };
        Source { url: url.to_owned(), branch: branch.to_owned(), path, mirror: mirror.to_owned(), remote }
    }

    /// This source, or the copy that was kept of it: the first that has the commit.
    pub fn holding(&self, commit: Oid) -> Option<Source> {
        let copy = Source { path: self.mirror.clone(), ..self.clone() };
        [self.clone(), copy].into_iter().find(|source| source.has(commit))
    }

    /// Whether a commit is there.
    pub fn has(&self, commit: Oid) -> bool {
        self.open().is_ok_and(|repository| repository.find_commit(commit).is_ok())
    }

    /// Copies the tracked branch of a repository on this machine to where [`Source::holding`] finds it.
    pub fn keep(&self) -> Result<(), GitError> {
        if self.remote { Ok(()) } else { self.fetch() }
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

    /// The commit that a text names. Of a repository elsewhere `HEAD` is where the tracked branch was fetched last.
    pub fn resolve(&self, text: &str) -> Result<Oid, GitError> {
        let repository = self.open()?;
        let tracked = format!("refs/heads/{}", self.branch);
        let text = if self.remote && text == "HEAD" { &tracked } else { text };
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
        if !self.mirror.exists() {
            Repository::init_bare(&self.mirror)?;
        }
        let tracked = format!("+refs/heads/{0}:refs/heads/{0}", self.branch);
        // By a pattern, because these need not be there.
        let [plans, approvals] = [PLANS, APPROVALS].map(|name| format!("+{name}*:{name}*"));
        let quiet = ["fetch", "--quiet", "--no-tags", "--no-auto-gc", "--end-of-options"];
        let specs = [self.url.as_str(), &tracked, &plans, &approvals];
        run_git(&self.mirror, quiet.iter().copied().chain(specs))?;
        Ok(())
    }
}
