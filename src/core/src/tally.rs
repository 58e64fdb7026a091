//! Counts of what one target has, kept up to date account by account, so that guards and the question after the last
//! admin cost what changed and not what is there.

use rustc_hash::FxHashMap;

use provost_sdk::State;

use crate::Sym;
use crate::observed::Seen;
use crate::set::{Key, Set};

/// Counts over the accounts of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accounts.
    pub accounts: usize,
    /// Accounts that can sign in.
    pub enabled: usize,
    memberships: FxHashMap<Sym, usize>,
    holders: FxHashMap<Key, usize>,
}

impl Tally {
    /// The counts over these accounts. Accounts that hold the same are counted together.
    pub fn of<'a>(accounts: impl Iterator<Item = &'a Seen>) -> Tally {
        let mut alike: FxHashMap<(Set<Key>, State), (&Seen, usize)> = FxHashMap::default();
        for seen in accounts {
            alike.entry((seen.entitlements, seen.state)).or_insert((seen, 0)).1 += 1;
        }
        let mut tally = Tally::default();
        for (seen, times) in alike.into_values() {
            tally.count(seen, |figure| *figure += times);
        }
        tally
    }

    /// Takes a change of one account into account: what it was, and what it is. `None` is no account.
    pub fn update(&mut self, before: Option<&Seen>, after: Option<&Seen>) {
        if before == after {
            return;
        }
        if let Some(seen) = before {
            self.count(seen, |figure| *figure -= 1);
        }
        if let Some(seen) = after {
            self.count(seen, |figure| *figure += 1);
        }
        if before.is_some() {
            self.memberships.retain(|_, figure| *figure > 0);
            if let Some(seen) = before {
                for key in seen.entitlements.iter() {
                    if self.holders.get(&key) == Some(&0) {
                        self.holders.remove(&key);
                    }
                }
            }
        }
    }

    /// How many (account, entitlement) pairs there are of a kind.
    pub fn memberships(&self, kind: Sym) -> usize {
        self.memberships.get(&kind).copied().unwrap_or(0)
    }

    /// The kinds of which anything is held, with how often.
    pub fn kinds(&self) -> impl Iterator<Item = (Sym, usize)> {
        self.memberships.iter().map(|(kind, figure)| (*kind, *figure))
    }

    /// How many accounts that can sign in hold this directly.
    pub fn holders(&self, key: Key) -> usize {
        self.holders.get(&key).copied().unwrap_or(0)
    }

    fn count(&mut self, seen: &Seen, step: impl Fn(&mut usize)) {
        let Seen { kind: _, username: _, state, attributes: _, entitlements } = seen;
        step(&mut self.accounts);
        let enabled = *state == State::Enabled;
        if enabled {
            step(&mut self.enabled);
        }
        for key in entitlements.iter() {
            step(self.memberships.entry(key.kind).or_default());
            if enabled {
                step(self.holders.entry(key).or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen() -> impl Strategy<Value = Option<Seen>> {
        proptest::option::of((any::<bool>(), proptest::collection::vec((0..2u8, 0..3u8), 0..4))).prop_map(
            |made| {
                made.map(|(enabled, held)| Seen {
                    kind: "user".into(),
                    username: "someone".into(),
                    state: if enabled { State::Enabled } else { State::Disabled },
                    attributes: Set::empty(),
                    entitlements: held
                        .into_iter()
                        .map(|(kind, anchor)| Key {
                            kind: Sym::new(["team", "project"][usize::from(kind)]),
                            anchor: Sym::new(&anchor.to_string()),
                            role: None,
                        })
                        .collect(),
                })
            },
        )
    }

    proptest! {
        #[test]
        fn kept_up_to_date_it_equals_a_recount(history in proptest::collection::vec((0..5usize, seen()), 0..40)) {
            let mut accounts: [Option<Seen>; 5] = [None; 5];
            let mut tally = Tally::default();
            for (place, after) in history {
                tally.update(accounts[place].as_ref(), after.as_ref());
                accounts[place] = after;
                let mut whole = Tally::default();
                for account in &accounts {
                    whole.update(None, account.as_ref());
                }
                prop_assert_eq!(&tally, &whole);
                prop_assert_eq!(&tally, &Tally::of(accounts.iter().flatten()));
            }
        }
    }
}
