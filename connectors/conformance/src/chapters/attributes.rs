//! What an account says of itself.

use std::collections::BTreeMap;

use provost_sdk::{Account, ErrorKind, State, Value};

use super::names::ODD;
use crate::seen::steady;
use crate::story::{Outcome, Story};
use crate::words::{reference, update};

pub(crate) async fn attributes(story: &mut Story<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    let bea = story.account("bea").await?;
    let before = story.read().await?;
    let declared: Vec<_> =
        story.account_kind()?.attributes.iter().filter(|attribute| !attribute.read_only).cloned().collect();
    let mut expected = steady(&ada, &story.capabilities).attributes;

    for which in [0, 1] {
        for attribute in &declared {
            let value = story.sample(&attribute.name, which);
            set(story, &ada, &attribute.name, Some(value), &mut expected).await?;
        }
    }
    for attribute in declared.iter().filter(|attribute| !attribute.required) {
        set(story, &ada, &attribute.name, None, &mut expected).await?;
    }
    // Several at once, one of them cleared.
    let several: Vec<(&str, Option<Value>)> = declared
        .iter()
        .take(3)
        .map(|attribute| (attribute.name.as_str(), Some(story.sample(&attribute.name, 0))))
        .collect();
    if !several.is_empty() {
        story.perform(&update(&ada, &several)).await?;
        expected.extend(several.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        check(story, &ada, &expected).await?;
    }
    story.nothing_else_changed(&before, &[&ada.anchor]).await?;
    story.see(&reference(&bea)).await?;
    Ok(())
}

/// Sets or clears one attribute, twice, and looks at all of them.
async fn set(
    story: &Story<'_>,
    account: &Account,
    name: &str,
    value: Option<Value>,
    expected: &mut BTreeMap<String, Value>,
) -> Outcome {
    let operation = update(account, &[(name, value.clone())]);
    let present = story.see(&reference(account)).await?;
    let done = match story.attempt(&operation).await {
        Ok(done) => done,
        // Some values cannot be taken away from an account; that has to be said, and then nothing may have changed.
        Err(error) if value.is_none() && error.kind == ErrorKind::InvalidValue => {
            return check(story, account, expected).await;
        }
        Err(error) if error.kind == ErrorKind::InvalidValue => {
            return Err(format!(
                "The attribute `{name}` refuses {value:?}: {error} (Values that the system accepts can be given in \
                 the Target file under `conformance: {{attributes: {{{name}: [one, another]}}}}`.)"
            ));
        }
        Err(error) => {
            return Err(format!("An update of `{name}` to {value:?} failed as {:?}: {error}", error.kind));
        }
    };
    let differs = !present.has(name, value.as_ref(), &story.capabilities);
    if done.receipt.changed != differs && !done.doubted {
        return Err(format!(
            "An update of `{name}` from {:?} to {value:?} was answered with changed: {}.",
            present.attributes.get(name),
            done.receipt.changed
        ));
    }
    match value {
        Some(value) => expected.insert(name.to_owned(), value),
        None => expected.remove(name),
    };
    check(story, account, expected).await?;
    story.again(&operation).await?;
    Ok(())
}

/// Looks at all attributes of an account.
async fn check(story: &Story<'_>, account: &Account, expected: &BTreeMap<String, Value>) -> Outcome {
    let found = steady(&story.see(&reference(account)).await?, &story.capabilities);
    story.check_account(&found, State::Enabled, expected)?;
    match found.attributes.keys().find(|name| !expected.contains_key(*name)) {
        None => Ok(()),
        Some(extra) => Err(format!(
            "The attribute `{extra}` of {} should have no value and has {:?}.",
            account.username, found.attributes[extra]
        )),
    }
}

pub(crate) async fn odd_values(story: &mut Story<'_>) -> Outcome {
    let Some(name) = free_text(story)? else { return Ok(()) };
    let ada = story.account("ada").await?;
    for odd in ODD.iter().map(|odd| (*odd).to_owned()).chain(["x".repeat(200)]) {
        let before = story.see(&reference(&ada)).await?;
        let value = Value::Text(odd.clone());
        match story.attempt(&update(&ada, &[(&name, Some(value.clone()))])).await {
            Ok(_) => {
                let found = story.see(&reference(&ada)).await?;
                if !found.has(&name, Some(&value), &story.capabilities) {
                    return Err(format!(
                        "The attribute `{name}` was set to {odd:?} and reads back as {:?}: a value is kept as it is \
                         or refused as InvalidValue.",
                        found.attributes.get(&name)
                    ));
                }
            }
            Err(error) if error.kind == ErrorKind::InvalidValue => {
                let found = story.see(&reference(&ada)).await?;
                if found.attributes != before.attributes {
                    return Err(format!(
                        "The value {odd:?} of `{name}` was refused and changed the account all the same."
                    ));
                }
            }
            Err(error) => {
                return Err(format!(
                    "The value {odd:?} of `{name}` should be kept or refused as InvalidValue and failed as {:?}: {error}",
                    error.kind
                ));
            }
        }
    }
    Ok(())
}

/// An attribute that takes any text: one whose values the suite makes up and that carries no meaning.
fn free_text(story: &Story<'_>) -> Outcome<Option<String>> {
    let free = |name: &str| {
        ["title", "department", "display", "description", "comment", "name"]
            .iter()
            .any(|part| name.contains(part))
    };
    let kind = story.account_kind()?;
    Ok(kind
        .attributes
        .iter()
        .filter(|attribute| !attribute.read_only && !attribute.gives_control)
        .find(|attribute| {
            free(&attribute.name.to_lowercase()) && !story.options.attributes.contains_key(&attribute.name)
        })
        .map(|attribute| attribute.name.clone()))
}
