//! Branches beside the tracked one: a folder of small files each, read as of a commit, changed by compare-and-swap.
//!
//! Objects are made in a bare repository of provost's own, which can be deleted at any time. The branch moves by
//! `git push` from where it was found, and is never forced: who was slower looks again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Oid, Repository, Signature};
use provost_audit::key::SigningKey;

use super::{GitError, run_git};

/// What waits, as the daemon publishes it.
pub const PLANS: &str = "refs/heads/provost/plans";

/// What people signed.
pub const APPROVALS: &str = "refs/heads/provost/approvals";

/// Ten approvers may push in the same second.
const TRIES: usize = 20;

/// An ordinary file that cannot be run.
const REGULAR: i32 = 0o100_644;

/// A branch of a repository, and the bare repository in which it is worked on.
#[derive(Clone, Debug)]
pub struct Branch {
    folder: PathBuf,
    url: String,
    name: &'static str,
}

/// A file of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name; a folder counts as one thing that is not read.
    pub name: String,
    /// Its content's id.
    pub id: Oid,
    /// Whether it is an ordinary file.
    pub regular: bool,
}

/// A file to write, or without content to remove.
pub type FileChange = (String, Option<Vec<u8>>);

impl Branch {
    /// A branch of the repository at `url` (a path, or anything that git takes), worked on in `folder`, which is made
    /// where it is missing.
    pub fn open(folder: &Path, url: &str, name: &'static str) -> Result<Branch, GitError> {
        if !folder.exists() {
            Repository::init_bare(folder)?;
        }
        Ok(Branch { folder: folder.to_owned(), url: url.to_owned(), name })
    }

    /// Where it is now, fetched; `None` where there is no such branch.
    pub fn fetch(&self) -> Result<Option<Oid>, GitError> {
        // By a pattern: a branch that is not there is no error, and one that was removed is removed here too.
        let spec = format!("+{0}*:{0}*", self.name);
        let quiet = ["fetch", "--quiet", "--no-tags", "--no-auto-gc", "--prune", "--end-of-options"];
        run_git(&self.folder, quiet.iter().copied().chain([self.url.as_str(), spec.as_str()]))?;
        tip(&self.repository()?, self.name)
    }

    /// The bare repository, with everything that was fetched.
    pub fn repository(&self) -> Result<Repository, GitError> {
        Ok(Repository::open_bare(&self.folder)?)
    }

    /// Changes files and pushes. `change` is given what is there, and again whenever somebody else was faster; where it
    /// gives nothing, nothing is pushed. Gives where the branch is then.
    pub fn update(
        &self,
        message: &str,
        sign: Option<&SigningKey>,
        mut change: impl FnMut(&Repository, Option<Oid>, &[Listed]) -> Option<Vec<FileChange>>,
    ) -> Result<Option<Oid>, GitError> {
        for _ in 0..TRIES {
            let found = self.fetch()?;
            let repository = self.repository()?;
            let listed = found.map(|tip| list(&repository, tip)).transpose()?.unwrap_or_default();
            let Some(changes) = change(&repository, found, &listed) else { return Ok(found) };
            let commit = commit(&repository, found, changes, message, sign)?;
            if self.push(found, commit)? {
                return Ok(Some(commit));
            }
        }
        Err(GitError::Program { command: "push".to_owned(), why: format!("{} keeps moving", self.name) })
    }

    /// Whether the branch moved from where it was found to the commit; not if it was elsewhere by then.
    fn push(&self, found: Option<Oid>, commit: Oid) -> Result<bool, GitError> {
        let expected = found.map_or_else(String::new, |found| found.to_string());
        let lease = format!("--force-with-lease={}:{expected}", self.name);
        let spec = format!("{commit}:{}", self.name);
        let pushed =
            run_git(&self.folder, ["push", "--quiet", "--no-verify", &lease, "--", &self.url, &spec]);
        match pushed {
            Ok(_) => Ok(true),
            Err(error) => {
                let now = self.fetch()?;
                // An answer that was lost is no failure.
                if now == Some(commit) {
                    return Ok(true);
                }
                if now == found { Err(error) } else { Ok(false) }
            }
        }
    }
}

/// Where a branch of a repository on this machine is.
pub fn tip(repository: &Repository, name: &str) -> Result<Option<Oid>, GitError> {
    match repository.refname_to_id(name) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a commit's root folder holds, in the order of names.
pub fn list(repository: &Repository, commit: Oid) -> Result<Vec<Listed>, GitError> {
    let tree = repository.find_commit(commit)?.tree()?;
    let listed = tree.iter().map(|entry| Listed {
        name: String::from_utf8_lossy(entry.name_bytes()).into_owned(),
        id: entry.id(),
        regular: entry.kind() == Some(ObjectType::Blob) && entry.filemode() == REGULAR,
    });
    Ok(listed.collect())
}

/// The content of a file that is no longer than `limit` bytes; `None` if it is.
pub fn read_small(repository: &Repository, id: Oid, limit: usize) -> Result<Option<Vec<u8>>, GitError> {
    // The header tells the size before anything is unpacked.
    let (size, _) = repository.odb()?.read_header(id)?;
    if size > limit {
        return Ok(None);
    }
    Ok(Some(repository.find_blob(id)?.content().to_owned()))
}

fn commit(
    repository: &Repository,
    parent: Option<Oid>,
    changes: Vec<FileChange>,
    message: &str,
    sign: Option<&SigningKey>,
) -> Result<Oid, GitError> {
    let parent = parent.map(|parent| repository.find_commit(parent)).transpose()?;
    let before = parent.as_ref().map(git2::Commit::tree).transpose()?;
    let mut tree = repository.treebuilder(before.as_ref())?;
    for (name, content) in changes.into_iter().collect::<BTreeMap<_, _>>() {
        match content {
            Some(content) => drop(tree.insert(&name, repository.blob(&content)?, REGULAR)?),
            None => tree.remove(&name)?,
        }
    }
    let tree = repository.find_tree(tree.write()?)?;
    // Fixed, so that nothing of the host shows; who agrees is said by what is signed.
    let author = Signature::now("provost", "provost@provost.invalid")?;
    let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
    let object = repository.commit_create_buffer(&author, &author, message, &tree, &parents)?;
    let Some(key) = sign else { return Ok(repository.odb()?.write(ObjectType::Commit, &object)?) };
    let failed = |why: String| GitError::Program { command: "commit".to_owned(), why };
    let object = std::str::from_utf8(&object).map_err(|error| failed(error.to_string()))?;
    let signature = key.sign(object.as_bytes()).map_err(|error| failed(error.to_string()))?;
    Ok(repository.commit_signed(object, signature.trim_end(), None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        folder: tempfile::TempDir,
    }

    impl World {
        fn new() -> World {
            let folder = tempfile::tempdir().unwrap();
            Repository::init_bare(folder.path().join("desired.git")).unwrap();
            World { folder }
        }

        fn branch(&self, name: &str) -> Branch {
            let url = self.folder.path().join("desired.git");
            Branch::open(&self.folder.path().join(name), url.to_str().unwrap(), APPROVALS).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let branch = self.branch("looking");
            let tip = branch.fetch().unwrap().unwrap();
            let listed = list(&branch.repository().unwrap(), tip).unwrap();
            listed.into_iter().map(|listed| listed.name).collect()
        }
    }

    fn one(name: &str) -> Option<Vec<FileChange>> {
        Some(vec![(name.to_owned(), Some(name.as_bytes().to_owned()))])
    }

    #[test]
    fn who_is_slower_looks_again_and_nothing_is_lost() {
        let world = World::new();
        let (mine, theirs) = (world.branch("mine"), world.branch("theirs"));
        assert_eq!(mine.fetch().unwrap(), None, "there is no branch yet");
        let mut seen = Vec::new();
        mine.update("mine", None, |_, _, listed| {
            if seen.len() < 2 {
                theirs.update("theirs", None, |_, _, _| one(&format!("theirs-{}", seen.len()))).unwrap();
            }
            seen.push(listed.len());
            one("mine")
        })
        .unwrap();
        assert_eq!(seen, [0, 1, 2], "each try sees what the other one did");
        assert_eq!(world.names(), ["mine", "theirs-0", "theirs-1"]);
        let before = mine.fetch().unwrap();
        assert_eq!(mine.update("nothing", None, |_, _, _| None).unwrap(), before);
        mine.update("less", None, |_, _, _| Some(vec![("theirs-0".to_owned(), None)])).unwrap();
        assert_eq!(world.names(), ["mine", "theirs-1"]);
        let desired = world.folder.path().join("desired.git");
        let history = run_git(&desired, ["rev-list", "--count", APPROVALS]).unwrap();
        assert_eq!(history.trim(), "4", "one line of history");

        run_git(&desired, ["update-ref", "-d", APPROVALS]).unwrap();
        assert_eq!(mine.fetch().unwrap(), None, "a branch that was removed is gone here too");
    }

    #[test]
    fn a_signed_commit_is_one_that_git_verifies() {
        let world = World::new();
        let key = SigningKey::random().unwrap();
        let branch = world.branch("signing");
        let commit =
            branch.update("what waits", Some(&key), |_, _, _| one("a")).unwrap().unwrap().to_string();
        let allowed = world.folder.path().join("allowed_signers");
        std::fs::write(&allowed, key.allowed_signers_line()).unwrap();
        let allowed = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
        let verify = ["-c", "gpg.format=ssh", "-c", &allowed, "verify-commit", &commit];
        run_git(&branch.folder, verify).unwrap();
        std::fs::write(
            world.folder.path().join("allowed_signers"),
            SigningKey::random().unwrap().allowed_signers_line(),
        )
        .unwrap();
        run_git(&branch.folder, verify).unwrap_err();
    }

    #[test]
    fn what_is_no_small_ordinary_file_is_seen_as_such() {
        let world = World::new();
        let branch = world.branch("odd");
        let repository = branch.repository().unwrap();
        let mut inner = repository.treebuilder(None).unwrap();
        inner.insert("file", repository.blob(b"deep").unwrap(), REGULAR).unwrap();
        let mut tree = repository.treebuilder(None).unwrap();
        tree.insert("folder", inner.write().unwrap(), 0o040_000).unwrap();
        tree.insert("link", repository.blob(b"/etc/passwd").unwrap(), 0o120_000).unwrap();
        tree.insert("plain", repository.blob(b"12345").unwrap(), REGULAR).unwrap();
        let tree = repository.find_tree(tree.write().unwrap()).unwrap();
        let author = Signature::now("a", "a@example.com").unwrap();
        let commit = repository.commit(None, &author, &author, "odd", &tree, &[]).unwrap();
        let listed = list(&repository, commit).unwrap();
        let regular: Vec<(&str, bool)> =
            listed.iter().map(|listed| (listed.name.as_str(), listed.regular)).collect();
        assert_eq!(regular, [("folder", false), ("link", false), ("plain", true)]);
        assert_eq!(read_small(&repository, listed[2].id, 5).unwrap().as_deref(), Some(&b"12345"[..]));
        assert_eq!(read_small(&repository, listed[2].id, 4).unwrap(), None);
    }
}
