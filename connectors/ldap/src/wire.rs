//! The way to a server: a connection, secured, between which and the LDAP library every message is looked at.
//!
//! The library reads whatever comes into memory and descends into it without end. So messages pass through here, one at a
//! time: their length and that of a whole answer are bounded, and so is how deep they nest.

use std::os::unix::net::UnixStream as Local;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use provost_sdk::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{TcpStream, UnixStream};

use crate::settings::{Config, Security};
use crate::tls::Tls;

/// StartTLS (RFC 4511, 4.14): message 1, an extended request of the name 1.3.6.1.4.1.1466.20037.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// Its answer is a code and a text for people.
const START_TLS_ANSWER: usize = 4 * 1024;
/// A search result nests seven deep, the deepest known control ten.
const DEEPEST: usize = 32;

/// What went wrong on a connection, for whoever sees only that it ended.
pub(crate) type Fault = Arc<OnceLock<String>>;

/// Connects, and gives the end for the LDAP library. Answers of more than `limit` bytes end the connection.
pub(crate) async fn open(config: &Config, tls: Option<&Tls>, limit: usize) -> Result<(Local, Fault)> {
    let unavailable = |what: &str, error: std::io::Error| {
        let message = format!("{}:{} cannot be {what}: {error}.", config.host, config.port);
        Error::new(ErrorKind::Unavailable, message).because(error)
    };
    let mut stream = TcpStream::connect((config.host.as_str(), config.port))
        .await
        .map_err(|error| unavailable("reached", error))?;
    stream.set_nodelay(true).map_err(|error| unavailable("used", error))?;
    let pair = |error| unavailable("relayed", error);
    let (ours, relayed) = Local::pair().map_err(pair)?;
    relayed.set_nonblocking(true).map_err(pair)?;
    let relayed = UnixStream::from_std(relayed).map_err(pair)?;
    let fault = Fault::default();
    if config.security == Security::StartTls {
        start_tls(&mut stream).await?;
    }
    match tls {
        Some(tls) => {
            let stream = tls.secure(&config.host, stream).await?;
            tokio::spawn(relay(tokio::io::split(stream), relayed, limit, fault.clone()));
        }
        None => {
            tokio::spawn(relay(stream.into_split(), relayed, limit, fault.clone()));
        }
    }
    Ok((ours, fault))
}

/// Asks for TLS. Nothing but the one answer is read before it begins.
async fn start_tls(stream: &mut TcpStream) -> Result<()> {
    let ended = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, format!("The connection ended at StartTLS: {error}."))
            .because(error)
    };
    stream.write_all(START_TLS).await.map_err(ended)?;
    let mut answer = Vec::new();
    read_message(stream, START_TLS_ANSWER, &mut answer).await.map_err(ended)?;
    // LDAPMessage { messageID 1, extendedResp [APPLICATION 24] { resultCode ENUMERATED, ... } }
    let body = answer.iter().position(|byte| *byte == 0x78).map(|at| &answer[at..]);
    let code =
        body.and_then(|body| body.windows(3).find(|code| code[..2] == [0x0a, 0x01])).map(|code| code[2]);
    match code {
        Some(0) => Ok(()),
        code => {
            let message = format!(
                "The server does not secure the connection by StartTLS (result code {code:?}): use an ldaps URL, or \
                 give the server a certificate."
            );
            Err(Error::new(ErrorKind::Configuration, message))
        }
    }
}

/// Passes bytes on until either end is gone.
async fn relay<R, W>((from, to): (R, W), local: UnixStream, limit: usize, fault: Fault)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (ours, theirs) = local.into_split();
    // What one answer may still hold: a new request is allowed a new answer.
    let allowance = AtomicUsize::new(limit);
    let ended = tokio::select! {
        ended = requests(ours, to, &allowance, limit) => ended,
        ended = answers(from, theirs, &allowance) => ended,
    };
    if let Err(error) = ended {
        let _told_already = fault.set(error.to_string());
    }
}

async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    allowance: &AtomicUsize,
    limit: usize,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        allowance.store(limit, Ordering::Relaxed);
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}

async fn answers(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    allowance: &AtomicUsize,
) -> std::io::Result<()> {
    let mut from = BufReader::with_capacity(64 * 1024, from);
    let mut to = BufWriter::with_capacity(64 * 1024, to);
    let mut message = Vec::new();
    loop {
        let left = allowance.load(Ordering::Relaxed);
        read_message(&mut from, left, &mut message).await?;
        allowance.store(left - message.len(), Ordering::Relaxed);
        if !nests_soundly(&message) {
            return Err(malformed("an answer is not what LDAP messages are made of"));
        }
        to.write_all(&message).await?;
        if from.buffer().is_empty() {
            to.flush().await?;
        }
    }
}

/// Reads one message, tag and length included, of at most `limit` bytes.
async fn read_message(
    from: &mut (impl AsyncRead + Unpin),
    limit: usize,
    message: &mut Vec<u8>,
) -> std::io::Result<()> {
    message.clear();
    message.resize(2, 0);
    from.read_exact(message).await?;
    if message[0] != 0x30 {
        return Err(malformed("an answer is no LDAP message"));
    }
    let more = usize::from(message[1].saturating_sub(0x80));
    if more > size_of::<u64>() || message[1] == 0x80 {
        return Err(malformed("an answer has no length"));
    }
    message.resize(2 + more, 0);
    from.read_exact(&mut message[2..]).await?;
    let Some((length, header)) = length(&message[1..]) else {
        return Err(malformed("an answer has no length"));
    };
    let header = header + 1;
    if length > limit.saturating_sub(header) {
        return Err(malformed("an answer is longer than the target's limit"));
    }
    // Memory follows what has come, not what was announced.
    let whole = header + length;
    while message.len() < whole {
        let have = message.len();
        message.resize(whole.min(have.max(64 * 1024) * 2), 0);
        from.read_exact(&mut message[have..]).await?;
    }
    Ok(())
}

/// A length and how many bytes it takes (X.690, 8.1.3); none for what is no definite length.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    match *first {
        short @ ..0x80 => Some((usize::from(short), 1)),
        0x80 => None,
        long => {
            let count = usize::from(long - 0x80);
            let digits = rest.get(..count).filter(|_| count <= size_of::<u64>())?;
            let length = digits.iter().fold(0u64, |length, byte| length << 8 | u64::from(*byte));
            Some((usize::try_from(length).ok()?, 1 + count))
        }
    }
}

/// Whether every part is wholly within the part that it is in, and none is too deep.
fn nests_soundly(message: &[u8]) -> bool {
    let mut ends: Vec<usize> = vec![message.len()];
    let mut at = 0;
    loop {
        while let Some(end) = ends.last() {
            match at.cmp(end) {
                std::cmp::Ordering::Less => break,
                std::cmp::Ordering::Equal => {
                    ends.pop();
                }
                std::cmp::Ordering::Greater => return false,
            }
        }
        let Some(end) = ends.last().copied() else { return true };
        let Some((length, header)) = length(&message[at + 1..end]) else { return false };
        let content = at + 1 + header;
        let Some(next) = content.checked_add(length).filter(|next| *next <= end) else { return false };
        let constructed = message[at] & 0x20 != 0;
        if constructed && ends.len() >= DEEPEST {
            return false;
        }
        match constructed {
            true => {
                ends.push(next);
                at = content;
            }
            false => at = next,
        }
    }
}

fn malformed(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_nest_soundly_or_are_refused() {
        assert!(nests_soundly(START_TLS));
        for bad in [
            &b"\x30\x03\x02\x02\x01"[..],
            b"\x30\x80\x00\x00",
            b"\x30\x02\x02",
            b"\x30\x04\x30\x03\x02\x00",
            b"\x30\x0a\x02\x88\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(!nests_soundly(bad), "{bad:x?}");
        }
        let mut deep = vec![0x02, 0x00];
        for depth in 1..40 {
            let length = u8::try_from(deep.len()).unwrap_or(u8::MAX);
            deep.splice(0..0, [0x30, length]);
            assert_eq!(nests_soundly(&deep), depth < DEEPEST, "{depth}");
        }
    }

    #[tokio::test]
    async fn a_message_is_read_up_to_the_limit() {
        let read = async |bytes: &[u8], limit| {
            let mut message = Vec::new();
            read_message(&mut &*bytes, limit, &mut message).await.map(|()| message)
        };
        assert_eq!(read(START_TLS, START_TLS.len()).await.ok().as_deref(), Some(START_TLS));
        assert!(read(START_TLS, START_TLS.len() - 1).await.is_err());
        assert!(read(&START_TLS[..20], 100).await.is_err());
        // Announced and never sent: refused at once, or for want of bytes, and never allocated.
        assert!(read(b"\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff", usize::MAX).await.is_err());
    }
}
