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

use std::sync::{Arc, Mutex, PoisonError, Weak};

use provost_sdk::{Apply, Connector, ExposeSecret, Observe, Result, Setting, Settings, Stage};

use crate::server::Server;

/// The connector `ldap`.
#[derive(Debug, Default)]
pub struct Ldap {
    /// The servers that somebody has open: reader and writer of a target share their connections.
    open: Mutex<Vec<Weak<Server>>>,
}

impl Ldap {
    /// The connector; it holds nothing until a reader or writer is opened.
    pub fn new() -> Ldap {
        Ldap::default()
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
