//! Names that only one identity can have. The version that claims a name anew is at fault, never the one that has it.

use super::{Checker, Findings, field, hint};
use crate::document::{Document, Kind, Problem};
use crate::snapshot::index::{Space, claims};
use crate::snapshot::{Identity, Version};

impl Checker<'_> {
    /// Conflicts over what only one document can have. Nothing is reported that `former`, the version that this one
    /// replaces, had already.
    pub(in crate::snapshot) fn conflicts(&self, version: &Version, former: Option<&Version>) -> Vec<Problem> {
        let mut findings = Findings { file: version.path, problems: Vec::new() };
        match Identity::of(&version.document) {
            Some(identity) => {
                let former = former.and_then(|version| Identity::of(&version.document));
                self.names(identity, former, &mut findings);
            }
            None if former.is_none() => self.only_one(&version.document, &mut findings),
            None => {}
        }
        findings.problems
    }

    fn names(&self, identity: Identity<'_>, former: Option<Identity<'_>>, into: &mut Findings) {
        let had = former.map(claims).unwrap_or_default();
        for claim in claims(identity) {
            if had.contains(&claim) {
                continue;
            }
            let mut others: Vec<_> = self.snapshot.names.others(claim, identity.id()).collect();
            if others.is_empty() {
                continue;
            }
            others.sort();
            let listed = others.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
            let email = match identity {
                Identity::Person(person) => person.email,
                Identity::Service(_) => None,
            };
            let (at, code, what, name) = match claim.0 {
                Space::Username => {
                    (field("username"), "duplicate-username", "username".to_owned(), identity.username())
                }
                Space::Email => {
                    (field("email"), "duplicate-email", "email".to_owned(), email.unwrap_or(claim.1))
                }
                Space::On(target) => {
                    let at = field("accounts").key(target.as_str());
                    (at, "duplicate-username", format!("username on {target}"), claim.1)
                }
            };
            let message = format!("the {what} `{name}` is also that of {listed}");
            let problem = into.error(at, code, message);
            hint(problem, "names that differ only by case or Unicode form are one name".to_owned());
        }
    }

    /// Of some kinds there is one document, so that nobody has to ask which of two decides.
    fn only_one(&self, document: &Document, into: &mut Findings) {
        let kind = document.kind();
        if !matches!(kind, Kind::Tiers | Kind::Guards | Kind::Lifecycle) {
            return;
        }
        let others = self.snapshot.rules.iter().filter(|(slot, _)| slot.0 == kind && slot.1 != document.id());
        let mut others: Vec<&str> = others.map(|(_, version)| version.path.as_str()).collect();
        others.sort_unstable();
        if !others.is_empty() {
            let message =
                format!("there is one document of kind {kind}, and another is in {}", others.join(", "));
            let problem = into.error(field("kind"), "second-document", message);
            hint(problem, "write both into one document".to_owned());
        }
    }
}
