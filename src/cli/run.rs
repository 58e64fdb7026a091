//! `provost run`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::{CliError, Config, block_on, status};
use crate::daemon::{self, Stay, Tell};
use crate::engine::OpenOptions;
use crate::settings::Overrides;
use crate::{embedded, telemetry};

/// Run the daemon
///
/// It watches the tracked branch, reads the targets on their schedules, applies what has been approved, repairs drift,
/// and records every mutation. SIGTERM ends it when what is under way is done; SIGHUP makes it read secrets and targets
/// again.
///
/// Examples:
///   provost run
///   provost run --repo https://git.example.com/access.git --state /var/lib/provost
///   provost run --once          ends when nothing is left to do
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The desired-state repository, instead of the settings'
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// The tracked branch, instead of the settings'
    #[arg(long)]
    branch: Option<String>,
    /// The state folder, instead of the settings'
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where the API listens, instead of the settings'
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// End when nothing is left to do
    #[arg(long)]
    once: bool,
}

/// How long `--once` waits for targets that do not answer.
pub(super) const ONCE_LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let overrides = Overrides {
        repository: args.repo.clone(),
        branch: args.branch.clone(),
        state: args.state.clone(),
        listen: args.listen,
    };
    let settings = config.load(&overrides)?;
    telemetry::start(&settings.log);
    let stay = if args.once { Stay::UntilSettled(ONCE_LIMIT) } else { Stay::Forever };
    let report = block_on(async {
        embedded::serve_all(&settings, false).await?;
        Ok::<_, CliError>(daemon::run(settings, OpenOptions::default(), stay, Tell::default()).await?)
    })??;
    if !args.once {
        return Ok(ExitCode::SUCCESS);
    }
    let report = status::Shown::of(&report)?;
    status::print(&report);
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
