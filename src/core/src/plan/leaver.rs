//! The steps at the end of an account: sign-in blocked, sessions and credentials ended, what it owns given away, and
//! deletion after the grace period. Credentials of services are issued and rotated here too, next to their end.

use provost_sdk::{Operation, Risk, State, Verb};

use super::account::{Place, Subject};
use super::planned::{Class, Queue, Why};
use super::site::{Draft, Drafts};
use crate::Sym;
use crate::document::{OwnedPolicy, SessionPolicy};
use crate::evidence::Thing;
use crate::observed::{Link, Origin, Seen};

impl Subject<'_, '_> {
    pub(super) fn block(
        &self,
        place: Place<'_>,
        link: &Link,
        account: &Seen,
        queue: Queue,
        class: Class,
        drafts: &mut Drafts,
    ) {
        if account.state == State::Enabled {
            let operation = Operation::Disable { account: self.reference(place) };
            self.site.put(Draft { queue, class, ..self.draft(place, operation, Risk::Low) }, drafts);
        }
        let capabilities = self.site.capabilities;
        let ends_sessions = self.site.leaver.sessions == SessionPolicy::Revoke
            && capabilities.verbs.contains(&Verb::EndSessions)
            && !capabilities.disable_ends_sessions
            && !link.sessions_ended;
        if ends_sessions {
            let operation = Operation::EndSessions { account: self.reference(place) };
            self.site.put(Draft { queue, class, ..self.draft(place, operation, Risk::Low) }, drafts);
        }
    }

    /// Gives what a leaver owns to the successor; whether nothing is left to give.
    pub(super) fn transfer(
        &self,
        place: Place<'_>,
        link: &Link,
        successor: Option<Sym>,
        drafts: &mut Drafts,
    ) -> bool {
        let site = self.site;
        let asked = site.leaver.owned == OwnedPolicy::Transfer
            && !link.transferred
            && site.capabilities.verbs.contains(&Verb::Transfer);
        if !asked {
            return true;
        }
        let observed = site.view.observed;
        let receiver = successor.and_then(|successor| {
            let to = observed.link(successor, place.profile)?;
            observed.account(to.anchor).map(|seen| seen.reference(to.anchor))
        });
        let Some(to) = receiver else {
            let why = Why::NoSuccessor;
            drafts.not_planned.push(self.not_planned(place, Some(Verb::Transfer), None, why));
            return false;
        };
        let operation = Operation::Transfer { from: self.reference(place), to };
        let draft = self.draft(place, operation, Risk::Low);
        site.put(Draft { queue: Queue::Leaver, class: Class::Change, ..draft }, drafts)
    }

    pub(super) fn delete(
        &self,
        place: Place<'_>,
        link: &Link,
        since: Option<jiff::Timestamp>,
        given: bool,
        drafts: &mut Drafts,
    ) {
        let site = self.site;
        let Some(policy) = site.leaver.delete else { return };
        // Without a date in the documents the grace period begins when provost disabled the account.
        let Some(due) = since.and_then(|since| since.checked_add(policy.after.0).ok()) else { return };
        if site.world.now < due {
            drafts.wake(due);
            return;
        }
        let tier = match link.origin {
            Origin::Created => Risk::Low,
            Origin::Adopted => Risk::Privileged,
        };
        let thing = Thing::Operation {
            verb: Verb::Delete,
            identity: self.identity,
            target: site.target,
            profile: place.profile,
            anchor: link.anchor,
            to: None,
        };
        let why = if !site.world.desired.agreed(&thing, tier) {
            Some(Why::NotCreated)
        } else if !given {
            Some(Why::NotTransferred)
        } else {
            None
        };
        if let Some(why) = why {
            drafts.not_planned.push(self.not_planned(place, Some(Verb::Delete), None, why));
            return;
        }
        let operation = Operation::Delete { account: self.reference(place) };
        let draft = self.draft(place, operation, tier);
        site.put(Draft { queue: Queue::Leaver, class: Class::Deletion, ..draft }, drafts);
    }

    /// Issues, rotates and revokes the credentials that a service declares.
    pub(super) fn credentials(&self, place: Place<'_>, link: &Link, drafts: &mut Drafts) {
        if place.profile != *crate::evidence::MAIN {
            return;
        }
        let site = self.site;
        let declared: Vec<_> = site
            .world
            .desired
            .credentials(self.identity)
            .iter()
            .filter(|credential| credential.target == site.target)
            .collect();
        let kinds: Vec<Sym> = declared.iter().map(|credential| credential.credential).collect();
        self.revoke_credentials(place, link, &kinds, Queue::Revoke, Class::Removal, drafts);
        for credential in declared {
            let kind = credential.credential;
            let latest = link
                .credentials
                .iter()
                .filter(|issued| issued.kind == kind)
                .max_by_key(|issued| issued.issued);
            let account = self.reference(place);
            let operation = match latest {
                None => Operation::IssueCredential { account, kind: kind.to_string() },
                Some(issued) => {
                    let Some(due) =
                        credential.rotate.and_then(|length| issued.issued.checked_add(length.0).ok())
                    else {
                        continue;
                    };
                    if site.world.now < due {
                        drafts.wake(due);
                        continue;
                    }
                    let credential = issued.anchor.as_str().into();
                    Operation::RotateCredential { account, kind: kind.to_string(), credential }
                }
            };
            if !site.capabilities.credentials.iter().any(|known| kind == *known.as_str()) {
                let why = Why::UndeclaredKind { kind };
                drafts.not_planned.push(self.not_planned(place, Some(operation.verb()), None, why));
                continue;
            }
            let held = place.account.map(|account| account.entitlements).unwrap_or_default();
            let tier =
                held.iter().map(|key| site.risk(place.profile, Some(key), None)).max().unwrap_or_default();
            let deliver = Some(credential.deliver);
            site.put(Draft { class: Class::Change, deliver, ..self.draft(place, operation, tier) }, drafts);
        }
    }

    /// Revokes what is no longer declared, and what a rotation left behind.
    pub(super) fn revoke_credentials(
        &self,
        place: Place<'_>,
        link: &Link,
        declared: &[Sym],
        queue: Queue,
        class: Class,
        drafts: &mut Drafts,
    ) {
        for old in &link.credentials {
            let newer = link.credentials.iter().any(|new| new.kind == old.kind && new.issued > old.issued);
            if declared.contains(&old.kind) && !newer {
                continue;
            }
            let operation = Operation::RevokeCredential {
                account: self.reference(place),
                kind: old.kind.to_string(),
                credential: old.anchor.as_str().into(),
            };
            self.site.put(Draft { queue, class, ..self.draft(place, operation, Risk::Low) }, drafts);
        }
    }
}
