//! The quickstart's organisation: its folder, its documents, and the groups of its directories.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};
use provost_audit::key::SigningKey;
use provost_core::approval::Signers;
use provost_core::document::{Document, parse};
use provost_core::set::Spec;
use rust_embed::RustEmbed;

use crate::engine::{Engine, EngineError, OpenOptions};
use crate::registry;
use crate::settings::{Overrides, Settings, SettingsError};

/// The example's documents, inside the binary.
#[derive(RustEmbed)]
#[folder = "desired-state/"]
struct Documents;

/// Where the API listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:7640";

/// The ports of the directories in the example's documents, and the targets that they are.
const DIRECTORIES: [(&str, u16); 4] =
    [("workforce", 7641), ("forge", 7642), ("tickets", 7643), ("production", 7644)];

/// The folder of the demo's keys.
const KEYS: &str = "demo-keys";

/// Two approvers of production, and who asks for its administration: her key signs commits.
const SIGNERS: [(&str, &str); 3] =
    [("p-0003", "approval@provost,git"), ("p-0007", "approval@provost,git"), ("p-0012", "git")];

/// The quickstart's folder.
pub struct Demo {
    dir: PathBuf,
}

/// Why there is no quickstart.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file.
    #[error("{} cannot be made: {source}.", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The repository.
    #[error("The example's repository cannot be made: {0}.")]
    Git(#[from] git2::Error),
    /// The installation.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Ports.
    #[error(
        "Nothing can listen on {0} and the four ports after it.\n  hint: choose another address with --listen."
    )]
    Ports(SocketAddr),
    /// A key.
    #[error(transparent)]
    Key(#[from] provost_audit::Error),
    /// A group of a directory.
    #[error("The directories cannot be filled: {0}")]
    Seed(#[from] provost_sdk::Error),
    /// A target of the example.
    #[error(transparent)]
    Registry(#[from] registry::RegistryError),
}

/// How the quickstart is opened: what it serves itself is adopted at first sight, and nobody else's system.
pub fn options() -> OpenOptions {
    OpenOptions { adopt: DIRECTORIES.iter().map(|(target, _)| *target).collect(), ..OpenOptions::default() }
}

impl Demo {
    /// The quickstart in a folder.
    pub fn at(dir: &Path) -> Demo {
        Demo { dir: std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()) }
    }

    /// Whether it was made already.
    pub fn exists(&self) -> bool {
        self.settings().exists()
    }

    /// Its settings file.
    pub fn settings(&self) -> PathBuf {
        self.dir.join("provost.toml")
    }

    /// Its repository.
    pub fn repository(&self) -> PathBuf {
        self.dir.join("repository")
    }

    /// The folder of the keys that sign in it.
    pub fn keys(&self) -> PathBuf {
        self.dir.join(KEYS)
    }

    /// Makes it: documents, secrets, settings and installation. What an earlier, interrupted try left is made again.
    pub fn create(&self, listen: Option<SocketAddr>) -> Result<(), DemoError> {
        let ports = Ports::choose(listen)?;
        for leftover in ["repository", "state", "directories", "secrets", KEYS] {
            let path = self.dir.join(leftover);
            if path.exists() {
                std::fs::remove_dir_all(&path).map_err(failed(&path))?;
            }
        }
        self.write_documents(&ports)?;
        self.make_keys()?;
        self.commit()?;
        let text = self.settings_text(&ports)?;
        // The settings file comes last: it says that everything is there.
        let unfinished = self.dir.join("provost.toml.new");
        write(&unfinished, text.as_bytes(), 0o644)?;
        let settings = Settings::load(Some(&unfinished), &Overrides::default())?;
        Engine::create(Arc::new(settings), &options())?;
        std::fs::rename(&unfinished, self.settings()).map_err(failed(&unfinished))?;
        let repository = Repository::open(self.repository())?;
        Ok(repository.config()?.set_str("provost.config", &self.settings().to_string_lossy())?)
    }

    fn write_documents(&self, ports: &Ports) -> Result<(), DemoError> {
        for name in Documents::iter() {
            let Some(file) = Documents::get(&name) else { continue };
            let mut text = String::from_utf8_lossy(&file.data).into_owned();
            for ((_, written), actual) in DIRECTORIES.iter().zip(ports.directories) {
                text = text.replace(&format!("127.0.0.1:{written}"), &actual.to_string());
            }
            write(&self.repository().join(&*name), text.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    /// Makes the keys of people who sign in the demo, outside of its repository, and the documents that name them and
    /// the daemon's own key.
    fn make_keys(&self) -> Result<(), DemoError> {
        let keys = self.dir.join(KEYS);
        let readme = "Keys of people who do not exist, made by `provost quickstart` to try approvals with.\n\
                      Nobody keeps the keys of others like this: use them for nothing else.\n";
        write(&keys.join("README"), readme.as_bytes(), 0o644)?;
        let mut signers = "# Demo keys, made by `provost quickstart`: whose key may sign what.\n".to_owned();
        for (person, namespaces) in SIGNERS {
            let key = SigningKey::load_or_generate(&keys.join(person))?;
            signers.push_str(&format!("{person} namespaces=\"{namespaces}\" {}\n", key.public_line()));
        }
        write(&self.repository().join(Signers::PATH), signers.as_bytes(), 0o644)?;
        let state = self.dir.join("state");
        std::fs::DirBuilder::new().mode(0o700).create(&state).map_err(failed(&state))?;
        let daemon = SigningKey::load_or_generate(&state.join("signing-key"))?.public_line();
        let text = format!("kind: DaemonKeys\nid: daemon\nkeys:\n  - {daemon}\n");
        write(&self.repository().join("policy/daemon-keys.yaml"), text.as_bytes(), 0o644)
    }

    fn commit(&self) -> Result<(), DemoError> {
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main");
        let repository = Repository::init_opts(self.repository(), &options)?;
        let mut index = repository.index()?;
        index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
        index.write()?;
        let tree = repository.find_tree(index.write_tree()?)?;
        let author = Signature::now("Example", "example@example.com")?;
        repository.commit(Some("HEAD"), &author, &author, "The organisation as it is", &tree, &[])?;
        Ok(())
    }

    fn settings_text(&self, ports: &Ports) -> Result<String, DemoError> {
        let mut text = format!(
            "# Made by `provost quickstart`; docs/OPERATIONS.md describes every setting.\n\
             state = \"state\"\n\n[repository]\nurl = \"repository\"\nbranch = \"main\"\npoll = \"5s\"\n\n\
             [http]\nlisten = \"{}\"\n",
            ports.api
        );
        for ((target, _), address) in DIRECTORIES.iter().zip(ports.directories) {
            let path = self.dir.join("secrets").join(format!("{target}-token"));
            write(&path, random_token(&path)?.as_bytes(), 0o600)?;
            text.push_str(&format!(
                "\n[secrets.{target}-token]\nfile = \"secrets/{target}-token\"\ntarget = \"{target}\"\n\n\
                 [[directory]]\ndata = \"directories/{target}.sqlite\"\nlisten = \"{address}\"\ntoken = \"{target}-token\"\n"
            ));
        }
        std::fs::create_dir_all(self.dir.join("directories")).map_err(failed(&self.dir))?;
        Ok(text)
    }
}

/// Makes the groups that the example's roles grant, on directories that listen.
pub async fn seed(settings: &Settings) -> Result<(), DemoError> {
    for (target, _) in DIRECTORIES {
        let Some((document, groups)) = wanted(Path::new(&settings.repository.url), target) else { continue };
        let (connector, resolved) = registry::resolve(&document, settings)?;
        let Some(stage) = connector.stage(&resolved)? else { continue };
        for group in groups {
            match stage.make_entitlement(group.kind.as_str(), group.name.as_str()).await {
                Err(error) if error.kind != provost_sdk::ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A target of the example and every entitlement on it that a role grants.
fn wanted(repository: &Path, target: &str) -> Option<(provost_core::document::Target, Vec<Spec>)> {
    let mut found = None;
    let mut groups = std::collections::BTreeSet::new();
    for name in Documents::iter().filter(|name| name.ends_with(".yaml")) {
        let bytes = std::fs::read(repository.join(&*name)).ok()?;
        match parse(&name, &bytes).document {
            Some(Document::Target(document)) if document.id == *target => found = Some(*document),
            Some(Document::Role(role)) => {
                let here = role.grants.iter().filter(|grant| grant.target == *target);
                groups.extend(here.filter_map(|grant| grant.entitlement));
            }
            _ => {}
        }
    }
    Some((found?, groups.into_iter().collect()))
}

struct Ports {
    api: SocketAddr,
    directories: [SocketAddr; 4],
}

impl Ports {
    /// The address that was asked for and the four ports after it; else the documented ones if they are free, else
    /// any that are.
    fn choose(listen: Option<SocketAddr>) -> Result<Ports, DemoError> {
        let documented: SocketAddr =
            LISTEN.parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 7640)));
        let asked = listen.unwrap_or(documented);
        let row = |first: u16| {
            (1..=4).map(move |step| first.checked_add(step).map(|port| SocketAddr::new(asked.ip(), port)))
        };
        let free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
        if asked.port() != 0
            && free(&asked)
            && let Some(directories) = row(asked.port()).collect::<Option<Vec<_>>>()
            && directories.iter().all(free)
            && let Ok(directories) = directories.try_into()
        {
            return Ok(Ports { api: asked, directories });
        }
        if listen.is_some_and(|listen| listen.port() != 0) {
            return Err(DemoError::Ports(asked));
        }
        let bound: Result<Vec<TcpListener>, _> =
            (0..5).map(|_| TcpListener::bind(SocketAddr::new(asked.ip(), 0))).collect();
        let addresses: Result<Vec<SocketAddr>, _> =
            bound.map_err(failed(Path::new("a listener")))?.iter().map(TcpListener::local_addr).collect();
        match addresses.map_err(failed(Path::new("a listener")))?[..] {
            [api, workforce, forge, tickets, production] => {
                Ok(Ports { api, directories: [workforce, forge, tickets, production] })
            }
            _ => Err(DemoError::Ports(asked)),
        }
    }
}

fn random_token(path: &Path) -> Result<String, DemoError> {
    let mut bytes = [0_u8; 24];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(failed(path))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DemoError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> DemoError {
    let path = path.to_owned();
    move |source| DemoError::File { path, source }
}
