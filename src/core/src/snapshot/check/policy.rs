//! Policy: groups, tiers that somebody can satisfy, separation, freezes, break-glass, and scenarios.

use std::collections::BTreeSet;

use provost_sdk::Risk;

use super::{Checker, Findings, field, hint};
use crate::Sym;
use crate::approval::{Keys, Signers};
use crate::document::{
    Approver, ApproverGroup, BreakGlass, Document, FieldPath, Kind, Scenario, Separation, Target, Tier,
};

impl Checker<'_> {
    pub(super) fn policy(&self, document: &Document, into: &mut Findings) {
        match document {
            Document::Tiers(tiers) => {
                for (name, tier) in &tiers.tiers {
                    self.tier(tier, &field("tiers").key(name.as_str()), into);
                }
            }
            Document::ApproverGroup(group) => self.group(group, into),
            Document::Separation(separation) => self.separation(separation, into),
            Document::Freeze(freeze) => {
                for (index, target) in freeze.targets.iter().enumerate() {
                    self.refer(Kind::Target, *target, field("targets").index(index), into);
                }
            }
            Document::BreakGlass(policy) => self.break_glass(policy, into),
            Document::AllowedSigners(signers) => {
                for signer in &signers.signers {
                    self.refer_to_person("the signer", signer.person, FieldPath::root(), None, into);
                }
                for tier in [Risk::Normal, Risk::Privileged].map(|risk| self.snapshot.tier(risk)) {
                    if let Approver::Group { group } = tier.from {
                        self.can_sign(group, &tier, FieldPath::root(), into);
                    }
                }
            }
            Document::Scenario(scenario) => self.scenario(scenario, into),
            Document::Person(_)
            | Document::Service(_)
            | Document::Role(_)
            | Document::Target(_)
            | Document::Guards(_)
            | Document::Lifecycle(_)
            | Document::DaemonKeys(_)
            | Document::RevokedKeys(_) => {}
        }
    }

    fn tier(&self, tier: &Tier, at: &FieldPath, into: &mut Findings) {
        if let Approver::Group { group } = tier.from {
            let at = at.key("from").key("group");
            if self.refer(Kind::ApproverGroup, group, at.clone(), into) {
                self.enough(group, tier, at, into);
            }
        }
    }

    /// Whether a group has enough active members for a tier.
    fn enough(&self, group: Sym, tier: &Tier, at: FieldPath, into: &mut Findings) {
        let Some(group) = self.snapshot.approver_group(group) else { return };
        let members: BTreeSet<Sym> = group.members.iter().copied().collect();
        // Who is written down but broken has a problem of its own.
        let broken = |id: &Sym| self.whole && self.snapshot.person(*id).is_none();
        let active = members.iter().filter(|id| broken(id) || self.is_active(**id)).count();
        if active < usize::from(tier.people) {
            let message = format!(
                "nobody can satisfy this: {} people of {} must agree, and it has {active} active",
                tier.people, group.id
            );
            let problem = into.error(at, "unsatisfiable-tier", message);
            hint(problem, "ask fewer people, or add members to the group".to_owned());
        } else {
            self.can_sign(group.id, tier, at, into);
        }
    }

    /// Whether as many members have a key as must sign. It holds nothing back: a key that is lost is taken away first.
    fn can_sign(&self, group: Sym, tier: &Tier, at: FieldPath, into: &mut Findings) {
        let keys = Keys { allowed: self.snapshot.allowed_signers(), revoked: self.snapshot.revoked_keys() };
        let Some(group) =
            self.snapshot.approver_group(group).filter(|_| tier.signed && keys.allowed.is_some())
        else {
            return;
        };
        let members: BTreeSet<Sym> = group.members.iter().copied().collect();
        let able = members.iter().filter(|id| keys.has_any(**id)).count();
        if able < usize::from(tier.people) {
            let message = format!(
                "nobody can satisfy this: {} people of {} must sign, and {able} have a key in {}",
                tier.people,
                group.id,
                Signers::PATH
            );
            let problem = into.warning(at, "unsatisfiable-tier", message);
            hint(problem, "add their keys, for the namespace `approval@provost`".to_owned());
        }
    }

    /// The groups that a target names for what is privileged on it.
    pub(super) fn approvers_of(&self, target: &Target, into: &mut Findings) {
        let tier = self.snapshot.tier(Risk::Privileged);
        let listed =
            target.entitlements.iter().enumerate().map(|(index, listed)| {
                (listed.approvers, field("entitlements").index(index).key("approvers"))
            });
        for (group, at) in [(target.approvers, field("approvers"))].into_iter().chain(listed) {
            if let Some(group) = group
                && self.refer(Kind::ApproverGroup, group, at.clone(), into)
                && tier.from != Approver::Owners
            {
                self.enough(group, &tier, at, into);
            }
        }
        if let Approver::Group { group } = tier.from
            && self.snapshot.tiers().is_none()
            && target.approvers.is_none()
            && !self.snapshot.rules.contains_key(&(Kind::ApproverGroup, group))
            && let Some(index) = target
                .entitlements
                .iter()
                .position(|listed| listed.risk == Some(Risk::Privileged) && listed.approvers.is_none())
        {
            let at = field("entitlements").index(index).key("risk");
            let message = format!(
                "nobody can agree to what is privileged here: there is no group of approvers `{group}`"
            );
            let problem = into.warning(at, "unsatisfiable-tier", message);
            hint(problem, format!("write a document of kind ApproverGroup with the id {group}"));
        }
    }

    fn group(&self, group: &ApproverGroup, into: &mut Findings) {
        let mut seen = BTreeSet::new();
        for (index, id) in group.members.iter().enumerate() {
            let at = field("members").index(index);
            self.refer_to_person("the member", *id, at.clone(), None, into);
            if !seen.insert(*id) {
                into.warning(at, "repeated-member", format!("{id} is named twice and counts once"));
            }
        }
    }

    fn separation(&self, separation: &Separation, into: &mut Findings) {
        self.people("the owner", &separation.owners, &field("owners"), into);
        for (side, grants) in separation.sides.iter().enumerate() {
            for (index, grant) in grants.iter().enumerate() {
                self.grant(grant, &field("sides").index(side).index(index), into);
            }
        }
        for (index, exception) in separation.exceptions.iter().enumerate() {
            if self.snapshot.service(exception.identity).is_none() {
                let at = field("exceptions").index(index).key("identity");
                self.refer_to_person("the identity", exception.identity, at, None, into);
            }
        }
    }

    fn break_glass(&self, policy: &BreakGlass, into: &mut Findings) {
        self.people("the person", &policy.people, &field("people"), into);
        for (index, grant) in policy.grants.iter().enumerate() {
            self.grant(grant, &field("grants").index(index), into);
        }
    }

    fn scenario(&self, scenario: &Scenario, into: &mut Findings) {
        let given = |kinds: [&str; 2], id: Sym| {
            scenario.given.iter().any(|document| {
                document.get("id").and_then(|given| given.as_str()) == Some(id.as_str())
                    && document
                        .get("kind")
                        .and_then(|kind| kind.as_str())
                        .is_some_and(|kind| kinds.contains(&kind))
            })
        };
        for (index, expected) in scenario.expect.iter().enumerate() {
            let at = field("expect").index(index);
            let id = expected.identity;
            if !given(["Person", "Service"], id) && self.snapshot.service(id).is_none() {
                self.refer_to_person("the identity", id, at.key("identity"), None, into);
            }
            for (name, grants) in
                [("has", &expected.has), ("lacks", &expected.lacks), ("waits", &expected.waits)]
            {
                for (index, grant) in
                    grants.iter().enumerate().filter(|(_, grant)| !given(["Target"; 2], grant.target))
                {
                    self.grant(grant, &at.key(name).index(index), into);
                }
            }
        }
    }
}
