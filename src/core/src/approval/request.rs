//! One thing that needs agreement, written out in full: who gets what power where until when, which rule becomes what,
//! which account is deleted. Agreement is to this and to nothing else; a digest is only its name.

use std::fmt;

use jiff::Timestamp;
use provost_sdk::Verb;
use serde::{Deserialize, Serialize};

use crate::Sym;
use crate::access::Window;
use crate::digest::{Digest, digest};
use crate::document::Kind;
use crate::evidence::{Power, Thing};
use crate::guard::Part;
use crate::set::Spec;

/// One thing that needs agreement, for one installation. As JSON an object whose `request` says which kind it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// An identity has a power for a time.
    Grant(GrantRequest),
    /// An account that is there already is an identity's.
    Link(AccountRequest),
    /// An attribute, or the username, by which an account is controlled has a value.
    Attribute(AttributeRequest),
    /// A service has a credential, delivered to a place.
    Credential(CredentialRequest),
    /// A person answers for a service or knows its secrets.
    Holder(HolderRequest),
    /// A name that documents use means what bears it on the target now, and not what bore it before.
    Name(NameRequest),
    /// A rule takes a step from one content to another.
    Rule(RuleRequest),
    /// An account is deleted, or what it owns is transferred, and tier low does not cover that.
    Operation(OperationRequest),
    /// An account that somebody disabled by hand is enabled again.
    Enable(AccountRequest),
    /// A guard lets the listed operations through, once.
    Override(OverrideRequest),
}

/// See [`Request::Grant`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// Who.
    pub identity: Sym,
    /// The target's id.
    pub target: Sym,
    /// Which system the target is: [`crate::plan::TargetView::place`].
    pub place: Sym,
    /// The profile of the account.
    pub profile: Sym,
    /// What is held; the account alone where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<Entitlement>,
    /// The first instant; it has always been where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The first instant that is not included; without end where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An entitlement: by its anchor where the target has told it, else by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entitlement {
    /// Its kind, such as `team`.
    pub kind: Sym,
    /// Its name, as the documents spell it.
    pub name: Sym,
    /// The role within it, where its kind has roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Sym>,
    /// The target's own id of it. Where it is known it decides, and the name is for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Sym>,
}

/// One account of an identity: see [`Request::Link`] and [`Request::Enable`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// Whose.
    pub identity: Sym,
    /// The target's id.
    pub target: Sym,
    /// Which system the target is.
    pub place: Sym,
    /// The profile.
    pub profile: Sym,
    /// The target's own id of the account.
    pub anchor: Sym,
}

/// See [`Request::Attribute`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeRequest {
    /// Whose.
    pub identity: Sym,
    /// The target's id.
    pub target: Sym,
    /// Which system the target is.
    pub place: Sym,
    /// The profile.
    pub profile: Sym,
    /// The attribute's name; `username` for the name to sign in with.
    pub attribute: Sym,
    /// The value, as canonical JSON where it is no text; it is cleared where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Sym>,
}

/// See [`Request::Credential`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRequest {
    /// The service.
    pub service: Sym,
    /// The target's id.
    pub target: Sym,
    /// Which system the target is.
    pub place: Sym,
    /// The kind of credential.
    pub kind: Sym,
    /// The name of the delivery place in the daemon's settings.
    pub deliver: Sym,
}

/// See [`Request::Holder`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolderRequest {
    /// The service.
    pub service: Sym,
    /// The person.
    pub person: Sym,
    /// What the person is to it.
    pub standing: Standing,
}

/// What a person is to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Answers for it.
    Owner,
    /// Knows a secret of it.
    Holder,
}

/// See [`Request::Name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameRequest {
    /// The target's id.
    pub target: Sym,
    /// Which system the target is.
    pub place: Sym,
    /// The kind of entitlement.
    pub kind: Sym,
    /// The name.
    pub name: Sym,
    /// The target's own id of what bears it now.
    pub anchor: Sym,
}

/// See [`Request::Rule`]. Contents are named by the SHA-256 over the canonical JSON of the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleRequest {
    /// The rule's kind.
    pub kind: Kind,
    /// The rule's id.
    pub id: Sym,
    /// The content in force; a new rule where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// The content that takes its place; the rule is deleted where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
}

/// See [`Request::Operation`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationRequest {
    /// `delete` or `transfer`.
    pub verb: Verb,
    /// Whose account.
    pub identity: Sym,
    /// The target's id.
    pub target: Sym,
    /// Which system the target is.
    pub place: Sym,
    /// The profile.
    pub profile: Sym,
    /// The target's own id of the account.
    pub anchor: Sym,
    /// Of a transfer: the target's own id of the account that receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Sym>,
}

/// See [`Request::Override`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideRequest {
    /// The guard.
    pub guard: Limited,
    /// The operations that it lets through, by the digests that a plan shows, in order.
    pub operations: Vec<Digest>,
}

/// A guard that an override can name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Limited {
    /// A limit over a part of the plan.
    Limit(Part),
    /// The last one who holds a privileged entitlement.
    LastAdmin {
        /// The target's id.
        target: Sym,
        /// `kind:name`, as the target names it.
        entitlement: Sym,
    },
}

impl Request {
    /// Its name: SHA-256 over its canonical JSON (RFC 8785).
    pub fn digest(&self) -> Digest {
        digest(self)
    }

    /// The request for something on the place where its target is now.
    pub fn of(thing: Thing, place: Sym) -> Request {
        match thing {
            Thing::Link { identity, target, profile, anchor } => {
                Request::Link(AccountRequest { identity, target, place, profile, anchor })
            }
            Thing::Enable { identity, target, profile, anchor } => {
                Request::Enable(AccountRequest { identity, target, place, profile, anchor })
            }
            Thing::Attribute { identity, target, profile, attribute, value } => {
                Request::Attribute(AttributeRequest { identity, target, place, profile, attribute, value })
            }
            Thing::Credential { service, target, kind, deliver } => {
                Request::Credential(CredentialRequest { service, target, place, kind, deliver })
            }
            Thing::Holder { service, person, owner } => Request::Holder(HolderRequest {
                service,
                person,
                standing: if owner { Standing::Owner } else { Standing::Holder },
            }),
            Thing::Operation { verb, identity, target, profile, anchor, to } => {
                Request::Operation(OperationRequest { verb, identity, target, place, profile, anchor, to })
            }
            Thing::Name { target, kind, name, anchor } => {
                Request::Name(NameRequest { target, place, kind, name, anchor })
            }
        }
    }

    /// The target that it is about, if it is about one.
    pub fn target(&self) -> Option<Sym> {
        match self {
            Request::Grant(of) => Some(of.target),
            Request::Link(of) | Request::Enable(of) => Some(of.target),
            Request::Attribute(of) => Some(of.target),
            Request::Credential(of) => Some(of.target),
            Request::Operation(of) => Some(of.target),
            Request::Name(of) => Some(of.target),
            Request::Override(of) => match &of.guard {
                Limited::Limit(part) => part.target,
                Limited::LastAdmin { target, .. } => Some(*target),
            },
            Request::Rule(of) => (of.kind == Kind::Target).then_some(of.id),
            Request::Holder(_) => None,
        }
    }

    /// The target and the system that it was asked for. An agreement to another system is no agreement.
    pub fn place(&self) -> Option<(Sym, Sym)> {
        match self {
            Request::Grant(of) => Some((of.target, of.place)),
            Request::Link(of) | Request::Enable(of) => Some((of.target, of.place)),
            Request::Attribute(of) => Some((of.target, of.place)),
            Request::Credential(of) => Some((of.target, of.place)),
            Request::Operation(of) => Some((of.target, of.place)),
            Request::Name(of) => Some((of.target, of.place)),
            Request::Holder(_) | Request::Rule(_) | Request::Override(_) => None,
        }
    }

    /// The identity that it is about, if it is about one.
    pub fn identity(&self) -> Option<Sym> {
        match self {
            Request::Grant(of) => Some(of.identity),
            Request::Link(of) | Request::Enable(of) => Some(of.identity),
            Request::Attribute(of) => Some(of.identity),
            Request::Credential(of) => Some(of.service),
            Request::Holder(of) => Some(of.service),
            Request::Operation(of) => Some(of.identity),
            Request::Name(_) | Request::Rule(_) | Request::Override(_) => None,
        }
    }

    /// What evidence keeps of it; none of a grant, a rule and an override, which evidence keeps in another form.
    pub fn thing(&self) -> Option<Thing> {
        match *self {
            Request::Link(AccountRequest { identity, target, profile, anchor, .. }) => {
                Some(Thing::Link { identity, target, profile, anchor })
            }
            Request::Enable(AccountRequest { identity, target, profile, anchor, .. }) => {
                Some(Thing::Enable { identity, target, profile, anchor })
            }
            Request::Attribute(AttributeRequest { identity, target, profile, attribute, value, .. }) => {
                Some(Thing::Attribute { identity, target, profile, attribute, value })
            }
            Request::Credential(CredentialRequest { service, target, kind, deliver, .. }) => {
                Some(Thing::Credential { service, target, kind, deliver })
            }
            Request::Holder(HolderRequest { service, person, standing }) => {
                Some(Thing::Holder { service, person, owner: standing == Standing::Owner })
            }
            Request::Operation(OperationRequest { verb, target, profile, anchor, to, identity, .. }) => {
                Some(Thing::Operation { verb, identity, target, profile, anchor, to })
            }
            Request::Name(NameRequest { target, kind, name, anchor, .. }) => {
                Some(Thing::Name { target, kind, name, anchor })
            }
            Request::Grant(_) | Request::Rule(_) | Request::Override(_) => None,
        }
    }
}

impl GrantRequest {
    /// The power, by name.
    pub fn power(&self) -> Power {
        let entitlement = self.entitlement.as_ref().map(Entitlement::spec);
        Power { target: self.target, profile: self.profile, entitlement }
    }

    /// The anchor of the entitlement, where it is known.
    pub fn anchor(&self) -> Option<Sym> {
        self.entitlement.as_ref().and_then(|entitlement| entitlement.anchor)
    }

    /// When.
    pub fn window(&self) -> Window {
        Window { from: self.from.unwrap_or(Timestamp::MIN), until: self.until.unwrap_or(Timestamp::MAX) }
    }
}

impl Entitlement {
    /// As documents name it.
    pub fn spec(&self) -> Spec {
        Spec { kind: self.kind, name: self.name, role: self.role }
    }
}

impl fmt::Display for Request {
    /// One line for people: `p-1042 gets group:admins on production until 2026-12-05T17:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Grant(of) => {
                write!(f, "{} gets {}", of.identity, of.power())?;
                if let Some(anchor) = of.anchor() {
                    write!(f, " ({anchor})")?;
                }
                write!(f, " {}", of.window())
            }
            Request::Link(AccountRequest { identity, target, profile, anchor, .. }) => {
                write!(f, "the account {anchor} on {target} becomes the account of {identity} ({profile})")
            }
            Request::Enable(AccountRequest { identity, target, profile, anchor, .. }) => {
                write!(f, "the account {anchor} of {identity} on {target} ({profile}) is enabled again")
            }
            Request::Attribute(AttributeRequest { identity, target, profile, attribute, value, .. }) => {
                write!(f, "the account of {identity} on {target} ({profile}) has ")?;
                match value {
                    Some(value) => write!(f, "{attribute} {:?}", value.as_str()),
                    None => write!(f, "no {attribute}"),
                }
            }
            Request::Credential(CredentialRequest { service, target, kind, deliver, .. }) => {
                write!(f, "{service} has a credential of kind {kind} on {target}, delivered to {deliver}")
            }
            Request::Holder(HolderRequest { service, person, standing: Standing::Owner }) => {
                write!(f, "{person} answers for {service}")
            }
            Request::Holder(HolderRequest { service, person, standing: Standing::Holder }) => {
                write!(f, "{person} knows the secrets of {service}")
            }
            Request::Name(NameRequest { target, kind, name, anchor, .. }) => {
                write!(f, "{kind}:{name} on {target} means {anchor} from now on")
            }
            Request::Rule(RuleRequest { kind, id, before, after }) => match (before, after) {
                (None, _) => write!(f, "the new {kind} {id} comes into force"),
                (Some(_), None) => write!(f, "the {kind} {id} is deleted"),
                (Some(_), Some(_)) => write!(f, "another version of the {kind} {id} comes into force"),
            },
            Request::Operation(OperationRequest { verb, identity, target, anchor, to, .. }) => {
                write!(f, "{} the account {anchor} of {identity} on {target}", verb.as_str())?;
                to.map_or(Ok(()), |to| write!(f, " to {to}"))
            }
            Request::Override(OverrideRequest { guard, operations }) => {
                write!(f, "{} operations go past the guard over {guard}, once", operations.len())
            }
        }
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limited::Limit(part) => part.fmt(f),
            Limited::LastAdmin { target, entitlement } => {
                write!(f, "the last who holds {entitlement} on {target}")
            }
        }
    }
}
