//! The daemon's signing key: an ed25519 key in OpenSSH's own file format.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use crate::error::{Error, Result};

/// The principal under which the daemon's key stands in an allowed_signers file.
pub const PRINCIPAL: &str = "provost";

/// The namespace of git's SSH signatures.
pub(crate) const NAMESPACE: &str = "git";

/// An ed25519 key that signs records. It is never shown.
pub struct SigningKey {
    key: PrivateKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.key.fingerprint(HashAlg::Sha256))
    }
}

impl SigningKey {
    /// Makes a new key from the system's randomness.
    pub fn random() -> Result<SigningKey> {
        let key = PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519)
            .map_err(|error| key_error("new key", &error.to_string()))?;
        Ok(SigningKey { key })
    }

    /// Reads an unencrypted OpenSSH private key.
    ///
    /// # Errors
    /// Refuses a key that is not ed25519, is encrypted, or lies in a file that others can read.
    pub fn load(path: &Path) -> Result<SigningKey> {
        let name = path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(Error::io("reading the key", path))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(key_error(&name, "others can read the file; run chmod 600 on it"));
        }
        let key =
            PrivateKey::read_openssh_file(path).map_err(|error| key_error(&name, &error.to_string()))?;
        if key.is_encrypted() {
            return Err(key_error(&name, "it is encrypted; the daemon needs a key without a passphrase"));
        }
        if key.algorithm() != Algorithm::Ed25519 {
            return Err(key_error(&name, "it is not an ed25519 key"));
        }
        Ok(SigningKey { key })
    }

    /// Reads the key at `path`, or makes one there (mode 0600, its public half beside it as `.pub`) if there is none.
    pub fn load_or_generate(path: &Path) -> Result<SigningKey> {
        if path.exists() {
            return SigningKey::load(path);
        }
        let key = SigningKey::random()?;
        let name = path.display().to_string();
        let text =
            key.key.to_openssh(LineEnding::LF).map_err(|error| key_error(&name, &error.to_string()))?;
        let failed = || Error::io("writing the key", path);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed())?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed())?;
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        std::fs::write(&public, format!("{} {PRINCIPAL}\n", key.public_line()))
            .map_err(Error::io("writing the key", &public))?;
        Ok(key)
    }

    /// The public key as OpenSSH writes it, without comment: `ssh-ed25519 AAAA...`.
    pub fn public_line(&self) -> String {
        public_line(self.key.public_key())
    }

    /// The line for an allowed_signers file with which `git verify-commit` accepts this key.
    pub fn allowed_signers_line(&self) -> String {
        format!("{PRINCIPAL} namespaces=\"{NAMESPACE}\" {}", self.public_line())
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// An SSHSIG signature (namespace `git`, SHA-512) as the armoured text that git puts into `gpgsig`.
    pub fn sign(&self, payload: &[u8]) -> Result<String> {
        let failed = |error: ssh_key::Error| key_error("of the daemon", &error.to_string());
        SshSig::sign(&self.key, NAMESPACE, HashAlg::Sha512, payload)
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(failed)
    }
}

/// A public key as OpenSSH writes it, without comment.
pub fn public_line(key: &PublicKey) -> String {
    let bare = PublicKey::new(key.key_data().clone(), "");
    // Encoding a key that was decoded before cannot fail; an empty line would match nothing.
    bare.to_openssh().unwrap_or_default().trim_end().to_owned()
}

fn key_error(name: &str, reason: &str) -> Error {
    Error::Key { name: name.to_owned(), reason: reason.to_owned() }
}
