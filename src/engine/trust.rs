//! The operator's word for a commit: at the start, and after a branch that was moved back or rewritten; and the way back
//! from a lost state folder.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use provost_audit::{Change, CommitId, TreePath};
use provost_core::Sym;
use provost_core::step::World;

use super::load::oid;
use super::{Engine, EngineError, OpenOptions};
use crate::settings::Settings;
use crate::trust::word;

impl Engine {
    /// What a recovery key has to sign so that a commit is trusted; `None` where no recovery key was named.
    pub fn word_for(&self, commit: Sym) -> Option<String> {
        let from = self.desired.commit.as_deref()?;
        let line = || word::line(&self.shared.installation, from, commit.as_str());
        (!self.recovery_keys.is_empty()).then(line)
    }

    /// Makes a commit count by the operator's word: every sound rule of it comes into force. `signed` is the signed
    /// word, where recovery keys were named and a commit counts already.
    pub fn trust(&mut self, commit: Sym, signed: Option<&str>, now: Timestamp) -> Result<World, EngineError> {
        if let Some(line) = self.word_for(commit) {
            word::check(&self.recovery_keys, &line, signed)?;
        }
        let to = oid(commit)?;
        let from = self.desired.commit.as_deref().map(Sym::new);
        // A commit that is gone cannot be compared with: then everything is read, and what it lacks is removed.
        let from = from.filter(|_| !self.unread).and_then(|from| oid(from).ok());
        let from = from.filter(|from| self.source.has(*from));
        self.take(from, to, true, now)
    }

    /// Opens an installation that no daemon has open, does something with it, and closes it.
    pub fn offline<T, E: From<EngineError>>(
        settings: Arc<Settings>,
        act: impl FnOnce(&mut Engine) -> Result<T, E>,
    ) -> Result<T, E> {
        let (mut engine, _) = Engine::open(settings, OpenOptions::default(), |_| ())?;
        let done = act(&mut engine);
        let recorder = engine.recorder.clone();
        drop(engine);
        recorder.stop_blocking().map_err(EngineError::from)?;
        done
    }

    /// Goes on with the published audit log where the state folder was lost. `tip` is the newest record, as the operator
    /// knows it; the signing key has to be back in its place.
    pub fn restore(settings: &Settings, tip: &str) -> Result<(), EngineError> {
        let tip: CommitId =
            tip.parse().map_err(|_| EngineError::Broken(format!("`{tip}` is no full id of a record.")))?;
        let remote = settings.audit.remote.as_deref().unwrap_or(&settings.repository.url);
        Ok(provost_audit::restore(&settings.state, remote, tip)?)
    }
}

/// The public keys in these files, as the audit log keeps them.
pub(super) fn recovery_keys(files: &[impl AsRef<Path>]) -> Result<Vec<String>, EngineError> {
    let read = |path: &Path| {
        let unusable = |why: String| {
            EngineError::Broken(format!(
                "{} is no public key: {why}.\n  hint: name the .pub file.",
                path.display()
            ))
        };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let key =
            ssh_key::PublicKey::from_openssh(text.trim()).map_err(|error| unusable(error.to_string()))?;
        Ok(provost_audit::key::public_line(&key))
    };
    files.iter().map(|path| read(path.as_ref())).collect()
}

/// The file of the recovery keys in the audit log.
pub(super) fn recovery_file(keys: &[String]) -> Option<Change> {
    let path = TreePath::new(word::KEYS_FILE).expect("a fixed name of the right alphabet");
    (!keys.is_empty()).then(|| (path, Some(format!("{}\n", keys.join("\n")).into_bytes())))
}
