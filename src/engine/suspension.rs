//! What operators suspend stays so until they resume it, also after a restart.

use jiff::Timestamp;
use provost_audit::{Kind, Record};
use provost_core::Sym;
use provost_core::step::Suspension;

use super::memory::suspension_file;
use super::{Engine, EngineError};

impl Engine {
    /// What is suspended.
    pub fn suspension(&self) -> &Suspension {
        &self.suspension
    }

    /// Remembers that an operator suspended a target, or all.
    ///
    /// # Errors
    /// [`EngineError::Record`] if it is not on the record, so that a restart would not know of it.
    pub fn suspend(&mut self, which: Option<Sym>, now: Timestamp) -> Result<(), EngineError> {
        let mut suspension = self.suspension.clone();
        suspension.suspend(which);
        self.change_suspension(Kind::Suspend, which, suspension, now)
    }

    /// An operator trusts a target, or all of them, again: writing goes on, and the next whole read that begins from
    /// now on is taken as it is.
    ///
    /// # Errors
    /// [`EngineError::Record`] if it is not on the record; then everything stays as it is.
    pub fn resume(&mut self, which: Option<Sym>, now: Timestamp) -> Result<(), EngineError> {
        let mut suspension = self.suspension.clone();
        suspension.resume(which);
        self.change_suspension(Kind::Resume, which, suspension, now)?;
        let known: Vec<Sym> = self.organisation.targets().map(|(id, _)| id).collect();
        for id in known.into_iter().filter(|id| which.is_none_or(|which| which == *id)) {
            self.organisation.resume(id, now);
        }
        Ok(())
    }

    fn change_suspension(
        &mut self,
        kind: Kind,
        which: Option<Sym>,
        suspension: Suspension,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let what = which.map_or_else(|| "every target".to_owned(), |target| target.to_string());
        let word = if kind == Kind::Suspend { "suspended" } else { "resumed" };
        let mut record = Record::new(kind, now, format!("{what} is {word}"));
        record.target = which.map(|target| target.to_string());
        record.priority = true;
        record.changes = vec![suspension_file(&suspension)];
        self.recorder.record_blocking(vec![record])?;
        self.suspension = suspension;
        Ok(())
    }
}
