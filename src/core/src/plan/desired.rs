//! What the plan is made from: what ought to be, target by target what is there, and what holds additions up.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use provost_sdk::Risk;

use crate::Sym;
use crate::access::{Lifecycle, Login, Mark, Waiting, Wanted};
use crate::document::{Freeze, LeaverPolicy, Separation, ServiceCredential, Target};
use crate::evidence::{Power, Thing};
use crate::observed::{Observed, Seen};

/// What ought to be, as the plan asks for it. [`super::Resolved`] answers from the documents and access.
pub trait Desired: Sync {
    /// Every identity that wants something on a target, with its place among all, in no order that means anything.
    fn wanting(&self, target: Sym) -> Vec<(usize, Sym)>;
    /// How an identity stands now; none where that is not kept as numbers, so that nothing is remembered of it.
    fn mark(&self, identity: Sym) -> Option<Mark>;
    /// The targets on which an identity wants something.
    fn targets_of(&self, identity: Sym) -> Vec<Sym>;
    /// Where in life an identity is.
    fn lifecycle(&self, identity: Sym) -> Lifecycle;
    /// Whether the identity has a document, so that its leaving is written down.
    fn is_written(&self, identity: Sym) -> bool;
    /// Whether the identity is a person: protection by a pattern of names is for everything else.
    fn is_person(&self, identity: Sym) -> bool;
    /// What an identity is to have on a target, by profile. One that is suspended keeps it.
    fn wanted(&self, identity: Sym, target: Sym) -> &[Wanted];
    /// What the account of a profile is to look like.
    ///
    /// # Errors
    /// A sentence for people when a template cannot be evaluated.
    fn login(&self, identity: Sym, target: Sym, profile: Sym) -> Result<Login, String>;
    /// Whether an account is seen to look as [`Desired::login`] says, told without making one; `false` also where it
    /// cannot be told so.
    fn fits(&self, identity: Sym, target: Sym, profile: Sym, seen: &Seen) -> bool;
    /// The credentials that a service has declared.
    fn credentials(&self, identity: Sym) -> &[ServiceCredential];
    /// Who answers for a service (true) or knows its secrets (false); nobody for a person.
    fn answerable(&self, identity: Sym) -> Vec<(Sym, bool)>;
    /// Whether people agreed to something other than a grant.
    fn agreed(&self, thing: &Thing, tier: Risk) -> bool;
    /// How risky a power is.
    fn risk(&self, power: Power) -> Risk;
    /// What is asked for and not in force.
    fn waiting(&self) -> Vec<Waiting>;
    /// What is asked for and not in force, of one identity.
    fn waiting_of(&self, identity: Sym) -> Vec<Waiting>;
}

/// Everything that one plan is made from.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// What ought to be.
    pub desired: &'a dyn Desired,
    /// The targets in force. One that is missing here is not planned for.
    pub targets: &'a BTreeMap<Sym, TargetView<'a>>,
    /// Separations of duties in force.
    pub separations: &'a [&'a Separation],
    /// Freeze windows in force.
    pub freezes: &'a [&'a Freeze],
    /// What is done about leavers on targets that say nothing of their own.
    pub leaver: Option<LeaverPolicy>,
    /// Why nothing is added anywhere, if so: a rewritten history, an overdue review.
    pub hold: Option<Sym>,
    /// The instant.
    pub now: Timestamp,
}

/// One target, as the plan sees it.
#[derive(Clone, Copy)]
pub struct TargetView<'a> {
    /// Its document in force.
    pub document: &'a Target,
    /// What it has.
    pub observed: &'a Observed,
    /// Whether an operator adopted it, at the place where it is now.
    pub adopted: bool,
    /// Which system it is: part of every digest.
    pub place: Sym,
    /// Why nothing is added here, if so: quarantine, suspension.
    pub hold: Option<Sym>,
    /// Anchors of the accounts that provost itself uses here.
    pub own_accounts: &'a [Sym],
}

/// Which part of the world is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only these targets; all where absent.
    pub targets: Option<BTreeSet<Sym>>,
    /// Only these identities; all, and the accounts of nobody, where absent.
    pub identities: Option<BTreeSet<Sym>>,
}

impl Scope {
    pub(super) fn has_target(&self, target: Sym) -> bool {
        self.targets.as_ref().is_none_or(|targets| targets.contains(&target))
    }
}

/// How long after the last read something may be concluded from absence: three whole reads may fail before the view
/// is too old, and never less than a quarter of an hour, so that short schedules survive a slow read.
pub fn age_limit(target: &Target) -> SignedDuration {
    (target.schedule.full.0 * 3).max(SignedDuration::from_mins(15))
}
