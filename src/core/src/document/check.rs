//! What must hold inside one document beyond its shape.

use super::{Document, FieldPath, Problem};
use crate::Sym;

/// What is wrong in one document, by field; lines are found later ([`Problem::locate`]).
pub(super) fn check(file: Sym, document: &Document) -> Vec<Problem> {
    let id = document.id();
    let mut problems = Vec::new();
    if id.as_str().is_empty() {
        problems.push(Problem::error(file, FieldPath::field("id"), "id", "an id is wanted here"));
    }
    problems
}

/// Whether a text may be an id: letters, digits, `.`, `_` and `-`, beginning with a letter or digit, at most 64.
pub(super) fn is_id(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
