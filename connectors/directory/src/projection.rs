//! `attributes` and `excludedAttributes` (RFC 7644, section 3.9).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::Refusal;
use crate::path::AttrPath;
use crate::schema::{Kind, Returned};

/// Which attributes an answer has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Projection {
    only: Option<Vec<AttrPath>>,
    without: Vec<AttrPath>,
}

impl Projection {
    /// Lists of attribute paths as clients send them. Names that no schema has select nothing.
    pub(crate) fn parse(attributes: &[String], excluded: &[String]) -> Result<Self, Refusal> {
        let paths = |texts: &[String]| {
            texts
                .iter()
                .flat_map(|text| text.split(','))
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(|text| AttrPath::parse(text).map_err(Refusal::invalid_value))
                .collect::<Result<Vec<_>, _>>()
        };
        let only = paths(attributes)?;
        Ok(Self { only: (!only.is_empty()).then_some(only), without: paths(excluded)? })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.only.is_none() && self.without.is_empty()
    }

    /// Whether an answer has any of the core attribute `name`: what is costly to find need not be looked for.
    pub(crate) fn wants(&self, kind: Kind, name: &str) -> bool {
        let leads_to = |path: &&AttrPath| {
            path.resolve(kind).is_some_and(|place| place.extension.is_none() && place.attribute.name == name)
        };
        let whole = |path: &&AttrPath| path.name.is_empty() && path.schema.as_deref() == Some(kind.schema());
        let selected = self.only.as_ref().is_none_or(|only| only.iter().any(|p| leads_to(&p) || whole(&p)));
        selected && !self.without.iter().any(|path| path.sub.is_none() && leads_to(&path))
    }

    /// What is left of a whole resource.
    pub(crate) fn apply(&self, kind: Kind, resource: Map<String, Value>) -> Map<String, Value> {
        let mut left = match &self.only {
            None => resource,
            Some(only) => selected(kind, only, &resource),
        };
        for path in &self.without {
            exclude(kind, path, &mut left);
        }
        left
    }
}

fn selected(kind: Kind, paths: &[AttrPath], resource: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    let always =
        |name: &str| kind.attribute(name).is_some_and(|attribute| attribute.returned == Returned::Always);
    for (name, value) in resource.iter().filter(|(name, _)| always(name)) {
        out.insert(name.clone(), value.clone());
    }
    // Of each attribute the sub-attributes that are wanted; none: all of it.
    let mut wanted: BTreeMap<(Option<&str>, &str), Option<Vec<&str>>> = BTreeMap::new();
    for path in paths {
        if path.name.is_empty() {
            whole_schema(kind, path, resource, &mut out);
        } else if let Some(place) = path.resolve(kind) {
            let subs = wanted.entry((place.extension, place.attribute.name)).or_insert(Some(Vec::new()));
            match (place.sub, &mut *subs) {
                (Some(sub), Some(subs)) => subs.push(sub.name),
                (Some(_), None) => {}
                (None, _) => *subs = None,
            }
        }
    }
    for ((extension, name), subs) in wanted {
        let source = match extension {
            None => Some(resource),
            Some(urn) => resource.get(urn).and_then(Value::as_object),
        };
        let Some(value) = source.and_then(|source| source.get(name)) else { continue };
        let value = match subs {
            None => value.clone(),
            Some(subs) => with_subs(value, &subs),
        };
        match extension {
            None => {
                out.insert(name.to_owned(), value);
            }
            Some(urn) => {
                if let Value::Object(extension) = out.entry(urn).or_insert_with(|| Value::Object(Map::new()))
                {
                    extension.insert(name.to_owned(), value);
                }
            }
        }
    }
    out
}

fn whole_schema(kind: Kind, path: &AttrPath, resource: &Map<String, Value>, out: &mut Map<String, Value>) {
    let Some(schema) = path.schema.as_deref() else { return };
    let core = schema.eq_ignore_ascii_case(kind.schema());
    for (name, value) in resource {
        if name.eq_ignore_ascii_case(schema) || (core && kind.attribute(name).is_some()) {
            out.insert(name.clone(), value.clone());
        }
    }
}

fn with_subs(value: &Value, subs: &[&str]) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(|element| with_subs(element, subs)).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(name, _)| subs.contains(&name.as_str()))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn exclude(kind: Kind, path: &AttrPath, resource: &mut Map<String, Value>) {
    if path.name.is_empty() {
        if let Some((urn, _)) = path.schema.as_deref().and_then(|urn| kind.extension(urn)) {
            resource.remove(urn);
        }
        return;
    }
    let Some(place) = path.resolve(kind) else { return };
    if place.attribute.returned == Returned::Always {
        return;
    }
    let container = match place.extension {
        None => Some(resource),
        Some(urn) => resource.get_mut(urn).and_then(Value::as_object_mut),
    };
    let Some(container) = container else { return };
    match place.sub {
        None => {
            container.remove(place.attribute.name);
        }
        Some(sub) => match container.get_mut(place.attribute.name) {
            Some(Value::Array(elements)) => {
                elements
                    .iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(|element| drop(element.remove(sub.name)));
            }
            Some(Value::Object(members)) => drop(members.remove(sub.name)),
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::ENTERPRISE;

    fn projected(attributes: &str, excluded: &str) -> Result<Value, Refusal> {
        let Value::Object(user) = json!({
            "schemas": ["s"], "id": "1", "userName": "ada", "title": "x",
            "name": {"givenName": "Ada", "familyName": "O"},
            "emails": [{"value": "a", "type": "work"}, {"value": "b", "type": "home"}],
            ENTERPRISE: {"department": "d", "division": "v"},
            "meta": {"version": "1"},
        }) else {
            return Ok(Value::Null);
        };
        let projection = Projection::parse(&[attributes.to_owned()], &[excluded.to_owned()])?;
        Ok(Value::Object(projection.apply(Kind::User, user)))
    }

    #[test]
    fn attributes_selects_and_id_and_schemas_are_always_there() -> Result<(), Refusal> {
        assert_eq!(
            projected(&format!("USERNAME, emails.type,name.givenName,nosuch,{ENTERPRISE}:division,"), "")?,
            json!({"schemas": ["s"], "id": "1", "userName": "ada", "name": {"givenName": "Ada"},
                "emails": [{"type": "work"}, {"type": "home"}], ENTERPRISE: {"division": "v"}})
        );
        assert_eq!(
            projected(ENTERPRISE, "")?,
            json!({"schemas": ["s"], "id": "1", ENTERPRISE: {"department": "d", "division": "v"}})
        );
        Ok(())
    }

    #[test]
    fn excluded_attributes_go_except_those_that_are_always_returned() -> Result<(), Refusal> {
        assert_eq!(
            projected("", &format!("id,schemas,meta,emails.value,title,name,{ENTERPRISE}"))?,
            json!({"schemas": ["s"], "id": "1", "userName": "ada", "emails": [{"type": "work"}, {"type": "home"}]})
        );
        Ok(())
    }

    #[test]
    fn what_is_costly_is_asked_for_first() -> Result<(), Refusal> {
        let wants = |attributes: &str, excluded: &str| {
            Ok::<_, Refusal>(
                Projection::parse(&[attributes.to_owned()], &[excluded.to_owned()])?
                    .wants(Kind::Group, "members"),
            )
        };
        assert!(wants("", "")? && wants("members.value", "")? && wants("", "members.value")?);
        assert!(!wants("displayName", "")? && !wants("", "Members")?);
        Ok(())
    }
}
