//! The client against servers that answer badly, late, twice or not at all.
#![expect(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod client;
mod tls;
