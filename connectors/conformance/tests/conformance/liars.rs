//! Connectors that lie, each in one way: the chapter that tells of it fails.

mod reader;
mod stage;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use provost_conformance::{Options, Report, Verdict, chapter_names, run};
use provost_memory::{Handle, MemoryConnector, Rights, World};
use provost_sdk::{Apply, Connector, Observe, Result, SecretString, Setting, Settings, Stage};
use serde_json::json;

use Lie::*;

/// One way of being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    ProbeLacksAPermission,
    DeclaresNoAccountKind,
    DeclaresAKindNobodyCanWriteDown,
    CreatesDisabled,
    CreatesAnotherOne,
    LeavesAnAccountBehind,
    ListsAllButTheLast,
    ListsTwentyAtMost,
    ListsTwentyFiveMembersAtMost,
    CreateAdoptsWhatIsThere,
    UpdateWipesTheRest,
    UpdateSaysChangedAlways,
    UpdateTrims,
    CreateTrims,
    CreateShortens,
    LooksUpAnybody,
    LooksUpByPrefix,
    LookUpHidesHoldings,
    DeclaresExactAndIgnoresCase,
    DeclaresIgnoreCaseAndIsExact,
    RenameChangesTheAnchor,
    RenameDropsGroups,
    GrantDoesNothing,
    GrantSaysChangedAlways,
    GrantGivesToAllOthers,
    GrantUnknownIsDone,
    MixesRolesUp,
    RevokeDoesNothing,
    RevokesEverybody,
    RevokesEverything,
    LastMemberTakesTheGroup,
    HidesNesting,
    FlattensNesting,
    ReplaceOnlyAdds,
    DisableDeletes,
    DisableHides,
    DisableIsOnlyShown,
    DisableWipesAttributes,
    EnableForgetsGroups,
    SessionsStay,
    AllSessionsEnd,
    TransfersNothing,
    TransfersEverything,
    RotationEndsTheOld,
    RevokedCredentialWorks,
    CredentialWithoutId,
    DeleteDisables,
    DeleteLeavesTheMember,
    SecondDeleteFails,
    GoneIsDone,
    AddressesByName,
    DeltaMissesDeletions,
    DeltaMissesMembers,
    DeltaMissesTheLast,
    ForgetsForeignChanges,
    ForgetsForeignMembers,
    IdempotentOnlyInWord,
    DoesWhatItDidNotDeclare,
    WrongCredentialIsEmpty,
    WrongCredentialIsUnavailable,
    ReadOnlyIsIgnored,
    BlindIsEmpty,
}

/// Each lie, and the chapters of which at least these fail.
const TABLE: &[(Lie, &[&str])] = &[
    (ProbeLacksAPermission, &["probe"]),
    (DeclaresNoAccountKind, &["before"]),
    (DeclaresAKindNobodyCanWriteDown, &["before"]),
    (CreatesDisabled, &["create"]),
    (CreatesAnotherOne, &["create"]),
    (LeavesAnAccountBehind, &["after"]),
    (ListsAllButTheLast, &["create", "many-accounts"]),
    (ListsTwentyAtMost, &["many-accounts"]),
    (ListsTwentyFiveMembersAtMost, &["large-group"]),
    (CreateAdoptsWhatIsThere, &["create-twice", "case"]),
    (UpdateWipesTheRest, &["attributes"]),
    (UpdateSaysChangedAlways, &["attributes"]),
    (UpdateTrims, &["odd-values"]),
    (CreateTrims, &["odd-names"]),
    (CreateShortens, &["odd-names"]),
    (LooksUpAnybody, &["look-up"]),
    (LooksUpByPrefix, &["look-up"]),
    (LookUpHidesHoldings, &["look-up", "create"]),
    (DeclaresExactAndIgnoresCase, &["case"]),
    (DeclaresIgnoreCaseAndIsExact, &["case"]),
    (RenameChangesTheAnchor, &["rename"]),
    (RenameDropsGroups, &["rename"]),
    (GrantDoesNothing, &["grant"]),
    (GrantSaysChangedAlways, &["grant"]),
    (GrantGivesToAllOthers, &["grant"]),
    (GrantUnknownIsDone, &["grant"]),
    (MixesRolesUp, &["roles"]),
    (RevokeDoesNothing, &["revoke"]),
    (RevokesEverybody, &["revoke"]),
    (RevokesEverything, &["revoke"]),
    (LastMemberTakesTheGroup, &["last-member"]),
    (HidesNesting, &["nesting"]),
    (FlattensNesting, &["nesting"]),
    (ReplaceOnlyAdds, &["replace"]),
    (DisableDeletes, &["disable"]),
    (DisableHides, &["disable"]),
    (DisableIsOnlyShown, &["disable"]),
    (DisableWipesAttributes, &["disable"]),
    (EnableForgetsGroups, &["enable"]),
    (SessionsStay, &["sessions"]),
    (AllSessionsEnd, &["sessions"]),
    (TransfersNothing, &["transfer"]),
    (TransfersEverything, &["transfer"]),
    (RotationEndsTheOld, &["credentials"]),
    (RevokedCredentialWorks, &["credentials"]),
    (CredentialWithoutId, &["credentials"]),
    (DeleteDisables, &["delete", "after"]),
    (DeleteLeavesTheMember, &["delete"]),
    (SecondDeleteFails, &["delete"]),
    (GoneIsDone, &["gone"]),
    (AddressesByName, &["gone", "others"]),
    (DeltaMissesDeletions, &["delta"]),
    (DeltaMissesMembers, &["delta"]),
    (DeltaMissesTheLast, &["delta"]),
    (ForgetsForeignChanges, &["others"]),
    (ForgetsForeignMembers, &["others"]),
    (IdempotentOnlyInWord, &["idempotency"]),
    (DoesWhatItDidNotDeclare, &["undeclared"]),
    (WrongCredentialIsEmpty, &["wrong-credential"]),
    (WrongCredentialIsUnavailable, &["wrong-credential"]),
    (ReadOnlyIsIgnored, &["read-only"]),
    (BlindIsEmpty, &["blind"]),
];

/// Incident 5 of docs/INCIDENTS.md.
#[tokio::test]
async fn every_lie_is_found_by_the_chapter_that_tells_of_it() {
    let mut missed = Vec::new();
    for (lie, expected) in TABLE {
        let report = told(Some(*lie)).await;
        let failed: BTreeMap<&str, &str> = report.failures().collect();
        for chapter in *expected {
            if !failed.contains_key(chapter) {
                missed.push(format!("{lie:?} is not found by {chapter}, only by {failed:#?}"));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test]
async fn who_does_not_lie_passes() {
    let report = told(None).await;
    let failed: BTreeMap<&str, &str> = report.failures().collect();
    assert!(report.passed(), "{failed:#?}");
}

#[test]
fn every_chapter_finds_some_lie() {
    let found: BTreeSet<&str> = TABLE.iter().flat_map(|(_, chapters)| chapters.iter().copied()).collect();
    let all: BTreeSet<&str> = chapter_names().collect();
    assert_eq!(found, all);
}

#[tokio::test]
async fn a_run_of_chosen_chapters_tells_only_those_within_their_frame() {
    let options = Options { only: vec!["rename".into()], ..options(&settings(None)) };
    let world = World::default();
    let liar = Liar { inner: MemoryConnector::new(world), lie: Some(GrantDoesNothing) };
    let report = run(&liar, &settings(None), &options, &mut |_| ()).await;
    let told: Vec<&str> = report.chapters.iter().map(|chapter| chapter.chapter).collect();
    assert_eq!(told, ["before", "rename", "after"]);
    assert!(matches!(report.chapters[1].verdict, Verdict::Failed { .. }));
    assert!(!report.passed());
}

async fn told(lie: Option<Lie>) -> Report {
    let liar = Liar { inner: MemoryConnector::new(World::default()), lie };
    let settings = settings(lie);
    let options = options(&settings);
    let handle = liar.inner.open(&settings).expect("the settings are sound");
    handle.allow("right", Rights::All);
    handle.allow("reader", Rights::Read);
    handle.allow("blind", Rights::Nothing);
    run(&liar, &settings, &options, &mut |_| ()).await
}

fn settings(lie: Option<Lie>) -> Settings {
    let tells = match lie {
        Some(DeltaMissesMembers | DeleteLeavesTheMember | FlattensNesting | ListsTwentyFiveMembersAtMost) => {
            "with-entitlement"
        }
        _ => "with-account",
    };
    let usernames = match lie {
        Some(DeclaresIgnoreCaseAndIsExact) => "exact",
        _ => "ignore-case",
    };
    let config = json!({"name": "liar", "tells": tells, "usernames": usernames});
    let mut settings = Settings {
        target: "liar".into(),
        config: config.as_object().cloned().unwrap_or_default(),
        ..Settings::default()
    };
    settings.secrets.insert("token".into(), SecretString::from("right"));
    settings
}

fn options(settings: &Settings) -> Options {
    let with_token = |token: &str| {
        let mut other = settings.clone();
        other.secrets.insert("token".into(), SecretString::from(token));
        Some(other)
    };
    Options {
        accounts: 40,
        members: 30,
        timeout: Duration::from_secs(20),
        // Nothing is lost on the way here, and a lie is not told better the second time.
        attempts: 2,
        read_only: with_token("reader"),
        blind: with_token("blind"),
        ..Options::default()
    }
}

/// The reference connector with one lie in it.
struct Liar {
    inner: MemoryConnector,
    lie: Option<Lie>,
}

impl Liar {
    fn handle(&self, settings: &Settings) -> Result<Handle> {
        self.inner.open(settings)
    }
}

impl Connector for Liar {
    fn kind(&self) -> &'static str {
        "liar"
    }

    fn summary(&self) -> &'static str {
        "The reference connector with one lie in it."
    }

    fn settings(&self) -> &'static [Setting] {
        self.inner.settings()
    }

    fn reader(&self, settings: &Settings) -> Result<Box<dyn Observe>> {
        let inner = self.inner.reader(settings)?;
        Ok(Box::new(reader::Reader { inner, handle: self.handle(settings)?, lie: self.lie }))
    }

    fn writer(&self, settings: &Settings) -> Result<Box<dyn Apply>> {
        let right = self::settings(self.lie);
        let honest = self.inner.writer(&right)?;
        let inner = self.inner.writer(settings)?;
        Ok(Box::new(writer::Writer::new(inner, honest, self.handle(settings)?, self.lie)))
    }

    fn stage(&self, settings: &Settings) -> Result<Option<Box<dyn Stage>>> {
        let Some(inner) = self.inner.stage(settings)? else { return Ok(None) };
        Ok(Some(Box::new(stage::Scenery { inner, lie: self.lie })))
    }
}
