//! Paths in the log's tree. Names of a target are hostile: what they become here is safe on every file system.

use std::fmt;

use sha1::Digest as _;

use crate::escape::escape;
use crate::id::hex;

/// Long enough for an encoded id, short enough for every file system with an extension added.
const MAX_COMPONENT: usize = 96;

/// How much of a name that is too long stays readable in front of its hash.
const LONG_PREFIX: usize = 56;

/// Deeper trees than this are nothing that provost writes.
const MAX_DEPTH: usize = 12;

/// A file's path in the log's tree: components of `[a-z0-9_%.-]`, none empty, none leading with a dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(String);

/// Text that cannot be a path of the log's tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is no path of the audit tree: {reason}")]
pub struct InvalidPath {
    path: String,
    reason: &'static str,
}

impl TreePath {
    /// Checks a path whose components are ids or were encoded with [`encode_component`].
    ///
    /// # Errors
    /// Refuses every other character, empty components, a leading dot, and what is too long or too deep.
    pub fn new(path: &str) -> Result<TreePath, InvalidPath> {
        let invalid = |reason| Err(InvalidPath { path: path.chars().take(200).collect(), reason });
        if path.split('/').count() > MAX_DEPTH {
            return invalid("it is too deep");
        }
        for component in path.split('/') {
            if component.is_empty() {
                return invalid("a component is empty");
            }
            if component.len() > MAX_COMPONENT + ".json".len() {
                return invalid("a component is too long");
            }
            if component.starts_with('.') {
                return invalid("a component leads with a dot");
            }
            if !component.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'%' | b'-' | b'.'))
            {
                return invalid("a component has characters outside of [a-z0-9_%.-]");
            }
        }
        Ok(TreePath(path.to_owned()))
    }

    /// The path as text, with `/` between components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the path lies under `live/`, where observed accounts are.
    pub fn is_live(&self) -> bool {
        self.0.starts_with("live/")
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an observed account lies: `live/<target>/<h>/<h>/<h>/<anchor>.json`, the three `h` being the first digits of
/// the anchor's SHA-256. So a folder has 16 entries and a commit writes a few small trees.
pub fn account_path(target: &str, anchor: &str) -> TreePath {
    let digest = hex(&sha2::Sha256::digest(anchor.as_bytes()));
    let (a, b, c) = (&digest[0..1], &digest[1..2], &digest[2..3]);
    TreePath(format!("live/{}/{a}/{b}/{c}/{}.json", encode_component(target), encode_component(anchor)))
}

/// A name as one path component of `[a-z0-9_%-]`: every other byte becomes `%` and two hexadecimal digits. Different
/// names give different components; a long one is cut and ends in `%z` and half of its SHA-256.
pub fn encode_component(name: &str) -> String {
    if name.is_empty() {
        // `%_` is nothing that encoding a byte can give.
        return "%_".to_owned();
    }
    let reserved = is_device_name(name);
    escape(name, (MAX_COMPONENT, LONG_PREFIX), |at, byte| {
        let plain = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        plain && !(reserved && at == 0)
    })
}

/// Names that Windows keeps for devices with any extension: a clone there could not check them out.
fn is_device_name(name: &str) -> bool {
    matches!(name, "con" | "prn" | "aux" | "nul")
        || (name.len() == 4
            && (name.starts_with("com") || name.starts_with("lpt"))
            && name.as_bytes()[3].is_ascii_digit())
}
