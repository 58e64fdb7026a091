//! The connector of PostgreSQL 11 and later: roles that may log in, and the roles, databases and schemas that they hold.
//!
//! In: settings, operations. Out: accounts, entitlements and receipts. All catalogs are read in a handful of queries
//! of one repeatable-read transaction. A change is one transaction that addresses the role by its oid, looks at the
//! result before it commits, and reads the account back afterwards.

mod apply;
mod catalog;
mod error;
mod held;
mod leave;
mod observe;
mod quote;
mod server;
mod stage;
mod tls;
mod values;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use provost_sdk::{Apply, Connector, ExposeSecret, Observe, Result, Setting, SettingKind, Settings, Stage};

use crate::server::Server;

/// The connector `postgres`.
#[derive(Debug, Default)]
pub struct Postgres {
    /// The servers that somebody has open: reader and writer of a target share their connections.
    open: Mutex<Vec<Weak<Server>>>,
}

impl Postgres {
    /// The connector; it holds nothing until a reader or writer is opened.
    pub fn new() -> Postgres {
        Postgres::default()
    }

    fn server(&self, settings: &Settings) -> Result<Arc<Server>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|server| server.strong_count() > 0);
        let same = |server: &Arc<Server>| same(server.settings(), settings);
        if let Some(server) = open.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(server);
        }
        let server = Arc::new(Server::new(settings)?);
        open.push(Arc::downgrade(&server));
        Ok(server)
    }
}

const fn place(name: &'static str, kind: SettingKind, required: bool, about: &'static str) -> Setting {
    Setting { name, kind, required, place: true, about }
}

const fn option(name: &'static str, kind: SettingKind, required: bool, about: &'static str) -> Setting {
    Setting { name, kind, required, place: false, about }
}

static SETTINGS: [Setting; 8] = [
    place("host", SettingKind::Text, true, "The server's name or address, or the folder of its unix socket."),
    place("port", SettingKind::Number, false, "Its port; 5432 where absent."),
    place(
        "database",
        SettingKind::Text,
        false,
        "The database to connect to, whose schemas are managed; `postgres` where absent.",
    ),
    option("user", SettingKind::Text, true, "The role that provost connects as."),
    option("password", SettingKind::Secret, false, "Its password, where the server asks for one."),
    option(
        "sslmode",
        SettingKind::Text,
        false,
        "`verify-full` (the default), or `disable`, which is taken for this machine only.",
    ),
    option(
        "ca_file",
        SettingKind::Text,
        false,
        "A PEM file of the certificate authorities to trust instead of those of the machine.",
    ),
    option(
        "manage",
        SettingKind::List,
        false,
        "Names of superusers and predefined `pg_` roles that provost may touch all the same.",
    ),
];

impl Connector for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn summary(&self) -> &'static str {
        "PostgreSQL: roles, memberships, and privileges on databases and schemas."
    }

    fn settings(&self) -> &'static [Setting] {
        &SETTINGS
    }

    fn reader(&self, settings: &Settings) -> Result<Box<dyn Observe>> {
        Ok(Box::new(observe::Reader(self.server(settings)?)))
    }

    fn writer(&self, settings: &Settings) -> Result<Box<dyn Apply>> {
        Ok(Box::new(apply::Writer(self.server(settings)?)))
    }

    fn stage(&self, settings: &Settings) -> Result<Option<Box<dyn Stage>>> {
        Ok(Some(Box::new(stage::Scenery::new(self.server(settings)?))))
    }
}

/// Whether two settings open the same server with the same rights.
fn same(left: &Settings, right: &Settings) -> bool {
    left.target == right.target
        && left.config == right.config
        && left.limits == right.limits
        && left.secrets.len() == right.secrets.len()
        && left.secrets.iter().all(|(name, secret)| {
            right.secrets.get(name).is_some_and(|other| other.expose_secret() == secret.expose_secret())
        })
}
