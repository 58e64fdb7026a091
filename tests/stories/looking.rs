//! Verbs that only look.

use crate::demo::{Demo, NIA};

#[test]
fn why_explains_what_somebody_has_and_what_not() {
    let demo = Demo::once();
    let has = demo.provost(&["why", "trivera"]);
    let text = String::from_utf8(has.stdout).unwrap();
    assert!(text.contains("engineering") && text.contains("by birthright"), "{text}");
    let has_not = demo.provost(&["why", "p-0025", "production"]);
    let text = String::from_utf8(has_not.stdout).unwrap();
    assert!(text.contains("Has not") && text.contains("nobody assigned it"), "{text}");
    let nobody = demo.provost(&["why", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("hint:"));
}

#[test]
fn who_shows_everybody_who_holds_an_entitlement() {
    let demo = Demo::once();
    let holders = demo.json(&["who", "forge", "group:engineering"]);
    let holders = holders.as_array().unwrap();
    assert!(holders.iter().any(|holder| holder["identity"] == "p-0025"), "{holders:#?}");
    assert!(holders.iter().all(|holder| holder["seen"] == true && holder["wanted"] == true), "{holders:#?}");
}

#[test]
fn a_plan_of_another_commit_shows_changes_and_changes_nothing() {
    let demo = Demo::once();
    demo.git(&["checkout", "--quiet", "-b", "proposal"]);
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("a proposal");
    let repository = demo.repository();
    let repository = repository.to_str().unwrap();
    let output = demo.provost(&[
        "plan",
        "--repo",
        repository,
        "--commit",
        "proposal",
        "--detailed-exitcode",
        "--output",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let created = plan["operations"]
        .as_array()
        .unwrap()
        .iter()
        .find(|operation| operation["verb"] == "create")
        .unwrap();
    assert_eq!(created["identity"], "p-2001");
    assert_eq!(created["decision"]["decision"], "proceed");
    assert_eq!(created["digest"].as_str().unwrap().len(), 64);
    assert!(!created["causes"].as_array().unwrap().is_empty(), "{created:#}");
    let markdown = demo.provost(&["plan", "--commit", "proposal", "--output", "markdown"]);
    assert!(String::from_utf8(markdown.stdout).unwrap().contains("| workforce |"));
}

#[test]
fn check_finds_no_problem_in_the_example_and_every_problem_of_a_broken_one() {
    let demo = Demo::once();
    let repository = demo.repository();
    let repository = repository.to_str().unwrap();
    crate::demo::assert_success(&demo.provost(&["check", repository]));
    demo.edit("people/engineering/trivera.yaml", "department: engineering", "departmnt: engineering");
    demo.edit("roles/engineer.yaml", "owners: [", "owners: [p-9999, ");
    let output = demo.provost(&["check", repository, "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let problems: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |file: &str| {
        problems.as_array().unwrap().iter().find(|problem| problem["file"] == file).cloned().unwrap()
    };
    let unknown = of("people/engineering/trivera.yaml");
    assert!(
        unknown["line"].as_u64().unwrap() > 1 && unknown["hint"].to_string().contains("department"),
        "{unknown:#}"
    );
    let dangling = of("roles/engineer.yaml");
    assert!(
        dangling["message"].to_string().contains("p-9999") && dangling["line"].as_u64().unwrap() > 1,
        "{dangling:#}"
    );
    let text = demo.provost(&["check", repository]);
    assert!(String::from_utf8(text.stderr).unwrap().contains("departmnt"));
}

#[test]
fn schemas_completions_and_man_pages_are_generated() {
    let demo = Demo::once();
    let schema = demo.provost(&["schema", "person"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["username"].is_object());
    assert!(!demo.provost(&["completions", "bash"]).stdout.is_empty());
    let man = demo.dir().join("man");
    crate::demo::assert_success(&demo.provost(&["man", man.to_str().unwrap()]));
    assert!(man.join("provost-plan.1").exists());
}
