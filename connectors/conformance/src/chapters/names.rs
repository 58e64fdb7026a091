//! What an account is called, and how it is found.

use provost_sdk::{Account, Comparison, ErrorKind, Operation, Value, Verb, Wanted};

use crate::attempt::patiently;
use crate::scenery::staged;
use crate::seen::steady;
use crate::story::{Outcome, Story};
use crate::words::{check_holds, grant, reference, update};

/// Texts that go wrong where somebody builds a query, a path, a filter or a command out of text.
pub(super) const ODD: &[&str] = &[
    "Zoë Núñez",
    "名前",
    "🙂",
    "o'brien",
    "say \"hi\"",
    "back\\slash",
    " leading",
    "trailing ",
    "two  spaces",
    "%",
    "*",
    "(",
    "a/b",
    "../up",
    "a,b=c",
    "a;b",
    "a#b",
    "a?b=1&c=2",
    "a+b",
    "{x}",
    "$HOME",
    "<b>",
    "null",
    "-",
];

pub(crate) async fn odd_names(story: &mut Story<'_>) -> Outcome {
    let longest = |start: String| format!("{start}{}", "x".repeat(200 - start.chars().count()));
    let names: Vec<String> = ODD.iter().map(|odd| story.name(odd)).chain([longest(story.name(""))]).collect();
    for name in &names {
        story.see_nobody(&Wanted::Username(name.clone())).await?;
        match story.attempt(&Operation::Create(story.draft(name)?)).await {
            Ok(done) => {
                let account = done
                    .receipt
                    .account
                    .ok_or("The receipt of a create should carry the account and carries none.")?;
                if !story.capabilities.usernames.same(&account.username, name) {
                    return Err(format!(
                        "An account was to be called {name:?} and is called {:?}: a name is kept as it is or refused \
                         as InvalidValue.",
                        account.username
                    ));
                }
                let found = story.look_up(&Wanted::Username(name.clone())).await?;
                if found.as_ref().map(|found| &found.anchor) != Some(&account.anchor) {
                    return Err(format!(
                        "The account {name:?} was made and a look-up by that name does not find it."
                    ));
                }
                let found = story.see(&reference(&account)).await?;
                if !story.capabilities.usernames.same(&found.username, name) {
                    return Err(format!("The account {name:?} reads back as {:?}.", found.username));
                }
            }
            Err(error) if error.kind == ErrorKind::InvalidValue => {
                story.see_nobody(&Wanted::Username(name.clone())).await?;
            }
            Err(error) => {
                return Err(format!(
                    "The username {name:?} should be kept or refused as InvalidValue and failed as {:?}: {error}",
                    error.kind
                ));
            }
        }
    }
    // All of them together in one read: a list is read past every one of them.
    story.read().await?;
    Ok(())
}

pub(crate) async fn look_up(story: &mut Story<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    let longer = story.create(story.draft(&format!("{}m", ada.username))?).await?;
    for account in [&ada, &longer] {
        for wanted in [Wanted::Username(account.username.clone()), Wanted::Anchor(account.anchor.clone())] {
            match story.look_up(&wanted).await? {
                Some(found) if found.anchor == account.anchor => {}
                found => {
                    return Err(format!(
                        "A look-up of {wanted:?} should find {} and found {:?}.",
                        account.anchor,
                        found.map(|found| found.anchor)
                    ));
                }
            }
        }
    }
    let part = &ada.username[..ada.username.len() - 1];
    for name in
        [part, &format!("{part}*"), &format!("{part}%"), &format!("x{}", ada.username), "*", "%", "(", "\""]
    {
        let known = story.before.as_ref().is_some_and(|seen| {
            seen.accounts().any(|account| story.capabilities.usernames.same(&account.username, name))
        });
        if !known {
            story.see_nobody(&Wanted::Username(name.to_owned())).await?;
        }
    }
    for anchor in ["0", "does-not-exist", "../x", "*", "' OR 1=1 --"] {
        match story.caller().look_up(&Wanted::Anchor(anchor.into())).await {
            Ok(None) => {}
            // What cannot be an anchor here may be called so.
            Err(error) if error.kind == ErrorKind::InvalidValue => {}
            Ok(Some(found)) => {
                return Err(format!(
                    "A look-up of the anchor {anchor:?} should find nobody and found {}.",
                    found.username
                ));
            }
            Err(error) => {
                return Err(format!(
                    "A look-up of the anchor {anchor:?} should find nobody and failed as {:?}: {error}",
                    error.kind
                ));
            }
        }
    }
    if story.can(Verb::Delete) {
        story.change(&Operation::Delete { account: reference(&longer) }).await?;
        story.see_nobody(&Wanted::Anchor(longer.anchor.clone())).await?;
        story.see(&reference(&ada)).await?;
    }
    Ok(())
}

pub(crate) async fn case(story: &mut Story<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    let variant = ada.username.to_uppercase();
    let comparison = story.capabilities.usernames;
    let found = story.look_up(&Wanted::Username(variant.clone())).await?;
    match (comparison, found) {
        (Comparison::IgnoreCase, Some(found)) if found.anchor == ada.anchor => {}
        (Comparison::Exact, None) => {}
        (_, found) => {
            return Err(format!(
                "Usernames are declared to compare as {comparison:?}, the account is called {} and a look-up of \
                 {variant} found {:?}.",
                ada.username,
                found.map(|found| found.username)
            ));
        }
    }
    let before = story.read().await?;
    let create = Operation::Create(story.draft(&variant)?);
    match (comparison, story.attempt(&create).await) {
        (Comparison::IgnoreCase, Err(error)) if error.kind == ErrorKind::AlreadyExists => {
            story.nothing_else_changed(&before, &[]).await?;
        }
        (Comparison::Exact, Ok(done)) => {
            let other = done.receipt.account.ok_or("The receipt of a create carries no account.")?;
            if other.anchor == ada.anchor || other.username != variant {
                return Err(format!(
                    "Usernames are declared to compare exactly, and a create of {variant} beside {} gave {} ({}).",
                    ada.username, other.username, other.anchor
                ));
            }
            story.nothing_else_changed(&before, &[&other.anchor]).await?;
        }
        // A system may have no names in capital letters at all.
        (Comparison::Exact, Err(error)) if error.kind == ErrorKind::InvalidValue => {}
        (_, Ok(_)) => {
            return Err(format!(
                "Usernames are declared to compare without regard to case, and both {} and {variant} could be made.",
                ada.username
            ));
        }
        (_, Err(error)) => {
            return Err(format!(
                "Usernames are declared to compare as {comparison:?}, and a create of {variant} beside {} failed as \
                 {:?}: {error}",
                ada.username, error.kind
            ));
        }
    }
    entitlement_case(story).await
}

/// The same for the names of entitlements, where the connector's stage can make some.
async fn entitlement_case(story: &Story<'_>) -> Outcome {
    let Some(stage) = &story.stage else { return Ok(()) };
    for kind in &story.capabilities.entitlement_kinds {
        let name = format!("{}-{}-case", story.prefix, kind.name);
        let first = story.make_entitlement(&**stage, &kind.name, &name).await?;
        let variant = name.to_uppercase();
        // A refusal says that the name is taken, or that there is no such name here: in both cases there are not two.
        let make = || stage.make_entitlement(&kind.name, &variant);
        let second = patiently(story.options.attempts, make).await.ok();
        let two = second.as_ref().is_some_and(|second| second.anchor != first.anchor);
        if let Some(second) = second.filter(|_| two) {
            staged(story, || stage.remove_entitlement(&second)).await?;
        }
        if two && kind.comparison == Comparison::IgnoreCase {
            return Err(format!(
                "Names of the kind `{}` are declared to compare without regard to case, and both {name} and {variant} \
                 could be made.",
                kind.name
            ));
        }
    }
    Ok(())
}

pub(crate) async fn rename(story: &mut Story<'_>) -> Outcome {
    let mut ada = story.account("ada").await?;
    let bea = story.account("bea").await?;
    let mut held = Vec::new();
    if story.can(Verb::Grant) {
        for kind in story.plain_kinds() {
            let [entitlement, _] = story.entitlements(kind).await?;
            story.change(&grant(&ada, &entitlement)).await?;
            held.push(entitlement);
        }
    }
    if story.can(Verb::Update)
        && let Some(attribute) =
            story.account_kind()?.attributes.iter().find(|attribute| !attribute.read_only)
    {
        let value: Value = story.sample(&attribute.name, 0);
        story.perform(&update(&ada, &[(&attribute.name, Some(value))])).await?;
    }
    ada = story.see(&reference(&ada)).await?;
    let before = story.read().await?;

    let to = story.name("eve");
    let operation = Operation::Rename { account: reference(&ada), to: to.clone() };
    let receipt = story.change(&operation).await?;
    let said = receipt.account.ok_or("The receipt of a rename should carry the account and carries none.")?;
    if said.anchor != ada.anchor {
        return Err(format!(
            "A rename should keep the anchor {} and the receipt says {}.",
            ada.anchor, said.anchor
        ));
    }
    let renamed = story.see(&reference(&ada)).await?;
    expect_named(story, &renamed, &to)?;
    let found = story.look_up(&Wanted::Username(to.clone())).await?;
    if found.as_ref().map(|found| &found.anchor) != Some(&ada.anchor) {
        return Err(format!(
            "{} was renamed to {to} and a look-up of the new name does not find it.",
            ada.username
        ));
    }
    story.see_nobody(&Wanted::Username(ada.username.clone())).await?;
    let unnamed =
        |account: &Account| Account { username: String::new(), ..steady(account, &story.capabilities) };
    if unnamed(&renamed) != unnamed(&ada) {
        return Err(format!(
            "A rename should change the username and nothing else, and of {ada:?} it made {renamed:?}."
        ));
    }
    for entitlement in &held {
        check_holds(&renamed, entitlement, true)?;
    }
    story.nothing_else_changed(&before, &[&ada.anchor]).await?;

    let again = Operation::Rename { account: reference(&renamed), to: to.clone() };
    story.again(&again).await?;
    let taken = Operation::Rename { account: reference(&renamed), to: bea.username.clone() };
    story.refused(&taken, &[ErrorKind::AlreadyExists]).await?;
    expect_named(story, &story.see(&reference(&renamed)).await?, &to)?;
    expect_named(story, &story.see(&reference(&bea)).await?, &bea.username)?;

    // Another spelling of its own name is no clash with itself.
    let variant = to.to_uppercase();
    match story.attempt(&Operation::Rename { account: reference(&renamed), to: variant.clone() }).await {
        Ok(_) => {
            let respelled = story.see(&reference(&renamed)).await?;
            expect_named(story, &respelled, &variant)
        }
        Err(error) if error.kind == ErrorKind::InvalidValue => Ok(()),
        Err(error) => {
            Err(format!("A rename of {to} to its own spelling {variant} failed as {:?}: {error}", error.kind))
        }
    }
}

fn expect_named(story: &Story<'_>, account: &Account, wanted: &str) -> Outcome {
    match story.capabilities.usernames.same(&account.username, wanted) {
        true => Ok(()),
        false => Err(format!(
            "The account {} should be called {wanted} and is called {}.",
            account.anchor, account.username
        )),
    }
}
