//! The User schema and its enterprise extension (RFC 7643, sections 4.1, 4.3 and 8.7.1).

use super::Attribute as A;
use super::{Attribute, Mutability, Returned, Type};

pub(super) const USER: &[Attribute] = &[
    A::string(
        "userName",
        "Unique name of the user; case and Unicode form are ignored when names are compared.",
    )
    .required()
    .unique(),
    A::complex("name", NAME, "The components of the user's name."),
    A::string("displayName", "The name to show to people."),
    A::string("nickName", "The casual way to address the user."),
    A::reference("profileUrl", &["external"], "URL of the user's online profile."),
    A::string("title", "The user's title, such as Vice President."),
    A::string("userType", "The relation of the user to the organisation, such as Employee."),
    A::string("preferredLanguage", "The preferred language, as in an Accept-Language header."),
    A::string("locale", "The locale for currency, dates and numbers, as a language tag."),
    A::string("timezone", "The time zone in IANA form, such as Europe/Berlin."),
    A::boolean("active", "Whether the user may sign in."),
    A::string("password", "A new password. It is stored as a hash only and never returned.")
        .exact()
        .mutability(Mutability::WriteOnly)
        .returned(Returned::Never),
    A::complex("emails", EMAIL, "Email addresses.").multi(),
    A::complex("phoneNumbers", PHONE, "Telephone numbers.").multi(),
    A::complex("ims", IM, "Instant messaging addresses.").multi(),
    A::complex("photos", PHOTO, "URLs of photos.").multi(),
    A::complex("addresses", ADDRESS, "Postal addresses.").multi(),
    A::complex("groups", GROUPS, "Groups of the user, direct and through groups in groups.")
        .multi()
        .mutability(Mutability::ReadOnly),
    A::complex("entitlements", PLAIN, "Things that the user has.").multi(),
    A::complex("roles", PLAIN, "Roles of the user.").multi(),
    A::complex("x509Certificates", CERTIFICATE, "Certificates issued to the user.").multi(),
];

pub(super) const ENTERPRISE: &[Attribute] = &[
    A::string("employeeNumber", "The identifier that the organisation gave the user."),
    A::string("costCenter", "Name of a cost centre."),
    A::string("organization", "Name of an organisation."),
    A::string("division", "Name of a division."),
    A::string("department", "Name of a department."),
    A::complex("manager", MANAGER, "The user's manager."),
];

const NAME: &[Attribute] = &[
    A::string("formatted", "The whole name, formatted for display."),
    A::string("familyName", "Family name."),
    A::string("givenName", "Given name."),
    A::string("middleName", "Middle names."),
    A::string("honorificPrefix", "Prefix, such as Ms."),
    A::string("honorificSuffix", "Suffix, such as III."),
];

const DISPLAY: Attribute = A::string("display", "A name to show to people.");
const PRIMARY: Attribute =
    A::boolean("primary", "Whether this is the preferred value; true for one value at most.");
const TYPE: Attribute = A::string("type", "A label of the value's function.");

const EMAIL: &[Attribute] = &[
    A::string("value", "The address."),
    DISPLAY,
    A::string("type", "A label of the value's function.").canonical(&["work", "home", "other"]),
    PRIMARY,
];

const PHONE: &[Attribute] = &[
    A::string("value", "The number."),
    DISPLAY,
    A::string("type", "A label of the value's function.")
        .canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];

const IM: &[Attribute] = &[
    A::string("value", "The address."),
    DISPLAY,
    A::string("type", "A label of the value's function.")
        .canonical(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    PRIMARY,
];

const PHOTO: &[Attribute] = &[
    A::reference("value", &["external"], "URL of the photo."),
    DISPLAY,
    A::string("type", "A label of the value's function.").canonical(&["photo", "thumbnail"]),
    PRIMARY,
];

const ADDRESS: &[Attribute] = &[
    A::string("formatted", "The whole address, formatted for display."),
    A::string("streetAddress", "Street, house number, and what belongs to them."),
    A::string("locality", "City or locality."),
    A::string("region", "State or region."),
    A::string("postalCode", "Postal code."),
    A::string("country", "Country, as ISO 3166-1 alpha-2."),
    A::string("type", "A label of the value's function.").canonical(&["work", "home", "other"]),
    PRIMARY,
];

const GROUPS: &[Attribute] = &[
    A::string("value", "Identifier of the group.").mutability(Mutability::ReadOnly),
    A::reference("$ref", &["Group"], "URI of the group.").mutability(Mutability::ReadOnly),
    A::string("display", "Name of the group.").mutability(Mutability::ReadOnly),
    A::string("type", "Whether the membership is direct or through another group.")
        .canonical(&["direct", "indirect"])
        .mutability(Mutability::ReadOnly),
];

const PLAIN: &[Attribute] = &[A::string("value", "The value."), DISPLAY, TYPE, PRIMARY];

const CERTIFICATE: &[Attribute] =
    &[A::of("value", Type::Binary, "The certificate: DER in base64.").exact(), DISPLAY, TYPE, PRIMARY];

const MANAGER: &[Attribute] = &[
    A::string("value", "Identifier of the manager's resource."),
    A::reference("$ref", &["User"], "URI of the manager's resource."),
    A::string("displayName", "Name of the manager.").mutability(Mutability::ReadOnly),
];
