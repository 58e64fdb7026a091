//! Where the desired-state repository may be.

use std::process::Command;

use crate::demo::{Demo, NIA, SOON, assert_success};

/// A bare clone of the demo's repository, which the demo's own pushes to.
fn bare_clone(demo: &Demo) -> String {
    let path = demo.dir().join("access.git");
    let path = path.to_str().unwrap().to_owned();
    demo.git(&["clone", "--quiet", "--bare", ".", &path]);
    demo.git(&["remote", "add", "origin", &path]);
    path
}

fn run_on(demo: &mut Demo, url: &str) {
    let settings = demo.dir().join("provost.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let text = text
        .replace("url = \"repository\"", &format!("url = \"{url}\""))
        .replace("poll = \"5s\"", "poll = \"1s\"");
    std::fs::write(&settings, text).unwrap();
    demo.run();
}

fn nia_joins_by_a_push(demo: &Demo) {
    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    demo.git(&["push", "--quiet", "origin", "main"]);
    demo.wait_account("forge", "nokafor", "is there", SOON, |account| account.is_some());
    demo.wait("the audit branch is published there", SOON, || {
        let log = Command::new("git")
            .args([
                "-C",
                demo.dir().join("access.git").to_str().unwrap(),
                "log",
                "--format=%s",
                "provost/audit",
            ])
            .output()
            .unwrap();
        String::from_utf8_lossy(&log.stdout)
            .contains("create account nokafor for p-2001 on forge")
            .then_some(())
    });
}

#[test]
fn a_push_to_a_bare_repository_on_this_machine_is_followed() {
    let mut demo = Demo::once();
    let bare = bare_clone(&demo);
    run_on(&mut demo, &bare);
    nia_joins_by_a_push(&demo);
    demo.stop();
}

#[test]
fn a_remote_repository_is_polled_and_published_to() {
    let mut demo = Demo::once();
    let bare = bare_clone(&demo);
    run_on(&mut demo, &format!("file://{bare}"));
    nia_joins_by_a_push(&demo);
    demo.stop();
    assert!(demo.dir().join("state/mirror.git").exists());
}

#[test]
fn an_installation_is_made_with_init_and_writes_nothing_before_adoption() {
    let mut demo = Demo::once();
    // A second installation on the same systems, from the repository alone.
    let second = demo.dir().join("second");
    let output = demo.provost(&[
        "init",
        "--repo",
        demo.repository().to_str().unwrap(),
        "--trust",
        "HEAD",
        "--dir",
        second.to_str().unwrap(),
    ]);
    assert_success(&output);
    assert!(second.join("provost.toml").exists() && second.join("state/provost.git").exists());
    let text = std::fs::read_to_string(demo.dir().join("provost.toml")).unwrap();
    let bound = &text[text.find("\n[secrets.").unwrap()..];
    let bound =
        bound.replace("= \"secrets/", "= \"../secrets/").replace("= \"directories/", "= \"../directories/");
    let own = std::fs::read_to_string(second.join("provost.toml")).unwrap();
    std::fs::write(
        second.join("provost.toml"),
        format!("{own}\n[audit]\npublish = \"never\"\n{bound}").replace(":7640", ":0"),
    )
    .unwrap();

    demo.write("people/engineering/nokafor.yaml", NIA);
    demo.commit("Nia joins");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(arguments)
            .env("PROVOST_CONFIG", second.join("provost.toml"))
            .output()
            .unwrap();
        assert_success(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&["run", "--once"]);
    assert!(said.contains("OutOfSync") && said.contains("may be theirs"), "{said}");
    let said = run(&["plan"]);
    assert!(said.contains("0 to do") && said.contains("not adopted"), "{said}");
    demo.start();
    demo.wait_account("forge", "nokafor", "comes from the installation that adopted", SOON, |account| {
        account.is_some()
    });
}
