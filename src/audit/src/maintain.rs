//! Keeping the repository fast: few packs, and a commit-graph. A flush makes one pack, so a busy day makes thousands.

use std::path::Path;

use crate::error::Result;
use crate::git::{git, run};

/// How thorough to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// Joins small packs until each is at least twice the next smaller one: cheap, for every hour.
    Join,
    /// Packs everything anew, with deltas over all of it: for every month or so.
    Repack,
}

/// Packs the repository of a log while the log may be written: packs that are not reachable yet carry a `.keep`, and
/// nothing that could still become reachable is dropped.
///
/// # Errors
/// [`crate::Error::Git`] if git fails; the repository is as good as before then.
pub fn maintain(repository: &Path, thoroughness: Thoroughness) -> Result<()> {
    let mut repack = git(repository);
    match thoroughness {
        Thoroughness::Join => repack.args(["repack", "-d", "-q", "--geometric=2"]),
        // Anew (-F): git takes what stands whole in a pack of ours for something that is no good as a delta, and never
        // tries. Unreachable objects are kept: a pack that was written a moment ago may be one.
        Thoroughness::Repack => repack.args(["repack", "-a", "-d", "-F", "-q", "--keep-unreachable"]),
    };
    run(repack, "repack")?;
    let mut graph = git(repository);
    graph.args(["commit-graph", "write", "--reachable", "--no-progress"]);
    run(graph, "commit-graph")?;
    Ok(())
}
