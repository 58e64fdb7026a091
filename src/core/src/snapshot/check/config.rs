//! The settings of a target, as its connector declares them.

use provost_sdk::{ANY_SECRET, Setting, SettingKind};
use serde_json::Value;

use super::{Findings, field, hint};
use crate::document::Target;
use crate::spelling::did_you_mean;

/// Every setting that is unknown, missing, or of another kind than declared.
pub(super) fn settings(target: &Target, declared: &[Setting], into: &mut Findings) {
    let find = |name: &str| declared.iter().find(|setting| setting.name == name);
    let connector = target.connector;
    for (name, value) in &target.config {
        let at = field("config").key(name);
        match find(name) {
            None => {
                let message = format!("the connector {connector} has no setting `{name}`");
                let problem = into.error(at, "unknown-setting", message);
                let known = declared.iter().filter(|setting| setting.kind != SettingKind::Secret);
                hint(problem, did_you_mean(name, known.map(|setting| setting.name)));
            }
            Some(setting) if setting.kind == SettingKind::Secret => {
                let problem = into.error(at, "secret-in-config", format!("`{name}` is a secret"));
                hint(
                    problem,
                    format!(
                        "name it under `secrets:`, as `{name}: NAME`, and bind NAME in the daemon's settings"
                    ),
                );
            }
            Some(setting) if !fits(value, setting.kind) => {
                into.error(at, "wrong-setting", format!("`{name}` must be {}", word(setting.kind)));
            }
            Some(_) => {}
        }
    }
    for name in target.secrets.keys() {
        let at = field("secrets").key(name.as_str());
        match find(name.as_str()) {
            Some(setting) if setting.kind == SettingKind::Secret => {}
            Some(_) => {
                let problem = into.error(at, "unknown-secret", format!("`{name}` is no secret"));
                hint(problem, "write it under `config:`".to_owned());
            }
            None if find(ANY_SECRET).is_some() => {}
            None => {
                let message = format!("the connector {connector} has no secret `{name}`");
                let problem = into.error(at, "unknown-secret", message);
                let known = declared.iter().filter(|setting| setting.kind == SettingKind::Secret);
                hint(problem, did_you_mean(name.as_str(), known.map(|setting| setting.name)));
            }
        }
    }
    for setting in declared.iter().filter(|setting| setting.required) {
        let (place, there) = match setting.kind {
            SettingKind::Secret => ("secrets", target.secrets.keys().any(|name| *name == setting.name)),
            _ => ("config", target.config.get(setting.name).is_some_and(|value| !value.is_null())),
        };
        if !there {
            let message = format!("the connector {connector} needs `{}` under `{place}`", setting.name);
            let problem = into.error(field(place), "missing-setting", message);
            hint(problem, setting.about.to_owned());
        }
    }
}

fn fits(value: &Value, kind: SettingKind) -> bool {
    match kind {
        _ if value.is_null() => true,
        SettingKind::Text | SettingKind::Command => value.is_string(),
        SettingKind::Url => value.as_str().is_some_and(|url| {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            rest.is_some_and(|rest| {
                !rest.is_empty() && !rest.starts_with('/') && !url.contains(char::is_whitespace)
            })
        }),
        SettingKind::Number => value.is_u64(),
        SettingKind::Bool => value.is_boolean(),
        SettingKind::List => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        SettingKind::Any | SettingKind::Secret => true,
    }
}

fn word(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Text => "a text",
        SettingKind::Url => "an http or https URL",
        SettingKind::Number => "a whole number",
        SettingKind::Bool => "true or false",
        SettingKind::List => "a list of texts",
        SettingKind::Any => "a value",
        SettingKind::Secret => "the name of a secret",
        SettingKind::Command => "the name of a command in the daemon's settings",
    }
}
