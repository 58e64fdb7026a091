//! Groups as a server shows them, and what an account holds.

use std::collections::{BTreeSet, HashMap};

use ldap3::Scope;
use provost_sdk::{Anchor, Entitlement, EntitlementKey, Error, ErrorKind, Item, Nesting, Result};

use crate::dn;
use crate::entry::Entry;
use crate::facts::{Facts, by_relative_id, primary_group, relative_id};
use crate::flavour::{Flavour, Kind};
use crate::server::{End, Query, Session};

/// A group can have so many parts of its member list (`member;range=`, MS-ADTS 3.1.1.3.1.3.3), of 1,500 each.
const MOST_RANGES: usize = 100_000;

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub anchor: Anchor,
    pub dn: String,
    pub name: String,
    administrative: bool,
    relative_id: Option<u32>,
    /// Whom it names, by each kind that it is of.
    members: Vec<(&'static Kind, Vec<String>)>,
}

/// Who is who, by what groups call them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    accounts: HashMap<String, Anchor>,
    usernames: HashMap<String, Anchor>,
    /// Active Directory: accounts by their primary group.
    primary: HashMap<u32, BTreeSet<Anchor>>,
    called: HashMap<Anchor, Called>,
}

/// What groups call an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    /// Its DN, folded.
    pub dn: String,
    /// Its username.
    pub username: String,
    /// Active Directory: its primary group.
    pub primary: Option<u32>,
}

impl Names {
    /// Takes in an account; what it was called before, if it was known.
    pub(crate) fn note(&mut self, entry: &Entry, username: &str, anchor: &Anchor) -> Option<Called> {
        let before = self.forget(anchor);
        let called =
            Called { dn: dn::key(&entry.dn), username: username.to_owned(), primary: primary_group(entry) };
        self.accounts.insert(called.dn.clone(), anchor.clone());
        self.usernames.insert(called.username.clone(), anchor.clone());
        if let Some(group) = called.primary {
            self.primary.entry(group).or_default().insert(anchor.clone());
        }
        self.called.insert(anchor.clone(), called);
        before
    }

    /// Forgets an account; what it was called, if it was known.
    pub(crate) fn forget(&mut self, anchor: &Anchor) -> Option<Called> {
        let called = self.called.remove(anchor)?;
        // The name may be another's by now.
        if self.accounts.get(&called.dn) == Some(anchor) {
            self.accounts.remove(&called.dn);
        }
        if self.usernames.get(&called.username) == Some(anchor) {
            self.usernames.remove(&called.username);
        }
        if let Some(group) = called.primary.and_then(|group| self.primary.get_mut(&group)) {
            group.remove(anchor);
        }
        Some(called)
    }

    /// What an account is called.
    pub(crate) fn of(&self, anchor: &Anchor) -> Option<&Called> {
        self.called.get(anchor)
    }

    /// Whether somebody has this DN.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.accounts.contains_key(&dn::key(name))
    }

    /// Every account.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = &Anchor> {
        self.called.keys()
    }
}

impl Group {
    /// The DNs that it names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &str> {
        let by_dn = self.members.iter().filter(|(kind, _)| kind.by_dn);
        by_dn.flat_map(|(kind, members)| members.iter().map(|member| named(kind, member)))
    }
}

/// Reads the groups that match, members complete.
pub(crate) async fn read(
    session: &mut Session<'_>,
    facts: &Facts,
    base: &str,
    filter: &str,
) -> Result<(Vec<Group>, End)> {
    let mut found = Vec::new();
    let attributes = facts.group_attributes();
    let query = Query { base, scope: Scope::Subtree, filter, attributes: &attributes };
    let end = session.search(query, &[], &mut |entry| found.push(entry)).await?;
    let mut groups = Vec::with_capacity(found.len());
    for entry in found {
        groups.push(group(session, facts, &entry).await?);
    }
    Ok((groups, end))
}

/// What an account holds directly, asked afresh.
pub(crate) async fn held(
    session: &mut Session<'_>,
    facts: &Facts,
    base: &str,
    account: &Entry,
    username: &str,
) -> Result<BTreeSet<EntitlementKey>> {
    let primary = primary_group(account).and_then(|id| by_relative_id(account, id));
    naming(session, facts, base, (&account.dn, username), primary).await
}

/// The groups that name somebody of this DN and username, and those that also match.
pub(crate) async fn naming(
    session: &mut Session<'_>,
    facts: &Facts,
    base: &str,
    (dn, username): (&str, &str),
    also: Option<String>,
) -> Result<BTreeSet<EntitlementKey>> {
    let mut parts: Vec<String> =
        facts.kinds.iter().map(|kind| kind.holding(facts.flavour, dn, username)).collect();
    parts.extend(also);
    let filter = format!("(|{})", parts.concat());
    // Not the members: of a large group they are long, and who they are is known.
    let attributes = ["objectClass", facts.flavour.anchor(), "objectSid"];
    let query = Query { base, scope: Scope::Subtree, filter: &filter, attributes: &attributes };
    let mut found = Vec::new();
    let end = session.search(query, &[], &mut |entry| found.push(entry)).await?;
    if let End::Cut(why) = end {
        let message = format!("What {username} holds cannot be told whole: {why}.");
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    let mut held = BTreeSet::new();
    for entry in &found {
        let anchor = anchor(facts, entry)?;
        let kinds: Vec<&Kind> = facts.kinds_of(entry).collect();
        match kinds.as_slice() {
            [kind] => {
                held.insert(key(kind, &anchor));
            }
            // One entry of two kinds: each is held for itself.
            several => {
                for kind in several {
                    let filter = kind.holding(facts.flavour, dn, username);
                    let query =
                        Query { base: &entry.dn, scope: Scope::Base, filter: &filter, attributes: &["1.1"] };
                    if session.one(query).await?.is_some() {
                        held.insert(key(kind, &anchor));
                    }
                }
            }
        }
    }
    Ok(held)
}

/// What the groups are to a reader, where the names of accounts, and of `others` among groups, are known.
pub(crate) fn items(
    groups: &[Group],
    facts: &Facts,
    names: &Names,
    others: &HashMap<String, Vec<EntitlementKey>>,
) -> Vec<Item> {
    let known = by_name(groups);
    let mut items = Vec::new();
    for group in groups {
        for (kind, members) in &group.members {
            let outer = key(kind, &group.anchor);
            items.push(Item::Entitlement(Entitlement {
                kind: kind.name.into(),
                anchor: group.anchor.clone(),
                name: group.name.clone(),
                administrative: group.administrative,
            }));
            let mut accounts: BTreeSet<&Anchor> = BTreeSet::new();
            for member in members {
                if !kind.by_dn {
                    accounts.extend(names.usernames.get(member));
                    continue;
                }
                let member = dn::key(named(kind, member));
                match names.accounts.get(&member) {
                    Some(account) => drop(accounts.insert(account)),
                    None => {
                        let inner = known.get(&member).or_else(|| others.get(&member)).into_iter().flatten();
                        items.extend(
                            inner
                                .cloned()
                                .map(|inner| Item::Nesting(Nesting { inner, outer: outer.clone() })),
                        );
                    }
                }
            }
            if facts.flavour == Flavour::ActiveDirectory {
                accounts
                    .extend(group.relative_id.and_then(|id| names.primary.get(&id)).into_iter().flatten());
            }
            items.push(Item::Members {
                entitlement: outer,
                accounts: accounts.into_iter().cloned().collect(),
            });
        }
    }
    items
}

/// The keys of groups by name.
pub(crate) fn by_name(groups: &[Group]) -> HashMap<String, Vec<EntitlementKey>> {
    let keys = |group: &Group| group.members.iter().map(|(kind, _)| key(kind, &group.anchor)).collect();
    groups.iter().map(|group| (dn::key(&group.dn), keys(group))).collect()
}

/// Why the members of groups may be more than what was shown, if so.
pub(crate) fn hidden(groups: &[Group], facts: &Facts) -> Option<String> {
    let hides = |group: &&Group| {
        group.members.iter().any(|(kind, members)| kind.wants_member(facts.flavour) && members.is_empty())
    };
    let group = groups.iter().find(hides)?;
    Some(format!(
        "{} shows no members, which its class always has: the credential may not read them",
        group.dn
    ))
}

/// The key under which a group is held.
pub(crate) fn key(kind: &Kind, anchor: &Anchor) -> EntitlementKey {
    EntitlementKey { kind: kind.name.into(), anchor: anchor.clone(), role: None }
}

/// One group, members complete.
pub(crate) async fn group(session: &mut Session<'_>, facts: &Facts, entry: &Entry) -> Result<Group> {
    let mut members = Vec::new();
    for kind in facts.kinds_of(entry) {
        members.push((kind, whole(session, entry, kind).await?));
    }
    // Of several names the one in the DN is the first.
    let name = match dn::Dn::parse(&entry.dn) {
        Ok(dn) if dn.first().is_some_and(|(attribute, _)| attribute.eq_ignore_ascii_case("cn")) => {
            dn.first().map(|(_, name)| name.to_owned())
        }
        _ => None,
    };
    let name = name.or_else(|| entry.text("cn").map(str::to_owned));
    Ok(Group {
        anchor: anchor(facts, entry)?,
        name: name.unwrap_or_else(|| entry.dn.clone()),
        dn: entry.dn.clone(),
        administrative: entry.text("adminCount") == Some("1"),
        relative_id: relative_id(entry),
        members,
    })
}

/// All members: where the server gives a part of them only, the other parts are asked for.
async fn whole(session: &mut Session<'_>, entry: &Entry, kind: &Kind) -> Result<Vec<String>> {
    let Some((values, mut next)) = entry.range(kind.member) else {
        return Ok(entry.texts(kind.member).to_vec());
    };
    let mut members = values.to_vec();
    for _ in 0..MOST_RANGES {
        let Some(from) = next else { return Ok(members) };
        if from != members.len() {
            break;
        }
        let attribute = format!("{};range={from}-*", kind.member);
        let query = Query {
            base: &entry.dn,
            scope: Scope::Base,
            filter: "(objectClass=*)",
            attributes: &[&attribute],
        };
        let part = session.one(query).await?;
        // A group that lost members meanwhile has no such part any more.
        let Some(part) = part else { break };
        let Some((values, after)) = part.range(kind.member) else { break };
        members.extend_from_slice(values);
        next = after;
    }
    let message = format!("The members of {} changed while they were read.", entry.dn);
    Err(Error::new(ErrorKind::Conflict, message))
}

fn anchor(facts: &Facts, entry: &Entry) -> Result<Anchor> {
    facts.anchor(entry).ok_or_else(|| {
        let message = format!("The credential may not read `{}` of {}.", facts.flavour.anchor(), entry.dn);
        Error::new(ErrorKind::PermissionDenied, message)
    })
}

/// The DN in a member: `uniqueMember` may have a bit string after it (RFC 4517, 3.3.21).
fn named<'m>(kind: &Kind, member: &'m str) -> &'m str {
    let optional = kind.member == "uniqueMember" && member.ends_with("'B");
    match member.rfind("#'").filter(|_| optional) {
        Some(at) => &member[..at],
        None => member,
    }
}
