//! `provost check`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use owo_colors::OwoColorize;
use provost_core::document::{Problem, Severity};
use provost_core::snapshot::Change;

use super::{CliError, Output, output};
use crate::engine::used_before;
use crate::text::{safe, safe_block};
use crate::{check, git, snapshot};

/// Report every problem of the documents at once, with place and hint
///
/// Checks a folder, or a commit of a repository without checking it out. Exits with 1 if anything is wrong.
///
/// Examples:
///   provost check
///   provost check desired-state --output json
///   provost check --repo access.git --commit feature
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    documents: Documents,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Where documents are.
#[derive(Debug, clap::Args)]
pub(super) struct Documents {
    /// The folder [default: here]
    #[arg(conflicts_with_all = ["repo", "commit"])]
    path: Option<PathBuf>,
    /// A repository, instead of a folder
    #[arg(long, value_name = "URL")]
    repo: Option<PathBuf>,
    /// The commit of the repository [default: HEAD]
    #[arg(long, requires = "repo")]
    commit: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let (changes, texts) = read(&args.documents)?;
    let documents = changes.len();
    let used = texts.repository().map_or(Ok(Default::default()), |repository| used_before(&repository))?;
    let problems = check::problems(changes, &used, |path| texts.read(path));
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    match args.output {
        Output::Json => output::json(&problems)?,
        Output::Markdown => print_markdown(&problems, documents),
        Output::Text => print_text(&problems, &texts, documents),
    }
    Ok(if errors > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Where the text of a file comes from.
pub(super) enum Texts {
    Folder(PathBuf),
    Commit { repository: git2::Repository, commit: git2::Oid },
}

impl Texts {
    /// The repository that they are in, if any.
    fn repository(&self) -> Option<git2::Repository> {
        let path = match self {
            Texts::Folder(folder) => folder.clone(),
            Texts::Commit { repository, .. } => repository.path().to_owned(),
        };
        git2::Repository::discover(path).ok()
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self {
            Texts::Folder(folder) => std::fs::read(folder.join(path)).ok(),
            Texts::Commit { repository, commit } => {
                let tree = repository.find_commit(*commit).ok()?.tree().ok()?;
                let blob =
                    tree.get_path(Path::new(path)).ok()?.to_object(repository).ok()?.peel_to_blob().ok()?;
                Some(blob.content().to_owned())
            }
        }
    }
}

pub(super) fn read(args: &Documents) -> Result<(Vec<Change>, Texts), CliError> {
    if let Some(repo) = &args.repo {
        let url = repo.to_string_lossy();
        if !repo.exists() {
            return Err(CliError::user(format!("There is no repository {url}."))
                .hint("clone it first: a check reads a repository on this machine"));
        }
        let source = git::Source::new(&url, "main", Path::new(""));
        let commit = source.resolve(args.commit.as_deref().unwrap_or("HEAD"))?;
        let changes = snapshot::read(&source, None, commit)?;
        return Ok((changes, Texts::Commit { repository: source.open()?, commit }));
    }
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from("."));
    let changes = snapshot::read_folder(&folder).map_err(|error| {
        CliError::internal(format!("The folder {} cannot be read.", folder.display()), error)
    })?;
    if changes.is_empty() {
        return Err(CliError::user(format!("There is no document in {}.", folder.display()))
            .hint("a document is a file that ends in .yaml; `provost quickstart` makes an example"));
    }
    Ok((changes, Texts::Folder(folder)))
}

fn print_text(problems: &[Problem], texts: &Texts, documents: usize) {
    let renderer = Renderer::styled();
    for problem in problems {
        let text =
            texts.read(problem.file.as_str()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        anstream::eprintln!("{}\n", render(&renderer, problem, text.as_deref()));
    }
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let verdict = if errors > 0 {
        format!("{} {errors} to mend", "problems:".red().bold())
    } else {
        format!("{}", "no problem".green().bold())
    };
    anstream::println!("{documents} documents, {verdict}, {warnings} warnings");
}

fn render(renderer: &Renderer, problem: &Problem, text: Option<&str>) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = safe(&problem.message);
    let title = level.primary_title(&message).id(problem.code);
    let line = usize::try_from(problem.line).unwrap_or(0);
    // A line with control or bidirectional characters is shown escaped, so its columns would be others.
    let shown = text.and_then(|text| text.lines().nth(line.checked_sub(1)?)).map(safe_block);
    let file = safe(problem.file.as_str());
    let mut group = Group::with_title(title);
    if let Some(shown) = &shown {
        let column = usize::try_from(problem.column).unwrap_or(1).max(1) - 1;
        let from = shown.char_indices().nth(column).map_or(shown.len(), |(at, _)| at);
        let rest = shown[from..].find([' ', ',', '}', ']', ':']).filter(|length| *length > 0);
        let to = rest.map_or(shown.len(), |length| from + length);
        let snippet = Snippet::source(shown.as_str())
            .line_start(line)
            .path(file.as_str())
            .annotation(AnnotationKind::Primary.span(from..to));
        group = group.element(snippet);
    } else {
        group = group.element(annotate_snippets::Origin::path(file.as_str()));
    }
    let hint = problem.hint.as_deref().map(safe);
    if let Some(hint) = &hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}

fn print_markdown(problems: &[Problem], documents: usize) {
    anstream::println!("**provost check**: {documents} documents, {} findings\n", problems.len());
    if problems.is_empty() {
        return;
    }
    anstream::println!("| place | problem | hint |\n|---|---|---|");
    for problem in problems {
        let cell = |text: &str| safe(text).replace('|', "\\|").replace('<', "&lt;");
        anstream::println!(
            "| {}:{} | {} | {} |",
            cell(problem.file.as_str()),
            problem.line,
            cell(&problem.message),
            cell(problem.hint.as_deref().unwrap_or_default())
        );
    }
}
