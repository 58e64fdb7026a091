//! The reader.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use provost_sdk::{
    Account, Anchor, Capabilities, Completeness, Cursor, Entitlement, Error, ErrorKind, Item, Nesting,
    Observe, Permission, Probe, Read, Result, Sink, Wanted,
};
use serde_json::Value;

use crate::api::{Outcome, Server, at};
use crate::held::{self, direct, group_key};
use crate::map;
use crate::page;
use crate::resource::{Kind, Reference, field, id, references, text};

/// An id that no server gives: the nil UUID (RFC 9562, section 5.9).
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Members whose own `groups` are compared with what the groups say.
const SAMPLE: usize = 32;

/// The reader of one target.
#[derive(Debug)]
pub(crate) struct Reader(pub Arc<Server>);

#[async_trait]
impl Observe for Reader {
    async fn describe(&self) -> Result<Capabilities> {
        Ok(self.0.found().await?.capabilities())
    }

    async fn probe(&self) -> Result<Probe> {
        probe(&self.0).await
    }

    async fn observe(&self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read> {
        if since.is_some() {
            return Err(Error::new(ErrorKind::Unsupported, "A SCIM target has no delta reads."));
        }
        let completeness = match read(&self.0, sink).await? {
            Some(reason) => Completeness::Partial(reason),
            None => Completeness::Complete,
        };
        Ok(Read { completeness, cursor: None })
    }

    async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>> {
        held::look_up(&self.0, wanted).await
    }
}

/// Reads everything; the reason why it may not be everything, if there is one.
///
/// Groups come first: a user made meanwhile then has no group yet, and a member that is no user in the later list is a
/// ghost.
async fn read(server: &Server, sink: &mut dyn Sink) -> Result<Option<String>> {
    let found = server.found().await?;
    let (groups, mut partial) = held::all_groups(server, &[]).await?;
    let groups: Vec<Group> = groups
        .iter()
        .filter_map(|resource| group(resource).map_err(|error| partial = Some(error.message)).ok())
        .collect();
    let ids: HashSet<&str> = groups.iter().map(|group| group.id.as_str()).collect();
    let shown = server.learned().members_shown;

    let sample: HashSet<&str> = groups
        .iter()
        .flat_map(|group| &group.members)
        .filter(|member| member.kind != Some(Kind::Group))
        .map(|member| member.id.as_str())
        .take(SAMPLE)
        .collect();
    let mut sampled: HashMap<String, BTreeSet<String>> = HashMap::new();
    let mut told: HashMap<String, Vec<Anchor>> = HashMap::new();
    let mut broken = None;
    let mut each = |user: Value| match map::account(&user) {
        Ok(account) => {
            let name = account.anchor.as_str();
            if sample.contains(name) {
                sampled.insert(name.to_owned(), direct(&user));
            }
            if !shown {
                for group in direct(&user) {
                    told.entry(group).or_default().push(account.anchor.clone());
                }
            }
            sink.put(Item::Account(account));
        }
        Err(error) => broken = Some(error.message),
    };
    let users = page::read(server, &found.users, &[], &mut each).await?;
    partial = partial.or(users.partial.clone()).or(broken);

    compare(server, &groups, &sampled);
    partial = match partial {
        None => doubts(server, &groups, &users.ids, &told).await?,
        reason => reason,
    };
    for group in &groups {
        let (nested, members): (Vec<&Reference>, Vec<&Reference>) =
            group.members.iter().partition(|member| is_group(member, &ids, &users.ids));
        let mut accounts: Vec<Anchor> = members
            .into_iter()
            // A partial list of users makes nobody a ghost.
            .filter(|member| partial.is_some() || users.ids.contains(&member.id))
            .map(|member| Anchor(member.id.clone()))
            .collect();
        accounts.extend(told.remove(&group.id).unwrap_or_default());
        let entitlement = group_key(group.id.as_str());
        sink.put(Item::Entitlement(Entitlement {
            kind: "group".to_owned(),
            anchor: entitlement.anchor.clone(),
            name: group.name.clone(),
            administrative: false,
        }));
        for inner in nested {
            let inner = group_key(inner.id.as_str());
            sink.put(Item::Nesting(Nesting { inner, outer: entitlement.clone() }));
        }
        sink.put(Item::Members { entitlement, accounts });
    }
    Ok(partial)
}

#[derive(Debug)]
struct Group {
    id: String,
    name: String,
    members: Vec<Reference>,
}

fn group(resource: &Value) -> Result<Group> {
    let missing =
        || Error::new(ErrorKind::InvalidResponse, "The server shows a group without an id or a displayName.");
    Ok(Group {
        id: id(resource).ok_or_else(missing)?,
        name: text(resource, "displayName").ok_or_else(missing)?,
        members: references(resource, "members").unwrap_or_default(),
    })
}

/// Whether a member is a group. Ids may be numbers that both kinds count from 1, so what is said counts first.
fn is_group(member: &Reference, groups: &HashSet<&str>, users: &HashSet<String>) -> bool {
    match member.kind {
        Some(kind) => kind == Kind::Group,
        None => groups.contains(member.id.as_str()) && !users.contains(&member.id),
    }
}

/// Learns whether users tell all that they hold: only where some hold something, and all agree.
fn compare(server: &Server, groups: &[Group], sampled: &HashMap<String, BTreeSet<String>>) {
    let mut held: HashMap<&str, BTreeSet<String>> = HashMap::new();
    for group in groups {
        for member in &group.members {
            if sampled.contains_key(&member.id) {
                held.entry(&member.id).or_default().insert(group.id.clone());
            }
        }
    }
    if !held.is_empty() {
        let agree = held.iter().all(|(user, groups)| sampled.get(*user) == Some(groups));
        server.learn(|learned| learned.user_groups = Some(agree));
    }
}

/// A list that lost its rights is 200 and empty. What else is seen must fit to an empty list.
async fn doubts(
    server: &Server,
    groups: &[Group],
    users: &HashSet<String>,
    told: &HashMap<String, Vec<Anchor>>,
) -> Result<Option<String>> {
    let found = server.found().await?;
    if users.is_empty() {
        let members = groups.iter().flat_map(|group| &group.members);
        let member =
            members.filter(|member| member.kind != Some(Kind::Group)).map(|member| member.id.as_str());
        if let Some(reason) = empty(server, &found.users, member.take(3).collect()).await? {
            return Ok(Some(reason));
        }
    }
    if let Some(path) = &found.groups
        && groups.is_empty()
    {
        let known = told.keys().map(String::as_str).take(3).collect();
        if let Some(reason) = empty(server, path, known).await? {
            return Ok(Some(reason));
        }
    }
    server.learn(|learned| {
        let mut keep = |path: &str, id: Option<String>| {
            id.map(|id| learned.witnesses.insert(path.to_owned(), id));
        };
        keep(&found.users, users.iter().next().cloned());
        if let Some(path) = &found.groups {
            keep(path, groups.first().map(|group| group.id.clone()));
        }
    });
    Ok(None)
}

/// Why an empty list is not believed. Its witnesses: what was seen before or is referred to elsewhere must be gone, and a
/// single resource that cannot be there must be answered with "not there" and not with "you may not".
async fn empty(server: &Server, path: &str, known: Vec<&str>) -> Result<Option<String>> {
    let before = server.learned().witnesses.get(path).cloned();
    for id in known.into_iter().chain(before.as_deref()) {
        if server.fetch(path, id).await?.is_some() {
            return Ok(Some(format!(
                "The list {path} is empty and {id} is still there: the credential may not list it any more."
            )));
        }
    }
    match server.get(&at(path, NOBODY)?, &[]).await? {
        Outcome::Refused(refusal) if matches!(refusal.status, 400 | 404 | 410) => Ok(None),
        Outcome::Refused(refusal) => {
            Ok(Some(format!("The list {path} is empty and nothing confirms it: {}", refusal.error.message)))
        }
        Outcome::Done(_) => Ok(Some(format!(
            "The list {path} is empty and the server shows a resource that cannot be there."
        ))),
    }
}

async fn probe(server: &Server) -> Result<Probe> {
    let found = server.found().await?;
    let mut probe = Probe { product: format!("SCIM 2.0 server at {}", server.host()), ..Probe::default() };
    let mut lists = vec![("list users", found.users.clone(), "Let the credential read every user.")];
    if let Some(groups) = &found.groups {
        lists.push(("list groups", groups.clone(), "Let the credential read every group and its members."));
    }
    for (purpose, path, hint) in lists {
        let one: &[(&str, &str)] = if server.learned().count_refused { &[] } else { &[("count", "1")] };
        let mut outcome = server.get(&path, one).await?;
        if matches!(&outcome, Outcome::Refused(refusal) if refusal.is_dialect()) {
            outcome = server.get(&path, &[]).await?;
        }
        if let Outcome::Refused(refusal) = outcome {
            if refusal.status == 401 {
                return Err(refusal.error);
            }
            probe.permissions.push(permission(purpose, Some(false), hint));
            continue;
        }
        let Outcome::Done(done) = outcome else { continue };
        let usable = done.body.is_some_and(|body| field(&body, "totalResults").is_some());
        probe.permissions.push(permission(purpose, Some(usable), hint));
        if let Some(clock) = done.answer.date() {
            probe.clock = Some(clock);
            probe.clock_skew = Some(clock.duration_since(Timestamp::now()));
        }
        if let Some(software) = done.answer.headers.get("server").and_then(|value| value.to_str().ok()) {
            probe.product = format!("SCIM 2.0 server at {} ({software})", server.host());
        }
    }
    probe.permissions.push(permission("write users", None, "Let the credential create and change users."));
    if found.groups.is_some() {
        probe.permissions.push(permission(
            "write groups",
            None,
            "Let the credential change groups' members.",
        ));
    }
    Ok(probe)
}

fn permission(purpose: &str, granted: Option<bool>, hint: &str) -> Permission {
    Permission { purpose: purpose.to_owned(), granted, hint: hint.to_owned() }
}
