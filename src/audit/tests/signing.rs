//! Signed lines, side by side with ssh-keygen: what it makes is taken here, and what is taken here it takes too.

use std::path::Path;
use std::process::{Command, Stdio};

use provost_audit::sshsig::{SignedLine, joined, read_signed, sign_line};
use ssh_key::{Algorithm, LineEnding, PrivateKey};

const NAMESPACE: &str = "approval@provost";
const LINE: &str = r#"{"_type":"https://in-toto.io/Statement/v1","who":"p-1042"}"#;
const LIMIT: usize = 1 << 16;

struct Signer {
    folder: tempfile::TempDir,
}

impl Signer {
    fn new(kind: &str, bits: &str) -> Signer {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-N", "", "-C", "", "-t", kind, "-b", bits, "-f"]).arg(key);
        assert!(make.status().unwrap().success());
        Signer { folder }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("key")
    }

    fn public(&self) -> String {
        std::fs::read_to_string(self.path().with_extension("pub")).unwrap().trim().to_owned()
    }

    fn private(&self) -> PrivateKey {
        PrivateKey::read_openssh_file(&self.path()).unwrap()
    }

    /// What `ssh-keygen -Y sign` makes of a line.
    fn sign(&self, namespace: &str, line: &str) -> String {
        let message = self.folder.path().join("message");
        std::fs::write(&message, format!("{line}\n")).unwrap();
        let made = message.with_extension("sig");
        drop(std::fs::remove_file(&made));
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(self.path()).arg(&message);
        assert!(sign.stderr(Stdio::null()).status().unwrap().success());
        std::fs::read_to_string(made).unwrap()
    }
}

/// Whether ssh-keygen takes a file, by the documented steps.
fn ssh_keygen_takes(file: &str, allowed: &str, principal: &str, more: &[&Path]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let signers = folder.path().join("allowed_signers");
    std::fs::write(&signers, allowed).unwrap();
    std::fs::write(folder.path().join("file"), file).unwrap();
    let script = "head -n 1 file > message && tail -n +2 file > signature && \
                  ssh-keygen -Y verify -f allowed_signers -I \"$1\" -n approval@provost -s signature \
                  ${2:+-r \"$2\"} < message";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh", principal]).args(more).current_dir(folder.path());
    shell.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn what_is_signed_here_ssh_keygen_takes_and_the_other_way_round() {
    for (kind, bits) in [("ed25519", "256"), ("ecdsa", "256")] {
        let signer = Signer::new(kind, bits);
        let allowed = format!("p-0003 namespaces=\"{NAMESPACE}\" {}\n", signer.public());
        let ours = sign_line(&signer.private(), NAMESPACE, LINE).unwrap().unwrap();
        assert!(ssh_keygen_takes(&ours.to_file(), &allowed, "p-0003", &[]), "{kind}");
        let theirs = joined(LINE, &signer.sign(NAMESPACE, LINE), NAMESPACE).unwrap();
        assert_eq!((&theirs.line, &theirs.key), (&ours.line, &signer.public()));
        assert!(ssh_keygen_takes(&theirs.to_file(), &allowed, "p-0003", &[]), "{kind}");
        assert_eq!(read_signed(theirs.to_file().as_bytes(), NAMESPACE, LIMIT), Ok(theirs));
    }
}

#[test]
fn what_was_tampered_with_is_taken_by_neither() {
    let (signer, other) = (Signer::new("ed25519", "256"), Signer::new("ed25519", "256"));
    let allowed = format!("p-0003 {}\n", signer.public());
    let good = sign_line(&signer.private(), NAMESPACE, LINE).unwrap().unwrap().to_file();
    assert!(ssh_keygen_takes(&good, &allowed, "p-0003", &[]));
    let armour = |file: &str| file.split_once('\n').unwrap().1.to_owned();
    let altered = good.replacen("p-1042", "p-1043", 1);
    let blank = good.replacen('\n', " \n", 1);
    let returned = good.replacen('\n', "\r\n", 1);
    let wrong_namespace = format!("{LINE}\n{}", signer.sign("git", LINE));
    let of_another_line = format!("{LINE}\n{}", signer.sign(NAMESPACE, "{}"));
    let flipped = {
        let at = good.len() - 60;
        let with = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{with}{}", &good[..at], &good[at + 1..])
    };
    let truncated = good[..good.len() - 40].to_owned();
    let bare = format!("{LINE}\n");
    let cases: [(&str, &str); 8] = [
        ("an altered byte", &altered),
        ("a blank more", &blank),
        ("another line end", &returned),
        ("another namespace", &wrong_namespace),
        ("the signature of another line", &of_another_line),
        ("a flipped bit of the signature", &flipped),
        ("a truncated signature", &truncated),
        ("no signature", &bare),
    ];
    for (what, file) in cases {
        assert!(read_signed(file.as_bytes(), NAMESPACE, LIMIT).is_err(), "{what} is taken here");
        assert!(!ssh_keygen_takes(file, &allowed, "p-0003", &[]), "{what} is taken by ssh-keygen");
    }
    // Neither says more than that: whose key it is the caller has to know.
    let others = sign_line(&other.private(), NAMESPACE, LINE).unwrap().unwrap();
    assert_eq!(read_signed(others.to_file().as_bytes(), NAMESPACE, LIMIT).unwrap().key, other.public());
    assert!(!ssh_keygen_takes(&others.to_file(), &allowed, "p-0003", &[]));
    // Here a file is one line and one signature; ssh-keygen passes over what follows the first.
    let two = format!("{good}{}", armour(&others.to_file()));
    let trailing = format!("{good}something\n");
    for (what, file) in [("two signatures", &two), ("something after it", &trailing)] {
        assert!(read_signed(file.as_bytes(), NAMESPACE, LIMIT).is_err(), "{what}");
    }
}

#[test]
fn what_is_too_large_or_not_text_is_refused_before_anything_is_checked() {
    let signer = Signer::new("ed25519", "256");
    let good = sign_line(&signer.private(), NAMESPACE, LINE).unwrap().unwrap().to_file();
    assert!(read_signed(good.as_bytes(), NAMESPACE, good.len()).is_ok());
    let error = read_signed(good.as_bytes(), NAMESPACE, good.len() - 1).unwrap_err();
    assert!(error.to_string().contains("at most"), "{error}");
    assert!(read_signed(b"\xff\n", NAMESPACE, LIMIT).is_err());
    assert!(sign_line(&signer.private(), NAMESPACE, "two\nlines").is_err());
}

#[test]
fn an_encrypted_key_signs_elsewhere_and_rsa_is_refused() {
    let signer = Signer::new("ed25519", "256");
    let encrypted = signer.private().encrypt(&mut ssh_key::rand_core::OsRng, "a passphrase").unwrap();
    assert_eq!(sign_line(&encrypted, NAMESPACE, LINE), Ok(None));
    assert!(!encrypted.to_openssh(LineEnding::LF).unwrap().is_empty());

    let rsa = Signer::new("rsa", "2048");
    let error = joined(LINE, &rsa.sign(NAMESPACE, LINE), NAMESPACE).unwrap_err();
    assert!(matches!(Algorithm::new("ssh-rsa"), Ok(Algorithm::Rsa { .. })) && !error.to_string().is_empty());
}

#[test]
fn a_security_key_counts_when_somebody_touched_it() {
    // Made by the rules of PROTOCOL.u2f with an ed25519 key in the place of the device: no device is needed.
    for (flags, touched) in [(1_u8, true), (0, false)] {
        let file = security_key_file(flags);
        let read = read_signed(file.as_bytes(), NAMESPACE, LIMIT);
        assert_eq!(read.is_ok(), touched, "{read:?}");
        if let Ok(SignedLine { key, .. }) = read {
            assert!(key.starts_with("sk-ssh-ed25519@openssh.com "));
            assert!(ssh_keygen_takes(&file, &format!("p-0003 {key}\n"), "p-0003", &[]));
        }
    }
}

/// A signed line as a security key makes it.
fn security_key_file(flags: u8) -> String {
    use sha2::{Digest as _, Sha256};
    use ssh_key::public::{KeyData, SkEd25519};
    use ssh_key::{HashAlg, Signature, SshSig};
    let device = PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519).unwrap();
    let public = *device.public_key().key_data().ed25519().unwrap();
    let key = KeyData::SkEd25519(SkEd25519::new(public, "ssh:"));
    let signed = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, format!("{LINE}\n").as_bytes()).unwrap();
    let mut data = Sha256::digest("ssh:").to_vec();
    data.push(flags);
    data.extend([0, 0, 0, 7]);
    data.extend(Sha256::digest(signed));
    let mut raw = sign_raw(&device, &data).as_bytes().to_vec();
    raw.push(flags);
    raw.extend([0, 0, 0, 7]);
    let signature = Signature::new(Algorithm::SkEd25519, raw).unwrap();
    let signature = SshSig::new(key, NAMESPACE, HashAlg::Sha512, signature).unwrap();
    format!("{LINE}\n{}", signature.to_pem(LineEnding::LF).unwrap())
}

fn sign_raw(key: &impl ssh_key::SigningKey, data: &[u8]) -> ssh_key::Signature {
    key.try_sign(data).unwrap()
}
