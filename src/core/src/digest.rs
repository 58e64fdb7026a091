//! The name of a thing: SHA-256 over its canonical JSON (RFC 8785).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// Why a text is no [`Digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A digest is 64 lower-case hexadecimal digits.")]
pub struct NotDigest;

/// The digest of a value that serialises to JSON.
pub fn digest(value: &impl Serialize) -> Digest {
    Digest(Sha256::digest(canonical(value)).into())
}

/// The canonical JSON of a value (RFC 8785), on one line.
pub fn canonical(value: &impl Serialize) -> String {
    crate::canonical::to_string(value)
        .expect("what provost digests has text keys and finite numbers, which is all that JSON asks for")
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NotDigest;

    fn from_str(text: &str) -> Result<Digest, NotDigest> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NotDigest),
        };
        let text: &[u8; 64] = text.as_bytes().try_into().map_err(|_| NotDigest)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Digest(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_content_and_not_its_spelling() {
        let left: serde_json::Value = serde_json::from_str(r#"{"b": 1.0, "a": "\u0041"}"#).expect("JSON");
        let right: serde_json::Value = serde_json::from_str(r#"{"a":"A","b":1}"#).expect("JSON");
        assert_eq!(digest(&left), digest(&right));
        let text = digest(&left).to_string();
        // By sha256sum over `{"a":"A","b":1}`.
        assert_eq!(text, "2fbac9efdc203ac32532d2f2dc78f5009d3f0cc6649bcd905622e1e50aa7e28e");
        assert_eq!(text.parse(), Ok(digest(&left)));
        assert!(text.to_uppercase().parse::<Digest>().is_err());
        assert!("abc".parse::<Digest>().is_err());
    }
}
