//! What result codes mean (RFC 4511, appendix A), and what a broken call does.

use ldap3::{LdapError, LdapResult};
use provost_sdk::{Error, ErrorKind};

pub(crate) const TIME_LIMIT: u32 = 3;
pub(crate) const SIZE_LIMIT: u32 = 4;
pub(crate) const ADMIN_LIMIT: u32 = 11;
/// The value or attribute is not there.
pub(crate) const NO_SUCH_ATTRIBUTE: u32 = 16;
/// The value is there.
pub(crate) const VALUE_EXISTS: u32 = 20;
pub(crate) const NO_SUCH_OBJECT: u32 = 32;
/// Active Directory answers so where a member is not there.
pub(crate) const UNWILLING: u32 = 53;
/// The entry's class wants something else: the last member cannot leave.
pub(crate) const OBJECT_CLASS: u32 = 65;
/// The entry is there; in Active Directory also the member.
pub(crate) const ENTRY_EXISTS: u32 = 68;

/// The entry is not the one that the change was for.
pub(crate) const ASSERTION_FAILED: u32 = 122;

/// A refusal, told as "The server refused DOING".
pub(crate) fn refused(result: &LdapResult, doing: &str) -> Error {
    let text: String = result.text.trim_end_matches('\0').chars().take(500).collect();
    let told = if text.is_empty() { String::new() } else { format!(": {text}") };
    Error::new(
        kind(result.rc, &text),
        format!("The server refused {doing} with result code {}{told}.", result.rc),
    )
}

fn kind(code: u32, text: &str) -> ErrorKind {
    match code {
        2 | 12 => ErrorKind::InvalidResponse,
        TIME_LIMIT => ErrorKind::Timeout,
        // Not secured, or a replica that takes no writes.
        7 | 8 | 10 | 13 => ErrorKind::Configuration,
        // Active Directory says so to who is not bound.
        1 if text.contains("bind") => ErrorKind::InvalidCredential,
        NO_SUCH_OBJECT => ErrorKind::NotFound,
        48 | 49 => ErrorKind::InvalidCredential,
        50 => ErrorKind::PermissionDenied,
        ENTRY_EXISTS => ErrorKind::AlreadyExists,
        // The overlay `unique`, and Active Directory about names that must be unique.
        19 if text.contains("unique") => ErrorKind::AlreadyExists,
        ASSERTION_FAILED => ErrorKind::Conflict,
        17..=21 | 34 | UNWILLING | 64..=67 | 69 | 71 => ErrorKind::InvalidValue,
        _ => ErrorKind::Unavailable,
    }
}

/// A call that gave no answer. `fault` is what the connection itself saw.
pub(crate) fn broken(error: LdapError, fault: Option<&String>, doing: &str) -> Error {
    let kind = match (&error, fault) {
        (_, Some(fault)) if fault.contains("an answer ") => ErrorKind::InvalidResponse,
        (LdapError::Timeout { .. }, _) => ErrorKind::Timeout,
        (LdapError::FilterParsing | LdapError::AddNoValues, _) => ErrorKind::InvalidValue,
        _ => ErrorKind::Unavailable,
    };
    let why = fault.map_or_else(|| error.to_string(), Clone::clone);
    Error::new(kind, format!("The connection failed at {doing}: {why}.")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_what_follows() {
        for (code, text, expected) in [
            (1, "000004DC: LdapErr: a successful bind must be completed", ErrorKind::InvalidCredential),
            (3, "", ErrorKind::Timeout),
            (10, "", ErrorKind::Configuration),
            (19, "some attributes not unique", ErrorKind::AlreadyExists),
            (19, "Password fails quality checking policy", ErrorKind::InvalidValue),
            (32, "", ErrorKind::NotFound),
            (49, "", ErrorKind::InvalidCredential),
            (50, "", ErrorKind::PermissionDenied),
            (51, "", ErrorKind::Unavailable),
            (65, "", ErrorKind::InvalidValue),
            (68, "", ErrorKind::AlreadyExists),
            (122, "", ErrorKind::Conflict),
        ] {
            assert_eq!(kind(code, text), expected, "{code} {text}");
        }
    }
}
