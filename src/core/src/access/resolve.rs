//! One identity's grants: every way that leads to a power, and what becomes of it now. What is held, what waits, and
//! `why` are three readings of the same result, so that they cannot disagree.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use provost_sdk::Risk;

use super::model::{Conflict, GrantState, Lack, Lifecycle, Source, Waiting, Wanted, Window};
use super::roles::{Flat, Weight};
use super::rules::Rules;
use super::separation::Held;
use super::terms;
use crate::Sym;
use crate::evidence::{Evidence, Power};
use crate::set::{Set, Spec};
use crate::snapshot::Identity;

/// One way that leads to a power.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) power: Power,
    pub(super) weight: Weight,
    pub(super) window: Window,
    pub(super) source: Source,
    /// The role that lists it.
    pub(super) listed: Option<Sym>,
    /// Whether it is written down when it ends.
    pub(super) dated: bool,
}

/// What becomes of one power.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub(super) power: Power,
    pub(super) risk: Risk,
    pub(super) state: GrantState,
    /// Begin of the earliest way that holds now.
    begin: Timestamp,
    separated: bool,
    /// Whether it weighs less for whoever has it already.
    raised: bool,
    /// What is missing, and for which stretch; also for what is in force only until then.
    lack: Option<(Lack, Window)>,
}

/// Everything about one identity.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) lifecycle: Lifecycle,
    /// Sorted by power, in no order that means anything.
    pub(super) claims: Vec<Claim>,
    /// In the order of `claims`, one a power.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) conflicts: Vec<Conflict>,
    /// Whether any of it depends on what stands already.
    pub(super) contested: bool,
    /// The next instant at which any of it may change.
    pub(super) next: Option<Timestamp>,
}

/// The roles by birthright of one employment.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) window: Window,
    pub(super) roles: Vec<Sym>,
}

/// Resolves one identity; `births` are those of all its employments.
pub(super) fn resolve(
    identity: Identity<'_>,
    births: &[Birth],
    zone: &TimeZone,
    rules: &Rules,
    evidence: &Evidence,
    now: Timestamp,
) -> Resolved {
    let (lifecycle, mut next) = terms::lifecycle(identity, zone, now);
    let mut claims = Vec::new();
    if !matches!(lifecycle, Lifecycle::Left { .. }) || next.is_some() {
        birthright(births, rules, &mut claims);
        assigned(identity, zone, rules, &mut claims);
        direct(identity, zone, rules, &mut claims);
        taken(identity, evidence, rules, &mut claims);
    }
    claims.sort_unstable_by_key(|claim| (claim.power.key(), claim.source));
    let active = matches!(lifecycle, Lifecycle::Active | Lifecycle::Suspended);
    let judge = Judge { identity: identity.id(), lifecycle, active, evidence, now };
    let mut verdicts: Vec<Verdict> = claims
        .chunk_by(|left, right| left.power == right.power)
        .map(|ways| judge.power(ways, &mut next))
        .collect();
    let raised = verdicts.iter().any(|verdict| verdict.raised);
    let (conflicts, forbidden) = separate(&judge, zone, rules, &mut verdicts, &mut next);
    Resolved { lifecycle, claims, verdicts, conflicts, contested: raised || forbidden, next }
}

impl Resolved {
    /// What is in force, by target and profile, in the order of their names.
    pub(super) fn wanted(&self) -> Vec<(Sym, Box<[Wanted]>)> {
        let mut held: Vec<Power> = self
            .verdicts
            .iter()
            .filter(|verdict| verdict.state == GrantState::InForce)
            .map(|verdict| verdict.power)
            .collect();
        wanted(&mut held)
    }

    /// What waits, in the order of powers.
    pub(super) fn waiting(&self, identity: Sym) -> Vec<Waiting> {
        let mut waiting: Vec<Waiting> = self
            .verdicts
            .iter()
            .filter_map(|verdict| {
                let (why, window) = verdict.lack?;
                Some(Waiting { identity, power: verdict.power, window, tier: verdict.risk, why })
            })
            .collect();
        waiting.sort_unstable();
        waiting
    }
}

/// Powers by target and profile, in the order of their names.
pub(super) fn wanted(held: &mut [Power]) -> Vec<(Sym, Box<[Wanted]>)> {
    held.sort_unstable_by_key(|power| power.key());
    let mut wanted: Vec<(Sym, Vec<Wanted>)> = Vec::new();
    for ways in held.chunk_by(|left, right| (left.target, left.profile) == (right.target, right.profile)) {
        let entitlements: Set<Spec> = ways.iter().filter_map(|power| power.entitlement).collect();
        let one = Wanted { profile: ways[0].profile, entitlements };
        match wanted.last_mut() {
            Some((target, profiles)) if *target == ways[0].target => profiles.push(one),
            _ => wanted.push((ways[0].target, vec![one])),
        }
    }
    wanted.sort_unstable_by_key(|(target, _)| *target);
    wanted
        .into_iter()
        .map(|(target, mut profiles)| {
            profiles.sort_unstable_by_key(|wanted| wanted.profile);
            (target, profiles.into_boxed_slice())
        })
        .collect()
}

fn birthright(births: &[Birth], rules: &Rules, claims: &mut Vec<Claim>) {
    for birth in births {
        for role in &birth.roles {
            let source = Source::Birthright { role: *role };
            spread(rules.flat(*role), source, birth.window, false, claims);
        }
    }
}

fn assigned(identity: Identity<'_>, zone: &TimeZone, rules: &Rules, claims: &mut Vec<Claim>) {
    let life = terms::life(identity, zone);
    for (index, assignment) in (0..).zip(identity.roles()) {
        let window = terms::window(assignment.from, assignment.until, zone).and(life);
        let source = Source::Assignment { role: assignment.role, index };
        spread(rules.flat(assignment.role), source, window, assignment.until.is_some(), claims);
    }
}

fn direct(identity: Identity<'_>, zone: &TimeZone, rules: &Rules, claims: &mut Vec<Claim>) {
    let life = terms::life(identity, zone);
    for (index, grant) in (0..).zip(identity.grants()) {
        let power = Power::from(&grant.grant);
        let window = terms::window(grant.from, Some(grant.until), zone).and(life);
        let (weight, source) = (rules.weight(power).unwrap_or(Weight::UNKNOWN), Source::Direct { index });
        claims.push(Claim { power, weight, window, source, listed: None, dated: true });
    }
}

/// What was taken in an emergency holds for its time, whatever the documents say of when.
fn taken(identity: Identity<'_>, evidence: &Evidence, rules: &Rules, claims: &mut Vec<Claim>) {
    for taken in evidence.taken(identity.id()) {
        let (power, window) = (taken.power, Window { from: taken.from, until: taken.until });
        let weight = rules.weight(power).unwrap_or(Weight::UNKNOWN);
        let source = Source::BreakGlass { policy: taken.policy };
        claims.push(Claim { power, weight, window, source, listed: None, dated: true });
    }
}

fn spread(flat: Option<&Flat>, source: Source, window: Window, dated: bool, claims: &mut Vec<Claim>) {
    if window.is_empty() {
        return;
    }
    claims.extend(flat.into_iter().flat_map(|flat| &flat.grants).map(|grant| Claim {
        power: grant.power,
        weight: grant.weight,
        window,
        source,
        listed: Some(grant.role),
        dated,
    }));
}

struct Judge<'a> {
    identity: Sym,
    lifecycle: Lifecycle,
    active: bool,
    evidence: &'a Evidence,
    now: Timestamp,
}

impl Judge<'_> {
    /// What becomes of a power to which all these ways lead.
    fn power(&self, ways: &[Claim], next: &mut Option<Timestamp>) -> Verdict {
        let (power, Weight { risk, standing, lack: _, separated }) = (ways[0].power, ways[0].weight);
        let raised = standing < risk;
        let risk = if raised && self.evidence.gave(self.identity, power) { standing } else { risk };
        let covered = self.evidence.covers(self.identity, power, risk, self.now);
        let (mut held, mut blocked, mut missing) = (None::<Timestamp>, None, None);
        for way in ways {
            for edge in [way.window.from, way.window.until] {
                sooner(next, edge, self.now);
            }
            if way.window.is_empty() || way.window.until <= self.now {
                continue;
            }
            if let Some(lack) = unfit(way, risk) {
                blocked = blocked.or(Some((lack, way.window)));
                continue;
            }
            let times = (way.window.from, way.window.until);
            if let Some((from, until)) = self.evidence.missing(self.identity, power, risk, times, self.now) {
                missing = missing.or(Some((Lack::Evidence, Window { from, until })));
            }
            if self.active && covered && way.window.contains(self.now) {
                held = Some(held.map_or(way.window.from, |begin| begin.min(way.window.from)));
            }
        }
        if let Some(change) = self.evidence.next_change(self.identity, power, risk, self.now) {
            sooner(next, change, self.now);
        }
        let lack = missing.or(blocked.filter(|_| held.is_none()));
        let state = if held.is_some() { GrantState::InForce } else { self.absent(ways, lack) };
        Verdict { power, risk, state, begin: held.unwrap_or(Timestamp::MAX), separated, raised, lack }
    }

    /// Why a power is not in force.
    fn absent(&self, ways: &[Claim], lack: Option<(Lack, Window)>) -> GrantState {
        let windows = || ways.iter().map(|way| way.window).filter(|window| !window.is_empty());
        if let Lifecycle::Left { .. } | Lifecycle::Unknown = self.lifecycle {
            return GrantState::NotActive;
        }
        match lack {
            Some((why, _)) if windows().any(|window| window.contains(self.now)) => {
                GrantState::Waiting { why }
            }
            _ => match windows().map(|window| window.from).filter(|from| *from > self.now).min() {
                Some(from) => GrantState::NotYet { from },
                None => windows()
                    .map(|window| window.until)
                    .max()
                    .map_or(GrantState::NotActive, |since| GrantState::Ended { since }),
            },
        }
    }
}

/// Why a way cannot lead to its power of this risk, whatever people agree to.
fn unfit(way: &Claim, risk: Risk) -> Option<Lack> {
    let birthright = matches!(way.source, Source::Birthright { .. });
    way.weight.lack.or(match risk {
        Risk::Privileged if birthright => Some(Lack::Request),
        Risk::Privileged if !way.dated => Some(Lack::End),
        _ => None,
    })
}

/// The pairs that both stand, and whether any pair was found that is forbidden.
fn separate(
    judge: &Judge<'_>,
    zone: &TimeZone,
    rules: &Rules,
    verdicts: &mut [Verdict],
    next: &mut Option<Timestamp>,
) -> (Vec<Conflict>, bool) {
    let held: Vec<Held> = verdicts
        .iter()
        .filter(|verdict| verdict.separated && verdict.state == GrantState::InForce)
        .map(|verdict| Held { power: verdict.power, begin: verdict.begin })
        .collect();
    if held.len() < 2 {
        return (Vec::new(), false);
    }
    let separated = rules.separations().judge(judge.identity, zone, &held, judge.evidence, judge.now);
    let forbidden = !separated.wait.is_empty() || !separated.conflicts.is_empty();
    for (power, lack) in separated.wait {
        for verdict in verdicts.iter_mut().filter(|verdict| verdict.power == power) {
            verdict.state = GrantState::Waiting { why: lack };
            verdict.lack = Some((lack, Window { from: verdict.begin, until: Timestamp::MAX }));
        }
    }
    if let Some(at) = separated.next {
        sooner(next, at, judge.now);
    }
    (separated.conflicts, forbidden)
}

fn sooner(next: &mut Option<Timestamp>, at: Timestamp, now: Timestamp) {
    if at > now && at < Timestamp::MAX {
        *next = Some(next.map_or(at, |next| next.min(at)));
    }
}
