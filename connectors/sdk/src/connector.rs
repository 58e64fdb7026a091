//! A kind of system: its name, its settings, and how a reader and a writer of one target are opened.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::{Apply, Error, ErrorKind, Observe, Result, Stage};

/// A kind of system that provost can speak to.
pub trait Connector: Send + Sync {
    /// The word in `connector:` of a Target document.
    fn kind(&self) -> &'static str;

    /// One sentence for people who choose.
    fn summary(&self) -> &'static str;

    /// Everything that `config:` and `secrets:` may hold. provost refuses what is not declared here.
    fn settings(&self) -> &'static [Setting];

    /// Opens the reader of one target. No call is made yet.
    fn reader(&self, settings: &Settings) -> Result<Box<dyn Observe>>;

    /// Opens the writer of one target. No call is made yet.
    fn writer(&self, settings: &Settings) -> Result<Box<dyn Apply>>;

    /// How many operations one call may carry ([`Apply::apply_all`]). More than one only where that costs the target less.
    fn batch(&self) -> usize {
        1
    }

    /// What the conformance suite may do on a throwaway system beyond the contract; `None` where the connector offers
    /// nothing. For conformance only, never used by the daemon.
    fn stage(&self, _settings: &Settings) -> Result<Option<Box<dyn Stage>>> {
        Ok(None)
    }
}

/// One setting of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key in `config:` or `secrets:`.
    pub name: &'static str,
    /// What it is.
    pub kind: SettingKind,
    /// Whether a target cannot do without it.
    pub required: bool,
    /// Whether it says which system the target is: another value is another place, and ends adoption.
    pub place: bool,
    /// A sentence for people.
    pub about: &'static str,
}

impl Setting {
    /// A setting that says which system the target is.
    pub const fn place(
        name: &'static str,
        kind: SettingKind,
        required: bool,
        about: &'static str,
    ) -> Setting {
        Setting { name, kind, required, place: true, about }
    }

    /// Any other setting.
    pub const fn option(
        name: &'static str,
        kind: SettingKind,
        required: bool,
        about: &'static str,
    ) -> Setting {
        Setting { name, kind, required, place: false, about }
    }
}

/// The name of a setting of the kind [`SettingKind::Secret`] that stands for any: for connectors whose secrets only the
/// system behind them knows by name.
pub const ANY_SECRET: &str = "*";

/// The kind of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Text.
    Text,
    /// An http or https URL.
    Url,
    /// A whole number.
    Number,
    /// True or false.
    Bool,
    /// A list of texts.
    List,
    /// A map or a list of a shape of its own.
    Any,
    /// A secret: under `secrets:`, named there and bound in the daemon's settings.
    Secret,
    /// A command: under `config:`, named there and bound in the daemon's settings.
    Command,
}

/// What the daemon asks a connector to keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Calls under way at once, at most.
    pub concurrency: usize,
    /// The time that one call may take.
    pub timeout: Duration,
    /// Bytes of one answer that are read at most.
    pub max_response: usize,
}

impl Default for Limits {
    /// Eight calls at once is what small systems bear; 30 seconds is longer than a healthy call takes and shorter
    /// than a person waits; 64 MiB is a page of ten thousand large records.
    fn default() -> Limits {
        Limits { concurrency: 8, timeout: Duration::from_secs(30), max_response: 64 << 20 }
    }
}

/// The settings of one target, secrets and commands resolved.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The Target's id, for messages.
    pub target: String,
    /// `config:` as written.
    pub config: Map<String, Value>,
    /// Values of `secrets:` by setting.
    pub secrets: BTreeMap<String, SecretString>,
    /// Commands, by setting.
    pub commands: BTreeMap<String, Program>,
    /// What to keep to.
    pub limits: Limits,
}

/// A program that the daemon's settings allow to be run. Documents name it and say nothing more of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments, as a list: no shell ever reads them.
    pub run: Vec<String>,
    /// The folder that it runs in; that of the daemon where absent.
    pub folder: Option<PathBuf>,
    /// All of its environment.
    pub environment: BTreeMap<String, String>,
    /// How many bytes of memory it may hold; what the connector finds enough where absent.
    pub memory: Option<u64>,
}

impl Settings {
    /// A required text.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.optional_text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A text that may be absent.
    pub fn optional_text(&self, name: &str) -> Result<Option<&str>> {
        match self.config.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    /// A whole number that may be absent.
    pub fn number(&self, name: &str) -> Result<Option<u64>> {
        match self.config.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| self.wrong(name, "a whole number")),
        }
    }

    /// True or false; `default` where absent.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.config.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(name, "true or false")),
        }
    }

    /// A required secret.
    pub fn secret(&self, name: &str) -> Result<&SecretString> {
        self.secrets.get(name).ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                format!("The target {} has no secret `{name}`: name it under `secrets:`.", self.target),
            )
        })
    }

    /// Whether both open the same system with the same rights; commands are not looked at.
    pub(crate) fn opens_the_same(&self, other: &Settings) -> bool {
        self.target == other.target
            && self.config == other.config
            && self.limits == other.limits
            && self.secrets.len() == other.secrets.len()
            && self.secrets.iter().all(|(name, secret)| {
                other.secrets.get(name).is_some_and(|other| other.expose_secret() == secret.expose_secret())
            })
    }

    fn missing(&self, name: &str) -> Error {
        Error::new(
            ErrorKind::Configuration,
            format!("The target {} has no setting `{name}` under `config:`.", self.target),
        )
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        Error::new(
            ErrorKind::Configuration,
            format!("The setting `{name}` of the target {} must be {what}.", self.target),
        )
    }
}
