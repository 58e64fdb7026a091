//! What provost remembers, as files in the tree of the audit log: written by records, read back at the start.
//!
//! ```text
//! desired.json                        the commit that counts, and versions of identities that stand for broken files
//! suspended.json                      what operators suspended
//! rules/KIND/ID.json                  each rule in force: its file, its blob, its text
//! recovery-keys                       public keys whose signature `provost trust` needs
//! targets/ID/adopted.json             the place that was adopted
//! targets/ID/entitlements.json        every entitlement that was seen, under which names
//! authors/KIND/ID.json                who wrote a document of which something waits, since its version in force
//! approvals/DIGEST.json               an approval as it was first seen, by the digest of what was signed
//! approvals/DIGEST.approval           the signed file itself
//! emergencies/DIGEST.json             what was taken by break-glass, and who reviewed it
//! emergencies/DIGEST.break-glass      the signed files themselves
//! uses.json                           what became of approvals: what is agreed, spent, denied
//! live/TARGET/x/y/z/ACCOUNT.json      every account that was seen
//! ```
//!
//! Nothing else is remembered. All of it can be read with plain git.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git2::{ObjectType, Oid, Repository};
use provost_audit::{Change, TreePath, Vault, account_path, encode_component, leave_out_sealed};
use provost_core::Sym;
use provost_core::approval::{Approval, Emergency, Uses};
use provost_core::digest::Digest;
use provost_core::document::{Kind, parse};
use provost_core::observed::{AccountRecord, EntitlementRecord, Observed};
use provost_core::snapshot::Version;
use provost_core::step::Suspension;
use serde::{Deserialize, Serialize};

use super::EngineError;
use crate::approval::look::{APPROVAL, Class, EMERGENCY};
use crate::cache::Accounts;
use crate::git::{Differing, blobs_between, read_blobs};
use crate::trust::{Authors, Origins, Slot};

/// The folder of accounts.
const LIVE: &str = "live";

/// What the tree of one audit commit says.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) desired: Desired,
    pub(crate) suspension: Suspension,
    pub(crate) rules: Vec<Version>,
    pub(crate) authors: Origins,
    pub(crate) targets: BTreeMap<Sym, TargetMemory>,
    /// Public keys, as OpenSSH writes them.
    pub(crate) recovery_keys: Vec<String>,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) emergencies: BTreeMap<Digest, Emergency>,
    pub(crate) uses: Uses,
    /// Files of people, as they signed them.
    pub(crate) signed: Vec<(Class, Vec<u8>)>,
    /// How many accounts were not in the cache.
    pub(crate) accounts_read: usize,
}

/// What is remembered of one target.
#[derive(Default)]
pub(crate) struct TargetMemory {
    pub(crate) adopted: Option<Adoption>,
    pub(crate) observed: Observed,
    entitlements: Vec<EntitlementRecord>,
    accounts: Vec<AccountRecord>,
}

/// The commit that counts, and what stands for files of it that are broken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Desired {
    /// The installation: the id of its first genesis.
    #[serde(default)]
    pub(crate) installation: Option<String>,
    pub(crate) commit: Option<String>,
    /// Versions of identities by file, where the file of the commit does not count.
    #[serde(default)]
    pub(crate) standing: Vec<Standing>,
    /// Identities whose file has vanished; their last versions are among `standing`.
    #[serde(default)]
    pub(crate) vanished: Vec<Sym>,
    /// Ids of files that do not count because somebody had the id before.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) reused: BTreeSet<Sym>,
}

/// A version of a document that counts, and its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standing {
    pub(crate) path: String,
    pub(crate) blob: String,
    pub(crate) text: String,
    /// Whether the text has one character for each byte of a file that is no text: a binary list of revoked keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) binary: bool,
}

/// Who wrote a document.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    of: Slot,
    by: Authors,
}

/// Which system was adopted under a target's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adoption {
    /// The settings that say which system it is.
    pub(crate) place: String,
    /// The target's own id of the installation, where it tells one.
    #[serde(default)]
    pub(crate) instance: Option<String>,
    /// When.
    pub(crate) at: jiff::Timestamp,
}

impl Memory {
    /// Reads the tree of a commit of the audit log. Accounts that are `kept` of another commit are read again only where
    /// they differ. Without its keys what is sealed is left out.
    pub(crate) fn read(
        path: &Path,
        repository: &Repository,
        commit: Oid,
        kept: Option<Accounts>,
        vault: Option<&Vault>,
    ) -> Result<Memory, EngineError> {
        let tree = repository.find_commit(commit)?.tree()?;
        let mut memory = Memory::default();
        let known = |kept: Accounts| match repository.find_commit(kept.commit) {
            Ok(commit) => Some((commit, kept.targets)),
            Err(_) => {
                tracing::warn!(commit = %kept.commit, "what is kept of accounts is of a commit that is gone");
                None
            }
        };
        let before = kept.and_then(known);
        let before = before.map(|(commit, targets)| commit.tree().map(|tree| (tree, targets))).transpose()?;
        let mut files: Vec<(String, Oid)> = Vec::new();
        let mut gone: Vec<(String, Oid)> = Vec::new();
        let kept_tree = before.map(|(tree, targets)| {
            for (target, observed) in targets {
                memory.target(target.as_str()).observed = observed;
            }
            tree
        });
        let mut differing = Vec::new();
        for entry in &tree {
            let Some(name) = entry.name().ok().filter(|name| *name != LIVE) else { continue };
            match entry.kind() {
                Some(ObjectType::Blob) => files.push((name.to_owned(), entry.id())),
                Some(ObjectType::Tree) => {
                    let folder = repository.find_tree(entry.id())?;
                    blobs_between(repository, None, Some(&folder), &format!("{name}/"), &mut differing)?;
                }
                _ => {}
            }
        }
        let live = |tree: &git2::Tree<'_>| {
            tree.get_name(LIVE).and_then(|entry| repository.find_tree(entry.id()).ok())
        };
        let before = kept_tree.as_ref().and_then(live);
        blobs_between(repository, before.as_ref(), live(&tree).as_ref(), "live/", &mut differing)?;
        for Differing { path, before, after } in differing {
            gone.extend(before.map(|blob| (path.clone(), blob)));
            files.extend(after.map(|blob| (path, blob)));
        }
        let mut forgotten = Memory::default();
        forgotten.read_files(path, &gone, vault)?;
        memory.read_files(path, &files, vault)?;
        for (target, before) in forgotten.targets {
            let observed = &mut memory.target(target.as_str()).observed;
            before.accounts.iter().for_each(|account| observed.forget(account.anchor));
        }
        for target in memory.targets.values_mut() {
            let (accounts, entitlements) =
                (std::mem::take(&mut target.accounts), std::mem::take(&mut target.entitlements));
            memory.accounts_read += accounts.len();
            target.observed = std::mem::take(&mut target.observed).with(accounts, entitlements);
        }
        Ok(memory)
    }

    fn read_files(
        &mut self,
        repository: &Path,
        files: &[(String, Oid)],
        vault: Option<&Vault>,
    ) -> Result<(), EngineError> {
        let ids: Vec<Oid> = files.iter().map(|(_, id)| *id).collect();
        let mut broken = None;
        read_blobs(repository, &ids, u64::MAX, |blob| {
            let path = &files[blob.index].0;
            if let Err(error) = self.take(path, &blob.bytes.unwrap_or_default(), vault) {
                broken.get_or_insert(EngineError::Memory { path: path.clone(), why: error.to_string() });
            }
        })?;
        broken.map_or(Ok(()), Err)
    }

    fn take(&mut self, path: &str, bytes: &[u8], vault: Option<&Vault>) -> Result<(), serde_json::Error> {
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            [crate::trust::word::KEYS_FILE] => {
                self.recovery_keys = String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect();
            }
            ["desired.json"] => self.desired = serde_json::from_slice(bytes)?,
            ["suspended.json"] => self.suspension = serde_json::from_slice(bytes)?,
            ["rules", _, _] => {
                let standing: Standing = serde_json::from_slice(bytes)?;
                self.rules.extend(standing.version());
            }
            ["authors", _, _] => {
                let Written { of, by } = serde_json::from_slice(bytes)?;
                self.authors.set(of, by);
            }
            ["targets", target, "adopted.json"] => {
                self.target(target).adopted = Some(serde_json::from_slice(bytes)?);
            }
            ["targets", target, "entitlements.json"] => {
                self.target(target).entitlements = serde_json::from_slice(bytes)?;
            }
            ["approvals", name] if name.ends_with(".json") => {
                self.approvals.push(serde_json::from_slice(bytes)?);
            }
            ["emergencies", name] if name.ends_with(".json") => {
                let id = name.trim_end_matches(".json").parse().map_err(serde::de::Error::custom)?;
                self.emergencies.insert(id, serde_json::from_slice(bytes)?);
            }
            ["approvals", _] => self.signed.push((Class::Approval, bytes.to_owned())),
            ["emergencies", _] => self.signed.push((Class::Emergency, bytes.to_owned())),
            ["uses.json"] => self.uses = serde_json::from_slice(bytes)?,
            [LIVE, target, ..] => {
                let account = account(bytes, vault)?;
                self.target(target).accounts.push(account);
            }
            _ => {}
        }
        Ok(())
    }

    fn target(&mut self, component: &str) -> &mut TargetMemory {
        self.targets.entry(Sym::new(component)).or_default()
    }

    /// Versions that count already: rules in force, and what stands for broken files.
    pub(crate) fn versions(&self) -> Vec<Version> {
        let standing = self.desired.standing.iter().filter_map(Standing::version);
        self.rules.iter().cloned().chain(standing).collect()
    }

    /// What is remembered of a target.
    pub(crate) fn take_target(&mut self, target: Sym) -> TargetMemory {
        self.targets.remove(&Sym::new(&encode_component(target.as_str()))).unwrap_or_default()
    }
}

/// An account, with what is sealed in it as far as there are keys.
fn account(bytes: &[u8], vault: Option<&Vault>) -> Result<AccountRecord, serde_json::Error> {
    const MARK: &[u8] = b"\"sealed\"";
    if !bytes.windows(MARK.len()).any(|window| window == MARK) {
        return serde_json::from_slice(bytes);
    }
    let mut value = serde_json::from_slice(bytes)?;
    match vault {
        Some(vault) => vault.open_sealed(&mut value).map_err(serde::de::Error::custom)?,
        None => leave_out_sealed(&mut value),
    }
    serde_json::from_value(value)
}

impl Standing {
    pub(crate) fn new(path: Sym, blob: Oid, bytes: &[u8]) -> Standing {
        let (text, binary) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (bytes.iter().map(|byte| char::from(*byte)).collect(), true),
        };
        Standing { path: path.to_string(), blob: blob.to_string(), text, binary }
    }

    fn version(&self) -> Option<Version> {
        let bytes: Vec<u8> = match self.binary {
            false => self.text.as_bytes().to_owned(),
            true => self.text.chars().map(|character| u8::try_from(character).ok()).collect::<Option<_>>()?,
        };
        let document = parse(&self.path, &bytes).document?;
        let blob = Oid::from_str(&self.blob).ok()?.as_bytes().try_into().ok()?;
        Some(Version { path: Sym::new(&self.path), blob, document })
    }
}

/// The file of the commit that counts.
pub(crate) fn desired_file(desired: &Desired) -> Change {
    (fixed("desired.json"), Some(pretty(desired)))
}

/// The file of what is suspended.
pub(crate) fn suspension_file(suspension: &Suspension) -> Change {
    (fixed("suspended.json"), Some(pretty(suspension)))
}

/// The file of a rule in force; without a version it is no more.
pub(crate) fn rule_file(kind: Kind, id: Sym, standing: Option<&Standing>) -> Change {
    let kind = encode_component(&kind.as_str().to_lowercase());
    let path = fixed(&format!("rules/{kind}/{}.json", encode_component(id.as_str())));
    (path, standing.map(pretty))
}

/// The file of who wrote something; without authors it is no more.
pub(crate) fn authors_file(of: Slot, by: Option<&Authors>) -> Change {
    let (kind, name) = match of {
        Slot::Document { kind, id } => (kind.as_str().to_lowercase(), id),
        Slot::File { path } => ("file".to_owned(), path),
    };
    let path = fixed(&format!("authors/{kind}/{}.json", encode_component(name.as_str())));
    (path, by.map(|by| pretty(&Written { of, by: by.clone() })))
}

/// The files of an approval: what was first seen of it, and itself.
pub(crate) fn approval_files(approval: &Approval, file: &str) -> Vec<Change> {
    let path = |end: &str| fixed(&format!("approvals/{}{end}", approval.id));
    vec![(path(".json"), Some(pretty(approval))), (path(APPROVAL), Some(file.as_bytes().to_owned()))]
}

/// The files of an emergency: what holds of it, and what somebody signed about it.
pub(crate) fn emergency_files(id: Digest, of: &Emergency, signed: Digest, file: &str) -> Vec<Change> {
    let path = |id: Digest, end: &str| fixed(&format!("emergencies/{id}{end}"));
    vec![(path(id, ".json"), Some(pretty(of))), (path(signed, EMERGENCY), Some(file.as_bytes().to_owned()))]
}

/// The file of what became of approvals.
pub(crate) fn uses_file(uses: &Uses) -> Change {
    (fixed("uses.json"), Some(pretty(uses)))
}

/// The file of an adoption.
pub(crate) fn adoption_file(target: Sym, adoption: &Adoption) -> Change {
    (fixed(&format!("targets/{}/adopted.json", encode_component(target.as_str()))), Some(pretty(adoption)))
}

/// The file of a target's entitlements.
pub(crate) fn entitlements_file(target: Sym, entitlements: &[EntitlementRecord]) -> Change {
    (
        fixed(&format!("targets/{}/entitlements.json", encode_component(target.as_str()))),
        Some(pretty(&entitlements)),
    )
}

/// The file of an account; without a record it is no more.
pub(crate) fn account_file(target: Sym, anchor: Sym, record: Option<&AccountRecord>) -> Change {
    (account_path(target.as_str(), anchor.as_str()), record.map(pretty))
}

fn fixed(path: &str) -> TreePath {
    TreePath::new(path).expect("paths are made of encoded components")
}

/// One field a line, so that `git log -p` reads as a history of fields.
fn pretty(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("records have text keys only");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use git2::Signature;
    use git2::build::TreeUpdateBuilder;
    use serde_json::json;

    use super::*;

    fn account(anchor: &str, username: &str, identity: Option<&str>) -> (String, serde_json::Value) {
        let link = identity.map(|identity| {
            json!({
                "identity": identity, "profile": "main", "origin": "adopted",
                "ours": [{"kind": "team", "name": "eng", "anchor": "g-1"}], "disabled": "2026-01-01T00:00:00Z",
            })
        });
        let record = json!({
            "anchor": anchor, "kind": "user", "username": username, "state": "disabled",
            "attributes": {"email": username, "keys": ["a", "b"], "active": true},
            "entitlements": [{"kind": "team", "name": "eng", "anchor": "g-1"}],
            "link": link,
        });
        let record: AccountRecord = serde_json::from_value(record).unwrap();
        let (path, bytes) = account_file(Sym::new("forge"), Sym::new(anchor), Some(&record));
        (path.as_str().to_owned(), serde_json::from_slice(&bytes.unwrap()).unwrap())
    }

    fn commit(repository: &Repository, files: &[(String, serde_json::Value)]) -> Oid {
        let empty = repository.treebuilder(None).unwrap().write().unwrap();
        let mut update = TreeUpdateBuilder::new();
        for (path, value) in files {
            let blob = repository.blob(value.to_string().as_bytes()).unwrap();
            update.upsert(path, blob, git2::FileMode::Blob);
        }
        let tree = update.create_updated(repository, &repository.find_tree(empty).unwrap()).unwrap();
        let who = Signature::now("test", "test@example.com").unwrap();
        repository.commit(None, &who, &who, "test", &repository.find_tree(tree).unwrap(), &[]).unwrap()
    }

    fn told(memory: &Memory) -> Vec<(Sym, Vec<AccountRecord>, Vec<EntitlementRecord>)> {
        let of = |(target, memory): (&Sym, &TargetMemory)| {
            (*target, memory.observed.records().collect(), memory.observed.entitlement_records())
        };
        memory.targets.iter().map(of).collect()
    }

    #[test]
    fn accounts_that_are_kept_of_one_commit_give_what_reading_another_gives() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let names = (
            "targets/forge/entitlements.json".to_owned(),
            json!([{"kind": "team", "anchor": "g-1", "name": "eng", "names": {"eng": true}}]),
        );
        let before = [
            account("1", "ada", Some("p-1")),
            account("2", "ben", Some("p-2")),
            account("3", "cy", None),
            names.clone(),
        ];
        // One is gone, its link went to another account, one has another name, one is new.
        let after = [
            account("2", "BEN", Some("p-1")),
            account("3", "cy", None),
            account("4", "dee", Some("p-2")),
            names,
        ];
        let commits = [commit(&repository, &before), commit(&repository, &after)];
        for from in commits {
            for to in commits {
                let read =
                    |commit, kept| Memory::read(folder.path(), &repository, commit, kept, None).unwrap();
                let memory = read(from, None);
                let targets = memory.targets.iter().map(|(target, memory)| (*target, &memory.observed));
                Accounts::keep(folder.path(), from, targets).write().unwrap();
                let again = read(to, Accounts::read(folder.path()));
                assert_eq!(told(&again), told(&read(to, None)));
                assert_eq!(again.accounts_read > 0, from != to, "what is the same is not read");
            }
        }
    }
}
