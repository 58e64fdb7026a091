//! What an account says of itself, as the server keeps it: options of the role, and its comment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_sdk::{Error, ErrorKind, Result, Value};

use crate::quote::literal;

/// The line under a role's comment by which an account is known to be one also while it cannot log in. A role
/// without it that cannot log in is a group.
const MARK: &str = "provost:account";
/// What follows the mark where provost set the password: the id of that credential.
const PASSWORD: &str = " password:";

/// The mark of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The id of the password that provost issued last.
    pub password: Option<String>,
}

/// A role's description as the server keeps it: the comment of people, and the mark below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Description {
    /// What people wrote.
    pub comment: Option<String>,
    /// Whether the role is marked as an account.
    pub mark: Option<Mark>,
}

impl Description {
    /// Takes the mark off.
    pub(crate) fn parse(text: Option<&str>) -> Description {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Description::default() };
        let (comment, last) = match text.rsplit_once('\n') {
            Some((comment, last)) => (Some(comment), last),
            None => (None, text),
        };
        let mark = match last.strip_prefix(MARK) {
            Some("") => Some(Mark::default()),
            Some(rest) => rest.strip_prefix(PASSWORD).map(|id| Mark { password: Some(id.to_owned()) }),
            None => None,
        };
        match mark {
            Some(mark) => Description { comment: comment.map(str::to_owned), mark: Some(mark) },
            None => Description { comment: Some(text.to_owned()), mark: None },
        }
    }

    /// The literal for `COMMENT ON ROLE`.
    pub(crate) fn sql(&self) -> String {
        let mark = self.mark.as_ref().map(|mark| match &mark.password {
            Some(id) => format!("{MARK}{PASSWORD}{id}"),
            None => MARK.to_owned(),
        });
        match (&self.comment, mark) {
            (None, None) => "NULL".into(),
            (Some(comment), None) => literal(comment),
            (None, Some(mark)) => literal(&mark),
            (Some(comment), Some(mark)) => literal(&format!("{comment}\n{mark}")),
        }
    }
}

/// New values of attributes; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    /// At most so many connections; -1 for any number.
    pub connection_limit: Option<i32>,
    /// Until when the password is good, in seconds since 1970; `None` for ever.
    pub valid_until: Option<Option<i64>>,
    /// The comment.
    pub comment: Option<Option<String>>,
}

impl Values {
    /// Reads values as they are asked for.
    pub(crate) fn parse(changes: &BTreeMap<String, Option<Value>>) -> Result<Values> {
        let mut values = Values::default();
        for (name, value) in changes {
            let text = match value {
                None => None,
                Some(Value::Text(text)) => Some(&**text),
                Some(other) => return Err(refused(name, &other.to_string(), "must be a text")),
            };
            match name.as_str() {
                "connection_limit" => values.connection_limit = Some(connection_limit(text)?),
                "valid_until" => values.valid_until = Some(text.map(valid_until).transpose()?),
                "comment" => values.comment = Some(text.map(comment).transpose()?),
                _ => return Err(refused(name, text.unwrap_or_default(), "cannot be set on a role")),
            }
        }
        Ok(values)
    }

    /// The options for `CREATE ROLE` and `ALTER ROLE`, with a space before each.
    pub(crate) fn options(&self) -> String {
        let mut options = String::new();
        if let Some(limit) = self.connection_limit {
            options.push_str(&format!(" CONNECTION LIMIT {limit}"));
        }
        if let Some(until) = self.valid_until {
            let until = until.and_then(instant).unwrap_or_else(|| "infinity".into());
            options.push_str(&format!(" VALID UNTIL {}", literal(&until)));
        }
        options
    }
}

/// An instant as attributes spell it.
pub(crate) fn instant(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|instant| instant.to_string())
}

fn connection_limit(text: Option<&str>) -> Result<i32> {
    let Some(text) = text else { return Ok(-1) };
    match text.parse::<i32>() {
        Ok(limit) if limit >= 0 && limit.to_string() == text => Ok(limit),
        _ => Err(refused("connection_limit", text, "must be a number from 0, without leading zeros")),
    }
}

fn valid_until(text: &str) -> Result<i64> {
    let seconds = text.parse::<Timestamp>().ok().map(Timestamp::as_second);
    match seconds.filter(|seconds| instant(*seconds).as_deref() == Some(text)) {
        Some(seconds) => Ok(seconds),
        // Another spelling of the same instant would read back as a difference for ever.
        None => Err(refused("valid_until", text, "must be an instant in UTC such as 2031-01-31T17:00:00Z")),
    }
}

fn comment(text: &str) -> Result<String> {
    if text.is_empty() || text.contains('\0') {
        return Err(refused("comment", text, "must not be empty and holds no NUL character"));
    }
    if Description::parse(Some(text)).mark.is_some() {
        return Err(refused("comment", text, "must not end in the line by which provost marks accounts"));
    }
    Ok(text.to_owned())
}

fn refused(name: &str, value: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidValue, format!("The attribute `{name}` {why}; it is {value:?}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_taken_off_and_put_back() {
        for text in [
            "provost:account",
            "Ada\nprovost:account",
            "Ada\n\nprovost:account password:7",
            "provost:accounts are kept",
            "provost:account\nthen more",
        ] {
            let description = Description::parse(Some(text));
            assert_eq!(description.sql(), literal(text));
        }
        let description = Description::parse(Some("Ada\nprovost:account password:7"));
        assert_eq!(description.comment.as_deref(), Some("Ada"));
        assert_eq!(description.mark, Some(Mark { password: Some("7".into()) }));
        assert_eq!(Description::parse(None), Description::default());
    }

    #[test]
    fn values_are_kept_as_they_are_or_refused() {
        let parse = |name: &str, value: &str| {
            Values::parse(&BTreeMap::from([(name.to_owned(), Some(Value::from(value)))]))
        };
        for (name, bad) in [
            ("connection_limit", "-1"),
            ("connection_limit", "05"),
            ("connection_limit", "many"),
            ("valid_until", "2031-01-31"),
            ("valid_until", "2031-01-31T17:00:00+02:00"),
            ("valid_until", "infinity"),
            ("comment", ""),
            ("comment", "mine\nprovost:account"),
            ("powers", "superuser"),
        ] {
            assert!(
                matches!(parse(name, bad), Err(error) if error.kind == ErrorKind::InvalidValue),
                "{name} {bad}"
            );
        }
        let until = parse("valid_until", "2031-01-31T17:00:00Z").map(|values| values.options());
        assert_eq!(until.ok().as_deref(), Some(" VALID UNTIL '2031-01-31T17:00:00Z'"));
    }
}
