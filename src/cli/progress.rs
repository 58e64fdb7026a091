//! Progress on a terminal, for what takes longer than a second; nothing in a pipe.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::daemon::Report;

/// Nobody needs to be told of what is over sooner.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does something, and turns a wheel beside `what` while it takes longer than a second.
pub(super) fn during<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let (done, finished) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if finished.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let wheel = ProgressBar::new_spinner().with_message(what);
                wheel.enable_steady_tick(Duration::from_millis(120));
                // The other end is dropped when the work is done, or has panicked.
                let _over = finished.recv();
                wheel.finish_and_clear();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// A wheel beside how far a daemon is that runs until nothing is left to do.
#[derive(Clone)]
pub(super) struct Convergence {
    began: Instant,
    wheel: ProgressBar,
}

impl Convergence {
    pub(super) fn begin() -> Convergence {
        let wheel = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Convergence { began: Instant::now(), wheel }
    }

    pub(super) fn show(&self, report: &Report) {
        let due = self.began.elapsed() >= PATIENCE && std::io::stderr().is_terminal();
        if !due || self.wheel.is_finished() {
            return;
        }
        if self.wheel.is_hidden() {
            self.wheel.set_draw_target(ProgressDrawTarget::stderr());
            self.wheel.enable_steady_tick(Duration::from_millis(120));
        }
        self.wheel.set_message(how_far(&report.status));
    }

    /// Makes room for what is printed.
    pub(super) fn end(&self) {
        self.wheel.finish_and_clear();
    }
}

fn how_far(status: &provost_core::step::Status) -> String {
    let unread =
        status.targets.iter().filter(|target| target.sync == provost_core::step::Sync::Unknown).count();
    let done: u64 = status.targets.iter().map(|target| target.succeeded).sum();
    let left: usize = status.targets.iter().map(|target| target.unfinished).sum();
    match unread {
        0 => format!("{done} operations done, {left} to do"),
        _ => format!("{done} operations done, {left} to do; {unread} targets are read and compared"),
    }
}

/// A bar for work whose size is known; hidden in a pipe.
pub(super) fn bar(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0).with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}
