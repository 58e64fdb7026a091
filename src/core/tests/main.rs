//! The core from outside: documents of the repository itself, golden files, and laws.

mod plans;

use std::path::{Path, PathBuf};

/// A path in the repository, from its root.
fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
