//! The path of a PATCH operation: `attrPath`, or `attrPath[filter]` with an optional `.sub` (RFC 7644, section 3.5.2).

use crate::error::Refusal;
use crate::filter::{Filter, parse_prefix};
use crate::path::{AttrPath, shortened};

/// A parsed path, not yet looked up in a schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PatchPath {
    pub(crate) attribute: AttrPath,
    pub(crate) filter: Option<Filter>,
}

impl PatchPath {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let Some((head, rest)) = text.split_once('[') else {
            let attribute = AttrPath::parse(text).map_err(Refusal::invalid_path)?;
            return Ok(Self { attribute, filter: None });
        };
        let malformed = || Refusal::invalid_path(format!("'{}' is not a PATCH path.", shortened(text)));
        let mut attribute = AttrPath::parse(head.trim_end()).map_err(Refusal::invalid_path)?;
        if attribute.sub.is_some() || attribute.name.is_empty() {
            return Err(malformed());
        }
        let (filter, rest) = parse_prefix(rest).map_err(|refusal| Refusal::invalid_path(refusal.detail))?;
        if !rest.is_empty() {
            let sub = AttrPath::parse(rest.strip_prefix('.').ok_or_else(malformed)?)
                .map_err(Refusal::invalid_path)?;
            if sub.schema.is_some() || sub.sub.is_some() {
                return Err(malformed());
            }
            attribute.sub = Some(sub.name);
        }
        Ok(Self { attribute, filter: Some(filter) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_path_may_be_followed_by_a_sub_attribute() -> Result<(), Refusal> {
        let path = PatchPath::parse("emails[type eq \"work\" and value ew \"]\"].value")?;
        assert_eq!((path.attribute.name.as_str(), path.attribute.sub.as_deref()), ("emails", Some("value")));
        assert!(path.filter.is_some());
        Ok(())
    }

    #[test]
    fn malformed_paths_are_refused_as_invalid_path() {
        for text in [
            "emails[",
            "emails[type eq \"work\"",
            "emails[]",
            "emails[type pr]value",
            "emails[type pr].a.b",
            "emails.value[type pr]",
            "emails[type pr].",
            "[type pr]",
            "e mails",
            "emails[type eq]",
        ] {
            let refusal = PatchPath::parse(text).expect_err("malformed");
            assert_eq!(refusal.scim_type, Some("invalidPath"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(text in "[a-z.\\[\\]\" é\\\\:]{0,24}") {
            let _ = PatchPath::parse(&text);
        }
    }
}
