//! One operation that may proceed, from its plan to its outcome.

use std::collections::BTreeSet;
use std::sync::Mutex;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::approval::Label;
use provost_core::digest::Digest;
use provost_core::plan::{Planned, UNBORN};
use provost_core::step::OperationId;
use provost_sdk::{AccountRef, Error, ErrorKind, Operation, Result};

/// An operation that the gate let through.
#[derive(Debug)]
pub struct Prepared {
    /// Its name in this process.
    pub id: OperationId,
    /// As it was planned.
    pub planned: Planned,
    /// The commit that counted when it was planned.
    pub commit: Option<Sym>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The record of its intent.
    intent: Option<u64>,
    /// The call does not begin after this.
    not_after: Option<Timestamp>,
    /// Whether the call has begun.
    begun: bool,
    /// The account, for what is done to one that the plan makes first.
    account: Option<AccountRef>,
    /// Why it is done, in short.
    causes: Vec<String>,
    /// The evidence that it rests on.
    evidence: Evidence,
}

/// What an operation rests on: approvals by id and who gave them, or an emergency.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    /// Approvals: id, approver, and how each is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<(Digest, Sym, Label)>,
    /// What was taken in an emergency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Digest>,
}

impl Evidence {
    /// The value of a record's trailer: the ids, joined.
    pub(super) fn label(&self) -> Option<String> {
        label_of(self.approvals.iter().map(|(id, ..)| *id).chain(self.emergency))
    }
}

/// The value of a record's trailer: ids, each once, joined.
pub(super) fn label_of(ids: impl Iterator<Item = Digest>) -> Option<String> {
    let ids: BTreeSet<Digest> = ids.collect();
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    (!ids.is_empty()).then(|| ids.join("+"))
}

impl Prepared {
    pub(super) fn new(id: OperationId, planned: Planned, commit: Option<Sym>) -> Prepared {
        Prepared { id, planned, commit, state: Mutex::default() }
    }

    /// Whether a call that begins now is later than its intent allows. What was never promised is always late.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.not_after().is_none_or(|not_after| now > not_after)
    }

    /// The operation, on the account that is there now.
    pub fn operation(&self) -> Result<Operation> {
        let state = self.state();
        let operation = match &state.account {
            Some(account) => self.planned.operation_on(account),
            None => self.planned.operation.clone(),
        };
        match operation.account() {
            Some(account) if account.anchor.as_str() == UNBORN => {
                Err(Error::new(ErrorKind::NotFound, "The account that this is for was not made."))
            }
            _ => Ok(operation),
        }
    }

    /// Names this use of the operation: the same for a repeated call, another for another intent.
    pub fn key(&self) -> String {
        format!("{}-{}", self.label(), self.intent().unwrap_or_default())
    }

    /// Its name in the records.
    pub(super) fn label(&self) -> String {
        self.planned.digest.to_string()
    }

    /// Whom and which profile it is for.
    pub(super) fn subject(&self) -> Option<(Sym, Sym)> {
        self.planned.identity.map(|identity| (identity, self.planned.profile))
    }

    /// Says that the call begins now.
    pub fn begin(&self) {
        self.state().begun = true;
    }

    pub(super) fn has_begun(&self) -> bool {
        self.state().begun
    }

    /// The number of the record of its intent.
    pub fn intent(&self) -> Option<u64> {
        self.state().intent
    }

    /// Why it is done; computed when it is promised, because most of a large plan waits for long.
    pub(super) fn causes(&self) -> Vec<String> {
        self.state().causes.clone()
    }

    pub(super) fn evidence(&self) -> Evidence {
        self.state().evidence.clone()
    }

    pub(super) fn explain(&self, causes: Vec<String>, evidence: Evidence) {
        let mut state = self.state();
        (state.causes, state.evidence) = (causes, evidence);
    }

    /// The call does not begin after this.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.state().not_after
    }

    pub(super) fn promise(&self, not_after: Timestamp) {
        self.state().not_after = Some(not_after);
    }

    pub(super) fn intended(&self, seq: u64) {
        self.state().intent = Some(seq);
    }

    /// Whether it is for an account that the plan makes first.
    pub(super) fn is_unborn(&self) -> bool {
        self.planned.operation.account().is_some_and(|account| account.anchor.as_str() == UNBORN)
    }

    /// Tells the account that it waits for.
    pub(super) fn born(&self, account: &AccountRef) {
        self.state().account = Some(account.clone());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
