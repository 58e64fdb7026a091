//! `provost apply`

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use super::progress::Convergence;
use super::{CliError, Config, block_on, plan, run, status};
use crate::daemon::{self, Stay, Tell};
use crate::engine::OpenOptions;
use crate::settings::Overrides;
use crate::{embedded, telemetry};

/// Apply once what has been approved, without a daemon
///
/// Shows the plan, asks, and then does what the daemon would do until nothing is left: intent, call, outcome.
///
/// Examples:
///   provost apply
///   provost apply --yes
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    telemetry::start(&crate::settings::Log { filter: Some("warn".to_owned()), ..settings.log.clone() });
    if !args.yes {
        let found = plan::compute(&settings)?;
        plan::print_text(&found);
        if found.proceeding() == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        if !confirmed("Apply this now?")? {
            return Ok(ExitCode::from(1));
        }
    }
    let stay = Stay::UntilSettled(run::ONCE_LIMIT);
    let progress = Convergence::begin();
    let shown = progress.clone();
    let tell = Tell { changed: Box::new(move |report| shown.show(report)), ..Tell::default() };
    let report = block_on(async {
        embedded::serve_all(&settings, false).await?;
        Ok::<_, CliError>(daemon::run(settings, OpenOptions::default(), stay, tell).await?)
    });
    progress.end();
    let report = report??;
    let report = status::Shown::of(&report)?;
    status::print(&report);
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Asks a person; where there is none, nothing is confirmed.
pub(super) fn confirmed(question: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::user("Nobody is there to confirm.").hint("--yes goes on without asking"));
    }
    anstream::print!("{question} [y/N] ");
    let failed = |error| CliError::internal("The answer cannot be read.", error);
    std::io::stdout().flush().map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
