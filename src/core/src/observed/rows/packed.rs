//! The table as flat numbers: each set once, then the rows, of which the indexes are made anew.

use provost_sdk::State;
use rustc_hash::FxHashMap;

use super::{Origin, Rare, Row, Rows, hash, number};
use crate::Sym;
use crate::observed::account::{Field, Seen};
use crate::observed::link::Credential;
use crate::packed::{Packed, Reader, Writer, packed, packed_words};
use crate::set::{Key, Member, Set};

packed! {
    Key { kind, anchor, role }
    Credential { kind, anchor, issued }
    Rare { disabled, left, credentials }
}

packed_words! {
    Origin { Created = 0, Adopted = 1 }
    State { Enabled = 0, Disabled = 1 }
}

/// Sets in the order in which they were first met.
struct Sets<T: 'static> {
    list: Vec<Set<T>>,
    places: FxHashMap<Set<T>, u32>,
}

impl<T: Member + Packed> Sets<T> {
    fn of(sets: impl Iterator<Item = Set<T>>) -> Sets<T> {
        let mut known = Sets { list: Vec::new(), places: FxHashMap::default() };
        for set in sets {
            known.places.entry(set).or_insert_with(|| {
                known.list.push(set);
                number(known.list.len() - 1)
            });
        }
        known
    }

    fn pack(&self, into: &mut Writer) {
        into.word(number(self.list.len()));
        self.list.iter().for_each(|set| set.iter().collect::<Vec<T>>().pack(into));
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Vec<Set<T>>> {
        let lists = Vec::<Vec<T>>::unpack(from)?;
        Some(lists.into_iter().map(Set::new).collect())
    }
}

impl Rows {
    pub(in crate::observed) fn pack(&self, into: &mut Writer) {
        let seen = || self.rows.iter().filter_map(|row| row.seen);
        let keys = Sets::of(self.rows.iter().map(|row| row.ours).chain(seen().map(|seen| seen.entitlements)));
        let fields = Sets::of(seen().map(|seen| seen.attributes));
        keys.pack(into);
        fields.pack(into);
        into.word(number(self.rows.len()));
        for row in &self.rows {
            // Whether it is settled is no memory of the target.
            let Row { anchor, seen, owner, ours, origin, sessions_ended, transferred, has_rare, settled: _ } =
                row;
            anchor.pack(into);
            seen.is_some().pack(into);
            if let Some(Seen { kind, username, state, attributes, entitlements }) = seen {
                kind.pack(into);
                username.pack(into);
                state.pack(into);
                into.word(fields.places[attributes]);
                into.word(keys.places[entitlements]);
            }
            owner.pack(into);
            if owner.is_some() {
                into.word(keys.places[ours]);
                origin.pack(into);
                sessions_ended.pack(into);
                transferred.pack(into);
                let rare = if *has_rare { self.rare.get(anchor) } else { None };
                rare.is_some().pack(into);
                if let Some(rare) = rare {
                    rare.pack(into);
                }
            }
        }
    }

    /// The table that was written, on a target whose comparison of usernames is not known yet.
    pub(in crate::observed) fn unpack(from: &mut Reader<'_>) -> Option<Rows> {
        let (keys, fields) = (Sets::<Key>::unpack(from)?, Sets::<Field>::unpack(from)?);
        let key_set = |from: &mut Reader<'_>| keys.get(from.word()? as usize).copied();
        let field_set = |from: &mut Reader<'_>| fields.get(from.word()? as usize).copied();
        let mut rows = Rows::default();
        for _ in 0..from.word()? {
            let anchor = Sym::unpack(from)?;
            let mut row = Row::new(anchor);
            if bool::unpack(from)? {
                row.seen = Some(Seen {
                    kind: Packed::unpack(from)?,
                    username: Packed::unpack(from)?,
                    state: Packed::unpack(from)?,
                    attributes: field_set(from)?,
                    entitlements: key_set(from)?,
                });
            }
            row.owner = Packed::unpack(from)?;
            if let Some((_, profile)) = row.owner {
                if !rows.profiles.contains(&profile) {
                    rows.profiles.insert(profile);
                }
                row.ours = key_set(from)?;
                row.origin = Packed::unpack(from)?;
                row.sessions_ended = Packed::unpack(from)?;
                row.transferred = Packed::unpack(from)?;
                row.has_rare = bool::unpack(from)?;
                if row.has_rare {
                    rows.rare.insert(anchor, Packed::unpack(from)?);
                }
            }
            rows.rows.push(row);
        }
        rows.index();
        Some(rows)
    }

    /// Makes the indexes of a table that has none.
    fn index(&mut self) {
        let Rows { rows, by_anchor, by_owner, .. } = self;
        let of_anchor = |place: &u32| hash(rows[*place as usize].anchor);
        let of_owner = |place: &u32| rows[*place as usize].owner.map_or(0, hash);
        by_anchor.reserve(rows.len(), of_anchor);
        by_owner.reserve(rows.len(), of_owner);
        for place in (0..rows.len()).map(number) {
            by_anchor.insert_unique(of_anchor(&place), place, of_anchor);
            if rows[place as usize].owner.is_some() {
                by_owner.insert_unique(of_owner(&place), place, of_owner);
            }
        }
        for place in 0..self.rows.len() {
            if let Some(seen) = self.rows[place].seen {
                self.index_username(place, seen.username);
            }
        }
    }
}
