//! The suite finds what is wrong with a connector, the proxy does what it says, and real systems start and stop.

mod faults;
mod liars;
mod options;
mod proxy;
mod readme;
mod roster;
mod systems;
mod tcp;
