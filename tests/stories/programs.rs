//! Targets that are programs: which of them are started, and when.

use std::path::Path;

use crate::demo::{Demo, assert_success};

const FILES: &str = "kind: Target
id: files
connector: exec
config: {command: files, options: {colour: blue}}
accounts:
  main: {username: person.username}
owners: [p-0003]
";

/// A target that is a program, in force, and what the program heard.
struct Story {
    demo: Demo,
}

impl Story {
    /// The operator has bound a command to the target; a commit names it.
    fn begin() -> Story {
        let demo = Demo::once();
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors/exec/tests/fake.py");
        let settings = demo.dir().join("provost.toml");
        let mut text = std::fs::read_to_string(&settings).unwrap();
        let run = format!("[\"python3\", {fake:?}, \"heard\", \"{{}}\"]");
        text.push_str(&format!("\n[commands.files]\nrun = {run}\ntarget = \"files\"\n"));
        std::fs::write(&settings, text).unwrap();
        demo.write("targets/files.yaml", FILES);
        demo.commit("a target that is a program");
        Story { demo }
    }

    /// What it heard.
    fn heard(&self) -> String {
        std::fs::read_to_string(self.demo.dir().join("heard")).unwrap_or_default()
    }

    /// How often it was started.
    fn starts(&self) -> usize {
        self.heard().lines().filter(|line| line.starts_with("started")).count()
    }

    /// The operator's word for the commit as it is.
    fn trust(&self) {
        let head = self.demo.git(&["rev-parse", "HEAD"]);
        assert_success(&self.demo.provost(&["trust", head.trim()]));
    }

    /// Everything that only looks.
    fn look(&self) {
        let repository = self.demo.repository();
        let repository = repository.to_str().unwrap();
        assert_success(&self.demo.provost(&["check", repository]));
        assert_success(&self.demo.provost(&["test", repository]));
        assert_success(&self.demo.provost(&["plan"]));
        assert_success(&self.demo.provost(&["plan", "--commit", "HEAD"]));
        assert_success(&self.demo.provost(&["why", "p-0025"]));
    }
}

#[test]
fn no_program_is_started_for_what_a_commit_says() {
    let story = Story::begin();
    story.look();
    assert_eq!(story.starts(), 0, "nobody agreed to the new target");
    let refused = story.demo.provost(&["connector", "test", "files"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(story.starts(), 0, "{}", String::from_utf8_lossy(&refused.stderr));

    story.trust();
    story.look();
    assert_eq!(story.starts(), 2, "both plans read what is in force");
    assert!(story.heard().contains("blue"));

    story.demo.edit("targets/files.yaml", "blue", "red");
    story.demo.commit("another option for the program");
    story.look();
    assert!(!story.heard().contains("red"), "the program hears what is in force: {}", story.heard());
    story.trust();
    story.look();
    assert!(story.heard().contains("red"));
}

#[test]
fn the_quickstart_adopts_its_own_targets_and_no_other() {
    let story = Story::begin();
    story.trust();
    let dir = story.demo.dir();
    let again = ["quickstart", "--once", "--listen", "127.0.0.1:0", "--dir", dir.to_str().unwrap()];
    assert_success(&story.demo.provost(&again));
    assert!(story.starts() > 0, "it is read");
    let log = story.demo.git(&["log", "--format=%s", "provost/audit"]);
    assert!(log.contains("forge is adopted") && !log.contains("files is adopted"), "{log}");
}

#[test]
fn a_target_is_tried_out_with_what_works_and_what_is_missing() {
    let story = Story::begin();
    let file = story.demo.repository().join("targets/files.yaml");
    let output = story.demo.provost(&["connector", "test", "--file", file.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "works  reach it: nothing (fake 0)",
        "works  read everything: 0 accounts",
        "it cannot: update, rename",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let found = story.demo.json(&["connector", "test", "workforce"]);
    let findings = found["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["verdict"] != "missing"), "{found:#}");

    let settings = story.demo.dir().join("provost.toml");
    let dies = std::fs::read_to_string(&settings).unwrap().replace("\"{}\"", "'{\"exit\": \"start\"}'");
    std::fs::write(&settings, dies).unwrap();
    let output = story.demo.provost(&["connector", "test", "--file", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("missing  reach it: ") && text.contains("exit status: 3"), "{text}");
    assert!(text.contains("hint: Look whether"), "{text}");

    let unbound = FILES.replace("command: files", "command: other");
    std::fs::write(&file, unbound).unwrap();
    let output = story.demo.provost(&["connector", "test", "--file", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("missing  settings: The command `other` is not bound"), "{text}");
}
