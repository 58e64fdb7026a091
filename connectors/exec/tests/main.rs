//! The connector with the Python example: the conformance suite, behind faults too, and what a program may do wrong.
#![expect(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod conformance;
mod costs;
mod files;
mod life;
mod python;
mod words;
