//! One entry an identity, side by side: a pass over everybody reads them one after the other.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::Sym;

/// The entries of all identities. The place of one is good until another is removed.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    list: Vec<(Sym, Entry)>,
    index: HashTable<u32>,
}

/// One identity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// What is in force: the place in the list of outcomes.
    pub(super) outcome: u32,
    /// Every role that it holds at any time, by condition or assignment: the place in the list of lists.
    pub(super) list: u32,
    /// Another number after each time that the identity was resolved; 0 when there are no more numbers.
    pub(super) revision: u32,
}

/// Numbers for the whole process, so that no two results share one, whatever was cloned or resolved from nothing.
static REVISIONS: AtomicU32 = AtomicU32::new(1);

impl Entries {
    pub(super) fn get(&self, id: Sym) -> Option<&Entry> {
        self.find(id).map(|(_, entry)| entry)
    }

    /// An entry with where it is in the order of [`Entries::iter`].
    pub(super) fn find(&self, id: Sym) -> Option<(usize, &Entry)> {
        let place = *self.index.find(hash(id), |place| self.list[*place as usize].0 == id)? as usize;
        Some((place, &self.list[place].1))
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Sym, &Entry)> {
        self.list.iter().map(|(id, entry)| (*id, entry))
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.list.reserve(more);
        self.index.reserve(more, |place| hash(self.list[*place as usize].0));
    }

    /// Puts a result in place, as another one than before.
    pub(super) fn insert(&mut self, id: Sym, outcome: u32, list: u32) {
        let next = |number: u32| if number == 0 { None } else { Some(number.wrapping_add(1)) };
        let revision = REVISIONS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(0);
        let entry = Entry { outcome, list, revision };
        if let Some((place, _)) = self.find(id) {
            self.list[place].1 = entry;
            return;
        }
        let Entries { list, index } = self;
        let place = u32::try_from(list.len()).expect("there are fewer identities than texts");
        list.push((id, entry));
        index.insert_unique(hash(id), place, |place| hash(list[*place as usize].0));
    }

    pub(super) fn remove(&mut self, id: Sym) {
        let found = self.index.find_entry(hash(id), |place| self.list[*place as usize].0 == id);
        let Ok(found) = found else { return };
        let (place, _) = found.remove();
        self.list.swap_remove(place as usize);
        let last = self.list.len();
        if let Some((moved, _)) = self.list.get(place as usize)
            && let Some(known) = self.index.find_mut(hash(*moved), |known| *known as usize == last)
        {
            *known = place;
        }
    }
}

fn hash(id: Sym) -> u64 {
    FxBuildHasher.hash_one(id)
}
