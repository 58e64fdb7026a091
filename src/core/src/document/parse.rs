//! Bytes of one file to one document, or to everything that is wrong with it.
//!
//! There are two ways with one result. The quick one reads ordinary, sound people, services and roles straight into
//! their types. Everything else goes the thorough way: parser events, a tree with places, its comparison with the
//! schema, the type.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::{FieldPath, Problem, Severity, Step};
use super::shape::{Shaped, shape};
use super::tree::{self, Node, Value as Written};
use super::{
    Assignment, DirectGrant, Document, Employment, Kind, Person, Status, check, locate, plain, schema,
};
use crate::Sym;
use crate::approval::{RevokedKeys, Signers, SignersError};
use crate::spelling::nearest;
use crate::when::When;

/// Bytes of one document at most: a person with a thousand dated grants fits four times.
pub const MAX_BYTES: usize = 256 << 10;

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// Its kind and id, where they can be read, also of a broken document.
    pub key: Option<(Kind, Sym)>,
    /// The document; none where a problem is an error.
    pub document: Option<Document>,
    /// What can still be read of a broken person's or service's document, for what takes away.
    pub less: Option<Lessened>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// What of a person's or a service's document bears on taking away. Of a broken one it is what could be read: a
/// field that could not is `None`, and nothing may be concluded from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lessened {
    /// The status; `active` where the document says none.
    pub status: Option<Status>,
    /// The last day, where one is given.
    pub end: Option<When>,
    /// The assignments that are still named, all of them. An `until` is there if it could be read.
    pub roles: Option<Vec<Assignment>>,
    /// The direct grants that are still named, all of them.
    pub grants: Option<Vec<DirectGrant>>,
    /// The employments that are still named, all of them, the short form included. None of a service.
    pub employments: Option<Vec<Employment>>,
}

/// Reads the document in a file. Never panics; costs what the file is long, up to [`MAX_BYTES`].
pub fn parse(path: &str, bytes: &[u8]) -> Parsed {
    let file = Sym::new(path);
    if let Some(keys) = keys(file, bytes) {
        return keys;
    }
    quick(file, bytes).unwrap_or_else(|| thorough(file, bytes))
}

impl Lessened {
    /// What of a sound person's or service's document bears on taking away; none for a rule.
    pub fn of(document: &Document) -> Option<Lessened> {
        match document {
            Document::Person(person) => Some(Lessened {
                status: Some(person.status),
                end: person.end,
                roles: Some(person.roles.clone()),
                grants: Some(person.grants.clone()),
                employments: Some(employments(person)),
            }),
            Document::Service(service) => Some(Lessened {
                status: Some(service.status),
                end: service.end,
                roles: Some(service.roles.clone()),
                grants: Some(service.grants.clone()),
                employments: None,
            }),
            _ => None,
        }
    }
}

/// The employments of a person, the short form as the one that it is short for.
fn employments(person: &Person) -> Vec<Employment> {
    let short = person.employment.map(|kind| Employment {
        kind,
        department: person.department,
        manager: person.manager,
        from: person.start,
        until: person.end,
    });
    short.into_iter().chain(person.employments.iter().cloned()).collect()
}

/// The text of a file, without a byte order mark; or where it stops being UTF-8.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, usize> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| error.valid_up_to())
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The document, if it is a sound one of a kind that repositories have many of, written in an ordinary way.
fn quick(file: Sym, bytes: &[u8]) -> Option<Parsed> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (kind, rest) = text.strip_prefix("kind: ")?.split_once('\n')?;
    if !plain::is_ordinary(rest) || rest.starts_with("kind") || rest.contains("\nkind") {
        return None;
    }
    // `kind` is no field of the types: it says which one, so it is cut off as the first line.
    let document = match kind {
        "Person" => Document::Person(serde_yaml::from_str(rest).ok()?),
        "Service" => Document::Service(serde_yaml::from_str(rest).ok()?),
        "Role" => Document::Role(serde_yaml::from_str(rest).ok()?),
        _ => return None,
    };
    let is_sound = check::check(file, &document).is_empty();
    is_sound.then(|| sound(document, Vec::new()))
}

/// The lists of keys, which have formats of their own and are known by their paths.
fn keys(file: Sym, bytes: &[u8]) -> Option<Parsed> {
    let (kind, id, read) = match file.as_str() {
        Signers::PATH => {
            let read = Signers::parse(bytes).map(|signers| Document::AllowedSigners(Box::new(signers)));
            (Kind::AllowedSigners, Signers::ID, read)
        }
        RevokedKeys::PATH => {
            let read = RevokedKeys::parse(bytes).map(|keys| Document::RevokedKeys(Box::new(keys)));
            (Kind::RevokedKeys, RevokedKeys::ID, read)
        }
        _ => return None,
    };
    let problem = |SignersError { line, reason }: SignersError| {
        let mut problem = Problem::error(file, FieldPath::root(), "signers", reason);
        problem.line = line.unwrap_or_default();
        problem
    };
    Some(match read {
        Ok(document) => sound(document, Vec::new()),
        Err(errors) => broken(Some((kind, Sym::new(id))), errors.into_iter().map(problem).collect()),
    })
}

fn sound(document: Document, problems: Vec<Problem>) -> Parsed {
    Parsed { key: Some((document.kind(), document.id())), document: Some(document), less: None, problems }
}

fn thorough(file: Sym, bytes: &[u8]) -> Parsed {
    let mut problems = Vec::new();
    let whole_file = |code, message: &str| Problem::error(file, FieldPath::root(), code, message);
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, and a document has {MAX_BYTES} at most", bytes.len());
        let key = guess_key(&String::from_utf8_lossy(&bytes[..MAX_BYTES]));
        return broken(key, vec![whole_file("too-long", &message)]);
    }
    let text = match text_of(bytes) {
        Ok(text) => text,
        Err(valid) => {
            let readable = String::from_utf8_lossy(bytes);
            let problem = whole_file("not-utf-8", "the file is no UTF-8 text").with_hint("save it as UTF-8");
            let before = String::from_utf8_lossy(&bytes[..valid]);
            let count = |number: usize| u32::try_from(number + 1).unwrap_or(u32::MAX);
            let line = count(before.matches('\n').count());
            let column = count(before.rsplit('\n').next().map_or(0, |line| line.chars().count()));
            let excerpt = Some(locate::excerpt(&readable, line));
            return broken(guess_key(&readable), vec![Problem { line, column, excerpt, ..problem }]);
        }
    };
    if bytes.starts_with(BYTE_ORDER_MARK) {
        let problem = whole_file("byte-order-mark", "the file begins with a byte order mark");
        problems.push(Problem { line: 1, column: 1, ..problem.with_hint("save it as UTF-8 without one") });
    }
    problems.extend(hidden_characters(file, text));
    let (root, flaws) = tree::read(text);
    problems.extend(flaws.into_iter().map(|flaw| {
        let (line, column) = flaw.place;
        let problem = Problem { line, column, ..whole_file(flaw.code, &flaw.message) };
        explain(Problem { hint: flaw.hint.map(str::to_owned), ..problem }, text)
    }));
    let parsed = match root {
        Some(root) => read_document(file, &root, problems),
        None if problems.is_empty() => {
            let problem = whole_file("empty", "there is no document in the file");
            broken(
                None,
                vec![problem.with_hint("begin with `kind:`; a file that is no document needs another name")],
            )
        }
        None => broken(guess_key(text), problems),
    };
    with_excerpts(parsed, text)
}

/// The last steps of the thorough way: tree to shape to type to checks.
fn read_document(file: Sym, root: &Node, mut problems: Vec<Problem>) -> Parsed {
    let kind = match kind_of(file, root) {
        Ok(kind) => kind,
        Err(problem) => {
            problems.push(*problem);
            return broken(None, problems);
        }
    };
    let mut shaped = shape(file, root, schema(kind));
    problems.append(&mut shaped.problems);
    let is_broken = |at: &FieldPath| shaped.broken.iter().any(|broken| broken.contains(at));
    let id = shaped.value["id"].as_str().filter(|_| !is_broken(&FieldPath::field("id"))).map(Sym::new);
    let document = match typed(kind, &shaped.value) {
        Ok(document) => Some(document),
        Err(message) => {
            if problems.is_empty() {
                problems.push(Problem::error(file, FieldPath::root(), "invalid", message));
            }
            None
        }
    };
    if let Some(document) = &document {
        let is_follow_up = |problem: &Problem| {
            let lost_a_part =
                || shaped.broken.iter().any(|broken| !problem.at.is_empty() && problem.at.contains(broken));
            let depends = problem.severity == Severity::Warning && !shaped.broken.is_empty();
            depends || is_broken(&problem.at) || lost_a_part()
        };
        let found = check::check(file, document).into_iter().filter(|problem| !is_follow_up(problem));
        problems.extend(found.map(|mut problem| {
            (problem.line, problem.column) = locate::find(root, &problem.at);
            problem
        }));
    }
    if kind == Kind::Scenario {
        problems.extend(given_documents(file, root));
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.dedup_by_key(|problem| (problem.line, problem.column, problem.code));
    if let Some(document) = document
        && problems.iter().all(|problem| problem.severity == Severity::Warning)
    {
        return sound(document, problems);
    }
    let is_identity = matches!(kind, Kind::Person | Kind::Service);
    let less = is_identity.then(|| lessened(kind, &shaped));
    Parsed { key: id.map(|id| (kind, id)), document: None, less, problems }
}

fn kind_of(file: Sym, root: &Node) -> Result<Kind, Box<Problem>> {
    let problem = |place: (u32, u32), code, message: String| Problem {
        line: place.0,
        column: place.1,
        ..Problem::error(file, FieldPath::field("kind"), code, message)
    };
    let known = || Kind::ALL.map(Kind::as_str).join(", ");
    let Written::Map(entries) = &root.value else {
        let problem = problem(root.place, "wrong-type", "a document is a map of fields".to_owned());
        return Err(Box::new(problem.with_hint("begin with `kind:`")));
    };
    let Some(entry) = entries.iter().find(|entry| entry.key == "kind") else {
        let near = entries.iter().find(|entry| nearest(&entry.key, ["kind"]).is_some());
        let hint =
            near.map_or_else(|| format!("write one of {}", known()), |_| "did you mean `kind`?".to_owned());
        let place = near.map_or(root.place, |entry| entry.place);
        return Err(Box::new(
            problem(place, "missing-field", "the field `kind` is missing".to_owned()).with_hint(hint),
        ));
    };
    let text = if let Written::Scalar { text, .. } = &entry.value.value { text.as_str() } else { "" };
    Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let near = nearest(text, Kind::ALL.map(Kind::as_str));
        let hint = near
            .map_or_else(|| format!("write one of {}", known()), |near| format!("did you mean `{near}`?"));
        let message = format!("there is no kind of document `{}`", tree::shown(text));
        Box::new(problem(entry.value.place, "unknown-kind", message).with_hint(hint))
    })
}

/// The documents that a scenario stands in carry their own kinds, which the schema leaves open.
fn given_documents(file: Sym, root: &Node) -> Vec<Problem> {
    let Written::Map(entries) = &root.value else { return Vec::new() };
    let given = entries.iter().find(|entry| entry.key == "given").map(|entry| &entry.value.value);
    let Some(Written::List(documents)) = given else { return Vec::new() };
    let problems = documents.iter().enumerate().flat_map(|(place, document)| {
        let at = FieldPath::field("given").index(place);
        let problems = read_document(file, document, Vec::new()).problems;
        problems.into_iter().map(move |problem| Problem { at: at.join(&problem.at), ..problem })
    });
    problems.collect()
}

impl Document {
    /// A document from its JSON, `kind` included, such as one of a scenario's.
    ///
    /// # Errors
    /// What is wrong with it, as far as types know; see [`parse`] for all of it.
    pub fn from_value(value: &Value) -> Result<Document, String> {
        let kind = value["kind"].as_str().unwrap_or_default();
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
        typed(kind.ok_or("the field `kind` is missing")?, value)
    }
}

fn typed(kind: Kind, value: &Value) -> Result<Document, String> {
    fn read<T: DeserializeOwned>(value: &Value) -> Result<Box<T>, String> {
        let mut value = value.clone();
        value.as_object_mut().map(|fields| fields.remove("kind"));
        serde_json::from_value(value).map(Box::new).map_err(|error| error.to_string())
    }
    Ok(match kind {
        Kind::Person => Document::Person(read(value)?),
        Kind::Service => Document::Service(read(value)?),
        Kind::Role => Document::Role(read(value)?),
        Kind::Target => Document::Target(read(value)?),
        Kind::Tiers => Document::Tiers(read(value)?),
        Kind::ApproverGroup => Document::ApproverGroup(read(value)?),
        Kind::Guards => Document::Guards(read(value)?),
        Kind::Separation => Document::Separation(read(value)?),
        Kind::Lifecycle => Document::Lifecycle(read(value)?),
        Kind::Freeze => Document::Freeze(read(value)?),
        Kind::BreakGlass => Document::BreakGlass(read(value)?),
        Kind::DaemonKeys => Document::DaemonKeys(read(value)?),
        Kind::Scenario => Document::Scenario(read(value)?),
        Kind::AllowedSigners | Kind::RevokedKeys => {
            return Err(format!("{kind} is no kind of a YAML document"));
        }
    })
}

/// What a broken identity's document still says for certain.
fn lessened(kind: Kind, shaped: &Shaped) -> Lessened {
    let is_read = |name: &str, needs: &dyn Fn(&str) -> bool| {
        !shaped.broken.iter().any(|broken| match broken.steps() {
            [] => true,
            [Step::Key(field), Step::Index(_), Step::Key(part), ..] => {
                *field == *name && needs(part.as_str())
            }
            [field, ..] => *field == Step::Key(Sym::new(name)),
        })
    };
    let single = |name: &str| is_read(name, &|_| true);
    fn read<T: DeserializeOwned + Default>(value: &Value, name: &str) -> Option<T> {
        match &value[name] {
            Value::Null => Some(T::default()),
            value => serde_json::from_value(value.clone()).ok(),
        }
    }
    let value = &shaped.value;
    let person = matches!(kind, Kind::Person)
        .then(|| typed(kind, value).ok())
        .flatten()
        .filter(|_| is_read("employments", &|part| part == "type") && single("employment"));
    Lessened {
        status: if single("status") { read(value, "status") } else { None },
        end: if single("end") { read(value, "end").flatten() } else { None },
        roles: if is_read("roles", &|part| part == "role") { read(value, "roles") } else { None },
        grants: if is_read("grants", &|part| !matches!(part, "from" | "until" | "reason")) {
            read(value, "grants")
        } else {
            None
        },
        employments: person.and_then(|person| match person {
            Document::Person(person) => Some(employments(&person)),
            _ => None,
        }),
    }
}

fn broken(key: Option<(Kind, Sym)>, problems: Vec<Problem>) -> Parsed {
    Parsed { key, document: None, less: None, problems }
}

/// Kind and id of a file that is no YAML, from its lines. Where two lines claim to say it, none does.
fn guess_key(text: &str) -> Option<(Kind, Sym)> {
    let field = |name: &str| {
        let mut values = text.lines().filter_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?.split(" #").next()?.trim();
            Some(value.trim_matches(['"', '\'']))
        });
        values.next().filter(|_| values.next().is_none())
    };
    let kind = field("kind")?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    field("id").filter(|id| check::is_id(id)).map(|id| (kind, Sym::new(id)))
}

fn hidden_characters(file: Sym, text: &str) -> Vec<Problem> {
    /// One is enough to act on, and a file may consist of them.
    const SHOWN: usize = 5;
    let found = text.lines().zip(1_u32..).filter_map(|(line, number)| {
        let (column, found) = line.chars().enumerate().find(|(_, c)| plain::is_hidden(*c))?;
        let message = format!("a character that cannot be seen stands here (U+{:04X})", u32::from(found));
        let problem = Problem::error(file, FieldPath::root(), "hidden-character", message);
        let column = u32::try_from(column + 1).unwrap_or(u32::MAX);
        Some(Problem {
            line: number,
            column,
            ..problem.with_hint("take it out: it can make a line read as another one")
        })
    });
    found.take(SHOWN).collect()
}

/// What somebody who wrote this line most probably did.
fn explain(problem: Problem, text: &str) -> Problem {
    let line = text.lines().nth(problem.line.saturating_sub(1) as usize).unwrap_or_default();
    let value = line.split_once(": ").map_or(line, |(_, value)| value).trim_start();
    let is_expression = line.trim_start().starts_with("assign:")
        || ["person.", "service."].iter().any(|subject| value.contains(subject));
    let hint = match problem.code {
        "syntax" | "tag" | "alias" | "anchor" if is_expression && !value.starts_with('"') => {
            "quote the condition: put all of it in double quotes"
        }
        "syntax" if line.bytes().take_while(u8::is_ascii_whitespace).any(|byte| byte == b'\t') => {
            "indent with spaces: YAML refuses tabs"
        }
        "syntax" if problem.message.contains("quote") => "a quote is opened and not closed",
        "syntax" if value.contains(": ") || value.ends_with(':') => "a text with `: ` in it needs quotes",
        _ => return problem,
    };
    let code = if hint.contains("tabs") { "tab" } else { problem.code };
    Problem { code, ..problem.with_hint(hint) }
}

/// Adds the lines, except those that hold a secret.
fn with_excerpts(mut parsed: Parsed, text: &str) -> Parsed {
    let secret: Vec<u32> = parsed
        .problems
        .iter()
        .filter(|problem| problem.code == "secret")
        .map(|problem| problem.line)
        .collect();
    for problem in
        parsed.problems.iter_mut().filter(|problem| problem.line > 0 && !secret.contains(&problem.line))
    {
        problem.excerpt = Some(locate::excerpt(text, problem.line));
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "kind: Person\nid: p-1\nname: {given: Ada, family: Osei}\nusername: ada\n\
        employment: employee\nroles:\n  - role: on-call\n    until: 2026-12-05\n";

    #[test]
    fn both_ways_of_reading_give_the_same_document() {
        let quick = quick(Sym::new("ada.yaml"), ADA.as_bytes()).expect("this is ordinary");
        assert_eq!(quick, thorough(Sym::new("ada.yaml"), ADA.as_bytes()));
    }

    #[test]
    fn what_takes_away_is_read_from_a_broken_document() {
        let broken = ADA.replace("until", "untill").replace("employment:", "status: departed\nemployment:");
        let Parsed { key, document, less, problems } = parse("ada.yaml", broken.as_bytes());
        assert_eq!((key, document), (Some((Kind::Person, Sym::new("p-1"))), None));
        let less = less.expect("a person's document");
        assert_eq!(less.status, Some(Status::Departed));
        assert_eq!(
            less.roles.map(|roles| (roles[0].role, roles[0].until)),
            Some((Sym::new("on-call"), None))
        );
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["ada.yaml:9:5: there is no field `untill` here (did you mean `until`?)"]);
    }
}
