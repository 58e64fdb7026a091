//! Maps that refuse a key that stands twice: serde would silently keep the last.

use std::fmt;
use std::marker::PhantomData;

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::Sym;

/// For `#[serde(deserialize_with)]`.
pub(super) fn map<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<IndexMap<Sym, T>, D::Error> {
    struct Unique<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Unique<T> {
        type Value = IndexMap<Sym, T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = IndexMap::new();
            while let Some((key, value)) = access.next_entry::<Sym, T>()? {
                match map.entry(key) {
                    Entry::Occupied(_) => return Err(A::Error::custom(format!("duplicate field `{key}`"))),
                    Entry::Vacant(place) => place.insert(value),
                };
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Unique(PhantomData))
}
