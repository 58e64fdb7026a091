//! The law of lists: whatever index or partial reading finds them, the matches of a filter are those resources whose
//! whole JSON, as a client sees it, matches.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Parameters, Query};
use crate::error::Refusal;
use crate::filter::{bind, matches, parse};
use crate::schema::{ENTERPRISE, GROUP, Kind, USER};
use crate::store::create;
use crate::{Directory, resource};

const BASE: &str = "http://localhost/scim/v2";

/// Few values, so that filters often match.
const TEXTS: [&str; 6] = ["ada", "ADA", "Bob", "zo\u{eb}", "zoe\u{308}", ""];

fn text() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(TEXTS.to_vec())
}

fn user() -> impl Strategy<Value = Value> {
    (text(), text(), text(), any::<bool>(), proptest::collection::vec((text(), text()), 0..3)).prop_map(
        |(external, display, department, active, emails)| {
            let emails: Vec<Value> =
                emails.iter().map(|(value, kind)| json!({"value": value, "type": kind})).collect();
            json!({"schemas": [USER], "externalId": external, "displayName": display, "active": active,
                "emails": emails, ENTERPRISE: {"department": department}})
        },
    )
}

fn filter() -> impl Strategy<Value = String> {
    let attribute = proptest::sample::select(vec![
        "userName".to_owned(),
        "externalId".into(),
        "displayName".into(),
        "emails.value".into(),
        "emails".into(),
        "groups.display".into(),
        "id".into(),
        "meta.resourceType".into(),
        format!("{ENTERPRISE}:department"),
    ]);
    let op = proptest::sample::select(vec!["eq", "eq", "eq", "ne", "co", "sw", "gt", "le"]);
    let value = prop_oneof![4 => text(), 1 => Just("user0"), 1 => Just("staff")];
    let leaf = prop_oneof![
        6 => (attribute.clone(), op, value).prop_map(|(attribute, op, value)| format!("{attribute} {op} \"{value}\"")),
        1 => attribute.prop_map(|attribute| format!("{attribute} pr")),
        1 => any::<bool>().prop_map(|active| format!("active eq {active}")),
        2 => (text(), text()).prop_map(|(value, kind)| format!("emails[value eq \"{value}\" and type eq \"{kind}\"]")),
        1 => (text(), text()).prop_map(|(one, two)| format!("emails[value eq \"{one}\" or not (type eq \"{two}\")]")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" and "))),
            proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

async fn law(users: Vec<Value>, filters: Vec<String>) -> Result<(), Refusal> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let directory = Directory::open(folder.path().join("people.db")).expect("a new directory opens");
    directory
        .write(move |connection| {
            let mut members = Vec::new();
            for (index, mut user) in users.into_iter().enumerate() {
                user["userName"] = format!("user{index}").into();
                let row =
                    create(connection, Kind::User, Uuid::new_v4(), &resource::conform(Kind::User, &user)?)?;
                if index % 2 == 0 {
                    members.push(json!({"value": row.id}));
                }
            }
            let group = json!({"schemas": [GROUP], "displayName": "staff", "members": members});
            create(connection, Kind::Group, Uuid::new_v4(), &resource::conform(Kind::Group, &group)?)?;
            let list = |filter: Option<String>| -> Result<Vec<Map<String, Value>>, Refusal> {
                let query = Query::parse(&[Kind::User], &Parameters { filter, ..Parameters::default() })?;
                let body: Value =
                    serde_json::from_str(&query.run(connection, BASE)?).expect("a list is JSON");
                let resources = body["Resources"].as_array().cloned().unwrap_or_default();
                assert_eq!(body["totalResults"], json!(resources.len()));
                Ok(resources.into_iter().filter_map(|resource| resource.as_object().cloned()).collect())
            };
            let all = list(None)?;
            for filter in filters {
                let test = bind(&parse(&filter)?, Kind::User, false)?;
                let expected: Vec<_> = all.iter().filter(|user| matches(&test, user)).cloned().collect();
                assert_eq!(list(Some(filter.clone()))?, expected, "{filter}");
            }
            Ok(())
        })
        .await
}

proptest! {
    // Each case makes a database and runs many filters on it.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn matches_are_the_same_however_they_are_found(
        users in proptest::collection::vec(user(), 1..12),
        filters in proptest::collection::vec(filter(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        prop_assert_eq!(runtime.block_on(law(users, filters)), Ok(()));
    }
}
