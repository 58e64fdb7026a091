//! The connector of PostgreSQL 11 and later: roles that may log in, and the roles, databases and schemas that they hold.
//!
//! In: settings, operations. Out: accounts, entitlements and receipts. All catalogs are read in a handful of queries
//! of one repeatable-read transaction. A change is one transaction that addresses the role by its oid, looks at the
//! result before it commits, and reads the account back afterwards; many new roles and memberships go together.

mod apply;
mod batch;
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

use std::sync::Arc;

use provost_sdk::{Apply, Connector, Observe, Result, Setting, SettingKind, Settings, Shared, Stage};

use crate::server::Server;

/// The connector `postgres`.
#[derive(Debug, Default)]
pub struct Postgres {
    /// The servers that somebody has open: reader and writer of a target share their connections.
    open: Shared<Server>,
}

impl Postgres {
    /// The connector; it holds nothing until a reader or writer is opened.
    pub fn new() -> Postgres {
        Postgres::default()
    }

    fn server(&self, settings: &Settings) -> Result<Arc<Server>> {
        self.open.get(settings, Server::settings, Server::new)
    }
}

static SETTINGS: [Setting; 8] = [
    Setting::place(
        "host",
        SettingKind::Text,
        true,
        "The server's name or address, or the folder of its unix socket.",
    ),
    Setting::place("port", SettingKind::Number, false, "Its port; 5432 where absent."),
    Setting::place(
        "database",
        SettingKind::Text,
        false,
        "The database to connect to, whose schemas are managed; `postgres` where absent.",
    ),
    Setting::option("user", SettingKind::Text, true, "The role that provost connects as."),
    Setting::option("password", SettingKind::Secret, false, "Its password, where the server asks for one."),
    Setting::option(
        "sslmode",
        SettingKind::Text,
        false,
        "`verify-full` (the default), or `disable`, which is taken for this machine only.",
    ),
    Setting::option(
        "ca_file",
        SettingKind::Text,
        false,
        "A PEM file of the certificate authorities to trust instead of those of the machine.",
    ),
    Setting::option(
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

    fn batch(&self) -> usize {
        batch::SIZE
    }

    fn stage(&self, settings: &Settings) -> Result<Option<Box<dyn Stage>>> {
        Ok(Some(Box::new(stage::Scenery::new(self.server(settings)?))))
    }
}
