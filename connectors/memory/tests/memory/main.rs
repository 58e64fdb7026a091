//! The reference connector: what it does, and that it passes the conformance suite in every shape.

mod faults;
mod suite;
mod system;
