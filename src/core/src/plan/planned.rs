//! What a plan holds: operations in order, and whatever was not planned, with the reason.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use provost_sdk::{AccountRef, Operation, Risk, Verb};

use crate::Sym;
use crate::digest::Digest;
use crate::document::Authority;
use crate::observed::Incomplete;
use crate::set::{Key, Set, Spec};

/// The ordered operations that close the difference, and what was left out of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In the order in which they are to be done.
    pub operations: Vec<Planned>,
    /// What was not planned, and why, in the order of targets and identities.
    pub not_planned: Vec<NotPlanned>,
    /// What identities are to have, were found to have, and is provost's own from now on. No operation is needed.
    pub claims: Vec<Claim>,
    /// When time alone changes this plan next: a freeze ends, a grace period ends, a credential is due.
    pub next: Option<Timestamp>,
}

/// One operation of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// The target.
    pub target: Sym,
    /// The identity that it is done for; none for what is taken from accounts that are linked to nobody, and for whole
    /// lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Sym>,
    /// The profile of its account.
    pub profile: Sym,
    /// What is done. An account that another operation of the plan makes has the anchor [`UNBORN`].
    pub operation: Operation,
    /// How much agreement it needs.
    pub tier: Risk,
    /// How soon its turn comes.
    pub queue: Queue,
    /// What guards count it as.
    pub class: Class,
    /// Whether no commit asked for it: it undoes what somebody did by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drift: bool,
    /// Why, in short, for people; empty until [`super::explain`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The places in the plan of what must have succeeded before, all smaller than its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<usize>,
    /// What it gives, as documents name it.
    #[serde(skip)]
    pub grants: Option<Spec>,
    /// Who newly holds what a whole list gives: identity and profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gains: Vec<(Sym, Sym)>,
    /// Where the secret of a credential goes: the name of a delivery place in the daemon's settings. It is the one that
    /// was agreed to, whatever a later commit names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver: Option<Sym>,
    /// Its name: over target, place, identity, profile and operation.
    pub digest: Digest,
}

/// The anchor, in a plan, of an account that the plan makes first.
pub const UNBORN: &str = "";

/// How soon an operation has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    /// The steps of somebody who left or is suspended.
    Leaver,
    /// Whatever else takes away.
    Revoke,
    /// What a commit or an instant asked for.
    Change,
    /// What repairs.
    Resync,
}

/// What guards count an operation as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// It adds.
    Addition,
    /// It neither adds nor takes away.
    Change,
    /// It takes away.
    Removal,
    /// It takes away from somebody whose leaving is written down.
    Departure,
    /// It cannot be taken back.
    Deletion,
}

/// A difference that has no operation, or something else that people should see.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotPlanned {
    /// The target.
    pub target: Sym,
    /// The identity that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Sym>,
    /// The profile of its account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Sym>,
    /// The account, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountRef>,
    /// What would have been done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<Verb>,
    /// About which entitlement, as `kind:name` or `kind:name#role`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<String>,
    /// Why it is not planned.
    pub why: Why,
}

/// Why something is not planned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Why {
    /// No writes before adoption.
    #[error("the target is not adopted: run `provost adopt`")]
    NotAdopted,
    /// The target's document does not let provost do this.
    #[error("the authority over {kind} is {}", authority_word(*.authority))]
    Authority {
        /// `accounts` or an entitlement kind.
        kind: Sym,
        /// What it is.
        authority: Authority,
    },
    /// Not looked at at all.
    #[error("it is out of the scope of {kind}")]
    OutOfScope {
        /// `accounts` or an entitlement kind.
        kind: Sym,
    },
    /// Left alone by its name.
    #[error("the account is protected by `{pattern}`")]
    Protected {
        /// The pattern.
        pattern: Sym,
    },
    /// The account that provost itself uses.
    #[error("it is the account that provost itself uses")]
    OwnCredential,
    /// An account with no identity.
    #[error("the account has no identity")]
    Orphan,
    /// An account that may be theirs.
    #[error("the account `{username}` ({anchor}) may be theirs by its {by}: `provost adopt` decides")]
    Candidate {
        /// Its anchor.
        anchor: Sym,
        /// Its username.
        username: Sym,
        /// By what it matches: `username`, an attribute, or `anchor` where the document pins it.
        by: Sym,
    },
    /// The username belongs to somebody else's account.
    #[error("the username `{username}` belongs to the account of {identity}")]
    UsernameTaken {
        /// Which.
        username: Sym,
        /// Whose.
        identity: Sym,
    },
    /// Two identities would have one username.
    #[error("{identity} is to have the username `{username}` too")]
    UsernameWantedTwice {
        /// Which.
        username: Sym,
        /// By whom else.
        identity: Sym,
    },
    /// Somebody disabled it by hand.
    #[error("the account was disabled by hand and stays so until a signed `enable`")]
    DisabledByHand,
    /// The connector does not declare it.
    #[error("the target cannot do this")]
    Unsupported,
    /// The connector declares no such kind.
    #[error("the target has no kind `{kind}`")]
    UndeclaredKind {
        /// Which.
        kind: Sym,
    },
    /// The kind has no such role, or needs one.
    #[error("the kind `{kind}` needs one of its roles ({roles})")]
    UndeclaredRole {
        /// Which.
        kind: Sym,
        /// Its roles, joined by commas.
        roles: String,
    },
    /// Nothing on the target bears the name.
    #[error("the target has nothing of this name")]
    UnknownEntitlement,
    /// Several bear it.
    #[error("the target has several of this name")]
    AmbiguousEntitlement,
    /// Something else bears the name now.
    #[error("the name belongs to another one now ({now}, it was {known}): an owner has to agree")]
    NameChanged {
        /// The anchor that was agreed to.
        known: Sym,
        /// The anchor now.
        now: Sym,
    },
    /// It would be inferred from absence.
    #[error("{why}")]
    Incomplete {
        /// Why absence means nothing.
        why: Incomplete,
    },
    /// Nothing is added now.
    #[error("nothing is added until {until}, by freeze {freeze}")]
    Frozen {
        /// By which freeze window.
        freeze: Sym,
        /// Until when.
        until: Timestamp,
    },
    /// provost stopped adding to the target, or to all.
    #[error("nothing is added: {cause}")]
    Held {
        /// Why.
        cause: Sym,
    },
    /// It is asked for and not in force: above tier low it needs agreement.
    #[error("it waits, and is of tier {}: {lacks}", tier_word(*.tier))]
    Waiting {
        /// Of which tier.
        tier: Risk,
        /// What it lacks.
        lacks: String,
    },
    /// Drift that the document wants reported only.
    #[error("it is drift, and drift is only reported here")]
    Reported,
    /// Drift that is to be proposed to the repository.
    #[error("it is drift, and is to be proposed as a change of the documents")]
    Proposed,
    /// A lost grant above tier low.
    #[error("somebody took it away by hand, and it is of tier {}: it is not restored by itself", tier_word(*.tier))]
    Lost {
        /// Of which tier.
        tier: Risk,
    },
    /// What they own has no receiver.
    #[error("nobody with an account here is named as successor")]
    NoSuccessor,
    /// What they own was not given away yet.
    #[error("what the account owns has not been transferred yet")]
    NotTransferred,
    /// Deletion is for accounts that provost made.
    #[error("provost did not make the account, so that deleting it needs agreement")]
    NotCreated,
    /// An account elsewhere comes first.
    #[error("the account on {target} comes first")]
    After {
        /// Where.
        target: Sym,
    },
    /// Something that excludes it is still held.
    #[error("{held} on {target} excludes it ({separation}) and is still held")]
    Separated {
        /// By which separation of duties.
        separation: Sym,
        /// Where.
        target: Sym,
        /// What.
        held: String,
    },
    /// The account is not there yet.
    #[error("the account is not there yet")]
    NoAccount,
    /// What the account is to look like cannot be said.
    #[error("{problem}")]
    Login {
        /// Why.
        problem: String,
    },
    /// Nothing is known of the identity.
    #[error("no document and no departure explains the identity")]
    UnknownIdentity,
    /// A nesting that the document does not declare.
    #[error("it is contained in {outer}, which no document declares")]
    UndeclaredNesting {
        /// In what.
        outer: String,
    },
    /// A nesting that the document declares and the target has not.
    #[error("it is declared to be contained in {outer}, and is not")]
    MissingNesting {
        /// In what.
        outer: String,
    },
}

/// What is to be known of an account as it was found: what its identity is to have and it holds, or that its identity
/// has left and it is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The target.
    pub target: Sym,
    /// The identity.
    pub identity: Sym,
    /// The profile.
    pub profile: Sym,
    /// What becomes provost's own.
    pub keys: Set<Key>,
    /// Whether the identity has left.
    pub left: bool,
}

impl Planned {
    /// The name of what is done.
    pub fn verb(&self) -> Verb {
        self.operation.verb()
    }

    /// Whether it can give power: what adds waits where what takes away goes on.
    pub fn adds(&self) -> bool {
        match self.operation {
            Operation::Replace { .. } => !self.gains.is_empty(),
            _ => adds(&self.operation),
        }
    }

    /// Whether it can only lessen what somebody can do.
    pub fn takes_away(&self) -> bool {
        match self.operation {
            Operation::Replace { .. } => self.gains.is_empty(),
            _ => self.operation.verb().takes_away(),
        }
    }

    /// The operation, once the account that it waits for is there.
    pub fn operation_on(&self, account: &AccountRef) -> Operation {
        let mut operation = self.operation.clone();
        if let Some(place) = operation.account_mut().filter(|place| place.anchor.as_str() == UNBORN) {
            place.clone_from(account);
        }
        operation
    }
}

/// Whether an operation can give power. Deleting and transferring do not, and are no taking away either: they cannot be
/// taken back.
pub(crate) fn adds(operation: &Operation) -> bool {
    !operation.verb().takes_away() && !matches!(operation.verb(), Verb::Delete | Verb::Transfer)
}

/// The digest of an operation: what agreement, an override or a retry is about.
pub fn digest_of(
    target: Sym,
    place: Sym,
    identity: Option<Sym>,
    profile: Sym,
    operation: &Operation,
) -> Digest {
    #[derive(Serialize)]
    struct Named<'a> {
        target: Sym,
        place: Sym,
        identity: Option<Sym>,
        profile: Sym,
        operation: &'a Operation,
    }
    crate::digest::digest(&Named { target, place, identity, profile, operation })
}

fn authority_word(authority: Authority) -> &'static str {
    match authority {
        Authority::Observe => "observe",
        Authority::Additive => "additive",
        Authority::Full => "full",
    }
}

fn tier_word(tier: Risk) -> &'static str {
    match tier {
        Risk::Low => "low",
        Risk::Normal => "normal",
        Risk::Privileged => "privileged",
    }
}
