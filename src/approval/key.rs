//! The key of whoever agrees: a file, or a key in an agent; a key that this process cannot use signs by `ssh-keygen`,
//! which asks for passphrases and touches of security keys.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use provost_audit::key::public_line;
use provost_audit::sshsig::{NotSigned, SignedLine, joined, sign_line};
use ssh_key::{PrivateKey, PublicKey};

/// A key that can sign.
#[derive(Debug)]
pub struct Key {
    /// Its public half as OpenSSH writes it, without comment.
    pub public: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Read into this process.
    Here(Box<PrivateKey>),
    /// A file that ssh-keygen reads.
    File(PathBuf),
    /// An agent holds it.
    Agent,
}

/// Why a key cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is no key.
    #[error("{} is no key that can sign: {why}.\n  hint: name a private key, or the .pub of a key in your agent.", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A program failed.
    #[error(
        "`{program}` did not do it: {why}\n  hint: OpenSSH's programs have to be installed, and `ssh-add -L` has to list the key."
    )]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        why: String,
    },
    /// What was signed is not good.
    #[error("The signature cannot be used: {0}.")]
    Signature(#[from] NotSigned),
}

impl Key {
    /// The key in a file: a private key, or a public one whose private half an agent holds.
    pub fn of_file(path: &Path) -> Result<Key, KeyError> {
        let failed = |why: String| KeyError::File { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        if let Ok(public) = PublicKey::from_openssh(text.trim()) {
            return Ok(Key { public: public_line(&public), place: Place::Agent });
        }
        let private = PrivateKey::from_openssh(&text).map_err(|error| failed(error.to_string()))?;
        let public = public_line(private.public_key());
        // Whether the process can use the key shows when it signs; nothing is kept of it longer than that.
        let here = sign_line(&private, "probe@provost", "").is_ok_and(|signed| signed.is_some());
        let place = if here { Place::Here(Box::new(private)) } else { Place::File(path.to_owned()) };
        Ok(Key { public, place })
    }

    /// Every key of the agent.
    pub fn of_agent() -> Result<Vec<Key>, KeyError> {
        let failed = |why: String| KeyError::Program { program: "ssh-add -L", why };
        let output = Command::new("ssh-add").arg("-L").output().map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(words(&output.stderr, &output.stdout)));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let keys = text.lines().filter_map(|line| PublicKey::from_openssh(line).ok());
        Ok(keys.map(|key| Key { public: public_line(&key), place: Place::Agent }).collect())
    }

    /// Signs a line for a namespace.
    pub fn sign(&self, namespace: &str, line: &str) -> Result<SignedLine, KeyError> {
        let signed = match &self.place {
            Place::Here(key) => sign_line(key, namespace, line)?,
            Place::File(path) => Some(by_program(path, namespace, line)?),
            Place::Agent => {
                let failed = |error: std::io::Error| KeyError::Program {
                    program: "ssh-keygen",
                    why: error.to_string(),
                };
                let mut file = tempfile::NamedTempFile::with_suffix(".pub").map_err(failed)?;
                writeln!(file, "{}", self.public).map_err(failed)?;
                Some(by_program(file.path(), namespace, line)?)
            }
        };
        let signed = signed.ok_or_else(|| KeyError::Program {
            program: "ssh-keygen",
            why: "the key signs elsewhere".to_owned(),
        })?;
        if signed.key != self.public {
            return Err(KeyError::Program {
                program: "ssh-keygen",
                why: "another key signed than the one that was named".to_owned(),
            });
        }
        Ok(signed)
    }
}

/// 128 random bits as text: two statements are never one.
pub fn nonce() -> String {
    use ssh_key::rand_core::{OsRng, RngCore as _};
    let mut bytes = [0_u8; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `ssh-keygen -Y sign` over the line and its line break.
fn by_program(key: &Path, namespace: &str, line: &str) -> Result<SignedLine, KeyError> {
    let failed = |why: String| KeyError::Program { program: "ssh-keygen -Y sign", why };
    let mut child = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // It talks to the person at the terminal: "confirm user presence".
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{line}").map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    Ok(joined(line, &String::from_utf8_lossy(&output.stdout), namespace)?)
}

fn words(first: &[u8], second: &[u8]) -> String {
    let said = if first.is_empty() { second } else { first };
    String::from_utf8_lossy(said).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMESPACE: &str = "approval@provost";

    fn made(folder: &Path, passphrase: &str) -> PathBuf {
        let path = folder.join("key");
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-C", "", "-t", "ed25519", "-N", passphrase, "-f"]).arg(&path);
        assert!(make.status().unwrap().success());
        path
    }

    #[test]
    fn a_file_signs_here_and_names_its_public_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = made(folder.path(), "");
        let key = Key::of_file(&path).unwrap();
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(key.public, public.trim());
        let signed = key.sign(NAMESPACE, "{}").unwrap();
        assert_eq!((signed.line.as_str(), &signed.key), ("{}", &key.public));
        assert!(Key::of_file(&folder.path().join("nothing")).unwrap_err().to_string().contains("hint:"));
    }

    #[test]
    fn a_key_with_a_passphrase_is_left_to_ssh_keygen() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::of_file(&made(folder.path(), "a passphrase")).unwrap();
        assert!(matches!(key.place, Place::File(_)) && key.public.starts_with("ssh-ed25519 "));
    }
}
