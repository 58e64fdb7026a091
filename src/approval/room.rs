//! Where an approver stands: what is published as waiting, what the commit itself asks for, and the branch to sign to.
//!
//! Nothing that is published is believed: what waits is derived again, from the commit and the audit log.

use std::collections::BTreeMap;
use std::path::Path;

use git2::Oid;
use jiff::Timestamp;
use provost_core::Sym;
use provost_core::approval::{Council as _, NAMESPACE, Request};
use provost_core::digest::Digest;
use provost_core::step::Scope;
use provost_sdk::Risk;
use serde::Serialize;

use super::key::{Key, KeyError};
use super::plans::{MAX_PLAN, PLAN, Plan, words};
use crate::engine::{EngineError, Requested, View};
use crate::git::{APPROVALS, Branch, GitError, PLANS, list, read_small, run_git, tip};
use crate::settings::{Settings, SettingsError};
use crate::text::safe;
use crate::trust::key_of;

/// Files of the plans branch that are read at most.
const MAX_PLANS: usize = 10_000;

/// Why an approver cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// What counts.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A temporary folder.
    #[error("No temporary folder can be made: {0}.")]
    Folder(#[from] std::io::Error),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key of nobody.
    #[error("{0}\n  hint: policy/allowed_signers has to name the key for a person, and to be in force.")]
    Nobody(String),
    /// There is nothing to agree to.
    #[error(
        "There is no audit log of an installation here, neither on this machine nor published.\n  hint: a daemon publishes it as provost/audit."
    )]
    NoInstallation,
}

/// What an approver sees.
pub struct Room {
    view: View,
    installation: String,
    reference: String,
    asked: Vec<Asked>,
    warnings: Vec<String>,
    approvals: Branch,
    /// Removed with this.
    _folder: tempfile::TempDir,
}

/// Something that waits.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// Its name.
    pub digest: Digest,
    /// What is asked for.
    pub request: Request,
    /// Of which tier it is.
    pub tier: Risk,
    /// Whether the daemon has published it.
    pub published: bool,
    /// Whether the commit asks for it.
    pub entailed: bool,
    /// What is missing from whom; nothing where it is not entailed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Requested>,
}

impl Asked {
    /// As it is shown before it is signed.
    pub fn text(&self) -> String {
        let mut text = match &self.waits {
            Some(waits) => words(&waits.open, waits.missing.as_ref()),
            None => format!("{}\n", safe(&self.request.to_string())),
        };
        if !self.entailed && self.depends_on_target() {
            text.push_str(
                "  NOTE      only the daemon can see this on the target; the commit does not show it\n",
            );
        } else if !self.entailed {
            text.push_str("  WARNING   the commit does NOT ask for this; it is not signed\n");
        } else if !self.published {
            text.push_str("  note      the commit asks for it; the daemon has not published it\n");
        }
        text
    }

    /// Whether somebody may sign it: the commit asks for it, or nothing but the target can show it.
    pub fn may_be_signed(&self) -> bool {
        self.entailed || self.depends_on_target()
    }

    /// What only a look at the target shows.
    fn depends_on_target(&self) -> bool {
        match self.request {
            Request::Enable(_) | Request::Override(_) | Request::Link(_) | Request::Operation(_) => true,
            Request::Name(_) => true,
            Request::Grant(_)
            | Request::Rule(_)
            | Request::Holder(_)
            | Request::Credential(_)
            | Request::Attribute(_) => false,
        }
    }
}

impl Room {
    /// Fetches what is published, and derives what waits from the newest commit of the tracked branch.
    pub fn enter(settings: &Settings, now: Timestamp) -> Result<Room, RoomError> {
        let folder = tempfile::tempdir()?;
        let url = &settings.repository.url;
        let own = folder.path().join("branches.git");
        let branch = |name| Branch::open(&own, url, name);
        let (plans, approvals) = (branch(PLANS)?, branch(APPROVALS)?);
        let published = plans.fetch()?;
        let mut view = open_view(settings, url, folder.path(), now)?;
        let installation = view.installation.clone().ok_or(RoomError::NoInstallation)?;
        let decided = view.organisation.plan(None, &Scope::All, now);
        view.agree(&[decided], now);
        let reference = format!("refs/heads/{}", settings.repository.branch);
        let mut room = Room {
            view,
            installation,
            reference,
            asked: Vec::new(),
            warnings: Vec::new(),
            approvals,
            _folder: folder,
        };
        let found = match published {
            Some(tip) => room.read_plans(&plans, tip)?,
            None => BTreeMap::new(),
        };
        room.compare(found);
        Ok(room)
    }

    /// What waits: what the commit asks for, and what is published besides.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// What is wrong with what is published.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The commit that all of it is derived from.
    pub fn commit(&self) -> Oid {
        self.view.commit
    }

    /// The installation: the first genesis of its audit log.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// The tracked ref.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// What counts at that commit.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The key to sign with, and whose it is by the allowed signers in force: that of a file, or the agent's only one.
    pub fn key(&self, file: Option<&Path>, now: Timestamp) -> Result<(Key, Sym), RoomError> {
        let keys = match file {
            Some(file) => vec![Key::of_file(file)?],
            None => Key::of_agent()?,
        };
        let owner = |key: &Key| {
            let public = provost_core::approval::PublicKey::parse(&key.public).ok()?;
            let allowed = self.view.organisation.keys().allowed?;
            let line = allowed.signers.iter().find(|line| line.key == public)?;
            line.is_good_for(NAMESPACE, now).then_some(line.person)
        };
        let mut good: Vec<(Key, Sym)> =
            keys.into_iter().filter_map(|key| owner(&key).map(|person| (key, person))).collect();
        match (good.pop(), good.len()) {
            (Some(found), 0) => Ok(found),
            (None, _) => Err(RoomError::Nobody("No key here may sign approvals now.".to_owned())),
            (Some(_), more) => {
                Err(RoomError::Nobody(format!("{} keys here may sign: name one with --key.", more + 1)))
            }
        }
    }

    /// Adds a file to the approvals branch.
    pub fn push(&self, file: &str, content: &str, message: &str) -> Result<Option<Oid>, RoomError> {
        let written = vec![(file.to_owned(), Some(content.as_bytes().to_owned()))];
        Ok(self.approvals.update(message, None, |_, _, _| Some(written.clone()))?)
    }

    fn read_plans(&mut self, plans: &Branch, tip: Oid) -> Result<BTreeMap<Digest, Plan>, RoomError> {
        let repository = plans.repository()?;
        let signer = key_of(&repository, tip);
        let known = self.view.organisation.snapshot().daemon_keys();
        let is_known = |key: &String| {
            let key = provost_core::approval::PublicKey::parse(key);
            known.iter().flat_map(|keys| &keys.keys).any(|of| {
                provost_core::approval::PublicKey::parse(of.as_str()).is_ok_and(|of| key.as_ref() == Ok(&of))
            })
        };
        match signer {
            None => {
                self.warnings.push("what waits was not published by a daemon: it is not signed".to_owned())
            }
            Some(key) if !is_known(&key) => self
                .warnings
                .push(format!("what waits is signed by {key}, which no DaemonKeys document names")),
            Some(_) => {}
        }
        let mut found = BTreeMap::new();
        for listed in list(&repository, tip)?.into_iter().take(MAX_PLANS) {
            let content = if listed.regular && listed.name.ends_with(PLAN) {
                read_small(&repository, listed.id, MAX_PLAN)?
            } else {
                None
            };
            let line = content.as_deref().and_then(|content| content.split(|byte| *byte == b'\n').next());
            let plan = line.and_then(|line| serde_json::from_slice::<Plan>(line).ok());
            match plan {
                Some(plan) if plan.installation != self.installation => {
                    self.warnings.push(format!("{} is of another installation", safe(&listed.name)));
                }
                Some(plan) => drop(found.insert(plan.request.digest(), plan)),
                None => self.warnings.push(format!("{} is no plan", safe(&listed.name))),
            }
        }
        Ok(found)
    }

    /// What the commit asks for first; then what is published and not asked for.
    fn compare(&mut self, mut published: BTreeMap<Digest, Plan>) {
        for waits in self.view.requests() {
            let digest = waits.open.digest;
            self.asked.push(Asked {
                digest,
                request: waits.open.request.clone(),
                tier: waits.open.tier,
                published: published.remove(&digest).is_some(),
                entailed: true,
                waits: Some(waits),
            });
        }
        for (digest, plan) in published {
            self.asked.push(Asked {
                digest,
                request: plan.request,
                tier: plan.tier,
                published: true,
                entailed: false,
                waits: None,
            });
        }
    }
}

/// What counts at the tracked branch, by the daemon's own log where it is on this machine, else by the published one.
fn open_view(settings: &Settings, url: &str, folder: &Path, now: Timestamp) -> Result<View, RoomError> {
    if settings.state.join("provost.git").exists() || Path::new(url).exists() {
        return Ok(View::open(settings, None, now)?);
    }
    // A mirror of our own, with the published log beside the tracked branch.
    let mut settings = settings.clone();
    settings.state = folder.join("state");
    let mirror = settings.state.join("mirror.git");
    git2::Repository::init_bare(&mirror).map_err(GitError::Read)?;
    let audit = format!("+{0}*:{0}*", provost_audit::REF);
    run_git(&mirror, ["fetch", "--quiet", "--no-tags", "--no-auto-gc", "--end-of-options", url, &audit])?;
    if tip(&git2::Repository::open_bare(&mirror).map_err(GitError::Read)?, provost_audit::REF)?.is_none() {
        return Err(RoomError::NoInstallation);
    }
    Ok(View::open(&settings, None, now)?)
}
