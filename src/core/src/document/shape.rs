//! A document's tree against the schema of its kind: every field, all problems, and what is left when the wrong
//! parts are taken out.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::plain::{self, Taken};
use super::problem::{FieldPath, Problem};
use super::tree::{Entry, Node, Value as Written, shown};
use crate::Sym;
use crate::spelling::nearest;
use crate::when::{Length, When};

/// What a tree says in the terms of a schema.
pub(super) struct Shaped {
    /// The document without what is wrong; what is missing or wrong and cannot be left out has a stand-in.
    pub value: Value,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// The fields that are wrong, left out or stand-ins.
    pub broken: Vec<FieldPath>,
}

/// Compares a tree with a schema.
pub(super) fn shape(file: Sym, root: &Node, schema: &Value) -> Shaped {
    let mut walk = Walk { file, definitions: &schema["$defs"], problems: Vec::new(), broken: Vec::new() };
    let value = walk.value(root, schema, &FieldPath::root()).unwrap_or_default();
    Shaped { value, problems: walk.problems, broken: walk.broken }
}

struct Walk<'schema> {
    file: Sym,
    definitions: &'schema Value,
    problems: Vec<Problem>,
    broken: Vec<FieldPath>,
}

impl<'schema> Walk<'schema> {
    /// The value as the schema wants it; None where it cannot be used.
    fn value(&mut self, node: &Node, schema: &'schema Value, at: &FieldPath) -> Option<Value> {
        if matches!(node.value, Written::Refused) {
            self.broken.push(at.clone());
            return None;
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
            return match name {
                "When" => self.parsed::<When>(node, at, "date"),
                "Length" => self.parsed::<Length>(node, at, "duration"),
                _ => self.value(node, self.definition(name), at),
            };
        }
        if let Some(words) = words(schema) {
            return self.word(node, schema, &words, at);
        }
        if let Some(branches) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
            return self.one_of(node, branches, at);
        }
        let kinds = types(schema);
        if kinds.contains(&"null") && is_nothing(node) {
            return Some(Value::Null);
        }
        match kinds.iter().find(|kind| **kind != "null") {
            None => self.open(node, at),
            Some(&"string") => self.text(node, at).map(Value::String),
            Some(&"integer" | &"number") => self.number(node, schema, at),
            Some(&"boolean") => self.truth(node, at),
            Some(&"array") => self.list(node, schema, at),
            Some(_) => self.map(node, schema, at),
        }
    }

    fn definition(&self, name: &str) -> &'schema Value {
        &self.definitions[name]
    }

    fn map(&mut self, node: &Node, schema: &'schema Value, at: &FieldPath) -> Option<Value> {
        let Written::Map(entries) = &node.value else {
            return self.wrong(node, at, "a map of fields");
        };
        let flat = schema["x-kind-as-key"].as_str();
        static NO_FIELDS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        let fields = schema["properties"].as_object().unwrap_or(&NO_FIELDS);
        let rest = &schema["additionalProperties"];
        let mut map = Map::new();
        let mut kinds = 0;
        for entry in entries {
            let Entry { key, plain, place, value } = entry;
            let path = at.key(key);
            let near =
                || nearest(key, fields.keys().map(String::as_str).filter(|known| !map.contains_key(*known)));
            if let Some(field) = fields.get(key) {
                if let Some(value) = self.value(value, field, &path) {
                    map.insert(key.clone(), value);
                }
                continue;
            }
            let misspelled = if flat.is_some() { near() } else { None };
            if *rest == Value::Bool(false) || misspelled.is_some() {
                let near = misspelled.or_else(near);
                self.unknown(*place, &path, key, near, fields);
                continue;
            }
            if *plain && plain::taken(key).is_some() {
                self.problem(
                    *place,
                    &path,
                    "not-text",
                    format!("the key {} is not read as a text by every reader of YAML", quoted(key)),
                )
                .hint = Some(format!("write \"{key}\", in quotes"));
                self.broken.push(path);
                continue;
            }
            if flat.is_some() {
                kinds += 1;
                if kinds > 1 {
                    let known: Vec<String> = fields.keys().map(|known| quoted(known)).collect();
                    self.problem(
                        *place,
                        &path,
                        "unknown-field",
                        format!(
                            "{} is one name too many: one kind of entitlement stands here already",
                            quoted(key)
                        ),
                    )
                    .hint = Some(format!("beside it only {} may stand", known.join(", ")));
                    self.broken.push(path);
                    continue;
                }
            }
            let before = self.problems.len();
            match self.value(value, rest, &path) {
                Some(value) => {
                    map.insert(key.clone(), value);
                }
                // What a misspelled field holds is often of another type: say both.
                None if self.problems.len() > before && !fields.is_empty() => {
                    if let Some(near) = nearest(key, fields.keys().map(String::as_str))
                        && let Some(problem) = self.problems.last_mut()
                    {
                        problem.hint = Some(format!("did you mean `{near}`?"));
                    }
                }
                None => {}
            }
        }
        if flat == Some("required") && kinds == 0
            || flat == Some("with-role") && kinds == 0 && map.contains_key("role")
        {
            self.problem(
                node.place,
                at,
                "missing-field",
                "no kind of entitlement and no name are given here".to_owned(),
            )
            .hint = Some("write both as a field, such as `group: engineering`".to_owned());
            self.broken.push(at.clone());
            map.remove("role");
            if flat == Some("required") {
                map.insert("group".to_owned(), Value::from("unnamed"));
            }
        }
        self.require(node, schema, at, entries, &mut map);
        Some(Value::Object(map))
    }

    fn require(
        &mut self,
        node: &Node,
        schema: &'schema Value,
        at: &FieldPath,
        entries: &[Entry],
        map: &mut Map<String, Value>,
    ) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if map.contains_key(name) {
                continue;
            }
            let path = at.key(name);
            let written = entries.iter().any(|entry| entry.key == name);
            if !written {
                let place = node.place;
                self.problem(place, at, "missing-field", format!("the field `{name}` is missing"));
                self.broken.push(path);
            }
            map.insert(name.to_owned(), self.stand_in(name, &schema["properties"][name]));
        }
    }

    /// A value that no check finds fault with, and that takes nothing away.
    fn stand_in(&self, name: &str, schema: &'schema Value) -> Value {
        match schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
            Some("When") if matches!(name, "from" | "start") => Value::from("0001-01-01"),
            Some("When") => Value::from("9999-12-30"),
            Some("Length") => Value::from("1d"),
            Some(other) => self.stand_in(name, self.definition(other)),
            None => match (types(schema).first(), words(schema)) {
                (_, Some(words)) => words.first().map_or(Value::Null, |word| Value::from(*word)),
                (Some(&"array"), _) => Value::Array(Vec::new()),
                (Some(&"object"), _) => Value::Object(Map::new()),
                (Some(&"integer"), _) => Value::from(1),
                (Some(&"boolean"), _) => Value::Bool(false),
                _ => Value::from("unnamed"),
            },
        }
    }

    fn list(&mut self, node: &Node, schema: &'schema Value, at: &FieldPath) -> Option<Value> {
        let Written::List(items) = &node.value else {
            let wrong = self.wrong(node, at, "a list");
            if let (None, Some(problem)) = (&wrong, self.problems.last_mut()) {
                problem.hint = Some(match &node.value {
                    Written::Scalar { text, .. } if text.is_empty() => {
                        "write `[]` for an empty list, or leave the field out".to_owned()
                    }
                    Written::Scalar { text, .. } => format!("write [{}]", shown(text)),
                    _ => "begin each item with `- `".to_owned(),
                });
            }
            return wrong;
        };
        let items = items
            .iter()
            .enumerate()
            .filter_map(|(place, item)| self.value(item, &schema["items"], &at.index(place)));
        Some(Value::Array(items.collect()))
    }

    /// The branch whose type fits; of several the one with the fewest problems.
    fn one_of(&mut self, node: &Node, branches: &'schema [Value], at: &FieldPath) -> Option<Value> {
        if is_nothing(node) && branches.iter().any(|branch| types(branch).contains(&"null")) {
            return Some(Value::Null);
        }
        let is_map = matches!(node.value, Written::Map(_));
        let real = || branches.iter().filter(|branch| !types(branch).contains(&"null"));
        let fitting: Vec<&Value> =
            real().filter(|branch| is_map == types(self.resolved(branch)).contains(&"object")).collect();
        let tried = if fitting.is_empty() { real().collect() } else { fitting };
        let best = tried.into_iter().map(|branch| {
            let mut trial = Walk {
                file: self.file,
                definitions: self.definitions,
                problems: Vec::new(),
                broken: Vec::new(),
            };
            let value = trial.value(node, branch, at);
            // A problem far inside means that everything around it was understood.
            let depth = trial.problems.iter().map(|problem| problem.at.steps().len()).max();
            ((trial.problems.len(), std::cmp::Reverse(depth)), trial, value)
        });
        let (_, trial, value) = best.min_by_key(|(badness, ..)| *badness)?;
        self.problems.extend(trial.problems);
        self.broken.extend(trial.broken);
        value
    }

    fn resolved(&self, schema: &'schema Value) -> &'schema Value {
        match schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
            Some(name) => self.resolved(self.definition(name)),
            None => schema,
        }
    }

    fn text(&mut self, node: &Node, at: &FieldPath) -> Option<String> {
        let Written::Scalar { text, plain } = &node.value else {
            return self.wrong(node, at, "a text");
        };
        let message = match plain::taken(text).filter(|_| *plain) {
            None => return Some(text.clone()),
            Some(Taken::Nothing) => "there is no value here, and a text is wanted".to_owned(),
            Some(Taken::Number) => format!("{} is a number here, and a text is wanted", quoted(text)),
            Some(Taken::Yes | Taken::No) => {
                format!("{} is a truth value here, and a text is wanted", quoted(text))
            }
            Some(Taken::Unclear) => format!("{} is not read as a text by every reader of YAML", quoted(text)),
        };
        let hint = if text.is_empty() {
            "write a text, or leave the field out".to_owned()
        } else {
            format!("write \"{text}\", in quotes")
        };
        self.problem(node.place, at, "not-text", message).hint = Some(hint);
        self.broken.push(at.clone());
        None
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        node: &Node,
        at: &FieldPath,
        code: &'static str,
    ) -> Option<Value> {
        let Written::Scalar { text, .. } = &node.value else {
            return self.wrong(node, at, &format!("a {code}"));
        };
        match text.parse::<T>() {
            Ok(_) => Some(Value::String(text.clone())),
            Err(error) => {
                let (message, hint) = match error.to_string().split_once(": ") {
                    Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
                    None => (error.to_string(), None),
                };
                let message = if text.chars().count() > 60 { format!("this is no {code}") } else { message };
                self.problem(node.place, at, code, message).hint = hint;
                self.broken.push(at.clone());
                None
            }
        }
    }

    fn word(&mut self, node: &Node, schema: &Value, words: &[&str], at: &FieldPath) -> Option<Value> {
        let text = match &node.value {
            Written::Scalar { text, .. } if words.contains(&text.as_str()) => {
                return Some(Value::String(text.clone()));
            }
            _ if is_nothing(node)
                && schema["enum"].as_array().is_some_and(|words| words.contains(&Value::Null)) =>
            {
                return Some(Value::Null);
            }
            Written::Scalar { text, .. } => text,
            _ => return self.wrong(node, at, "one word"),
        };
        let hint = nearest(text, words.iter().copied())
            .map_or_else(|| format!("write {}", words.join(", ")), |near| format!("did you mean `{near}`?"));
        self.problem(
            node.place,
            at,
            "unknown-value",
            format!("{} is not one of the values that may stand here", quoted(text)),
        )
        .hint = Some(hint);
        self.broken.push(at.clone());
        None
    }

    fn number(&mut self, node: &Node, schema: &'schema Value, at: &FieldPath) -> Option<Value> {
        let number = match &node.value {
            Written::Scalar { text, plain: true } if plain::taken(text) == Some(Taken::Number) => {
                text.parse::<u64>().ok()
            }
            _ => return self.wrong(node, at, "a whole number"),
        };
        let bound = |name: &str| schema[name].as_u64();
        let (least, most) = (bound("minimum").unwrap_or(0), bound("maximum").unwrap_or(u64::from(u32::MAX)));
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Some(Value::from(number)),
            None => {
                self.problem(
                    node.place,
                    at,
                    "number",
                    format!("a whole number from {least} to {most} is wanted here"),
                );
                self.broken.push(at.clone());
                None
            }
        }
    }

    fn truth(&mut self, node: &Node, at: &FieldPath) -> Option<Value> {
        match &node.value {
            Written::Scalar { text, plain: true } if text == "true" => Some(Value::Bool(true)),
            Written::Scalar { text, plain: true } if text == "false" => Some(Value::Bool(false)),
            _ => self.wrong(node, at, "`true` or `false`"),
        }
    }

    /// What a schema leaves open: settings of connectors.
    fn open(&mut self, node: &Node, at: &FieldPath) -> Option<Value> {
        match &node.value {
            Written::Refused => None,
            Written::List(items) => {
                let items =
                    items.iter().enumerate().filter_map(|(place, item)| self.open(item, &at.index(place)));
                Some(Value::Array(items.collect()))
            }
            Written::Map(entries) => {
                let mut map = Map::new();
                for entry in entries {
                    if let Some(value) = self.open(&entry.value, &at.key(&entry.key)) {
                        map.insert(entry.key.clone(), value);
                    }
                }
                Some(Value::Object(map))
            }
            Written::Scalar { text, plain } => match plain::taken(text).filter(|_| *plain) {
                None => Some(Value::String(text.clone())),
                Some(Taken::Nothing) => Some(Value::Null),
                Some(Taken::Yes) => Some(Value::Bool(true)),
                Some(Taken::No) => Some(Value::Bool(false)),
                Some(Taken::Number) if serde_json::from_str::<serde_json::Number>(text).is_ok() => {
                    serde_json::from_str(text).ok()
                }
                Some(_) => {
                    let message =
                        format!("{} is read as different things by different readers of YAML", quoted(text));
                    self.problem(node.place, at, "not-text", message).hint = Some(format!(
                        "write \"{text}\" in quotes for a text; true or false for a truth value"
                    ));
                    self.broken.push(at.clone());
                    None
                }
            },
        }
    }

    fn unknown(
        &mut self,
        place: (u32, u32),
        at: &FieldPath,
        key: &str,
        near: Option<&str>,
        fields: &Map<String, Value>,
    ) {
        let known = || fields.keys().map(|known| quoted(known)).collect::<Vec<_>>().join(", ");
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if fields.len() <= 8 => format!("known here: {}", known()),
            None => "see the schema of this kind of document for what may stand here".to_owned(),
        };
        self.problem(place, at, "unknown-field", format!("there is no field {} here", quoted(key))).hint =
            Some(hint);
        self.broken.push(at.clone());
    }

    fn wrong<T>(&mut self, node: &Node, at: &FieldPath, wanted: &str) -> Option<T> {
        let found = match &node.value {
            Written::Scalar { text, plain: true } if text.is_empty() => "nothing".to_owned(),
            Written::Scalar { text, .. } => quoted(text),
            Written::List(_) => "a list".to_owned(),
            Written::Map(_) => "a map".to_owned(),
            Written::Refused => return None,
        };
        self.problem(node.place, at, "wrong-type", format!("{wanted} is wanted here, not {found}"));
        self.broken.push(at.clone());
        None
    }

    fn problem(
        &mut self,
        (line, column): (u32, u32),
        at: &FieldPath,
        code: &'static str,
        message: String,
    ) -> &mut Problem {
        let problem = Problem { line, column, ..Problem::error(self.file, at.clone(), code, message) };
        self.problems.push(problem);
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }
}

fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

fn is_nothing(node: &Node) -> bool {
    matches!(&node.value, Written::Scalar { text, plain: true } if plain::taken(text) == Some(Taken::Nothing))
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The words of an enumeration, whether they are listed or each has a description of its own.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![word]);
    }
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let branches = schema["oneOf"].as_array()?;
    let words: Vec<Vec<&str>> = branches.iter().map(words).collect::<Option<_>>()?;
    Some(words.concat())
}
