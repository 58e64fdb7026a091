//! Names and texts inside of statements that take no parameters, by the server's own rules
//! (PostgreSQL documentation, section 4.1, "Lexical Structure").

use provost_sdk::{Error, ErrorKind, Result};

/// The longest name in bytes: NAMEDATALEN less its end. A longer one is cut by the server without an error.
const LONGEST_NAME: usize = 63;

/// A name as a quoted identifier, which keeps its case and every character.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal. Where a backslash is in it, the escape form is used, which means the same whatever
/// `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

/// A name that the server keeps as it is, or why it would not.
pub(crate) fn name(name: &str) -> Result<&str> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidValue, format!("The name {name:?} {why}.")));
    if name.is_empty() {
        return refuse("is empty");
    }
    if name.contains('\0') {
        return refuse("holds a NUL character");
    }
    if name.len() > LONGEST_NAME {
        return refuse("has more than 63 bytes, and the server would cut it");
    }
    if name.starts_with("pg_") || ["public", "none"].contains(&name) {
        return refuse("is reserved by the server");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_keep_every_character() {
        assert_eq!(ident("Alice"), "\"Alice\"");
        assert_eq!(ident("a\"; DROP ROLE b; --"), "\"a\"\"; DROP ROLE b; --\"");
    }

    #[test]
    fn literals_mean_the_same_under_every_setting() {
        assert_eq!(literal("o'brien"), "'o''brien'");
        assert_eq!(literal("back\\'slash"), "E'back\\\\''slash'");
    }

    #[test]
    fn names_that_the_server_would_change_are_refused() {
        let longest = "é".repeat(31) + "x";
        assert!(name(&longest).is_ok());
        for bad in [&*format!("{longest}x"), "", "a\0b", "pg_mine", "public", "none"] {
            assert!(matches!(name(bad), Err(error) if error.kind == ErrorKind::InvalidValue), "{bad:?}");
        }
    }
}
