//! Accounts in one JSON file: the connector that connectors/README.md walks through.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use provost_sdk::{
    Account, AccountKind, Anchor, Apply, Capabilities, Completeness, Connector, Cursor, Error, ErrorKind,
    IdempotencyKey, Item, Observe, Operation, Permission, Probe, Read, Receipt, Result, Setting, SettingKind,
    Settings, Sink, State, Verb, Wanted,
};
use serde::{Deserialize, Serialize};

/// The connector `roster`.
pub struct Roster;

impl Connector for Roster {
    fn kind(&self) -> &'static str {
        "roster"
    }

    fn summary(&self) -> &'static str {
        "Accounts in one JSON file."
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting { name: "path", kind: SettingKind::Text, required: true, place: true, about: "The file." }]
    }

    fn reader(&self, settings: &Settings) -> Result<Box<dyn Observe>> {
        Ok(Box::new(File { path: settings.text("path")?.into() }))
    }

    fn writer(&self, settings: &Settings) -> Result<Box<dyn Apply>> {
        Ok(Box::new(File { path: settings.text("path")?.into() }))
    }
}

/// One target.
struct File {
    path: PathBuf,
}

/// What is in the file: a number that only grows, from which anchors are made, and the accounts by anchor.
#[derive(Default, Deserialize, Serialize)]
struct Content {
    last: u64,
    accounts: BTreeMap<String, Entry>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Entry {
    username: String,
    enabled: bool,
}

#[async_trait]
impl Observe for File {
    async fn describe(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            account_kinds: vec![AccountKind { name: "user".into(), attributes: Vec::new() }],
            verbs: [Verb::Create, Verb::Disable, Verb::Enable, Verb::Delete].into(),
            ..Capabilities::default()
        })
    }

    async fn probe(&self) -> Result<Probe> {
        self.content()?;
        let readable = Permission {
            purpose: "read the file".into(),
            granted: Some(true),
            hint: "Let provost's user read and write the file.".into(),
        };
        Ok(Probe { product: "roster".into(), permissions: vec![readable], ..Probe::default() })
    }

    async fn observe(&self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read> {
        if since.is_some() {
            return Err(Error::new(ErrorKind::Unsupported, "A file does not tell what changed."));
        }
        for (anchor, entry) in &self.content()?.accounts {
            sink.put(Item::Account(account(anchor, entry)));
        }
        Ok(Read { completeness: Completeness::Complete, cursor: None })
    }

    async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>> {
        let content = self.content()?;
        let found = content.accounts.iter().find(|(anchor, entry)| match wanted {
            Wanted::Anchor(wanted) => **anchor == wanted.0,
            Wanted::Username(wanted) => entry.username == *wanted,
        });
        Ok(found.map(|(anchor, entry)| account(anchor, entry)))
    }
}

#[async_trait]
impl Apply for File {
    async fn apply(&self, operation: &Operation, _key: &IdempotencyKey) -> Result<Receipt> {
        // Between reading the file and writing it nobody else may write. (Another process would need a file lock.)
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

        let mut content = self.content()?;
        let (anchor, changed) = match operation {
            Operation::Create(create) => {
                if content.accounts.values().any(|entry| entry.username == create.username) {
                    let message = format!("There is an account {} already.", create.username);
                    return Err(Error::new(ErrorKind::AlreadyExists, message));
                }
                content.last += 1;
                let anchor = format!("a{}", content.last);
                let entry = Entry { username: create.username.clone(), enabled: true };
                content.accounts.insert(anchor.clone(), entry);
                (anchor, true)
            }
            Operation::Disable { account } | Operation::Enable { account } => {
                let wanted = operation.verb() == Verb::Enable;
                let entry =
                    content.accounts.get_mut(account.anchor.as_str()).ok_or_else(|| gone(&account.anchor))?;
                let changed = entry.enabled != wanted;
                entry.enabled = wanted;
                (account.anchor.0.clone(), changed)
            }
            Operation::Delete { account } => {
                content.accounts.remove(account.anchor.as_str()).ok_or_else(|| gone(&account.anchor))?;
                (account.anchor.0.clone(), true)
            }
            other => {
                let message = format!("A roster has no operation {}.", other.verb().as_str());
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        self.write(&content)?;
        // Read back, never assumed.
        let account = self.content()?.accounts.get(&anchor).map(|entry| account(&anchor, entry));
        Ok(if changed { Receipt::changed(account) } else { Receipt::unchanged(account) })
    }
}

impl File {
    fn content(&self) -> Result<Content> {
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(ErrorKind::InvalidResponse, "The roster is not what it should be.").because(error)
            }),
            Err(error) => {
                Err(Error::new(ErrorKind::Unavailable, "The roster cannot be read.").because(error))
            }
        }
    }

    fn write(&self, content: &Content) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Unavailable, "The roster cannot be written.").because(error).in_doubt()
        };
        let text = serde_json::to_vec_pretty(content).map_err(|error| failed(error.into()))?;
        std::fs::write(&self.path, text).map_err(failed)
    }
}

fn account(anchor: &str, entry: &Entry) -> Account {
    Account {
        anchor: Anchor::from(anchor),
        kind: "user".into(),
        username: entry.username.clone(),
        state: if entry.enabled { State::Enabled } else { State::Disabled },
        attributes: BTreeMap::new(),
        entitlements: Some(Default::default()),
        version: None,
    }
}

fn gone(anchor: &Anchor) -> Error {
    Error::new(ErrorKind::NotFound, format!("There is no account {anchor}."))
}
