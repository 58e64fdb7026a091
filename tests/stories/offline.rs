//! The same verdicts here and by ssh-keygen, over whose key may sign and when.

use std::process::{Command, Stdio};

use jiff::Timestamp;
use provost_audit::sshsig::{read_signed, sign_line};
use provost_core::approval::{Keys, NAMESPACE, PublicKey, RevokedKeys, Signers};
use ssh_key::{Algorithm, PrivateKey};

const LINE: &str = r#"{"_type":"https://in-toto.io/Statement/v1"}"#;

/// Whether ssh-keygen takes it, by the steps of docs/APPROVALS.md.
fn by_ssh_keygen(file: &str, allowed: &str, revoked: Option<&[u8]>) -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("allowed_signers"), allowed).unwrap();
    std::fs::write(folder.path().join("file"), file).unwrap();
    if let Some(revoked) = revoked {
        std::fs::write(folder.path().join("revoked_keys"), revoked).unwrap();
    }
    let script = "head -n 1 file > message && tail -n +2 file > signature && \
                  ssh-keygen -Y verify -f allowed_signers -I p-0003 -n approval@provost -s signature \
                  $(test -e revoked_keys && echo -r revoked_keys) < message";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().unwrap().success()
}

/// Whether it is taken here.
fn here(file: &str, allowed: &str, revoked: Option<&[u8]>) -> bool {
    let Ok(allowed) = Signers::parse(allowed.as_bytes()) else { return false };
    let Ok(revoked) = revoked.map(RevokedKeys::parse).transpose() else { return false };
    let Ok(signed) = read_signed(file.as_bytes(), NAMESPACE, 1 << 20) else { return false };
    let key = PublicKey::parse(&signed.key).unwrap();
    let keys = Keys { allowed: Some(&allowed), revoked: revoked.as_ref() };
    keys.allows(&key, "p-0003".into(), Timestamp::now())
}

#[test]
fn whose_key_may_sign_is_the_same_here_and_by_ssh_keygen() {
    let random = || PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519).unwrap();
    let (mine, other) = (random(), random());
    let public = |key: &PrivateKey| {
        let line = key.public_key().to_openssh().unwrap();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    };
    let (key, others) = (public(&mine), public(&other));
    let file = sign_line(&mine, NAMESPACE, LINE).unwrap().unwrap().to_file();
    let krl = revocation_list(&key);
    let cases: [(&str, String, Option<&[u8]>, bool); 12] = [
        ("a plain line", format!("p-0003 {key}\n"), None, true),
        ("its namespace", format!("p-0003 namespaces=\"git,{NAMESPACE}\" {key}\n"), None, true),
        ("another namespace", format!("p-0003 namespaces=\"git\" {key}\n"), None, false),
        ("another key", format!("p-0003 {others}\n"), None, false),
        ("another person", format!("p-0007 {key}\n"), None, false),
        ("not yet", format!("p-0003 valid-after=\"20990101Z\" {key}\n"), None, false),
        ("expired", format!("p-0003 valid-before=\"20200101Z\" {key}\n"), None, false),
        (
            "in its time",
            format!("p-0003 valid-after=\"20200101Z\",valid-before=\"20990101Z\" {key}\n"),
            None,
            true,
        ),
        ("revoked by key", format!("p-0003 {key}\n"), Some(key.as_bytes()), false),
        ("another key is revoked", format!("p-0003 {key}\n"), Some(others.as_bytes()), true),
        ("revoked by a list", format!("p-0003 {key}\n"), Some(&krl), false),
        ("nobody", String::new(), None, false),
    ];
    for (what, allowed, revoked, good) in &cases {
        assert_eq!(here(&file, allowed, *revoked), *good, "here: {what}");
        assert_eq!(by_ssh_keygen(&file, allowed, *revoked), *good, "ssh-keygen: {what}");
    }
    // Stricter here: a principal names one person, and none by a pattern.
    for wide in [format!("* {key}\n"), format!("p-* {key}\n"), format!("p-0003,p-0007 {key}\n")] {
        assert!(by_ssh_keygen(&file, &wide, None) && !here(&file, &wide, None), "{wide}");
    }
}

/// What `ssh-keygen -k` makes of one key.
fn revocation_list(key: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pub"), format!("{key}\n")).unwrap();
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-k", "-f", "list", "key.pub"]).current_dir(folder.path());
    assert!(make.status().unwrap().success());
    std::fs::read(folder.path().join("list")).unwrap()
}
