//! Interned text: every name, id and attribute value is a [`Sym`] of four bytes, kept once for the whole process.
//!
//! The table only grows. What it loses to values that no document holds any more is a few hundred kilobytes a day
//! for a million identities, and a restart gives it back; in exchange no step carries an arena around, and comparing
//! is comparing integers. It changes no result: equal text is equal, and order is the order of the text.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU32;
use std::sync::RwLock;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Shards, so that two cores that parse documents rarely wait for each other. The low bits of a symbol name its
/// shard.
const SHARDS: usize = 16;

/// Bytes of one block of text. A block is never moved or freed, so what points into it stays good.
const BLOCK: usize = 64 << 10;

/// A text that is kept once. Equality and hash are those of an integer; order is that of the text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sym(NonZeroU32);

#[derive(Default)]
struct Shard {
    texts: Vec<&'static str>,
    index: HashTable<u32>,
    rest: &'static mut [u8],
}

static TABLE: [RwLock<Shard>; SHARDS] =
    [const { RwLock::new(Shard { texts: Vec::new(), index: HashTable::new(), rest: &mut [] }) }; SHARDS];

impl Sym {
    /// The symbol of a text.
    pub fn new(text: &str) -> Sym {
        let hash = FxBuildHasher.hash_one(text);
        // The top bits choose the place inside of the hash table, so the shard takes others.
        let shard_number = (hash >> 20) as usize % SHARDS;
        let shard = &TABLE[shard_number];
        if let Some(found) = read(shard).find(hash, text) {
            return Sym::at(shard_number, found);
        }
        let mut shard = shard.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let place = shard.find(hash, text).unwrap_or_else(|| shard.insert(hash, text));
        Sym::at(shard_number, place)
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        let number = self.0.get() as usize - 1;
        read(&TABLE[number % SHARDS]).texts[number / SHARDS]
    }

    /// The integer behind it, for packed tables. It means nothing outside of this process.
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// The symbol behind an integer that [`Sym::number`] gave in this process.
    pub fn from_number(number: NonZeroU32) -> Sym {
        Sym(number)
    }

    fn at(shard: usize, place: u32) -> Sym {
        let number = place as usize * SHARDS + shard + 1;
        let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
        Sym(number.expect("four thousand million different texts do not fit into memory"))
    }
}

fn read(shard: &RwLock<Shard>) -> std::sync::RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Shard {
    fn find(&self, hash: u64, text: &str) -> Option<u32> {
        self.index.find(hash, |place| self.texts[*place as usize] == text).copied()
    }

    fn insert(&mut self, hash: u64, text: &str) -> u32 {
        let kept = self.keep(text);
        let place = u32::try_from(self.texts.len()).expect("the table of texts outgrew its index");
        self.texts.push(kept);
        let Shard { texts, index, .. } = self;
        index.insert_unique(hash, place, |place| FxBuildHasher.hash_one(texts[*place as usize]));
        place
    }

    fn keep(&mut self, text: &str) -> &'static str {
        if text.len() > self.rest.len() {
            if text.len() > BLOCK / 4 {
                return Box::leak(text.to_owned().into_boxed_str());
            }
            self.rest = Box::leak(vec![0; BLOCK].into_boxed_slice());
        }
        let (place, rest) = std::mem::take(&mut self.rest).split_at_mut(text.len());
        self.rest = rest;
        place.copy_from_slice(text.as_bytes());
        std::str::from_utf8(place).expect("a copy of a text is a text")
    }
}

impl Ord for Sym {
    fn cmp(&self, other: &Sym) -> Ordering {
        if self == other { Ordering::Equal } else { self.as_str().cmp(other.as_str()) }
    }
}

impl PartialOrd for Sym {
    fn partial_cmp(&self, other: &Sym) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<&str> for Sym {
    fn from(text: &str) -> Sym {
        Sym::new(text)
    }
}

impl From<&String> for Sym {
    fn from(text: &String) -> Sym {
        Sym::new(text)
    }
}

impl AsRef<str> for Sym {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<&str> for Sym {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}

impl PartialEq<str> for Sym {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == text
    }
}

impl Serialize for Sym {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Sym {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sym, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Sym;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Sym, E> {
                Ok(Sym::new(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl schemars::JsonSchema for Sym {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_text_is_one_symbol_and_order_is_that_of_the_text() {
        let later = Sym::new("order-test-b");
        let earlier = Sym::new("order-test-a");
        assert_eq!(later, Sym::new("order-test-b"));
        assert!(earlier < later);
        assert_eq!(earlier.as_str(), "order-test-a");
        assert_eq!(size_of::<Option<Sym>>(), 4);
    }

    #[test]
    fn many_and_long_texts_are_kept_apart_from_many_threads() {
        let long = "x".repeat(BLOCK);
        let symbols: Vec<Vec<Sym>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (0..20_000).map(|n| Sym::new(&format!("text {n}"))).collect::<Vec<_>>())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
        });
        assert!(symbols.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(symbols[0][19_999].as_str(), "text 19999");
        assert_eq!(Sym::new(&long).as_str(), long);
    }
}
