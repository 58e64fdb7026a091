//! The daemon's signing key: one file, and how another takes its place.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use provost_audit::key::SigningKey;
use provost_audit::{Error, Log, Recovery};

use super::EngineError;
use crate::settings::Settings;

/// Has a new key sign the log of an installation that nobody has open. Gives the number of the record that hands over,
/// and the new public key.
///
/// # Errors
/// As opening the log; what was begun goes on with the next start or the next try.
pub fn rotate_key(settings: &Settings, now: Timestamp) -> Result<(u64, String), EngineError> {
    let path = key_path(settings);
    let (mut log, _) = open_log(settings, now)?;
    // A key that an earlier try left is as good as a new one.
    let new = SigningKey::load_or_generate(&next_path(&path))?;
    let line = new.public_line();
    let recorded = log.rotate(new, now)?;
    put_in_place(&path)?;
    Ok((recorded.seq, line))
}

/// Opens the log with the key that signs it. A handover that was recorded and then cut off is completed.
pub(super) fn open_log(settings: &Settings, now: Timestamp) -> Result<(Log, Recovery), EngineError> {
    // A new key would be of no use to a log that is not there.
    if !settings.state.join("provost.git").exists() {
        return Err(EngineError::NoInstallation(settings.state.clone()));
    }
    let path = key_path(settings);
    let key = SigningKey::load_or_generate(&path)?;
    let result = match Log::open(&settings.state, key, now) {
        Err(Error::OtherKey { .. }) if next_path(&path).exists() => {
            let opened = Log::open(&settings.state, SigningKey::load(&next_path(&path))?, now);
            if opened.is_ok() {
                put_in_place(&path)?;
            }
            opened
        }
        result => result,
    };
    let (mut log, recovery) = result.map_err(|error| match error {
        Error::NotFound(_) => EngineError::NoInstallation(settings.state.clone()),
        error => error.into(),
    })?;
    if let Some(vault) = super::personal::vault(settings)? {
        log.protect(vault);
    }
    Ok((log, recovery))
}

pub(super) fn key_path(settings: &Settings) -> PathBuf {
    settings.state.join("signing-key")
}

/// The key that is about to take over.
fn next_path(path: &Path) -> PathBuf {
    path.with_extension("next")
}

/// The public halves first: without the old one nobody could verify what it signed.
fn put_in_place(path: &Path) -> Result<(), EngineError> {
    let next = next_path(path);
    let broken = |what: &Path| {
        let what = what.display().to_string();
        move |error: std::io::Error| {
            EngineError::Broken(format!("The key {what} cannot be put in place: {error}."))
        }
    };
    let public = |path: &Path| PathBuf::from(format!("{}.pub", path.display()));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let (old, new) = (read(&public(path)), read(&public(&next)));
    if !old.contains(new.trim_end()) {
        std::fs::write(public(&next), format!("{new}{old}")).map_err(broken(&next))?;
    }
    std::fs::rename(public(&next), public(path)).map_err(broken(&next))?;
    std::fs::rename(&next, path).map_err(broken(&next))
}
