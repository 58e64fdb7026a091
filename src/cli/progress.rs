//! Progress on a terminal, for what takes longer than a second; nothing in a pipe.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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
