//! What is known as records for the audit tree, one small file each, and back: all memory of the daemon can be rebuilt
//! from them and one read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use provost_sdk::{Capabilities, State, Value};

use super::Observed;
use super::account::{Field, Seen};
use super::link::{Credential, Link, Origin};
use super::rows::Rows;
use crate::Sym;
use crate::packed::{Reader, Writer};
use crate::set::{Key, Set};
use crate::tally::Tally;

/// One account, with its link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRecord {
    /// The target's id of it.
    pub anchor: Sym,
    /// One of the declared account kinds; absent when the account is gone and only its link is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Sym>,
    /// As the target spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Sym>,
    /// Whether it can sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Declared attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<Sym, Value>,
    /// What it holds, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<HeldRecord>,
    /// Whose it is; nobody's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkRecord>,
    /// Whether it is linked to nobody, said in so many words for readers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmanaged: bool,
}

/// One entitlement that an account holds, or held by provost's doing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldRecord {
    /// The kind.
    pub kind: Sym,
    /// Its name when the record was written.
    pub name: Sym,
    /// The role within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Sym>,
    /// The target's id of it.
    pub anchor: Sym,
}

/// Whose an account is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRecord {
    /// The identity.
    pub identity: Sym,
    /// The profile.
    pub profile: Sym,
    /// How provost came to it.
    pub origin: Origin,
    /// What provost itself granted or adopted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ours: Vec<HeldRecord>,
    /// When provost itself disabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// Whether its sessions were ended since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sessions_ended: bool,
    /// Whether what it owns was given to the successor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transferred: bool,
    /// Whether the identity has left and the account cannot sign in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// Credentials that provost issued.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
}

/// One entitlement with its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitlementRecord {
    /// The kind.
    pub kind: Sym,
    /// The target's id of it.
    pub anchor: Sym,
    /// Its present name; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Sym>,
    /// Whether the target itself says that it gives administrative power.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub administrative: bool,
    /// Every name that it was seen under, with whether the name is known to mean this one.
    pub names: BTreeMap<Sym, bool>,
    /// The roles within it, or `null` where it has none, that were once seen with nobody holding them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub vacant: BTreeSet<Option<Sym>>,
    /// What it is directly contained in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<HeldRecord>,
}

impl Observed {
    /// The record of one account, or of a link whose account is gone.
    pub fn record(&self, anchor: Sym) -> Option<AccountRecord> {
        let seen = self.account(anchor);
        let link = self.owner(anchor).and_then(|(identity, profile)| {
            self.link(identity, profile).map(|link| self.link_record(identity, profile, &link))
        });
        if seen.is_none() && link.is_none() {
            return None;
        }
        Some(AccountRecord {
            anchor,
            kind: seen.map(|seen| seen.kind),
            username: seen.map(|seen| seen.username),
            state: seen.map(|seen| seen.state),
            attributes: seen
                .into_iter()
                .flat_map(|seen| seen.attributes.iter())
                .map(|field| (field.name, field.value()))
                .collect(),
            entitlements: seen.map(|seen| self.held(seen.entitlements)).unwrap_or_default(),
            unmanaged: link.is_none(),
            link,
        })
    }

    /// The records of all accounts, and of links whose accounts are gone, in the order of their anchors.
    pub fn records(&self) -> impl Iterator<Item = AccountRecord> {
        let mut anchors: Vec<Sym> = self.rows.iter().map(|row| row.anchor).collect();
        anchors.sort_unstable();
        anchors.into_iter().filter_map(|anchor| self.record(anchor))
    }

    /// The records of all entitlements that were ever seen.
    pub fn entitlement_records(&self) -> Vec<EntitlementRecord> {
        let names = self.names();
        let record = |(kind, anchor, borne): (Sym, Sym, &BTreeSet<Sym>)| {
            let named = names.get(kind, anchor);
            let inside = names
                .nesting()
                .iter()
                .filter(|(inner, _)| inner.kind == kind && inner.anchor == anchor)
                .map(|(_, outer)| self.held_one(*outer))
                .collect();
            EntitlementRecord {
                kind,
                anchor,
                name: named.map(|named| named.name),
                administrative: named.is_some_and(|named| named.administrative),
                names: borne.iter().map(|name| (*name, names.is_known(kind, anchor, *name))).collect(),
                vacant: self
                    .vacant
                    .range(Key { kind, anchor, role: None }..)
                    .take_while(|key| key.kind == kind && key.anchor == anchor)
                    .map(|key| key.role)
                    .collect(),
                inside,
            }
        };
        names.ever().map(record).collect()
    }

    /// What was known when the records were written. Nothing follows from absence until the next complete read.
    pub fn load(
        capabilities: Capabilities,
        accounts: impl IntoIterator<Item = AccountRecord>,
        entitlements: impl IntoIterator<Item = EntitlementRecord>,
    ) -> Observed {
        Observed::new(capabilities).with(accounts, entitlements)
    }

    /// Writes the accounts and the links. Entitlements are few, and are read from their records.
    pub fn pack(&self, into: &mut Writer) {
        self.rows.pack(into);
    }

    /// The accounts and links that were written. Nothing follows from absence until the next complete read.
    pub fn unpack(from: &mut Reader<'_>) -> Option<Observed> {
        let rows = Rows::unpack(from)?;
        let tally = Tally::of(rows.iter().filter_map(|row| row.seen.as_ref()));
        Some(Observed { rows, tally, ..Observed::default() })
    }

    /// Forgets an account and whose it was: there is no record of it any more.
    pub fn forget(&mut self, anchor: Sym) {
        self.rows.unlink(anchor);
        self.set(anchor, None);
    }

    /// What is known, and what the records say.
    #[must_use]
    pub fn with(
        self,
        accounts: impl IntoIterator<Item = AccountRecord>,
        entitlements: impl IntoIterator<Item = EntitlementRecord>,
    ) -> Observed {
        let mut observed = self;
        let mut nesting = BTreeSet::new();
        for record in entitlements {
            let EntitlementRecord { kind, anchor, name, administrative, names, vacant, inside } = record;
            observed.vacant.extend(vacant.into_iter().map(|role| Key { kind, anchor, role }));
            for (name, known) in names {
                observed.names.recall(kind, anchor, name, known);
            }
            let inner = Key { kind, anchor, role: None };
            nesting.extend(inside.iter().map(|outer| (inner, outer.key())));
            if let Some(name) = name {
                observed.names.put(&provost_sdk::Entitlement {
                    kind: kind.to_string(),
                    anchor: anchor.as_str().into(),
                    name: name.to_string(),
                    administrative,
                });
            }
        }
        observed.names.set_nesting(nesting);
        for record in accounts {
            observed.load_account(&record);
        }
        observed
    }

    fn load_account(&mut self, record: &AccountRecord) {
        let AccountRecord { anchor, kind, username, state, attributes, entitlements, link, unmanaged: _ } =
            record;
        let seen = match (kind, username, state) {
            (Some(kind), Some(username), Some(state)) => Some(Seen {
                kind: *kind,
                username: *username,
                state: *state,
                attributes: attributes.iter().map(|(name, value)| Field::new(*name, value)).collect(),
                entitlements: keys(entitlements),
            }),
            _ => None,
        };
        self.set(*anchor, seen);
        if let Some(record) = link {
            let LinkRecord {
                identity,
                profile,
                origin,
                ours,
                disabled,
                sessions_ended,
                transferred,
                left,
                credentials,
            } = record;
            let link = Link {
                anchor: *anchor,
                origin: *origin,
                ours: keys(ours),
                disabled: *disabled,
                sessions_ended: *sessions_ended,
                transferred: *transferred,
                left: *left,
                credentials: credentials.clone(),
            };
            self.rows.set_link((*identity, *profile), link);
        }
    }

    fn link_record(&self, identity: Sym, profile: Sym, link: &Link) -> LinkRecord {
        let Link { anchor: _, origin, ours, disabled, sessions_ended, transferred, left, credentials } = link;
        LinkRecord {
            identity,
            profile,
            origin: *origin,
            ours: self.held(*ours),
            disabled: *disabled,
            sessions_ended: *sessions_ended,
            transferred: *transferred,
            left: *left,
            credentials: credentials.clone(),
        }
    }

    fn held(&self, keys: Set<Key>) -> Vec<HeldRecord> {
        let mut held: Vec<HeldRecord> = keys.iter().map(|key| self.held_one(key)).collect();
        held.sort_unstable();
        held
    }

    fn held_one(&self, key: Key) -> HeldRecord {
        HeldRecord { kind: key.kind, name: self.names.name(key), role: key.role, anchor: key.anchor }
    }
}

impl HeldRecord {
    /// Under which key it is held.
    pub fn key(&self) -> Key {
        Key { kind: self.kind, anchor: self.anchor, role: self.role }
    }
}

fn keys(held: &[HeldRecord]) -> Set<Key> {
    held.iter().map(HeldRecord::key).collect()
}
