//! [`Test`] on a resource: whether it matches. Never fails.
//!
//! Of a multi-valued attribute one matching value is enough, also for `ne` (RFC 7644, section 3.4.2.2); an attribute
//! without a value is `ne` to every value.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::{Op, Operand, Test};
use crate::fold::fold;
use crate::path::Place;

/// Whether the resource matches. It must hold the attributes that the test names, under their schema spelling.
pub(crate) fn matches(test: &Test, resource: &Map<String, Value>) -> bool {
    match test {
        Test::And(parts) => parts.iter().all(|part| matches(part, resource)),
        Test::Or(parts) => parts.iter().any(|part| matches(part, resource)),
        Test::Not(inner) => !matches(inner, resource),
        Test::Never => false,
        Test::Present(place) => values(place, resource).any(is_present),
        Test::Compare(place, op, Operand::Null) => (*op == Op::Ne) == values(place, resource).any(is_present),
        Test::Compare(place, op, operand) => {
            let mut any = false;
            for value in values(place, resource).filter(|value| is_present(value)) {
                any = true;
                if compare(value, *op, operand) {
                    return true;
                }
            }
            !any && *op == Op::Ne
        }
        Test::Element(place, inner) => values(place, resource).any(|element| element_matches(inner, element)),
    }
}

/// Whether one value of a complex attribute matches the filter in its brackets.
pub(crate) fn element_matches(test: &Test, element: &Value) -> bool {
    element.as_object().is_some_and(|element| matches(test, element))
}

/// An `xsd:dateTime`; without an offset it is taken as UTC.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// The values that a place leads to; of a multi-valued attribute each of its values.
fn values<'a>(place: &Place, resource: &'a Map<String, Value>) -> impl Iterator<Item = &'a Value> {
    let sub = place.sub;
    let found = match place.extension {
        None => resource.get(place.attribute.name),
        Some(urn) => resource.get(urn).and_then(|extension| extension.get(place.attribute.name)),
    };
    let elements: &[Value] = match found {
        Some(Value::Array(elements)) => elements,
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    elements.iter().filter_map(move |element| match sub {
        Some(sub) => element.get(sub.name),
        None => Some(element),
    })
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_present),
        Value::Object(members) => members.values().any(is_present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compare(value: &Value, op: Op, operand: &Operand) -> bool {
    match (value, operand) {
        (Value::String(text), Operand::Exact(wanted)) => compare_text(text, op, wanted),
        (Value::String(text), Operand::Folded(wanted)) => compare_text(&fold(text), op, wanted),
        (Value::String(text), Operand::Instant(wanted)) => {
            instant(text).is_some_and(|at| by_order(op, at.cmp(wanted)))
        }
        (Value::Bool(boolean), Operand::Boolean(wanted)) => (op == Op::Eq) == (boolean == wanted),
        _ => op == Op::Ne,
    }
}

fn compare_text(text: &str, op: Op, wanted: &str) -> bool {
    match op {
        Op::Co => text.contains(wanted),
        Op::Sw => text.starts_with(wanted),
        Op::Ew => text.ends_with(wanted),
        _ => by_order(op, text.cmp(wanted)),
    }
}

fn by_order(op: Op, order: Ordering) -> bool {
    match op {
        Op::Eq => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Co | Op::Sw | Op::Ew => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{bind, parse};
    use super::*;
    use crate::error::Refusal;
    use crate::schema::Kind;

    fn holds(filter: &str) -> Result<bool, Refusal> {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "2819c223",
            "externalId": "AbC",
            "userName": "Bjensen",
            "active": true,
            "name": {"familyName": "O'Malley", "givenName": "Zo\u{eb}"},
            "title": "",
            "emails": [
                {"value": "bjensen@example.com", "type": "work", "primary": true},
                {"value": "babs@jensen.org", "type": "home"},
            ],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": "Tours", "manager": {"value": "m-1"}},
            "meta": {"lastModified": "2011-05-13T04:42:34.123Z"},
        });
        let Value::Object(user) = user else {
            return Err(Refusal::invalid_value("the fixture is an object"));
        };
        Ok(matches(&bind(&parse(filter)?, Kind::User, false)?, &user))
    }

    #[test]
    fn every_operator_answers_as_the_rfc_says() -> Result<(), Refusal> {
        for (filter, expected) in [
            ("userName eq \"bJENSEN\"", true),
            ("USERNAME Eq \"bjensen\"", true),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"BJ\"", true),
            ("externalId eq \"abc\"", false),
            ("externalId eq \"AbC\"", true),
            ("name.familyName co \"O'Mall\"", true),
            ("name.givenName eq \"zoe\u{308}\"", true),
            ("userName ew \"SEN\"", true),
            ("userName ne \"bjensen\"", false),
            ("nickName ne \"x\"", true),
            ("nickName eq null", true),
            ("nickName pr", false),
            ("title pr", false),
            ("userName pr", true),
            ("userName ne null", true),
            ("userName gt \"a\" and userName lt \"C\"", true),
            ("userName ge \"bjensen\" and userName le \"bjensen\"", true),
            ("active eq true", true),
            ("active eq \"True\"", true),
            ("active ne false", true),
            ("active eq false", false),
            ("emails co \"jensen.org\"", true),
            ("emails.type eq \"HOME\"", true),
            ("emails[type eq \"work\" and value co \"@example.com\"]", true),
            ("emails[type eq \"home\" and value co \"@example.com\"]", false),
            ("emails[type eq \"home\"].value ew \"jensen.org\"", true),
            ("emails[not (type eq \"work\")]", true),
            ("emails[primary eq \"True\"]", true),
            ("emails.value ne \"babs@jensen.org\"", true),
            ("not (emails.value eq \"babs@jensen.org\")", false),
            ("schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\"", true),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"tours\"", true),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"m-1\"", true),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"m-2\"", false),
            ("meta.lastModified gt \"2011-05-13T04:42:34Z\"", true),
            ("meta.lastModified eq \"2011-05-13T06:42:34.123+02:00\"", true),
            ("meta.lastModified le \"2011-05-13T04:42:34\"", false),
            ("meta.lastModified sw \"2011-05\"", true),
            ("userName eq \"x\" or active eq true and externalId eq \"AbC\"", true),
            ("(userName eq \"x\" or active eq true) and externalId eq \"y\"", false),
        ] {
            assert_eq!(holds(filter)?, expected, "{filter}");
        }
        Ok(())
    }

    #[test]
    fn comparisons_without_meaning_are_refused() {
        for filter in [
            "active gt true",
            "active co \"t\"",
            "active eq \"maybe\"",
            "meta.lastModified gt \"yesterday\"",
            "name eq \"x\"",
            "userName eq 5",
            "userName gt null",
            "nosuch eq \"x\"",
            "name.nosuch eq \"x\"",
            "emails[nosuch eq \"x\"]",
            "userName[value eq \"x\"]",
            "password pr",
            "password eq \"x\"",
            "urn:unknown:2.0:User:userName eq \"x\"",
            "x509Certificates.value gt \"x\"",
        ] {
            let refusal = holds(filter).expect_err("without meaning");
            assert_eq!(refusal.scim_type, Some("invalidFilter"), "{filter}");
        }
    }
}
