//! File events of a local repository: hints that the tracked branch may have moved.

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use provost_core::step::Event;

use super::Shared;

/// Watches until the result is dropped. Where nothing can be watched, polling goes on alone, and the log says so.
pub(super) fn start(shared: &Shared) -> Option<RecommendedWatcher> {
    let source = shared.engine.source();
    if !source.is_local() {
        return None;
    }
    let events = shared.events.clone();
    let watch = || -> Result<RecommendedWatcher, Box<dyn std::error::Error>> {
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An event that got lost is a hint too.
            if event.is_err() || event.is_ok_and(|event| !event.kind.is_access()) {
                drop(events.send(Event::Nudge));
            }
        })?;
        for folder in source.watched()? {
            if folder.exists() {
                watcher.watch(&folder, RecursiveMode::NonRecursive)?;
            }
        }
        Ok(watcher)
    };
    match watch() {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the repository cannot be watched: it is polled");
            None
        }
    }
}
