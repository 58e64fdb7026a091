//! The daemon's settings: one TOML file, then the environment, then flags.
//!
//! Documents only *name* secrets, commands and delivery places; this file says what they are, and for which target
//! they may be used, so that a commit cannot point a credential at another system.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use provost_core::when::Length;
use provost_sdk::SecretString;
use serde::Deserialize;

/// The settings of one installation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The desired-state repository.
    pub repository: Repository,
    /// Where the daemon keeps its audit log, journal and caches.
    pub state: PathBuf,
    /// The page, the API and the probes.
    #[serde(default)]
    pub http: Http,
    /// What is logged.
    #[serde(default)]
    pub log: Log,
    /// Where the audit branch goes.
    #[serde(default)]
    pub audit: Audit,
    /// Secrets by name.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Commands by name.
    #[serde(default)]
    pub commands: BTreeMap<String, Program>,
    /// Delivery places by name.
    #[serde(default)]
    pub delivery: BTreeMap<String, Delivery>,
    /// Embedded directories that the daemon serves itself.
    #[serde(default)]
    pub directory: Vec<EmbeddedDirectory>,
}

/// The desired-state repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// A path (bare or not), or anything that `git fetch` takes.
    pub url: String,
    /// The tracked branch.
    #[serde(default = "main_branch")]
    pub branch: String,
    /// Between two looks at it, beside file events and webhooks.
    #[serde(default = "a_minute")]
    pub poll: Length,
}

/// The page, the API and the probes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen; nowhere where absent.
    pub listen: Option<SocketAddr>,
    /// The name of the secret that a caller must show. Needed when `listen` is not loopback.
    pub token: Option<String>,
}

/// What is logged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// As lines of text or of JSON.
    #[serde(default)]
    pub format: LogFormat,
    /// A filter such as `info` or `provost=debug,warn`.
    pub filter: Option<String>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For collectors.
    Json,
}

/// Where the audit branch goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Another repository than the desired one.
    pub remote: Option<String>,
    /// Whether it is published at all.
    #[serde(default)]
    pub publish: Publish,
    /// What an intent to add something has to have reached before its call begins.
    #[serde(default)]
    pub durability: Durability,
    /// A second repository, which gets the log at every checkpoint: best one that neither the daemon's host nor those
    /// who administer the first can rewrite.
    pub checkpoints: Option<String>,
    /// Attributes of accounts, such as `email`, that the log holds only sealed, under a key of each subject.
    #[serde(default)]
    pub personal: Vec<String>,
}

/// Where a record has to be before something is added because of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// On this machine's disk.
    #[default]
    Local,
    /// Published as well. What takes away never waits for that.
    Remote,
}

/// Whether the audit branch is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Publish {
    /// As it grows.
    #[default]
    Always,
    /// It stays in the daemon's own repository.
    Never,
}

/// Where a secret comes from, and for which target it may be used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// A file; its trailing line break does not count.
    pub file: Option<PathBuf>,
    /// An environment variable.
    pub env: Option<String>,
    /// The only target that may use it; none where absent, as for the API's own token.
    pub target: Option<String>,
    /// The only host that it is sent to; the one that the target's document names where absent.
    pub host: Option<String>,
}

/// A program with its arguments, and the only target that may use it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Program and arguments.
    pub run: Vec<String>,
    /// The only target that may use it.
    pub target: String,
    /// The folder that it runs in; that of this file where absent.
    pub folder: Option<PathBuf>,
    /// All of its environment: nothing of the daemon's own reaches it.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The memory that it may hold, in MiB.
    pub memory_mib: Option<u64>,
}

impl Program {
    /// What a connector is told of it.
    pub fn allowed(&self) -> provost_sdk::Program {
        provost_sdk::Program {
            run: self.run.clone(),
            folder: self.folder.clone(),
            environment: self.environment.clone(),
            memory: self.memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
        }
    }
}

/// A place where secrets of services go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// A folder: each secret becomes one file in it, readable by its owner alone.
    pub folder: PathBuf,
}

/// One embedded directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedDirectory {
    /// Its SQLite file.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The name of the secret that its clients must show.
    pub token: String,
}

/// What flags say; they win over the file and the environment.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--repo`
    pub repository: Option<String>,
    /// `--branch`
    pub branch: Option<String>,
    /// `--state`
    pub state: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("The settings file {} cannot be read: {source}.", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says what cannot be.
    #[error("The settings file {} is wrong.\n{source}", path.display())]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// What and where.
        source: toml::de::Error,
    },
    /// No file, and not enough said otherwise.
    #[error(
        "No settings: there is no {} here.\n  hint: `provost init` writes one; or name it with --config or PROVOST_CONFIG.",
        DEFAULT_FILE
    )]
    Missing,
    /// A combination that is refused.
    #[error("{0}")]
    Refused(String),
    /// A named secret cannot be had.
    #[error("The secret `{name}` cannot be used: {why}.")]
    Secret {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
}

/// Where settings are looked for when nobody says where.
pub const DEFAULT_FILE: &str = "provost.toml";

/// A secret is a token or a key; what is longer than this is not one, and is not read into memory.
const MAX_SECRET: u64 = 1 << 20;

impl Settings {
    /// Reads the file (`path`, else `PROVOST_CONFIG`, else `provost.toml` here), then what the environment
    /// (`PROVOST_REPOSITORY`, `PROVOST_BRANCH`, `PROVOST_STATE`, `PROVOST_LISTEN`, `PROVOST_LOG`) and flags say.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Settings, SettingsError> {
        let named = path.map(Path::to_owned).or_else(|| variable("PROVOST_CONFIG").map(PathBuf::from));
        let path = named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && path == Path::new(DEFAULT_FILE) => {
                return Err(SettingsError::Missing);
            }
            Err(source) => return Err(SettingsError::Unreadable { path, source }),
        };
        let settings =
            toml::from_str(&text).map_err(|source| SettingsError::Wrong { path: path.clone(), source })?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Settings::complete(settings, &folder, overrides)
    }

    /// The value of a secret for a target (or for the daemon itself, with none).
    pub fn secret(&self, name: &str, target: Option<&str>) -> Result<SecretString, SettingsError> {
        let refuse = |why: String| SettingsError::Secret { name: name.to_owned(), why };
        let secret = self.secrets.get(name).ok_or_else(|| {
            refuse(format!(
                "the settings bind no secret of this name; add [secrets.{name}] with `file` or `env`"
            ))
        })?;
        if target.is_some() && secret.target.as_deref() != target {
            let bound = secret.target.as_deref().unwrap_or("no target");
            return Err(refuse(format!(
                "the settings bind it to {bound}, not to {}",
                target.unwrap_or_default()
            )));
        }
        match (&secret.file, &secret.env) {
            (Some(file), None) => {
                read_secret(file).map_err(|why| refuse(format!("{}: {why}", file.display())))
            }
            (None, Some(name)) => variable(name)
                .map(SecretString::from)
                .ok_or_else(|| refuse(format!("the environment variable {name} is not set"))),
            _ => Err(refuse("it needs either `file` or `env`".to_owned())),
        }
    }

    /// A secret for a target whose documents has it sent to these hosts.
    pub fn secret_for(
        &self,
        name: &str,
        target: &str,
        hosts: &[String],
    ) -> Result<SecretString, SettingsError> {
        let only = self.secrets.get(name).and_then(|secret| secret.host.as_deref());
        if let Some(only) = only
            && (hosts.is_empty() || hosts.iter().any(|host| !host.eq_ignore_ascii_case(only)))
        {
            let named = if hosts.is_empty() { "no host".to_owned() } else { hosts.join(", ") };
            let why = format!("the settings bind it to the host {only}, and the target names {named}");
            return Err(SettingsError::Secret { name: name.to_owned(), why });
        }
        self.secret(name, Some(target))
    }

    fn complete(
        mut settings: Settings,
        folder: &Path,
        overrides: &Overrides,
    ) -> Result<Settings, SettingsError> {
        if let Some(url) = overrides.repository.clone().or_else(|| variable("PROVOST_REPOSITORY")) {
            settings.repository.url = place(Path::new(""), &url);
        } else {
            settings.repository.url = place(folder, &settings.repository.url);
        }
        settings.audit.remote = settings.audit.remote.take().map(|remote| place(folder, &remote));
        settings.audit.checkpoints = settings.audit.checkpoints.take().map(|remote| place(folder, &remote));
        if settings.audit.durability == Durability::Remote && settings.audit.publish == Publish::Never {
            return Err(SettingsError::Refused(
                "durability = \"remote\" wants every intent published, and publish = \"never\" publishes none.\n  \
                 hint: in [audit], remove one of the two"
                    .to_owned(),
            ));
        }
        if let Some(branch) = overrides.branch.clone().or_else(|| variable("PROVOST_BRANCH")) {
            settings.repository.branch = branch;
        }
        settings.state =
            match overrides.state.clone().or_else(|| variable("PROVOST_STATE").map(PathBuf::from)) {
                Some(state) => state,
                None => folder.join(&settings.state),
            };
        if let Some(listen) = variable("PROVOST_LISTEN") {
            let listen = listen.parse().map_err(|_| {
                SettingsError::Refused(format!(
                    "PROVOST_LISTEN is no address such as 127.0.0.1:7640: {listen}"
                ))
            })?;
            settings.http.listen = Some(listen);
        }
        settings.http.listen = overrides.listen.or(settings.http.listen);
        settings.log.filter = variable("PROVOST_LOG").or(settings.log.filter);
        for secret in settings.secrets.values_mut() {
            secret.file = secret.file.take().map(|file| folder.join(file));
        }
        for directory in &mut settings.directory {
            directory.data = folder.join(&directory.data);
        }
        for program in settings.commands.values_mut() {
            let below = folder.join(program.folder.take().unwrap_or_default());
            program.folder = (!below.as_os_str().is_empty()).then_some(below);
        }
        for delivery in settings.delivery.values_mut() {
            delivery.folder = folder.join(&delivery.folder);
        }
        match settings.http.listen {
            Some(listen) if !listen.ip().is_loopback() && settings.http.token.is_none() => {
                Err(SettingsError::Refused(format!(
                    "The API would listen on {listen}, which others can reach, without a token.\n  \
                     hint: name a secret in [http] token, or listen on 127.0.0.1."
                )))
            }
            _ => Ok(settings),
        }
    }
}

/// A path below a folder, whole, because git is run in other folders; what is no path stays as it is.
fn place(folder: &Path, url: &str) -> String {
    if crate::git::is_elsewhere(url) {
        return url.to_owned();
    }
    let joined = folder.join(url);
    std::path::absolute(&joined).unwrap_or(joined).to_string_lossy().into_owned()
}

fn read_secret(path: &Path) -> Result<SecretString, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_SECRET {
        return Err(format!("the file has {length} bytes, more than a secret has"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() { Err("the file is empty".to_owned()) } else { Ok(SecretString::from(text)) }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn main_branch() -> String {
    "main".to_owned()
}

fn a_minute() -> Length {
    Length(jiff::SignedDuration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use provost_sdk::ExposeSecret;

    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("provost.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    const SMALL: &str = "state = \"state\"\n[repository]\nurl = \"repository\"\n";

    #[test]
    fn paths_are_relative_to_the_file_and_flags_win() {
        let (folder, path) = written(SMALL);
        let settings = Settings::load(Some(&path), &Overrides::default()).unwrap();
        assert_eq!(settings.state, folder.path().join("state"));
        assert_eq!(settings.repository.url, folder.path().join("repository").to_string_lossy());
        let overrides = Overrides { branch: Some("live".to_owned()), ..Overrides::default() };
        assert_eq!(Settings::load(Some(&path), &overrides).unwrap().repository.branch, "live");
    }

    #[test]
    fn a_path_becomes_whole_and_another_machine_stays_as_it_is() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(place(Path::new(""), "access"), here.join("access").to_string_lossy());
        for remote in
            ["https://example.com/a.git", "git@example.com:a.git", "example.com:a/b.git", "file:///srv/a"]
        {
            assert_eq!(place(Path::new("/etc"), remote), remote);
        }
    }

    #[test]
    fn a_program_runs_in_the_folder_of_the_file_unless_it_has_its_own() {
        let commands = "[commands.a]\nrun = [\"x\", \"y z\"]\ntarget = \"a\"\nmemory_mib = 2\n\
                        [commands.b]\nrun = [\"x\"]\ntarget = \"b\"\nfolder = \"hr\"\nenvironment = {A = \"1\"}\n";
        let (folder, path) = written(&format!("{SMALL}{commands}"));
        let settings = Settings::load(Some(&path), &Overrides::default()).unwrap();
        let (a, b) = (settings.commands["a"].allowed(), settings.commands["b"].allowed());
        assert_eq!(a.folder.unwrap(), folder.path().join(""));
        assert_eq!((a.run, a.memory), (vec!["x".to_owned(), "y z".to_owned()], Some(2 << 20)));
        assert!(a.environment.is_empty());
        assert_eq!(b.folder.unwrap(), folder.path().join("hr"));
        assert_eq!(b.environment["A"], "1");
    }

    #[test]
    fn an_unknown_setting_is_an_error_that_says_where() {
        let (_folder, path) = written(&format!("{SMALL}colour = 1\n"));
        let error = Settings::load(Some(&path), &Overrides::default()).unwrap_err().to_string();
        assert!(error.contains("colour") && error.contains("line 4"), "{error}");
    }

    #[test]
    fn a_public_address_without_a_token_is_refused() {
        let (_folder, path) = written(&format!("{SMALL}[http]\nlisten = \"0.0.0.0:1\"\n"));
        let error = Settings::load(Some(&path), &Overrides::default()).unwrap_err().to_string();
        assert!(error.contains("without a token"), "{error}");
    }

    #[test]
    fn a_secret_serves_the_target_it_is_bound_to_and_no_other() {
        let (folder, path) = written(&format!("{SMALL}[secrets.t]\nfile = \"t\"\ntarget = \"forge\"\n"));
        std::fs::write(folder.path().join("t"), "s3cret\n").unwrap();
        let settings = Settings::load(Some(&path), &Overrides::default()).unwrap();
        assert_eq!(settings.secret("t", Some("forge")).unwrap().expose_secret(), "s3cret");
        let error = settings.secret("t", Some("evil")).unwrap_err().to_string();
        assert!(error.contains("bind it to forge") && !error.contains("s3cret"), "{error}");
        assert!(settings.secret("other", Some("forge")).is_err());
    }
}
