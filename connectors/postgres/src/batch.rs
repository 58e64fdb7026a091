//! Many plain changes on the way at once: roles that are made, and memberships that are given.
//!
//! In: operations of one call. Out: for each its answer, or none where it has to go the way of `apply.rs`, one by one.
//! That way is for everything that is not plain, and for everything that failed here: it does the same and says what is
//! wrong. It stays one transaction a role, which fails as a whole; what is saved is the waiting for each answer, and a
//! look at the catalogs before and after every single change.

use std::collections::{BTreeSet, HashMap};

use futures::future::join_all;
use provost_sdk::{Account, EntitlementKey, Error, ErrorKind, IdempotencyKey, Operation, Receipt, Result};

use crate::apply::{LOCKS, creation, protect};
use crate::catalog::{self, GROUP, Role, Which};
use crate::error::While;
use crate::observe::{oid, reading};
use crate::quote::{ident, literal};
use crate::server::{Facts, Server, Session};

/// How many operations go together. A look at the catalogs costs as much as ten changes, so that it is no longer seen
/// among so many; and what takes away never waits long behind them.
pub(crate) const SIZE: usize = 250;

/// All that is to be done to one role, in order.
struct Work<'o> {
    role: Target<'o>,
    operations: Vec<(usize, &'o Operation)>,
}

/// Which role: one that is there, by its oid, or one that is to be made, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Target<'o> {
    There(u32),
    New(&'o str),
}

/// Does what is plain among the operations.
pub(crate) async fn apply(
    server: &Server,
    operations: &[(Operation, IdempotencyKey)],
) -> Vec<Option<Result<Receipt>>> {
    let mut answers: Vec<Option<Result<Receipt>>> = operations.iter().map(|_| None).collect();
    let work = plain(operations);
    if work.is_empty() {
        return answers;
    }
    match server.within(together(server, &work)).await {
        Ok(done) => done.into_iter().for_each(|(place, answer)| answers[place] = Some(answer)),
        Err(error) if error.may_have_landed => {
            for (place, _) in work.iter().flat_map(|work| &work.operations) {
                let lost = Error::new(error.kind.clone(), error.message.clone()).in_doubt();
                answers[*place] = Some(Err(lost));
            }
        }
        // Nothing was sent yet: one by one it is tried again, and told.
        Err(error) => tracing::debug!(%error, "nothing is done together"),
    }
    answers
}

/// What is to be done to each role, where all of it is plain.
fn plain(operations: &[(Operation, IdempotencyKey)]) -> Vec<Work<'_>> {
    let mut places: HashMap<Target<'_>, usize> = HashMap::new();
    let mut all: Vec<(Work<'_>, bool)> = Vec::new();
    for (place, (operation, _)) in operations.iter().enumerate() {
        let (role, plain) = match operation {
            Operation::Create(draft) => (Target::New(&draft.username), creation(draft).is_ok()),
            other => {
                let Some(oid) = other.account().and_then(|account| oid(&account.anchor)) else { continue };
                let group = matches!(other, Operation::Grant { entitlement, .. }
                    if entitlement.kind == GROUP && entitlement.role.is_none());
                (Target::There(oid), group)
            }
        };
        let at = *places.entry(role).or_insert_with(|| {
            all.push((Work { role, operations: Vec::new() }, true));
            all.len() - 1
        });
        all[at].0.operations.push((place, operation));
        all[at].1 &= plain;
    }
    all.into_iter().filter(|(_, plain)| *plain).map(|(work, _)| work).collect()
}

async fn together(server: &Server, work: &[Work<'_>]) -> Result<Vec<(usize, Result<Receipt>)>> {
    let mut session = server.session().await?;
    let facts = server.facts(&session.client).await?.clone();
    let before = Look::take(&mut session, &facts, work).await?;
    let ready = work.iter().filter_map(|work| Some((work, before.statements(server, &facts, work)?)));
    let ready: Vec<(&Work<'_>, String)> = ready.collect();
    // All of them are on the way before the first answer comes. Statements of one message are one transaction.
    let sent = join_all(ready.iter().map(|(_, sql)| session.client.batch_execute(sql))).await;
    let mut done = Vec::with_capacity(ready.len());
    for ((work, _), sent) in ready.into_iter().zip(sent) {
        match sent {
            Ok(()) => done.push(work),
            // It came to nothing; why, is found out one by one.
            Err(error) if error.as_db_error().is_some() => tracing::debug!(%error, "a role goes alone"),
            Err(error) => return Err(error).when("changing many roles").map_err(Error::in_doubt),
        }
    }
    let after = Look::take(&mut session, &facts, done.iter().copied()).await.map_err(Error::in_doubt)?;
    session.give_back();
    Ok(done.into_iter().flat_map(|work| after.answers(&before, work)).collect())
}

/// What the catalogs say of the roles that are worked on.
struct Look {
    roles: HashMap<u32, Role>,
    by_name: HashMap<String, u32>,
    held: HashMap<u32, BTreeSet<EntitlementKey>>,
}

impl Look {
    async fn take<'w, 'o: 'w>(
        session: &mut Session<'_>,
        facts: &Facts,
        work: impl IntoIterator<Item = &'w Work<'o>>,
    ) -> Result<Look> {
        let (mut oids, mut names, mut holders) = (BTreeSet::new(), Vec::new(), Vec::new());
        for Work { role, operations } in work {
            match role {
                Target::There(oid) => {
                    oids.insert(*oid);
                    holders.push(*oid);
                }
                Target::New(name) => names.push(*name),
            }
            oids.extend(operations.iter().filter_map(|(_, operation)| group_of(operation)));
        }
        let oids: Vec<u32> = oids.into_iter().collect();
        let tx = reading(&mut session.client).await?;
        let (known, named) = futures::try_join!(
            catalog::roles(&tx, Which::Oids(&oids)),
            catalog::roles(&tx, Which::Names(&names))
        )?;
        let by_name: HashMap<String, u32> = named.iter().map(|role| (role.name.clone(), role.oid)).collect();
        holders.extend(by_name.values());
        let holdings = catalog::holdings(&tx, facts, Some(&holders)).await?;
        tx.commit().await.when("reading")?;
        let roles = known.into_iter().chain(named).map(|role| (role.oid, role)).collect();
        Ok(Look { roles, by_name, held: catalog::by_holder(&holdings) })
    }

    /// The one message that does all of it, unless something about it is not plain.
    fn statements(&self, server: &Server, facts: &Facts, work: &Work<'_>) -> Option<String> {
        let oid = match (work.role, &work.operations[..]) {
            (Target::New(name), [(_, Operation::Create(draft))]) if !self.by_name.contains_key(name) => {
                return creation(draft).ok();
            }
            (Target::New(_), _) => return None,
            (Target::There(oid), _) => oid,
        };
        let role = self.roles.get(&oid).filter(|role| role.is_account())?;
        protect(server, facts, role).ok()?;
        let mut groups = BTreeSet::new();
        for (_, operation) in &work.operations {
            if !self.holds(oid, operation) {
                groups.insert(group_of(operation)?);
            }
        }
        if groups.is_empty() {
            return None;
        }
        let groups: Option<Vec<&Role>> = groups.iter().map(|group| self.roles.get(group)).collect();
        let groups = groups?;
        if groups.iter().any(|group| group.is_account() || protect(server, facts, group).is_err()) {
            return None;
        }
        let key = i32::from_ne_bytes(oid.to_ne_bytes());
        let to = ident(&role.name);
        let names: Vec<String> = groups.iter().map(|group| ident(&group.name)).collect();
        let with = if facts.membership_options() { " WITH SET TRUE" } else { "" };
        let same = |role: &Role| format!("{}::regrole::oid = {}::oid", literal(&ident(&role.name)), role.oid);
        let same: Vec<String> = groups.iter().copied().chain([role]).map(same).collect();
        // The last statement fails, and with it all of them, where one of these names is another role's meanwhile.
        Some(format!(
            "SELECT pg_advisory_xact_lock({LOCKS}, {key}); GRANT {} TO {to}{with}; SELECT 1 / ({})::int",
            names.join(", "),
            same.join(" AND ")
        ))
    }

    fn holds(&self, holder: u32, operation: &Operation) -> bool {
        let key = operation.entitlement().map(provost_sdk::EntitlementRef::key);
        key.is_some_and(|key| self.held.get(&holder).is_some_and(|held| held.contains(&key)))
    }

    /// What each operation did, by this look at what there is afterwards. What is not as it was to be goes one by one.
    fn answers(&self, before: &Look, work: &Work<'_>) -> Vec<(usize, Result<Receipt>)> {
        let oid = match work.role {
            Target::There(oid) => Some(oid),
            Target::New(name) => self.by_name.get(name).copied(),
        };
        let Some(role) = oid.and_then(|oid| self.roles.get(&oid)).filter(|role| role.is_account()) else {
            let message = "The role that was just changed is not there any more.";
            let gone =
                |(place, _): &(usize, _)| (*place, Err(Error::new(ErrorKind::NotFound, message).in_doubt()));
            return work.operations.iter().map(gone).collect();
        };
        let mut account = catalog::account(role, self.held.get(&role.oid).cloned());
        let mut answers = Vec::with_capacity(work.operations.len());
        // Backwards from what there is: each saw what the ones before it had left.
        for (place, operation) in work.operations.iter().rev() {
            let Operation::Grant { entitlement, .. } = operation else {
                answers.push((*place, Ok(Receipt::changed(Some(account.clone())))));
                continue;
            };
            if !self.holds(role.oid, operation) {
                continue;
            }
            let first = before.holds(role.oid, operation);
            let after = Some(account.clone());
            answers
                .push((*place, Ok(if first { Receipt::unchanged(after) } else { Receipt::changed(after) })));
            if !first {
                take(&mut account, &entitlement.key());
            }
        }
        answers
    }
}

fn group_of(operation: &Operation) -> Option<u32> {
    oid(&operation.entitlement()?.anchor)
}

fn take(account: &mut Account, key: &EntitlementKey) {
    if let Some(held) = &mut account.entitlements {
        held.remove(key);
    }
}
