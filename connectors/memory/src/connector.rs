//! The asynchronous layer: the sdk's traits over the systems of a [`World`].

use async_trait::async_trait;
use provost_sdk::{
    Account, Apply, Capabilities, Comparison, Connector, Cursor, Error, ErrorKind, ExposeSecret,
    IdempotencyKey, Observe, Operation, Probe, Read, Receipt, Result, SecretString, Setting, SettingKind,
    Settings, Sink, Stage, Verb, Wanted,
};
use serde_json::Value;

use crate::stage::MemoryStage;
use crate::{Handle, Rights, Shape, Tells, World};

/// The connector of the kind `memory`. The default one has a world of its own; [`World::global`] is that of the process.
#[derive(Clone, Debug, Default)]
pub struct MemoryConnector {
    world: World,
}

impl MemoryConnector {
    /// A connector to the systems of this world.
    pub fn new(world: World) -> MemoryConnector {
        MemoryConnector { world }
    }

    /// The system that a target with these settings is; made by its first use.
    ///
    /// # Errors
    /// `Configuration` for settings that cannot work.
    pub fn open(&self, settings: &Settings) -> Result<Handle> {
        Ok(self.world.open(settings.text("name")?, shape(settings)?))
    }

    fn session(&self, settings: &Settings) -> Result<Session> {
        Ok(Session { handle: self.open(settings)?, token: settings.secrets.get("token").cloned() })
    }
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "name",
        kind: SettingKind::Text,
        required: true,
        place: true,
        about: "The name of the system. Targets of one process that give the same name share it.",
    },
    Setting {
        name: "usernames",
        kind: SettingKind::Text,
        required: false,
        place: false,
        about: "How it compares usernames: `exact` or `ignore-case` (default).",
    },
    Setting {
        name: "delta",
        kind: SettingKind::Bool,
        required: false,
        place: false,
        about: "Whether a read can ask for what changed (default: true).",
    },
    Setting {
        name: "tells",
        kind: SettingKind::Text,
        required: false,
        place: false,
        about: "With what it tells who holds what: `with-account` (default) or `with-entitlement`.",
    },
    Setting {
        name: "idempotent",
        kind: SettingKind::Bool,
        required: false,
        place: false,
        about: "Whether it recognises a repeated call by its key (default: false).",
    },
    Setting {
        name: "disable_ends_sessions",
        kind: SettingKind::Bool,
        required: false,
        place: false,
        about: "Whether disabling ends open sessions (default: false).",
    },
    Setting {
        name: "without",
        kind: SettingKind::List,
        required: false,
        place: false,
        about: "Operations that it cannot do, such as `[rename, transfer]`.",
    },
    Setting {
        name: "token",
        kind: SettingKind::Secret,
        required: false,
        place: false,
        about: "The token. A system accepts the first one that it is shown and no other.",
    },
];

impl Connector for MemoryConnector {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn summary(&self) -> &'static str {
        "A system inside this process, for tests and for looking at how provost works."
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn reader(&self, settings: &Settings) -> Result<Box<dyn Observe>> {
        Ok(Box::new(self.session(settings)?))
    }

    fn writer(&self, settings: &Settings) -> Result<Box<dyn Apply>> {
        Ok(Box::new(self.session(settings)?))
    }

    fn stage(&self, settings: &Settings) -> Result<Option<Box<dyn Stage>>> {
        Ok(Some(Box::new(MemoryStage(self.open(settings)?))))
    }
}

/// A system and the token that it is shown with every call.
struct Session {
    handle: Handle,
    token: Option<SecretString>,
}

impl Session {
    fn may(&self, wanted: Rights) -> Result<()> {
        let Some(token) = &self.token else { return Ok(()) };
        match self.handle.rights(token.expose_secret()) {
            None => Err(Error::new(ErrorKind::InvalidCredential, "The system does not know this token.")),
            Some(Rights::All) => Ok(()),
            Some(rights) if rights == wanted => Ok(()),
            Some(_) => {
                let message = format!("The token lacks a right: {wanted:?}.");
                Err(Error::new(ErrorKind::PermissionDenied, message))
            }
        }
    }
}

#[async_trait]
impl Observe for Session {
    async fn describe(&self) -> Result<Capabilities> {
        Ok(self.handle.system().describe())
    }

    async fn probe(&self) -> Result<Probe> {
        let readable = self.may(Rights::Read);
        if let Err(error) = &readable
            && error.kind != ErrorKind::PermissionDenied
        {
            return Err(Error::new(error.kind.clone(), error.message.clone()));
        }
        let mut probe = self.handle.system().probe()?;
        let granted = [readable.is_ok(), self.may(Rights::All).is_ok()];
        for (permission, granted) in probe.permissions.iter_mut().zip(granted) {
            permission.granted = Some(granted);
            if !granted {
                permission.hint = "Allow the token to do it (Handle::allow).".into();
            }
        }
        Ok(probe)
    }

    async fn observe(&self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read> {
        self.may(Rights::Read)?;
        self.handle.system().observe(since, sink)
    }

    async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>> {
        self.may(Rights::Read)?;
        self.handle.system().look_up(wanted)
    }
}

#[async_trait]
impl Apply for Session {
    async fn apply(&self, operation: &Operation, key: &IdempotencyKey) -> Result<Receipt> {
        self.may(Rights::All)?;
        self.handle.system().apply(operation, key)
    }
}

fn shape(settings: &Settings) -> Result<Shape> {
    let wrong = |name: &str, allowed: &str| {
        let message = format!("The setting `{name}` of the target {} must be {allowed}.", settings.target);
        Error::new(ErrorKind::Configuration, message)
    };
    let mut shape = Shape {
        delta: settings.flag("delta", true)?,
        idempotent: settings.flag("idempotent", false)?,
        disable_ends_sessions: settings.flag("disable_ends_sessions", false)?,
        ..Shape::default()
    };
    shape.usernames = match settings.optional_text("usernames")? {
        None | Some("ignore-case") => Comparison::IgnoreCase,
        Some("exact") => Comparison::Exact,
        Some(_) => return Err(wrong("usernames", "`exact` or `ignore-case`")),
    };
    shape.tells = match settings.optional_text("tells")? {
        None | Some("with-account") => Tells::WithAccount,
        Some("with-entitlement") => Tells::WithEntitlement,
        Some(_) => return Err(wrong("tells", "`with-account` or `with-entitlement`")),
    };
    if let Some(without) = settings.config.get("without") {
        let verbs: Vec<Verb> = serde_json::from_value(Value::clone(without))
            .map_err(|error| wrong("without", "a list of operations").because(error))?;
        shape.without = verbs.into_iter().collect();
    }
    Ok(shape)
}
