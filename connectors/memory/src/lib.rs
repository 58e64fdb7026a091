//! The reference connector (`connector: memory`): a whole system with users, groups, projects and lists inside this
//! process. It is what the contract means, in the shortest form that keeps all of it.
//!
//! What comes in: operations, and what tests do by hand. What goes out: what a real system would answer. It has no
//! clock, no randomness and no file: equal calls give equal systems, so that a simulation can be replayed.
//!
//! [`System`] is synchronous and is driven directly by simulations; [`MemoryConnector`] is the thin asynchronous
//! layer with the traits of the sdk, over the named systems of a [`World`].

mod changes;
mod connector;
mod faults;
mod hand;
mod records;
mod shape;
mod stage;
mod system;
mod world;
mod write;

pub use connector::MemoryConnector;
pub use faults::{Faults, ReadFault, WriteFault};
pub use shape::{GROUP, LIST, PROJECT, SIGNING_KEY, Shape, Tells, USER};
pub use system::{Mutation, System, Timeout};
pub use world::{Handle, Rights, World};
