//! What the shell may use without waiting for the engine: readers and writers, operations under way, what is held.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use provost_core::Sym;
use provost_core::step::OperationId;
use provost_sdk::{AccountRef, Apply, Connector, Error, ErrorKind, Result};

use super::{Engine, EngineHandle, Held, Prepared};
use crate::apply::Writers;
use crate::git::Source;
use crate::observe::Reader;
use crate::recorder::Recorder;

/// Proof that an operator adopted a target at the place where it is now. Only the engine makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted(Sym);

impl Adopted {
    /// Which target.
    pub fn target(&self) -> Sym {
        self.0
    }
}

pub(super) struct Shared {
    pub(super) installation: String,
    pub(super) recorder: Recorder,
    pub(super) source: Source,
    targets: RwLock<HashMap<Sym, Opened>>,
    readers: Mutex<HashMap<Sym, Reader>>,
    writers: Writers,
    prepared: Mutex<Table>,
}

/// The operations under way.
#[derive(Default)]
struct Table {
    by_id: HashMap<OperationId, Arc<Prepared>>,
    /// Those that wait for an account to be made, by target, identity and profile.
    unborn: HashMap<(Sym, (Sym, Sym)), Vec<OperationId>>,
}

/// A target's connector and settings, or why they cannot be had.
struct Opened {
    place: Sym,
    settings: std::result::Result<(&'static dyn Connector, provost_sdk::Settings), String>,
    adopted: Option<Adopted>,
}

impl Shared {
    pub(super) fn new(installation: String, recorder: Recorder, source: Source) -> Shared {
        Shared {
            installation,
            recorder,
            source,
            targets: RwLock::default(),
            readers: Mutex::default(),
            writers: Writers::default(),
            prepared: Mutex::default(),
        }
    }

    /// Takes a target's document, secrets and adoption as they are now; what was opened before is closed.
    pub(super) fn open(
        &self,
        target: Sym,
        place: Sym,
        settings: std::result::Result<(&'static dyn Connector, provost_sdk::Settings), String>,
        adopted: bool,
    ) {
        let adopted = adopted.then_some(Adopted(target));
        write(&self.targets).insert(target, Opened { place, settings, adopted });
        self.close(target);
    }

    pub(super) fn forget_target(&self, target: Sym) {
        write(&self.targets).remove(&target);
        self.close(target);
    }

    pub(super) fn prepare(&self, prepared: Arc<Prepared>) {
        let mut table = lock(&self.prepared);
        if let Some(subject) = prepared.subject().filter(|_| prepared.is_unborn()) {
            table.unborn.entry((prepared.planned.target, subject)).or_default().push(prepared.id);
        }
        table.by_id.insert(prepared.id, prepared);
    }

    pub(super) fn prepared(&self, operation: OperationId) -> Option<Arc<Prepared>> {
        lock(&self.prepared).by_id.get(&operation).map(Arc::clone)
    }

    /// Every operation that is prepared.
    pub(super) fn all_prepared(&self) -> Vec<Arc<Prepared>> {
        lock(&self.prepared).by_id.values().map(Arc::clone).collect()
    }

    /// Tells the account to the operations that wait for it.
    pub(super) fn born(&self, target: Sym, subject: (Sym, Sym), account: &AccountRef) {
        let mut table = lock(&self.prepared);
        for id in table.unborn.remove(&(target, subject)).unwrap_or_default() {
            if let Some(prepared) = table.by_id.get(&id) {
                prepared.born(account);
            }
        }
    }

    pub(super) fn forget(&self, keep: impl Fn(&Prepared) -> bool) {
        let Table { by_id, unborn } = &mut *lock(&self.prepared);
        by_id.retain(|_, prepared| keep(prepared));
        unborn.retain(|_, ids| {
            ids.retain(|id| by_id.contains_key(id));
            !ids.is_empty()
        });
    }

    fn close(&self, target: Sym) {
        lock(&self.readers).remove(&target);
        self.writers.close(target);
    }

    fn with_opened<T>(
        &self,
        target: Sym,
        act: impl FnOnce(&Opened, &'static dyn Connector, &provost_sdk::Settings) -> Result<T>,
    ) -> Result<T> {
        let targets = self.targets.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let refuse = |why: String| Error::new(ErrorKind::Configuration, why);
        let opened =
            targets.get(&target).ok_or_else(|| refuse(format!("There is no target {target} in force.")))?;
        match &opened.settings {
            Ok((connector, settings)) => act(opened, *connector, settings),
            Err(why) => Err(refuse(why.clone())),
        }
    }
}

impl EngineHandle {
    /// The installation: the first genesis of its audit log.
    pub fn installation(&self) -> String {
        self.shared.installation.clone()
    }

    /// The recorder.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// The desired repository.
    pub fn source(&self) -> &Source {
        &self.shared.source
    }

    /// Documents that do not count, and what waits: nothing when the engine has ended.
    pub async fn held(&self) -> Arc<Held> {
        self.ask(Engine::held).await.unwrap_or_default()
    }

    /// Which system a target in force is.
    pub fn place(&self, target: Sym) -> Result<Sym> {
        self.shared.with_opened(target, |opened, _, _| Ok(opened.place))
    }

    /// The reader of a target, opened at its first use.
    pub fn reader(&self, target: Sym) -> Result<Reader> {
        if let Some(reader) = lock(&self.shared.readers).get(&target) {
            return Ok(Arc::clone(reader));
        }
        let reader: Reader = self
            .shared
            .with_opened(target, |_, connector, settings| Ok(Arc::from(connector.reader(settings)?)))?;
        lock(&self.shared.readers).insert(target, Arc::clone(&reader));
        Ok(reader)
    }

    /// The writer of a target, if it was adopted at the place where it is.
    pub fn writer(&self, target: Sym) -> Result<Arc<dyn Apply>> {
        self.shared.with_opened(target, |opened, connector, settings| {
            let adopted = opened.adopted.as_ref().ok_or_else(|| {
                Error::new(
                    ErrorKind::PermissionDenied,
                    format!("The target {target} is not adopted where it is now."),
                )
            })?;
            self.shared.writers.of(adopted, connector, settings)
        })
    }

    /// Reads secrets again, and opens every reader and writer anew.
    pub fn reopen(&self) {
        self.run(|engine| engine.open_targets());
    }

    /// An operation under way.
    pub fn prepared(&self, operation: OperationId) -> Option<Arc<Prepared>> {
        self.shared.prepared(operation)
    }

    /// Notes under which record operations were promised.
    pub fn intended(&self, operations: &[OperationId], seq: u64) {
        for prepared in operations.iter().filter_map(|operation| self.shared.prepared(*operation)) {
            prepared.intended(seq);
        }
    }

    /// Forgets an operation that has its outcome.
    pub fn forget(&self, operation: OperationId) {
        lock(&self.shared.prepared).by_id.remove(&operation);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}
