//! The connector against servers with the quirks of the field, and against real ones by the conformance suite.
#![expect(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod conformance;
mod fake;
mod reading;
mod story;
mod writing;
