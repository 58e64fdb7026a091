//! The schemas as data (RFC 7643, sections 4, 7 and 8.7.1): everything that validates, filters, patches or describes
//! resources reads these tables, so that a rule is written once.

mod describe;
mod group;
mod user;

pub(crate) use describe::{resource_types, schemas};

/// URN of the core User schema.
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the core Group schema.
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// URN of the enterprise extension of User.
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The resource types of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    User,
    Group,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The name in `meta.resourceType`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The path component under the base URL.
    pub(crate) fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    pub(crate) fn from_endpoint(endpoint: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.endpoint() == endpoint)
    }

    /// How the database stores it.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::User => 0,
            Self::Group => 1,
        }
    }

    pub(crate) fn from_code(code: i64) -> Self {
        if code == Self::User.code() { Self::User } else { Self::Group }
    }

    /// The URN of the core schema.
    pub(crate) fn schema(self) -> &'static str {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    /// Core attributes, without the common ones.
    pub(crate) fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => user::USER,
            Self::Group => group::GROUP,
        }
    }

    /// The schema extensions: URN and attributes.
    pub(crate) fn extensions(self) -> &'static [(&'static str, &'static [Attribute])] {
        match self {
            Self::User => &[(ENTERPRISE, user::ENTERPRISE)],
            Self::Group => &[],
        }
    }

    /// The spelling of ours of an extension's URN: URNs ignore case (RFC 8141).
    pub(crate) fn extension(self, urn: &str) -> Option<(&'static str, &'static [Attribute])> {
        self.extensions().iter().copied().find(|(known, _)| known.eq_ignore_ascii_case(urn))
    }

    /// A core or common attribute by its name in any case.
    pub(crate) fn attribute(self, name: &str) -> Option<&'static Attribute> {
        find(self.attributes(), name).or_else(|| find(COMMON, name))
    }
}

/// An attribute of that name in any case (RFC 7643, section 2.1).
pub(crate) fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// RFC 7643, section 2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    Boolean,
    DateTime,
    Binary,
    Reference,
    Complex,
}

/// RFC 7643, section 7, `mutability`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutability {
    ReadOnly,
    ReadWrite,
    Immutable,
    WriteOnly,
}

/// RFC 7643, section 7, `returned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    Always,
    Default,
    Never,
}

/// RFC 7643, section 7, `uniqueness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uniqueness {
    None,
    Server,
}

/// One attribute definition (RFC 7643, section 7).
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    pub(crate) multi_valued: bool,
    pub(crate) description: &'static str,
    pub(crate) required: bool,
    pub(crate) case_exact: bool,
    pub(crate) mutability: Mutability,
    pub(crate) returned: Returned,
    pub(crate) uniqueness: Uniqueness,
    pub(crate) canonical: &'static [&'static str],
    pub(crate) references: &'static [&'static str],
    pub(crate) sub: &'static [Attribute],
}

impl Attribute {
    pub(crate) fn sub(&self, name: &str) -> Option<&'static Attribute> {
        find(self.sub, name)
    }

    /// What a value of this attribute is compared by when a filter names no sub-attribute: `value`, if there is one.
    pub(crate) fn default_sub(&self) -> Option<&'static Attribute> {
        self.sub("value")
    }

    // The builders keep the tables readable: one line an attribute, naming only what differs from the defaults.
    const fn of(name: &'static str, kind: Type, description: &'static str) -> Self {
        Self {
            name,
            kind,
            multi_valued: false,
            description,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical: &[],
            references: &[],
            sub: &[],
        }
    }

    const fn string(name: &'static str, description: &'static str) -> Self {
        Self::of(name, Type::String, description)
    }

    const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::of(name, Type::Boolean, description)
    }

    const fn reference(
        name: &'static str,
        references: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        let mut attribute = Self::of(name, Type::Reference, description);
        attribute.references = references;
        attribute
    }

    const fn complex(name: &'static str, sub: &'static [Attribute], description: &'static str) -> Self {
        let mut attribute = Self::of(name, Type::Complex, description);
        attribute.sub = sub;
        attribute
    }

    const fn multi(mut self) -> Self {
        self.multi_valued = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    const fn mutability(mut self, mutability: Mutability) -> Self {
        self.mutability = mutability;
        self
    }

    const fn returned(mut self, returned: Returned) -> Self {
        self.returned = returned;
        self
    }

    const fn unique(mut self) -> Self {
        self.uniqueness = Uniqueness::Server;
        self
    }

    const fn canonical(mut self, canonical: &'static [&'static str]) -> Self {
        self.canonical = canonical;
        self
    }
}

/// The common attributes (RFC 7643, sections 3 and 3.1). They belong to every resource and to no schema of /Schemas.
pub(crate) const COMMON: &[Attribute] = &[
    Attribute::reference("schemas", &["uri"], "URIs of the schemas of the resource.")
        .multi()
        .exact()
        .returned(Returned::Always),
    Attribute::string("id", "The directory's own identifier of the resource.")
        .exact()
        .unique()
        .mutability(Mutability::ReadOnly)
        .returned(Returned::Always),
    Attribute::string("externalId", "The provisioning client's identifier of the resource.").exact(),
    Attribute::complex("meta", META, "Metadata of the resource.").mutability(Mutability::ReadOnly),
];

const META: &[Attribute] = &[
    Attribute::string("resourceType", "Name of the resource type.").exact().mutability(Mutability::ReadOnly),
    Attribute::of("created", Type::DateTime, "When the resource was added.").mutability(Mutability::ReadOnly),
    Attribute::of("lastModified", Type::DateTime, "When the resource last changed.")
        .mutability(Mutability::ReadOnly),
    Attribute::reference("location", &["uri"], "URI of the resource.")
        .exact()
        .mutability(Mutability::ReadOnly),
    Attribute::string("version", "Weak entity tag of the resource.").exact().mutability(Mutability::ReadOnly),
];
