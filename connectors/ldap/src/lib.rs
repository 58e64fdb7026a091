//! The connector of LDAP directories: OpenLDAP, 389 Directory Server and Active Directory.
//!
//! In: settings, operations. Out: accounts, groups and receipts. A read is two paged searches. A change finds the entry by
//! its anchor, is bound to that anchor where the server can do so, and is read back.

mod apply;
mod delta;
mod dn;
mod entry;
mod error;
mod facts;
mod flavour;
mod groups;
mod member;
mod observe;
mod password;
mod server;
mod settings;
mod stage;
mod tls;
mod wire;

use std::sync::Arc;

use provost_sdk::{Apply, Connector, Observe, Result, Setting, Settings, Shared, Stage};

use crate::server::Server;

/// The connector `ldap`.
#[derive(Debug, Default)]
pub struct Ldap {
    /// The servers that somebody has open: reader and writer of a target share their connections.
    open: Shared<Server>,
}

impl Ldap {
    /// The connector; it holds nothing until a reader or writer is opened.
    pub fn new() -> Ldap {
        Ldap::default()
    }

    fn server(&self, settings: &Settings) -> Result<Arc<Server>> {
        self.open.get(settings, Server::settings, Server::new)
    }
}

impl Connector for Ldap {
    fn kind(&self) -> &'static str {
        "ldap"
    }

    fn summary(&self) -> &'static str {
        "LDAP directories: OpenLDAP, 389 Directory Server, Active Directory."
    }

    fn settings(&self) -> &'static [Setting] {
        &settings::SETTINGS
    }

    fn reader(&self, settings: &Settings) -> Result<Box<dyn Observe>> {
        Ok(Box::new(observe::Reader(self.server(settings)?)))
    }

    fn writer(&self, settings: &Settings) -> Result<Box<dyn Apply>> {
        Ok(Box::new(apply::Writer(self.server(settings)?)))
    }

    fn stage(&self, settings: &Settings) -> Result<Option<Box<dyn Stage>>> {
        Ok(Some(Box::new(stage::Scenery(self.server(settings)?))))
    }
}
