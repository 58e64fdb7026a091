//! The words of access: what is wanted, what waits and why, where in life an identity is, and why it has what it has.

use std::fmt;

use jiff::Timestamp;
use provost_sdk::Risk;
use serde::{Serialize, Serializer};

use crate::Sym;
use crate::evidence::Power;
use crate::set::{Set, Spec};

/// What one identity is to have in one profile of one target: the account, and these entitlements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The profile.
    pub profile: Sym,
    /// The entitlements; none where the account alone is granted.
    pub entitlements: Set<Spec>,
}

/// Where in life an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Lifecycle {
    /// It has not begun.
    NotYet {
        /// The first instant.
        from: Timestamp,
    },
    /// It takes part.
    Active,
    /// Not for now: its accounts are to be disabled, and everything else stays.
    Suspended,
    /// It has left, or is between two employments.
    Left {
        /// Since when, where a date is written down.
        since: Option<Timestamp>,
        /// Who receives what it owned.
        successor: Option<Sym>,
    },
    /// No document is known.
    Unknown,
}

/// A half-open stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first instant; [`Timestamp::MIN`] where there is none.
    pub from: Timestamp,
    /// The first instant that is not included; [`Timestamp::MAX`] where there is none.
    pub until: Timestamp,
}

/// A grant, or a part of its time, that is asked for and not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Waiting {
    /// Who is to have it.
    pub identity: Sym,
    /// What.
    #[serde(flatten)]
    pub power: Power,
    /// When: the part that waits.
    #[serde(flatten)]
    pub window: Window,
    /// How much agreement it needs.
    pub tier: Risk,
    /// What is missing.
    pub why: Lack,
}

/// What a grant lacks to be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "lacks", rename_all = "kebab-case")]
pub enum Lack {
    /// Agreement of its tier.
    Evidence,
    /// An end: what is privileged is always dated.
    End,
    /// A request: what is privileged never comes by birthright.
    Request,
    /// The target: no version of it is in force.
    Target,
    /// The profile: the target has none of this name.
    Profile,
    /// Separation of duties forbids it beside what is there.
    Separation {
        /// The id of the separation.
        separation: Sym,
        /// What is there.
        beside: Power,
    },
}

/// Two grants that separation of duties forbids together and that both stand: both stay, and somebody has to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// Who has both.
    pub identity: Sym,
    /// The separation.
    pub separation: Sym,
    /// The one that stands longer.
    pub first: Power,
    /// The other.
    pub second: Power,
    /// Who answers for the separation; the first active one acts.
    pub owners: Vec<Sym>,
    /// Since when both stand.
    pub since: Timestamp,
}

/// A grant that an identity has, waits for or could have, with everything that leads to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrantWithCauses {
    /// What.
    #[serde(flatten)]
    pub power: Power,
    /// Its tier.
    pub risk: Risk,
    /// Whether it is in force.
    pub state: GrantState,
    /// Every way that leads to it.
    pub causes: Vec<Cause>,
}

/// Whether a grant is in force now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum GrantState {
    /// It is.
    InForce,
    /// It waits for something.
    Waiting {
        /// For what.
        #[serde(flatten)]
        why: Lack,
    },
    /// Every way to it begins later.
    NotYet {
        /// The first instant of the earliest.
        from: Timestamp,
    },
    /// Every way to it is over.
    Ended {
        /// The end of the latest.
        since: Timestamp,
    },
    /// The identity is not active.
    NotActive,
}

/// One way that leads to a grant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// How it comes.
    #[serde(flatten)]
    pub source: Source,
    /// From the role that is held to the one that lists the grant, both included; empty for a direct grant.
    pub chain: Vec<Sym>,
    /// When it holds.
    #[serde(flatten)]
    pub window: Window,
    /// Why, as written down.
    pub reason: Option<Sym>,
    /// The file that says so: the role's for birthright, else the identity's.
    pub document: Option<Sym>,
}

/// How a grant comes to an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Source {
    /// By the condition of a role.
    Birthright {
        /// The role.
        role: Sym,
    },
    /// By an assignment.
    Assignment {
        /// The role.
        role: Sym,
        /// Its place under `roles`, from 0.
        index: u32,
    },
    /// By a grant of its own.
    Direct {
        /// Its place under `grants`, from 0.
        index: u32,
    },
    /// Taken in an emergency.
    BreakGlass {
        /// The policy that allows it.
        policy: Sym,
    },
}

/// Why an identity does not hold a role.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotHeld {
    /// The role.
    pub role: Sym,
    /// What it would give on the target that was asked about; everything where none was.
    pub grants: Vec<Power>,
    /// Why not, most telling first.
    pub reasons: Vec<Reason>,
}

/// One reason for not holding a role.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// No version of the role is in force.
    RoleNotInForce,
    /// The identity is not active.
    NotActive {
        /// What it is instead.
        lifecycle: Lifecycle,
    },
    /// The role's condition is not met.
    Condition {
        /// The condition.
        condition: Sym,
        /// The values that made it so, of one employment: fields and what they hold.
        values: Vec<(String, Option<Sym>)>,
    },
    /// The role has a condition that is about the other kind of identity.
    OtherSubject,
    /// Nobody assigned it, and it has no condition.
    NotAssigned,
    /// It is assigned from then on.
    NotYet {
        /// The first instant.
        from: Timestamp,
    },
    /// It was assigned until then.
    Ended {
        /// The first instant without it.
        since: Timestamp,
    },
}

impl Window {
    /// All of time.
    pub const ALWAYS: Window = Window { from: Timestamp::MIN, until: Timestamp::MAX };

    /// Whether an instant lies in it.
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// What lies in both.
    #[must_use]
    pub fn and(self, other: Window) -> Window {
        Window { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    /// Whether no instant lies in it.
    pub fn is_empty(self) -> bool {
        self.from >= self.until
    }
}

impl Serialize for Window {
    /// `{from, until}`, absent where there is no bound.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        if self.from > Timestamp::MIN {
            map.serialize_entry("from", &self.from)?;
        }
        if self.until < Timestamp::MAX {
            map.serialize_entry("until", &self.until)?;
        }
        map.end()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from > Timestamp::MIN, self.until < Timestamp::MAX) {
            (true, true) => write!(f, "from {} until {}", self.from, self.until),
            (true, false) => write!(f, "from {}", self.from),
            (false, true) => write!(f, "until {}", self.until),
            (false, false) => f.write_str("without end"),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Evidence => f.write_str("it needs agreement"),
            Lack::End => f.write_str("it is privileged and has no end"),
            Lack::Request => f.write_str("it is privileged, which birthright never gives"),
            Lack::Target => f.write_str("its target is not in force"),
            Lack::Profile => f.write_str("its target has no such profile"),
            Lack::Separation { separation, beside } => {
                write!(f, "{separation} forbids it beside {beside}")
            }
        }
    }
}
