//! Whole-program stories: the real binary, a real repository, real directories over HTTP.
#![expect(clippy::unwrap_used, reason = "a story that cannot be set up has failed")]

mod agreed;
mod approval_attacks;
mod approvals;
mod audit;
mod copies;
mod demo;
mod hosts;
mod killed;
mod lifecycle;
mod looking;
mod offline;
mod programs;
mod repositories;
mod restarts;
mod trouble;
mod trust;
