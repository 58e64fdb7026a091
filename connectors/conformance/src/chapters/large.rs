//! More than one page of everything. These chapters share their accounts, which the last chapter of the run takes
//! away.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use provost_sdk::{Account, Anchor, Operation, Verb, Wanted};

use crate::story::{Outcome, Story};
use crate::words::{check_holds, reference};

pub(crate) async fn accounts(story: &mut Story<'_>) -> Outcome {
    let wanted = story.options.accounts;
    gather(story, wanted).await?;
    let seen = story.read().await?;
    let mut usernames: BTreeMap<&Anchor, &str> = BTreeMap::new();
    for account in seen.accounts() {
        usernames.insert(&account.anchor, &account.username);
    }
    let missing: Vec<&str> = story
        .crowd
        .iter()
        .filter(|account| {
            !usernames
                .get(&account.anchor)
                .is_some_and(|name| story.capabilities.usernames.same(name, &account.username))
        })
        .map(|account| account.username.as_str())
        .collect();
    if let [first, ..] = missing[..] {
        return Err(format!(
            "A complete read should show {} accounts that were just made, and {} of them are missing, such as {first}.",
            story.crowd.len(),
            missing.len()
        ));
    }
    let before = story.before.as_ref().map_or(0, |seen| seen.accounts().count());
    // What earlier chapters could not take away again is not counted.
    let crowd: BTreeSet<&Anchor> = story.crowd.iter().map(|account| &account.anchor).collect();
    let counts = |account: &&Account| crowd.contains(&account.anchor) || !story.ours(&account.username);
    let shown = seen.accounts().filter(counts).count();
    if shown != before + story.crowd.len() {
        return Err(format!(
            "There should be {} accounts and a complete read shows {shown}.",
            before + story.crowd.len()
        ));
    }
    let last = story.crowd.len() - 1;
    for index in [0, 99, 100, 999, 1000, last] {
        if let Some(account) = story.crowd.get(index) {
            let found = story.look_up(&Wanted::Username(account.username.clone())).await?;
            if found.map(|found| found.anchor).as_ref() != Some(&account.anchor) {
                return Err(format!("A look-up does not find {} among {shown} accounts.", account.username));
            }
        }
    }
    Ok(())
}

pub(crate) async fn group(story: &mut Story<'_>) -> Outcome {
    let wanted = story.options.members;
    gather(story, wanted).await?;
    let Some(kind) = story.plain_kinds().next() else { return Ok(()) };
    let [entitlement, _] = story.entitlements(kind).await?;
    let before = story.read().await?.holders(&entitlement.key());
    let story = &*story;
    let members = &story.crowd[..wanted];
    let grants: Vec<Operation> = members
        .iter()
        .map(|account| Operation::Grant { account: account.clone(), entitlement: entitlement.clone() })
        .collect();
    stream::iter(grants)
        .map(|operation| async move { story.perform(&operation).await.map(|_| ()) })
        .buffer_unordered(story.settings.limits.concurrency.max(1))
        .try_collect::<Vec<()>>()
        .await?;
    let mut expected = before.clone();
    expected.extend(members.iter().map(|account| account.anchor.clone()));
    let held = story.read().await?.holders(&entitlement.key());
    if held != expected {
        return Err(format!(
            "The {} {} should be held by {} accounts; a complete read shows {}, of which {} are right.",
            kind.name,
            entitlement.name,
            expected.len(),
            held.len(),
            held.intersection(&expected).count()
        ));
    }
    for index in [0, 999, 1_000, 1_499, 1_500, wanted - 1] {
        if let Some(account) = members.get(index) {
            check_holds(&story.see(account).await?, &entitlement, true)?;
        }
    }
    if story.can(Verb::Revoke) {
        let Some(last) = members.last() else { return Ok(()) };
        story.change(&Operation::Revoke { account: last.clone(), entitlement: entitlement.clone() }).await?;
        expected.remove(&last.anchor);
        let held = story.read().await?.holders(&entitlement.key());
        if held != expected {
            return Err(format!(
                "One of {wanted} members left {}; {} should stay and {} are there.",
                entitlement.name,
                expected.len(),
                held.len()
            ));
        }
    }
    Ok(())
}

/// Sees to it that there are so many accounts.
async fn gather(story: &mut Story<'_>, wanted: usize) -> Outcome {
    let missing = wanted.saturating_sub(story.crowd.len());
    let at_once = story.settings.limits.concurrency.max(1);
    let made: Vec<Account> = {
        let story = &*story;
        stream::iter(0..missing)
            .map(|_| async move {
                let create = Operation::Create(story.draft(&story.name("crowd"))?);
                let done = story.perform(&create).await?;
                let account = done
                    .receipt
                    .account
                    .ok_or("The receipt of a create should carry the account and carries none.")?;
                Ok::<_, String>(account)
            })
            .buffer_unordered(at_once)
            .try_collect()
            .await?
    };
    for account in made {
        story.keep(&account.anchor);
        story.crowd.push(reference(&account));
    }
    Ok(())
}
