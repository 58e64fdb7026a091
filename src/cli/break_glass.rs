//! `provost break-glass`

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use owo_colors::OwoColorize;
use provost_core::Sym;
use provost_core::digest::Digest;
use provost_core::document::GrantSpec;
use provost_core::evidence::Power;
use provost_core::when::Length;
use serde_json::{Value, json};

use super::approve::{Signing, expiry, settings};
use super::{CliError, Config, apply, block_on};
use crate::approval::emergency::{Act, Line, NAMESPACE};
use crate::approval::key::{Key, nonce};
use crate::approval::look::EMERGENCY;
use crate::approval::room::Room;
use crate::control::{self, ControlError};
use crate::text::safe_block;

/// An emergency that is not seen within an hour is over, or somebody keeps its file for another day.
const SOON: Length = Length(SignedDuration::from_hours(1));

/// Take powers alone in an emergency, for hours; or review that somebody did
///
/// A break-glass policy in force says who may, with which keys, what and how long. It is on the record before anything
/// is granted, everybody sees it, it ends by itself, and somebody else has to review it. Where the daemon runs on this
/// machine it is handed over directly, else by the branch provost/approvals.
///
/// Examples:
///   provost break-glass production-down --person p-0013 --hours 2 --reason "INC-4711 database down" --key FILE
///   provost break-glass --review 3f2a91c07b11... --key FILE
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The break-glass policy
    #[arg(required_unless_present = "review", conflicts_with = "review")]
    policy: Option<String>,
    /// Who: a person of the policy
    #[arg(long, requires = "policy")]
    person: Option<String>,
    /// For how long
    #[arg(long, default_value_t = 1)]
    hours: u16,
    /// Why
    #[arg(long, requires = "policy")]
    reason: Option<String>,
    /// The emergency that you reviewed: its digest, as the status shows it
    #[arg(long, value_name = "DIGEST")]
    review: Option<Digest>,
    #[command(flatten)]
    signing: Signing,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// The desired-state repository, instead of the settings'
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// The tracked branch, where there are no settings
    #[arg(long, default_value = "main")]
    branch: String,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
    let settings = settings(config, args.repo.as_deref(), &args.branch)?;
    let room = Room::enter(&settings, now)?;
    let (key, person, act) = match args.review {
        Some(emergency) => {
            let (key, person) = room.key(args.signing.file()?.as_deref(), now)?;
            (key, person, Act::Review { emergency })
        }
        None => take(args, &room)?,
    };
    if let Act::Take { grants, hours, .. } = &act {
        for grant in grants {
            let power = Power::from(grant).to_string();
            anstream::println!("{person} takes {} for {hours} hours", safe_block(&power));
        }
    }
    if !args.yes && !apply::confirmed("Sign this? Everybody will see it.")? {
        return Ok(ExitCode::from(1));
    }
    let line = Line {
        installation: room.installation().to_owned(),
        person,
        act,
        expires: expiry(now, SOON)?,
        nonce: nonce(),
    };
    let signed = key.sign(NAMESPACE, &provost_core::digest::canonical(&line))?.to_file();
    let body = json!({ "file": signed });
    match block_on(control::request(&settings.state, "POST", "/control/break-glass", &body))? {
        Ok(Value::Null) => anstream::println!("{} by the daemon, and on the record.", "Accepted".green()),
        Ok(other) => return Err(CliError::user(format!("The daemon answered {other}."))),
        Err(ControlError::NotRunning { .. }) => {
            let file = format!("{}{EMERGENCY}", line.nonce);
            room.push(&file, &signed, &format!("{person} breaks the glass"))?;
            anstream::println!("Pushed: {file}. It is accepted when the daemon sees it.");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn take(args: &Args, room: &Room) -> Result<(Key, Sym, Act), CliError> {
    let missing = |what: &str| CliError::user(format!("{what} is missing.")).hint("see --help");
    let id = args.policy.as_deref().ok_or_else(|| missing("The policy"))?;
    let person = args.person.as_deref().ok_or_else(|| missing("--person"))?;
    let reason = args.reason.clone().ok_or_else(|| missing("--reason"))?;
    let file = args.signing.file()?.ok_or_else(|| missing("--key"))?;
    let policy = room.view().organisation.snapshot().break_glass(Sym::new(id));
    let policy = policy.ok_or_else(|| CliError::user(format!("No break-glass policy {id} is in force.")))?;
    let grants: Vec<GrantSpec> = policy.grants.clone();
    let act = Act::Take { policy: policy.id, grants, hours: args.hours, reason };
    Ok((Key::of_file(&file)?, Sym::new(person), act))
}
