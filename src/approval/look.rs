//! Reading the approvals branch: each file is a signed line of somebody; what cannot be one is said, and stops nothing.

use std::collections::HashSet;

use git2::{Oid, Repository};
use provost_audit::sshsig::{SignedLine, read_signed};
use provost_core::approval::{MAX_STATEMENT, NAMESPACE, PublicKey, Statement};
use provost_core::digest::Digest;
use rayon::prelude::*;

use super::emergency::{self, Signed};
use crate::git::{GitError, list, read_small};

/// How files of statements end.
pub const APPROVAL: &str = ".approval";

/// How files of emergencies and their reviews end.
pub const EMERGENCY: &str = ".break-glass";

/// A statement, its line break, and armour.
const MAX_FILE: usize = MAX_STATEMENT + (8 << 10);

/// So many new files, and so many bytes of them, are read in one look; the rest has its turn in the next one.
const AT_ONCE: usize = 2_000;
const BYTES_AT_ONCE: usize = 64 << 20;

/// What a file is taken for, by its name and mode. The same content may be somebody's word as one and nothing as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// An approval or a denial.
    Approval,
    /// An emergency or its review.
    Emergency,
    /// Nothing that is read.
    Nothing,
}

/// A file that was read: what it was taken for, and its content's id.
pub type Known = (Class, Oid);

/// A file that was not looked at before.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub file: String,
    /// By which it is known: under another name of its class it is the same file.
    pub known: Known,
    /// What it is, or why it is nothing.
    pub what: Result<Received, String>,
}

/// Something that somebody signed.
#[derive(Clone, Debug)]
pub enum Received {
    /// An approval or a denial.
    Statement(Box<Word>),
    /// An emergency, or its review.
    Emergency(Box<Signed>),
}

/// A statement and its signature.
#[derive(Clone, Debug)]
pub struct Word {
    /// SHA-256 over the exact bytes that were signed.
    pub id: Digest,
    /// What it says.
    pub statement: Statement,
    /// Who signed.
    pub key: PublicKey,
    /// The file as it is.
    pub signed: SignedLine,
}

/// Reads the files of a commit that are not in `known`, which they are put into. The second value says whether more are
/// left for another look.
pub fn look(
    repository: &Repository,
    tip: Oid,
    known: &mut HashSet<Known>,
) -> Result<(Vec<Found>, bool), GitError> {
    let mut read = Vec::new();
    let mut bytes = 0;
    let mut more = false;
    for listed in list(repository, tip)? {
        let class = match listed.regular {
            true if listed.name.ends_with(APPROVAL) => Class::Approval,
            true if listed.name.ends_with(EMERGENCY) => Class::Emergency,
            _ => Class::Nothing,
        };
        let one = (class, listed.id);
        if known.contains(&one) {
            continue;
        }
        if read.len() >= AT_ONCE || bytes >= BYTES_AT_ONCE {
            more = true;
            break;
        }
        known.insert(one);
        let content = if !listed.regular {
            Err("it is no ordinary file (mode 100644)".to_owned())
        } else if class == Class::Nothing {
            Err(format!("its name ends with neither {APPROVAL} nor {EMERGENCY}"))
        } else {
            let small = read_small(repository, listed.id, MAX_FILE)?;
            small.ok_or_else(|| format!("it has more than {MAX_FILE} bytes"))
        };
        bytes += content.as_ref().map_or(0, Vec::len);
        read.push((listed.name, one, content));
    }
    let found = read.into_par_iter().map(|(file, known, content)| {
        let what = content.and_then(|content| receive(&file, &content));
        Found { file, known, what }
    });
    Ok((found.collect(), more))
}

/// What a file is, by its name and its signature.
pub fn receive(name: &str, content: &[u8]) -> Result<Received, String> {
    if name.ends_with(EMERGENCY) {
        return emergency::receive(content).map(|signed| Received::Emergency(Box::new(signed)));
    }
    let signed = read_signed(content, NAMESPACE, MAX_FILE).map_err(|error| error.to_string())?;
    let key = PublicKey::parse(&signed.key)?;
    let bytes = format!("{}\n", signed.line);
    let statement = Statement::parse(bytes.as_bytes()).map_err(|error| error.to_string())?;
    let id = Statement::digest_of(bytes.as_bytes());
    Ok(Received::Statement(Box::new(Word { id, statement, key, signed })))
}

#[cfg(test)]
mod tests {
    use git2::Signature;

    use super::*;

    #[test]
    fn what_stands_as_something_else_hides_nothing_of_the_same_content() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let content = repository.blob(b"the same\n").unwrap();
        let mut tree = repository.treebuilder(None).unwrap();
        for (name, mode) in [
            ("0.approval", 0o120_000),
            ("1.txt", 0o100_644),
            ("2.approval", 0o100_644),
            ("3.break-glass", 0o100_644),
        ] {
            tree.insert(name, content, mode).unwrap();
        }
        let tree = repository.find_tree(tree.write().unwrap()).unwrap();
        let author = Signature::now("a", "a@example.com").unwrap();
        let tip = repository.commit(None, &author, &author, "files", &tree, &[]).unwrap();
        let mut known = HashSet::new();
        let (found, more) = look(&repository, tip, &mut known).unwrap();
        let read: Vec<(&str, Class)> =
            found.iter().map(|found| (found.file.as_str(), found.known.0)).collect();
        let expected = [
            ("0.approval", Class::Nothing),
            ("2.approval", Class::Approval),
            ("3.break-glass", Class::Emergency),
        ];
        assert_eq!((read, more), (expected.to_vec(), false), "the second nothing is told once");
        assert!(look(&repository, tip, &mut known).unwrap().0.is_empty(), "each is read once");
    }
}
