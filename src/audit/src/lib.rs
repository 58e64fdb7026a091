//! The audit log: the only place of provost that writes git.
//!
//! In: records (what is about to happen, and what happened) with the files of the observed tree that they change.
//! Out: one signed commit a record, on one linear ref of a bare repository that this crate created.
//!
//! The order of a record, which every module here serves:
//!
//! ```text
//! record -> signed commit -> journal (one fdatasync) -> acknowledged
//!                              ... within a second ... -> pack, index, folder synced -> ref, folder synced
//!                                                      -> journal truncated -> published (compare-and-swap)
//! ```
//!
//! The journal holds finished objects, so that replaying it gives the same object ids. The ref is always an ancestor
//! of the journal's end. This crate must never write to a repository that it did not create; it publishes by
//! `git push`.

mod additions;
mod agent;
pub mod allowed;
mod batch;
mod build;
mod canonical;
mod commit;
mod disk;
mod error;
mod escape;
mod flush;
mod git;
mod holdings;
mod id;
pub mod index;
mod journal;
pub mod key;
mod layout;
mod lock;
mod log;
mod maintain;
mod message;
mod objects;
mod open_intents;
mod pack;
mod path;
mod personal;
mod publish;
mod reading;
mod record;
mod recover;
mod reference;
mod repository;
mod restore;
mod signature;
pub mod sshsig;
mod tree;
pub mod verify;
mod view;

pub use crate::batch::resolve;
pub use crate::commit::{Commit, parse_commit};
pub use crate::disk::{Disk, DiskFile, OpenHow, StdDisk};
pub use crate::error::{Error, Result};
pub use crate::id::{CommitId, ObjectId};
pub use crate::layout::REF;
pub use crate::log::{Genesis, JournalState, Log, Options, Recorded, Recovery, Tip};
pub use crate::maintain::{Thoroughness, maintain};
pub use crate::message::{Message, decode_label, encode_label, parse_message};
pub use crate::objects::{GitObjects, ObjectKind, Objects};
pub use crate::open_intents::OpenIntent;
pub use crate::pack::read_pack;
pub use crate::path::{TreePath, account_path, encode_component};
pub use crate::personal::{Vault, leave_out_sealed};
pub use crate::publish::{Publication, last_published, publish, published};
pub use crate::reading::read_records;
pub use crate::record::{Change, IntentItem, Kind, OutcomeResult, Record};
pub use crate::restore::restore;
pub use crate::view::View;
