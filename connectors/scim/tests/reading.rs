//! Reading servers that page, filter and show members in ways of their own.

use std::collections::BTreeSet;

use provost_sdk::{Completeness, ErrorKind, Wanted};

use crate::fake::{Filter, Quirks};
use crate::story::{Stand, held, is_partial};

/// More than two pages of three.
fn furnish(stand: &Stand) -> (Vec<String>, String) {
    let users: Vec<String> = (0..8).map(|index| stand.fake.user(&format!("user{index}"))).collect();
    let group = stand.fake.group("engineers", &[&users[0], &users[7]]);
    (users, group)
}

async fn reads_everything(quirks: Quirks) -> Stand {
    let stand = Stand::new(quirks).await;
    let (users, group) = furnish(&stand);
    let seen = stand.read().await;
    assert_eq!(seen.completeness, Completeness::Complete);
    assert_eq!(seen.users.len(), users.len());
    assert_eq!(seen.members[&group], BTreeSet::from([users[0].clone(), users[7].clone()]));
    stand
}

#[tokio::test]
async fn pages_are_read_to_the_end() {
    reads_everything(Quirks { most: Some(3), ..Quirks::default() }).await;
}

#[tokio::test]
async fn cursors_are_followed_where_they_are_given() {
    let stand = reads_everything(Quirks { cursor: true, most: Some(3), ..Quirks::default() }).await;
    assert_eq!(stand.fake.calls("GET /Users"), 4, "three pages and the total");
    reads_everything(Quirks { cursor: true, ..Quirks::default() }).await;
    reads_everything(Quirks { cursor_lies: true, most: Some(3), ..Quirks::default() }).await;
}

/// Incident 12 of docs/INCIDENTS.md: calls are the limit. A look at everything costs pages, not accounts and groups.
#[tokio::test]
async fn ten_thousand_accounts_and_two_hundred_groups_are_pages_and_not_objects() {
    for (cursor, users_calls, groups_calls) in [(true, 11, 2), (false, 11, 2)] {
        let stand = Stand::new(Quirks { cursor, most: Some(1_000), ..Quirks::default() }).await;
        let users: Vec<String> = (0..10_000).map(|index| stand.fake.user(&format!("user{index}"))).collect();
        for (index, fifty) in users.chunks(50).enumerate() {
            let members: Vec<&str> = fifty.iter().map(String::as_str).collect();
            stand.fake.group(&format!("group{index}"), &members);
        }
        // What is found out about a server is asked once an hour.
        stand.read().await;
        let calls = || ["GET /Users", "GET /Groups", ""].map(|what| stand.fake.calls(what));
        let before = calls();
        let seen = stand.read().await;
        assert_eq!(seen.completeness, Completeness::Complete);
        assert_eq!((seen.users.len(), seen.members.len()), (10_000, 200));
        let after = calls();
        let made: Vec<usize> = before.iter().zip(after).map(|(before, after)| after - before).collect();
        assert_eq!(made, [users_calls, groups_calls, users_calls + groups_calls], "by cursor: {cursor}");
    }
}

#[tokio::test]
async fn a_list_that_always_changes_is_whole_by_cursor_and_partial_by_index() {
    for cursor in [true, false] {
        let stand = Stand::new(Quirks { cursor, busy: true, most: Some(5), ..Quirks::default() }).await;
        let (users, _) = furnish(&stand);
        let seen = stand.read().await;
        assert_eq!(is_partial(&seen), !cursor, "{seen:?}");
        assert!(seen.users.len() >= users.len() || !cursor, "{seen:?}");
    }
}

#[tokio::test]
async fn an_old_answer_of_a_cache_is_not_taken_for_the_list() {
    for cursor in [false, true] {
        let stand = Stand::new(Quirks { cursor, ..Quirks::default() }).await;
        stand.fake.user("ada");
        let old = serde_json::json!({ "totalResults": 1, "Resources": [{ "id": "old", "userName": "old" }] });
        stand.fake.quirks(|quirks| quirks.stale = Some(old));
        let seen = stand.read().await;
        assert_eq!(seen.completeness, Completeness::Complete);
        assert_eq!(seen.users, BTreeSet::from(["ada".to_owned()]));
    }
}

#[tokio::test]
async fn a_server_without_discovery_is_read() {
    reads_everything(Quirks { mute: true, most: Some(3), ..Quirks::default() }).await;
}

#[tokio::test]
async fn a_count_that_fails_is_left_out() {
    reads_everything(Quirks { count_fails: true, most: Some(3), ..Quirks::default() }).await;
}

#[tokio::test]
async fn a_start_index_that_is_not_heard_is_no_endless_loop() {
    reads_everything(Quirks { start_ignored: true, ..Quirks::default() }).await;
}

#[tokio::test]
async fn the_first_page_again_and_again_is_partial() {
    let stand = Stand::new(Quirks { start_ignored: true, most: Some(3), ..Quirks::default() }).await;
    furnish(&stand);
    assert!(is_partial(&stand.read().await));
}

#[tokio::test]
async fn a_total_of_the_page_alone_is_not_believed() {
    reads_everything(Quirks { total_of_page: true, most: Some(3), ..Quirks::default() }).await;
}

#[tokio::test]
async fn a_delete_between_pages_hides_nobody() {
    let stand = Stand::new(Quirks { most: Some(3), vanish_after: Some(1), ..Quirks::default() }).await;
    furnish(&stand);
    let seen = stand.read().await;
    assert_eq!(seen.completeness, Completeness::Complete);
    assert!((1..8).all(|index| seen.users.contains(&format!("user{index}"))), "{seen:?}");
}

#[tokio::test]
async fn members_that_lists_leave_out_are_asked_for() {
    let stand = reads_everything(Quirks { members_hidden_in_lists: true, ..Quirks::default() }).await;
    assert_eq!(stand.fake.calls("GET /Groups/"), 1);
}

#[tokio::test]
async fn members_that_are_shown_on_request_are_requested() {
    reads_everything(Quirks { members_on_request: true, ..Quirks::default() }).await;
}

#[tokio::test]
async fn members_that_only_users_tell_are_taken_from_users() {
    reads_everything(Quirks { members_hidden: true, user_groups: true, ..Quirks::default() }).await;
}

#[tokio::test]
async fn an_empty_server_is_complete() {
    let stand = Stand::new(Quirks::default()).await;
    let seen = stand.read().await;
    assert_eq!(seen.completeness, Completeness::Complete);
    assert!(seen.users.is_empty());
}

/// Incident 4 of docs/INCIDENTS.md.
#[tokio::test]
async fn an_empty_list_is_not_believed_while_members_are_there() {
    let stand = Stand::new(Quirks::default()).await;
    let user = stand.fake.user("ada");
    stand.fake.group("engineers", &[&user]);
    stand.fake.quirks(|quirks| quirks.blind = true);
    // Groups are hidden by the same quirk, so what was seen before has to bear witness.
    stand.fake.quirks(|quirks| quirks.blind = false);
    assert_eq!(stand.read().await.completeness, Completeness::Complete);
    stand.fake.quirks(|quirks| quirks.blind = true);
    assert!(is_partial(&stand.read().await));
}

#[tokio::test]
async fn an_empty_list_is_not_believed_where_a_single_user_is_denied() {
    let stand = Stand::new(Quirks { blind: true, single_denied: true, ..Quirks::default() }).await;
    stand.fake.user("ada");
    assert!(is_partial(&stand.read().await));
}

#[tokio::test]
async fn ghosts_are_no_members_and_groups_in_groups_are_nestings() {
    let stand = Stand::new(Quirks::default()).await;
    let user = stand.fake.user("ada");
    let inner = stand.fake.group("inner", &[&user, &user]);
    let outer = stand.fake.group("outer", &["ghost", &inner]);
    let seen = stand.read().await;
    assert_eq!(seen.members[&inner], BTreeSet::from([user.clone()]));
    assert!(seen.members[&outer].is_empty());
    assert_eq!(seen.nestings.len(), 1);
    assert_eq!(seen.nestings[0].inner.anchor.0, inner);
    let ada = stand.by_name("ada").await.unwrap().unwrap();
    assert_eq!(held(&ada), BTreeSet::from([inner]));
}

#[tokio::test]
async fn a_user_is_found_in_another_case_whatever_filters_do() {
    for filter in [Filter::Works, Filter::CaseSensitive, Filter::Ignored, Filter::Nothing, Filter::Refused] {
        let stand = Stand::new(Quirks { filter, most: Some(3), ..Quirks::default() }).await;
        let (users, group) = furnish(&stand);
        for _ in 0..2 {
            let found = stand.by_name("USER7").await.unwrap().expect("the user is there");
            assert_eq!(found.anchor.0, users[7], "{filter:?}");
            assert_eq!(held(&found), BTreeSet::from([group.clone()]), "{filter:?}");
            assert_eq!(stand.by_name("nobody").await.unwrap(), None, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn what_users_say_they_hold_is_believed_only_after_it_was_compared() {
    let stand = Stand::new(Quirks { user_groups: true, ..Quirks::default() }).await;
    let (users, group) = furnish(&stand);
    let wanted = Wanted::Anchor(users[0].as_str().into());
    for _ in 0..2 {
        let found = stand.reader.look_up(&wanted).await.unwrap().unwrap();
        assert_eq!(held(&found), BTreeSet::from([group.clone()]));
    }
    assert_eq!(stand.fake.calls("GET /Groups"), 3, "asked for, looked at and looked at again, then trusted");
}

#[tokio::test]
async fn an_unreadable_answer_is_an_error_and_never_an_empty_system() {
    for quirks in [Quirks { html: true, ..Quirks::default() }, Quirks { redirect: true, ..Quirks::default() }]
    {
        let stand = Stand::new(quirks).await;
        let mut sink = provost_sdk::Collected::default();
        let error = stand.reader.observe(None, &mut sink).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidResponse);
        assert_eq!(stand.reader.probe().await.unwrap_err().kind, ErrorKind::InvalidResponse);
    }
}

#[tokio::test]
async fn the_clock_and_the_permissions_are_probed() {
    let stand = Stand::new(Quirks { count_fails: true, ..Quirks::default() }).await;
    let probe = stand.reader.probe().await.unwrap();
    assert!(probe.clock.is_some());
    assert!(probe.permissions.iter().filter(|permission| permission.granted == Some(true)).count() == 2);
}

#[tokio::test]
async fn disabled_is_read_in_every_spelling() {
    let stand = Stand::new(Quirks { active_text: true, ..Quirks::default() }).await;
    let user = stand.fake.user("ada");
    let receipt =
        stand.apply(provost_sdk::Operation::Disable { account: crate::story::account(&user) }).await.unwrap();
    assert_eq!(receipt.account.unwrap().state, provost_sdk::State::Disabled);
}
