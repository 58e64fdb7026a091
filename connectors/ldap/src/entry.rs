//! An entry as a server shows it, and values as the contract spells them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ldap3::SearchEntry;
use provost_sdk::{Error, ErrorKind, Result, Value};

/// Seconds between 1601, where Active Directory's times begin, and 1970.
const FROM_1601: i64 = 11_644_473_600;
/// `accountExpires` of an account that never does.
pub(crate) const NEVER: [&str; 2] = ["0", "9223372036854775807"];

/// One entry. Attributes are found in any spelling.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name, as the server wrote it.
    pub dn: String,
    found: SearchEntry,
}

impl From<SearchEntry> for Entry {
    fn from(mut found: SearchEntry) -> Entry {
        Entry { dn: std::mem::take(&mut found.dn), found }
    }
}

impl Entry {
    /// The texts of an attribute.
    pub(crate) fn texts(&self, name: &str) -> &[String] {
        let exact = self.found.attrs.get(name);
        let found = exact.or_else(|| {
            self.found
                .attrs
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, values)| values)
        });
        found.map_or(&[], Vec::as_slice)
    }

    /// The only text of an attribute, or the first of several.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).first().map(String::as_str)
    }

    /// The bytes of an attribute, texts included.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let binary = self.found.bin_attrs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        binary
            .and_then(|(_, values)| values.first())
            .map(Vec::as_slice)
            .or_else(|| self.text(name).map(str::as_bytes))
    }

    /// Whether it is of this object class.
    pub(crate) fn is(&self, class: &str) -> bool {
        self.texts("objectClass").iter().any(|known| known.eq_ignore_ascii_case(class))
    }

    /// The values of a part of an attribute (`member;range=0-1499`), and where the next begins; `None` for the last.
    pub(crate) fn range(&self, name: &str) -> Option<(&[String], Option<usize>)> {
        let (found, values) = self.found.attrs.iter().find_map(|(known, values)| {
            let (attribute, range) = known.split_once(";range=")?;
            attribute.eq_ignore_ascii_case(name).then_some((range, values))
        })?;
        let next = match found.split_once('-')?.1 {
            "*" => None,
            last => Some(last.parse::<usize>().ok()?.checked_add(1)?),
        };
        Some((values, next))
    }

    /// An attribute as the contract spells it.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        match self.texts(name) {
            [] => None,
            [one] => Some(Value::Text(one.clone())),
            several => Some(Value::List(several.iter().cloned().collect())),
        }
    }
}

/// The values of an attribute to be written: texts that are not empty.
pub(crate) fn written(name: &str, value: &Value) -> Result<BTreeSet<String>> {
    let texts = match value {
        Value::Text(text) => BTreeSet::from([text.clone()]),
        Value::Bool(value) => BTreeSet::from([if *value { "TRUE" } else { "FALSE" }.to_owned()]),
        Value::List(texts) => texts.clone(),
    };
    match texts.iter().find(|text| text.trim().is_empty() || text.contains('\0')) {
        Some(text) => Err(invalid(format!("The attribute `{name}` cannot be {text:?}."))),
        None => Ok(texts),
    }
}

/// A GUID of Active Directory (MS-DTYP 2.3.4): three numbers in the order of small machines, then eight bytes.
pub(crate) fn guid(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(uuid::Uuid::from_bytes_le(bytes).to_string())
}

/// An instant in UTC, of a generalized time (RFC 4517, 3.3.13) that ends in `Z`.
pub(crate) fn from_generalized(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let text = text.split_once(['.', ',']).map_or(text, |(whole, _)| whole);
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// The same the other way.
pub(crate) fn to_generalized(instant: Timestamp) -> String {
    instant.strftime("%Y%m%d%H%M%SZ").to_string()
}

/// An instant of a time of Active Directory: tenths of microseconds since 1601.
pub(crate) fn from_filetime(text: &str) -> Option<Timestamp> {
    let ticks: i64 = text.parse().ok()?;
    Timestamp::from_second(ticks / 10_000_000 - FROM_1601).ok()
}

/// The same the other way.
pub(crate) fn to_filetime(instant: Timestamp) -> String {
    (instant.as_second().saturating_add(FROM_1601).saturating_mul(10_000_000)).to_string()
}

/// An instant in the text of an attribute, whole seconds.
pub(crate) fn instant(name: &str, value: &Value) -> Result<Timestamp> {
    let Value::Text(text) = value else {
        return Err(invalid(format!("The attribute `{name}` is an instant.")));
    };
    let instant: Timestamp = text.parse().map_err(|error: jiff::Error| {
        invalid(format!(
            "The attribute `{name}` is an instant such as 2031-01-31T17:00:00Z, and not {text:?}."
        ))
        .because(error)
    })?;
    match instant.subsec_nanosecond() {
        0 => Ok(instant),
        _ => Err(invalid(format!("The attribute `{name}` is kept in whole seconds."))),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back() {
        let value = Value::from("2031-01-31T17:00:00Z");
        for (to, from) in [
            (to_generalized as fn(Timestamp) -> String, from_generalized as fn(&str) -> Option<Timestamp>),
            (to_filetime, from_filetime),
        ] {
            let back = instant("expires", &value).ok().and_then(|instant| from(&to(instant)));
            assert_eq!(back.map(|back| Value::from(back.to_string())), Some(value.clone()));
        }
        assert_eq!(from_generalized("20261123194104.0Z"), from_generalized("20261123194104Z"));
        assert_eq!(
            from_filetime("133000000000000000").map(|at| at.to_string()).as_deref(),
            Some("2022-06-18T04:26:40Z")
        );
        for bad in ["", "tomorrow", "2031-01-31T17:00:00.5Z"] {
            assert!(instant("expires", &Value::from(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_guid_is_spelt_as_active_directory_does() {
        let bytes =
            [0x5c, 0x23, 0xce, 0xed, 0x4c, 0x32, 0xc1, 0x48, 0x81, 0x18, 0x48, 0x48, 0x46, 0x71, 0xb7, 0x5e];
        assert_eq!(guid(&bytes).as_deref(), Some("edce235c-324c-48c1-8118-48484671b75e"));
        assert_eq!(guid(&bytes[1..]), None);
    }
}
