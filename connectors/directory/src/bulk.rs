//! Bulk requests (RFC 7644, section 3.7).
//!
//! One commit for the request, one savepoint for each operation: an operation that fails changes nothing, and the
//! others stay. Every created resource gets its id before anything runs, so that a `bulkId:` can be put in for what is
//! created later; an operation waits for those that it refers to, and fails if they do. In a circle of groups the members
//! that are not there yet are added when they are, and left out if they fail.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::BASE_PATH;
use crate::error::Refusal;
use crate::etag::{Condition, Tags, tag};
use crate::patch::{self, MemberChange};
use crate::path::shortened;
use crate::render::location;
use crate::resource::{self, Member};
use crate::schema::Kind;
use crate::store::{self, Row};

/// Most operations of a request.
pub(crate) const MAX_OPERATIONS: usize = 1_000;

const REQUEST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
const REFERENCE: &str = "bulkId:";

/// A bulk request.
#[derive(Debug)]
pub(crate) struct Request {
    fail_on_errors: Option<usize>,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    bulk_id: Option<String>,
    path: String,
    version: Option<String>,
    data: Value,
}

/// Reads a request. What is wrong with a single operation is that operation's error and comes later.
pub(crate) fn parse(body: Value) -> Result<Request, Refusal> {
    let named =
        body["schemas"].as_array().is_some_and(|schemas| schemas.iter().any(|urn| urn == REQUEST_SCHEMA));
    if !named {
        return Err(Refusal::invalid_syntax(format!(
            "'schemas' must be a list that names '{REQUEST_SCHEMA}'."
        )));
    }
    let fail_on_errors = match &body["failOnErrors"] {
        Value::Null => None,
        number => match number.as_u64().and_then(|number| usize::try_from(number).ok()) {
            Some(number) if number > 0 => Some(number),
            _ => return Err(Refusal::invalid_value("'failOnErrors' must be an integer above 0.")),
        },
    };
    let Value::Object(mut body) = body else {
        return Err(Refusal::invalid_syntax("The body must be a JSON object."));
    };
    let operations = match body.remove("Operations") {
        Some(Value::Array(operations)) => operations,
        _ => return Err(Refusal::invalid_syntax("'Operations' must be a list.")),
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(Refusal::too_large(format!("A bulk request takes at most {MAX_OPERATIONS} operations.")));
    }
    let operations = operations
        .into_iter()
        .map(|operation| {
            let Value::Object(mut operation) = operation else {
                return Err(Refusal::invalid_syntax("An operation must be a JSON object."));
            };
            let mut text = |name: &str| match operation.remove(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text)),
                Some(_) => {
                    Err(Refusal::invalid_syntax(format!("'{name}' of an operation must be a string.")))
                }
            };
            Ok(Operation {
                method: text("method")?.unwrap_or_default().to_ascii_uppercase(),
                bulk_id: text("bulkId")?,
                path: text("path")?.unwrap_or_default(),
                version: text("version")?,
                data: operation.remove("data").unwrap_or(Value::Null),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Request { fail_on_errors, operations })
}

/// Runs a request inside of the caller's transaction; the answer is the body of the response.
pub(crate) fn run(connection: &Connection, request: Request, base: &str) -> Result<Value, Refusal> {
    let Request { fail_on_errors, operations } = request;
    let mut bulk = Bulk {
        connection,
        base,
        ids: HashMap::new(),
        tried: HashSet::new(),
        done: HashSet::new(),
        late: Vec::new(),
    };
    bulk.assign(&operations)?;
    let order = order(&operations, &bulk.ids);
    let mut results: Vec<Option<Value>> = operations.iter().map(|_| None).collect();
    let mut errors = 0;
    for index in order {
        let operation = &operations[index];
        connection.execute_batch("SAVEPOINT operation")?;
        let outcome = bulk.operation(operation);
        connection.execute_batch(match outcome {
            Ok(_) => "RELEASE operation",
            Err(_) => "ROLLBACK TO operation; RELEASE operation",
        })?;
        if let Some(bulk_id) = &operation.bulk_id {
            bulk.tried.insert(bulk_id.clone());
            if outcome.is_ok() {
                bulk.done.insert(bulk_id.clone());
            }
        }
        errors += usize::from(outcome.is_err());
        results[index] = Some(bulk.result(operation, outcome));
        if fail_on_errors.is_some_and(|limit| errors >= limit) {
            break;
        }
    }
    bulk.add_late_members()?;
    Ok(json!({"schemas": [RESPONSE_SCHEMA], "Operations": results.into_iter().flatten().collect::<Vec<_>>()}))
}

struct Bulk<'a> {
    connection: &'a Connection,
    base: &'a str,
    /// What each bulkId stands for.
    ids: HashMap<String, Uuid>,
    /// bulkIds of operations that ran.
    tried: HashSet<String>,
    /// bulkIds of operations that succeeded.
    done: HashSet<String>,
    /// Members that a group gets when they are there: (id of the group, bulkId of the member).
    late: Vec<(String, String)>,
}

impl Bulk<'_> {
    fn assign(&mut self, operations: &[Operation]) -> Result<(), Refusal> {
        for operation in operations.iter().filter(|operation| operation.method == "POST") {
            if let Some(bulk_id) = &operation.bulk_id
                && self.ids.insert(bulk_id.clone(), Uuid::new_v4()).is_some()
            {
                let detail = format!("The bulkId '{}' is there twice.", shortened(bulk_id));
                return Err(Refusal::invalid_value(detail));
            }
        }
        Ok(())
    }

    fn operation(&mut self, operation: &Operation) -> Result<(u16, Option<Row>), Refusal> {
        let (kind, id) = self.target(operation)?;
        let mut data = operation.data.clone();
        let missing_members = if operation.method == "POST" && kind == Kind::Group {
            self.take_missing_members(&mut data)
        } else {
            Vec::new()
        };
        self.resolve(&mut data)?;
        let condition =
            Condition { if_match: operation.version.as_deref().map(Tags::parse), if_none_match: None };
        match (operation.method.as_str(), id) {
            ("POST", None) => {
                let bulk_id = operation.bulk_id.as_ref().filter(|bulk_id| !bulk_id.is_empty());
                let bulk_id = bulk_id.ok_or_else(|| Refusal::invalid_syntax("A POST needs a 'bulkId'."))?;
                let id = self.ids.get(bulk_id).copied().unwrap_or_else(Uuid::new_v4);
                let row = store::create(self.connection, kind, id, &resource::conform(kind, &data)?)?;
                self.late.extend(missing_members.into_iter().map(|member| (row.id.clone(), member)));
                Ok((201, Some(row)))
            }
            ("PUT", Some(id)) => {
                let draft = resource::conform(kind, &data)?;
                Ok((200, Some(store::replace(self.connection, kind, &id, &condition, draft)?)))
            }
            ("PATCH", Some(id)) => {
                let operations = patch_operations(data)?;
                Ok((200, Some(store::patch(self.connection, kind, &id, &condition, &operations)?)))
            }
            ("DELETE", Some(id)) => {
                store::delete(self.connection, kind, &id, &condition)?;
                Ok((204, None))
            }
            ("POST", Some(_)) => {
                Err(Refusal::invalid_path("The path of a POST is a resource type, such as /Users."))
            }
            ("PUT" | "PATCH" | "DELETE", None) => {
                Err(Refusal::invalid_path("The path names no resource: /Users/ID is expected."))
            }
            _ => Err(Refusal::invalid_syntax("'method' must be POST, PUT, PATCH or DELETE.")),
        }
    }

    /// The resource type and, except for a POST, the id that a path names.
    fn target(&self, operation: &Operation) -> Result<(Kind, Option<String>), Refusal> {
        // A path is relative to the base; clients also send what a location has.
        let path = operation.path.as_str();
        let path = path.strip_prefix(self.base).or_else(|| path.strip_prefix(BASE_PATH)).unwrap_or(path);
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let kind = parts.next().and_then(Kind::from_endpoint);
        let kind = kind.ok_or_else(|| {
            Refusal::invalid_path(format!(
                "'{}' is not a path of this directory.",
                shortened(&operation.path)
            ))
        })?;
        let id = match parts.next().filter(|id| !id.is_empty()) {
            None => None,
            Some(id) => match id.strip_prefix(REFERENCE) {
                Some(bulk_id) => Some(self.id_of(bulk_id)?),
                None => Some(id.to_owned()),
            },
        };
        Ok((kind, id))
    }

    fn id_of(&self, bulk_id: &str) -> Result<String, Refusal> {
        match self.ids.get(bulk_id) {
            Some(id) if self.done.contains(bulk_id) => Ok(id.to_string()),
            Some(_) => {
                let detail = format!("'{REFERENCE}{}' was not created.", shortened(bulk_id));
                Err(Refusal::new(409, None, detail))
            }
            None => Err(Refusal::invalid_value(format!("There is no bulkId '{}'.", shortened(bulk_id)))),
        }
    }

    /// Puts ids in for `bulkId:` references, wherever they are the whole of a string or stand in a PATCH path.
    fn resolve(&self, value: &mut Value) -> Result<(), Refusal> {
        match value {
            Value::String(text) => {
                if let Some(bulk_id) = text.strip_prefix(REFERENCE) {
                    *text = self.id_of(bulk_id)?;
                } else if text.contains(REFERENCE) && text.contains('[') {
                    for bulk_id in quoted_references(text) {
                        *text = text.replace(
                            &format!("\"{REFERENCE}{bulk_id}\""),
                            &format!("\"{}\"", self.id_of(&bulk_id)?),
                        );
                    }
                }
                Ok(())
            }
            Value::Array(elements) => elements.iter_mut().try_for_each(|element| self.resolve(element)),
            Value::Object(members) => members.values_mut().try_for_each(|member| self.resolve(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    /// Takes members out that are created by an operation which is still to come: that is so only in a circle.
    fn take_missing_members(&self, data: &mut Value) -> Vec<String> {
        let mut missing = Vec::new();
        if let Some(Value::Array(members)) = data.get_mut("members") {
            members.retain(|member| {
                let bulk_id = member
                    .get("value")
                    .and_then(Value::as_str)
                    .and_then(|value| value.strip_prefix(REFERENCE));
                match bulk_id {
                    Some(bulk_id) if self.ids.contains_key(bulk_id) && !self.tried.contains(bulk_id) => {
                        missing.push(bulk_id.to_owned());
                        false
                    }
                    _ => true,
                }
            });
        }
        missing
    }

    fn add_late_members(&mut self) -> Result<(), Refusal> {
        for (group, member) in std::mem::take(&mut self.late) {
            if self.done.contains(&member) {
                let member = Member { id: self.id_of(&member)?, display: None };
                store::change_members(self.connection, &group, &[MemberChange::Add(vec![member])])?;
            }
        }
        Ok(())
    }

    fn result(&self, operation: &Operation, outcome: Result<(u16, Option<Row>), Refusal>) -> Value {
        let mut result = Map::new();
        result.insert("method".into(), operation.method.as_str().into());
        if let Some(bulk_id) = &operation.bulk_id {
            result.insert("bulkId".into(), bulk_id.as_str().into());
        }
        let status = match outcome {
            Ok((status, row)) => {
                if let Some(row) = row {
                    result.insert("location".into(), location(self.base, row.kind, &row.id).into());
                    result.insert("version".into(), tag(&row, None).into());
                } else if let Ok((kind, Some(id))) = self.target(operation) {
                    result.insert("location".into(), location(self.base, kind, &id).into());
                }
                status
            }
            Err(refusal) => {
                if operation.method != "POST"
                    && let Ok((kind, Some(id))) = self.target(operation)
                {
                    result.insert("location".into(), location(self.base, kind, &id).into());
                }
                result.insert("response".into(), refusal.body());
                refusal.status
            }
        };
        result.insert("status".into(), status.to_string().into());
        Value::Object(result)
    }
}

/// The order to run in: as given, but what is referred to first. Operations in a circle keep their order.
fn order(operations: &[Operation], ids: &HashMap<String, Uuid>) -> Vec<usize> {
    let creator: HashMap<&str, usize> = operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| operation.method == "POST")
        .filter_map(|(index, operation)| Some((operation.bulk_id.as_deref()?, index)))
        .collect();
    let needs: Vec<Vec<usize>> = operations
        .iter()
        .map(|operation| {
            let mut found = Vec::new();
            references(&operation.data, &mut found);
            found.extend(
                operation.path.split('/').filter_map(|part| part.strip_prefix(REFERENCE)).map(str::to_owned),
            );
            found
                .iter()
                .filter(|id| ids.contains_key(*id))
                .filter_map(|id| creator.get(id.as_str()).copied())
                .collect()
        })
        .collect();
    let mut order = Vec::with_capacity(operations.len());
    let mut seen = vec![false; operations.len()];
    for start in 0..operations.len() {
        // Depth first without recursion: the chain of references may be as long as the request.
        let mut stack = vec![(start, 0)];
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        while let Some((index, next)) = stack.pop() {
            match needs[index].get(next) {
                Some(&needed) => {
                    stack.push((index, next + 1));
                    if !std::mem::replace(&mut seen[needed], true) {
                        stack.push((needed, 0));
                    }
                }
                None => order.push(index),
            }
        }
    }
    order
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => match text.strip_prefix(REFERENCE) {
            Some(bulk_id) => found.push(bulk_id.to_owned()),
            None => found.extend(quoted_references(text)),
        },
        Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
        Value::Object(members) => members.values().for_each(|member| references(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `"bulkId:x"` in the filter of a PATCH path.
fn quoted_references(text: &str) -> Vec<String> {
    text.split(&format!("\"{REFERENCE}"))
        .skip(1)
        .filter_map(|rest| rest.split_once('"').map(|(bulk_id, _)| bulk_id.to_owned()))
        .collect()
}

/// `data` of a PATCH is a PATCH body; the example of RFC 7644, section 3.7.3 has its bare list of operations, without
/// `schemas`.
fn patch_operations(data: Value) -> Result<Vec<patch::Operation>, Refusal> {
    let operations = match data {
        Value::Array(operations) => Value::Array(operations),
        Value::Object(mut body) if !body.contains_key("schemas") => {
            body.remove("Operations").unwrap_or(Value::Null)
        }
        whole => return patch::parse(&whole),
    };
    patch::parse(&json!({"schemas": [patch::PATCH_SCHEMA], "Operations": operations}))
}
