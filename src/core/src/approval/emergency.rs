//! Break-glass: who may act alone in an emergency, for what and how long. It is no request: one person says so with a key
//! kept for this alone, it is recorded first, and a review is due.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Council, PublicKey};
use crate::Sym;
use crate::document::{BreakGlass, GrantSpec};
use crate::evidence::{Evidence, Power, Taken};

/// Powers that one person took.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergency {
    /// The policy that allows it.
    pub policy: Sym,
    /// Who, and who gets it.
    pub person: Sym,
    /// With which key.
    pub key: PublicKey,
    /// What.
    pub grants: Vec<GrantSpec>,
    /// Why.
    pub reason: String,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant that is not included.
    pub until: Timestamp,
    /// By when somebody else has to have reviewed it.
    pub review: Timestamp,
    /// Who reviewed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<Sym>,
}

/// Why an emergency is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BreakGlassRefused {
    /// Somebody else.
    #[error("{person} is not named in the break-glass policy {policy}.")]
    Person {
        /// The policy.
        policy: Sym,
        /// Who.
        person: Sym,
    },
    /// Left, or suspended.
    #[error("{0} does not take part now.")]
    Inactive(Sym),
    /// A key that is not kept for this.
    #[error("The key is not one of the break-glass policy {0}.")]
    Key(Sym),
    /// Revoked.
    #[error("The key is revoked.")]
    Revoked,
    /// Out of scope.
    #[error("The break-glass policy {policy} does not allow {grant}.")]
    Scope {
        /// The policy.
        policy: Sym,
        /// What.
        grant: GrantSpec,
    },
    /// Nothing is asked.
    #[error("Nothing is asked for.")]
    Nothing,
    /// Too long, or no time at all.
    #[error("The break-glass policy {policy} allows {hours} hours at most, and more than none.")]
    Hours {
        /// The policy.
        policy: Sym,
        /// How many.
        hours: i64,
    },
    /// No reason.
    #[error("An emergency needs a reason of at least {MIN_REASON} characters.")]
    Reason,
}

/// A reason shorter than this says nothing to whoever reviews it.
const MIN_REASON: usize = 10;

/// Characters of a reason that are kept.
const MAX_REASON: usize = 1000;

/// Accepts an emergency by the policy in force. The signature over it has been checked with `key`.
///
/// # Errors
/// The first thing that the policy does not allow.
pub fn emergency(
    council: &dyn Council,
    policy: &BreakGlass,
    (person, key): (Sym, PublicKey),
    grants: &[GrantSpec],
    (reason, length): (&str, SignedDuration),
    now: Timestamp,
) -> Result<Emergency, BreakGlassRefused> {
    let of = policy.id;
    if !policy.people.contains(&person) {
        return Err(BreakGlassRefused::Person { policy: of, person });
    }
    if !council.is_active(person) {
        return Err(BreakGlassRefused::Inactive(person));
    }
    if !policy.keys.iter().any(|known| PublicKey::parse(known.as_str()) == Ok(key)) {
        return Err(BreakGlassRefused::Key(of));
    }
    if council.keys().revoked.is_some_and(|revoked| revoked.has(&key)) {
        return Err(BreakGlassRefused::Revoked);
    }
    if grants.is_empty() {
        return Err(BreakGlassRefused::Nothing);
    }
    let allowed =
        |grant: &&GrantSpec| !policy.grants.iter().any(|allowed| Power::from(allowed) == Power::from(*grant));
    if let Some(grant) = grants.iter().find(allowed) {
        return Err(BreakGlassRefused::Scope { policy: of, grant: *grant });
    }
    if length <= SignedDuration::ZERO || length > policy.duration.0 {
        return Err(BreakGlassRefused::Hours { policy: of, hours: policy.duration.0.as_hours() });
    }
    if reason.trim().chars().count() < MIN_REASON {
        return Err(BreakGlassRefused::Reason);
    }
    let until = now.checked_add(length).unwrap_or(Timestamp::MAX);
    Ok(Emergency {
        policy: of,
        person,
        key,
        grants: grants.to_vec(),
        reason: reason.trim().chars().take(MAX_REASON).collect(),
        from: now,
        until,
        review: until.checked_add(policy.review.0).unwrap_or(Timestamp::MAX),
        reviewed: None,
    })
}

/// Why nothing privileged is added now: the review of an emergency is overdue.
pub fn overdue(emergencies: &[Emergency], now: Timestamp) -> Option<Sym> {
    let late = emergencies.iter().filter(|of| of.reviewed.is_none() && of.review <= now);
    let first = late.min_by_key(|of| of.review)?;
    let Emergency { policy, person, review, .. } = first;
    Some(Sym::new(&format!("the review of what {person} took by {policy} has been due since {review}")))
}

impl Emergency {
    /// Whether a person may review it: anybody else who takes part and answers for approvals.
    pub fn may_review(&self, council: &dyn Council, person: Sym) -> bool {
        let approves = |group: Sym| council.members(&super::Pool::Group { group }).contains(&person);
        person != self.person && council.is_active(person) && council.groups().into_iter().any(approves)
    }

    /// Puts what was taken into evidence, until it ends, as long as who took it takes part.
    pub fn put(&self, council: &dyn Council, evidence: &mut Evidence) {
        if !council.is_active(self.person) {
            return;
        }
        for grant in &self.grants {
            let (power, policy, from, until) = (Power::from(grant), self.policy, self.from, self.until);
            evidence.take(self.person, Taken { power, policy, from, until });
        }
    }
}
