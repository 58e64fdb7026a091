//! The plan: the ordered operations that close the difference between access and what was observed.
//!
//! Pure and deterministic: the same input gives the same plan in the same order, whatever the order of the input.

mod planned;

pub use planned::{Claim, Class, NotPlanned, Plan, Planned, Queue, UNBORN, Why, digest_of};
