//! The story: every chapter, in the order in which it is told.

mod accounts;
mod attributes;
mod belongings;
mod changes;
mod frame;
mod grants;
mod large;
mod names;
mod others;
mod refusals;
mod signing_in;

use futures::future::BoxFuture;
use provost_sdk::Verb;

use crate::story::{Outcome, Story};

/// One chapter.
pub(crate) struct Chapter {
    /// Its name, for reports and for the option `only`.
    pub(crate) name: &'static str,
    /// What it tells, in a sentence.
    pub(crate) about: &'static str,
    /// Whether it can be told; what is missing where not.
    pub(crate) needs: fn(&Story<'_>) -> Result<(), String>,
    /// Tells it.
    pub(crate) tell: for<'s, 'a> fn(&'s mut Story<'a>) -> BoxFuture<'s, Outcome>,
    /// Whether it is told even where the options choose others: it frames every run.
    pub(crate) always: bool,
    /// Whether it takes thousands of calls.
    pub(crate) large: bool,
}

macro_rules! chapter {
    ($name:literal, $about:literal, $needs:expr, $tell:path $(, $flag:ident)?) => {
        Chapter {
            name: $name,
            about: $about,
            needs: $needs,
            tell: |story| Box::pin($tell(story)),
            $($flag: true,)?
            ..PLAIN
        }
    };
}

const PLAIN: Chapter = Chapter {
    name: "",
    about: "",
    needs: |_| Ok(()),
    tell: |_| Box::pin(async { Ok(()) }),
    always: false,
    large: false,
};

/// All of them.
pub(crate) static CHAPTERS: &[Chapter] = &[
    chapter!(
        "probe",
        "The probe says who the system is and that we may do what we need.",
        |_| Ok(()),
        frame::probe
    ),
    chapter!(
        "before",
        "The declarations make sense, and what is there is read completely and noted.",
        |_| Ok(()),
        frame::before,
        always
    ),
    chapter!(
        "create",
        "A new account is there as it was asked for, enabled, once, and nothing else changed.",
        |story| verbs(story, &[Verb::Create]),
        accounts::create
    ),
    chapter!(
        "create-twice",
        "A second create of the same username is refused as already there and changes nothing.",
        |story| verbs(story, &[Verb::Create]),
        accounts::create_twice
    ),
    chapter!(
        "attributes",
        "Attributes are set, changed and cleared one by one, and those that are not named stay.",
        |story| verbs(story, &[Verb::Create, Verb::Update]),
        attributes::attributes
    ),
    chapter!(
        "odd-values",
        "Unusual attribute values come back as they were given, or are refused.",
        |story| verbs(story, &[Verb::Create, Verb::Update]),
        attributes::odd_values
    ),
    chapter!(
        "odd-names",
        "Unusual usernames come back as they were given, or are refused and make nothing.",
        |story| verbs(story, &[Verb::Create]),
        names::odd_names
    ),
    chapter!(
        "look-up",
        "A look-up finds exactly who was asked for, or nobody.",
        |story| verbs(story, &[Verb::Create]),
        names::look_up
    ),
    chapter!(
        "case",
        "Spellings that differ in case are one name or two, as declared.",
        |story| verbs(story, &[Verb::Create]),
        names::case
    ),
    chapter!(
        "rename",
        "A new username leaves the anchor, the attributes and everything held as they were.",
        |story| verbs(story, &[Verb::Create, Verb::Rename]),
        names::rename
    ),
    chapter!(
        "grant",
        "A grant gives one account one entitlement; a second time changes nothing.",
        |story| kinds(story, false).and(verbs(story, &[Verb::Create, Verb::Grant])),
        grants::grant
    ),
    chapter!(
        "roles",
        "The roles within an entitlement are told apart.",
        |story| {
            if story.plain_kinds().all(|kind| kind.roles.is_empty()) {
                return Err("an entitlement kind with roles".into());
            }
            verbs(story, &[Verb::Create, Verb::Grant, Verb::Revoke])
        },
        grants::roles
    ),
    chapter!(
        "revoke",
        "A revoke takes one entitlement from one account; a second time changes nothing.",
        |story| kinds(story, false).and(verbs(story, &[Verb::Create, Verb::Grant, Verb::Revoke])),
        grants::revoke
    ),
    chapter!(
        "last-member",
        "The last member leaves and the entitlement stays, empty.",
        |story| kinds(story, false).and(verbs(story, &[Verb::Create, Verb::Grant, Verb::Revoke])),
        grants::last_member
    ),
    chapter!(
        "nesting",
        "What is in what is told, and a member of the inner one is not shown as a member of the outer one.",
        grants::needs_nesting,
        grants::nesting
    ),
    chapter!(
        "replace",
        "The holders of an exclusive entitlement are exactly those who were written.",
        |story| kinds(story, true).and(verbs(story, &[Verb::Create, Verb::Replace])),
        grants::replace
    ),
    chapter!(
        "disable",
        "A disabled account cannot sign in, is still there and keeps everything else.",
        |story| verbs(story, &[Verb::Create, Verb::Disable]),
        signing_in::disable
    ),
    chapter!(
        "sessions",
        "Open sessions end, only those of the one account, and do not come back to life.",
        signing_in::needs_sessions,
        signing_in::sessions
    ),
    chapter!(
        "enable",
        "An account that is enabled again is what it was before it was disabled.",
        |story| verbs(story, &[Verb::Create, Verb::Disable, Verb::Enable]),
        signing_in::enable
    ),
    chapter!(
        "transfer",
        "What one account owns belongs to the other afterwards.",
        |story| verbs(story, &[Verb::Create, Verb::Transfer]),
        belongings::transfer
    ),
    chapter!(
        "credentials",
        "A credential is issued, rotated while the old one goes on working, and revoked.",
        belongings::needs_credentials,
        belongings::credentials
    ),
    chapter!(
        "delete",
        "A deleted account is gone from look-ups, reads and entitlements, and nobody else is.",
        |story| verbs(story, &[Verb::Create, Verb::Delete]),
        accounts::delete
    ),
    chapter!(
        "gone",
        "What is asked of an account that is gone is answered as not found, and hits nobody of the same name.",
        |story| verbs(story, &[Verb::Create, Verb::Delete]),
        accounts::gone
    ),
    chapter!(
        "delta",
        "Reads of what changed tell every change and every deletion, and miss nothing.",
        |story| {
            if !story.capabilities.delta {
                return Err("delta reads".into());
            }
            verbs(story, &[Verb::Create])
        },
        changes::delta
    ),
    chapter!(
        "others",
        "What somebody else changes between two calls is not lost.",
        |story| verbs(story, &[Verb::Create]),
        others::others
    ),
    chapter!(
        "idempotency",
        "The same call with the same key is done once.",
        |story| {
            if !story.capabilities.idempotent {
                return Err("idempotency keys".into());
            }
            verbs(story, &[Verb::Create])
        },
        refusals::idempotency
    ),
    chapter!(
        "undeclared",
        "What was not declared is refused as unsupported and changes nothing.",
        |story| verbs(story, &[Verb::Create]),
        refusals::undeclared
    ),
    chapter!(
        "wrong-credential",
        "With a wrong credential every call says so, and no read is taken for an empty system.",
        |story| match story.settings.secrets.is_empty() {
            true => Err("a secret in the settings".into()),
            false => Ok(()),
        },
        refusals::wrong_credential
    ),
    chapter!(
        "read-only",
        "With a credential that may only read, writes are refused and change nothing, and the probe tells.",
        |story| match &story.options.read_only {
            None => Err("the option read_only with another credential".into()),
            Some(_) => verbs(story, &[Verb::Create]),
        },
        refusals::read_only
    ),
    chapter!(
        "blind",
        "With a credential that may not list, a read fails or is partial, and never complete and empty.",
        |story| match &story.options.blind {
            None => Err("the option blind with another credential".into()),
            Some(_) => verbs(story, &[Verb::Create]),
        },
        refusals::blind
    ),
    chapter!(
        "many-accounts",
        "More accounts than a page holds are all read, each once.",
        |story| match story.options.accounts {
            0 => Err("the option accounts".into()),
            _ => verbs(story, &[Verb::Create]),
        },
        large::accounts,
        large
    ),
    chapter!(
        "large-group",
        "A group with more members than a page or a range holds is read completely.",
        |story| match story.options.members {
            0 => Err("the option members".into()),
            _ => kinds(story, false).and(verbs(story, &[Verb::Create, Verb::Grant])),
        },
        large::group,
        large
    ),
    chapter!(
        "after",
        "Everything that was there before is as it was, and nothing of the run is left.",
        |_| Ok(()),
        frame::after,
        always
    ),
];

fn verbs(story: &Story<'_>, wanted: &[Verb]) -> Result<(), String> {
    match wanted.iter().find(|verb| !story.can(**verb)) {
        None => Ok(()),
        Some(verb) => Err(format!("the operation {}", verb.as_str())),
    }
}

fn kinds(story: &Story<'_>, exclusive: bool) -> Result<(), String> {
    match (exclusive, story.exclusive_kinds().count(), story.plain_kinds().count()) {
        (true, 0, _) => Err("an exclusive entitlement kind".into()),
        (false, _, 0) => Err("an entitlement kind that is granted".into()),
        _ => Ok(()),
    }
}
