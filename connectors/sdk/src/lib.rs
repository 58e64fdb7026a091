//! The contract between provost and a kind of system: the vocabulary and the traits of a connector.
//!
//! A connector is a [`Connector`] that opens a reader ([`Observe`]) and, for an adopted target only, a writer
//! ([`Apply`]). It knows nothing of people, roles, tiers or evidence: it is told one [`Operation`] at a time and
//! says what it did. This crate has no runtime, no clock and no network, because the pure core shares its words.

mod account;
mod capability;
mod connector;
mod error;
mod observe;
mod operation;
mod shared;
mod stage;
mod text;

pub use account::{Account, Anchor, Attributes, Entitlement, EntitlementKey, Nesting, State, Value};
pub use apply::{Apply, IdempotencyKey, Receipt};
pub use capability::{AccountKind, Attribute, Capabilities, Comparison, EntitlementKind, Risk};
pub use connector::{ANY_SECRET, Connector, Limits, Program, Setting, SettingKind, Settings};
pub use error::{Error, ErrorKind, Persistence, Result};
pub use observe::{Collected, Completeness, Cursor, Item, Observe, Permission, Probe, Read, Sink, Wanted};
pub use operation::{AccountRef, Create, EntitlementRef, Operation, Verb};
pub use shared::Shared;
pub use stage::Stage;
pub use text::is_hostile;

mod apply;

/// A secret value that cannot be printed; see [`secrecy`].
pub use secrecy::{ExposeSecret, SecretString};
