//! Signatures of records: SSHSIG over the commit without its signature header, many at once.

use std::cell::Cell;

use ed25519_dalek::{Signature, VerifyingKey, verify_batch};
use ssh_key::public::KeyData;
use ssh_key::{PublicKey, SshSig};

use crate::commit::Commit;
use crate::key::NAMESPACE;

/// From about 190 points (two a signature, and one) on curve25519-dalek sums them up in another way, which gets cheaper with
/// their number: from 256 signatures to 1,024 a fifth, beyond that hardly anything.
pub(crate) const BATCH: usize = 1_024;

thread_local! {
    /// The key that was read last: nearly all records are of one, and unpacking its point takes as long as hashing.
    static LAST: Cell<Option<VerifyingKey>> = const { Cell::new(None) };
}

/// A signature that still has to be checked against what it signs.
pub(crate) struct Signed {
    key: VerifyingKey,
    signature: Signature,
    data: Vec<u8>,
}

/// Reads a record's signature: who made it, and what is left to check. Kinds of keys that cannot be checked together
/// are checked here.
///
/// # Errors
/// Says what is wrong, in words that can stand in a finding.
pub(crate) fn read(commit: &Commit) -> Result<(KeyData, Option<Signed>), String> {
    let armoured = commit.signature.as_ref().ok_or("it is not signed")?;
    let signature =
        SshSig::from_pem(armoured).map_err(|error| format!("its signature cannot be read: {error}"))?;
    if signature.namespace() != NAMESPACE {
        return Err(format!("its signature is for {:?}, not for {NAMESPACE:?}", signature.namespace()));
    }
    let key = signature.public_key().clone();
    let KeyData::Ed25519(public) = &key else {
        PublicKey::new(key.clone(), "")
            .verify(NAMESPACE, &commit.payload, &signature)
            .map_err(|_| NOT_OF_THIS.to_owned())?;
        return Ok((key, None));
    };
    let cannot = |error: &dyn std::fmt::Display| format!("its signature cannot be read: {error}");
    let signed = Signed {
        key: unpacked(&public.0).map_err(|error| cannot(&error))?,
        signature: Signature::from_slice(signature.signature_bytes()).map_err(|error| cannot(&error))?,
        data: SshSig::signed_data(NAMESPACE, signature.hash_alg(), &commit.payload)
            .map_err(|error| cannot(&error))?,
    };
    Ok((key, Some(signed)))
}

fn unpacked(bytes: &[u8; 32]) -> Result<VerifyingKey, ed25519_dalek::SignatureError> {
    if let Some(last) = LAST.get().filter(|last| last.as_bytes() == bytes) {
        return Ok(last);
    }
    let key = VerifyingKey::from_bytes(bytes)?;
    LAST.set(Some(key));
    Ok(key)
}

/// Checks signatures together; those that fail are found one by one. Gives whether each is good.
pub(crate) fn check(all: &[&Signed]) -> Vec<bool> {
    let data: Vec<&[u8]> = all.iter().map(|signed| signed.data.as_slice()).collect();
    let signatures: Vec<Signature> = all.iter().map(|signed| signed.signature).collect();
    let keys: Vec<VerifyingKey> = all.iter().map(|signed| signed.key).collect();
    if verify_batch(&data, &signatures, &keys).is_ok() {
        return vec![true; all.len()];
    }
    all.iter().map(|signed| signed.key.verify_strict(&signed.data, &signed.signature).is_ok()).collect()
}

/// What a finding says of a signature that is of something else.
pub(crate) const NOT_OF_THIS: &str = "its signature is not of what it says";
