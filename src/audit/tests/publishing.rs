//! Publishing moves the remote ref from where it is expected, or tells what is there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use provost_audit::{CommitId, Error, Publication, last_published, publish, published};

use crate::kit::{World, drift, git, try_git};

const TIMEOUT: Duration = Duration::from_secs(60);

fn remote(world: &World, arguments: &[&str]) -> PathBuf {
    let path = world.folder.path().join("desired");
    git(world.folder.path(), &[&["init", "-q", "-b", "main"], arguments, &["desired"]].concat());
    path
}

fn send(
    world: &World,
    remote: &Path,
    expected: Option<CommitId>,
    tip: CommitId,
) -> Result<Publication, Error> {
    publish(&world.repository(), &remote.to_string_lossy(), expected, tip, TIMEOUT)
}

#[test]
fn the_published_ref_follows_the_log() {
    for kind in [&["--bare"][..], &[]] {
        let world = World::new();
        let remote = remote(&world, kind);
        if kind.is_empty() {
            // Not bare, with another branch checked out.
            git(&remote, &["commit", "-q", "--allow-empty", "-m", "desired state"]);
        }
        let mut log = world.create();
        let first = log.tip().commit;
        assert_eq!(published(&world.repository(), &remote.to_string_lossy(), TIMEOUT).unwrap(), None);
        assert_eq!(send(&world, &remote, None, first).unwrap(), Publication::Published);
        log.record(&[drift("p-1", "x")]).unwrap();
        let second = log.flush().unwrap().commit;
        assert_eq!(send(&world, &remote, Some(first), second).unwrap(), Publication::Published);
        // Once more changes nothing, whatever was expected.
        assert_eq!(send(&world, &remote, Some(second), second).unwrap(), Publication::Published);
        assert_eq!(send(&world, &remote, Some(first), second).unwrap(), Publication::Published);
        assert_eq!(git(&remote, &["rev-parse", "provost/audit"]).trim(), second.to_string());
        assert_eq!(published(&world.repository(), &remote.to_string_lossy(), TIMEOUT).unwrap(), Some(second));
    }
}

#[test]
fn a_lost_answer_is_a_race_with_ourselves() {
    let world = World::new();
    let remote = remote(&world, &["--bare"]);
    let mut log = world.create();
    let first = log.tip().commit;
    send(&world, &remote, None, first).unwrap();
    log.record(&[drift("p-1", "x")]).unwrap();
    let second = log.flush().unwrap().commit;
    assert_eq!(send(&world, &remote, None, second).unwrap(), Publication::Raced { found: first });
    assert_eq!(send(&world, &remote, Some(first), second).unwrap(), Publication::Published);
}

#[test]
fn a_foreign_tip_is_never_overwritten() {
    let world = World::new();
    let remote = remote(&world, &[]);
    git(&remote, &["commit", "-q", "--allow-empty", "-m", "foreign"]);
    git(&remote, &["branch", "provost/audit"]);
    let foreign = git(&remote, &["rev-parse", "provost/audit"]);
    let log = world.create();
    let first = log.tip().commit;
    let found: CommitId = foreign.trim().parse().unwrap();
    assert_eq!(send(&world, &remote, None, first).unwrap(), Publication::Foreign { found });
    assert_eq!(send(&world, &remote, Some(first), first).unwrap(), Publication::Foreign { found });
    assert_eq!(git(&remote, &["rev-parse", "provost/audit"]), foreign);
    // An expected value that is not in our history would be a forced push.
    assert!(matches!(send(&world, &remote, Some(found), first), Err(Error::NotAncestor(_))));
}

#[test]
fn a_removed_ref_is_reported_and_not_made_again() {
    let world = World::new();
    let remote = remote(&world, &["--bare"]);
    let log = world.create();
    let first = log.tip().commit;
    send(&world, &remote, None, first).unwrap();
    git(&remote, &["update-ref", "-d", "refs/heads/provost/audit"]);
    // Also after a restart, which has only the repository.
    let expected = last_published(&world.repository(), &remote.to_string_lossy()).unwrap();
    assert_eq!(expected, Some(first));
    assert_eq!(send(&world, &remote, expected, first).unwrap(), Publication::Missing);
    assert_eq!(last_published(&world.repository(), "another remote").unwrap(), None);
    assert!(!try_git(&remote, &["rev-parse", "--verify", "-q", "provost/audit"]).status.success());
    assert_eq!(send(&world, &remote, None, first).unwrap(), Publication::Published);
}

#[test]
fn a_remote_that_cannot_be_reached_is_an_error() {
    let world = World::new();
    let log = world.create();
    let error = send(&world, &world.folder.path().join("nowhere"), None, log.tip().commit).unwrap_err();
    assert!(matches!(error, Error::Git { .. }), "{error}");
    // Not an option, whatever it looks like.
    let error = publish(&world.repository(), "--mirror", None, log.tip().commit, TIMEOUT).unwrap_err();
    assert!(matches!(error, Error::Git { .. }), "{error}");
}
