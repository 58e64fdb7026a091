//! Which commits count, and who wrote what they bring.
//!
//! In: the commit that counts, the next one, and the keys in force. Out: for every document that any commit between the
//! two touches, its authors. Nothing of a commit is believed but what its signature covers: a name in it is text.
//!
//! - [`examine`] looks at each commit, and at what a merge did on its own.
//! - [`word`] is the operator's word for a commit, and the recovery keys that sign it.
//! - [`Origins`] remembers the authors of documents for as long as something that they cause waits.

mod examine;
mod origins;
mod signature;
#[cfg(test)]
mod tests;
pub mod word;

pub use examine::{Authored, examine};
pub use origins::{Authors, Now, Origins, Slot};
pub use signature::{NAMESPACE, key_of};
