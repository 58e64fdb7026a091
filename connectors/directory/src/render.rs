//! Stored text to answers. A resource is its stored JSON text with `groups` or `members` and `meta` spliced in before
//! the last brace, so that a page is served without parsing it.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::Refusal;
use crate::etag;
use crate::projection::Projection;
use crate::schema::Kind;
use crate::store::Row;

/// What is spliced into a resource: `groups` of a user or `members` of a group, as JSON text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Derived<'a> {
    pub(crate) groups: Option<&'a str>,
    pub(crate) members: Option<&'a str>,
}

/// Appends a resource to `out`.
pub(crate) fn resource(
    out: &mut String,
    row: &Row,
    derived: Derived<'_>,
    base: &str,
    projection: &Projection,
) -> Result<(), Refusal> {
    if projection.is_everything() {
        splice(out, row, derived, base);
        return Ok(());
    }
    let mut whole = String::with_capacity(row.body.len() + 512);
    splice(&mut whole, row, derived, base);
    let parsed: Map<String, Value> = serde_json::from_str(&whole).map_err(|error| {
        tracing::error!(%error, id = row.id, "a stored resource is not JSON");
        Refusal::new(500, None, "The stored resource is damaged.")
    })?;
    out.push_str(&Value::Object(projection.apply(row.kind, parsed)).to_string());
    Ok(())
}

/// The URL of a resource.
pub(crate) fn location(base: &str, kind: Kind, id: &str) -> String {
    format!("{base}/{}/{id}", kind.endpoint())
}

/// Appends a reference to a resource as JSON text, as it is in `groups` and `members`.
pub(crate) fn reference(out: &mut String, base: &str, to: Kind, id: &str, label: &str, kind: &str) {
    out.push_str("{\"value\":");
    quoted(out, &[id]);
    out.push_str(",\"$ref\":");
    quoted(out, &[base, "/", to.endpoint(), "/", id]);
    out.push_str(",\"display\":");
    quoted(out, &[label]);
    out.push_str(",\"type\":\"");
    out.push_str(kind);
    out.push_str("\"}");
}

/// Appends `meta` of a resource (RFC 7643, section 3.1) as JSON text.
pub(crate) fn meta(out: &mut String, row: &Row, groups: Option<&str>, base: &str) {
    out.push_str("{\"resourceType\":\"");
    out.push_str(row.kind.name());
    out.push_str("\",\"created\":\"");
    out.push_str(&date(row.created));
    out.push_str("\",\"lastModified\":\"");
    out.push_str(&date(row.modified));
    out.push_str("\",\"location\":");
    quoted(out, &[base, "/", row.kind.endpoint(), "/", &row.id]);
    out.push_str(",\"version\":");
    quoted(out, &[&etag::tag(row, groups)]);
    out.push('}');
}

/// Appends the parts as one JSON string.
pub(crate) fn quoted(out: &mut String, parts: &[&str]) {
    let plain = |text: &&str| text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if parts.iter().all(plain) {
        out.push('"');
        parts.iter().for_each(|part| out.push_str(part));
        out.push('"');
    } else {
        out.push_str(&Value::from(parts.concat()).to_string());
    }
}

fn splice(out: &mut String, row: &Row, derived: Derived<'_>, base: &str) {
    // The body has at least `schemas` and `id`, so that a comma always belongs there.
    out.push_str(row.body.strip_suffix('}').unwrap_or(&row.body));
    for (name, text) in [("groups", derived.groups), ("members", derived.members)] {
        if let Some(text) = text {
            out.push_str(",\"");
            out.push_str(name);
            out.push_str("\":");
            out.push_str(text);
        }
    }
    out.push_str(",\"meta\":");
    meta(out, row, derived.groups, base);
    out.push('}');
}

fn date(milliseconds: i64) -> String {
    let at = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_escaping_is_escaped() {
        for parts in [&["plain"][..], &["a\"b", "\\"], &["tab\t", "\u{0}\u{7f}é"], &[]] {
            let mut out = String::new();
            quoted(&mut out, parts);
            assert_eq!(serde_json::from_str::<String>(&out).ok(), Some(parts.concat()), "{out}");
        }
    }
}
