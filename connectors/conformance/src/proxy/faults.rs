//! Which request meets which fault.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};

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
    /// It takes this long.
    Slow(Duration),
}

impl Fault {
    /// Every kind of fault, with values that suit a fast test.
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

    /// Its name in [`super::Proxy::faults`].
    pub fn name(&self) -> &'static str {
        match self {
            Fault::RateLimit { .. } => "rate-limit",
            Fault::Unavailable => "unavailable",
            Fault::CutBefore => "cut-before",
            Fault::CutAfter => "cut-after",
            Fault::ShortPage => "short-page",
            Fault::RepeatedPage => "repeated-page",
            Fault::DidNothing => "did-nothing",
            Fault::Slow(_) => "slow",
        }
    }

    fn suits(&self, method: &Method) -> bool {
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
        match self {
            Fault::ShortPage | Fault::RepeatedPage => *method == Method::GET,
            Fault::DidNothing => writes,
            _ => true,
        }
    }
}

/// Where the faults come from.
#[derive(Clone, Debug)]
pub enum Script {
    /// Request by request, in the order in which they come; none after the last.
    Listed(Vec<Option<Fault>>),
    /// Drawn by a seed: about one request in `one_in` meets one of `faults` that suits it. With several requests
    /// under way at once it is their order that is not the same in every run.
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
    /// Requests (method and target) whose last try met a fault: the next one gets through.
    spared: HashSet<(Method, String)>,
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

    /// The fault of the next request.
    pub(super) fn of(&mut self, request: &Request<Bytes>) -> Option<Fault> {
        if let Some(listed) = self.listed.pop_front() {
            return listed;
        }
        let place = (request.method().clone(), request.uri().to_string());
        let spared = self.spared.remove(&place);
        if self.one_in == 0 || !self.draw().is_multiple_of(u64::from(self.one_in)) || spared {
            return None;
        }
        let draw = self.draw();
        let suiting: Vec<&Fault> = self.faults.iter().filter(|fault| fault.suits(request.method())).collect();
        let count = u64::try_from(suiting.len()).ok().filter(|count| *count > 0)?;
        let index = usize::try_from(draw % count).ok()?;
        let fault = (*suiting.get(index)?).clone();
        self.spared.insert(place);
        Some(fault)
    }

    /// SplitMix64: even, tiny, and the same everywhere.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
