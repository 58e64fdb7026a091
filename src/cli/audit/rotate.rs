//! `provost audit rotate-key`

use std::process::ExitCode;

use jiff::Timestamp;

use crate::cli::{CliError, Config};
use crate::engine::rotate_key;
use crate::settings::Overrides;

/// Have a new key sign the audit log from here on
///
/// The daemon has to be stopped. The record of the change is signed by the key before, so whoever trusts that one can
/// follow; STATE/signing-key.pub lists both, and the private half of the one before is gone. Put the new public key
/// where auditors keep the old one.
///
/// Examples:
///   provost audit rotate-key
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let (seq, key) = rotate_key(&settings, Timestamp::now())?;
    anstream::println!("record {seq} hands over to\n{key}");
    Ok(ExitCode::SUCCESS)
}
