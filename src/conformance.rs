//! The conformance suite on a throwaway system that a Target file describes.

use std::path::{Path, PathBuf};

use provost_conformance::{ChapterReport, Options, Section, Verdict};
use provost_sdk::{Connector, Program, SecretString, Settings};
use serde_json::{Map, Value, json};

use crate::registry;

/// Why the suite did not run.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// The file cannot be read.
    #[error("The Target file {} cannot be read: {source}.", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says what cannot be.
    #[error("The Target file {} is wrong: {why}", path.display())]
    Wrong {
        /// Which.
        path: PathBuf,
        /// What.
        why: String,
    },
}

/// What came of it.
pub struct Conformance {
    /// Whether every chapter passed.
    pub passed: bool,
    /// Chapter by chapter.
    pub value: Value,
}

/// Tells the story; `shown` gets one line a chapter.
pub async fn run(path: &Path, shown: impl Fn(&str) + Send + Sync) -> Result<Conformance, ConformanceError> {
    let wrong = |why: String| ConformanceError::Wrong { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConformanceError::Unreadable { path: path.to_owned(), source })?;
    let file: Map<String, Value> = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let kind = file
        .get("connector")
        .and_then(Value::as_str)
        .ok_or_else(|| wrong("it names no `connector`".to_owned()))?;
    let connector = registry::connector(kind)
        .ok_or_else(|| wrong(registry::RegistryError::Unknown(provost_core::Sym::new(kind)).to_string()))?;
    let settings = settings(&file).map_err(&wrong)?;
    let options = options(&file, &settings).map_err(&wrong)?;
    let mut progress = |chapter: &ChapterReport| shown(&line(chapter));
    let report = provost_conformance::run(connector, &settings, &options, &mut progress).await;
    let value = serde_json::to_value(&report).map_err(|error| wrong(error.to_string()))?;
    Ok(Conformance { passed: report.passed(), value })
}

/// A connector and its settings, for programs.
pub fn describe(connector: &dyn Connector) -> Value {
    let settings: Vec<Value> = connector
        .settings()
        .iter()
        .map(|setting| {
            json!({
                "name": setting.name,
                "kind": format!("{:?}", setting.kind).to_lowercase(),
                "required": setting.required,
                "place": setting.place,
                "about": setting.about,
            })
        })
        .collect();
    json!({ "kind": connector.kind(), "summary": connector.summary(), "settings": settings })
}

fn settings(file: &Map<String, Value>) -> Result<Settings, String> {
    let map = |name: &str| match file.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(format!("`{name}` must be a map")),
    };
    let mut settings = Settings {
        target: file.get("id").and_then(Value::as_str).unwrap_or("throwaway").to_owned(),
        config: map("config")?,
        ..Settings::default()
    };
    for (name, value) in map("secrets")? {
        settings.secrets.insert(name.clone(), secret(&name, &value)?);
    }
    for (name, value) in map("commands")? {
        let run = serde_json::from_value(value)
            .map_err(|_| format!("`commands.{name}` must be a list of texts"))?;
        settings.commands.insert(name, Program { run, ..Program::default() });
    }
    Ok(settings)
}

/// A throwaway system's secret may stand in the file; one from the environment is named there.
fn secret(name: &str, value: &Value) -> Result<SecretString, String> {
    match value {
        Value::String(text) => Ok(SecretString::from(text.as_str())),
        Value::Object(map) => {
            let variable = map.get("env").and_then(Value::as_str).filter(|_| map.len() == 1);
            let variable =
                variable.ok_or_else(|| format!("`secrets.{name}` must be a text or {{env: NAME}}"))?;
            std::env::var(variable).map(SecretString::from).map_err(|_| {
                format!("`secrets.{name}` names the environment variable {variable}, which is not set")
            })
        }
        _ => Err(format!("`secrets.{name}` must be a text or {{env: NAME}}")),
    }
}

fn options(file: &Map<String, Value>, settings: &Settings) -> Result<Options, String> {
    let section = file.get("conformance").cloned().unwrap_or_else(|| json!({}));
    let section: Section =
        serde_json::from_value(section).map_err(|error| format!("`conformance`: {error}"))?;
    let mut options = section.options()?;
    let with =
        |secrets: &Option<std::collections::BTreeMap<String, Value>>| -> Result<Option<Settings>, String> {
            let Some(secrets) = secrets else { return Ok(None) };
            let mut other = settings.clone();
            for (name, value) in secrets {
                other.secrets.insert(name.clone(), secret(name, value)?);
            }
            Ok(Some(other))
        };
    options.read_only = with(&section.read_only)?;
    options.blind = with(&section.blind)?;
    Ok(options)
}

fn line(chapter: &ChapterReport) -> String {
    let (word, why) = match &chapter.verdict {
        Verdict::Passed => ("passed", String::new()),
        Verdict::Failed { message } => ("FAILED", format!(": {message}")),
        Verdict::NotApplicable { missing } => ("n/a", format!(" (missing: {missing})")),
    };
    format!("{word:7} {:24} {:6.1} s  {}{why}", chapter.chapter, chapter.seconds, chapter.about)
}
