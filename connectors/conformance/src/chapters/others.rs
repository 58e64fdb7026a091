//! Somebody else works on the same system at the same time.

use futures::future::join_all;
use provost_sdk::{Account, EntitlementRef, Operation, State, Verb};

use crate::attempt::Caller;
use crate::story::{Outcome, Story};
use crate::words::{check_holds, grant, reference, revoke, told, update};

pub(crate) async fn others(story: &mut Story<'_>) -> Outcome {
    // Under another id, so that a connector which shares what it knows among the ends of one target starts afresh.
    let mut settings = story.settings.clone();
    settings.target.push_str("-other");
    let open =
        |what: &str, error: provost_sdk::Error| format!("A second {what} could not be opened: {error}");
    let writer = story.connector.writer(&settings).map_err(|error| open("writer", error))?;
    let reader = story.connector.reader(&settings).map_err(|error| open("reader", error))?;
    let other = Caller { reader: &*reader, writer: &*writer, ..story.caller() };
    if story.can(Verb::Update) {
        two_attributes(story, other).await?;
    }
    if story.can(Verb::Grant) {
        for kind in story.plain_kinds() {
            let two = story.entitlements(kind).await?;
            one_entitlement(story, other, &two).await?;
        }
    }
    if story.can(Verb::Rename) && story.can(Verb::Disable) {
        a_name_changes_hands(story, other).await?;
    }
    Ok(())
}

/// Two writers change different attributes of one account at once: both stay.
async fn two_attributes(story: &Story<'_>, other: Caller<'_>) -> Outcome {
    let names: Vec<String> = story
        .account_kind()?
        .attributes
        .iter()
        .filter(|attribute| !attribute.read_only)
        .take(2)
        .map(|attribute| attribute.name.clone())
        .collect();
    let [first, second] = &names[..] else { return Ok(()) };
    let ada = story.account("ada").await?;
    for which in [0, 1, 0, 1] {
        let (ours, theirs) = (story.sample(first, which), story.sample(second, which));
        let our_update = update(&ada, &[(first, Some(ours.clone()))]);
        let their_update = update(&ada, &[(second, Some(theirs.clone()))]);
        let (we, they) = futures::join!(story.perform(&our_update), by_other(story, other, &their_update));
        we?;
        they?;
        let seen = story.see(&reference(&ada)).await?;
        for (name, value) in [(first, ours), (second, theirs)] {
            if !seen.has(name, Some(&value), &story.capabilities) {
                return Err(format!(
                    "Two writers changed `{first}` and `{second}` of one account at once; `{name}` should be \
                     {value:?} and is {:?}: the change of one was lost.",
                    seen.attributes.get(name)
                ));
            }
        }
    }
    Ok(())
}

/// Two writers give and take one entitlement at once: every change stays.
async fn one_entitlement(
    story: &Story<'_>,
    other: Caller<'_>,
    [entitlement, _]: &[EntitlementRef; 2],
) -> Outcome {
    let mut people: Vec<Account> = Vec::new();
    for index in 0..6 {
        people.push(story.account(&format!("m{index}")).await?);
    }
    let before = story.read().await?.holders(&entitlement.key());
    let (ours, theirs) = people.split_at(3);
    let expect = async |wanted: &[Account], when: &str| {
        let mut expected = before.clone();
        expected.extend(wanted.iter().map(|account| account.anchor.clone()));
        let seen = story.read().await?.holders(&entitlement.key());
        match seen == expected {
            true => Ok(()),
            false => Err(format!(
                "Two writers {when} the {} {} at once; it should be held by {expected:?} and is held by {seen:?}: \
                 the change of one was lost.",
                entitlement.kind, entitlement.name
            )),
        }
    };
    let (we, they) = futures::join!(
        join_all(ours.iter().map(async |account| story.perform(&grant(account, entitlement)).await)),
        join_all(
            theirs.iter().map(async |account| by_other(story, other, &grant(account, entitlement)).await)
        ),
    );
    we.into_iter().chain(they).collect::<Outcome<Vec<_>>>()?;
    expect(&people, "gave").await?;
    if story.can(Verb::Revoke) {
        let (we, they) = futures::join!(
            join_all(ours.iter().map(async |account| story.perform(&revoke(account, entitlement)).await)),
            join_all(
                theirs[..1]
                    .iter()
                    .map(async |account| by_other(story, other, &revoke(account, entitlement)).await)
            ),
        );
        we.into_iter().chain(they).collect::<Outcome<Vec<_>>>()?;
        expect(&theirs[1..], "took").await?;
        check_holds(&story.see(&reference(&theirs[1])).await?, entitlement, true)?;
    }
    Ok(())
}

/// While we still know an account by its old name, somebody else renames it and gives the name to another account:
/// what we do must hit the one with the anchor.
async fn a_name_changes_hands(story: &Story<'_>, other: Caller<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    by_other(story, other, &Operation::Rename { account: reference(&ada), to: story.name("eve") }).await?;
    let newcomer = match story.attempt(&Operation::Create(story.draft(&ada.username)?)).await {
        Ok(done) => done.receipt.account,
        // A system may keep the old name for the renamed account.
        Err(error) if error.kind == provost_sdk::ErrorKind::AlreadyExists => None,
        Err(error) => {
            return Err(format!("A create of a name that is free again failed as {:?}: {error}", error.kind));
        }
    };
    story.change(&Operation::Disable { account: reference(&ada) }).await?;
    story.check_account(&story.see(&reference(&ada)).await?, State::Disabled, &Default::default())?;
    if let Some(newcomer) = newcomer {
        let newcomer = story.see(&reference(&newcomer)).await?;
        if newcomer.state == State::Disabled {
            return Err(format!(
                "An account was renamed and its old name {} given to another one; disabling the first by its anchor \
                 disabled the second.",
                ada.username
            ));
        }
    }
    Ok(())
}

async fn by_other(
    story: &Story<'_>,
    other: Caller<'_>,
    operation: &Operation,
) -> Outcome<crate::attempt::Done> {
    other.apply(operation, &story.key(), false).await.map_err(|error| {
        format!(
            "{} by a second writer should have worked and failed as {:?}: {error}",
            told(operation),
            error.kind
        )
    })
}
