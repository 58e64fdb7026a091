//! Hostile names as text of a small alphabet: what one byte becomes, and what becomes of a name that is too long.

use sha2::Digest as _;

use crate::id::hex;

/// A name whose bytes outside of `plain` become `%` and two hexadecimal digits. Different names give different texts; one
/// of more than `limit` bytes is cut near `prefix` and ends in `%z` and half of its SHA-256. `plain` is given the place of
/// the byte too.
pub(crate) fn escape(
    name: &str,
    (limit, prefix): (usize, usize),
    plain: impl Fn(usize, u8) -> bool,
) -> String {
    let mut escaped = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        if plain(at, byte) {
            escaped.push(byte as char);
        } else {
            escaped.push('%');
            escaped.push_str(&hex(&[byte]));
        }
    }
    if escaped.len() > limit {
        let mut cut = prefix;
        // An escape is not torn apart.
        while escaped.as_bytes()[cut - 1] == b'%' || escaped.as_bytes()[cut - 2] == b'%' {
            cut -= 1;
        }
        escaped.truncate(cut);
        // `%z` is nothing that escaping a byte can give, so a cut name never equals a whole one.
        escaped.push_str("%z");
        escaped.push_str(&hex(&sha2::Sha256::digest(name.as_bytes())[..16]));
    }
    escaped
}
