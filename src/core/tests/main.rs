//! The core from outside: documents of the repository itself, golden files, and laws.

mod agreement;
mod documents;
mod organisation;
mod plans;
mod repositories;
mod threats;

use std::path::{Path, PathBuf};

/// A path in the repository, from its root.
fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The files with this ending below a folder, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path, ending),
        false => {
            path.extension().filter(|found| *found == ending).map(|_| path.clone()).into_iter().collect()
        }
    };
    paths.into_iter().flat_map(below).collect()
}
