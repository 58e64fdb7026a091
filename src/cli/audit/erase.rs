//! `provost audit erase`

use std::process::ExitCode;

use jiff::Timestamp;

use crate::cli::{CliError, Config};
use crate::engine::erase;
use crate::settings::Overrides;
use crate::text::safe;

/// Erase somebody's personal data in the audit log
///
/// The daemon has to be stopped. What is marked as personal in the settings lies in the log only sealed, under a key of
/// each subject outside of the log: this destroys the key and records that. No record changes, and `provost audit verify`
/// goes on to find the log whole. Do it when the accounts are deleted: what is still on a target is read again, and sealed
/// under a new key. docs/AUDIT.md says what lies outside of this.
///
/// Examples:
///   provost audit erase p-1042
///   provost audit erase forge:8f3a-11    an account that is nobody's: TARGET:ANCHOR
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// An identity's id, or TARGET:ANCHOR
    subject: String,
}

pub(super) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let subject = safe(&args.subject);
    let (seq, erased) = erase(&settings, &args.subject, Timestamp::now())?;
    if erased {
        anstream::println!("The key of {subject} is destroyed; record {seq} says so.");
    } else {
        anstream::println!("There was no key of {subject}; record {seq} says so.");
    }
    Ok(ExitCode::SUCCESS)
}
