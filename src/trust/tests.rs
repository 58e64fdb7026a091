//! Histories made for this: who is found to have written what.

use std::collections::BTreeMap;

use git2::{Oid, Repository, Signature, Time};
use provost_core::Sym;
use provost_core::document::{Kind, parse};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, SshSig};

use super::examine::{MOST, Most, within};
use super::signature::{MAX_COMMIT, key_of};
use super::{Authored, Authors, Now, Origins, Slot, examine, word};

/// A repository, its people's keys, and which of those are in force.
struct History {
    _folder: tempfile::TempDir,
    repository: Repository,
    keys: BTreeMap<&'static str, PrivateKey>,
    in_force: Vec<(&'static str, String)>,
}

/// Who signs a commit, and how.
#[derive(Clone, Copy)]
enum Signs {
    /// Nobody, whatever name the commit gives.
    Nobody,
    /// This person's key.
    Key(&'static str),
    /// This person's key, but something else.
    SomethingElse(&'static str),
    /// This person's key, for another purpose than git's.
    ElsewhereToo(&'static str),
}
use Signs::{ElsewhereToo, Key, Nobody, SomethingElse};

const ADA: &str = "kind: Person\nid: p-1\n";
const BEN: &str = "kind: Person\nid: p-2\n";

impl History {
    fn new() -> History {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let key = |_| PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519).unwrap();
        let keys: BTreeMap<&str, PrivateKey> =
            ["p-ada", "p-ben", "p-gone"].into_iter().map(|who| (who, key(who))).collect();
        let line = |key: &PrivateKey| provost_audit::key::public_line(key.public_key());
        let in_force = ["p-ada", "p-ben"].into_iter().map(|who| (who, line(&keys[who]))).collect();
        History { _folder: folder, repository, keys, in_force }
    }

    /// A commit that holds exactly these files.
    fn commit(&self, signs: Signs, parents: &[Oid], files: &[(&str, &str)]) -> Oid {
        self.commit_saying("a change", signs, parents, files)
    }

    fn commit_saying(&self, words: &str, signs: Signs, parents: &[Oid], files: &[(&str, &str)]) -> Oid {
        let repository = &self.repository;
        let mut index = git2::Index::new().unwrap();
        for (path, text) in files {
            let entry = git2::IndexEntry {
                ctime: git2::IndexTime::new(0, 0),
                mtime: git2::IndexTime::new(0, 0),
                dev: 0,
                ino: 0,
                mode: 0o100_644,
                uid: 0,
                gid: 0,
                file_size: 0,
                id: repository.blob(text.as_bytes()).unwrap(),
                flags: 0,
                flags_extended: 0,
                path: path.as_bytes().to_vec(),
            };
            index.add(&entry).unwrap();
        }
        let tree = repository.find_tree(index.write_tree_to(repository).unwrap()).unwrap();
        let parents: Vec<git2::Commit<'_>> =
            parents.iter().map(|parent| repository.find_commit(*parent).unwrap()).collect();
        let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
        // Every commit says that Ada made it, a long time ago.
        let ada = Signature::new("Ada Osei", "ada@example.com", &Time::new(1_000_000_000, 0)).unwrap();
        let object = repository.commit_create_buffer(&ada, &ada, words, &tree, &parents).unwrap();
        let object = std::str::from_utf8(&object).unwrap();
        let sign = |who, namespace, text: &str| {
            let signature =
                SshSig::sign(&self.keys[who], namespace, HashAlg::Sha512, text.as_bytes()).unwrap();
            let armour = signature.to_pem(LineEnding::LF).unwrap();
            repository.commit_signed(object, armour.trim_end(), None).unwrap()
        };
        match signs {
            Nobody => repository.odb().unwrap().write(git2::ObjectType::Commit, object.as_bytes()).unwrap(),
            Key(who) => sign(who, "git", object),
            SomethingElse(who) => sign(who, "git", &format!("{object} and more")),
            ElsewhereToo(who) => sign(who, "file", object),
        }
    }

    fn signer(&self, key: &str) -> Option<Sym> {
        let known = self.in_force.iter().find(|(_, known)| known == key);
        known.map(|(who, _)| Sym::new(who))
    }

    fn examine(&self, from: Oid, to: Oid) -> Vec<Authored> {
        examine(&self.repository, from, to, &|key| self.signer(key)).unwrap()
    }

    /// The authors by path, as `p-ada p-ben ?`.
    fn authors(&self, from: Oid, to: Oid) -> BTreeMap<String, String> {
        by_path(self.examine(from, to))
    }

    /// The same where no more than this is looked at.
    fn authors_within(&self, from: Oid, to: Oid, most: &Most) -> BTreeMap<String, String> {
        by_path(within(&self.repository, from, to, &|key| self.signer(key), most).unwrap())
    }

    /// Takes a step forward into origins.
    fn take(&self, origins: &mut Origins, from: Oid, to: Oid) {
        let read = |blob: Oid| self.repository.find_blob(blob).unwrap().content().to_owned();
        let document = |path: &str, blob: Oid| parse(path, &read(blob)).key;
        let tree = self.repository.find_commit(to).unwrap().tree().unwrap();
        let now = |path: &str| match tree.get_path(std::path::Path::new(path)) {
            Err(_) => Now::Gone,
            Ok(entry) => match document(path, entry.id()) {
                None => Now::Unreadable,
                Some((kind, id)) => Now::Document(kind, id),
            },
        };
        origins.take(&self.examine(from, to), document, now);
    }
}

fn by_path(commits: Vec<Authored>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Authored { author, touched } in commits {
        for entry in touched {
            let of = all.entry(entry.path).or_default();
            of.push(author.map_or("?".to_owned(), |who| who.to_string()));
            of.sort();
            of.dedup();
        }
    }
    all.into_iter().map(|(path, who)| (path, who.join(" "))).collect()
}

/// The authors of p-1, as `p-ada p-ben ?`.
fn of_ada(origins: &Origins) -> String {
    let authors = origins.of(Kind::Person, Sym::new("p-1"));
    let unknown = authors.unknown.then(|| "?".to_owned());
    authors.known.iter().map(ToString::to_string).chain(unknown).collect::<Vec<_>>().join(" ")
}

fn is(path: &str, who: &str) -> BTreeMap<String, String> {
    [(path.to_owned(), who.to_owned())].into()
}

#[test]
fn an_author_is_known_by_a_signature_and_by_nothing_else() {
    let history = History::new();
    let first = history.commit(Nobody, &[], &[("ada.yaml", ADA)]);
    let changed = [("ada.yaml", "kind: Person\nid: p-1\ndepartment: x\n")];
    for (signs, who) in [
        (Key("p-ada"), "p-ada"),
        (Key("p-ben"), "p-ben"),
        (Nobody, "?"),
        (SomethingElse("p-ada"), "?"),
        (ElsewhereToo("p-ada"), "?"),
        (Key("p-gone"), "?"),
    ] {
        let next = history.commit(signs, &[first], &changed);
        assert_eq!(history.authors(first, next), is("ada.yaml", who));
    }
}

#[test]
fn every_commit_of_a_step_is_looked_at_and_what_is_undone_again_too() {
    let history = History::new();
    let base = [("ada.yaml", ADA), ("ben.yaml", BEN)];
    let first = history.commit(Nobody, &[], &base);
    let second = history.commit(Key("p-ben"), &[first], &[("ada.yaml", "x"), ("ben.yaml", BEN)]);
    let third = history.commit(Key("p-ada"), &[second], &base);
    assert_eq!(history.authors(first, third), is("ada.yaml", "p-ada p-ben"));
    assert_eq!(history.authors(second, third), is("ada.yaml", "p-ada"), "only what the step brings");
    assert!(history.examine(third, third).is_empty());
}

#[test]
fn a_clean_merge_adds_nobody_and_a_merge_that_does_more_is_its_own_author() {
    let history = History::new();
    let first = history.commit(Nobody, &[], &[("a.yaml", "0"), ("b.yaml", "0"), ("c.yaml", "0")]);
    let left = history.commit(Key("p-ada"), &[first], &[("a.yaml", "1"), ("b.yaml", "0"), ("c.yaml", "0")]);
    let right = history.commit(Key("p-ben"), &[first], &[("a.yaml", "0"), ("b.yaml", "1"), ("c.yaml", "0")]);
    let merge = |files: [&str; 3]| {
        let files = [("a.yaml", files[0]), ("b.yaml", files[1]), ("c.yaml", files[2])];
        history.authors(first, history.commit(Nobody, &[left, right], &files))
    };
    let clean: BTreeMap<String, String> =
        [("a.yaml".to_owned(), "p-ada".to_owned()), ("b.yaml".to_owned(), "p-ben".to_owned())].into();
    assert_eq!(merge(["1", "1", "0"]), clean);
    assert_eq!(merge(["2", "1", "0"])["a.yaml"], "? p-ada", "what no parent has in that form");
    assert_eq!(merge(["1", "1", "1"])["c.yaml"], "?", "what nobody changed before");
    assert_eq!(merge(["1", "0", "0"])["b.yaml"], "? p-ben", "what undoes one side");
}

#[test]
fn a_merge_that_brings_an_old_version_back_is_its_own_author() {
    let history = History::new();
    let old = history.commit(Nobody, &[], &[("ada.yaml", "old"), ("ben.yaml", BEN)]);
    let counts = history.commit(Key("p-ada"), &[old], &[("ada.yaml", ADA), ("ben.yaml", BEN)]);
    let other = history.commit(Key("p-ben"), &[old], &[("ada.yaml", "old"), ("ben.yaml", "x")]);
    let back = history.commit(Nobody, &[counts, other], &[("ada.yaml", "old"), ("ben.yaml", "x")]);
    assert_eq!(history.authors(counts, back)["ada.yaml"], "?");
    let straight = history.commit(Nobody, &[counts, old], &[("ada.yaml", "old"), ("ben.yaml", BEN)]);
    assert_eq!(history.authors(counts, straight), is("ada.yaml", "?"));
    let clean = history.commit(Nobody, &[counts, other], &[("ada.yaml", ADA), ("ben.yaml", "x")]);
    assert_eq!(history.authors(counts, clean), is("ben.yaml", "p-ben"));
}

#[test]
fn a_merge_of_an_unrelated_history_brings_its_authors() {
    let history = History::new();
    let first = history.commit(Nobody, &[], &[("ada.yaml", ADA)]);
    let other = history.commit(Key("p-ben"), &[], &[("ben.yaml", BEN)]);
    let merge = history.commit(Key("p-ada"), &[first, other], &[("ada.yaml", ADA), ("ben.yaml", BEN)]);
    assert_eq!(history.authors(first, merge), is("ben.yaml", "p-ben"));
    let of_three =
        history.commit(Key("p-ada"), &[first, other, first], &[("ada.yaml", ADA), ("ben.yaml", BEN)]);
    assert_eq!(history.authors(first, of_three), is("ben.yaml", "p-ada p-ben"));
}

#[test]
fn of_more_commits_than_are_looked_at_nobody_is_the_author() {
    let history = History::new();
    let first = history.commit(Nobody, &[], &[("ada.yaml", ADA), ("ben.yaml", BEN)]);
    let mut last = first;
    for count in 0..MOST.commits {
        last = history.commit(Key("p-ada"), &[last], &[("ada.yaml", &count.to_string()), ("ben.yaml", BEN)]);
    }
    assert_eq!(history.authors(first, last), is("ada.yaml", "p-ada"));
    last = history.commit(Key("p-ada"), &[last], &[("ada.yaml", "end"), ("ben.yaml", BEN)]);
    assert_eq!(history.authors(first, last), is("ada.yaml", "?"));
}

#[test]
fn of_more_changed_files_than_are_looked_at_nobody_is_the_author() {
    let history = History::new();
    let first = history.commit(Nobody, &[], &[("ada.yaml", ADA)]);
    let one = history.commit(Key("p-ada"), &[first], &[("ada.yaml", "1")]);
    let all = [("ada.yaml", "2"), ("ben.yaml", BEN), ("cleo.yaml", "1"), ("dan.yaml", "1")];
    let five = history.commit(Key("p-ada"), &[one], &all);
    let who = |changed| {
        let authors = history.authors_within(first, five, &Most { changed, ..MOST });
        authors.into_values().collect::<std::collections::BTreeSet<String>>()
    };
    let only = |who: &str| [who.to_owned()].into();
    assert_eq!((who(6), who(5)), (only("p-ada"), only("p-ada")));
    assert_eq!((who(4), who(3), who(0)), (only("?"), only("?"), only("?")));
}

#[test]
fn the_signature_of_an_endless_commit_is_not_looked_at() {
    let history = History::new();
    let made = |length: usize| history.commit_saying(&"x".repeat(length), Key("p-ada"), &[], &[]);
    let size = |commit: Oid| history.repository.odb().unwrap().read_header(commit).unwrap().0;
    let rest = MAX_COMMIT - size(made(1));
    for (length, is_known) in [(1, true), (1 + rest, true), (2 + rest, false), (9 + rest, false)] {
        let commit = made(length);
        assert_eq!(size(commit), MAX_COMMIT - rest + length - 1);
        assert_eq!(key_of(&history.repository, commit).is_some(), is_known, "{length}");
    }
}

#[test]
fn what_is_remembered_of_authors_is_put_in_said_and_forgotten() {
    let (person, file) = (Slot::of(Kind::Person, "p-1".into()), Slot::File { path: "ada.yaml".into() });
    assert_eq!(Slot::of(Kind::Service, "p-1".into()), person, "people and services share their ids");
    assert_ne!(Slot::of(Kind::Role, "p-1".into()), person);
    let authors = Authors { known: ["p-ada".into()].into(), unknown: true };
    let mut origins = Origins::default();
    assert_eq!(origins.get(&person), None);
    origins.set(person, authors.clone());
    origins.set(file, Authors::default());
    assert_eq!((origins.get(&person), origins.get(&file)), (Some(&authors), Some(&Authors::default())));
    assert_eq!(origins.of(Kind::Service, "p-1".into()), authors);
    origins.retain(|slot| *slot == file);
    assert_eq!(origins.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [file]);
}

#[test]
fn a_word_for_a_commit_is_good_for_its_line_and_by_a_recovery_key() {
    let history = History::new();
    let line = word::line("installation-1", "aaaa", "bbbb");
    assert_eq!(
        line,
        "provost trust: in the installation installation-1 the commit bbbb counts instead of aaaa"
    );
    let (key, other) = (&history.keys["p-ada"], &history.in_force[1].1);
    let keys = [history.in_force[0].1.clone()];
    let sign = |namespace, line: &str| {
        provost_audit::sshsig::sign_line(key, namespace, line).unwrap().unwrap().to_file()
    };
    let signed = sign(word::NAMESPACE, &line);
    assert_eq!(word::check(&keys, &line, Some(&signed)), Ok(()));
    let refused = |keys: &[String], signed: Option<&str>| word::check(keys, &line, signed).unwrap_err();
    assert_eq!(refused(&keys, None), word::NotTheWord::Missing(line.clone()));
    assert_eq!(
        refused(std::slice::from_ref(other), Some(&signed)),
        word::NotTheWord::OtherKey(keys[0].clone())
    );
    let found = word::line("installation-1", "aaaa", "cccc");
    let another = sign(word::NAMESPACE, &found);
    let expected = line.clone();
    assert_eq!(refused(&keys, Some(&another)), word::NotTheWord::Other { found, expected });
    for bad in [sign("git", &line), signed.replace("bbbb", "cccc"), "x".repeat(9 << 10)] {
        assert!(matches!(refused(&keys, Some(&bad)), word::NotTheWord::NotSigned(_)));
    }
}

#[test]
fn authors_follow_a_document_to_another_path() {
    let history = History::new();
    let first = history.commit(Nobody, &[], &[("ben.yaml", BEN)]);
    let written = history.commit(Key("p-ben"), &[first], &[("ben.yaml", BEN), ("ada.yaml", ADA)]);
    let moved = history.commit(Key("p-ada"), &[written], &[("ben.yaml", BEN), ("people/ada.yaml", ADA)]);
    let (mut at_once, mut in_steps) = (Origins::default(), Origins::default());
    history.take(&mut at_once, first, moved);
    history.take(&mut in_steps, first, written);
    assert_eq!(of_ada(&in_steps), "p-ben");
    history.take(&mut in_steps, written, moved);
    assert_eq!(of_ada(&in_steps), "p-ada p-ben");
    assert_eq!(of_ada(&at_once), "p-ada p-ben");
}

#[test]
fn who_broke_a_file_is_an_author_of_what_it_becomes() {
    let history = History::new();
    let first = history.commit(Nobody, &[], &[("ben.yaml", BEN)]);
    let broken = history.commit(Nobody, &[first], &[("ben.yaml", BEN), ("ada.yaml", "- nothing")]);
    let mended = history.commit(Key("p-ada"), &[broken], &[("ben.yaml", BEN), ("ada.yaml", ADA)]);
    let mut origins = Origins::default();
    history.take(&mut origins, first, broken);
    assert_eq!(of_ada(&origins), "");
    history.take(&mut origins, broken, mended);
    assert_eq!(of_ada(&origins), "p-ada ?");
    assert_eq!(origins.iter().count(), 1, "the file is not kept beside its document");
}

#[test]
fn what_is_no_ordinary_file_is_not_read_and_holds_nobody_up() {
    let history = History::new();
    let repository = &history.repository;
    let text = repository.blob(b"../../etc/shadow").unwrap();
    let document = repository.blob(ADA.as_bytes()).unwrap();
    let first = history.commit(Nobody, &[], &[]);
    for (mode, id, read) in [
        (0o100_644, document, true),
        (0o100_755, document, false),
        (0o120_000, text, false),
        (0o160_000, first, false),
    ] {
        let mut tree = repository.treebuilder(None).unwrap();
        tree.insert("ada.yaml", id, mode).unwrap();
        tree.insert("ben.yaml", repository.blob(BEN.as_bytes()).unwrap(), 0o100_644).unwrap();
        let tree = repository.find_tree(tree.write().unwrap()).unwrap();
        let who = Signature::new("A", "a@example.com", &Time::new(0, 0)).unwrap();
        let parent = repository.find_commit(first).unwrap();
        let commit = repository.commit(None, &who, &who, "files", &tree, &[&parent]).unwrap();
        let (entries, refused) = crate::git::changed_between(repository, first, commit).unwrap();
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths.contains(&"ada.yaml"), read, "mode {mode:o}");
        assert_eq!(refused.iter().any(|refused| refused.path == "ada.yaml"), !read, "mode {mode:o}");
        assert!(paths.contains(&"ben.yaml"));
    }
}

#[test]
fn a_replaced_object_is_not_read() {
    let history = History::new();
    let repository = &history.repository;
    let ada = repository.blob(ADA.as_bytes()).unwrap();
    let other = repository.blob(b"kind: Person\nid: p-1\nstatus: departed\n").unwrap();
    let read = || {
        let mut found = Vec::new();
        crate::git::read_blobs(repository.path(), &[ada], 1 << 20, |blob| found.push(blob.bytes)).unwrap();
        found
    };
    let before = read();
    repository.reference(&format!("refs/replace/{ada}"), other, false, "").unwrap();
    assert_eq!((read(), before), (vec![Some(ADA.into())], vec![Some(ADA.into())]));
}
