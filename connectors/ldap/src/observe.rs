//! Reading: everything in two paged searches, or one account.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use ldap3::Scope;
use provost_sdk::{
    Account, AccountKind, Attribute, Capabilities, Comparison, Completeness, Cursor, EntitlementKind, Error,
    ErrorKind, Item, Observe, Permission, Probe, Read, Result, Risk, Sink, Verb, Wanted,
};

use crate::delta::{self, Known};
use crate::entry::Entry;
use crate::facts::{ACCOUNT, EXPIRES, Facts};
use crate::flavour::Flavour;
use crate::groups::{self, Names};
use crate::password::PASSWORD;
use crate::server::{End, Query, Server, Session};

/// Attributes whose owner can have the account's password set anew.
const GIVE_CONTROL: [&str; 3] = ["mail", "mobile", "telephonenumber"];

/// The reader of one target.
#[derive(Debug)]
pub(crate) struct Reader(pub Arc<Server>);

#[async_trait]
impl Observe for Reader {
    async fn describe(&self) -> Result<Capabilities> {
        let mut session = self.0.session().await?;
        let facts = self.0.facts(&mut session).await?;
        session.give_back();
        Ok(capabilities(facts))
    }

    async fn probe(&self) -> Result<Probe> {
        let server = &*self.0;
        let mut session = server.session().await?;
        let facts = server.facts(&mut session).await?;
        let found = probe(&mut session, server, facts).await?;
        session.give_back();
        Ok(found)
    }

    async fn observe(&self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read> {
        match since {
            Some(since) => delta::read(&self.0, since, sink).await,
            None => everything(&self.0, sink).await,
        }
    }

    async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>> {
        let server = &*self.0;
        let mut session = server.session().await?;
        let facts = server.facts(&mut session).await?;
        let found = one(&mut session, server, facts, wanted).await?;
        session.give_back();
        Ok(found.map(|(_, account)| account))
    }
}

/// What can be done here.
fn capabilities(facts: &Facts) -> Capabilities {
    let attribute = |name: &str| Attribute {
        name: name.into(),
        gives_control: GIVE_CONTROL.contains(&name.to_lowercase().as_str()),
        ..Attribute::default()
    };
    let mut attributes: Vec<Attribute> = facts.attributes.iter().map(|name| attribute(name)).collect();
    attributes.extend(facts.expires.then(|| attribute(EXPIRES)));
    let mut verbs: Vec<Verb> =
        vec![Verb::Create, Verb::Update, Verb::Rename, Verb::Delete, Verb::Grant, Verb::Revoke];
    if facts.locks {
        verbs.extend([Verb::Disable, Verb::Enable]);
    }
    if facts.dates_passwords {
        verbs.extend([Verb::IssueCredential, Verb::RevokeCredential]);
    }
    Capabilities {
        account_kinds: vec![AccountKind { name: ACCOUNT.into(), attributes }],
        entitlement_kinds: facts
            .kinds
            .iter()
            .map(|kind| EntitlementKind {
                name: kind.name.into(),
                risk: Risk::Low,
                comparison: Comparison::IgnoreCase,
                nests: kind.by_dn,
                ..EntitlementKind::default()
            })
            .collect(),
        verbs: verbs.into_iter().collect(),
        usernames: Comparison::IgnoreCase,
        delta: facts.syncs || facts.update_server.is_some(),
        credentials: facts.dates_passwords.then(|| PASSWORD.into()).into_iter().collect(),
        ..Capabilities::default()
    }
}

/// Looks one account up: its entry, and the account with all that it holds.
pub(crate) async fn one(
    session: &mut Session<'_>,
    server: &Server,
    facts: &Facts,
    wanted: &Wanted,
) -> Result<Option<(Entry, Account)>> {
    let filter = match wanted {
        Wanted::Anchor(anchor) => match facts.by_anchor(anchor) {
            Some(filter) => facts.accounts_that(&filter),
            None => return Ok(None),
        },
        Wanted::Username(name) if name.trim().is_empty() => return Ok(None),
        Wanted::Username(name) => facts.by_username(name),
    };
    let attributes = facts.account_attributes();
    let base = server.config.accounts.as_str();
    let query = Query { base, scope: Scope::Subtree, filter: &filter, attributes: &attributes };
    let Some(entry) = session.one(query).await? else { return Ok(None) };
    let mut account = facts.account(&entry)?;
    // Blanks and other letters that the server takes for equal make a name no other's.
    let asked = match wanted {
        Wanted::Anchor(anchor) => account.anchor == *anchor,
        Wanted::Username(name) => Comparison::IgnoreCase.same(&account.username, name),
    };
    if !asked {
        return Ok(None);
    }
    let held = groups::held(session, facts, server.config.groups.as_str(), &entry, &account.username).await?;
    account.entitlements = Some(held);
    Ok(Some((entry, account)))
}

async fn everything(server: &Server, sink: &mut dyn Sink) -> Result<Read> {
    let [mut first, mut second] = server.two_sessions().await?;
    let facts = server.facts(&mut first).await?;
    // What changes from here on is told again by the next delta read.
    let cursor = delta::now(&mut first, facts).await?;
    let (mut names, filter) = (Names::default(), facts.groups());
    let accounts = accounts(&mut first, server, facts, &mut names, sink);
    let groups = groups::read(&mut second, facts, server.config.groups.as_str(), &filter);
    let (accounts, groups) = futures::join!(accounts, groups);
    let (seen, end) = accounts.map_err(|error| hidden_base(error, "accounts"))?;
    let (groups, groups_end) = groups.map_err(|error| hidden_base(error, "groups"))?;
    let mut doubts: Vec<String> = Vec::new();
    for end in [end, groups_end] {
        match end {
            End::Cut(why) => doubts.push(why),
            // Active Directory refers to its other partitions in every search from the top of a domain.
            End::Referred if facts.flavour != Flavour::ActiveDirectory => {
                doubts.push("a part of the tree is on another server, and referrals are not followed".into());
            }
            End::Referred | End::Whole => {}
        }
    }
    doubts.extend(groups::hidden(&groups, facts));
    if seen == 0 {
        doubts.extend(hidden_accounts(&mut first, server, facts).await?);
    }
    let items = groups::items(&groups, facts, &names, &HashMap::new());
    let completeness = match doubts.is_empty() {
        true => Completeness::Complete,
        false => Completeness::Partial(doubts.join("; ")),
    };
    if completeness == Completeness::Complete && cursor.is_some() {
        *server.known.lock().await = Some(Known::new(names, &groups, &items));
    }
    items.into_iter().for_each(|item| sink.put(item));
    first.give_back();
    second.give_back();
    Ok(Read { completeness, cursor })
}

/// Reads accounts into the sink, and how groups call them into `names`; how many there were.
async fn accounts(
    session: &mut Session<'_>,
    server: &Server,
    facts: &Facts,
    names: &mut Names,
    sink: &mut dyn Sink,
) -> Result<(usize, End)> {
    let attributes = facts.account_attributes();
    let query = Query {
        base: server.config.accounts.as_str(),
        scope: Scope::Subtree,
        filter: &facts.account_filter,
        attributes: &attributes,
    };
    let (mut seen, mut failed) = (0, None);
    let end = session
        .search(query, &[], &mut |entry| {
            seen += 1;
            match facts.account(&entry) {
                Ok(account) => {
                    names.note(&entry, &account.username, &account.anchor);
                    sink.put(Item::Account(account));
                }
                Err(error) => failed = Some(error),
            }
        })
        .await?;
    match (failed, end) {
        // The others are told all the same.
        (Some(error), End::Whole | End::Referred) => Ok((seen, End::Cut(error.message))),
        (_, end) => Ok((seen, end)),
    }
}

/// A second witness for a directory without accounts: whether there is something that is not shown.
async fn hidden_accounts(
    session: &mut Session<'_>,
    server: &Server,
    facts: &Facts,
) -> Result<Option<String>> {
    let base = server.config.accounts.as_str();
    let query = Query {
        base,
        scope: Scope::Base,
        filter: "(objectClass=*)",
        attributes: &["hasSubordinates", "numSubordinates", "allowedChildClassesEffective"],
    };
    let Some(entry) = session.one(query).await? else { return Ok(Some(format!("{base} is not shown"))) };
    let suspicious = match facts.flavour {
        Flavour::OpenLdap => entry.text("hasSubordinates") != Some("FALSE"),
        Flavour::Ds389 => entry.text("numSubordinates").unwrap_or("0") != "0",
        // Who may make accounts there may see them.
        Flavour::ActiveDirectory => !may_create(&entry),
    };
    Ok(suspicious.then(|| {
        format!("no account is shown under {base}, and the credential may not see all that is there")
    }))
}

fn hidden_base(error: Error, setting: &str) -> Error {
    match error.kind {
        ErrorKind::NotFound => {
            let message = format!("What `{setting}` names is not there, or the credential may not see it.");
            Error::new(ErrorKind::PermissionDenied, message).because(error)
        }
        _ => error,
    }
}

/// Active Directory: whether the credential may make accounts in this entry.
fn may_create(entry: &Entry) -> bool {
    entry.texts("allowedChildClassesEffective").iter().any(|class| class.eq_ignore_ascii_case("user"))
}

async fn probe(session: &mut Session<'_>, server: &Server, facts: &Facts) -> Result<Probe> {
    let (config, mut permissions) = (&server.config, Vec::new());
    for (purpose, dn) in [("read accounts", &config.accounts), ("read groups", &config.groups)] {
        let query =
            Query { base: dn.as_str(), scope: Scope::Base, filter: "(objectClass=*)", attributes: &["1.1"] };
        permissions.push(Permission {
            purpose: purpose.into(),
            granted: Some(session.one(query).await?.is_some()),
            hint: format!("Let {} read {dn} and what is under it, or correct the setting.", config.user),
        });
    }
    // Only Active Directory tells what one may write without trying it.
    let create_in = Query {
        base: config.create_in.as_str(),
        scope: Scope::Base,
        filter: "(objectClass=*)",
        attributes: &["allowedChildClassesEffective"],
    };
    let create = match facts.flavour {
        Flavour::ActiveDirectory => {
            Some(session.one(create_in).await?.is_some_and(|entry| may_create(&entry)))
        }
        _ => None,
    };
    permissions.push(Permission {
        purpose: "make and change accounts".into(),
        granted: create,
        hint: format!(
            "Let {} write under {}: docs/connectors/ldap.md has the statements.",
            config.user, config.create_in
        ),
    });
    permissions.push(Permission {
        purpose: "change who is in a group".into(),
        granted: None,
        hint: format!("Let {} write the members of the groups under {}.", config.user, config.groups),
    });
    Ok(Probe {
        product: facts.product.clone(),
        instance: facts.instance.clone(),
        clock_skew: facts.skew,
        clock: facts.skew.map(|skew| Timestamp::now() + skew),
        permissions,
    })
}
