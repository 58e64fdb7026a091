//! Emergencies on their way: one signed line that takes powers for hours, or that reviews such a taking.

use jiff::Timestamp;
use provost_audit::sshsig::{SignedLine, read_signed};
use provost_core::Sym;
use provost_core::approval::{PublicKey, Statement};
use provost_core::digest::Digest;
use provost_core::document::GrantSpec;
use serde::{Deserialize, Serialize};

/// The namespace of its signature (SSHSIG; `ssh-keygen -n`).
pub const NAMESPACE: &str = "break-glass@provost";

/// A few dozen grants and a reason.
const MAX_LINE: usize = 64 << 10;

/// What the line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The installation that it is for.
    pub installation: String,
    /// Who signs.
    pub person: Sym,
    /// What is signed.
    pub act: Act,
    /// It is taken if it is first seen before this.
    pub expires: Timestamp,
    /// Random: two lines are never one.
    pub nonce: String,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// Powers are taken, by a policy and one of its keys.
    Take {
        /// The policy.
        policy: Sym,
        /// What.
        grants: Vec<GrantSpec>,
        /// For how many hours.
        hours: u16,
        /// Why.
        reason: String,
    },
    /// Somebody else looked at it afterwards.
    Review {
        /// Which: the SHA-256 of the line that took them.
        emergency: Digest,
    },
}

/// A line and who signed it.
#[derive(Clone, Debug)]
pub struct Signed {
    /// SHA-256 over the exact bytes that were signed.
    pub id: Digest,
    /// What it says.
    pub line: Line,
    /// Who signed.
    pub key: PublicKey,
    /// The file as it is.
    pub signed: SignedLine,
}

/// Reads a file.
pub(super) fn receive(content: &[u8]) -> Result<Signed, String> {
    let signed = read_signed(content, NAMESPACE, MAX_LINE).map_err(|error| error.to_string())?;
    let key = PublicKey::parse(&signed.key)?;
    let line = serde_json::from_str(&signed.line).map_err(|error| format!("it cannot be read: {error}"))?;
    let id = Statement::digest_of(format!("{}\n", signed.line).as_bytes());
    Ok(Signed { id, line, key, signed })
}
