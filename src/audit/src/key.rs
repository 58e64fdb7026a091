//! The daemon's signing key: an ed25519 key in OpenSSH's own file format, or one that an SSH agent holds.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ed25519_dalek::Signer as _;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, Signature, SshSig};

use crate::agent::Agent;
use crate::error::{Error, Result};

/// The principal under which the daemon's key stands in an allowed_signers file.
pub const PRINCIPAL: &str = "provost";

/// The namespace of git's SSH signatures.
pub(crate) const NAMESPACE: &str = "git";

/// An ed25519 key that signs records. It is never shown.
pub struct SigningKey {
    public: PublicKey,
    place: Place,
}

enum Place {
    /// In this process.
    Here(Box<ed25519_dalek::SigningKey>),
    /// In an agent.
    Agent(Mutex<Agent>),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public.fingerprint(HashAlg::Sha256))
    }
}

impl SigningKey {
    /// Makes a new key from the system's randomness.
    pub fn random() -> Result<SigningKey> {
        let key = PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519)
            .map_err(|error| key_error("new key", &error.to_string()))?;
        SigningKey::here(&key, "new key")
    }

    fn here(key: &PrivateKey, name: &str) -> Result<SigningKey> {
        let pair = key.key_data().ed25519().ok_or_else(|| key_error(name, "it is not an ed25519 key"))?;
        // Expanded once: ssh-key does it again for every signature, which takes as long as signing.
        let place = Place::Here(Box::new(ed25519_dalek::SigningKey::from_bytes(&pair.private.to_bytes())));
        Ok(SigningKey { public: key.public_key().clone(), place })
    }

    /// Reads an unencrypted OpenSSH private key. A file with a public key names one that the agent at `SSH_AUTH_SOCK`
    /// holds: then the file is no secret.
    ///
    /// # Errors
    /// Refuses a key that is not ed25519, is encrypted, or lies in a file that others can read.
    pub fn load(path: &Path) -> Result<SigningKey> {
        let name = path.display().to_string();
        if let Ok(public) = PublicKey::read_openssh_file(path) {
            let socket = std::env::var_os("SSH_AUTH_SOCK")
                .ok_or_else(|| key_error(&name, "it is in an agent, and SSH_AUTH_SOCK names none"))?;
            return SigningKey::of_agent(public, Path::new(&socket))
                .map_err(|error| key_error(&name, &error.to_string()));
        }
        let metadata = std::fs::metadata(path).map_err(Error::io("reading the key", path))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(key_error(&name, "others can read the file; run chmod 600 on it"));
        }
        let key =
            PrivateKey::read_openssh_file(path).map_err(|error| key_error(&name, &error.to_string()))?;
        if key.is_encrypted() {
            return Err(key_error(&name, "it is encrypted; the daemon needs a key without a passphrase"));
        }
        SigningKey::here(&key, &name)
    }

    /// A key that the agent at this socket holds.
    ///
    /// # Errors
    /// Refuses a key that is not ed25519. Whether the agent signs with it shows at the first record.
    pub fn of_agent(public: PublicKey, socket: &Path) -> Result<SigningKey> {
        if public.algorithm() != Algorithm::Ed25519 {
            return Err(key_error("of the agent", "it is not an ed25519 key"));
        }
        Ok(SigningKey { public, place: Place::Agent(Mutex::new(Agent::at(socket))) })
    }

    /// Reads the key at `path`, or makes one there (mode 0600, its public half beside it as `.pub`) if there is none.
    pub fn load_or_generate(path: &Path) -> Result<SigningKey> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let write_public = |key: &SigningKey| {
            std::fs::write(&public, format!("{} {PRINCIPAL}\n", key.public_line()))
                .map_err(Error::io("writing the key", &public))
        };
        if path.exists() {
            let key = SigningKey::load(path)?;
            if !Path::new(&public).exists() {
                write_public(&key)?;
            }
            return Ok(key);
        }
        let name = path.display().to_string();
        let private = PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519)
            .map_err(|error| key_error(&name, &error.to_string()))?;
        let text =
            private.to_openssh(LineEnding::LF).map_err(|error| key_error(&name, &error.to_string()))?;
        let failed = || Error::io("writing the key", path);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed())?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed())?;
        let key = SigningKey::here(&private, &name)?;
        write_public(&key)?;
        Ok(key)
    }

    /// The public key as OpenSSH writes it, without comment: `ssh-ed25519 AAAA...`.
    pub fn public_line(&self) -> String {
        public_line(&self.public)
    }

    /// The line for an allowed_signers file with which `git verify-commit` accepts this key.
    pub fn allowed_signers_line(&self) -> String {
        format!("{PRINCIPAL} namespaces=\"{NAMESPACE}\" {}", self.public_line())
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// An SSHSIG signature (namespace `git`, SHA-512) as the armoured text that git puts into `gpgsig`.
    pub fn sign(&self, payload: &[u8]) -> Result<String> {
        let failed = |error: ssh_key::Error| key_error("of the daemon", &error.to_string());
        let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, payload).map_err(failed)?;
        let join = |signed| {
            let key = self.public.key_data().clone();
            SshSig::new(key, NAMESPACE, HashAlg::Sha512, signed).map_err(failed)
        };
        let signature = match &self.place {
            Place::Here(key) => {
                let signed = key.sign(&data).to_bytes();
                join(Signature::new(Algorithm::Ed25519, signed).map_err(failed)?)?
            }
            Place::Agent(agent) => {
                // A connection that a panic left half way is made anew when it does not answer.
                let mut agent = agent.lock().unwrap_or_else(PoisonError::into_inner);
                let signed = agent.sign(&self.public, &data);
                let signature = join(signed.map_err(|reason| key_error("of the daemon", &reason))?)?;
                // A record with a signature that is not good would be a finding for ever.
                self.public.verify(NAMESPACE, payload, &signature).map_err(failed)?;
                signature
            }
        };
        signature.to_pem(LineEnding::LF).map_err(failed)
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
