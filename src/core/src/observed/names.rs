//! Entitlements of one target: by anchor, by name, and one in another.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use provost_sdk::{Capabilities, Comparison, Entitlement};

use crate::Sym;
use crate::set::{Key, Spec};

/// The entitlements of one target.
#[derive(Clone, Debug, Default)]
pub struct Names {
    comparisons: FxHashMap<Sym, Comparison>,
    by_anchor: BTreeMap<(Sym, Sym), Named>,
    /// Which anchors bear a folded name now.
    by_name: FxHashMap<(Sym, Sym), BTreeSet<Sym>>,
    /// Which anchor a folded name was first known to mean. Another one under that name is another entitlement, until
    /// an owner agrees.
    known: BTreeMap<(Sym, Sym), Sym>,
    /// Every name that an anchor was seen under.
    borne: BTreeMap<(Sym, Sym), BTreeSet<Sym>>,
    nesting: BTreeSet<(Key, Key)>,
}

/// What is known of one entitlement beyond its kind and anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its present name.
    pub name: Sym,
    /// Whether the target itself says that it gives administrative power.
    pub administrative: bool,
}

/// What a name in a document means on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// This.
    Key(Key),
    /// Nothing bears this name, as far as is known.
    Unknown,
    /// Several bear it.
    Ambiguous,
    /// It bears the name now, and another one did when the name was first known.
    Changed {
        /// What the name means by what was agreed.
        known: Sym,
        /// What bears it now.
        now: Sym,
    },
}

impl Names {
    pub(super) fn new(capabilities: &Capabilities) -> Names {
        Names { comparisons: comparisons(capabilities), ..Names::default() }
    }

    pub(super) fn describe(&mut self, capabilities: &Capabilities) {
        let comparisons = comparisons(capabilities);
        if comparisons == self.comparisons {
            return;
        }
        self.comparisons = comparisons;
        self.by_name.clear();
        for ((kind, folded), anchor) in std::mem::take(&mut self.known) {
            self.known.insert((kind, self.fold(kind, folded)), anchor);
        }
        for ((kind, anchor), named) in self.by_anchor.clone() {
            self.index(kind, anchor, named.name);
        }
    }

    /// What a name in a document means here.
    pub fn resolve(&self, spec: Spec) -> Resolved {
        let folded = (spec.kind, self.fold(spec.kind, spec.name));
        let Some(anchors) = self.by_name.get(&folded).filter(|anchors| !anchors.is_empty()) else {
            return Resolved::Unknown;
        };
        let mut anchors = anchors.iter();
        let (Some(now), None) = (anchors.next().copied(), anchors.next()) else { return Resolved::Ambiguous };
        match self.known.get(&folded) {
            Some(known) if *known != now => Resolved::Changed { known: *known, now },
            _ => Resolved::Key(Key { kind: spec.kind, anchor: now, role: spec.role }),
        }
    }

    /// The entitlement with this anchor.
    pub fn get(&self, kind: Sym, anchor: Sym) -> Option<&Named> {
        self.by_anchor.get(&(kind, anchor))
    }

    /// Its present name; its anchor where the target has not told a name.
    pub fn name(&self, key: Key) -> Sym {
        self.get(key.kind, key.anchor).map_or(key.anchor, |named| named.name)
    }

    /// A key as documents would name it.
    pub fn spec(&self, key: Key) -> Spec {
        Spec { kind: key.kind, name: self.name(key), role: key.role }
    }

    /// Every name that it was seen under, the present one included: it keeps the highest risk of them all.
    pub fn borne(&self, kind: Sym, anchor: Sym) -> impl Iterator<Item = Sym> {
        self.borne.get(&(kind, anchor)).into_iter().flatten().copied()
    }

    /// Every entitlement: kind, anchor and what is known of it.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Sym, Sym, &Named)> {
        self.by_anchor.iter().map(|((kind, anchor), named)| (*kind, *anchor, named))
    }

    /// Which entitlement is in which, inner first.
    pub fn nesting(&self) -> &BTreeSet<(Key, Key)> {
        &self.nesting
    }

    /// An owner agreed that the name means what bears it now.
    pub fn agree(&mut self, kind: Sym, name: Sym) {
        let folded = (kind, self.fold(kind, name));
        let Some(anchors) = self.by_name.get(&folded) else { return };
        if let (1, Some(now)) = (anchors.len(), anchors.first()) {
            self.known.insert(folded, *now);
        }
    }

    /// The form under which equal names of a kind are one.
    pub fn fold(&self, kind: Sym, name: Sym) -> Sym {
        match self.comparisons.get(&kind) {
            None | Some(Comparison::Exact) => name,
            Some(comparison) => Sym::new(&comparison.fold(name.as_str())),
        }
    }

    pub(super) fn count(&self, kind: Sym) -> usize {
        self.by_anchor.keys().filter(|(of, _)| *of == kind).count()
    }

    pub(super) fn kinds(&self) -> BTreeSet<Sym> {
        self.by_anchor.keys().map(|(kind, _)| *kind).collect()
    }

    pub(super) fn put(&mut self, entitlement: &Entitlement) -> bool {
        let Entitlement { kind, anchor, name, administrative } = entitlement;
        let (kind, anchor) = (Sym::new(kind), Sym::new(anchor.as_str()));
        let after = Named { name: Sym::new(name), administrative: *administrative };
        let before = self.by_anchor.insert((kind, anchor), after);
        if let Some(before) = before.filter(|before| before.name != after.name) {
            self.unindex(kind, anchor, before.name);
        }
        if before.map(|before| before.name) != Some(after.name) {
            self.index(kind, anchor, after.name);
        }
        before != Some(after)
    }

    pub(super) fn remove(&mut self, kind: Sym, anchor: Sym) -> bool {
        let Some(before) = self.by_anchor.remove(&(kind, anchor)) else { return false };
        self.unindex(kind, anchor, before.name);
        self.nesting.retain(|(inner, outer)| {
            ![inner, outer].into_iter().any(|key| key.kind == kind && key.anchor == anchor)
        });
        true
    }

    /// What was known of a name and an anchor in the last life of this process.
    pub(super) fn recall(&mut self, kind: Sym, anchor: Sym, name: Sym, known: bool) {
        self.borne.entry((kind, anchor)).or_default().insert(name);
        if known {
            self.known.insert((kind, self.fold(kind, name)), anchor);
        }
    }

    /// Whether this name is known to mean this anchor.
    pub(super) fn is_known(&self, kind: Sym, anchor: Sym, name: Sym) -> bool {
        self.known.get(&(kind, self.fold(kind, name))) == Some(&anchor)
    }

    /// Every anchor that was ever seen to bear a name.
    pub(super) fn ever(&self) -> impl Iterator<Item = (Sym, Sym, &BTreeSet<Sym>)> {
        self.borne.iter().map(|((kind, anchor), names)| (*kind, *anchor, names))
    }

    pub(super) fn set_nesting(&mut self, nesting: BTreeSet<(Key, Key)>) -> bool {
        let changed = self.nesting != nesting;
        self.nesting = nesting;
        changed
    }

    fn index(&mut self, kind: Sym, anchor: Sym, name: Sym) {
        let folded = (kind, self.fold(kind, name));
        self.by_name.entry(folded).or_default().insert(anchor);
        self.known.entry(folded).or_insert(anchor);
        self.borne.entry((kind, anchor)).or_default().insert(name);
    }

    fn unindex(&mut self, kind: Sym, anchor: Sym, name: Sym) {
        let folded = (kind, self.fold(kind, name));
        if let Some(anchors) = self.by_name.get_mut(&folded) {
            anchors.remove(&anchor);
            if anchors.is_empty() {
                self.by_name.remove(&folded);
            }
        }
    }
}

fn comparisons(capabilities: &Capabilities) -> FxHashMap<Sym, Comparison> {
    capabilities.entitlement_kinds.iter().map(|kind| (Sym::new(&kind.name), kind.comparison)).collect()
}

#[cfg(test)]
mod tests {
    use provost_sdk::EntitlementKind;

    use super::*;

    fn names(comparison: Comparison) -> Names {
        Names::new(&Capabilities {
            entitlement_kinds: vec![EntitlementKind {
                name: "team".into(),
                comparison,
                ..Default::default()
            }],
            ..Default::default()
        })
    }

    fn team(anchor: &str, name: &str) -> Entitlement {
        Entitlement { kind: "team".into(), anchor: anchor.into(), name: name.into(), administrative: false }
    }

    fn spec(name: &str) -> Spec {
        Spec { kind: "team".into(), name: name.into(), role: None }
    }

    fn is(anchor: &str) -> Resolved {
        Resolved::Key(Key { kind: "team".into(), anchor: anchor.into(), role: None })
    }

    #[test]
    fn a_name_is_compared_as_the_target_compares_it() {
        let mut folding = names(Comparison::IgnoreCase);
        folding.put(&team("1", "Engineering"));
        assert_eq!(folding.resolve(spec("engineering")), is("1"));
        let mut exact = names(Comparison::Exact);
        exact.put(&team("1", "Engineering"));
        assert_eq!(exact.resolve(spec("engineering")), Resolved::Unknown);
    }

    #[test]
    fn a_group_renamed_into_an_agreed_name_is_another_entitlement_until_an_owner_agrees() {
        let mut names = names(Comparison::Exact);
        names.put(&team("1", "admins"));
        names.put(&team("2", "interns"));
        names.put(&team("1", "old-admins"));
        names.put(&team("2", "admins"));
        assert_eq!(names.resolve(spec("admins")), Resolved::Changed { known: "1".into(), now: "2".into() });
        assert_eq!(names.resolve(spec("old-admins")), is("1"), "a new name of an anchor is a name of it");
        assert_eq!(
            names.borne("team".into(), "1".into()).collect::<Vec<_>>(),
            [Sym::new("admins"), Sym::new("old-admins")],
            "it keeps the risk of both"
        );
        names.agree("team".into(), "admins".into());
        assert_eq!(names.resolve(spec("admins")), is("2"));
    }

    #[test]
    fn two_of_one_name_are_neither() {
        let mut names = names(Comparison::IgnoreCase);
        names.put(&team("1", "eng"));
        names.put(&team("2", "ENG"));
        assert_eq!(names.resolve(spec("eng")), Resolved::Ambiguous);
        names.remove("team".into(), "2".into());
        assert_eq!(names.resolve(spec("eng")), is("1"));
    }
}
