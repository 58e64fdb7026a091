//! Joiner, mover, leaver, drift.

use serde_json::json;

use crate::demo::{Demo, NEXT_READ, NIA, SOON};

fn is_active(account: Option<&serde_json::Value>) -> bool {
    account.is_some_and(|account| account["active"] == true)
}

fn is_disabled(account: Option<&serde_json::Value>) -> bool {
    account.is_some_and(|account| account["active"] == false)
}

#[test]
fn a_joiner_gets_birthright_access_a_mover_loses_first_and_a_leaver_is_disabled_everywhere() {
    let mut demo = Demo::running();

    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    for target in ["workforce", "forge", "tickets"] {
        demo.wait_account(target, "nokafor", "is there", SOON, is_active);
    }
    demo.wait("her teams", SOON, || {
        (demo.groups("forge", "nokafor") == ["engineering"]
            && demo.groups("tickets", "nokafor") == ["engineering"])
        .then_some(())
    });
    assert!(demo.account("production", "nokafor").is_none(), "production is absent by construction");

    demo.edit("people/engineering/nokafor.yaml", "department: engineering", "department: product");
    demo.commit("Nia moves");
    demo.wait("her new access", SOON, || {
        let moved = demo.groups("tickets", "nokafor").contains(&"product".to_owned());
        let gone = !demo.groups("forge", "nokafor").contains(&"engineering".to_owned());
        (moved && gone).then_some(())
    });
    let (revoked, granted) = demo.wait("both are on the record", SOON, || {
        let log = demo.json(&["history", "p-2001", "--target", "tickets"]);
        let at = |word: &str| {
            let is = |entry: &serde_json::Value| entry["summary"].as_str().unwrap().starts_with(word);
            log.as_array().unwrap().iter().position(is)
        };
        at("revoke group:engineering").zip(at("grant group:product"))
    });
    assert!(revoked < granted, "old privileges are gone before the new ones come");

    demo.write("people/engineering/broken.yaml", "kind: Person\nid: p-3001\nname: [\n");
    demo.edit("people/engineering/nokafor.yaml", "start: 2026-11-01", "start: 2026-11-01\nstatus: departed");
    demo.commit("Nia leaves, and somebody's file is broken");
    for target in ["workforce", "forge", "tickets"] {
        demo.wait_account(target, "nokafor", "is disabled", SOON, is_disabled);
    }
    let status = demo.json(&["status"]);
    assert!(status["held"]["problems"].to_string().contains("broken.yaml"), "{status:#}");

    demo.stop();
    let plan = demo.json(&["plan"]);
    let waiting = plan["operations"]
        .as_array()
        .unwrap()
        .iter()
        .all(|operation| operation["decision"]["decision"] != "proceed");
    assert!(waiting, "nothing is left to do: {plan:#}");
}

#[test]
fn what_is_changed_by_hand_is_repaired_and_what_is_disabled_by_hand_stays_so() {
    let demo = Demo::running();
    let group = demo.group("forge", "platform");
    let id = group["id"].as_str().unwrap();
    let stranger = demo.account("forge", "trivera").unwrap();
    let add = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "add", "path": "members", "value": [{ "value": stranger["id"] }] }],
    });
    demo.scim("forge", "PATCH", &format!("/Groups/{id}"), &[], Some(add));
    let disabled = demo.account("tickets", "trivera").unwrap();
    let disable = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": "active", "value": false }],
    });
    demo.scim(
        "tickets",
        "PATCH",
        &format!("/Users/{}", disabled["id"].as_str().unwrap()),
        &[],
        Some(disable),
    );
    assert!(demo.groups("forge", "trivera").contains(&"platform".to_owned()));

    demo.wait("the membership is taken away at the next read", NEXT_READ, || {
        (!demo.groups("forge", "trivera").contains(&"platform".to_owned())).then_some(())
    });
    demo.wait("the disabled account is shown", NEXT_READ, || {
        demo.json(&["status"])["held"]["shown"].to_string().contains("disabled by hand").then_some(())
    });
    assert_eq!(demo.account("tickets", "trivera").unwrap()["active"], false);

    demo.wait("both are on the published audit branch", SOON, || {
        let log = demo.git(&["log", "--format=%s", "provost/audit"]);
        let drift = log.lines().any(|line| line.contains("drift on forge"));
        let repair = log.lines().any(|line| line.starts_with("revoke group:platform"));
        (drift && repair).then_some(())
    });
}

#[test]
fn a_second_run_plans_nothing() {
    let demo = Demo::once();
    let again = demo.provost(&["quickstart", "--once", "--dir", demo.dir().to_str().unwrap()]);
    crate::demo::assert_success(&again);
    let before = demo.git(&["rev-list", "--count", "provost/audit"]);
    let plan = demo.json(&["plan"]);
    let operations = plan["operations"].as_array().unwrap();
    assert!(operations.is_empty(), "{plan:#}");
    assert!(plan["unread"].as_array().unwrap().is_empty(), "{plan:#}");
    let exit = demo.provost(&["plan", "--detailed-exitcode"]);
    assert_eq!(exit.status.code(), Some(0));
    crate::demo::assert_success(&demo.provost(&[
        "quickstart",
        "--once",
        "--dir",
        demo.dir().to_str().unwrap(),
    ]));
    assert_eq!(before, demo.git(&["rev-list", "--count", "provost/audit"]), "and it records nothing");
}
