//! The targets, in processes of their own: each streams its accounts as lines of JSON over a pipe.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::observed::Collector;
use provost_core::organisation::Organisation;
use provost_sdk::{
    Account, AccountKind, Attribute, Capabilities, Completeness, Entitlement, EntitlementKey,
    EntitlementKind, Item, Read, Sink, State, Verb,
};

const EVERYTHING: Read = Read { completeness: Completeness::Complete, cursor: None };

/// What a target of the bench can do.
pub fn capabilities() -> Capabilities {
    let attribute = |name: &str| Attribute { name: name.to_owned(), ..Attribute::default() };
    let attributes = vec![attribute("display_name"), attribute("email")];
    Capabilities {
        account_kinds: vec![AccountKind { name: "user".to_owned(), attributes }],
        entitlement_kinds: vec![EntitlementKind { name: "team".to_owned(), ..EntitlementKind::default() }],
        verbs: [Verb::Create, Verb::Update, Verb::Enable, Verb::Disable, Verb::Grant, Verb::Revoke].into(),
        ..Capabilities::default()
    }
}

/// Writes down what each target has when everything is as it is to be: one file a target.
pub fn furnish(organisation: &Organisation, folder: &Path) -> io::Result<()> {
    for document in organisation.snapshot().targets() {
        let mut out = BufWriter::new(File::create(file(folder, document.id))?);
        let mut put = |item: Item| -> io::Result<()> {
            serde_json::to_writer(&mut out, &item)?;
            out.write_all(b"\n")
        };
        for n in 0..100 {
            let (anchor, name) = (format!("group-{n}").into(), format!("g-{n}"));
            put(Item::Entitlement(Entitlement {
                kind: "team".to_owned(),
                anchor,
                name,
                administrative: false,
            }))?;
        }
        for identity in organisation.access().identities() {
            for wanted in organisation.access().wanted(identity, document.id) {
                let login = organisation
                    .access()
                    .login(organisation.snapshot(), identity, document.id, wanted.profile)
                    .map_err(|problem| io::Error::other(problem.to_string()))?;
                let key = |name: &str| EntitlementKey {
                    kind: "team".to_owned(),
                    anchor: name.replace("g-", "group-").into(),
                    role: None,
                };
                put(Item::Account(Account {
                    anchor: anchor(identity).as_str().into(),
                    kind: "user".to_owned(),
                    username: login.username.to_string(),
                    state: State::Enabled,
                    attributes: login
                        .attributes
                        .into_iter()
                        .map(|(name, (value, _))| (name.to_string(), value))
                        .collect(),
                    entitlements: Some(
                        wanted.entitlements.iter().map(|spec| key(spec.name.as_str())).collect(),
                    ),
                    version: None,
                }))?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

/// The anchor of an identity's account: the same on each target, as targets of one product number their own accounts.
pub fn anchor(identity: Sym) -> Sym {
    Sym::new(&format!("account-{identity}"))
}

/// What the process of one target does.
pub fn serve(file: &Path) -> io::Result<()> {
    io::copy(&mut File::open(file)?, &mut io::stdout().lock()).map(|_| ())
}

/// Reads a target from its process, from the first byte to the end of the read. Gives how many accounts changed.
pub fn read(
    organisation: &mut Organisation,
    folder: &Path,
    target: Sym,
    now: Timestamp,
) -> io::Result<usize> {
    let mut process = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(file(folder, target))
        .stdout(Stdio::piped())
        .spawn()?;
    let output = process.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
    let mut found = Collector::begin(now, None);
    let mut lines = BufReader::with_capacity(1 << 18, output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        found.put(serde_json::from_slice(&line)?);
        line.clear();
    }
    process.wait()?;
    let (merged, _) = organisation.merge(target, capabilities(), found, &EVERYTHING, now);
    Ok(merged.changed.len())
}

fn file(folder: &Path, target: Sym) -> PathBuf {
    folder.join(format!("{target}.jsonl"))
}
