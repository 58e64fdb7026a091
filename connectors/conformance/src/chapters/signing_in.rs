//! Who gets in.

use provost_sdk::{Account, EntitlementRef, Operation, State, Verb, Wanted};

use super::verbs;
use crate::scenery::staged;
use crate::seen::steady;
use crate::story::{Outcome, Story};
use crate::words::{check_holds, grant, reference};

pub(crate) async fn disable(story: &mut Story<'_>) -> Outcome {
    let (ada, held) = furnished(story).await?;
    let bea = story.account("bea").await?;
    let before = story.read().await?;
    expect_signs_in(story, &ada, true).await?;

    let disable = Operation::Disable { account: reference(&ada) };
    let receipt = story.change(&disable).await?;
    let said =
        receipt.account.ok_or("The receipt of a disable should carry the account and carries none.")?;
    if said.state != State::Disabled {
        return Err(format!("The receipt of a disable says that {} is {:?}.", ada.username, said.state));
    }
    for wanted in [Wanted::Anchor(ada.anchor.clone()), Wanted::Username(ada.username.clone())] {
        let found = story.look_up(&wanted).await?.ok_or_else(|| {
            format!(
                "{} was disabled and a look-up of {wanted:?} finds nobody: disabling is not deleting.",
                ada.username
            )
        })?;
        expect_same(story, &ada, &found, State::Disabled, &held)?;
    }
    let after = story.nothing_else_changed(&before, &[&ada.anchor]).await?;
    match after.account(&ada.anchor) {
        Some(listed) if listed.state == State::Disabled => {}
        Some(_) => {
            return Err(format!("{} was disabled and a complete read shows it enabled.", ada.username));
        }
        None => {
            return Err(format!(
                "{} was disabled and a complete read does not show it: disabled accounts are read like all others.",
                ada.username
            ));
        }
    }
    expect_signs_in(story, &ada, false).await?;
    expect_signs_in(story, &bea, true).await?;
    story.again(&disable).await?;
    Ok(())
}

pub(crate) async fn enable(story: &mut Story<'_>) -> Outcome {
    let (ada, held) = furnished(story).await?;
    let enable = Operation::Enable { account: reference(&ada) };
    story.again(&enable).await?;
    story.change(&Operation::Disable { account: reference(&ada) }).await?;
    let before = story.read().await?;
    let receipt = story.change(&enable).await?;
    let said =
        receipt.account.ok_or("The receipt of an enable should carry the account and carries none.")?;
    if said.state != State::Enabled {
        return Err(format!("The receipt of an enable says that {} is {:?}.", ada.username, said.state));
    }
    let found = story.see(&reference(&ada)).await?;
    expect_same(story, &ada, &found, State::Enabled, &held)?;
    expect_signs_in(story, &ada, true).await?;
    story.nothing_else_changed(&before, &[&ada.anchor]).await?;
    Ok(())
}

pub(crate) fn needs_sessions(story: &Story<'_>) -> Result<(), String> {
    match story.capabilities.disable_ends_sessions {
        true => verbs(story, &[Verb::Create, Verb::Disable]),
        false => verbs(story, &[Verb::Create, Verb::EndSessions]),
    }
}

pub(crate) async fn sessions(story: &mut Story<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    let bea = story.account("bea").await?;
    if story.can(Verb::EndSessions) {
        let ended = open_session(story, &ada).await?;
        let kept = open_session(story, &bea).await?;
        story.perform(&Operation::EndSessions { account: reference(&ada) }).await?;
        expect_session(story, ended.as_deref(), false, "was ended").await?;
        expect_session(story, kept.as_deref(), true, "is another account's").await?;
        story.check_account(&story.see(&reference(&ada)).await?, State::Enabled, &ada.attributes)?;
        expect_signs_in(story, &ada, true).await?;
        if story.can(Verb::Disable) && story.can(Verb::Enable) {
            story.change(&Operation::Disable { account: reference(&ada) }).await?;
            story.change(&Operation::Enable { account: reference(&ada) }).await?;
            expect_session(
                story,
                ended.as_deref(),
                false,
                "was ended before its account was disabled and enabled",
            )
            .await?;
        }
    }
    if story.capabilities.disable_ends_sessions && story.can(Verb::Disable) {
        let ended = open_session(story, &ada).await?;
        let kept = open_session(story, &bea).await?;
        story.change(&Operation::Disable { account: reference(&ada) }).await?;
        expect_session(story, ended.as_deref(), false, "belongs to an account that was disabled").await?;
        if story.can(Verb::Enable) {
            story.change(&Operation::Enable { account: reference(&ada) }).await?;
            expect_session(
                story,
                ended.as_deref(),
                false,
                "was to end for good when its account was disabled",
            )
            .await?;
        }
        expect_session(story, kept.as_deref(), true, "is another account's").await?;
    }
    Ok(())
}

/// An account with a value in every attribute that holds one entitlement of each kind.
async fn furnished(story: &Story<'_>) -> Outcome<(Account, Vec<EntitlementRef>)> {
    let ada = story.create(story.full_draft(&story.name("ada"))?).await?;
    let mut held = Vec::new();
    if story.can(Verb::Grant) {
        for kind in story.plain_kinds() {
            let [entitlement, _] = story.entitlements(kind).await?;
            story.change(&grant(&ada, &entitlement)).await?;
            held.push(entitlement);
        }
    }
    Ok((story.see(&reference(&ada)).await?, held))
}

/// That an account is what it was but for its state.
fn expect_same(
    story: &Story<'_>,
    before: &Account,
    found: &Account,
    state: State,
    held: &[EntitlementRef],
) -> Outcome {
    let wanted = Account { state, ..steady(before, &story.capabilities) };
    let found = steady(found, &story.capabilities);
    if found.state != state {
        return Err(format!("{} should be {state:?} and is {:?}.", before.username, found.state));
    }
    for entitlement in held {
        check_holds(&found, entitlement, true)?;
    }
    match found == wanted {
        true => Ok(()),
        false => Err(format!("Only the state should change: {wanted:?} became {found:?}.")),
    }
}

async fn expect_signs_in(story: &Story<'_>, account: &Account, wanted: bool) -> Outcome {
    let Some(stage) = &story.stage else { return Ok(()) };
    let account = reference(account);
    match staged(story, || stage.signs_in(&account)).await? {
        Some(signs_in) if signs_in != wanted => Err(format!(
            "{} should {}be able to sign in and {}.",
            account.username,
            if wanted { "" } else { "not " },
            if signs_in { "can" } else { "cannot" }
        )),
        _ => Ok(()),
    }
}

/// Opens a session where the stage can.
async fn open_session(story: &Story<'_>, account: &Account) -> Outcome<Option<String>> {
    let Some(stage) = &story.stage else { return Ok(None) };
    let account = reference(account);
    let session = staged(story, || stage.open_session(&account)).await?;
    expect_session(story, session.as_deref(), true, "was just opened").await?;
    Ok(session)
}

async fn expect_session(story: &Story<'_>, session: Option<&str>, wanted: bool, because: &str) -> Outcome {
    let (Some(stage), Some(session)) = (&story.stage, session) else { return Ok(()) };
    match staged(story, || stage.session_works(session)).await? {
        Some(works) if works != wanted => Err(format!(
            "A session that {because} should {}work and does{}.",
            if wanted { "" } else { "not " },
            if works { "" } else { " not" }
        )),
        _ => Ok(()),
    }
}
