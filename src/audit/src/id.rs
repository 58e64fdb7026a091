//! Object ids of git, and the hashes that the log is made of.

use std::fmt;
use std::str::FromStr;

use sha1::Digest as _;

use crate::objects::ObjectKind;

/// The id of a git object: SHA-1, 20 bytes, shown as 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub [u8; 20]);

/// The id of a commit of the log.
pub type CommitId = ObjectId;

impl ObjectId {
    /// The id that stands for "no object": forty zeros.
    pub const ZERO: ObjectId = ObjectId([0; 20]);

    /// The id of an object with this kind and content.
    pub fn of(kind: ObjectKind, content: &[u8]) -> ObjectId {
        let mut hasher = sha1::Sha1::new();
        hasher.update(kind.name().as_bytes());
        hasher.update(b" ");
        hasher.update(content.len().to_string().as_bytes());
        hasher.update([0]);
        hasher.update(content);
        ObjectId(hasher.finalize().into())
    }

    /// True for forty zeros.
    pub fn is_zero(&self) -> bool {
        *self == ObjectId::ZERO
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<ObjectId> {
        bytes.try_into().ok().map(ObjectId)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not the id of a git object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an object id has 40 lower-case hexadecimal digits")]
pub struct InvalidId;

impl FromStr for ObjectId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<ObjectId, InvalidId> {
        let bytes = unhex(text).ok_or(InvalidId)?;
        ObjectId::from_slice(&bytes).ok_or(InvalidId)
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// SHA-256 as lower-case hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
