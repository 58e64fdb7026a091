//! `provost quickstart`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use owo_colors::OwoColorize;

use super::progress::Convergence;
use super::{CliError, block_on, run, status};
use crate::daemon::{self, Report, Stay, Tell};
use crate::demo::{self, Demo};
use crate::settings::{Log, Overrides, Settings};
use crate::{embedded, telemetry};

/// Run a whole organisation in one folder: repository, targets and daemon
///
/// Makes DIR/repository with the example's documents, embedded directories as its targets, and an installation; brings
/// the targets to what the documents say, and stays up. Run again on the same folder it goes on from there.
///
/// Examples:
///   provost quickstart
///   provost quickstart --dir demo --once
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The folder
    #[arg(long, value_name = "DIR", default_value = "provost-demo")]
    dir: PathBuf,
    /// Where the API listens; the directories take the four ports after it [default: 127.0.0.1:7640]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// End when the targets are as the documents say
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let demo = Demo::at(&args.dir);
    if !demo.exists() {
        anstream::println!("Making an organisation in {} ...", args.dir.display());
        demo.create(args.listen)?;
    }
    let overrides = Overrides { listen: args.listen, ..Overrides::default() };
    let settings = Settings::load(Some(&demo.settings()), &overrides)?;
    let filter = settings.log.filter.clone().unwrap_or_else(|| "warn".to_owned());
    telemetry::start(&Log { filter: Some(filter), ..settings.log.clone() });
    let stay = if args.once { Stay::UntilSettled(run::ONCE_LIMIT) } else { Stay::Forever };
    let stays = !args.once;
    let told = settings.clone();
    let progress = Convergence::begin();
    let report = block_on(async move {
        embedded::serve_all(&settings, false).await?;
        demo::seed(&settings).await?;
        let options = demo::options();
        let (shown, cleared) = (progress.clone(), progress);
        let tell = Tell {
            changed: Box::new(move |report| shown.show(report)),
            settled: Box::new(move |report| {
                cleared.end();
                summary(report, &demo, &told, stays);
            }),
        };
        Ok::<_, CliError>(daemon::run(settings, options, stay, tell).await?)
    })??;
    let whole = status::Shown::of(&report)?.is_whole();
    Ok(if whole || stays { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What happened, in a screenful.
fn summary(report: &Report, demo: &Demo, settings: &Settings, stays: bool) {
    match status::Shown::of(report) {
        Ok(shown) => status::print(&shown),
        Err(error) => error.print(),
    }
    let repository = demo.repository();
    anstream::println!("\n{}", "Try".bold());
    anstream::println!("  export PROVOST_CONFIG={}", demo.settings().display());
    anstream::println!("  provost why aosei                    what she has, what waits, and why");
    let keys = demo.keys();
    anstream::println!("  provost approve                      what waits for people, and for whom");
    anstream::println!(
        "  provost approve DIGEST --key {}   and the same with p-0007: two signatures, and it is in force",
        keys.join("p-0003").display()
    );
    anstream::println!("  git -C {} log --stat provost/audit -- live/forge", repository.display());
    if stays {
        anstream::println!(
            "  edit a file in {}, commit, and look again with: provost status",
            repository.display()
        );
        if let Some(listen) = settings.http.listen {
            anstream::println!("\nThe daemon goes on (API on http://{listen}). Ctrl-C ends it.");
        }
    }
}
