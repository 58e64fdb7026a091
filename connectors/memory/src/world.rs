//! Systems by name, shared between a connector and the test that holds the other end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::{Shape, System};

/// Systems by name. Clones share the same systems.
#[derive(Clone, Debug, Default)]
pub struct World(Arc<Mutex<BTreeMap<String, Handle>>>);

/// The world of this process, for `connector: memory` in a Target document.
static GLOBAL: LazyLock<World> = LazyLock::new(World::default);

impl World {
    /// The world that is shared by the whole process.
    pub fn global() -> World {
        GLOBAL.clone()
    }

    /// The system of this name; made with this shape when there is none.
    pub fn open(&self, name: &str, shape: Shape) -> Handle {
        lock(&self.0).entry(name.to_owned()).or_insert_with(|| Handle::new(System::new(shape))).clone()
    }

    /// The system of this name, if it was made already.
    pub fn find(&self, name: &str) -> Option<Handle> {
        lock(&self.0).get(name).cloned()
    }
}

/// A system that several hold. Clones share the same system.
#[derive(Clone, Debug)]
pub struct Handle {
    system: Arc<Mutex<System>>,
    /// What each token may do; empty until the first token comes.
    tokens: Arc<Mutex<HashMap<String, Rights>>>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Everything.
    All,
    /// See, and change nothing.
    Read,
    /// Nothing; lists are refused, not empty.
    Nothing,
}

impl Handle {
    /// Shares a system.
    pub fn new(system: System) -> Handle {
        Handle { system: Arc::new(Mutex::new(system)), tokens: Arc::default() }
    }

    /// The system, for as long as the guard lives.
    pub fn system(&self) -> MutexGuard<'_, System> {
        lock(&self.system)
    }

    /// Accepts a token from now on.
    pub fn allow(&self, token: &str, rights: Rights) {
        lock(&self.tokens).insert(token.to_owned(), rights);
    }

    /// What a token may do. The first token that a system is shown is accepted from then on with all rights, so that
    /// a Target needs no set-up; `None` for any other that was not allowed.
    pub(crate) fn rights(&self, token: &str) -> Option<Rights> {
        let mut tokens = lock(&self.tokens);
        if tokens.is_empty() {
            tokens.insert(token.to_owned(), Rights::All);
        }
        tokens.get(token).copied()
    }
}

/// A panic of another test says nothing about the data: every change of a system is made before anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
