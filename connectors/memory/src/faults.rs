//! What can go wrong with a system, as plain data, so that a simulation can draw it and print it.

use std::collections::BTreeMap;
use std::time::Duration;

use provost_sdk::ErrorKind;

/// The faults of one system. Calls are counted from 1 since the system was made; reads and writes apart
/// ([`crate::System::reads`], [`crate::System::writes`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What happens to single writes, by their number.
    pub writes: BTreeMap<u64, WriteFault>,
    /// What happens to single reads, look-ups and probes, by their number.
    pub reads: BTreeMap<u64, ReadFault>,
    /// What happens to every write that is not named above.
    pub every_write: Option<WriteFault>,
    /// What happens to every read that is not named above.
    pub every_read: Option<ReadFault>,
}

/// What happens to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// It fails and nothing is changed.
    Fail(ErrorKind),
    /// It is done and the answer is lost: a timeout whose change may have landed, and has.
    LoseAnswer,
    /// It is not done, and the answer is lost as well: a timeout whose change may have landed, and has not.
    LoseRequest,
    /// It answers as if all had been done, and nothing is.
    Lie,
    /// It takes this long, in the system's own virtual time. At or over the timeout it is done and its answer lost.
    Slow(Duration),
}

/// What happens to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// It fails.
    Fail(ErrorKind),
    /// A read ends after so many accounts and says so; a look-up is not touched.
    Partial(usize),
    /// A read finds nothing and says that this is everything, as systems do that took our right to list away; a
    /// look-up finds nobody.
    Empty,
    /// A read finds only so many accounts and says that this is everything; a look-up is not touched.
    Shrunken(usize),
    /// It takes this long, in the system's own virtual time. At or over the timeout it fails.
    Slow(Duration),
}

impl Faults {
    /// Every call fails because the credential is not accepted any more.
    pub fn credential_refused() -> Faults {
        Faults {
            every_write: Some(WriteFault::Fail(ErrorKind::InvalidCredential)),
            every_read: Some(ReadFault::Fail(ErrorKind::InvalidCredential)),
            ..Faults::default()
        }
    }

    /// Nothing answers.
    pub fn down() -> Faults {
        Faults {
            every_write: Some(WriteFault::Fail(ErrorKind::Unavailable)),
            every_read: Some(ReadFault::Fail(ErrorKind::Unavailable)),
            ..Faults::default()
        }
    }

    pub(crate) fn of_write(&self, number: u64) -> Option<WriteFault> {
        self.writes.get(&number).or(self.every_write.as_ref()).cloned()
    }

    pub(crate) fn of_read(&self, number: u64) -> Option<ReadFault> {
        self.reads.get(&number).or(self.every_read.as_ref()).cloned()
    }
}
