//! A key that an SSH agent holds: one request of its protocol, to sign (draft-ietf-sshm-ssh-agent, section 3.6).
//!
//! The one client that exists as a crate brings RSA, DSA and the larger curves into every check of a signature here.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh_key::{PublicKey, Signature};

/// `SSH_AGENTC_SIGN_REQUEST` and `SSH_AGENT_SIGN_RESPONSE`.
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The largest answer that is read: an ed25519 signature has 83 bytes with its names.
const MAX_ANSWER: usize = 4096;

/// An agent of this machine answers at once; one that asks somebody at a screen is none for a daemon.
const PATIENCE: Duration = Duration::from_secs(10);

/// The agent of this process's environment, and one of its keys.
pub(crate) struct Agent {
    socket: PathBuf,
    /// Kept from one signature to the next.
    connection: Option<UnixStream>,
}

impl Agent {
    /// The agent at a socket. It need not be there yet.
    pub(crate) fn at(socket: &Path) -> Agent {
        Agent { socket: socket.to_owned(), connection: None }
    }

    /// Has the agent sign. Whether the signature is good is for the caller to check.
    ///
    /// # Errors
    /// Says why not, in words that can stand in an error.
    pub(crate) fn sign(&mut self, key: &PublicKey, data: &[u8]) -> Result<Signature, String> {
        let kept = self.connection.is_some();
        let signed = match self.try_sign(key, data) {
            // An agent that was started again does not know the old connection.
            Err(_) if kept => {
                self.connection = None;
                self.try_sign(key, data)
            }
            signed => signed,
        };
        if signed.is_err() {
            self.connection = None;
        }
        signed
    }

    fn try_sign(&mut self, key: &PublicKey, data: &[u8]) -> Result<Signature, String> {
        let failed = |error: std::io::Error| format!("the agent at {}: {error}", self.socket.display());
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.socket).map_err(failed)?,
        };
        let key = key.to_bytes().map_err(|error| error.to_string())?;
        let mut request = vec![SIGN_REQUEST];
        put(&mut request, &key);
        put(&mut request, data);
        request.extend_from_slice(&[0; 4]);
        let mut packet = Vec::with_capacity(request.len() + 4);
        put(&mut packet, &request);
        connection.write_all(&packet).map_err(failed)?;
        let mut len = [0; 4];
        connection.read_exact(&mut len).map_err(failed)?;
        let len = u32::from_be_bytes(len) as usize;
        if len > MAX_ANSWER {
            return Err("the agent's answer is too long".to_owned());
        }
        let mut answer = vec![0; len];
        connection.read_exact(&mut answer).map_err(failed)?;
        self.connection = Some(connection);
        let refused = "the agent does not sign with this key: is it there (ssh-add -L) and unlocked?";
        let blob = answer.strip_prefix(&[SIGN_RESPONSE]).ok_or(refused)?;
        let malformed = || "the agent's signature cannot be read".to_owned();
        let blob =
            blob.split_first_chunk().filter(|(len, blob)| u32::from_be_bytes(**len) as usize == blob.len());
        let (_, blob) = blob.ok_or_else(malformed)?;
        Signature::try_from(blob).map_err(|_| malformed())
    }
}

fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    let connection = UnixStream::connect(socket)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

/// A string of the SSH protocols: its length in four bytes, and itself.
fn put(packet: &mut Vec<u8>, bytes: &[u8]) {
    // Records are bounded far below 4 GiB.
    packet.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    packet.extend_from_slice(bytes);
}
