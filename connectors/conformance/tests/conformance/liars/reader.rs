//! Lies of a reader.

use async_trait::async_trait;
use provost_memory::Handle;
use provost_sdk::{
    Account, Capabilities, Collected, Comparison, Completeness, Cursor, Error, ErrorKind, Item, Observe,
    Probe, Read, Result, Sink, State, Verb, Wanted,
};

use super::Lie;

pub(super) struct Reader {
    pub(super) inner: Box<dyn Observe>,
    pub(super) handle: Handle,
    pub(super) lie: Option<Lie>,
}

#[async_trait]
impl Observe for Reader {
    async fn describe(&self) -> Result<Capabilities> {
        let mut declared = self.inner.describe().await?;
        match self.lie {
            Some(Lie::DeclaresNoAccountKind) => declared.account_kinds.clear(),
            Some(Lie::DeclaresAKindNobodyCanWriteDown) => declared.entitlement_kinds[0].name = "role".into(),
            Some(Lie::DeclaresExactAndIgnoresCase) => declared.usernames = Comparison::Exact,
            Some(Lie::DeclaresIgnoreCaseAndIsExact) => declared.usernames = Comparison::IgnoreCase,
            Some(Lie::IdempotentOnlyInWord) => declared.idempotent = true,
            Some(Lie::DoesWhatItDidNotDeclare) => {
                declared.verbs.remove(&Verb::Rename);
            }
            _ => {}
        }
        Ok(declared)
    }

    async fn probe(&self) -> Result<Probe> {
        let mut probe = self.inner.probe().await?;
        if self.lie == Some(Lie::ProbeLacksAPermission) {
            probe.permissions[0].granted = Some(false);
        }
        Ok(probe)
    }

    async fn observe(&self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read> {
        let mut seen = Collected::default();
        let read = match (self.inner.observe(since, &mut seen).await, self.lie) {
            (Err(error), Some(lie)) => unread(error, lie)?,
            (read, _) => read?,
        };
        let mut items = seen.items;
        self.twist(since.is_some(), &mut items);
        for item in items {
            sink.put(item);
        }
        Ok(read)
    }

    async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>> {
        let found = match self.inner.look_up(wanted).await {
            Err(error) if self.lie == Some(Lie::WrongCredentialIsUnavailable) => {
                return Err(Error::new(ErrorKind::Unavailable, error.message));
            }
            found => found?,
        };
        let Wanted::Username(username) = wanted else { return Ok(found) };
        let everybody = || self.handle.system().accounts().collect::<Vec<Account>>().into_iter();
        Ok(match self.lie {
            Some(Lie::LooksUpAnybody) => found.or_else(|| everybody().next()),
            Some(Lie::LooksUpByPrefix) => {
                found.or_else(|| everybody().find(|account| account.username.starts_with(username)))
            }
            Some(Lie::LookUpHidesHoldings) => found.map(|account| Account { entitlements: None, ..account }),
            _ => found,
        })
    }
}

impl Reader {
    fn twist(&self, delta: bool, items: &mut Vec<Item>) {
        match self.lie {
            Some(Lie::ListsAllButTheLast) => {
                let last = items.iter().rposition(|item| matches!(item, Item::Account(_)));
                last.map(|last| items.remove(last));
            }
            Some(Lie::ListsTwentyAtMost) => {
                let mut left = 20;
                items.retain(|item| match item {
                    Item::Account(_) => {
                        left -= i32::from(left > 0);
                        left > 0
                    }
                    _ => true,
                });
            }
            Some(Lie::ListsTwentyFiveMembersAtMost) => {
                for item in items {
                    if let Item::Members { accounts, .. } = item {
                        accounts.truncate(25);
                    }
                }
            }
            Some(Lie::DisableHides) => {
                items.retain(
                    |item| !matches!(item, Item::Account(account) if account.state == State::Disabled),
                );
            }
            Some(Lie::HidesNesting) => items.retain(|item| !matches!(item, Item::Nesting(_))),
            Some(Lie::FlattensNesting) => flatten(items),
            Some(Lie::DeleteLeavesTheMember) => {
                for item in items {
                    if let Item::Members { accounts, .. } = item {
                        // The oldest account of all is deleted in the chapter.
                        let everybody: Vec<_> = self
                            .handle
                            .system()
                            .ledger()
                            .iter()
                            .filter_map(|done| done.account.clone())
                            .collect();
                        let gone = everybody
                            .into_iter()
                            .filter(|anchor| self.handle.system().account(anchor).is_none());
                        accounts.extend(gone);
                    }
                }
            }
            Some(Lie::DeltaMissesDeletions) => items.retain(|item| !matches!(item, Item::AccountGone(_))),
            Some(Lie::DeltaMissesMembers) if delta => {
                items.retain(|item| !matches!(item, Item::Members { .. }))
            }
            Some(Lie::DeltaMissesTheLast) if delta => drop(items.pop()),
            _ => {}
        }
    }
}

/// What two liars make of a read that was refused.
fn unread(error: Error, lie: Lie) -> Result<Read> {
    let empty = Read { completeness: Completeness::Complete, cursor: Some(Cursor("0".into())) };
    match (lie, &error.kind) {
        (Lie::WrongCredentialIsEmpty, ErrorKind::InvalidCredential) => Ok(empty),
        (Lie::BlindIsEmpty, ErrorKind::PermissionDenied) => Ok(empty),
        (Lie::WrongCredentialIsUnavailable, _) => Err(Error::new(ErrorKind::Unavailable, error.message)),
        _ => Err(error),
    }
}

/// Lists the inner entitlement as a member of the outer one.
fn flatten(items: &mut [Item]) {
    let edges: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Nesting(edge) => Some(edge.clone()),
            _ => None,
        })
        .collect();
    for item in items {
        if let Item::Members { entitlement, accounts } = item {
            accounts.extend(
                edges.iter().filter(|edge| edge.outer == *entitlement).map(|edge| edge.inner.anchor.clone()),
            );
        }
    }
}
