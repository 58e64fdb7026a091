//! When a call is tried again, and how long that waits.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest that a call waits between two tries. Longer waits are the daemon's business, which has other targets
/// to see to: the caller gets the instant instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Tries after the first. Four together ride out a restart of a small server, and are not yet an attack.
const AGAIN: usize = 3;

/// The waits between tries: 100 ms doubling, each with as much again at random at most, so that many clients of a
/// server that comes back do not come in step.
pub(crate) fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(PATIENCE)
        .with_factor(2.0)
        .with_max_times(AGAIN)
        .with_jitter()
        .build()
}

/// The instant of a `Retry-After` header, in seconds from `now` or as an HTTP-date (RFC 9110, section 10.2.3).
/// `None` without one that can be read.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => now.checked_add(SignedDuration::from_secs(i64::from(seconds))).ok(),
        Err(_) => http_date(text),
    }
}

/// An HTTP-date in its preferred form, which is an RFC 2822 date in GMT.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}
