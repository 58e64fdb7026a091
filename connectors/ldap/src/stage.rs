//! Scenery for the conformance suite, on a throwaway server. Never used by the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use ldap3::ldap_escape;
use provost_sdk::{
    AccountRef, Entitlement, Error, ErrorKind, ExposeSecret, Result, SecretString, Stage, State,
};

use crate::apply::{Found, On};
use crate::flavour::Flavour;
use crate::groups::{self, Group};
use crate::password;
use crate::server::{Change, Server};

/// The password that accounts get for trying to sign in.
const TRIAL: &str = "Only-4-a-throwaway-server";

/// The stage of one target.
#[derive(Debug)]
pub(crate) struct Scenery(pub Arc<Server>);

impl Scenery {
    async fn find(&self, on: &mut On<'_, '_>, filter: &str) -> Result<Option<Group>> {
        let base = self.0.config.groups.as_str();
        let (mut groups, _) = groups::read(on.session, on.facts, base, filter).await?;
        Ok(groups.pop())
    }

    async fn binds(&self, found: &Found, password: &str) -> Result<bool> {
        match self.0.connect(&found.entry.dn, password).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::InvalidCredential => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Stage for Scenery {
    async fn make_entitlement(&self, kind: &str, name: &str) -> Result<Entitlement> {
        static NUMBERS: AtomicU32 = AtomicU32::new(10_000);
        let server = &*self.0;
        let mut session = server.session().await?;
        let facts = server.facts(&mut session).await?;
        let mut on = On { session: &mut session, server, facts };
        let kind = facts.kinds.iter().find(|known| known.name == kind);
        let kind = kind.ok_or_else(|| Error::new(ErrorKind::Unsupported, "There is no such kind."))?;
        let filter = format!("(&(objectClass={})(cn={}))", kind.class(facts.flavour), ldap_escape(name));
        let found = match self.find(&mut on, &filter).await? {
            Some(found) => Some(found),
            None => {
                let mut values = vec![
                    ("objectClass".to_owned(), vec![kind.class(facts.flavour).into()]),
                    ("cn".to_owned(), vec![name.into()]),
                ];
                if facts.flavour == Flavour::ActiveDirectory {
                    values.push(("sAMAccountName".into(), vec![name.into()]));
                } else if !kind.by_dn {
                    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
                    values.push(("gidNumber".into(), vec![number.to_string().into()]));
                } else if kind.wants_member(facts.flavour) {
                    values.push((kind.member.into(), vec![server.config.placeholder.clone().into()]));
                }
                on.session.add(&server.config.groups.child("cn", name), values, "setting the stage").await?;
                self.find(&mut on, &filter).await?
            }
        };
        session.give_back();
        let group =
            found.ok_or_else(|| Error::new(ErrorKind::InvalidResponse, "What was made is not there."))?;
        Ok(Entitlement {
            kind: kind.name.into(),
            anchor: group.anchor,
            name: group.name,
            administrative: false,
        })
    }

    async fn remove_entitlement(&self, entitlement: &Entitlement) -> Result<()> {
        let server = &*self.0;
        let mut session = server.session().await?;
        let facts = server.facts(&mut session).await?;
        let mut on = On { session: &mut session, server, facts };
        let Some(filter) = facts.by_anchor(&entitlement.anchor) else { return Ok(()) };
        if let Some(group) = self.find(&mut on, &filter).await? {
            on.session.delete(&facts.aim(&group.dn, &group.anchor), "clearing the stage").await?;
        }
        session.give_back();
        Ok(())
    }

    async fn nest(&self, inner: &Entitlement, outer: &Entitlement) -> Result<Option<()>> {
        let server = &*self.0;
        let mut session = server.session().await?;
        let facts = server.facts(&mut session).await?;
        let mut on = On { session: &mut session, server, facts };
        let kind = facts.kinds.iter().find(|known| known.name == outer.kind && known.by_dn);
        let (Some(kind), Some(inner), Some(outer)) =
            (kind, facts.by_anchor(&inner.anchor), facts.by_anchor(&outer.anchor))
        else {
            return Ok(None);
        };
        let (inner, outer) = (self.find(&mut on, &inner).await?, self.find(&mut on, &outer).await?);
        let (Some(inner), Some(outer)) = (inner, outer) else { return Ok(None) };
        let change = Change::Add(kind.member.into(), inner.dn.into());
        on.session
            .modify(&facts.aim(&outer.dn, &outer.anchor), vec![change], "setting the stage", &[])
            .await?;
        session.give_back();
        Ok(Some(()))
    }

    async fn signs_in(&self, account: &AccountRef) -> Result<Option<bool>> {
        let server = &*self.0;
        let mut session = server.session().await?;
        let facts = server.facts(&mut session).await?;
        let mut on = On { session: &mut session, server, facts };
        let Some(found) = on.look_up(&account.anchor).await? else { return Ok(Some(false)) };
        // A new password lifts a lock of OpenLDAP's: one that was disabled has the password from before.
        if found.account.state == State::Enabled {
            password::set(&mut on, &found, &SecretString::from(TRIAL)).await?;
        }
        let binds = self.binds(&found, TRIAL).await?;
        session.give_back();
        Ok(Some(binds))
    }

    async fn credential_works(
        &self,
        account: &AccountRef,
        _kind: &str,
        secret: &SecretString,
    ) -> Result<Option<bool>> {
        let server = &*self.0;
        let mut session = server.session().await?;
        let facts = server.facts(&mut session).await?;
        let mut on = On { session: &mut session, server, facts };
        let Some(found) = on.look_up(&account.anchor).await? else { return Ok(Some(false)) };
        let works = self.binds(&found, secret.expose_secret()).await?;
        session.give_back();
        Ok(Some(works))
    }
}
