//! What accounts own, and the secrets that act for them.

use provost_sdk::{Account, Anchor, ErrorKind, ExposeSecret, Operation, Receipt, SecretString, Verb};

use super::verbs;
use crate::scenery::staged;
use crate::story::{Outcome, Story};
use crate::words::reference;

pub(crate) async fn transfer(story: &mut Story<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    let bea = story.account("bea").await?;
    let cyd = story.account("cyd").await?;
    let hers = own_something(story, &ada).await?;
    let others = own_something(story, &cyd).await?;
    let transfer = Operation::Transfer { from: reference(&ada), to: reference(&bea) };
    match &hers {
        Some(_) => drop(story.change(&transfer).await?),
        None => drop(story.perform(&transfer).await?),
    }
    expect_owner(story, hers.as_deref(), &bea).await?;
    expect_owner(story, others.as_deref(), &cyd).await?;
    story.again(&transfer).await?;
    expect_owner(story, hers.as_deref(), &bea).await?;
    for account in [&ada, &bea] {
        let seen = story.see(&reference(account)).await?;
        story.check_account(&seen, account.state, &account.attributes)?;
    }
    if let Some(stage) = &story.stage {
        for thing in hers.iter().chain(&others) {
            staged(story, || stage.remove_thing(thing)).await?;
        }
    }
    Ok(())
}

pub(crate) fn needs_credentials(story: &Story<'_>) -> Result<(), String> {
    match story.capabilities.credentials.is_empty() {
        true => Err("a kind of credential".into()),
        false => verbs(story, &[Verb::Create, Verb::IssueCredential, Verb::RevokeCredential]),
    }
}

pub(crate) async fn credentials(story: &mut Story<'_>) -> Outcome {
    for kind in &story.capabilities.credentials {
        let ada = story.account("ada").await?;
        let issue = Operation::IssueCredential { account: reference(&ada), kind: kind.clone() };
        let (first, first_secret) = issued(story.change(&issue).await?, kind)?;
        expect_works(story, &ada, kind, &first_secret, true).await?;
        let mut last = (first.clone(), first_secret.clone());
        if story.can(Verb::RotateCredential) {
            let rotate = Operation::RotateCredential {
                account: reference(&ada),
                kind: kind.clone(),
                credential: first.clone(),
            };
            last = issued(story.change(&rotate).await?, kind)?;
            if last.0 == first || last.1.expose_secret() == first_secret.expose_secret() {
                return Err(format!(
                    "A rotated {kind} should be a new one beside the old one, and it is the same."
                ));
            }
            expect_works(story, &ada, kind, &last.1, true).await?;
            expect_works(story, &ada, kind, &first_secret, true).await?;
            expect_gone(story, revoke(&ada, kind, &first)).await?;
            expect_works(story, &ada, kind, &first_secret, false).await?;
            expect_works(story, &ada, kind, &last.1, true).await?;
        }
        expect_gone(story, revoke(&ada, kind, &last.0)).await?;
        expect_works(story, &ada, kind, &last.1, false).await?;
    }
    Ok(())
}

fn revoke(account: &Account, kind: &str, credential: &Anchor) -> Operation {
    Operation::RevokeCredential {
        account: reference(account),
        kind: kind.to_owned(),
        credential: credential.clone(),
    }
}

/// Revokes a credential, and once more.
async fn expect_gone(story: &Story<'_>, revoke: Operation) -> Outcome {
    story.change(&revoke).await?;
    match story.attempt(&revoke).await {
        Ok(done) if !done.receipt.changed || done.doubted => Ok(()),
        Ok(_) => Err("Revoking a credential that is gone was answered as a change.".into()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("Revoking a credential that is gone failed as {:?}: {error}", error.kind)),
    }
}

fn issued(receipt: Receipt, kind: &str) -> Outcome<(Anchor, SecretString)> {
    match (receipt.credential, receipt.secret) {
        (Some(anchor), Some(secret)) if !secret.expose_secret().is_empty() => Ok((anchor, secret)),
        _ => Err(format!(
            "The receipt of a new {kind} should carry its secret and its id, and does not carry both."
        )),
    }
}

async fn expect_works(
    story: &Story<'_>,
    account: &Account,
    kind: &str,
    secret: &SecretString,
    wanted: bool,
) -> Outcome {
    let Some(stage) = &story.stage else { return Ok(()) };
    let account = reference(account);
    match staged(story, || stage.credential_works(&account, kind, secret)).await? {
        Some(works) if works != wanted => Err(format!(
            "A {kind} of {} should {}be accepted and is{}.",
            account.username,
            if wanted { "" } else { "not " },
            if works { "" } else { " not" }
        )),
        _ => Ok(()),
    }
}

async fn own_something(story: &Story<'_>, account: &Account) -> Outcome<Option<String>> {
    let Some(stage) = &story.stage else { return Ok(None) };
    let account = reference(account);
    staged(story, || stage.own_something(&account)).await
}

async fn expect_owner(story: &Story<'_>, thing: Option<&str>, wanted: &Account) -> Outcome {
    let (Some(stage), Some(thing)) = (&story.stage, thing) else { return Ok(()) };
    let owner = staged(story, || stage.owner_of(thing)).await?;
    match owner.as_ref() == Some(&wanted.anchor) {
        true => Ok(()),
        false => Err(format!(
            "{thing} should belong to {} ({}) and belongs to {owner:?}.",
            wanted.username, wanted.anchor
        )),
    }
}
