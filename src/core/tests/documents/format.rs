//! docs/FORMAT.md: its tables are the schemas' (`UPDATE=1` writes them), and its examples are documents.

use std::collections::BTreeMap;

use provost_core::document::{Document, Kind, parse, schema};
use provost_core::packed::{Image, Writer};
use serde_json::{Map, Value};

use crate::in_repository;

#[test]
fn the_tables_of_the_format_page_are_those_of_the_schemas() {
    let path = in_repository("docs/FORMAT.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let mut expected = page.clone();
    for kind in Kind::ALL {
        expected = replaced(&expected, kind.as_str(), &fields(schema(kind)));
    }
    expected = replaced(&expected, "parts", &parts());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &expected).expect("the page can be written");
    } else {
        assert_eq!(page, expected, "UPDATE=1 writes the page anew");
    }
}

#[test]
fn the_examples_of_the_format_page_are_documents_of_every_kind() {
    let page = std::fs::read_to_string(in_repository("docs/FORMAT.md")).expect("the page is there");
    let mut missing = Kind::ALL.to_vec();
    for block in page.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap_or_default();
        let parsed = parse("example.yaml", text.as_bytes());
        assert_eq!(parsed.problems, [], "in\n{text}");
        let kind = parsed.document.expect("a document without problems").kind();
        missing.retain(|other| *other != kind);
    }
    assert_eq!(missing, [], "without an example");
}

#[test]
fn identities_on_the_format_page_come_back_from_flat_numbers() {
    let page = std::fs::read_to_string(in_repository("docs/FORMAT.md")).expect("the page is there");
    let blocks = page.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    let documents: Vec<_> = blocks.filter_map(|text| parse("", text.as_bytes()).document).collect();
    let mut writer = Writer::default();
    writer.mark();
    let kept: Vec<_> = documents.iter().filter(|document| document.pack_identity(&mut writer)).collect();
    assert!(kept.len() > 2, "people and services");
    let bytes = writer.finish();
    let image = Image::open(&bytes).expect("it is whole");
    let texts = image.texts(0..image.len()).expect("its texts");
    let mut reader = image.reader(0, &texts).expect("its mark");
    for document in kept {
        assert_eq!(Document::unpack_identity(&mut reader).as_ref(), Some(document));
    }
    assert_eq!(reader.word(), None);
}

/// The page with what stands between the marks of a name replaced.
fn replaced(page: &str, name: &str, new: &str) -> String {
    let (begin, end) = (format!("<!-- fields: {name} -->\n"), "<!-- end -->\n");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("{begin} has no end"));
    format!("{before}{begin}{new}{end}{after}")
}

/// The parts that documents are made of, each once, by name.
fn parts() -> String {
    let mut parts: BTreeMap<&str, &Value> = BTreeMap::new();
    for kind in Kind::ALL {
        let definitions = schema(kind)["$defs"].as_object().into_iter().flatten();
        parts.extend(definitions.map(|(name, part)| (name.as_str(), part)));
    }
    parts.retain(|name, _| !matches!(*name, "When" | "Length"));
    let shown = |(name, part): (&str, &Value)| {
        let about = part["description"].as_str().unwrap_or_default();
        let words = part["oneOf"].as_array().or(part["anyOf"].as_array());
        let body = match words {
            Some(words) if part["properties"].is_null() => words.iter().map(word).collect(),
            _ => fields(part),
        };
        format!("### {name}\n\n{about}\n\n{body}\n")
    };
    parts.into_iter().map(shown).collect()
}

fn word(schema: &Value) -> String {
    let about = schema["description"].as_str().unwrap_or_default();
    format!("- {}: {about}\n", kind_of(schema))
}

/// A table of the fields of a map.
fn fields(schema: &Value) -> String {
    let none = Map::new();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let mut rows: Vec<_> =
        properties.iter().filter(|(name, _)| *name != "kind" || schema["title"].is_null()).collect();
    rows.sort_by_key(|(name, _)| (*name != "id", !required.contains(&name.as_str())));
    let mut table = String::from("| field | is | |\n|---|---|---|\n");
    for (name, field) in rows {
        let about = field["description"].as_str().unwrap_or_default();
        let needed = if required.contains(&name.as_str()) { " (required)" } else { "" };
        table += &format!("| `{name}`{needed} | {} | {} |\n", kind_of(field), about.replace('\n', " "));
    }
    let rest = &schema["additionalProperties"];
    if schema["x-kind-as-key"].is_string() {
        table += "| one more | text | The kind of entitlement, and its name: `group: engineering`. |\n";
    } else if rest.is_object() {
        table += &format!("| any other | {} | |\n", kind_of(rest));
    }
    table
}

/// What may stand in a field.
fn kind_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return match name {
            "When" => "date".to_owned(),
            "Length" => "duration".to_owned(),
            _ => format!("[{name}](#{})", name.to_lowercase()),
        };
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("`{word}`");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> =
            words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    if let Some(branches) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let branches: Vec<String> =
            branches.iter().filter(|branch| branch["type"] != "null").map(kind_of).collect();
        return branches.join(" or ");
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("string") => "text".to_owned(),
        Some("integer") => "number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("array") => format!("list of {}", kind_of(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}", kind_of(&schema["additionalProperties"]))
        }
        Some("object") if !schema["properties"].is_null() => {
            let names = schema["properties"].as_object().into_iter().flatten();
            let fields: Vec<String> =
                names.map(|(name, field)| format!("{name}: {}", kind_of(field))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Some("object") => "map".to_owned(),
        _ => "anything".to_owned(),
    }
}
