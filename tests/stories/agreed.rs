//! What people agree to beyond grants: operations that a guard refuses, and accounts that somebody shut by hand; and what
//! they are shown.

use serde_json::{Value, json};

use crate::demo::{Demo, SOON, assert_success};

const ENGINEERS: [&str; 3] = ["trivera", "pnair", "ytanaka"];

impl Demo {
    /// The override that is asked for as many operations.
    fn asked_for(&self, operations: usize) -> Value {
        let is = |asked: &Value| {
            let of = &asked["request"];
            of["request"] == "override" && of["operations"].as_array().unwrap().len() == operations
        };
        self.wait(&format!("{operations} operations wait for an override"), SOON, || {
            self.asked().into_iter().find(is)
        })
    }

    fn engineers(&self) -> usize {
        let is = |name: &&&str| self.groups("forge", name).contains(&"engineering".to_owned());
        ENGINEERS.iter().filter(is).count()
    }
}

#[test]
fn what_a_guard_refuses_is_done_once_two_people_have_signed_for_exactly_that() {
    let demo = Demo::running();
    let guards = "removals: {percent: 10, count: 20, window: 24h, minimum: 100}";
    demo.edit("targets/forge.yaml", guards, "removals: {count: 2, window: 24h}");
    demo.commit_trusted("two a day");
    for name in ENGINEERS {
        let path = format!("people/engineering/{name}.yaml");
        demo.edit(&path, "department: engineering", "department: product");
    }
    demo.commit_as("p-0012", "three move");
    // What comes to each of them by itself lets none of them through.
    let asked = demo.asked_for(3);
    assert_success(&demo.approve(&asked["digest"], "p-0003"));
    demo.wait_said("requests", "1 signature of the group approvers");
    assert_eq!(demo.engineers(), 3, "one of two is not enough");
    assert_success(&demo.approve(&asked["digest"], "p-0007"));
    demo.wait("all three have moved", SOON, || (demo.engineers() == 0).then_some(()));

    // Another one is not covered by it.
    demo.edit("people/engineering/srahman.yaml", "department: engineering", "department: product");
    demo.commit_as("p-0012", "a fourth moves");
    let other = demo.asked_for(1);
    assert_ne!(other["digest"], asked["digest"]);
    assert!(demo.groups("forge", "srahman").contains(&"engineering".to_owned()));
}

#[test]
fn names_that_would_act_on_a_terminal_are_shown_and_do_not_act() {
    let demo = Demo::running();
    // What is found is not removed before it is looked at.
    assert_success(&demo.provost(&["suspend", "--all"]));
    let account = demo.account("forge", "trivera").unwrap();
    for (name, shown) in [("x\u{1b}[2Jy\u{202e}z", "x\\u{1b}[2Jy\\u{202e}z"), ("xyz", "xyz")] {
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name,
            "members": [{"value": account["id"]}],
        });
        demo.scim("forge", "POST", "/Groups", &[], Some(group)).unwrap();
        let said = String::from_utf8(demo.provost(&["plan"]).stdout).unwrap();
        assert!(said.contains(&format!("group:{shown} ")), "{said:?}");
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    }
}

#[test]
fn an_account_that_was_disabled_by_hand_stays_so_until_somebody_signs_that_it_is_enabled() {
    let demo = Demo::running();
    let account = demo.account("forge", "trivera").unwrap();
    let path = format!("/Users/{}", account["id"].as_str().unwrap());
    let shut = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}],
    });
    demo.scim("forge", "PATCH", &path, &[], Some(shut)).unwrap();
    // The next read sees it: nothing is done about it, and it is asked about.
    let asked = demo.wait("enabling it waits", crate::demo::NEXT_READ, || {
        demo.asked().into_iter().find(|asked| asked["request"]["request"] == "enable")
    });
    assert_eq!(asked["request"]["identity"].as_str(), Some("p-0025"), "{asked:#}");
    assert_eq!(demo.account("forge", "trivera").unwrap()["active"], false);
    assert_success(&demo.approve(&asked["digest"], "p-0007"));
    demo.wait_account("forge", "trivera", "is enabled", SOON, |account| {
        account.is_some_and(|account| account["active"] == true)
    });
}
