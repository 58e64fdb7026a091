//! The quickstart under test: its folder, its daemon, its repository and its directories.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Everything here happens within a second on an idle machine; the rest is for busy ones.
pub const SOON: Duration = Duration::from_secs(30);

/// Longer than the demo's schedule of whole reads.
pub const NEXT_READ: Duration = Duration::from_secs(75);

pub struct Demo {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Demo {
    /// Converged, and nothing running.
    pub fn once() -> Demo {
        let demo = Demo { folder: tempfile::tempdir().unwrap(), daemon: None };
        let output = demo.provost(&["quickstart", "--once", "--listen", "127.0.0.1:0", "--dir", demo.text()]);
        assert_success(&output);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("audit log published at"), "the summary waits for it: {said}");
        demo
    }

    /// Converged, and the daemon running.
    pub fn running() -> Demo {
        let mut demo = Demo::once();
        demo.start();
        demo
    }

    pub fn start(&mut self) {
        let daemon = Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["quickstart", "--dir", self.text()])
            .env_remove("PROVOST_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.dir().join("daemon.log")).unwrap())
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        self.wait("the daemon settles", SOON, || {
            let output = self.provost(&["status", "--output", "json"]);
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            (status["settled"] == true).then_some(())
        });
    }

    /// Starts the daemon alone, and waits for nothing.
    pub fn run(&mut self) {
        let daemon = Command::new(env!("CARGO_BIN_EXE_provost"))
            .arg("run")
            .env("PROVOST_CONFIG", self.dir().join("provost.toml"))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(self.dir().join("daemon.log")).unwrap())
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.daemon.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// SIGTERM, and its exit.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            Command::new("kill").arg(daemon.id().to_string()).status().unwrap();
            let end = Instant::now() + SOON;
            while daemon.try_wait().unwrap().is_none() {
                assert!(Instant::now() < end, "the daemon ends on SIGTERM");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub fn repository(&self) -> PathBuf {
        self.dir().join("repository")
    }

    /// Runs the program on this installation.
    pub fn provost(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(arguments)
            .env("PROVOST_CONFIG", self.dir().join("provost.toml"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same, with its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.provost(&[arguments, &["--output", "json"]].concat());
        assert_success(&output);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-C"])
            .arg(self.repository())
            .args(arguments)
            .output()
            .unwrap();
        assert_success(&output);
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.repository().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces text in a document.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.repository().join(path)).unwrap();
        assert!(text.contains(from), "{path} holds {from}");
        self.write(path, &text.replace(from, to));
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// Waits until the account of a username on a target satisfies a condition.
    pub fn wait_account(
        &self,
        target: &str,
        username: &str,
        what: &str,
        limit: Duration,
        is: impl Fn(Option<&Value>) -> bool,
    ) {
        self.wait(&format!("{username} on {target}: {what}"), limit, || {
            let account = self.account(target, username);
            is(account.as_ref()).then_some(())
        });
    }

    pub fn wait<T>(&self, what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + limit;
        loop {
            if let Some(found) = look() {
                return found;
            }
            let log = std::fs::read_to_string(self.dir().join("daemon.log")).unwrap_or_default();
            assert!(Instant::now() < end, "not in time: {what}\nthe daemon said:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// An account, as the directory shows it.
    pub fn account(&self, target: &str, username: &str) -> Option<Value> {
        let filter = format!("userName eq \"{username}\"");
        self.scim(target, "GET", "/Users", &[("filter", &filter)], None)?["Resources"].get(0).cloned()
    }

    /// The groups that an account is in, by name.
    pub fn groups(&self, target: &str, username: &str) -> Vec<String> {
        let account = self.account(target, username);
        let groups = account.as_ref().and_then(|account| account["groups"].as_array());
        let mut names: Vec<String> =
            groups.into_iter().flatten().map(|group| group["display"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    pub fn group(&self, target: &str, name: &str) -> Value {
        let filter = format!("displayName eq \"{name}\"");
        let found = self.scim(target, "GET", "/Groups", &[("filter", &filter)], None).unwrap();
        found["Resources"][0].clone()
    }

    /// Talks to a directory by hand; `None` while it does not listen.
    pub fn scim(
        &self,
        target: &str,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Option<Value> {
        let settings: toml::Table =
            std::fs::read_to_string(self.dir().join("provost.toml")).unwrap().parse().unwrap();
        let data = format!("directories/{target}.sqlite");
        let of = |directory: &&toml::Value| directory["data"].as_str() == Some(&data);
        let directory = settings["directory"].as_array().unwrap().iter().find(of).unwrap();
        let secret = settings["secrets"][directory["token"].as_str().unwrap()]["file"].as_str().unwrap();
        let token = std::fs::read_to_string(self.dir().join(secret)).unwrap();
        let url = format!("http://{}/scim/v2{path}", directory["listen"].as_str().unwrap());
        // A second story finds the first one's.
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = reqwest::Client::new();
            let mut request = client.request(method.parse().unwrap(), url).query(query).bearer_auth(token);
            if let Some(body) = body {
                request = request.json(&body);
            }
            let answer = request.send().await.ok()?;
            let status = answer.status();
            let text = answer.text().await.ok()?;
            assert!(status.is_success(), "{method} {path}: {status} {text}");
            Some(serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            drop(daemon.kill());
            drop(daemon.wait());
        }
    }
}

impl Demo {
    fn text(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }
}

pub fn assert_success(output: &Output) {
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A new engineer who starts today.
pub const NIA: &str = "kind: Person
id: p-2001
name: {given: Nia, family: Okafor}
username: nokafor
email: nia.okafor@example.com
timezone: Africa/Lagos
employment: employee
department: engineering
manager: p-0011
start: 2026-11-01
";
