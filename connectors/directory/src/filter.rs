//! Filters (RFC 7644, section 3.4.2.2): parsed to a [`Filter`], bound to a resource type as a [`Test`], evaluated on
//! resources, and, where an index can narrow the search, planned as [`Seek`]s.

mod bind;
mod eval;
mod parse;
mod seek;

use std::fmt;

pub(crate) use bind::{Operand, Test, bind, bind_elements};
pub(crate) use eval::{element_matches, instant, matches};
pub(crate) use parse::{parse, parse_prefix};
pub(crate) use seek::{Seek, seeks};

use crate::path::AttrPath;

/// A filter as written. Chains of `and` and of `or` are flat: a chain never directly holds a chain of the same word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    Compare(AttrPath, Op, Literal),
    Present(AttrPath),
    /// `path[inner]`: one value of `path` matches the whole of `inner`.
    Element(AttrPath, Box<Filter>),
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
}

/// The comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

/// A comparison value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Number(f64),
    Boolean(bool),
    Null,
}

impl Op {
    pub(crate) const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

impl Filter {
    /// A conjunction, flat; of one part, that part.
    pub(crate) fn and(parts: Vec<Self>) -> Self {
        chain(parts, Self::And, |filter| match filter {
            Self::And(parts) => Ok(parts),
            other => Err(other),
        })
    }

    /// A disjunction, flat; of one part, that part.
    pub(crate) fn or(parts: Vec<Self>) -> Self {
        chain(parts, Self::Or, |filter| match filter {
            Self::Or(parts) => Ok(parts),
            other => Err(other),
        })
    }
}

fn chain(
    parts: Vec<Filter>,
    whole: impl Fn(Vec<Filter>) -> Filter,
    open: impl Fn(Filter) -> Result<Vec<Filter>, Filter>,
) -> Filter {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match open(part) {
            Ok(inner) => flat.extend(inner),
            Err(single) => flat.push(single),
        }
    }
    match flat.pop() {
        Some(only) if flat.is_empty() => only,
        Some(last) => {
            flat.push(last);
            whole(flat)
        }
        None => whole(flat),
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(path, op, literal) => write!(out, "{path} {} {literal}", op.name()),
            Self::Present(path) => write!(out, "{path} pr"),
            Self::Element(path, inner) => write!(out, "{path}[{inner}]"),
            Self::Not(inner) => write!(out, "not ({inner})"),
            Self::Or(parts) => joined(out, parts, " or ", |_| false),
            Self::And(parts) => joined(out, parts, " and ", |part| matches!(part, Self::Or(_))),
        }
    }
}

fn joined(
    out: &mut fmt::Formatter<'_>,
    parts: &[Filter],
    word: &str,
    in_brackets: impl Fn(&Filter) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.write_str(word)?;
        }
        if in_brackets(part) { write!(out, "({part})")? } else { write!(out, "{part}")? }
    }
    Ok(())
}

impl fmt::Display for Literal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(out, "{}", serde_json::Value::from(text.as_str())),
            Self::Number(number) => write!(out, "{number}"),
            Self::Boolean(boolean) => write!(out, "{boolean}"),
            Self::Null => out.write_str("null"),
        }
    }
}
