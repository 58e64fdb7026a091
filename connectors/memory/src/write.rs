//! What an operation does to a system.

use std::collections::{BTreeMap, BTreeSet};

use provost_sdk::{
    AccountRef, Anchor, Create, EntitlementKey, EntitlementRef, Error, ErrorKind, IdempotencyKey, Operation,
    Receipt, Result, SecretString, State, Value,
};

use crate::records::check_name;
use crate::system::{Credential, Held, Mutation, Record, failed};
use crate::{LIST, SIGNING_KEY, System, USER, WriteFault};

impl System {
    /// Does one operation, unless a fault has another plan for the call.
    ///
    /// # Errors
    /// By what the system holds: `NotFound`, `AlreadyExists`, `InvalidValue`, `Unsupported`; and what
    /// [`crate::Faults`] asks for.
    pub fn apply(&mut self, operation: &Operation, key: &IdempotencyKey) -> Result<Receipt> {
        self.writes += 1;
        match self.faults.of_write(self.writes) {
            None => self.perform(operation, key),
            Some(WriteFault::Fail(kind)) => Err(failed(&kind)),
            Some(WriteFault::LoseRequest) => Err(failed(&ErrorKind::Timeout).in_doubt()),
            Some(WriteFault::LoseAnswer) => self.perform_unheard(operation, key),
            Some(WriteFault::Lie) => {
                let mut copy = self.clone();
                copy.perform(operation, key)
            }
            Some(WriteFault::Slow(time)) => {
                self.elapsed += time;
                match time >= self.timeout.0 {
                    true => self.perform_unheard(operation, key),
                    false => self.perform(operation, key),
                }
            }
        }
    }

    fn perform_unheard(&mut self, operation: &Operation, key: &IdempotencyKey) -> Result<Receipt> {
        // Nobody hears what came of it, a refusal included: the caller only knows that time is up.
        let _unheard = self.perform(operation, key);
        Err(failed(&ErrorKind::Timeout).in_doubt())
    }

    fn perform(&mut self, operation: &Operation, key: &IdempotencyKey) -> Result<Receipt> {
        if self.shape.without.contains(&operation.verb()) {
            let message = format!("This system has no operation {}.", operation.verb().as_str());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if let Some(account) = self.used_keys.get(key) {
            let account = account.as_ref().and_then(|anchor| self.account(anchor));
            return Ok(Receipt::unchanged(account));
        }
        let done = self.carry_out(operation)?;
        if done.changed {
            self.ledger.push(Mutation {
                write: self.writes,
                key: key.clone(),
                operation: operation.clone(),
                account: done.account.clone(),
            });
        }
        if self.shape.idempotent {
            self.used_keys.insert(key.clone(), done.account.clone());
        }
        Ok(Receipt {
            changed: done.changed,
            account: done.account.and_then(|anchor| self.account(&anchor)),
            secret: done.secret,
            credential: done.credential,
        })
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<Done> {
        match operation {
            Operation::Create(create) => self.create(create),
            Operation::Update { account, changes } => self.update(account, changes),
            Operation::Rename { account, to } => self.rename(account, to),
            Operation::Enable { account } => self.set_state(account, State::Enabled),
            Operation::Disable { account } => self.set_state(account, State::Disabled),
            Operation::Delete { account } => self.delete(account),
            Operation::Grant { account, entitlement } => self.grant(account, entitlement),
            Operation::Revoke { account, entitlement } => self.revoke(account, entitlement),
            Operation::Replace { entitlement, accounts } => self.replace(entitlement, accounts),
            Operation::EndSessions { account } => self.end_sessions(account),
            Operation::Transfer { from, to } => self.transfer(from, to),
            Operation::IssueCredential { account, kind } => self.issue(account, kind),
            Operation::RotateCredential { account, kind, credential } => {
                self.credential(account, kind, credential)?;
                self.issue(account, kind)
            }
            Operation::RevokeCredential { account, kind: _, credential } => {
                let gone = self.record_mut(account)?.credentials.remove(credential).is_some();
                if gone {
                    self.touch(&account.anchor);
                }
                Ok(Done::of(gone, account))
            }
        }
    }

    fn create(&mut self, create: &Create) -> Result<Done> {
        if create.kind != USER {
            return Err(refused(format!("There is no kind of account `{}`.", create.kind)));
        }
        self.check_username(&create.username)?;
        let declared = self.describe();
        let mut attributes = BTreeMap::new();
        for (name, value) in &create.attributes {
            check_attribute(&declared, name, Some(value))?;
            attributes.insert(name.clone(), value.clone());
        }
        attributes.insert("external_id".into(), Value::Text(create.identity.clone()));
        let anchor = self.insert(create.username.clone(), attributes);
        Ok(Done { changed: true, account: Some(anchor), ..Done::default() })
    }

    fn update(&mut self, account: &AccountRef, changes: &BTreeMap<String, Option<Value>>) -> Result<Done> {
        let declared = self.describe();
        for (name, value) in changes {
            check_attribute(&declared, name, value.as_ref())?;
        }
        let record = self.record_mut(account)?;
        let mut after = record.attributes.clone();
        for (name, value) in changes {
            match value {
                Some(value) => after.insert(name.clone(), value.clone()),
                None => after.remove(name),
            };
        }
        let changed = record.attributes != after;
        if changed {
            record.attributes = after;
            self.touch(&account.anchor);
        }
        Ok(Done::of(changed, account))
    }

    fn rename(&mut self, account: &AccountRef, to: &str) -> Result<Done> {
        let before = self.record_mut(account)?.username.clone();
        if before == to {
            return Ok(Done::of(false, account));
        }
        let fold = self.shape.usernames;
        if fold.same(&before, to) {
            check_name(to)?;
        } else {
            self.check_username(to)?;
        }
        self.usernames.remove(&fold.fold(&before));
        self.usernames.insert(fold.fold(to), account.anchor.clone());
        self.record_mut(account)?.username = to.to_owned();
        self.touch(&account.anchor);
        Ok(Done::of(true, account))
    }

    fn set_state(&mut self, account: &AccountRef, state: State) -> Result<Done> {
        let ends_sessions = self.shape.disable_ends_sessions && state == State::Disabled;
        let record = self.record_mut(account)?;
        let changed = record.state != state;
        if changed {
            record.state = state;
            self.touch(&account.anchor);
        }
        if ends_sessions {
            self.sessions.retain(|_, whose| *whose != account.anchor);
        }
        Ok(Done::of(changed, account))
    }

    fn delete(&mut self, account: &AccountRef) -> Result<Done> {
        self.record_mut(account)?;
        self.remove(&account.anchor);
        Ok(Done { changed: true, ..Done::default() })
    }

    fn grant(&mut self, account: &AccountRef, entitlement: &EntitlementRef) -> Result<Done> {
        self.check_not_exclusive(entitlement)?;
        let key = self.key_of(entitlement)?;
        self.record_mut(account)?;
        Ok(Done::of(self.link(&account.anchor, key), account))
    }

    fn revoke(&mut self, account: &AccountRef, entitlement: &EntitlementRef) -> Result<Done> {
        self.check_not_exclusive(entitlement)?;
        let key = self.key_of(entitlement)?;
        let changed = self.record_mut(account)?.holds.remove(&key);
        if changed {
            self.unlink(&account.anchor, &key);
            self.touch_holder(&account.anchor);
        }
        Ok(Done::of(changed, account))
    }

    fn replace(&mut self, entitlement: &EntitlementRef, accounts: &[AccountRef]) -> Result<Done> {
        if entitlement.kind != LIST {
            let message = format!("A {} is granted and revoked, not written as a whole.", entitlement.kind);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let key = self.key_of(entitlement)?;
        let mut wanted = BTreeSet::new();
        for account in accounts {
            self.record_mut(account)?;
            wanted.insert(account.anchor.clone());
        }
        let held = self.entitlements.get(&(key.kind.clone(), key.anchor.clone()));
        let present = held.and_then(|held| held.by.get(&None)).cloned().unwrap_or_default();
        for anchor in wanted.difference(&present) {
            self.link(anchor, key.clone());
        }
        for anchor in present.difference(&wanted) {
            if let Some(record) = self.accounts.get_mut(anchor) {
                record.holds.remove(&key);
            }
            self.unlink(anchor, &key);
            self.touch_holder(anchor);
        }
        Ok(Done { changed: wanted != present, ..Done::default() })
    }

    fn end_sessions(&mut self, account: &AccountRef) -> Result<Done> {
        self.record_mut(account)?;
        let before = self.sessions.len();
        self.sessions.retain(|_, whose| *whose != account.anchor);
        Ok(Done::of(self.sessions.len() < before, account))
    }

    fn transfer(&mut self, from: &AccountRef, to: &AccountRef) -> Result<Done> {
        self.record_mut(from)?;
        self.record_mut(to)?;
        let mut changed = false;
        for owner in self.things.values_mut().filter(|owner| owner.as_ref() == Some(&from.anchor)) {
            *owner = Some(to.anchor.clone());
            changed = true;
        }
        Ok(Done::of(changed, from))
    }

    fn issue(&mut self, account: &AccountRef, kind: &str) -> Result<Done> {
        if kind != SIGNING_KEY {
            return Err(refused(format!("There is no kind of credential `{kind}`.")));
        }
        self.record_mut(account)?;
        let anchor = self.next_anchor("k");
        let secret = SecretString::from(format!("secret-of-{anchor}"));
        let credential = Credential { kind: kind.to_owned(), secret: secret.clone() };
        self.record_mut(account)?.credentials.insert(anchor.clone(), credential);
        self.touch(&account.anchor);
        Ok(Done { secret: Some(secret), credential: Some(anchor), ..Done::of(true, account) })
    }

    fn credential(&self, account: &AccountRef, kind: &str, credential: &Anchor) -> Result<()> {
        let known = self.accounts.get(&account.anchor).and_then(|record| record.credentials.get(credential));
        match known {
            Some(known) if known.kind == kind => Ok(()),
            _ => Err(Error::new(
                ErrorKind::NotFound,
                format!("{} has no {kind} {credential}.", account.username),
            )),
        }
    }

    fn record_mut(&mut self, account: &AccountRef) -> Result<&mut Record> {
        self.accounts.get_mut(&account.anchor).ok_or_else(|| {
            let message = format!("There is no account {} ({}).", account.anchor, account.username);
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// The key of an entitlement that is there, in a role that its kind has.
    fn key_of(&self, entitlement: &EntitlementRef) -> Result<EntitlementKey> {
        let key = entitlement.key();
        let Some(Held { by, .. }) = self.entitlements.get(&(key.kind.clone(), key.anchor.clone())) else {
            let message = format!("There is no {} {} ({}).", key.kind, key.anchor, entitlement.name);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        match by.contains_key(&key.role) {
            true => Ok(key),
            false => Err(refused(format!("A {} has no role {:?}.", key.kind, key.role))),
        }
    }

    fn check_not_exclusive(&self, entitlement: &EntitlementRef) -> Result<()> {
        match entitlement.kind == LIST {
            true => {
                let message = "A list is written as a whole, not granted and revoked.";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            false => Ok(()),
        }
    }
}

/// What an operation came to.
#[derive(Default)]
struct Done {
    changed: bool,
    account: Option<Anchor>,
    secret: Option<SecretString>,
    credential: Option<Anchor>,
}

impl Done {
    fn of(changed: bool, account: &AccountRef) -> Done {
        Done { changed, account: Some(account.anchor.clone()), ..Done::default() }
    }
}

fn check_attribute(declared: &provost_sdk::Capabilities, name: &str, value: Option<&Value>) -> Result<()> {
    let attribute = declared
        .account_kind(USER)
        .and_then(|kind| kind.attributes.iter().find(|attribute| attribute.name == name));
    match attribute {
        None => Err(refused(format!("There is no attribute `{name}`."))),
        Some(attribute) if attribute.read_only => {
            Err(refused(format!("The attribute `{name}` can only be read.")))
        }
        Some(_) if matches!(value, Some(Value::Text(text)) if text.is_empty()) => {
            Err(refused(format!("The attribute `{name}` is cleared, not set to nothing.")))
        }
        Some(_) => Ok(()),
    }
}

pub(crate) fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}
