//! A system: what it holds, and how it is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use provost_sdk::{
    Account, Anchor, Attributes, Capabilities, Completeness, Cursor, Entitlement, EntitlementKey, Error,
    ErrorKind, IdempotencyKey, Item, Limits, Nesting, Operation, Permission, Probe, Read, Result,
    SecretString, Sink, State, Wanted,
};

use crate::changes::{Changes, Object};
use crate::{Faults, ReadFault, Shape, Tells, USER};

/// One system. Equal calls in equal order give equal systems.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// What goes wrong. It may be changed at any time.
    pub faults: Faults,
    /// The time after which a caller gives a call up, in the system's virtual time.
    pub timeout: Timeout,
    pub(crate) shape: Shape,
    pub(crate) accounts: BTreeMap<Anchor, Record>,
    /// Who has a username, by its folded form.
    pub(crate) usernames: HashMap<String, Anchor>,
    pub(crate) entitlements: BTreeMap<(String, Anchor), Held>,
    pub(crate) things: BTreeMap<String, Option<Anchor>>,
    pub(crate) sessions: BTreeMap<String, Anchor>,
    pub(crate) changes: Changes,
    pub(crate) ledger: Vec<Mutation>,
    /// Which account a call with this key was about, where the shape is idempotent.
    pub(crate) used_keys: HashMap<IdempotencyKey, Option<Anchor>>,
    pub(crate) next: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) elapsed: Duration,
}

/// How long a caller waits; what [`Limits`] says unless set otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Duration);

impl Default for Timeout {
    fn default() -> Timeout {
        Timeout(Limits::default().timeout)
    }
}

/// One call that changed the system, whatever was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The number of the write, as [`Faults::writes`] counts.
    pub write: u64,
    /// The key that the caller gave.
    pub key: IdempotencyKey,
    /// What was done.
    pub operation: Operation,
    /// The account that it was about, the new one of a create included.
    pub account: Option<Anchor>,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) username: String,
    pub(crate) state: State,
    pub(crate) attributes: Attributes,
    pub(crate) holds: BTreeSet<EntitlementKey>,
    pub(crate) credentials: BTreeMap<Anchor, Credential>,
}

#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) kind: String,
    pub(crate) secret: SecretString,
}

/// An entitlement, who holds it in which role (every declared role is there, held or not), and how it nests.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) administrative: bool,
    pub(crate) by: BTreeMap<Option<String>, BTreeSet<Anchor>>,
    pub(crate) outer: BTreeSet<Anchor>,
    pub(crate) inner: BTreeSet<Anchor>,
}

impl System {
    /// An empty system of this shape.
    pub fn new(shape: Shape) -> System {
        System { shape, ..System::default() }
    }

    /// How it compares and what it can do.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What a connector declares about it. This is no call and never fails.
    pub fn describe(&self) -> Capabilities {
        self.shape.capabilities()
    }

    /// Every call that changed it, in order. What is done by hand is not here.
    pub fn ledger(&self) -> &[Mutation] {
        &self.ledger
    }

    /// How many reads, look-ups and probes were asked for.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// How many writes were asked for.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// The virtual time that slow answers have taken so far.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Whether it answers, and who it says it is.
    pub fn probe(&mut self) -> Result<Probe> {
        self.begin_read()?;
        let permission =
            |purpose: &str| Permission { purpose: purpose.into(), granted: Some(true), hint: String::new() };
        Ok(Probe {
            product: "memory".into(),
            permissions: vec![permission("read accounts and entitlements"), permission("change accounts")],
            ..Probe::default()
        })
    }

    /// Reads everything, or what changed since the cursor of an earlier read.
    ///
    /// # Errors
    /// What [`Faults`] asks for, and `InvalidValue` for a cursor that no read gave. A cursor from before
    /// [`System::forget_changes`] gives a partial read with no item.
    pub fn observe(&mut self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read> {
        let fault = self.begin_read()?;
        if since.is_some() && !self.shape.delta {
            return Err(Error::new(ErrorKind::Unsupported, "This system keeps no record of what changed."));
        }
        let cursor = self.shape.delta.then(|| Cursor(self.changes.last().to_string()));
        let limit = match fault {
            Some(ReadFault::Partial(keep) | ReadFault::Shrunken(keep)) => keep,
            Some(ReadFault::Empty) => 0,
            _ => usize::MAX,
        };
        if !matches!(fault, Some(ReadFault::Empty)) {
            match since {
                None => self.put_all(limit, sink),
                Some(cursor) => {
                    if !self.put_changes(parse(cursor)?, limit, sink) {
                        let reason = "The system does not remember changes from before this cursor.";
                        return Ok(Read { completeness: Completeness::Partial(reason.into()), cursor: None });
                    }
                }
            }
        }
        Ok(match fault {
            Some(ReadFault::Partial(_)) => Read {
                completeness: Completeness::Partial(format!("The read ended after {limit} accounts.")),
                cursor: None,
            },
            _ => Read { completeness: Completeness::Complete, cursor },
        })
    }

    /// Looks one account up.
    ///
    /// # Errors
    /// What [`Faults`] asks for.
    pub fn look_up(&mut self, wanted: &Wanted) -> Result<Option<Account>> {
        if let Some(ReadFault::Empty) = self.begin_read()? {
            return Ok(None);
        }
        let anchor = match wanted {
            Wanted::Anchor(anchor) => Some(anchor),
            Wanted::Username(username) => self.usernames.get(&self.shape.usernames.fold(username)),
        };
        Ok(anchor.and_then(|anchor| self.account(anchor)))
    }

    /// An account with all that it holds, seen without a call.
    pub fn account(&self, anchor: &Anchor) -> Option<Account> {
        self.accounts.get(anchor).map(|record| self.show(anchor, record, true))
    }

    /// The anchor of the account that has this username, seen without a call.
    pub fn named(&self, username: &str) -> Option<&Anchor> {
        self.usernames.get(&self.shape.usernames.fold(username))
    }

    /// All accounts with all that they hold, by anchor, seen without a call.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        self.accounts.iter().map(|(anchor, record)| self.show(anchor, record, true))
    }

    /// All entitlements, seen without a call.
    pub fn entitlements(&self) -> impl Iterator<Item = Entitlement> {
        self.entitlements.iter().map(|((kind, anchor), held)| entitlement(kind, anchor, held))
    }

    /// Counts a read and brings its fault about as far as that is the same for every read.
    fn begin_read(&mut self) -> Result<Option<ReadFault>> {
        self.reads += 1;
        let fault = self.faults.of_read(self.reads);
        match &fault {
            Some(ReadFault::Fail(kind)) => Err(failed(kind)),
            Some(ReadFault::Slow(time)) => {
                self.elapsed += *time;
                match *time >= self.timeout.0 {
                    true => Err(failed(&ErrorKind::Timeout)),
                    false => Ok(None),
                }
            }
            _ => Ok(fault),
        }
    }

    fn put_all(&self, limit: usize, sink: &mut dyn Sink) {
        let seen: BTreeSet<&Anchor> = self.accounts.keys().take(limit).collect();
        for (anchor, record) in self.accounts.iter().take(limit) {
            sink.put(Item::Account(self.show(anchor, record, self.shape.tells == Tells::WithAccount)));
        }
        for ((kind, anchor), held) in &self.entitlements {
            self.put_entitlement(kind, anchor, held, |holder| seen.contains(holder), sink);
        }
    }

    /// Puts what changed; false when that is not remembered.
    fn put_changes(&self, since: u64, limit: usize, sink: &mut dyn Sink) -> bool {
        let Some(changed) = self.changes.since(since) else { return false };
        let mut accounts = 0;
        for object in changed {
            match object {
                Object::Account(anchor) => {
                    accounts += 1;
                    if accounts > limit {
                        continue;
                    }
                    sink.put(match self.accounts.get(anchor) {
                        Some(record) => {
                            Item::Account(self.show(anchor, record, self.shape.tells == Tells::WithAccount))
                        }
                        None => Item::AccountGone(anchor.clone()),
                    });
                }
                Object::Entitlement { kind, anchor } => {
                    match self.entitlements.get(&(kind.clone(), anchor.clone())) {
                        Some(held) => self.put_entitlement(kind, anchor, held, |_| true, sink),
                        None => {
                            sink.put(Item::EntitlementGone { kind: kind.clone(), anchor: anchor.clone() })
                        }
                    }
                }
            }
        }
        true
    }

    fn put_entitlement(
        &self,
        kind: &str,
        anchor: &Anchor,
        held: &Held,
        shown: impl Fn(&Anchor) -> bool,
        sink: &mut dyn Sink,
    ) {
        sink.put(Item::Entitlement(entitlement(kind, anchor, held)));
        let key = |anchor: &Anchor, role: Option<String>| EntitlementKey {
            kind: kind.to_owned(),
            anchor: anchor.clone(),
            role,
        };
        let edge = |inner: &Anchor, outer: &Anchor| {
            Item::Nesting(Nesting { inner: key(inner, None), outer: key(outer, None) })
        };
        if self.shape.tells == Tells::WithEntitlement {
            for (role, holders) in &held.by {
                sink.put(Item::Members {
                    entitlement: key(anchor, role.clone()),
                    accounts: holders.iter().filter(|holder| shown(holder)).cloned().collect(),
                });
            }
        }
        for outer in &held.outer {
            sink.put(edge(anchor, outer));
        }
        for inner in &held.inner {
            sink.put(edge(inner, anchor));
        }
    }

    fn show(&self, anchor: &Anchor, record: &Record, with_holdings: bool) -> Account {
        Account {
            anchor: anchor.clone(),
            kind: USER.into(),
            username: record.username.clone(),
            state: record.state,
            attributes: record.attributes.clone(),
            entitlements: with_holdings.then(|| record.holds.clone()),
            version: Some(self.changes.of(&Object::Account(anchor.clone())).to_string()),
        }
    }
}

pub(crate) fn failed(kind: &ErrorKind) -> Error {
    Error::new(kind.clone(), format!("The system was told to fail this call with {kind:?}."))
}

fn entitlement(kind: &str, anchor: &Anchor, held: &Held) -> Entitlement {
    Entitlement {
        kind: kind.to_owned(),
        anchor: anchor.clone(),
        name: held.name.clone(),
        administrative: held.administrative,
    }
}

fn parse(cursor: &Cursor) -> Result<u64> {
    cursor.0.parse().map_err(|_| {
        Error::new(ErrorKind::InvalidValue, "This cursor does not come from a read of such a system.")
    })
}
