//! What somebody does to a system by hand, past every connector: drift. None of it is in the ledger, and no fault
//! touches it. What names something that is not there is a mistake of the test and panics.

use std::collections::BTreeMap;

use provost_sdk::{Account, AccountRef, Anchor, Attributes, Entitlement, EntitlementKey, State, Value};

use crate::changes::Object;
use crate::records::check_name;
use crate::system::Held;
use crate::{GROUP, LIST, PROJECT, System};

impl System {
    /// Makes an account.
    ///
    /// # Panics
    /// When the username is taken or no username at all.
    pub fn add_account_by_hand(&mut self, username: &str, attributes: Attributes) -> AccountRef {
        if let Err(error) = self.check_username(username) {
            panic!("No account can be made by hand: {error}");
        }
        let anchor = self.insert(username.to_owned(), attributes);
        AccountRef { anchor, username: username.to_owned() }
    }

    /// Takes an account away.
    pub fn remove_account_by_hand(&mut self, account: &Anchor) {
        self.known_account(account);
        self.remove(account);
    }

    /// Lets an account sign in, or not.
    pub fn set_state_by_hand(&mut self, account: &Anchor, state: State) {
        self.known_account(account);
        if let Some(record) = self.accounts.get_mut(account) {
            record.state = state;
        }
        self.touch(account);
    }

    /// Sets an attribute, or clears it.
    pub fn set_attribute_by_hand(&mut self, account: &Anchor, name: &str, value: Option<Value>) {
        self.known_account(account);
        if let Some(record) = self.accounts.get_mut(account) {
            match value {
                Some(value) => record.attributes.insert(name.to_owned(), value),
                None => record.attributes.remove(name),
            };
        }
        self.touch(account);
    }

    /// Gives an account another username.
    ///
    /// # Panics
    /// When the username is taken or no username at all.
    pub fn rename_by_hand(&mut self, account: &Anchor, to: &str) {
        let before = self.known_account(account).username;
        let fold = self.shape.usernames;
        let free = if fold.same(&before, to) { check_name(to) } else { self.check_username(to) };
        if let Err(error) = free {
            panic!("No account can be renamed so by hand: {error}");
        }
        self.usernames.remove(&fold.fold(&before));
        self.usernames.insert(fold.fold(to), account.clone());
        if let Some(record) = self.accounts.get_mut(account) {
            record.username = to.to_owned();
        }
        self.touch(account);
    }

    /// Makes a [`GROUP`], [`PROJECT`] or [`LIST`]; one that is there already under this name, compared as the
    /// system compares, is given back as it is.
    ///
    /// # Panics
    /// When there is no such kind.
    pub fn add_entitlement_by_hand(&mut self, kind: &str, name: &str) -> Entitlement {
        if let Some(present) = self.entitlement_named(kind, name) {
            return present;
        }
        let roles: &[Option<&str>] = match kind {
            GROUP | LIST => &[None],
            PROJECT => &[Some("member"), Some("maintainer")],
            _ => panic!("This system has no entitlement of the kind {kind}."),
        };
        let anchor = self.next_anchor("e");
        let held = Held {
            name: name.to_owned(),
            administrative: false,
            by: roles
                .iter()
                .map(|role| (role.map(str::to_owned), Default::default()))
                .collect::<BTreeMap<_, _>>(),
            outer: Default::default(),
            inner: Default::default(),
        };
        self.entitlements.insert((kind.to_owned(), anchor.clone()), held);
        self.note_entitlement(kind, &anchor);
        Entitlement { kind: kind.to_owned(), anchor, name: name.to_owned(), administrative: false }
    }

    /// The entitlement that has this name, compared as the system compares.
    pub fn entitlement_named(&self, kind: &str, name: &str) -> Option<Entitlement> {
        let same = self.shape.names;
        self.entitlements().find(|known| known.kind == kind && same.same(&known.name, name))
    }

    /// Takes an entitlement away from the system and from all who hold it.
    pub fn remove_entitlement_by_hand(&mut self, kind: &str, anchor: &Anchor) {
        let Some(held) = self.entitlements.remove(&(kind.to_owned(), anchor.clone())) else {
            panic!("There is no {kind} {anchor}.");
        };
        for (role, holders) in held.by {
            let key = EntitlementKey { kind: kind.to_owned(), anchor: anchor.clone(), role };
            for holder in holders {
                if let Some(record) = self.accounts.get_mut(&holder) {
                    record.holds.remove(&key);
                }
                self.touch(&holder);
            }
        }
        for other in held.outer.iter().chain(&held.inner) {
            if let Some(neighbour) = self.entitlements.get_mut(&(kind.to_owned(), other.clone())) {
                neighbour.outer.remove(anchor);
                neighbour.inner.remove(anchor);
            }
            self.note_entitlement(kind, other);
        }
        self.note_entitlement(kind, anchor);
    }

    /// Gives an entitlement another name; its anchor stays.
    pub fn rename_entitlement_by_hand(&mut self, kind: &str, anchor: &Anchor, to: &str) {
        self.known_entitlement(kind, anchor).name = to.to_owned();
        self.note_entitlement(kind, anchor);
    }

    /// Makes the system say that an entitlement gives administrative power, or that it does not.
    pub fn set_administrative_by_hand(&mut self, kind: &str, anchor: &Anchor, administrative: bool) {
        self.known_entitlement(kind, anchor).administrative = administrative;
        self.note_entitlement(kind, anchor);
    }

    /// Makes an account hold something.
    pub fn add_member_by_hand(&mut self, account: &Anchor, key: &EntitlementKey) {
        self.known_account(account);
        self.known_entitlement(&key.kind, &key.anchor);
        self.link(account, key.clone());
    }

    /// Takes something away from an account.
    pub fn remove_member_by_hand(&mut self, account: &Anchor, key: &EntitlementKey) {
        self.known_account(account);
        self.known_entitlement(&key.kind, &key.anchor);
        if let Some(record) = self.accounts.get_mut(account) {
            record.holds.remove(key);
        }
        self.unlink(account, key);
        self.touch(account);
    }

    /// Puts one group into another.
    pub fn nest_by_hand(&mut self, inner: &Anchor, outer: &Anchor) {
        self.known_entitlement(GROUP, inner).outer.insert(outer.clone());
        self.known_entitlement(GROUP, outer).inner.insert(inner.clone());
        self.note_entitlement(GROUP, inner);
        self.note_entitlement(GROUP, outer);
    }

    /// Takes one group out of another.
    pub fn unnest_by_hand(&mut self, inner: &Anchor, outer: &Anchor) {
        self.known_entitlement(GROUP, inner).outer.remove(outer);
        self.known_entitlement(GROUP, outer).inner.remove(inner);
        self.note_entitlement(GROUP, inner);
        self.note_entitlement(GROUP, outer);
    }

    /// Signs an account in and gives the name of the session; `None` while it cannot sign in.
    pub fn open_session_by_hand(&mut self, account: &Anchor) -> Option<String> {
        if self.known_account(account).state == State::Disabled {
            return None;
        }
        let session = self.next_anchor("s").0;
        self.sessions.insert(session.clone(), account.clone());
        Some(session)
    }

    /// Whether a session is open and its account can sign in. A session that is only held up by its account being
    /// disabled works again once that is enabled, as in many real systems.
    pub fn session_works(&self, session: &str) -> bool {
        let record = self.sessions.get(session).and_then(|account| self.accounts.get(account));
        record.is_some_and(|record| record.state == State::Enabled)
    }

    /// Gives an account something to own, and gives its name.
    pub fn own_something_by_hand(&mut self, account: &Anchor) -> String {
        self.known_account(account);
        let thing = self.next_anchor("t").0;
        self.things.insert(thing.clone(), Some(account.clone()));
        thing
    }

    /// Who owns it, if anybody.
    pub fn owner_of(&self, thing: &str) -> Option<&Anchor> {
        self.things.get(thing).and_then(Option::as_ref)
    }

    /// Takes a thing away.
    pub fn remove_thing_by_hand(&mut self, thing: &str) {
        self.things.remove(thing);
    }

    /// Forgets what changed until now, so that older cursors lead nowhere.
    pub fn forget_changes(&mut self) {
        self.changes.forget();
    }

    fn known_account(&self, anchor: &Anchor) -> Account {
        self.account(anchor).unwrap_or_else(|| panic!("There is no account {anchor}."))
    }

    fn known_entitlement(&mut self, kind: &str, anchor: &Anchor) -> &mut Held {
        let held = self.entitlements.get_mut(&(kind.to_owned(), anchor.clone()));
        held.unwrap_or_else(|| panic!("There is no {kind} {anchor}."))
    }

    fn note_entitlement(&mut self, kind: &str, anchor: &Anchor) {
        self.changes.note(Object::Entitlement { kind: kind.to_owned(), anchor: anchor.clone() });
    }
}
