//! provost keeps the accounts and access of an organisation equal to a git repository.
//!
//! This package is the shell around the pure core: it reads the repository and the targets, applies what the gate
//! let through, records it, and talks to people. ARCHITECTURE.md has the map.

pub mod apply;
pub mod approval;
pub mod cache;
pub mod check;
pub mod cli;
pub mod conformance;
pub mod control;
pub mod daemon;
pub mod deliver;
pub mod demo;
pub mod embedded;
pub mod engine;
pub mod git;
pub mod history;
pub mod looking;
pub mod observe;
pub mod recorder;
pub mod registry;
pub mod scenario;
pub mod settings;
pub mod snapshot;
pub mod telemetry;
pub mod text;
pub mod trial;
pub mod trust;
