//! How many calls a second a target bears, with a part that only revocations may use.

use jiff::{SignedDuration, Timestamp};

/// One part in this many is kept for what takes away, so that a thousand grants never use up what a revocation
/// needs.
const RESERVED: i64 = 5;

/// A token bucket in thousandths of a call; it holds one second's worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    per_second: i64,
    level: i64,
    at: Timestamp,
}

impl Bucket {
    /// A full bucket.
    pub fn new(per_second: u32, now: Timestamp) -> Bucket {
        let per_second = i64::from(per_second.max(1));
        Bucket { per_second, level: per_second * 1000, at: now }
    }

    /// Takes a call if there is one; `adds` leaves the reserve alone.
    pub fn take(&mut self, now: Timestamp, adds: bool) -> bool {
        self.fill(now);
        let enough = self.level >= self.needed(adds);
        if enough {
            self.level -= 1000;
        }
        enough
    }

    /// When the next call can be taken.
    pub fn ready_at(&self, adds: bool) -> Timestamp {
        let missing = self.needed(adds) - self.level;
        let millis = if missing <= 0 { 0 } else { missing.div_euclid(self.per_second) + 1 };
        self.at + SignedDuration::from_millis(millis)
    }

    fn needed(&self, adds: bool) -> i64 {
        let reserve = if adds { self.per_second * 1000 / RESERVED } else { 0 };
        // One call a second leaves no part to keep back, or nothing would ever be added.
        (reserve + 1000).min(self.per_second * 1000)
    }

    fn fill(&mut self, now: Timestamp) {
        let millis = now.duration_since(self.at).as_millis();
        if millis > 0 {
            let gained = self.per_second.saturating_mul(i64::try_from(millis).unwrap_or(i64::MAX));
            self.level = self.level.saturating_add(gained).min(self.per_second * 1000);
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).expect("a small instant")
    }

    #[test]
    fn a_thousand_additions_leave_calls_for_revocations() {
        let mut bucket = Bucket::new(10, at(0));
        let added = (0..1000).filter(|_| bucket.take(at(0), true)).count();
        assert_eq!(added, 8);
        assert!(bucket.take(at(0), false), "a revocation goes on");
        assert!(!bucket.take(at(0), true));
        assert!(bucket.ready_at(true) > at(0));
        assert!(bucket.take(bucket.ready_at(true), true), "the promised instant holds");
    }

    #[test]
    fn one_call_a_second_still_adds() {
        let mut bucket = Bucket::new(1, at(0));
        assert!(bucket.take(at(0), true));
        assert!(!bucket.take(at(500), true));
        assert!(bucket.take(bucket.ready_at(true), true));
    }
}
