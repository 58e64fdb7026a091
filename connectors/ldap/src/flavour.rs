//! What the kinds of directory do differently: attributes, object classes, and how an account is disabled.

use ldap3::ldap_escape;

/// A kind of directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// OpenLDAP 2.4 and later.
    OpenLdap,
    /// 389 Directory Server, Red Hat Directory Server, FreeIPA's directory.
    Ds389,
    /// Active Directory, Samba's included.
    ActiveDirectory,
}

impl Flavour {
    /// By the word in the settings.
    pub(crate) fn named(word: &str) -> Option<Flavour> {
        [Flavour::OpenLdap, Flavour::Ds389, Flavour::ActiveDirectory]
            .into_iter()
            .find(|known| known.word() == word)
    }

    /// The word in the settings.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Flavour::OpenLdap => "openldap",
            Flavour::Ds389 => "389",
            Flavour::ActiveDirectory => "active-directory",
        }
    }

    /// The attribute that never changes and is never given again.
    pub(crate) fn anchor(self) -> &'static str {
        match self {
            Flavour::OpenLdap => "entryUUID",
            Flavour::Ds389 => "nsUniqueId",
            Flavour::ActiveDirectory => "objectGUID",
        }
    }

    /// Where people's usernames are.
    pub(crate) fn username(self) -> &'static str {
        match self {
            Flavour::OpenLdap | Flavour::Ds389 => "uid",
            Flavour::ActiveDirectory => "sAMAccountName",
        }
    }

    /// The attribute that names a new account in its DN.
    pub(crate) fn rdn(self) -> &'static str {
        match self {
            Flavour::OpenLdap | Flavour::Ds389 => "uid",
            Flavour::ActiveDirectory => "cn",
        }
    }

    /// What an account is.
    pub(crate) fn account_filter(self) -> &'static str {
        match self {
            Flavour::OpenLdap | Flavour::Ds389 => "(objectClass=inetOrgPerson)",
            // Computers and managed service accounts are of the class user too.
            Flavour::ActiveDirectory => "(&(objectCategory=person)(objectClass=user))",
        }
    }

    /// The classes of a new account.
    pub(crate) fn object_classes(self) -> &'static [&'static str] {
        match self {
            Flavour::OpenLdap | Flavour::Ds389 => &["inetOrgPerson"],
            Flavour::ActiveDirectory => &["user"],
        }
    }

    /// The attributes of accounts. In Active Directory `cn` is not among them: it is the name in the DN.
    pub(crate) fn attributes(self) -> &'static [&'static str] {
        match self {
            Flavour::OpenLdap | Flavour::Ds389 => &[
                "cn",
                "sn",
                "givenName",
                "displayName",
                "mail",
                "telephoneNumber",
                "mobile",
                "title",
                "departmentNumber",
                "employeeNumber",
                "description",
            ],
            Flavour::ActiveDirectory => &[
                "sn",
                "givenName",
                "displayName",
                "mail",
                "telephoneNumber",
                "mobile",
                "title",
                "department",
                "employeeNumber",
                "description",
            ],
        }
    }

    /// The attribute that tells whether an account may sign in.
    pub(crate) fn lock(self) -> &'static str {
        match self {
            Flavour::OpenLdap => "pwdAccountLockedTime",
            Flavour::Ds389 => "nsAccountLock",
            Flavour::ActiveDirectory => "userAccountControl",
        }
    }

    /// The attribute that tells until when an account may sign in, where there is one.
    pub(crate) fn expiry(self) -> Option<&'static str> {
        match self {
            Flavour::OpenLdap => Some("pwdEndTime"),
            Flavour::Ds389 => None,
            Flavour::ActiveDirectory => Some("accountExpires"),
        }
    }

    /// The attribute that changes with the password, by which a credential is known.
    pub(crate) fn password_changed(self) -> &'static str {
        match self {
            Flavour::OpenLdap => "pwdChangedTime",
            Flavour::Ds389 => "pwdUpdateTime",
            Flavour::ActiveDirectory => "pwdLastSet",
        }
    }

    /// The kinds of group that it has.
    pub(crate) fn kinds(self) -> &'static [&'static Kind] {
        match self {
            Flavour::OpenLdap | Flavour::Ds389 => &[GROUP, UNIQUE_GROUP, POSIX_GROUP],
            Flavour::ActiveDirectory => &[GROUP],
        }
    }
}

/// A kind of group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its name in grants.
    pub name: &'static str,
    class: &'static str,
    /// The attribute that holds the members.
    pub member: &'static str,
    /// Whether members are DNs; else they are usernames.
    pub by_dn: bool,
}

/// `groupOfNames` (RFC 4519, 3.5); `group` in Active Directory.
const GROUP: &Kind = &Kind { name: "group", class: "groupOfNames", member: "member", by_dn: true };
/// `groupOfUniqueNames` (RFC 4519, 3.6).
const UNIQUE_GROUP: &Kind =
    &Kind { name: "unique-group", class: "groupOfUniqueNames", member: "uniqueMember", by_dn: true };
/// `posixGroup` (RFC 2307).
const POSIX_GROUP: &Kind =
    &Kind { name: "posix-group", class: "posixGroup", member: "memberUid", by_dn: false };

impl Kind {
    /// By its name in grants.
    pub(crate) fn named(name: &str) -> Option<&'static Kind> {
        [GROUP, UNIQUE_GROUP, POSIX_GROUP].into_iter().find(|kind| kind.name == name)
    }

    /// Its object class.
    pub(crate) fn class(&self, flavour: Flavour) -> &'static str {
        match flavour {
            Flavour::ActiveDirectory => "group",
            _ => self.class,
        }
    }

    /// Whether its class wants a member at least (RFC 4519; 389 and Active Directory have dropped that).
    pub(crate) fn wants_member(&self, flavour: Flavour) -> bool {
        flavour == Flavour::OpenLdap && self.by_dn
    }

    /// The filter of the groups of this kind that have a member.
    pub(crate) fn holding(&self, flavour: Flavour, dn: &str, username: &str) -> String {
        let value = ldap_escape(if self.by_dn { dn } else { username });
        format!("(&(objectClass={})({}={value}))", self.class(flavour), self.member)
    }
}
