//! The beginning and the end of every run.

use provost_sdk::{State, Verb};

use crate::attempt::patiently;
use crate::story::{Outcome, Story};
use crate::words::reference;

/// What stands beside the kind of an entitlement in documents, such as `{target: forge, team: engineering}`: a kind of
/// such a name could never be written down.
const TAKEN: [&str; 11] =
    ["accounts", "approvers", "from", "in", "owners", "profile", "reason", "risk", "role", "target", "until"];

pub(crate) async fn probe(story: &mut Story<'_>) -> Outcome {
    let probe = patiently(story.options.attempts, || story.reader().probe())
        .await
        .map_err(|error| format!("A probe should have worked and failed as {:?}: {error}", error.kind))?;
    if probe.product.trim().is_empty() {
        return Err("The probe should name the product, for people, and gave an empty name.".into());
    }
    if probe.permissions.is_empty() {
        return Err(
            "The probe should tell at least one permission, such as listing accounts, and told none.".into(),
        );
    }
    match probe.permissions.iter().find(|permission| permission.granted == Some(false)) {
        None => Ok(()),
        Some(missing) => Err(format!(
            "The suite needs all permissions that the connector needs, and the credential may not {}. {}",
            missing.purpose, missing.hint
        )),
    }
}

pub(crate) async fn before(story: &mut Story<'_>) -> Outcome {
    let declared = &story.capabilities;
    story.account_kind()?;
    for (verb, needed) in [
        (Verb::Enable, Verb::Disable),
        (Verb::Revoke, Verb::Grant),
        (Verb::RotateCredential, Verb::IssueCredential),
        (Verb::IssueCredential, Verb::RevokeCredential),
    ] {
        if story.can(verb) && !story.can(needed) {
            return Err(format!(
                "The operation {} is declared and {} is not, without which it makes no sense.",
                verb.as_str(),
                needed.as_str()
            ));
        }
    }
    if story.can(Verb::IssueCredential) == declared.credentials.is_empty() {
        return Err(
            "Kinds of credential and the operation issue-credential are declared together or not at all."
                .into(),
        );
    }
    if let Some(kind) = declared.entitlement_kinds.iter().find(|kind| TAKEN.contains(&&*kind.name)) {
        return Err(format!(
            "Documents have a field `{}` of their own, so that nobody could write down an entitlement of that kind.",
            kind.name
        ));
    }
    if story.can(Verb::Replace) && story.exclusive_kinds().next().is_none() {
        return Err("The operation replace is declared and no entitlement kind is exclusive.".into());
    }
    if story.can(Verb::Grant) && story.plain_kinds().next().is_none() {
        return Err(
            "The operation grant is declared and there is no entitlement kind that is granted.".into()
        );
    }
    let seen = story.read().await?;
    for account in seen.accounts() {
        if declared.account_kind(&account.kind).is_none() {
            return Err(format!(
                "The account {} is of the kind `{}`, which is not declared.",
                account.username, account.kind
            ));
        }
    }
    for entitlement in seen.entitlements() {
        if declared.entitlement_kind(&entitlement.kind).is_none() {
            return Err(format!(
                "The entitlement {} is of the kind `{}`, which is not declared.",
                entitlement.name, entitlement.kind
            ));
        }
    }
    story.before = Some(seen);
    Ok(())
}

pub(crate) async fn after(story: &mut Story<'_>) -> Outcome {
    let crowd = std::mem::take(&mut story.crowd);
    story.remove_all(&crowd).await;
    let seen = story.read().await?;
    // What a chapter could not take away, or made in a call whose answer it never saw.
    let left: Vec<_> =
        seen.accounts().filter(|account| story.ours(&account.username)).map(reference).collect();
    story.remove_all(&left).await;
    story.clear_scenery().await?;

    let seen = story.read().await?;
    let kept: Vec<_> = match story.can(Verb::Delete) {
        true => Vec::new(),
        false => seen.accounts().filter(|account| story.ours(&account.username)).collect(),
    };
    if let Some(enabled) = kept.iter().find(|account| account.state == State::Enabled)
        && story.can(Verb::Disable)
    {
        return Err(format!(
            "The account {} was made by this run and could not even be disabled.",
            enabled.username
        ));
    }
    let Some(before) = &story.before else {
        return Err(
            "There is nothing to compare with, because what was there before could not be noted.".into()
        );
    };
    let except: Vec<_> = kept.iter().map(|account| &account.anchor).collect();
    let found = before.differences(&seen, &except, &story.prefix, &story.capabilities);
    if !found.is_empty() {
        return Err(format!("The system is not as it was before the run: {}.", found.join("; ")));
    }
    match seen.entitlements().find(|entitlement| story.ours(&entitlement.name)) {
        Some(left) if story.stage.is_some() => {
            Err(format!("The {} {} was made by this run and is still there.", left.kind, left.name))
        }
        _ => Ok(()),
    }
}
