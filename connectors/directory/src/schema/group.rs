//! The Group schema (RFC 7643, sections 4.2 and 8.7.1).

use super::Attribute as A;
use super::{Attribute, Mutability};

pub(super) const GROUP: &[Attribute] = &[
    A::string("displayName", "Name of the group to show to people.").required(),
    A::complex("members", MEMBERS, "Members of the group: users and groups.").multi(),
];

const MEMBERS: &[Attribute] = &[
    A::string("value", "Identifier of the member.").mutability(Mutability::Immutable),
    A::reference("$ref", &["User", "Group"], "URI of the member.").mutability(Mutability::Immutable),
    A::string("type", "Whether the member is a User or a Group.")
        .canonical(&["User", "Group"])
        .mutability(Mutability::Immutable),
    A::string("display", "Name of the member, as the client that added it gave it, or else its own.")
        .mutability(Mutability::Immutable),
];
