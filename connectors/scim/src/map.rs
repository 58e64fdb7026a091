//! A SCIM user as an account, and back. Reading back what was written gives the same again, or a plan would never end.

use provost_sdk::{Account, Anchor, Attributes, Comparison, Error, ErrorKind, Result, State, Value as Text};
use serde_json::{Map, Value, json};

use crate::resource::{ENTERPRISE, field, id, key, list, plain, text, truth};

/// One attribute of an account, and where SCIM keeps it.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its name in a profile.
    pub name: &'static str,
    /// Where it is.
    pub path: Path,
    /// Whether who controls it controls the account.
    pub gives_control: bool,
    /// Whether provost leaves it alone.
    pub read_only: bool,
    /// How values are compared.
    pub comparison: Comparison,
}

/// Where a user keeps a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// A simple attribute.
    Plain(&'static str),
    /// A part of a complex attribute.
    Part(&'static str, &'static str),
    /// The one of several that counts: the primary one, else that of type work, else the first.
    Preferred(&'static str),
    /// A simple attribute of the enterprise extension.
    Enterprise(&'static str),
    /// A reference in the enterprise extension.
    EnterpriseReference(&'static str),
}

/// A new value of one path; `None` clears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Which.
    pub path: Path,
    /// What.
    pub value: Option<Value>,
    /// How it is compared when it is read back.
    pub comparison: Comparison,
}

/// Every attribute of the account kind `user`.
pub(crate) const FIELDS: [Field; 18] = [
    plain_field("display_name", Path::Plain("displayName")),
    plain_field("given_name", Path::Part("name", "givenName")),
    plain_field("family_name", Path::Part("name", "familyName")),
    Field {
        // Who reads the mailbox can reset the password; servers fold the case of what they keep.
        gives_control: true,
        comparison: Comparison::IgnoreCase,
        ..plain_field("email", Path::Preferred("emails"))
    },
    Field { gives_control: true, ..plain_field("phone", Path::Preferred("phoneNumbers")) },
    plain_field("nick_name", Path::Plain("nickName")),
    plain_field("title", Path::Plain("title")),
    plain_field("user_type", Path::Plain("userType")),
    plain_field("preferred_language", Path::Plain("preferredLanguage")),
    plain_field("locale", Path::Plain("locale")),
    plain_field("timezone", Path::Plain("timezone")),
    plain_field("employee_number", Path::Enterprise("employeeNumber")),
    plain_field("cost_center", Path::Enterprise("costCenter")),
    plain_field("organization", Path::Enterprise("organization")),
    plain_field("division", Path::Enterprise("division")),
    plain_field("department", Path::Enterprise("department")),
    plain_field("manager", Path::EnterpriseReference("manager")),
    // provost keeps the identity's id there when it makes the account.
    Field { read_only: true, ..plain_field("external_id", Path::Plain("externalId")) },
];

const fn plain_field(name: &'static str, path: Path) -> Field {
    Field { name, path, gives_control: false, read_only: false, comparison: Comparison::Exact }
}

/// A user as an account, without what it holds.
pub(crate) fn account(user: &Value) -> Result<Account> {
    let missing = |what: &str| {
        Error::new(ErrorKind::InvalidResponse, format!("The server shows a user without {what}."))
    };
    let mut attributes = Attributes::new();
    for field in &FIELDS {
        if let Some(value) = field.path.read(user) {
            attributes.insert(field.name.to_owned(), Text::Text(value));
        }
    }
    Ok(Account {
        anchor: Anchor(id(user).ok_or_else(|| missing("an id"))?),
        kind: "user".to_owned(),
        username: text(user, "userName").ok_or_else(|| missing("a userName"))?,
        state: state(user),
        attributes,
        entitlements: None,
        version: field(user, "meta").and_then(|meta| text(meta, "version")),
    })
}

/// Whether a user can sign in. One that says nothing can: taking it for disabled would leave a leaver in.
pub(crate) fn state(user: &Value) -> State {
    if truth(user, "active") == Some(false) { State::Disabled } else { State::Enabled }
}

/// The edit of one attribute. An unknown one, and a value that is no text, is refused; an empty text clears.
pub(crate) fn edit(name: &str, value: Option<&Text>) -> Result<Edit> {
    let wrong = |what: &str| {
        Error::new(ErrorKind::InvalidValue, format!("The attribute `{name}` of a SCIM user {what}."))
    };
    let found = FIELDS.iter().find(|field| field.name == name && !field.read_only);
    let found = found.ok_or_else(|| wrong("cannot be written"))?;
    let value = match value {
        None => None,
        Some(Text::Text(text)) => Some(text.as_str()).filter(|text| !text.is_empty()).map(Value::from),
        Some(_) => return Err(wrong("takes a text")),
    };
    Ok(Edit { path: found.path, value, comparison: found.comparison })
}

impl Edit {
    /// The edit of `active`: always a boolean, whatever the server shows.
    pub(crate) fn active(active: bool) -> Edit {
        Edit { path: Path::Plain("active"), value: Some(active.into()), comparison: Comparison::Exact }
    }

    /// The edit of `userName`.
    pub(crate) fn username(name: &str) -> Edit {
        Edit { path: Path::Plain("userName"), value: Some(name.into()), comparison: Comparison::Exact }
    }

    /// Whether a user is like this already.
    pub(crate) fn holds(&self, user: &Value) -> bool {
        match (&self.value, self.path) {
            (Some(Value::Bool(wanted)), Path::Plain(name)) => truth(user, name) == Some(*wanted),
            (wanted, path) => match (wanted.as_ref().and_then(plain), path.read(user)) {
                (Some(wanted), Some(found)) => self.comparison.same(&wanted, &found),
                (wanted, found) => wanted == found,
            },
        }
    }

    /// Whether the server kept it. It may fold the case of a username; that is all that it may do.
    pub(crate) fn is_kept(&self, user: &Value) -> bool {
        let folding = self.path == Path::Plain("userName");
        let comparison = if folding { Comparison::IgnoreCase } else { self.comparison };
        Edit { comparison, ..self.clone() }.holds(user)
    }

    /// Makes a whole user like this.
    pub(crate) fn write(&self, user: &mut Map<String, Value>) {
        match self.path {
            Path::Plain(name) => set(user, name, self.value.clone()),
            Path::Part(name, part) => within(user, name, |object| set(object, part, self.value.clone())),
            Path::Preferred(name) => set(user, name, self.preferred(user, name)),
            Path::Enterprise(name) => {
                within(user, ENTERPRISE, |object| set(object, name, self.value.clone()));
            }
            Path::EnterpriseReference(name) => {
                let value = self.value.as_ref().map(|value| json!({ "value": value }));
                within(user, ENTERPRISE, |object| set(object, name, value));
            }
        }
        if self.path.extension() && self.value.is_some() {
            declare(user, ENTERPRISE);
        }
    }

    /// It as an operation of PATCH on a user as it was read. Values of a list are written with the whole list, which
    /// every server understands alike, where filters in paths are not.
    pub(crate) fn operation(&self, user: &Map<String, Value>) -> Value {
        let mut after = user.clone();
        self.write(&mut after);
        let (path, value) = match self.path {
            Path::Plain(name) | Path::Preferred(name) => {
                (name.to_owned(), key(&after, name).map(|key| after[key].clone()))
            }
            Path::Part(name, part) => (format!("{name}.{part}"), self.value.clone()),
            Path::Enterprise(name) => (format!("{ENTERPRISE}:{name}"), self.value.clone()),
            Path::EnterpriseReference(name) => {
                (format!("{ENTERPRISE}:{name}"), self.value.as_ref().map(|value| json!({ "value": value })))
            }
        };
        match value {
            Some(value) => json!({ "op": "replace", "path": path, "value": value }),
            None => json!({ "op": "remove", "path": path }),
        }
    }

    /// The list afterwards. Clearing takes the whole list: what remained of it would count next.
    fn preferred(&self, user: &Map<String, Value>, name: &str) -> Option<Value> {
        let value = self.value.clone()?;
        let mut entries = match key(user, name).map(|key| user[key].clone()) {
            Some(Value::Array(entries)) => entries,
            _ => Vec::new(),
        };
        match preferred(&entries).and_then(|index| entries.get_mut(index)) {
            Some(Value::Object(entry)) => {
                set(entry, "value", Some(value));
                // It would go on showing the old one.
                entry.remove("display");
            }
            Some(entry) => *entry = json!({ "value": value }),
            None => entries.push(json!({ "value": value, "type": "work", "primary": true })),
        }
        Some(Value::Array(entries))
    }
}

impl Path {
    /// Whether it is in the enterprise extension.
    pub(crate) fn extension(self) -> bool {
        matches!(self, Path::Enterprise(_) | Path::EnterpriseReference(_))
    }

    /// The attribute of a user that it is in.
    pub(crate) fn top(self) -> &'static str {
        match self {
            Path::Plain(name) | Path::Part(name, _) | Path::Preferred(name) => name,
            Path::Enterprise(_) | Path::EnterpriseReference(_) => ENTERPRISE,
        }
    }

    /// The names on the way down a schema.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let (first, second) = match self {
            Path::Part(name, part) => (name, Some(part)),
            Path::Plain(name) | Path::Preferred(name) => (name, None),
            Path::Enterprise(name) | Path::EnterpriseReference(name) => (name, None),
        };
        std::iter::once(first).chain(second)
    }

    fn read(self, user: &Value) -> Option<String> {
        match self {
            Path::Plain(name) => text(user, name),
            Path::Part(name, part) => text(field(user, name)?, part),
            Path::Preferred(name) => {
                let entries = list(user, name)?;
                let entry = entries.get(preferred(entries)?)?;
                plain(entry).or_else(|| text(entry, "value"))
            }
            Path::Enterprise(name) => plain(extended(user, name)?),
            Path::EnterpriseReference(name) => {
                let found = extended(user, name)?;
                plain(found).or_else(|| text(found, "value"))
            }
        }
    }
}

/// Names a schema among those of a resource.
pub(crate) fn declare(resource: &mut Map<String, Value>, schema: &str) {
    let schemas = resource.entry("schemas").or_insert_with(|| json!([]));
    if let Value::Array(schemas) = schemas
        && !schemas.iter().any(|known| known == schema)
    {
        schemas.push(schema.into());
    }
}

/// The entry that counts.
fn preferred(entries: &[Value]) -> Option<usize> {
    let work = |entry: &Value| text(entry, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("work"));
    let primary = entries.iter().position(|entry| truth(entry, "primary") == Some(true));
    primary.or_else(|| entries.iter().position(work)).or(if entries.is_empty() { None } else { Some(0) })
}

/// A value of the extension, in its object or under its whole name.
fn extended<'a>(user: &'a Value, name: &str) -> Option<&'a Value> {
    field(user, ENTERPRISE)
        .and_then(|extension| field(extension, name))
        .or_else(|| field(user, &format!("{ENTERPRISE}:{name}")))
}

/// Sets a field under the spelling that is there, or removes it.
fn set(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    let spelling = key(object, name).cloned().unwrap_or_else(|| name.to_owned());
    match value {
        Some(value) => object.insert(spelling, value),
        None => object.remove(&spelling),
    };
}

/// Edits the object under a name, made where there is none, and gone where nothing is left in it.
fn within(parent: &mut Map<String, Value>, name: &str, edit: impl FnOnce(&mut Map<String, Value>)) {
    let spelling = key(parent, name).cloned().unwrap_or_else(|| name.to_owned());
    let mut object = match parent.remove(&spelling) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    edit(&mut object);
    if !object.is_empty() {
        parent.insert(spelling, Value::Object(object));
    }
}
