//! `provost directory serve`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{CliError, block_on};
use crate::embedded;

/// The embedded directory, a SCIM 2.0 server
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Serve(ServeArgs),
}

/// Serve a directory from one SQLite file; the SCIM base is /scim/v2
///
/// Example:
///   provost directory serve --data people.sqlite --listen 127.0.0.1:8080 --token-file token
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct ServeArgs {
    /// The SQLite file; it is made where absent
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// A file that holds the bearer token which clients must show
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let Verb::Serve(args) = &args.verb;
    let token = std::fs::read_to_string(&args.token_file).map_err(|error| {
        CliError::internal(format!("The token file {} cannot be read.", args.token_file.display()), error)
    })?;
    let token = token.trim();
    if token.is_empty() {
        return Err(CliError::user(format!("The token file {} is empty.", args.token_file.display())));
    }
    let server = embedded::Server { data: args.data.clone(), listen: args.listen, token: token.into() };
    block_on(async {
        let served = embedded::bind(&server).await?;
        anstream::println!("Serving {} on http://{}/scim/v2", args.data.display(), served.address);
        served.run(crate::daemon::stopped()).await
    })??;
    Ok(ExitCode::SUCCESS)
}
