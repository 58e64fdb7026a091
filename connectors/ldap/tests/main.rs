//! The connector against real servers: the conformance suite in full, and what is peculiar to directories.
#![expect(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod conformance;
mod fake;
mod flavours;
mod large;
mod quirks;
mod system;
