//! What accounts hold.

use std::collections::BTreeSet;

use provost_sdk::{
    Account, Anchor, Entitlement, EntitlementKey, EntitlementRef, ErrorKind, Nesting, Operation, Verb,
};

use super::{kinds, verbs};
use crate::scenery::staged;
use crate::story::{Outcome, Story};
use crate::words::{self as tell, check_holds, reference};

pub(crate) async fn grant(story: &mut Story<'_>) -> Outcome {
    for kind in story.plain_kinds() {
        gives(story, &story.entitlements(kind).await?).await?;
    }
    Ok(())
}

pub(crate) async fn roles(story: &mut Story<'_>) -> Outcome {
    for kind in story.plain_kinds().filter(|kind| kind.roles.len() > 1) {
        let [entitlement, _] = story.entitlements(kind).await?;
        let ada = story.account("ada").await?;
        let bea = story.account("bea").await?;
        let role =
            |index: usize| EntitlementRef { role: kind.roles.get(index).cloned(), ..entitlement.clone() };
        story.change(&tell::grant(&ada, &role(0))).await?;
        story.change(&tell::grant(&bea, &role(1))).await?;
        for (account, held, not_held) in [(&ada, 0, 1), (&bea, 1, 0)] {
            let account = story.see(&reference(account)).await?;
            check_holds(&account, &role(held), true)?;
            check_holds(&account, &role(not_held), false)?;
        }
        // The way in which a plan changes a role: what takes away comes first.
        story.change(&tell::revoke(&ada, &role(0))).await?;
        story.change(&tell::grant(&ada, &role(1))).await?;
        let account = story.see(&reference(&ada)).await?;
        check_holds(&account, &role(1), true)?;
        check_holds(&account, &role(0), false)?;
        story.again(&tell::revoke(&ada, &role(0))).await?;
        check_holds(&story.see(&reference(&ada)).await?, &role(1), true)?;
        let seen = story.read().await?;
        let holders = seen.holders(&role(1).key());
        if ![&ada, &bea].iter().all(|account| holders.contains(&account.anchor)) {
            return Err(format!(
                "A complete read should show both accounts in the role {:?} of {}.",
                role(1).role,
                entitlement.name
            ));
        }
        for unknown in [Some("no-such-role".to_owned()), None] {
            let unknown = EntitlementRef { role: unknown, ..entitlement.clone() };
            story
                .refused(&tell::grant(&bea, &unknown), &[ErrorKind::InvalidValue, ErrorKind::NotFound])
                .await?;
        }
    }
    Ok(())
}

pub(crate) async fn revoke(story: &mut Story<'_>) -> Outcome {
    for kind in story.plain_kinds() {
        takes(story, &story.entitlements(kind).await?).await?;
    }
    Ok(())
}

pub(crate) async fn last_member(story: &mut Story<'_>) -> Outcome {
    for kind in story.plain_kinds() {
        let [entitlement, _] = story.entitlements(kind).await?;
        let others = story.read().await?.holders(&entitlement.key());
        if !others.is_empty() {
            return Err(format!(
                "This chapter needs a {} that nobody holds, and {} accounts hold {}: make an empty one and name it \
                 in the Target file under `conformance: {{entitlements: [...]}}`.",
                kind.name,
                others.len(),
                entitlement.name
            ));
        }
        let ada = story.account("ada").await?;
        story.change(&tell::grant(&ada, &entitlement)).await?;
        story.change(&tell::revoke(&ada, &entitlement)).await?;
        check_holds(&story.see(&reference(&ada)).await?, &entitlement, false)?;
        let seen = story.read().await?;
        if !seen
            .entitlements()
            .any(|known| known.anchor == entitlement.anchor && known.kind == entitlement.kind)
        {
            return Err(format!(
                "The last member left the {} {} and it is gone itself.",
                kind.name, entitlement.name
            ));
        }
        let holders = seen.holders(&entitlement.key());
        if !holders.is_empty() {
            return Err(format!(
                "The last member left {} and it is still held by {holders:?}.",
                entitlement.name
            ));
        }
        // Empty is not the end of it.
        story.change(&tell::grant(&ada, &entitlement)).await?;
        check_holds(&story.see(&reference(&ada)).await?, &entitlement, true)?;
    }
    Ok(())
}

pub(crate) fn needs_nesting(story: &Story<'_>) -> Result<(), String> {
    if !story.capabilities.entitlement_kinds.iter().any(|kind| kind.nests) {
        return Err("an entitlement kind that nests".into());
    }
    if story.stage.is_none() {
        return Err("a stage of the connector, to put one entitlement into another".into());
    }
    verbs(story, &[Verb::Create, Verb::Grant]).and(kinds(story, false))
}

pub(crate) async fn nesting(story: &mut Story<'_>) -> Outcome {
    let Some(stage) = &story.stage else { return Ok(()) };
    for kind in story.plain_kinds().filter(|kind| kind.nests) {
        let mut two: Vec<Entitlement> = Vec::new();
        for tail in ["inner", "outer"] {
            let name = format!("{}-{}-{tail}", story.prefix, kind.name);
            two.push(story.make_entitlement(&**stage, &kind.name, &name).await?);
        }
        let [inner, outer] = &two[..] else { return Ok(()) };
        if staged(story, || stage.nest(inner, outer)).await?.is_none() {
            continue;
        }
        let key = |entitlement: &Entitlement| EntitlementKey {
            kind: entitlement.kind.clone(),
            anchor: entitlement.anchor.clone(),
            role: None,
        };
        let edge = Nesting { inner: key(inner), outer: key(outer) };
        let ada = story.account("ada").await?;
        let held = |entitlement: &Entitlement| EntitlementRef {
            kind: entitlement.kind.clone(),
            anchor: entitlement.anchor.clone(),
            name: entitlement.name.clone(),
            role: kind.roles.first().cloned(),
        };
        story.change(&tell::grant(&ada, &held(inner))).await?;
        let seen = story.read().await?;
        if !seen.nesting().contains(&edge) {
            return Err(format!(
                "{} was put into {} and a complete read tells {:?}.",
                inner.name,
                outer.name,
                seen.nesting()
            ));
        }
        let account = story.see(&reference(&ada)).await?;
        check_holds(&account, &held(inner), true)?;
        check_holds(&account, &held(outer), false)?;
        // A grant in the outer one leaves the inner one in it.
        story.change(&tell::grant(&ada, &held(outer))).await?;
        let seen = story.read().await?;
        if !seen.nesting().contains(&edge) {
            return Err(format!("A grant of {} threw {} out of it.", outer.name, inner.name));
        }
        if seen.holders(&key(outer)).contains(&inner.anchor) {
            return Err(format!("{} is in {} and is told as an account there.", inner.name, outer.name));
        }
    }
    Ok(())
}

pub(crate) async fn replace(story: &mut Story<'_>) -> Outcome {
    for kind in story.exclusive_kinds() {
        let [entitlement, other] = story.entitlements(kind).await?;
        let mut people = Vec::new();
        for name in ["ada", "bea", "cyd"] {
            people.push(story.account(name).await?);
        }
        let [ada, bea, cyd] = &people[..] else { return Ok(()) };
        let present = story.read().await?.holders(&other.key());
        let write = |accounts: &[&Account]| Operation::Replace {
            entitlement: entitlement.clone(),
            accounts: accounts.iter().map(|account| reference(account)).collect(),
        };
        for holders in [&[ada, bea][..], &[bea, cyd], &[cyd]] {
            story.change(&write(holders)).await?;
            story.again(&write(holders)).await?;
            let seen = story.read().await?;
            expect_holders(&entitlement, &seen.holders(&entitlement.key()), &BTreeSet::new(), holders)?;
            for account in &people {
                let wanted = holders.iter().any(|holder| holder.anchor == account.anchor);
                check_holds(&story.see(&reference(account)).await?, &entitlement, wanted)?;
            }
            if seen.holders(&other.key()) != present {
                return Err(format!(
                    "A replace of the holders of {} changed those of {}.",
                    entitlement.name, other.name
                ));
            }
        }
        match story.attempt(&write(&[])).await {
            Ok(_) => {
                let seen = story.read().await?;
                expect_holders(&entitlement, &seen.holders(&entitlement.key()), &BTreeSet::new(), &[])?;
            }
            Err(error) if error.kind == ErrorKind::InvalidValue => {}
            Err(error) => {
                return Err(format!(
                    "A replace by nobody should work or be refused as InvalidValue and failed as {:?}: {error}",
                    error.kind
                ));
            }
        }
    }
    Ok(())
}

/// A grant of one kind.
async fn gives(story: &Story<'_>, [first, second]: &[EntitlementRef; 2]) -> Outcome {
    let ada = story.account("ada").await?;
    let bea = story.account("bea").await?;
    let before = story.read().await?;
    let held_before = before.holders(&first.key());

    let receipt = story.change(&tell::grant(&ada, first)).await?;
    if let Some(account) = &receipt.account {
        check_holds(account, first, true)?;
    }
    let seen = story.see(&reference(&ada)).await?;
    check_holds(&seen, first, true)?;
    check_holds(&seen, second, false)?;
    story.check_account(&seen, provost_sdk::State::Enabled, &ada.attributes)?;
    let after = story.nothing_else_changed(&before, &[&ada.anchor]).await?;
    expect_holders(first, &after.holders(&first.key()), &held_before, &[&ada])?;

    story.again(&tell::grant(&ada, first)).await?;
    let after = story.nothing_else_changed(&before, &[&ada.anchor]).await?;
    expect_holders(first, &after.holders(&first.key()), &held_before, &[&ada])?;

    story.change(&tell::grant(&bea, first)).await?;
    story.change(&tell::grant(&ada, second)).await?;
    for (account, entitlement, wanted) in
        [(&ada, first, true), (&ada, second, true), (&bea, first, true), (&bea, second, false)]
    {
        check_holds(&story.see(&reference(account)).await?, entitlement, wanted)?;
    }
    let after = story.nothing_else_changed(&before, &[&ada.anchor, &bea.anchor]).await?;
    expect_holders(first, &after.holders(&first.key()), &held_before, &[&ada, &bea])?;

    let nowhere = EntitlementRef {
        anchor: Anchor::from("does-not-exist"),
        name: "does-not-exist".into(),
        ..first.clone()
    };
    story.refused(&tell::grant(&bea, &nowhere), &[ErrorKind::NotFound, ErrorKind::InvalidValue]).await?;
    story.nothing_else_changed(&after, &[]).await?;
    Ok(())
}

/// A revoke of one kind.
async fn takes(story: &Story<'_>, [first, second]: &[EntitlementRef; 2]) -> Outcome {
    let ada = story.account("ada").await?;
    let bea = story.account("bea").await?;
    for operation in [tell::grant(&ada, first), tell::grant(&ada, second), tell::grant(&bea, first)] {
        story.change(&operation).await?;
    }
    let before = story.read().await?;
    let receipt = story.change(&tell::revoke(&ada, first)).await?;
    if let Some(account) = &receipt.account {
        check_holds(account, first, false)?;
    }
    let expected = async || {
        for (account, entitlement, wanted) in
            [(&ada, first, false), (&ada, second, true), (&bea, first, true)]
        {
            check_holds(&story.see(&reference(account)).await?, entitlement, wanted)?;
        }
        let after = story.nothing_else_changed(&before, &[&ada.anchor]).await?;
        match after.holders(&first.key()).contains(&ada.anchor) {
            true => Err(format!(
                "{} was taken out of {} and a complete read still shows it there.",
                ada.username, first.name
            )),
            false => Ok(()),
        }
    };
    expected().await?;
    story.again(&tell::revoke(&ada, first)).await?;
    expected().await
}

/// That an entitlement is held by those before and these.
fn expect_holders(
    entitlement: &EntitlementRef,
    seen: &BTreeSet<Anchor>,
    before: &BTreeSet<Anchor>,
    new: &[&Account],
) -> Outcome {
    let mut wanted = before.clone();
    wanted.extend(new.iter().map(|account| account.anchor.clone()));
    match *seen == wanted {
        true => Ok(()),
        false => Err(format!(
            "The {} {} should be held by {wanted:?} and is held by {seen:?}.",
            entitlement.kind, entitlement.name
        )),
    }
}
