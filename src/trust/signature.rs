//! The signature of a commit.

use git2::{Oid, Repository};
use provost_audit::sshsig::signed_by;

/// The namespace of git's SSH signatures (git-config(1), `gpg.format`).
pub const NAMESPACE: &str = "git";

/// The largest commit object whose signature is looked at: a message of a megabyte is made to be slow.
pub(super) const MAX_COMMIT: usize = 1 << 20;

/// The key that signed a commit, as OpenSSH writes it without comment, if its signature is of what the commit says.
/// Whose key it is, and whether it counts, is for others to say. A commit that has no SSH signature has none.
pub fn key_of(repository: &Repository, commit: Oid) -> Option<String> {
    let (size, _) = repository.odb().ok()?.read_header(commit).ok()?;
    if size > MAX_COMMIT {
        return None;
    }
    let (armour, payload) = repository.extract_signature(&commit, None).ok()?;
    signed_by(std::str::from_utf8(&armour).ok()?, NAMESPACE, &payload).ok()
}
