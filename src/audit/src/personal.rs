//! Personal data: values that the log holds only sealed, each under a key of whom it is about, which lies outside of
//! the log. Destroying the key erases them everywhere, and changes no record.
//!
//! In: records as they are about to be written, and JSON that was read. Out: the same with the marked attributes of
//! accounts (and their changes, and drift of them) sealed, or opened.
//!
//! ```text
//! "email": {"sealed": {"hmac": "9f0c...", "of": "p-1042", "text": "kD3v..."}}
//! ```
//!
//! `hmac` is HMAC-SHA-256 over the name and the value, cut to 128 bits; `text` is AES-256-GCM under the first 96 of them
//! as nonce. So a value is sealed to the same text each time: what did not change shows no difference, and who has no
//! key can tell that something changed, and not what.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use rusqlite::{Connection, OptionalExtension as _, params};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use ssh_key::rand_core::{OsRng, RngCore as _};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::{hex, unhex};
use crate::message::canonical_json;
use crate::record::Record;

/// The keys, in the state folder.
const FILE: &str = "personal-keys.sqlite";

/// Where attributes stand in what is recorded: of an account, of an operation that changes some, of drift.
const HOLDERS: [&str; 3] = ["attributes", "changes", "fields"];

/// 128 bits of HMAC: enough to tell values apart, and short in every record.
const HMAC: usize = 16;
/// The nonce of AES-GCM (NIST SP 800-38D).
const NONCE: usize = 12;

type Secret = Zeroizing<[u8; 32]>;

/// The keys of everybody whose data are in the log, and which attributes are personal.
pub struct Vault {
    path: PathBuf,
    names: BTreeSet<String>,
    inside: Mutex<Inside>,
}

struct Inside {
    connection: Connection,
    keys: FxHashMap<String, Option<Secret>>,
}

impl Vault {
    /// Opens the keys of a state folder, or makes a place for them; attributes with these names are sealed from now on.
    ///
    /// # Errors
    /// [`Error::Vault`] if the file cannot be used. It is no cache: without it what was sealed is lost.
    pub fn open(state: &Path, names: impl IntoIterator<Item = String>) -> Result<Vault> {
        let path = state.join(FILE);
        let connection = connect(&path).map_err(failed(&path))?;
        private(&path)?;
        let inside = Mutex::new(Inside { connection, keys: FxHashMap::default() });
        Ok(Vault { path, names: names.into_iter().collect(), inside })
    }

    /// Whether a state folder has keys.
    pub fn exists(state: &Path) -> bool {
        state.join(FILE).exists()
    }

    /// Destroys the key of a subject: an identity's id, or `TARGET:ANCHOR` of an account that is nobody's. False if there
    /// is none.
    ///
    /// # Errors
    /// [`Error::Vault`] if the file cannot be written; then the key is still there.
    pub fn erase(&self, subject: &str) -> Result<bool> {
        let mut inside = self.inside();
        inside.keys.remove(subject);
        let gone = inside.connection.execute("DELETE FROM keys WHERE subject = ?1", [subject]);
        Ok(gone.map_err(failed(&self.path))? > 0)
    }

    /// The records with everything personal in them sealed. The keys are durable when this returns.
    pub(crate) fn seal(&self, records: &[Record]) -> Result<Vec<Record>> {
        let mut inside = self.inside();
        let Inside { connection, keys } = &mut *inside;
        let transaction = connection.transaction().map_err(failed(&self.path))?;
        let mut made = Vec::new();
        let mut sealer = Sealer {
            names: &self.names,
            key_of: &mut |subject: &str| {
                let known = key_of(&transaction, keys, subject)?;
                if let Some(key) = known {
                    return Ok(key);
                }
                let mut key = Secret::default();
                OsRng.fill_bytes(&mut *key);
                transaction.execute("INSERT INTO keys VALUES (?1, ?2)", params![subject, &key[..]])?;
                keys.insert(subject.to_owned(), Some(key.clone()));
                made.push(subject.to_owned());
                Ok(key)
            },
        };
        let sealed = records.iter().map(|record| sealer.record(record)).collect::<rusqlite::Result<_>>();
        let done = sealed.and_then(|sealed: Vec<Record>| transaction.commit().map(|()| sealed));
        if done.is_err() {
            // What was not committed must not be used.
            made.iter().for_each(|subject| drop(keys.remove(subject)));
        }
        done.map_err(failed(&self.path))
    }

    /// Opens everything that is sealed in a value; what has no key any more is left out.
    ///
    /// # Errors
    /// [`Error::Vault`] if the keys cannot be read.
    pub fn open_sealed(&self, value: &mut Value) -> Result<()> {
        let mut inside = self.inside();
        let Inside { connection, keys } = &mut *inside;
        open(value, &mut |subject| key_of(connection, keys, subject)).map_err(failed(&self.path))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // A panic elsewhere leaves keys that are whole.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves out everything that is sealed: for whoever has no keys.
pub fn leave_out_sealed(value: &mut Value) {
    // Without keys nothing can fail.
    let _ = open(value, &mut |_| Ok(None));
}

struct Sealer<'a> {
    names: &'a BTreeSet<String>,
    key_of: &'a mut dyn FnMut(&str) -> rusqlite::Result<Secret>,
}

impl Sealer<'_> {
    fn record(&mut self, record: &Record) -> rusqlite::Result<Record> {
        let mut sealed = record.clone();
        let target = record.target.as_deref().unwrap_or_default();
        let subject = record.subject.as_deref().unwrap_or(target);
        self.walk(&mut sealed.body, subject, target)?;
        for item in &mut sealed.items {
            self.walk(&mut item.call, &item.subject, &item.target)?;
        }
        for (path, content) in sealed.changes.iter_mut().filter(|(path, _)| path.is_live()) {
            let Some(bytes) = content else { continue };
            let Ok(before) = serde_json::from_slice::<Value>(bytes) else { continue };
            let mut after = before.clone();
            let target = path.as_str().split('/').nth(1).unwrap_or_default();
            self.walk(&mut after, target, target)?;
            if after != before {
                *bytes = format!("{after:#}\n").into_bytes();
            }
        }
        Ok(sealed)
    }

    /// Seals what is personal in a value about `subject`; an object may say that it is about somebody else.
    fn walk(&mut self, value: &mut Value, subject: &str, target: &str) -> rusqlite::Result<()> {
        match value {
            Value::Array(all) => all.iter_mut().try_for_each(|one| self.walk(one, subject, target)),
            Value::Object(fields) => {
                let subject = subject_of(fields, target).unwrap_or_else(|| subject.to_owned());
                for (name, field) in fields.iter_mut() {
                    match field {
                        Value::Object(attributes) if HOLDERS.contains(&name.as_str()) => {
                            self.attributes(attributes, &subject)?;
                        }
                        _ => self.walk(field, &subject, target)?,
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn attributes(&mut self, attributes: &mut Map<String, Value>, subject: &str) -> rusqlite::Result<()> {
        for (name, value) in attributes.iter_mut() {
            // That a value is taken away is no datum of anybody.
            if self.names.contains(name) && !value.is_null() {
                let key = (self.key_of)(subject)?;
                *value = sealed(&key, subject, name, value);
            }
        }
        Ok(())
    }
}

/// Whom an object is about, if it says so: the identity that it names, or the account that it is.
fn subject_of(fields: &Map<String, Value>, target: &str) -> Option<String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let linked = text(fields.get("link").and_then(|link| link.get("identity")));
    let account = || {
        let whole = fields.contains_key("attributes").then(|| fields.get("anchor"));
        text(whole.unwrap_or_else(|| fields.get("account"))).map(|anchor| format!("{target}:{anchor}"))
    };
    linked.or_else(|| text(fields.get("identity"))).or_else(account)
}

fn sealed(key: &Secret, subject: &str, name: &str, value: &Value) -> Value {
    // Values of attributes have text keys only, so they always are JSON.
    let text = canonical_json(value).unwrap_or_default();
    let hmac = hmac_of(key, name, &text);
    let cipher = Aes256Gcm::new(&(*part(key, b"seal")).into());
    // AES-GCM refuses only what is longer than 64 GB.
    let text = cipher.encrypt(Nonce::from_slice(&hmac[..NONCE]), text.as_bytes()).unwrap_or_default();
    json!({ "sealed": { "hmac": hex(&hmac), "of": subject, "text": STANDARD.encode(text) } })
}

/// The value behind a sealed one; `None` if this is not its key, or it was altered.
fn opened(key: &Secret, name: &str, sealed: &Value) -> Option<Value> {
    let hmac = unhex(sealed.get("hmac")?.as_str()?)?;
    let text = STANDARD.decode(sealed.get("text")?.as_str()?).ok()?;
    let cipher = Aes256Gcm::new(&(*part(key, b"seal")).into());
    let text = cipher.decrypt(Nonce::from_slice(hmac.get(..NONCE)?), &*text).ok()?;
    let text = String::from_utf8(text).ok()?;
    (hmac == hmac_of(key, name, &text)).then(|| serde_json::from_str(&text).ok())?
}

fn open(
    value: &mut Value,
    key_of: &mut dyn FnMut(&str) -> rusqlite::Result<Option<Secret>>,
) -> rusqlite::Result<()> {
    match value {
        Value::Array(all) => all.iter_mut().try_for_each(|one| open(one, key_of)),
        Value::Object(fields) => {
            let mut lost = Vec::new();
            for (name, field) in fields.iter_mut() {
                let Some(sealed) = field.get("sealed").filter(|sealed| sealed.get("hmac").is_some()) else {
                    open(field, key_of)?;
                    continue;
                };
                let key = key_of(sealed.get("of").and_then(Value::as_str).unwrap_or_default())?;
                match key.and_then(|key| opened(&key, name, sealed)) {
                    Some(value) => *field = value,
                    None => lost.push(name.clone()),
                }
            }
            lost.iter().for_each(|name| drop(fields.remove(name)));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn hmac_of(key: &Secret, name: &str, text: &str) -> [u8; HMAC] {
    let whole = mac(&part(key, b"hmac"), &[name.as_bytes(), &[0], text.as_bytes()]);
    let mut cut = [0; HMAC];
    cut.copy_from_slice(&whole[..HMAC]);
    cut
}

/// Two keys of one, so that none is used for two things.
fn part(key: &Secret, what: &[u8]) -> Secret {
    mac(key, &[what])
}

fn mac(key: &Secret, parts: &[&[u8]]) -> Secret {
    // A key that is shorter than a block is filled up with zeros (RFC 2104).
    let mut block = Zeroizing::new([0; 64]);
    block[..key.len()].copy_from_slice(&**key);
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new((&*block).into());
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn key_of(
    connection: &Connection,
    keys: &mut FxHashMap<String, Option<Secret>>,
    subject: &str,
) -> rusqlite::Result<Option<Secret>> {
    match keys.entry(subject.to_owned()) {
        Entry::Occupied(known) => Ok(known.get().clone()),
        Entry::Vacant(place) => {
            let mut statement = connection.prepare("SELECT key FROM keys WHERE subject = ?1")?;
            let key: Option<[u8; 32]> = statement.query_row([subject], |row| row.get(0)).optional()?;
            Ok(place.insert(key.map(Zeroizing::new)).clone())
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    // What is deleted is overwritten, and no journal keeps it: an erased key is to be gone.
    connection.pragma_update(None, "secure_delete", "on")?;
    connection.pragma_update(None, "journal_mode", "truncate")?;
    connection.pragma_update(None, "synchronous", "extra")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS keys (subject TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID",
    )?;
    Ok(connection)
}

/// Nobody else on the machine reads the keys.
fn private(path: &Path) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, mode).map_err(Error::io("protecting", path))
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Vault { path: path.clone(), source }
}
