//! A signed line: one line of text, and an SSHSIG over its exact bytes, in one file that plain tools take apart.
//!
//! ```text
//! {"_type":"https://in-toto.io/Statement/v1", ...}      what is signed, its line break included
//! -----BEGIN SSH SIGNATURE-----
//! ...
//! -----END SSH SIGNATURE-----
//! ```
//!
//! `head -n 1 FILE` is the message of `ssh-keygen -Y verify`, `tail -n +2 FILE` its signature (PROTOCOL.sshsig). What
//! is accepted here is accepted there; here a file with anything else in it is refused as well, and so are keys whose
//! signatures this program cannot check (RSA) and security keys that nobody touched.

use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use crate::key::public_line;

/// Armour of the largest signature (ECDSA on a security key, with an application name) has a few hundred bytes.
const MAX_ARMOUR: usize = 4096;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "\n-----END SSH SIGNATURE-----";

/// The user was there: bit 0 of a security key's flags (PROTOCOL.u2f, "SSH U2F Signatures").
const TOUCHED: u8 = 1;

/// A line and who signed it. Whether that key may sign is for others to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedLine {
    /// What is signed, without its line break.
    pub line: String,
    /// The public key as OpenSSH writes it, without comment: `ssh-ed25519 AAAA...`.
    pub key: String,
    /// The armoured signature.
    pub signature: String,
}

/// Why a file is no signed line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSigned(String);

/// Takes a file apart and checks the signature against the key that it names.
///
/// # Errors
/// Refuses what is larger than `limit` bytes, is not exactly one line and one signature, is for another namespace, or
/// was altered.
pub fn read_signed(file: &[u8], namespace: &str, limit: usize) -> Result<SignedLine, NotSigned> {
    let refuse = |why: &str| NotSigned(why.to_owned());
    if file.len() > limit {
        return Err(NotSigned(format!("it has {} bytes, and at most {limit} are read", file.len())));
    }
    let text = std::str::from_utf8(file).map_err(|_| refuse("it is not UTF-8"))?;
    let (line, armour) = text.split_once('\n').ok_or_else(|| refuse("it is cut off"))?;
    let armour = armour.strip_suffix('\n').unwrap_or(armour);
    let body = armour.strip_prefix(BEGIN).ok_or_else(|| refuse("its second line begins no signature"))?;
    if body.find(END).map(|at| at + END.len()) != Some(body.len()) {
        return Err(refuse("it does not end with its only signature"));
    }
    let key = signed_by(armour, namespace, &text.as_bytes()[..=line.len()])?;
    Ok(SignedLine { line: line.to_owned(), key, signature: format!("{armour}\n") })
}

/// Checks an armoured signature over a message, and gives the public key that made it, as OpenSSH writes it, without
/// comment.
///
/// # Errors
/// Refuses what is for another namespace, is of another message, or is not exactly understood.
pub fn signed_by(armour: &str, namespace: &str, message: &[u8]) -> Result<String, NotSigned> {
    let refuse = |why: &str| NotSigned(why.to_owned());
    if armour.len() > MAX_ARMOUR {
        return Err(refuse("its signature is too long"));
    }
    let signature = SshSig::from_pem(armour)
        .map_err(|error| NotSigned(format!("its signature cannot be read: {error}")))?;
    if signature.namespace() != namespace {
        return Err(NotSigned(format!(
            "it is signed for {:?}, not for {namespace:?}",
            signature.namespace()
        )));
    }
    if !signature.reserved().is_empty() {
        return Err(refuse("its signature has a reserved field, which this version does not know"));
    }
    let on_security_key =
        matches!(signature.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256);
    // The flags and a counter of four bytes follow the signature itself.
    let flags = signature.signature_bytes().iter().rev().nth(4).copied().unwrap_or_default();
    if on_security_key && flags & TOUCHED == 0 {
        return Err(refuse("it was signed on a security key that nobody touched"));
    }
    let key = PublicKey::new(signature.public_key().clone(), "");
    key.verify(namespace, message, &signature)
        .map_err(|error| NotSigned(format!("its signature is not of what it says: {error}")))?;
    Ok(public_line(&key))
}

impl SignedLine {
    /// The file that [`read_signed`] takes apart.
    pub fn to_file(&self) -> String {
        format!("{}\n{}", self.line, self.signature)
    }
}

/// Signs a line with a key of this process. `None` where the key can only sign elsewhere: it is encrypted, or lives on
/// a security key.
///
/// # Errors
/// Refuses a text of several lines, and keys of a kind that [`read_signed`] does not take.
pub fn sign_line(key: &PrivateKey, namespace: &str, line: &str) -> Result<Option<SignedLine>, NotSigned> {
    if line.contains('\n') {
        return Err(NotSigned("what is signed is one line".to_owned()));
    }
    let elsewhere = key.is_encrypted()
        || matches!(key.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256);
    if elsewhere {
        return Ok(None);
    }
    let message = format!("{line}\n");
    let signature = SshSig::sign(key, namespace, HashAlg::Sha512, message.as_bytes())
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .map_err(|error| NotSigned(format!("this key cannot sign it: {error}")))?;
    joined(line, &signature, namespace).map(Some)
}

/// A line and the armoured signature that another program made of it with its line break.
///
/// # Errors
/// As [`read_signed`].
pub fn joined(line: &str, signature: &str, namespace: &str) -> Result<SignedLine, NotSigned> {
    let file = format!("{line}\n{signature}");
    read_signed(file.as_bytes(), namespace, file.len())
}
