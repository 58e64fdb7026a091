//! The connector of systems that speak SCIM 2.0 (RFC 7643, RFC 7644), written for servers of the real world.
//!
//! In: settings, operations. Out: accounts, groups and who is in them; receipts. What a server can do is detected from
//! what it says *and* from what it then does: every filter's answer is compared with what was asked, every page with
//! the one before, every write is read back, and another way of writing is taken where one is refused or does
//! nothing. What was learned is kept in [`api::Server`], which the reader and the writer of a target share.
//! Nothing is ever concluded from what was not shown.

mod api;
mod apply;
mod detect;
mod held;
mod map;
mod members;
mod observe;
mod page;
mod resource;
mod stage;

use std::sync::Arc;

use provost_sdk::{Apply, Connector, Observe, Result, Setting, Settings, Shared, Stage};

use crate::api::Server;

/// The connector `scim`.
#[derive(Debug, Default)]
pub struct Scim {
    /// The servers that somebody has open: what one learns about a target, the others know.
    open: Shared<Server>,
}

impl Scim {
    /// The connector; it holds nothing until a reader or writer is opened.
    pub fn new() -> Scim {
        Scim::default()
    }

    fn server(&self, settings: &Settings) -> Result<Arc<Server>> {
        self.open.get(settings, Server::settings, Server::new)
    }
}

impl Connector for Scim {
    fn kind(&self) -> &'static str {
        "scim"
    }

    fn summary(&self) -> &'static str {
        "Any system with a SCIM 2.0 server, the embedded directory included."
    }

    fn settings(&self) -> &'static [Setting] {
        &provost_http::SETTINGS
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
