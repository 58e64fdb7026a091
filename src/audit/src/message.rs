//! The message of a record's commit: a summary line, canonical JSON, trailers in one fixed order.
//!
//! Nothing of the caller can become a trailer: the summary is one line, JSON is one line, and a trailer's value has a
//! fixed alphabet with everything else as `%` and two hexadecimal digits.

use serde_json::Value;

use crate::escape::escape;
use crate::record::{Kind, acts_on_terminal};

/// The longest value of a trailer, in bytes.
const MAX_LABEL: usize = 200;

/// How much of a label that is too long stays readable in front of its hash.
const LONG_PREFIX: usize = 150;

/// What a record's commit says. The labels (operation, target, subject, evidence, desired commit) are as in
/// [`encode_label`].
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The line for people.
    pub summary: String,
    /// The body as JSON text of one line: RFC 8785, with characters that terminals act on escaped.
    pub json: String,
    /// The kind of the record.
    pub kind: Kind,
    /// 1 for the genesis, and one more with every record.
    pub seq: u64,
    /// 1 from the genesis on, and one more with every volume record.
    pub volume: u64,
    /// The operation's id.
    pub operation: Option<String>,
    /// The sequence number of the intent that this closes.
    pub intent: Option<u64>,
    /// The target's id.
    pub target: Option<String>,
    /// The identity's id or the account's label.
    pub subject: Option<String>,
    /// The id of the evidence.
    pub evidence: Option<String>,
    /// The commit of the desired repository.
    pub desired_commit: Option<String>,
    /// The oldest intent that still has operations without a final outcome, once this record is counted.
    pub open: Option<u64>,
    /// SHA-256 of the previous record's commit object; none in the genesis.
    pub prev: Option<String>,
}

impl Message {
    /// The body as a value.
    pub fn body(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(&self.json)
    }

    /// The text of the commit message.
    pub(crate) fn encode(&self) -> String {
        let Message { summary, json, .. } = self;
        let mut text = format!("{summary}\n\n{json}\n\n");
        for (name, value) in self.trailers() {
            if let Some(value) = value {
                text.push_str(name);
                text.push_str(": ");
                text.push_str(&value);
                text.push('\n');
            }
        }
        text
    }

    /// The trailers in the order in which they are written.
    fn trailers(&self) -> [(&'static str, Option<String>); 11] {
        let number = |value: Option<u64>| value.map(|n| n.to_string());
        [
            ("Kind", Some(self.kind.name().to_owned())),
            ("Seq", Some(self.seq.to_string())),
            ("Volume", Some(self.volume.to_string())),
            ("Operation", self.operation.clone()),
            ("Intent", number(self.intent)),
            ("Target", self.target.clone()),
            ("Subject", self.subject.clone()),
            ("Evidence", self.evidence.clone()),
            ("Desired-Commit", self.desired_commit.clone()),
            ("Open", number(self.open)),
            ("Prev", self.prev.clone()),
        ]
    }
}

/// Reads the message of a record's commit, strictly: what this crate did not write like this is refused.
///
/// # Errors
/// Says what is wrong, in words that can stand in a finding.
pub fn parse_message(text: &str) -> Result<Message, String> {
    let mut parts = text.split("\n\n");
    let (Some(summary), Some(json), Some(trailers), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the message does not consist of a summary, JSON and trailers".to_owned());
    };
    if summary.contains('\n') || json.contains('\n') {
        return Err("the summary and the JSON must be one line each".to_owned());
    }
    if summary.chars().any(acts_on_terminal) {
        return Err("the summary has characters that act on a terminal".to_owned());
    }
    let mut lines =
        trailers.strip_suffix('\n').ok_or("the message does not end in a newline")?.split('\n').peekable();
    let mut next = |name: &str| -> Option<String> {
        let value = lines.peek()?.strip_prefix(name)?.strip_prefix(": ")?.to_owned();
        lines.next();
        Some(value)
    };
    let kind = next("Kind").ok_or("the Kind trailer is missing")?;
    let message = Message {
        summary: summary.to_owned(),
        json: json.to_owned(),
        kind: Kind::from_name(&kind).ok_or_else(|| format!("{kind:?} is no kind of record"))?,
        seq: number(next("Seq").ok_or("the Seq trailer is missing")?)?,
        volume: number(next("Volume").ok_or("the Volume trailer is missing")?)?,
        operation: label(next("Operation"))?,
        intent: next("Intent").map(number).transpose()?,
        target: label(next("Target"))?,
        subject: label(next("Subject"))?,
        evidence: label(next("Evidence"))?,
        desired_commit: label(next("Desired-Commit"))?,
        open: next("Open").map(number).transpose()?,
        prev: next("Prev"),
    };
    if let Some(line) = lines.next() {
        return Err(format!("an unknown, repeated or misplaced trailer: {line:?}"));
    }
    Ok(message)
}

/// Canonical JSON (RFC 8785) on one line. Characters that a terminal acts on and that RFC 8785 leaves as they are
/// (C1 controls, bidirectional marks, separators) are escaped: the value is the same, and `git log` shows the truth.
pub(crate) fn canonical_json(value: &Value) -> Result<String, serde_json::Error> {
    let canonical = match is_plain(value) {
        true => serde_json::to_string(value)?,
        false => serde_json_canonicalizer::to_string(value)?,
    };
    if !canonical.chars().any(acts_on_terminal) {
        return Ok(canonical);
    }
    let mut escaped = String::with_capacity(canonical.len() + 16);
    for c in canonical.chars() {
        if acts_on_terminal(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    Ok(escaped)
}

/// Whether serde_json writes a value as RFC 8785 wants it, in a third of the time: keys of ASCII, which its maps keep in
/// the order of UTF-16 then, and no number that is written another way as a double.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.as_i64().is_some_and(|number| number.unsigned_abs() < 1 << 53),
        Value::Array(values) => values.iter().all(is_plain),
        Value::Object(fields) => {
            fields.keys().is_sorted() && fields.iter().all(|(key, value)| key.is_ascii() && is_plain(value))
        }
    }
}

/// A name as the value of a trailer: `[A-Za-z0-9._:/@+=~-]`, everything else as `%` and two hexadecimal digits; a
/// long one is cut and ends in `%z` and half of its SHA-256.
pub fn encode_label(name: &str) -> String {
    escape(name, (MAX_LABEL, LONG_PREFIX), |_, byte| is_label_byte(byte))
}

/// The name behind a label; a label that was cut keeps its `%z` and hash.
pub fn decode_label(label: &str) -> String {
    let mut bytes = Vec::with_capacity(label.len());
    let mut rest = label.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.get(..2)).flatten();
        let byte = escaped
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:/@+=~-".contains(&byte)
}

fn label(value: Option<String>) -> Result<Option<String>, String> {
    match value {
        Some(value) if value.is_empty() || !value.bytes().all(|b| is_label_byte(b) || b == b'%') => {
            Err(format!("{value:?} cannot be the value of a trailer"))
        }
        value => Ok(value),
    }
}

fn number(text: String) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if number > 0 && number.to_string() == text => Ok(number),
        _ => Err(format!("{text:?} is no number of a record")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_the_short_way_is_canonical() {
        let control: String = (0..=0x1f_u8).chain(0x7f..=0x7f).map(char::from).collect();
        let plain = json!({
            "b": [1, -1, 0, (1_i64 << 53) - 1, null, true, ""],
            "B": {"z": "é\u{1f600}\"\\/", "a": control, "_": "<&>"},
            "": {"\"\\": "\u{e000}"},
        });
        assert!(is_plain(&plain));
        let canonical = serde_json_canonicalizer::to_string(&plain).unwrap_or_default();
        assert_eq!(serde_json::to_string(&plain).ok(), Some(canonical));
        for other in [json!(1.0), json!(-0.0), json!(1_u64 << 53), json!(u64::MAX), json!({"é": 1})] {
            assert!(!is_plain(&json!([other])), "{other}");
        }
    }
}
