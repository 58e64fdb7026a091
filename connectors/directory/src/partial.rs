//! Reads some top-level attributes of a JSON text and skips the others: what a scan over all resources costs.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The attributes in `wanted` that the object in `text` has; nothing if the text is no JSON object.
pub(crate) fn pick(text: &str, wanted: &[&str]) -> Map<String, Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Pick { wanted }).unwrap_or_default()
}

struct Pick<'a> {
    wanted: &'a [&'a str],
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut found = Map::new();
        while let Some(key) = object.next_key::<std::borrow::Cow<'de, str>>()? {
            if self.wanted.contains(&key.as_ref()) {
                found.insert(key.into_owned(), object.next_value()?);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_read() {
        let found = pick("{\"a\": [1, {\"b\": 2}], \"b\": 3, \"c\\u0064\": 4}", &["b", "cd", "e"]);
        assert_eq!(Value::Object(found), serde_json::json!({"b": 3, "cd": 4}));
        assert!(pick("[1]", &["b"]).is_empty());
    }
}
