//! The suite finds what is wrong with a connector, and the proxy does what it says.

mod liars;
mod proxy;
