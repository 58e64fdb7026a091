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

/// A reference to a resource as JSON text, as it is in `groups` and `members`.
pub(crate) fn reference(base: &str, to: Kind, id: &str, label: &str, kind: &str) -> String {
    format!(
        "{{\"value\":{},\"$ref\":{},\"display\":{},\"type\":\"{kind}\"}}",
        quoted(id),
        quoted(&location(base, to, id)),
        quoted(label)
    )
}

/// `meta` of a resource (RFC 7643, section 3.1) as JSON text.
pub(crate) fn meta(row: &Row, groups: Option<&str>, base: &str) -> String {
    format!(
        "{{\"resourceType\":\"{}\",\"created\":\"{}\",\"lastModified\":\"{}\",\"location\":{},\"version\":{}}}",
        row.kind.name(),
        date(row.created),
        date(row.modified),
        quoted(&location(base, row.kind, &row.id)),
        quoted(&etag::tag(row, groups))
    )
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
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
    out.push_str(&meta(row, derived.groups, base));
    out.push('}');
}

fn date(milliseconds: i64) -> String {
    let at = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}
