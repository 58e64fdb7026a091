//! The fields that conditions and templates may read, and how one identity answers.

use crate::Sym;
use crate::document::{Employment, Person, Service, Status};

/// One field of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the document's field of the same name")]
pub enum Field {
    Id,
    Username,
    Email,
    GivenName,
    FamilyName,
    /// `name.display`: as written, else given and family name; of a service its name, else its purpose.
    DisplayName,
    /// The type of the employment that is considered.
    Employment,
    /// The department of the employment that is considered.
    Department,
    /// The manager of the employment that is considered.
    Manager,
    Title,
    Location,
    Phone,
    EmployeeNumber,
    CostCenter,
    Timezone,
    Sponsor,
    Status,
    Purpose,
    /// The first owner of a service.
    Owner,
    /// `keys`: the only list.
    Keys,
    /// `attributes.NAME`
    Attribute(Sym),
}

/// Which kind of identity an expression is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// `person.…`
    Person,
    /// `service.…`
    Service,
}

/// Who is asked for the values of fields.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// A person in one of her employments; `None` where the document names none.
    Person(&'a Person, Option<Post>),
    /// A service.
    Service(&'a Service),
}

/// What one employment says; the short form of a document is one such entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Post {
    /// Its type.
    pub employment: Option<Sym>,
    /// The department.
    pub department: Option<Sym>,
    /// The manager's id.
    pub manager: Option<Sym>,
}

const PERSON: &[(&str, Field)] = &[
    ("id", Field::Id),
    ("username", Field::Username),
    ("email", Field::Email),
    ("name.given", Field::GivenName),
    ("name.family", Field::FamilyName),
    ("name.display", Field::DisplayName),
    ("employment", Field::Employment),
    ("department", Field::Department),
    ("manager", Field::Manager),
    ("title", Field::Title),
    ("location", Field::Location),
    ("phone", Field::Phone),
    ("employee_number", Field::EmployeeNumber),
    ("cost_center", Field::CostCenter),
    ("timezone", Field::Timezone),
    ("sponsor", Field::Sponsor),
    ("status", Field::Status),
    ("keys", Field::Keys),
];

const SERVICE: &[(&str, Field)] = &[
    ("id", Field::Id),
    ("username", Field::Username),
    ("name", Field::DisplayName),
    ("purpose", Field::Purpose),
    ("owner", Field::Owner),
    ("status", Field::Status),
];

impl Subject {
    /// The word that begins a path.
    pub fn root(self) -> &'static str {
        match self {
            Subject::Person => "person",
            Subject::Service => "service",
        }
    }

    /// The field at a path below the root, such as `name.given`.
    pub fn field(self, path: &str) -> Option<Field> {
        if let Some(name) = path.strip_prefix("attributes.") {
            let plain = !name.is_empty() && !name.contains('.');
            return plain.then(|| Field::Attribute(Sym::new(name)));
        }
        self.fields().iter().find(|(known, _)| *known == path).map(|(_, field)| *field)
    }

    /// Every path below the root except `attributes.NAME`.
    pub fn paths(self) -> impl Iterator<Item = &'static str> {
        self.fields().iter().map(|(path, _)| *path)
    }

    fn fields(self) -> &'static [(&'static str, Field)] {
        match self {
            Subject::Person => PERSON,
            Subject::Service => SERVICE,
        }
    }
}

impl Field {
    /// Whether nearly every identity has a value of its own, so that remembering results by it gains nothing.
    pub fn is_individual(self) -> bool {
        matches!(
            self,
            Field::Id
                | Field::Username
                | Field::Email
                | Field::GivenName
                | Field::FamilyName
                | Field::DisplayName
                | Field::Phone
                | Field::EmployeeNumber
                | Field::Keys
                | Field::Purpose
        )
    }

    /// Whether it has several values.
    pub fn is_list(self) -> bool {
        self == Field::Keys
    }
}

impl std::fmt::Display for Field {
    /// The path below the root.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Field::Attribute(name) = self {
            return write!(f, "attributes.{name}");
        }
        let known = PERSON.iter().chain(SERVICE).find(|(_, field)| field == self);
        f.write_str(known.map_or("", |(path, _)| path))
    }
}

impl Asked<'_> {
    /// The value of a field; `None` where the document says nothing, which conditions read as the empty text.
    pub fn value(&self, field: Field) -> Option<Sym> {
        match self {
            Asked::Person(person, post) => of_person(person, post.unwrap_or_default(), field),
            Asked::Service(service) => of_service(service, field),
        }
    }

    /// The values of a list.
    pub fn values(&self, field: Field) -> &[Sym] {
        match self {
            Asked::Person(person, _) if field == Field::Keys => &person.keys,
            _ => &[],
        }
    }
}

impl From<&Employment> for Post {
    fn from(employment: &Employment) -> Post {
        Post {
            employment: Some(employment.kind),
            department: employment.department,
            manager: employment.manager,
        }
    }
}

fn of_person(person: &Person, post: Post, field: Field) -> Option<Sym> {
    match field {
        Field::Id => Some(person.id),
        Field::Username => Some(person.username),
        Field::Email => person.email,
        Field::GivenName => person.name.given,
        Field::FamilyName => person.name.family,
        Field::DisplayName => display_name(person),
        Field::Employment => post.employment,
        Field::Department => post.department,
        Field::Manager => post.manager,
        Field::Title => person.title,
        Field::Location => person.location,
        Field::Phone => person.phone,
        Field::EmployeeNumber => person.employee_number,
        Field::CostCenter => person.cost_center,
        Field::Timezone => person.timezone,
        Field::Sponsor => person.sponsor,
        Field::Status => Some(status(person.status)),
        Field::Attribute(name) => person.attributes.get(&name).copied(),
        Field::Purpose | Field::Owner | Field::Keys => None,
    }
}

fn of_service(service: &Service, field: Field) -> Option<Sym> {
    match field {
        Field::Id => Some(service.id),
        Field::Username => Some(service_username(service)),
        Field::DisplayName => Some(service.name.unwrap_or(service.purpose)),
        Field::Purpose => Some(service.purpose),
        Field::Owner => service.owners.first().copied(),
        Field::Status => Some(status(service.status)),
        Field::Attribute(name) => service.attributes.get(&name).copied(),
        _ => None,
    }
}

/// The name that a service signs in with: as written, else its id without `s-`.
pub fn service_username(service: &Service) -> Sym {
    service.username.unwrap_or_else(|| {
        let id = service.id.as_str();
        Sym::new(id.strip_prefix("s-").filter(|rest| !rest.is_empty()).unwrap_or(id))
    })
}

fn display_name(person: &Person) -> Option<Sym> {
    if person.name.display.is_some() {
        return person.name.display;
    }
    match (person.name.given, person.name.family) {
        (Some(given), Some(family)) => Some(Sym::from(&format!("{given} {family}"))),
        (given, family) => given.or(family),
    }
}

fn status(status: Status) -> Sym {
    Sym::new(match status {
        Status::Active => "active",
        Status::Suspended => "suspended",
        Status::Departed => "departed",
    })
}
