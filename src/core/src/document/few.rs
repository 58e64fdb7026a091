//! Small maps by name, of which an organisation has many: sixteen bytes where empty, and no table beside the entries.

use std::fmt;
use std::marker::PhantomData;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::Sym;

/// Values by name, in the order of the names' text. A name that stands twice is refused when it is read, where serde
/// would silently keep the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T>(Box<[(Sym, T)]>);

impl<T> Few<T> {
    /// The values of these names, each of which stands once.
    pub(super) fn of(mut entries: Vec<(Sym, T)>) -> Few<T> {
        entries.sort_by_key(|(name, _)| *name);
        Few(entries.into_boxed_slice())
    }

    /// The value of a name.
    pub fn get(&self, name: &Sym) -> Option<&T> {
        let place = self.0.binary_search_by(|(known, _)| known.cmp(name)).ok()?;
        Some(&self.0[place].1)
    }

    /// Every name with its value.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Sym, &T)> {
        self.into_iter()
    }

    /// Every name.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Sym> {
        self.0.iter().map(|(name, _)| name)
    }

    /// Every value.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few(Box::default())
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = (&'a Sym, &'a T);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (Sym, T)>, fn(&'a (Sym, T)) -> (&'a Sym, &'a T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl<T: Serialize> Serialize for Few<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Few<T>, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Few<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Few<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry::<Sym, T>()? {
                    entries.push(entry);
                }
                entries.sort_by_key(|(name, _)| *name);
                if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                    return Err(A::Error::custom(format!("duplicate field `{}`", pair[0].0)));
                }
                Ok(Few(entries.into_boxed_slice()))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Few<T> {
    fn inline_schema() -> bool {
        IndexMap::<Sym, T>::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        IndexMap::<Sym, T>::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        IndexMap::<Sym, T>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_and_refused_where_it_stands_twice() {
        let few: Few<Sym> = serde_json::from_str(r#"{"b": "2", "a": "1"}"#).expect("two names");
        assert_eq!(few.get(&Sym::new("b")), Some(&Sym::new("2")));
        assert_eq!(few.get(&Sym::new("c")), None);
        assert_eq!(serde_json::to_string(&few).expect("text"), r#"{"a":"1","b":"2"}"#);
        let twice = serde_json::from_str::<Few<Sym>>(r#"{"a": "1", "b": "2", "a": "1"}"#);
        assert!(twice.is_err_and(|error| error.to_string().contains("`a`")));
    }
}
