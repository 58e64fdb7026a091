//! Scenery for the conformance suite: groups are made and removed on a throwaway system. Never used by the daemon.

use std::sync::Arc;

use async_trait::async_trait;
use provost_sdk::{Anchor, Comparison, Entitlement, Error, ErrorKind, Result, Stage};
use serde_json::json;

use crate::api::{Outcome, Server, at};
use crate::held::{all_groups, fetch_group, no_group};
use crate::resource::{GROUP, id, list, refers, text};

/// The stage of one target.
#[derive(Debug)]
pub(crate) struct Scenery(pub Arc<Server>);

#[async_trait]
impl Stage for Scenery {
    async fn make_entitlement(&self, kind: &str, name: &str) -> Result<Entitlement> {
        let server = &self.0;
        let path = groups(server).await?;
        let known = self.find(name).await?;
        let id = match known {
            Some(id) => id,
            None => {
                let body = json!({ "schemas": [GROUP], "displayName": name });
                let done = server.post(&path, &body).await?.done()?;
                match done.body.as_ref().and_then(id) {
                    Some(id) => id,
                    None => self.find(name).await?.ok_or_else(|| no_group(name))?,
                }
            }
        };
        // Seen, not only told of.
        fetch_group(server, &id).await?.ok_or_else(|| no_group(&id))?;
        Ok(Entitlement {
            kind: kind.to_owned(),
            anchor: Anchor(id),
            name: name.to_owned(),
            administrative: false,
        })
    }

    async fn remove_entitlement(&self, entitlement: &Entitlement) -> Result<()> {
        let path = at(&groups(&self.0).await?, entitlement.anchor.as_str())?;
        match self.0.delete(&path).await? {
            Outcome::Refused(refusal) if !matches!(refusal.status, 404 | 410) => return Err(refusal.error),
            _ => {}
        }
        match fetch_group(&self.0, entitlement.anchor.as_str()).await? {
            None => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::InvalidResponse, "The deleted group is still there.")),
        }
    }

    async fn nest(&self, inner: &Entitlement, outer: &Entitlement) -> Result<Option<()>> {
        let path = at(&groups(&self.0).await?, outer.anchor.as_str())?;
        let member = json!({ "value": inner.anchor.as_str(), "type": "Group" });
        let operation = json!({ "op": "add", "path": "members", "value": [member] });
        if let Outcome::Refused(_) = self.0.patch(&path, vec![operation]).await? {
            return Ok(None);
        }
        // A server that keeps no groups in groups says so by not showing it.
        let outer = fetch_group(&self.0, outer.anchor.as_str()).await?;
        let members = outer.as_ref().and_then(|outer| list(outer, "members")).unwrap_or_default();
        Ok(members.iter().any(|member| refers(member, inner.anchor.as_str())).then_some(()))
    }
}

impl Scenery {
    async fn find(&self, name: &str) -> Result<Option<String>> {
        let (groups, _) = all_groups(&self.0, &[]).await?;
        let same = |found: String| Comparison::IgnoreCase.same(&found, name);
        let named = groups.iter().find(|group| text(group, "displayName").is_some_and(same));
        Ok(named.and_then(id))
    }
}

async fn groups(server: &Server) -> Result<String> {
    let path = server.found().await?.groups.clone();
    path.ok_or_else(|| Error::new(ErrorKind::Unsupported, "The server has no groups."))
}
