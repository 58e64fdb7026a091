//! The signed statement of an approver: an in-toto Statement (v1) about requests.
//!
//! The bytes that were signed are the statement; they are never written anew to check a signature.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Request;
use crate::Sym;
use crate::digest::{Digest, canonical};

/// `_type` of every statement (in-toto attestation framework, Statement v1).
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// `predicateType` of an approval or denial.
pub const APPROVAL_TYPE: &str = "urn:x-provost:approval:v1";

/// The namespace of the signature over a statement (SSHSIG; `ssh-keygen -n`).
pub const NAMESPACE: &str = "approval@provost";

/// Bytes of one statement at most: an override of 50,000 operations fits.
pub const MAX_STATEMENT: usize = 4 << 20;

/// Requests in one statement at most: nobody reads more before signing.
pub const MAX_REQUESTS: usize = 1000;

/// An in-toto Statement whose subjects are requests by digest and whose predicate is what the approver says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// One subject for each request, in the same order.
    pub subject: Vec<Subject>,
    /// [`APPROVAL_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said about them.
    pub predicate: Predicate,
}

/// A request by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The request, in one line, for people.
    pub name: String,
    /// Its SHA-256.
    pub digest: SubjectDigest,
}

/// The digests of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectDigest {
    /// SHA-256 over the canonical JSON (RFC 8785) of the request.
    pub sha256: Digest,
}

/// What an approver says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// The installation that it is for: the id of its first genesis commit.
    pub installation: String,
    /// The tracked ref, such as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit from which the requests were derived.
    pub commit: String,
    /// Who says it: a person's id.
    pub approver: Sym,
    /// What.
    pub decision: Word,
    /// The requests, in full.
    pub requests: Vec<Request>,
    /// Until when it may be used.
    pub expires: Timestamp,
    /// Random: two statements are never one.
    pub nonce: String,
    /// What the approver was shown before signing, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shown: String,
}

/// What an approver decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Agrees.
    Approve,
    /// Does not agree, or takes an agreement back. Once seen this is final.
    Deny,
}

/// Why bytes are no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStatement {
    /// It is longer than [`MAX_STATEMENT`].
    #[error("The statement has {0} bytes, and one has {MAX_STATEMENT} at most.")]
    TooLong(usize),
    /// It is not JSON of this form.
    #[error("The statement cannot be read: {0}.")]
    Form(String),
    /// It is something else that in-toto describes.
    #[error("The statement is of type `{0}`, which is no approval.")]
    Type(String),
    /// It is about nothing, or about too much.
    #[error("The statement is about {0} requests; it has to be one to {MAX_REQUESTS}.")]
    Count(usize),
    /// A subject does not name the request beside it.
    #[error("Subject {0} of the statement is not the digest of the request beside it.")]
    Subject(usize),
    /// A text in it is too long or has control characters.
    #[error("The field `{0}` of the statement is too long or has characters that a terminal would obey.")]
    Text(&'static str),
}

impl Statement {
    /// A statement about these requests.
    pub fn new(predicate: Predicate) -> Statement {
        let subject = predicate.requests.iter().map(|request| Subject {
            name: request.to_string(),
            digest: SubjectDigest { sha256: request.digest() },
        });
        Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: subject.collect(),
            predicate_type: APPROVAL_TYPE.to_owned(),
            predicate,
        }
    }

    /// The bytes to sign: canonical JSON and a newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = canonical(self);
        text.push('\n');
        text.into_bytes()
    }

    /// Reads a statement strictly: no unknown or repeated field, every subject the digest of the request beside it.
    /// Whoever calls has checked the signature before: what is read here is kept for the life of the process.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Statement, NotStatement> {
        if bytes.len() > MAX_STATEMENT {
            return Err(NotStatement::TooLong(bytes.len()));
        }
        let statement: Statement =
            serde_json::from_slice(bytes).map_err(|error| NotStatement::Form(error.to_string()))?;
        let Statement { kind, subject, predicate_type, predicate } = &statement;
        for (found, expected) in [(kind, STATEMENT_TYPE), (predicate_type, APPROVAL_TYPE)] {
            if found != expected {
                return Err(NotStatement::Type(found.escape_debug().take(200).collect()));
            }
        }
        let count = predicate.requests.len();
        if count == 0 || count > MAX_REQUESTS || subject.len() != count {
            return Err(NotStatement::Count(count));
        }
        for (place, (subject, request)) in subject.iter().zip(&predicate.requests).enumerate() {
            if subject.digest.sha256 != request.digest() {
                return Err(NotStatement::Subject(place));
            }
        }
        let texts = [
            ("installation", &predicate.installation, 128),
            ("ref", &predicate.reference, 1024),
            ("commit", &predicate.commit, 128),
            ("nonce", &predicate.nonce, 128),
        ];
        for (name, text, longest) in texts {
            if text.is_empty() || text.len() > longest || text.chars().any(char::is_control) {
                return Err(NotStatement::Text(name));
            }
        }
        Ok(statement)
    }

    /// The name of a statement: SHA-256 over its exact bytes.
    pub fn digest_of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }
}
