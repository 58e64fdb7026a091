//! Reading what changed since a read before: by content synchronisation (RFC 4533) in OpenLDAP, by update numbers in Active
//! Directory. A time of change alone would never tell a deletion, and is not used.

use std::collections::{BTreeSet, HashMap, HashSet};

use ldap3::controls::{
    ControlType, EntryState, MakeCritical, RefreshMode, SyncDone, SyncInfo, SyncRequest, SyncState,
    parse_syncinfo,
};
use ldap3::{ResultEntry, Scope, SearchEntry};
use provost_sdk::{
    Anchor, Completeness, Cursor, EntitlementKey, Error, ErrorKind, Item, Nesting, Read, Result, Sink,
};
use serde::{Deserialize, Serialize};

use crate::dn::Dn;
use crate::entry::{Entry, guid};
use crate::error::refused;
use crate::facts::{Facts, by_relative_id, show_deleted};
use crate::flavour::Flavour;
use crate::groups::{self, Group, Names};
use crate::server::{End, Query, Server, Session};

/// So many accounts are asked for at once by which groups name them: a filter of a few kilobytes.
const AT_ONCE: usize = 20;

/// Where a delta read goes on.
#[derive(Debug, Serialize, Deserialize)]
enum Since {
    /// OpenLDAP: the last change of each of its masters.
    Csn(Vec<String>),
    /// Active Directory: of which server, and its last update number.
    Usn { server: String, last: u64 },
}

/// What a delta read has to know to tell members by their anchors. It can be read again at any time.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub names: Names,
    groups: HashMap<String, Vec<EntitlementKey>>,
    nesting: BTreeSet<Nesting>,
}

/// What changed.
#[derive(Default)]
struct Changes {
    accounts: Vec<Entry>,
    groups: Vec<Entry>,
    gone_accounts: BTreeSet<Anchor>,
    gone_groups: BTreeSet<Anchor>,
    /// Why something may be missing.
    doubt: Option<String>,
}

impl Known {
    /// What a whole read told.
    pub(crate) fn new(names: Names, groups: &[Group], items: &[Item]) -> Known {
        let nesting = items.iter().filter_map(|item| match item {
            Item::Nesting(edge) => Some(edge.clone()),
            _ => None,
        });
        Known { names, groups: groups::by_name(groups), nesting: nesting.collect() }
    }
}

/// Where a delta read goes on after a read that begins now; none where the server does not tell.
pub(crate) async fn now(session: &mut Session<'_>, facts: &Facts) -> Result<Option<Cursor>> {
    let since = match (facts.flavour, &facts.update_server) {
        (Flavour::OpenLdap, _) if facts.syncs => {
            let base = facts.root.as_str();
            let query =
                Query { base, scope: Scope::Base, filter: "(objectClass=*)", attributes: &["contextCSN"] };
            let top = session.one(query).await?;
            let csns = top.map(|top| top.texts("contextCSN").to_vec()).unwrap_or_default();
            // A directory that was never written to has none.
            (!csns.is_empty()).then_some(Since::Csn(csns))
        }
        (Flavour::ActiveDirectory, Some(server)) => {
            let query = Query {
                base: "",
                scope: Scope::Base,
                filter: "(objectClass=*)",
                attributes: &["highestCommittedUSN"],
            };
            let dse = session.one(query).await?;
            let last = dse.and_then(|dse| dse.text("highestCommittedUSN")?.parse().ok());
            last.map(|last| Since::Usn { server: server.clone(), last })
        }
        _ => None,
    };
    Ok(since.and_then(|since| serde_json::to_string(&since).ok()).map(Cursor))
}

/// Reads what changed.
pub(crate) async fn read(server: &Server, since: &Cursor, sink: &mut dyn Sink) -> Result<Read> {
    let mut session = server.session().await?;
    let read = read_on(&mut session, server, since, sink).await?;
    session.give_back();
    Ok(read)
}

async fn read_on(
    session: &mut Session<'_>,
    server: &Server,
    since: &Cursor,
    sink: &mut dyn Sink,
) -> Result<Read> {
    let facts = server.facts(session).await?;
    let since: Since = serde_json::from_str(&since.0).map_err(|error| {
        Error::new(ErrorKind::Unsupported, "The place where the last read ended cannot be gone on from.")
            .because(error)
    })?;
    let mut kept = server.known.lock().await;
    let fresh = kept.is_none();
    let mut known = match kept.take() {
        Some(known) => known,
        None => recall(session, server, facts).await?,
    };
    let next = now(session, facts).await?;
    let changes = match &since {
        Since::Csn(csns) => synchronise(session, server, facts, csns, (!fresh).then_some(&known)).await?,
        Since::Usn { server: same, last } if facts.update_server.as_ref() == Some(same) => {
            updates(session, server, facts, *last).await?
        }
        Since::Usn { .. } => {
            let why = "another server of the domain answers now, whose update numbers are others";
            return Ok(Read { completeness: Completeness::Partial(why.into()), cursor: None });
        }
    };
    if let Some(why) = changes.doubt {
        return Ok(Read { completeness: Completeness::Partial(why), cursor: None });
    }
    tell(session, server, facts, &mut known, changes, sink).await?;
    *kept = Some(known);
    Ok(Read { completeness: Completeness::Complete, cursor: next })
}

/// Reads again what has to be known: the names of everything, and who is in what among groups.
async fn recall(session: &mut Session<'_>, server: &Server, facts: &Facts) -> Result<Known> {
    let mut names = Names::default();
    let mut short = vec![facts.flavour.anchor(), facts.username.as_str()];
    short.extend((facts.flavour == Flavour::ActiveDirectory).then_some("primaryGroupID"));
    let query = Query {
        base: server.config.accounts.as_str(),
        scope: Scope::Subtree,
        filter: &facts.account_filter,
        attributes: &short,
    };
    let end = session
        .search(query, &[], &mut |entry| {
            if let (Some(anchor), Some(username)) = (facts.anchor(&entry), entry.text(&facts.username)) {
                names.note(&entry, username, &anchor);
            }
        })
        .await?;
    let (groups, groups_end) =
        groups::read(session, facts, server.config.groups.as_str(), &facts.groups()).await?;
    if let Some(End::Cut(why)) = [end, groups_end].into_iter().find(|end| matches!(end, End::Cut(_))) {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!("What is there cannot be told whole: {why}."),
        ));
    }
    let items = groups::items(&groups, facts, &names, &HashMap::new());
    Ok(Known::new(names, &groups, &items))
}

/// OpenLDAP: what was made, changed and deleted since.
async fn synchronise(
    session: &mut Session<'_>,
    server: &Server,
    facts: &Facts,
    csns: &[String],
    known: Option<&Known>,
) -> Result<Changes> {
    let mut changes = Changes::default();
    let (accounts, groups) = (facts.account_attributes(), facts.group_attributes());
    let all_groups = facts.groups();
    for (base, filter, attributes) in [
        (&server.config.accounts, facts.account_filter.as_str(), &accounts),
        (&server.config.groups, all_groups.as_str(), &groups),
    ] {
        let cookie = format!("rid=000,csn={}", csns.join(";"));
        let request =
            SyncRequest { mode: RefreshMode::RefreshOnly, cookie: Some(cookie.into()), reload_hint: false };
        let query = Query { base: base.as_str(), scope: Scope::Subtree, filter, attributes };
        let (mut found, mut deleted, mut present) =
            (Vec::new(), HashSet::<String>::new(), HashSet::<String>::new());
        let answer = session
            .request(query, vec![request.critical().into()], &mut |entry| match told(entry) {
                Told::Entry(entry) => found.push(*entry),
                Told::Deleted(ids) => deleted.extend(ids),
                Told::Present(ids) => present.extend(ids),
                Told::Nothing => {}
            })
            .await?;
        match answer.result.rc {
            0 => {}
            // e-syncRefreshRequired (RFC 4533, 3.9), or a limit.
            3 | 4 | 11 | 4096 => {
                let why = format!("the server does not tell what changed (result code {})", answer.result.rc);
                changes.doubt = Some(why);
                return Ok(changes);
            }
            _ => return Err(refused(&answer.result, "a read of what changed")),
        }
        let done =
            answer.result.ctrls.iter().find(|control| matches!(control.0, Some(ControlType::SyncDone)));
        let deletes = done.and_then(|done| std::panic::catch_unwind(|| done.1.parse::<SyncDone>()).ok());
        let Some(deletes) = deletes else {
            let message = "The server does not say how its read of what changed ended.";
            return Err(Error::new(ErrorKind::InvalidResponse, message));
        };
        let is_accounts = std::ptr::eq(base, &server.config.accounts);
        if !deletes.refresh_deletes {
            // What it names is there, and everything else is gone.
            let Some(known) = known else {
                changes.doubt = Some(
                    "the server told what is there instead of what is gone, and what was there is not known"
                        .into(),
                );
                return Ok(changes);
            };
            let seen: HashSet<String> = present
                .into_iter()
                .chain(found.iter().filter_map(|entry| facts.anchor(entry)).map(|anchor| anchor.0))
                .collect();
            let before: Vec<&Anchor> = match is_accounts {
                true => known.names.anchors().collect(),
                false => known.groups.values().flatten().map(|key| &key.anchor).collect(),
            };
            deleted.extend(
                before
                    .into_iter()
                    .filter(|anchor| !seen.contains(anchor.as_str()))
                    .map(|anchor| anchor.0.clone()),
            );
        }
        // What changed and does not match is told as deleted: a changed group where accounts are asked for.
        let deleted = deleted.into_iter().map(Anchor).collect();
        match is_accounts {
            true => (changes.accounts, changes.gone_accounts) = (found, deleted),
            false => (changes.groups, changes.gone_groups) = (found, deleted),
        }
    }
    Ok(changes)
}

/// What one message of a synchronisation tells.
enum Told {
    Entry(Box<Entry>),
    Deleted(Vec<String>),
    Present(Vec<String>),
    Nothing,
}

fn told(message: ResultEntry) -> Told {
    let ids = |ids: HashSet<Vec<u8>>| ids.iter().filter_map(|id| uuid(id)).collect();
    if message.is_intermediate() {
        return match parse_syncinfo(message) {
            SyncInfo::SyncIdSet { refresh_deletes: true, sync_uuids, .. } => Told::Deleted(ids(sync_uuids)),
            SyncInfo::SyncIdSet { refresh_deletes: false, sync_uuids, .. } => Told::Present(ids(sync_uuids)),
            _ => Told::Nothing,
        };
    }
    let state = message.1.iter().find(|control| matches!(control.0, Some(ControlType::SyncState)));
    let state = state.map(|control| control.1.parse::<SyncState>());
    match state {
        Some(SyncState { state: EntryState::Delete, entry_uuid, .. }) => {
            Told::Deleted(uuid(&entry_uuid).into_iter().collect())
        }
        Some(SyncState { state: EntryState::Present, entry_uuid, .. }) => {
            Told::Present(uuid(&entry_uuid).into_iter().collect())
        }
        _ => Told::Entry(Box::new(Entry::from(SearchEntry::construct(message)))),
    }
}

fn uuid(bytes: &[u8]) -> Option<String> {
    Some(uuid::Uuid::from_bytes(bytes.try_into().ok()?).to_string())
}

/// Active Directory: everything with a later update number, tombstones included.
async fn updates(session: &mut Session<'_>, server: &Server, facts: &Facts, last: u64) -> Result<Changes> {
    let mut changes = Changes::default();
    let later = format!("(uSNChanged>={})", last.saturating_add(1));
    let mut touched: BTreeSet<Anchor> = BTreeSet::new();
    let all = format!("(&{later}(|(objectClass=user)(objectClass=group)))");
    let query =
        Query { base: facts.root.as_str(), scope: Scope::Subtree, filter: &all, attributes: &["objectGUID"] };
    let mut ends = vec![
        session
            .search(query, &[show_deleted()], &mut |entry| {
                touched.extend(entry.bytes("objectGUID").and_then(guid).map(Anchor))
            })
            .await?,
    ];
    let (accounts, groups) = (facts.account_attributes(), facts.group_attributes());
    for (base, filter, attributes, found) in [
        (&server.config.accounts, facts.accounts_that(&later), &accounts, &mut changes.accounts),
        (&server.config.groups, format!("(&{}{later})", facts.groups()), &groups, &mut changes.groups),
    ] {
        let query = Query { base: base.as_str(), scope: Scope::Subtree, filter: &filter, attributes };
        ends.push(session.search(query, &[], &mut |entry| found.push(entry)).await?);
    }
    if let Some(End::Cut(why)) = ends.into_iter().find(|end| matches!(end, End::Cut(_))) {
        changes.doubt = Some(why);
    }
    // What was touched and is no longer where accounts and groups are: deleted, moved, or of another class.
    let live: HashSet<Anchor> =
        changes.accounts.iter().chain(&changes.groups).filter_map(|entry| facts.anchor(entry)).collect();
    changes.gone_accounts = touched.into_iter().filter(|anchor| !live.contains(anchor)).collect();
    changes.gone_groups.clone_from(&changes.gone_accounts);
    Ok(changes)
}

/// Brings what is known up to date, and tells it.
async fn tell(
    session: &mut Session<'_>,
    server: &Server,
    facts: &Facts,
    known: &mut Known,
    changes: Changes,
    sink: &mut dyn Sink,
) -> Result<()> {
    for anchor in changes.gone_accounts {
        known.names.forget(&anchor);
        sink.put(Item::AccountGone(anchor));
    }
    for anchor in changes.gone_groups {
        known.groups.values_mut().for_each(|keys| keys.retain(|key| key.anchor != anchor));
        known.nesting.retain(|edge| edge.inner.anchor != anchor && edge.outer.anchor != anchor);
        for kind in &facts.kinds {
            sink.put(Item::EntitlementGone { kind: kind.name.into(), anchor: anchor.clone() });
        }
    }
    known.groups.retain(|_, keys| !keys.is_empty());
    // Groups that name an account as it was called before, or as it is called now, mean another than they did.
    let mut naming: Vec<String> = Vec::new();
    for entry in &changes.accounts {
        let account = facts.account(entry)?;
        let before = known.names.note(entry, &account.username, &account.anchor);
        let after = known.names.of(&account.anchor);
        if before.as_ref() != after {
            for called in before.iter().chain(after) {
                naming.extend(
                    facts.kinds.iter().map(|kind| kind.holding(facts.flavour, &called.dn, &called.username)),
                );
                naming.extend(called.primary.and_then(|id| by_relative_id(entry, id)));
            }
        }
        sink.put(Item::Account(account));
    }
    let base = server.config.groups.as_str();
    let mut changed: Vec<Group> = Vec::new();
    for entry in &changes.groups {
        changed.push(groups::group(session, facts, entry).await?);
    }
    for some in naming.chunks(AT_ONCE) {
        let (found, _) = groups::read(session, facts, base, &format!("(|{})", some.concat())).await?;
        changed.extend(found);
    }
    changed.sort_by(|left, right| left.anchor.cmp(&right.anchor));
    changed.dedup_by(|left, right| left.anchor == right.anchor);
    strangers(session, server, facts, known, &changed).await?;
    let anchors: HashSet<&Anchor> = changed.iter().map(|group| &group.anchor).collect();
    known.groups.values_mut().for_each(|keys| keys.retain(|key| !anchors.contains(&key.anchor)));
    known.groups.retain(|_, keys| !keys.is_empty());
    known.groups.extend(groups::by_name(&changed));
    known.nesting.retain(|edge| !anchors.contains(&edge.outer.anchor));
    let items = groups::items(&changed, facts, &known.names, &known.groups);
    known.nesting.extend(items.iter().filter_map(|item| match item {
        Item::Nesting(edge) => Some(edge.clone()),
        _ => None,
    }));
    items.into_iter().filter(|item| !matches!(item, Item::Nesting(_))).for_each(|item| sink.put(item));
    // All edges of what was named, from either side.
    let edges = known
        .nesting
        .iter()
        .filter(|edge| anchors.contains(&edge.inner.anchor) || anchors.contains(&edge.outer.anchor));
    edges.for_each(|edge| sink.put(Item::Nesting(edge.clone())));
    Ok(())
}

/// Members that nobody of that name is known to be, where accounts are: somebody renamed what they are in, which no
/// entry under it tells.
async fn strangers(
    session: &mut Session<'_>,
    server: &Server,
    facts: &Facts,
    known: &mut Known,
    changed: &[Group],
) -> Result<()> {
    let strange: Vec<&str> = changed
        .iter()
        .flat_map(Group::named)
        .filter(|name| !known.names.knows(name) && !known.groups.contains_key(&crate::dn::key(name)))
        .filter(|name| Dn::parse(name).is_ok_and(|dn| dn.is_within(&server.config.accounts)))
        .collect();
    if strange.len() > AT_ONCE {
        known.names = recall(session, server, facts).await?.names;
        return Ok(());
    }
    let attributes = facts.account_attributes();
    for dn in strange {
        let query =
            Query { base: dn, scope: Scope::Base, filter: &facts.account_filter, attributes: &attributes };
        if let Some(entry) = session.one(query).await?
            && let Ok(account) = facts.account(&entry)
        {
            known.names.note(&entry, &account.username, &account.anchor);
        }
    }
    Ok(())
}
