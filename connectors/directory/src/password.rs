//! Passwords: stored as an Argon2id hash in PHC form, never readable and never returned.

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Argon2, Params};
use uuid::Uuid;

use crate::error::Refusal;
use crate::resource::Cleartext;

/// Longest password in bytes: Argon2 takes more, but nobody types more.
const MAX_LENGTH: usize = 1_024;

/// Hashes a password with the parameters that the crate recommends (19 MiB, two passes: OWASP's minimum).
pub(crate) fn hash(password: &Cleartext) -> Result<String, Refusal> {
    if password.0.len() > MAX_LENGTH {
        return Err(Refusal::invalid_value(format!("The password is longer than {MAX_LENGTH} bytes.")));
    }
    let failed = |_| Refusal::new(500, None, "The password could not be hashed.");
    // A random UUID is 122 random bits, more than the 64 that RFC 9106 asks of a salt.
    let salt = SaltString::encode_b64(Uuid::new_v4().as_bytes()).map_err(failed)?;
    let argon = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, Params::default());
    let hash = argon.hash_password(password.0.as_bytes(), &salt).map_err(failed)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHash, PasswordVerifier};

    use super::*;

    #[test]
    fn a_hash_verifies_and_does_not_hold_the_password() -> Result<(), Refusal> {
        let first = hash(&Cleartext("correct horse".into()))?;
        let second = hash(&Cleartext("correct horse".into()))?;
        assert!(!first.contains("correct") && first != second);
        let parsed = PasswordHash::new(&first).expect("PHC form");
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"wrong horse", &parsed).is_err());
        assert!(hash(&Cleartext("x".repeat(2_000))).is_err());
        Ok(())
    }
}
