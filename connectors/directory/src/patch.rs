//! PATCH (RFC 7644, section 3.5.2) and the dialects of identity providers.
//!
//! Comes in: the request's body and the stored resource. Goes out: the changed resource and what to do with members,
//! which are stored apart so that adding one to a large group does not read the others. Nothing here touches the
//! database.
//!
//! Beyond the RFC: operation names in any case; booleans as strings; dotted and URN-prefixed keys, also with filters,
//! in a value without a path; `remove` with the values to remove in `value`; a filter that matches nothing makes the
//! value that it describes, in `add` and in `replace`; `id`, `schemas` and other read-only keys in a value without a
//! path are passed over.

mod apply;
mod path;
#[cfg(test)]
mod table;

use serde_json::{Map, Value};

pub(crate) use apply::apply;
pub(crate) use path::PatchPath;

use crate::error::Refusal;
use crate::filter::Test;
use crate::resource::Member;

/// URN of the PATCH message schema.
pub(crate) const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Most operations of a request. Identity providers send at most some hundreds.
const MAX_OPERATIONS: usize = 1_000;

/// One operation as the client sent it.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) verb: Verb,
    pub(crate) path: Option<PatchPath>,
    pub(crate) value: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Add,
    Replace,
    Remove,
}

/// A change of a group's members.
#[derive(Debug)]
pub(crate) enum MemberChange {
    Add(Vec<Member>),
    Remove(Vec<Member>),
    RemoveMatching(Test),
    /// Exactly these from now on.
    Replace(Vec<Member>),
}

/// The operations of a PATCH body.
pub(crate) fn parse(body: &Value) -> Result<Vec<Operation>, Refusal> {
    let Value::Object(body) = body else {
        return Err(Refusal::invalid_syntax("The body must be a JSON object."));
    };
    let named = get(body, "schemas").and_then(Value::as_array).is_some_and(|schemas| {
        schemas.iter().filter_map(Value::as_str).any(|urn| urn.eq_ignore_ascii_case(PATCH_SCHEMA))
    });
    if !named {
        return Err(Refusal::invalid_syntax(format!(
            "'schemas' must be a list that names '{PATCH_SCHEMA}'."
        )));
    }
    let operations = match get(body, "Operations") {
        Some(Value::Array(operations)) if !operations.is_empty() => operations,
        _ => return Err(Refusal::invalid_syntax("'Operations' must be a list of at least one operation.")),
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(Refusal::too_large(format!("A PATCH takes at most {MAX_OPERATIONS} operations.")));
    }
    operations.iter().map(operation).collect()
}

fn operation(operation: &Value) -> Result<Operation, Refusal> {
    let Value::Object(operation) = operation else {
        return Err(Refusal::invalid_syntax("An operation must be a JSON object."));
    };
    let verb = match get(operation, "op").and_then(Value::as_str) {
        Some(op) if op.eq_ignore_ascii_case("add") => Verb::Add,
        Some(op) if op.eq_ignore_ascii_case("replace") => Verb::Replace,
        Some(op) if op.eq_ignore_ascii_case("remove") => Verb::Remove,
        _ => return Err(Refusal::invalid_syntax("'op' must be add, replace or remove.")),
    };
    let path = match get(operation, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) if path.trim().is_empty() => None,
        Some(Value::String(path)) => Some(PatchPath::parse(path.trim())?),
        Some(_) => return Err(Refusal::invalid_path("'path' must be a string.")),
    };
    let value = get(operation, "value").cloned();
    if verb != Verb::Remove && value.is_none() {
        return Err(Refusal::invalid_value("'value' is missing."));
    }
    if verb == Verb::Remove && path.is_none() {
        return Err(Refusal::no_target("'remove' needs a 'path'."));
    }
    Ok(Operation { verb, path, value })
}

/// A key in any case: clients write `operations` and `Op`.
fn get<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object
        .get(key)
        .or_else(|| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value))
}
