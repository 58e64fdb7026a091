//! A system of the Python example in a folder of its own, with or without the fault proxy before it.

use std::path::{Path, PathBuf};
use std::process::Command;

use provost_sdk::{Limits, Program, SecretString, Settings};
use serde_json::{Value, json};

/// The folder of the example.
pub fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python-files")
}

/// One system.
pub struct Files {
    folder: tempfile::TempDir,
    tokens: Value,
}

impl Files {
    pub fn new() -> Files {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("python3")
            .args(["-B", "connector.py", "create"])
            .arg(folder.path().join("system.sqlite"))
            .current_dir(example())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Files { folder, tokens: serde_json::from_slice(&made.stdout).unwrap() }
    }

    /// The settings of a target on it, with one of its tokens.
    pub fn settings(&self, rights: &str) -> Settings {
        let run = ["python3", "-B", "connector.py"].map(str::to_owned).to_vec();
        let place = json!({"command": "files", "place": {"file": self.folder.path().join("system.sqlite")}});
        Settings {
            target: "files".to_owned(),
            config: place.as_object().cloned().unwrap(),
            secrets: [("token".to_owned(), SecretString::from(self.tokens[rights].as_str().unwrap()))].into(),
            commands: [(
                "command".to_owned(),
                Program { run, folder: Some(example()), ..Program::default() },
            )]
            .into(),
            limits: Limits { max_response: 1 << 20, ..Limits::default() },
        }
    }

    /// The same with the fault proxy before it.
    pub fn faulty(&self, rights: &str, script: &Value) -> Settings {
        let mut settings = self.settings(rights);
        let state = self.folder.path().join("faults.json");
        let mut whole = json!({
            "seed": 1, "one_in": 1, "faults": [], "methods": [], "spared": [], "counts": {}, "calls": 0, "lines": 0,
        });
        whole.as_object_mut().unwrap().extend(script.as_object().cloned().unwrap());
        std::fs::write(&state, whole.to_string()).unwrap();
        let program = settings.commands.get_mut("command").unwrap();
        let proxy = [env!("CARGO_BIN_EXE_stdio-faults"), state.to_str().unwrap()].map(str::to_owned);
        program.run.splice(0..0, proxy);
        settings
    }

    /// What the fault proxy has counted.
    pub fn counted(&self) -> Value {
        let state = std::fs::read(self.folder.path().join("faults.json")).unwrap();
        serde_json::from_slice(&state).unwrap()
    }
}
