//! The published copy of the audit log: what its state means for what the daemon does.

use std::time::Duration;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::organisation::HeldBy;
use provost_core::step::Event;

use super::Shared;
use crate::recorder::PublishState;
use crate::settings::Durability;

/// The first call that finds the remote stuck waits this long; after that nothing that adds is begun at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Holds additions up while the copy is not what was published, or cannot be reached where every intent has to be in it.
/// Ends with the daemon.
pub(super) async fn watch(shared: Shared) {
    let mut states = shared.engine.recorder().watch_publishing();
    let mut before = None;
    loop {
        let why = reason(&states.borrow_and_update(), shared.settings.audit.durability);
        if why != before {
            before.clone_from(&why);
            let hold = why.as_deref().map(Sym::new);
            let ask = shared.engine.ask(move |engine| engine.hold(HeldBy::Copy, hold));
            let Some(world) = ask.await else { return };
            if shared.events.send(Event::Advanced(world)).is_err() {
                return;
            }
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

fn reason(state: &PublishState, durability: Durability) -> Option<String> {
    let error = state.error.as_ref()?;
    (state.tampered || durability == Durability::Remote)
        .then(|| format!("the audit log is not published: {error}"))
}

/// Whether a call that adds may begin: its intent is where it has to be.
pub(super) async fn has_intent(shared: &Shared, intent: Option<u64>, not_after: Option<Timestamp>) -> bool {
    if shared.settings.audit.durability == Durability::Local {
        return true;
    }
    let left = not_after.map_or(PATIENCE, |end| {
        Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default().min(PATIENCE)
    });
    match intent {
        Some(seq) => shared.engine.recorder().is_published(seq, left).await,
        None => false,
    }
}
