//! Versions (RFC 7644, section 3.14): weak entity tags, and the conditions that requests name them in.
//!
//! A tag is the number of the resource's changes; a user's tag also has a digest of its `groups`, which change without
//! the user being written. A condition on a *write* looks at the number only, because it protects what clients write;
//! a condition on a *read* looks at the whole tag, because it stands for what the client would be sent.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::error::Refusal;
use crate::store::Row;

/// The entity tag of a resource; `groups` is the JSON text of a user's groups.
pub(crate) fn tag(row: &Row, groups: Option<&str>) -> String {
    match groups {
        None => format!("W/\"{}\"", row.version),
        Some(groups) => {
            // A hash that may differ after an update of the compiler: then a client fetches once more.
            let mut hasher = DefaultHasher::new();
            groups.hash(&mut hasher);
            format!("W/\"{}-{:016x}\"", row.version, hasher.finish())
        }
    }
}

/// The conditions of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    pub(crate) if_match: Option<Tags>,
    pub(crate) if_none_match: Option<Tags>,
}

/// What a condition header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tags {
    Any,
    /// Tags without `W/` and quotes: comparison is weak (RFC 9110, section 8.8.3.2).
    Listed(Vec<String>),
}

impl Tags {
    pub(crate) fn parse(header: &str) -> Self {
        if header.trim() == "*" {
            return Self::Any;
        }
        Self::Listed(header.split(',').map(|tag| opaque(tag).to_owned()).collect())
    }

    /// Whether what a client would be sent has one of these tags.
    pub(crate) fn name(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|listed| listed == opaque(tag)),
        }
    }

    fn name_version(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|tag| {
                tag.split('-').next().and_then(|number| number.parse::<i64>().ok()) == Some(version)
            }),
        }
    }
}

impl Condition {
    /// Refuses a write with 412 if the stored resource is not as the client says.
    pub(crate) fn check(&self, row: &Row) -> Result<(), Refusal> {
        let stale = self.if_match.as_ref().is_some_and(|tags| !tags.name_version(row.version))
            || self.if_none_match.as_ref().is_some_and(|tags| tags.name_version(row.version));
        if stale {
            return Err(Refusal::new(
                412,
                None,
                format!("The resource changed: its version is {}.", tag(row, None)),
            ));
        }
        Ok(())
    }
}

fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Kind;

    #[test]
    fn writes_are_judged_by_the_number_and_reads_by_the_whole_tag() {
        let row = Row {
            seq: 1,
            kind: Kind::User,
            id: "x".into(),
            version: 3,
            created: 0,
            modified: 0,
            label: String::new(),
            body: "{}".into(),
        };
        let before = tag(&row, None);
        let after = tag(&row, Some("[]"));
        assert_ne!(before, after);
        assert!(!Tags::parse(&before).name(&after));
        for header in ["W/\"3\"", "\"3\"", "3", "*", "W/\"2\", W/\"3-00aa00aa\""] {
            let condition = Condition { if_match: Some(Tags::parse(header)), if_none_match: None };
            assert!(condition.check(&row).is_ok(), "{header}");
        }
        for header in ["W/\"2\"", "", "x", "\"33\""] {
            let condition = Condition { if_match: Some(Tags::parse(header)), if_none_match: None };
            assert_eq!(condition.check(&row).expect_err("stale").status, 412, "{header}");
        }
    }
}
