//! Reading targets: the readers, and one read from its beginning to its end.
//!
//! In: a target in force and its last cursor. Out: what was found, and how far it can be trusted.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::observed::Collector;
use provost_core::step::Mode;
use provost_sdk::{Capabilities, Error, ErrorKind, Probe, Read, Result, Wanted};

use crate::engine::EngineHandle;

/// A whole read that takes longer is given up. Single calls end much earlier by the target's own timeout; this is for a
/// target that answers for ever.
const READ_LIMIT: Duration = Duration::from_secs(3600);

/// What one read found.
pub struct Reading {
    /// Of which target.
    pub target: Sym,
    /// Which system it was.
    pub place: Sym,
    /// What its connector declares now.
    pub capabilities: Capabilities,
    /// What it says of itself.
    pub probe: Probe,
    /// What came.
    pub found: Collector,
    /// How it ended.
    pub read: Read,
}

/// Reads a target.
pub async fn read(engine: &EngineHandle, target: Sym, mode: Mode) -> Result<Reading> {
    let place = engine.place(target)?;
    let reader = engine.reader(target)?;
    let capabilities = reader.describe().await?;
    let probe = reader.probe().await?;
    let cursor = match mode {
        Mode::Delta if capabilities.delta => {
            let cursor = engine.ask(move |engine| engine.cursor(target)).await;
            cursor.ok_or_else(ended)?
        }
        _ => None,
    };
    let mut found = Collector::begin(Timestamp::now(), cursor.clone());
    let reading = reader.observe(cursor.as_ref(), &mut found);
    let read = match tokio::time::timeout(READ_LIMIT, reading).await {
        Ok(read) => read?,
        Err(_) => return Err(Error::new(ErrorKind::Timeout, "The read did not end within an hour.")),
    };
    Ok(Reading { target, place, capabilities, probe, found, read })
}

/// Looks up single accounts of which a read says something else than provost did meanwhile. One that cannot be looked up
/// stays as provost left it until the next read.
pub async fn look_up(engine: &EngineHandle, target: Sym, anchors: Vec<Sym>) {
    let Ok(reader) = engine.reader(target) else { return };
    let began = Timestamp::now();
    let mut found = Vec::new();
    for anchor in anchors {
        match reader.look_up(&Wanted::Anchor(anchor.as_str().into())).await {
            Ok(account) => found.push((anchor, account)),
            Err(error) => tracing::warn!(%target, %anchor, %error, "an account cannot be looked up"),
        }
    }
    if found.is_empty() {
        return;
    }
    let taken = engine.ask(move |engine| engine.looked_up(target, found, began, Timestamp::now())).await;
    if let Some(Err(error)) = taken {
        tracing::error!(%target, %error, "what was looked up is not on the record");
    }
}

/// A reader that several tasks share.
pub type Reader = Arc<dyn provost_sdk::Observe>;

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "The daemon is ending.")
}
