//! The writer: accounts. Grant and revoke are in [`crate::members`].

use std::sync::Arc;

use async_trait::async_trait;
use provost_sdk::{
    AccountRef, Anchor, Apply, Comparison, Create, Error, ErrorKind, IdempotencyKey, Operation, Receipt,
    Result, State,
};
use serde_json::{Map, Value, json};

use crate::api::{Done, Outcome, Refusal, Server, at};
use crate::held::{self, by_username, with_groups};
use crate::map::{self, Edit, Path};
use crate::members;
use crate::page;
use crate::resource::{USER, field, id, key, text};

/// The writer of one target.
#[derive(Debug)]
pub(crate) struct Writer(pub Arc<Server>);

#[async_trait]
impl Apply for Writer {
    async fn apply(&self, operation: &Operation, _key: &IdempotencyKey) -> Result<Receipt> {
        let server = &self.0;
        match operation {
            Operation::Create(new) => create(server, new).await,
            Operation::Update { account, changes } => {
                let edits = changes.iter().map(|(name, value)| map::edit(name, value.as_ref()));
                change(server, account, edits.collect::<Result<_>>()?).await
            }
            Operation::Rename { account, to } => rename(server, account, to).await,
            Operation::Enable { account } => change(server, account, vec![Edit::active(true)]).await,
            Operation::Disable { account } => change(server, account, vec![Edit::active(false)]).await,
            Operation::Delete { account } => delete(server, account).await,
            Operation::Grant { account, entitlement } => members::grant(server, account, entitlement).await,
            Operation::Revoke { account, entitlement } => members::revoke(server, account, entitlement).await,
            other => {
                let text = format!("A SCIM target cannot do {}.", other.verb().as_str());
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }
}

/// The ways of changing a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// PATCH, one operation a value, each with a path.
    Paths,
    /// PATCH, one operation with an object, no path.
    Object,
    /// PUT of the user as it was read, changed.
    Whole,
}

/// What became of several ways of saying one thing.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    refused: Option<Error>,
    accepted: bool,
    landed: bool,
}

impl Tries {
    /// Takes how one way went: whether it is worth reading back. An error that no other way would mend is given back,
    /// in doubt where an earlier way may have done it.
    pub(crate) fn worth_a_look(&mut self, outcome: Result<Outcome>) -> Result<bool> {
        match outcome {
            Ok(Outcome::Done(_)) => {
                (self.accepted, self.landed) = (true, true);
                Ok(true)
            }
            Ok(Outcome::Refused(refusal)) if refusal.is_dialect() => {
                let doubt = refusal.error.may_have_landed;
                self.landed |= doubt;
                self.refused.get_or_insert(refusal.error);
                Ok(doubt)
            }
            Ok(Outcome::Refused(Refusal { error, .. })) => Err(self.doubted(error)),
            Err(error) if error.kind == ErrorKind::Unsupported && !error.may_have_landed => {
                self.refused.get_or_insert(error);
                Ok(false)
            }
            Err(error) => Err(self.doubted(error)),
        }
    }

    /// Whether the server said that it does not have a way at all.
    pub(crate) fn is_unsupported(&self) -> bool {
        self.refused.as_ref().is_some_and(|error| error.kind == ErrorKind::Unsupported)
    }

    /// No way worked. What the server only refused is its own reason; what it called a success and did not do is the
    /// error `lie`.
    pub(crate) fn failed(self, lie: ErrorKind, what: String) -> Error {
        match self.refused {
            Some(error) if !self.accepted => Error { may_have_landed: self.landed, ..error },
            _ => {
                let text = format!("The server answers with success, and {what}.");
                Error::new(lie, text).in_doubt()
            }
        }
    }

    fn doubted(&self, error: Error) -> Error {
        if self.landed { error.in_doubt() } else { error }
    }
}

/// The user of an operation, afresh.
pub(crate) async fn account(server: &Server, account: &AccountRef) -> Result<Value> {
    held::user(server, &account.anchor).await?.ok_or_else(|| gone(&account.anchor))
}

fn gone(id: &Anchor) -> Error {
    Error::new(ErrorKind::NotFound, format!("The account {id} is not there."))
}

async fn create(server: &Server, new: &Create) -> Result<Receipt> {
    if new.kind != "user" {
        let text = format!("A SCIM target has no accounts of kind {:?}.", new.kind);
        return Err(Error::new(ErrorKind::InvalidValue, text));
    }
    let found = server.found().await?;
    let body = new_user(new)?;
    // Some take `Alice` beside `alice`, and some take `alice` twice.
    if held::is_taken(server, &new.username).await? {
        let text = format!("The username {:?} is taken.", new.username);
        return Err(Error::new(ErrorKind::AlreadyExists, text));
    }
    let done = match server.post(&found.users, &body).await? {
        Outcome::Done(done) => done,
        Outcome::Refused(refusal) => return Err(not_created(server, new, refusal).await),
    };
    let id = new_id(server, new, &done).await.map_err(Error::in_doubt)?;
    let made = held::user(server, &id).await.map_err(Error::in_doubt)?;
    let made = made.ok_or_else(|| done.answer.invalid("about a user that is not there"))?;
    if let Some((_, names)) = server.names().await.as_mut() {
        names.insert(Comparison::IgnoreCase.fold(&new.username), id.0.clone());
    }
    let account = with_groups(server, &made).await.map_err(Error::in_doubt)?;
    if !Comparison::IgnoreCase.same(&account.username, &new.username) || account.state != State::Enabled {
        return Err(done.answer.invalid("about a user that is not like the one that was made"));
    }
    Ok(Receipt::changed(Some(account)))
}

fn new_user(new: &Create) -> Result<Value> {
    let mut user = Map::new();
    map::declare(&mut user, USER);
    user.insert("userName".to_owned(), json!(new.username));
    user.insert("externalId".to_owned(), json!(new.identity));
    user.insert("active".to_owned(), json!(true));
    for (name, value) in &new.attributes {
        map::edit(name, Some(value))?.write(&mut user);
    }
    Ok(Value::Object(user))
}

/// The id that the server gave: in the body, else at the end of the Location, else of the user who has the name now.
async fn new_id(server: &Server, new: &Create, done: &Done) -> Result<Anchor> {
    if let Some(id) = done.body.as_ref().and_then(id) {
        return Ok(Anchor(id));
    }
    let last = |location: &str| location.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    if let Some(id) = done.answer.location().and_then(last).filter(|id| !id.is_empty()) {
        return Ok(Anchor(id));
    }
    let called = by_username(server, &new.username).await?;
    let id = called.as_ref().and_then(id);
    id.map(Anchor).ok_or_else(|| done.answer.invalid("that does not say which user was made"))
}

/// Why a user could not be made: duplicates are 409 with and without a reason, 400, and 500.
async fn not_created(server: &Server, new: &Create, refusal: Refusal) -> Error {
    if !(refusal.status == 409 || refusal.is_taken() || refusal.status == 400 || refusal.status >= 500) {
        return refusal.error;
    }
    let taken = || {
        let text = format!("The username {:?} is taken: {}", new.username, refusal.error.message);
        Error::new(ErrorKind::AlreadyExists, text)
    };
    match by_username(server, &new.username).await {
        // After a failure in the middle it may be ours.
        Ok(Some(user)) if refusal.error.may_have_landed && is_ours(&user, new) => taken().in_doubt(),
        Ok(Some(_)) => taken(),
        // Nobody shows it: a deleted account that keeps its name, or another unique value.
        Ok(None) if refusal.status == 409 => taken(),
        _ => refusal.error,
    }
}

fn is_ours(user: &Value, new: &Create) -> bool {
    text(user, "externalId").as_deref() == Some(new.identity.as_str())
}

/// Changes the username, unless somebody else has it, in any case.
async fn rename(server: &Server, account: &AccountRef, to: &str) -> Result<Receipt> {
    let before = self::account(server, account).await?;
    let same = |name: String| Comparison::IgnoreCase.same(&name, to);
    if !text(&before, "userName").is_some_and(same) && held::is_taken(server, to).await? {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("The username {to:?} is taken.")));
    }
    change(server, account, vec![Edit::username(to)]).await
}

/// Changes a user until it reads as wanted.
///
/// What a server takes and does not keep is an invalid value where it is an attribute: servers drop what they have no
/// place for. A name or a state that is not kept is a server that cannot be trusted.
async fn change(server: &Server, account: &AccountRef, edits: Vec<Edit>) -> Result<Receipt> {
    let before = self::account(server, account).await?;
    let found = server.found().await?;
    if edits.iter().all(|edit| edit.holds(&before)) {
        return Ok(Receipt::unchanged(Some(with_groups(server, &before).await?)));
    }
    let usual: [Way; 3] = if found.patch {
        [Way::Paths, Way::Object, Way::Whole]
    } else {
        [Way::Whole, Way::Paths, Way::Object]
    };
    let known = server.learned().change;
    let ways = known.into_iter().chain(usual.into_iter().filter(|way| Some(*way) != known));
    let mut tries = Tries::default();
    let mut now = before;
    for way in ways {
        let mut outcome = write(server, &now, &account.anchor, &edits, way).await;
        if let Ok(Outcome::Refused(refusal)) = &mut outcome
            && refusal.status == 409
        {
            // A username or an email that another user has; many say no more than the number.
            refusal.error.kind = ErrorKind::AlreadyExists;
        }
        if !tries.worth_a_look(outcome)? {
            continue;
        }
        now = self::account(server, account).await.map_err(Error::in_doubt)?;
        if edits.iter().all(|edit| edit.is_kept(&now)) {
            server.learn(|learned| learned.change = Some(way));
            let after = with_groups(server, &now).await.map_err(Error::in_doubt)?;
            return Ok(Receipt::changed(Some(after)));
        }
    }
    let own = [Path::Plain("active"), Path::Plain("userName")];
    let trusted = edits.iter().all(|edit| !own.contains(&edit.path));
    let kind = if trusted { ErrorKind::InvalidValue } else { ErrorKind::InvalidResponse };
    let lost: Vec<&str> =
        edits.iter().filter(|edit| !edit.is_kept(&now)).filter_map(|edit| edit.path.names().last()).collect();
    Err(tries.failed(kind, format!("the account {} does not keep {}", account.username, lost.join(", "))))
}

async fn write(server: &Server, user: &Value, id: &Anchor, edits: &[Edit], way: Way) -> Result<Outcome> {
    let path = at(&server.found().await?.users, id.as_str())?;
    let _alone = server.alone("user", id.as_str()).await;
    let object = user.as_object().cloned().unwrap_or_default();
    let wanted = edits.iter().filter(|edit| !edit.holds(user));
    match way {
        Way::Paths => server.patch(&path, wanted.map(|edit| edit.operation(&object)).collect()).await,
        Way::Object => {
            let (mut after, mut value, mut operations) = (object.clone(), Map::new(), Vec::new());
            wanted.clone().for_each(|edit| edit.write(&mut after));
            for edit in wanted {
                match key(&after, edit.path.top()).filter(|_| edit.value.is_some()) {
                    // The whole attribute: some merge it, some put it in the place of the old one.
                    Some(name) => drop(value.insert(name.clone(), after[name].clone())),
                    None => operations.push(edit.operation(&object)),
                }
            }
            if !value.is_empty() {
                operations.push(json!({ "op": "replace", "value": value }));
            }
            server.patch(&path, operations).await
        }
        Way::Whole => {
            // Afresh: what another write of ours did meanwhile must stay.
            let Some(user) = held::user(server, id).await? else { return Err(gone(id)) };
            let mut whole = user.as_object().cloned().unwrap_or_default();
            for edit in edits {
                edit.write(&mut whole);
            }
            // The server's own; a user is not made a member from its own side.
            whole.retain(|key, _| !["meta", "groups"].iter().any(|own| key.eq_ignore_ascii_case(own)));
            let version = field(&user, "meta").and_then(|meta| text(meta, "version"));
            server.put(&path, &Value::Object(whole), version.as_deref()).await
        }
    }
}

async fn delete(server: &Server, account: &AccountRef) -> Result<Receipt> {
    let Some(before) = held::user(server, &account.anchor).await? else {
        return Ok(Receipt::unchanged(None));
    };
    let path = at(&server.found().await?.users, account.anchor.as_str())?;
    let gone = match server.delete(&path).await? {
        Outcome::Done(_) => false,
        // It was deleted before, and is still shown.
        Outcome::Refused(refusal) if matches!(refusal.status, 404 | 410) => true,
        Outcome::Refused(refusal) => return Err(refusal.error),
    };
    let Some(after) = held::user(server, &account.anchor).await.map_err(Error::in_doubt)? else {
        return Ok(Receipt::changed(None));
    };
    // A deleted account that is kept is disabled. One that was disabled before shows nothing new, but in the list.
    let (was, is) = (map::state(&before), map::state(&after));
    let kept = is == State::Disabled
        && (gone || was == State::Enabled || !is_listed(server, &after).await.map_err(Error::in_doubt)?);
    if !kept {
        let text =
            format!("The server answers with success, and the account {} is still there.", account.username);
        return Err(Error::new(ErrorKind::InvalidResponse, text).in_doubt());
    }
    tracing::warn!(account = %account.anchor, "the server keeps deleted accounts, disabled");
    let after = Some(with_groups(server, &after).await.map_err(Error::in_doubt)?);
    Ok(if gone { Receipt::unchanged(after) } else { Receipt::changed(after) })
}

/// Whether the list of users has this one.
async fn is_listed(server: &Server, user: &Value) -> Result<bool> {
    let wanted = id(user);
    let mut listed = false;
    let mut each = |user: Value| listed |= id(&user) == wanted;
    let listing = page::read(server, &server.found().await?.users, &[], &mut each).await?;
    Ok(listed || listing.partial.is_some())
}
