//! What people are shown of a request, and what it says it is about.

use provost_core::approval::{
    AttributeRequest, CredentialRequest, Entitlement, GrantRequest, HolderRequest, Limited, NameRequest,
    OperationRequest, OverrideRequest, Pool, Request, RuleRequest, Standing,
};
use provost_core::digest::digest;
use provost_core::document::Kind;
use provost_core::evidence::MAIN;
use provost_core::guard::{Limit, Part};
use provost_sdk::Verb;

use super::{account, at, grant};

fn requests() -> Vec<(Request, &'static str)> {
    let (identity, target, place, profile) = ("p-9".into(), "forge".into(), "place".into(), MAIN.into());
    let anchored =
        Entitlement { kind: "team".into(), name: "ops".into(), role: None, anchor: Some("t-1".into()) };
    let of = |from, until| GrantRequest {
        identity,
        target,
        place,
        profile,
        entitlement: Some(anchored.clone()),
        from,
        until,
    };
    let attribute =
        |value| AttributeRequest { identity, target, place, profile, attribute: "email".into(), value };
    let rule = |before: Option<&str>, after: Option<&str>| {
        let (before, after) = (before.map(|text| digest(&text)), after.map(|text| digest(&text)));
        Request::Rule(RuleRequest { kind: Kind::Role, id: "lead".into(), before, after })
    };
    let operation =
        |verb, to| OperationRequest { verb, identity, target, place, profile, anchor: "a-1".into(), to };
    let holder = |standing| HolderRequest { service: "s-1".into(), person: identity, standing };
    let part = Part { target: Some(target), kind: "accounts".into(), limit: Limit::Removals };
    let over = |guard| Request::Override(OverrideRequest { guard, operations: vec![digest(&1), digest(&2)] });
    vec![
        (
            grant("p-9", "admins", 0, 60),
            "p-9 gets team:admins on forge from 1970-01-01T00:00:00Z until 1970-01-01T00:01:00Z",
        ),
        (
            Request::Grant(of(None, Some(at(60)))),
            "p-9 gets team:ops on forge (t-1) until 1970-01-01T00:01:00Z",
        ),
        (Request::Grant(of(None, None)), "p-9 gets team:ops on forge (t-1) without end"),
        (Request::Link(account("p-9", "a-1")), "the account a-1 on forge becomes the account of p-9 (main)"),
        (Request::Enable(account("p-9", "a-1")), "the account a-1 of p-9 on forge (main) is enabled again"),
        (
            Request::Attribute(attribute(Some("a\"b".into()))),
            "the account of p-9 on forge (main) has email \"a\\\"b\"",
        ),
        (Request::Attribute(attribute(None)), "the account of p-9 on forge (main) has no email"),
        (
            Request::Credential(CredentialRequest {
                service: "s-1".into(),
                target,
                place,
                kind: "token".into(),
                deliver: "vault".into(),
            }),
            "s-1 has a credential of kind token on forge, delivered to vault",
        ),
        (Request::Holder(holder(Standing::Owner)), "p-9 answers for s-1"),
        (Request::Holder(holder(Standing::Holder)), "p-9 knows the secrets of s-1"),
        (
            Request::Name(NameRequest {
                target,
                place,
                kind: "team".into(),
                name: "ops".into(),
                anchor: "t-2".into(),
            }),
            "team:ops on forge means t-2 from now on",
        ),
        (rule(None, Some("new")), "the new Role lead comes into force"),
        (rule(Some("old"), None), "the Role lead is deleted"),
        (rule(Some("old"), Some("new")), "another version of the Role lead comes into force"),
        (Request::Operation(operation(Verb::Delete, None)), "delete the account a-1 of p-9 on forge"),
        (
            Request::Operation(operation(Verb::Transfer, Some("a-2".into()))),
            "transfer the account a-1 of p-9 on forge to a-2",
        ),
        (
            over(Limited::Limit(part)),
            "2 operations go past the guard over removals of accounts on forge, once",
        ),
        (
            over(Limited::LastAdmin { target, entitlement: "team:admins".into() }),
            "2 operations go past the guard over the last who holds team:admins on forge, once",
        ),
    ]
}

#[test]
fn a_request_is_one_line_that_says_all_of_it() {
    for (request, words) in requests() {
        assert_eq!(request.to_string(), words);
    }
}

#[test]
fn a_request_says_which_target_place_and_identity_it_is_about() {
    let forge = Some("forge".into());
    for (request, words) in requests() {
        let (target, placed, identity) = match &request {
            Request::Holder(_) => (None, false, Some("s-1")),
            Request::Rule(_) => (None, false, None),
            Request::Override(_) => (forge, false, None),
            Request::Name(_) => (forge, true, None),
            Request::Credential(_) => (forge, true, Some("s-1")),
            _ => (forge, true, Some("p-9")),
        };
        let place = placed.then(|| ("forge".into(), "place".into()));
        assert_eq!((request.target(), request.place()), (target, place), "{words}");
        assert_eq!(request.identity(), identity.map(Into::into), "{words}");
    }
    let target = RuleRequest { kind: Kind::Target, id: "forge".into(), before: None, after: None };
    assert_eq!(Request::Rule(target).target(), forge);
}

#[test]
fn a_thing_that_was_agreed_to_is_asked_for_again_by_the_same_request() {
    for (request, words) in requests() {
        let kept = !matches!(request, Request::Grant(_) | Request::Rule(_) | Request::Override(_));
        assert_eq!(request.thing().is_some(), kept, "{words}");
        if let Some(thing) = request.thing() {
            assert_eq!(Request::of(thing, "place".into()), request, "{words}");
        }
    }
}

#[test]
fn a_pool_is_named_in_words() {
    let (target, by) = ("forge".into(), digest(&"rule"));
    for (pool, words) in [
        (Pool::Group { group: "ops".into() }, "the group ops"),
        (Pool::Owners { target, entitlement: None }, "the owners of forge"),
        (Pool::Owners { target, entitlement: Some("team:ops".into()) }, "the owners of team:ops on forge"),
        (Pool::Signers, "everyone with a key in the allowed signers"),
        (Pool::Proposed { group: "ops".into(), by }, "the group ops as it is to be"),
        (Pool::ProposedOwners { target, by }, "the owners of forge as they are to be"),
    ] {
        assert_eq!(pool.to_string(), words);
    }
}
