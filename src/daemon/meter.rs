//! How much of the daemon's time the audit log alone takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts the time in which records were being made durable and nothing else was under way. Time in which anything else
/// went on beside that is not counted, so the figure is the least that a run would have been shorter without a log.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    working: usize,
    recording: usize,
    since: Option<Instant>,
    waited: Duration,
}

/// Something that is under way for as long as this lives.
#[derive(Debug)]
pub(super) struct Working(Meter);

impl Meter {
    /// Says that something begins.
    pub(super) fn work(&self) -> Working {
        self.change(|state| state.working += 1);
        Working(self.clone())
    }

    /// The time so far.
    pub fn waited(&self) -> Duration {
        let state = self.state();
        state.waited + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if state.working == 0 && state.recording > 0 {
            state.since.get_or_insert_with(Instant::now);
        } else if let Some(since) = state.since.take() {
            state.waited += since.elapsed();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Working {
    /// Waits for records to be durable: nothing else of this goes on meanwhile.
    pub(super) async fn recording<T>(&self, records: impl Future<Output = T>) -> T {
        let _recording = Recording::begin(&self.0);
        records.await
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.change(|state| state.working -= 1);
    }
}

struct Recording<'m>(&'m Meter);

impl Recording<'_> {
    fn begin(meter: &Meter) -> Recording<'_> {
        meter.change(|state| {
            state.working -= 1;
            state.recording += 1;
        });
        Recording(meter)
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.working += 1;
            state.recording -= 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(meter: &Meter) -> bool {
        meter.state().since.is_some()
    }

    #[test]
    fn only_time_in_which_nothing_but_the_log_is_written_counts() {
        let meter = Meter::default();
        let (one, other) = (meter.work(), meter.work());
        assert!(!counts(&meter));
        let recording = Recording::begin(&meter);
        assert!(!counts(&meter), "the other goes on");
        drop(other);
        assert!(counts(&meter));
        let third = meter.work();
        assert!(!counts(&meter));
        drop(third);
        drop(recording);
        assert!(!counts(&meter), "it goes on itself");
        drop(one);
        assert!(!counts(&meter), "nobody waits");
    }
}
