//! The operator's word for a commit, signed with an offline recovery key.
//!
//! What is signed is one line that names the installation, the commit that counts and the one that is to: so a
//! signature is good for one step of one installation, and spent with it.

use provost_audit::sshsig::{NotSigned, read_signed};

/// The namespace of the signature: no other signature of the same key is taken for one.
pub const NAMESPACE: &str = "trust@provost";

/// The file of the audit log's tree that lists the recovery keys: one a line, as OpenSSH writes public keys, without
/// comments.
pub const KEYS_FILE: &str = "recovery-keys";

/// A line of 200 bytes and a signature.
const MAX_WORD: usize = 8 << 10;

/// Why a word is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTheWord {
    /// There is none.
    #[error(
        "This installation names recovery keys, and a commit is trusted with the signature of one of them. What is to \
         be signed:\n{0}\n  hint: `--key FILE` signs with a key that is here; docs/OPERATIONS.md says how to sign \
         elsewhere, for `--signed FILE`."
    )]
    Missing(String),
    /// The file is not signed.
    #[error("The signed word cannot be used: {0}.")]
    NotSigned(#[from] NotSigned),
    /// Another installation, or another step.
    #[error("The signed word says:\n{found}\nand what is to be signed is:\n{expected}")]
    Other {
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// A key that is none of them.
    #[error("The key that signed is none of the recovery keys of this installation: {0}")]
    OtherKey(String),
}

/// What is signed to trust `to` where `from` counts.
pub fn line(installation: &str, from: &str, to: &str) -> String {
    format!("provost trust: in the installation {installation} the commit {to} counts instead of {from}")
}

/// Checks that a recovery key has signed this line. `signed` is the line and an armoured signature, in one file.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(keys: &[String], expected: &str, signed: Option<&str>) -> Result<(), NotTheWord> {
    let signed = signed.ok_or_else(|| NotTheWord::Missing(expected.to_owned()))?;
    let signed = read_signed(signed.as_bytes(), NAMESPACE, MAX_WORD)?;
    if signed.line != expected {
        return Err(NotTheWord::Other { found: signed.line, expected: expected.to_owned() });
    }
    if !keys.contains(&signed.key) {
        return Err(NotTheWord::OtherKey(signed.key));
    }
    Ok(())
}
