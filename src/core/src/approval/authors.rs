//! Who wrote what causes a request, as the walk over the commits found it.

use std::collections::{BTreeMap, BTreeSet};

use crate::Sym;
use crate::document::Kind;

/// Who wrote each causing document since the version of it that was in force.
///
/// A document that is not in it was not looked at, and counts as written by somebody unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authors {
    of: BTreeMap<(Kind, Sym), Authorship>,
}

/// Who wrote one document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorship {
    /// The people known to have authored, merged, opened or pushed it.
    pub people: BTreeSet<Sym>,
    /// Whether anything of it is by somebody who is not known.
    pub unknown: bool,
}

impl Authors {
    /// Says who wrote a document; adds to what was said before. Nobody at all: nothing has changed since the version in
    /// force.
    pub fn add(&mut self, kind: Kind, id: Sym, authorship: Authorship) {
        let known = self.of.entry((kind, id)).or_default();
        known.people.extend(authorship.people);
        known.unknown |= authorship.unknown;
    }

    /// Who wrote any of these documents.
    pub fn of(&self, causes: &[(Kind, Sym)]) -> Authorship {
        let mut all = Authorship::default();
        for cause in causes {
            match self.of.get(cause) {
                Some(one) => {
                    all.people.extend(&one.people);
                    all.unknown |= one.unknown;
                }
                None => all.unknown = true,
            }
        }
        all
    }
}
