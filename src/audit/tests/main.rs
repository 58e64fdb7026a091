//! The audit log, tested with git itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world fails by panicking")]

mod agent;
mod agreeing;
mod crashing;
mod documented;
mod fake_disk;
mod fuzzing;
mod granting;
mod indexing;
mod killed;
mod kit;
mod publishing;
mod reading;
mod recording;
mod recovering;
mod rotating;
mod sealing;
mod signing;
mod tampering;
mod traced;
mod verifying;
