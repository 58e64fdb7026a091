//! Writing to servers that refuse, lie, forget and lose answers.

use std::collections::BTreeSet;

use provost_sdk::{ErrorKind, Operation, State, Value};

use crate::fake::{Filter, Quirks, Remove};
use crate::story::{Stand, account, held};

/// Grants and revokes twice each; others stay members.
async fn member_comes_and_goes(quirks: Quirks) {
    let told = format!("{quirks:?}");
    let stand = Stand::new(quirks).await;
    let (ada, bea) = (stand.fake.user("ada"), stand.fake.user("bea"));
    let group = stand.fake.group("engineers", &[&bea]);
    for again in [false, true] {
        let receipt = stand.grant(&ada, &group).await.unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(receipt.changed, !again, "{told}");
        assert_eq!(held(&receipt.account.unwrap()), BTreeSet::from([group.clone()]), "{told}");
        assert_eq!(stand.fake.members(&group), [bea.clone(), ada.clone()], "{told}");
    }
    for again in [false, true] {
        let receipt = stand.revoke(&ada, &group).await.unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(receipt.changed, !again, "{told}");
        assert!(held(&receipt.account.unwrap()).is_empty(), "{told}");
        assert_eq!(stand.fake.members(&group), [bea.as_str()], "{told}");
    }
    // The last member leaves as well.
    stand.revoke(&bea, &group).await.unwrap();
    assert!(stand.fake.members(&group).is_empty(), "{told}");
}

#[tokio::test]
async fn a_member_comes_and_goes_in_every_dialect() {
    let plain = Quirks::default;
    for quirks in [
        plain(),
        Quirks { mute: true, ..plain() },
        Quirks { user_groups: true, ..plain() },
        Quirks { no_patch: true, ..plain() },
        Quirks { remove: Remove::Unsupported, ..plain() },
        Quirks { remove: Remove::Lies, ..plain() },
        Quirks { remove: Remove::Unsupported, no_put: true, ..plain() },
        Quirks { remove: Remove::Lies, put_lies: true, ..plain() },
        Quirks { remove: Remove::Lies, no_put: true, values_wipe: true, ..plain() },
        Quirks { filter: Filter::Ignored, members_hidden_in_lists: true, ..plain() },
        Quirks { members_on_request: true, no_patch: true, ..plain() },
        Quirks { lies: 1, ..plain() },
    ] {
        member_comes_and_goes(quirks).await;
    }
}

#[tokio::test]
async fn a_group_whose_members_are_hidden_is_never_written_whole() {
    let quirks =
        Quirks { members_hidden: true, user_groups: true, remove: Remove::Lies, ..Quirks::default() };
    let stand = Stand::new(quirks).await;
    let (ada, bea) = (stand.fake.user("ada"), stand.fake.user("bea"));
    let group = stand.fake.group("engineers", &[&ada, &bea]);
    assert!(stand.revoke(&ada, &group).await.is_err());
    assert_eq!(stand.fake.members(&group), [ada, bea]);
    assert_eq!(stand.fake.calls("PUT"), 0);
}

#[tokio::test]
async fn a_way_that_empties_the_group_is_taken_once_and_made_good() {
    let quirks = Quirks { remove: Remove::Lies, no_put: true, values_wipe: true, ..Quirks::default() };
    let stand = Stand::new(quirks).await;
    let users: Vec<String> = ["ada", "bea", "cyd"].iter().map(|name| stand.fake.user(name)).collect();
    let ids: Vec<&str> = users.iter().map(String::as_str).collect();
    let group = stand.fake.group("engineers", &ids);
    assert!(stand.revoke(&users[0], &group).await.unwrap().changed);
    assert_eq!(stand.fake.members(&group), users[1..]);
    assert!(stand.revoke(&users[1], &group).await.is_err());
    assert_eq!(stand.fake.members(&group), users[1..]);
}

/// Incident 15 of docs/INCIDENTS.md.
#[tokio::test]
async fn a_server_that_does_nothing_at_all_is_found_out() {
    let stand = Stand::new(Quirks { lies: usize::MAX, ..Quirks::default() }).await;
    let ada = stand.fake.user("ada");
    let group = stand.fake.group("engineers", &[]);
    for error in [
        stand.grant(&ada, &group).await.unwrap_err(),
        stand.apply(Operation::Disable { account: account(&ada) }).await.unwrap_err(),
        stand.apply(Operation::Delete { account: account(&ada) }).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::InvalidResponse, "{error}");
    }
    assert!(stand.create("new").await.unwrap_err().may_have_landed);
}

#[tokio::test]
async fn a_user_changes_in_every_dialect() {
    for quirks in [
        Quirks::default(),
        Quirks { no_patch: true, ..Quirks::default() },
        Quirks { mute: true, no_patch: true, ..Quirks::default() },
        Quirks { lies: 1, ..Quirks::default() },
        Quirks { lies: 2, ..Quirks::default() },
    ] {
        let stand = Stand::new(quirks).await;
        let ada = stand.fake.user("ada");
        let steps = [
            ("email", Some("ada@example.com")),
            ("email", Some("osei@example.com")),
            ("given_name", Some("Ada")),
            ("department", Some("engineering")),
            ("manager", Some("id-0")),
            ("email", None),
        ];
        for (name, value) in steps {
            let receipt = stand.update(&ada, name, value).await.unwrap();
            assert!(receipt.changed, "{name}");
            let found = receipt.account.unwrap();
            assert_eq!(found.attributes.get(name), value.map(Value::from).as_ref(), "{name}");
            assert!(!stand.update(&ada, name, value).await.unwrap().changed, "{name}");
        }
        let renamed = stand.apply(Operation::Rename { account: account(&ada), to: "aosei".to_owned() });
        assert_eq!(renamed.await.unwrap().account.unwrap().username, "aosei");
        let disabled = stand.apply(Operation::Disable { account: account(&ada) }).await.unwrap();
        let found = disabled.account.unwrap();
        assert_eq!(found.state, State::Disabled);
        assert_eq!(found.attributes["department"], Value::from("engineering"));
    }
}

#[tokio::test]
async fn an_attribute_that_is_not_kept_is_refused_and_not_repeated_for_ever() {
    let stand = Stand::new(Quirks { drops: vec!["title"], ..Quirks::default() }).await;
    let ada = stand.fake.user("ada");
    let error = stand.update(&ada, "title", Some("Engineer")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidValue);
    // A new account is there all the same, and its receipt shows what it has not.
    let made = stand.create("bea").await.unwrap().account.unwrap();
    assert!(!made.attributes.contains_key("title"));
}

#[tokio::test]
async fn a_name_that_is_taken_is_already_there_however_it_is_said() {
    for duplicate in [409, 500, 400, 201] {
        for filter in [Filter::Works, Filter::Ignored, Filter::Nothing] {
            let quirks =
                Quirks { duplicate: Some(duplicate), exact_names: true, filter, ..Quirks::default() };
            let stand = Stand::new(quirks).await;
            stand.fake.user("ada");
            for name in ["ada", "ADA"] {
                let error = stand.create(name).await.unwrap_err();
                assert_eq!(error.kind, ErrorKind::AlreadyExists, "{duplicate} {filter:?} {name}");
                assert!(!error.may_have_landed);
            }
            assert_eq!(stand.read().await.users, BTreeSet::from(["ada".to_owned()]));
        }
    }
}

#[tokio::test]
async fn a_name_of_somebody_else_is_not_taken_over_and_ones_own_may_change_its_case() {
    let stand = Stand::new(Quirks { exact_names: true, ..Quirks::default() }).await;
    let ada = stand.fake.user("ada");
    stand.fake.user("bea");
    let rename =
        async |to: &str| stand.apply(Operation::Rename { account: account(&ada), to: to.to_owned() }).await;
    assert_eq!(rename("BEA").await.unwrap_err().kind, ErrorKind::AlreadyExists);
    assert_eq!(rename("Ada").await.unwrap().account.unwrap().username, "Ada");
}

#[tokio::test]
async fn a_new_account_is_found_where_the_server_says_nothing_of_it() {
    for filter in [Filter::Works, Filter::Nothing] {
        let stand = Stand::new(Quirks { silent_create: true, filter, ..Quirks::default() }).await;
        let made = stand.create("ada").await.unwrap().account.unwrap();
        assert_eq!((made.username.as_str(), made.state), ("ada", State::Enabled));
        assert_eq!(made.attributes["external_id"], Value::from("p-ada"));
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_the_write_in_doubt_and_is_not_repeated() {
    let stand = Stand::new(Quirks { lose_answer: true, ..Quirks::default() }).await;
    let error = stand.create("ada").await.unwrap_err();
    assert!(error.may_have_landed, "{error}");
    assert_eq!(stand.fake.calls("POST"), 1);
    // It had landed: the next read shows it, and the same create again adopts nothing.
    let ada = stand.by_name("ada").await.unwrap().unwrap();
    assert_eq!(stand.create("ada").await.unwrap_err().kind, ErrorKind::AlreadyExists);
    let group = stand.fake.group("engineers", &[]);
    stand.fake.quirks(|quirks| quirks.lose_answer = true);
    assert!(stand.grant(&ada.anchor.0, &group).await.unwrap_err().may_have_landed);
    assert!(!stand.grant(&ada.anchor.0, &group).await.unwrap().changed);
    assert_eq!(stand.fake.members(&group).len(), 1);
}

#[tokio::test]
async fn a_soft_delete_is_reported_as_it_is() {
    let stand = Stand::new(Quirks { soft: true, ..Quirks::default() }).await;
    let ada = stand.fake.user("ada");
    let receipt = stand.apply(Operation::Delete { account: account(&ada) }).await.unwrap();
    assert!(receipt.changed);
    assert_eq!(receipt.account.unwrap().state, State::Disabled);
    let again = stand.apply(Operation::Delete { account: account(&ada) }).await.unwrap();
    assert!(!again.changed);
    assert_eq!(stand.create("ada").await.unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_delete_is_final_and_a_second_one_changes_nothing() {
    let stand = Stand::new(Quirks::default()).await;
    let ada = stand.fake.user("ada");
    for changed in [true, false] {
        let receipt = stand.apply(Operation::Delete { account: account(&ada) }).await.unwrap();
        assert_eq!((receipt.changed, receipt.account), (changed, None));
    }
    let error = stand.apply(Operation::Enable { account: account(&ada) }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn an_id_that_would_be_another_address_is_refused() {
    let stand = Stand::new(Quirks::default()).await;
    for id in ["..", ".", ""] {
        let error = stand.apply(Operation::Delete { account: account(id) }).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidValue);
    }
    assert_eq!(stand.fake.calls("DELETE"), 0);
}

#[tokio::test]
async fn no_error_shows_the_credential() {
    let stand = Stand::new(Quirks { no_patch: true, no_put: true, ..Quirks::default() }).await;
    let ada = stand.fake.user("ada");
    let error = stand.update(&ada, "title", Some("Engineer")).await.unwrap_err();
    let all = format!("{error} {error:?} {:?}", stand.settings);
    assert!(error.to_string().contains("[secret]"), "{all}");
    assert!(!all.contains("secret-token"), "{all}");
}

#[tokio::test]
async fn many_writers_lose_nothing_where_groups_are_written_whole() {
    let stand = Stand::new(Quirks { no_patch: true, ..Quirks::default() }).await;
    let users: Vec<String> = (0..12).map(|index| stand.fake.user(&format!("user{index}"))).collect();
    let group = stand.fake.group("engineers", &[]);
    let grants = users.iter().map(|user| stand.grant(user, &group));
    for done in futures::future::join_all(grants).await {
        assert!(done.unwrap().changed);
    }
    let members: BTreeSet<String> = stand.fake.members(&group).into_iter().collect();
    assert_eq!(members, users.into_iter().collect());
}
