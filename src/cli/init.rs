//! `provost init`

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use crate::engine::{Engine, OpenOptions};
use crate::settings::{DEFAULT_FILE, Overrides, Settings};

/// Set up an installation: a settings file, and an audit log that trusts a commit you name
///
/// The named commit is the first one that counts: every rule in it comes into force. From there provost only goes
/// forward. Nothing is written to any target before `provost adopt TARGET`.
///
/// Examples:
///   provost init --repo ../access --trust HEAD
///   provost init --repo https://git.example.com/access.git --branch main --trust 3f2a91c --recovery-key safe.pub
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The desired-state repository: a path, or anything that git can fetch
    #[arg(long, value_name = "URL")]
    repo: String,
    /// The tracked branch
    #[arg(long, default_value = "main")]
    branch: String,
    /// The commit to trust first
    #[arg(long, value_name = "COMMIT")]
    trust: String,
    /// A public key kept offline; from then on `provost trust` needs the signature of one of them
    #[arg(long, value_name = "FILE")]
    recovery_key: Vec<PathBuf>,
    /// The state folder
    #[arg(long, value_name = "DIR", default_value = "state")]
    state: PathBuf,
    /// The folder for the settings file
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let path = args.dir.join(DEFAULT_FILE);
    if path.exists() {
        return Err(CliError::user(format!("{} is there already.", path.display()))
            .hint("`provost trust` names another commit; another --dir makes another installation"));
    }
    let failed = |error| CliError::internal(format!("{} cannot be written.", path.display()), error);
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    std::fs::write(&path, settings_text(args)).map_err(failed)?;
    let settings = Settings::load(Some(&path), &Overrides::default())?;
    let options = OpenOptions {
        trust: Some(args.trust.clone()),
        recovery_keys: args.recovery_key.clone(),
        ..OpenOptions::default()
    };
    let created = Engine::create(std::sync::Arc::new(settings.clone()), &options).inspect_err(|_| {
        // A settings file without its installation would stop the next try.
        drop(std::fs::remove_file(&path));
    })?;
    note_in_repository(&settings, &path);
    anstream::println!("installation  {}", created.installation);
    anstream::println!("settings      {}", path.display());
    anstream::println!("trusted       {}", created.commit);
    anstream::println!(
        "\nNext: bind the secrets that your targets name in {}, then `provost run`,",
        path.display()
    );
    anstream::println!("and `provost adopt TARGET` for each target that provost may write to.");
    Ok(ExitCode::SUCCESS)
}

fn settings_text(args: &Args) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        "# Settings of one provost installation; docs/OPERATIONS.md describes every one.\n\
         state = {}\n\n\
         [repository]\nurl = {}\nbranch = {}\n\n\
         [http]\nlisten = \"127.0.0.1:7640\"\n\n\
         # Each secret that a Target document names, bound to that target:\n\
         # [secrets.forge-token]\n# file = \"/run/secrets/forge-token\"\n# target = \"forge\"\n",
        quoted(&args.state.to_string_lossy()),
        quoted(&args.repo),
        quoted(&args.branch),
    )
}

/// Notes the settings file in a local repository's own git configuration, so that `--repo` alone finds it.
pub(super) fn note_in_repository(settings: &Settings, path: &std::path::Path) {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let noted = git2::Repository::open(&settings.repository.url)
        .and_then(|repository| repository.config()?.set_str("provost.config", &absolute.to_string_lossy()));
    if let Err(error) = noted {
        tracing::debug!(%error, "the settings file is not noted in the repository");
    }
}
