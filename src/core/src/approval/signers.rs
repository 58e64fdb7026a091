//! Which keys may sign: `policy/allowed_signers` in OpenSSH's format (ssh-keygen(1), ALLOWED SIGNERS) and
//! `policy/revoked_keys`, a list of public keys or a key revocation list.
//!
//! Whatever it does not understand it refuses: a line that is passed over would accept less, or more, than whoever
//! wrote it expects.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use super::krl;
use super::statement::NAMESPACE;
use crate::Sym;
use crate::document::KEY_TYPES;

/// A public key, as OpenSSH writes it: type and base64, without a comment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PublicKey(Sym);

/// One line of the allowed signers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Signer {
    /// Whose key it is: a person by id. Two people never share a key, for people are counted.
    pub person: Sym,
    /// What it may sign; everything where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<Sym>>,
    /// The first second at which it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_after: Option<Timestamp>,
    /// The last second at which it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_before: Option<Timestamp>,
    /// The key.
    pub key: PublicKey,
}

/// The document `policy/allowed_signers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signers {
    /// Always [`Signers::ID`].
    pub id: Sym,
    /// In the order of lines.
    pub signers: Vec<Signer>,
}

/// A key that is good no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Revoked {
    /// This key.
    Key(PublicKey),
    /// The key with this fingerprint: base64 of SHA-256 over its blob.
    Sha256(Sym),
    /// The key with this fingerprint: base64 of SHA-1 over its blob, as old revocation lists have it.
    Sha1(Sym),
}

/// The document `policy/revoked_keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevokedKeys {
    /// Always [`RevokedKeys::ID`].
    pub id: Sym,
    /// Which.
    pub revoked: BTreeSet<Revoked>,
}

/// The keys that may sign, by rules in force. Without documents there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys<'a> {
    /// The allowed signers.
    pub allowed: Option<&'a Signers>,
    /// The revoked keys.
    pub revoked: Option<&'a RevokedKeys>,
}

/// Why a file is no list of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SignersError {
    /// The line, from 1; none for a whole file.
    pub line: Option<u32>,
    /// What is wrong.
    pub reason: String,
}

/// Lines of one file at most: ten times the people of the largest organisation that signs.
const MAX_LINES: usize = 10_000;

impl Keys<'_> {
    /// Whether a key is one of a person's for approvals at an instant.
    pub fn allows(&self, key: &PublicKey, person: Sym, at: Timestamp) -> bool {
        self.owner(key, NAMESPACE, at) == Some(person)
    }

    /// Whose a key is for a namespace at an instant.
    pub fn owner(&self, key: &PublicKey, namespace: &str, at: Timestamp) -> Option<Sym> {
        let signers = self.allowed.into_iter().flat_map(|allowed| &allowed.signers);
        let mut good = signers.filter(|signer| signer.key == *key && signer.is_good_for(namespace, at));
        let person = good.next()?.person;
        (!self.revoked.is_some_and(|revoked| revoked.has(key))).then_some(person)
    }

    /// Whether a person has a key for approvals that is not revoked, whatever its dates.
    pub fn has_any(&self, person: Sym) -> bool {
        let signers = self.allowed.into_iter().flat_map(|allowed| &allowed.signers);
        signers
            .filter(|signer| signer.person == person && signer.is_for(NAMESPACE))
            .any(|signer| !self.revoked.is_some_and(|revoked| revoked.has(&signer.key)))
    }

    /// Everyone who has a key for approvals at an instant.
    pub fn people(&self, at: Timestamp) -> BTreeSet<Sym> {
        let signers = self.allowed.into_iter().flat_map(|allowed| &allowed.signers);
        let good = signers.filter(|signer| {
            signer.is_good_for(NAMESPACE, at) && !self.revoked.is_some_and(|revoked| revoked.has(&signer.key))
        });
        good.map(|signer| signer.person).collect()
    }

    /// The next instant after `now` at which a key becomes good or stops being so.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let signers = self.allowed.into_iter().flat_map(|allowed| &allowed.signers);
        let edges = signers.flat_map(|signer| [signer.valid_after, signer.valid_before.map(after)]);
        edges.flatten().filter(|edge| *edge > now).min()
    }
}

/// The first instant after the second that is still included.
fn after(second: Timestamp) -> Timestamp {
    second.checked_add(jiff::SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX)
}

impl Signer {
    /// Whether it may sign in this namespace at an instant, its own dates considered.
    pub fn is_good_for(&self, namespace: &str, at: Timestamp) -> bool {
        self.is_for(namespace)
            && self.valid_after.is_none_or(|first| at >= first)
            && self.valid_before.is_none_or(|last| at < after(last))
    }

    fn is_for(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|names| names.iter().any(|name| *name == *namespace))
    }
}

impl Signers {
    /// The id of the document.
    pub const ID: &str = "allowed_signers";
    /// Its path in the repository.
    pub const PATH: &str = "policy/allowed_signers";

    /// Reads the file.
    ///
    /// # Errors
    /// Everything that is wrong, by line.
    pub fn parse(bytes: &[u8]) -> Result<Signers, Vec<SignersError>> {
        let signers = lines(bytes, signer)?;
        for (place, one) in signers.iter().enumerate() {
            let other =
                signers[..place].iter().find(|other| other.key == one.key && other.person != one.person);
            if let Some(other) = other {
                let reason = format!("{} and {} have one key ({:?})", other.person, one.person, one.key);
                return Err(vec![SignersError { line: None, reason }]);
            }
        }
        Ok(Signers { id: Sym::new(Signers::ID), signers })
    }

    /// Whether this only takes away from what `before` allows: every line is one of its lines.
    pub fn only_takes_away(&self, before: &Signers) -> bool {
        self.signers.iter().all(|signer| before.signers.contains(signer))
    }
}

impl RevokedKeys {
    /// The id of the document.
    pub const ID: &str = "revoked_keys";
    /// Its path in the repository.
    pub const PATH: &str = "policy/revoked_keys";

    /// Reads the file: a key revocation list of ssh-keygen, or public keys, one a line.
    ///
    /// # Errors
    /// Everything that is wrong, by line.
    pub fn parse(bytes: &[u8]) -> Result<RevokedKeys, Vec<SignersError>> {
        let revoked = if krl::is_krl(bytes) {
            krl::parse(bytes).map_err(|reason| vec![SignersError { line: None, reason }])?
        } else {
            lines(bytes, |line| PublicKey::parse(line).map(Revoked::Key))?.into_iter().collect()
        };
        Ok(RevokedKeys { id: Sym::new(RevokedKeys::ID), revoked })
    }

    /// Whether a key is revoked.
    pub fn has(&self, key: &PublicKey) -> bool {
        if self.revoked.contains(&Revoked::Key(*key)) {
            return true;
        }
        let blob = key.blob();
        let sha1 = || <sha1::Sha1 as sha1::Digest>::digest(&blob);
        self.revoked.contains(&Revoked::Sha256(Sym::new(&STANDARD_NO_PAD.encode(Sha256::digest(&blob)))))
            || self.revoked.contains(&Revoked::Sha1(Sym::new(&STANDARD_NO_PAD.encode(sha1()))))
    }

    /// Whether this revokes everything that `before` does.
    pub fn only_takes_away(&self, before: &RevokedKeys) -> bool {
        before.revoked.is_subset(&self.revoked)
    }
}

impl PublicKey {
    /// Reads `type base64 [comment]`. What is behind the base64 is not looked at.
    ///
    /// # Errors
    /// A sentence without its full stop.
    pub fn parse(text: &str) -> Result<PublicKey, String> {
        let mut words = text.split_ascii_whitespace();
        let (Some(kind), Some(data)) = (words.next(), words.next()) else {
            return Err("this is no public key: a type and base64 are expected".to_owned());
        };
        if !KEY_TYPES.contains(&kind) {
            return Err(format!("`{}` is no type of key that may sign", kind.escape_debug()));
        }
        let blob = STANDARD.decode(data).map_err(|_| "the key is no base64".to_owned())?;
        let key = PublicKey::from_blob(&blob)?;
        if key.0.as_str().split(' ').next() != Some(kind) {
            return Err(format!("the key says that it is another type than `{kind}`"));
        }
        Ok(key)
    }

    /// A key from its blob (RFC 4253, section 6.6), which begins with its type.
    ///
    /// # Errors
    /// A sentence without its full stop.
    pub fn from_blob(blob: &[u8]) -> Result<PublicKey, String> {
        let kind = krl::Reader::new(blob)
            .string()
            .and_then(|kind| std::str::from_utf8(kind).ok())
            .filter(|kind| KEY_TYPES.contains(kind))
            .ok_or_else(|| "the key is of no type that may sign".to_owned())?;
        Ok(PublicKey(Sym::new(&format!("{kind} {}", STANDARD.encode(blob)))))
    }

    /// Its blob, as a signature carries it.
    pub fn blob(&self) -> Vec<u8> {
        let data = self.0.as_str().split_once(' ').map_or("", |(_, data)| data);
        STANDARD.decode(data).unwrap_or_default()
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(self.blob())))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        PublicKey::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Reads what is in each line of a text; blank lines and comments hold nothing.
fn lines<T>(bytes: &[u8], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Vec<SignersError>> {
    let whole = |reason: &str| vec![SignersError { line: None, reason: reason.to_owned() }];
    let text = std::str::from_utf8(bytes).map_err(|_| whole("the file is no UTF-8 text"))?;
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match read(line) {
            Ok(one) => found.push(one),
            Err(reason) => errors.push(SignersError { line: Some(number), reason }),
        }
    }
    if found.len() > MAX_LINES {
        return Err(whole("the file has more than 10,000 keys"));
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn signer(line: &str) -> Result<Signer, String> {
    if line.contains("PRIVATE KEY") {
        return Err("this is a private key, and it is in the history now: replace that key".to_owned());
    }
    let (principals, rest) = word(line)?;
    let person = person(principals)?;
    let (next, tail) = word(rest)?;
    let (options, key) = if KEY_TYPES.contains(&next) { ("", rest) } else { (next, tail) };
    let mut signer = Signer {
        person,
        namespaces: None,
        valid_after: None,
        valid_before: None,
        key: PublicKey::parse(key)?,
    };
    let mut seen = BTreeSet::new();
    for option in split(options).filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let name = name.to_ascii_lowercase();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        match name.as_str() {
            "namespaces" => signer.namespaces = Some(namespaces(value)?),
            "valid-after" => signer.valid_after = Some(time(value)?),
            "valid-before" => signer.valid_before = Some(time(value)?),
            "cert-authority" => return Err("certificate authorities are not accepted here".to_owned()),
            _ => return Err(format!("the option `{}` is not supported", option.escape_debug())),
        }
        if !seen.insert(name) {
            return Err(format!("the option `{}` stands here twice", option.escape_debug()));
        }
    }
    Ok(signer)
}

/// The principal is one person's id. A pattern would name people who are not written down.
fn person(principal: &str) -> Result<Sym, String> {
    let name = principal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(principal);
    if name.contains(['*', '?', '!']) {
        return Err(format!("`{}` is a pattern, and every signer is named by id", name.escape_debug()));
    }
    if name.contains(',') {
        return Err(format!("`{}` are several, and a key is one person's", name.escape_debug()));
    }
    if !crate::document::is_id(name) {
        return Err(format!("`{}` is no id of a person", name.escape_debug()));
    }
    Ok(Sym::new(name))
}

fn namespaces(value: &str) -> Result<Vec<Sym>, String> {
    let names: Vec<&str> = value.split(',').collect();
    match names.iter().find(|name| name.is_empty() || name.contains(['*', '?', '!', '"'])) {
        Some(name) => Err(format!("`{}` is no namespace; patterns are not accepted", name.escape_debug())),
        None => Ok(names.into_iter().map(Sym::new).collect()),
    }
}

/// The first word and the rest; quotes hold blanks together.
fn word(text: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    });
    let (first, rest) = text.split_at(end.unwrap_or(text.len()));
    if quoted && end.is_none() {
        return Err("a quote is not closed".to_owned());
    }
    if first.is_empty() { Err("the line is cut off".to_owned()) } else { Ok((first, rest.trim_start())) }
}

/// Options are separated by commas outside of quotes.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

/// `YYYYMMDDZ` or `YYYYMMDDHHMM[SS]Z`. Without `Z` ssh-keygen takes the zone of the machine that it runs on, so that
/// two machines would disagree: refused.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{}` is no time such as 20261231Z", text.escape_debug());
    let digits =
        text.strip_suffix('Z').ok_or_else(|| format!("`{}` does not end in Z", text.escape_debug()))?;
    let time = match digits.len() {
        8 => Date::strptime("%Y%m%d", digits).map(|date| date.at(0, 0, 0, 0)),
        12 => DateTime::strptime("%Y%m%d%H%M", digits),
        14 => DateTime::strptime("%Y%m%d%H%M%S", digits),
        _ => return Err(wrong()),
    };
    time.and_then(|time| TimeZone::UTC.to_timestamp(time)).map_err(|_| wrong())
}
