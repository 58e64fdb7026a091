//! The only writer. It makes no choices: it executes what the gate let through, and nothing else has a way in.
//!
//! A writer is opened for an adopted target only: [`Writers`] asks for proof that just the engine can give.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use provost_core::Sym;
use provost_sdk::{Apply, Connector, Error, ErrorKind, IdempotencyKey, Receipt, Result, Settings};

use crate::engine::{Adopted, EngineHandle, Prepared};

/// The writers of the adopted targets.
#[derive(Default)]
pub struct Writers(Mutex<HashMap<Sym, Arc<dyn Apply>>>);

impl Writers {
    /// The writer of an adopted target, opened at its first use.
    pub fn of(
        &self,
        adopted: &Adopted,
        connector: &dyn Connector,
        settings: &Settings,
    ) -> Result<Arc<dyn Apply>> {
        let mut writers = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(writer) = writers.get(&adopted.target()) {
            return Ok(Arc::clone(writer));
        }
        let writer: Arc<dyn Apply> = Arc::from(connector.writer(settings)?);
        writers.insert(adopted.target(), Arc::clone(&writer));
        Ok(writer)
    }

    /// Forgets a writer: its target's document or secrets changed.
    pub fn close(&self, target: Sym) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&target);
    }
}

/// Does operations whose intents are durable, in their order, and gives how each went. Once begun they are never dropped:
/// they end by the connector's own timeout.
pub async fn call(engine: &EngineHandle, target: Sym, prepared: &[Arc<Prepared>]) -> Vec<Result<Receipt>> {
    let mut writer = None;
    let mut operations = Vec::with_capacity(prepared.len());
    let mut begin = |one: &Prepared| -> Result<()> {
        let (opened, operation) = (engine.writer(target)?, one.operation()?);
        one.begin();
        writer = Some(opened);
        operations.push((operation, IdempotencyKey(one.key())));
        Ok(())
    };
    let begun: Vec<Result<()>> = prepared.iter().map(|one| begin(one)).collect();
    let done = match writer {
        // A task of its own: the call goes on to its end whatever happens to whoever waits for it.
        Some(writer) => tokio::spawn(async move {
            match &operations[..] {
                [(operation, key)] => vec![writer.apply(operation, key).await],
                many => writer.apply_all(many).await,
            }
        })
        .await
        .unwrap_or_else(|error| {
            tracing::error!(%target, %error, "the connector failed in the middle of a call");
            Vec::new()
        }),
        None => Vec::new(),
    };
    let mut done = done.into_iter();
    let answer = |begun: Result<()>| begun.and_then(|()| done.next().unwrap_or_else(|| Err(broken())));
    begun.into_iter().map(answer).collect()
}

/// What a call came to that gave no answer.
fn broken() -> Error {
    Error::new(ErrorKind::InvalidResponse, "The connector failed in the middle of a call.").in_doubt()
}

/// The refusal to begin a call whose intent is not published, where it has to be.
pub fn unpublished() -> Error {
    Error::new(ErrorKind::Unavailable, "The call was not begun: its intent could not be published in time.")
}

/// The refusal to begin a call after its intent's not-after.
pub fn late() -> Error {
    Error::new(ErrorKind::Timeout, "The call was not begun before its not-after.")
}
