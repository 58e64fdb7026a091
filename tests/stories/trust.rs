//! The operator's word: recovery keys, and the way back from a lost state folder.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::demo::{Demo, assert_success};

/// A second installation on the repository of a demo: it adopts nothing, so that it only looks.
struct Second {
    demo: Demo,
    folder: PathBuf,
}

impl Second {
    fn new(recovery_keys: &[&str]) -> Second {
        let demo = Demo::once();
        let folder = demo.dir().join("second");
        for key in recovery_keys.iter().copied().chain(["other"]) {
            let path = demo.dir().join(key);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().unwrap()])
                .status()
                .unwrap();
            assert!(made.success());
        }
        let repository = demo.repository();
        let mut arguments = vec!["init", "--repo", repository.to_str().unwrap(), "--trust", "HEAD"];
        arguments.extend(["--dir", folder.to_str().unwrap()]);
        let paths: Vec<String> = recovery_keys
            .iter()
            .map(|key| demo.dir().join(format!("{key}.pub")).to_str().unwrap().to_owned())
            .collect();
        for path in &paths {
            arguments.extend(["--recovery-key", path]);
        }
        assert_success(&demo.provost(&arguments));
        // Its own place to publish to: the repository's branch is the demo's.
        let audit = demo.dir().join("audit.git");
        demo.git(&["init", "--quiet", "--bare", audit.to_str().unwrap()]);
        let settings = folder.join("provost.toml");
        let text = std::fs::read_to_string(&settings).unwrap().replace(":7640", ":0");
        std::fs::write(&settings, format!("{text}\n[audit]\nremote = {:?}\n", audit.to_str().unwrap()))
            .unwrap();
        Second { demo, folder }
    }

    fn provost(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(arguments)
            .env("PROVOST_CONFIG", self.folder.join("provost.toml"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs until nothing is left to do. Its targets have no secrets here, so that it only publishes.
    fn settle(&self) {
        let output = self.provost(&["run", "--once"]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("Quarantined"), "{output:?}");
    }

    fn refused(&self, arguments: &[&str], why: &str) {
        let output = self.provost(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(why), "{why:?} is not in:\n{said}");
    }

    fn key(&self, name: &str) -> String {
        self.demo.dir().join(name).to_str().unwrap().to_owned()
    }

    /// A commit that does not come after the one that counts.
    fn rewrite(&self, branch: &str) -> String {
        self.demo.git(&["checkout", "--quiet", "--orphan", branch]);
        // Its own words: two first commits of one second would be the same commit.
        self.demo.commit(&format!("another history, {branch}"));
        self.demo.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }
}

#[test]
fn with_recovery_keys_a_commit_is_trusted_by_the_signature_of_one_of_them_for_that_step_alone() {
    let second = Second::new(&["safe", "vault"]);
    let commit = second.rewrite("other");
    second.refused(&["trust", &commit], "What is to be signed");
    second.refused(&["trust", &commit, "--key", &second.key("other")], "none of the recovery keys");

    // As it is done where the key is: with OpenSSH alone.
    let told = second.provost(&["trust", &commit]);
    let told = String::from_utf8(told.stderr).unwrap();
    let line = told.lines().find(|line| line.contains("provost trust: in the installation")).unwrap().trim();
    let sign = |namespace: &str, name: &str| {
        let path = second.demo.dir().join(name);
        std::fs::write(&path, format!("{line}\n")).unwrap();
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f", &second.key("vault"), path.to_str().unwrap()])
            .status()
            .unwrap();
        assert!(signed.success());
        let signature = std::fs::read_to_string(path.with_extension("sig")).unwrap();
        std::fs::write(&path, format!("{line}\n{signature}")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let elsewhere = sign("file", "elsewhere");
    second.refused(&["trust", &commit, "--signed", &elsewhere], "it is signed for");
    let word = sign("trust@provost", "word");
    let third = second.rewrite("third");
    second.refused(&["trust", &third, "--signed", &word], "what is to be signed is");
    assert_success(&second.provost(&["trust", &commit, "--signed", &word]));

    // It is spent: the step that it names was made.
    second.refused(&["trust", &commit, "--signed", &word], "what is to be signed is");
    assert_success(&second.provost(&["trust", &third, "--key", &second.key("safe")]));
}

#[test]
fn without_its_audit_log_nothing_runs_until_the_operator_names_the_tip_of_the_published_one() {
    let second = Second::new(&[]);
    second.settle();
    let tip = || {
        let audit = second.demo.dir().join("audit.git");
        second
            .demo
            .git(&["--git-dir", audit.to_str().unwrap(), "rev-parse", "provost/audit"])
            .trim()
            .to_owned()
    };
    let (last, counted) = (tip(), second.demo.git(&["rev-parse", "HEAD"]).trim().to_owned());
    let state = second.folder.join("state");
    let key = std::fs::read(state.join("signing-key")).unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    second.refused(&["run", "--once"], "There is no installation");
    let wrong = "0123456789012345678901234567890123456789";
    second.refused(&["trust", &counted, "--audit-tip", wrong], &last);
    second.refused(&["run", "--once"], "There is no installation");

    // The signing key comes from the backup; with another one nothing goes on.
    std::fs::create_dir_all(&state).unwrap();
    let path = state.join("signing-key");
    std::fs::write(&path, key).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_success(&second.provost(&["trust", &counted, "--audit-tip", &last]));
    second.settle();
    let audit = second.demo.dir().join("audit.git");
    let log = second.demo.git(&["--git-dir", audit.to_str().unwrap(), "log", "--format=%s", "provost/audit"]);
    assert!(log.contains("break: ") && log.contains("trusted"), "it is the same log, which says so:\n{log}");
    second.refused(&["trust", &counted, "--audit-tip", &tip()], "holds an audit log already");
}
