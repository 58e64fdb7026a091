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
    for (name, secret) in &target.secrets {
        let value = settings.secret(secret.as_str(), Some(target.id.as_str()))?;
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
