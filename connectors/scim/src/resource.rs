//! Reading what servers send, which is seldom quite what RFC 7643 says.

use serde_json::{Map, Value};

/// The schema of a user.
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of a group.
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise extension of a user.
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A field of an object. Attribute names are without case (RFC 7643, section 2.1).
pub(crate) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let object = object.as_object()?;
    let value = object.get(name).or_else(|| Some(&object[key(object, name)?]));
    value.filter(|value| !value.is_null())
}

/// The spelling under which an object has a field.
pub(crate) fn key<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a String> {
    object.keys().find(|key| key.eq_ignore_ascii_case(name))
}

/// A text that is not empty; a number counts as its digits.
pub(crate) fn text(object: &Value, name: &str) -> Option<String> {
    plain(field(object, name)?)
}

/// A single value as text; `None` for what is empty or has parts.
pub(crate) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A boolean, also as the text or the number that some servers keep.
pub(crate) fn truth(object: &Value, name: &str) -> Option<bool> {
    match field(object, name)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        _ => None,
    }
}

/// A count, also as text.
pub(crate) fn number(object: &Value, name: &str) -> Option<usize> {
    match field(object, name)? {
        Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The elements of a list; a single value where a list belongs is a list of one.
pub(crate) fn list<'a>(object: &'a Value, name: &str) -> Option<&'a [Value]> {
    match field(object, name)? {
        Value::Array(list) => Some(list),
        single => Some(std::slice::from_ref(single)),
    }
}

/// The id of a resource.
pub(crate) fn id(resource: &Value) -> Option<String> {
    text(resource, "id")
}

/// Which resource a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
}

/// One element of a group's `members` or of a user's `groups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The id of what it leads to.
    pub id: String,
    /// What it says it leads to, if it does.
    pub kind: Option<Kind>,
    /// Whether it is inherited (`type: indirect` in a user's groups).
    pub indirect: bool,
}

/// The references of a list, each once: servers store a member twice. `None` where the list is not shown.
pub(crate) fn references(resource: &Value, name: &str) -> Option<Vec<Reference>> {
    let mut found: Vec<Reference> = list(resource, name)?.iter().filter_map(reference).collect();
    let mut seen = std::collections::HashSet::new();
    found.retain(|reference| seen.insert(reference.id.clone()));
    Some(found)
}

/// Whether an element of a list refers to this id.
pub(crate) fn refers(element: &Value, id: &str) -> bool {
    reference(element).is_some_and(|reference| reference.id == id)
}

fn reference(element: &Value) -> Option<Reference> {
    if let Some(id) = plain(element) {
        return Some(Reference { id, kind: None, indirect: false });
    }
    let kind = text(element, "type").unwrap_or_default();
    let link = text(element, "$ref").unwrap_or_default();
    let said = if kind.eq_ignore_ascii_case("group") || link.contains("/Groups/") {
        Some(Kind::Group)
    } else if kind.eq_ignore_ascii_case("user") || link.contains("/Users/") {
        Some(Kind::User)
    } else {
        None
    };
    let indirect = kind.eq_ignore_ascii_case("indirect");
    Some(Reference { id: text(element, "value")?, kind: said, indirect })
}
