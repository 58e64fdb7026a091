//! What approvers do: they sign what is asked, some of it late, deny, take back what they signed, and sign twice;
//! somebody signs with a key that is not theirs, or for another installation.

use jiff::SignedDuration;
use provost_core::Sym;
use provost_core::approval::{Request, Word};
use provost_core::digest::digest;

use super::genesis::{SIGNERS, key};
use super::judging::{HERE, Statement};
use super::shell::Shell;

/// Somebody says something about what is asked for now, or said it long ago.
pub fn speak(shell: &mut Shell) {
    if shell.dice.chance(15) {
        return again(shell);
    }
    // Links are an operator's word here, as everywhere else in this simulation.
    let open = shell.engine.agreement.open.iter().map(|open| open.request.clone());
    let open: Vec<Request> = open.filter(is_signed).collect();
    if open.is_empty() {
        return;
    }
    let who = *shell.dice.pick(&SIGNERS);
    let requests = match shell.dice.chance(50) {
        true => open,
        false => vec![shell.dice.pick(&open).clone()],
    };
    let decision = if shell.dice.chance(10) { Word::Deny } else { Word::Approve };
    let late = match shell.dice.chance(30) {
        true => SignedDuration::from_secs(shell.dice.below(1800) as i64),
        false => SignedDuration::ZERO,
    };
    let mut statement = statement(shell, who, decision, requests);
    match shell.dice.below(25) {
        0 => statement.installation = "installation-2",
        1 => statement.key = key("p-06"),
        _ => {}
    }
    shell.post(shell.now + late, statement);
}

/// A statement is on the branch once more, or whoever made it takes it back.
fn again(shell: &mut Shell) {
    let Some(old) = shell.dice.one(shell.branch.iter().cloned()) else { return };
    let statement = match shell.dice.chance(50) {
        true => old,
        false => statement(shell, old.approver.as_str(), Word::Deny, old.requests),
    };
    shell.post(shell.now, statement);
}

/// Everybody signs whatever is asked for.
pub fn sign_all(shell: &mut Shell) {
    for who in SIGNERS {
        let open = shell.engine.agreement.open.iter().map(|open| open.request.clone());
        let requests: Vec<Request> = open.filter(is_signed).collect();
        if !requests.is_empty() {
            let mut statement = statement(shell, who, Word::Approve, requests);
            statement.expires = shell.clock() + SignedDuration::from_hours(24);
            shell.post(shell.now, statement);
        }
    }
}

fn is_signed(request: &Request) -> bool {
    matches!(request, Request::Grant(_) | Request::Attribute(_) | Request::Enable(_) | Request::Rule(_))
}

fn statement(shell: &mut Shell, who: &str, decision: Word, requests: Vec<Request>) -> Statement {
    shell.statements += 1;
    let expires = shell.clock() + SignedDuration::from_mins(10 + shell.dice.below(170) as i64);
    Statement {
        id: digest(&shell.statements),
        installation: HERE,
        approver: Sym::new(who),
        key: key(who),
        decision,
        requests,
        expires,
    }
}
