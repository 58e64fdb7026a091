//! Reads of what changed.

use provost_sdk::{Account, Cursor, EntitlementRef, Item, Operation, Verb};

use crate::seen::Seen;
use crate::story::{Outcome, Story};
use crate::words::{grant, reference, revoke, update};

pub(crate) async fn delta(story: &mut Story<'_>) -> Outcome {
    let mut people = Vec::new();
    for name in ["ada", "bea", "cyd", "dan"] {
        people.push(story.account(name).await?);
    }
    let [ada, bea, cyd, dan] = &people[..] else { return Ok(()) };
    let mut held: Vec<[EntitlementRef; 2]> = Vec::new();
    if story.can(Verb::Grant) {
        for kind in story.plain_kinds() {
            let two = story.entitlements(kind).await?;
            for account in [ada, bea, cyd] {
                story.change(&grant(account, &two[0])).await?;
            }
            held.push(two);
        }
    }
    let (mut known, cursor) = story.read_from_start().await?;
    let mut cursor = cursor.ok_or("Delta reads are declared and a complete read gave no cursor.")?;

    // Nothing happened: what comes, if anything, is what is known.
    cursor = catch_up(story, &mut known, &cursor, "nothing").await?;

    let mut steps: Vec<(&str, Vec<Operation>)> = Vec::new();
    steps.push(("a create", vec![Operation::Create(story.draft(&story.name("eve"))?)]));
    if let Some(attribute) = story.account_kind()?.attributes.iter().find(|attribute| !attribute.read_only) {
        steps.push((
            "an update",
            vec![update(ada, &[(&attribute.name, Some(story.sample(&attribute.name, 1)))])],
        ));
    }
    for [first, second] in &held {
        steps.push(("a grant", vec![grant(ada, second)]));
        steps.push(("a revoke", vec![revoke(bea, first)]));
        steps
            .push(("a grant and a revoke", vec![grant(dan, first), revoke(ada, second), grant(bea, second)]));
        steps.push(("a last revoke", vec![revoke(bea, second)]));
    }
    steps.push(("a disable", vec![Operation::Disable { account: reference(ada) }]));
    steps.push(("an enable", vec![Operation::Enable { account: reference(ada) }]));
    steps.push(("a rename", vec![Operation::Rename { account: reference(bea), to: story.name("fay") }]));
    steps.push(("a deletion", vec![Operation::Delete { account: reference(cyd) }]));
    // Two things that happen to one account between two reads.
    steps.push((
        "a disable and a deletion",
        vec![Operation::Disable { account: reference(dan) }, Operation::Delete { account: reference(dan) }],
    ));
    for (what, operations) in steps {
        if operations.iter().any(|operation| !story.can(operation.verb())) {
            continue;
        }
        for operation in &operations {
            story.perform(operation).await?;
        }
        cursor = catch_up(story, &mut known, &cursor, what).await?;
    }
    several_at_once(story, &mut known, &cursor, ada, bea).await
}

/// Many changes between two reads, and an account that came and went in between.
async fn several_at_once(
    story: &Story<'_>,
    known: &mut Seen,
    cursor: &Cursor,
    ada: &Account,
    bea: &Account,
) -> Outcome {
    for index in 0..12 {
        story.account(&format!("n{index}")).await?;
    }
    let passing = story.account("gus").await?;
    let mut operations = vec![
        Operation::Delete { account: reference(&passing) },
        Operation::Disable { account: reference(ada) },
        Operation::Disable { account: reference(bea) },
        Operation::Enable { account: reference(bea) },
    ];
    operations.retain(|operation| story.can(operation.verb()));
    for operation in &operations {
        story.perform(operation).await?;
    }
    catch_up(story, known, cursor, "many changes").await?;
    Ok(())
}

/// Reads what changed, and compares what is known then with a complete read.
async fn catch_up(story: &Story<'_>, known: &mut Seen, cursor: &Cursor, what: &str) -> Outcome<Cursor> {
    let (items, next) = story.read_changes(cursor).await?;
    let told: Vec<String> = items.iter().map(in_short).collect();
    *known = std::mem::take(known).amended(items);
    let whole = story.read().await?;
    let mut found = whole.differences(known, &[], &story.prefix, &story.capabilities);
    if known.nesting() != whole.nesting() {
        found.push("what is in what differs".into());
    }
    match found.is_empty() {
        true => Ok(next),
        false => Err(format!(
            "After {what} a read of what changed told [{}], and that leads to something else than a complete read: {}.",
            told.join(", "),
            found.join("; ")
        )),
    }
}

fn in_short(item: &Item) -> String {
    match item {
        Item::Account(account) => format!("account {}", account.username),
        Item::AccountGone(anchor) => format!("account {anchor} gone"),
        Item::Entitlement(entitlement) => format!("{} {}", entitlement.kind, entitlement.name),
        Item::EntitlementGone { kind, anchor } => format!("{kind} {anchor} gone"),
        Item::Members { entitlement, accounts } => {
            format!("{} members of {}", accounts.len(), entitlement.anchor)
        }
        Item::Nesting(edge) => format!("{} in {}", edge.inner.anchor, edge.outer.anchor),
    }
}
