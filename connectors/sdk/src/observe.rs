//! Reading a target.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Account, Anchor, Capabilities, Entitlement, EntitlementKey, Nesting, Result};

/// The reader of one target. Whoever plans holds only this.
#[async_trait]
pub trait Observe: Send + Sync {
    /// What can be done on this target, as far as settings and the target itself tell.
    async fn describe(&self) -> Result<Capabilities>;

    /// Whether the settings work: reachability, identity, permissions and clock. It changes nothing.
    async fn probe(&self) -> Result<Probe>;

    /// Reads everything, or what changed since `since`, into `sink`.
    ///
    /// A failure on the way is an `Err` only when nothing can be said; a read that ended early is
    /// [`Completeness::Partial`] with what was seen.
    async fn observe(&self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read>;

    /// Looks one account up afresh, with all that it holds (`entitlements` is always `Some`). `None` means that the
    /// target says it is not there; an answer about another account than the one asked for is an error, never a
    /// match.
    async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>>;
}

/// Which account is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// By the target's own id.
    Anchor(Anchor),
    /// By username, compared as the target declares.
    Username(String),
}

/// Takes what a read finds, in any order. It is synchronous: whoever collects interns at once and keeps nothing back.
pub trait Sink: Send {
    /// Takes one item.
    fn put(&mut self, item: Item);
}

/// One thing that a read found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// An account, new or changed.
    Account(Account),
    /// In a delta read: an account that is gone.
    AccountGone(Anchor),
    /// An entitlement, new or changed.
    Entitlement(Entitlement),
    /// In a delta read: an entitlement that is gone.
    EntitlementGone {
        /// Its kind.
        kind: String,
        /// Its anchor.
        anchor: Anchor,
    },
    /// Everybody who directly holds an entitlement; in a delta read this replaces what was known of it. One
    /// entitlement may come in several items only when it has roles: one a role.
    Members {
        /// What they hold.
        entitlement: EntitlementKey,
        /// Who.
        accounts: Vec<Anchor>,
    },
    /// One entitlement in another. A complete read names every edge; a delta read names all edges of each
    /// entitlement that it names.
    Nesting(Nesting),
}

/// Where a delta read goes on; opaque to provost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// How much a read can be trusted to be everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Completeness {
    /// Everything in scope, or everything that changed since the cursor.
    Complete,
    /// What was seen is true; nothing follows from what was not seen.
    Partial(String),
}

/// The end of a read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Whether absence means anything.
    pub completeness: Completeness,
    /// Where the next delta read goes on; `None` where the target has no deltas.
    pub cursor: Option<Cursor>,
}

/// A sink that keeps everything, for tests and small tools.
#[derive(Debug, Default)]
pub struct Collected {
    /// What came, in order.
    pub items: Vec<Item>,
}

impl Sink for Collected {
    fn put(&mut self, item: Item) {
        self.items.push(item);
    }
}

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What the target calls itself: product and version, for people.
    pub product: String,
    /// The target's own id of this installation, where it has one: another id under the same address is another
    /// place.
    pub instance: Option<String>,
    /// The target's clock less ours, where it tells its time.
    pub clock_skew: Option<SignedDuration>,
    /// When the target says it is, where it tells its time.
    pub clock: Option<Timestamp>,
    /// What the credential may do, one line a permission.
    pub permissions: Vec<Permission>,
}

/// One permission that a probe looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// What it is for, such as "list users".
    pub purpose: String,
    /// Whether the credential has it; `None` where only trying would tell.
    pub granted: Option<bool>,
    /// What to grant at the target when it is missing.
    pub hint: String,
}
