//! What must not work, and what must not be done twice.

use provost_sdk::{
    AccountRef, Anchor, Capabilities, Collected, Completeness, Cursor, EntitlementRef, ErrorKind, Operation,
    SecretString, Settings, Verb, Wanted,
};

use crate::attempt::{Caller, patiently};
use crate::story::{Outcome, Story};
use crate::words::{grant, reference, revoke, told, update};

pub(crate) async fn idempotency(story: &mut Story<'_>) -> Outcome {
    let key = story.key();
    let username = story.name("ada");
    let create = Operation::Create(story.draft(&username)?);
    let mut anchors = Vec::new();
    for call in ["first", "second"] {
        // The writer itself, because the caller would look the name up before it creates it again.
        let attempts = story.options.attempts;
        let made = patiently(attempts, || story.caller().writer.apply(&create, &key)).await;
        let receipt = made.map_err(|error| {
            format!(
                "Idempotency keys are declared, and the {call} of two creates with one key failed as {:?}: {error}",
                error.kind
            )
        })?;
        let account =
            receipt.account.ok_or("The receipt of a create should carry the account and carries none.")?;
        story.note(&account);
        anchors.push(account.anchor);
    }
    if anchors[0] != anchors[1] {
        return Err(format!(
            "Two creates with one key made two accounts: {} and {}.",
            anchors[0], anchors[1]
        ));
    }
    let seen = story.read().await?;
    match seen
        .accounts()
        .filter(|account| story.capabilities.usernames.same(&account.username, &username))
        .count()
    {
        1 => Ok(()),
        several => Err(format!("Two creates with one key made {several} accounts {username}.")),
    }
}

pub(crate) async fn undeclared(story: &mut Story<'_>) -> Outcome {
    let ada = story.account("ada").await?;
    let bea = story.account("bea").await?;
    let account = || reference(&ada);
    let attribute = story.account_kind()?.attributes.iter().find(|attribute| !attribute.read_only);
    let nothing = || EntitlementRef {
        kind: "no-such-kind".into(),
        anchor: Anchor::from("does-not-exist"),
        name: "does-not-exist".into(),
        role: None,
    };
    let credential = || ("no-such-kind".to_owned(), Anchor::from("does-not-exist"));
    let (kind, known) = credential();
    let mut operations = vec![
        update(&ada, &[(attribute.map_or("title", |attribute| &attribute.name), None)]),
        Operation::Rename { account: account(), to: story.name("eve") },
        Operation::Disable { account: account() },
        Operation::Enable { account: account() },
        Operation::Delete { account: account() },
        grant(&ada, &nothing()),
        revoke(&ada, &nothing()),
        Operation::Replace { entitlement: nothing(), accounts: vec![account()] },
        Operation::EndSessions { account: account() },
        Operation::Transfer { from: account(), to: reference(&bea) },
        Operation::IssueCredential { account: account(), kind: kind.clone() },
        Operation::RotateCredential { account: account(), kind: kind.clone(), credential: known.clone() },
        Operation::RevokeCredential { account: account(), kind, credential: known },
    ];
    operations.retain(|operation| !story.can(operation.verb()));
    // A whole list is not granted, and a grant is not a whole list.
    for kind in story.exclusive_kinds().filter(|_| story.can(Verb::Grant)) {
        let [entitlement, _] = story.entitlements(kind).await?;
        operations.push(grant(&ada, &entitlement));
    }
    if story.can(Verb::Replace) {
        for kind in story.plain_kinds() {
            let [entitlement, _] = story.entitlements(kind).await?;
            operations.push(Operation::Replace { entitlement, accounts: vec![account()] });
        }
    }
    let before = story.read().await?;
    for operation in &operations {
        story.refused(operation, &[ErrorKind::Unsupported]).await?;
    }
    if !story.capabilities.delta {
        let mut sink = Collected::default();
        if let Ok(read) = story.reader().observe(Some(&Cursor("0".into())), &mut sink).await {
            return Err(format!(
                "No delta reads are declared, and a read since a cursor was answered as {read:?}."
            ));
        }
    }
    story.nothing_else_changed(&before, &[]).await?;
    Ok(())
}

pub(crate) async fn wrong_credential(story: &mut Story<'_>) -> Outcome {
    let wrong = SecretString::from(format!("wrong-{}", story.prefix));
    let mut settings = story.settings.clone();
    settings.secrets.values_mut().for_each(|secret| *secret = wrong.clone());
    let other = match Other::open(story, &settings) {
        Ok(other) => other,
        // A secret of a fixed form (a private key) shows at once that it is wrong.
        Err(error) if [ErrorKind::Configuration, ErrorKind::InvalidCredential].contains(&error.kind) => {
            return Ok(());
        }
        Err(error) => {
            return Err(format!("Opening with a wrong credential failed as {:?}: {error}", error.kind));
        }
    };
    let caller = other.caller(story, &story.capabilities);
    let read = caller.read(None).await.map(|_| ());
    expect_invalid("A read", read)?;
    let found = caller.look_up(&Wanted::Username(story.name("ada"))).await.map(|_| ());
    expect_invalid("A look-up", found)?;
    let probed = patiently(story.options.attempts, || other.reader.probe()).await.map(|_| ());
    expect_invalid("A probe", probed)?;
    if story.can(Verb::Create) {
        let username = story.name("eve");
        let create = Operation::Create(story.draft(&username)?);
        let key = story.key();
        let made = patiently(story.options.attempts, || other.writer.apply(&create, &key)).await.map(|_| ());
        expect_invalid("A create", made)?;
        story.see_nobody(&Wanted::Username(username)).await?;
    }
    Ok(())
}

fn expect_invalid(what: &str, result: provost_sdk::Result<()>) -> Outcome {
    match result {
        Err(error) if error.kind == ErrorKind::InvalidCredential => Ok(()),
        Ok(()) => Err(format!("{what} with a wrong credential should fail as InvalidCredential and worked.")),
        Err(error) => Err(format!(
            "{what} with a wrong credential should fail as InvalidCredential and failed as {:?}: {error}",
            error.kind
        )),
    }
}

pub(crate) async fn read_only(story: &mut Story<'_>) -> Outcome {
    let Some(settings) = &story.options.read_only else { return Ok(()) };
    let ada = story.account("ada").await?;
    let other = Other::open(story, settings)
        .map_err(|error| format!("The read_only settings do not open: {error}"))?;
    let caller = other.caller(story, &story.capabilities);
    let found = caller.look_up(&Wanted::Anchor(ada.anchor.clone())).await;
    if !matches!(&found, Ok(Some(found)) if found.anchor == ada.anchor) {
        return Err(format!("A credential that may read should find {} and got {found:?}.", ada.username));
    }
    let before = story.read().await?;
    let username = story.name("eve");
    let account: AccountRef = reference(&ada);
    let mut operations = vec![
        Operation::Create(story.draft(&username)?),
        Operation::Disable { account: account.clone() },
        Operation::Delete { account },
    ];
    if story.can(Verb::Grant) {
        for kind in story.plain_kinds() {
            operations.push(grant(&ada, &story.entitlements(kind).await?[0]));
        }
    }
    for operation in operations.iter().filter(|operation| story.can(operation.verb())) {
        match caller.apply(operation, &story.key(), false).await {
            Err(error) if error.kind == ErrorKind::PermissionDenied => {}
            Err(error) => {
                return Err(format!(
                    "{} with a credential that may only read should fail as PermissionDenied and failed as {:?}: {error}",
                    told(operation),
                    error.kind
                ));
            }
            Ok(_) => {
                return Err(format!(
                    "{} with a credential that may only read was answered as done.",
                    told(operation)
                ));
            }
        }
    }
    story.nothing_else_changed(&before, &[]).await?;
    let probe = match patiently(story.options.attempts, || other.reader.probe()).await {
        Ok(probe) => probe,
        Err(error) if error.kind == ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => {
            return Err(format!(
                "The probe with a credential that may only read failed as {:?}: {error}",
                error.kind
            ));
        }
    };
    let told = probe.permissions.iter().any(|permission| match permission.granted {
        Some(granted) => !granted && !permission.hint.is_empty(),
        // Only trying would tell.
        None => true,
    });
    match told {
        true => Ok(()),
        false => Err(
            "The probe should say which permission is missing and how to grant it, and says that all are \
                      there."
                .into(),
        ),
    }
}

pub(crate) async fn blind(story: &mut Story<'_>) -> Outcome {
    let Some(settings) = &story.options.blind else { return Ok(()) };
    let ada = story.account("ada").await?;
    let other =
        Other::open(story, settings).map_err(|error| format!("The blind settings do not open: {error}"))?;
    let read = patiently(story.options.attempts, || async {
        let mut sink = Collected::default();
        other.reader.observe(None, &mut sink).await
    });
    match read.await {
        Ok(read) if read.completeness == Completeness::Complete => Err(format!(
            "The credential may not list accounts, there is at least {}, and a read with it says that it is complete.",
            ada.username
        )),
        Ok(_) => Ok(()),
        Err(error) if error.kind == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(format!(
            "A read with a credential that may not list should be partial or fail as PermissionDenied and failed as \
             {:?}: {error}",
            error.kind
        )),
    }
}

/// The same target with other settings.
struct Other {
    reader: Box<dyn provost_sdk::Observe>,
    writer: Box<dyn provost_sdk::Apply>,
}

impl Other {
    fn open(story: &Story<'_>, settings: &Settings) -> provost_sdk::Result<Other> {
        Ok(Other { reader: story.connector.reader(settings)?, writer: story.connector.writer(settings)? })
    }

    fn caller<'o>(&'o self, story: &Story<'_>, capabilities: &'o Capabilities) -> Caller<'o> {
        Caller {
            reader: &*self.reader,
            writer: &*self.writer,
            capabilities,
            attempts: story.options.attempts,
        }
    }
}
