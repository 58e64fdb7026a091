//! Operations on the body of a resource.

use serde_json::{Map, Value};

use super::{MemberChange, Operation, PatchPath, Verb};
use crate::error::Refusal;
use crate::filter::{Filter, Literal, Op, Test, bind_elements, element_matches};
use crate::path::{AttrPath, Place};
use crate::resource::{conform_single, conform_value, members};
use crate::schema::{Attribute, Kind, Mutability, Type};

/// Applies the operations in order to `body` and returns the changes of members, in order. On an error `body` is to be
/// thrown away. The password, if it changes, is left in `body` (null: removed) for [`crate::resource::finish`].
pub(crate) fn apply(
    kind: Kind,
    body: &mut Map<String, Value>,
    operations: &[Operation],
) -> Result<Vec<MemberChange>, Refusal> {
    let mut patch = Patch { kind, body, members: Vec::new() };
    for operation in operations {
        let value = operation.value.as_ref().unwrap_or(&Value::Null);
        match &operation.path {
            Some(path) => patch.at_path(operation.verb, path, value)?,
            None => patch.without_path(operation.verb, value)?,
        }
    }
    Ok(patch.members)
}

struct Patch<'a> {
    kind: Kind,
    body: &'a mut Map<String, Value>,
    members: Vec<MemberChange>,
}

impl Patch<'_> {
    /// Each key of the value is an attribute, or a path as a client may have flattened it.
    fn without_path(&mut self, verb: Verb, value: &Value) -> Result<(), Refusal> {
        let Value::Object(values) = value else {
            return Err(Refusal::invalid_value("Without a 'path', 'value' must be an object of attributes."));
        };
        for (key, value) in values {
            let Ok(path) = PatchPath::parse(key) else { continue };
            if self.extension_of(&path.attribute).is_some() {
                self.at_path(verb, &path, value)?;
            } else if let Some(place) = path.attribute.resolve(self.kind)
                && place.attribute.mutability != Mutability::ReadOnly
            {
                self.at_path(verb, &path, value)?;
            }
        }
        Ok(())
    }

    fn at_path(&mut self, verb: Verb, path: &PatchPath, value: &Value) -> Result<(), Refusal> {
        if path.attribute.name.is_empty() {
            return self.whole_schema(verb, &path.attribute, value);
        }
        let unknown =
            || Refusal::invalid_path(format!("{} has no attribute '{}'.", self.kind.name(), path.attribute));
        let place = path.attribute.resolve(self.kind).ok_or_else(unknown)?;
        if place.attribute.name == "schemas" {
            // It follows from the attributes that are there.
            return Ok(());
        }
        writable(&place, verb)?;
        let test = match &path.filter {
            None => None,
            Some(_) if !place.attribute.multi_valued => {
                return Err(Refusal::invalid_path(format!(
                    "'{}' has one value: no filter.",
                    place.attribute.name
                )));
            }
            Some(filter) => Some(
                bind_elements(filter, place.attribute)
                    .map_err(|refusal| Refusal::invalid_path(refusal.detail))?,
            ),
        };
        if place.attribute.name == "members" && place.extension.is_none() {
            return self.member_change(verb, &place, test, value);
        }
        let container = match place.extension {
            None => &mut *self.body,
            Some(urn) => object_at(self.body, urn),
        };
        if place.attribute.name == "password" && (verb == Verb::Remove || value.is_null()) {
            container.insert("password".into(), Value::Null);
            return Ok(());
        }
        match (test, &path.filter) {
            (Some(test), Some(filter)) => elements(container, verb, &place, &test, filter, value),
            _ => whole(container, verb, &place, value),
        }
    }

    /// A path that is a schema's URN alone: the whole extension, or the core attributes.
    fn whole_schema(&mut self, verb: Verb, path: &AttrPath, value: &Value) -> Result<(), Refusal> {
        let Some(urn) = self.extension_of(path) else {
            if path.schema.as_deref() == Some(self.kind.schema()) && verb != Verb::Remove {
                return self.without_path(verb, value);
            }
            return Err(Refusal::invalid_path(format!(
                "{} has no schema extension '{path}'.",
                self.kind.name()
            )));
        };
        if verb == Verb::Remove || value.is_null() {
            self.body.remove(urn);
            return Ok(());
        }
        let Value::Object(values) = value else {
            return Err(Refusal::invalid_value(format!("'{urn}' must be an object.")));
        };
        for (key, value) in values {
            let Ok(mut path) = PatchPath::parse(key) else { continue };
            path.attribute.schema = Some(urn.to_owned());
            if path.attribute.resolve(self.kind).is_some() {
                self.at_path(verb, &path, value)?;
            }
        }
        Ok(())
    }

    fn extension_of(&self, path: &AttrPath) -> Option<&'static str> {
        if !path.name.is_empty() {
            return None;
        }
        self.kind.extension(path.schema.as_deref()?).map(|(urn, _)| urn)
    }

    fn member_change(
        &mut self,
        verb: Verb,
        place: &Place,
        test: Option<Test>,
        value: &Value,
    ) -> Result<(), Refusal> {
        if let Some(sub) = place.sub {
            return Err(Refusal::mutability(format!("'members.{}' cannot be changed in place.", sub.name)));
        }
        match (verb, test) {
            (Verb::Add, None) => self.members.push(MemberChange::Add(members(value)?)),
            (Verb::Replace, None) => self.members.push(MemberChange::Replace(members(value)?)),
            (Verb::Remove, None) if value.is_null() => self.members.push(MemberChange::Replace(Vec::new())),
            (Verb::Remove, None) => self.members.push(MemberChange::Remove(members(value)?)),
            (Verb::Remove, Some(test)) => self.members.push(MemberChange::RemoveMatching(test)),
            (Verb::Add | Verb::Replace, Some(test)) => {
                let added = members(value)?;
                if verb == Verb::Replace {
                    self.members.push(MemberChange::RemoveMatching(test));
                }
                self.members.push(MemberChange::Add(added));
            }
        }
        Ok(())
    }
}

/// Refuses what a client names although it must not change it (RFC 7644, section 3.5.2).
fn writable(place: &Place, verb: Verb) -> Result<(), Refusal> {
    let read_only = place.attribute.mutability == Mutability::ReadOnly
        || place.sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly);
    if read_only {
        return Err(Refusal::mutability(format!("'{}' is read-only.", place.attribute.name)));
    }
    if verb == Verb::Remove && place.attribute.required {
        return Err(Refusal::mutability(format!(
            "'{}' is required and cannot be removed.",
            place.attribute.name
        )));
    }
    Ok(())
}

/// An attribute without a filter.
fn whole(
    container: &mut Map<String, Value>,
    verb: Verb,
    place: &Place,
    value: &Value,
) -> Result<(), Refusal> {
    let attribute = place.attribute;
    if let Some(sub) = place.sub {
        return sub_attribute(container, verb, attribute, sub, value);
    }
    if verb == Verb::Remove {
        if attribute.multi_valued && !value.is_null() {
            return remove_values(container, attribute, value);
        }
        container.remove(attribute.name);
        return Ok(());
    }
    let conforming = conform_value(attribute, value)?;
    match conforming {
        None if verb == Verb::Replace || !attribute.multi_valued => {
            container.remove(attribute.name);
        }
        None => {}
        Some(Value::Array(added)) if verb == Verb::Add => {
            let mut all = take_elements(container, attribute);
            for element in added {
                if !all.contains(&element) {
                    if is_primary(&element) {
                        demote(&mut all);
                    }
                    all.push(element);
                }
            }
            container.insert(attribute.name.to_owned(), Value::Array(all));
        }
        Some(Value::Object(values)) => {
            // Sub-attributes that the value does not name stay (RFC 7644, sections 3.5.2.1 and 3.5.2.3), and those that
            // it names as null go.
            let old = object_at(container, attribute.name);
            for sub in attribute.sub {
                if value.get(sub.name).is_some_and(Value::is_null) {
                    old.remove(sub.name);
                }
            }
            old.extend(values);
        }
        Some(conforming) => {
            container.insert(attribute.name.to_owned(), conforming);
        }
    }
    Ok(())
}

/// `name.givenName`, and of a multi-valued attribute the sub-attribute of every value.
fn sub_attribute(
    container: &mut Map<String, Value>,
    verb: Verb,
    attribute: &Attribute,
    sub: &Attribute,
    value: &Value,
) -> Result<(), Refusal> {
    let value = if verb == Verb::Remove { None } else { conform_value(sub, value)? };
    if !attribute.multi_valued {
        set(object_at(container, attribute.name), sub, value);
        drop_if_empty(container, attribute.name);
        return Ok(());
    }
    let mut all = take_elements(container, attribute);
    if all.is_empty() && value.is_some() {
        all.push(Value::Object(Map::new()));
    }
    for element in &mut all {
        if let Value::Object(element) = element {
            set(element, sub, value.clone());
        }
    }
    put_elements(container, attribute, all);
    Ok(())
}

/// `emails[type eq "work"]`, with or without a sub-attribute.
fn elements(
    container: &mut Map<String, Value>,
    verb: Verb,
    place: &Place,
    test: &Test,
    filter: &Filter,
    value: &Value,
) -> Result<(), Refusal> {
    let attribute = place.attribute;
    let mut all = take_elements(container, attribute);
    let mut chosen: Vec<usize> = (0..all.len()).filter(|&at| element_matches(test, &all[at])).collect();
    if verb == Verb::Remove {
        match place.sub {
            None => all.retain(|element| !element_matches(test, element)),
            Some(sub) => {
                for at in chosen {
                    if let Value::Object(element) = &mut all[at] {
                        element.remove(sub.name);
                    }
                }
            }
        }
        put_elements(container, attribute, all);
        return Ok(());
    }
    if chosen.is_empty() {
        chosen.push(all.len());
        all.push(Value::Object(described(filter, attribute)?));
    }
    fill(container, place, all, &chosen, value)
}

/// Puts `value` into the chosen elements; what it does not name stays (RFC 7644, section 3.5.2.3).
fn fill(
    container: &mut Map<String, Value>,
    place: &Place,
    mut all: Vec<Value>,
    chosen: &[usize],
    value: &Value,
) -> Result<(), Refusal> {
    let (attribute, sub) = (place.attribute, place.sub);
    let new = match sub {
        Some(sub) => Value::Object(
            conform_value(sub, value)?.map(|value| (sub.name.to_owned(), value)).into_iter().collect(),
        ),
        None => match value {
            Value::Array(values) if values.len() == 1 => conform_single(attribute, &values[0])?,
            value => conform_single(attribute, value)?,
        }
        .ok_or_else(|| Refusal::invalid_value(format!("'{}' needs a value.", attribute.name)))?,
    };
    if is_primary(&new) {
        if chosen.len() > 1 {
            return Err(Refusal::invalid_value(format!("Only one of '{}' can be primary.", attribute.name)));
        }
        demote(&mut all);
    }
    for &at in chosen {
        match (&mut all[at], &new, sub) {
            (Value::Object(old), Value::Object(new), Some(sub)) => set(old, sub, new.get(sub.name).cloned()),
            (Value::Object(old), Value::Object(new), None) => old.extend(new.clone()),
            (old, new, _) => *old = new.clone(),
        }
    }
    put_elements(container, attribute, all);
    Ok(())
}

/// The element that a filter describes, if it consists of nothing but equalities.
fn described(filter: &Filter, attribute: &Attribute) -> Result<Map<String, Value>, Refusal> {
    let mut element = Map::new();
    let parts = match filter {
        Filter::And(parts) => parts.as_slice(),
        single => std::slice::from_ref(single),
    };
    for part in parts {
        let described = match part {
            Filter::Compare(path, Op::Eq, Literal::Text(text)) => Some((path, Value::from(text.as_str()))),
            Filter::Compare(path, Op::Eq, Literal::Boolean(boolean)) => Some((path, Value::from(*boolean))),
            _ => None,
        };
        let (path, value) = described.ok_or_else(|| {
            Refusal::no_target(format!("No value of '{}' matches '{filter}'.", attribute.name))
        })?;
        if let Some(sub) = attribute.sub(&path.name)
            && let Some(value) = conform_value(sub, &value)?
        {
            element.insert(sub.name.to_owned(), value);
        }
    }
    Ok(element)
}

/// `remove` with the values to remove: those that have every sub-attribute that is named.
fn remove_values(
    container: &mut Map<String, Value>,
    attribute: &Attribute,
    value: &Value,
) -> Result<(), Refusal> {
    let Some(Value::Array(unwanted)) = conform_value(attribute, value)? else { return Ok(()) };
    let mut all = take_elements(container, attribute);
    all.retain(|element| {
        !unwanted.iter().any(|unwanted| match (element, unwanted) {
            (Value::Object(element), Value::Object(unwanted)) => {
                unwanted.iter().all(|(name, value)| element.get(name) == Some(value))
            }
            (element, unwanted) => element == unwanted,
        })
    });
    put_elements(container, attribute, all);
    Ok(())
}

fn set(element: &mut Map<String, Value>, sub: &Attribute, value: Option<Value>) {
    match value {
        Some(value) => element.insert(sub.name.to_owned(), value),
        None => element.remove(sub.name),
    };
}

fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// A new primary value ends the old one's being primary (RFC 7644, section 3.5.2).
fn demote(elements: &mut [Value]) {
    for element in elements.iter_mut().filter(|element| is_primary(element)) {
        element["primary"] = Value::Bool(false);
    }
}

fn take_elements(container: &mut Map<String, Value>, attribute: &Attribute) -> Vec<Value> {
    match container.remove(attribute.name) {
        Some(Value::Array(elements)) => elements,
        Some(single) => vec![single],
        None => Vec::new(),
    }
}

fn put_elements(container: &mut Map<String, Value>, attribute: &Attribute, mut elements: Vec<Value>) {
    if attribute.kind == Type::Complex {
        elements.retain(|element| element.as_object().is_some_and(|members| !members.is_empty()));
    }
    if !elements.is_empty() {
        container.insert(attribute.name.to_owned(), Value::Array(elements));
    }
}

fn object_at<'a>(container: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = container.entry(key).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(object) => object,
        _ => unreachable!("the slot was just made an object"),
    }
}

fn drop_if_empty(container: &mut Map<String, Value>, key: &str) {
    if container.get(key).and_then(Value::as_object).is_some_and(Map::is_empty) {
        container.remove(key);
    }
}
