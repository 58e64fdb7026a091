//! The verifier beside git and ssh-keygen, on good, bad and malformed commits: what is taken here they take, what they
//! refuse is refused here.

use std::process::{Command, Stdio};

use provost_audit::CommitId;
use provost_audit::allowed::AllowedSigners;
use provost_audit::key::SigningKey;
use provost_audit::verify::{Options, verify};

use crate::kit::{World, drift, try_git};

/// A commit of the corpus: what was done to it, and whether git takes it.
struct Case {
    what: &'static str,
    commit: Vec<u8>,
    git: bool,
}

/// A log, and the newest record of it taken apart.
struct Corpus {
    world: World,
    head: String,
    message: String,
    signature: String,
}

impl Corpus {
    fn new() -> Corpus {
        let world = World::new();
        let mut log = world.create();
        log.record(&[drift("p-1", "a"), drift("p-2", "b")]).unwrap();
        log.flush().unwrap();
        let text = world.git(&["cat-file", "commit", "provost/audit"]);
        let (head, message) = text.split_once("\n\n").unwrap();
        let (head, signature) = head.split_once("\ngpgsig ").unwrap();
        let signature = signature.replace("\n ", "\n") + "\n";
        Corpus { head: head.to_owned(), message: message.to_owned(), signature, world }
    }

    /// A commit whose payload `ssh-keygen` signed.
    fn signed(&self, head: &str, message: &str) -> Vec<u8> {
        self.signed_as(head, message.as_bytes(), "git", &[])
    }

    fn signed_as(&self, head: &str, message: &[u8], namespace: &str, options: &[&str]) -> Vec<u8> {
        let payload = [head.as_bytes(), b"\n\n", message].concat();
        let file = self.world.folder.path().join("payload");
        std::fs::write(&file, payload).unwrap();
        let made = self.world.folder.path().join("payload.sig");
        drop(std::fs::remove_file(&made));
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-Y", "sign", "-n", namespace]).args(options).arg("-f");
        sign.arg(self.world.folder.path().join("key")).arg(&file).stderr(Stdio::null());
        assert!(sign.status().unwrap().success());
        joined(head, &std::fs::read_to_string(made).unwrap(), message)
    }

    fn cases(&self) -> Vec<Case> {
        let Corpus { head, message, signature, .. } = self;
        let as_it_is = |head: &str, message: &str| joined(head, signature, message.as_bytes());
        let case = |what, git, commit: Vec<u8>| Case { what, git, commit };
        let unsigned = |head: &str| [head.as_bytes(), b"\n\n", message.as_bytes()].concat();
        let tree = head.lines().next().unwrap();
        let author = head.lines().find(|line| line.starts_with("author ")).unwrap();
        let parent = head.lines().nth(1).unwrap();
        let before = |line: &str, more: &str| head.replace(line, &format!("{more}\n{line}"));
        let behind = |line: &str, more: &str| head.replace(line, &format!("{line}\n{more}"));
        let foreign = SigningKey::random().unwrap();
        let foreign = foreign.sign(unsigned(head).as_slice()).unwrap();
        let twice = String::from_utf8(as_it_is(head, message)).unwrap();
        let header = twice[head.len() + 1..twice.find("\n\n").unwrap() + 1].to_owned();
        let twice = twice.replacen(&header, &format!("{header}{header}"), 1);
        let early = unsigned(head);
        let early = String::from_utf8(early).unwrap().replacen(author, &format!("{header}{author}"), 1);
        let mut raw = message.clone().into_bytes();
        raw[3] = 0xff;
        let mut zero = message.clone().into_bytes();
        zero[3] = 0;
        vec![
            case("nothing", true, as_it_is(head, message)),
            case("signed by ssh-keygen", true, self.signed(head, message)),
            case(
                "hashed with SHA-256",
                true,
                self.signed_as(head, message.as_bytes(), "git", &["-Ohashalg=sha256"]),
            ),
            case("a changed word", false, as_it_is(head, &message.replace("p-2", "p-3"))),
            case(
                "a changed parent",
                false,
                as_it_is(&head.replace(parent, &parent.replace('a', "b")), message),
            ),
            case("a changed time", false, as_it_is(&head.replace(" +0000", "0 +0000"), message)),
            case("no signature", false, unsigned(head)),
            case("an empty signature", false, joined(head, "\n", message.as_bytes())),
            case(
                "a signature of nothing",
                false,
                joined(head, &signature.replace("\nU1NI", "\nV1NI"), message.as_bytes()),
            ),
            case(
                "a signature cut off",
                false,
                joined(head, &signature[..signature.len() - 60], message.as_bytes()),
            ),
            case("a foreign key", false, joined(head, &foreign, message.as_bytes())),
            case("another namespace", false, self.signed_as(head, message.as_bytes(), "file", &[])),
            case("two signatures", true, twice.into_bytes()),
            case("the signature before the author", true, early.into_bytes()),
            case("two trees", false, as_it_is(&behind(tree, tree), message)),
            case("two trees, signed", true, self.signed(&behind(tree, tree), message)),
            case("two parents, signed", true, self.signed(&behind(parent, parent), message)),
            case("two authors, signed", true, self.signed(&behind(author, author), message)),
            case("no author, signed", true, self.signed(&head.replace(&format!("{author}\n"), ""), message)),
            case("an encoding", false, as_it_is(&format!("{head}\nencoding ISO-8859-1"), message)),
            case("an encoding, signed", true, self.signed(&format!("{head}\nencoding ISO-8859-1"), message)),
            case("an unknown header, signed", true, self.signed(&format!("{head}\nx-note hello"), message)),
            case(
                "a header before the tree, signed",
                false,
                self.signed(&before(tree, "x-note hello"), message),
            ),
            case("another time zone, signed", true, self.signed(&head.replace("+0000", "+0100"), message)),
            case(
                "another author, signed",
                true,
                self.signed(&head.replace("author provost", "author mallory"), message),
            ),
            case("line ends of Windows", false, as_it_is(head, &message.replace('\n', "\r\n"))),
            case("line ends of Windows, signed", true, self.signed(head, &message.replace('\n', "\r\n"))),
            case("no last line end, signed", true, self.signed(head, message.trim_end())),
            case("no text, signed", true, self.signed_as(head, &raw, "git", &[])),
            case("a zero, signed", true, self.signed_as(head, &zero, "git", &[])),
            case(
                "a trailer more, signed",
                true,
                self.signed(head, &message.replace("\nSeq: ", "\nSeq: 9\nSeq: ")),
            ),
            case("a paragraph more, signed", true, self.signed(head, &format!("{message}\nmore\n"))),
        ]
    }
}

/// A commit with a signature header.
fn joined(head: &str, signature: &str, message: &[u8]) -> Vec<u8> {
    let header = signature.trim_end_matches('\n').replace('\n', "\n ");
    [head.as_bytes(), b"\ngpgsig ", header.as_bytes(), b"\n\n", message].concat()
}

#[test]
fn whatever_is_taken_here_git_and_ssh_keygen_take_too() {
    let corpus = Corpus::new();
    let world = &corpus.world;
    let parent: CommitId = world.git(&["rev-parse", "provost/audit~1"]).trim().parse().unwrap();
    let signers = format!("gpg.ssh.allowedSignersFile={}", world.allowed_signers().display());
    let keys = AllowedSigners::parse(&world.key().allowed_signers_line()).unwrap();
    let (mut taken, mut wrong) = (Vec::new(), Vec::new());
    for Case { what, commit, git } in corpus.cases() {
        let file = world.folder.path().join("commit");
        std::fs::write(&file, &commit).unwrap();
        let id = world.git(&["hash-object", "--literally", "-t", "commit", "-w", &file.to_string_lossy()]);
        let arguments = ["-c", "gpg.format=ssh", "-c", &signers, "verify-commit", id.trim()];
        let theirs = try_git(&world.repository(), &arguments).status.success();
        let options = Options { keys: keys.clone(), from: Some(parent), ..Options::default() };
        let ours = verify(&world.repository(), id.trim().parse().unwrap(), &options, |_, _| {});
        let ours = ours.is_ok_and(|report| report.findings.is_empty() && report.records > 0);
        if theirs != git || (ours && !theirs) {
            wrong.push(format!("{what}: git {theirs}, expected {git}, here {ours}"));
        }
        if ours {
            taken.push(what);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The others are well signed but not what this program writes; nothing but these can be a record.
    assert_eq!(taken, ["nothing", "signed by ssh-keygen", "hashed with SHA-256"]);
}
