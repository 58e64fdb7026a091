//! The index from folded usernames to accounts.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::Sym;

/// Anchors by folded username. Nearly every name has one; the few that have more are kept apart, so that a million
/// names cost eight bytes each.
#[derive(Clone, Debug, Default)]
pub(super) struct Usernames {
    one: FxHashMap<Sym, Sym>,
    more: FxHashMap<Sym, BTreeSet<Sym>>,
}

impl Usernames {
    pub(super) fn get(&self, folded: Sym) -> Vec<Sym> {
        let mut found: Vec<Sym> = self.one.get(&folded).copied().into_iter().collect();
        found.extend(self.more.get(&folded).into_iter().flatten());
        found.sort_unstable();
        found
    }

    pub(super) fn insert(&mut self, folded: Sym, anchor: Sym) {
        match self.one.get(&folded) {
            Some(first) if *first != anchor => {
                self.more.entry(folded).or_default().insert(anchor);
            }
            Some(_) => {}
            None => {
                self.one.insert(folded, anchor);
            }
        }
    }

    pub(super) fn remove(&mut self, folded: Sym, anchor: Sym) {
        let mut next = None;
        if let Some(others) = self.more.get_mut(&folded) {
            if !others.remove(&anchor) && self.one.get(&folded) == Some(&anchor) {
                next = others.pop_first();
            }
            if others.is_empty() {
                self.more.remove(&folded);
            }
        }
        if self.one.get(&folded) == Some(&anchor) {
            match next {
                Some(next) => self.one.insert(folded, next),
                None => self.one.remove(&folded),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_accounts_of_one_name_are_all_found_until_each_is_removed() {
        let (ada, a, b) = (Sym::new("ada"), Sym::new("1"), Sym::new("2"));
        let mut index = Usernames::default();
        index.insert(ada, a);
        index.insert(ada, b);
        index.insert(ada, b);
        assert_eq!(index.get(ada), [a, b]);
        index.remove(ada, a);
        assert_eq!(index.get(ada), [b]);
        index.remove(ada, b);
        assert!(index.get(ada).is_empty());
    }
}
