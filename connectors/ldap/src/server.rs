//! One server: how it is reached, its connections, and the calls that are made on them.

use std::collections::HashSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use ldap3::controls::{ControlType, PagedResults, RawControl};
use ldap3::exop::Exop;
use ldap3::{
    DerefAliases, Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, ResultEntry, Scope,
    SearchEntry, SearchOptions, StdStream,
};
use provost_sdk::{Error, ErrorKind, ExposeSecret, Result, Settings};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::delta::Known;
use crate::entry::Entry;
use crate::error::{ADMIN_LIMIT, ASSERTION_FAILED, SIZE_LIMIT, TIME_LIMIT, broken, refused};
use crate::facts::Facts;
use crate::settings::{Config, Security};
use crate::tls::Tls;
use crate::wire::{self, Fault};

/// A server that a target names, with connections that are opened when they are needed and kept.
#[derive(Debug)]
pub(crate) struct Server {
    settings: Settings,
    /// The settings, parsed.
    pub config: Config,
    tls: Option<Tls>,
    idle: Mutex<Vec<(Ldap, Fault)>>,
    calls: Semaphore,
    facts: OnceCell<Facts>,
    /// What the last whole read told, for delta reads.
    pub known: tokio::sync::Mutex<Option<Known>>,
}

/// A connection in use. It is kept for the next call only when it is given back, which nobody does after a failure.
pub(crate) struct Session<'s> {
    ldap: Ldap,
    fault: Fault,
    server: &'s Server,
    _call: SemaphorePermit<'s>,
}

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'q> {
    pub base: &'q str,
    pub scope: Scope,
    pub filter: &'q str,
    pub attributes: &'q [&'q str],
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With all that there is.
    Whole,
    /// With all that this server has; a part of the tree is on another one. Referrals are not followed.
    Referred,
    /// Before that, for this reason.
    Cut(String),
}

/// One page's answer: the end of it, and what came beside the entries.
pub(crate) struct Answer {
    pub result: LdapResult,
    pub referred: bool,
}

impl Server {
    /// Reads the settings; nothing is called yet.
    pub(crate) fn new(settings: &Settings) -> Result<Server> {
        let config = Config::parse(settings)?;
        settings.secret("password")?;
        let tls = match config.security {
            Security::Nothing => None,
            _ => Some(Tls::new(settings.optional_text("ca_file")?)?),
        };
        Ok(Server {
            // A read takes two connections at once.
            calls: Semaphore::new(settings.limits.concurrency.max(2)),
            settings: settings.clone(),
            config,
            tls,
            idle: Mutex::default(),
            facts: OnceCell::new(),
            known: tokio::sync::Mutex::default(),
        })
    }

    /// The settings that it was made of.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A connection for some calls: a kept one, or a new one.
    pub(crate) async fn session(&self) -> Result<Session<'_>> {
        let call = self.calls.acquire().await.map_err(ended)?;
        self.open(call).await
    }

    /// Two connections, waited for together, so that nobody waits for the second one of somebody who waits too.
    pub(crate) async fn two_sessions(&self) -> Result<[Session<'_>; 2]> {
        let mut calls = self.calls.acquire_many(2).await.map_err(ended)?;
        let other =
            calls.split(1).ok_or_else(|| Error::new(ErrorKind::Unavailable, "No more calls are made."))?;
        Ok([self.open(calls).await?, self.open(other).await?])
    }

    async fn open<'s>(&'s self, call: SemaphorePermit<'s>) -> Result<Session<'s>> {
        let kept = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain_mut(|(ldap, fault)| !ldap.is_closed() && fault.get().is_none());
            idle.pop()
        };
        let (ldap, fault) = match kept {
            Some(kept) => kept,
            None => {
                self.connect(&self.config.user, self.settings.secret("password")?.expose_secret()).await?
            }
        };
        Ok(Session { ldap, fault, server: self, _call: call })
    }

    /// What is known of the server; asked once.
    pub(crate) async fn facts(&self, session: &mut Session<'_>) -> Result<&Facts> {
        self.facts.get_or_try_init(|| Facts::ask(&self.config, session)).await
    }

    /// A new connection, bound.
    pub(crate) async fn connect(&self, user: &str, password: &str) -> Result<(Ldap, Fault)> {
        // A bind without a password is answered as a success, of nobody (RFC 4513, 5.1.2).
        if password.is_empty() || user.is_empty() {
            return Err(Error::new(ErrorKind::InvalidCredential, "A bind needs a user and a password."));
        }
        let limits = &self.settings.limits;
        let open = async {
            let (stream, fault) = wire::open(&self.config, self.tls.as_ref(), limits.max_response).await?;
            let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(stream));
            let opened = LdapConnAsync::with_settings(settings, "ldapi:///").await;
            let (connection, ldap) = opened.map_err(|error| broken(error, None, "connecting"))?;
            tokio::spawn(async move { connection.drive().await.map_err(|error| tracing::debug!(%error)) });
            Ok((ldap, fault))
        };
        let (mut ldap, fault) = match tokio::time::timeout(limits.timeout, open).await {
            Ok(opened) => opened?,
            Err(_) => return Err(Error::new(ErrorKind::Timeout, "The server let nobody connect in time.")),
        };
        let bound = self.within(&fault, "binding", ldap.simple_bind(user, password)).await?;
        match bound.rc {
            0 => Ok((ldap, fault)),
            _ => Err(refused(&bound, &format!("the bind of {user}"))),
        }
    }

    /// Waits for one answer no longer than the settings allow. The library panics at answers that it cannot read.
    async fn within<T>(
        &self,
        fault: &Fault,
        doing: &str,
        call: impl Future<Output = std::result::Result<T, LdapError>>,
    ) -> Result<T> {
        let read = AssertUnwindSafe(call).catch_unwind();
        match tokio::time::timeout(self.settings.limits.timeout, read).await {
            Ok(Ok(answer)) => answer.map_err(|error| broken(error, fault.get(), doing)),
            Ok(Err(_)) => {
                let message = format!("The answer at {doing} is not one of LDAP.");
                Err(Error::new(ErrorKind::InvalidResponse, message))
            }
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("There was no answer in time at {doing}."))),
        }
    }
}

impl Session<'_> {
    /// Keeps the connection for the next call.
    pub(crate) fn give_back(self) {
        let mut idle = self.server.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((self.ldap, self.fault));
    }

    /// Searches page by page, with further controls, and gives every entry to `each`.
    pub(crate) async fn search(
        &mut self,
        query: Query<'_>,
        controls: &[RawControl],
        each: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<End> {
        let (mut cookie, mut referred) = (Vec::new(), false);
        loop {
            let mut seen = 0;
            let paged = PagedResults { size: self.server.config.page_size, cookie: cookie.clone() };
            let mut all = controls.to_vec();
            all.push(paged.into());
            let answer = self
                .request(query, all, &mut |found| {
                    seen += 1;
                    each(Entry::from(SearchEntry::construct(found)));
                })
                .await?;
            match answer.result.rc {
                0 => referred |= answer.referred,
                SIZE_LIMIT | ADMIN_LIMIT | TIME_LIMIT => {
                    let told = format!(
                        "a limit of the server (result code {}) ended the search under {}",
                        answer.result.rc, query.base
                    );
                    return Ok(End::Cut(told));
                }
                _ => return Err(refused(&answer.result, &format!("a search under {}", query.base))),
            }
            let next = next_page(&answer.result)?;
            match next {
                Some(next) if seen == 0 && next == cookie => {
                    return Err(Error::new(
                        ErrorKind::InvalidResponse,
                        "The server gives the same empty page again.",
                    ));
                }
                Some(next) => cookie = next,
                None if referred => return Ok(End::Referred),
                None => return Ok(End::Whole),
            }
        }
    }

    /// One search without pages.
    pub(crate) async fn request(
        &mut self,
        query: Query<'_>,
        controls: Vec<RawControl>,
        each: &mut (dyn FnMut(ResultEntry) + Send),
    ) -> Result<Answer> {
        let options = SearchOptions::new().deref(DerefAliases::Never);
        let page = async {
            self.ldap.with_controls(controls).with_search_options(options);
            let mut stream =
                self.ldap.streaming_search(query.base, query.scope, query.filter, query.attributes).await?;
            let mut referred = false;
            while let Some(found) = stream.next().await? {
                match found.is_ref() {
                    true => referred = true,
                    false => each(found),
                }
            }
            Ok(Answer { result: stream.finish().await, referred })
        };
        self.server.within(&self.fault, "a search", page).await
    }

    /// The one entry that matches; an error when there are several. `None` also where the base is not there.
    pub(crate) async fn one(&mut self, query: Query<'_>) -> Result<Option<Entry>> {
        let mut found = Vec::new();
        match self.search(query, &[], &mut |entry| found.push(entry)).await {
            Ok(End::Whole | End::Referred) => {}
            Ok(End::Cut(_)) if found.len() > 1 => {}
            Ok(End::Cut(why)) => {
                return Err(Error::new(ErrorKind::Unavailable, format!("A look-up ended early: {why}.")));
            }
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        if found.len() > 1 {
            let message = format!("The server has several entries for {}.", query.filter);
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        Ok(found.pop())
    }

    /// Changes an entry. Of these result codes it is told which came, instead of an error.
    pub(crate) async fn modify(
        &mut self,
        aim: &Aim,
        changes: Vec<Change>,
        doing: &str,
        expected: &[u32],
    ) -> Result<u32> {
        let mods = || changes.iter().cloned().map(Change::into_mod).collect();
        let call = self.ldap.with_controls(aim.controls.clone()).modify(&aim.dn, mods());
        let mut answered = self.server.within(&self.fault, doing, call).await;
        if is_overlay_unique(&answered) {
            answered = self.server.within(&self.fault, doing, self.ldap.modify(&aim.dn, mods())).await;
        }
        settled(answered, doing, expected)
    }

    /// Makes an entry.
    pub(crate) async fn add(
        &mut self,
        dn: &str,
        values: Vec<(String, Vec<Vec<u8>>)>,
        doing: &str,
    ) -> Result<()> {
        let values = values
            .into_iter()
            .map(|(name, values)| (name.into_bytes(), values.into_iter().collect::<HashSet<Vec<u8>>>()))
            .collect();
        let answered = self.server.within(&self.fault, doing, self.ldap.add(dn, values)).await;
        settled(answered, doing, &[]).map(|_| ())
    }

    /// Gives an entry another name under the same parent.
    pub(crate) async fn rename(&mut self, aim: &Aim, rdn: &str, doing: &str) -> Result<()> {
        let call = self.ldap.with_controls(aim.controls.clone()).modifydn(&aim.dn, rdn, true, None);
        let mut answered = self.server.within(&self.fault, doing, call).await;
        if is_overlay_unique(&answered) {
            answered =
                self.server.within(&self.fault, doing, self.ldap.modifydn(&aim.dn, rdn, true, None)).await;
        }
        settled(answered, doing, &[]).map(|_| ())
    }

    /// Removes an entry.
    pub(crate) async fn delete(&mut self, aim: &Aim, doing: &str) -> Result<()> {
        let call = self.ldap.with_controls(aim.controls.clone()).delete(&aim.dn);
        let answered = self.server.within(&self.fault, doing, call).await;
        settled(answered, doing, &[]).map(|_| ())
    }

    /// Makes an extended call.
    pub(crate) async fn extended(&mut self, call: impl Into<Exop>, doing: &str) -> Result<Exop> {
        let call = self.ldap.extended(call);
        let answered = self.server.within(&self.fault, doing, call).await.map_err(Error::in_doubt)?;
        match answered.1.rc {
            0 => Ok(answered.0),
            _ => Err(refused(&answered.1, doing)),
        }
    }
}

/// Which entry a change is for: its name, and controls by which the server itself makes sure that it is that one.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    pub dn: String,
    pub controls: Vec<RawControl>,
}

/// One change of one attribute.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Add(String, Vec<u8>),
    Take(String, Vec<u8>),
    /// All values; none clears it, whether it had one or not.
    Set(String, Vec<Vec<u8>>),
    /// Takes all values, of which there has to be one.
    Clear(String),
}

impl Change {
    fn into_mod(self) -> Mod<Vec<u8>> {
        match self {
            Change::Add(name, value) => Mod::Add(name.into_bytes(), HashSet::from([value])),
            Change::Take(name, value) => Mod::Delete(name.into_bytes(), HashSet::from([value])),
            Change::Clear(name) => Mod::Delete(name.into_bytes(), HashSet::new()),
            Change::Set(name, values) => Mod::Replace(name.into_bytes(), values.into_iter().collect()),
        }
    }
}

fn ended(error: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Unavailable, "No more calls are made.").because(error)
}

/// OpenLDAP's overlay `unique` looks for others under the same assertion, which is true of one entry only, and fails at
/// it (2.5): then the call goes by name alone, a moment after the name was looked up.
fn is_overlay_unique(answered: &Result<LdapResult>) -> bool {
    answered
        .as_ref()
        .is_ok_and(|result| result.rc == ASSERTION_FAILED && result.text.contains("unique_search"))
}

/// A lost answer to a write leaves open whether it happened.
fn settled(answered: Result<LdapResult>, doing: &str, expected: &[u32]) -> Result<u32> {
    let result = answered.map_err(Error::in_doubt)?;
    match result.rc {
        0 => Ok(0),
        code if expected.contains(&code) => Ok(code),
        _ => Err(refused(&result, doing)),
    }
}

/// Where the next page goes on, if there is one.
fn next_page(result: &LdapResult) -> Result<Option<Vec<u8>>> {
    let paged = result.ctrls.iter().find(|control| matches!(control.0, Some(ControlType::PagedResults)));
    let Some(control) = paged else { return Ok(None) };
    let parsed = std::panic::catch_unwind(|| control.1.parse::<PagedResults>());
    match parsed {
        Ok(page) => Ok(Some(page.cookie).filter(|cookie| !cookie.is_empty())),
        Err(_) => Err(Error::new(ErrorKind::InvalidResponse, "The server's page control cannot be read.")),
    }
}
