//! `provost approve`

use std::path::PathBuf;
use std::process::ExitCode;

use git2::Oid;
use jiff::Timestamp;
use owo_colors::OwoColorize;
use provost_core::Sym;
use provost_core::approval::{NAMESPACE, Predicate, Request, Statement, Word};
use provost_core::digest::Digest;
use provost_core::when::Length;
use serde::Serialize;

use super::{CliError, Config, Output, apply, output};
use crate::approval::key::nonce;
use crate::approval::look::APPROVAL;
use crate::approval::room::{Asked, Room};
use crate::settings::{Overrides, Settings, SettingsError};
use crate::text::{safe, safe_block};

/// Agree to what waits, or deny it, with a signature
///
/// Fetches what waits, derives again from the commit what it asks for, and marks what the commit does not entail. What
/// you sign is what is shown: who gets what power where until when. It is pushed to the branch provost/approvals, where
/// the daemon finds it. Without DIGEST it lists what waits, and what is missing from whom.
///
/// The key is that of a file, or one of your agent; without either, git's user.signingKey. A key with a passphrase or
/// on a security key signs through ssh-keygen.
///
/// Examples:
///   provost approve
///   provost approve 3f2a91c07b11 --key ~/.ssh/id_ed25519
///   provost approve 3f2a91c07b11 --agent --repo git@git.example.com:acme/access.git
///   provost approve 3f2a91c07b11 --deny
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// What to agree to: digests, or how they begin
    digest: Vec<String>,
    /// Say no, or take an agreement back; once seen this is final
    #[arg(long, requires = "digest")]
    deny: bool,
    #[command(flatten)]
    signing: Signing,
    /// How long this may wait for its use
    #[arg(long, value_name = "LENGTH", default_value = "7d", value_parser = length)]
    expires: Length,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// The desired-state repository, instead of the settings'
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// The tracked branch, where there are no settings
    #[arg(long, default_value = "main")]
    branch: String,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// With which key.
#[derive(Debug, clap::Args)]
pub(super) struct Signing {
    /// A private key, or the public half of one in your agent
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// The key in your agent that is allowed to sign
    #[arg(long, conflicts_with = "key")]
    pub(super) agent: bool,
}

impl Signing {
    /// The file of the key; none means the agent.
    pub(super) fn file(&self) -> Result<Option<PathBuf>, CliError> {
        if self.agent || self.key.is_some() {
            return Ok(self.key.clone());
        }
        let configured = git2::Config::open_default().and_then(|config| config.get_path("user.signingkey"));
        configured.map(Some).map_err(|_| {
            CliError::user("No key is named.")
                .hint("--key FILE, --agent, or git's user.signingKey say which key signs")
        })
    }
}

/// The settings of an installation here; without any, those that an approver needs: which repository, which branch.
pub(super) fn settings(config: &Config, repo: Option<&str>, branch: &str) -> Result<Settings, CliError> {
    let overrides = Overrides { repository: repo.map(str::to_owned), ..Overrides::default() };
    let missing = match config.load_for(repo, &overrides) {
        Err(error) if repo.is_some() || here().is_some() => error,
        loaded => return loaded,
    };
    if Settings::load(None, &overrides).is_err_and(|error| !matches!(error, SettingsError::Missing)) {
        return Err(missing);
    }
    let url = repo.map(str::to_owned).or_else(here).unwrap_or_default();
    let failed = |error: std::io::Error| CliError::internal("No temporary file can be made.", error);
    let file = tempfile::NamedTempFile::new().map_err(failed)?;
    // A folder that is not there: everything is read from the repository.
    let text = toml::toml! {
        state = "nowhere"
        [repository]
        url = url
        branch = branch
    };
    std::fs::write(file.path(), text.to_string()).map_err(failed)?;
    Ok(Settings::load(Some(file.path()), &overrides)?)
}

/// Where the repository around this folder comes from.
fn here() -> Option<String> {
    let repository = git2::Repository::discover(".").ok()?;
    let origin = repository.find_remote("origin").ok()?;
    origin.url().ok().map(str::to_owned)
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    installation: &'a str,
    commit: String,
    requests: &'a [Asked],
}

#[derive(Debug, Serialize)]
struct Given {
    digest: Digest,
    file: String,
    approver: Sym,
    decision: Word,
    requests: Vec<Digest>,
    pushed: Option<String>,
}

pub(crate) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
    let room = Room::enter(&settings(config, args.repo.as_deref(), &args.branch)?, now)?;
    if args.digest.is_empty() {
        list(&room, args.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let asked: Vec<&Asked> =
        args.digest.iter().map(|digest| named(&room, digest)).collect::<Result<_, _>>()?;
    let mut shown = String::new();
    for one in &asked {
        shown.push_str(&one.text());
        shown.push('\n');
    }
    if args.output == Output::Text {
        anstream::print!("{}", safe_block(&shown));
    }
    if !args.deny
        && let Some(foreign) = asked.iter().find(|asked| !asked.may_be_signed())
    {
        return Err(CliError::user(format!(
            "The commit {} does not ask for {}, so it is not signed.",
            short(room.commit()),
            &foreign.digest.to_string()[..12]
        ))
        .hint("somebody else may have written it on the branch of what waits; tell the operator"));
    }
    let (key, approver) = room.key(args.signing.file()?.as_deref(), now)?;
    let decision = if args.deny { Word::Deny } else { Word::Approve };
    let question = match decision {
        Word::Approve => format!("Agree to this as {approver}?"),
        Word::Deny => format!("Deny this as {approver}? It is final."),
    };
    if !args.yes && !apply::confirmed(&question)? {
        return Ok(ExitCode::from(1));
    }
    let requests: Vec<Request> = asked.iter().map(|asked| asked.request.clone()).collect();
    let digests = asked.iter().map(|asked| asked.digest).collect();
    let statement = Statement::new(Predicate {
        installation: room.installation().to_owned(),
        reference: room.reference().to_owned(),
        commit: room.commit().to_string(),
        approver,
        decision,
        requests,
        expires: expiry(now, args.expires)?,
        nonce: nonce(),
        shown,
    });
    let bytes = statement.to_bytes();
    let line = String::from_utf8_lossy(&bytes);
    let signed = key.sign(NAMESPACE, line.trim_end_matches('\n'))?;
    let digest = Statement::digest_of(&bytes);
    let file = format!("{digest}{APPROVAL}");
    let pushed = room.push(&file, &signed.to_file(), &format!("{approver} {}", word(decision)))?;
    let given = Given {
        digest,
        file,
        approver,
        decision,
        requests: digests,
        pushed: pushed.map(|id| id.to_string()),
    };
    match args.output {
        Output::Json => output::json(&given)?,
        _ => anstream::println!("{} by {approver}, and pushed: {}", word(decision).green(), given.file),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(room: &Room, form: Output) -> Result<(), CliError> {
    if form == Output::Json {
        return output::json(&Listed {
            installation: room.installation(),
            commit: room.commit().to_string(),
            requests: room.asked(),
        });
    }
    if room.asked().is_empty() {
        anstream::println!("Nothing waits for agreement.");
    }
    for asked in room.asked() {
        anstream::println!("{}  {}", (&asked.digest.to_string()[..12]).bold(), safe_block(&asked.text()));
    }
    for warning in room.warnings() {
        anstream::println!("{} {}", "warning:".yellow().bold(), safe(warning));
    }
    Ok(())
}

fn named<'a>(room: &'a Room, digest: &str) -> Result<&'a Asked, CliError> {
    let of: Vec<&Asked> =
        room.asked().iter().filter(|asked| asked.digest.to_string().starts_with(digest)).collect();
    match of[..] {
        [one] if digest.len() >= 4 => Ok(one),
        [] => Err(CliError::user(format!("Nothing that waits is named {}.", safe(digest)))
            .hint("`provost approve` lists what waits")),
        _ => Err(CliError::user(format!("{} may be several things that wait.", safe(digest)))
            .hint("write more of it: at least four digits")),
    }
}

pub(super) fn length(text: &str) -> Result<Length, String> {
    text.parse().map_err(|error| format!("{error}"))
}

pub(super) fn expiry(now: Timestamp, length: Length) -> Result<Timestamp, CliError> {
    let expires = now.checked_add(length.0).ok().filter(|expires| *expires > now);
    // Whole seconds: what is signed reads as it was meant.
    let expires = expires.and_then(|expires| Timestamp::from_second(expires.as_second()).ok());
    expires.ok_or_else(|| CliError::user("--expires has to be a length such as 7d or 12h."))
}

pub(super) fn short(commit: Oid) -> String {
    commit.to_string()[..12].to_owned()
}

fn word(decision: Word) -> &'static str {
    match decision {
        Word::Approve => "agreed",
        Word::Deny => "denied",
    }
}
