//! The connector against servers of every kind.
#![expect(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod fake;
mod story;
