//! What a restart must not forget, and what must not keep the daemon from starting.

use serde_json::Value;

use crate::demo::{Demo, NIA, SOON, assert_success};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A daemon from its start to where nothing is left to do, and what it says then.
fn run_once(demo: &Demo) -> String {
    let output = demo.provost(&["run", "--once"]);
    assert_success(&output);
    text(&output.stdout)
}

fn outcomes(demo: &Demo, kind: &str, what: &str) -> Vec<String> {
    let log =
        demo.git(&["log", "--format=%s%x09%(trailers:key=Kind,valueonly,separator=%x2C)", "provost/audit"]);
    let of_kind = |line: &&str| line.ends_with(&format!("\t{kind}")) && line.contains(what);
    log.lines().filter(of_kind).map(str::to_owned).collect()
}

#[test]
fn a_slow_bleed_with_a_restart_between_its_parts_is_stopped_by_the_guard() {
    let demo = Demo::once();
    let guards = "removals: {percent: 10, count: 20, window: 24h, minimum: 100}";
    demo.edit("targets/forge.yaml", guards, "removals: {count: 2, window: 24h}");
    demo.commit("two a day");
    assert_success(&demo.provost(&["trust", "main"]));
    let mut said = Vec::new();
    for person in ["trivera", "pnair", "ytanaka"] {
        let path = format!("people/engineering/{person}.yaml");
        demo.edit(&path, "department: engineering", "department: product");
        demo.commit("one moves");
        said.push(run_once(&demo));
        // Without the file that only makes the start quicker it is the same.
        drop(std::fs::remove_file(demo.dir().join("state/windows.json")));
    }
    let refused: Vec<bool> = said.iter().map(|said| said.contains("removals of group on forge: 3")).collect();
    assert_eq!(refused, [false, false, true], "{}", said[2]);
    run_once(&demo);
    run_once(&demo);
    assert_eq!(outcomes(&demo, "outcome-applied", "revoke group:engineering for p-").len(), 2 + 3);
    assert_eq!(outcomes(&demo, "refused", "group:engineering").len(), 1, "and it is said once");
}

#[test]
fn what_is_suspended_stays_so_over_a_restart_and_is_on_the_record() {
    let mut demo = Demo::running();
    assert_success(&demo.provost(&["suspend", "forge"]));
    assert_success(&demo.provost(&["suspend", "--all"]));
    demo.stop();
    demo.start();
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    demo.wait("the commit counts, and everything is suspended", SOON, || {
        let status = demo.json(&["status"]);
        let all = status["targets"].as_array()?.iter().all(|target| target["health"] == "Suspended");
        (status["commit"] == demo.git(&["rev-parse", "main"]).trim() && all).then_some(())
    });
    assert!(demo.account("workforce", "nokafor").is_none());
    demo.stop();
    demo.start();
    assert_success(&demo.provost(&["resume", "--all"]));
    demo.wait_account("forge", "nokafor", "is there", SOON, |account| account.is_some());
    demo.stop();
    assert_eq!(outcomes(&demo, "suspend", "suspended").len(), 2);
    assert_eq!(outcomes(&demo, "resume", "every target is resumed").len(), 1);
}

#[test]
fn without_the_repository_the_daemon_starts_and_what_ends_by_its_timer_ends() {
    let mut demo = Demo::once();
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8);
    let start = "start: 2026-11-16";
    let path = "people/engineering/trivera.yaml";
    demo.edit(path, start, &format!("{start}\nend: \"{:.0}\"", end));
    demo.commit("he leaves in a moment");
    run_once(&demo);
    let away = demo.dir().join("elsewhere");
    std::fs::rename(demo.repository(), &away).unwrap();
    demo.run();
    let shut = |account: Option<&Value>| account.is_some_and(|account| account["active"] == false);
    demo.wait_account("forge", "trivera", "is disabled", SOON, shut);
    let status = demo.json(&["status"]);
    assert!(status["source_error"].is_string() && status["commit"].is_string(), "{status:#}");
    demo.stop();

    // Without any copy of it nobody is known, so that nothing is concluded about anybody.
    std::fs::remove_dir_all(demo.dir().join("state/mirror.git")).unwrap();
    demo.run();
    demo.wait("it says that it does not see the repository", SOON, || {
        let status = demo.provost(&["status", "--output", "json"]);
        let status: Value = serde_json::from_slice(&status.stdout).ok()?;
        status["source_error"].is_string().then_some(())
    });
    std::fs::rename(&away, demo.repository()).unwrap();
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    demo.wait_account("forge", "nokafor", "is there", SOON, |account| account.is_some());
    let open = |account: Option<&Value>| account.is_some_and(|account| account["active"] == true);
    demo.wait_account("forge", "pnair", "was left alone", SOON, open);
    demo.stop();
}

#[test]
fn an_id_is_never_used_again() {
    let demo = Demo::once();
    let path = "people/engineering/nokafor.yaml";
    demo.write(path, NIA);
    demo.commit("Nia joins");
    run_once(&demo);
    demo.write(path, &format!("{NIA}status: departed\n"));
    demo.commit("Nia leaves");
    run_once(&demo);
    std::fs::remove_file(demo.repository().join(path)).unwrap();
    demo.commit("her steps are done");
    run_once(&demo);
    demo.write("people/engineering/other.yaml", &NIA.replace("nokafor", "other").replace("Nia", "Olu"));
    demo.commit("somebody else under her id");
    let repository = demo.repository();
    let repository = repository.to_str().unwrap();
    for arguments in [&["check", repository][..], &["check", "--repo", repository]] {
        let check = demo.provost(arguments);
        assert_eq!(check.status.code(), Some(1));
        assert!(text(&check.stderr).contains("belonged to somebody who has left"), "{}", text(&check.stderr));
    }
    // It is held back, also by a process that reads the commit anew.
    for said in [run_once(&demo), run_once(&demo)] {
        assert!(said.contains("`p-2001` belonged to somebody who has left"), "{said}");
    }
}

#[test]
fn a_target_is_adopted_and_a_plan_is_made_without_a_daemon() {
    let demo = Demo::once();
    let adopted = demo.provost(&["adopt", "forge", "--yes"]);
    assert_success(&adopted);
    assert!(text(&adopted.stdout).contains("Adopted"), "{}", text(&adopted.stdout));
}

#[test]
fn a_target_at_another_place_gets_nothing_until_it_is_adopted_there_and_keeps_its_links_then() {
    let demo = Demo::once();
    // The forge's data move to another address.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = demo.dir().join("provost.toml");
    let before = std::fs::read_to_string(&settings).unwrap();
    let listen = before.lines().skip_while(|line| !line.contains("directories/forge")).nth(1).unwrap();
    let old = listen.split('"').nth(1).unwrap();
    std::fs::write(&settings, before.replace(listen, &format!("listen = \"{free}\""))).unwrap();
    demo.edit("targets/forge.yaml", old, &free.to_string());
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("the forge moves, and Nia joins");
    assert_success(&demo.provost(&["trust", "main"]));

    let said = run_once(&demo);
    assert!(said.contains("`provost adopt` decides"), "{said}");
    assert_eq!(outcomes(&demo, "outcome-applied", "create account nokafor for p-2001 on workforce").len(), 1);
    let made = || outcomes(&demo, "outcome-applied", "create account nokafor for p-2001 on forge").len();
    assert_eq!(made(), 0, "another place is another system until an operator says otherwise");

    let adopted = text(&demo.provost(&["adopt", "forge", "--yes", "--output", "json"]).stdout);
    let adopted: Value = serde_json::from_str(&adopted).unwrap();
    assert!(adopted["linked"].as_u64().unwrap() > 10, "accounts of the same anchor and name: {adopted:#}");
    assert_eq!(adopted["candidates"], serde_json::json!([]), "{adopted:#}");
    run_once(&demo);
    assert_eq!(made(), 1);
    let again = outcomes(&demo, "outcome-applied", "create account").len();
    run_once(&demo);
    assert_eq!(outcomes(&demo, "outcome-applied", "create account").len(), again, "nobody is made twice");
}

#[test]
fn what_is_kept_for_a_quick_start_decides_nothing_that_the_commit_does_not_say() {
    let demo = Demo::once();
    let path = "people/engineering/nokafor.yaml";
    demo.write(path, NIA);
    // Enough people for a cache to be worth while; they begin when nobody runs this any more.
    for number in 0..1000 {
        let person = format!(
            "kind: Person\nid: p-9{number:03}\nname: {{given: Later}}\nusername: later{number}\nemployment: employee\nstart: 2090-01-01\n"
        );
        demo.write(&format!("people/later/{number}.yaml"), &person);
    }
    demo.commit("Nia joins, and many will");
    run_once(&demo);
    let kept = demo.dir().join("state/cache/documents");
    let keep = || {
        demo.wait("the documents are kept", SOON, || {
            run_once(&demo);
            kept.exists().then_some(())
        });
    };
    keep();
    let of_before = std::fs::read(&kept).unwrap();
    demo.write(path, &format!("{NIA}status: departed\n"));
    demo.commit("Nia leaves");
    run_once(&demo);
    let done = || {
        ["create ", "disable ", "enable "].map(|verb| {
            let of_nia = outcomes(&demo, "outcome-applied", " for p-2001 on ");
            of_nia.iter().filter(|line| line.starts_with(verb)).count()
        })
    };
    assert_eq!(done(), [3, 3, 0]);

    // A start with what was kept of the commit before.
    run_once(&demo);
    assert!(std::fs::read(&kept).unwrap() == of_before, "one file differs, so it was used");
    assert_eq!(done(), [3, 3, 0]);
    // And one with what nobody wrote.
    std::fs::write(&kept, &of_before[..of_before.len() - 4]).unwrap();
    let output = demo.provost(&["run", "--once"]);
    assert_success(&output);
    let said = text(&output.stderr);
    assert!(said.contains("a cache is thrown away") && said.contains("not what was written"), "{said}");
    keep();
    assert!(std::fs::read(&kept).unwrap() != of_before, "it is of the commit that counts now");
    assert_eq!(done(), [3, 3, 0]);
}
