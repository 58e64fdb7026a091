//! Accounts come and go.

use provost_sdk::{ErrorKind, Operation, State, Value, Verb, Wanted};

use crate::story::{Outcome, Story};
use crate::words::{check_holds, grant, reference, revoke, told, update};

pub(crate) async fn create(story: &mut Story<'_>) -> Outcome {
    let username = story.name("ada");
    story.see_nobody(&Wanted::Username(username.clone())).await?;
    let before = story.read().await?;

    let draft = story.full_draft(&username)?;
    let attributes = draft.attributes.clone();
    let kind = draft.kind.clone();
    let operation = Operation::Create(draft);
    let receipt = story.change(&operation).await.map_err(|message| {
        format!(
            "{message} (Where a value was refused: values that the system accepts can be given in the Target \
                 file under `conformance: {{attributes: {{NAME: [one, another]}}}}`.)"
        )
    })?;
    let account =
        receipt.account.ok_or("The receipt of a create should carry the account and carries none.")?;

    if !story.capabilities.usernames.same(&account.username, &username) {
        return Err(format!("The username should be {username} and is {}.", account.username));
    }
    if account.kind != kind {
        return Err(format!(
            "The account should be of the kind `{kind}` and is of the kind `{}`.",
            account.kind
        ));
    }
    story.check_account(&account, State::Enabled, &attributes)?;
    for wanted in [Wanted::Anchor(account.anchor.clone()), Wanted::Username(username.clone())] {
        let found = story.look_up(&wanted).await?;
        let found = found.ok_or_else(|| {
            format!("A look-up of {wanted:?} should find the new account and found nobody.")
        })?;
        if found.anchor != account.anchor {
            return Err(format!(
                "The receipt says that the new account is {} and a look-up says {}.",
                account.anchor, found.anchor
            ));
        }
        story.check_account(&found, State::Enabled, &attributes)?;
    }
    let after = story.nothing_else_changed(&before, &[&account.anchor]).await?;
    let listed = after
        .account(&account.anchor)
        .ok_or_else(|| format!("A complete read should show the new account {username} and does not."))?;
    story.check_account(listed, State::Enabled, &attributes)?;
    let same_name = after
        .accounts()
        .filter(|other| story.capabilities.usernames.same(&other.username, &username))
        .count();
    match same_name {
        1 => Ok(()),
        _ => Err(format!("A complete read should show one account {username} and shows {same_name}.")),
    }
}

pub(crate) async fn create_twice(story: &mut Story<'_>) -> Outcome {
    let account = story.account("ada").await?;
    let before = story.read().await?;
    let mut second = story.draft(&account.username)?;
    second.identity = format!("p-{}-other", account.username);
    story.refused(&Operation::Create(second), &[ErrorKind::AlreadyExists]).await?;
    story.nothing_else_changed(&before, &[]).await?;
    Ok(())
}

pub(crate) async fn delete(story: &mut Story<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    let bea = story.account("bea").await?;
    let mut held = Vec::new();
    if story.can(Verb::Grant) {
        for kind in story.plain_kinds() {
            let [entitlement, _] = story.entitlements(kind).await?;
            for account in [&ada, &bea] {
                story.change(&grant(account, &entitlement)).await?;
            }
            held.push(entitlement);
        }
    }
    let before = story.read().await?;
    let delete = Operation::Delete { account: reference(&ada) };
    story.change(&delete).await?;
    story.see_nobody(&Wanted::Anchor(ada.anchor.clone())).await?;
    story.see_nobody(&Wanted::Username(ada.username.clone())).await?;
    let after = story.nothing_else_changed(&before, &[&ada.anchor]).await?;
    if after.account(&ada.anchor).is_some() {
        return Err(format!("{} was deleted and a complete read still shows it.", ada.username));
    }
    for entitlement in &held {
        let holders = after.holders(&entitlement.key());
        if holders.contains(&ada.anchor) {
            return Err(format!(
                "{} was deleted and is still listed in the {} {}.",
                ada.username, entitlement.kind, entitlement.name
            ));
        }
        let bea = story.see(&reference(&bea)).await?;
        check_holds(&bea, entitlement, true)?;
    }
    match story.attempt(&delete).await {
        Ok(done) if !done.receipt.changed => Ok(()),
        Ok(_) => Err("Deleting an account that is gone was answered as a change.".into()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!(
            "Deleting an account that is gone should be not found or unchanged and failed as {:?}: {error}",
            error.kind
        )),
    }
}

pub(crate) async fn gone(story: &mut Story<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    story.change(&Operation::Delete { account: reference(&ada) }).await?;

    // Somebody else gets the name: everything that is still on its way to the old account must miss this one.
    let newcomer = match story.attempt(&Operation::Create(story.draft(&ada.username)?)).await {
        Ok(done) => done.receipt.account,
        // A system that never gives a name again is even safer.
        Err(error) if error.kind == ErrorKind::AlreadyExists => None,
        Err(error) => {
            return Err(format!("A create of a name that is free again failed as {:?}: {error}", error.kind));
        }
    };
    if let Some(newcomer) = &newcomer
        && newcomer.anchor == ada.anchor
    {
        return Err(format!("The anchor {} was given a second time, to another account.", ada.anchor));
    }
    let before = story.read().await?;

    let account = || reference(&ada);
    let mut operations = Vec::new();
    if let Some(attribute) = story.account_kind()?.attributes.iter().find(|attribute| !attribute.read_only) {
        operations.push(update(&ada, &[(&attribute.name, Some(story.sample(&attribute.name, 1)))]));
    }
    operations.push(Operation::Rename { account: account(), to: story.name("eve") });
    operations.push(Operation::Disable { account: account() });
    operations.push(Operation::Enable { account: account() });
    operations.push(Operation::EndSessions { account: account() });
    for kind in story.plain_kinds() {
        if story.can(Verb::Grant) {
            let [entitlement, _] = story.entitlements(kind).await?;
            operations.push(grant(&ada, &entitlement));
            operations.push(revoke(&ada, &entitlement));
        }
    }
    for kind in &story.capabilities.credentials {
        operations.push(Operation::IssueCredential { account: account(), kind: kind.clone() });
    }
    operations.push(Operation::Delete { account: account() });
    for operation in operations.iter().filter(|operation| story.can(operation.verb())) {
        match story.attempt(operation).await {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(format!(
                    "{}, which is gone, should be not found and failed as {:?}: {error}",
                    told(operation),
                    error.kind
                ));
            }
            Ok(done) => {
                let nothing_to_take = operation.verb().takes_away() || operation.verb() == Verb::Delete;
                if done.receipt.changed || !nothing_to_take {
                    return Err(format!(
                        "{}, which is gone, should be not found and was answered as done.",
                        told(operation)
                    ));
                }
            }
        }
    }
    story.nothing_else_changed(&before, &[]).await?;
    if let Some(newcomer) = newcomer {
        let newcomer = story.see(&reference(&newcomer)).await?;
        story.check_account(&newcomer, State::Enabled, &Default::default())?;
        if newcomer.attributes.values().any(|value| *value == Value::from(ada.anchor.as_str())) {
            return Err("The new account of the name carries the old one's anchor.".into());
        }
    }
    Ok(())
}
