//! Where things lie under STATE. Nobody else spells these names.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The ref of the audit log, in provost's own repository and where it is published.
pub const REF: &str = "refs/heads/provost/audit";

/// The file of the tree with the public key that signs the next record.
pub(crate) const KEY_FILE: &str = "signing-key.pub";

/// The paths of one state folder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    state: PathBuf,
}

impl Layout {
    pub(crate) fn new(state: &Path) -> Layout {
        Layout { state: state.to_owned() }
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Makes the state folder. The log is about people: nobody else on the machine reads it.
    pub(crate) fn make(&self) -> Result<()> {
        let folder = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.state);
        folder.map_err(Error::io("making", &self.state))
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.state.join("journal")
    }

    /// The journal while it is being preallocated; renamed when it is whole.
    pub(crate) fn journal_new(&self) -> PathBuf {
        self.state.join("journal.new")
    }

    /// A journal that could not be read any more, set aside for whoever investigates.
    pub(crate) fn journal_damaged(&self) -> PathBuf {
        self.state.join("journal.damaged")
    }

    /// Remembers the id of the genesis.
    pub(crate) fn installation(&self) -> PathBuf {
        self.state.join("installation")
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.state.join("provost.git")
    }

    pub(crate) fn packs(&self) -> PathBuf {
        self.repository().join("objects").join("pack")
    }
}
