//! What a chapter has in its hands: the target, the entitlements that it may give, and short words for what nearly
//! every chapter does. A failed step is a full sentence.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::stream::{self, StreamExt};
use provost_sdk::{
    Account, AccountRef, Anchor, Apply, Attributes, Capabilities, Connector, Create, Cursor, Entitlement,
    EntitlementKind, EntitlementRef, Error, ErrorKind, IdempotencyKey, Item, Observe, Operation, Receipt,
    Settings, Stage, State, Value, Verb, Wanted,
};

use crate::attempt::{Caller, Done, patiently};
use crate::seen::Seen;
use crate::words::{reference, told};
use crate::{Options, sample};

/// How a step or a chapter ends: well, or with a sentence about what was expected and seen.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The state of one run.
pub(crate) struct Story<'a> {
    pub(crate) connector: &'a dyn Connector,
    pub(crate) settings: &'a Settings,
    pub(crate) options: &'a Options,
    pub(crate) capabilities: Capabilities,
    pub(crate) stage: Option<Box<dyn Stage>>,
    /// With what every name begins that the run makes.
    pub(crate) prefix: String,
    /// What was there when the run began.
    pub(crate) before: Option<Seen>,
    reader: Box<dyn Observe>,
    writer: Box<dyn Apply>,
    serial: AtomicU64,
    /// Names that were given out and not used yet.
    new_names: Mutex<BTreeSet<String>>,
    /// Accounts that the present chapter made.
    made: Mutex<Vec<AccountRef>>,
    /// Accounts that the large chapters share.
    pub(crate) crowd: Vec<AccountRef>,
    /// What the stage made.
    pub(crate) scenery: Mutex<Vec<Entitlement>>,
}

impl<'a> Story<'a> {
    /// Opens the target and asks what it can do.
    pub(crate) async fn begin(
        connector: &'a dyn Connector,
        settings: &'a Settings,
        options: &'a Options,
        prefix: String,
    ) -> Result<Story<'a>, Error> {
        let reader = connector.reader(settings)?;
        let capabilities = patiently(options.attempts, || reader.describe()).await?;
        Ok(Story {
            connector,
            settings,
            options,
            capabilities,
            stage: connector.stage(settings)?,
            prefix,
            before: None,
            writer: connector.writer(settings)?,
            reader,
            serial: AtomicU64::new(0),
            new_names: Mutex::default(),
            made: Mutex::default(),
            crowd: Vec::new(),
            scenery: Mutex::default(),
        })
    }

    /// The target as the daemon calls it.
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            reader: &*self.reader,
            writer: &*self.writer,
            capabilities: &self.capabilities,
            attempts: self.options.attempts,
        }
    }

    /// The reader, for calls whose failure is the point.
    pub(crate) fn reader(&self) -> &dyn Observe {
        &*self.reader
    }

    /// Whether the target has an operation.
    pub(crate) fn can(&self, verb: Verb) -> bool {
        self.capabilities.verbs.contains(&verb)
    }

    /// The kind of account that is tested.
    pub(crate) fn account_kind(&self) -> Outcome<&provost_sdk::AccountKind> {
        match &self.options.kind {
            Some(name) => self.capabilities.account_kind(name).ok_or_else(|| {
                format!("The options ask for accounts of the kind `{name}`, which is not declared.")
            }),
            None => self.capabilities.account_kinds.first().ok_or_else(|| {
                "The connector declares no kind of account, and every target has at least one.".to_owned()
            }),
        }
    }

    /// The entitlement kinds that are granted and revoked one account at a time.
    pub(crate) fn plain_kinds(&self) -> impl Iterator<Item = &EntitlementKind> {
        self.capabilities.entitlement_kinds.iter().filter(|kind| !kind.exclusive)
    }

    /// The entitlement kinds whose holders are written as a whole.
    pub(crate) fn exclusive_kinds(&self) -> impl Iterator<Item = &EntitlementKind> {
        self.capabilities.entitlement_kinds.iter().filter(|kind| kind.exclusive)
    }

    /// A name that nothing else has in this run or any other.
    pub(crate) fn name(&self, tail: &str) -> String {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}{tail}", self.prefix, sample::base36(serial));
        self.new_names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        name
    }

    /// Whether something of this name was made by this run.
    pub(crate) fn ours(&self, name: &str) -> bool {
        // Some chapters write a name in capital letters.
        name.to_lowercase().starts_with(&self.prefix)
    }

    /// A key for one use of one operation.
    pub(crate) fn key(&self) -> IdempotencyKey {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        IdempotencyKey(format!("{}:{serial}", self.prefix))
    }

    /// What a new account of the tested kind looks like: what its kind requires, and nothing else.
    pub(crate) fn draft(&self, username: &str) -> Outcome<Create> {
        let kind = self.account_kind()?;
        let attributes: Attributes = kind
            .attributes
            .iter()
            .filter(|attribute| attribute.required && !attribute.read_only)
            .map(|attribute| (attribute.name.clone(), self.sample(&attribute.name, 0)))
            .collect();
        Ok(Create {
            kind: kind.name.clone(),
            username: username.to_owned(),
            attributes,
            identity: format!("p-{username}"),
        })
    }

    /// A new account with a value in every attribute that can be set.
    pub(crate) fn full_draft(&self, username: &str) -> Outcome<Create> {
        let mut draft = self.draft(username)?;
        for attribute in self.account_kind()?.attributes.iter().filter(|attribute| !attribute.read_only) {
            let value = self.sample(&attribute.name, 0);
            draft.attributes.entry(attribute.name.clone()).or_insert(value);
        }
        Ok(draft)
    }

    /// A value that an attribute may have; `which` of two different ones.
    pub(crate) fn sample(&self, attribute: &str, which: usize) -> Value {
        let unique = sample::base36(self.serial.fetch_add(1, Ordering::Relaxed));
        let unique = format!("{}{unique}", self.prefix);
        match self.options.attributes.get(attribute).and_then(|values| values.get(which)) {
            Some(Value::Text(text)) => Value::Text(text.replace("{}", &unique)),
            Some(value) => value.clone(),
            None => sample::value(attribute, which, &unique),
        }
    }

    /// Makes an account with a name of its own, and sees it.
    pub(crate) async fn account(&self, tail: &str) -> Outcome<Account> {
        let create = self.draft(&self.name(tail))?;
        self.create(create).await
    }

    /// Makes an account, and sees it.
    pub(crate) async fn create(&self, create: Create) -> Outcome<Account> {
        let username = create.username.clone();
        let done = self.perform(&Operation::Create(create)).await?;
        let account = done.receipt.account.ok_or_else(|| {
            format!(
                "A create of {username} gave a receipt without the account, by which its anchor is known."
            )
        })?;
        self.see(&reference(&account)).await
    }

    /// Remembers an account for the clearing up at the end of the chapter.
    pub(crate) fn note(&self, account: &Account) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.iter().any(|known| known.anchor == account.anchor) {
            made.push(reference(account));
        }
    }

    /// Keeps an account beyond its chapter, for the ones after it.
    pub(crate) fn keep(&self, anchor: &Anchor) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known.anchor != *anchor);
    }

    /// Does an operation that must work.
    pub(crate) async fn perform(&self, operation: &Operation) -> Outcome<Done> {
        self.attempt(operation).await.map_err(|error| {
            format!("{} should have worked and failed as {:?}: {error}", told(operation), error.kind)
        })
    }

    /// Does an operation that may fail.
    pub(crate) async fn attempt(&self, operation: &Operation) -> Result<Done, Error> {
        let of_a_new_name = match operation {
            Operation::Create(create) => {
                self.new_names.lock().unwrap_or_else(PoisonError::into_inner).remove(&create.username)
            }
            _ => false,
        };
        let done = self.caller().apply(operation, &self.key(), of_a_new_name).await?;
        if let (Operation::Create(_), Some(account)) = (operation, &done.receipt.account) {
            self.note(account);
        }
        Ok(done)
    }

    /// Does an operation that has something to change.
    pub(crate) async fn change(&self, operation: &Operation) -> Outcome<Receipt> {
        let done = self.perform(operation).await?;
        if !done.receipt.changed && !done.doubted {
            return Err(format!(
                "{} was answered as unchanged, and there was something to change.",
                told(operation)
            ));
        }
        Ok(done.receipt)
    }

    /// Does an operation that finds everything as it should be.
    pub(crate) async fn again(&self, operation: &Operation) -> Outcome<Receipt> {
        let done = self.perform(operation).await?;
        if done.receipt.changed && !done.doubted {
            return Err(format!(
                "{} was answered as a change, and everything was so already.",
                told(operation)
            ));
        }
        Ok(done.receipt)
    }

    /// Does an operation that must be refused in one of these ways.
    pub(crate) async fn refused(&self, operation: &Operation, expected: &[ErrorKind]) -> Outcome<Error> {
        match self.attempt(operation).await {
            Ok(done) => Err(format!(
                "{} should have been refused as {expected:?} and was answered as {}.",
                told(operation),
                if done.receipt.changed { "done" } else { "unchanged" },
            )),
            Err(error) if expected.contains(&error.kind) => Ok(error),
            Err(error) => Err(format!(
                "{} should have been refused as {expected:?} and was refused as {:?}: {error}",
                told(operation),
                error.kind
            )),
        }
    }

    /// Looks an account up.
    pub(crate) async fn look_up(&self, wanted: &Wanted) -> Outcome<Option<Account>> {
        let found = self.caller().look_up(wanted).await.map_err(|error| {
            format!("A look-up of {wanted:?} should have worked and failed as {:?}: {error}", error.kind)
        })?;
        let Some(account) = found else { return Ok(None) };
        let same = match wanted {
            Wanted::Anchor(anchor) => account.anchor == *anchor,
            Wanted::Username(username) => self.capabilities.usernames.same(&account.username, username),
        };
        if !same {
            return Err(format!(
                "A look-up of {wanted:?} gave another account: {} ({}).",
                account.username, account.anchor
            ));
        }
        if account.entitlements.is_none() {
            return Err(format!(
                "A look-up of {wanted:?} did not say what the account holds, which a look-up always does."
            ));
        }
        Ok(Some(account))
    }

    /// Looks up an account that must be there.
    pub(crate) async fn see(&self, account: &AccountRef) -> Outcome<Account> {
        self.look_up(&Wanted::Anchor(account.anchor.clone())).await?.ok_or_else(|| {
            format!(
                "The account {} ({}) should be there and a look-up by its anchor finds nothing.",
                account.username, account.anchor
            )
        })
    }

    /// Looks up an account that must not be there.
    pub(crate) async fn see_nobody(&self, wanted: &Wanted) -> Outcome {
        match self.look_up(wanted).await? {
            None => Ok(()),
            Some(account) => Err(format!(
                "A look-up of {wanted:?} should find nobody and found {} ({}).",
                account.username, account.anchor
            )),
        }
    }

    /// Reads everything.
    pub(crate) async fn read(&self) -> Outcome<Seen> {
        Ok(self.read_from_start().await?.0)
    }

    /// Reads everything; with the cursor from where a delta read goes on.
    pub(crate) async fn read_from_start(&self) -> Outcome<(Seen, Option<Cursor>)> {
        let (items, cursor) = self.caller().read(None).await.map_err(|error| {
            format!("A complete read should have worked and failed as {:?}: {error}", error.kind)
        })?;
        let seen = Seen::complete(items);
        if let [username, ..] = seen.contradictions() {
            return Err(format!("One read showed the account {username} twice, and differently."));
        }
        Ok((seen, cursor))
    }

    /// Reads what changed since a cursor.
    pub(crate) async fn read_changes(&self, since: &Cursor) -> Outcome<(Vec<Item>, Cursor)> {
        let (items, cursor) = self.caller().read(Some(since)).await.map_err(|error| {
            format!("A read of what changed should have worked and failed as {:?}: {error}", error.kind)
        })?;
        let cursor = cursor.ok_or("A complete read of what changed gave no cursor to go on from.")?;
        Ok((items, cursor))
    }

    /// Says what changed on the target since `before` apart from these accounts, which should be nothing.
    pub(crate) async fn nothing_else_changed(&self, before: &Seen, except: &[&Anchor]) -> Outcome<Seen> {
        let after = self.read().await?;
        let found = before.differences(&after, except, &self.prefix, &self.capabilities);
        match found.is_empty() {
            true => Ok(after),
            false => Err(format!("Something else changed on the target: {}.", found.join("; "))),
        }
    }

    /// Whether an account has the state, and its attributes have these values.
    pub(crate) fn check_account(&self, account: &Account, state: State, attributes: &Attributes) -> Outcome {
        if account.state != state {
            return Err(format!("{} should be {state:?} and is {:?}.", account.username, account.state));
        }
        for (name, value) in attributes {
            if !account.has(name, Some(value), &self.capabilities) {
                return Err(format!(
                    "The attribute `{name}` of {} should be {value:?} and is {:?}.",
                    account.username,
                    account.attributes.get(name)
                ));
            }
        }
        Ok(())
    }

    /// Takes away what the chapter made, several at once; the run goes on whatever comes of it, and the last chapter
    /// tells what stayed.
    pub(crate) async fn clear(&self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        self.remove_all(&made).await;
    }

    /// Deletes these accounts. Where the target cannot delete, they are disabled and hold nothing any more.
    pub(crate) async fn remove_all(&self, accounts: &[AccountRef]) {
        stream::iter(accounts)
            .for_each_concurrent(self.settings.limits.concurrency, |account| async move {
                let account = account.clone();
                if self.can(Verb::Delete) {
                    let _seen_by_the_last_chapter = self.attempt(&Operation::Delete { account }).await;
                    return;
                }
                if self.can(Verb::Revoke)
                    && let Ok(Some(seen)) = self.look_up(&Wanted::Anchor(account.anchor.clone())).await
                {
                    for key in seen.entitlements.unwrap_or_default() {
                        let name = key.anchor.0.clone();
                        let entitlement =
                            EntitlementRef { kind: key.kind, anchor: key.anchor, name, role: key.role };
                        let revoke = Operation::Revoke { account: account.clone(), entitlement };
                        let _seen_by_the_last_chapter = self.attempt(&revoke).await;
                    }
                }
                if self.can(Verb::Disable) {
                    let _seen_by_the_last_chapter = self.attempt(&Operation::Disable { account }).await;
                }
            })
            .await;
    }
}
