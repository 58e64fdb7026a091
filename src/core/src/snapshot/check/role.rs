//! Roles: what they include and grant, and who gets them by a condition.

use std::collections::VecDeque;

use provost_sdk::Risk;
use rustc_hash::FxHashMap;

use super::{Checker, Findings, expression, field, hint};
use crate::Sym;
use crate::condition::Condition;
use crate::document::{Document, GrantSpec, Kind, Role};

impl Checker<'_> {
    pub(super) fn role(&self, role: &Role, former: Option<&Document>, into: &mut Findings) {
        let former = match former {
            Some(Document::Role(former)) => Some(&**former),
            _ => None,
        };
        self.people("the owner", &role.owners, &field("owners"), into);
        for (index, include) in role.includes.iter().enumerate() {
            self.refer(Kind::Role, *include, field("includes").index(index), into);
        }
        for (index, grant) in role.grants.iter().enumerate() {
            self.grant(grant, &field("grants").index(index), into);
        }
        self.cycle(role, former, into);
        self.birthright(role, into);
        self.told_risk(role, into);
    }

    /// An include that leads back here. An include that stood already is not the one that closed the circle.
    fn cycle(&self, role: &Role, former: Option<&Role>, into: &mut Findings) {
        for (index, include) in role.includes.iter().enumerate() {
            if former.is_some_and(|former| former.includes.contains(include)) {
                continue;
            }
            if let Some(way) = self.way(*include, role.id) {
                let circle: Vec<&str> = [role.id].iter().chain(&way).map(|id| id.as_str()).collect();
                let message = format!("roles include each other in a circle: {}", circle.join(" -> "));
                let problem = into.error(field("includes").index(index), "role-cycle", message);
                hint(problem, "take one of these includes out".to_owned());
            }
        }
    }

    /// The shortest way over includes, `from` and `to` included.
    fn way(&self, from: Sym, to: Sym) -> Option<Vec<Sym>> {
        let mut came_from: FxHashMap<Sym, Option<Sym>> = FxHashMap::default();
        came_from.insert(from, None);
        let mut open = VecDeque::from([from]);
        while let Some(role) = open.pop_front() {
            if role == to {
                let mut way: Vec<Sym> =
                    std::iter::successors(Some(role), |role| came_from.get(role).copied().flatten())
                        .collect();
                way.reverse();
                return Some(way);
            }
            for include in self.snapshot.role(role).into_iter().flat_map(|role| &role.includes) {
                if !came_from.contains_key(include) {
                    came_from.insert(*include, Some(role));
                    open.push_back(*include);
                }
            }
        }
        None
    }

    /// What comes by a condition is low or, with a warning, normal; privileged is refused, here and wherever a role
    /// that is assigned by a condition includes this one.
    fn birthright(&self, role: &Role, into: &mut Findings) {
        if let Some(condition) = role.assign {
            if let Err(error) = Condition::of_role(condition.as_str()) {
                expression(&error, condition, field("assign"), "condition", into);
            }
            let Some(worst) = self.worst(role.id) else { return };
            match self.risk(&worst) {
                Risk::Low => {}
                Risk::Normal => {
                    let message = format!(
                        "the condition assigns {worst}, which is normal: each grant waits for an owner"
                    );
                    let problem = into.warning(field("assign"), "birthright-normal", message);
                    hint(problem, "what must be there on day one is low".to_owned());
                }
                Risk::Privileged => {
                    let message = format!("the condition would assign {worst}, which is privileged");
                    let problem = into.error(field("assign"), "birthright-privileged", message);
                    hint(problem, "assign privileged roles one by one, with `until` and `reason`".to_owned());
                }
            }
        } else if !self.whole && self.role_risk(role.id) == Risk::Privileged {
            let Some(includer) = self.assigned_includer(role.id) else { return };
            let Some(worst) = self.worst(role.id) else { return };
            let message = format!(
                "it grants {worst}, which is privileged, and {includer}, which a condition assigns, includes it"
            );
            let problem = into.error(field("grants"), "birthright-privileged", message);
            hint(problem, "assign privileged roles one by one, with `until` and `reason`".to_owned());
        }
    }

    /// The first role by id that includes this one, directly or not, and that a condition assigns.
    fn assigned_includer(&self, role: Sym) -> Option<Sym> {
        let above = self.snapshot.rules_above(&[(Kind::Role, role)]);
        let includes = |other: &Sym| self.snapshot.included(*other).contains(&(Kind::Role, role));
        let roles = above.iter().filter(|slot| slot.0 == Kind::Role).map(|slot| slot.1);
        let assigned = roles.filter(|id| self.snapshot.role(*id).is_some_and(|role| role.assign.is_some()));
        assigned.filter(includes).min()
    }

    /// The grant of the highest risk, the first one by its text.
    fn worst(&self, role: Sym) -> Option<GrantSpec> {
        let roles = self.snapshot.included(role).into_iter().map(|(_, id)| id).chain([role]);
        let grants = roles.filter_map(|id| self.snapshot.role(id)).flat_map(|role| &role.grants);
        grants.copied().max_by_key(|grant| (self.risk(grant), std::cmp::Reverse(*grant)))
    }

    fn told_risk(&self, role: &Role, into: &mut Findings) {
        let Some(told) = role.risk else { return };
        let real = self.role_risk(role.id);
        let message =
            format!("the role says that it is {}, and what it grants is {}", word(told), word(real));
        if told < real {
            let problem = into.error(field("risk"), "risk-understated", message);
            hint(problem, format!("write `risk: {}`", word(real)));
        } else if told > real {
            let problem = into.warning(field("risk"), "risk-overstated", message);
            hint(problem, format!("write `risk: {}`", word(real)));
        }
    }
}

fn word(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Normal => "normal",
        Risk::Privileged => "privileged",
    }
}
