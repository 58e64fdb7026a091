//! What clients send, made to conform to the schema (RFC 7643): names in the schema's spelling, values of the right
//! type, what clients may not write dropped, what is required there.
//!
//! Attributes that no schema knows are dropped: provisioning clients send their own, and survive that better than a
//! refusal. Booleans as strings, a single value for a list, a list of one for a single value, and a plain string for a
//! complex value are taken for what they mean.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::Refusal;
use crate::path::shortened;
use crate::schema::{self, Attribute, Kind, Mutability, Type};

/// A resource as a client wants it: the body to store, and what is stored elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    /// Conforming attributes with `schemas`, without `id`, `meta`, `password`, `members` and `groups`.
    pub(crate) body: Map<String, Value>,
    /// None: the client named none.
    pub(crate) members: Option<Vec<Member>>,
    /// What is to become of the password.
    pub(crate) password: Password,
}

/// A member as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) display: Option<String>,
}

/// A change of password in a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Password {
    Keep,
    Clear,
    Set(Cleartext),
}

/// A password as the client sent it. It is hashed before it is stored and has no printed form.
#[derive(Clone, PartialEq)]
pub(crate) struct Cleartext(pub(crate) String);

impl std::fmt::Debug for Cleartext {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("[password]")
    }
}

/// A whole resource of a POST or PUT.
pub(crate) fn conform(kind: Kind, body: &Value) -> Result<Draft, Refusal> {
    let Value::Object(body) = body else {
        return Err(Refusal::invalid_syntax("The body must be a JSON object."));
    };
    names_schema(kind, body)?;
    let mut out = Map::new();
    for (key, value) in body {
        if let Some((urn, attributes)) = kind.extension(key) {
            match value {
                Value::Null => {}
                Value::Object(values) => {
                    let values = conform_members(attributes, values)?;
                    if !values.is_empty() {
                        put(&mut out, urn, Value::Object(values))?;
                    }
                }
                _ => return Err(Refusal::invalid_value(format!("'{urn}' must be an object."))),
            }
        } else if let Some(attribute) = kind.attribute(key)
            && attribute.mutability != Mutability::ReadOnly
            && attribute.name != "schemas"
            && let Some(value) = conform_value(attribute, value)?
        {
            put(&mut out, attribute.name, value)?;
        }
    }
    finish(kind, out)
}

/// Takes apart what is stored apart, and checks what must hold of a whole resource.
pub(crate) fn finish(kind: Kind, mut body: Map<String, Value>) -> Result<Draft, Refusal> {
    let members = match body.remove("members") {
        Some(list) => Some(members(&list)?),
        None => None,
    };
    let password = match body.remove("password") {
        None => Password::Keep,
        Some(Value::String(password)) if !password.is_empty() => Password::Set(Cleartext(password)),
        Some(_) => Password::Clear,
    };
    let mut schemas = vec![Value::from(kind.schema())];
    for (urn, _) in kind.extensions() {
        match body.get(*urn) {
            Some(Value::Object(values)) if !values.is_empty() => schemas.push(Value::from(*urn)),
            _ => drop(body.remove(*urn)),
        }
    }
    body.insert("schemas".into(), schemas.into());
    for attribute in kind.attributes() {
        let value = body.get(attribute.name);
        if attribute.required && value.and_then(Value::as_str).is_none_or(|text| text.trim().is_empty()) {
            return Err(Refusal::invalid_value(format!(
                "'{}' is required and must not be blank.",
                attribute.name
            )));
        }
        if let Some(Value::Array(elements)) = value
            && elements.iter().filter(|element| element.get("primary") == Some(&Value::Bool(true))).count()
                > 1
        {
            return Err(Refusal::invalid_value(format!("Only one of '{}' can be primary.", attribute.name)));
        }
    }
    if let Some(name) = body.get("userName").and_then(Value::as_str)
        && name.chars().any(char::is_control)
    {
        return Err(Refusal::invalid_value("'userName' must not contain control characters."));
    }
    Ok(Draft { body, members, password })
}

/// A value of `attribute`; none where the client wrote null, an empty list or nothing but null.
pub(crate) fn conform_value(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Refusal> {
    if !attribute.multi_valued {
        return match value {
            Value::Array(elements) => match elements.as_slice() {
                [] => Ok(None),
                [only] => conform_single(attribute, only),
                _ => Err(Refusal::invalid_value(format!("'{}' takes one value.", attribute.name))),
            },
            single => conform_single(attribute, single),
        };
    }
    let elements = match value {
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut out: Vec<Value> = Vec::with_capacity(elements.len());
    for element in elements {
        if let Some(element) = conform_single(attribute, element)? {
            out.push(element);
        }
    }
    Ok(if out.is_empty() { None } else { Some(Value::Array(out)) })
}

/// One value of `attribute`, also if it is multi-valued.
pub(crate) fn conform_single(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Refusal> {
    let wrong = |expected: &str| {
        Err(Refusal::invalid_value(format!(
            "'{}' must be {expected}, not {}.",
            attribute.name,
            shortened(&value.to_string())
        )))
    };
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Type::String | Type::Reference, Value::String(_)) => Ok(Some(value.clone())),
        (Type::String | Type::Reference, _) => wrong("a string"),
        (Type::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => {
            Ok(Some(Value::Bool(true)))
        }
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => {
            Ok(Some(Value::Bool(false)))
        }
        (Type::Boolean, _) => wrong("true or false"),
        (Type::DateTime, Value::String(text)) if text.parse::<Timestamp>().is_ok() => Ok(Some(value.clone())),
        (Type::DateTime, _) => wrong("a date and time such as \"2026-12-01T09:30:00Z\""),
        (Type::Binary, Value::String(text)) if is_base64(text) => Ok(Some(value.clone())),
        (Type::Binary, _) => wrong("a string in base64"),
        (Type::Complex, Value::Object(members)) => {
            let members = conform_members(attribute.sub, members)?;
            Ok(if members.is_empty() { None } else { Some(Value::Object(members)) })
        }
        (Type::Complex, Value::String(text)) if text.is_empty() => Ok(None),
        (Type::Complex, Value::String(_)) => match attribute.default_sub() {
            Some(sub) => Ok(Some(Value::Object(Map::from_iter([(sub.name.to_owned(), value.clone())])))),
            None => wrong("an object"),
        },
        (Type::Complex, _) => wrong("an object"),
    }
}

/// A list of members: the id of each is its `value`, or what its `$ref` ends with.
pub(crate) fn members(members: &Value) -> Result<Vec<Member>, Refusal> {
    let elements = match members {
        Value::Array(elements) => elements.as_slice(),
        Value::Null => &[],
        single => std::slice::from_ref(single),
    };
    elements
        .iter()
        .map(|element| {
            let text = |name: &str| {
                let (_, value) =
                    element.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                value.as_str()
            };
            let id = element
                .as_str()
                .or_else(|| text("value"))
                .or_else(|| text("$ref").and_then(|reference| reference.rsplit('/').next()))
                .filter(|id| !id.is_empty())
                .ok_or_else(|| {
                    Refusal::invalid_value("A member must have a 'value': the id of a user or group.")
                })?;
            Ok(Member { id: id.to_owned(), display: text("display").map(str::to_owned) })
        })
        .collect()
}

fn names_schema(kind: Kind, body: &Map<String, Value>) -> Result<(), Refusal> {
    let named = body.iter().find(|(key, _)| key.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    let listed = named.and_then(Value::as_array).is_some_and(|schemas| {
        schemas.iter().filter_map(Value::as_str).any(|urn| urn.eq_ignore_ascii_case(kind.schema()))
    });
    if listed {
        return Ok(());
    }
    Err(Refusal::invalid_syntax(format!("'schemas' must be a list that names '{}'.", kind.schema())))
}

fn conform_members(
    attributes: &'static [Attribute],
    values: &Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    let mut out = Map::new();
    for (key, value) in values {
        if let Some(attribute) = schema::find(attributes, key)
            && attribute.mutability != Mutability::ReadOnly
            && let Some(value) = conform_value(attribute, value)?
        {
            put(&mut out, attribute.name, value)?;
        }
    }
    Ok(out)
}

fn put(out: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Refusal> {
    match out.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(Refusal::invalid_syntax(format!("'{name}' is there twice, in different case."))),
    }
}

fn is_base64(text: &str) -> bool {
    // Clients differ in padding and wrap lines as PEM does.
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(compact).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{ENTERPRISE, USER};

    #[test]
    fn a_user_comes_out_in_the_schemas_spelling_and_types() -> Result<(), Refusal> {
        let draft = conform(
            Kind::User,
            &json!({
                "schemas": [USER],
                "id": "mine", "meta": {"version": "x"}, "groups": [{"value": "g"}], "favouriteColour": "blue",
                "USERNAME": "ada", "Active": "False", "emails": {"VALUE": "a@b", "nosuch": 1}, "roles": ["x"],
                "nickName": null, "photos": [], "password": "p",
                ENTERPRISE.to_uppercase(): {"manager": "m-1", "department": null},
            }),
        )?;
        assert_eq!(
            Value::Object(draft.body),
            json!({
                "schemas": [USER, ENTERPRISE],
                "userName": "ada", "active": false, "emails": [{"value": "a@b"}], "roles": [{"value": "x"}],
                ENTERPRISE: {"manager": {"value": "m-1"}},
            })
        );
        assert_eq!(draft.password, Password::Set(Cleartext("p".into())));
        assert_eq!(format!("{:?}", draft.password), "Set([password])");
        Ok(())
    }

    #[test]
    fn what_does_not_conform_is_refused() {
        for (body, scim_type) in [
            (json!([]), "invalidSyntax"),
            (json!({"userName": "a"}), "invalidSyntax"),
            (json!({"schemas": ["urn:x"], "userName": "a"}), "invalidSyntax"),
            (json!({"schemas": [USER]}), "invalidValue"),
            (json!({"schemas": [USER], "userName": " "}), "invalidValue"),
            (json!({"schemas": [USER], "userName": "a\u{0}b"}), "invalidValue"),
            (json!({"schemas": [USER], "userName": 5}), "invalidValue"),
            (json!({"schemas": [USER], "userName": "a", "username": "b"}), "invalidSyntax"),
            (json!({"schemas": [USER], "userName": "a", "active": "maybe"}), "invalidValue"),
            (json!({"schemas": [USER], "userName": "a", "name": "Ada"}), "invalidValue"),
            (json!({"schemas": [USER], "userName": ["a", "b"]}), "invalidValue"),
            (json!({"schemas": [USER], "userName": "a", "emails": [5]}), "invalidValue"),
            (
                json!({"schemas": [USER], "userName": "a", "x509Certificates": [{"value": "?"}]}),
                "invalidValue",
            ),
            (
                json!({"schemas": [USER], "userName": "a",
                    "emails": [{"value": "a", "primary": true}, {"value": "b", "primary": "True"}]}),
                "invalidValue",
            ),
        ] {
            let refusal = conform(Kind::User, &body).expect_err("does not conform");
            assert_eq!((refusal.status, refusal.scim_type), (400, Some(scim_type)), "{body}");
        }
    }

    #[test]
    fn members_are_named_by_value_or_reference() -> Result<(), Refusal> {
        let named = members(&json!([{"value": "a", "display": "x"}, {"$ref": "https://x/Users/b"}, "c"]))?;
        let ids: Vec<&str> = named.iter().map(|member| member.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(named[0].display.as_deref(), Some("x"));
        assert!(members(&json!([{"display": "x"}])).is_err());
        Ok(())
    }
}
