//! Time that never goes back, for timers: a clock that is set back by an hour would otherwise stop every poll, read and
//! second try for that hour, and leavers with them.

use jiff::{SignedDuration, Timestamp};

/// How far steady time is ahead of the clock: the sum of what the clock was ever set back by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steady {
    last: Option<Timestamp>,
    ahead: SignedDuration,
}

impl Steady {
    /// Takes in what the clock says now, and gives the steady instant.
    pub(super) fn pass(&mut self, now: Timestamp) -> Timestamp {
        if let Some(last) = self.last.filter(|last| now < *last) {
            self.ahead = self.ahead.saturating_add(last.duration_since(now));
        }
        self.last = Some(now);
        self.of(now)
    }

    /// The steady instant of one by the clock.
    pub(super) fn of(&self, clock: Timestamp) -> Timestamp {
        clock.checked_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    /// What the clock will say at a steady instant, unless it is set again.
    pub(super) fn on_clock(&self, steady: Timestamp) -> Timestamp {
        steady.checked_sub(self.ahead).unwrap_or(Timestamp::MIN)
    }
}
