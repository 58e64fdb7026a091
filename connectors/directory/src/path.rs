//! Attribute paths: `[URN ":"] name ["." sub]` (RFC 7644, section 3.10), as text and resolved against the schema.

use std::fmt;

use crate::schema::{self, Attribute, Kind};

/// A parsed path, not yet looked up in a schema. An empty `name` stands for the whole schema or extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttrPath {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) sub: Option<String>,
}

/// Where in a resource a path leads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// URN of the extension whose object holds the attribute; none: the resource itself.
    pub(crate) extension: Option<&'static str>,
    pub(crate) attribute: &'static Attribute,
    pub(crate) sub: Option<&'static Attribute>,
}

impl AttrPath {
    /// Parses a path; the error is a sentence for the client.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (schema, rest) = split_urn(text);
        if rest.is_empty() && schema.is_some() {
            return Ok(Self { schema, name: String::new(), sub: None });
        }
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        if !is_name(name) || !sub.is_none_or(is_name) {
            return Err(format!("'{}' is not an attribute path.", shortened(text)));
        }
        Ok(Self { schema, name: name.to_owned(), sub: sub.map(str::to_owned) })
    }

    /// Looks the path up for resources of `kind`.
    pub(crate) fn resolve(&self, kind: Kind) -> Option<Place> {
        let (extension, attribute) = match &self.schema {
            None => (None, kind.attribute(&self.name)?),
            Some(urn) if urn.eq_ignore_ascii_case(kind.schema()) => (None, kind.attribute(&self.name)?),
            Some(urn) => {
                let (urn, attributes) = kind.extension(urn)?;
                (Some(urn), schema::find(attributes, &self.name)?)
            }
        };
        let sub = match &self.sub {
            None => None,
            Some(name) => Some(attribute.sub(name)?),
        };
        Some(Place { extension, attribute, sub })
    }
}

impl fmt::Display for AttrPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            out.write_str(schema)?;
            if self.name.is_empty() {
                return Ok(());
            }
            out.write_str(":")?;
        }
        out.write_str(&self.name)?;
        if let Some(sub) = &self.sub {
            write!(out, ".{sub}")?;
        }
        Ok(())
    }
}

impl Place {
    /// The key of the resource's object under which the value lies: the attribute's name, or the extension's URN.
    pub(crate) fn top_level(&self) -> &'static str {
        self.extension.unwrap_or(self.attribute.name)
    }
}

/// At most the first 100 characters of what a client sent, for a message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Separates a URN from what follows it. A URN may hold dots ("2.0"), so known ones are tried first; of others the
/// attribute is what follows the last colon.
fn split_urn(text: &str) -> (Option<String>, &str) {
    for urn in [schema::USER, schema::GROUP, schema::ENTERPRISE] {
        if let Some((head, rest)) = text.split_at_checked(urn.len())
            && head.eq_ignore_ascii_case(urn)
        {
            if rest.is_empty() {
                return (Some(urn.to_owned()), "");
            }
            if let Some(rest) = rest.strip_prefix(':') {
                return (Some(urn.to_owned()), rest);
            }
        }
    }
    match text.rfind(':') {
        Some(at) if at + 1 < text.len() => (Some(text[..at].to_owned()), &text[at + 1..]),
        _ => (None, text),
    }
}

/// ATTRNAME of RFC 7644, section 3.4.2.2, and `$ref`.
fn is_name(name: &str) -> bool {
    let letters = name.strip_prefix('$').unwrap_or(name);
    letters.starts_with(|c: char| c.is_ascii_alphabetic())
        && letters.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urns_with_dots_are_separated_from_sub_attributes() -> Result<(), String> {
        let path =
            AttrPath::parse("URN:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager.value")?;
        assert_eq!(path.schema.as_deref(), Some(schema::ENTERPRISE));
        assert_eq!((path.name.as_str(), path.sub.as_deref()), ("manager", Some("value")));
        let place = path.resolve(Kind::User).ok_or("manager.value is known")?;
        assert_eq!(place.top_level(), schema::ENTERPRISE);
        assert!(path.resolve(Kind::Group).is_none());
        Ok(())
    }

    #[test]
    fn a_bare_urn_is_the_whole_extension() -> Result<(), String> {
        let path = AttrPath::parse(schema::ENTERPRISE)?;
        assert_eq!((path.name.as_str(), path.schema.as_deref()), ("", Some(schema::ENTERPRISE)));
        Ok(())
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "a.b.c", "1a", "a b", "a[", "é", "$", "urn:x:"] {
            assert!(AttrPath::parse(text).is_err(), "{text}");
        }
        assert!(AttrPath::parse("members.$ref").is_ok());
    }
}
