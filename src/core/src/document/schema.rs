//! JSON Schemas of the documents: what editors complete by, and what reading compares a file with.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{
    ApproverGroup, BreakGlass, DaemonKeys, Freeze, GuardPolicy, Kind, Lifecycle, Person, Role, Scenario,
    Separation, Service, Target, Tiers, check,
};

/// The JSON Schema (2020-12) of the documents of a kind, `kind` included.
pub fn schema(kind: Kind) -> &'static Value {
    static SCHEMAS: LazyLock<[Value; Kind::ALL.len()]> = LazyLock::new(|| Kind::ALL.map(generate));
    &SCHEMAS[kind as usize]
}

fn generate(kind: Kind) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = match kind {
        Kind::Person => generator.into_root_schema_for::<Person>(),
        Kind::Service => generator.into_root_schema_for::<Service>(),
        Kind::Role => generator.into_root_schema_for::<Role>(),
        Kind::Target => generator.into_root_schema_for::<Target>(),
        Kind::Tiers => generator.into_root_schema_for::<Tiers>(),
        Kind::ApproverGroup => generator.into_root_schema_for::<ApproverGroup>(),
        Kind::Guards => generator.into_root_schema_for::<GuardPolicy>(),
        Kind::Separation => generator.into_root_schema_for::<Separation>(),
        Kind::Lifecycle => generator.into_root_schema_for::<Lifecycle>(),
        Kind::Freeze => generator.into_root_schema_for::<Freeze>(),
        Kind::BreakGlass => generator.into_root_schema_for::<BreakGlass>(),
        Kind::DaemonKeys => generator.into_root_schema_for::<DaemonKeys>(),
        Kind::Scenario => generator.into_root_schema_for::<Scenario>(),
        // They are no YAML, so that editors need no schema of them.
        Kind::AllowedSigners | Kind::RevokedKeys => schemars::json_schema!(false),
    };
    let mut schema = schema.to_value();
    schema["title"] = json!(kind.as_str());
    let about = json!({ "const": kind.as_str(), "description": "Which kind of document this is." });
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.insert("kind".to_owned(), about);
    }
    schema["properties"]["id"]["pattern"] = json!(check::ID_PATTERN);
    if let Some(required) = schema["required"].as_array_mut() {
        required.insert(0, json!("kind"));
    }
    schema
}
