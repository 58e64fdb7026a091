//! Agreement: what needs it, who may give it, who has given it, and what is therefore agreed.
//!
//! The way of it: [`open`] says what needs agreement now, each a [`Request`] in full. People sign a [`Statement`] about
//! requests. The shell checks the signature, records when it first saw it ([`sight`]) and hands in an [`Approval`].
//! [`judge`] counts people and gives the [`crate::evidence::Evidence`] that access, snapshot and gate ask, what is
//! still missing and from whom, and the [`Uses`] to remember. Everything is judged by rules in force.
//!
//! What is agreed is kept apart from what may still be agreed with: once enough people have agreed to what is asked
//! for now, that is *settled* and stands until it is asked for no more, whatever becomes of the keys. Until then each
//! approval is judged anew: key, person, group, expiry.

mod approvals;
mod authors;
mod council;
mod emergency;
mod judge;
mod krl;
mod needs;
mod open;
mod request;
pub(crate) mod rules;
mod signers;
mod statement;
mod uses;

pub use approvals::{Approval, Label, Sighting, sight};
pub use authors::{Authors, Authorship};
pub use council::{Anchored, Council};
pub use emergency::{BreakGlassRefused, Emergency, emergency, overdue};
pub use judge::{Given, Judged, Lacking, Missing, Refusal, Uncounted, causes, judge};
pub use needs::{Needs, Part, Pool};
pub use open::{Open, open};
pub use request::{
    AccountRequest, AttributeRequest, CredentialRequest, Entitlement, GrantRequest, HolderRequest, Limited,
    NameRequest, OperationRequest, OverrideRequest, Request, RuleRequest, Standing,
};
pub use signers::{Keys, PublicKey, Revoked, RevokedKeys, Signer, Signers, SignersError};
pub use statement::{
    APPROVAL_TYPE, MAX_REQUESTS, MAX_STATEMENT, NAMESPACE, NotStatement, Predicate, STATEMENT_TYPE,
    Statement, Subject, SubjectDigest, Word,
};
pub use uses::{Settled, Uses};
