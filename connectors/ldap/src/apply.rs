//! Writing: the entry is found by its anchor, changed, and read back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use provost_sdk::{
    Account, AccountRef, Anchor, Apply, Comparison, Create, Error, ErrorKind, IdempotencyKey, Operation,
    Receipt, Result, SecretString, State, Value, Wanted,
};

use crate::dn::{self, Dn};
use crate::entry::{Entry, NEVER, instant, to_filetime, to_generalized, written};
use crate::error::NO_SUCH_ATTRIBUTE;
use crate::facts::{ACCOUNT, ACCOUNT_DISABLED, EXPIRES, Facts, LOCKED, control_bits};
use crate::flavour::Flavour;
use crate::member::{self, Named};
use crate::observe::one;
use crate::password::{self, PASSWORD};
use crate::server::{Change, Server, Session};

/// `userAccountControl` of an ordinary account that may sign in (MS-ADTS 2.2.16).
const NORMAL_ACCOUNT: &str = "512";
/// Active Directory takes no longer names of people (MS-SAMR 3.1.1.6).
const LONGEST_SAM_NAME: usize = 20;
/// And none with these.
const NOT_IN_SAM_NAMES: &str = "\"/\\[]:;|=,+*?<>@";
/// Classes that want a `cn` and a `sn` (RFC 4519, 3.12).
const PERSONS: [&str; 3] = ["person", "organizationalPerson", "inetOrgPerson"];

/// The writer of one target.
#[derive(Debug)]
pub(crate) struct Writer(pub Arc<Server>);

#[async_trait]
impl Apply for Writer {
    async fn apply(&self, operation: &Operation, _key: &IdempotencyKey) -> Result<Receipt> {
        let server = &*self.0;
        let mut session = server.session().await?;
        let facts = server.facts(&mut session).await?;
        let mut on = On { session: &mut session, server, facts };
        let receipt = apply(&mut on, operation).await?;
        session.give_back();
        Ok(receipt)
    }
}

/// Where a change is made.
pub(crate) struct On<'a, 's> {
    pub session: &'a mut Session<'s>,
    pub server: &'s Server,
    pub facts: &'s Facts,
}

/// An account that may be changed.
pub(crate) struct Found {
    pub entry: Entry,
    pub account: Account,
}

/// What a change did.
pub(crate) struct Done {
    pub changed: bool,
    pub credential: Option<(Anchor, SecretString)>,
}

impl From<bool> for Done {
    fn from(changed: bool) -> Done {
        Done { changed, credential: None }
    }
}

async fn apply(on: &mut On<'_, '_>, operation: &Operation) -> Result<Receipt> {
    if let Operation::Create(draft) = operation {
        let anchor = create(on, draft).await?;
        let account = on.look_up(&anchor).await.map_err(Error::in_doubt)?;
        return Ok(Receipt::changed(account.map(|found| found.account)));
    }
    let Some(account) = operation.account() else { return Err(unsupported(operation)) };
    let found = resolve(on, account).await?;
    let done: Done = match operation {
        Operation::Update { changes, .. } => update(on, &found, changes).await?.into(),
        Operation::Rename { to, .. } => rename(on, &found, to).await?.into(),
        Operation::Enable { .. } if on.facts.locks => lock(on, &found, false).await?.into(),
        Operation::Disable { .. } if on.facts.locks => lock(on, &found, true).await?.into(),
        Operation::Delete { .. } => {
            delete(on, &found).await?;
            return Ok(Receipt::changed(None));
        }
        Operation::Grant { entitlement, .. } => return member::give(on, &found, entitlement).await,
        Operation::Revoke { entitlement, .. } => return member::take(on, &found, entitlement).await,
        Operation::IssueCredential { kind, .. } if kind == PASSWORD && on.facts.dates_passwords => {
            password::issue(on, &found).await?
        }
        Operation::RevokeCredential { kind, credential, .. }
            if kind == PASSWORD && on.facts.dates_passwords =>
        {
            password::revoke(on, &found, credential).await?.into()
        }
        _ => return Err(unsupported(operation)),
    };
    if !done.changed {
        return Ok(Receipt::unchanged(Some(found.account)));
    }
    let after = on.look_up(&found.account.anchor).await.map_err(Error::in_doubt)?;
    let (credential, secret) = done.credential.unzip();
    Ok(Receipt { changed: true, account: after.map(|found| found.account), secret, credential })
}

impl On<'_, '_> {
    /// The account with this anchor, with all that it holds.
    pub(crate) async fn look_up(&mut self, anchor: &Anchor) -> Result<Option<Found>> {
        let found = one(self.session, self.server, self.facts, &Wanted::Anchor(anchor.clone())).await?;
        Ok(found.map(|(entry, account)| Found { entry, account }))
    }
}

/// The account that an operation is about, where it may be changed.
async fn resolve(on: &mut On<'_, '_>, account: &AccountRef) -> Result<Found> {
    let found = on.look_up(&account.anchor).await?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("There is no account {} any more.", account.username))
    })?;
    let denied = |what: &str| {
        let message = format!("The account {} is {what} and is never touched.", found.account.username);
        Err(Error::new(ErrorKind::PermissionDenied, message))
    };
    let user = &on.server.config.user;
    let called = |name: Option<&str>| name.is_some_and(|name| name.eq_ignore_ascii_case(user));
    let pre_2000 = user.rsplit_once('\\').map(|(_, name)| name.to_lowercase());
    if dn::key(user) == dn::key(&found.entry.dn)
        || called(found.entry.text("userPrincipalName"))
        || pre_2000 == Some(found.account.username.to_lowercase())
    {
        return denied("provost's own");
    }
    if found.entry.text("isCriticalSystemObject") == Some("TRUE") {
        return denied("one of the directory itself");
    }
    Ok(found)
}

async fn create(on: &mut On<'_, '_>, draft: &Create) -> Result<Anchor> {
    let facts = on.facts;
    if draft.kind != ACCOUNT {
        return Err(invalid(format!("There is no kind of account `{}` here.", draft.kind)));
    }
    let username = acceptable(facts, &draft.username)?;
    if one(on.session, on.server, facts, &Wanted::Username(username.into())).await?.is_some() {
        return Err(taken(username));
    }
    let mut values: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    values.insert(
        "objectClass".into(),
        facts.object_classes.iter().map(|class| class.as_bytes().to_vec()).collect(),
    );
    for name in [&facts.rdn, &facts.username] {
        values.insert(name.clone(), vec![username.into()]);
    }
    for (name, value) in &draft.attributes {
        let (name, texts) = attribute(facts, name, Some(value))?;
        values.insert(name, texts);
    }
    let person = facts
        .object_classes
        .iter()
        .any(|class| PERSONS.iter().any(|known| known.eq_ignore_ascii_case(class)));
    if facts.flavour == Flavour::ActiveDirectory {
        values.insert("userPrincipalName".into(), vec![principal(on, username).into()]);
        values.insert("userAccountControl".into(), vec![NORMAL_ACCOUNT.into()]);
        // An account without a password cannot be enabled; nobody is ever told this one.
        values.insert("unicodePwd".into(), vec![password::quoted(&password::generate())]);
    } else if person {
        for name in ["cn", "sn"] {
            values.entry(name.into()).or_insert_with(|| vec![username.into()]);
        }
    }
    let dn = on.server.config.create_in.child(&facts.rdn, username);
    member::clear_way(on, &Named::new(&dn, username), &BTreeSet::new()).await?;
    let doing = format!("the new account {username}");
    on.session.add(&dn, values.into_iter().collect(), &doing).await?;
    let made = one(on.session, on.server, facts, &Wanted::Username(username.into()))
        .await
        .map_err(Error::in_doubt)?;
    match made {
        Some((_, account)) if account.username == username => Ok(account.anchor),
        Some(_) | None => {
            let message =
                format!("The server made the account {username} and does not show it by that name.");
            Err(Error::new(ErrorKind::InvalidResponse, message).in_doubt())
        }
    }
}

async fn update(
    on: &mut On<'_, '_>,
    found: &Found,
    changes: &BTreeMap<String, Option<Value>>,
) -> Result<bool> {
    let mut needed = Vec::new();
    for (name, value) in changes {
        let present = found.account.attributes.get(name);
        if same(present, value.as_ref()) {
            continue;
        }
        let (name, texts) = attribute(on.facts, name, value.as_ref())?;
        needed.push(Change::Set(name, texts));
    }
    if needed.is_empty() {
        return Ok(false);
    }
    let aim = on.facts.aim(&found.entry.dn, &found.account.anchor);
    on.session.modify(&aim, needed, &format!("a change of {}", found.account.username), &[]).await?;
    Ok(true)
}

/// One text, and a list of that one text, are the same to a directory.
fn same(present: Option<&Value>, wanted: Option<&Value>) -> bool {
    match (present, wanted) {
        (Some(Value::Text(one)), Some(Value::List(list))) => list.len() == 1 && list.contains(one),
        (Some(Value::Text(text)), Some(Value::Bool(value))) => *text == value.to_string().to_uppercase(),
        (None, Some(Value::List(list))) => list.is_empty(),
        (present, wanted) => present == wanted,
    }
}

/// An attribute as the directory calls it, and its values as they are written.
fn attribute(facts: &Facts, name: &str, value: Option<&Value>) -> Result<(String, Vec<Vec<u8>>)> {
    if let (EXPIRES, Some(expiry)) = (name, facts.flavour.expiry().filter(|_| facts.expires)) {
        let active_directory = facts.flavour == Flavour::ActiveDirectory;
        let text = match value {
            Some(value) if active_directory => Some(to_filetime(instant(name, value)?)),
            Some(value) => Some(to_generalized(before_2106(name, instant(name, value)?)?)),
            None => active_directory.then(|| NEVER[1].to_owned()),
        };
        return Ok((expiry.into(), text.into_iter().map(String::into_bytes).collect()));
    }
    if !facts.attributes.iter().any(|known| known == name) {
        return Err(invalid(format!("There is no attribute `{name}` here.")));
    }
    let texts = value.map(|value| written(name, value)).transpose()?.unwrap_or_default();
    Ok((name.to_owned(), texts.into_iter().map(String::into_bytes).collect()))
}

/// OpenLDAP keeps seconds in 32 bits here, and takes what is later for the past.
fn before_2106(name: &str, instant: Timestamp) -> Result<Timestamp> {
    match (1..i64::from(u32::MAX)).contains(&instant.as_second()) {
        true => Ok(instant),
        false => Err(invalid(format!(
            "The attribute `{name}` is after 1970 and before 2106 here, and not {instant}."
        ))),
    }
}

async fn rename(on: &mut On<'_, '_>, found: &Found, to: &str) -> Result<bool> {
    let facts = on.facts;
    let to = acceptable(facts, to)?;
    let Found { entry, account } = found;
    if account.username == to {
        return Ok(false);
    }
    let holder = one(on.session, on.server, facts, &Wanted::Username(to.into())).await?;
    if holder.is_some_and(|(_, holder)| holder.anchor != account.anchor) {
        return Err(taken(to));
    }
    let name = Dn::parse(&entry.dn).map_err(|error| {
        Error::new(ErrorKind::InvalidResponse, "The server gives an entry no name.").because(error)
    })?;
    let Some((attribute, value)) = name.first() else {
        return Err(invalid(format!("{} has a name of several parts, which is not changed.", entry.dn)));
    };
    let doing = format!("the new name {to} of {}", account.username);
    let named_so = Comparison::IgnoreCase.same(value, &account.username);
    let dn = if named_so { name.renamed(attribute, to) } else { entry.dn.clone() };
    let (before, after) = (Named::new(&entry.dn, &account.username), Named::new(&dn, to));
    member::announce(on, account, &before, &after).await?;
    if !attribute.eq_ignore_ascii_case(&facts.username) {
        let mut changes = vec![Change::Set(facts.username.clone(), vec![to.into()])];
        let principal_now = entry.text("userPrincipalName").and_then(|name| name.split_once('@'));
        if let Some((local, domain)) = principal_now
            && Comparison::IgnoreCase.same(local, &account.username)
        {
            changes.push(Change::Set("userPrincipalName".into(), vec![format!("{to}@{domain}").into()]));
        }
        on.session.modify(&facts.aim(&entry.dn, &account.anchor), changes, &doing, &[]).await?;
    }
    if named_so {
        let aim = facts.aim_by_name(&entry.dn, &account.anchor);
        if let Err(error) = on.session.rename(&aim, &dn::rdn(attribute, to), &doing).await {
            if !error.may_have_landed {
                member::withdraw(on, account, &after, &before).await.map_err(Error::in_doubt)?;
            }
            return Err(error);
        }
    }
    member::withdraw(on, account, &before, &after).await.map_err(Error::in_doubt)?;
    Ok(true)
}

/// Lets an account sign in, or not.
async fn lock(on: &mut On<'_, '_>, found: &Found, disable: bool) -> Result<bool> {
    let Found { entry, account } = found;
    if (account.state == State::Disabled) == disable {
        return Ok(false);
    }
    let name = on.facts.flavour.lock().to_owned();
    let changes = match on.facts.flavour {
        Flavour::OpenLdap => vec![Change::Set(name, disable.then(|| LOCKED.into()).into_iter().collect())],
        Flavour::Ds389 => vec![Change::Set(name, disable.then(|| b"true".to_vec()).into_iter().collect())],
        Flavour::ActiveDirectory => {
            let bits = control_bits(entry)
                .ok_or_else(|| invalid("The account shows no userAccountControl.".into()))?;
            let wanted = if disable { bits | ACCOUNT_DISABLED } else { bits & !ACCOUNT_DISABLED };
            let text = |bits: u32| bits.cast_signed().to_string().into_bytes();
            // Only if nobody has changed the other bits meanwhile.
            vec![Change::Take(name.clone(), text(bits)), Change::Add(name, text(wanted))]
        }
    };
    let aim = on.facts.aim(&entry.dn, &account.anchor);
    let doing = format!("a change of whether {} may sign in", account.username);
    match on.session.modify(&aim, changes, &doing, &[NO_SUCH_ATTRIBUTE]).await? {
        0 => Ok(true),
        _ => {
            let message = format!("Somebody else changed the account {} at the same time.", account.username);
            Err(Error::new(ErrorKind::Conflict, message))
        }
    }
}

async fn delete(on: &mut On<'_, '_>, found: &Found) -> Result<()> {
    // Active Directory does so by itself; elsewhere the name would stay, for whoever gets it next.
    if on.facts.flavour != Flavour::ActiveDirectory {
        member::leave_all(on, found).await?;
    }
    let aim = on.facts.aim(&found.entry.dn, &found.account.anchor);
    on.session.delete(&aim, &format!("the deletion of {}", found.account.username)).await
}

/// A name that the server keeps as it is and takes for no other.
fn acceptable<'n>(facts: &Facts, name: &'n str) -> Result<&'n str> {
    let refused = |why: &str| Err(invalid(format!("The name {name:?} {why}.")));
    if name.is_empty() || name.starts_with(' ') || name.ends_with(' ') || name.contains("  ") {
        return refused("is empty or has blanks that a directory does not tell apart");
    }
    if name.chars().any(char::is_control) {
        return refused("has control characters");
    }
    if facts.flavour == Flavour::ActiveDirectory {
        if name.chars().count() > LONGEST_SAM_NAME {
            return refused("has more than the 20 characters that Active Directory takes");
        }
        if name.ends_with('.') || name.chars().any(|c| NOT_IN_SAM_NAMES.contains(c)) {
            return refused("has characters that Active Directory does not take");
        }
    }
    Ok(name)
}

/// Active Directory: the name by which people sign in everywhere.
fn principal(on: &On<'_, '_>, username: &str) -> String {
    let domain = on.server.config.upn_suffix.clone().unwrap_or_else(|| {
        let parts: Vec<&str> = on
            .facts
            .root
            .as_str()
            .split(',')
            .filter_map(|part| part.split_once('='))
            .map(|(_, value)| value.trim())
            .collect();
        parts.join(".").to_lowercase()
    });
    format!("{username}@{domain}")
}

fn taken(name: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("There is an account {name} already."))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

fn unsupported(operation: &Operation) -> Error {
    let message = format!("This directory has no operation {} for this.", operation.verb().as_str());
    Error::new(ErrorKind::Unsupported, message)
}
