//! A target under whose id another system answers than the one that was adopted: nothing that was known holds there, and
//! nothing is written until an operator has adopted it, with every link compared by anchor and name.

use std::collections::HashMap;

use jiff::Timestamp;
use provost_audit::{Kind, Record};
use provost_core::Sym;
use provost_core::observed::{AccountRecord, EntitlementRecord, Observed};
use provost_core::organisation::Known;

use super::Engine;
use super::memory::{account_file, entitlements_file};

/// What was known of a target where it was adopted.
pub(super) struct Former {
    pub(super) accounts: Vec<AccountRecord>,
    pub(super) entitlements: Vec<EntitlementRecord>,
}

impl Engine {
    /// Whether the target calls itself otherwise than when it was adopted.
    pub(super) fn is_another(&self, target: Sym) -> bool {
        let adopted = self.adoptions.get(&target).and_then(|adoption| adoption.instance.as_ref());
        let found = self.instances.get(&target).and_then(Option::as_ref);
        adopted.zip(found).is_some_and(|(adopted, found)| adopted != found)
    }

    /// The place of a target that was adopted, unless another system answers there.
    pub(super) fn adopted_place(&self, target: Sym) -> Option<Sym> {
        let adoption = self.adoptions.get(&target).filter(|_| !self.is_another(target))?;
        Some(Sym::new(&adoption.place))
    }

    /// Another system is there: what was known is put aside, and the audit log says that it is seen no more. Gives the
    /// other targets that are to be planned again.
    pub(super) fn leave(&mut self, target: Sym, place: Sym, now: Timestamp) -> Vec<Sym> {
        let Some(known) = self.organisation.target(target) else { return Vec::new() };
        let accounts: Vec<AccountRecord> = known.observed.records().collect();
        let mut record = Record::new(
            Kind::Drift,
            now,
            format!(
                "{target} is another system: {} accounts of the former are not looked at",
                accounts.len()
            ),
        );
        record.target = Some(target.to_string());
        record.changes = accounts.iter().map(|account| account_file(target, account.anchor, None)).collect();
        record.changes.push(entitlements_file(target, &[]));
        let observed = Observed::new(known.observed.capabilities().clone());
        if known.adopted == Some(known.place) {
            let entitlements = known.observed.entitlement_records();
            self.former.insert(target, Former { accounts, entitlements });
        }
        self.write(&record);
        self.settle_at(
            target,
            Known { observed, place, adopted: None, hold: None, own_accounts: Vec::new() },
            now,
        )
    }

    /// The system that was adopted is there again, and so is what was known of it.
    pub(super) fn come_back(&mut self, target: Sym, place: Sym, now: Timestamp) -> Vec<Sym> {
        let Some(known) = self.organisation.target(target) else { return Vec::new() };
        let capabilities = known.observed.capabilities().clone();
        let mut record =
            Record::new(Kind::Drift, now, format!("{target} is the system again that was adopted"));
        record.target = Some(target.to_string());
        record.changes =
            known.observed.records().map(|account| account_file(target, account.anchor, None)).collect();
        let Former { accounts, entitlements } =
            self.former.remove(&target).unwrap_or(Former { accounts: Vec::new(), entitlements: Vec::new() });
        record
            .changes
            .extend(accounts.iter().map(|account| account_file(target, account.anchor, Some(account))));
        record.changes.push(entitlements_file(target, &entitlements));
        let observed = Observed::load(capabilities, accounts, entitlements);
        self.write(&record);
        let known = Known { observed, place, adopted: Some(place), hold: None, own_accounts: Vec::new() };
        self.settle_at(target, known, now)
    }

    /// Links accounts as they were linked in the former system, where anchor and username are the same. Gives their
    /// anchors; what was read has to be read again after this.
    pub(super) fn relink(&mut self, target: Sym, now: Timestamp) -> Vec<Sym> {
        let (Some(former), Some(known)) = (self.former.remove(&target), self.organisation.target(target))
        else {
            return Vec::new();
        };
        let former: HashMap<Sym, AccountRecord> =
            former.accounts.into_iter().map(|account| (account.anchor, account)).collect();
        let mut links = Vec::new();
        let mut accounts: Vec<AccountRecord> = known.observed.records().collect();
        for account in accounts.iter_mut().filter(|account| account.link.is_none()) {
            let before = former.get(&account.anchor);
            let same =
                before.filter(|before| before.username.is_some() && before.username == account.username);
            if let Some(link) = same.and_then(|before| before.link.clone()) {
                links.push(account.anchor);
                (account.link, account.unmanaged) = (Some(link), false);
            }
        }
        if links.is_empty() {
            return links;
        }
        let observed = Observed::load(
            known.observed.capabilities().clone(),
            accounts,
            known.observed.entitlement_records(),
        );
        let (place, adopted) = (known.place, known.adopted);
        let known = Known { observed, place, adopted, hold: None, own_accounts: known.own_accounts.clone() };
        self.settle_at(target, known, now);
        links
    }

    fn settle_at(&mut self, target: Sym, known: Known, now: Timestamp) -> Vec<Sym> {
        let others = self.organisation.place(target, known, now);
        self.open_target(target);
        others.into_iter().map(|(_, target)| target).collect()
    }
}
