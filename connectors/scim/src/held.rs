//! One account afresh, and what it holds.
//!
//! What an account holds can be asked in three ways: its own `groups`, a filter over groups, and a look at every group.
//! Only the last is sure on a server that nobody knows. The quick ways are believed once they have been seen to
//! agree with it about something, never for agreeing about nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use provost_sdk::{Account, Anchor, Comparison, EntitlementKey, Error, ErrorKind, Result, Wanted};
use serde_json::Value;

use crate::api::{MemberFilter, Server, quoted};
use crate::map;
use crate::page;
use crate::resource::{Kind, field, id, references, text};

/// Groups asked for one by one at once; the client's own limit holds as well.
const AT_ONCE: usize = 16;

/// Looks one account up, with everything that it holds.
pub(crate) async fn look_up(server: &Server, wanted: &Wanted) -> Result<Option<Account>> {
    let user = match wanted {
        Wanted::Anchor(anchor) => user(server, anchor).await?,
        Wanted::Username(name) => by_username(server, name).await?,
    };
    match user {
        Some(user) => Ok(Some(with_groups(server, &user).await?)),
        None => Ok(None),
    }
}

/// A user by its id.
pub(crate) async fn user(server: &Server, anchor: &Anchor) -> Result<Option<Value>> {
    let found = server.found().await?;
    server.fetch(&found.users, anchor.as_str()).await
}

/// A user as an account with everything that it holds.
pub(crate) async fn with_groups(server: &Server, user: &Value) -> Result<Account> {
    let mut account = map::account(user)?;
    let held = groups_of(server, user, account.anchor.as_str()).await?;
    account.entitlements = Some(held.into_iter().map(group_key).collect());
    Ok(account)
}

/// The key of a group.
pub(crate) fn group_key(id: impl Into<String>) -> EntitlementKey {
    EntitlementKey { kind: "group".to_owned(), anchor: Anchor(id.into()), role: None }
}

/// A user by name, without regard to case; an equal spelling is preferred. `None` needs proof: a filter that has been
/// seen to find another case, or the whole list.
pub(crate) async fn by_username(server: &Server, name: &str) -> Result<Option<Value>> {
    if let Some(answer) = filtered_name(server, name).await? {
        return Ok(answer);
    }
    let mut called = Vec::new();
    let mut keep = |user: Value| {
        if is_called(&user, name) {
            called.push(user);
        }
    };
    let listing = page::read(server, &server.found().await?.users, &[], &mut keep).await?;
    match (choose(called, name)?, listing.partial) {
        // The list may show less of it than there is.
        (Some(user), _) => match id(&user) {
            Some(id) => self::user(server, &Anchor(id)).await,
            None => Ok(None),
        },
        (None, None) => Ok(None),
        (None, Some(reason)) => {
            Err(unsure(format!("Whether there is a user {name:?} cannot be told: {reason}")))
        }
    }
}

/// Whether a name is taken, in any case: what a create needs to know of a server that would make two of them. Where
/// filters find nobody, the list is read at most once a minute.
pub(crate) async fn is_taken(server: &Server, name: &str) -> Result<bool> {
    if let Some(answer) = filtered_name(server, name).await? {
        return Ok(answer.is_some());
    }
    let mut names = server.names().await;
    if names.is_none() {
        let mut listed = HashMap::new();
        let mut keep = |user: Value| {
            if let (Some(name), Some(id)) = (text(&user, "userName"), id(&user)) {
                listed.insert(Comparison::IgnoreCase.fold(&name), id);
            }
        };
        let listing = page::read(server, &server.found().await?.users, &[], &mut keep).await?;
        if let Some(reason) = listing.partial {
            return Err(unsure(format!("Whether the name {name:?} is free cannot be told: {reason}")));
        }
        *names = Some((Instant::now(), listed));
    }
    let known = names.as_ref().and_then(|(_, names)| names.get(&Comparison::IgnoreCase.fold(name)).cloned());
    drop(names);
    match known {
        Some(id) => Ok(user(server, &Anchor(id)).await?.is_some_and(|user| is_called(&user, name))),
        None => Ok(false),
    }
}

/// A user by filter, as far as this server's filters mean something; `None` where they do not.
async fn filtered_name(server: &Server, name: &str) -> Result<Option<Option<Value>>> {
    let found = server.found().await?;
    let trusted = server.learned().name_filter;
    if !found.filter || trusted == Some(false) {
        return Ok(None);
    }
    let filter = format!("userName eq {}", quoted(name));
    let page = match server.page(&found.users, &[("filter", &filter)]).await? {
        Ok(page) => page,
        // A parser may stumble over one name and read the next.
        Err(refusal) if refusal.is_dialect() => return Ok(None),
        Err(refusal) => return Err(refusal.error),
    };
    let ignored = page.resources.iter().any(|user| !is_called(user, name));
    let short = page.total.is_some_and(|total| total > page.resources.len());
    if let Some(user) = choose(page.resources, name)? {
        return Ok(Some(Some(user)));
    }
    if ignored && trusted.is_none() {
        server.learn(|learned| learned.name_filter = Some(false));
    }
    if ignored || short {
        return Ok(None);
    }
    // Many servers fold the case of ASCII only.
    let works = name.is_ascii() && (trusted == Some(true) || name_filter_works(server).await?);
    Ok(works.then_some(None))
}

/// Whether a user, just read, is in a group. The user's own word counts where it is trusted and says what is expected;
/// else the group is asked.
pub(crate) async fn is_member(server: &Server, user: &Value, group: &Anchor, expected: bool) -> Result<bool> {
    let own = direct(user).contains(group.as_str());
    let trusted = server.learned().user_groups == Some(true);
    if trusted && own == expected {
        return Ok(own);
    }
    let found = fetch_group(server, group.as_str()).await?.ok_or_else(|| no_group(group.as_str()))?;
    // Groups that never show members: the user is the only witness left.
    if field(&found, "members").is_none() && !server.learned().members_shown {
        return Ok(own);
    }
    let member = id(user).is_some_and(|id| has(&found, &id));
    if trusted && member != own {
        server.learn(|learned| learned.user_groups = Some(false));
    }
    Ok(member)
}

/// The error of a group that is gone.
pub(crate) fn no_group(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("The group {id} is not there."))
}

/// A group with its members, also where they have to be asked for by name.
pub(crate) async fn fetch_group(server: &Server, wanted: &str) -> Result<Option<Value>> {
    let found = server.found().await?;
    let Some(groups) = &found.groups else { return Ok(None) };
    let plain: &[(&str, &str)] = &[];
    let asking = [("attributes", "id,displayName,members")];
    if server.learned().ask_members {
        return server.fetch_with(groups, wanted, &asking).await;
    }
    let Some(group) = server.fetch_with(groups, wanted, plain).await? else { return Ok(None) };
    if field(&group, "members").is_some() {
        server.learn(|learned| learned.members_shown |= shows(&group));
        return Ok(Some(group));
    }
    if server.learned().members_shown {
        return Ok(Some(group));
    }
    // An attribute may be returned on request only (RFC 7643, section 2.4).
    match server.fetch_with(groups, wanted, &asking).await {
        Ok(Some(asked)) if shows(&asked) => {
            server.learn(|learned| (learned.ask_members, learned.members_shown) = (true, true));
            Ok(Some(asked))
        }
        _ => Ok(Some(group)),
    }
}

/// Reads every group, with members wherever they are shown, and whether that was all.
pub(crate) async fn all_groups(
    server: &Server,
    query: &[(&str, &str)],
) -> Result<(Vec<Value>, Option<String>)> {
    let found = server.found().await?;
    let Some(path) = &found.groups else { return Ok((Vec::new(), None)) };
    let mut groups = Vec::new();
    let mut query = query.to_vec();
    if server.learned().ask_members {
        query.push(("attributes", "id,displayName,members"));
    }
    let listing = page::read(server, path, &query, &mut |group| groups.push(group)).await?;
    if groups.iter().any(shows) {
        server.learn(|learned| learned.members_shown = true);
        return Ok((groups, listing.partial));
    }
    // No group in the list shows a member: perhaps there are none, perhaps lists leave them out.
    let ids: Vec<String> = groups.iter().filter_map(id).collect();
    let each = stream::iter(ids).map(async |id| fetch_group(server, &id).await);
    let fetched: Vec<Option<Value>> = each.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok((fetched.into_iter().flatten().collect(), listing.partial))
}

/// The groups that a user says it is directly in.
pub(crate) fn direct(user: &Value) -> BTreeSet<String> {
    let groups = references(user, "groups").unwrap_or_default();
    groups.into_iter().filter(|group| !group.indirect).map(|group| group.id).collect()
}

async fn groups_of(server: &Server, user: &Value, id: &str) -> Result<BTreeSet<String>> {
    let found = server.found().await?;
    let Some(path) = &found.groups else { return Ok(BTreeSet::new()) };
    let learned = server.learned();
    if learned.user_groups == Some(true) {
        return Ok(direct(user));
    }
    if let Some(filter @ (MemberFilter::Dotted | MemberFilter::Bracketed)) = learned.member_filter
        && let Some(held) = filtered(server, path, filter, id).await?
    {
        return Ok(held);
    }
    let (groups, partial) = all_groups(server, &[]).await?;
    let held: BTreeSet<String> = groups.iter().filter(|group| has(group, id)).filter_map(self::id).collect();
    if !server.learned().members_shown {
        return Ok(direct(user));
    }
    if let Some(reason) = partial {
        return Err(unsure(format!("What the user {id} holds cannot be told: {reason}")));
    }
    if !held.is_empty() {
        let told = direct(user) == held;
        server.learn(|learned| learned.user_groups = Some(told));
        if !told && learned.member_filter.is_none() {
            learn_member_filter(server, path, id, &held).await?;
        }
    }
    Ok(held)
}

async fn learn_member_filter(server: &Server, path: &str, id: &str, held: &BTreeSet<String>) -> Result<()> {
    let mut works = MemberFilter::None;
    if server.found().await?.filter {
        for filter in [MemberFilter::Dotted, MemberFilter::Bracketed] {
            if filtered(server, path, filter, id).await?.as_ref() == Some(held) {
                works = filter;
                break;
            }
        }
    }
    server.learn(|learned| learned.member_filter = Some(works));
    Ok(())
}

/// The groups of a member by filter; `None` where the server refuses it, or answers with a group that the member is not
/// in: filters are ignored in the field.
async fn filtered(
    server: &Server,
    path: &str,
    filter: MemberFilter,
    id: &str,
) -> Result<Option<BTreeSet<String>>> {
    let filter = match filter {
        MemberFilter::Dotted => format!("members.value eq {}", quoted(id)),
        MemberFilter::Bracketed => format!("members[value eq {}]", quoted(id)),
        MemberFilter::None => return Ok(None),
    };
    let mut query = vec![("filter", filter.as_str())];
    if server.learned().ask_members {
        query.push(("attributes", "id,displayName,members"));
    }
    let mut groups = match server.page(path, &query).await? {
        Ok(page) if page.total.is_none_or(|total| total <= page.resources.len()) => page.resources,
        Ok(_) => {
            let mut groups = Vec::new();
            let listing = page::read(server, path, &query, &mut |group| groups.push(group)).await?;
            if listing.partial.is_some() {
                return Ok(None);
            }
            groups
        }
        Err(refusal) if refusal.is_dialect() => return Ok(None),
        Err(refusal) => return Err(refusal.error),
    };
    let asked = groups.iter().all(|group| has(group, id));
    Ok(asked.then(|| groups.drain(..).filter_map(|group| self::id(&group)).collect()))
}

/// Whether an empty answer to a filter by name means something: a user that is there must be found, also by another
/// case of its name, and alone.
async fn name_filter_works(server: &Server) -> Result<bool> {
    let found = server.found().await?;
    let query: &[(&str, &str)] =
        if server.learned().count_refused { &[] } else { &[("startIndex", "1"), ("count", "10")] };
    let page = match server.page(&found.users, query).await? {
        Ok(page) => page,
        Err(refusal) if refusal.is_dialect() => return Ok(false),
        Err(refusal) => return Err(refusal.error),
    };
    let names = page.resources.iter().filter_map(|user| text(user, "userName"));
    let turned = names.map(|name| (turn_case(&name), name)).find(|(turned, name)| turned != name);
    let Some((turned, name)) = turned else { return Ok(false) };
    let filter = format!("userName eq {}", quoted(&turned));
    let works = match server.page(&found.users, &[("filter", &filter)]).await? {
        Ok(page) => !page.resources.is_empty() && page.resources.iter().all(|user| is_called(user, &name)),
        Err(refusal) if refusal.is_dialect() => false,
        Err(refusal) => return Err(refusal.error),
    };
    server.learn(|learned| learned.name_filter = Some(works));
    Ok(works)
}

fn turn_case(name: &str) -> String {
    let turn = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    name.chars().map(turn).collect()
}

/// The one user of this name among several. Two that differ by case, neither spelled as asked, are nobody's.
fn choose(users: Vec<Value>, name: &str) -> Result<Option<Value>> {
    let mut called: Vec<Value> = users.into_iter().filter(|user| is_called(user, name)).collect();
    if called.len() > 1 {
        called.retain(|user| text(user, "userName").as_deref() == Some(name));
        if called.len() != 1 {
            let text = format!("The server has several users that {name:?} can mean.");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
    }
    Ok(called.pop())
}

fn is_called(user: &Value, name: &str) -> bool {
    text(user, "userName").is_some_and(|found| Comparison::IgnoreCase.same(&found, name))
}

fn has(group: &Value, user: &str) -> bool {
    references(group, "members")
        .unwrap_or_default()
        .iter()
        .any(|member| member.id == user && member.kind != Some(Kind::Group))
}

/// Whether a group shows at least one member.
fn shows(group: &Value) -> bool {
    references(group, "members").is_some_and(|members| !members.is_empty())
}

fn unsure(text: String) -> Error {
    Error::new(ErrorKind::Unavailable, text)
}
