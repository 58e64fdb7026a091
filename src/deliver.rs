//! Bringing new secrets of services to their places. A secret goes there and nowhere else.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use provost_sdk::{ExposeSecret, SecretString};

use crate::settings::Settings;

/// Why a secret did not get there.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The settings know no such place.
    #[error("the settings have no delivery place {0}")]
    NoPlace(String),
    /// The place cannot be written.
    #[error("the delivery place {place} cannot be written: {source}")]
    Unwritable {
        /// Which place.
        place: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes a secret as one file of a place, readable by its owner alone, whole or not at all.
pub fn secret(
    settings: &Settings,
    place: &str,
    name: &str,
    secret: &SecretString,
) -> Result<(), DeliverError> {
    let folder =
        settings.delivery.get(place).ok_or_else(|| DeliverError::NoPlace(place.to_owned()))?.folder.clone();
    let failed = |source| DeliverError::Unwritable { place: place.to_owned(), source };
    // Ids have no slash or leading dot, so a name stays in its folder.
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(failed)?;
    file.write_all(secret.expose_secret().as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&new, &path).map_err(failed)
}
