//! From a field to its line.

use super::problem::{FieldPath, Step};
use super::tree::{self, Node, Value};

/// Where something stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The line's text.
    pub excerpt: String,
}

/// Where a field stands in a file; where the innermost map or list that would hold it begins, if it is not written.
/// None if the file cannot be read.
pub fn locate(bytes: &[u8], at: &FieldPath) -> Option<Place> {
    let text = super::parse::text_of(bytes).ok()?;
    let root = tree::read(text).0?;
    let (line, column) = find(&root, at);
    Some(Place { line, column, excerpt: excerpt(text, line) })
}

/// Line and column of a field: its key, or the value itself where that is a single text.
pub(super) fn find(root: &Node, at: &FieldPath) -> (u32, u32) {
    let (mut node, mut place) = (root, root.place);
    for step in at.steps() {
        let found = match (&node.value, step) {
            (Value::Map(entries), Step::Key(key)) => entries
                .iter()
                .find(|entry| *key == *entry.key.as_str())
                .map(|entry| (&entry.value, entry.place)),
            (Value::List(items), Step::Index(index)) => items.get(*index).map(|item| (item, item.place)),
            _ => None,
        };
        let Some((value, key)) = found else { break };
        node = value;
        let written_beside_its_key = matches!(&value.value, Value::Scalar { text, .. } if !text.is_empty());
        place = if written_beside_its_key { value.place } else { key };
    }
    place
}

/// The text of a line, bounded.
pub(super) fn excerpt(text: &str, line: u32) -> String {
    const LONGEST: usize = 200;
    let line = text.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    line.chars()
        .take(LONGEST)
        .map(|c| if super::plain::is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}
