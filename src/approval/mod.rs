//! Agreement, the shell's part: keys, signatures, and the branches on which people and daemon meet. What a signed
//! statement counts for is decided in the core.

pub mod emergency;
pub mod key;
pub mod look;
pub mod plans;
pub mod room;
