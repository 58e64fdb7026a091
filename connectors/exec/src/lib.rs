//! Connectors in any language: a program that speaks JSON-RPC 2.0 over its standard input and output.
//!
//! In: settings, operations. Out: what the program says, checked: it is not trusted to keep to the protocol, to end in
//! time, to know its own limits or to have done what it says. `docs/connectors/exec.md` has every message.
//!
//! A target has one process for reading and another for writing, started at the first call and again after they end.
//! Which program runs is said by the daemon's settings alone; a document only names it.

mod apply;
mod child;
mod declared;
mod message;
mod observe;
mod process;
mod stage;
mod supervise;
mod text;

use provost_sdk::{ANY_SECRET, Apply, Connector, Observe, Result, Setting, SettingKind, Settings, Stage};

use crate::message::Access;
use crate::supervise::Supervisor;

/// The version of the protocol that this connector speaks.
pub const PROTOCOL: u32 = 1;

/// The connector `exec`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exec;

static SETTINGS: [Setting; 4] = [
    Setting {
        name: "command",
        kind: SettingKind::Command,
        required: true,
        place: true,
        about: "The name of a command in the daemon's settings, where the program stands.",
    },
    Setting {
        name: "place",
        kind: SettingKind::Any,
        required: false,
        place: true,
        about: "What the program is told that says which system it is, such as an address.",
    },
    Setting {
        name: "options",
        kind: SettingKind::Any,
        required: false,
        place: false,
        about: "What else the program is told.",
    },
    Setting {
        name: ANY_SECRET,
        kind: SettingKind::Secret,
        required: false,
        place: false,
        about: "Secrets that the program is told, by the names that it knows them by.",
    },
];

impl Connector for Exec {
    fn kind(&self) -> &'static str {
        "exec"
    }

    fn summary(&self) -> &'static str {
        "A connector of your own in any language: JSON-RPC 2.0 over standard input and output."
    }

    fn settings(&self) -> &'static [Setting] {
        &SETTINGS
    }

    fn reader(&self, settings: &Settings) -> Result<Box<dyn Observe>> {
        Ok(Box::new(observe::Reader(Supervisor::new(settings, Access::Read)?)))
    }

    fn writer(&self, settings: &Settings) -> Result<Box<dyn Apply>> {
        Ok(Box::new(apply::Writer(Supervisor::new(settings, Access::Write)?)))
    }

    fn stage(&self, settings: &Settings) -> Result<Option<Box<dyn Stage>>> {
        Ok(Some(Box::new(stage::Scenery(Supervisor::new(settings, Access::Stage)?))))
    }
}
