//! Cursors (RFC 9865): where a list goes on, as opaque text.
//!
//! A cursor holds the last resource that was sent (its sort key and sequence number) and a digest of the query that it
//! belongs to. Nothing is kept on the server, so a cursor never expires; resources that are created or deleted in
//! between make no other resource be missed or sent twice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Refusal;

/// Longest cursor that is looked at: sort keys are bounded, so ours are shorter.
const MAX_LENGTH: usize = 4_096;

/// What a resource is sorted by. The order of the variants is the order of the values; resources without a value come
/// last in ascending order (RFC 7644, section 3.4.2.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum SortKey {
    Boolean(bool),
    Text(String),
    Absent,
}

/// The last resource that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) key: SortKey,
    pub(crate) seq: i64,
    query: String,
}

impl Position {
    pub(crate) fn new(key: SortKey, seq: i64, query: &str) -> Self {
        Self { key, seq, query: query.to_owned() }
    }

    pub(crate) fn encode(&self) -> String {
        let text = serde_json::json!([self.key, self.seq, self.query]).to_string();
        URL_SAFE_NO_PAD.encode(text)
    }

    /// Reads a cursor back; refuses one that is not ours or belongs to another query.
    pub(crate) fn decode(cursor: &str, query: &str) -> Result<Self, Refusal> {
        let refused = |detail: &str| Refusal::new(400, Some("invalidCursor"), detail);
        if cursor.len() > MAX_LENGTH {
            return Err(refused("The cursor is not one of this server."));
        }
        let position = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<(SortKey, i64, String)>(&bytes).ok())
            .map(|(key, seq, query)| Self { key, seq, query })
            .ok_or_else(|| refused("The cursor is not one of this server."))?;
        if position.query != query {
            return Err(refused("The cursor belongs to another query: filter and order must stay the same."));
        }
        Ok(position)
    }
}

/// A digest of what must stay the same from page to page.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(&hasher.finalize()[..9])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_for_its_own_query_only() {
        let (query, other) = (digest(&["a", "b"]), digest(&["ab", ""]));
        let position = Position::new(SortKey::Text("Zoë".into()), 42, &query);
        assert_eq!(Position::decode(&position.encode(), &query), Ok(position.clone()));
        for (cursor, query) in
            [(position.encode().as_str(), &other), ("x", &query), ("e30", &query), ("é", &query)]
        {
            let refusal = Position::decode(cursor, query).expect_err("not for this query");
            assert_eq!(refusal.scim_type, Some("invalidCursor"));
        }
    }

    #[test]
    fn absent_values_come_last() {
        assert!(SortKey::Absent > SortKey::Text("\u{10ffff}".into()));
    }
}
