//! Takes what a read finds. Everything is interned at once; nothing of the transport is kept.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use provost_sdk::{Account, Anchor, Cursor, Entitlement, Item, Sink};

use super::account::{Seen, key};
use crate::Sym;
use crate::set::Key;

/// Longer texts than this are no names and no attributes; a target that sends them is not believed to be whole.
const LONGEST_TEXT: usize = 64 << 10;

/// What one read has found so far.
#[derive(Debug)]
pub struct Collector {
    pub(super) started: Timestamp,
    pub(super) since: Option<Cursor>,
    /// Each account with whether it told itself what it holds.
    pub(super) accounts: FxHashMap<Sym, (Seen, bool)>,
    pub(super) gone: FxHashSet<Sym>,
    pub(super) entitlements: Vec<Entitlement>,
    pub(super) entitlements_gone: Vec<(Sym, Sym)>,
    pub(super) members: FxHashMap<Key, FxHashSet<Sym>>,
    pub(super) nesting: BTreeSet<(Key, Key)>,
    pub(super) left_out: usize,
}

impl Collector {
    /// A collector for a read that begins now: of everything, or of what changed since a cursor.
    pub fn begin(started: Timestamp, since: Option<Cursor>) -> Collector {
        Collector {
            started,
            since,
            accounts: FxHashMap::default(),
            gone: FxHashSet::default(),
            entitlements: Vec::new(),
            entitlements_gone: Vec::new(),
            members: FxHashMap::default(),
            nesting: BTreeSet::new(),
            left_out: 0,
        }
    }

    /// How many accounts it has seen.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// Where it went on from; none for a whole read.
    pub fn since(&self) -> Option<&Cursor> {
        self.since.as_ref()
    }

    fn account(&mut self, account: &Account) {
        if over_long(account) {
            self.left_out += 1;
            return;
        }
        let anchor = Sym::new(account.anchor.as_str());
        self.accounts.insert(anchor, (Seen::of(account), account.entitlements.is_some()));
    }
}

impl Sink for Collector {
    fn put(&mut self, item: Item) {
        match item {
            Item::Account(account) => self.account(&account),
            Item::AccountGone(anchor) => {
                self.gone.insert(Sym::new(anchor.as_str()));
            }
            Item::Entitlement(entitlement) => match entitlement.name.len() > LONGEST_TEXT {
                true => self.left_out += 1,
                false => self.entitlements.push(entitlement),
            },
            Item::EntitlementGone { kind, anchor } => {
                self.entitlements_gone.push((Sym::new(&kind), Sym::new(anchor.as_str())));
            }
            Item::Members { entitlement, accounts } => {
                let holders = self.members.entry(key(&entitlement)).or_default();
                holders.extend(accounts.iter().map(Anchor::as_str).map(Sym::new));
            }
            Item::Nesting(edge) => {
                self.nesting.insert((key(&edge.inner), key(&edge.outer)));
            }
        }
    }
}

fn over_long(account: &Account) -> bool {
    let text = |text: &str| text.len() > LONGEST_TEXT;
    text(account.anchor.as_str())
        || text(&account.username)
        || account.attributes.iter().any(|(name, value)| {
            text(name)
                || match value {
                    provost_sdk::Value::Bool(_) => false,
                    provost_sdk::Value::Text(value) => text(value),
                    provost_sdk::Value::List(values) => {
                        values.iter().map(String::len).sum::<usize>() > LONGEST_TEXT
                    }
                }
        })
}
