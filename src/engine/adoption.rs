//! Adoption: an operator lets provost write to a target at the place where it is, with what is there as the baseline.

use std::sync::Arc;

use jiff::Timestamp;
use provost_audit::{Kind, Record};
use provost_core::Sym;
use provost_core::plan::{Why, age_limit};
use provost_core::step::{Mode, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::memory::{Adoption, account_file, adoption_file, entitlements_file};
use super::{Engine, EngineError, OpenOptions};
use crate::observe;
use crate::settings::Settings;

/// What an adoption finds, or found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptionShown {
    /// Accounts on the target.
    pub accounts: usize,
    /// Entitlements on the target.
    pub entitlements: usize,
    /// Accounts that are linked to an identity.
    pub linked: usize,
    /// Accounts that may be somebody's.
    pub candidates: Vec<CandidateShown>,
}

/// An account that may be somebody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateShown {
    /// Whose it may be.
    pub identity: String,
    /// In which profile.
    pub profile: String,
    /// The account's username.
    pub username: String,
    /// The account's anchor.
    pub anchor: String,
    /// By what it matches.
    pub by: String,
}

impl Engine {
    /// What adopting a target would find, by its last whole read.
    pub fn adoption(&self, target: Sym, now: Timestamp) -> Result<AdoptionShown, EngineError> {
        let known = self.organisation.target(target).ok_or(EngineError::NoTarget(target))?;
        let document = self.organisation.snapshot().target(target).ok_or(EngineError::NoTarget(target))?;
        if let Err(incomplete) = known.observed.complete(now, age_limit(document)) {
            let why = format!(
                "{incomplete}\n  hint: `provost status` says why; `provost resume {target}` takes the next whole read as it is."
            );
            return Err(EngineError::NotAdoptable { target, why });
        }
        let decided = self.organisation.plan(Some(target), &Scope::All, now);
        let candidates = decided.plan.not_planned.iter().filter_map(|not_planned| match &not_planned.why {
            Why::Candidate { anchor, username, by } => Some(CandidateShown {
                identity: not_planned.identity?.to_string(),
                profile: not_planned.profile?.to_string(),
                username: username.to_string(),
                anchor: anchor.to_string(),
                by: by.to_string(),
            }),
            _ => None,
        });
        Ok(AdoptionShown {
            accounts: known.observed.accounts().len(),
            entitlements: known.observed.names().iter().len(),
            linked: known.observed.links(),
            candidates: candidates.collect(),
        })
    }

    /// Adopts a target where it is, and links its candidates if so told.
    pub fn adopt(&mut self, target: Sym, link: bool, now: Timestamp) -> Result<AdoptionShown, EngineError> {
        let instance = self.instances.get(&target).cloned().flatten();
        self.adopt_now(target, link, instance, now)
    }

    /// Takes the next read's instance id as the adopted one.
    pub(super) fn adopt_now(
        &mut self,
        target: Sym,
        link: bool,
        instance: Option<String>,
        now: Timestamp,
    ) -> Result<AdoptionShown, EngineError> {
        let found = self.adoption(target, now)?;
        let mut links = self.relink(target, now);
        for candidate in found.candidates.iter().filter(|_| link) {
            let (identity, profile) = (Sym::new(&candidate.identity), Sym::new(&candidate.profile));
            let anchor = Sym::new(&candidate.anchor);
            // Two identities may match one account: the first is linked, the other stays a candidate's neighbour.
            let free =
                self.organisation.target(target).is_some_and(|known| known.observed.owner(anchor).is_none());
            if free && self.organisation.adopt(target, identity, profile, anchor) {
                links.push(anchor);
            }
        }
        let known = self.organisation.target(target).ok_or(EngineError::NoTarget(target))?;
        let place = known.place;
        let adoption = Adoption { place: place.to_string(), instance, at: now };
        let mut record = Record::new(
            Kind::Adopt,
            now,
            format!("{target} is adopted: {} accounts, {} linked", found.accounts, known.observed.links()),
        );
        record.target = Some(target.to_string());
        record.desired_commit = self.desired.commit.clone();
        record.body =
            json!({ "place": adoption.place, "instance": adoption.instance, "links": links, "found": found });
        record.changes.push(adoption_file(target, &adoption));
        record.changes.push(entitlements_file(target, &known.observed.entitlement_records()));
        for anchor in &links {
            record.changes.push(account_file(target, *anchor, known.observed.record(*anchor).as_ref()));
        }
        let linked = known.observed.links();
        self.recorder.record_blocking(Engine::in_pieces(&record))?;
        self.adoptions.insert(target, adoption);
        self.former.remove(&target);
        self.organisation.hold_target(target, None);
        self.organisation.locate(target, place, Some(place));
        self.open_target(target);
        Ok(AdoptionShown {
            linked,
            candidates: if link { Vec::new() } else { found.candidates.clone() },
            ..found
        })
    }

    /// Reads a target and shows what adopting it finds, or adopts it, while no daemon runs.
    pub async fn adoption_offline(
        settings: Arc<Settings>,
        target: &str,
        adopt: Option<bool>,
    ) -> Result<AdoptionShown, EngineError> {
        let target = Sym::new(target);
        let (engine, _) =
            tokio::task::spawn_blocking(move || Engine::open(settings, OpenOptions::default(), |_| ()))
                .await
                .map_err(|error| EngineError::Broken(error.to_string()))??;
        if engine.organisation.snapshot().target(target).is_none() {
            return Err(EngineError::NoTarget(target));
        }
        let handle = engine.spawn();
        let unreadable =
            |error: provost_sdk::Error| EngineError::NotAdoptable { target, why: error.to_string() };
        let reading = observe::read(&handle, target, Mode::Full).await.map_err(unreadable)?;
        let shown = handle.ask(move |engine| {
            engine.merge(reading, Timestamp::now())?;
            match adopt {
                None => engine.adoption(target, Timestamp::now()),
                Some(link) => engine.adopt(target, link, Timestamp::now()),
            }
        });
        let shown =
            shown.await.unwrap_or_else(|| Err(EngineError::Broken("The engine has ended.".to_owned())));
        handle.recorder().stop().await?;
        shown
    }
}
