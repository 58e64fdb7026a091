//! The git program: run in a folder with arguments of its own, never through a shell, never asking a person, and never
//! for longer than it may.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::GitError;

/// The first mirror of a large repository over a slow line takes minutes; a connection that is dead takes for ever.
const LIMIT: Duration = Duration::from_secs(300);

/// Between two looks whether it has ended: short beside a fetch.
const LOOK: Duration = Duration::from_millis(5);

/// As much of what git says is kept.
const MAX_OUTPUT: u64 = 64 << 20;

/// Runs git and gives what it printed.
pub fn run_git<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Result<String, GitError> {
    run_git_within(folder, arguments, LIMIT)
}

/// The same with another limit. When it is over, git ends and everything that it started.
pub(super) fn run_git_within<'a>(
    folder: &Path,
    arguments: impl IntoIterator<Item = &'a str>,
    limit: Duration,
) -> Result<String, GitError> {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let failed = |why: String| {
        let command = arguments.first().copied().unwrap_or_default().to_owned();
        GitError::Program { command, why }
    };
    let mut child = git_program(folder)
        .args(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take().map(read_all), child.stderr.take().map(read_all));
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= end {
            kill(&mut child);
            return Err(failed(format!("it did not end within {} s", limit.as_secs())));
        }
        std::thread::sleep(LOOK);
    };
    let text = |reader: Option<JoinHandle<Vec<u8>>>| {
        let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    if status.success() { Ok(stdout) } else { Err(failed(stderr.trim().to_owned())) }
}

/// Its transport is a process of its own, which would go on without it.
fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // Whatever has ended in between is gone already.
    let _gone = group.map(|group| kill_process_group(group, Signal::KILL));
    drop(child.kill());
    drop(child.wait());
}

fn read_all(pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until an error is as good as it gets.
        drop(pipe.take(MAX_OUTPUT).read_to_end(&mut bytes));
        bytes
    })
}

/// The git program, told to read no settings but the repository's own and the machine's, and to ask nothing.
pub(super) fn git_program(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        // An object is what its id says, whatever `refs/replace` of the repository holds.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null());
    // ssh would ask for a password or an unknown host on the terminal, and wait for ever.
    if std::env::var_os("GIT_SSH_COMMAND").is_none() && std::env::var_os("GIT_SSH").is_none() {
        command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=30");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_does_not_end_is_ended_with_everything_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let alias = "alias.wait=!echo $$ > started; sleep 600; echo never";
        let began = Instant::now();
        let error =
            run_git_within(folder.path(), ["-c", alias, "wait"], Duration::from_millis(500)).unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(60));
        let started = std::fs::read_to_string(folder.path().join("started")).unwrap();
        let gone = || !Path::new(&format!("/proc/{}/stat", started.trim())).exists();
        let end = Instant::now() + Duration::from_secs(10);
        while !gone() && Instant::now() < end {
            std::thread::sleep(LOOK);
        }
        assert!(gone(), "the shell that git started is gone");
    }
}
