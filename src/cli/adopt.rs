//! `provost adopt`

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{CliError, Config, Output, apply, block_on, output};
use crate::control::{self, ControlError};
use crate::embedded;
use crate::engine::{AdoptionShown, Engine};
use crate::settings::{Overrides, Settings};

/// Let provost write to a target: show what is there, and record it as the baseline
///
/// Accounts whose username or email is that of an identity are candidates; adopting links them. Nothing is changed on
/// the target by adopting.
///
/// Examples:
///   provost adopt forge
///   provost adopt forge --yes
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The target
    target: String,
    /// Record the baseline, but link no candidate
    #[arg(long)]
    no_links: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let path = format!("/control/adopt/{}", args.target);
    let body = json!({ "link": !args.no_links });
    let running = match block_on(control::request(&settings.state, "GET", &path, &Value::Null))? {
        Ok(found) => Some(found),
        Err(ControlError::NotRunning { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let offline = Arc::new(settings.clone());
    let found = match running.clone() {
        Some(found) => parse(found)?,
        None => block_on(alone(offline.clone(), &args.target, None))??,
    };
    if args.output == Output::Text {
        print(&args.target, &found);
    }
    if !args.yes && !apply::confirmed(&format!("Adopt {} as it is?", args.target))? {
        return Ok(ExitCode::from(1));
    }
    let adopted = match running {
        Some(_) => parse(block_on(control::request(&settings.state, "POST", &path, &body))??)?,
        None => block_on(alone(offline, &args.target, Some(!args.no_links)))??,
    };
    if args.output == Output::Json {
        output::json(&adopted)?;
    } else {
        anstream::println!("Adopted: {} accounts recorded, {} linked.", adopted.accounts, adopted.linked);
    }
    Ok(ExitCode::SUCCESS)
}

/// Without a daemon: the embedded directories are served for as long as it takes.
async fn alone(
    settings: Arc<Settings>,
    target: &str,
    adopt: Option<bool>,
) -> Result<AdoptionShown, CliError> {
    embedded::serve_all(&settings, true).await?;
    Ok(Engine::adoption_offline(settings, target, adopt).await?)
}

fn parse(value: Value) -> Result<AdoptionShown, CliError> {
    serde_json::from_value(value).map_err(|error| {
        CliError::internal("The daemon answers in another form than this program knows.", error)
    })
}

fn print(target: &str, found: &AdoptionShown) {
    anstream::println!(
        "{}: {} accounts, {} entitlements, {} accounts linked to identities\n",
        crate::text::safe(target),
        found.accounts,
        found.entitlements,
        found.linked
    );
    if !found.candidates.is_empty() {
        let rows = found.candidates.iter().map(|candidate| {
            vec![
                candidate.identity.clone(),
                candidate.profile.clone(),
                candidate.username.clone(),
                candidate.by.clone(),
                candidate.anchor.clone(),
            ]
        });
        anstream::println!(
            "{}\n",
            output::table(&["identity", "profile", "account", "matches by", "anchor"], rows)
        );
    }
}
