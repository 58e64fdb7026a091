//! Sets of entitlements, kept once: what a hundred thousand people hold alike is one [`Set`] of four bytes, and
//! comparing two is comparing integers.
//!
//! Like [`crate::sym`], the table only grows and changes no result.

use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::sync::RwLock;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::Sym;

/// An entitlement as documents name it: kind, name, and the role within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spec {
    /// The kind: the key in a grant, such as `team`.
    pub kind: Sym,
    /// The name, as the document spells it.
    pub name: Sym,
    /// The role within it, for kinds that have roles.
    pub role: Option<Sym>,
}

/// An entitlement as its target knows it: kind, anchor, and the role within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind.
    pub kind: Sym,
    /// The target's immutable id.
    pub anchor: Sym,
    /// The role within it, for kinds that have roles.
    pub role: Option<Sym>,
}

/// What can be in a [`Set`].
pub trait Member: Copy + Ord + 'static {
    /// As three numbers.
    fn pack(self) -> [u32; 3];
    /// From the three numbers that [`Member::pack`] gave in this process.
    fn unpack(packed: [u32; 3]) -> Self;
}

/// A set that is kept once: equal sets are equal integers.
pub struct Set<T>(u32, PhantomData<fn() -> T>);

#[derive(Default)]
struct Table {
    sets: Vec<&'static [[u32; 3]]>,
    index: HashTable<u32>,
}

static TABLE: RwLock<Table> = RwLock::new(Table { sets: Vec::new(), index: HashTable::new() });

impl<T: Member> Set<T> {
    /// The set with nothing in it.
    pub fn empty() -> Set<T> {
        Set::from_packed(Vec::new())
    }

    /// The set of these members; repeated ones count once.
    pub fn new(members: impl IntoIterator<Item = T>) -> Set<T> {
        Set::from_packed(members.into_iter().map(T::pack).collect())
    }

    /// The members, in the order of their text.
    pub fn members(self) -> Vec<T> {
        let mut members: Vec<T> = self.iter().collect();
        members.sort_unstable();
        members
    }

    /// The members, in no order that means anything.
    pub fn iter(self) -> impl ExactSizeIterator<Item = T> {
        self.packed().iter().map(|packed| T::unpack(*packed))
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.packed().len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether this is one of them.
    pub fn contains(self, member: T) -> bool {
        self.packed().binary_search(&member.pack()).is_ok()
    }

    /// This set and one more member.
    pub fn with(self, member: T) -> Set<T> {
        let mut packed = self.packed().to_vec();
        packed.push(member.pack());
        Set::from_packed(packed)
    }

    /// This set less one member.
    pub fn without(self, member: T) -> Set<T> {
        let gone = member.pack();
        Set::from_packed(self.packed().iter().copied().filter(|packed| *packed != gone).collect())
    }

    fn packed(self) -> &'static [[u32; 3]] {
        TABLE.read().unwrap_or_else(std::sync::PoisonError::into_inner).sets[self.0 as usize]
    }

    fn from_packed(mut packed: Vec<[u32; 3]>) -> Set<T> {
        packed.sort_unstable();
        packed.dedup();
        let hash = FxBuildHasher.hash_one(&packed[..]);
        let found = TABLE.read().unwrap_or_else(std::sync::PoisonError::into_inner).find(hash, &packed);
        let place = found.unwrap_or_else(|| {
            let mut table = TABLE.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            table.find(hash, &packed).unwrap_or_else(|| {
                let place = u32::try_from(table.sets.len()).expect("the table of sets outgrew its index");
                table.sets.push(Box::leak(packed.into_boxed_slice()));
                let Table { sets, index } = &mut *table;
                index.insert_unique(hash, place, |place| FxBuildHasher.hash_one(sets[*place as usize]));
                place
            })
        });
        Set(place, PhantomData)
    }
}

impl Table {
    fn find(&self, hash: u64, packed: &[[u32; 3]]) -> Option<u32> {
        self.index.find(hash, |place| self.sets[*place as usize] == packed).copied()
    }
}

impl Member for Spec {
    fn pack(self) -> [u32; 3] {
        [self.kind.number(), self.name.number(), self.role.map_or(0, Sym::number)]
    }
    fn unpack([kind, name, role]: [u32; 3]) -> Spec {
        Spec { kind: symbol(kind), name: symbol(name), role: optional(role) }
    }
}

impl Member for Key {
    fn pack(self) -> [u32; 3] {
        [self.kind.number(), self.anchor.number(), self.role.map_or(0, Sym::number)]
    }
    fn unpack([kind, anchor, role]: [u32; 3]) -> Key {
        Key { kind: symbol(kind), anchor: symbol(anchor), role: optional(role) }
    }
}

fn symbol(number: u32) -> Sym {
    optional(number).expect("a packed member has a kind and a name")
}

fn optional(number: u32) -> Option<Sym> {
    std::num::NonZeroU32::new(number).map(Sym::from_number)
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)?;
        self.role.map_or(Ok(()), |role| write!(f, "#{role}"))
    }
}

impl<T> Clone for Set<T> {
    fn clone(&self) -> Set<T> {
        *self
    }
}

impl<T> Copy for Set<T> {}

impl<T> PartialEq for Set<T> {
    fn eq(&self, other: &Set<T>) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Set<T> {}

impl<T> std::hash::Hash for Set<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T: Member + std::fmt::Debug> std::fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.members()).finish()
    }
}

impl<T: Member> Default for Set<T> {
    fn default() -> Set<T> {
        Set::empty()
    }
}

impl<T: Member> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Set<T> {
        Set::new(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(name: &str) -> Spec {
        Spec { kind: "team".into(), name: name.into(), role: None }
    }

    #[test]
    fn equal_sets_are_one_whatever_the_order_and_the_repetition() {
        let left = Set::new([team("a"), team("b"), team("a")]);
        let right = Set::new([team("b"), team("a")]);
        assert_eq!(left, right);
        assert_eq!(left.len(), 2);
        assert_eq!(left.without(team("a")), Set::new([team("b")]));
        assert_eq!(right.without(team("a")).with(team("a")), left);
        assert!(left.contains(team("b")) && !left.contains(team("c")));
        assert!(Set::<Spec>::empty().is_empty());
    }
}
