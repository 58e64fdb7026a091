//! What the server's SQLSTATE codes mean (PostgreSQL documentation, appendix A).

use std::error::Error as _;

use provost_sdk::{Error, ErrorKind, Result};
use tokio_postgres::error::DbError;

/// Turns the failure of a statement into one that says what was tried.
pub(crate) trait While<T> {
    /// `doing` continues the sentence "... failed while ".
    fn when(self, doing: &str) -> Result<T>;
}

impl<T> While<T> for std::result::Result<T, tokio_postgres::Error> {
    fn when(self, doing: &str) -> Result<T> {
        self.map_err(|error| of(error, doing))
    }
}

fn of(error: tokio_postgres::Error, doing: &str) -> Error {
    if let Some(answer) = error.as_db_error() {
        let kind = kind(answer.code().code(), answer.message());
        return Error::new(kind, format!("The server refused {doing}: {}", told(answer))).because(error);
    }
    let cause = error.source();
    let io = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
    if io.and_then(|io| io.get_ref()).is_some_and(|inner| inner.is::<rustls::Error>()) {
        let message = format!(
            "The server's certificate or TLS is not accepted: {}.",
            cause.map(ToString::to_string).unwrap_or_default()
        );
        return Error::new(ErrorKind::Configuration, message).because(error);
    }
    let kind = match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::TimedOut) => ErrorKind::Timeout,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("The connection to the server failed while {doing}: {error}.")).because(error)
}

/// The kind of a refusal by its SQLSTATE; one code is shared by many internal errors, so that its text decides.
fn kind(code: &str, message: &str) -> ErrorKind {
    match code {
        "28000" | "28P01" => ErrorKind::InvalidCredential,
        "3D000" | "25006" => ErrorKind::Configuration,
        "42501" => ErrorKind::PermissionDenied,
        "42710" | "42P04" | "42P06" => ErrorKind::AlreadyExists,
        "42704" | "42P01" | "3F000" => ErrorKind::NotFound,
        "42939" | "42602" | "42622" | "2BP01" | "0LP01" | "54000" => ErrorKind::InvalidValue,
        "40001" | "40P01" | "55P03" | "55006" | "23505" => ErrorKind::Conflict,
        "XX000" if message.contains("concurrently") => ErrorKind::Conflict,
        "57014" => ErrorKind::Timeout,
        _ if code.starts_with("22") => ErrorKind::InvalidValue,
        _ if ["53", "57", "08"].iter().any(|class| code.starts_with(class)) => ErrorKind::Unavailable,
        _ => ErrorKind::InvalidResponse,
    }
}

fn told(answer: &DbError) -> String {
    let mut told = format!("{} ({})", answer.message(), answer.code().code());
    if let Some(detail) = answer.detail() {
        told.push_str(". ");
        told.push_str(detail);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_what_follows() {
        for (code, message, expected) in [
            ("42710", "", ErrorKind::AlreadyExists),
            ("42704", "", ErrorKind::NotFound),
            ("0LP01", "", ErrorKind::InvalidValue),
            ("28P01", "", ErrorKind::InvalidCredential),
            ("53300", "", ErrorKind::Unavailable),
            ("22021", "", ErrorKind::InvalidValue),
            ("XX000", "tuple concurrently updated", ErrorKind::Conflict),
            ("XX000", "cache lookup failed", ErrorKind::InvalidResponse),
        ] {
            assert_eq!(kind(code, message), expected, "{code} {message}");
        }
    }
}
