//! Every kind of system that this binary can speak to. A new connector is one line here.

use std::sync::LazyLock;

use provost_core::Sym;
use provost_core::document::Target;
use provost_core::snapshot::{Catalog, ConnectorFacts};
use provost_sdk::{Connector, SettingKind, Settings};

use crate::settings;

/// The connectors, by the word in `connector:` of a Target document.
static CONNECTORS: LazyLock<Vec<Box<dyn Connector>>> = LazyLock::new(|| {
    vec![
        Box::new(provost_exec::Exec),
        Box::new(provost_ldap::Ldap::new()),
        Box::new(provost_memory::MemoryConnector::new(provost_memory::World::default())),
        Box::new(provost_postgres::Postgres::new()),
        Box::new(provost_scim::Scim::new()),
    ]
});

/// The connector of a kind.
pub fn connector(kind: &str) -> Option<&'static dyn Connector> {
    CONNECTORS.iter().map(|connector| &**connector).find(|connector| connector.kind() == kind)
}

/// Every connector.
pub fn connectors() -> impl Iterator<Item = &'static dyn Connector> {
    CONNECTORS.iter().map(|connector| &**connector)
}

/// What the checks of documents need to know of the connectors.
pub fn catalog() -> Catalog {
    let facts = |connector: &dyn Connector| ConnectorFacts {
        settings: connector.settings().to_vec(),
        capabilities: None,
    };
    let connectors = connectors().map(|connector| (Sym::new(connector.kind()), facts(connector))).collect();
    Catalog { connectors, targets: std::collections::BTreeMap::new() }
}

/// Why a target cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No such connector.
    #[error("There is no connector `{0}`. Known are: {known}.", known = connectors().map(Connector::kind).collect::<Vec<_>>().join(", "))]
    Unknown(Sym),
    /// A secret or command is not bound to this target in the daemon's settings.
    #[error(transparent)]
    Settings(#[from] settings::SettingsError),
    /// A command is not bound to this target in the daemon's settings.
    #[error("The command `{0}` is not bound to the target {1} in the daemon's settings.")]
    Command(String, Sym),
}

/// The connector of a target, and its settings with secrets and commands resolved from the daemon's own settings:
/// each is bound there to this target, so that a document cannot borrow another's.
pub fn resolve(
    target: &Target,
    settings: &settings::Settings,
) -> Result<(&'static dyn Connector, Settings), RegistryError> {
    let connector = connector(target.connector.as_str()).ok_or(RegistryError::Unknown(target.connector))?;
    let mut resolved = Settings {
        target: target.id.to_string(),
        config: target.config.clone(),
        limits: provost_sdk::Limits {
            concurrency: usize::from(target.limits.concurrency.max(1)),
            timeout: target.limits.timeout.0.unsigned_abs(),
            ..provost_sdk::Limits::default()
        },
        ..Settings::default()
    };
    let hosts = hosts(target, connector);
    for (name, secret) in &target.secrets {
        let value = settings.secret_for(secret.as_str(), target.id.as_str(), &hosts)?;
        resolved.secrets.insert(name.to_string(), value);
    }
    for setting in connector.settings().iter().filter(|setting| setting.kind == SettingKind::Command) {
        let Some(name) = target.config.get(setting.name).and_then(|name| name.as_str()) else { continue };
        let bound = settings.commands.get(name).filter(|program| program.target == target.id.as_str());
        let program = bound.ok_or_else(|| RegistryError::Command(name.to_owned(), target.id))?;
        resolved.commands.insert(setting.name.to_owned(), program.allowed());
    }
    Ok((connector, resolved))
}

/// The hosts that a target's place names: those of its URLs, and what a setting `host` says.
fn hosts(target: &Target, connector: &dyn Connector) -> Vec<String> {
    let place = connector.settings().iter().filter(|setting| setting.place);
    let host = |setting: &provost_sdk::Setting| {
        let value = target.config.get(setting.name)?.as_str()?;
        match setting.name {
            "host" => Some(value.to_owned()),
            _ => Some(url::Url::parse(value).ok()?.host_str()?.to_owned()),
        }
    };
    place.filter_map(host).collect()
}

/// Which system a target is, as one text: the settings that its connector declares to be the place.
pub fn place(target: &Target) -> String {
    let settings = connector(target.connector.as_str()).map(Connector::settings).unwrap_or_default();
    let place: serde_json::Map<String, serde_json::Value> = settings
        .iter()
        .filter(|setting| setting.place)
        .filter_map(|setting| Some((setting.name.to_owned(), target.config.get(setting.name)?.clone())))
        .collect();
    serde_json::json!({ "connector": target.connector, "place": place }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        crate::trial::target_of("t.yaml", text.as_bytes()).unwrap()
    }

    fn settings(host: &str) -> (tempfile::TempDir, settings::Settings) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("provost.toml");
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "hunter2").unwrap();
        let text = format!(
            "state = \"state\"\n[repository]\nurl = \"r\"\n[secrets.key]\nfile = {secret:?}\ntarget = \"t\"\n{host}"
        );
        std::fs::write(&file, text).unwrap();
        let settings = settings::Settings::load(Some(&file), &settings::Overrides::default()).unwrap();
        (folder, settings)
    }

    #[test]
    fn a_secret_that_is_bound_to_a_host_goes_to_no_other() {
        let scim = |url: &str| {
            target(&format!(
                "kind: Target\nid: t\nconnector: scim\nconfig: {{url: \"{url}\"}}\nsecrets: {{token: key}}\n\
                 accounts: {{main: {{username: person.username}}}}\nowners: [p-1]\n"
            ))
        };
        let (_folder, bound) = settings("host = \"idp.example.com\"\n");
        assert!(resolve(&scim("https://idp.example.com/scim/v2"), &bound).is_ok());
        assert!(resolve(&scim("https://IDP.example.com:8443/scim/v2"), &bound).is_ok());
        let thief = resolve(&scim("https://idp.example.com.evil.example/"), &bound).map(|_| ());
        let why = thief.unwrap_err().to_string();
        assert!(why.contains("idp.example.com") && why.contains("evil") && !why.contains("hunter2"), "{why}");
        let (_folder, unbound) = settings("");
        assert!(resolve(&scim("https://evil.example/"), &unbound).is_ok());

        let postgres = |host: &str| {
            target(&format!(
                "kind: Target\nid: t\nconnector: postgres\nconfig: {{host: {host}, user: provost}}\n\
                 secrets: {{password: key}}\naccounts: {{main: {{username: person.username}}}}\nowners: [p-1]\n"
            ))
        };
        let (_folder, bound) = settings("host = \"db.example.com\"\n");
        assert!(resolve(&postgres("db.example.com"), &bound).is_ok());
        assert!(resolve(&postgres("/var/run/postgresql"), &bound).is_err());
        let exec = target(
            "kind: Target\nid: t\nconnector: exec\nconfig: {command: files}\nsecrets: {token: key}\n\
             accounts: {main: {username: person.username}}\nowners: [p-1]\n",
        );
        let why = resolve(&exec, &bound).map(|_| ()).unwrap_err().to_string();
        assert!(why.contains("names no host"), "{why}");
    }
}
