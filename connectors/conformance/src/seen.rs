//! What reads have shown of a target, put together for comparison.

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::{Account, Anchor, Capabilities, Entitlement, EntitlementKey, Item, Nesting};

/// A target as reads showed it, whether it tells who holds what with the account or with the entitlement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    accounts: BTreeMap<Anchor, Account>,
    entitlements: BTreeMap<(String, Anchor), Entitlement>,
    /// Who holds what, where the target tells it with the entitlement.
    members: BTreeMap<EntitlementKey, BTreeSet<Anchor>>,
    nesting: BTreeSet<Nesting>,
    /// Accounts that came more than once with different content.
    contradictions: Vec<String>,
}

impl Seen {
    /// From the items of a complete read.
    pub(crate) fn complete(items: Vec<Item>) -> Seen {
        let mut seen = Seen::default();
        for item in items {
            match item {
                Item::Account(account) => {
                    let anchor = account.anchor.clone();
                    if let Some(other) = seen.accounts.get(&anchor)
                        && *other != account
                    {
                        seen.contradictions.push(account.username.clone());
                    }
                    seen.accounts.insert(anchor, account);
                }
                Item::Members { entitlement, accounts } => {
                    seen.members.entry(entitlement).or_default().extend(accounts);
                }
                other => seen.take(other),
            }
        }
        seen
    }

    /// The same after what a delta read told.
    pub(crate) fn amended(mut self, items: Vec<Item>) -> Seen {
        // All edges of an entitlement that a delta read names are in it, so that what was known of them goes first.
        for item in &items {
            match item {
                Item::Entitlement(Entitlement { anchor, .. }) | Item::EntitlementGone { anchor, .. } => {
                    self.nesting.retain(|edge| edge.inner.anchor != *anchor && edge.outer.anchor != *anchor);
                }
                _ => {}
            }
        }
        for item in items {
            self.take(item);
        }
        self
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Account(account) => {
                self.accounts.insert(account.anchor.clone(), account);
            }
            Item::AccountGone(anchor) => {
                self.accounts.remove(&anchor);
            }
            Item::Entitlement(entitlement) => {
                let key = (entitlement.kind.clone(), entitlement.anchor.clone());
                self.entitlements.insert(key, entitlement);
            }
            Item::EntitlementGone { kind, anchor } => {
                self.members.retain(|key, _| key.kind != kind || key.anchor != anchor);
                self.entitlements.remove(&(kind, anchor));
            }
            Item::Members { entitlement, accounts } => {
                self.members.insert(entitlement, accounts.into_iter().collect());
            }
            Item::Nesting(edge) => {
                self.nesting.insert(edge);
            }
        }
    }

    /// All accounts, by anchor.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// One account.
    pub(crate) fn account(&self, anchor: &Anchor) -> Option<&Account> {
        self.accounts.get(anchor)
    }

    /// All entitlements.
    pub(crate) fn entitlements(&self) -> impl Iterator<Item = &Entitlement> {
        self.entitlements.values()
    }

    /// All edges.
    pub(crate) fn nesting(&self) -> &BTreeSet<Nesting> {
        &self.nesting
    }

    /// Usernames of accounts that one read told in two ways.
    pub(crate) fn contradictions(&self) -> &[String] {
        &self.contradictions
    }

    /// Who holds something, whichever way the target tells it. Members that are no account that was read (a group, a
    /// deleted account) are included where the target names them.
    pub(crate) fn holders(&self, key: &EntitlementKey) -> BTreeSet<Anchor> {
        let mut holders = self.members.get(key).cloned().unwrap_or_default();
        let holds = |account: &&Account| account.entitlements.as_ref().is_some_and(|held| held.contains(key));
        holders.extend(self.accounts().filter(holds).map(|account| account.anchor.clone()));
        holders
    }

    /// Everything that every account holds, by account.
    fn holdings(&self) -> BTreeMap<&Anchor, BTreeSet<EntitlementKey>> {
        let mut holdings: BTreeMap<&Anchor, BTreeSet<EntitlementKey>> = BTreeMap::new();
        for account in self.accounts() {
            let held = account.entitlements.clone().unwrap_or_default();
            holdings.insert(&account.anchor, held);
        }
        for (key, holders) in &self.members {
            for holder in holders {
                if let Some(held) = holdings.get_mut(holder) {
                    held.insert(key.clone());
                }
            }
        }
        holdings
    }

    /// Every account as it compares: with all that it holds, without versions and without what can only be read,
    /// which a system may change by itself (the time of the last sign-in).
    fn comparable(&self, capabilities: &Capabilities) -> BTreeMap<Anchor, Account> {
        let mut holdings = self.holdings();
        self.accounts()
            .map(|account| {
                let mut account = steady(account, capabilities);
                account.entitlements = holdings.remove(&account.anchor);
                (account.anchor.clone(), account)
            })
            .collect()
    }

    /// What differs between two states of the target, in words; accounts in `except` are not looked at. Entitlements
    /// whose name begins with `prefix` are the suite's own scenery and may come and go.
    pub(crate) fn differences(
        &self,
        after: &Seen,
        except: &[&Anchor],
        prefix: &str,
        capabilities: &Capabilities,
    ) -> Vec<String> {
        let mut found = Vec::new();
        let (left, mut right) = (self.comparable(capabilities), after.comparable(capabilities));
        for (anchor, account) in left {
            let other = right.remove(&anchor);
            if except.contains(&&anchor) {
                continue;
            }
            match other {
                None => found.push(format!("the account {} ({anchor}) is gone", account.username)),
                Some(other) if other != account => {
                    found.push(format!("{} is no longer {account:?} but {other:?}", account.username));
                }
                Some(_) => {}
            }
        }
        for (anchor, account) in right {
            if !except.contains(&&anchor) {
                found.push(format!("there is an account {} ({anchor}) more", account.username));
            }
        }
        let foreign = |seen: &Seen| -> BTreeSet<Entitlement> {
            seen.entitlements()
                .filter(|entitlement| !entitlement.name.to_lowercase().starts_with(prefix))
                .cloned()
                .collect()
        };
        let (left, right) = (foreign(self), foreign(after));
        for gone in left.difference(&right) {
            found.push(format!("the {} {} is gone or changed", gone.kind, gone.name));
        }
        for new in right.difference(&left) {
            found.push(format!("the {} {} is new or changed", new.kind, new.name));
        }
        found
    }
}

/// An account without its version and without what can only be read.
pub(crate) fn steady(account: &Account, capabilities: &Capabilities) -> Account {
    let mut account = Account { version: None, ..account.clone() };
    if let Some(kind) = capabilities.account_kind(&account.kind) {
        for attribute in kind.attributes.iter().filter(|attribute| attribute.read_only) {
            account.attributes.remove(&attribute.name);
        }
    }
    account
}
