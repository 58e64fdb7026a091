//! The signed statements: each request is agreed to by two people.

use jiff::{SignedDuration, Timestamp};
use provost_audit::key::public_line;
use provost_audit::sshsig::sign_line;
use provost_core::approval::{MAX_REQUESTS, NAMESPACE, Open, Predicate, Statement, Word};
use ssh_key::PrivateKey;
use ssh_key::private::{Ed25519Keypair, KeypairData};

use crate::Failure;

/// The installation that all of it is about.
pub const INSTALLATION: &str = "0123456789012345678901234567890123456789";

/// Who may agree: as many as in a large group.
pub const APPROVERS: u8 = 10;

/// An approver's id.
pub fn approver(number: u8) -> String {
    format!("p-approver-{number}")
}

/// The line of an approver in the allowed signers.
pub fn signer(number: u8) -> Result<String, Failure> {
    Ok(format!("{} {}\n", approver(number), public_line(key(number)?.public_key())))
}

/// As many files of the approvals branch, in which everything is agreed to twice.
pub fn sign(asked: &[Open], approvals: usize, now: Timestamp) -> Result<Vec<String>, Failure> {
    let parts = (approvals / 2).max(1);
    let each = asked.len().div_ceil(parts).max(1);
    if each > MAX_REQUESTS {
        return Err(format!("{each} requests in one statement are more than {MAX_REQUESTS}").into());
    }
    let mut files = Vec::new();
    for (number, part) in asked.chunks(each).enumerate() {
        let first = (number % usize::from(APPROVERS)) as u8;
        for who in [first, (first + 1) % APPROVERS] {
            files.push(statement(who, part, now)?);
        }
    }
    Ok(files)
}

fn statement(who: u8, asked: &[Open], now: Timestamp) -> Result<String, Failure> {
    let predicate = Predicate {
        installation: INSTALLATION.to_owned(),
        reference: "refs/heads/main".to_owned(),
        commit: "0".repeat(40),
        approver: approver(who).as_str().into(),
        decision: Word::Approve,
        requests: asked.iter().map(|open| open.request.clone()).collect(),
        expires: now + SignedDuration::from_hours(24),
        nonce: format!("{who}"),
        shown: asked.iter().map(|open| format!("{}\n", open.request)).collect(),
    };
    let line = String::from_utf8(Statement::new(predicate).to_bytes())?;
    let signed = sign_line(&key(who)?, NAMESPACE, line.trim_end())?.ok_or("the key signs nothing")?;
    Ok(signed.to_file())
}

fn key(number: u8) -> Result<PrivateKey, Failure> {
    Ok(PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[number + 1; 32])), "")?)
}
