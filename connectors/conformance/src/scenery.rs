//! The entitlements that a run may give and take, and what the connector's stage does for it.

use std::sync::PoisonError;

use provost_sdk::{Entitlement, EntitlementKey, EntitlementKind, EntitlementRef, Error, ErrorKind, Stage};

use crate::attempt::patiently;
use crate::story::{Outcome, Story};

impl Story<'_> {
    /// Two entitlements of a kind that the suite may give: named by the options, made by the stage, or found.
    pub(crate) async fn entitlements(&self, kind: &EntitlementKind) -> Outcome<[EntitlementRef; 2]> {
        let role = kind.roles.first().cloned();
        let found = self.find_entitlements(&kind.name).await?;
        match <[Entitlement; 2]>::try_from(found) {
            Ok(two) => Ok(two.map(|entitlement| EntitlementRef {
                kind: entitlement.kind,
                anchor: entitlement.anchor,
                name: entitlement.name,
                role: role.clone(),
            })),
            Err(few) => Err(format!(
                "The suite needs two entitlements of the kind `{0}` that it may give and take, and there are {1}: \
                 make two on the throwaway system, and name them in the Target file under `conformance: \
                 {{entitlements: [{{{0}: NAME}}, ...]}}`.",
                kind.name,
                few.len()
            )),
        }
    }

    async fn find_entitlements(&self, kind: &str) -> Outcome<Vec<Entitlement>> {
        let named: Vec<&str> =
            self.options.entitlements.iter().filter(|known| known.0 == kind).map(|known| &*known.1).collect();
        if named.is_empty()
            && let Some(stage) = &self.stage
        {
            let mut made = Vec::new();
            for tail in ["a", "b"] {
                made.push(
                    self.make_entitlement(&**stage, kind, &format!("{}-{kind}-{tail}", self.prefix)).await?,
                );
            }
            return Ok(made);
        }
        let comparison =
            self.capabilities.entitlement_kind(kind).map(|kind| kind.comparison).unwrap_or_default();
        let seen = self.read().await?;
        let mut found: Vec<&Entitlement> = seen
            .entitlements()
            .filter(|known| known.kind == kind && !known.administrative)
            .filter(|known| named.is_empty() || named.iter().any(|name| comparison.same(name, &known.name)))
            .collect();
        // Those that nobody holds come first: there the last member can leave.
        let key = |known: &Entitlement| EntitlementKey {
            kind: known.kind.clone(),
            anchor: known.anchor.clone(),
            role: None,
        };
        found.sort_by_key(|known| seen.holders(&key(known)).len());
        Ok(found.into_iter().take(2).cloned().collect())
    }

    /// Makes an entitlement and remembers it for the clearing up at the end of the run.
    pub(crate) async fn make_entitlement(
        &self,
        stage: &dyn Stage,
        kind: &str,
        name: &str,
    ) -> Outcome<Entitlement> {
        let made = staged(self, || stage.make_entitlement(kind, name)).await?;
        let mut scenery = self.scenery.lock().unwrap_or_else(PoisonError::into_inner);
        if !scenery.contains(&made) {
            scenery.push(made.clone());
        }
        Ok(made)
    }

    /// Takes away what the stage made.
    pub(crate) async fn clear_scenery(&self) -> Outcome {
        let scenery = std::mem::take(&mut *self.scenery.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(stage) = &self.stage else { return Ok(()) };
        for entitlement in &scenery {
            staged(self, || stage.remove_entitlement(entitlement)).await?;
        }
        Ok(())
    }
}

/// Does something on the stage. A stage is simpler than a connector, so that whatever goes wrong there is tried again.
pub(crate) async fn staged<T, F>(story: &Story<'_>, call: impl Fn() -> F) -> Outcome<T>
where
    F: Future<Output = provost_sdk::Result<T>>,
{
    let again = async || {
        call().await.map_err(|error| match error.kind {
            ErrorKind::Unsupported => error,
            kind => Error::new(ErrorKind::Unavailable, format!("{kind:?}: {}", error.message)),
        })
    };
    let done = patiently(story.options.attempts, again).await;
    done.map_err(|error| format!("The connector's stage failed as {error}"))
}
