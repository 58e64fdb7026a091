//! `provost trust`

use std::process::ExitCode;

use serde_json::Value;

use super::{CliError, Config, block_on};
use crate::control::{self, ControlError};
use crate::engine::{Engine, OpenOptions};
use crate::settings::Overrides;

/// Name a commit that counts as a whole: every rule in it comes into force
///
/// This is the operator's word in the place of evidence, and the way back after a rewritten branch. It is recorded.
///
/// Example:
///   provost trust 3f2a91c
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The commit
    commit: String,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let source = crate::git::Source::new(
        &settings.repository.url,
        &settings.repository.branch,
        &settings.state.join("mirror.git"),
    );
    let commit = source.resolve(&args.commit)?.to_string();
    let path = format!("/control/trust/{commit}");
    match block_on(control::request(&settings.state, "POST", &path, &Value::Null))? {
        Ok(_) => {}
        Err(ControlError::NotRunning { .. }) => {
            let options = OpenOptions { trust: Some(commit.clone()), ..OpenOptions::default() };
            Engine::open_and_close(std::sync::Arc::new(settings), options)?;
        }
        Err(error) => return Err(error.into()),
    }
    anstream::println!("Trusted: {commit}.");
    Ok(ExitCode::SUCCESS)
}
