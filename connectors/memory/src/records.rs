//! What a system keeps: accounts and entitlements come, go and are tied together, and each change is noted. Nothing here
//! asks whether it should be.

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::{Anchor, EntitlementKey, Error, ErrorKind, Result, State, Value};

use crate::changes::Object;
use crate::system::Record;
use crate::write::refused;
use crate::{System, Tells};

/// Longer names are refused. Most systems of the field stop at 255 or 256 characters.
const LONGEST_NAME: usize = 256;

impl System {
    /// Puts a new account in. Its username must be free.
    pub(crate) fn insert(&mut self, username: String, attributes: BTreeMap<String, Value>) -> Anchor {
        let anchor = self.next_anchor("u");
        self.usernames.insert(self.shape.usernames.fold(&username), anchor.clone());
        let record = Record {
            username,
            state: State::Enabled,
            attributes,
            holds: BTreeSet::new(),
            credentials: BTreeMap::new(),
        };
        self.accounts.insert(anchor.clone(), record);
        self.touch(&anchor);
        anchor
    }

    /// Takes an account out, with everything that refers to it.
    pub(crate) fn remove(&mut self, anchor: &Anchor) {
        let Some(record) = self.accounts.remove(anchor) else { return };
        self.usernames.remove(&self.shape.usernames.fold(&record.username));
        for key in &record.holds {
            self.unlink(anchor, key);
        }
        self.sessions.retain(|_, whose| whose != anchor);
        for owner in self.things.values_mut().filter(|owner| owner.as_ref() == Some(anchor)) {
            *owner = None;
        }
        self.changes.note(Object::Account(anchor.clone()));
    }

    pub(crate) fn next_anchor(&mut self, letter: &str) -> Anchor {
        self.next += 1;
        Anchor(format!("{letter}{:06}", self.next))
    }

    /// Notes that an account itself was changed.
    pub(crate) fn touch(&mut self, anchor: &Anchor) {
        self.changes.note(Object::Account(anchor.clone()));
    }

    /// Notes that what an account holds was changed. Its entitlement is noted by [`System::link`] and
    /// [`System::unlink`].
    pub(crate) fn touch_holder(&mut self, anchor: &Anchor) {
        if self.shape.tells == Tells::WithAccount {
            self.touch(anchor);
        }
    }

    /// Makes an account hold something; false when it does already.
    pub(crate) fn link(&mut self, anchor: &Anchor, key: EntitlementKey) -> bool {
        let Some(record) = self.accounts.get_mut(anchor) else { return false };
        if !record.holds.insert(key.clone()) {
            return false;
        }
        let place = (key.kind.clone(), key.anchor.clone());
        if let Some(held) = self.entitlements.get_mut(&place) {
            held.by.entry(key.role.clone()).or_default().insert(anchor.clone());
        }
        self.touch_holder(anchor);
        self.touch_held(&key);
        true
    }

    /// Takes an account out of an entitlement's own list.
    pub(crate) fn unlink(&mut self, anchor: &Anchor, key: &EntitlementKey) {
        let place = (key.kind.clone(), key.anchor.clone());
        if let Some(holders) = self.entitlements.get_mut(&place).and_then(|held| held.by.get_mut(&key.role)) {
            holders.remove(anchor);
        }
        self.touch_held(key);
    }

    fn touch_held(&mut self, key: &EntitlementKey) {
        if self.shape.tells == Tells::WithEntitlement {
            let object = Object::Entitlement { kind: key.kind.clone(), anchor: key.anchor.clone() };
            self.changes.note(object);
        }
    }

    pub(crate) fn check_username(&self, username: &str) -> Result<()> {
        check_name(username)?;
        match self.named(username) {
            None => Ok(()),
            Some(anchor) => {
                let message = format!("The username {username} belongs to the account {anchor}.");
                Err(Error::new(ErrorKind::AlreadyExists, message))
            }
        }
    }
}

pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
        return Err(refused(
            "A name has at least one character, no control characters and no space around it.",
        ));
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(refused(format!("A name has at most {LONGEST_NAME} characters.")));
    }
    Ok(())
}
