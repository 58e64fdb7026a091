//! The git program, called with arguments and without the caller's git environment.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::error::{Error, Result};

/// How much of git's own words an error repeats.
const MESSAGE_LIMIT: usize = 600;

/// A git command in a repository, bare or with a work tree. Nothing of `GIT_*` in our environment reaches it, and it never asks a question.
pub(crate) fn git(repository: &Path) -> Command {
    // Named, not searched for: a folder that is no repository must not lead to one around it.
    let inside = repository.join(".git");
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .arg("--git-dir")
        .arg(if inside.exists() { inside.as_path() } else { repository })
        .args(["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"])
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end and gives its output.
///
/// # Errors
/// [`Error::Git`] if it cannot be started or fails.
pub(crate) fn run(mut command: Command, name: &str) -> Result<Output> {
    let output = command.output().map_err(|error| start_error(name, &error))?;
    if !output.status.success() {
        return Err(Error::Git { command: name.to_owned(), message: words(&output.stderr) });
    }
    Ok(output)
}

pub(crate) fn start_error(name: &str, error: &std::io::Error) -> Error {
    Error::Git { command: name.to_owned(), message: format!("the program could not be started: {error}") }
}

/// What git said, as one bounded line without control characters.
pub(crate) fn words(stderr: &[u8]) -> String {
    crate::record::one_line(&String::from_utf8_lossy(stderr), MESSAGE_LIMIT)
}

/// The lines of what git said that are not blank, each bounded and without control characters.
pub(crate) fn one_line_each(said: &[u8]) -> impl Iterator<Item = String> {
    said.split(|byte| *byte == b'\n').map(words).filter(|line| !line.is_empty())
}
