//! [`Filter`] to [`Test`]: paths looked up in the schema of a resource type, values checked against the attribute's
//! type, so that evaluation cannot fail and does no work twice.

use jiff::Timestamp;

use super::{Filter, Literal, Op, instant};
use crate::error::Refusal;
use crate::fold::fold;
use crate::path::{AttrPath, Place};
use crate::schema::{Attribute, Kind, Returned, Type};

/// A filter that is ready to be evaluated on resources of one type.
#[derive(Debug)]
pub(crate) enum Test {
    Compare(Place, Op, Operand),
    Present(Place),
    Element(Place, Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    /// An attribute that this resource type does not have: in a query over several types it has no value.
    Never,
}

/// A comparison value in the form in which it is compared.
#[derive(Debug, PartialEq)]
pub(crate) enum Operand {
    /// A string whose case counts.
    Exact(String),
    /// A string whose case does not count, folded.
    Folded(String),
    Boolean(bool),
    Instant(Timestamp),
    Null,
}

impl Test {
    /// Adds the top-level keys of a resource that the test looks at.
    pub(crate) fn attributes(&self, keys: &mut Vec<&'static str>) {
        match self {
            Self::Compare(place, ..) | Self::Present(place) | Self::Element(place, _) => {
                if !keys.contains(&place.top_level()) {
                    keys.push(place.top_level());
                }
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.attributes(keys)),
            Self::Not(inner) => inner.attributes(keys),
            Self::Never => {}
        }
    }
}

/// Binds `filter` to `kind`. With `lenient` an unknown attribute has no value (queries over several resource types);
/// otherwise it is refused: a misspelt filter that matches nothing would be taken for an empty directory.
pub(crate) fn bind(filter: &Filter, kind: Kind, lenient: bool) -> Result<Test, Refusal> {
    each(filter, &|path| match path.resolve(kind) {
        Some(place) => Ok(Some(place)),
        None if lenient => Ok(None),
        None => Err(Refusal::invalid_filter(format!("{} has no attribute '{path}'.", kind.name()))),
    })
}

/// Binds the filter inside of `attribute[...]` to the sub-attributes of `attribute`.
pub(crate) fn bind_elements(filter: &Filter, attribute: &'static Attribute) -> Result<Test, Refusal> {
    each(filter, &|path| {
        let sub = match (&path.schema, &path.sub) {
            (None, None) => attribute.sub(&path.name),
            _ => None,
        };
        match sub {
            Some(sub) => Ok(Some(Place { extension: None, attribute: sub, sub: None })),
            None => {
                Err(Refusal::invalid_filter(format!("'{}' has no sub-attribute '{path}'.", attribute.name)))
            }
        }
    })
}

type Lookup<'a> = &'a dyn Fn(&AttrPath) -> Result<Option<Place>, Refusal>;

fn each(filter: &Filter, lookup: Lookup<'_>) -> Result<Test, Refusal> {
    let all = |parts: &[Filter]| parts.iter().map(|part| each(part, lookup)).collect::<Result<Vec<_>, _>>();
    Ok(match filter {
        Filter::And(parts) => Test::And(all(parts)?),
        Filter::Or(parts) => Test::Or(all(parts)?),
        Filter::Not(inner) => Test::Not(Box::new(each(inner, lookup)?)),
        Filter::Present(path) => match lookup(path)? {
            Some(place) => Test::Present(readable(place)?),
            None => Test::Never,
        },
        Filter::Compare(path, op, literal) => match lookup(path)? {
            Some(place) => {
                let place = readable(comparable(place, path)?)?;
                Test::Compare(place, *op, operand(place.sub.unwrap_or(place.attribute), *op, literal)?)
            }
            None => Test::Never,
        },
        Filter::Element(path, inner) => match lookup(path)? {
            Some(place) if place.sub.is_none() && place.attribute.kind == Type::Complex => {
                Test::Element(place, Box::new(bind_elements(inner, place.attribute)?))
            }
            Some(_) => {
                return Err(Refusal::invalid_filter(format!("'{path}' has no sub-attributes to filter by.")));
            }
            None => Test::Never,
        },
    })
}

/// A filter on what is never returned would give it away, bit by bit.
fn readable(place: Place) -> Result<Place, Refusal> {
    if place.attribute.returned == Returned::Never {
        return Err(Refusal::invalid_filter(format!("'{}' cannot be filtered by.", place.attribute.name)));
    }
    Ok(place)
}

/// A complex attribute is compared by its `value` (RFC 7643, section 2.4: "value" is its significant one).
fn comparable(place: Place, path: &AttrPath) -> Result<Place, Refusal> {
    if place.sub.is_some() || place.attribute.kind != Type::Complex {
        return Ok(place);
    }
    match place.attribute.default_sub() {
        Some(sub) => Ok(Place { sub: Some(sub), ..place }),
        None => Err(Refusal::invalid_filter(format!("'{path}' is complex: name one of its sub-attributes."))),
    }
}

fn operand(attribute: &Attribute, op: Op, literal: &Literal) -> Result<Operand, Refusal> {
    let partial = matches!(op, Op::Co | Op::Sw | Op::Ew);
    let wrong = |expected: &str| {
        Err(Refusal::invalid_filter(format!("'{} {} {literal}': {expected}.", attribute.name, op.name())))
    };
    if *literal == Literal::Null {
        return match op {
            Op::Eq | Op::Ne => Ok(Operand::Null),
            _ => wrong("null can only be compared by eq and ne"),
        };
    }
    match (attribute.kind, literal) {
        (Type::Boolean, _) if !matches!(op, Op::Eq | Op::Ne) => {
            wrong("booleans can only be compared by eq and ne")
        }
        (Type::Boolean, Literal::Boolean(boolean)) => Ok(Operand::Boolean(*boolean)),
        // Identity providers write booleans as strings.
        (Type::Boolean, Literal::Text(text)) if text.eq_ignore_ascii_case("true") => {
            Ok(Operand::Boolean(true))
        }
        (Type::Boolean, Literal::Text(text)) if text.eq_ignore_ascii_case("false") => {
            Ok(Operand::Boolean(false))
        }
        (Type::Boolean, _) => wrong("true or false is expected"),
        (Type::DateTime, Literal::Text(text)) if partial => Ok(Operand::Exact(text.clone())),
        (Type::DateTime, Literal::Text(text)) => match instant(text) {
            Some(at) => Ok(Operand::Instant(at)),
            None => wrong("a date and time such as \"2026-12-01T09:30:00Z\" is expected"),
        },
        (Type::Binary, _) if !matches!(op, Op::Eq | Op::Ne) => {
            wrong("binary values can only be compared by eq and ne")
        }
        (Type::String | Type::Reference | Type::Binary, Literal::Text(text)) if attribute.case_exact => {
            Ok(Operand::Exact(text.clone()))
        }
        (Type::String | Type::Reference | Type::Binary, Literal::Text(text)) => {
            Ok(Operand::Folded(fold(text).into_owned()))
        }
        (Type::Complex, _) => wrong("it is complex: name one of its sub-attributes"),
        _ => wrong("a string in double quotes is expected"),
    }
}
