//! How many calls at once a target bears just now, learnt from how they end.

use provost_sdk::ErrorKind;

/// Calls at once: as many as were declared, half of that whenever the target strains under them, and one more for every
/// round of calls that went well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strain {
    declared: usize,
    bears: usize,
    /// Calls that went well since the number last changed.
    well: usize,
    /// Calls that began before this one say nothing about the number that was lowered since.
    from: u64,
}

impl Strain {
    /// A target that is believed to bear what was declared.
    pub fn new(declared: usize) -> Strain {
        let declared = declared.max(1);
        Strain { declared, bears: declared, well: 0, from: 0 }
    }

    /// How many calls may be under way at once.
    pub fn calls(&self) -> usize {
        self.bears
    }

    /// Another number was declared.
    pub fn declare(&mut self, declared: usize) {
        let declared = declared.max(1);
        if declared != self.declared {
            *self = Strain { from: self.from, ..Strain::new(declared) };
        }
    }

    /// A call ended well.
    pub fn went_well(&mut self) {
        self.well += 1;
        if self.well >= self.bears {
            self.well = 0;
            self.bears = self.declared.min(self.bears + 1);
        }
    }

    /// Call number `call` failed like this; `next` is the number of the next call to begin. Of many calls that fail
    /// together only the first halves the number.
    pub fn failed(&mut self, kind: &ErrorKind, call: u64, next: u64) {
        let strains =
            matches!(kind, ErrorKind::RateLimited { .. } | ErrorKind::Unavailable | ErrorKind::Timeout);
        if strains && call >= self.from {
            self.bears = (self.bears / 2).max(1);
            self.well = 0;
            self.from = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strained_target_gets_half_and_slowly_more_again() {
        let mut strain = Strain::new(8);
        strain.failed(&ErrorKind::RateLimited { until: None }, 0, 8);
        assert_eq!(strain.calls(), 4);
        // The other seven of the same round were under way already.
        (1..8).for_each(|call| strain.failed(&ErrorKind::Timeout, call, 8));
        assert_eq!(strain.calls(), 4);
        (0..3).for_each(|_| strain.went_well());
        assert_eq!(strain.calls(), 4);
        strain.went_well();
        assert_eq!(strain.calls(), 5);
        (0..100).for_each(|_| strain.went_well());
        assert_eq!(strain.calls(), 8, "never more than was declared");
    }

    #[test]
    fn one_call_is_always_left() {
        let mut strain = Strain::new(2);
        (0..9).for_each(|call| strain.failed(&ErrorKind::Unavailable, call, call + 1));
        assert_eq!(strain.calls(), 1);
    }

    #[test]
    fn what_is_wrong_with_one_operation_says_nothing_about_the_target() {
        let mut strain = Strain::new(8);
        strain.failed(&ErrorKind::InvalidValue, 0, 1);
        strain.failed(&ErrorKind::Conflict, 1, 2);
        assert_eq!(strain.calls(), 8);
    }

    #[test]
    fn another_declaration_begins_anew() {
        let mut strain = Strain::new(8);
        strain.failed(&ErrorKind::Timeout, 0, 8);
        strain.declare(8);
        assert_eq!(strain.calls(), 4);
        strain.declare(2);
        assert_eq!(strain.calls(), 2);
    }
}
