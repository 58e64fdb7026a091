//! The pure core of provost: documents, access, diff, plan, gate and the daemon's step.
//!
//! In: bytes of documents, observations, instants. Out: grants, plans, decisions, commands. It never touches a
//! clock, a network, a file, a process, the environment or randomness: all of them are arguments. The order of the
//! modules is the order of the data: `snapshot -> access -> observed -> diff -> plan -> gate -> step`.

pub mod access;
pub mod approval;
mod canonical;
pub mod condition;
pub mod diff;
pub mod digest;
pub mod document;
pub mod evidence;
pub mod facts;
pub mod gate;
pub mod guard;
pub mod lint;
pub mod observed;
pub mod organisation;
pub mod packed;
pub mod pattern;
mod pieces;
pub mod plan;
pub mod set;
pub mod snapshot;
mod spelling;
pub mod step;
pub mod sym;
pub mod tally;
pub mod when;

pub use sym::Sym;
