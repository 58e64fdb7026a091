//! Causes, computed when somebody asks: the resolver's own result for one identity, told with everything that led to
//! it, and why other roles are not held.

use jiff::tz::TimeZone;

use super::model::{Cause, GrantWithCauses, Lifecycle, NotHeld, Reason, Source, Window};
use super::resolve::{Birth, Claim, Resolved, resolve};
use super::{Access, roles, terms};
use crate::Sym;
use crate::condition::{Asked, Condition, Subject};
use crate::document::{Kind, Role};
use crate::evidence::{Evidence, Power};
use crate::snapshot::{Identity, Snapshot};

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Every role that leads to this target.
    Target(Sym),
    /// One role.
    Role(Sym),
}

impl Access {
    /// Everything that an identity has, waits for, had or will have, with every way that leads to it, in order.
    pub fn why(&self, snapshot: &Snapshot, evidence: &Evidence, identity: Sym) -> Vec<GrantWithCauses> {
        let Some(document) = snapshot.identity(identity) else { return Vec::new() };
        let resolved = self.trace(evidence, document);
        let mut grants: Vec<GrantWithCauses> = Vec::new();
        let ways = resolved.claims.chunk_by(|left, right| left.power == right.power);
        for (verdict, ways) in resolved.verdicts.iter().zip(ways) {
            grants.push(GrantWithCauses {
                power: verdict.power,
                risk: verdict.risk,
                state: verdict.state,
                causes: ways.iter().map(|way| cause(snapshot, document, way)).collect(),
            });
        }
        grants.sort_unstable_by_key(|grant| grant.power);
        grants
    }

    /// Which roles an identity does not hold, and why not, in the order of roles.
    pub fn why_not(&self, snapshot: &Snapshot, identity: Sym, about: About) -> Vec<NotHeld> {
        let Some(document) = snapshot.identity(identity) else { return Vec::new() };
        let named: Vec<Sym> = match about {
            About::Role(role) => vec![role],
            About::Target(target) => snapshot
                .roles()
                .into_iter()
                .map(|role| role.id)
                .filter(|role| !self.grants(*role, Some(target)).is_empty())
                .collect(),
        };
        let target = match about {
            About::Target(target) => Some(target),
            About::Role(_) => None,
        };
        let not_held = |role: Sym| {
            let reasons = self.reasons(snapshot, document, role);
            (!reasons.is_empty()).then(|| NotHeld { role, grants: self.grants(role, target), reasons })
        };
        named.into_iter().filter_map(not_held).collect()
    }

    fn trace(&self, evidence: &Evidence, document: Identity<'_>) -> Resolved {
        let zone = self.known_zone(document.timezone());
        let births: Vec<Birth> = terms::posts(document, &zone)
            .into_iter()
            .map(|(asked, window)| Birth { window, roles: self.rules.birthright.met(asked) })
            .collect();
        resolve(document, &births, &zone, &self.rules, evidence, self.now)
    }

    fn grants(&self, role: Sym, target: Option<Sym>) -> Vec<Power> {
        let grants = self.rules.flat(role).into_iter().flat_map(|flat| &flat.grants);
        let mut powers: Vec<Power> = grants
            .map(|grant| grant.power)
            .filter(|power| target.is_none_or(|target| power.target == target))
            .collect();
        powers.sort_unstable();
        powers
    }

    /// Why a role is not held; nothing where it is.
    fn reasons(&self, snapshot: &Snapshot, document: Identity<'_>, role: Sym) -> Vec<Reason> {
        let Some(document_of_role) = snapshot.role(role) else { return vec![Reason::RoleNotInForce] };
        let zone = self.known_zone(document.timezone());
        let lifecycle = self.lifecycle(document.id());
        let windows = self.windows(document, document_of_role, &zone);
        let active = matches!(lifecycle, Lifecycle::Active | Lifecycle::Suspended);
        if active && windows.iter().any(|window| window.contains(self.now)) {
            return Vec::new();
        }
        let mut reasons = Vec::new();
        if !active {
            reasons.push(Reason::NotActive { lifecycle });
        }
        if let Some(from) = windows.iter().map(|window| window.from).filter(|from| *from > self.now).min() {
            reasons.push(Reason::NotYet { from });
        } else if let Some(since) =
            windows.iter().map(|window| window.until).filter(|until| *until <= self.now).max()
        {
            reasons.push(Reason::Ended { since });
        }
        match (document_of_role.assign, self.rules.birthright.condition(role)) {
            (Some(text), Some(condition)) => reasons.extend(unmet(document, &zone, text, condition)),
            _ if windows.is_empty() => reasons.push(Reason::NotAssigned),
            _ => {}
        }
        reasons
    }

    /// When an identity holds a role, or one that includes it, in any way.
    fn windows(&self, document: Identity<'_>, role: &Role, zone: &TimeZone) -> Vec<Window> {
        let leads = |held: Sym| self.rules.flat(held).is_some_and(|flat| flat.closure.contains(&role.id));
        let life = terms::life(document, zone);
        let assigned = document
            .roles()
            .iter()
            .filter(|assignment| leads(assignment.role))
            .map(|assignment| terms::window(assignment.from, assignment.until, zone).and(life));
        let born = terms::posts(document, zone).into_iter().filter_map(|(asked, window)| {
            self.rules.birthright.met(asked).into_iter().any(leads).then_some(window)
        });
        assigned.chain(born).filter(|window| !window.is_empty()).collect()
    }
}

/// The values that make a condition false, of each employment.
fn unmet(document: Identity<'_>, zone: &TimeZone, text: Sym, condition: &Condition) -> Vec<Reason> {
    let subject = match document {
        Identity::Person(_) => Subject::Person,
        Identity::Service(_) => Subject::Service,
    };
    if condition.subject() != subject {
        return vec![Reason::OtherSubject];
    }
    let posts = terms::posts(document, zone).into_iter().filter(|(asked, _)| !condition.is_met(*asked));
    let values = |asked: Asked<'_>| {
        let fields = condition.footprint().iter();
        fields.map(|field| (format!("{}.{field}", subject.root()), asked.value(*field))).collect()
    };
    posts.map(|(asked, _)| Reason::Condition { condition: text, values: values(asked) }).collect()
}

fn cause(snapshot: &Snapshot, document: Identity<'_>, way: &Claim) -> Cause {
    let path = |kind, id| snapshot.version(kind, id).map(|version| version.path);
    let own = || path(document.kind(), document.id());
    let (held, reason, file) = match way.source {
        Source::Birthright { role } => {
            (Some(role), snapshot.role(role).and_then(|role| role.assign), path(Kind::Role, role))
        }
        Source::Assignment { role, index } => {
            (Some(role), document.roles().get(index as usize).and_then(|held| held.reason), own())
        }
        Source::Direct { index } => {
            (None, document.grants().get(index as usize).map(|held| held.reason), own())
        }
        Source::BreakGlass { policy } => (None, None, path(Kind::BreakGlass, policy)),
    };
    let chain = match (held, way.listed) {
        (Some(held), Some(listed)) => roles::chain(snapshot, held, listed),
        _ => Vec::new(),
    };
    Cause { source: way.source, chain, window: way.window, reason, document: file }
}
