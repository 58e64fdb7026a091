//! Which index finds everything that a filter can match. The answer is a superset: the filter itself is still evaluated
//! on what is found, so that a plan can be slow but never wrong.

use super::{Op, Operand, Test};
use crate::path::Place;

/// One look-up in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seek {
    Id(String),
    ExternalId(String),
    /// Folded.
    UserName(String),
    /// Folded.
    DisplayName(String),
    /// Folded.
    Email(String),
    /// Groups that have this member, by its folded id.
    Member(String),
}

/// The look-ups whose union holds all matches; none: everything has to be looked at.
pub(crate) fn seeks(test: &Test) -> Option<Vec<Seek>> {
    match test {
        Test::Compare(place, Op::Eq, operand) => {
            Some(vec![seek(place, place.sub.map(|sub| sub.name), operand)?])
        }
        Test::Element(place, inner) => element(place, inner),
        Test::And(parts) => parts.iter().filter_map(seeks).min_by_key(Vec::len),
        Test::Or(parts) => union(parts.iter().map(seeks)),
        Test::Never => Some(Vec::new()),
        Test::Compare(..) | Test::Present(_) | Test::Not(_) => None,
    }
}

fn element(outer: &Place, inner: &Test) -> Option<Vec<Seek>> {
    match inner {
        Test::Compare(place, Op::Eq, operand) => {
            Some(vec![seek(outer, Some(place.attribute.name), operand)?])
        }
        Test::And(parts) => parts.iter().filter_map(|part| element(outer, part)).min_by_key(Vec::len),
        Test::Or(parts) => union(parts.iter().map(|part| element(outer, part))),
        _ => None,
    }
}

fn union(parts: impl Iterator<Item = Option<Vec<Seek>>>) -> Option<Vec<Seek>> {
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    Some(all)
}

fn seek(place: &Place, sub: Option<&str>, operand: &Operand) -> Option<Seek> {
    if place.extension.is_some() {
        return None;
    }
    match (place.attribute.name, sub, operand) {
        ("id", None, Operand::Exact(text)) => Some(Seek::Id(text.clone())),
        ("externalId", None, Operand::Exact(text)) => Some(Seek::ExternalId(text.clone())),
        ("userName", None, Operand::Folded(text)) => Some(Seek::UserName(text.clone())),
        ("displayName", None, Operand::Folded(text)) => Some(Seek::DisplayName(text.clone())),
        ("emails", Some("value"), Operand::Folded(text)) => Some(Seek::Email(text.clone())),
        ("members", Some("value"), Operand::Folded(text)) => Some(Seek::Member(text.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{bind, parse};
    use super::*;
    use crate::error::Refusal;
    use crate::schema::Kind;

    fn plan(kind: Kind, filter: &str) -> Result<Option<Vec<Seek>>, Refusal> {
        Ok(seeks(&bind(&parse(filter)?, kind, false)?))
    }

    #[test]
    fn equality_on_an_indexed_attribute_uses_the_index() -> Result<(), Refusal> {
        let name = || Seek::UserName("ada".into());
        assert_eq!(plan(Kind::User, "userName eq \"ADA\"")?, Some(vec![name()]));
        assert_eq!(plan(Kind::User, "active eq true and userName eq \"Ada\"")?, Some(vec![name()]));
        assert_eq!(
            plan(Kind::User, "userName eq \"ada\" or id eq \"X\"")?,
            Some(vec![name(), Seek::Id("X".into())])
        );
        assert_eq!(
            plan(Kind::User, "emails[type eq \"work\" and value eq \"A@b\"]")?,
            Some(vec![Seek::Email("a@b".into())])
        );
        assert_eq!(plan(Kind::User, "emails eq \"A@b\"")?, Some(vec![Seek::Email("a@b".into())]));
        assert_eq!(plan(Kind::Group, "members[value eq \"m\"]")?, Some(vec![Seek::Member("m".into())]));
        Ok(())
    }

    #[test]
    fn what_an_index_cannot_find_looks_at_everything() -> Result<(), Refusal> {
        for filter in [
            "userName ne \"a\"",
            "not (userName eq \"a\")",
            "userName eq \"a\" or active eq true",
            "userName sw \"a\"",
            "userName eq null",
            "emails[type eq \"work\"]",
            "title eq \"x\"",
        ] {
            assert_eq!(plan(Kind::User, filter)?, None, "{filter}");
        }
        Ok(())
    }
}
