//! Whom a plan looks at on one target.
//!
//! Where nothing was to be done for an identity, a number that stands for everything that it is to have is kept beside
//! its accounts, and goes with any change of them or of the target's rules. So a pass over everybody, when little is
//! different, compares two integers an account.

use super::account::plan_pair;
use super::desired::{Scope, TargetView, World};
use super::site::{Drafts, Site};
use crate::Sym;
use crate::pieces::in_pieces;

/// Identities that are worth a thread of their own: some milliseconds of work.
const PIECE: usize = 2048;

/// Whom to plan for: who has something on the target or is to have it, less those for whom it is known that nothing is
/// to be done.
pub(super) fn open(world: &World<'_>, target: Sym, view: &TargetView<'_>, scope: &Scope) -> Vec<Sym> {
    let desired = world.desired;
    if let Some(identities) = &scope.identities {
        let concerned = |identity: &Sym| {
            !desired.wanted(*identity, target).is_empty()
                || view.observed.links_of(*identity).next().is_some()
        };
        return identities.iter().copied().filter(concerned).collect();
    }
    let mut open = Vec::new();
    let mut closed = Places::default();
    for (identity, number) in view.observed.settled() {
        match desired.mark(identity) {
            Some(mark) if mark.revision.get() == number => closed.add(mark.place),
            _ => open.push(identity),
        }
    }
    let wanting = desired.wanting(target).into_iter();
    open.extend(wanting.filter(|(place, _)| !closed.has(*place)).map(|(_, identity)| identity));
    open.sort_unstable_by_key(|identity| identity.number());
    open.dedup();
    open
}

/// Plans these identities on the target, many at a time, for none asks what becomes of another; and remembers of which
/// nothing is to be done now or at any later instant.
pub(super) fn plan(world: &World<'_>, target: Sym, view: &TargetView<'_>, identities: &[Sym]) -> Drafts {
    let pieces = in_pieces(identities, PIECE, |piece| {
        let mut drafts = Drafts::default();
        let site = Site::new(target, *view, *world, &mut drafts);
        piece.iter().for_each(|identity| plan_one(&site, *identity, &mut drafts));
        drafts
    });
    let mut drafts = Drafts::default();
    pieces.into_iter().for_each(|piece| drafts.absorb(piece));
    drafts
}

fn plan_one(site: &Site<'_>, identity: Sym, drafts: &mut Drafts) {
    let mut own = Drafts::default();
    plan_pair(site, identity, &mut own);
    if !own.is_empty() {
        drafts.absorb(own);
    } else if let Some(mark) = site.world.desired.mark(identity) {
        site.view.observed.settle(identity, mark.revision.get());
    }
}

/// Places among all identities.
#[derive(Default)]
struct Places(Vec<u64>);

impl Places {
    fn add(&mut self, place: usize) {
        if self.0.len() <= place / 64 {
            self.0.resize(place / 64 + 1, 0);
        }
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }
}
