//! Allowed signers: the file format that `ssh-keygen -Y verify` and git use (ssh-keygen(1), ALLOWED SIGNERS).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::PublicKey;

/// The keys of an allowed_signers file.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners {
    keys: Vec<AllowedKey>,
}

/// One line of an allowed_signers file.
#[derive(Debug, Clone)]
pub struct AllowedKey {
    /// Patterns of principals, as written.
    pub principals: String,
    /// The namespaces that it may sign for; `None`: all.
    pub namespaces: Option<Vec<String>>,
    /// Valid from this second on.
    pub valid_after: Option<i64>,
    /// Valid until this second.
    pub valid_before: Option<i64>,
    /// The key.
    pub key: PublicKey,
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the allowed signers: {reason}")]
pub struct InvalidLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl AllowedSigners {
    /// Reads the file's text. Times without `Z` are in the zone of this machine, as for ssh-keygen.
    ///
    /// # Errors
    /// Refuses what it does not understand, certificate authorities included: a line that is passed over would accept
    /// less, or more, than whoever wrote it expects.
    pub fn parse(text: &str) -> Result<AllowedSigners, InvalidLine> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            keys.push(parse_line(line).map_err(|reason| InvalidLine { line: number + 1, reason })?);
        }
        Ok(AllowedSigners { keys })
    }

    /// A set of keys that may sign the log at any time.
    pub fn of_keys(keys: impl IntoIterator<Item = PublicKey>) -> AllowedSigners {
        let keys = keys.into_iter().map(|key| AllowedKey {
            principals: crate::key::PRINCIPAL.to_owned(),
            namespaces: None,
            valid_after: None,
            valid_before: None,
            key,
        });
        AllowedSigners { keys: keys.collect() }
    }

    /// The keys in their order.
    pub fn keys(&self) -> &[AllowedKey] {
        &self.keys
    }

    /// The line that allows a key to sign for this namespace at this second.
    pub fn find(&self, key: &ssh_key::public::KeyData, namespace: &str, at: i64) -> Option<&AllowedKey> {
        self.keys.iter().find(|allowed| {
            allowed.key.key_data() == key
                && allowed.namespaces.as_ref().is_none_or(|list| list.iter().any(|name| name == namespace))
                && allowed.valid_after.is_none_or(|after| at >= after)
                && allowed.valid_before.is_none_or(|before| at <= before)
        })
    }
}

fn parse_line(line: &str) -> Result<AllowedKey, String> {
    let (principals, mut rest) = word(line)?;
    let mut allowed = (None, None, None);
    loop {
        let (next, tail) = word(rest)?;
        if let Ok(key) = PublicKey::from_openssh(rest) {
            let (namespaces, valid_after, valid_before) = allowed;
            return Ok(AllowedKey {
                principals: principals.to_owned(),
                namespaces,
                valid_after,
                valid_before,
                key,
            });
        }
        if tail.is_empty() {
            return Err("it has no public key that can be read".to_owned());
        }
        for option in options(next) {
            let (name, value) =
                option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let value = value.map(|value| value.trim_matches('"'));
            match (name.to_ascii_lowercase().as_str(), value) {
                ("namespaces", Some(value)) if !value.contains(['*', '?', '!']) => {
                    allowed.0 = Some(value.split(',').map(str::to_owned).collect());
                }
                ("valid-after", Some(value)) => allowed.1 = Some(time(value)?),
                ("valid-before", Some(value)) => allowed.2 = Some(time(value)?),
                _ => return Err(format!("{option:?} is not supported")),
            }
        }
        rest = tail;
    }
}

/// The first word and the rest; quotes hold blanks together.
fn word(text: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    });
    if quoted && end.is_none() {
        return Err("a quote is not closed".to_owned());
    }
    let (first, rest) = text.split_at(end.unwrap_or(text.len()));
    if first.is_empty() { Err("it is cut off".to_owned()) } else { Ok((first, rest.trim_start())) }
}

/// Options are separated by commas outside of quotes.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

/// `YYYYMMDD[HHMM[SS]][Z]` as seconds since 1970.
fn time(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no time");
    let (digits, zone) = match text.strip_suffix('Z') {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, TimeZone::system()),
    };
    let format = match digits.len() {
        8 => "%Y%m%d",
        12 => "%Y%m%d%H%M",
        14 => "%Y%m%d%H%M%S",
        _ => return Err(wrong()),
    };
    let time = match digits.len() {
        8 => jiff::civil::Date::strptime(format, digits).map(|date| date.at(0, 0, 0, 0)),
        _ => DateTime::strptime(format, digits),
    };
    let timestamp = time.and_then(|time| zone.to_timestamp(time)).map_err(|_| wrong())?;
    Ok(timestamp.as_second())
}
