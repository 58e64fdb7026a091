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

/// Incident 2 of docs/INCIDENTS.md.
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
fn every_optional_target_of_the_example_is_off_and_passes_the_check_once_it_is_on() {
    let demo = Demo::once();
    let repository = demo.repository();
    let mut turned_on = 0;
    for folder in std::fs::read_dir(repository.join("optional")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            let name = file.to_str().unwrap();
            let on = name.strip_suffix(".example").filter(|name| name.ends_with(".yaml"));
            std::fs::copy(name, on.unwrap_or_else(|| panic!("{name} is off by the end of its name")))
                .unwrap();
            turned_on += 1;
        }
    }
    assert!(turned_on > 0);
    demo.commit("optional targets");
    let output = demo.provost(&["check", repository.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
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

#[test]
fn the_examples_own_scenarios_hold_and_a_wrong_one_fails() {
    let demo = Demo::once();
    let repository = demo.repository();
    let repository = repository.to_str().unwrap();
    crate::demo::assert_success(&demo.provost(&["test", repository]));
    let wrong = "kind: Scenario
id: wrong
at: 2026-11-23
expect: [{identity: p-0025, has: [{target: production, group: admins}]}]
";
    demo.write("scenarios/wrong.yaml", wrong);
    let output = demo.provost(&["test", repository]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("FAILED wrong") && text.contains("p-0025 is to have"), "{text}");
}

#[test]
fn the_page_of_commands_names_every_verb() {
    let demo = Demo::once();
    let help = String::from_utf8(demo.provost(&["--help"]).stdout).unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/COMMANDS.md")).unwrap();
    let verbs =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = verbs
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(verbs.len() > 15, "{verbs:?}");
    for verb in verbs.iter().filter(|verb| **verb != "help") {
        assert!(page.contains(&format!("`{verb}")), "docs/COMMANDS.md does not name {verb}");
    }
}
