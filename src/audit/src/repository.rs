//! The bare repository that only this crate writes.

use std::path::Path;

use crate::error::{Error, Result};
use crate::layout::REF;

/// Makes the repository, or completes one whose making was cut off: bare, files refs, SHA-1, no automatic gc.
pub(crate) fn create(path: &Path) -> Result<()> {
    let failed = |error: git2::Error| refused(path, error.message());
    let mut options = git2::RepositoryInitOptions::new();
    // Nothing of the user's templates or hooks; `HEAD` is the log, so that a plain clone shows it.
    options.bare(true).external_template(false).initial_head(REF);
    let repository = git2::Repository::init_opts(path, &options).map_err(failed)?;
    let mut config =
        repository.config().and_then(|config| config.open_level(git2::ConfigLevel::Local)).map_err(failed)?;
    config.set_i32("gc.auto", 0).map_err(failed)?;
    config.set_bool("maintenance.auto", false).map_err(failed)?;
    for folder in [path.join("objects").join("pack"), path.to_owned()] {
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::File::open(&folder)?.sync_all())
            .map_err(Error::io("syncing", &folder))?;
    }
    check(path)
}

/// Checks that a repository is one that this crate can write.
///
/// # Errors
/// [`Error::Repository`] for other hashes and other ways to keep refs.
pub(crate) fn check(path: &Path) -> Result<()> {
    let repository = git2::Repository::open(path).map_err(|error| refused(path, error.message()))?;
    let config = repository.config().map_err(|error| refused(path, error.message()))?;
    for (name, expected) in [("extensions.objectformat", "sha1"), ("extensions.refstorage", "files")] {
        if let Ok(value) = config.get_string(name)
            && value != expected
        {
            return Err(refused(path, &format!("{name} is {value}, only {expected} is supported")));
        }
    }
    if !repository.is_bare() {
        return Err(refused(path, "it is not bare"));
    }
    Ok(())
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::Repository { path: path.to_owned(), reason: reason.to_owned() }
}
