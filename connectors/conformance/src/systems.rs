//! Real systems for tests: starts one of the scripts in `tests/systems` and stops it again.
//!
//! A script has three verbs: `install`, `start DIR PORT` (returns when the system is ready and has written `DIR/env`)
//! and `stop DIR`. Calls here block: they belong before the asynchronous part of a test.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use tempfile::TempDir;

/// A port that was free may be taken before the system listens on it: another one is tried this often.
const PORTS_TRIED: usize = 3;

/// A system that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    script: PathBuf,
    dir: TempDir,
    env: BTreeMap<String, String>,
}

/// Why a system does not run.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The script ended with a failure.
    #[error("{script} {verb} failed:\n{output}")]
    Script {
        /// Its file name.
        script: String,
        /// What it was asked for.
        verb: &'static str,
        /// The end of what it said.
        output: String,
    },
    /// The script did not write a setting that a test needs.
    #[error("The script {script} wrote no setting {name}.")]
    Setting {
        /// Its file name.
        script: String,
        /// The setting.
        name: String,
    },
    /// A file could not be used.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Running {
    /// Installs (once a machine) and starts the system of `tests/systems/NAME.sh` on a free port of loopback.
    ///
    /// # Errors
    /// When the script is not there, fails, or does not get ready.
    pub fn start(name: &str) -> Result<Running, SystemError> {
        Running::start_with(name, &[])
    }

    /// The same with further variables in the script's environment.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub fn start_with(name: &str, variables: &[(&str, &str)]) -> Result<Running, SystemError> {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/systems").join(format!("{name}.sh"));
        install(&script)?;
        let mut left = PORTS_TRIED;
        loop {
            left -= 1;
            match start(&script, variables) {
                Ok(running) => return Ok(running),
                Err(error) if left == 0 => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// A setting that the script wrote, such as `URL` or `TOKEN`.
    ///
    /// # Errors
    /// When it did not.
    pub fn setting(&self, name: &str) -> Result<&str, SystemError> {
        self.env
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| SystemError::Setting { script: file_name(&self.script), name: name.to_owned() })
    }

    /// All settings that the script wrote.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// The folder of the system: certificates, logs.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("system")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test has nothing left to say here; what keeps running is seen by the next one.
        let _failed_to_stop = run(&self.script, "stop", &[self.folder().as_os_str()], self.dir.path(), &[]);
    }
}

fn start(script: &Path, variables: &[(&str, &str)]) -> Result<Running, SystemError> {
    let dir = TempDir::with_prefix("provost-system-").map_err(|source| at(std::env::temp_dir(), source))?;
    // Many systems run as a user of their own, who has to get in.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))
        .map_err(|source| at(dir.path(), source))?;
    let folder = dir.path().join("system");
    let port = free_port().map_err(|source| at(&folder, source))?.to_string();
    run(script, "start", &[folder.as_os_str(), port.as_ref()], dir.path(), variables)?;
    let env = folder.join("env");
    let text = fs::read_to_string(&env).map_err(|source| at(&env, source))?;
    let env = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(Running { script: script.to_owned(), dir, env })
}

/// Installs what a script needs, once a process and once a machine: the text of the script that was installed is
/// kept beside what it installed, so that it is done again when either is gone.
fn install(script: &Path) -> Result<(), SystemError> {
    static DONE: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if done.contains(script) {
        return Ok(());
    }
    let marks = home().join("installed");
    fs::create_dir_all(&marks).map_err(|source| at(&marks, source))?;
    let lock = marks.join(format!("{}.lock", file_name(script)));
    let file = File::create(&lock).map_err(|source| at(&lock, source))?;
    file.lock().map_err(|source| at(&lock, source))?;
    let mark = marks.join(file_name(script));
    let wanted = fs::read(script).map_err(|source| at(script, source))?;
    if fs::read(&mark).ok().as_ref() != Some(&wanted) {
        run(script, "install", &[], &marks, &[])?;
        fs::write(&mark, wanted).map_err(|source| at(&mark, source))?;
    }
    done.insert(script.to_owned());
    Ok(())
}

/// Where the scripts keep what they install; the same rule as in `tests/systems/lib.sh`.
fn home() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    folder("LIVE_HOME").unwrap_or_else(|| {
        folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(std::env::temp_dir)
            .join("live-systems")
    })
}

fn run(
    script: &Path,
    verb: &'static str,
    arguments: &[&std::ffi::OsStr],
    scratch: &Path,
    variables: &[(&str, &str)],
) -> Result<(), SystemError> {
    // Into a file, not a pipe: what the script leaves running would keep a pipe open.
    let log = scratch.join(format!("{}.{verb}.log", file_name(script)));
    let output = File::create(&log).map_err(|source| at(&log, source))?;
    let errors = output.try_clone().map_err(|source| at(&log, source))?;
    let status = Command::new("bash")
        .arg(script)
        .arg(verb)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .map_err(|source| at("bash", source))?;
    if status.success() {
        return Ok(());
    }
    let said = fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    let output = lines[lines.len().saturating_sub(30)..].join("\n");
    Err(SystemError::Script { script: file_name(script), verb, output })
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn at(path: impl Into<PathBuf>, source: io::Error) -> SystemError {
    SystemError::File { path: path.into(), source }
}
