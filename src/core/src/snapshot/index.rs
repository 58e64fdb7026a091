//! Who refers to whom, and who has which name: what an amendment looks up instead of searching.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};
use unicode_normalization::UnicodeNormalization;

use super::{Identity, Slot};
use crate::Sym;
use crate::document::{Approver, Document, GrantSpec, Kind, OneOrMany};

/// Which documents refer to a slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Referrers(FxHashMap<Slot, FxHashSet<Slot>>);

/// Which identities claim a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Nearly every name is claimed by one identity, so that one is kept without a list.
    one: FxHashMap<Claim, Sym>,
    /// Further claimants.
    more: FxHashMap<Claim, BTreeSet<Sym>>,
}

/// A space of names, and a name in the form under which equal names are equal text.
pub(super) type Claim = (Space, Sym);

/// A space in which names are unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Space {
    /// Usernames of documents.
    Username,
    /// Addresses of documents.
    Email,
    /// Usernames that documents give for one target.
    On(Sym),
}

impl Referrers {
    pub(super) fn insert(&mut self, referrer: Slot, document: &Document) {
        for slot in references(document) {
            self.0.entry(slot).or_default().insert(referrer);
        }
    }

    pub(super) fn remove(&mut self, referrer: Slot, document: &Document) {
        for slot in references(document) {
            if let Some(referrers) = self.0.get_mut(&slot) {
                referrers.remove(&referrer);
                if referrers.is_empty() {
                    self.0.remove(&slot);
                }
            }
        }
    }

    /// In no order that means anything.
    pub(super) fn of(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        self.0.get(&slot).into_iter().flatten().copied()
    }
}

impl Names {
    pub(super) fn insert(&mut self, identity: Identity<'_>) {
        let id = identity.id();
        for claim in claims(identity) {
            let holder = *self.one.entry(claim).or_insert(id);
            if holder != id {
                self.more.entry(claim).or_default().insert(id);
            }
        }
    }

    pub(super) fn remove(&mut self, identity: Identity<'_>) {
        let id = identity.id();
        for claim in claims(identity) {
            let mut next = None;
            if let Some(more) = self.more.get_mut(&claim) {
                if !more.remove(&id) {
                    next = more.pop_first();
                }
                if more.is_empty() {
                    self.more.remove(&claim);
                }
            }
            if self.one.get(&claim) == Some(&id) {
                match next {
                    Some(next) => self.one.insert(claim, next),
                    None => self.one.remove(&claim),
                };
            }
        }
    }

    /// Who claims it beside this identity.
    pub(super) fn others(&self, claim: Claim, id: Sym) -> impl Iterator<Item = Sym> {
        let more = self.more.get(&claim).into_iter().flatten();
        self.one.get(&claim).into_iter().chain(more).copied().filter(move |other| *other != id)
    }
}

/// The names that an identity claims.
pub(super) fn claims(identity: Identity<'_>) -> Vec<Claim> {
    let mut claims = Vec::with_capacity(2);
    claims.push((Space::Username, fold(identity.username())));
    if let Identity::Person(person) = identity
        && let Some(email) = person.email
    {
        claims.push((Space::Email, fold(email)));
    }
    for (target, accounts) in identity.accounts() {
        let mut claim = |name: Option<Sym>| {
            let claim = name.map(|name| (Space::On(*target), fold(name)));
            claims.extend(claim.filter(|claim| !claims.contains(claim)));
        };
        match accounts {
            OneOrMany::Main(account) => claim(account.username),
            OneOrMany::Profiles(profiles) => profiles.values().for_each(|account| claim(account.username)),
        }
    }
    claims
}

/// The form under which names that differ by case or Unicode form only are one text (NFKC, case folded: upper case
/// first, so that `ß` and `ss` are one).
pub(super) fn fold(name: Sym) -> Sym {
    let text = name.as_str();
    if !text.is_ascii() {
        let folded: String =
            text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect();
        return Sym::new(&folded);
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Sym::new(&text.to_ascii_lowercase());
    }
    name
}

/// The documents that a document refers to, each once.
pub(super) fn references(document: &Document) -> Vec<Slot> {
    let mut found = Vec::new();
    let person = |id: Sym| (Kind::Person, id);
    let grants = |grants: &[GrantSpec], found: &mut Vec<Slot>| {
        found.extend(grants.iter().map(|grant| (Kind::Target, grant.target)));
    };
    if let Some(identity) = Identity::of(document) {
        found.extend(identity.roles().iter().map(|assignment| (Kind::Role, assignment.role)));
        found.extend(identity.grants().iter().map(|held| (Kind::Target, held.grant.target)));
        found.extend(identity.accounts().keys().map(|target| (Kind::Target, *target)));
    }
    match document {
        Document::Person(document) => {
            let people = [document.manager, document.successor, document.sponsor].into_iter().flatten();
            found.extend(people.map(person));
            found.extend(document.employments.iter().filter_map(|employment| employment.manager).map(person));
        }
        Document::Service(document) => {
            found.extend(document.owners.iter().chain(&document.holders).copied().map(person));
            found.extend(document.credentials.iter().map(|credential| (Kind::Target, credential.target)));
        }
        Document::Role(document) => {
            found.extend(document.owners.iter().copied().map(person));
            found.extend(document.includes.iter().map(|role| (Kind::Role, *role)));
            grants(&document.grants, &mut found);
        }
        Document::Target(document) => {
            found.extend(document.owners.iter().copied().map(person));
            found.extend(document.approvers.map(|group| (Kind::ApproverGroup, group)));
            found.extend(document.after.iter().map(|target| (Kind::Target, *target)));
            for entitlement in &document.entitlements {
                found.extend(entitlement.owners.iter().copied().map(person));
                found.extend(entitlement.approvers.map(|group| (Kind::ApproverGroup, group)));
            }
        }
        Document::Tiers(document) => {
            found.extend(document.tiers.values().filter_map(|tier| match tier.from {
                Approver::Group { group } => Some((Kind::ApproverGroup, group)),
                Approver::Owners => None,
            }));
        }
        Document::ApproverGroup(document) => found.extend(document.members.iter().copied().map(person)),
        Document::Separation(document) => {
            found.extend(document.owners.iter().copied().map(person));
            found.extend(document.exceptions.iter().map(|exception| person(exception.identity)));
            document.sides.iter().for_each(|side| grants(side, &mut found));
        }
        Document::Freeze(document) => {
            found.extend(document.targets.iter().map(|target| (Kind::Target, *target)));
        }
        Document::BreakGlass(document) => {
            found.extend(document.people.iter().copied().map(person));
            grants(&document.grants, &mut found);
        }
        Document::AllowedSigners(signers) => {
            found.extend(signers.signers.iter().map(|signer| person(signer.person)));
        }
        Document::Guards(_)
        | Document::Lifecycle(_)
        | Document::DaemonKeys(_)
        | Document::RevokedKeys(_)
        | Document::Scenario(_) => {}
    }
    found.sort_unstable_by_key(|(kind, id)| (*kind, id.number()));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_case_or_unicode_form_are_one() {
        for (left, right, same) in [
            ("asa", "ASA", true),
            ("\u{c5}sa", "A\u{30a}SA", true),
            ("\u{212b}sa", "\u{e5}sa", true),
            ("\u{ff41}da", "ada", true),
            ("stra\u{df}e", "STRASSE", true),
            ("\u{c5}sa", "asa", false),
            ("ada", "adam", false),
        ] {
            assert_eq!(fold(Sym::new(left)) == fold(Sym::new(right)), same, "{left} {right}");
        }
    }
}
