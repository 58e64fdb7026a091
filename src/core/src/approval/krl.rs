//! Key revocation lists, as `ssh-keygen -k` writes them (OpenSSH, PROTOCOL.krl).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{PublicKey, Revoked};
use crate::Sym;

/// The first eight bytes.
const MAGIC: &[u8; 8] = b"SSHKRL\n\0";

/// Sections, by their type.
const EXPLICIT_KEY: u8 = 2;
const FINGERPRINT_SHA1: u8 = 3;
const FINGERPRINT_SHA256: u8 = 5;

/// Whether bytes begin as a revocation list does.
pub(super) fn is_krl(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The keys of a revocation list. Sections about certificates, and others that are not known, are refused: passing
/// them over would leave a key good that somebody revoked.
pub(super) fn parse(bytes: &[u8]) -> Result<BTreeSet<Revoked>, String> {
    let mut reader = Reader::new(bytes);
    let header = (|| {
        reader.take(MAGIC.len())?;
        let version = reader.number()?;
        // The list's own version, its date and its flags: 64 bits each.
        reader.take(24)?;
        reader.string()?;
        reader.string()?;
        Some(version)
    })();
    match header {
        Some(1) => {}
        Some(version) => {
            return Err(format!("the revocation list has format {version}, and 1 is understood"));
        }
        None => return Err(CUT_OFF.to_owned()),
    }
    let mut revoked = BTreeSet::new();
    while !reader.is_empty() {
        let (Some([section]), Some(data)) = (reader.take(1), reader.string()) else {
            return Err(CUT_OFF.to_owned());
        };
        let mut entries = Reader::new(data);
        while !entries.is_empty() {
            let entry = match section {
                &(EXPLICIT_KEY | FINGERPRINT_SHA1 | FINGERPRINT_SHA256) => entries.string(),
                other => return Err(format!("the revocation list has a section of type {other}")),
            };
            let entry = entry.ok_or(CUT_OFF)?;
            revoked.insert(match (*section, entry.len()) {
                (EXPLICIT_KEY, _) => Revoked::Key(PublicKey::from_blob(entry)?),
                (FINGERPRINT_SHA1, 20) => Revoked::Sha1(Sym::new(&STANDARD_NO_PAD.encode(entry))),
                (FINGERPRINT_SHA256, 32) => Revoked::Sha256(Sym::new(&STANDARD_NO_PAD.encode(entry))),
                _ => return Err("the revocation list has a fingerprint of the wrong length".to_owned()),
            });
        }
    }
    Ok(revoked)
}

const CUT_OFF: &str = "the revocation list is cut off";

/// Reads the encodings of RFC 4251, section 5.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }
}
