//! How the suite calls a target: as the daemon does. This is the one place that knows it.
//!
//! - A failure that may pass (temporary, or an answer that no such system should give, after which the daemon would
//!   hold the target for a while) is tried again after a growing pause, a bounded number of times.
//! - A failure whose change may have happened all the same is never answered by blindly trying again: the account is
//!   looked up first, and what is found to have landed counts as done.
//! - A read that is not complete is read again.

use std::time::Duration;

use jiff::Timestamp;
use provost_sdk::{
    Account, AccountRef, Apply, Capabilities, Collected, Completeness, Cursor, Error, ErrorKind,
    IdempotencyKey, Item, Observe, Operation, Persistence, Receipt, Result, Verb, Wanted,
};

/// The pause after the first failure; it doubles up to [`LONGEST_PAUSE`]. Short, because the faults of a test pass at
/// once.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait that a target is granted when it says from when on more calls are welcome.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The ends of one target, and how patient its caller is.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) reader: &'a dyn Observe,
    pub(crate) writer: &'a dyn Apply,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) attempts: u32,
}

/// An operation that is done.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) receipt: Receipt,
    /// An attempt may have landed before the one that succeeded: then `changed: false` says nothing.
    pub(crate) doubted: bool,
}

impl Caller<'_> {
    /// Does one operation. A create `of_a_new_name` is of one that nobody can have had.
    pub(crate) async fn apply(
        &self,
        operation: &Operation,
        key: &IdempotencyKey,
        of_a_new_name: bool,
    ) -> Result<Done> {
        // Whether a create in doubt has landed can only be told when the name was free before.
        let free = match operation {
            Operation::Create(create) if !of_a_new_name => {
                self.look_up(&Wanted::Username(create.username.clone())).await?.is_none()
            }
            _ => true,
        };
        let mut doubted = false;
        let mut attempt = 1;
        loop {
            let error = match self.writer.apply(operation, key).await {
                Ok(receipt) => return Ok(Done { receipt, doubted }),
                Err(error) => error,
            };
            doubted |= error.may_have_landed;
            if doubted
                && free
                && let Some(account) = self.landed(operation).await?
            {
                let receipt = Receipt::changed(account);
                return Ok(Done { receipt, doubted });
            }
            if attempt >= self.attempts || !(passes(&error) || error.may_have_landed) {
                return Err(error);
            }
            pause(attempt, &error).await;
            attempt += 1;
        }
    }

    /// Looks one account up.
    pub(crate) async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>> {
        patiently(self.attempts, || self.reader.look_up(wanted)).await
    }

    /// Reads until a read is complete.
    pub(crate) async fn read(&self, since: Option<&Cursor>) -> Result<(Vec<Item>, Option<Cursor>)> {
        patiently(self.attempts, || async {
            let mut sink = Collected::default();
            let read = self.reader.observe(since, &mut sink).await?;
            match read.completeness {
                Completeness::Complete => Ok((sink.items, read.cursor)),
                Completeness::Partial(reason) => {
                    Err(Error::new(ErrorKind::Unavailable, format!("The read stayed incomplete: {reason}")))
                }
            }
        })
        .await
    }

    /// Whether the target shows what an operation was to bring about: the account as it is then, if any. `None` where
    /// it does not, or where nothing that can be read would tell.
    async fn landed(&self, operation: &Operation) -> Result<Option<Option<Account>>> {
        if let Operation::Create(create) = operation {
            let account = self.look_up(&Wanted::Username(create.username.clone())).await?;
            return Ok(account.filter(|account| account.kind == create.kind).map(Some));
        }
        let Some(AccountRef { anchor, .. }) = operation.account() else { return Ok(None) };
        let account = self.look_up(&Wanted::Anchor(anchor.clone())).await?;
        let Some(account) = account else {
            return Ok((operation.verb() == Verb::Delete).then_some(None));
        };
        let landed = operation.shown_by(&account, self.capabilities).unwrap_or(false);
        Ok(landed.then_some(Some(account)))
    }
}

/// Makes a call that changes nothing until it works, or fails for good.
pub(crate) async fn patiently<T, F>(attempts: u32, call: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Err(error) if passes(&error) && attempt < attempts => pause(attempt, &error).await,
            done => return done,
        }
        attempt += 1;
    }
}

/// Whether a failure may pass by itself.
fn passes(error: &Error) -> bool {
    error.persistence() == Persistence::Temporary || error.kind == ErrorKind::InvalidResponse
}

async fn pause(attempt: u32, error: &Error) {
    let growing = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
    let pause = match error.kind {
        ErrorKind::RateLimited { until: Some(until) } => {
            Duration::try_from(until.duration_since(Timestamp::now()))
                .map_or(growing, |wait| wait.min(LONGEST_WAIT).max(growing))
        }
        _ => growing,
    };
    tokio::time::sleep(pause).await;
}
