//! An account as it is kept: five numbers, so that a million of them fit and comparing two is comparing integers.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use provost_sdk::{Account, AccountRef, Anchor, Attributes, EntitlementKey, EntitlementRef, State, Value};

use crate::Sym;
use crate::packed::{packed, packed_words};
use crate::set::{Key, Member, Set};

/// What is known of one account. Its anchor is the key under which it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// One of the declared account kinds.
    pub kind: Sym,
    /// As the target spells it.
    pub username: Sym,
    /// Whether it can sign in.
    pub state: State,
    /// Its declared attributes.
    pub attributes: Set<Field>,
    /// Everything that it holds directly.
    pub entitlements: Set<Key>,
}

/// One attribute with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    /// The connector's name of the attribute.
    pub name: Sym,
    /// The value as text; a list as a JSON array of its sorted members.
    pub value: Sym,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
enum Form {
    Text,
    Bool,
    List,
}

impl Field {
    /// An attribute with its value.
    pub fn new(name: Sym, value: &Value) -> Field {
        let (form, value) = match value {
            Value::Text(text) => (Form::Text, Sym::new(text)),
            Value::Bool(truth) => (Form::Bool, Sym::new(if *truth { "true" } else { "false" })),
            Value::List(texts) => {
                (Form::List, Sym::new(&serde_json::Value::from_iter(texts.iter().cloned()).to_string()))
            }
        };
        Field { name, value, form }
    }

    /// An attribute whose value is a text.
    pub fn text(name: Sym, value: Sym) -> Field {
        Field { name, value, form: Form::Text }
    }

    /// The value as the connector speaks of it.
    pub fn value(&self) -> Value {
        let text = self.value.as_str();
        match self.form {
            Form::Text => Value::Text(text.to_owned()),
            Form::Bool => Value::Bool(text == "true"),
            Form::List => Value::List(
                serde_json::from_str::<BTreeSet<String>>(text).expect("a list was written as JSON"),
            ),
        }
    }
}

packed_words! {
    Form { Text = 0, Bool = 1, List = 2 }
}

packed! {
    Field { name, value, form }
}

impl Member for Field {
    fn pack(self) -> [u32; 3] {
        [self.name.number(), self.value.number(), self.form as u32]
    }
    fn unpack([name, value, form]: [u32; 3]) -> Field {
        let symbol = |number| {
            Sym::from_number(NonZeroU32::new(number).expect("a packed field has a name and a value"))
        };
        let form = match form {
            0 => Form::Text,
            1 => Form::Bool,
            _ => Form::List,
        };
        Field { name: symbol(name), value: symbol(value), form }
    }
}

impl Seen {
    /// What a connector's account says, less its anchor. `entitlements` is empty where the account does not tell them.
    pub fn of(account: &Account) -> Seen {
        let Account { anchor: _, kind, username, state, attributes, entitlements, version: _ } = account;
        Seen {
            kind: Sym::new(kind),
            username: Sym::new(username),
            state: *state,
            attributes: fields(attributes),
            entitlements: entitlements.iter().flatten().map(key).collect(),
        }
    }

    /// How an operation names it.
    pub fn reference(&self, anchor: Sym) -> AccountRef {
        AccountRef { anchor: Anchor::from(anchor.as_str()), username: self.username.to_string() }
    }

    /// The value of one attribute.
    pub fn attribute(&self, name: Sym) -> Option<Field> {
        self.attributes.iter().find(|field| field.name == name)
    }
}

/// Attributes as a set.
pub fn fields(attributes: &Attributes) -> Set<Field> {
    attributes.iter().map(|(name, value)| Field::new(Sym::new(name), value)).collect()
}

/// A connector's key as ours.
pub fn key(key: &EntitlementKey) -> Key {
    let EntitlementKey { kind, anchor, role } = key;
    Key { kind: Sym::new(kind), anchor: Sym::new(anchor.as_str()), role: role.as_ref().map(Sym::from) }
}

/// The key under which an account holds an entitlement, as ours.
pub fn key_of(entitlement: &EntitlementRef) -> Key {
    let EntitlementRef { kind, anchor, name: _, role } = entitlement;
    Key { kind: Sym::new(kind), anchor: Sym::new(anchor.as_str()), role: role.as_ref().map(Sym::from) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_were() {
        let attributes = Attributes::from([
            ("email".to_owned(), Value::from("ada@example.com")),
            ("active".to_owned(), Value::Bool(true)),
            ("truth".to_owned(), Value::from("true")),
            ("keys".to_owned(), Value::List(["b \"quoted\"".to_owned(), "a".to_owned()].into())),
        ]);
        let back: Attributes =
            fields(&attributes).iter().map(|field| (field.name.to_string(), field.value())).collect();
        assert_eq!(back, attributes);
    }

    #[test]
    fn an_account_is_twenty_bytes() {
        assert_eq!(size_of::<Seen>(), 20);
    }
}
