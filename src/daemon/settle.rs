//! What is in doubt is settled by reading, never by trying again; and writing goes on when the journal is whole again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::step::Event;

use super::Shared;

/// Between two looks whether the journal can be written again.
const LOOK: Duration = Duration::from_secs(1);

/// One look at a time is enough for the whole process.
static LOOKING: AtomicBool = AtomicBool::new(false);

/// Records what became of operations in doubt on a target that was just read.
pub(super) async fn after_read(shared: &Shared, target: Sym) {
    let settled = shared.engine.ask(move |engine| engine.settle(target, Timestamp::now())).await;
    let Some(records) = settled.filter(|records| !records.is_empty()) else { return };
    if let Err(error) = shared.engine.recorder().record(records).await {
        tracing::error!(%error, "what was in doubt stays in doubt");
    }
}

/// Looks every second, and tells the daemon when records are taken again. Called after the daemon was told that they
/// are not.
pub(super) fn when_journal_heals(shared: Shared) {
    tokio::spawn(until_journal_heals(shared));
}

/// The same, for whoever is on no task.
pub(super) async fn until_journal_heals(shared: Shared) {
    if LOOKING.swap(true, Ordering::SeqCst) {
        return;
    }
    loop {
        tokio::time::sleep(LOOK).await;
        // Whoever fails from here on may have failed after this look, and needs another one.
        LOOKING.store(false, Ordering::SeqCst);
        if shared.engine.recorder().flush().await.is_ok() {
            drop(shared.events.send(Event::JournalHealed));
            return;
        }
        if LOOKING.swap(true, Ordering::SeqCst) {
            return;
        }
    }
}
