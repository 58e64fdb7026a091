//! provost keeps the accounts and access of an organisation equal to a git repository.
//!
//! This package is the shell around the pure core: it reads the repository and the targets, applies what the gate
//! let through, records it, and talks to people. ARCHITECTURE.md has the map.

pub mod git;
pub mod settings;
