//! What is kept gives what reading gives, whatever happened since; and what is damaged is not kept.

use std::collections::BTreeMap;

use git2::{Index, IndexEntry, IndexTime, Repository, Signature};
use jiff::Timestamp;
use provost_core::access::Zones;
use provost_core::organisation::Organisation;
use provost_core::snapshot::{Change, File};

use super::*;
use crate::git::Source;
use crate::{registry, snapshot};

const TARGET: &str = "kind: Target\nid: forge\nconnector: memory\nconfig: {name: forge}\nowners: [p-1]\n";
const ROLE: &str = "kind: Role\nid: engineer\nowners: [p-1]\ngrants: [{target: forge, team: eng}]\n";
const SERVICE: &str = "kind: Service\nid: s-1\nowners: [p-1]\npurpose: nightly\nattributes: {tier: a}\n\
    roles: [{role: engineer, until: 2030-01-01T08:00+01:00}]\n\
    credentials: [{target: forge, kind: key, rotate: 90d, deliver: vault}]\n";

fn person(id: &str, more: &str) -> String {
    format!("kind: Person\nid: {id}\nname: {{given: Ada}}\nusername: u-{id}\n{more}")
}

fn files() -> BTreeMap<&'static str, String> {
    let full = "email: ada@example.com\ntimezone: Europe/Berlin\nemployments: [{type: employee, department: eng, \
        from: 2020-01-01}]\nstart: 2020-01-01\nend: 2030-01-01\nattributes: {clearance: c, badge: b}\n\
        accounts: {forge: {username: ada}}\ngrants: [{target: forge, team: eng, until: 2029-01-01, reason: x}]\n";
    BTreeMap::from([
        ("targets/forge.yaml", TARGET.to_owned()),
        ("roles/engineer.yaml", ROLE.to_owned()),
        ("services/s-1.yaml", SERVICE.to_owned()),
        ("people/1.yaml", person("p-1", full)),
        ("people/2.yaml", person("p-2", "employment: employee\nmanager: p-1\n")),
        ("people/3.yaml", person("p-3", "employment: employee\nmanager: p-nobody\n")),
        ("people/broken.yaml", person("p-4", "employmnt: employee\nstatus: departed\n")),
        ("people/odd.yaml", "kind: Nothing\n".to_owned()),
        ("people/twice.yaml", person("p-2", "employment: contractor\n")),
    ])
}

fn commit(repository: &Repository, files: &BTreeMap<&str, String>) -> Oid {
    let mut index = Index::new().unwrap();
    for (path, text) in files {
        let (ctime, mtime) = (IndexTime::new(0, 0), IndexTime::new(0, 0));
        let id = repository.blob(text.as_bytes()).unwrap();
        let path = path.as_bytes().to_vec();
        let (dev, ino, uid, gid, file_size, flags, flags_extended) = (0, 0, 0, 0, 0, 0, 0);
        let mode = 0o100_644;
        index
            .add(&IndexEntry {
                ctime,
                mtime,
                dev,
                ino,
                mode,
                uid,
                gid,
                file_size,
                id,
                flags,
                flags_extended,
                path,
            })
            .unwrap();
    }
    let tree = repository.find_tree(index.write_tree_to(repository).unwrap()).unwrap();
    let who = Signature::now("test", "test@example.com").unwrap();
    repository.commit(None, &who, &who, "test", &tree, &[]).unwrap()
}

fn organisation(source: &Source, commit: Oid) -> Organisation {
    let (zones, now) = (Zones::bundled(), Timestamp::UNIX_EPOCH);
    let mut organisation = Organisation::new(Snapshot::default(), registry::catalog(), zones, now);
    organisation.amend(snapshot::read(source, None, commit).unwrap(), true, now);
    organisation
}

fn by_path(changes: Vec<Change>) -> BTreeMap<Sym, File> {
    changes.into_iter().map(|change| (change.path, change.file.unwrap())).collect()
}

#[test]
fn what_is_kept_of_one_commit_gives_what_reading_another_gives() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::init_bare(folder.path()).unwrap();
    let mut later = files();
    later.remove("people/3.yaml");
    later.remove("people/broken.yaml");
    later.insert("people/2.yaml", person("p-2", "employment: employee\nstatus: suspended\n"));
    later.insert("people/new.yaml", person("p-9", "employment: employee\n"));
    let commits = [commit(&repository, &files()), commit(&repository, &later)];
    let source = Source::new(&folder.path().to_string_lossy(), "main", Path::new(""));
    let state = tempfile::tempdir().unwrap();
    for from in commits {
        let before = organisation(&source, from);
        Documents::keep(state.path(), from, before.snapshot()).unwrap().write().unwrap();
        for to in commits {
            let kept = Documents::read(state.path()).unwrap();
            let (changes, read) = snapshot::read_kept(&source, Some(kept), to).unwrap();
            let whole = by_path(snapshot::read(&source, None, to).unwrap());
            assert!(read < whole.len(), "{read} of {} files were read", whole.len());
            assert_eq!(by_path(changes), whole);
        }
    }
}

#[test]
fn what_is_kept_of_a_commit_that_is_gone_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::init_bare(folder.path()).unwrap();
    let to = commit(&repository, &files());
    let source = Source::new(&folder.path().to_string_lossy(), "main", Path::new(""));
    let gone = Documents { commit: Oid::from_str(&"7".repeat(40)).unwrap(), kept: Vec::new() };
    let (changes, read) = snapshot::read_kept(&source, Some(gone), to).unwrap();
    assert_eq!((changes.len(), read), (files().len(), files().len()));
}

#[test]
fn a_damaged_cache_is_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::init_bare(folder.path()).unwrap();
    let to = commit(&repository, &files());
    let source = Source::new(&folder.path().to_string_lossy(), "main", Path::new(""));
    let state = folder.path();
    Documents::keep(state, to, organisation(&source, to).snapshot()).unwrap().write().unwrap();
    let whole = std::fs::read(documents_file(state)).unwrap();
    assert!(Documents::read(state).is_some());
    for place in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[place] ^= 4;
        std::fs::write(documents_file(state), bytes).unwrap();
        assert!(Documents::read(state).is_none(), "byte {place}");
    }
    std::fs::write(documents_file(state), &whole[..whole.len() / 2]).unwrap();
    assert!(Documents::read(state).is_none(), "half of it");
}
