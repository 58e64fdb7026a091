//! The messages, as they stand in a line: JSON-RPC 2.0 objects, each on a line of its own.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_sdk::{Anchor, Capabilities, Completeness, Cursor, Error, ErrorKind, Item};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::text::Secrets;

/// Characters of a program's message that reach an error.
const LONGEST_MESSAGE: usize = 1_000;

/// What a process is started for. One that is started for reading is never asked to change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    Read,
    Write,
    /// Scenery for the conformance suite, beside reading. The daemon never starts such a process.
    Stage,
}

/// `initialize`: which version both speak. Nothing secret is said before that is settled.
#[derive(Debug, Serialize)]
pub(crate) struct Initialize<'a> {
    pub(crate) protocol: [u32; 1],
    pub(crate) target: &'a str,
    pub(crate) access: Access,
    /// Bytes of the longest line that is read, its end included.
    pub(crate) max_line: usize,
}

/// The answer to `initialize`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Initialized {
    pub(crate) protocol: u32,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    /// How many calls the program works on at once.
    #[serde(default = "one")]
    pub(crate) concurrency: usize,
}

/// `open`: the settings of the target, secrets included.
#[derive(Serialize)]
pub(crate) struct Open<'a> {
    pub(crate) place: &'a Value,
    pub(crate) options: &'a Value,
    pub(crate) secrets: BTreeMap<&'a str, &'a str>,
    /// Seconds that a call may take.
    pub(crate) timeout: f64,
}

/// The answer to `open`.
pub(crate) type Opened = Capabilities;

/// Part of a read, in the notification `items`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Items {
    /// The id of the call `observe`.
    pub(crate) call: u64,
    pub(crate) items: Vec<Item>,
}

/// The answer to `observe`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observed {
    pub(crate) completeness: Completeness,
    #[serde(default)]
    pub(crate) cursor: Option<Cursor>,
    /// How many items were sent: none may be missing and none may have come twice.
    pub(crate) items: u64,
}

/// The answer to `apply`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Applied {
    pub(crate) changed: bool,
    /// The account that was made.
    #[serde(default)]
    pub(crate) anchor: Option<Anchor>,
    #[serde(default)]
    pub(crate) secret: Option<String>,
    #[serde(default)]
    pub(crate) credential: Option<Anchor>,
}

/// A line from the program.
#[derive(Debug)]
pub(crate) enum Incoming {
    Answer { id: u64, answer: std::result::Result<Value, Failure> },
    Items(Items),
}

/// A failed call, as the program tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Failure {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<FailureData>,
}

#[derive(Debug, Deserialize)]
struct FailureData {
    kind: String,
    #[serde(default)]
    may_have_landed: bool,
    #[serde(default)]
    until: Option<Timestamp>,
}

/// JSON-RPC's own code of a method that the program does not have.
const METHOD_NOT_FOUND: i64 = -32601;

impl Incoming {
    /// Reads a line; why it is no message where it is none.
    pub(crate) fn read(line: &[u8]) -> std::result::Result<Incoming, String> {
        let mut message: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| format!("it is no JSON object ({error})"))?;
        if message.remove("jsonrpc") != Some(json!("2.0")) {
            return Err("it does not say \"jsonrpc\": \"2.0\"".to_owned());
        }
        if let Some(method) = message.remove("method") {
            if method != "items" || message.contains_key("id") {
                return Err(format!("version 1 of the protocol has no such message: {method}"));
            }
            let items = serde_json::from_value(message.remove("params").unwrap_or_default());
            return items.map(Incoming::Items).map_err(|error| format!("its items are wrong: {error}"));
        }
        let id = message.remove("id").and_then(|id| id.as_u64()).ok_or("it answers no call")?;
        let answer = match (message.remove("result"), message.remove("error")) {
            (Some(result), None) => Ok(result),
            (None, Some(error)) => {
                Err(serde_json::from_value(error).map_err(|error| format!("its error is wrong: {error}"))?)
            }
            _ => return Err("it has not exactly one of result and error".to_owned()),
        };
        Ok(Incoming::Answer { id, answer })
    }
}

impl Failure {
    /// The error, with the program's words made fit to be shown.
    pub(crate) fn error(self, secrets: &Secrets) -> Error {
        let said = secrets.shown(self.message.as_bytes(), LONGEST_MESSAGE);
        let data = self.data.as_ref();
        let kind = match data.map(|data| data.kind.as_str()) {
            Some("already-exists") => ErrorKind::AlreadyExists,
            Some("not-found") => ErrorKind::NotFound,
            Some("conflict") => ErrorKind::Conflict,
            Some("rate-limited") => ErrorKind::RateLimited { until: data.and_then(|data| data.until) },
            Some("permission-denied") => ErrorKind::PermissionDenied,
            Some("invalid-credential") => ErrorKind::InvalidCredential,
            Some("configuration") => ErrorKind::Configuration,
            Some("invalid-value") => ErrorKind::InvalidValue,
            Some("invalid-response") => ErrorKind::InvalidResponse,
            Some("unavailable") => ErrorKind::Unavailable,
            Some("timeout") => ErrorKind::Timeout,
            Some("unsupported") => ErrorKind::Unsupported,
            None if self.code == METHOD_NOT_FOUND => ErrorKind::Unsupported,
            // Whoever does not know what went wrong does not know what was done either.
            _ => {
                return Error::new(ErrorKind::InvalidResponse, format!("{said} (code {})", self.code))
                    .in_doubt();
            }
        };
        let error = Error::new(kind, said);
        if data.is_some_and(|data| data.may_have_landed) { error.in_doubt() } else { error }
    }
}

/// A call.
pub(crate) fn request(id: u64, method: &str, params: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": serde_json::to_value(params)? }))
}

/// The wish that a call ends soon. The answer to it is still owed.
pub(crate) fn cancel(id: u64) -> serde_json::Result<Vec<u8>> {
    line(&json!({ "jsonrpc": "2.0", "method": "cancel", "params": { "call": id } }))
}

fn line(message: &Value) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(line: &str) -> String {
        Incoming::read(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_no_message_of_this_version_is_refused() {
        for (line, part) in [
            ("Traceback (most recent call last):", "no JSON object"),
            ("[]", "no JSON object"),
            (r#"{"id":1,"result":1}"#, "jsonrpc"),
            (r#"{"jsonrpc":"2.0","result":1}"#, "answers no call"),
            (r#"{"jsonrpc":"2.0","id":"1","result":1}"#, "answers no call"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "exactly one"),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, "exactly one"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"do","params":{}}"#, "no such message"),
            (r#"{"jsonrpc":"2.0","method":"items","params":{"call":1}}"#, "items are wrong"),
        ] {
            assert!(why(line).contains(part), "{line}: {}", why(line));
        }
    }

    #[test]
    fn nothing_is_an_answer() {
        let read = Incoming::read(br#"{"jsonrpc":"2.0","id":7,"result":null}"#).unwrap();
        assert!(matches!(read, Incoming::Answer { id: 7, answer: Ok(Value::Null) }));
    }

    #[test]
    fn kinds_of_failure_are_those_of_the_contract_and_another_one_is_in_doubt() {
        let error = |data: Value| {
            let failure: Failure =
                serde_json::from_value(json!({"code": -32000, "message": "No.", "data": data})).unwrap();
            failure.error(&Secrets::default())
        };
        let kinds = [
            ErrorKind::AlreadyExists,
            ErrorKind::NotFound,
            ErrorKind::Conflict,
            ErrorKind::PermissionDenied,
            ErrorKind::InvalidCredential,
            ErrorKind::Configuration,
            ErrorKind::InvalidValue,
            ErrorKind::InvalidResponse,
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
            ErrorKind::Unsupported,
        ];
        for kind in kinds {
            let name = serde_json::to_value(&kind).unwrap();
            let made = error(json!({ "kind": name }));
            assert_eq!((made.kind, made.may_have_landed), (kind, false));
        }
        let limited = error(json!({"kind": "rate-limited", "until": "2031-01-31T17:00:00Z"}));
        assert!(matches!(limited.kind, ErrorKind::RateLimited { until: Some(_) }));
        assert!(error(json!({"kind": "timeout", "may_have_landed": true})).may_have_landed);
        assert!(error(json!({"kind": "unheard-of"})).may_have_landed);
    }

    /// The messages in the page of the protocol, by method: what provost says, and what the program says to it.
    fn page() -> Vec<(String, Value, Vec<Value>)> {
        let page = include_str!("../../../docs/connectors/exec.md");
        let mut found: Vec<(String, Value, Vec<Value>)> = Vec::new();
        for line in page.lines().filter(|line| line.starts_with("{\"jsonrpc\"")) {
            let message: Value = serde_json::from_str(line).unwrap();
            match message["method"].as_str() {
                Some(method) if method != "items" => {
                    found.push((method.to_owned(), message["params"].clone(), Vec::new()));
                }
                _ => found.last_mut().unwrap().2.push(message),
            }
        }
        found
    }

    #[test]
    fn the_page_shows_messages_as_they_are() {
        let mut methods = Vec::new();
        for (method, params, said) in page() {
            for said in &said {
                let line = said.to_string();
                match Incoming::read(line.as_bytes()).unwrap() {
                    Incoming::Items(items) => assert!(items.items.len() > 1),
                    Incoming::Answer { answer: Err(failure), .. } => {
                        assert_eq!(failure.error(&Secrets::default()).kind, ErrorKind::InvalidValue);
                    }
                    Incoming::Answer { answer: Ok(result), .. } => answered(&method, &params, result),
                }
            }
            methods.push(method);
        }
        assert_eq!(methods, ["initialize", "open", "probe", "observe", "look_up", "apply", "cancel"]);
    }

    fn answered(method: &str, params: &Value, result: Value) {
        use provost_sdk::{Account, Operation, Probe, Wanted};
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        match method {
            "initialize" => {
                let sent = Initialize { protocol: [1], target: "t", access: Access::Read, max_line: 1 };
                assert_eq!(keys(params), keys(&serde_json::to_value(sent).unwrap()));
                serde_json::from_value::<Initialized>(result).unwrap();
            }
            "open" => {
                let sent = Open { place: params, options: params, secrets: BTreeMap::new(), timeout: 1.0 };
                assert_eq!(keys(params), keys(&serde_json::to_value(sent).unwrap()));
                serde_json::from_value::<Opened>(result).unwrap();
            }
            "probe" => drop(serde_json::from_value::<Probe>(result).unwrap()),
            "observe" => drop(serde_json::from_value::<Observed>(result).unwrap()),
            "look_up" => {
                serde_json::from_value::<Wanted>(params.clone()).unwrap();
                serde_json::from_value::<Option<Account>>(result).unwrap();
            }
            _ => {
                serde_json::from_value::<Operation>(params["operation"].clone()).unwrap();
                assert!(serde_json::from_value::<Applied>(result).unwrap().changed);
            }
        }
    }
}
