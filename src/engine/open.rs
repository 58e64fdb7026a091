//! Making an installation, and opening one: what it remembers becomes what it knows.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use provost_audit::key::SigningKey;
use provost_audit::{Genesis, Log};
use provost_core::Sym;
use provost_core::access::Zones;
use provost_core::organisation::{HeldBy, Known, Organisation};
use provost_core::snapshot::Snapshot;
use provost_core::step::{Scope, World};
use serde_json::json;

use super::agreement::Agreement;
use super::evidence::Inbox;
use super::memory::Memory;
use super::moved::Former;
use super::plans::Plans;
use super::shared::Shared;
use super::trust::{recovery_file, recovery_keys};
use super::used;
use super::{Engine, EngineError, rotation};
use crate::cache::{self, Accounts, Documents, Unwritten};
use crate::git::{Course, Source};
use crate::recorder::{Publishing, Recorder};
use crate::registry;
use crate::settings::{Publish, Settings};
use crate::snapshot;

/// How an installation is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// A commit that the operator names as trusted.
    pub trust: Option<String>,
    /// Targets that are adopted with their first whole read: those that the quickstart makes itself.
    pub adopt: Vec<&'static str>,
    /// Files of public keys: from the genesis on, only with the signature of one of them is another commit trusted.
    pub recovery_keys: Vec<std::path::PathBuf>,
}

/// A new installation.
#[derive(Clone, Debug)]
pub struct Created {
    /// Its first genesis.
    pub installation: String,
    /// The commit that was trusted.
    pub commit: String,
}

impl Engine {
    /// Makes an installation and trusts its first commit.
    pub fn create(settings: Arc<Settings>, options: &OpenOptions) -> Result<Created, EngineError> {
        let source = source(&settings);
        source.head()?;
        let commit = source.resolve(options.trust.as_deref().unwrap_or("HEAD"))?;
        std::fs::create_dir_all(&settings.state).map_err(|error| unusable(&settings.state, &error))?;
        let key = SigningKey::load_or_generate(&rotation::key_path(&settings))?;
        let keys = recovery_keys(&options.recovery_keys)?;
        let body = json!({
            "repository": settings.repository.url, "branch": settings.repository.branch, "recovery_keys": keys,
        });
        let changes = recovery_file(&keys).into_iter().collect();
        let log = Log::create(&settings.state, key, Genesis { at: Timestamp::now(), body, changes })?;
        let installation = log.installation().to_string();
        drop(log);
        let options = OpenOptions { trust: Some(commit.to_string()), ..options.clone() };
        Engine::open_and_close(settings, options)?;
        Ok(Created { installation, commit: commit.to_string() })
    }

    /// Opens an installation, does what the options say, and closes it.
    pub fn open_and_close(settings: Arc<Settings>, options: OpenOptions) -> Result<(), EngineError> {
        let (engine, _) = Engine::open(settings, options, |_| ())?;
        let recorder = engine.recorder.clone();
        drop(engine);
        Ok(recorder.stop_blocking()?)
    }

    /// Opens an installation. `died` is called if its audit log cannot go on at all.
    pub fn open(
        settings: Arc<Settings>,
        options: OpenOptions,
        died: impl FnOnce(String) + Send + 'static,
    ) -> Result<(Engine, World), EngineError> {
        let now = Timestamp::now();
        let (log, recovery) = rotation::open_log(&settings, now)?;
        if !recovery.open.is_empty() {
            tracing::warn!(
                count = recovery.open.len(),
                "operations are in doubt: their targets are read first"
            );
        }
        let installation = log.installation().to_string();
        let mut memory = remembered(&log, &settings)?;
        let tip = log.tip().commit;
        let agreement = Agreement::restore(&mut memory);
        let inbox = Inbox::remembering(&agreement.uses, &memory.signed);
        let source = source(&settings);
        let plans = Plans::start(&settings, &super::rotation::key_path(&settings))?;
        let recorder = Recorder::start(log, publishing(&settings), died);
        let shared = Arc::new(Shared::new(installation, recorder.clone(), source.clone()));
        let mut engine = Engine {
            organisation: organisation(&memory, now),
            settings,
            source,
            recorder,
            shared,
            desired: memory.desired.clone(),
            authors: super::authors::Kept::of(memory.authors.clone()),
            recovery_keys: memory.recovery_keys.clone(),
            alarmed: None,
            adoptions: BTreeMap::new(),
            instances: BTreeMap::new(),
            former: BTreeMap::new(),
            reread: BTreeSet::new(),
            unrecorded: None,
            unread: false,
            suspension: memory.suspension.clone(),
            recalled: None,
            used: None,
            missed: BTreeMap::new(),
            notes: super::Notes::default(),
            told: None,
            refused: HashSet::new(),
            replan_at: BTreeMap::new(),
            adopt: options.adopt.iter().map(|id| Sym::new(id)).collect(),
            next_operation: 0,
            agreement,
            inbox,
            plans,
        };
        let mut world = engine.remember(memory, now)?;
        engine.recall(now)?;
        engine.used = used::look(&engine.settings, tip);
        if let Some(commit) = &options.trust {
            let commit = engine.source.resolve(commit)?;
            world = engine.trust(Sym::new(&commit.to_string()), None, now)?;
        }
        Ok((engine, world))
    }

    /// What is remembered of the commit that counts, and of the targets in force.
    fn remember(&mut self, mut memory: Memory, now: Timestamp) -> Result<World, EngineError> {
        let counted = self.desired.commit.as_deref().and_then(|commit| git2::Oid::from_str(commit).ok());
        if let Some(commit) = counted {
            // What was deleted here is fetched again; what cannot be reached is no reason not to start.
            if !self.source.has(commit)
                && let Err(error) = self.source.head()
            {
                tracing::warn!(%error, "the desired repository cannot be looked at");
            }
            match self.source.holding(commit) {
                Some(source) => {
                    self.organisation.use_ids(self.desired.reused.iter().copied());
                    let state = &self.settings.state;
                    let (changes, read) = snapshot::read_kept(&source, Documents::read(state), commit)?;
                    self.organisation.amend(changes, false, now);
                    if read >= cache::STALE {
                        let documents = Documents::keep(state, commit, self.organisation.snapshot());
                        documents.into_iter().for_each(Unwritten::write_later);
                    }
                }
                None => {
                    self.unread = true;
                    let why = "the commit that counts cannot be read now";
                    self.organisation.hold(HeldBy::Branch, Some(Sym::new(why)));
                }
            }
            // What adds does not go on until the branch was looked at, if it stood wrong already.
            if let Some(head) = self.source.last_head().filter(|_| !self.unread) {
                let course = self.source.course(commit, head)?;
                let wrong = (course != Course::Forward).then(|| Sym::new(super::load::off_course(course)));
                self.organisation.hold(HeldBy::Branch, wrong);
            }
        }
        let targets: Vec<Sym> =
            self.organisation.snapshot().targets().into_iter().map(|target| target.id).collect();
        for id in targets {
            let remembered = memory.take_target(id);
            self.adoptions.extend(remembered.adopted.map(|adoption| (id, adoption)));
            let Some(document) = self.organisation.snapshot().target(id) else { continue };
            let place = Sym::new(&registry::place(document));
            let adopted = self.adopted_place(id);
            let mut observed = remembered.observed;
            // What was seen at another place says nothing of this one.
            if adopted.is_some_and(|adopted| adopted != place) {
                let former = std::mem::take(&mut observed);
                let (accounts, entitlements) = (former.records().collect(), former.entitlement_records());
                self.former.insert(id, Former { accounts, entitlements });
            }
            let known = Known { observed, place, adopted, hold: None, own_accounts: Vec::new() };
            self.organisation.place(id, known, now);
            self.open_target(id);
        }
        self.reconsider(now);
        let mut world = self.world(Vec::new());
        world.changed = world.targets.keys().map(|target| (*target, Scope::All)).collect();
        Ok(world)
    }
}

/// The organisation as remembered, before the files of the commit are read.
pub(super) fn organisation(memory: &Memory, now: Timestamp) -> Organisation {
    let snapshot = Snapshot::restore(memory.versions(), memory.desired.vanished.iter().copied());
    Organisation::new(snapshot, registry::catalog(), Zones::bundled(), now)
}

/// The desired repository of these settings.
pub(super) fn source(settings: &Settings) -> Source {
    let mirror = settings.state.join("mirror.git");
    Source::new(&settings.repository.url, &settings.repository.branch, &mirror)
}

fn remembered(log: &Log, settings: &Settings) -> Result<Memory, EngineError> {
    let state = &settings.state;
    let path = log.repository();
    let repository = git2::Repository::open_bare(&path)?;
    let commit = git2::Oid::from_str(&log.tip().commit.to_string())?;
    let vault = super::personal::vault(settings)?;
    let memory = Memory::read(&path, &repository, commit, Accounts::read(state), vault.as_deref())?;
    if memory.accounts_read >= cache::STALE {
        let targets = memory.targets.iter().map(|(target, memory)| (*target, &memory.observed));
        Accounts::keep(state, commit, targets).write_later();
    }
    Ok(memory)
}

fn publishing(settings: &Settings) -> Option<Publishing> {
    let remote = settings.audit.remote.clone().unwrap_or_else(|| settings.repository.url.clone());
    (settings.audit.publish == Publish::Always).then_some(Publishing { remote })
}

fn unusable(state: &Path, error: &std::io::Error) -> EngineError {
    EngineError::Broken(format!("The state folder {} cannot be used: {error}.", state.display()))
}
