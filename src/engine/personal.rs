//! Personal data in the audit log: the keys that open them, and how they are destroyed.

use std::sync::Arc;

use jiff::Timestamp;
use provost_audit::{Kind, Record, Vault};
use serde_json::json;

use super::{EngineError, rotation};
use crate::settings::Settings;

/// The keys of an installation; `None` where nothing is personal, and nothing ever was.
pub(super) fn vault(settings: &Settings) -> Result<Option<Arc<Vault>>, EngineError> {
    let names = &settings.audit.personal;
    if names.is_empty() && !Vault::exists(&settings.state) {
        return Ok(None);
    }
    Ok(Some(Arc::new(Vault::open(&settings.state, names.iter().cloned())?)))
}

/// Destroys the key of somebody's personal data in the log of an installation that nobody has open, and records that.
/// Gives the number of the record, and whether there was a key.
///
/// # Errors
/// As opening the log. If the record fails the key is gone already: the next try records it.
pub fn erase(settings: &Settings, subject: &str, now: Timestamp) -> Result<(u64, bool), EngineError> {
    let (mut log, _) = rotation::open_log(settings, now)?;
    // The key first: the record must not say what a crash then prevents.
    let erased = match vault(settings)? {
        Some(vault) => vault.erase(subject)?,
        None => false,
    };
    // What is kept for a quicker start has values that were opened.
    let gone = crate::cache::forget(&settings.state);
    gone.map_err(|error| {
        EngineError::Broken(format!("What is kept in the cache was not removed: {error}."))
    })?;
    let mut record = Record::new(Kind::Erasure, now, format!("personal data of {subject} were erased"));
    record.subject = Some(subject.to_owned());
    record.body = json!({ "subject": subject, "key": if erased { "destroyed" } else { "not there" } });
    record.priority = true;
    let recorded = log.record(&[record])?;
    log.flush()?;
    let seq = recorded.first().map_or(0, |recorded| recorded.seq);
    Ok((seq, erased))
}
