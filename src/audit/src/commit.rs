//! Commit objects as this crate writes them, and the strict reading of them.

use crate::error::Result;
use crate::id::ObjectId;
use crate::key::SigningKey;

/// Author and committer of every record: fixed, so that nothing of the host shows. `.invalid` is reserved (RFC 2606).
const IDENTITY: &str = "provost <audit@provost.invalid>";

/// A commit object, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The tree that it shows.
    pub tree: ObjectId,
    /// The record before; none for the genesis.
    pub parent: Option<ObjectId>,
    /// Seconds since 1970.
    pub at: i64,
    /// The armoured SSHSIG signature.
    pub signature: Option<String>,
    /// The bytes that are signed: the object without its `gpgsig` header.
    pub payload: Vec<u8>,
    /// The message.
    pub message: String,
}

/// Makes and signs the commit object. `at` is in seconds since 1970.
pub(crate) fn write_commit(
    tree: ObjectId,
    parent: Option<ObjectId>,
    at: i64,
    message: &str,
    key: &SigningKey,
) -> Result<Vec<u8>> {
    let mut head = format!("tree {tree}\n");
    if let Some(parent) = parent {
        head.push_str(&format!("parent {parent}\n"));
    }
    head.push_str(&format!("author {IDENTITY} {at} +0000\ncommitter {IDENTITY} {at} +0000\n"));
    let payload = format!("{head}\n{message}");
    let signature = key.sign(payload.as_bytes())?;
    let mut object = head.into_bytes();
    for (number, line) in signature.lines().enumerate() {
        object.extend_from_slice(if number == 0 { b"gpgsig " } else { b" " });
        object.extend_from_slice(line.as_bytes());
        object.push(b'\n');
    }
    object.push(b'\n');
    object.extend_from_slice(message.as_bytes());
    Ok(object)
}

/// Reads a commit object strictly: the headers that this crate writes, each once, in its order.
///
/// # Errors
/// Says what is wrong, in words that can stand in a finding.
pub fn parse_commit(object: &[u8]) -> Result<Commit, String> {
    let text = std::str::from_utf8(object).map_err(|_| "the commit is not UTF-8".to_owned())?;
    let (head, message) = text.split_once("\n\n").ok_or("the commit has no message")?;
    let mut lines = head.split('\n').peekable();
    let mut header = |name: &str| -> Option<String> {
        let value = lines.peek()?.strip_prefix(name)?.strip_prefix(' ')?.to_owned();
        lines.next();
        Some(value)
    };
    let id = |text: String| text.parse::<ObjectId>().map_err(|error| error.to_string());
    let tree = id(header("tree").ok_or("the tree header is missing")?)?;
    let parent = header("parent").map(id).transpose()?;
    let author = header("author").ok_or("the author header is missing")?;
    let committer = header("committer").ok_or("the committer header is missing")?;
    let first = header("gpgsig");
    let signature = first.map(|first| {
        let mut signature = String::with_capacity(head.len());
        signature.push_str(&first);
        signature.push('\n');
        while let Some(line) = lines.next_if(|line| line.starts_with(' ')) {
            signature.push_str(&line[1..]);
            signature.push('\n');
        }
        signature
    });
    if let Some(line) = lines.next() {
        return Err(format!("an unknown, repeated or misplaced header: {line:?}"));
    }
    if author != committer {
        return Err("author and committer differ".to_owned());
    }
    let at = author
        .strip_prefix(IDENTITY)
        .and_then(|rest| rest.strip_prefix(' '))
        .and_then(|rest| rest.strip_suffix(" +0000"))
        .and_then(|at| at.parse::<i64>().ok().filter(|number| number.to_string() == at))
        .ok_or("the author is not the identity of the log with a time in UTC")?;
    let signed_head = match head.find("\ngpgsig ") {
        Some(end) => &head[..end],
        None => head,
    };
    Ok(Commit {
        tree,
        parent,
        at,
        signature,
        payload: [signed_head, "\n\n", message].concat().into_bytes(),
        message: message.to_owned(),
    })
}
