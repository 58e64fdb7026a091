//! Which request meets which fault.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `Retry-After`; not forwarded.
    RateLimit {
        /// The value of `Retry-After`.
        seconds: u32,
    },
    /// 503; not forwarded.
    Unavailable,
    /// The connection is reset as soon as it is there, as where nobody listens behind a balancer.
    Refused,
    /// The connection is cut before anything is forwarded.
    CutBefore,
    /// It is forwarded and done, and the connection is cut instead of the answer.
    CutAfter,
    /// The page lacks its last element and says nothing of it; its totals stay.
    ShortPage,
    /// The page that went out before is answered again.
    RepeatedPage,
    /// A write is answered as done, and nothing is forwarded.
    DidNothing,
    /// It takes this long until the request is forwarded.
    Slow(Duration),
    /// It is forwarded at once, and its answer takes this long.
    SlowAnswer(Duration),
}

impl Fault {
    /// Every kind of fault of plain HTTP, with values that suit a fast test.
    pub fn all() -> Vec<Fault> {
        vec![
            Fault::RateLimit { seconds: 0 },
            Fault::Unavailable,
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::ShortPage,
            Fault::RepeatedPage,
            Fault::DidNothing,
            Fault::Slow(Duration::from_millis(30)),
        ]
    }

    /// Every kind of fault of a connection whose bytes mean nothing to the proxy, with values that suit a fast test.
    pub fn of_connections() -> Vec<Fault> {
        vec![
            Fault::Refused,
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::Slow(Duration::from_millis(30)),
            Fault::SlowAnswer(Duration::from_millis(30)),
        ]
    }

    /// Its name in [`super::Proxy::faults`].
    pub fn name(&self) -> &'static str {
        match self {
            Fault::RateLimit { .. } => "rate-limit",
            Fault::Unavailable => "unavailable",
            Fault::Refused => "refused",
            Fault::CutBefore => "cut-before",
            Fault::CutAfter => "cut-after",
            Fault::ShortPage => "short-page",
            Fault::RepeatedPage => "repeated-page",
            Fault::DidNothing => "did-nothing",
            Fault::Slow(_) => "slow",
            Fault::SlowAnswer(_) => "slow-answer",
        }
    }
}

/// Where the faults come from.
#[derive(Clone, Debug)]
pub enum Script {
    /// Request by request, in the order in which they come; none after the last.
    Listed(Vec<Option<Fault>>),
    /// Drawn by a seed: about one request in `one_in` meets one of `faults` that is possible for it. A fault that has
    /// not happened yet happens at the first chance, so that every run meets every fault that it has a chance of. With
    /// several requests under way at once it is their order that is not the same in every run.
    Seeded {
        /// The seed.
        seed: u64,
        /// One in so many; 0 means none.
        one_in: u32,
        /// What is drawn from.
        faults: Vec<Fault>,
    },
}

/// A script and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Choice {
    listed: VecDeque<Option<Fault>>,
    state: u64,
    one_in: u32,
    faults: Vec<Fault>,
    happened: BTreeMap<&'static str, usize>,
}

impl Choice {
    pub(super) fn new(script: Script) -> Choice {
        match script {
            Script::Listed(listed) => Choice { listed: listed.into(), ..Choice::default() },
            Script::Seeded { seed, one_in, faults } => {
                Choice { state: seed, one_in, faults, ..Choice::default() }
            }
        }
    }

    /// The fault of the next request, among those that are possible for it; none is drawn for one that is spared.
    pub(super) fn of(&mut self, spared: bool, possible: impl Fn(&Fault) -> bool) -> Option<Fault> {
        if let Some(listed) = self.listed.pop_front() {
            return listed;
        }
        if self.one_in == 0 || spared {
            return None;
        }
        let possible: Vec<&Fault> = self.faults.iter().filter(|fault| possible(fault)).collect();
        let new: Vec<&Fault> =
            possible.iter().copied().filter(|fault| !self.happened.contains_key(fault.name())).collect();
        let drawn = draw(&mut self.state).is_multiple_of(u64::from(self.one_in));
        let among = match new.is_empty() {
            true if drawn => possible,
            true => return None,
            false => new,
        };
        let count = u64::try_from(among.len()).ok().filter(|count| *count > 0)?;
        let index = usize::try_from(draw(&mut self.state) % count).ok()?;
        among.get(index).map(|fault| (*fault).clone())
    }

    /// Notes that a fault was really brought about.
    pub(super) fn happened(&mut self, fault: &Fault) {
        *self.happened.entry(fault.name()).or_default() += 1;
    }

    /// How often each fault was brought about.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.happened.clone()
    }
}

/// SplitMix64: even, tiny, and the same everywhere.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
