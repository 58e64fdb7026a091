//! `provost trust`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use provost_core::Sym;
use serde_json::{Value, json};

use super::{CliError, Config, block_on};
use crate::approval::key::Key;
use crate::control::{self, ControlError};
use crate::engine::Engine;
use crate::settings::{Overrides, Settings};
use crate::trust::word;

/// Name a commit that counts as a whole: every rule in it comes into force
///
/// This is the operator's word in the place of evidence, and the way back after a branch that was rewritten or moved
/// back. It is recorded. Where `provost init` named recovery keys, one of them has to sign it: without a signature this
/// says what is to be signed.
///
/// With --audit-tip it goes on where the state folder was lost: the published audit log is fetched, if that record is
/// its newest. Put the signing key back from your backup first.
///
/// Examples:
///   provost trust 3f2a91c
///   provost trust 3f2a91c --key ~/.ssh/recovery
///   provost trust main --audit-tip 8c1f0b9e5d7a3c2f4e6b8d0a1c3e5f7092b4d6e8
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The commit
    commit: String,
    /// Sign with this recovery key: a private key, or the .pub of one in the agent
    #[arg(long, value_name = "FILE", conflicts_with = "signed")]
    key: Option<PathBuf>,
    /// The word as it was signed elsewhere: the line, and the armoured signature below it
    #[arg(long, value_name = "FILE")]
    signed: Option<PathBuf>,
    /// The newest record of the published audit log, in full
    #[arg(long, value_name = "HASH")]
    audit_tip: Option<String>,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    if let Some(tip) = &args.audit_tip {
        Engine::restore(&settings, tip)?;
    }
    let mirror = settings.state.join("mirror.git");
    let source = crate::git::Source::new(&settings.repository.url, &settings.repository.branch, &mirror);
    if args.audit_tip.is_some() {
        source.head()?;
    }
    let commit = source.resolve(&args.commit)?.to_string();
    if !by_the_daemon(args, &settings, &commit)? {
        Engine::offline(Arc::new(settings), |engine| {
            let commit = Sym::new(&commit);
            let signed = signed(args, engine.word_for(commit).as_deref())?;
            engine.trust(commit, signed.as_deref(), jiff::Timestamp::now())?;
            Ok::<(), CliError>(())
        })?;
    }
    anstream::println!("Trusted: {commit}.");
    Ok(ExitCode::SUCCESS)
}

/// Whether a daemon runs, which did it.
fn by_the_daemon(args: &Args, settings: &Settings, commit: &str) -> Result<bool, CliError> {
    let path = format!("/control/trust/{commit}");
    let ask = |method: &str, body: &Value| block_on(control::request(&settings.state, method, &path, body));
    let word = match ask("GET", &Value::Null)? {
        Ok(answer) => answer["word"].as_str().map(str::to_owned),
        Err(ControlError::NotRunning { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let signed = signed(args, word.as_deref())?;
    ask("POST", &json!({ "signed": signed }))??;
    Ok(true)
}

/// The signed word, if one is asked for and there is one.
fn signed(args: &Args, line: Option<&str>) -> Result<Option<String>, CliError> {
    let Some(line) = line else { return Ok(None) };
    if let Some(path) = &args.key {
        let key = Key::of_file(path).map_err(|error| CliError::user(error.to_string()))?;
        let signed = key.sign(word::NAMESPACE, line).map_err(|error| CliError::user(error.to_string()))?;
        return Ok(Some(signed.to_file()));
    }
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|error| CliError::user(format!("{} cannot be read: {error}.", path.display())))
    };
    args.signed.as_ref().map(read).transpose()
}
