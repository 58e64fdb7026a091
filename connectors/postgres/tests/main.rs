//! The connector against a real server: the conformance suite in full, and what is peculiar to PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod conformance;
mod quirks;
mod system;
mod together;
