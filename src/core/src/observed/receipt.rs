//! What provost itself did, looked up or was told to adopt becomes part of what is known.

use jiff::Timestamp;

use provost_sdk::{Account, EntitlementRef, Operation, Receipt};

use super::Observed;
use super::account::{Seen, key_of};
use super::link::{Credential, Link, Origin};
use crate::Sym;
use crate::set::{Key, Set};

impl Observed {
    /// Takes in what an operation did, at the instant at which its answer came.
    ///
    /// `subject` is the identity and the profile that it was done for; none for what was taken from accounts that are
    /// linked to nobody.
    pub fn receipt(
        &mut self,
        subject: Option<(Sym, Sym)>,
        operation: &Operation,
        receipt: &Receipt,
        at: Timestamp,
    ) {
        let Receipt { changed: _, account, secret: _, credential } = receipt;
        match operation {
            Operation::Create(_) => {
                let (Some(account), Some((identity, profile))) = (account, subject) else { return };
                let anchor = Sym::new(account.anchor.as_str());
                self.witness(anchor, Some(account), at);
                if self.owner(anchor) != Some((identity, profile)) {
                    self.rows.set_link((identity, profile), Link::new(anchor, Origin::Created));
                }
                return;
            }
            Operation::Replace { entitlement, accounts } => {
                self.replaced(entitlement, accounts.iter().map(|account| account.anchor.as_str()), at);
                return;
            }
            _ => {}
        }
        let Some(reference) = operation.account() else { return };
        let anchor = Sym::new(reference.anchor.as_str());
        if account.is_some() || matches!(operation, Operation::Delete { .. }) {
            self.witness(anchor, account.as_ref(), at);
        }
        if let Operation::Delete { .. } = operation {
            self.rows.unlink(anchor);
            return;
        }
        self.rows.change(anchor, |link| match operation {
            Operation::Grant { entitlement, .. } => link.ours = link.ours.with(key_of(entitlement)),
            Operation::Revoke { entitlement, .. } => link.ours = link.ours.without(key_of(entitlement)),
            Operation::Disable { .. } => link.disabled = Some(at),
            Operation::Enable { .. } => {
                link.disabled = None;
                link.sessions_ended = false;
                link.left = false;
            }
            Operation::EndSessions { .. } => link.sessions_ended = true,
            Operation::Transfer { .. } => link.transferred = true,
            Operation::IssueCredential { kind, .. } => {
                link.credentials.extend(credential.iter().map(|anchor| issued(kind, anchor.as_str(), at)));
            }
            Operation::RotateCredential { kind, credential: old, .. } => {
                // The old one goes on working until it is revoked, so it stays on the list.
                link.credentials.extend(
                    credential
                        .iter()
                        .filter(|new| *new != old)
                        .map(|anchor| issued(kind, anchor.as_str(), at)),
                );
            }
            Operation::RevokeCredential { credential: old, .. } => {
                link.credentials.retain(|credential| credential.anchor != *old.as_str());
            }
            Operation::Create(_)
            | Operation::Update { .. }
            | Operation::Rename { .. }
            | Operation::Delete { .. }
            | Operation::Replace { .. } => {}
        });
    }

    /// Takes in what a look-up found: the account, or that it is not there. `began` is when it was asked.
    pub fn looked_up(&mut self, anchor: Sym, account: Option<&Account>, began: Timestamp) {
        let later = self.receipts.get(&anchor).is_some_and(|at| *at > began);
        if !later {
            self.witness(anchor, account, began);
        }
    }

    /// Links an account that is there to an identity, because an operator said so. Whether there is such an account.
    ///
    /// What it holds of `wanted` becomes provost's own, so that it goes when the identity no longer has it.
    pub fn adopt(&mut self, identity: Sym, profile: Sym, anchor: Sym, wanted: Set<Key>) -> bool {
        let Some(seen) = self.account(anchor) else { return false };
        let ours = seen.entitlements.iter().filter(|key| wanted.contains(*key)).collect();
        self.rows.set_link((identity, profile), Link { ours, ..Link::new(anchor, Origin::Adopted) });
        true
    }

    /// Links an account that is there to the identity whose intent made it, when the answer to that call was lost.
    /// Whether there is such an account.
    pub fn made(&mut self, identity: Sym, profile: Sym, anchor: Sym) -> bool {
        let there = self.account(anchor).is_some();
        if there {
            self.rows.set_link((identity, profile), Link::new(anchor, Origin::Created));
        }
        there
    }

    /// What an identity is to have and was found to have becomes provost's own.
    pub fn claim(&mut self, identity: Sym, profile: Sym, keys: Set<Key>) {
        if let Some(link) = self.link(identity, profile) {
            let ours = link.ours.iter().chain(keys.iter()).collect();
            self.rows.change(link.anchor, |link| link.ours = ours);
        }
    }

    /// Remembers that an identity has left and its account cannot sign in, or that it is there again.
    pub fn mark_left(&mut self, identity: Sym, profile: Sym, left: bool) {
        if let Some(link) = self.link(identity, profile) {
            self.rows.change(link.anchor, |link| link.left = left);
        }
    }

    /// Forgets a link; the account stays and is linked to nobody.
    pub fn unlink(&mut self, identity: Sym, profile: Sym) -> Option<Link> {
        let link = self.link(identity, profile)?;
        self.rows.unlink(link.anchor);
        Some(link)
    }

    fn witness(&mut self, anchor: Sym, account: Option<&Account>, at: Timestamp) {
        let known = self.account(anchor).map(|known| known.entitlements);
        let seen = account.map(|account| {
            let seen = Seen::of(account);
            match account.entitlements {
                Some(_) => seen,
                None => Seen { entitlements: known.unwrap_or_default(), ..seen },
            }
        });
        self.set(anchor, seen);
        self.receipts.insert(anchor, at);
    }

    fn replaced<'a>(
        &mut self,
        entitlement: &EntitlementRef,
        holders: impl Iterator<Item = &'a str>,
        at: Timestamp,
    ) {
        let key = key_of(entitlement);
        let holders: rustc_hash::FxHashSet<Sym> = holders.map(Sym::new).collect();
        let changed: Vec<(Sym, Seen)> = self
            .accounts()
            .filter(|(anchor, seen)| seen.entitlements.contains(key) != holders.contains(anchor))
            .map(|(anchor, seen)| (anchor, *seen))
            .collect();
        for (anchor, seen) in changed {
            let holds = holders.contains(&anchor);
            let entitlements =
                if holds { seen.entitlements.with(key) } else { seen.entitlements.without(key) };
            self.set(anchor, Some(Seen { entitlements, ..seen }));
            self.receipts.insert(anchor, at);
        }
        let ours: Vec<(Sym, bool)> = self
            .rows
            .iter()
            .filter_map(|row| Some((row.anchor, self.rows.link(row)?.ours.contains(key))))
            .filter(|(anchor, ours)| *ours != holders.contains(anchor))
            .collect();
        for (anchor, was) in ours {
            self.rows.change(anchor, |link| {
                link.ours = if was { link.ours.without(key) } else { link.ours.with(key) };
            });
        }
    }
}

fn issued(kind: &str, anchor: &str, at: Timestamp) -> Credential {
    Credential { kind: Sym::new(kind), anchor: Sym::new(anchor), issued: at }
}
